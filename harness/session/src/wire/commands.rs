//! Protocols of commands: one file for each dialect, and here the table of them.

mod redis;

use std::convert::Infallible;

use comeback_model::plan::Dialect;

use self::redis::RespReader;
use super::{Head, Malformed, Progress};

/// How the commands of a dialect are written, and one reply is read piece by piece. The reply is translated into HTTP terms,
/// so that all other code handles one kind of reply.
trait Codec: Default {
    /// Writes a command.
    fn write<E>(
        words: impl ExactSizeIterator<Item = Result<Vec<u8>, E>>,
        out: &mut Vec<u8>,
    ) -> Result<(), E>;

    /// Takes a piece; returns how much of it belongs to this reply.
    fn feed(&mut self, bytes: &[u8]) -> Result<usize, Malformed>;

    /// Whether the reply is complete.
    fn is_done(&self) -> bool;

    /// Its HTTP status.
    fn status(&self) -> u16;

    /// The body, or its first [`KEPT_BODY`](super::KEPT_BODY) bytes.
    fn body(&self) -> &[u8];
}

/// A reply to a command on its way in.
#[derive(Debug)]
pub(crate) enum CommandReading {
    /// RESP2.
    Redis(RespReader),
}

impl CommandReading {
    /// A reply that has not begun.
    pub(crate) fn of(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Redis => Self::Redis(RespReader::default()),
        }
    }

    /// Takes the bytes that arrived.
    ///
    /// # Errors
    /// If they are not of the dialect, or exceed its bounds.
    pub(crate) fn absorb(&mut self, bytes: &[u8]) -> Result<Progress<'_>, Malformed> {
        match self {
            Self::Redis(reader) => absorb(reader, bytes),
        }
    }
}

/// Writes a command.
///
/// # Errors
/// The first error among the words.
pub(crate) fn write_command<E>(
    dialect: Dialect,
    words: impl ExactSizeIterator<Item = Result<Vec<u8>, E>>,
    out: &mut Vec<u8>,
) -> Result<(), E> {
    match dialect {
        Dialect::Redis => RespReader::write(words, out),
    }
}

/// The command that asks whether a server is up, as it is sent.
pub fn ping(dialect: Dialect) -> Vec<u8> {
    let mut out = Vec::new();
    let word = dialect.spec().ping.as_bytes().to_vec();
    let Ok(()) = write_command::<Infallible>(dialect, std::iter::once(Ok(word)), &mut out);
    out
}

fn absorb<'a>(reader: &'a mut impl Codec, bytes: &[u8]) -> Result<Progress<'a>, Malformed> {
    let used = reader.feed(bytes)?;
    Ok(match reader.is_done() {
        true => Progress::Whole {
            head: Head::without_headers(reader.status()),
            body: reader.body(),
            reusable: used == bytes.len(),
        },
        false => Progress::More,
    })
}
