//! Runs that are split into shards and put together again: as recorded, and for real.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::print_stderr, reason = "what was not judged is told to people")]

#[path = "support/recorded.rs"]
mod recorded;
mod support;

use std::fs;
use std::path::Path;
use std::process::Output;

use comeback_model::shard::Shard;
use recorded::Recorded;
use serde_json::Value;
use support::{assert_nothing_left, command, has_void_trial, how_busy, read_events, read_header};
use tempfile::TempDir;

/// Gates on counts and a time, which the stored trials hold.
const GATES: [&str; 4] = [
    "unrecovered == 0",
    "lost_sessions == 0",
    "lost_writes == 0",
    "outage.median < 5s",
];

fn shard(text: &str) -> Shard {
    text.parse().unwrap()
}

/// Eleven trials with a fault and one without, which may be spoilt, as four shards.
fn four_shards(spoil: impl FnOnce(&mut Recorded)) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut run = Recorded::of(11, &GATES, 7);
    spoil(&mut run);
    run.write_shards(folder.path(), 4);
    folder
}

fn start(folder: &Path, words: &[&str]) -> (Option<i32>, String) {
    let output = command(folder, words).output().unwrap();
    (output.status.code(), said(&output))
}

fn said(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    support::unfolded(&String::from_utf8_lossy(&text))
}

/// Merges these shards, in a folder.
fn merge(folder: &Path, shards: &[&str]) -> (Option<i32>, String) {
    let words: Vec<&str> = ["merge"]
        .into_iter()
        .chain(shards.iter().copied())
        .collect();
    start(folder, &[&words[..], &["--out", "whole"]].concat())
}

#[track_caller]
fn check(ended: (Option<i32>, String), code: i32, parts: &[&str]) {
    let (found, said) = ended;
    assert_eq!(found, Some(code), "{said}");
    for part in parts {
        assert!(said.contains(part), "'{part}' is not in: {said}");
    }
}

/// The summary document, without what the run was split into.
fn summary(run: &Path) -> Value {
    let text = fs::read_to_string(run.join("summary.json")).unwrap();
    let mut summary: Value = serde_json::from_str(&text).unwrap();
    summary.as_object_mut().unwrap().remove("shards");
    summary
}

/// What stands behind the header.
fn recorded_lines(run: &Path) -> String {
    let text = fs::read_to_string(run.join("journal.jsonl")).unwrap();
    text.split_once('\n').unwrap().1.to_owned()
}

// The same evidence gives the same verdict, split or not.

#[test]
fn a_thousand_trials_as_sixteen_shards_are_the_same_run() {
    let folder = tempfile::tempdir().unwrap();
    let run = Recorded::of(999, &GATES, 7);
    run.write(&folder.path().join("one"));
    run.write_shards(&folder.path().join("shards"), 16);
    check(start(folder.path(), &["report", "one"]), 0, &["PASS"]);
    // In any order.
    let shards: Vec<String> = (1..=16)
        .rev()
        .map(|index| format!("shards/{index}"))
        .collect();
    let shards: Vec<&str> = shards.iter().map(String::as_str).collect();
    check(
        merge(folder.path(), &shards),
        0,
        &["16 of 16 shards, 1000 trials", "PASS"],
    );
    let [one, whole] = ["one", "whole"].map(|name| folder.path().join(name));
    // Events, seals and rows, byte for byte; the schedule; each figure and each verdict.
    assert!(
        recorded_lines(&one) == recorded_lines(&whole),
        "other events"
    );
    let rows = [&one, &whole].map(|run| fs::read(run.join("operations.csv")).unwrap());
    assert!(rows[0] == rows[1], "other operations");
    let schedules = [&one, &whole].map(|run| read_header(run)["schedule"]["trials"].clone());
    assert!(schedules[0] == schedules[1], "another schedule");
    assert_eq!(summary(&one), summary(&whole));
}

#[test]
fn shards_may_be_merged_in_steps() {
    let folder = four_shards(|_| ());
    let words = ["merge", "3", "1", "--out", "some"];
    check(
        start(folder.path(), &words),
        3,
        &["2 of 4 shards are missing (2, 4)"],
    );
    check(
        merge(folder.path(), &["2", "some", "4"]),
        0,
        &["4 of 4 shards, 12 trials", "PASS"],
    );
}

