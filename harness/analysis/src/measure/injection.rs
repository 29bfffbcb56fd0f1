//! The fault itself: how far apart its parts were, what it met in flight, whom it must not have touched.

use std::collections::BTreeMap;

use comeback_model::event::Exit;
use comeback_model::ids::{FaultId, Incarnation, Node, SessionId};
use comeback_model::operation::{ErrorClass, Operation, Outcome, Step};
use comeback_model::plan::fault::{Effect, HoldsBack};
use comeback_model::plan::{Plan, Signal, Workload};
use comeback_model::units::{Elapsed, Span};

use super::facts::{Drained, Facts, FaultFacts, was_sent_by};
use super::held_back::{held_back, proxied};
use super::load::Load;
use super::planned::{effect_of, is_by_command};
use super::words::processes;
use super::{ErrorTally, LoginsAtStake, MetWrites};

/// A write that was acknowledged so long before the fault may still be under way in the server.
const JUST_ACKNOWLEDGED: Span = Span::from_ms(1);
/// A session that began so long before a fault has just begun. Servers that store later what they acknowledge do so within a fraction of a
/// second, and a login that is older than that shows nothing of them.
const JUST_BEGUN: Span = Span::from_ms(200);
/// The bug whose detection is told: acknowledged so long before it is stored.
const EARLY: Span = Span::from_us(100);

/// The signals that the kernel sends a program which does what it may not, and that of `abort()`: SIGILL, SIGTRAP, SIGABRT, SIGBUS,
/// SIGFPE, SIGSEGV, SIGSYS.
const CRASHES: [i32; 7] = [4, 5, 6, 7, 8, 11, 31];

/// The most that may lie between the injections of a fault that hits all of them at once.
const AT_ONCE_MS: f64 = 10.0;

/// Operations are under way in it that had left by `until`, and were not finished at `since`.
struct Stretch {
    since: Elapsed,
    until: Elapsed,
}

/// When a fault met what was under way.
#[derive(Clone, Copy)]
struct Moment {
    at: Elapsed,
    /// When the fault was begun. A command takes its time: what the server answers from then on it answers under it.
    begun: Elapsed,
}

/// It is when the fault was sent to each node, and of a command T0: what was under way when that was begun may be answered by then.
fn moments(plan: &Plan, fault: FaultId, own: &FaultFacts) -> Vec<Moment> {
    if !is_by_command(plan, fault) {
        let sent = own.injections().into_iter();
        return sent.map(|at| Moment { at, begun: at }).collect();
    }
    let ended = own.effect_confirmed().zip(own.sent());
    let moment = ended.map(|(at, sent)| Moment {
        at,
        begun: sent.min(at),
    });
    moment.into_iter().collect()
}

/// What became of the operations that were under way in any of these stretches. `scheduled` is how many there were.
fn under_way(stretches: &[Stretch], load: &Load<'_>) -> ErrorTally {
    let mut tally = ErrorTally::default();
    for operation in within(stretches, load) {
        tally.count(operation.error);
    }
    tally
}

/// The operations that were under way in any of these stretches.
fn within<'a>(stretches: &[Stretch], load: &Load<'a>) -> impl Iterator<Item = &'a Operation> {
    let operations = load.operations.iter().copied();
    operations.filter(|operation| {
        let is_in = |stretch: &Stretch| {
            was_sent_by(operation, stretch.until) && operation.finished > stretch.since
        };
        stretches.iter().any(is_in)
    })
}

/// By when a request must have left to have reached a fault's nodes at the end of this stretch, whatever holds it back on its
/// way; absent where nobody knows.
fn left_by(
    (plan, facts): (&Plan, &Facts),
    own: &FaultFacts,
    load: &Load<'_>,
    (since, until): (Elapsed, Elapsed),
) -> Option<Elapsed> {
    let nodes: Vec<Node> = own.nodes().collect();
    let late = held_back(plan, facts, &load.operations, &nodes, (since, until)).to?;
    Some(Elapsed::from_us(until.as_us().saturating_sub(late.as_us())))
}

/// What became of the operations that were in flight at an injection of any of the faults.
pub(super) fn in_flight(plan: &Plan, facts: &Facts, load: &Load<'_>) -> ErrorTally {
    let faults: Vec<_> = facts.faults().filter(|_| !facts.control).collect();
    in_flight_of((plan, facts), &faults, load)
}

/// These operations, in no particular order.
pub(super) fn operations_in_flight<'a>(
    plan: &Plan,
    facts: &Facts,
    load: &Load<'a>,
) -> Vec<&'a Operation> {
    let faults: Vec<_> = facts.faults().filter(|_| !facts.control).collect();
    within(&stretches_of((plan, facts), &faults, load), load).collect()
}

