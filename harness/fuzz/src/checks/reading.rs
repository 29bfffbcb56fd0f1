//! A reply as a connection reads it, without the connection.

use comeback_session::reading::{Grammar, Progress, Reading};
use comeback_session::wire::{Framing, Malformed, Wanted};

/// What came of a stream of pieces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Not what the protocol allows.
    Malformed,
    /// The connection ended before the reply did.
    CutOff,
    /// A complete reply.
    Whole(Box<Whole>),
}

/// A complete reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Whole {
    pub(super) status: u16,
    /// Bytes of the head, without those of interim replies.
    pub(super) head: usize,
    pub(super) framing: Framing,
    pub(super) keep_alive: bool,
    pub(super) boot: Option<comeback_model::ids::BootId>,
    pub(super) cookies: Vec<String>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

/// Reads one reply from pieces, behind which the connection ends. Beside what came of it: whether nothing
/// followed the reply in the piece that completed it.
pub(super) fn read<'p>(
    wire: Grammar,
    wanted: &Wanted,
    pieces: impl IntoIterator<Item = &'p [u8]>,
) -> (Outcome, bool) {
    let mut reading = Reading::of(wire);
    for piece in pieces {
        match reading.absorb(piece, wanted) {
            Ok(Progress::More) => {}
            ended => return outcome(ended),
        }
    }
    outcome(reading.end())
}

fn outcome(ended: Result<Progress<'_>, Malformed>) -> (Outcome, bool) {
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
