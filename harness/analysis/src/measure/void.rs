//! Why a trial does not count.

use std::collections::BTreeMap;

use comeback_model::event::Survivor;
use comeback_model::ids::{BootId, Incarnation};
use comeback_model::operation::{ErrorClass, Operation, Step};
use comeback_model::plan::{Arm, Plan};
use comeback_model::units::{Elapsed, Span};

use super::facts::Facts;
use super::faults;
use super::load::{Load, Part};
use super::types::{BeforeTheFault, Doing, Return, Spoils, Void};
use super::words::{counted, last_words, percent, waited_for_disk};
use crate::measure::{IdleKill, SessionCounts, WriteCounts};

/// What is handed out later than this, and then not sent in time, a server that answers has nothing to do with.
const LATE: Span = Span::from_ms(10);

/// A disk that keeps somebody waiting for one part in so many of the baseline may be why too little is sent.
const STALL: u64 = 5;

/// A process that somebody else starts may have begun so long before it is taken to have: two ticks of the kernel's clock for processes.
const BEGUN_BEFORE: Span = Span::from_ms(20);

/// The share of what a server managed, at most, that it also bears.
const BEARABLE: f64 = 0.8;

/// What voids a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    Aborted,
    KilledIdle,
    Interrupted,
    NotStarted { port_taken: bool },
    Missed,
    OtherSurroundings,
    HarnessFailed { after_the_fault: bool },
    Renamed,
    OldAnswers,
    OthersAnswer,
    NobodyStarts,
    NeverWorked,
    WrongBefore,
    NoSamples { by_lag: bool },
    BelowFloor { by_machine: bool },
    Unclear,
}

impl Why {
    const fn spoils(self) -> Spoils {
        match self {
            Self::Aborted
            | Self::Interrupted
            | Self::NotStarted { .. }
            | Self::Missed
            | Self::OtherSurroundings
            | Self::HarnessFailed { .. }
            | Self::Renamed
            | Self::OldAnswers
            | Self::OthersAnswer
            | Self::NobodyStarts
            | Self::NeverWorked
            | Self::WrongBefore => Spoils::Everything,
            // What was found is certain.
            Self::KilledIdle | Self::NoSamples { .. } | Self::BelowFloor { .. } | Self::Unclear => {
                Spoils::Times
            }
        }
    }

    /// Whose doing it is. What the server may have done, or led to, is its own: a server that hangs misses the load's
    /// floor, one that takes the signals in hand does not die, and one that lets connections pile up after the fault
    /// drives the harness out of them.
    const fn doing(self) -> Doing {
        match self {
            Self::NotStarted { port_taken: true }
            | Self::HarnessFailed {
                after_the_fault: false,
            }
            | Self::NoSamples { by_lag: true }
            | Self::BelowFloor { by_machine: true } => Doing::Ours,
            // The kernel does not say who waits for the disk: it may be the server, for what it does there itself.
            Self::Aborted
            | Self::KilledIdle
            | Self::Interrupted
            | Self::NotStarted { port_taken: false }
            | Self::Missed
            | Self::OtherSurroundings
            | Self::HarnessFailed {
                after_the_fault: true,
            }
            | Self::Renamed
            | Self::OldAnswers
            | Self::OthersAnswer
            | Self::NobodyStarts
            | Self::NeverWorked
            | Self::WrongBefore
            | Self::NoSamples { by_lag: false }
            | Self::BelowFloor { by_machine: false }
            | Self::Unclear => Doing::Servers,
        }
    }
}

/// What a trial shows of the server, void or not.
pub(super) struct Shown<'a> {
    pub(super) returned: Option<&'a Return>,
    pub(super) sessions: &'a SessionCounts,
    pub(super) writes: &'a WriteCounts,
    pub(super) before: &'a BeforeTheFault,
}

