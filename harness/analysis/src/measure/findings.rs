//! What a reader of a trial should know, as sentences.

use comeback_model::event::Exit;
use comeback_model::ids::{Incarnation, Node};
use comeback_model::plan::{Arm, Listener, Plan, Signal};

use super::facts::{Ended, Facts};
use super::faults;
use super::ledger::Oddities;
use super::words::{counted, grouped, last_words, processes, was};
use super::{BlindTime, CacheTally, LatencyTally, SessionCounts, WriteCounts};

/// The most the generator's own lateness may be at its 99th percentile before latencies carry it visibly.
const SEND_LAG_MS: f64 = 1.0;

/// A shorter blind time may be the machine's.
const BLIND_MS: f64 = 10.0;

/// The findings of a trial.
pub(super) fn findings(plan: &Plan, facts: &Facts, oddities: &Oddities) -> Vec<String> {
    let mut found = Vec::new();
    let arm = plan.arms.get(facts.arm.0 as usize);
    found.extend(survivors(facts));
    found.extend(
        facts
            .unexpected
            .iter()
            .map(|ended| unexpected(facts, ended)),
    );
    found.extend(facts.nodes().filter_map(|node| starts(facts, node)));
    found.extend(faults::not_recovered(plan, facts));
    found.extend(probe_limits(arm, facts));
    if facts.anonymous_known {
        found.push(ANONYMOUS_KNOWN.to_owned());
    }
    if !facts.left_behind.is_empty() {
        let processes = processes(&facts.left_behind);
        found.push(format!(
            "{processes} outlived the trial and had to be killed"
        ));
    }
    if let Some(arm) = arm {
        found.extend(ignored_stop(arm, facts));
    }
    found.extend(about_sessions(oddities));
    found.extend(about_writes(oddities));
    found
}

fn survivors(facts: &Facts) -> Option<String> {
    if facts.survivors.is_empty() {
        return None;
    }
    let command_of = |pid: &i32| facts.left.iter().find(|left| left.pid == *pid);
    let commands: Vec<&str> = facts
        .survivors
        .iter()
        .filter_map(|pid| Some(command_of(pid)?.command.as_str()))
        .collect();
    let commands = match commands.as_slice() {
        [] => String::new(),
        commands => format!(" ({})", commands.join("; ")),
    };
    let outlived = format!(
        "{}{commands} of the old server outlived the fault",
        processes(&facts.survivors)
    );
    Some(match facts.recovered() {
        Some(_) => outlived,
        None => format!("the fault, or the restart, failed: {outlived}"),
    })
}

fn unexpected(facts: &Facts, ended: &Ended) -> String {
    let name = facts.name_of(ended.start);
    let said = last_words(ended.said.as_deref());
    format!("{name} {} by itself{said}", ended.exit)
}

/// How often a faulted node was started until it served, where once was not enough.
fn starts(facts: &Facts, node: Node) -> Option<String> {
    let failed = facts.failed_starts(node);
    let name = facts.name_of((node, Incarnation(0)));
    match (failed, facts.return_of(node)) {
        // Once is told as its end.
        (0, _) | (1, None) => None,
        (failed, Some(_)) => Some(format!(
            "{name} was back at its {} start: {} ended before it served",
            nth(failed + 1),
            counted(u64::from(failed), "start"),
        )),
        (failed, None) => Some(format!("{name} crashed {failed} times before it served")),
    }
}

fn nth(number: u32) -> String {
    match number {
        2 => "second".to_owned(),
        3 => "third".to_owned(),
        4 => "fourth".to_owned(),
        5 => "fifth".to_owned(),
        number => format!("{number}th"),
    }
}

/// A stop that took SIGKILL, where that is not what the plan stops with.
fn ignored_stop(arm: &Arm, facts: &Facts) -> Vec<String> {
    let kill = Exit::Signal(Signal::Kill.number());
    let took_kill = |(node, exit): (&Node, &Exit)| {
        let stop = &arm.target_of(*node).stop;
        (*exit == kill && stop.signal != Signal::Kill).then(|| {
            let name = match facts.is_alone() {
                true => "it".to_owned(),
                false => facts.name_of((*node, Incarnation(0))),
            };
            format!(
                "asked to stop, {name} did not end within {} of {} and had to be killed",
                stop.grace, stop.signal
            )
        })
    };
    facts.stopped_as.iter().filter_map(took_kill).collect()
}

/// That looks at sessions prove nothing.
const ANONYMOUS_KNOWN: &str = "a check by somebody who never logged in is answered like one within a session, so a \
     known session without a write looks like an unknown one: say where replies name the user (identity), or what the page for \
     logged-out users shows (logged_out_page)";

