//! What a comparison shows, reduced to what claims are about.

use serde::{Deserialize, Serialize};

use super::chart::share_bar;
use super::thresholds::{ALL, CRASHES, NEAR, REQUESTS, UNKNOWN};
use super::{Bar, Open, share};
use comeback_analysis::summary::{ArmSummary, CacheSummary, Status};
use comeback_model::operation::ErrorClass;
use comeback_statistics::zero_event_upper_bound;

/// What claims are about, of one arm: a line of the journal that a claim is judged by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The architecture, without the number of replicas.
    pub name: String,
    /// In which of the claim's comparisons, from 0.
    pub run: usize,
    /// How many replicas there are.
    pub replicas: u32,
    /// Why there are no figures.
    pub missing: Option<String>,
    /// Crashes, or other faults, that counted.
    pub faults: u32,
    /// Of the requests within sessions without any fault: sent, and answered as that session.
    pub requests: (u64, u64),
    /// Correct operations per second without any fault.
    pub goodput: Option<f64>,
    /// Sessions that were lost without any fault.
    pub lost_undisturbed: u64,
    /// Sessions that had begun when the fault was sent: of which it is known what became, and lost.
    pub sessions: (u64, u64),
    /// Sessions of which it is not known.
    pub undecided: u64,
    /// Operations from the fault on that the clients began: how many, and failed.
    pub since: (u64, u64),
    /// Operations that were due from the fault on, and that the clients did not begin in time.
    pub unsent: u64,
    /// Until the service was back, the median in ms.
    pub ready_ms: Option<f64>,
    /// Until goodput, errors and p99 were as before, the median in ms.
    pub steady_ms: Option<f64>,
    /// The outage area, the median in s.
    pub area_s: Option<f64>,
    /// What a cache in front did; absent if there is none.
    pub cache: Option<CacheSummary>,
    /// Invariants that did not hold in the trials with a fault, by their names.
    pub violations: Vec<String>,
    /// Lines of code that its server has of its own, where that is known.
    pub lines: Option<u32>,
}

impl Evidence {
    /// The journal of all that a claim is judged by, a line for each arm.
    ///
    /// # Errors
    /// If a figure is no number.
    pub fn to_text(evidence: &[Self]) -> serde_json::Result<String> {
        let lines = evidence.iter().map(serde_json::to_string);
        lines.map(|line| line.map(|line| line + "\n")).collect()
    }

    /// Reads such a journal.
    ///
    /// # Errors
    /// With the first line that is none of it.
    pub fn parse(text: &str) -> serde_json::Result<Vec<Self>> {
        text.lines().map(serde_json::from_str).collect()
    }

    pub(crate) fn of(run: usize, arm: &ArmSummary) -> Self {
        let replicas = arm.nodes.as_ref().map_or(1, |nodes| nodes.replicas);
        // Where several numbers of replicas are compared the name ends with the number.
        let name = arm.name.strip_suffix(&format!("-{replicas}"));
        let continuity = arm.control.continuity;
        let injection = &arm.injection;
        let unsent = injection.since_failed.get(ErrorClass::Unsent.name());
        let unsent = unsent.copied().unwrap_or_default();
        Self {
            name: name.unwrap_or(&arm.name).to_owned(),
            run,
            replicas,
            missing: (arm.status == Status::Skipped).then(|| {
                let why = arm.reason.as_deref().unwrap_or("no trial counts");
                format!("{}: {why}", arm.name)
            }),
            faults: arm.faults_landed.min(arm.trials),
            requests: (continuity.sent, continuity.kept),
            goodput: arm.control.goodput_per_s,
            lost_undisturbed: arm.control.sessions.lost,
            sessions: (injection.sessions, injection.sessions_lost),
            undecided: arm.sessions.undecided + arm.sessions.lost_doubted,
            since: (injection.since - unsent, injection.since_lost() - unsent),
            unsent,
            ready_ms: arm.time_to_ready_ms.median,
            steady_ms: arm.time_to_steady_ms.median,
            area_s: arm.outage_area_s.median,
            cache: arm.cache.clone(),
            violations: violations(arm).map(str::to_owned).collect(),
            lines: None,
        }
    }

    /// Which share of the requests within sessions found its session.
    pub(super) fn continuity(&self) -> f64 {
        share(self.requests.1, self.requests.0)
    }

    pub(super) fn has_all_requests(&self) -> bool {
        self.continuity() >= ALL
    }

    /// Whether requests found their session by chance alone.
    pub(super) fn has_one_in_n(&self) -> bool {
        (self.continuity() - 1.0 / f64::from(self.replicas)).abs() <= NEAR
    }

    pub(super) fn loses_no_session(&self) -> bool {
        self.sessions.1 == 0
    }

    pub(super) fn loses_all_sessions(&self) -> bool {
        share(self.sessions.1, self.sessions.0) >= ALL
    }
}

/// How many invariants are looked at.
pub(super) const INVARIANTS: usize = 8;