impl Shown<'_> {
    fn certain_losses(&self) -> bool {
        let (sessions, writes) = (self.sessions, self.writes);
        let counts = [
            sessions.lost,
            sessions.reset,
            sessions.name_another(),
            writes.lost,
        ];
        counts.iter().any(|count| *count > 0)
    }

    /// Whether it speaks against the server, so that nothing may take the trial's place.
    fn speaks_against_the_server(&self, facts: &Facts, spoils: Spoils) -> bool {
        let landed = facts.landed();
        let is_back = facts.recovered().is_some() && !matches!(self.returned, Some(Return::Not(_)));
        // Where times alone are spoiled, what is lost counts all the same, and is not hidden.
        let hides_a_loss = spoils == Spoils::Everything && self.certain_losses();
        !facts.unexpected.is_empty() || landed && (!is_back || hides_a_loss)
    }
}

/// The first reason why a trial does not count: those that spoil everything come before those that spoil
/// only times and rates, and among them what the server did before what we did.
pub(super) fn reason(
    plan: &Plan,
    facts: &Facts,
    (load, operations): (&Load<'_>, &[&Operation]),
    shown: &Shown<'_>,
) -> Option<Void> {
    // A storm measures none.
    let measures_times = plan.storm.is_none();
    let all: Vec<(Why, String)> = match unfinished(facts) {
        Some(early) => vec![early],
        None => [
            faults::lacking(plan, facts).map(|reason| (Why::OtherSurroundings, reason)),
            faults::missed(plan, facts, load).map(|reason| (Why::Missed, reason)),
            failed_by_us(facts, operations),
            renamed(facts, operations).map(|reason| (Why::Renamed, reason)),
            answered_by_the_old(facts, operations).map(|reason| (Why::OldAnswers, reason)),
            answered_by_others(plan, facts, operations).map(|reason| (Why::OthersAnswer, reason)),
            started_by_nobody(plan, facts).map(|reason| (Why::NobodyStarts, reason)),
            never_worked(load).map(|reason| (Why::NeverWorked, reason)),
            wrong_before(plan, shown.before).map(|reason| (Why::WrongBefore, reason)),
            no_samples(plan, load)
                .or_else(|| below_floor(plan, facts, (load, operations)))
                .filter(|_| measures_times),
            // Beside a load that is too small, too: whether the service came back may speak against the server.
            unclear(shown)
                .map(|reason| (Why::Unclear, reason))
                .filter(|_| measures_times),
        ]
        .into_iter()
        .flatten()
        .collect(),
    };
    let rank = |why: Why| (why.spoils() == Spoils::Times, why.doing() == Doing::Ours);
    let (why, reason) = all.iter().min_by_key(|(why, _)| rank(*why))?;
    let ours = all.iter().all(|(why, _)| why.doing() == Doing::Ours);
    let doing = match ours && !shown.speaks_against_the_server(facts, why.spoils()) {
        true => Doing::Ours,
        false => Doing::Servers,
    };
    Some(Void::new(why.spoils(), doing, reason.as_str()))
}

fn unfinished(facts: &Facts) -> Option<(Why, String)> {
    if let Some(kill) = facts.idle_kill().filter(IdleKill::took_something) {
        return Some((Why::KilledIdle, kill.told()));
    }
    if let Some(reason) = &facts.aborted {
        return Some((Why::Aborted, reason.clone()));
    }
    if let Some(((node, incarnation), problem, said)) = &facts.start_failed {
        let again = if *incarnation > Incarnation(0) {
            " again"
        } else {
            ""
        };
        let name = facts.name_of((*node, Incarnation(0)));
        let output = last_words(said.as_deref());
        let why = Why::NotStarted {
            port_taken: facts.port_taken,
        };
        return Some((
            why,
            format!("{name} could not be started{again}: {problem}{output}"),
        ));
    }
    let interrupted = || "it was interrupted before its end".to_owned();
    (!facts.ended).then(|| (Why::Interrupted, interrupted()))
}

fn failed_by_us(facts: &Facts, operations: &[&Operation]) -> Option<(Why, String)> {
    let ours = || {
        let operations = operations.iter();
        operations.filter(|operation| operation.error == Some(ErrorClass::HarnessError))
    };
    let count = ours().count() as u64;
    let fault = facts.fault();
    let why = Why::HarnessFailed {
        after_the_fault: ours().any(|op| fault.is_some_and(|fault| op.finished >= fault)),
    };
    (count > 0).then(|| {
        let ours = counted(count, "operation");
        let what = format!(
            "the harness itself ran out of descriptors or local ports ({ours}): use fewer sessions, or raise the limit \
             (ulimit -n)"
        );
        (why, what)
    })
}

/// A command may keep what starts the server again from doing so, as `systemctl stop` and `docker kill` do: where that was never seen to
/// start it in this run, that it did not come back says nothing of it.
fn started_by_nobody(plan: &Plan, facts: &Facts) -> Option<String> {
    let arm = plan.arms.get(facts.arm.0 as usize)?;
    let external = arm.target.external.as_ref()?;
    let command = external
        .kill
        .as_ref()
        .filter(|_| external.restart.is_none())?;
    let is_gone = facts.landed() && facts.recovered().is_none() && !facts.is_started_again;
    is_gone.then(|| {
        format!(
            "nobody is known to start the server again after the kill command '{}': no new process of it was seen in the whole run. Say how \
             it is started (external.restart), or end it by a command that its supervisor answers",
            command.join(" ")
        )
    })
}

/// A boot id that changes without a restart would make the old process's replies the new one's.
fn renamed(facts: &Facts, operations: &[&Operation]) -> Option<String> {
    let origin = facts.origin()?;
    let (_, old) = facts.boots.first_key_value()?;
    let other = operations
        .iter()
        .filter(|operation| operation.finished < origin)
        .find_map(|operation| {
            let is_known = |boot: &BootId| facts.boots.values().any(|known| known == boot);
            operation.boot.filter(|boot| !is_known(boot))
        })?;
    Some(format!(
        "before the fault it called itself {old} and {other}: the boot header must stay the same until it is \
         started again"
    ))
}

/// A process that the fault should have ended, and that answers or may answer in the new one's place: what it knows says
/// nothing of the new one. A service that did not come back is none, whoever answers.
fn answered_by_the_old(facts: &Facts, operations: &[&Operation]) -> Option<String> {
    facts.recovered()?;
    by_an_old_name(facts, operations)
        .or_else(|| {
            let problem = facts.old_owner.as_ref()?;
            Some(format!("an old process still answers: {problem}"))
        })
        .or_else(|| by_an_unknown_name(facts, operations))
        .or_else(|| {
            let mut old = facts.old_processes.iter();
            let (old, reach) = old.find_map(|old| Some((old, old.reach.as_ref()?)))?;
            let Survivor { pid, command } = &old.survivor;
            Some(format!(
                "an old process still answers or may answer: process {pid} ({command}), alive at the final look, {reach}"
            ))
        })
}

fn by_an_old_name(facts: &Facts, operations: &[&Operation]) -> Option<String> {
    let names = operations.iter().filter_map(|operation| {
        let (boot, asked) = (operation.boot?, operation.asked()?);
        (asked > facts.end_of(boot)?).then_some(boot)
    });
    let names: Vec<BootId> = names.collect();
    let replies = match names.len() {
        1 => "1 reply".to_owned(),
        count => format!("{count} replies"),
    };
    let boot = names.first()?;
    Some(format!(
        "an old process still answers: {replies} to what was sent after its end, the first as boot id {boot}"
    ))
}

/// One that outlived the fault may have taken another name.
fn by_an_unknown_name(facts: &Facts, operations: &[&Operation]) -> Option<String> {
    let known = facts.names_after()?;
    let looks = operations
        .iter()
        .filter(|operation| operation.step == Step::ReadBack)
        // By which the sessions of the trial before a storm's are gone on with, the old process answered by right.
        .filter(|look| facts.fault().is_none_or(|fault| look.finished >= fault));
    let is_between = |look: &&&Operation| {
        let mut nodes = facts.nodes();
        nodes.any(|node| facts.is_between_crashes(node, look.finished))
    };
    let boot = looks
        .filter(|look| !is_between(look))
        .filter_map(|look| look.boot)
        .find(|boot| !known.contains(boot))?;
    Some(format!(
        "an old process may answer: the final look was answered as boot id {boot}, which is not the new process's"
    ))
}

/// Whoever holds the port of a server that somebody else starts is taken for the server. If a request that was sent after its end was
/// answered correctly before a new process of it had begun, and it left none behind, it is another who serves: a container, of which the
/// killed process only held the port. A service that did not come back has failed, whoever answers.
fn answered_by_others(plan: &Plan, facts: &Facts, operations: &[&Operation]) -> Option<String> {
    facts.recovered()?;
    let left_some = !facts.left.is_empty() || !facts.survivors.is_empty();
    if !plan.is_external() || left_some {
        return None;
    }
    let arm = plan.arms.get(facts.arm.0 as usize);
    let absences = facts.absences(arm.is_some_and(Arm::is_remote));
    let is_within = |operation: &&&Operation| {
        let mut absences = absences.iter();
        let asked = operation.asked();
        operation.is_correct()
            && absences.any(|(end, next)| {
                let is_before = |next: Elapsed| operation.finished + BEGUN_BEFORE < next;
                asked.is_some_and(|asked| asked > *end) && next.is_none_or(is_before)
            })
    };
    let count = operations.iter().filter(is_within).count() as u64;
    (count > 0).then(|| {
        let requests = counted(count, "request");
        format!(
            "somebody else answers: {requests} that came after the server's end had a correct reply before its new process had begun. \
             The process that holds the port is not the one that serves, or not alone"
        )
    })
}

/// In a storm: what is wrong before a kill is no kill's doing, and what is wrong after it may be that.
fn wrong_before(plan: &Plan, before: &BeforeTheFault) -> Option<String> {
    plan.storm?;
    match (before.lost_sessions, &before.example) {
        (0, None) => None,
        (0, Some(example)) => Some(format!(
            "before its kill a reply showed what cannot be: {example}"
        )),
        (lost, _) => Some(format!(
            "{} lost before its kill",
            match lost {
                1 => "1 session was".to_owned(),
                lost => format!("{} were", counted(lost, "session")),
            }
        )),
    }
}

/// A server that did not work before the fault has nothing to lose by it.
fn never_worked(load: &Load<'_>) -> Option<String> {
    let mut baseline = load.of(Part::Before).peekable();
    baseline.peek()?;
    (!baseline.any(Operation::is_correct)).then(|| {
        format!(
            "no operation of the baseline was correct: it did not work before the fault{}",
            most_frequent_failure(load)
        )
    })
}

fn no_samples(plan: &Plan, load: &Load<'_>) -> Option<(Why, String)> {
    let is_empty = load.of(Part::Before).next().is_none();
    let wanted: Vec<&Operation> = load.baseline().collect();
    let by_lag = share_sent(&wanted, |_| false).is_by_lag(plan.load.floor);
    is_empty.then(|| {
        let reason =
            "no operation in the baseline: zero samples. Raise the rate, or lengthen the baseline"
                .to_owned();
        (Why::NoSamples { by_lag }, reason)
    })
}

/// How many operations were wanted, how many of them were sent, and how many were not since the harness handed them out
/// late.
#[derive(Clone, Copy, Debug, Default)]
struct Sent {
    wanted: u64,
    sent: u64,
    late: u64,
}

impl Sent {
    /// Whether nothing but the harness's own lateness keeps the load below its floor.
    fn is_by_lag(self, floor: f64) -> bool {
        self.late > 0 && (self.sent + self.late) as f64 >= self.wanted as f64 * floor
    }
}

fn share_sent(wanted: &[&Operation], left: impl Fn(&Operation) -> bool) -> Sent {
    let mut tally = Sent::default();
    for operation in wanted {
        let was_sent = left(operation);
        let was_late = operation.dispatched.since(operation.intended) > LATE;
        tally.wanted += 1;
        tally.sent += u64::from(was_sent);
        tally.late += u64::from(!was_sent && was_late);
    }
    tally
}

/// An operation the baseline wanted counts as sent only when it left within the baseline: one that was
/// still waiting for its client at the fault was not part of the load the server bore.
fn below_floor(
    plan: &Plan,
    facts: &Facts,
    (load, operations): (&Load<'_>, &[&Operation]),
) -> Option<(Why, String)> {
    let wanted: Vec<&Operation> = load.baseline().collect();
    let tally = share_sent(&wanted, |operation| match (operation.sent, facts.fault()) {
        (Some(sent), Some(fault)) => sent < fault,
        (sent, _) => sent.is_some(),
    });
    let (share, floor) = (tally.sent as f64 / tally.wanted as f64, plan.load.floor);
    let by_lag = tally.is_by_lag(floor);
    let until = facts.fault().or(load.end);
    let stalled = facts.baseline().zip(until).and_then(|(from, until)| {
        let (_, stalled) = facts.disk_stalled(from, until);
        let is_long = stalled.as_us() * STALL >= until.since(from).as_us();
        is_long.then_some(stalled)
    });
    let by_machine = by_lag || stalled.is_some();
    let because = match (by_lag, stalled) {
        (true, _) => ": the harness itself was late".to_owned(),
        (false, Some(stalled)) => format!(": {}", waited_for_disk(stalled)),
        (false, None) => managed(facts, operations).map_or_else(String::new, advised),
    };
    (share < floor).then(|| {
        let reason = format!(
            "only {:.1} % of the {} the baseline scheduled were sent; the floor is {}{because}",
            share * 100.0,
            counted(tally.wanted, "operation"),
            percent(floor)
        );
        (Why::BelowFloor { by_machine }, reason)
    })
}

/// The machine may be why the service is not seen to be back for good: then nobody can tell how long it took either.
fn unclear(shown: &Shown<'_>) -> Option<String> {
    match shown.returned? {
        Return::ByProbeOnly {
            unclear: Some(why), ..
        } => Some(format!(
            "whether the service is back for good is not known: {why}"
        )),
        _ => None,
    }
}

/// Correct operations per second until the first fault. What was wanted before the baseline counts, too: a server that falls behind serves
/// that first. `None` in a control trial, which has no such end; the others say it.
fn managed(facts: &Facts, operations: &[&Operation]) -> Option<f64> {
    let (begin, end) = (facts.baseline()?, facts.fault()?);
    let is_within = |operation: &&&Operation| {
        operation.is_correct() && operation.finished >= begin && operation.finished < end
    };
    let served = operations.iter().filter(is_within).count();
    let seconds = end.since(begin).as_secs();
    (served > 0 && seconds > 0.0).then(|| served as f64 / seconds)
}

/// A rate that a server bears that managed so much, in parentheses.
fn advised(managed: f64) -> String {
    let less = (managed * BEARABLE).floor();
    let number = match less >= 1.0 {
        true => format!("--rate {less} or "),
        false => String::new(),
    };
    format!(" (the server managed {managed:.0} operations/s: try {number}--rate auto)")
}

/// What the baseline's operations mostly met, as the end of a sentence.
fn most_frequent_failure(load: &Load<'_>) -> String {
    let mut met: BTreeMap<(ErrorClass, Option<u16>), u64> = BTreeMap::new();
    for operation in load.of(Part::Before) {
        if let Some(class) = operation.error {
            *met.entry((class, operation.status)).or_default() += 1;
        }
    }
    // What never left waited for what did: the cause is there.
    let weight =
        |((class, _), count): &((ErrorClass, _), u64)| (*class != ErrorClass::Unsent, *count);
    let Some(((class, status), count)) = met.into_iter().max_by_key(weight) else {
        return String::new();
    };
    let status = status.map_or_else(String::new, |status| format!(" (HTTP {status})"));
    format!(
        "; {} met: {}{status}",
        counted(count, "operation"),
        class.label()
    )
}