#[test]
fn a_merged_run_is_judged_again_and_compared_with_others() {
    let folder = four_shards(|_| ());
    check(merge(folder.path(), &["1", "2", "3", "4"]), 0, &["PASS"]);
    let before = summary(&folder.path().join("whole"));
    check(start(folder.path(), &["report", "whole"]), 0, &["PASS"]);
    assert_eq!(summary(&folder.path().join("whole")), before);
    Recorded::of(11, &GATES, 8).write(&folder.path().join("other"));
    check(
        start(folder.path(), &["diff", "other", "whole"]),
        0,
        &["nothing is worse"],
    );
    check(start(folder.path(), &["export", "whole"]), 0, &[]);
}

#[test]
fn a_round_is_never_split_over_shards() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = Recorded::of(6, &[], 3);
    let mut other = run.header.plan.arms[0].clone();
    other.name = "other".to_owned();
    run.header.plan.arms.push(other);
    run.header.schedule = comeback_model::schedule::expand(&run.header.plan, run.header.seed);
    for count in [2, 3, 7] {
        let mut all = Vec::new();
        for index in 1..=count {
            let shard = Shard::new(index, count).unwrap();
            let header = comeback_engine::campaign::shard_of(run.header.clone(), shard).unwrap();
            let trials = &header.schedule.trials;
            let of_arm = |arm| trials.iter().filter(|trial| trial.arm.0 == arm).count();
            assert_eq!(of_arm(0), of_arm(1), "{shard}");
            assert!(of_arm(0) > 0, "{shard}");
            all.extend(trials.clone());
        }
        all.sort_by_key(|trial| trial.id);
        assert_eq!(all, run.header.schedule.trials, "{count}");
    }
    drop(folder);
}

// Nothing passes that is not whole.

#[test]
fn a_shard_alone_never_passes() {
    let folder = four_shards(|_| ());
    for index in ["1", "2", "3", "4"] {
        let told = format!("this is shard {index} of 4, which says nothing of the whole run");
        check(start(folder.path(), &["report", index]), 3, &[&told]);
        let summary = summary(&folder.path().join(index));
        for gate in summary["gates"].as_array().unwrap() {
            assert_eq!(gate["outcome"], "inconclusive", "{gate}");
        }
    }
    // Without gates it is not measured, either.
    let bare = tempfile::tempdir().unwrap();
    Recorded::of(11, &[], 7).write_shards(bare.path(), 4);
    check(
        start(bare.path(), &["report", "2"]),
        3,
        &["this is shard 2 of 4"],
    );
    check(merge(bare.path(), &["1", "2", "3", "4"]), 0, &["MEASURED"]);
}

#[test]
fn a_loss_in_one_shard_fails_it_and_the_whole() {
    let mut with_control = 0;
    let folder = four_shards(|run| {
        with_control = (1..=4)
            .find(|index| run.has_control(shard(&format!("{index}/4"))))
            .unwrap();
        run.first_crash(shard("3/4")).lose_sessions();
        run.first_crash(shard(&format!("{with_control}/4")))
            .lose_sessions();
    });
    assert_ne!(with_control, 3, "this seed is no use here");
    let with_control = with_control.to_string();
    // Without a control trial nothing is laid to the fault.
    check(
        start(folder.path(), &["report", "3"]),
        3,
        &["this is shard 3 of 4"],
    );
    check(
        start(folder.path(), &["report", &with_control]),
        1,
        &["lost_sessions == 0 is broken", "comeback replay "],
    );
    // Also where other shards are missing.
    let (code, said) = merge(folder.path(), &["3", &with_control]);
    // Two of four shards can be judged again, and not done again.
    assert!(
        said.contains("comeback report whole") && !said.contains("comeback replay"),
        "{said}"
    );
    check(
        (code, said),
        1,
        &["lost_sessions == 0 is broken", "are missing"],
    );
    fs::remove_dir_all(folder.path().join("whole")).unwrap();
    check(
        merge(folder.path(), &["1", "2", "3", "4"]),
        1,
        &["lost_sessions == 0 is broken"],
    );
}

#[test]
fn a_count_within_its_bound_in_each_shard_is_judged_over_all() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = Recorded::of(11, &["lost_sessions <= 8"], 7);
    for index in ["2/4", "3/4"] {
        run.first_crash(shard(index)).lose_sessions();
    }
    run.write_shards(folder.path(), 4);
    for index in ["2", "3"] {
        check(
            start(folder.path(), &["report", index]),
            3,
            &["this is shard"],
        );
    }
    check(
        merge(folder.path(), &["1", "2", "3", "4"]),
        1,
        &["lost_sessions <= 8 is broken"],
    );
}