/// What the recovery is known by, where that is less than usual.
fn probe_limits(arm: Option<&Arm>, facts: &Facts) -> impl Iterator<Item = String> {
    let limit = facts.probe_limit.as_ref().filter(|_| !facts.control);
    let login = limit.map(|problem| {
        format!(
            "ready means a correct login alone: before the fault the rest of the probe's own session failed, each \
             step on a fresh connection ({problem})"
        )
    });
    // Where the harness itself holds the socket, that is how it is meant.
    let is_held = arm.is_some_and(|arm| arm.target.listener == Listener::Held);
    let unowned = facts.unowned.as_ref().filter(|_| !is_held).map(|why| {
        format!(
            "the new process is known by its boot id alone; the socket's owner says nothing: {why}"
        )
    });
    login.into_iter().chain(unowned)
}

/// That the harness itself was late, which latencies carry. A storm measures no times.
pub(super) fn late_sending(plan: &Plan, send_lag: &LatencyTally) -> Option<String> {
    let p99 = send_lag.quantile_ms(0.99)?;
    (p99 > SEND_LAG_MS && plan.storm.is_none()).then(|| {
        format!(
            "the generator itself was up to {p99:.1} ms late in 99 % of its operations \
             (more than {SEND_LAG_MS} ms): the latencies of this trial carry that"
        )
    })
}

fn about_sessions(oddities: &Oddities) -> impl Iterator<Item = String> {
    let Oddities {
        lost_before,
        anothers_before,
        refused_yet_known,
        flapping,
        logged_out_yet_anothers,
        lost_later,
        anothers_later,
        anothers_logins,
        writes_lost_later: _,
        writes_excess_later: _,
        stale_reads_later: _,
        writes_unnumbered: _,
    } = *oddities;
    let sentence = |count, text: &str| {
        let text = text.replace("were", was(count));
        (count > 0).then(|| format!("{} {text}", counted(count, "session")))
    };
    [
        sentence(lost_before, "were lost before any fault"),
        sentence(anothers_before, "named another user before any fault"),
        sentence(
            refused_yet_known,
            "were refused once, and known at a final look",
        ),
        sentence(
            flapping,
            "were known at one final look, and not at a later one or with less: they are undecided",
        ),
        sentence(
            logged_out_yet_anothers,
            "were logged out, and named another user later",
        ),
        sentence(lost_later, "begun after the fault were lost"),
        sentence(anothers_later, "begun after the fault named another user"),
        (anothers_logins > 0).then(|| {
            let logins = counted(anothers_logins, "login");
            format!(
                "{logins} {} answered in another user's name",
                was(anothers_logins)
            )
        }),
    ]
    .into_iter()
    .flatten()
}

fn about_writes(oddities: &Oddities) -> impl Iterator<Item = String> {
    let sentence = |count, noun: &str, text: &str| {
        let text = text.replace("were", was(count));
        (count > 0).then(|| format!("{} {text}", counted(count, noun)))
    };
    [
        sentence(
            oddities.writes_lost_later,
            "write",
            "acknowledged after the fault were absent",
        ),
        sentence(
            oddities.writes_excess_later,
            "write",
            "of sessions begun after the fault were there without having been sent",
        ),
        sentence(
            oddities.stale_reads_later,
            "check",
            "of sessions begun after the fault lacked a write that had been acknowledged, and was there later",
        ),
        sentence(
            oddities.writes_unnumbered,
            "write",
            "carried no number to be told by",
        ),
    ]
    .into_iter()
    .flatten()
}

/// What is gone although replies said that it was kept, if these were whole.
pub(super) fn doubted(sessions: &SessionCounts, writes: &WriteCounts) -> Option<String> {
    let gone = [
        (writes.lost_doubted, "write", "absent"),
        (sessions.lost_doubted, "session", "lost"),
        (
            sessions.zombie_doubted,
            "session",
            "honoured after the logout",
        ),
    ];
    let gone = gone.into_iter().filter(|(count, _, _)| *count > 0);
    let gone: Vec<String> = gone
        .map(|(count, noun, what)| format!("{} {} {what}", counted(count, noun), was(count)))
        .collect();
    (!gone.is_empty()).then(|| {
        format!(
            "{}, acknowledged by replies without a length that the fault may have cut off: whether they were whole nobody knows",
            gone.join(", ")
        )
    })
}

pub(super) fn blind(time: BlindTime) -> Option<String> {
    (time.ms >= BLIND_MS).then(|| {
        "clients failed while the health check said that the server is ready: who relies on it sends them there"
            .to_owned()
    })
}

/// Whose content a cache showed to others.
pub(super) fn about_cache(tally: Option<&CacheTally>) -> Option<String> {
    let anothers = tally?.another_users;
    let replies = |count| match count {
        1 => "1 reply".to_owned(),
        count => format!("{} replies", grouped(count)),
    };
    (anothers > 0).then(|| {
        format!(
            "the cache served {} with another user's content",
            replies(anothers)
        )
    })
}
