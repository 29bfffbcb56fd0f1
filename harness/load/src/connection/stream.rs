//! A connection whose requests and replies we write and parse ourselves: HTTP/1.1 or commands.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use comeback_model::operation::ErrorClass;
use reqwest::ClientBuilder;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::super::socket::Socket;
use super::super::waits::{Expired, Waits};
use super::{Broken, Scratch, Wire, broken};
use comeback_session::reading::{Grammar, Progress, Reading};
use comeback_session::wire::{Framing, Malformed, Reply, Wanted};

/// A stream that carries one request at a time.
#[derive(Debug)]
pub(super) struct Stream {
    socket: Socket,
    wire: Grammar,
}

impl Stream {
    pub(super) const fn new(socket: Socket, wire: Grammar) -> Self {
        Self { socket, wire }
    }
}

impl Wire for Stream {
    fn speak(client: ClientBuilder) -> ClientBuilder {
        client.http1_only()
    }

    fn is_stale(&mut self, scratch: &Scratch) -> bool {
        self.socket.is_spoiled(&mut scratch.0.borrow_mut())
    }

    async fn exchange<R>(
        &mut self,
        request: &[u8],
        wanted: &Wanted,
        scratch: &Scratch,
        waits: &Waits,
        on_reply: impl FnOnce(&Reply) -> R,
    ) -> Result<(R, bool), Broken> {
        self.send(request, waits).await?;
        waits.note_left();
        let mut reading = Reading::to(request, self.wire);
        let mut on_reply = Some(on_reply);
        loop {
            let count = match waits
                .unless_expired(|cx| scratch.poll_fill(&mut self.socket, cx))
                .await
            {
                Err(Expired) => return Err(broken(ErrorClass::ResponseTimeout, true)),
                Ok(Err(error)) => return Err(broken(class_of_read(&error), true)),
                Ok(Ok(count)) => count,
            };
            let scratch = scratch.0.borrow();
            let progress = match count {
                0 => reading.end(),
                count => reading.absorb(&scratch[..count], wanted),
            };
            match progress {
                Ok(Progress::More) => {}
                Ok(Progress::CutOff) => return Err(broken(ErrorClass::Reset, true)),
                Err(Malformed) => return Err(broken(ErrorClass::Malformed, true)),
                Ok(Progress::Whole {
                    head,
                    body,
                    reusable,
                }) => {
                    let reply = Reply {
                        status: head.status,
                        boot: head.boot,
                        relayed: head.relayed,
                        cookies: &head.cookies,
                        headers: &head.headers,
                        body,
                        unframed: head.framing == Framing::UntilClose,
                    };
                    // The loop ends here, so it is called once.
                    if let Some(on_reply) = on_reply.take() {
                        return Ok((on_reply(&reply), reusable && head.keep_alive));
                    }
                }
            }
        }
    }
}

impl Stream {
    async fn send(&mut self, request: &[u8], waits: &Waits) -> Result<(), Broken> {
        let before = self.socket.left(0);
        let mut at = 0;
        while at < request.len() {
            let written = waits
                .unless_expired(|cx| Pin::new(&mut self.socket).poll_write(cx, &request[at..]))
                .await;
            match written {
                Ok(Ok(count)) => at += count,
                Ok(Err(_)) => return Err(self.cut_off(before, at)),
                Err(Expired) => {
                    let sent = self.socket.left(at) > before;
                    return Err(broken(ErrorClass::ResponseTimeout, sent));
                }
            }
        }
        let mut flush = |cx: &mut Context| Pin::new(&mut self.socket).poll_flush(cx);
        match waits.unless_expired(&mut flush).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(self.cut_off(before, at)),
            Err(Expired) => {
                let sent = self.socket.left(at) > before;
                Err(broken(ErrorClass::ResponseTimeout, sent))
            }
        }
    }

    /// The connection ended while the request was written: before its first byte nothing has happened.
    fn cut_off(&self, before: u64, given: usize) -> Broken {
        if self.socket.left(given) > before {
            broken(ErrorClass::Reset, true)
        } else {
            broken(ErrorClass::Refused, false)
        }
    }
}

impl Scratch {
    /// Reads what there is; how many bytes. Unlike `try_read` this lets the runtime forget its readiness when
    /// the buffer was not filled, which saves [`Stream::is_stale`] a system call for each operation.
    fn poll_fill(&self, socket: &mut Socket, cx: &mut Context) -> Poll<io::Result<usize>> {
        let mut bytes = self.0.borrow_mut();
        let mut buffer = ReadBuf::new(&mut bytes);
        Pin::new(socket)
            .poll_read(cx, &mut buffer)
            .map_ok(|()| buffer.filled().len())
    }
}

/// What a failed read means: TLS that makes no sense is told apart, and so is the end of an encrypted
/// stream that was not announced, which may have been cut anywhere.
fn class_of_read(error: &io::Error) -> ErrorClass {
    match error.kind() {
        io::ErrorKind::InvalidData => ErrorClass::Malformed,
        _ => ErrorClass::Reset,
    }
}
