//! 14: stateless is easy on the internet.

use super::chart::{Estimated, estimated_bar};
use super::storage::slope;
use super::thresholds::{ALL, LIGHTER};
use super::{Chart, Findings, Open, Ruled, Ruling, RulingResult, What, percent_of, share};

/// How a server bears the internet.
struct Bearing {
    /// Memory for each client that is connected and idle, in bytes.
    idle: Estimated,
    /// A request and its reply, in bytes.
    exchange: f64,
    /// Requests that were right after a proxy had closed the connection.
    after: (u64, u64),
}

impl Bearing {
    fn of(found: &Findings, arm: &str) -> Result<Self, Open> {
        found.controlled(arm)?;
        let of = |what| found.median(arm, what).map(|figure| figure.value);
        Ok(Self {
            idle: slope(found, arm, What::IdleMemory)?,
            exchange: of(What::RequestBytes)? + of(What::ReplyBytes)?,
            after: found.share(arm, What::AfterIdle)?,
        })
    }

    fn survives(&self) -> bool {
        share(self.after.0, self.after.1) >= ALL
    }
}

pub(crate) fn rule(found: &Findings) -> RulingResult {
    let of = |arm: &str| Bearing::of(found, arm);
    let (token, memory, shared) = (of("token")?, of("memory")?, of("redis")?);
    let is_lighter = |than: &Bearing| token.idle.value <= LIGHTER * than.idle.value;
    let lighter = is_lighter(&memory) && is_lighter(&shared);
    let mut nuances = Vec::new();
    if token.exchange > memory.exchange {
        nuances.push("each request weighs more");
    }
    if memory.survives() {
        nuances.push("a session in memory outlives a closed connection as well");
    }
    let (ruling, because) = match (token.survives(), lighter, nuances.as_slice()) {
        (false, _, _) => (
            Ruling::Refuted,
            "sessions in tokens did not outlive a closed connection".to_owned(),
        ),
        (true, false, _) => (
            Ruling::Refuted,
            "an idle client of the stateless server takes as much memory: its connection does, beside which a session is \
             nothing"
                .to_owned(),
        ),
        (true, true, []) => (
            Ruling::Holds,
            "its idle clients and its requests are lighter, and only its sessions outlive a closed connection".to_owned(),
        ),
        (true, true, nuances) => (
            Ruling::HoldsInPart,
            format!("its idle clients take less memory, but {}", nuances.join(", and ")),
        ),
    };
    let arms = [
        ("token", &token),
        ("memory", &memory),
        ("shared store", &shared),
    ];
    let told = arms.map(|(name, arm)| {
        format!(
            "{name} {} / {:.0} / {}",
            arm.idle.told(0),
            arm.exchange,
            percent_of(arm.after.0, arm.after.1)
        )
    });
    Ok(Ruled {
        ruling,
        figure: format!(
            "memory for an idle client in bytes (from the flattest to the steepest piece) / a request and its reply in \
             bytes / requests that were right after nginx had closed the idle connection: {}",
            told.join(", ")
        ),
        chart: Chart::new(
            "memory for an idle client that is logged in and connected, bytes",
            arms.map(|(name, arm)| estimated_bar(name, arm.idle))
                .to_vec(),
        ),
        because,
        otherwise:
            "clients that close their connections: what is left of them is what claim 8 shows"
                .to_owned(),
    })
}
