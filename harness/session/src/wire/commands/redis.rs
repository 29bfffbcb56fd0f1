//! Redis (RESP2): how a command is written, the end of its reply, and the reply's content in HTTP terms:
//!
//! | reply | status | body |
//! |---|---|---|
//! | simple or bulk string | 200 | its bytes |
//! | integer | 200 | in decimals |
//! | nil | 200 | `null` |
//! | array | 200 | a JSON array of those; an error in it is `{"error":"…"}` |
//! | error `NOAUTH`, `NOPERM`, `WRONGPASS` | 401 | its text |
//! | error of a server that cannot do it now, such as `LOADING` | 503 | its text |
//! | any other error | 400 | its text |
//!
//! RESP3 is never requested (`HELLO 3`), so its types are malformed. Memory is bounded for any server: the first [`KEPT_BODY`](crate::wire::KEPT_BODY) bytes of the body, lines of at most [`MAX_LINE`], arrays [`MAX_DEPTH`] deep.

use super::Codec;
use crate::wire::{Malformed, keep};

/// The longest line: simple strings and errors are short, and numbers shorter.
const MAX_LINE: usize = 64 * 1024;
/// How deep arrays may be nested; no command of Redis goes beyond a handful.
const MAX_DEPTH: usize = 32;

/// The first words of errors by which a server says who one must be.
const UNAUTHORIZED: [&[u8]; 3] = [b"NOAUTH", b"NOPERM", b"WRONGPASS"];
/// The first words of errors by which a server says that it cannot do it now.
const UNAVAILABLE: [&[u8]; 9] = [
    b"LOADING",
    b"BUSY",
    b"TRYAGAIN",
    b"MASTERDOWN",
    b"OOM",
    b"READONLY",
    b"CLUSTERDOWN",
    b"MISCONF",
    b"NOREPLICAS",
];

/// Reads one reply piece by piece.
#[derive(Debug)]
pub(crate) struct RespReader {
    state: State,
    status: u16,
    /// The open arrays, the outermost first.
    open: Vec<Array>,
    body: Vec<u8>,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    /// A value begins.
    Type,
    /// A line, without its end.
    Line { of: Line, text: Vec<u8> },
    /// A bulk string, with its kept part.
    Bulk { left: u64, text: Vec<u8> },
    /// The line end behind a bulk string, of which so many bytes were seen.
    BulkEnd { seen: u8, text: Vec<u8> },
    /// The reply is complete.
    Done,
}

/// The meaning of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Simple,
    Error,
    Integer,
    BulkLength,
    ArrayLength,
}

/// An array that is not complete.
#[derive(Debug)]
struct Array {
    left: u64,
    is_first: bool,
}

impl Default for RespReader {
    fn default() -> Self {
        Self {
            state: State::Type,
            status: 200,
            open: Vec::new(),
            body: Vec::new(),
        }
    }
}

impl Codec for RespReader {
    /// An array of bulk strings.
    fn write<E>(
        words: impl ExactSizeIterator<Item = Result<Vec<u8>, E>>,
        out: &mut Vec<u8>,
    ) -> Result<(), E> {
        out.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
        for word in words {
            let word = word?;
            out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            out.extend_from_slice(&word);
            out.extend_from_slice(b"\r\n");
        }
        Ok(())
    }

    fn feed(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        let mut at = 0;
        while at < bytes.len() && !self.is_done() {
            at += self.feed_some(&bytes[at..])?;
        }
        Ok(at)
    }

    fn is_done(&self) -> bool {
        self.state == State::Done
    }

    fn status(&self) -> u16 {
        self.status
    }

    fn body(&self) -> &[u8] {
        &self.body
    }
}

impl RespReader {
    fn feed_some(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        match &mut self.state {
            State::Done => Ok(0),
            State::Type => {
                let of = match bytes[0] {
                    b'+' => Line::Simple,
                    b'-' => Line::Error,
                    b':' => Line::Integer,
                    b'$' => Line::BulkLength,
                    b'*' => Line::ArrayLength,
                    _ => return Err(Malformed),
                };
                let text = Vec::new();
                self.state = State::Line { of, text };
                Ok(1)
            }
            State::Line { of, text } => {
                let end = bytes.iter().position(|byte| *byte == b'\n');
                let take = end.map_or(bytes.len(), |end| end + 1);
                text.extend_from_slice(&bytes[..take]);
                if text.len() > MAX_LINE {
                    return Err(Malformed);
                }
                if end.is_some() {
                    let (of, text) = (*of, std::mem::take(text));
                    self.end_line(of, text.strip_suffix(b"\r\n").ok_or(Malformed)?)?;
                }
                Ok(take)
            }
            State::Bulk { left, text } => {
                let most = usize::try_from(*left).unwrap_or(usize::MAX);
                let take = bytes.len().min(most);
                keep(text, &bytes[..take]);
                *left -= take as u64;
                if *left == 0 {
                    let text = std::mem::take(text);
                    self.state = State::BulkEnd { seen: 0, text };
                }
                Ok(take)
            }
            State::BulkEnd { seen, text } => {
                if bytes[0] != b"\r\n"[usize::from(*seen)] {
                    return Err(Malformed);
                }
                *seen += 1;
                if *seen == 2 {
                    let text = std::mem::take(text);
                    self.end_text(&text);
                }
                Ok(1)
            }
        }
    }

