//! Drawn faults on real servers: what is drawn is told before, done, judged, and made smaller.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::{SHOP, call, faults_told, folder_with, header, run_file, run_shop, stderr, stdout};
use crate::support::{self, Run};

/// The ready-made experiment, in a folder of its own, with these words behind it.
fn run_chaos(words: &[&str]) -> Run {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../experiments/chaos.toml");
    let text = std::fs::read_to_string(file).unwrap();
    run_file("chaos.toml", &text, words)
}

/// The faults that were drawn for each trial that has some.
fn drawn(schedule: &Value) -> BTreeMap<u64, Vec<u64>> {
    let trials = schedule["trials"].as_array().unwrap().iter();
    let faults = trials.filter_map(|trial| {
        let faults = trial["faults"].as_array()?;
        let numbers = faults.iter().map(|one| one["fault"].as_u64().unwrap());
        Some((trial["id"].as_u64().unwrap(), numbers.collect()))
    });
    faults.collect()
}

#[test]
fn what_is_drawn_is_what_explain_told_and_a_server_that_keeps_all_passes() {
    // By this seed each choice comes in one of the two trials: it would not pass without.
    let run = run_chaos(&["--trials", "2", "--seed", "2"]);
    let words = ["explain", "chaos.toml", "--trials", "2", "--seed", "2"];
    let told = call(run.folder.path(), &[&words[..], &["--json"]].concat());
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    let header = header(&run);
    assert_eq!(header["comeback_journal"], 8);
    let wanted = drawn(&header["schedule"]);
    assert_eq!(drawn(&told["schedule"]), wanted);
    assert!(wanted.len() == 2 && wanted.values().all(|faults| faults.len() == 4));
    let text = stdout(&call(run.folder.path(), &words));
    let words: Vec<&str> = text.split_whitespace().collect();
    assert_eq!(
        words.join(" ").matches("after recovery").count(),
        6,
        "{text}"
    );
    assert!(text.contains("3 of 6"), "{text}");
    let is_short = |line: &str| line.chars().count() <= 80;
    assert!(text.lines().all(is_short), "{text}");

    let is_replaced = |run: &Run| !run.summary().arms[0].replaced.is_empty();
    if !support::ended_with(&run, 0) || is_replaced(&run) && support::how_busy().is_some() {
        return;
    }
    let all: Vec<u64> = wanted.into_values().flatten().collect();
    for kind in ["fault_requested", "fault_ended", "first_correct"] {
        assert_eq!(faults_told(&run, kind), all, "{kind}");
    }
    assert!(run.summary().arms[0].sessions.survived >= 40);
}

#[test]
fn a_server_that_keeps_nothing_fails_and_the_one_fault_that_takes_all_is_left() {
    let memory = [
        "--",
        "{comeback}",
        "serve",
        "memory",
        "--port",
        "{port}",
        "--data",
        "{data}",
    ];
    let run = run_chaos(&[&["--trials", "1", "--seed", "7"][..], &memory].concat());
    if !support::ended_with(&run, 1) {
        return;
    }
    let words = "shrink out --confirm 1 --tries 2 --budget 3m --out small.toml --json";
    let shrunk = call(run.folder.path(), &words.split(' ').collect::<Vec<_>>());
    support::assert_nothing_left(run.folder.path());
    if !support::output_ended_with(&shrunk, 0) {
        return;
    }
    let document: Value = serde_json::from_slice(&shrunk.stdout).unwrap();
    assert_eq!(document["before"]["faults"], 4);
    let text = std::fs::read_to_string(run.folder.path().join("small.toml")).unwrap();
    assert!(!text.contains("[chaos]"), "{text}");
    let tries = document["tries"].as_array().unwrap();
    let first = tries[0]["change"].as_str().unwrap();
    assert!(first.contains("the faults of one of its trials"), "{first}");
    // On a busy machine a run may be void, and then a part stays that could go.
    let is_open = tries
        .iter()
        .any(|one| one["inconclusive"] != 0 && one["still_fails"] == false);
    if (is_open || document["complete"] == false) && support::how_busy().is_some() {
        return;
    }
    let small: toml::Table = toml::from_str(&text).unwrap();
    let faults = small["fault"].as_array().unwrap();
    assert_eq!(faults.len(), 1, "{text}");
    assert_ne!(faults[0]["kind"].as_str(), Some("pause"), "{text}");
}

#[test]
fn a_service_that_is_not_back_from_a_drawn_fault_gets_no_other_and_fails() {
    // Its second start ends at once.
    let (head, rest) = SHOP.split_once("command = [").unwrap();
    let (_, tail) = rest.split_once("]\n").unwrap();
    let script = "test -e {data}/once && exit 1; touch {data}/once; exec {comeback} serve journal --port {port} --data {data}";
    let text = format!("{head}command = [\"sh\", \"-c\", \"{script}\"]\n{tail}");
    let text = text.replace(
        "[[fault]]\nat = \"400ms\"",
        "[chaos]\nfaults = 3\nquiet = \"300ms\"\nat = \"400ms\"\n[[chaos.choice]]\nkind = \"kill\"",
    );
    let text = text.replace("[windows]", "[windows]\nhorizon = \"2s\"");
    let run = run_shop(&text, &[]);
    if !support::ended_with(&run, 1) {
        return;
    }
    assert!(run.printed().contains("unrecovered"), "{}", run.printed());
    assert_eq!(faults_told(&run, "fault_requested"), [0]);
}

#[test]
fn chaos_of_the_command_line_is_that_of_a_file_and_what_it_cannot_be_ends_with_2() {
    let folder = folder_with("shop.toml", SHOP);
    let explain = |words: &[&str]| {
        let words = [&["explain", "shop.toml", "--json"][..], words].concat();
        call(folder.path(), &words)
    };
    let typed = [
        "--chaos",
        "3,quiet=1s",
        "--fault",
        "kill:weight=3",
        "--fault",
        "pause:lasts=300ms",
    ];
    let explained = explain(&typed);
    assert_eq!(explained.status.code(), Some(0), "{}", stderr(&explained));
    let explained: Value = serde_json::from_slice(&explained.stdout).unwrap();
    let plan = &explained["plan"];
    assert_eq!(plan["chaos"]["faults"], 3);
    assert_eq!(plan["chaos"]["weights"], serde_json::json!([3, 1]));
    assert_eq!(plan["faults"][0]["quiet"], "1s");
    for faults in drawn(&explained["schedule"]).values() {
        assert_eq!(faults.len(), 3);
    }
    for (words, what) in [
        (&["--chaos", "0"][..], "from 1 to 16"),
        (&["--chaos", "3", "--storm"], "a storm repeats one fault"),
        (&["--chaos", "3", "--kill", "TERM"], "--kill"),
        (&["--fault", "kill:weight=3"], "nothing is drawn"),
        (&["--chaos", "3", "--fault", "kill:weight=0"], "never drawn"),
        (&["--chaos", "3,span=1s"], "raise span"),
        (&["--chaos", "some"], "no number of faults"),
    ] {
        let refused = explain(words);
        assert_eq!(refused.status.code(), Some(2), "{words:?}");
        assert!(stderr(&refused).contains(what), "{}", stderr(&refused));
    }
}
