//! `unix`: a memory server that listens on a Unix socket, `server.sock` in its data folder, and on no port.
//!
//! Nothing is wrong with that. It exposes a client that only knows ports.

use std::fs;
use std::io;
use std::path::Path;

use tokio::net::UnixListener;

use crate::contract::App;
use crate::error::ServeError;
use crate::launch::Launch;
use crate::memory::Memory;

/// The socket's name in the data folder.
const SOCKET: &str = "server.sock";

pub(crate) fn start(launch: Launch) -> Result<(), ServeError> {
    launch.serve_on(App::over(Memory::default()), |launch| {
        bind(&launch.data().join(SOCKET))
    })
}

/// Binds anew: what a killed server leaves of its socket is in the way.
fn bind(path: &Path) -> Result<UnixListener, ServeError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(ServeError::file("remove", path)(error));
        }
        Ok(()) | Err(_) => {}
    }
    UnixListener::bind(path).map_err(ServeError::file("bind", path))
}