/// What became of the operations that were in flight at any injection of these faults: when a replica's drain was begun,
/// else when the signal was sent. A command takes its time: all are in flight that had left when it had ended the server, and were not
/// finished when it was begun. `scheduled` is how many there were. Of a node that is told to stop, only those that had reached it: the
/// others it need not answer. What a fault ends answers none.
pub(super) fn in_flight_of(
    on: (&Plan, &Facts),
    faults: &[(FaultId, &FaultFacts)],
    load: &Load<'_>,
) -> ErrorTally {
    under_way(&stretches_of(on, faults, load), load)
}

fn stretches_of(
    on: (&Plan, &Facts),
    faults: &[(FaultId, &FaultFacts)],
    load: &Load<'_>,
) -> Vec<Stretch> {
    let mut stretches = Vec::new();
    for (fault, own) in faults {
        let asks = effect_of(on.0, *fault).is_some_and(Effect::asks);
        let left = |at| match asks {
            true => left_by(on, own, load, (at, at)),
            false => Some(at),
        };
        let moments = moments(on.0, *fault, own).into_iter();
        stretches.extend(moments.filter_map(|moment| {
            Some(Stretch {
                since: moment.begun,
                until: left(moment.at)?,
            })
        }));
    }
    stretches
}

/// What became of the operations that were under way while any fault's nodes were told to stop.
pub(super) fn draining(plan: &Plan, facts: &Facts, load: &Load<'_>) -> ErrorTally {
    let asking: Vec<&FaultFacts> = facts
        .faults()
        .filter(|(fault, _)| effect_of(plan, *fault).is_some_and(Effect::asks) && !facts.control)
        .map(|(_, own)| own)
        .collect();
    draining_of((plan, facts), &asking, load)
}

/// What became of the operations whose request had left when the last that a fault told to stop had ended, and that were
/// not answered when the first was told. `scheduled` is how many there were. Behind a proxy, which takes connections in the moment in
/// which the server does not any more, only those whose request had left when the first was told; and in each case so much earlier as
/// requests may have been held back on their way.
pub(super) fn draining_of(
    (plan, facts): (&Plan, &Facts),
    faults: &[&FaultFacts],
    load: &Load<'_>,
) -> ErrorTally {
    let proxied = proxied(plan, facts);
    let stretch = |own: &&FaultFacts| {
        let (since, confirmed) = (own.sent()?, own.effect_confirmed()?);
        let is_proxied = own.nodes().any(|node| proxied.contains(&node));
        let last = if is_proxied { since } else { confirmed };
        let until = left_by((plan, facts), own, load, (since, last))?;
        Some(Stretch { since, until })
    };
    let stretches: Vec<Stretch> = faults.iter().filter_map(stretch).collect();
    under_way(&stretches, load)
}

/// How many writes were acknowledged before the first fault; absent where there are none, or no fault was sent.
pub(super) fn acknowledged_before(
    plan: &Plan,
    facts: &Facts,
    operations: &[&Operation],
) -> Option<u64> {
    let Workload::Sessions(flow) = &plan.load.workload else {
        return None;
    };
    flow.share_of_acts()?;
    let faults = facts.faults().filter(|_| !facts.control);
    let first = faults.filter_map(|(_, own)| own.sent()).min()?;
    let acknowledged = operations.iter().filter(|operation| {
        operation.step == Step::Act
            && operation.outcome == Outcome::Acknowledged
            && operation.finished <= first
    });
    Some(acknowledged.count() as u64)
}

/// What the faults met of the writes: those that end processes.
pub(super) fn met(plan: &Plan, facts: &Facts, load: &Load<'_>) -> Option<MetWrites> {
    let faults = facts.faults().map(|(fault, _)| fault);
    let met = faults.filter_map(|fault| met_by(plan, facts, fault, load));
    met.reduce(|all, own| MetWrites {
        // A write that two faults met counts with each: each could have taken it.
        in_flight: all.in_flight + own.in_flight,
        at_stake: all.at_stake + own.at_stake,
        tested: all.tested + own.tested,
        early_ack_seen: 1.0 - (1.0 - all.early_ack_seen) * (1.0 - own.early_ack_seen),
        held_back: all.held_back || own.held_back,
        by_command: all.by_command || own.by_command,
        aimed_after_us: all.aimed_after_us.or(own.aimed_after_us),
    })
}

