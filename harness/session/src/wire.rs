//! Parsers of replies: the end of a reply, and its content. Pure: no sockets, no clock. HTTP/1.1 is here, protocols
//! of commands are in [`commands`].
//!
//! Called by `connection` for each piece that arrives. Memory is bounded for any server: a head of at most [`MAX_HEAD`], and the
//! first [`KEPT_BODY`] of the body.

pub mod commands;
pub mod relayed;

use std::mem::MaybeUninit;

use comeback_model::ids::BootId;

use relayed::{RelayReader, Relayed};

/// The largest head accepted; more is not a reply but an attack or a mistake.
pub const MAX_HEAD: usize = 64 * 1024;
/// How much of a body is kept for the oracle; the rest is counted and dropped.
pub const KEPT_BODY: usize = 64 * 1024;
/// Headers in one reply; as many as common servers accept in a request.
pub const MAX_HEADERS: usize = 100;
/// The longest chunk-size line: 16 hex digits and room for an extension.
const MAX_CHUNK_LINE: usize = 256;

/// The bytes are not an HTTP reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Optional headers that are read from a reply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The header that names the answering process.
    pub boot: Option<String>,
    /// Further headers, by their names in lower case.
    pub headers: Vec<String>,
    /// The balancer's headers about the replica of a reply.
    pub relayed: bool,
}

/// Everything about a reply that the session flow looks at.
#[derive(Clone, Copy, Debug)]
pub struct Reply<'a> {
    /// The status code.
    pub status: u16,
    /// Which process answered, if it says so.
    pub boot: Option<BootId>,
    /// Which replica it is about, if that was asked for and a balancer says so.
    pub relayed: Relayed,
    /// The `Set-Cookie` values, in order.
    pub cookies: &'a [String],
    /// The headers that were asked for ([`Wanted`]): names in lower case, in the reply's order.
    pub headers: &'a [(String, String)],
    /// The body, or its first [`KEPT_BODY`] bytes.
    pub body: &'a [u8],
    /// The body had no length: it ended with the connection.
    pub unframed: bool,
}

/// The head of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The status code.
    pub status: u16,
    /// Bytes until the body.
    pub length: usize,
    /// How the body ends.
    pub framing: Framing,
    /// Whether the connection can carry another request.
    pub keep_alive: bool,
    /// Which process answered, if it says so.
    pub boot: Option<BootId>,
    /// Which replica it is about, if that was asked for and a balancer says so.
    pub relayed: Relayed,
    /// The `Set-Cookie` values, in order.
    pub cookies: Vec<String>,
    /// The headers that were asked for: names in lower case, in order.
    pub headers: Vec<(String, String)>,
}

/// How far a reply has come.
pub enum Progress<'a> {
    /// More must come.
    More,
    /// The connection ended before the reply did.
    CutOff,
    /// The reply is complete.
    Whole {
        /// Its head; `length` counts the bytes of the head alone.
        head: Head,
        /// The kept part of its body.
        body: &'a [u8],
        /// No unrequested bytes follow.
        reusable: bool,
    },
}

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// After so many bytes.
    Length(u64),
    /// With a chunk of size zero.
    Chunked,
    /// With the connection.
    UntilClose,
}