#[test]
fn a_time_that_is_broken_in_a_shard_is_not_certain_to_be_in_the_whole() {
    let folder = tempfile::tempdir().unwrap();
    Recorded::of(27, &["outage.median < 1ms"], 7).write_shards(folder.path(), 4);
    check(
        start(folder.path(), &["report", "2"]),
        3,
        &["this is shard 2 of 4"],
    );
    check(
        merge(folder.path(), &["1", "2", "3", "4"]),
        1,
        &["outage.median < 1ms is broken"],
    );
}

#[test]
fn a_missing_shard_is_named_with_its_command_and_nothing_passes() {
    let folder = four_shards(|_| ());
    let kept = "comeback run shop.toml --shard auto/4 --seed 7\n";
    fs::write(folder.path().join("1/command.txt"), kept).unwrap();
    check(
        merge(folder.path(), &["1", "2", "4"]),
        3,
        &[
            "shard 3 of 4 is missing; it lacks the trials 3, 7, 11; to repeat it: comeback run shop.toml --shard 3/4 --seed 7",
            "1 of 4 shards is missing (3)",
        ],
    );
    let whole = folder.path().join("whole");
    let again = fs::read_to_string(whole.join("command.txt")).unwrap();
    assert_eq!(again, "comeback run shop.toml --seed 7\n");
    check(
        start(folder.path(), &["report", "whole"]),
        3,
        &["is missing (3)"],
    );
    check(
        start(folder.path(), &["replay", "whole"]),
        2,
        &["several shards of a run"],
    );
    // It is no baseline, and nothing is as good as it.
    Recorded::of(11, &GATES, 8).write(&folder.path().join("other"));
    check(
        start(folder.path(), &["diff", "whole", "other"]),
        3,
        &["is missing (3)"],
    );
    check(
        start(folder.path(), &["diff", "other", "whole"]),
        3,
        &["is missing (3)"],
    );
}

#[test]
fn a_shard_that_is_there_twice_is_refused() {
    let folder = four_shards(|_| ());
    check(
        merge(folder.path(), &["1", "2", "3", "4", "./2"]),
        2,
        &["is named twice"],
    );
    Recorded::of(11, &GATES, 7).write_shard(&folder.path().join("again"), shard("2/4"));
    check(
        merge(folder.path(), &["1", "2", "3", "4", "again"]),
        2,
        &["shard 2 is in", "name the one that was run first"],
    );
    assert!(!folder.path().join("whole").exists());
}

#[test]
fn shards_of_different_runs_are_refused() {
    let folder = four_shards(|_| ());
    let put = |change: &dyn Fn(&mut Recorded), text: &str| {
        let _ = fs::remove_dir_all(folder.path().join("other"));
        let mut other = Recorded::of(11, &GATES, 7);
        change(&mut other);
        other.write_shard(&folder.path().join("other"), shard(text));
        merge(folder.path(), &["1", "2", "3", "other"])
    };
    type Change = dyn Fn(&mut Recorded);
    let cases: [(&Change, &str, &str); 6] = [
        (
            &|run| *run = Recorded::of(11, &GATES, 8),
            "4/4",
            "seed differs",
        ),
        (
            &|run| *run = Recorded::of(12, &GATES, 7),
            "4/4",
            "plan (extend_to) differs",
        ),
        (
            &|run| *run = Recorded::of(11, &GATES[1..], 7),
            "4/4",
            "plan (gates) differs",
        ),
        (
            &|run| run.header.written_by = "0.0.1".to_owned(),
            "4/4",
            "version differs",
        ),
        (
            &|run| run.header.machine.build = "other".to_owned(),
            "4/4",
            "build differs",
        ),
        (&|_| (), "4/5", "number of shards differs"),
    ];
    for (change, text, told) in cases {
        check(put(change, text), 2, &["are not of one run", told]);
    }
    // A whole run is no shard.
    Recorded::of(11, &GATES, 7).write(&folder.path().join("one"));
    check(
        merge(folder.path(), &["1", "2", "3", "one"]),
        2,
        &["is a whole run, not a shard"],
    );
    check(
        merge(folder.path(), &["1", "nowhere"]),
        2,
        &["nowhere cannot be used"],
    );
    assert!(!folder.path().join("whole").exists());
}

