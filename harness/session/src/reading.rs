//! A reply on its way in: pieces as they arrive, until it is whole or cut off. Pure, like `wire`.

use comeback_model::plan::Dialect;

use super::wire::commands::CommandReading;
use super::wire::{BodyReader, Framing, Head, Malformed, Wanted, parse_head};

pub use super::wire::Progress;

/// What bytes mean on a stream.
#[derive(Clone, Copy, Debug)]
pub enum Grammar {
    /// HTTP/1.1.
    Http,
    /// Replies to commands.
    Commands(Dialect),
}

/// A reply on its way in, in any protocol.
#[derive(Debug)]
pub struct Reading(Kind);

#[derive(Debug)]
enum Kind {
    Http(HttpReading),
    Command(CommandReading),
}

impl Reading {
    /// A reply that has not begun.
    pub fn of(wire: Grammar) -> Self {
        Self(match wire {
            Grammar::Http => Kind::Http(HttpReading::default()),
            Grammar::Commands(dialect) => Kind::Command(CommandReading::of(dialect)),
        })
    }

    /// Takes the bytes that arrived.
    ///
    /// # Errors
    /// If the protocol does not allow it.
    pub fn absorb<'a>(
        &'a mut self,
        bytes: &'a [u8],
        wanted: &Wanted,
    ) -> Result<Progress<'a>, Malformed> {
        match &mut self.0 {
            Kind::Http(reading) => reading.absorb(bytes, wanted),
            Kind::Command(reading) => reading.absorb(bytes),
        }
    }

    /// A reply to this request. One to HEAD ends with its head, whatever length that names (RFC 9112, section 6.3).
    pub fn to(request: &[u8], wire: Grammar) -> Self {
        let mut reading = Self::of(wire);
        if let Kind::Http(reading) = &mut reading.0 {
            reading.is_to_head = request.starts_with(b"HEAD ");
        }
        reading
    }

    /// The connection ended.
    ///
    /// # Errors
    /// If the protocol does not allow the end here.
    pub fn end(&mut self) -> Result<Progress<'_>, Malformed> {
        match &mut self.0 {
            Kind::Http(reading) => reading.end(),
            Kind::Command(_) => Ok(Progress::CutOff),
        }
    }
}

/// An HTTP/1.1 reply on its way in.
#[derive(Debug, Default)]
struct HttpReading {
    /// Bytes of a head that is not complete.
    partial: Vec<u8>,
    /// A complete head whose body is not.
    body: Option<(Head, BodyReader)>,
    /// The request was HEAD.
    is_to_head: bool,
}

impl HttpReading {
    fn absorb<'a>(
        &'a mut self,
        bytes: &'a [u8],
        wanted: &Wanted,
    ) -> Result<Progress<'a>, Malformed> {
        if self.body.is_some() {
            return self.absorb_body(bytes);
        }
        if self.partial.is_empty() {
            // The common case: the whole reply in one piece, nothing copied.
            let mut bytes = bytes;
            while let Some(head) = self.parse_head(bytes, wanted)? {
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
        while let Some(head) = self.parse_head(&self.partial, wanted)? {
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

    fn parse_head(&self, bytes: &[u8], wanted: &Wanted) -> Result<Option<Head>, Malformed> {
        let mut head = parse_head(bytes, wanted)?;
        if let Some(head) = head.as_mut().filter(|_| self.is_to_head) {
            head.framing = Framing::Length(0);
        }
        Ok(head)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_to_head_ends_with_its_head() {
        let reply = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n";
        for (request, is_whole) in [("HEAD / HTTP/1.1", true), ("GET / HTTP/1.1", false)] {
            for cut in [reply.len(), 20] {
                let mut reading = Reading::to(request.as_bytes(), Grammar::Http);
                let mut whole = false;
                for piece in [&reply[..cut], &reply[cut..]] {
                    let progress = reading.absorb(piece, &Wanted::default());
                    whole |= matches!(progress, Ok(Progress::Whole { body: b"", .. }));
                }
                assert_eq!(whole, is_whole, "{request}, cut at {cut}");
            }
        }
    }
}