/// What one fault met of the writes; absent where there are none, or it ends no process.
pub(super) fn met_by(
    plan: &Plan,
    facts: &Facts,
    fault: FaultId,
    load: &Load<'_>,
) -> Option<MetWrites> {
    let Workload::Sessions(flow) = &plan.load.workload else {
        return None;
    };
    flow.share_of_acts()?;
    let own = facts.of_fault(fault).filter(|_| !facts.control)?;
    let begun = own.sent()?;
    if !effect_of(plan, fault)?.ends() {
        return None;
    }
    let moments = moments(plan, fault, own);
    let first = moments.iter().map(|moment| moment.at).min();
    let sent = first.unwrap_or(begun);
    let acts = load.operations.iter();
    // One that was tried again may have met it with an earlier try.
    let may_meet = |act: &&Operation| act.tries > 1 || facts.may_meet(act, own);
    let acts: Vec<&Operation> = acts
        .copied()
        .filter(|operation| operation.step == Step::Act)
        .filter(may_meet)
        .collect();
    let nodes: Vec<Node> = own.nodes().collect();
    let held = |at| held_back(plan, facts, &load.operations, &nodes, (at, at));
    let injections: Vec<(Elapsed, HoldsBack)> = moments
        .iter()
        .map(|moment| (moment.at, held(moment.at)))
        .collect();
    let count = |meets: &dyn Fn(&Operation, Elapsed, HoldsBack) -> bool| {
        let is_met = |act: &&&Operation| {
            let mut injections = injections.iter();
            injections.any(|(injection, held)| meets(act, *injection, *held))
        };
        acts.iter().filter(is_met).count() as u64
    };
    let is_command = is_by_command(plan, fault);
    // One that was rejected was no write: as a form that is asked for before it is sent.
    let is_in_flight = |act: &Operation, injection: Elapsed, held: HoldsBack| {
        let has_arrived = |late| act.sent.is_some_and(|sent| sent + late <= injection);
        // What a proxy cut off itself it may have held back before.
        let is_unanswered = match is_cut_off(act) && !held.cuts {
            true => injection.min(begun) < act.finished,
            false => held
                .from
                .is_some_and(|late| injection + late < act.finished),
        };
        let is_under_way = held.to.is_some_and(has_arrived) && is_unanswered;
        let is_drained =
            is_command && held.is_nothing() && is_drained(act, (begun, injection), load);
        (is_under_way || is_drained) && act.outcome != Outcome::Rejected
    };
    // When a reply that is only read now was sent nobody knows.
    let just_acknowledged = |act: &Operation, injection: Elapsed, held: HoldsBack| {
        act.outcome == Outcome::Acknowledged
            && act.finished <= injection
            && injection.since(act.finished) <= JUST_ACKNOWLEDGED
            && held.from == Some(Span::ZERO)
    };
    let is_at_stake = |act: &Operation, injection, held| {
        is_in_flight(act, injection, held) || just_acknowledged(act, injection, held)
    };
    // A proxy takes its time, too: that no reply had come says nothing of the server behind it.
    let is_behind_proxy = !proxied(plan, facts).is_empty();
    let quiet = |quiet: Option<Span>| quiet.filter(|_| !is_behind_proxy);
    let aimed = own.aimed.filter(|_| !is_by_command(plan, fault));
    let aimed = aimed.map(|(after, us)| (after, quiet(us)));
    let early_ack_seen = match held(sent).from {
        Some(Span::ZERO) => chance_of_early(&acts, (facts.baseline(), aimed), sent),
        Some(_) | None => 0.0,
    };
    let is_held = |(_, held): &(Elapsed, HoldsBack)| !held.is_nothing();
    let (in_flight, at_stake) = (count(&is_in_flight), count(&is_at_stake));
    let on = plan.fault(fault).and_then(|fault| fault.on.as_ref());
    let is_at_acknowledgement = on.is_some_and(|on| on.event.is_acknowledgement());
    // It may have been read long after it came; and what only passes writes on has none any more.
    let is_prompt = aimed
        .and_then(|(_, quiet)| quiet)
        .is_some_and(|quiet| quiet <= JUST_ACKNOWLEDGED);
    let has_writes = |node: &Node| matches!(node, Node::Replica(_) | Node::Store);
    let tests_acknowledged = is_at_acknowledgement && is_prompt && nodes.iter().all(has_writes);
    Some(MetWrites {
        in_flight,
        at_stake,
        tested: match tests_acknowledged {
            true => at_stake,
            false => in_flight,
        },
        early_ack_seen,
        held_back: injections.iter().any(is_held),
        by_command: is_by_command(plan, fault),
        aimed_after_us: aimed.map(|(after, _)| after.as_us()),
    })
}

