//! Exploring: one run, and every disk that a cut of the power could have left of it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::print_stderr, reason = "a test says when it is skipped")]

mod support;

use serde_json::Value;
use support::{CONTRACT_SESSION, Run, assert_nothing_left, can_lose_power, command, unfolded};

/// An experiment with one server. Its fault, if it has one, is not injected.
fn experiment(server: &str) -> String {
    format!(
        r#"
seed = 10
[target]
command = ["{{comeback}}", "serve", "{server}", "--port", "{{port}}", "--data", "{{data}}"]
[load]
sessions = 4
rate = 100
{CONTRACT_SESSION}
[[fault]]
kind = "kill"
"#
    )
}

/// Explores a file with these further words.
fn explore(text: &str, words: &[&str]) -> Run {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("disk.toml"), text).unwrap();
    let output = command(folder.path(), &[&["explore", "disk.toml"], words].concat())
        .output()
        .unwrap();
    assert_nothing_left(folder.path());
    Run { folder, output }
}

/// The document of a small exploration, and its exit code.
fn found(server: &str, disk: &str) -> (i32, Value) {
    let words = ["--json", "--disk", disk, "--acts", "24", "--states", "30"];
    let run = explore(&experiment(server), &words);
    let document = serde_json::from_slice(&run.output.stdout);
    (
        run.code(),
        document.unwrap_or_else(|error| panic!("{error}: {}", run.printed())),
    )
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key]
        .as_str()
        .unwrap_or_else(|| panic!("{key} in {value}"))
}

#[test]
fn a_server_that_syncs_before_it_acknowledges_is_whole_on_every_disk() {
    if !can_lose_power() {
        return;
    }
    for (server, disk) in [
        ("journal", "ext4"),
        ("line-log", "strict"),
        ("synced-rename", "lazy"),
    ] {
        let (code, document) = found(server, disk);
        assert_eq!(code, 0, "{server} on {disk}: {document:#}");
        assert_eq!(text(&document, "verdict"), "pass");
        assert_eq!(document["work"]["writes"], 24, "{document:#}");
        // What it acknowledged was durable, and the lint has nothing to tell.
        let early = document["durability"]["early"].as_array();
        assert_eq!(early.map(Vec::len), Some(0), "{document:#}");
        let coverage = &document["coverage"];
        let looked = coverage["prefix_states_verified"].as_u64().unwrap();
        assert!(looked >= 10, "{document:#}");
        assert!(
            coverage["points"].as_u64() >= coverage["prefix_states"].as_u64().map(|all| all / 2)
        );
        assert!(text(&document, "headline").contains(&format!("(disk: {disk})")));
    }
}

#[test]
fn a_missing_sync_is_found_in_a_single_run_and_named() {
    if !can_lose_power() {
        return;
    }
    for (server, disk, reasons) in [
        // Bug 1 of the zoo, bug 2, bug 3.
        ("late-sync", "ext4", &["was written to and not synced"][..]),
        (
            "unsynced-segments",
            "strict",
            &["and its folder (the data folder) was not synced"],
        ),
        (
            "unsynced-rename",
            "lazy",
            &[
                "before its data was synced",
                "was written to and not synced",
            ],
        ),
    ] {
        let (code, document) = found(server, disk);
        assert_eq!(code, 1, "{server} on {disk}: {document:#}");
        let failure = &document["failures"][0];
        let reason = text(failure, "reason");
        assert!(
            reasons.iter().any(|part| reason.contains(part)),
            "{document:#}"
        );
        assert_eq!(text(failure, "lacks"), "sync", "{document:#}");
        // It never syncs. On a busy machine all requests may overlap.
        let durability = &document["durability"];
        if server == "unsynced-rename" && durability["acknowledgements"].as_u64() > Some(0) {
            let early = durability["early"].as_array().unwrap();
            assert!(!early.is_empty(), "{document:#}");
            assert!(text(&early[0], "request").starts_with("POST /"));
        }
        let around = failure["around"].as_array().unwrap();
        let told = around.iter().map(|one| text(one, "what"));
        assert!(
            told.clone().any(|what| what.starts_with("acknowledged: ")),
            "{document:#}"
        );
        assert!(
            told.clone().any(|what| what.starts_with("write of ")),
            "{document:#}"
        );
    }
}

#[test]
fn a_write_that_is_acknowledged_before_it_is_handed_over_is_told_from_a_missing_sync() {
    if !can_lose_power() {
        return;
    }
    // It writes its file when it is stopped, so that all is there at the end.
    let (code, document) = found("buffered", "ext4");
    assert_eq!(code, 1, "{document:#}");
    let failures = document["failures"].as_array().unwrap();
    assert!(
        failures.iter().any(|one| text(one, "lacks") == "write"),
        "{document:#}"
    );
}

