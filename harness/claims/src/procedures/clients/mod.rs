//! Exchanges in other protocols: a client sends its requests in order, and knows what the reply to each must be.
//!
//! Sending and receiving are two steps, so that a server can be killed between them. Replies are judged by what they must
//! say, which is computed: nothing is recorded from a server. Failures have the classes of the load. Called by the
//! procedures of claims.

pub(crate) mod dns;
pub(crate) mod ftp;
pub(crate) mod telnet;
#[cfg(test)]
mod tests;
pub(crate) mod udp;

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use comeback_model::operation::ErrorClass;
use tokio::net::TcpStream;

/// A connection that takes longer is not made, and a reply that takes longer does not come.
const WITHIN: Duration = Duration::from_secs(5);

/// Whether something came out right, or what was wrong.
pub(crate) type Told = Result<(), ErrorClass>;

/// A client and the requests it has for a server, each at its place, from 0.
pub(crate) trait Exchange {
    /// How many requests there are.
    fn requests(&self) -> usize;

    /// Begins a new connection and drops the old one. What the client knows by itself, such as a cookie, stays.
    ///
    /// # Errors
    /// If the server does not take it, or does not greet as it must.
    async fn connect(&mut self) -> Told;

    /// Sends the request at a place, and does not wait until it is answered.
    ///
    /// # Errors
    /// If it cannot be sent, or a step before it, such as opening a data connection, is refused.
    async fn send(&mut self, place: usize) -> Told;

    /// Takes the reply to what was sent.
    ///
    /// # Errors
    /// If it does not come, or is not what it must be.
    async fn receive(&mut self, place: usize) -> Told;

    /// Sends a request and takes its reply.
    ///
    /// # Errors
    /// As the two.
    async fn ask(&mut self, place: usize) -> Told {
        self.send(place).await?;
        self.receive(place).await
    }

    /// Goes on with the interrupted request at a place by a session of its own, where the protocol can go on in the midst
    /// of one: how much needed not be done again, of how much. None where it cannot.
    async fn resume(&mut self, _place: usize) -> Option<(u64, u64)> {
        None
    }
}

/// The same word for the same failure as in the load.
pub(crate) fn class_of(error: &io::Error) -> ErrorClass {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => ErrorClass::Refused,
        io::ErrorKind::TimedOut => ErrorClass::ResponseTimeout,
        io::ErrorKind::InvalidData => ErrorClass::Malformed,
        _ => ErrorClass::Reset,
    }
}

/// Right or wrong.
const fn must(is_right: bool) -> Told {
    match is_right {
        true => Ok(()),
        false => Err(ErrorClass::WrongAnswer),
    }
}

async fn connect_tcp(port: u16) -> Result<TcpStream, ErrorClass> {
    let connected = tokio::time::timeout(WITHIN, TcpStream::connect((Ipv4Addr::LOCALHOST, port)));
    let stream = connected
        .await
        .map_err(|_| ErrorClass::ConnectTimeout)?
        .map_err(|error| class_of(&error))?;
    stream.set_nodelay(true).map_err(|error| class_of(&error))?;
    Ok(stream)
}

async fn in_time<T>(work: impl Future<Output = io::Result<T>>) -> Result<T, ErrorClass> {
    match tokio::time::timeout(WITHIN, work).await {
        Ok(done) => done.map_err(|error| class_of(&error)),
        Err(_) => Err(ErrorClass::ResponseTimeout),
    }
}

/// What is asked of a client that has no connection is a mistake of ours.
fn open<T>(connection: &mut Option<T>) -> Result<&mut T, ErrorClass> {
    connection.as_mut().ok_or(ErrorClass::HarnessError)
}
