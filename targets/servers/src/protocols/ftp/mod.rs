//! `ftp`: the data folder over FTP, in passive mode. Who is logged in, in which folder, and where a transfer is to
//! begin is known of a connection; what was stored is in the folder.

mod counted;

use std::io;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use libunftp::{Server, ServerBuilder};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use unftp_core::auth::{AuthenticationError, Authenticator, Credentials, DefaultUser, Principal};
use unftp_sbe_fs::Filesystem;

use super::PASSWORD;
use crate::error::ServeError;
use crate::launch::{DRAIN_MAX, Launch, Stop};
use counted::{Counted, Transfers};

/// The ports of data connections. Those of outgoing connections begin above them, as Linux has it (`ip_local_port_range`):
/// thousands of these may wait out their end in TIME_WAIT, and nobody can bind their ports meanwhile.
pub const DATA_PORTS: RangeInclusive<u16> = 10_000..=19_999;

/// The greeting of a connection.
const GREETING: &str = "files of a test";

/// How long the word that a transfer is complete may take to its client.
const LAST_WORD_MAX: Duration = Duration::from_millis(100);

pub(crate) fn start(launch: Launch) -> Result<(), ServeError> {
    let root = launch.data().to_owned();
    let files = Filesystem::new(&root).map_err(ServeError::file("open", &root))?;
    let transfers = Transfers::default();
    let files = Counted::new(files, transfers.clone());
    launch.run(|listener, stop| serve(listener, stop, files, transfers))
}

/// Idle connections end at once; those with a transfer may complete it.
async fn serve(listener: TcpListener, stop: Stop, files: Counted, transfers: Transfers) {
    let mut connections = JoinSet::new();
    let mut stop = stop;
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => accepted,
        };
        if let Ok((stream, _)) = accepted {
            let files = files.clone();
            // A connection that fails is the client's affair.
            connections.spawn(async move { answer(stream, files).await.is_ok() });
        }
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    if transfers.are_running() {
        let _ = tokio::time::timeout(DRAIN_MAX, transfers.end()).await;
        tokio::time::sleep(LAST_WORD_MAX).await;
    }
}

async fn answer(stream: TcpStream, files: Counted) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let server: Server<Counted, DefaultUser> =
        ServerBuilder::with_authenticator(Box::new(move || files.clone()), Arc::new(OnePassword))
            .greeting(GREETING)
            .passive_ports(DATA_PORTS)
            .build()
            .map_err(io::Error::other)?;
    server.service(stream).await.map_err(io::Error::other)
}

/// Takes any name, and one password.
#[derive(Debug)]
struct OnePassword;

#[async_trait]
impl Authenticator for OnePassword {
    async fn authenticate(
        &self,
        username: &str,
        credentials: &Credentials,
    ) -> Result<Principal, AuthenticationError> {
        match credentials.password.as_deref() {
            Some(PASSWORD) => Ok(Principal {
                username: username.to_owned(),
            }),
            _ => Err(AuthenticationError::BadPassword),
        }
    }
}
