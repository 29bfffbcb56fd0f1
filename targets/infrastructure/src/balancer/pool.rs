//! Connections to a replica, kept for the next request.
//!
//! A replica may close an idle connection at any time. One that did is thrown away before a request is written: the
//! kernel is asked, for hyper may not have had its turn yet. What is left is the moment between that look and the
//! write; a request that falls into it is told as reset, for it may have been processed.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustix::net::RecvFlags;
use tokio::net::TcpStream;

use super::upload::Upload;

/// Shorter than the keep-alive of servers one meets (the shortest common default is Node's, 5 s), so that the
/// balancer is who closes first.
const IDLE_AT_MOST: Duration = Duration::from_secs(4);
/// Idle connections kept for one replica: more than any load of this project has clients.
const KEPT_AT_MOST: usize = 1024;

/// A connection to a replica.
pub(crate) struct Link {
    pub(crate) sender: SendRequest<Upload>,
    /// The same socket, to look at it while hyper owns it.
    socket: OwnedFd,
    /// Whether it has carried a request before.
    pub(crate) reused: bool,
    idle_since: Instant,
}

impl Link {
    /// Connects; hyper's part of the work goes on in a task of its own.
    pub(crate) async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let socket = stream.as_fd().try_clone_to_owned()?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(io::Error::other)?;
        // How it ends is told to whoever waits for a reply on it.
        tokio::spawn(async move {
            let _ = connection.await;
        });
        Ok(Self {
            sender,
            socket,
            reused: false,
            idle_since: Instant::now(),
        })
    }

    /// Whether the replica has closed it, or sent unexpected bytes.
    fn is_stale(&self) -> bool {
        let mut byte = [0; 1];
        let looked = rustix::net::recv(
            self.socket.as_fd(),
            &mut byte,
            RecvFlags::PEEK | RecvFlags::DONTWAIT,
        );
        !matches!(looked, Err(rustix::io::Errno::AGAIN))
    }
}

/// Idle connections to one replica, the one used last at the back.
#[derive(Default)]
pub(crate) struct Pool(Mutex<VecDeque<Link>>);

impl Pool {
    fn links(&self) -> MutexGuard<'_, VecDeque<Link>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection that has shown no problem.
    pub(crate) fn take(&self) -> Option<Link> {
        let mut links = self.links();
        let mut not_yet = Vec::new();
        let mut found = None;
        while let Some(link) = links.pop_back() {
            if link.sender.is_closed() || link.idle_since.elapsed() > IDLE_AT_MOST {
                continue;
            }
            if !link.sender.is_ready() {
                // Its last request's body is still on its way, though the reply is complete.
                not_yet.push(link);
            } else if !link.is_stale() {
                found = Some(link);
                break;
            }
        }
        links.extend(not_yet.into_iter().rev());
        found
    }

    /// Keeps a connection whose reply has been read to its end.
    pub(crate) fn put(&self, mut link: Link) {
        if link.sender.is_closed() {
            return;
        }
        link.reused = true;
        link.idle_since = Instant::now();
        let mut links = self.links();
        links.push_back(link);
        while links.len() > KEPT_AT_MOST
            || links
                .front()
                .is_some_and(|oldest| oldest.idle_since.elapsed() > IDLE_AT_MOST)
        {
            links.pop_front();
        }
    }

    /// Closes all of them.
    pub(crate) fn clear(&self) {
        self.links().clear();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use std::net::{Shutdown, TcpListener};

    use super::*;

    /// Runs on one thread, so that nothing of hyper's happens between two lines without an await.
    fn alone(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(test);
    }

    /// A pool with one connection, and its other end.
    async fn pooled() -> (Pool, std::net::TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut link = Link::open(listener.local_addr().unwrap()).await.unwrap();
        let (other_end, _) = listener.accept().unwrap();
        link.sender.ready().await.unwrap();
        let pool = Pool::default();
        pool.put(link);
        (pool, other_end)
    }

    #[test]
    fn an_idle_connection_is_given_out_once_and_known_as_reused() {
        alone(async {
            let (pool, _other_end) = pooled().await;
            assert!(pool.take().unwrap().reused);
            assert!(pool.take().is_none());
        });
    }

    #[test]
    fn a_connection_the_replica_closed_this_moment_is_not_given_out() {
        alone(async {
            let (pool, other_end) = pooled().await;
            other_end.shutdown(Shutdown::Write).unwrap();
            assert!(pool.take().is_none());
        });
    }

    #[test]
    fn a_connection_with_something_unasked_for_is_not_given_out() {
        alone(async {
            let (pool, other_end) = pooled().await;
            io::Write::write_all(&mut &other_end, b"HTTP/1.1 408 Late\r\n").unwrap();
            assert!(pool.take().is_none());
        });
    }

    #[test]
    fn a_connection_that_was_idle_for_too_long_is_not_given_out() {
        alone(async {
            let (pool, _other_end) = pooled().await;
            pool.links()[0].idle_since = Instant::now().checked_sub(IDLE_AT_MOST * 2).unwrap();
            assert!(pool.take().is_none());
        });
    }
}
