//! `telnet`: login, password, then a tiny shell whose folder and counter belong to the connection.
//!
//! The protocol's own part, commands and negotiation between the text, is done by a library without sockets; the lines
//! are answered by [`shell`].

mod shell;

use std::io;
use std::time::Duration;

use libmudtelnet::Parser;
use libmudtelnet::compatibility::CompatibilityTable;
use libmudtelnet::events::TelnetEvents;
use libmudtelnet::telnet::op_option::ECHO;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::error::ServeError;
use crate::launch::{Launch, Stop};
use shell::{LINE_MAX, Reply, Shell};
pub use shell::{LOGIN_PROMPT, NOT_LOGGED_IN, PASSWORD_PROMPT, PROMPT};

/// A connection on which nothing is typed for so long is closed.
const IDLE_MAX: Duration = Duration::from_secs(600);

/// Bytes that are read at once.
const READ_MAX: usize = 4_096;

pub(crate) fn start(launch: Launch) -> Result<(), ServeError> {
    launch.run(serve)
}

/// Every line is answered before the next is read, so that no request is in flight when a connection is dropped.
async fn serve(listener: TcpListener, stop: Stop) {
    let mut connections = JoinSet::new();
    let mut stop = stop;
    loop {
        let accepted = tokio::select! {
            () = &mut stop => return,
            accepted = listener.accept() => accepted,
        };
        if let Ok((stream, _)) = accepted {
            // A connection that fails is the client's affair.
            connections.spawn(async move { Connection::new(stream).serve().await.is_ok() });
        }
        while connections.try_join_next().is_some() {}
    }
}

struct Connection {
    stream: TcpStream,
    parser: Parser,
    shell: Shell,
    /// The part of an unfinished line that was typed.
    typed: Vec<u8>,
}

impl Connection {
    fn new(stream: TcpStream) -> Self {
        let mut options = CompatibilityTable::new();
        options.support_local(ECHO);
        Self {
            stream,
            parser: Parser::with_support(options),
            shell: Shell::default(),
            typed: Vec::new(),
        }
    }

    async fn serve(mut self) -> io::Result<()> {
        self.stream.set_nodelay(true)?;
        self.stream.write_all(LOGIN_PROMPT.as_bytes()).await?;
        let mut buffer = [0; READ_MAX];
        loop {
            let read = self.stream.read(&mut buffer);
            let Ok(length) = tokio::time::timeout(IDLE_MAX, read).await else {
                return Ok(());
            };
            let length = length?;
            if length == 0 {
                return Ok(());
            }
            let (out, goes_on) = self.take(&buffer[..length]);
            self.stream.write_all(&out).await?;
            if !goes_on {
                return self.stream.shutdown().await;
            }
        }
    }

    /// Takes bytes from the client: what to send back, and whether it goes on.
    fn take(&mut self, bytes: &[u8]) -> (Vec<u8>, bool) {
        let mut out = Vec::new();
        for event in self.parser.receive(bytes) {
            match event {
                TelnetEvents::DataSend(bytes) => out.extend_from_slice(&bytes),
                TelnetEvents::DataReceive(bytes) => {
                    for byte in bytes {
                        if !self.take_byte(byte, &mut out) {
                            return (out, false);
                        }
                    }
                }
                // Interrupts, window sizes and the like change nothing here.
                TelnetEvents::IAC(_)
                | TelnetEvents::Negotiation(_)
                | TelnetEvents::Subnegotiation(_)
                | TelnetEvents::DecompressImmediate(_) => {}
            }
        }
        (out, true)
    }

    /// A line ends with a line feed. Before it comes a carriage return, which may have a NUL after it (RFC 854).
    fn take_byte(&mut self, byte: u8, out: &mut Vec<u8>) -> bool {
        match byte {
            b'\n' => self.answer(out),
            b'\r' | 0 => true,
            byte => {
                if self.typed.len() < LINE_MAX {
                    self.typed.push(byte);
                }
                true
            }
        }
    }

    fn answer(&mut self, out: &mut Vec<u8>) -> bool {
        let line = std::mem::take(&mut self.typed);
        let was_secret = self.shell.wants_secret();
        let Reply { lines, prompt } = self.shell.answer(&String::from_utf8_lossy(&line));
        if was_secret {
            // The client showed nothing of the password, nor the end of its line.
            out.extend(
                self.parser
                    ._wont(ECHO)
                    .map(TelnetEvents::to_bytes)
                    .into_iter()
                    .flatten(),
            );
            out.extend_from_slice(b"\r\n");
        }
        for line in lines {
            out.extend_from_slice(&Parser::escape_iac(format!("{line}\r\n")));
        }
        if self.shell.wants_secret() {
            out.extend(
                self.parser
                    ._will(ECHO)
                    .map(TelnetEvents::to_bytes)
                    .into_iter()
                    .flatten(),
            );
        }
        if let Some(prompt) = prompt {
            out.extend_from_slice(prompt.as_bytes());
        }
        prompt.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    // `IAC WILL ECHO`: the server shows what is typed, which is nothing.
    const HIDE: &[u8] = &[255, 251, 1];
    const SHOW: &[u8] = &[255, 252, 1];

    async fn connection() -> Connection {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stream, _) = tokio::join!(TcpStream::connect(address), listener.accept());
        Connection::new(stream.unwrap())
    }

    #[tokio::test]
    async fn a_password_is_not_shown_and_the_rest_is() {
        let mut connection = connection().await;
        let (asked, _) = connection.take(b"ann\r\n");
        assert_eq!(asked, [HIDE, b"Password: "].concat());
        // The client agrees, in the midst of its line.
        assert_eq!(connection.take(&[255, 253, 1, b'c', b'o']).0, b"");
        let (logged_in, _) = connection.take(b"meback\r\0\n");
        assert_eq!(logged_in, [SHOW, b"\r\n$ "].concat());
    }

    #[tokio::test]
    async fn lines_in_pieces_and_several_at_once_are_answered_in_order() {
        let mut connection = connection().await;
        connection.take(b"ann\r\ncomeback\r\n");
        assert_eq!(connection.take(b"cou").0, b"");
        assert_eq!(connection.take(b"nt\r\ncount\r\n").0, b"1\r\n$ 2\r\n$ ");
        assert!(!connection.take(b"exit\r\ncount\r\n").1);
    }

    #[tokio::test]
    async fn what_the_client_wishes_of_the_terminal_is_declined() {
        let mut connection = connection().await;
        // IAC DO SUPPRESS-GO-AHEAD, IAC WILL WINDOW-SIZE: IAC WONT, IAC DONT.
        let (said, goes_on) = connection.take(&[255, 253, 3, 255, 251, 31]);
        assert_eq!(
            (said.as_slice(), goes_on),
            (&[255, 252, 3, 255, 254, 31][..], true)
        );
    }
}
