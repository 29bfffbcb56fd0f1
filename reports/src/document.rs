//! The content of a report, independent of its markup: sentences, cells and lists of plain text.
//!
//! All foreign text in here is printable. The writers of HTML and Markdown escape it.

mod close;
mod facts;
mod findings;
mod planned;
mod trials;

use std::collections::BTreeMap;

use comeback_analysis::measure::Cause;
use comeback_analysis::summary::{
    ArmSummary, AttributionSummary, CacheSummary, Culprit, FaultedWrites, InjectionSummary,
    RecoverySummary, RetrySummary, SessionCounts, WriteCounts,
};
use comeback_analysis::verdict::{Outcome, Verdict};
use serde::Serialize;

use crate::arms::{ArmView, RunView};
use crate::faults::faults;
use crate::format::{TimeStyle, count, count_of, counted, percent, printable, span};
use crate::glossary::{Definition, definitions};
use crate::replicas::{replicas, unknown};
use crate::storm::storm;
use crate::table::{Cell, Column, Table, Tone, sessions_beside, writes_beside};
use crate::{Logs, RenderError};

pub(crate) use close::{CloseTrial, MOST_TRIALS};
pub(crate) use facts::Fact;
pub(crate) use findings::{Finding, Part};
pub(crate) use trials::TrialTable;

/// A report.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Document {
    /// The experiment's name.
    pub(crate) name: String,
    /// `pass`, `fail`, `inconclusive` or `measured`.
    pub(crate) outcome: &'static str,
    /// The decisive fact: `FAIL: lost 294 of 294 sessions`.
    pub(crate) headline: String,
    /// What the verdict means, in one sentence.
    pub(crate) meaning: &'static str,
    /// Why, in sentences.
    pub(crate) reasons: Vec<String>,
    /// Why the run did not come to its own end.
    pub(crate) incomplete: Option<String>,
    /// What survival means here.
    pub(crate) level: String,
    /// One sentence for each arm.
    pub(crate) results: Vec<ArmResult>,
    /// Headers of the comparison after the arm's name.
    pub(crate) headers: Vec<&'static str>,
    /// Its rows.
    pub(crate) rows: Vec<ArmRow>,
    /// Arms of several nodes side by side; headers and rows.
    pub(crate) replicas: Option<SideTable>,
    /// The kills of a storm; likewise.
    pub(crate) storm: Option<SideTable>,
    /// The faults of a plan that has several; likewise.
    pub(crate) faults: Option<SideTable>,
    /// Remarks about single trials.
    pub(crate) findings: Vec<Finding>,
    /// Every trial.
    pub(crate) trials: TrialTable,
    /// Trials from close by.
    pub(crate) close: Vec<CloseTrial>,
    /// How many of how many these are; absent where it is all of them.
    pub(crate) close_shown: Option<String>,
    /// What was planned, and what landed; headers and rows.
    pub(crate) planned: SideTable,
    /// What the words mean.
    pub(crate) definitions: Vec<Definition>,
    /// Where, when and with what it ran.
    pub(crate) facts: Vec<Fact>,
    /// The plan as JSON, without the values of environment variables.
    pub(crate) plan: String,
}

/// Further tables for several nodes or several faults.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct SideTable {
    /// The content of each column.
    pub(crate) headers: Vec<String>,
    /// The arms, or their faults.
    pub(crate) rows: Vec<Vec<String>>,
}

impl From<Table> for SideTable {
    fn from(table: Table) -> Self {
        Self {
            headers: table.headers,
            rows: table.rows,
        }
    }
}

/// The results of an arm, in one sentence.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ArmResult {
    /// The arm.
    pub(crate) name: String,
    /// The sentence, beginning in the middle: `kept all …`.
    pub(crate) sentence: String,
    /// `plain`, `good` or `bad`.
    pub(crate) tone: &'static str,
}

/// An arm in the comparison.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ArmRow {
    /// The arm.
    pub(crate) name: String,
    /// Where it keeps its state.
    pub(crate) about: String,
    /// Why there are no figures.
    pub(crate) silence: Option<String>,
    /// Remarks about the figures.
    pub(crate) remark: Option<String>,
    /// The figures.
    pub(crate) cells: Vec<CellText>,
}