    fn end_line(&mut self, of: Line, line: &[u8]) -> Result<(), Malformed> {
        match of {
            Line::Simple => self.end_text(line),
            Line::Error if self.open.is_empty() => {
                self.status = status_of(line);
                self.end_value(line);
            }
            Line::Error => {
                let error = serde_json::json!({ "error": String::from_utf8_lossy(line) });
                self.end_value(error.to_string().as_bytes());
            }
            Line::Integer => {
                let number: i64 = parse_number(line)?;
                self.end_value(number.to_string().as_bytes());
            }
            Line::BulkLength => match parse_length(line)? {
                None => self.end_value(b"null"),
                Some(0) => {
                    let text = Vec::new();
                    self.state = State::BulkEnd { seen: 0, text };
                }
                Some(left) => {
                    let text = Vec::new();
                    self.state = State::Bulk { left, text };
                }
            },
            Line::ArrayLength => match parse_length(line)? {
                None => self.end_value(b"null"),
                Some(0) => self.end_value(b"[]"),
                Some(_) if self.open.len() == MAX_DEPTH => return Err(Malformed),
                Some(left) => {
                    self.begin_value();
                    keep(&mut self.body, b"[");
                    self.open.push(Array {
                        left,
                        is_first: true,
                    });
                    self.state = State::Type;
                }
            },
        }
        Ok(())
    }

    /// A string is complete: as it is, or quoted within an array.
    fn end_text(&mut self, text: &[u8]) {
        if self.open.is_empty() {
            return self.end_value(text);
        }
        let quoted = serde_json::Value::from(String::from_utf8_lossy(text));
        self.end_value(quoted.to_string().as_bytes());
    }

    /// A value is complete, and with it maybe the arrays it is the last of.
    fn end_value(&mut self, text: &[u8]) {
        self.begin_value();
        keep(&mut self.body, text);
        while let Some(array) = self.open.last_mut() {
            array.left -= 1;
            if array.left > 0 {
                self.state = State::Type;
                return;
            }
            keep(&mut self.body, b"]");
            self.open.pop();
        }
        self.state = State::Done;
    }

    fn begin_value(&mut self) {
        if let Some(array) = self.open.last_mut()
            && !std::mem::replace(&mut array.is_first, false)
        {
            keep(&mut self.body, b",");
        }
    }
}

/// The HTTP status of an error, by its first word.
fn status_of(error: &[u8]) -> u16 {
    let word = error.split(|byte| *byte == b' ').next().unwrap_or(error);
    if UNAUTHORIZED.contains(&word) {
        401
    } else if UNAVAILABLE.contains(&word) {
        503
    } else {
        400
    }
}

/// A length. `None` for -1, which is nil.
fn parse_length(line: &[u8]) -> Result<Option<u64>, Malformed> {
    match parse_number(line)? {
        -1 => Ok(None),
        length => u64::try_from(length).map(Some).map_err(|_| Malformed),
    }
}