/// The sessions that had just begun when a fault was to end their node: their login was acknowledged right before it, and they stood
/// then. A server may have acknowledged those and not stored them. Absent where no session began before any fault, or nothing was to end.
pub(super) fn logins_at_stake(
    plan: &Plan,
    facts: &Facts,
    operations: &[&Operation],
) -> Option<LoginsAtStake> {
    if facts.control {
        return None;
    }
    let Workload::Sessions(_) = &plan.load.workload else {
        return None;
    };
    let ending = facts.faults().filter(|(fault, _)| {
        effect_of(plan, *fault).is_some_and(|effect| effect.ends() || effect.replaces())
    });
    let injections: Vec<(&FaultFacts, Elapsed)> = ending
        .flat_map(|(fault, own)| {
            let moments = moments(plan, fault, own).into_iter();
            moments.map(move |moment| (own, moment.at))
        })
        .collect();
    let last = injections.iter().map(|(_, at)| *at).max()?;
    let of_step = |step: Step| {
        let operations = operations.iter().copied();
        operations.filter(move |operation| operation.step == step)
    };
    let logouts: BTreeMap<SessionId, Elapsed> = of_step(Step::Logout)
        .filter(|logout| logout.outcome != Outcome::Rejected)
        .filter_map(|logout| Some((logout.session(), logout.sent?)))
        .collect();
    // How old the session was, at the fault that it was youngest at.
    let age = |login: &Operation| {
        let met = injections.iter().filter(|(own, at)| {
            let left = logouts.get(&login.session());
            let stood = login.finished <= *at && left.is_none_or(|left| left > at);
            stood && facts.may_meet(login, own)
        });
        met.map(|(_, at)| at.since(login.finished)).min()
    };
    let logins: Vec<&Operation> = of_step(Step::Login)
        .filter(|login| login.outcome == Outcome::Acknowledged && login.is_correct())
        .filter(|login| login.finished <= last)
        .collect();
    let ages = || logins.iter().copied().filter_map(age);
    (!logins.is_empty()).then(|| LoginsAtStake {
        count: ages().filter(|age| *age <= JUST_BEGUN).count() as u64,
        youngest: ages().min(),
    })
}

/// Whether a write was in flight when the command of a fault was begun, and was the last that the server answered before it ended, or
/// among the last: it took no request any more that was sent later. So does one that answers what it has, and then ends.
fn is_drained(act: &Operation, (begun, ended): (Elapsed, Elapsed), load: &Load<'_>) -> bool {
    let is_answered = act.finished > begun && act.finished <= ended && !is_cut_off(act);
    let is_later = |other: &&Operation| {
        other.is_correct()
            && other.finished <= ended
            && other.sent.is_some_and(|sent| sent > act.finished)
    };
    was_sent_by(act, begun) && is_answered && !load.operations.iter().any(is_later)
}

/// Whether its connection ended without a reply, so that none was late. For who gave up one may have been on its way.
const fn is_cut_off(act: &Operation) -> bool {
    let is_lost = matches!(act.error, Some(ErrorClass::Refused | ErrorClass::Reset));
    is_lost && act.status.is_none()
}

/// The chance that a server which acknowledges [`EARLY`] before it stores loses a write to a fault at this moment. When
/// the server sent an acknowledgement nobody saw: at any time between the write's sending and the client's reading it, all
/// equally likely. Of the one that the fault waited for it is known when it had not come yet. Where none was read of late
/// the chance is that of a fault at any moment, 1 − exp(−rate · that time).
fn chance_of_early(
    acts: &[&Operation],
    (from, aimed): (Option<Elapsed>, Option<(Span, Option<Span>)>),
    fault: Elapsed,
) -> f64 {
    let earliest = |act: &Operation| {
        let aimed = aimed.filter(|(after, _)| act.finished + *after >= fault);
        let quiet = aimed.and_then(|(_, quiet)| quiet);
        let quiet = quiet.map(|us| Elapsed::from_us(fault.as_us().saturating_sub(us.as_us())));
        let quiet = quiet.filter(|quiet| *quiet <= act.finished);
        act.sent.max(quiet)
    };
    let acknowledged = acts.iter().filter(|act| {
        act.outcome == Outcome::Acknowledged && act.finished <= fault && from <= Some(act.finished)
    });
    let early = EARLY.as_us() as f64;
    let (mut count, mut unseen) = (0_u64, 1.0);
    for act in acknowledged {
        count += 1;
        let left = early - fault.since(act.finished).as_us() as f64;
        if let Some(earliest) = earliest(act).filter(|_| left > 0.0) {
            let took = act.finished.since(earliest).as_us().max(1) as f64;
            unseen *= 1.0 - (left / took).min(1.0);
        }
    }
    let lasted = from.map_or(0, |from| fault.since(from).as_us());
    let any = match lasted {
        0 => 0.0,
        us => 1.0 - (-early * count as f64 / us as f64).exp(),
    };
    any.max(1.0 - unseen)
}

