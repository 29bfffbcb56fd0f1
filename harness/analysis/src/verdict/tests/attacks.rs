//! Attempts at a pass that the evidence does not carry: none may succeed, and none may be told as if it had.

use Fate::{Anothers, Finds, LoggedOut, Lost, Phantom, Undecided, Zombie};
use comeback_model::event::{EventKind, Exit, ExitCause};
use comeback_model::ids::{FaultId, Incarnation, Node, TrialId};
use comeback_model::operation::{ErrorClass, Operation, Outcome as Effect, Step};

use super::*;

/// What `run` demands of users with sessions where nobody says anything.
const USUAL: [&str; 3] = ["unrecovered == 0", "lost_sessions == 0", "lost_writes == 0"];

struct Attack {
    name: &'static str,
    journal: Journal,
    gates: Vec<&'static str>,
}

fn attack(name: &'static str, trials: &[Told], gates: &[&'static str]) -> Attack {
    Attack {
        name,
        journal: journal(trials),
        gates: gates.to_vec(),
    }
}

impl Attack {
    /// Spoils the operations of a step of a trial.
    fn but(mut self, trial: u32, step: Step, spoil: impl Fn(usize, &mut Operation)) -> Self {
        let operations = self.journal.operations.iter_mut();
        let of_step = |operation: &&mut Operation| {
            operation.trial == TrialId(trial) && operation.step == step
        };
        for (place, operation) in operations.filter(of_step).enumerate() {
            spoil(place, operation);
        }
        self
    }

    fn without(mut self, is: impl Fn(&EventKind) -> bool) -> Self {
        self.journal.events.retain(|event| !is(&event.kind));
        self
    }
}

fn fails(operation: &mut Operation) {
    operation.outcome = Effect::Indeterminate;
    operation.error = Some(ErrorClass::ServerError);
}

/// A reply with this value, which the oracle refutes.
fn refuted(operation: &mut Operation, value: u64) {
    operation.value = Some(value);
    operation.error = Some(ErrorClass::WrongAnswer);
}

fn below_its_floor(told: Told) -> Told {
    Told {
        unsent: (50, 100),
        ..told
    }
}

fn values_that_count_nothing() -> Vec<Attack> {
    let sound = |name| attack(name, &[faulted(), control()], &USUAL);
    let grows = |place: usize, act: &mut Operation| refuted(act, 1_764_316_800 + place as u64);
    let writes = ["duplicated_writes == 0", "phantom_writes == 0"];
    vec![
        sound("a clock").but(0, Step::Act, grows),
        sound("a clock, seen in the control alone").but(1, Step::Act, grows),
        sound("a constant").but(0, Step::Act, |_, act| refuted(act, 5)),
        sound("a length").but(1, Step::Act, |place, act| {
            refuted(act, 20 + place as u64 / 10)
        }),
        sound("a saturated number").but(1, Step::Act, |place, act| {
            if place == 2 {
                refuted(act, 2);
            }
        }),
        attack(
            "a clock that only the last look shows",
            &[faulted(), control().with(&[Finds(9)])],
            &USUAL,
        ),
        attack(
            "duplicates of the control alone",
            &[faulted(), control().with(&[Finds(2)])],
            &writes,
        ),
        attack(
            "phantoms of the control alone",
            &[faulted(), control().with(&[Phantom])],
            &writes[1..],
        ),
    ]
}

fn controls_that_are_not_clean() -> Vec<Attack> {
    let errors = [
        "error_rate.after <= 10%",
        "latency.after.p99 <= 1s",
        "availability >= 0",
    ];
    let a_tenth = |place: usize, look: &mut Operation| {
        if place.is_multiple_of(10) {
            fails(look);
        }
    };
    vec![
        attack(
            "errors",
            &[faulted(), faulted(), faulted(), control()],
            &errors[..1],
        )
        .but(3, Step::Check, a_tenth),
        attack(
            "errors of a latency",
            &[faulted(), faulted(), faulted(), control()],
            &errors[1..2],
        )
        .but(3, Step::Check, a_tenth),
        attack(
            "errors of the availability",
            &[faulted(), faulted(), faulted(), control()],
            &errors[2..],
        )
        .but(3, Step::Check, a_tenth),
        attack(
            "a session",
            &[faulted(), control().with(&[Finds(1), Lost])],
            &USUAL,
        ),
        attack(
            "a write",
            &[faulted(), control().with(&[Finds(0)])],
            &USUAL[2..],
        ),
        attack(
            "another user",
            &[faulted(), control().with(&[Anothers])],
            &["wrong_identity == 0"],
        ),
        attack(
            "a zombie",
            &[
                faulted().with(&[LoggedOut, Finds(1)]),
                control().with(&[Zombie]),
            ],
            &["zombie_sessions == 0"],
        ),
        attack(
            "a loss at a load below the floor",
            &[faulted(), below_its_floor(control().with(&[Lost]))],
            &USUAL,
        ),
        attack("none", &[faulted()], &USUAL),
    ]
}