/// Reads a head from the beginning of `bytes`; `None` if more is needed. Interim (1xx) replies are
/// returned like any other: the caller skips them.
///
/// # Errors
/// If the bytes cannot become a head, or it exceeds its bounds.
pub fn parse_head(bytes: &[u8], wanted: &Wanted) -> Result<Option<Head>, Malformed> {
    // Left uninitialized: filling them would cost more than parsing a small reply.
    let mut headers = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(
        &mut response,
        bytes,
        &mut headers,
    );
    let length = match parsed {
        // However it was cut into pieces: the last of them may bring much at once.
        Ok(httparse::Status::Complete(length)) if length <= MAX_HEAD => length,
        Ok(httparse::Status::Partial) if bytes.len() < MAX_HEAD => return Ok(None),
        Ok(_) | Err(_) => return Err(Malformed),
    };
    // RFC 9110, section 15: there is no class below 1xx.
    let status = response.code.filter(|code| *code >= 100);
    let status = status.ok_or(Malformed)?;
    let mut head = Head {
        status,
        length,
        framing: Framing::UntilClose,
        keep_alive: response.version == Some(1),
        boot: None,
        relayed: Relayed::NOBODY,
        cookies: Vec::new(),
        headers: Vec::new(),
    };
    let mut relay = RelayReader::default();
    let mut body_length = None;
    let mut chunked = false;
    for header in response.headers.iter() {
        let (name, value) = (header.name, header.value);
        head.keep_wanted(name, value, wanted);
        if name.eq_ignore_ascii_case("content-length") {
            let parsed = parse_length(value)?;
            if body_length.is_some_and(|other| other != parsed) {
                return Err(Malformed);
            }
            body_length = Some(parsed);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            let last = value
                .rsplit(|byte| *byte == b',')
                .next()
                .unwrap_or_default();
            chunked = last.trim_ascii().eq_ignore_ascii_case(b"chunked");
        } else if name.eq_ignore_ascii_case("connection") {
            head.keep_alive = keeps_alive(value, head.keep_alive);
        } else if name.eq_ignore_ascii_case("set-cookie") {
            head.cookies
                .push(String::from_utf8_lossy(value).into_owned());
        } else if wanted.is_boot(name) {
            head.boot = Some(BootId::from_header(value));
        } else if wanted.relayed {
            relay.take(name, value);
        }
    }
    head.relayed = relay.read();
    head.framing = match (status, chunked, body_length) {
        (100..200 | 204 | 304, _, _) => Framing::Length(0),
        (_, true, _) => Framing::Chunked,
        (_, false, Some(length)) => Framing::Length(length),
        (_, false, None) => {
            head.keep_alive = false;
            Framing::UntilClose
        }
    };
    Ok(Some(head))
}

impl Wanted {
    /// Whether this is the header that names the answering process.
    pub fn is_boot(&self, name: &str) -> bool {
        self.boot
            .as_deref()
            .is_some_and(|boot| name.eq_ignore_ascii_case(boot))
    }
}

impl Head {
    /// A reply of a protocol without headers.
    pub const fn without_headers(status: u16) -> Self {
        Self {
            status,
            length: 0,
            framing: Framing::Length(0),
            keep_alive: true,
            boot: None,
            relayed: Relayed::NOBODY,
            cookies: Vec::new(),
            headers: Vec::new(),
        }
    }

    /// Keeps a header that was asked for; costs nothing when none are.
    pub fn keep_wanted(&mut self, name: &str, value: &[u8], wanted: &Wanted) {
        for asked in &wanted.headers {
            if name.eq_ignore_ascii_case(asked) {
                let value = String::from_utf8_lossy(value).into_owned();
                self.headers.push((asked.clone(), value));
            }
        }
    }
}

fn parse_length(value: &[u8]) -> Result<u64, Malformed> {
    let text = std::str::from_utf8(value).map_err(|_| Malformed)?.trim();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Malformed);
    }
    text.parse().map_err(|_| Malformed)
}

fn keeps_alive(value: &[u8], otherwise: bool) -> bool {
    let mut keep = otherwise;
    for token in value.split(|byte| *byte == b',') {
        let token = token.trim_ascii();
        if token.eq_ignore_ascii_case(b"close") {
            keep = false;
        } else if token.eq_ignore_ascii_case(b"keep-alive") {
            keep = true;
        }
    }
    keep
}

/// Reads a body piece by piece, keeping its beginning.
#[derive(Debug)]
pub struct BodyReader {
    state: BodyState,
    kept: Vec<u8>,
}

#[derive(Debug, PartialEq, Eq)]
enum BodyState {
    Length { left: u64 },
    UntilClose,
    ChunkSize { line: Vec<u8> },
    ChunkData { left: u64 },
    ChunkEnd { seen: u8 },
    Trailer { line: usize },
    Done,
}

