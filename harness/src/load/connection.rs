//! One connection of one client: what left, what came back, and how it broke.
//!
//! The socket is ours so that *refused before a byte was sent* and *reset after the request had left* are
//! two things. Every wait ends when the client's deadline has passed (see [`super::client::Waits`]).

use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use comeback_core::operation::ErrorClass;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;

use super::client::Waits;
use super::wire::{BodyReader, Framing, Head, Malformed, Reply, parse_head};

/// How much is read at once; shared by all connections of a worker.
const SCRATCH: usize = 32 * 1024;

/// A worker's read buffer: borrowed only while bytes are looked at, never across a wait.
#[derive(Debug)]
pub(super) struct Scratch(RefCell<Box<[u8]>>);

impl Scratch {
    pub(super) fn new() -> Self {
        Self(RefCell::new(vec![0; SCRATCH].into_boxed_slice()))
    }

    /// Reads what there is; how many bytes. Unlike `try_read` this lets the runtime forget its readiness when
    /// the buffer was not filled, which saves [`Connection::is_stale`] a system call for each operation.
    fn poll_fill(&self, stream: &mut TcpStream, cx: &mut Context) -> Poll<io::Result<usize>> {
        let mut bytes = self.0.borrow_mut();
        let mut buffer = ReadBuf::new(&mut bytes);
        Pin::new(stream)
            .poll_read(cx, &mut buffer)
            .map_ok(|()| buffer.filled().len())
    }
}

/// How an exchange broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken {
    /// What the client saw.
    pub(super) class: ErrorClass,
    /// Whether a byte of the request had left.
    pub(super) sent: bool,
}

/// A connection to the target.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    boot_header: Option<std::rc::Rc<str>>,
}

impl Connection {
    /// Connects, with Nagle's algorithm off.
    pub(super) async fn open(
        to: SocketAddr,
        boot_header: Option<std::rc::Rc<str>>,
        waits: &Waits,
    ) -> Result<Self, Broken> {
        let mut connecting = pin!(TcpStream::connect(to));
        let stream = match waits
            .unless_expired(|cx| connecting.as_mut().poll(cx))
            .await
        {
            Err(_) => return Err(broken(ErrorClass::ConnectTimeout, false)),
            Ok(Err(error)) => return Err(broken(class_of_connect(&error), false)),
            Ok(Ok(stream)) => stream,
        };
        // Failing to set it costs latency only, and the kernel has no reason to.
        let _ = stream.set_nodelay(true);
        Ok(Self {
            stream,
            boot_header,
        })
    }

    /// Whether the server closed the connection while it was idle.
    pub(super) fn is_stale(&self, scratch: &Scratch) -> bool {
        // Without readiness this is no system call. Bytes that nobody asked for spoil it as well.
        let mut scratch = scratch.0.borrow_mut();
        !matches!(self.stream.try_read(&mut scratch), Err(error) if error.kind() == ErrorKind::WouldBlock)
    }

    /// Sends a request and hands its complete reply to `judge`; says whether the connection lives on.
    pub(super) async fn exchange<R>(
        &mut self,
        request: &[u8],
        scratch: &Scratch,
        waits: &Waits,
        judge: impl FnOnce(&Reply) -> R,
    ) -> Result<(R, bool), Broken> {
        self.send(request, waits).await?;
        let mut reading = Reading::default();
        let mut judge = Some(judge);
        loop {
            let mut read = |cx: &mut Context| scratch.poll_fill(&mut self.stream, cx);
            let count = match waits.unless_expired(&mut read).await {
                Err(_) => return Err(broken(ErrorClass::ResponseTimeout, true)),
                Ok(Err(_)) => return Err(broken(ErrorClass::Reset, true)),
                Ok(Ok(count)) => count,
            };
            let scratch = scratch.0.borrow();
            let progress = match count {
                0 => reading.end(),
                count => reading.absorb(&scratch[..count], self.boot_header.as_deref()),
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
                        cookies: &head.cookies,
                        headers: &[],
                        body,
                        unframed: head.framing == Framing::UntilClose,
                    };
                    // The loop ends here, so the judge is there.
                    if let Some(judge) = judge.take() {
                        return Ok((judge(&reply), reusable && head.keep_alive));
                    }
                }
            }
        }
    }

    async fn send(&self, request: &[u8], waits: &Waits) -> Result<(), Broken> {
        let mut at = 0;
        while at < request.len() {
            match self.stream.try_write(&request[at..]) {
                Ok(count) => at += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let mut ready = |cx: &mut Context| self.stream.poll_write_ready(cx);
                    match waits.unless_expired(&mut ready).await {
                        Ok(Ok(())) => {}
                        Ok(Err(_)) => return Err(cut_off(at)),
                        Err(_) => return Err(broken(ErrorClass::ResponseTimeout, at > 0)),
                    }
                }
                Err(_) => return Err(cut_off(at)),
            }
        }
        Ok(())
    }
}

