//! A reply as a connection reads it, without the connection.

mod reading;

use self::reading::{Progress, Reading, Wire};
use super::wire::{Framing, Wanted};

/// What bytes mean on a stream.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Protocol {
    Http,
    Redis,
}

/// What came of a stream of pieces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Not what the protocol allows.
    Malformed,
    /// The connection ended before the reply did.
    CutOff,
    /// A complete reply.
    Whole(Box<Whole>),
}

/// A complete reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Whole {
    pub(crate) status: u16,
    /// Bytes of the head, without those of interim replies.
    pub(crate) head: usize,
    pub(crate) framing: Framing,
    pub(crate) keep_alive: bool,
    pub(crate) boot: Option<comeback_core::ids::BootId>,
    pub(crate) cookies: Vec<String>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// Reads one reply from pieces, behind which the connection ends. Beside what came of it: whether nothing
/// followed the reply in the piece that completed it.
pub(crate) fn read<'p>(
    protocol: Protocol,
    wanted: &Wanted,
    pieces: impl IntoIterator<Item = &'p [u8]>,
) -> (Outcome, bool) {
    let mut reading = Reading::of(match protocol {
        Protocol::Http => Wire::Http,
        Protocol::Redis => Wire::Redis,
    });
    for piece in pieces {
        match reading.absorb(piece, wanted) {
            Ok(Progress::More) => {}
            ended => return outcome(ended),
        }
    }
    outcome(reading.end())
}

fn outcome(ended: Result<Progress<'_>, super::wire::Malformed>) -> (Outcome, bool) {
    match ended {
        Err(_) => (Outcome::Malformed, false),
        Ok(Progress::More | Progress::CutOff) => (Outcome::CutOff, false),
        Ok(Progress::Whole {
            head,
            body,
            reusable,
        }) => {
            let whole = Whole {
                status: head.status,
                head: head.length,
                framing: head.framing,
                keep_alive: head.keep_alive,
                boot: head.boot,
                cookies: head.cookies,
                headers: head.headers,
                body: body.to_vec(),
            };
            (Outcome::Whole(Box::new(whole)), reusable)
        }
    }
}