/// What a reader should know of how a fault was done.
pub(super) fn findings(
    plan: &Plan,
    (fault, effect): (FaultId, Effect),
    (facts, own): (&Facts, &FaultFacts),
) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(spread) = own.spread_ms().filter(|spread| *spread > AT_ONCE_MS)
        && !effect.replaces()
        && !facts.control
    {
        found.push(format!(
            "{spread:.1} ms lay between the first and the last of those that should be faulted at once \
             (more than {AT_ONCE_MS} ms)"
        ));
    }
    found.extend(waited_for_command(plan, fault, (facts, own)));
    found.extend(took_kill(effect, facts, own));
    if effect.asks() {
        found.extend(crashed(plan, facts, own));
    }
    let drains = own.drains.iter();
    found.extend(drains.filter_map(|drain| problem_of(facts, drain)));
    found
}

/// That a restart waited for the command of its fault to end: that is not the server's doing.
fn waited_for_command(
    plan: &Plan,
    fault: FaultId,
    (facts, own): (&Facts, &FaultFacts),
) -> Option<String> {
    let arm = plan.arms.get(facts.arm.0 as usize)?;
    arm.target.external.as_ref()?.restart.as_ref()?;
    let is_so = is_by_command(plan, fault) && !facts.control;
    let ended = own.effect_confirmed().filter(|_| is_so)?;
    let restart = facts.restarted(fault)?;
    let due = ended + arm.target.restart_after;
    let waited = restart.requested.as_us().checked_sub(due.as_us())?;
    let waited_ms = Span::from_us(waited).as_ms();
    (waited_ms > AT_ONCE_MS).then(|| {
        format!(
            "the restart command was begun {waited_ms:.0} ms late, when the kill command had ended: the times after T0 contain that, and it \
             is not the server's"
        )
    })
}

/// Those that crashed where they were told to stop. Whether the stop made them do so, or they did right before it, nobody can tell.
fn crashed(plan: &Plan, facts: &Facts, own: &FaultFacts) -> Vec<String> {
    let arm = plan.arms.get(facts.arm.0 as usize);
    let crashes = CRASHES.iter().flat_map(|signal| {
        let exit = Exit::Signal(*signal);
        own.faulted_as(exit).map(move |node| (node, exit, *signal))
    });
    let is_asked_for = |node: Node, signal: i32| {
        arm.is_some_and(|arm| arm.target_of(node).stop.signal.number() == signal)
    };
    let told = crashes.filter(|(node, _, signal)| !is_asked_for(*node, *signal));
    told.map(|(node, exit, _)| {
        let name = name_of(facts, node);
        format!(
            "{name} {exit} where it was told to stop: it crashed, by the stop or right before it"
        )
    })
    .collect()
}

/// Those that a stop had to kill. A journal that names no processes tells it of a rolling restart by how the leader ended.
fn took_kill(effect: Effect, facts: &Facts, own: &FaultFacts) -> Vec<String> {
    let told = |node| {
        let name = name_of(facts, node);
        format!("{name} did not end in its time of grace, and was killed")
    };
    let named = own.took_kill.iter().map(|(node, pids)| {
        let took = processes(pids);
        format!("{}: {took} took SIGKILL", told(*node))
    });
    let by_exit = own
        .faulted_as(Exit::Signal(Signal::Kill.number()))
        .filter(|node| effect.replaces() && !own.took_kill.contains_key(node))
        .map(told);
    named.chain(by_exit).collect()
}

fn problem_of(facts: &Facts, drain: &Drained) -> Option<String> {
    let problem = drain.problem.as_ref()?;
    let name = name_of(facts, drain.node);
    Some(match drain.is_end {
        false => format!("{name} was stopped although it was not drained: {problem}"),
        true => format!("whether {name} gets requests again is not known: {problem}"),
    })
}

/// Those that were not faulted and yet are other processes than before.
pub(super) fn collateral(facts: &Facts) -> impl Iterator<Item = String> {
    facts.seen.iter().filter_map(|(node, boot)| {
        let before = facts.boots.get(node)?;
        (before != boot && !facts.is_faulted(*node)).then(|| {
            let name = name_of(facts, *node);
            format!(
                "collateral damage: {name} was not faulted, and is another process than before \
                 (it called itself {before}, and now {boot})"
            )
        })
    })
}

fn name_of(facts: &Facts, node: Node) -> String {
    facts.name_of((node, Incarnation(0)))
}