/// A figure in the comparison.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct CellText {
    /// Its subject.
    pub(crate) header: &'static str,
    /// The figure.
    pub(crate) main: String,
    /// How sure it is.
    pub(crate) note: Option<String>,
    /// A remark that must be read with it.
    pub(crate) beside: Option<String>,
    /// Its parts.
    pub(crate) parts: Option<String>,
    /// `plain`, `good` or `bad`.
    pub(crate) tone: &'static str,
    /// Its sort key: a number, or `beyond` all numbers. Absent if it is unknown.
    pub(crate) key: Option<String>,
}

impl Document {
    /// The document of a run.
    ///
    /// # Errors
    /// If the plan cannot be written as JSON.
    pub(crate) fn of(
        run: &RunView<'_>,
        verdict: &Verdict,
        logs: &Logs,
    ) -> Result<Self, RenderError> {
        let trials = trials::table(run);
        let close = close::trials(run, &trials, logs);
        let is_all = close.len() == trials.rows.len();
        Ok(Self {
            close_shown: (!is_all).then(|| count_of(close.len() as u64, trials.rows.len() as u64)),
            close,
            planned: planned::planned(run).into(),
            name: printable(&run.summary.name),
            outcome: verdict.outcome.name(),
            headline: printable(&verdict.headline),
            meaning: meaning(verdict.outcome),
            reasons: verdict
                .reasons
                .iter()
                .map(|reason| printable(reason))
                .collect(),
            incomplete: run.analysis.incomplete.as_deref().map(printable),
            level: level(run),
            results: run.arms.iter().map(|arm| result(run, arm)).collect(),
            headers: Column::on_page(run.summary)
                .iter()
                .map(|column| column.header())
                .collect(),
            rows: run.arms.iter().map(|arm| row(run, arm)).collect(),
            replicas: replicas(run.summary).map(SideTable::from),
            storm: storm(run.summary).map(SideTable::from),
            faults: faults(run.summary).map(SideTable::from),
            findings: findings::of(run),
            trials,
            definitions: definitions(run),
            facts: facts::facts(run),
            plan: facts::plan(run)?,
        })
    }
}

const fn meaning(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "Every gate of this run holds, on sufficient evidence.",
        Outcome::Measured => {
            "Everything was measured. There are no gates, so this run neither passes nor fails."
        }
        Outcome::Fail => "At least one gate of this run does not hold.",
        Outcome::Inconclusive => "The evidence of this run does not suffice for a verdict.",
    }
}

fn level(run: &RunView<'_>) -> String {
    if !run.takes_memory() {
        return format!(
            "In every trial that counts, {} was seen to have its effect. It {}",
            run.fault(),
            run.takes()
        );
    }
    if !run.all_take_memory() {
        return format!(
            "In every trial that counts, each fault was seen to have its effect. One that ends a process {}",
            run.takes()
        );
    }
    let chance = if run.is_kill() {
        ""
    } else {
        ", which may have saved its state first"
    };
    let ended = format!(
        "In every trial that counts, the process that got {} is confirmed to have ended{chance}. That {}",
        run.fault(),
        run.takes()
    );
    let old = run.arms.iter().any(|arm| {
        let mut causes = arm.analysis.trials.iter().flat_map(|trial| &trial.causes);
        causes.any(|cause| *cause == Cause::OldProcess)
    });
    match old {
        true => format!(
            "{ended} But other processes of the old server survived and kept the port. Their replies do not show a \
             recovery."
        ),
        false => ended,
    }
}

const fn tone_name(tone: Tone) -> &'static str {
    match tone {
        Tone::Plain => "plain",
        Tone::Good => "good",
        Tone::Bad => "bad",
    }
}

fn row(run: &RunView<'_>, arm: &ArmView<'_>) -> ArmRow {
    let cells = match arm.silence {
        Some(_) => Vec::new(),
        None => Column::on_page(run.summary)
            .into_iter()
            .map(|column| {
                cell_text(
                    column.header(),
                    column.cell(arm.summary, Some(run.horizon())),
                )
            })
            .collect(),
    };
    ArmRow {
        name: arm.name.clone(),
        about: arm.about.clone(),
        silence: arm.silence.clone(),
        remark: match arm.silence {
            Some(_) => None,
            None => remark(arm.summary),
        },
        cells,
    }
}