fn losses_in_the_dark() -> Vec<Attack> {
    let evicted = |_: usize, act: &mut Operation| {
        act.outcome = Effect::Rejected;
        act.error = Some(ErrorClass::SessionRejected);
    };
    vec![
        attack(
            "nothing was demanded",
            &[faulted().with(&[Lost]), control()],
            &[],
        ),
        attack(
            "everything was lost below the load's floor",
            &[
                faulted(),
                below_its_floor(faulted().with(&[Lost; 4])),
                control(),
            ],
            &USUAL,
        ),
        attack(
            "all of it below the floor",
            &[below_its_floor(faulted().with(&[Lost; 4])), control()],
            &USUAL,
        ),
        attack(
            "all undecided",
            &[faulted().with(&[Undecided; 4]), control()],
            &USUAL,
        ),
        attack(
            "one undecided",
            &[faulted().with(&[Undecided, Finds(1)]), control()],
            &USUAL,
        ),
        attack("never back", &[faulted().ready(None), control()], &USUAL),
        attack("evicted before the fault", &[faulted(), control()], &USUAL).but(
            0,
            Step::Act,
            evicted,
        ),
        attack(
            "nobody was logged in",
            &[faulted().with(&[]), control()],
            &USUAL,
        ),
        attack(
            "nobody logged out",
            &[faulted(), control()],
            &["zombie_sessions == 0"],
        ),
        attack("the last look failed", &[faulted(), control()], &USUAL).but(
            0,
            Step::ReadBack,
            |_, look| fails(look),
        ),
        attack("there was no last look", &[faulted(), control()], &USUAL).but(
            0,
            Step::ReadBack,
            |_, look| look.step = Step::Get,
        ),
    ]
}

fn faults_and_journals() -> Vec<Attack> {
    let missed = Told {
        landed: false,
        ..faulted()
    };
    let mut interrupted = attack("interrupted", &[faulted(), control()], &USUAL);
    interrupted.journal.events.last_mut().unwrap().kind = EventKind::RunInterrupted;
    let mut torn = attack("torn", &[faulted(), control()], &USUAL);
    torn.journal.torn = true;
    let mut died = attack("back, and gone again", &[faulted(), control()], &USUAL);
    let again = EventKind::TargetExited {
        node: Node::default(),
        incarnation: Incarnation(1),
        exit: Exit::Signal(11),
        cause: ExitCause::Unexpected,
        tail: Vec::new(),
    };
    let ready = |kind: &EventKind| matches!(kind, EventKind::FirstCorrect { .. });
    let place = died
        .journal
        .events
        .iter()
        .position(|event| ready(&event.kind))
        .unwrap();
    let mut event = died.journal.events[place].clone();
    event.kind = again;
    died.journal.events.insert(place + 1, event);
    let mut skipped = attack("a skipped arm", &[faulted(), control()], &USUAL);
    skipped.journal.header.plan.arms[0].skip = Some("not here".to_owned());
    let injected = |kind: &EventKind| {
        matches!(
            kind,
            EventKind::TargetExited {
                cause: ExitCause::Injected(FaultId::FIRST),
                ..
            }
        )
    };
    vec![
        attack("a fault that missed", &[missed.clone(), control()], &USUAL),
        attack(
            "one fault that missed",
            &[faulted(), missed, control()],
            &USUAL,
        ),
        attack("no exit was seen", &[faulted(), control()], &USUAL).without(injected),
        attack(
            "a recovery that nobody saw",
            &[faulted(), control()],
            &USUAL,
        )
        .without(ready),
        attack("no operations", &[faulted(), control()], &USUAL)
            .but(0, Step::Check, |_, look| look.sent = None),
        attack("the harness failed", &[faulted(), control()], &USUAL).but(
            0,
            Step::Check,
            |_, look| look.error = Some(ErrorClass::HarnessError),
        ),
        attack("nothing ran", &[], &USUAL),
        attack(
            "a figure that no trial has",
            &[faulted().ready(None), control()],
            &["time_to_ready.max < 1s"],
        ),
        interrupted,
        torn,
        died,
        skipped,
    ]
}