impl BodyReader {
    /// A reader for a body of this framing.
    pub fn new(framing: Framing) -> Self {
        let state = match framing {
            Framing::Length(0) => BodyState::Done,
            Framing::Length(left) => BodyState::Length { left },
            Framing::Chunked => BodyState::ChunkSize { line: Vec::new() },
            Framing::UntilClose => BodyState::UntilClose,
        };
        Self {
            state,
            kept: Vec::new(),
        }
    }

    /// Whether the body is complete.
    pub fn is_done(&self) -> bool {
        self.state == BodyState::Done
    }

    /// Whether the end of the connection completes the body.
    pub fn ends_with_connection(&self) -> bool {
        self.state == BodyState::UntilClose
    }

    /// The beginning of the body.
    pub fn kept(&self) -> &[u8] {
        &self.kept
    }

    /// Takes a piece; returns how much of it belongs to this body.
    ///
    /// # Errors
    /// If a chunk is not framed as one.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        let mut at = 0;
        while at < bytes.len() && !self.is_done() {
            at += self.feed_some(&bytes[at..])?;
        }
        Ok(at)
    }

    fn feed_some(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        match &mut self.state {
            BodyState::Done => Ok(0),
            BodyState::UntilClose => {
                keep(&mut self.kept, bytes);
                Ok(bytes.len())
            }
            BodyState::Length { left } | BodyState::ChunkData { left } => {
                let take = bytes
                    .len()
                    .min(usize::try_from(*left).unwrap_or(usize::MAX));
                keep(&mut self.kept, &bytes[..take]);
                *left -= take as u64;
                if *left == 0 {
                    self.state = match self.state {
                        BodyState::Length { .. } => BodyState::Done,
                        _ => BodyState::ChunkEnd { seen: 0 },
                    };
                }
                Ok(take)
            }
            BodyState::ChunkSize { line } => {
                let end = bytes.iter().position(|byte| *byte == b'\n');
                let take = end.map_or(bytes.len(), |end| end + 1);
                line.extend_from_slice(&bytes[..take]);
                if line.len() > MAX_CHUNK_LINE {
                    return Err(Malformed);
                }
                if end.is_some() {
                    self.state = match parse_chunk_size(line)? {
                        0 => BodyState::Trailer { line: 0 },
                        left => BodyState::ChunkData { left },
                    };
                }
                Ok(take)
            }
            BodyState::ChunkEnd { seen } => {
                let expected = b"\r\n"[usize::from(*seen)];
                if bytes[0] != expected {
                    return Err(Malformed);
                }
                *seen += 1;
                if *seen == 2 {
                    self.state = BodyState::ChunkSize { line: Vec::new() };
                }
                Ok(1)
            }
            BodyState::Trailer { line } => {
                match bytes[0] {
                    b'\n' if *line == 0 => self.state = BodyState::Done,
                    b'\n' => *line = 0,
                    b'\r' => {}
                    _ if *line >= MAX_HEAD => return Err(Malformed),
                    _ => *line += 1,
                }
                Ok(1)
            }
        }
    }
}

/// Appends as much as there is room for.
pub fn keep(kept: &mut Vec<u8>, bytes: &[u8]) {
    let room = KEPT_BODY - kept.len();
    kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
}

