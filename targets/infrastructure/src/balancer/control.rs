//! A Unix socket for whoever restarts replicas: takes lines, answers each with a line of JSON.
//!
//! `drain N` withholds requests from a replica, those with its sticky cookie too; what is in flight goes on. `return N`
//! takes that back. `status` shows all. A replica is drained when it is `draining` with 0 `in_flight`.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use tokio::net::{UnixListener, UnixStream};

use super::replicas::Replica;
use super::socket;
use crate::orders;

#[derive(Serialize)]
#[serde(untagged)]
enum Answer {
    Replicas { replicas: Vec<Status> },
    Error { error: String },
}

#[derive(Serialize)]
struct Status {
    index: usize,
    address: SocketAddr,
    up: bool,
    draining: bool,
    in_flight: usize,
}

/// Takes orders at a path; the socket goes when this is dropped.
pub(super) struct Orders {
    listener: UnixListener,
    path: PathBuf,
}

impl Orders {
    /// Listens at a path; a socket that nobody listens at any more is replaced.
    pub(super) fn bind(path: &Path) -> io::Result<Self> {
        let bind = |path: &Path| {
            let found = fs::symlink_metadata(path);
            let is_socket = found.is_ok_and(|file| file.file_type().is_socket());
            if is_socket && std::os::unix::net::UnixStream::connect(path).is_err() {
                fs::remove_file(path)?;
            }
            UnixListener::bind(path)
        };
        let told = |error: io::Error| {
            let what = format!("cannot listen at {}: {error}", path.display());
            io::Error::new(error.kind(), what)
        };
        Ok(Self {
            listener: socket::with_short_path(path, bind).map_err(told)?,
            path: path.to_owned(),
        })
    }

    /// Answers for ever.
    pub(super) async fn obey(self, replicas: &[Arc<Replica>]) {
        let replicas = replicas.to_vec();
        let may = |_: &UnixStream| true;
        orders::obey(&self.listener, may, move |line| answer(line, &replicas)).await;
    }
}

impl Drop for Orders {
    fn drop(&mut self) {
        // A leftover is replaced by the next one.
        let _ = fs::remove_file(&self.path);
    }
}

fn answer(line: &str, replicas: &[Arc<Replica>]) -> Answer {
    let mut words = line.split_whitespace();
    let (verb, number, rest) = (words.next(), words.next(), words.next());
    let wanted = match (verb, number, rest) {
        (Some("status"), None, None) => None,
        (Some("drain"), Some(number), None) => Some((number, true)),
        (Some("return"), Some(number), None) => Some((number, false)),
        _ => {
            return Answer::Error {
                error: "this is no order: write `drain N`, `return N` or `status`".to_owned(),
            };
        }
    };
    if let Some((number, draining)) = wanted {
        let found = number
            .parse()
            .ok()
            .and_then(|index: usize| replicas.get(index));
        let Some(replica) = found else {
            return Answer::Error {
                error: format!(
                    "there is no such replica: name one from 0 to {}",
                    replicas.len() - 1
                ),
            };
        };
        replica.set_draining(draining);
    }
    Answer::Replicas {
        replicas: replicas.iter().map(|replica| status(replica)).collect(),
    }
}

fn status(replica: &Replica) -> Status {
    Status {
        index: replica.index,
        address: replica.address,
        up: replica.is_up(),
        draining: replica.is_draining(),
        in_flight: replica.in_flight(),
    }
}
