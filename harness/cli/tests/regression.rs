//! A pull request's run: one that moves sessions into memory and one that starts half a second later are told from the
//! version in production, each for its own reason.

mod support;

use std::path::Path;

use comeback_analysis::verdict::Outcome;
use support::{ended_with, has, how_busy, run};

#[test]
fn planted_regressions_fail_for_their_own_reasons() {
    if !has("python3-flask", &["/usr/bin/python3", "-c", "import flask"]) {
        return;
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../experiments/regression.toml");
    let file = file.to_str().expect("a path is text");
    // From nine trials on, one start that other work delays does not decide the interval of a median.
    let words = ["run", file, "--seed", "5", "--trials", "9", "--quiet"];
    let run = run(&[&words[..], &["--out", "out"]].concat());
    if !ended_with(&run, 1) {
        return;
    }
    let gates = run.summary().gates;
    let outcome = |arm: &str, metric: &str| {
        let gate = gates
            .iter()
            .find(|gate| gate.arm == arm && gate.gate.starts_with(metric));
        gate.unwrap_or_else(|| panic!("{arm}: {metric}: {gates:#?}"))
            .outcome
    };
    assert_eq!(outcome("main", "lost_sessions"), Outcome::Pass);
    assert_eq!(outcome("memory-sessions", "lost_sessions"), Outcome::Fail);
    assert_eq!(outcome("slow-start", "lost_sessions"), Outcome::Pass);
    let slow = outcome("slow-start", "time_to_ready");
    let was_busy = || how_busy().is_some() || run.printed().contains("too busy to judge times");
    if slow == Outcome::Inconclusive && was_busy() {
        // Starts that scatter as much as the regression is long say nothing of it.
        return;
    }
    assert_eq!(slow, Outcome::Fail, "{}", run.printed());
    // Moving sessions costs no time: on a busy machine it may be open, but no alarm.
    let moved = outcome("memory-sessions", "time_to_ready");
    assert_ne!(moved, Outcome::Fail, "{}", run.printed());
    for reason in [
        "memory-sessions: lost_sessions == 0 is broken",
        "slow-start: time_to_ready.median <= baseline + 20% + 100ms is broken",
    ] {
        assert!(run.printed().contains(reason), "{}", run.printed());
    }
    let junit = std::fs::read_to_string(run.out().join("junit.xml")).expect("it is there");
    assert_eq!(
        junit.matches("<failure").count(),
        3,
        "three gates, one of them by default, each once: {junit}"
    );
}
