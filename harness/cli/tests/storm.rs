//! Storms: kill after kill on the same data, with real servers.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::path::Path;
use std::time::{Duration, Instant};

use comeback_analysis::summary::{StormSummary, Summary};
use comeback_analysis::verdict::Outcome;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::{PROGRAM, Run, assert_nothing_left, command, read_header, run};

/// The words that describe a session of the reference servers.
const FLOW: [&str; 12] = [
    "--login",
    "POST /login {\"user\":\"u{{ session }}\"}",
    "--act",
    "POST /visit",
    "--check",
    "GET /me",
    "--value",
    "/visits",
    "--identity",
    "/user=u{{ session }}",
    "--boot-header",
    "x-boot-id",
];

/// `run` of a reference server, its results in `out`.
fn words<'a>(server: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let serve = [
        "--", PROGRAM, "serve", server, "--port", "{port}", "--data", "{data}",
    ];
    let begin = ["run", "--out", "out", "--seed", "7"].into_iter();
    let begin = begin.chain(FLOW).chain(more.iter().copied());
    begin.chain(serve).collect()
}

fn storm_of(server: &str, more: &[&str]) -> Run {
    let storm = [&["--storm"], more].concat();
    run(&words(server, &storm))
}

fn tally(summary: &Summary) -> &StormSummary {
    summary.arms[0].storm.as_ref().unwrap()
}

/// A loss that few kills meet: a kill has to come between the emptying of a session's file and its writing.
#[test]
fn a_session_that_is_written_in_place_is_lost_in_a_storm_and_its_twin_loses_none() {
    let run = storm_of("writes-in-place", &["--kills", "400", "--until-failure"]);
    assert_eq!(run.code(), 1, "{}", run.printed());
    let summary = run.summary();
    let storm = tally(&summary);
    let first = storm.first_loss.as_ref().unwrap();
    // It ends there.
    assert_eq!((storm.kills_with_a_loss, first.kill), (1, storm.kills));
    assert!(
        first.what.contains("was acknowledged and is refused"),
        "{}",
        first.what
    );
    let reasons = summary.reasons.join("\n");
    assert!(
        reasons.contains(&format!("first kill {}", first.kill)),
        "{reasons}"
    );
    assert!(summary.arms[0].control.sessions.acknowledged > 0);
    assert_eq!(summary.arms[0].control.sessions.lost, 0);

    let kills = 60;
    let run = storm_of("renames", &["--kills", "60"]);
    assert_eq!(run.code(), 0, "{}", run.printed());
    let summary = run.summary();
    assert!(
        summary
            .headline
            .contains("0 of 60 kills lost anything: below"),
        "{}",
        summary.headline
    );
    let storm = tally(&summary);
    assert_eq!(
        (storm.kills, storm.kills_with_a_loss, storm.kills_undecided),
        (kills, 0, 0)
    );
    assert!(storm.kills_that_met_a_write * 2 >= kills, "{storm:?}");
    // Each of 8 users after each kill, but for those who log out just then.
    assert!(storm.sessions_verified > kills * 6, "{storm:?}");
    assert!(storm.writes_verified > kills, "{storm:?}");
    assert!(storm.loss_share_high.unwrap() < 0.06, "{storm:?}");
}