#[test]
fn a_schedule_that_was_changed_is_refused() {
    let folder = four_shards(|_| ());
    let run = Recorded::of(11, &GATES, 7);
    let header = run.header.clone();
    let mut header = comeback_engine::campaign::shard_of(header, shard("4/4")).unwrap();
    // The trial that would have failed is not in the schedule, and nobody misses it.
    header.schedule.trials.remove(0);
    run.write_with(&folder.path().join("4"), &header);
    check(
        merge(folder.path(), &["1", "2", "3", "4"]),
        2,
        &["another schedule"],
    );
}

#[test]
fn a_journal_that_was_cut_never_passes() {
    // Behind its last whole trial, within a line: what a killed harness leaves.
    let folder = four_shards(|_| ());
    let path = folder.path().join("3/journal.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    let last = text.rfind("\"trial_started\"").unwrap();
    fs::write(&path, &text[..last + 30]).unwrap();
    check(start(folder.path(), &["report", "3"]), 3, &["torn"]);
    check(
        merge(folder.path(), &["1", "2", "3", "4"]),
        3,
        &[
            "shard 3 of 4 did not come to its end",
            "it lacks the trials 11",
            "1 planned trial was never begun: 11",
        ],
    );
    // Amid a trial: that does not count.
    let end = text.rfind("\"trial_ended\"").unwrap();
    fs::write(&path, &text[..text[..end].rfind('\n').unwrap() + 1]).unwrap();
    fs::remove_dir_all(folder.path().join("whole")).unwrap();
    check(
        merge(folder.path(), &["1", "2", "3", "4"]),
        3,
        &["trial 11 does not count"],
    );
    // Lines of an ended trial are missing: that is damage, and nothing is written.
    let begin = text
        .find("\"trial_ready\"")
        .or_else(|| text.find("\"target_ready\""))
        .unwrap();
    let line = text[..begin].rfind('\n').unwrap();
    let next = begin + text[begin..].find('\n').unwrap();
    fs::write(&path, format!("{}{}", &text[..line], &text[next..])).unwrap();
    fs::remove_dir_all(folder.path().join("whole")).unwrap();
    check(
        merge(folder.path(), &["1", "2", "3", "4"]),
        2,
        &["lines are missing"],
    );
    assert!(!folder.path().join("whole").exists());
}

#[test]
fn a_void_trial_of_a_shard_makes_the_whole_inconclusive() {
    let folder = four_shards(|run| run.first_crash(shard("2/4")).miss());
    check(
        start(folder.path(), &["report", "2"]),
        3,
        &["does not count"],
    );
    check(
        merge(folder.path(), &["1", "2", "3", "4"]),
        3,
        &["does not count"],
    );
}

#[test]
fn figures_of_unlike_machines_are_no_machines_figures() {
    let folder = tempfile::tempdir().unwrap();
    let run = Recorded::of(11, &GATES, 7);
    for index in 1..=4 {
        let mut own = run.clone();
        own.header.machine.cores = index;
        let path = folder.path().join(index.to_string());
        own.write_shard(&path, Shard::new(index, 4).unwrap());
    }
    check(merge(folder.path(), &["1", "2", "3", "4"]), 0, &["PASS"]);
    Recorded::of(11, &GATES, 8).write(&folder.path().join("other"));
    check(
        start(folder.path(), &["diff", "other", "whole"]),
        3,
        &["the number of cores is not known"],
    );
}

// What cannot be split is refused before anything starts.

