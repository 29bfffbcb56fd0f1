//! The files of a folder, with every transfer counted while it runs: a server that is asked to end lets them complete.

use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_trait::async_trait;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::watch;
use unftp_core::auth::DefaultUser;
use unftp_core::storage::{Fileinfo, Result, StorageBackend};
use unftp_sbe_fs::{Filesystem, Meta};

/// How many transfers run now.
#[derive(Clone, Debug)]
pub(super) struct Transfers(watch::Sender<usize>);

impl Default for Transfers {
    fn default() -> Self {
        Self(watch::Sender::new(0))
    }
}

impl Transfers {
    pub(super) fn are_running(&self) -> bool {
        *self.0.borrow() > 0
    }

    /// Ready when none runs.
    pub(super) async fn end(&self) {
        // The sender is held by `self`, so that this cannot fail.
        let _ = self.0.subscribe().wait_for(|running| *running == 0).await;
    }

    fn begin(&self) -> Running {
        self.0.send_modify(|running| *running += 1);
        Running(self.clone())
    }
}

/// A transfer that runs; dropping it says that it does not any more.
#[derive(Debug)]
struct Running(Transfers);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.0.send_modify(|running| *running -= 1);
    }
}

/// A file on its way to a client.
struct Sent<R> {
    file: R,
    _running: Running,
}

impl<R: AsyncRead + Unpin> AsyncRead for Sent<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.file).poll_read(context, buffer)
    }
}

/// The files.
#[derive(Clone, Debug)]
pub(super) struct Counted {
    files: Arc<Filesystem>,
    transfers: Transfers,
}

impl Counted {
    pub(super) fn new(files: Filesystem, transfers: Transfers) -> Self {
        Self {
            files: Arc::new(files),
            transfers,
        }
    }
}

#[async_trait]
impl StorageBackend<DefaultUser> for Counted {
    type Metadata = Meta;

    fn supported_features(&self) -> u32 {
        StorageBackend::<DefaultUser>::supported_features(&*self.files)
    }

    async fn metadata<P>(&self, user: &DefaultUser, path: P) -> Result<Meta>
    where
        P: AsRef<Path> + Send + Debug,
    {
        self.files.metadata(user, path).await
    }

    async fn list<P>(&self, user: &DefaultUser, path: P) -> Result<Vec<Fileinfo<PathBuf, Meta>>>
    where
        P: AsRef<Path> + Send + Debug,
    {
        self.files.list(user, path).await
    }

    async fn get<P>(
        &self,
        user: &DefaultUser,
        path: P,
        start: u64,
    ) -> Result<Box<dyn AsyncRead + Send + Sync + Unpin>>
    where
        P: AsRef<Path> + Send + Debug,
    {
        let running = self.transfers.begin();
        let file = self.files.get(user, path, start).await?;
        Ok(Box::new(Sent {
            file,
            _running: running,
        }))
    }

    async fn put<P, R>(&self, user: &DefaultUser, input: R, path: P, start: u64) -> Result<u64>
    where
        P: AsRef<Path> + Send + Debug,
        R: AsyncRead + Send + Sync + Unpin + 'static,
    {
        let _running = self.transfers.begin();
        self.files.put(user, input, path, start).await
    }

    async fn del<P>(&self, user: &DefaultUser, path: P) -> Result<()>
    where
        P: AsRef<Path> + Send + Debug,
    {
        self.files.del(user, path).await
    }

    async fn mkd<P>(&self, user: &DefaultUser, path: P) -> Result<()>
    where
        P: AsRef<Path> + Send + Debug,
    {
        self.files.mkd(user, path).await
    }

    async fn rename<P>(&self, user: &DefaultUser, from: P, to: P) -> Result<()>
    where
        P: AsRef<Path> + Send + Debug,
    {
        self.files.rename(user, from, to).await
    }

    async fn rmd<P>(&self, user: &DefaultUser, path: P) -> Result<()>
    where
        P: AsRef<Path> + Send + Debug,
    {
        self.files.rmd(user, path).await
    }

    async fn cwd<P>(&self, user: &DefaultUser, path: P) -> Result<()>
    where
        P: AsRef<Path> + Send + Debug,
    {
        self.files.cwd(user, path).await
    }
}
