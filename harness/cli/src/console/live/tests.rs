//! What the view shows at some moments of a run, on large and small terminals.

use comeback_model::event::{Evidence, Exit, ExitCause, Phase};
use comeback_model::ids::{ArmId, ClientId, FaultId, Incarnation, Node, Seed, TrialId};
use comeback_model::operation::{ErrorClass, Operation, Outcome, Step, test_operation};
use comeback_model::plan::{Plan, Request, Workload, test_plan};
use comeback_model::schedule;

use super::super::board::Board;
use super::*;
use comeback_model::event::{Event, EventKind};
use comeback_model::units::{Elapsed, Span};

const LARGE: Room = Room {
    columns: 79,
    rows: 24,
};
const SMALL: Room = Room {
    columns: 39,
    rows: 10,
};

/// A run as its records tell it, until a moment.
struct Film {
    board: Board,
    until_ms: u64,
}

impl Film {
    fn of(plan: &Plan, until_ms: u64) -> Self {
        let schedule = schedule::expand(plan, Seed(1));
        let board = Board::new(plan, &schedule);
        Self { board, until_ms }
    }

    fn at(&mut self, ms: u64, kind: EventKind, words: &str) {
        if ms > self.until_ms {
            return;
        }
        let event = Event {
            at: Elapsed::from_us(ms * 1_000),
            trial: Some(TrialId(1)),
            kind,
        };
        self.board
            .note(&event, Some(words).filter(|words| !words.is_empty()));
    }

    fn phases(&mut self, phases: &[(u64, Phase)]) {
        for (ms, phase) in phases {
            self.at(*ms, EventKind::PhaseEntered { phase: *phase }, "");
        }
    }

    /// Operations, one each 10 ms.
    fn load(&mut self, from_ms: u64, to_ms: u64, step: Step, error: Option<ErrorClass>) {
        for (client, ms) in (0..10).cycle().zip((from_ms..to_ms).step_by(10)) {
            let at = Elapsed::from_us(ms * 1_000);
            let took_us = 700 + (ms * 7_919 / 10) % 1_300;
            let operation = Operation {
                error,
                outcome: match error {
                    None => Outcome::Acknowledged,
                    Some(_) => Outcome::Rejected,
                },
                finished: at + Span::from_us(took_us),
                ..test_operation(TrialId(1), ClientId(client), step, at)
            };
            if ms <= self.until_ms {
                self.board.note_operations(&[operation]);
            }
        }
    }

    fn begin(&mut self, ms: u64, arm: u32, name: &str, control: bool) {
        let arm = ArmId(arm);
        self.at(ms, EventKind::TrialStarted { arm, control }, "");
        if ms <= self.until_ms {
            self.board.call_trial(name);
        }
    }

    fn shown(&self, room: Room) -> String {
        let now = Elapsed::from_us(self.until_ms * 1_000);
        let lines = draw::view(&self.board, now, room);
        for line in &lines {
            assert!(line.width() <= room.columns, "{line:?}");
        }
        assert!(lines.len() < room.rows);
        let lines: Vec<String> = lines.iter().map(|line| line.render(false)).collect();
        let text = lines.join("\n");
        assert!(!text.contains('\x1b'), "{text:?}");
        text
    }
}

/// A trial without a fault; one in which the server is killed and its users are unknown afterwards; and the next one's begin.
fn three_trials(until_ms: u64) -> Film {
    use Phase::{Baseline, Fault, Open, ReadBack, Recovery, Settle, Start, Stop, WarmUp};
    let mut film = Film::of(&test_plan(), until_ms);
    film.begin(0, 0, "first (no fault)", true);
    film.phases(&[(0, Start), (200, Open), (300, WarmUp), (500, Baseline)]);
    film.load(300, 2_500, Step::Act, None);
    film.phases(&[(2_500, ReadBack), (2_600, Stop)]);
    film.at(2_700, EventKind::TrialEnded, "");

    film.begin(3_000, 0, "first", false);
    film.phases(&[(3_000, Start), (3_200, Open)]);
    film.load(3_200, 3_300, Step::Login, None);
    film.phases(&[(3_300, WarmUp), (3_500, Baseline)]);
    film.load(3_300, 6_000, Step::Act, None);
    film.phases(&[(6_000, Fault)]);
    let fault = FaultId::FIRST;
    let node = Node::Replica(0);
    let begun = "SIGKILL sent".to_owned();
    let requested = EventKind::FaultRequested { fault, node, begun };
    film.at(6_010, requested, "SIGKILL sent");
    let exited = EventKind::TargetExited {
        node,
        incarnation: Incarnation(0),
        exit: Exit::Signal(9),
        cause: ExitCause::Injected(fault),
        tail: Vec::new(),
    };
    let words = "start 0 was ended by signal 9 (SIGKILL), by the fault";
    film.at(6_020, exited, words);
    film.phases(&[(6_020, Recovery)]);
    film.load(6_000, 8_200, Step::Act, Some(ErrorClass::Refused));
    let correct = EventKind::FirstCorrect {
        fault,
        last_failed_us: None,
        evidence: Evidence::SocketOwner(7),
        unowned: None,
        probes: 80,
    };
    let words = "first correct reply of the new process, known by process 7, owner of the socket, probe 80, 2180.0 ms after the exit";
    film.at(8_200, correct, words);
    film.phases(&[(8_200, Settle)]);
    film.load(8_200, 10_000, Step::Check, None);
    film.at(
        10_010,
        EventKind::LoadStopped {
            scheduled: 670,
            sent: 670,
            dropped: 0,
        },
        "",
    );
    film.phases(&[(10_010, ReadBack)]);
    let gone = Some(ErrorClass::SessionRejected);
    film.load(10_010, 10_110, Step::ReadBack, gone);
    film.phases(&[(10_200, Stop)]);
    film.at(10_300, EventKind::TrialEnded, "");
    film.begin(10_400, 1, "second", false);
    film.phases(&[(10_400, Start)]);
    film
}