#[test]
fn what_cannot_be_merged_is_not_begun() {
    let folder = tempfile::tempdir().unwrap();
    let experiment = r#"
        trials = 4
        seed = 7
        [target]
        command = ["./nothing", "{port}"]
        [session]
        value = "/visits"
        login = { request = "POST /login" }
        act = { request = "POST /visit" }
        check = { request = "GET /me" }
    "#;
    fs::write(folder.path().join("a.toml"), experiment).unwrap();
    let file = ["run", "a.toml"];
    let bare = ["run", "--trials", "4"];
    let cases: [(&[&str], &[&str], &str); 8] = [
        (
            &bare,
            &["--shard", "1/2", "--", "./nothing", "{port}"],
            "give all of them the same one (--seed 7)",
        ),
        (&file, &["--shard", "6/6"], "has 5 rounds"),
        (&file, &["--shard", "3/2"], "counted from 1/2 to 2/2"),
        (
            &file,
            &["--shard", "1/2", "--rate", "auto"],
            "would measure another rate",
        ),
        (
            &file,
            &["--shard", "1/2", "--extend-to", "9"],
            "(--extend-to 4)",
        ),
        (
            &file,
            &["--shard", "1/2", "--against", "HEAD"],
            "--against builds",
        ),
        (
            &file,
            &["--shard", "1/2", "--baseline", "b"],
            "add --remeasure",
        ),
        (
            &file,
            &["--shard", "1/2", "--storm", "--kills", "4"],
            "a storm cannot be split",
        ),
    ];
    for (words, more, told) in cases {
        check(start(folder.path(), &[words, more].concat()), 2, &[told]);
    }
    let mut auto = command(folder.path(), &["run", "a.toml", "--shard", "auto"]);
    for name in [
        "SLURM_ARRAY_TASK_ID",
        "JOB_COMPLETION_INDEX",
        "CI_NODE_INDEX",
        "BUILDKITE_PARALLEL_JOB",
        "NOMAD_ALLOC_INDEX",
    ] {
        auto.env_remove(name);
    }
    let output = auto.output().unwrap();
    check(
        (output.status.code(), said(&output)),
        2,
        &["no scheduler says which shard this is"],
    );
    assert!(!folder.path().join("comeback-runs").exists());
}

// For real.

#[test]
fn shards_of_a_real_run_have_its_schedule_its_counts_and_its_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let size = [
        "token",
        "memory",
        "--quick",
        "--trials",
        "3",
        "--sessions",
        "20",
        "--rate",
        "100",
        "--seed",
        "6",
        "--quiet",
    ];
    let run = |more: &[&str]| start(folder.path(), &[&["compare"], &size[..], more].concat());
    let gates = [
        "--gate",
        "unrecovered == 0",
        "--gate",
        "wrong_identity == 0",
    ];
    let whole = run(&[&gates[..], &["--out", "one"]].concat());
    for shard in ["1/2", "2/2"] {
        let name = &shard[..1];
        let (code, said) = run(&[&gates[..], &["--shard", shard, "--out", name]].concat());
        assert_eq!(code, Some(3), "{said}");
        assert!(
            said.contains(&format!("this is shard {name} of 2")),
            "{said}"
        );
    }
    assert_nothing_left(folder.path());
    let merged = merge(folder.path(), &["1", "2"]);
    let [one, both] = ["one", "whole"].map(|name| folder.path().join(name));
    let schedules = [&one, &both].map(|run| read_header(run)["schedule"]["trials"].clone());
    assert_eq!(schedules[0], schedules[1]);
    let started = |run: &Path| -> Vec<Value> {
        let events = read_events(run).into_iter();
        let started = events.filter(|event| event["kind"]["type"] == "trial_started");
        let planned = schedules[0].as_array().unwrap().len();
        started
            .take(planned)
            .map(|event| event["trial"].clone())
            .collect()
    };
    assert_eq!(started(&one), started(&both));
    let is_disturbed = [&one, &both].iter().any(|run| has_void_trial(run));
    if let Some(busy) = how_busy().filter(|_| is_disturbed) {
        eprintln!("not judged, for the machine is busy ({busy})");
        return;
    }
    assert_eq!(
        (whole.0, merged.0),
        (Some(0), Some(0)),
        "{}\n{}",
        whole.1,
        merged.1
    );
    let [of_one, of_both] = [&one, &both].map(|run| summary(run));
    let counts = |summary: &Value, arm: usize| {
        let arm = &summary["arms"][arm];
        let is_kept = arm["sessions"]["lost"] == 0;
        (arm["trials"].clone(), arm["begun"].clone(), is_kept)
    };
    for arm in 0..2 {
        assert_eq!(counts(&of_one, arm), counts(&of_both, arm));
    }
    // A shard is repeated as it was, and the whole as one.
    let words = ["replay", "1", "--out", "again", "--quiet"];
    let (code, said) = start(folder.path(), &words);
    assert_eq!(code, Some(3), "{said}");
    let again = read_header(&folder.path().join("again"));
    assert_eq!(
        again["schedule"],
        read_header(&folder.path().join("1"))["schedule"]
    );
    assert_eq!(again["shards"]["count"], 2);
}