/// Remarks about an arm beside its figures: trials that do not count and, if there are several nodes, who
/// failed operations and who served them.
fn remark(arm: &ArmSummary) -> Option<String> {
    let reason = arm.reason.as_deref().map(printable);
    let attributed = arm.attribution.as_ref().map(attributed);
    let cached = arm.cache.as_ref().map(cached);
    let faulted = faulted(&arm.injection);
    let retried = arm.retries.as_ref().map(retried);
    let unknown = arm.nodes.iter().flat_map(unknown);
    let parts = reason
        .into_iter()
        .chain(faulted)
        .chain(retried)
        .chain(cached);
    let parts: Vec<String> = parts.chain(attributed).chain(unknown).collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// The results of a cache, where there is room for all of them.
fn cached(cache: &CacheSummary) -> String {
    let mut parts = vec![match cache.hit_rate {
        Some(rate) => format!(
            "cache hits {} ({})",
            percent(rate),
            count_of(cache.hits, cache.look_ups)
        ),
        None => "the cache had nothing to keep".to_owned(),
    }];
    parts.extend(anothers_content(cache));
    parts.extend(
        cache
            .oldest_stale_s
            .map(|age| format!("the oldest stale reply that it served was {age} s old")),
    );
    if let Some((down, availability)) = cache
        .while_down
        .and_then(|down| Some((down, down.availability?)))
    {
        parts.push(format!(
            "available while every replica was down {} ({}), {} from the cache",
            percent(availability),
            count_of(down.correct, down.scheduled),
            count(down.from_cache)
        ));
    }
    parts.join("; ")
}

/// The worst that a cache can do.
fn anothers_content(cache: &CacheSummary) -> Option<String> {
    (cache.another_users > 0).then(|| {
        format!(
            "the cache served another user's content, {}",
            counted(cache.another_users, "time")
        )
    })
}

/// The fate of the operations that the fault met.
fn faulted(injection: &InjectionSummary) -> Option<String> {
    if injection.since == 0 {
        return None;
    }
    let fate = |all: u64, failed: &BTreeMap<String, u64>| {
        let classes = failed.iter();
        let classes: Vec<String> = classes
            .map(|(class, number)| format!("{} {}", count(*number), class.replace('_', " ")))
            .collect();
        match (all, classes.is_empty()) {
            (0, _) => "none".to_owned(),
            (all, true) => format!("{}, all of them answered correctly", count(all)),
            (all, false) => format!("{}, of them failed: {}", count(all), classes.join(", ")),
        }
    };
    let spread = injection.spread_ms.map_or_else(String::new, |ms| {
        format!("; from the first to the last faulted node at most {ms:.1} ms")
    });
    let draining = match injection.draining {
        0 => String::new(),
        all => format!(
            "; operations between the signal to stop and the end: {}",
            fate(all, &injection.draining_failed)
        ),
    };
    let writes = injection
        .writes
        .as_ref()
        .map_or_else(String::new, met_writes);
    Some(format!(
        "operations in flight at the fault: {}; operations from then on: {}{draining}{spread}{writes}",
        fate(injection.in_flight, &injection.in_flight_failed),
        fate(injection.since, &injection.since_failed),
    ))
}

/// How much of the writes the faults met, and what that is good for.
fn met_writes(writes: &FaultedWrites) -> String {
    let trials = writes.trials.iter();
    let each: Vec<String> = trials
        .map(|met| format!("{}", met.in_flight_writes))
        .collect();
    format!(
        "; writes sent and not acknowledged at the fault: {} ({} by trial), and acknowledged less than 1 ms before: {}; a \
         server that acknowledges 100 µs before it stores would have been found in {:.0} % of such runs",
        count(writes.in_flight),
        each.join(", "),
        count(writes.at_stake.saturating_sub(writes.in_flight)),
        (writes.early_ack_found * 100.0).floor(),
    )
}

/// The results of retries.
fn retried(retries: &RetrySummary) -> String {
    let amplification = retries
        .amplification
        .map_or_else(String::new, |tries| format!(": {tries:.3} tries for each"));
    format!(
        "{} of {} tried again, {} of them answered correctly then{amplification}",
        count(retries.repeated),
        counted(retries.operations, "operation"),
        count(retries.saved),
    )
}

fn attributed(attribution: &AttributionSummary) -> String {
    let listed = |parts: Vec<String>| match parts.is_empty() {
        true => "none".to_owned(),
        false => parts.join(", "),
    };
    let failed = attribution.failed.iter().map(|(culprit, failed)| {
        let name = match culprit {
            Culprit::Client => "the load generator",
            Culprit::Balancer => "the balancer",
            Culprit::Cache => "the cache",
            Culprit::Replica => "a replica",
            Culprit::Store => "the store",
        };
        format!("{name} {}", count(*failed))
    });
    let served = attribution.served.iter();
    let served = served.map(|(node, served)| format!("{} {}", printable(node), count(*served)));
    format!(
        "operations failed by {}; served by {}",
        listed(failed.collect()),
        listed(served.collect())
    )
}

fn cell_text(header: &'static str, cell: Cell) -> CellText {
    CellText {
        header,
        main: cell.main,
        note: cell.note,
        beside: cell.beside,
        parts: cell.parts,
        tone: tone_name(cell.tone),
        key: cell.key.map(|key| match key.is_infinite() {
            true => "beyond".to_owned(),
            false => format!("{key:.6}"),
        }),
    }
}

fn result(run: &RunView<'_>, arm: &ArmView<'_>) -> ArmResult {
    let name = arm.name.clone();
    if let Some(silence) = &arm.silence {
        return ArmResult {
            name,
            sentence: format!("{silence}."),
            tone: "plain",
        };
    }
    let summary = arm.summary;
    let trials = counted(u64::from(arm.landed()), "trial");
    let crashes = match summary.faults.len() {
        2.. => format!("{trials} with {} faults each", summary.faults.len()),
        _ if run.disk().is_some() => counted(u64::from(arm.landed()), "power cut"),
        _ if run.is_kill() => counted(u64::from(arm.landed()), "process kill"),
        _ => format!("{trials} with {}", run.fault()),
    };
    let mut clauses = Vec::new();
    let mut tone = Tone::Plain;
    if run.has_sessions() {
        let (sessions, writes) = (&summary.sessions, &summary.writes);
        clauses.push(format!("{} over {crashes}", fates(sessions, writes)));
        for beside in [sessions_beside(sessions), writes_beside(writes)] {
            clauses.extend(beside.map(|beside| format!("also {beside}")));
        }
        let cells = [Column::Sessions, Column::Writes].map(|column| column.cell(summary, None));
        tone = if cells.iter().any(|cell| cell.tone == Tone::Bad) {
            Tone::Bad
        } else if cells.iter().all(|cell| cell.tone == Tone::Good) {
            Tone::Good
        } else {
            Tone::Plain
        };
    } else {
        clauses.push(format!("has no sessions to lose; {crashes}"));
    }
    if let Some(anothers) = summary.cache.as_ref().and_then(anothers_content) {
        clauses.push(anothers);
        tone = Tone::Bad;
    }
    clauses.push(outage(run, summary));
    clauses.extend(recovery(run, &summary.recovery));
    ArmResult {
        name,
        sentence: format!("{}.", clauses.join("; ")),
        tone: tone_name(tone),
    }
}

/// How long the service was out; where nothing was ended, how long its clients were without a reply.
fn outage(run: &RunView<'_>, summary: &ArmSummary) -> String {
    let style = TimeStyle::after_fault(Some(run.horizon()));
    let is_degraded = run.degrades();
    let outage = match is_degraded {
        true => &summary.client_outage_ms,
        false => &summary.outage_ms,
    };
    match (outage.n, outage.median) {
        (0, _) => "its outage was not measured".to_owned(),
        (_, Some(median)) if is_degraded => format!(
            "its clients were without a correct reply for {} at the longest",
            style.value_of(median)
        ),
        (_, Some(median)) => {
            let which = match summary.faults.len() {
                2.. => "first fault",
                _ => "fault",
            };
            format!("back {} after the {which}", style.value_of(median))
        }
        (_, None) => format!("mostly not back within {}", span(run.horizon())),
    }
}

/// The fate of sessions and writes. Unknown ones come first; if there are any, none is said to be kept.
fn fates(sessions: &SessionCounts, writes: &WriteCounts) -> String {
    let SessionCounts {
        acknowledged: all,
        undecided,
        lost,
        ..
    } = *sessions;
    if undecided == 0 {
        let (first, of_sessions) = fate_of_sessions(sessions);
        let (second, of_writes) = fate_of_writes(writes);
        // "kept all … and all …" rather than "kept all … and kept all …".
        return match first == second {
            true => format!("{first} {of_sessions} and {of_writes}"),
            false => format!("{first} {of_sessions} and {second} {of_writes}"),
        };
    }
    let open = format!(
        "{} undecided of {}",
        count(undecided),
        counted(all, "acknowledged session")
    );
    let rest = match (all.saturating_sub(undecided), lost) {
        (0, _) => "nothing is known of losses".to_owned(),
        (rest, 0) => format!(
            "of the other {} no session is known to be lost",
            count(rest)
        ),
        (rest, lost) => format!("lost {} of the other {}", count(lost), count(rest)),
    };
    let of_writes = match writes.lost {
        0 => String::new(),
        lost => format!(
            ", and {} of {} of those that are known",
            count(lost),
            counted(writes.acknowledged, "write")
        ),
    };
    format!("{open}: {rest}{of_writes}")
}

/// In how many trials the service was not back, or is only known by the probe to be.
fn recovery(run: &RunView<'_>, recovery: &RecoverySummary) -> Vec<String> {
    let horizon = span(run.horizon());
    let said = [
        (recovery.never, format!("not back within {horizon}")),
        (
            recovery.not_for_good,
            "back once and not for good".to_owned(),
        ),
        (
            recovery.metastable,
            "of these metastable: up, and not serving".to_owned(),
        ),
        (
            recovery.by_probe_only,
            "back by the probe only, because the load was too small to tell".to_owned(),
        ),
    ];
    let said = said.into_iter().filter(|(trials, _)| *trials > 0);
    said.map(|(trials, what)| format!("{} {what}", counted(u64::from(trials), "time")))
        .collect()
}

/// The fate of sessions. While some are doubted, none is said to be kept.
fn fate_of_sessions(sessions: &SessionCounts) -> (&'static str, String) {
    let (lost, all) = (sessions.lost, sessions.acknowledged);
    match sessions.doubted() {
        0 => fate("session", lost, sessions.survived, all),
        _ => for_certain("session", lost, all),
    }
}

/// The same of writes. Those that cannot be verified are neither kept nor lost.
fn fate_of_writes(writes: &WriteCounts) -> (&'static str, String) {
    let (lost, all) = (writes.lost, writes.acknowledged);
    match writes.unverifiable.saturating_add(writes.lost_doubted) {
        0 => fate("write", lost, writes.kept, all),
        _ => for_certain("write", lost, all),
    }
}

/// Their fate where others may be lost, too.
fn for_certain(thing: &str, lost: u64, acknowledged: u64) -> (&'static str, String) {
    let of = counted(acknowledged, &format!("acknowledged {thing}"));
    match (lost, acknowledged) {
        (0, 0) => fate(thing, 0, 0, 0),
        (0, _) => ("lost", format!("none for certain of {of}")),
        (lost, _) => ("lost", format!("{} for certain of {of}", count(lost))),
    }
}

/// Their fate: `kept`, `all 1,203 acknowledged sessions`.
///
/// A session without a definite answer is neither lost nor kept.
fn fate(thing: &str, lost: u64, kept: u64, acknowledged: u64) -> (&'static str, String) {
    let of = |number| counted(number, &format!("acknowledged {thing}"));
    match (lost, acknowledged) {
        (_, 0) => ("had", format!("no acknowledged {thing} to keep")),
        (0, all) if kept == all => ("kept", format!("all {}", of(all))),
        (0, all) => ("lost", format!("none of {}", of(all))),
        (lost, all) if lost == all => ("lost", format!("all {}", of(all))),
        (lost, all) => {
            let share = percent(lost as f64 / all as f64);
            ("lost", format!("{} of {} ({share})", count(lost), of(all)))
        }
    }
}