#[test]
fn the_view_on_a_large_and_on_a_small_terminal() {
    for (name, until_ms) in [
        ("baseline", 1_800),
        ("outage", 7_800),
        ("settled", 9_900),
        ("read-back", 10_150),
        ("next-trial", 10_900),
    ] {
        let film = three_trials(until_ms);
        insta::assert_snapshot!(format!("{name}-80x24"), film.shown(LARGE));
        insta::assert_snapshot!(format!("{name}-40x10"), film.shown(SMALL));
    }
}

#[test]
fn a_view_fits_every_terminal_and_the_trial_is_what_goes_last() {
    for until_ms in [0, 100, 1_800, 7_800, 10_150, 10_900] {
        let film = three_trials(until_ms);
        for columns in 1..130 {
            for rows in 1..30 {
                let room = Room { columns, rows };
                let now = Elapsed::from_us(until_ms * 1_000);
                let lines = draw::view(&film.board, now, room);
                assert!(lines.len() <= rows.saturating_sub(1).max(1), "{room:?}");
                for line in &lines {
                    assert!(line.width() <= columns, "{room:?}: {line:?}");
                }
                let has_number = lines.iter().any(|line| {
                    line.render(false).contains(" of 8") || line.render(false).contains("/8")
                });
                assert!(columns < 40 || has_number, "{room:?}: {lines:?}");
            }
        }
    }
}

#[test]
fn one_line_tells_the_trial_its_phase_and_the_time_that_is_left() {
    let film = three_trials(7_800);
    let bar = |columns| {
        let room = Room { columns, rows: 1 };
        draw::bar(&film.board, Elapsed::from_us(7_800_000), room).render(false)
    };
    let begin = "━━━───────────────────── 1/8  first: recovery";
    assert_eq!(bar(79), format!("{begin:<70}14 s left"));
    assert_eq!(bar(30), "1/8  first: recovery 14 s left");
    assert_eq!(bar(20), "1/8  firs… 14 s left");
}

#[test]
fn colors_change_nothing_of_the_words() {
    let film = three_trials(7_800);
    let lines = draw::view(&film.board, Elapsed::from_us(7_800_000), LARGE);
    let colored: String = lines.iter().map(|line| line.render(true)).collect();
    assert!(colored.contains("\x1b[31m"), "errors are red: {colored:?}");
    let mut plain = String::new();
    let mut in_code = false;
    for letter in colored.chars() {
        match letter {
            '\x1b' => in_code = true,
            'm' if in_code => in_code = false,
            _ if in_code => {}
            letter => plain.push(letter),
        }
    }
    let expected: String = lines.iter().map(|line| line.render(false)).collect();
    assert_eq!(plain, expected);
}

#[test]
fn a_load_without_sessions_has_answers_and_neither_logins_nor_losses() {
    let mut plan = test_plan();
    let request = Request::new("GET", "/");
    plan.load.workload = Workload::Stateless(Box::new(request));
    let mut film = Film::of(&plan, 2_000);
    film.begin(0, 0, "first", false);
    film.phases(&[(100, Phase::WarmUp)]);
    film.load(100, 1_100, Step::Get, None);
    let shown = film.shown(LARGE);
    assert!(shown.contains("100 requests answered correctly"), "{shown}");
    assert!(!shown.contains("lost"), "{shown}");
}

#[test]
fn foreign_text_cannot_move_the_cursor() {
    let mut plan = test_plan();
    plan.name = "a\x1b[2Jb".to_owned();
    let mut film = Film::of(&plan, 2_000);
    film.begin(0, 0, "fi\x1b[Hrst", false);
    let shown = film.shown(LARGE);
    assert!(
        shown.contains("a\\x1b[2Jb") && shown.contains("fi\\x1b[Hrst"),
        "{shown}"
    );
}