/// The invariants that did not hold.
fn violations(arm: &ArmSummary) -> impl Iterator<Item = &'static str> {
    let (sessions, writes) = (&arm.sessions, &arm.writes);
    let all: [(&'static str, bool); INVARIANTS] = [
        ("sessions lost", sessions.lost > 0),
        ("sessions set back", sessions.reset > 0),
        ("sessions of another user", sessions.wrong_identity > 0),
        (
            "logged-out sessions honoured",
            sessions.honoured_logouts() > 0,
        ),
        ("writes lost", writes.lost > 0),
        ("writes applied twice", writes.duplicated > 0),
        ("writes out of nothing", writes.phantom > 0),
        ("not back in time", arm.time_to_ready_ms.censored > 0),
    ];
    let violated = all.into_iter().filter(|(_, violated)| *violated);
    violated.map(|(name, _)| name)
}

/// What one of the claim's comparisons shows.
pub(super) fn of_run(evidence: &[Evidence], run: usize) -> Vec<Evidence> {
    let of_run = evidence.iter().filter(|arm| arm.run == run);
    of_run.cloned().collect()
}

/// The arms of this name, by their number of replicas; or why a claim cannot be judged by them.
pub(super) fn arms<'a>(evidence: &'a [Evidence], name: &str) -> Result<Vec<&'a Evidence>, Open> {
    let mut found: Vec<&Evidence> = evidence.iter().filter(|arm| arm.name == name).collect();
    found.sort_by_key(|arm| arm.replicas);
    if found.is_empty() {
        return Err(Open(format!("there is no arm '{name}'")));
    }
    for arm in &found {
        if let Some(why) = &arm.missing {
            return Err(Open(why.clone()));
        }
    }
    Ok(found)
}

/// Sees that an arm's control trials show enough: no verdict without them.
pub(super) fn controlled(arm: &Evidence) -> Result<(), Open> {
    if arm.requests.0 < REQUESTS {
        return Err(Open(format!(
            "{} has {} requests within sessions in its trials without a fault, and {REQUESTS} are needed",
            arm.name, arm.requests.0
        )));
    }
    Ok(())
}

/// Sees that an arm met enough faults, and that it is known what became of it.
pub(super) fn faulted(arm: &Evidence) -> Result<(), Open> {
    let (known, name) = (arm.sessions.0, &arm.name);
    if arm.faults < CRASHES || known == 0 {
        return Err(Open(format!(
            "{name} met {} faults that count with {known} sessions, and {CRASHES} are needed",
            arm.faults
        )));
    }
    if share(arm.undecided, known + arm.undecided) > UNKNOWN {
        return Err(Open(format!(
            "{name}: the fate of {} sessions is unknown, beside {known} of which it is known",
            arm.undecided
        )));
    }
    if share(arm.unsent, arm.since.0 + arm.unsent) > UNKNOWN {
        return Err(Open(format!(
            "{name}: from the fault on, {} operations were not begun in time, and {} were",
            arm.unsent, arm.since.0
        )));
    }
    controlled(arm)
}

/// The same of one that keeps its sessions where nothing is done to it: what it loses otherwise need not be due to the fault.
pub(super) fn faulted_in_order(arm: &Evidence) -> Result<(), Open> {
    faulted(arm)?;
    if !arm.has_all_requests() || arm.lost_undisturbed > 0 {
        return Err(Open(format!(
            "{} answered {} of {} requests within sessions as that session and lost {} sessions in its trials without a \
             fault: what failed otherwise need not be due to it",
            arm.name, arm.requests.1, arm.requests.0, arm.lost_undisturbed
        )));
    }
    Ok(())
}

/// The one arm of this name, which met enough faults, and is in order without them.
pub(super) fn the_only<'a>(evidence: &'a [Evidence], name: &str) -> Result<&'a Evidence, Open> {
    match arms(evidence, name)?.as_slice() {
        [arm] => faulted_in_order(arm).map(|()| *arm),
        _ => Err(Open(format!("several arms have the name '{name}'"))),
    }
}

/// `0 of 589 (≤ 39 % of faults)`.
pub(super) fn lost(arm: &Evidence) -> String {
    let (sessions, lost) = arm.sessions;
    let bound = zero_event_upper_bound(u64::from(arm.faults)).filter(|_| lost == 0);
    let bound = bound.map_or_else(String::new, |bound| {
        format!(" (≤ {:.0} % of faults)", bound * 100.0)
    });
    format!("{lost} of {sessions}{bound}")
}

/// A bar of those sessions that were lost, in percent.
pub(super) fn bar_of_lost(label: &str, arm: &Evidence) -> Bar {
    share_bar(label, (arm.sessions.1, arm.sessions.0))
}

/// A bar of those requests that found their session, in percent.
pub(super) fn bar_of_found(label: impl Into<String>, arm: &Evidence) -> Bar {
    share_bar(label, (arm.requests.1, arm.requests.0))
}