#[test]
fn all_kills_of_a_storm_are_in_one_life_of_the_data_and_of_the_sessions() {
    let run = storm_of("journal", &["--kills", "6"]);
    assert_eq!(run.code(), 0, "{}", run.printed());
    let events = run.events();
    let of = |name: &str| {
        let events = events.iter();
        events.filter(|event| event["kind"]["type"] == name).count()
    };
    // Five cycles without a kill come first.
    assert_eq!(
        (
            of("trial_started"),
            of("fault_confirmed"),
            of("sessions_looked")
        ),
        (11, 6, 11)
    );
    let started = events
        .iter()
        .filter(|event| event["kind"]["type"] == "trial_started");
    let controls: Vec<bool> = started
        .map(|event| event["kind"]["control"].as_bool().unwrap())
        .collect();
    assert_eq!(controls, [vec![true; 5], vec![false; 6]].concat());
    // The users of the first trial go on in all others, and two of eight log in anew in each. Where a kill waits long for a write,
    // more users log in meanwhile.
    let rows = std::fs::read_to_string(run.out().join("operations.csv")).unwrap();
    let logins = rows.lines().filter(|row| row.contains(",login,")).count();
    assert!((28..8 * 11).contains(&logins), "{logins}");
    // It can be judged again.
    let again = command(run.folder.path(), &["report", "out", "--json"])
        .output()
        .unwrap();
    let again: Summary = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!(again, run.summary());
    let header = read_header(&run.out());
    assert_eq!(header["plan"]["storm"]["until_failure"], false);
}

#[test]
fn a_server_that_acknowledges_before_it_stores_is_found() {
    let run = storm_of("buffered", &["--kills", "20", "--until-failure"]);
    assert_eq!(run.code(), 1, "{}", run.printed());
    let summary = run.summary();
    let first = tally(&summary).first_loss.as_ref().unwrap();
    assert!(first.what.contains("must be at least"), "{}", first.what);
    assert!(first.what.contains("was read back as"), "{}", first.what);
}

#[test]
fn a_storm_whose_kills_meet_no_write_is_inconclusive() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("idle.toml");
    let text = format!(
        "seed = 7\n[storm]\nkills = 5\n[target]\nboot_header = \"x-boot-id\"\n\
         command = [{PROGRAM:?}, \"serve\", \"journal\", \"--port\", \"{{port}}\", \"--data\", \"{{data}}\"]\n\
         [load]\nrate = 200\n[fault]\nwithin = \"any\"\n\
         [session]\nvalue = \"/visits\"\nmix = {{ act = 1, check = 999 }}\n\
         [session.login]\nrequest = \"POST /login\"\njson = {{ user = \"u{{{{ session }}}}\" }}\n\
         [session.act]\nrequest = \"POST /visit\"\n[session.check]\nrequest = \"GET /me\"\n"
    );
    std::fs::write(&file, text).unwrap();
    let output = command(folder.path(), &["run", "idle.toml", "--out", "out"])
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(3), "{printed}");
    assert!(printed.contains("cannot be judged"), "{printed}");
    assert_nothing_left(folder.path());
}

#[test]
fn what_is_lost_without_a_kill_is_laid_to_none() {
    let run = storm_of("memory", &["--kills", "5"]);
    assert_eq!(run.code(), 3, "{}", run.printed());
    let reasons = run.summary().reasons.join("\n");
    assert!(
        reasons.contains("after the server was stopped and started again without a fault"),
        "{reasons}"
    );
    assert!(
        reasons.contains("the storm ended after 0 of 5 kills"),
        "{reasons}"
    );
}

/// A storm of a server of the storms' own corpus.
fn storm_of_script(behaviour: &str, more: &[&str]) -> Run {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/stormy.py");
    let serve = ["--", "python3", script, behaviour, "{port}", "{data}"];
    let begin = ["run", "--out", "out", "--seed", "7", "--storm"].into_iter();
    let begin = begin.chain(FLOW[..10].iter().copied());
    let words: Vec<&str> = begin.chain(more.iter().copied()).chain(serve).collect();
    run(&words)
}

#[test]
fn what_a_server_keeps_only_at_a_graceful_stop_is_lost_in_a_storm() {
    let run = storm_of_script("snapshots-at-stops", &["--kills", "12"]);
    assert_eq!(run.code(), 1, "{}", run.printed());
    let summary = run.summary();
    let reasons = summary.reasons.join("\n");
    assert!(
        reasons.contains("after the recovered server was killed again while it was idle"),
        "{reasons}"
    );
    let storm = tally(&summary);
    assert_eq!(storm.idle_kills_with_a_loss, 1, "{storm:?}");
    assert!(storm.first_loss.is_some());

    let run = storm_of_script("honest", &["--kills", "12"]);
    assert_eq!(run.code(), 0, "{}", run.printed());
    let storm = run.summary();
    let storm = tally(&storm);
    assert!(storm.idle_kills >= 4, "{storm:?}");
    assert_eq!(storm.idle_kills_with_a_loss, 0);
}

