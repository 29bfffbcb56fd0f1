//! 13: stateless is quicker.

use super::chart::{Estimated, estimated_bar};
use super::facts::middle;
use super::thresholds::{CLIENT_LIMIT, QUICKER};
use super::{Bar, Chart, Findings, Open, Ruled, Ruling, RulingResult, What};

pub(crate) fn rule(found: &Findings) -> RulingResult {
    const STATEFUL: [(&str, &str); 4] = [
        ("memory", "memory"),
        ("buffered", "journal without a sync"),
        ("journal", "journal"),
        ("redis", "shared store"),
    ];
    for arm in ["token", "trivial"]
        .into_iter()
        .chain(STATEFUL.map(|(arm, _)| arm))
    {
        found.controlled(arm)?;
    }
    let limit = ratio(found, "token", "trivial")?;
    if limit.value >= CLIENT_LIMIT {
        return Err(Open(format!(
            "token came to {:.0} % of a server that does nothing: the client was the limit",
            limit.value * 100.0
        )));
    }
    let mut behind = Vec::new();
    let mut level = Vec::new();
    let mut told = Vec::new();
    for (arm, name) in STATEFUL {
        let over = ratio(found, "token", arm)?;
        let (low, high) = (over.low.unwrap_or(0.0), over.high.unwrap_or(f64::INFINITY));
        if low > 1.0 && over.value >= QUICKER {
            behind.push(name);
        } else if high < QUICKER {
            level.push(name);
        } else {
            return Err(Open(format!(
                "token's goodput is {} times that of {name}: quicker or not, the rounds do not agree",
                over.told(2)
            )));
        }
        told.push(format!("{name} {}", over.told(2)));
    }
    let (ruling, because) = match (behind.as_slice(), level.as_slice()) {
        ([], _) => (
            Ruling::Refuted,
            "no server that keeps sessions was slower than the one that keeps none".to_owned(),
        ),
        (_, []) => (
            Ruling::Holds,
            "every server that keeps sessions was slower, wherever it keeps them".to_owned(),
        ),
        (behind, level) => (
            Ruling::HoldsInPart,
            format!(
                "quicker than {}, but not than {}: to look a session up costs less than to check and sign a token",
                behind.join(" and "),
                level.join(" and ")
            ),
        ),
    };
    let bars = std::iter::once(("token", "token")).chain(STATEFUL);
    let bars: Result<Vec<Bar>, Open> = bars
        .map(|(arm, name)| Ok(estimated_bar(name, found.median(arm, What::Goodput)?)))
        .collect();
    let latency = |arm: &str| -> Result<String, Open> {
        let of = |what| found.median(arm, what).map(|figure| figure.value);
        Ok(format!("{:.2} / {:.2}", of(What::P50Ms)?, of(What::P99Ms)?))
    };
    Ok(Ruled {
        ruling,
        figure: format!(
            "goodput of token, times that of {}; latency at an equal load, p50 / p99 in ms: token {}, memory {}, \
             journal {}, shared store {}",
            told.join(", "),
            latency("token")?,
            latency("memory")?,
            latency("journal")?,
            latency("redis")?
        ),
        chart: Chart::new("goodput as fast as it goes, requests/s", bars?),
        because,
        otherwise: "a disk that syncs slower or faster, a store across a network, a signature of another kind".to_owned(),
    })
}

/// How many times the goodput of another an arm's is, round by round: what disturbs a round disturbs both.
fn ratio(found: &Findings, arm: &str, other: &str) -> Result<Estimated, Open> {
    let (its, others) = (
        found.values(arm, What::Goodput)?,
        found.values(other, What::Goodput)?,
    );
    let pairs = its.iter().filter_map(|(round, goodput)| {
        let (_, other) = others.iter().find(|(other, _)| other == round)?;
        Some(goodput / other)
    });
    let ratios: Vec<f64> = pairs.filter(|ratio| ratio.is_finite()).collect();
    let found = middle(&ratios);
    if found.low.is_none() {
        return Err(Open(format!(
            "{arm} and {other} ran {} rounds together: too few for an interval",
            ratios.len()
        )));
    }
    Ok(found)
}
