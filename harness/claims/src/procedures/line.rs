//! A connection to a server, on which one request follows the other's reply.

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use comeback_session::wire::{BodyReader, Malformed, Wanted, parse_head};

/// A reply that takes longer does not come.
const WITHIN: Duration = Duration::from_secs(5);

/// A connection.
pub(super) struct Line {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// A reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// What it sets as cookies, in its words.
    pub(super) cookies: Vec<String>,
    pub(super) body: Vec<u8>,
    /// Its size with its head.
    pub(super) bytes: usize,
}

impl Line {
    pub(super) async fn open(port: u16) -> io::Result<Self> {
        let stream = in_time(TcpStream::connect((Ipv4Addr::LOCALHOST, port))).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: Vec::with_capacity(1024),
        })
    }

    /// Sends a request and reads its reply.
    pub(super) async fn ask(&mut self, request: &[u8]) -> io::Result<Answer> {
        self.send(request).await?;
        self.answer().await
    }

    /// Sends a request, and does not wait for its reply.
    pub(super) async fn send(&mut self, request: &[u8]) -> io::Result<()> {
        in_time(self.stream.write_all(request)).await
    }

    /// Reads the reply to what was sent.
    pub(super) async fn answer(&mut self) -> io::Result<Answer> {
        in_time(self.read()).await
    }

    async fn read(&mut self) -> io::Result<Answer> {
        let wanted = Wanted::default();
        self.buffer.clear();
        let head = loop {
            if let Some(head) = parse_head(&self.buffer, &wanted).map_err(malformed)? {
                break head;
            }
            self.more().await?;
        };
        let mut body = BodyReader::new(head.framing);
        let mut bytes = head.length;
        loop {
            bytes += body.feed(&self.buffer[bytes..]).map_err(malformed)?;
            if body.is_done() {
                break;
            }
            self.more().await?;
        }
        Ok(Answer {
            status: head.status,
            cookies: head.cookies,
            body: body.kept().to_vec(),
            bytes,
        })
    }

    async fn more(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// Waits until the other side has closed it, which nobody asked for.
    pub(super) async fn closed(&mut self) -> io::Result<()> {
        in_time(async {
            match self.stream.read_u8().await {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
                Err(error) => Err(error),
                Ok(_) => Err(io::Error::other(
                    "the server sent bytes that nobody asked for",
                )),
            }
        })
        .await
    }
}

async fn in_time<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(WITHIN, work)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

fn malformed(_: Malformed) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "the server sent bytes that are no reply",
    )
}
