//! `pid-file`: a journal server that writes its process id to a file, and does not start while that file exists. Only an orderly
//! stop removes it.
//!
//! Must be exposed as never ready after a kill; after SIGTERM it starts again.

use std::fs::{self, OpenOptions};
use std::io::Write;

use crate::contract::App;
use crate::error::ServeError;
use crate::journal::Journal;
use crate::launch::Launch;

pub(crate) fn start(launch: Launch) -> Result<(), ServeError> {
    let path = launch.data().join("server.pid");
    let log = launch.data().join("log");
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&path)
        .map_err(ServeError::file("create", &path))?;
    writeln!(file, "{}", std::process::id()).map_err(ServeError::file("write", &path))?;
    fs::create_dir_all(&log).map_err(ServeError::file("create", &log))?;
    let served = launch.serve(App::over(Journal::open(&log)?));
    fs::remove_file(&path).map_err(ServeError::file("remove", &path))?;
    served
}