#[test]
fn where_the_disk_tells_nothing_nothing_is_said() {
    if !can_lose_power() {
        return;
    }
    // Its sessions are gone with it; those of the other one are with its users.
    for (server, why) in [
        ("memory", "even on the disk at the end of the run"),
        ("token", "elsewhere than in {data}"),
    ] {
        let (code, document) = found(server, "ext4");
        assert_eq!(code, 3, "{server}: {document:#}");
        assert_eq!(text(&document, "verdict"), "inconclusive");
        assert!(text(&document, "headline").contains(why), "{document:#}");
    }
    // It keeps a file there, but not what is asked for.
    let elsewhere = tempfile::tempdir().unwrap();
    let journal = experiment("journal");
    let command = format!(
        r#"command = ["sh", "-c", "while sleep 0.05; do date >> {{data}}/log; done & exec {{comeback}} serve journal --port {{port}} --data {}"]"#,
        elsewhere.path().display()
    );
    let line = journal
        .lines()
        .find(|line| line.starts_with("command"))
        .unwrap();
    let run = explore(
        &journal.replace(line, &command),
        &["--acts", "24", "--states", "10"],
    );
    assert_eq!(run.code(), 3, "{}", run.printed());
    let said = run
        .printed()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    assert!(
        said.contains("keeps them elsewhere than in {data}"),
        "{said}"
    );
}

/// An experiment whose server goes through a script first, which knows the number of its start (`$n`, from 0: the run that is recorded,
/// then the controls at the beginning and the disks) and has a folder of its own (`$own`).
fn with_script(own: &std::path::Path, script: &str) -> String {
    let experiment = experiment("journal");
    let command = experiment
        .lines()
        .find(|line| line.starts_with("command"))
        .unwrap();
    let own = own.display();
    let scripted = format!(
        "command = [\"sh\", \"-c\", \"\"\"own={own}; n=$(cat $own/n || echo 0); echo $((n + 1)) > $own/n; {script}; \
         exec {{comeback}} serve journal --port {{port}} --data {{data}}\"\"\"]"
    );
    experiment.replace(command, &scripted)
}

/// The document of an exploration of such a server, and its exit code.
fn found_with_script(script: &str) -> (i32, Value) {
    let own = tempfile::tempdir().unwrap();
    let words = ["--json", "--acts", "12", "--states", "12"];
    let run = explore(&with_script(own.path(), script), &words);
    let document = serde_json::from_slice(&run.output.stdout);
    (
        run.code(),
        document.unwrap_or_else(|error| panic!("{error}: {}", run.printed())),
    )
}