#[test]
fn a_server_that_dies_soon_after_each_kill_fails_a_storm() {
    let run = storm_of_script("dies-soon", &["--kills", "3", "--horizon", "1s"]);
    assert_eq!(run.code(), 1, "{}", run.printed());
    assert_eq!(tally(&run.summary()).kills_unrecovered, 1);
    // Without a kill, too, so that none can be blamed.
    let run = storm_of_script("dies-always", &["--kills", "3", "--horizon", "1s"]);
    assert_eq!(run.code(), 3, "{}", run.printed());
    let reasons = run.summary().reasons.join("\n");
    assert!(
        reasons.contains("ended by itself in the last cycle"),
        "{reasons}"
    );
}

#[test]
fn a_login_is_at_stake_in_each_cycle_of_a_storm() {
    let run = storm_of_script("forgets-logins", &["--kills", "20"]);
    assert_eq!(run.code(), 1, "{}", run.printed());
}

/// Where users seldom change anything a kill waits long for a write: the logins before the load are old by then.
#[test]
fn a_login_is_at_stake_where_a_kill_waits_long_for_a_write() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/dishonest.py");
    let storm_of = |behaviour: &str| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rare.toml");
        let text = format!(
            "[target]\ncommand = [\"python3\", {script:?}, {behaviour:?}, \"{{port}}\", \"{{data}}\"]\n\
             ready = {{ tcp = true }}\n\
             [load]\nsessions = 12\nrate = 100\ntimeout = \"5s\"\n\
             [session]\nvalue = \"/visits\"\nidentity = {{ at = \"/user\", name = \"u{{{{ session }}}}\" }}\n\
             mix = {{ act = 1, check = 49 }}\n\
             [session.login]\nrequest = \"POST /login\"\njson = {{ user = \"u{{{{ session }}}}\" }}\n\
             [session.act]\nrequest = \"POST /visit\"\n[session.check]\nrequest = \"GET /me\"\n"
        );
        std::fs::write(&file, text).unwrap();
        let file = file.to_str().unwrap();
        let words = ["run", file, "--storm", "--kills", "6", "--seed", "7"];
        run(&[&words[..], &["--out", "out"]].concat())
    };
    let run = storm_of("stores-logins-later");
    assert_eq!(run.code(), 1, "{}", run.printed());
    let run = storm_of("honest");
    assert!(matches!(run.code(), 0 | 3), "{}", run.printed());
    let summary = run.summary();
    assert_eq!(tally(&summary).kills_with_a_loss, 0, "{}", run.printed());
    assert!(tally(&summary).logins_at_stake > 0, "{}", run.printed());
}

#[test]
fn what_appears_between_two_cycles_is_no_new_base() {
    let run = storm_of_script("grows-at-stops", &["--kills", "3"]);
    assert_eq!(run.code(), 3, "{}", run.printed());
    let reasons = run.summary().reasons.join("\n");
    assert!(
        reasons.contains("show what they did not at the last look"),
        "{reasons}"
    );
}

#[test]
fn a_server_that_listens_before_it_has_loaded_passes_a_storm() {
    let run = storm_of_script("loads-late", &["--kills", "4"]);
    assert_eq!(run.code(), 0, "{}", run.printed());
}

#[test]
fn the_attempts_of_the_plan_hold_after_a_kill_of_the_idle_server_too() {
    let more = ["--kills", "6", "--restart-attempts", "2"];
    let run = storm_of_script("refuses-once", &more);
    assert_eq!(run.code(), 0, "{}", run.printed());
    assert!(tally(&run.summary()).idle_kills > 0);
}