/// Bad trials that are made void, so that others take their places.
fn bad_trials_that_shall_vanish() -> Vec<Attack> {
    use super::replaced::{late, may_replace};
    let slow = faulted().ready(Some(1_900));
    let run = |name, bad: Told, gates: &[&'static str]| {
        let told = [bad, faulted(), faulted(), control(), faulted()];
        Attack {
            journal: may_replace(journal(&told), 2),
            ..attack(name, &[], gates)
        }
    };
    let with_lag = |name, bad: Told, gates: &[&'static str]| {
        let attack = run(name, bad, gates);
        Attack {
            journal: late(attack.journal, &[0]),
            ..attack
        }
    };
    let told = |mut attack: Attack, at_ms: u64, kind: EventKind| {
        let events = &mut attack.journal.events;
        let place = events
            .iter()
            .position(|event| {
                event.trial == Some(TrialId(0)) && event.kind == EventKind::TrialEnded
            })
            .unwrap();
        let mut event = events[place].clone();
        (event.at, event.kind) = (comeback_model::units::Elapsed::from_us(at_ms * 1_000), kind);
        events.insert(place, event);
        attack
    };
    let exits = EventKind::TargetExited {
        node: Node::default(),
        incarnation: Incarnation(1),
        exit: Exit::Signal(11),
        cause: ExitCause::Unexpected,
        tail: Vec::new(),
    };
    let held = EventKind::OldOwnerSeen {
        node: Node::default(),
        problem: "127.0.0.1:80 is held by process 7, not a new one".to_owned(),
    };
    let not_started = EventKind::TargetStartFailed {
        node: Node::default(),
        incarnation: Incarnation(0),
        problem: "it exited with status 1".to_owned(),
        tail: vec![comeback_model::said::Line::Out(
            "Address already in use".to_owned(),
        )],
        port_taken_by: None,
    };
    let of_harness = |place: usize, look: &mut Operation| {
        if place > 150 {
            look.error = Some(ErrorClass::HarnessError);
        }
    };
    let missed = Told {
        landed: false,
        ..faulted()
    };
    let renamed = |place: usize, act: &mut Operation| {
        if place == 0 {
            act.boot = Some(comeback_model::ids::BootId::from_header(b"other"));
        }
    };
    let mut not_run = with_lag("nothing was run in its place", faulted(), &USUAL);
    not_run
        .journal
        .events
        .retain(|event| event.trial != Some(TrialId(4)));
    not_run
        .journal
        .operations
        .retain(|operation| operation.trial != TrialId(4));
    let mut undeclared = with_lag("nothing was declared", faulted(), &USUAL);
    undeclared.journal = may_replace(undeclared.journal, 0);
    let mut too_many = with_lag("more than declared", faulted(), &USUAL);
    too_many.journal = late(may_replace(too_many.journal, 1), &[1]);
    vec![
        run(
            "it hangs before the fault",
            below_its_floor(faulted()),
            &USUAL,
        ),
        run("the fault missed it", missed, &USUAL),
        told(run("it did not start", faulted(), &USUAL), 500, not_started),
        run("connections pile up after the fault", faulted(), &USUAL).but(
            0,
            Step::Check,
            of_harness,
        ),
        told(
            with_lag("it ends by itself, and we are late", faulted(), &USUAL),
            5_000,
            exits,
        ),
        told(
            with_lag("an old process answers, and we are late", faulted(), &USUAL),
            5_000,
            held,
        ),
        with_lag(
            "it never comes back, and we are late",
            faulted().ready(None),
            &USUAL,
        ),
        with_lag(
            "it loses all, and we are late",
            faulted().with(&[Lost; 4]),
            &USUAL,
        ),
        with_lag(
            "it fails afterwards, and we are late",
            faulted().fails_after(100, 100),
            &USUAL,
        ),
        with_lag(
            "it is slow, and we are late",
            slow,
            &["time_to_ready.max < 1s"],
        ),
        with_lag("its boot id changes, and we are late", faulted(), &USUAL).but(
            0,
            Step::Act,
            renamed,
        ),
        not_run,
        undeclared,
        too_many,
    ]
}

#[test]
fn no_attack_comes_to_a_pass() {
    let mut attacks = values_that_count_nothing();
    attacks.extend(controls_that_are_not_clean());
    attacks.extend(losses_in_the_dark());
    attacks.extend(faults_and_journals());
    attacks.extend(bad_trials_that_shall_vanish());
    assert!(attacks.len() >= 54, "{}", attacks.len());
    let passes: Vec<&str> = attacks
        .iter()
        .filter(|attack| {
            let verdict = verdict_on(&attack.journal, &attack.gates);
            verdict.outcome == Outcome::Pass
                || !verdict
                    .headline
                    .starts_with(&verdict.outcome.name().to_uppercase())
        })
        .map(|attack| attack.name)
        .collect();
    assert_eq!(passes, [""; 0]);
    // The same without anything wrong does pass, and so does a server beside which the machine stood still.
    assert_eq!(verdict(&[faulted()], &USUAL).outcome, Outcome::Pass);
    let honest = [faulted(), faulted(), faulted(), control(), faulted()];
    let honest = replaced::late(replaced::may_replace(journal(&honest), 2), &[0]);
    assert_eq!(verdict_on(&honest, &USUAL).outcome, Outcome::Pass);
}
