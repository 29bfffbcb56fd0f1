//! A session over HTTP, as an exchange.

use std::io;

use comeback_model::operation::ErrorClass;

use crate::procedures::clients::{Exchange, Told, class_of};
use crate::procedures::line::Line;
use crate::procedures::user::{SESSION, User};

pub(super) struct Http {
    port: u16,
    user: User,
    line: Option<Line>,
}

impl Http {
    pub(super) const fn new(port: u16, user: User) -> Self {
        Self {
            port,
            user,
            line: None,
        }
    }

    fn line(&mut self) -> Result<&mut Line, ErrorClass> {
        self.line.as_mut().ok_or(ErrorClass::HarnessError)
    }
}

impl Exchange for Http {
    fn requests(&self) -> usize {
        SESSION.len()
    }

    async fn connect(&mut self) -> Told {
        self.line = Some(Line::open(self.port).await.map_err(told)?);
        Ok(())
    }

    async fn send(&mut self, place: usize) -> Told {
        let request = self.user.request(SESSION[place]);
        let request = request.map_err(|_| ErrorClass::HarnessError)?;
        self.line()?.send(&request).await.map_err(told)
    }

    async fn receive(&mut self, _place: usize) -> Told {
        let answer = self.line()?.answer().await.map_err(told)?;
        self.user.classify(&answer)
    }
}

fn told(error: io::Error) -> ErrorClass {
    class_of(&error)
}