fn parse_number(line: &[u8]) -> Result<i64, Malformed> {
    let text = std::str::from_utf8(line).map_err(|_| Malformed)?;
    text.parse().map_err(|_| Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::KEPT_BODY;

    /// The reply as read in pieces of `piece` bytes: status, body, bytes used.
    fn read(bytes: &[u8], piece: usize) -> Result<(u16, String, usize), Malformed> {
        let mut reader = RespReader::default();
        let mut used = 0;
        for part in bytes.chunks(piece) {
            used += reader.feed(part)?;
        }
        assert!(reader.is_done(), "the reply never ended");
        let body = String::from_utf8_lossy(reader.body()).into_owned();
        Ok((reader.status(), body, used))
    }

    #[test]
    fn replies_of_every_type_are_read_in_pieces_of_every_size() {
        for (reply, status, body) in [
            ("+OK\r\n", 200, "OK"),
            ("+\r\n", 200, ""),
            (":42\r\n", 200, "42"),
            (":-9223372036854775808\r\n", 200, "-9223372036854775808"),
            ("$5\r\nhello\r\n", 200, "hello"),
            ("$6\r\na\r\n\"$1\r\n", 200, "a\r\n\"$1"),
            ("$0\r\n\r\n", 200, ""),
            ("$-1\r\n", 200, "null"),
            ("*-1\r\n", 200, "null"),
            ("*0\r\n", 200, "[]"),
            ("*2\r\n$1\r\na\r\n:1\r\n", 200, r#"["a",1]"#),
            (
                "*4\r\n*2\r\n+a\r\n*0\r\n$-1\r\n*1\r\n*1\r\n:7\r\n$3\r\n\"\r\n\r\n",
                200,
                r#"[["a",[]],null,[[7]],"\"\r\n"]"#,
            ),
            (
                "*2\r\n+OK\r\n-ERR no \"such\" key\r\n",
                200,
                r#"["OK",{"error":"ERR no \"such\" key"}]"#,
            ),
            ("-ERR unknown command\r\n", 400, "ERR unknown command"),
            ("-BUSYKEY it is there\r\n", 400, "BUSYKEY it is there"),
            ("-NOAUTH who?\r\n", 401, "NOAUTH who?"),
            ("-LOADING wait\r\n", 503, "LOADING wait"),
            ("-OOM\r\n", 503, "OOM"),
        ] {
            for piece in 1..=reply.len() {
                let read = read(reply.as_bytes(), piece).expect(reply);
                let expected = (status, body.to_owned(), reply.len());
                assert_eq!(read, expected, "{reply:?} by {piece}");
            }
        }
    }

    #[test]
    fn a_command_is_an_array_of_bulk_strings() {
        let ping = crate::wire::commands::ping(comeback_model::plan::Dialect::Redis);
        assert_eq!(ping, b"*1\r\n$4\r\nPING\r\n");
    }

    #[test]
    fn what_follows_a_reply_is_not_taken() {
        let mut reader = RespReader::default();
        assert_eq!(reader.feed(b"+OK\r\n+MORE\r\n"), Ok(5));
        assert!(reader.is_done());
        assert_eq!(reader.feed(b"+MORE\r\n"), Ok(0));
    }

    #[test]
    fn what_is_not_resp2_is_malformed() {
        for reply in [
            "HTTP/1.1 400 Bad Request\r\n",
            "OK\r\n",
            "+OK\n",
            ":\r\n",
            ":1.5\r\n",
            ":9223372036854775808\r\n",
            "$-2\r\n",
            "$x\r\n",
            "$1\r\nab\r\n",
            "$1\r\na\n",
            "*-7\r\n",
            "_\r\n",
            "%1\r\n+a\r\n+b\r\n",
        ] {
            for piece in 1..=reply.len() {
                let mut reader = RespReader::default();
                let read: Result<Vec<_>, _> = reply
                    .as_bytes()
                    .chunks(piece)
                    .map(|part| reader.feed(part))
                    .collect();
                assert_eq!(read, Err(Malformed), "{reply:?} by {piece}");
            }
        }
    }

    #[test]
    fn lines_and_depth_are_bounded() {
        let endless = format!("+{}", "x".repeat(MAX_LINE + 1));
        assert_eq!(
            RespReader::default().feed(endless.as_bytes()),
            Err(Malformed)
        );
        let nested = |depth| format!("{}:1\r\n", "*1\r\n".repeat(depth));
        assert!(read(nested(MAX_DEPTH).as_bytes(), 7).is_ok());
        assert_eq!(read(nested(MAX_DEPTH + 1).as_bytes(), 7), Err(Malformed));
    }

    #[test]
    fn a_large_reply_is_counted_but_not_kept() {
        let mut reader = RespReader::default();
        assert_eq!(reader.feed(b"*1000\r\n"), Ok(7));
        let value = [&b"$100000\r\n"[..], &[b'x'; 100_000], b"\r\n"].concat();
        for _ in 0..1000 {
            assert_eq!(reader.feed(&value), Ok(value.len()));
        }
        assert!(reader.is_done());
        assert_eq!(reader.body().len(), KEPT_BODY);
    }

    #[test]
    fn bytes_that_are_no_text_are_kept_as_they_are_outside_an_array() {
        let mut reader = RespReader::default();
        assert_eq!(reader.feed(b"$2\r\n\xff\x00\r\n"), Ok(8));
        assert_eq!(reader.body(), b"\xff\x00");
        let (_, body, _) = read(b"*1\r\n$2\r\n\xff\x00\r\n", 3).expect("an array");
        assert_eq!(body, "[\"\u{fffd}\\u0000\"]");
    }
}