/// A reply on its way in.
#[derive(Debug, Default)]
struct Reading {
    /// Bytes of a head that is not complete.
    partial: Vec<u8>,
    /// A complete head whose body is not.
    body: Option<(Head, BodyReader)>,
}

/// How far a reply has come.
enum Progress<'a> {
    More,
    CutOff,
    Whole {
        head: Head,
        body: &'a [u8],
        reusable: bool,
    },
}

impl Reading {
    fn absorb<'a>(
        &'a mut self,
        bytes: &'a [u8],
        boot_header: Option<&str>,
    ) -> Result<Progress<'a>, Malformed> {
        if self.body.is_some() {
            return self.absorb_body(bytes);
        }
        if self.partial.is_empty() {
            // The common case: the whole reply in one piece, nothing copied.
            let mut bytes = bytes;
            while let Some(head) = parse_head(bytes, boot_header)? {
                let (start, rest) = (head.length, bytes.len() - head.length);
                match head.framing {
                    _ if is_interim(&head) => bytes = &bytes[start..],
                    Framing::Length(length) if length <= rest as u64 => {
                        let end = start + length as usize;
                        return Ok(Progress::Whole {
                            head,
                            body: &bytes[start..end],
                            reusable: end == bytes.len(),
                        });
                    }
                    framing => {
                        self.body = Some((head, BodyReader::new(framing)));
                        return self.absorb_body(&bytes[start..]);
                    }
                }
            }
            self.partial.extend_from_slice(bytes);
            return Ok(Progress::More);
        }
        self.partial.extend_from_slice(bytes);
        while let Some(head) = parse_head(&self.partial, boot_header)? {
            let rest = self.partial.split_off(head.length);
            self.partial = Vec::new();
            if is_interim(&head) {
                self.partial = rest;
                continue;
            }
            let framing = head.framing;
            self.body = Some((head, BodyReader::new(framing)));
            return self.absorb_body(&rest);
        }
        Ok(Progress::More)
    }

    fn absorb_body(&mut self, bytes: &[u8]) -> Result<Progress<'_>, Malformed> {
        let Some((_, body)) = &mut self.body else {
            return Ok(Progress::More);
        };
        let used = body.feed(bytes)?;
        if body.is_done() {
            return Ok(self.whole(used == bytes.len()));
        }
        Ok(Progress::More)
    }

    /// The connection ended.
    fn end(&mut self) -> Result<Progress<'_>, Malformed> {
        match &self.body {
            Some((_, body)) if body.ends_with_connection() => Ok(self.whole(false)),
            Some(_) | None => Ok(Progress::CutOff),
        }
    }

    fn whole(&self, reusable: bool) -> Progress<'_> {
        match &self.body {
            Some((head, body)) => Progress::Whole {
                head: head.clone(),
                body: body.kept(),
                reusable,
            },
            None => Progress::More,
        }
    }
}

const fn is_interim(head: &Head) -> bool {
    matches!(head.status, 100..=199)
}

/// The connection ended while the request was written: before its first byte nothing has happened.
const fn cut_off(written: usize) -> Broken {
    match written {
        0 => broken(ErrorClass::Refused, false),
        _ => broken(ErrorClass::Reset, true),
    }
}

const fn broken(class: ErrorClass, sent: bool) -> Broken {
    Broken { class, sent }
}

fn class_of_connect(error: &io::Error) -> ErrorClass {
    use nix::libc::{EADDRNOTAVAIL, EMFILE, ENFILE, ENOBUFS, ENOMEM};
    match error.raw_os_error() {
        Some(EMFILE | ENFILE | EADDRNOTAVAIL | ENOBUFS | ENOMEM) => ErrorClass::HarnessError,
        Some(nix::libc::ETIMEDOUT) => ErrorClass::ConnectTimeout,
        _ => ErrorClass::Refused,
    }
}

impl Waits {
    /// Polls until ready, or until the deadline has passed.
    async fn unless_expired<T>(
        &self,
        mut poll: impl FnMut(&mut Context) -> Poll<T>,
    ) -> Result<T, Expired> {
        std::future::poll_fn(|cx| match poll(cx) {
            Poll::Ready(value) => Poll::Ready(Ok(value)),
            Poll::Pending if self.has_expired() => Poll::Ready(Err(Expired)),
            Poll::Pending => Poll::Pending,
        })
        .await
    }
}

/// The deadline passed.
#[derive(Debug)]
struct Expired;
