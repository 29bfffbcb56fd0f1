//! 8: the client of a stateless service carries everything.

use super::chart::{count_bar, estimated_bar};
use super::storage::Growth;
use super::thresholds::FLAT;
use super::{Chart, Findings, Open, Ruled, Ruling, RulingResult, What};

/// What a request of a session and its reply weigh, in bytes, their heads included.
struct Wire {
    request: f64,
    reply: f64,
    /// What naming or carrying the session adds to a request.
    added: f64,
}

impl Wire {
    fn of(found: &Findings, arm: &str) -> Result<Self, Open> {
        let of = |what| found.median(arm, what).map(|figure| figure.value);
        let request = of(What::RequestBytes)?;
        Ok(Self {
            request,
            reply: of(What::ReplyBytes)?,
            added: request - of(What::PlainRequestBytes)?,
        })
    }
}

pub(crate) fn rule(found: &Findings) -> RulingResult {
    let token = (Growth::of(found, "token")?, Wire::of(found, "token")?);
    let memory = (Growth::of(found, "memory")?, Wire::of(found, "memory")?);
    let more = (token.1.request + token.1.reply) - (memory.1.request + memory.1.reply);
    let kept = memory.0.memory.value;
    let keeps_nothing = token.0.is_flat();
    let tracks = kept > FLAT;
    let (ruling, because) = match (keeps_nothing, tracks, more > 0.0) {
        (false, _, _) => (
            Ruling::Refuted,
            "the stateless server kept something of each client".to_owned(),
        ),
        (true, false, _) => (
            Ruling::Refuted,
            "the stateful server kept nothing of its clients".to_owned(),
        ),
        (true, true, false) => (
            Ruling::HoldsInPart,
            "the server keeps nothing, and yet the client carries no more than a session id would take"
                .to_owned(),
        ),
        (true, true, true) => (
            Ruling::Holds,
            format!(
                "the session moves from the server's memory onto the wire; after {:.0} requests a session has cost more \
                 there than it saves here",
                (kept / more).ceil()
            ),
        ),
    };
    Ok(Ruled {
        ruling,
        figure: format!(
            "kept on the server for each client: token {} bytes, memory {} bytes; on the wire for each request and its \
             reply: token {:.0} bytes, memory {:.0} bytes (of a request the session takes {:.0} and {:.0})",
            token.0.memory.told(0),
            memory.0.memory.told(0),
            token.1.request + token.1.reply,
            memory.1.request + memory.1.reply,
            token.1.added,
            memory.1.added,
        ),
        chart: Chart::new(
            "bytes of each client on the server, and of each request with its reply",
            vec![
                estimated_bar("token, client on the server", token.0.memory),
                estimated_bar("memory, client on the server", memory.0.memory),
                count_bar("token, request and reply", (token.1.request + token.1.reply) as u64),
                count_bar("memory, request and reply", (memory.1.request + memory.1.reply) as u64),
            ],
        ),
        because,
        otherwise: "more in the session: it then weighs more in every request of a token, and in a server's memory once"
            .to_owned(),
    })
}