#[test]
fn a_server_that_does_not_come_back_ends_the_storm_and_fails() {
    let run = storm_of("pid-file", &["--kills", "5", "--horizon", "1s"]);
    assert_eq!(run.code(), 1, "{}", run.printed());
    let summary = run.summary();
    let storm = tally(&summary);
    assert_eq!((storm.kills, storm.kills_unrecovered), (1, 1));
    assert_eq!(summary.verdict, Outcome::Fail);
}

#[test]
fn an_old_process_in_the_new_ones_place_is_noticed_in_a_storm() {
    let run = storm_of("orphan-keeps-port", &["--kills", "3", "--horizon", "1s"]);
    assert_ne!(run.code(), 0, "{}", run.printed());
    let storm = run.summary();
    assert_ne!(storm.verdict, Outcome::Pass);
}

#[test]
fn a_storm_that_is_interrupted_leaves_nothing_and_keeps_its_kills() {
    let folder = tempfile::tempdir().unwrap();
    let words = words("journal", &["--storm", "--kills", "5000"]);
    let mut child = command(folder.path(), &words).spawn().unwrap();
    let out = folder.path().join("out");
    wait_until("kill 3", || looks(&out) >= 8);
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_nothing_left(folder.path());
    let text = std::fs::read_to_string(out.join("summary.json")).unwrap();
    let summary: Summary = serde_json::from_str(&text).unwrap();
    assert!(tally(&summary).kills >= 3, "{:?}", tally(&summary));
    assert_eq!(summary.verdict, Outcome::Inconclusive);
    assert!(!out.join("data").exists());
}

/// How many cycles have come to their last look.
fn looks(out: &Path) -> usize {
    match out.join("journal.jsonl").exists() {
        true => std::fs::read_to_string(out.join("journal.jsonl"))
            .map_or(0, |text| text.matches("sessions_looked").count()),
        false => 0,
    }
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(
            begun.elapsed() < Duration::from_secs(120),
            "{what} did not come"
        );
        std::thread::yield_now();
    }
}

#[test]
fn what_is_no_storm_is_refused_before_anything_starts() {
    let cases: [(&[&str], &str); 10] = [
        (&["--storm", "--kills", "0"], "at least one kill"),
        (&["--kills", "5"], "add --storm"),
        (&["--until-failure"], "add --storm"),
        (&["--storm", "--trials", "5"], "cannot be used with"),
        (&["--storm", "--fault", "rolling-restart"], "a storm kills"),
        (&["--storm", "--fault", "pause:lasts=1s"], "a storm kills"),
        (&["--storm", "--kill", "TERM"], "a storm kills"),
        (
            &["--storm", "--fault", "kill", "--fault", "abort"],
            "repeats one fault",
        ),
        (
            &["--storm", "--gate", "outage.median < 2s"],
            "measures no times",
        ),
        (
            &["--storm", "--against", "HEAD"],
            "compares it with nothing",
        ),
    ];
    for (more, said) in cases {
        let run = run(&words("journal", more));
        assert_eq!(run.code(), 2, "{more:?}: {}", run.printed());
        assert!(run.printed().contains(said), "{more:?}: {}", run.printed());
        assert!(!run.out().exists(), "{more:?}");
    }
    let stateless = run(&[
        "run", "--storm", "--out", "out", "--", PROGRAM, "serve", "journal", "--port", "{port}",
    ]);
    assert_eq!(stateless.code(), 2, "{}", stateless.printed());
    assert!(
        stateless.printed().contains("describe a session"),
        "{}",
        stateless.printed()
    );
}

#[test]
fn explain_shows_a_storm() {
    let mut words = words("journal", &["--storm", "--kills", "50", "--until-failure"]);
    words[0] = "explain";
    words.drain(1..3);
    let folder = tempfile::tempdir().unwrap();
    let output = command(folder.path(), &words).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{printed}");
    for said in [
        "50, one in each trial, behind 5 trials",
        "with the first kill that took something",
    ] {
        assert!(printed.contains(said), "{printed}");
    }
}