#[test]
fn a_server_whose_cookies_are_new_with_each_reply_is_explored() {
    if !can_lose_power() {
        return;
    }
    let server = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/rotating.py");
    let experiment = experiment("journal");
    let of_comeback = r#""{comeback}", "serve", "journal", "--port", "{port}", "--data", "{data}""#;
    assert!(experiment.contains(of_comeback));
    let of_python = format!(r#""python3", "{server}", "{{port}}", "{{data}}""#);
    let text = experiment.replace(of_comeback, &of_python);
    let run = explore(&text, &["--json", "--acts", "8", "--states", "8"]);
    assert_eq!(run.code(), 0, "{}", run.printed());
}

#[test]
fn a_start_that_fails_once_is_unclear_and_no_loss() {
    if !can_lose_power() {
        return;
    }
    let (code, document) = found_with_script("if test $n = 8; then exit 1; fi");
    assert_eq!(code, 3, "{document:#}");
    assert_eq!(text(&document, "verdict"), "inconclusive");
    let coverage = &document["coverage"];
    let counts = ["states_failed", "states_unclear"].map(|key| coverage[key].as_u64());
    assert_eq!(counts, [Some(0), Some(1)], "{document:#}");
    assert!(text(&document, "headline").contains("it is unclear"));
    let remarks = document["remarks"].to_string();
    assert!(
        remarks.contains("on 1 disk the server failed once, and came back whole"),
        "{remarks}"
    );
}

#[test]
fn a_server_that_is_slow_on_one_disk_lost_nothing() {
    if !can_lose_power() {
        return;
    }
    // The file gives it 10 s. Between the two tries it is started on the disk at the end of the run.
    let script = "if test $n = 8 || test $n = 10; then sleep 12; fi";
    let (code, document) = found_with_script(script);
    assert_eq!(code, 0, "{document:#}");
    let slow = document["coverage"]["states_slow"].as_u64();
    assert_eq!(slow, Some(1), "{document:#}");
}

#[test]
fn a_start_that_hangs_once_is_unclear_and_not_slow() {
    if !can_lose_power() {
        return;
    }
    let (code, document) = found_with_script("if test $n = 8; then sleep 12; fi");
    assert_eq!(code, 3, "{document:#}");
    let coverage = &document["coverage"];
    let counts = ["states_slow", "states_unclear"].map(|key| coverage[key].as_u64());
    assert_eq!(counts, [Some(0), Some(1)], "{document:#}");
}

#[test]
fn a_server_that_starts_nowhere_any_more_lost_nothing() {
    if !can_lose_power() {
        return;
    }
    let (code, document) = found_with_script("if test $n -gt 7; then exit 1; fi");
    assert_eq!(code, 3, "{document:#}");
    let coverage = &document["coverage"];
    assert_eq!(coverage["states_failed"].as_u64(), Some(0), "{document:#}");
    assert_eq!(coverage["is_stopped"].as_bool(), Some(true), "{document:#}");
}

#[test]
fn sessions_that_are_gone_from_every_disk_at_the_end_are_no_loss() {
    if !can_lose_power() {
        return;
    }
    // As if they had expired.
    let (code, document) = found_with_script("if test $n -gt 7; then rm -rf {data}/*; fi");
    assert_eq!(code, 3, "{document:#}");
    assert!(
        text(&document, "headline").contains("do sessions expire?"),
        "{document:#}"
    );
    // The disk at the end of the run is asked in between.
    let coverage = &document["coverage"];
    assert_eq!(coverage["states_failed"].as_u64(), Some(0), "{document:#}");
    assert_eq!(coverage["is_stopped"].as_bool(), Some(true), "{document:#}");
}

#[test]
fn a_check_that_shows_writes_which_are_on_no_disk_is_noticed() {
    if !can_lose_power() {
        return;
    }
    // It keeps what it was told elsewhere, and needs its disk only to know that there are sessions.
    let script = "if test $n = 1; then cp -r {data} $own/saved; fi; \
                  if test $n -gt 1 && test -n \"$(find {data} -type f -size +8c)\"; then cp -r $own/saved/. {data}; fi";
    let (code, document) = found_with_script(script);
    assert_eq!(code, 3, "{document:#}");
    assert!(
        text(&document, "headline").contains("on the disk from before the first write of user"),
        "{document:#}"
    );
}

#[test]
fn what_cannot_be_explored_is_refused_before_anything_starts() {
    let stateless = r#"
[target]
command = ["/does/not/exist", "{port}"]
[operation]
request = "GET /"
"#;
    let valueless: String = experiment("journal")
        .lines()
        .filter(|line| !line.contains("value ="))
        .map(|line| format!("{line}\n"))
        .collect();
    let replicas = experiment("journal").replace("[load]", "replicas = 2\n[balancer]\n[load]");
    for (text, words, problem) in [
        (stateless.to_owned(), &[][..], "only sessions are explored"),
        (replicas, &[], "several nodes"),
        (valueless, &[], "no reply shows what was written"),
        (
            experiment("journal"),
            &["--disk", "xfs"],
            "there is no disk 'xfs'",
        ),
        (
            experiment("journal"),
            &["--states", "many"],
            "not a whole number",
        ),
        ("[target]\nport = 1".to_owned(), &[], "disk.toml"),
    ] {
        let run = explore(&text, words);
        let said = unfolded(&run.printed());
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(run.code(), 2, "{said}");
        assert!(said.contains(problem), "{problem}: {said}");
    }
}

#[test]
fn people_read_which_calls_stand_around_the_cut() {
    if !can_lose_power() {
        return;
    }
    let words = [
        "--disk", "lazy", "--acts", "8", "--states", "12", "--seed", "7",
    ];
    let run = explore(&experiment("unsynced-rename"), &words);
    assert_eq!(run.code(), 1, "{}", run.printed());
    let said = String::from_utf8_lossy(&run.output.stdout).into_owned();
    assert!(
        said.lines().all(|line| line.chars().count() <= 80),
        "{said}"
    );
    for part in [
        "the power is cut",
        "A sync is missing",
        "coverage: ",
        "seed 7",
        "(disk: lazy)",
    ] {
        assert!(unfolded(&said).contains(part), "{part}: {said}");
    }
}