fn parse_chunk_size(line: &[u8]) -> Result<u64, Malformed> {
    // The library reads missing digits as zero, and would take a garbled size for the end of the body.
    if !line.first().is_some_and(u8::is_ascii_hexdigit) {
        return Err(Malformed);
    }
    match httparse::parse_chunk_size(line) {
        Ok(httparse::Status::Complete((_, size))) => Ok(size),
        Ok(httparse::Status::Partial) | Err(_) => Err(Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> Wanted {
        Wanted {
            boot: Some("x-boot-id".to_owned()),
            headers: vec!["x-count".to_owned(), "content-length".to_owned()],
            relayed: true,
        }
    }

    /// The reply as read in pieces of `piece` bytes: status, kept body, bytes used.
    fn check(bytes: &[u8], piece: usize) -> Result<(u16, Vec<u8>, usize), Malformed> {
        let mut seen = 0;
        let head = loop {
            seen = (seen + piece).min(bytes.len());
            if let Some(head) = parse_head(&bytes[..seen], &wanted())? {
                break head;
            }
            assert!(seen < bytes.len(), "the head never ended");
        };
        let mut body = BodyReader::new(head.framing);
        let mut at = head.length;
        for part in bytes[head.length..].chunks(piece) {
            at += body.feed(part)?;
        }
        assert!(
            body.is_done() || body.ends_with_connection(),
            "the body never ended"
        );
        Ok((head.status, body.kept().to_vec(), at))
    }

    #[test]
    fn bodies_of_every_framing_are_read_in_pieces_of_every_size() {
        let replies: [(&str, &str); 7] = [
            ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", "hello"),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n",
                "hello",
            ),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx: y\r\n\r\n",
                "hello",
            ),
            ("HTTP/1.0 200 OK\r\n\r\nhello", "hello"),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: xchunked\r\n\r\nhello",
                "hello",
            ),
            ("HTTP/1.1 204 No Content\r\n\r\n", ""),
            ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", ""),
        ];
        for (text, body) in replies {
            for piece in 1..=text.len() {
                let (_, read, used) = check(text.as_bytes(), piece).expect(text);
                assert_eq!(
                    (read.as_slice(), used),
                    (body.as_bytes(), text.len()),
                    "{text} by {piece}"
                );
            }
        }
    }

    #[test]
    fn what_is_not_http_is_malformed() {
        for text in [
            "garbage\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n;x=y\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nabc",
        ] {
            assert_eq!(check(text.as_bytes(), text.len()), Err(Malformed), "{text}");
        }
        let endless = format!("HTTP/1.1 200 OK\r\nx: {}", "a".repeat(MAX_HEAD));
        assert_eq!(parse_head(endless.as_bytes(), &wanted()), Err(Malformed));
    }

    #[test]
    fn a_large_body_is_counted_but_not_kept() {
        let mut body = BodyReader::new(Framing::Length(10_000_000));
        for _ in 0..10 {
            assert_eq!(body.feed(&vec![b'x'; 1_000_000]), Ok(1_000_000));
        }
        assert!(body.is_done());
        assert_eq!(body.kept().len(), KEPT_BODY);
    }

    #[test]
    fn the_head_tells_of_the_connection_the_process_and_the_cookies() {
        let text = "HTTP/1.1 200 OK\r\nConnection: Close\r\nX-Boot-Id: abc\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\ncontent-length: 0\r\n\r\n";
        let head = parse_head(text.as_bytes(), &wanted())
            .expect("http")
            .expect("whole");
        assert!(!head.keep_alive);
        assert_eq!(head.boot, Some(BootId::from_header(b"abc")));
        assert_eq!(head.cookies, ["a=1", "b=2"]);
    }

    #[test]
    fn a_head_beyond_its_bound_is_malformed_even_in_one_piece() {
        let head = |padding: usize| {
            let text = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "a".repeat(padding));
            parse_head(text.as_bytes(), &wanted()).map(|head| head.map(|head| head.length))
        };
        let around = "HTTP/1.1 200 OK\r\nx: \r\n\r\n".len();
        assert_eq!(head(MAX_HEAD - around), Ok(Some(MAX_HEAD)));
        assert_eq!(head(MAX_HEAD - around + 1), Err(Malformed));
    }

    #[test]
    fn a_status_below_100_is_malformed() {
        for (status, is_one) in [("000", false), ("099", false), ("100", true), ("999", true)] {
            let text = format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\n\r\n");
            let head = parse_head(text.as_bytes(), &wanted());
            assert_eq!(head.is_ok(), is_one, "{status}");
        }
    }

    #[test]
    fn only_headers_that_were_asked_for_are_kept() {
        let text = "HTTP/1.1 200 OK\r\nX-Other: 1\r\nX-Count: 2\r\nx-count: 3\r\nContent-Length: 0\r\n\r\n";
        let head = |wanted: &Wanted| {
            parse_head(text.as_bytes(), wanted)
                .expect("http")
                .expect("whole")
        };
        let own = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            head(&wanted()).headers,
            [
                own("x-count", "2"),
                own("x-count", "3"),
                own("content-length", "0")
            ]
        );
        assert_eq!(head(&Wanted::default()).headers, []);
    }
}
