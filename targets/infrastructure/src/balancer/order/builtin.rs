//! The builtin balancer: see [`super::super::control`].

use std::os::unix::net::UnixStream;
use std::path::Path;

use serde::Deserialize;

use super::{Listens, OrderError, Standing, ask_line, connect};

pub(super) struct Builtin(UnixStream);

#[derive(Deserialize)]
struct Answer {
    replicas: Vec<Standing>,
}

impl Builtin {
    pub(super) fn at(folder: &Path) -> Result<Self, OrderError> {
        connect(folder).map(Self)
    }

    fn ask(&mut self, line: &str) -> Result<Vec<Standing>, OrderError> {
        let said = ask_line(&mut self.0, line)?;
        let answer: Result<Answer, _> = serde_json::from_str(&said);
        answer
            .map(|answer| answer.replicas)
            .map_err(|_| OrderError::Strange(said))
    }
}

impl Listens for Builtin {
    fn tell(&mut self, replica: usize, drain: bool) -> Result<(), OrderError> {
        let verb = if drain { "drain" } else { "return" };
        self.ask(&format!("{verb} {replica}")).map(drop)
    }

    fn look(&mut self) -> Result<Vec<Standing>, OrderError> {
        self.ask("status")
    }
}
