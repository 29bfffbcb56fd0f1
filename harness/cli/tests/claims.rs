//! Claims, measured with real servers.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::print_stderr, reason = "a test says when it is skipped")]

mod support;

use std::path::Path;
use std::sync::{PoisonError, RwLock};

use comeback_claims::{
    CLAIMS, Claim, Claims, Experiment, Heading, Observation, Ruled, Ruling, VERSION, What,
};
use comeback_engine::Ended;
use comeback_engine::campaign::Host;
use comeback_engine::interrupt::Interrupt;
use comeback_faults::Faults;
use comeback_model::plan::Arm;
use serde_json::Value;

/// A comparison under load is disturbed by what else is measured beside it: it has the machine for itself. Procedures
/// without a load may run side by side.
static ONE_AT_A_TIME: RwLock<()> = RwLock::new(());

#[test]
fn a_claim_is_ruled_on_by_what_was_measured_and_says_how_to_repeat_it() {
    let _alone = ONE_AT_A_TIME
        .write()
        .unwrap_or_else(PoisonError::into_inner);
    if !support::has("redis-server", &["redis-server", "--version"]) {
        return;
    }
    let run = support::run(&[
        "claims", "10", "--quick", "--seed", "3", "--quiet", "--out", "out",
    ]);
    if !support::ended_with(&run, 0) {
        return;
    }
    let text = std::fs::read_to_string(run.out().join("claims.json")).unwrap();
    let claims: Claims = serde_json::from_str(&text).unwrap();
    let [row] = claims.rows.as_slice() else {
        panic!("{claims:?}");
    };
    assert_eq!(
        (row.number, row.ruling),
        (10, Ruling::HoldsInPart),
        "{row:?}"
    );
    assert!(row.figure.contains("in turn: token 0 of"), "{row:?}");
    // What is coupled by the format of its tokens is not when that stays.
    let reasons = ["a shared store", "another format"];
    assert!(
        reasons.iter().all(|reason| row.because.contains(reason)),
        "{row:?}"
    );
    assert_eq!(row.command, "comeback claims 10 --quick --seed 3");
    for run_of in ["run-1", "run-2"] {
        let report = run.out().join("claim-10").join(run_of).join("report.html");
        assert!(report.is_file(), "{report:?}");
    }
    let page = std::fs::read_to_string(run.out().join("claims.md")).unwrap();
    assert!(page.contains(&row.command), "{page}");
    let schema = support::run(&["schema", "claims"]);
    let schema: Value = serde_json::from_slice(&schema.output.stdout).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    assert!(validator.is_valid(&document));
    assert!(!validator.is_valid(&serde_json::json!({ "rows": [{}] })));
}

#[test]
fn the_page_of_claims_has_each_in_its_words_with_a_ruling_and_a_reason() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/claims.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (_, rest) = text
        .split_once("written by `cargo xtask claims` -->")
        .unwrap();
    let (table, _) = rest.split_once("<!-- end of claims -->").unwrap();
    let rows: Vec<Vec<&str>> = table
        .lines()
        .filter(|line| line.starts_with('|'))
        .skip(2)
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect();
    assert_eq!(rows.len(), CLAIMS.len(), "{table}");
    for (row, claim) in rows.iter().zip(&CLAIMS) {
        let [number, words, ruling, since] = row.as_slice() else {
            panic!("{row:?}");
        };
        assert_eq!(
            (*number, *words),
            (claim.number.to_string().as_str(), claim.words)
        );
        let known = [Ruling::Holds, Ruling::HoldsInPart, Ruling::Refuted];
        let known = known.map(|ruling| format!("**{}**", ruling.name()));
        assert!(known.iter().any(|known| known == ruling), "{row:?}");
        assert!(!since.is_empty(), "{row:?}");
    }
}

#[test]
fn what_is_not_measured_is_refused() {
    let next = CLAIMS.iter().map(|claim| claim.number).max().unwrap() + 1;
    let run = support::run(&["claims", &next.to_string()]);
    assert_eq!(run.code(), 2, "{}", run.printed());
    assert!(
        run.printed()
            .contains(&format!("claim {next} is not measured")),
        "{}",
        run.printed()
    );
    assert!(!run.out().exists());
}

/// Rows as they came out, by their numbers.
fn rulings(words: &[&str]) -> Vec<(u32, Ruling, String)> {
    let _beside = ONE_AT_A_TIME.read().unwrap_or_else(PoisonError::into_inner);
    let run =
        support::run(&[words, &["--quick", "--seed", "3", "--json", "--out", "out"]].concat());
    let claims: Claims = serde_json::from_slice(&run.output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", run.printed()));
    let page = std::fs::read_to_string(run.out().join("claims.html")).unwrap();
    let rows = claims.rows.into_iter().map(|row| {
        for file in &row.details {
            assert!(run.out().join(file).is_file(), "{file}");
        }
        let chart = format!("charts/claim-{}.svg", row.number);
        assert!(run.out().join(chart).is_file(), "{row:?}");
        assert!(page.contains(&format!("id=\"claim-{}\"", row.number)));
        (
            row.number,
            row.ruling,
            format!("{}; {}", row.because, row.figure),
        )
    });
    rows.collect()
}

#[test]
fn requests_alone_in_disorder_and_at_other_servers_are_ruled_on() {
    if !support::has("redis-server", &["redis-server", "--version"]) {
        return;
    }
    for (number, ruling, told) in rulings(&["claims", "1", "4", "9"]) {
        assert_eq!(ruling, Ruling::HoldsInPart, "{number}: {told}");
    }
}

#[test]
fn what_servers_keep_is_ruled_on() {
    if !support::has("redis-server", &["redis-server", "--version"]) {
        return;
    }
    let rows = rulings(&["claims", "2", "8"]);
    let rulings: Vec<Ruling> = rows.iter().map(|(_, ruling, _)| *ruling).collect();
    // Tokens that can be taken back are what the first is true of only in part.
    assert_eq!(rulings, [Ruling::HoldsInPart, Ruling::Holds], "{rows:?}");
}

#[test]
fn idle_clients_are_ruled_on() {
    if !support::has("redis-server", &["redis-server", "--version"])
        || !support::has("nginx-light", &["/usr/sbin/nginx", "-v"])
    {
        return;
    }
    let rows = rulings(&["claims", "14"]);
    // Whether a session is seen beside the buffers of its connection is up to the build; that sessions outlive a closed
    // connection is not.
    assert_ne!(rows[0].1, Ruling::Inconclusive, "{rows:?}");
    assert_eq!(rows[0].2.matches("/ 100 %").count(), 3, "{rows:?}");
}

/// Whether a file is there, and else that the test goes on without it.
fn has_file(path: &str) -> bool {
    support::is_there_or_skipped(path, Path::new(path).is_file())
}

#[test]
fn protocols_are_ruled_on_by_interrupted_exchanges() {
    let _beside = ONE_AT_A_TIME.read().unwrap_or_else(PoisonError::into_inner);
    let run = support::run(&["claims", "3", "--quick", "--seed", "3", "--out", "out"]);
    if !support::ended_with(&run, 0) {
        return;
    }
    let findings = comeback_claims::read(&run.out().join("claim-3")).unwrap();
    let finished = |arm: &str, from: u64| {
        let facts = findings.facts.iter();
        let counted = facts.filter(|fact| {
            fact.arm == arm && fact.what == What::Finished && (from..).contains(&fact.at)
        });
        counted.fold((0, 0), |sum, fact| match fact.found {
            Observation::Share { right, tried } => (sum.0 + right, sum.1 + tried),
            Observation::Value(_) | Observation::Missing(_) => sum,
        })
    };
    let mut arms = vec![
        ("token", true),
        ("udp-echo", true),
        ("dns", true),
        ("memory", false),
        ("ftp", false),
        ("telnet", false),
    ];
    if has_file("/usr/sbin/unbound") {
        arms.push(("unbound", true));
    }
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        eprintln!("skipped: vsftpd and telnetd, which only root can start");
    }
    if is_root && has_file("/usr/sbin/vsftpd") {
        arms.push(("vsftpd", false));
    }
    if is_root && has_file("/usr/sbin/telnetd") && has_file("/usr/sbin/inetutils-inetd") {
        arms.push(("telnetd", false));
    }
    for (arm, is_stateless) in arms {
        let ((all, of_all), (right, tried)) = (finished(arm, 0), finished(arm, 1));
        assert!(tried >= 200, "{arm}: {tried}");
        // Two rounds of twenty at the first request, which needs nothing before it.
        assert_eq!((all - right, of_all - tried), (40, 40), "{arm}");
        assert_eq!(right, if is_stateless { tried } else { 0 }, "{arm}");
    }
    // The half of each file had arrived, and is not sent again.
    let resumed = findings
        .facts
        .iter()
        .filter(|fact| fact.what == What::Resumed);
    for fact in resumed {
        let Observation::Share { right, tried } = fact.found else {
            panic!("{fact:?}");
        };
        assert_eq!(right * 2, tried, "{fact:?}");
    }
}

#[test]
fn servers_that_pose_as_other_protocols_are_found_out() {
    let names = ["token", "udp-echo", "dns", "ftp", "telnet", "memory"];
    let arms = |changed: &str, server: &str| {
        names.map(|name| posing(name, if name == changed { server } else { name }))
    };
    // All is well with it where nothing is done to it.
    let found = find(3, &arms("token", "memory"));
    assert_eq!(found.ruling, Ruling::Refuted, "{found:?}");
    assert!(
        found.because.contains("over HTTP did not go on"),
        "{found:?}"
    );
    // Every 20th visit is stored twice.
    let found = find(3, &arms("token", "double-apply"));
    assert_eq!(found.ruling, Ruling::Inconclusive, "{found:?}");
    // It speaks another protocol.
    let found = find(3, &arms("memory", "ftp"));
    assert_eq!(found.ruling, Ruling::Inconclusive, "{found:?}");
    assert!(found.because.contains("memory"), "{found:?}");
}

/// A server under another's name.
fn posing(name: &str, server: &str) -> Arm {
    let service = comeback_servers::find(server).unwrap().protocol;
    let (data, ready) = match service.speaks_http() {
        true => ("shared", "{ http = '/health' }"),
        false => ("data", "{ tcp = true }"),
    };
    let text = format!(
        "[target]\ncommand = ['{{comeback}}', 'serve', '{server}', '--port', '{{port}}', '--data', '{{{data}}}']\n\
         ready = {ready}\n"
    );
    let file = comeback_experiment::File::parse(Path::new("posing.toml"), text, &Faults).unwrap();
    let plan = file.resolve(&Faults).unwrap().plan;
    Arm {
        name: name.to_owned(),
        ..plan.arms[0].clone()
    }
}

/// What a claim's procedure finds with these servers.
fn find(number: u32, arms: &[Arm]) -> Ruled {
    let _beside = ONE_AT_A_TIME.read().unwrap_or_else(PoisonError::into_inner);
    let Experiment::Own(inquiry) = Claim::find(number).unwrap().experiment else {
        panic!("claim {number} has no procedure of its own");
    };
    let folder = tempfile::tempdir().unwrap();
    let heading = Heading {
        comeback_facts: VERSION,
        claim: number,
        seed: 3,
        amount: inquiry.quick,
        started: "2026-11-25T00:00:00Z".to_owned(),
        machine: None,
    };
    let task = comeback_claims::Task {
        heading: &heading,
        procedure: inquiry.procedure,
        arms,
        folder: folder.path(),
        host: Host::Guest,
        follow: |_| {},
    };
    let (_guard, interrupt) = Interrupt::by_hand();
    let ended = comeback_claims::run(&task, |_| Ok(interrupt)).unwrap();
    assert_eq!(ended, Ended::Complete);
    let findings = comeback_claims::read(folder.path()).unwrap();
    assert!(!folder.path().join("data").exists());
    inquiry.rule(&findings)
}

#[test]
fn a_server_that_poses_as_stateless_is_found_out() {
    // The controls are passed: nothing is wrong with these servers but their names.
    for number in [1, 4, 9] {
        let arms =
            ["token", "token-newkey", "token-counter", "redis"].map(|name| posing(name, "memory"));
        let memory = posing("memory", "memory");
        let found = find(number, &[&arms[..], &[memory]].concat());
        assert_eq!(found.ruling, Ruling::Refuted, "{number}: {found:?}");
    }
}

#[test]
fn a_server_that_poses_as_stateful_is_found_out() {
    for number in [1, 4, 9] {
        let names = ["token", "token-newkey", "token-counter", "redis", "memory"];
        let found = find(number, &names.map(|name| posing(name, "token")));
        assert_eq!(found.ruling, Ruling::Refuted, "{number}: {found:?}");
    }
}

#[test]
fn a_server_with_a_wrong_answer_says_nothing_about_a_claim() {
    let names = ["token", "token-newkey", "token-counter", "redis", "memory"];
    // Every 50th visit is answered too high, so that the control fails.
    let found = find(4, &names.map(|name| posing(name, "wrong-answer")));
    assert_eq!(found.ruling, Ruling::Inconclusive, "{found:?}");
    assert!(
        found.because.contains("where nothing was done to it"),
        "{found:?}"
    );
    let found = find(1, &names.map(|name| posing(name, "dies-at-start")));
    assert_eq!(found.ruling, Ruling::Inconclusive, "{found:?}");
    assert!(found.because.contains("did not come up"), "{found:?}");
}

#[test]
fn what_was_measured_is_ruled_on_again_without_measuring() {
    let _beside = ONE_AT_A_TIME.read().unwrap_or_else(PoisonError::into_inner);
    let run = support::run(&[
        "claims", "9", "--quick", "--seed", "3", "-q", "--out", "out",
    ]);
    let file = run.out().join("claims.json");
    let first = std::fs::read_to_string(&file).unwrap();
    std::fs::write(
        &file,
        first.replace("\"because\": \"", "\"because\": \"not "),
    )
    .unwrap();
    let again = || {
        let words = ["claims", "--from", "out", "--json"];
        support::command(run.folder.path(), &words)
            .output()
            .unwrap()
    };
    let output = again();
    assert_eq!(String::from_utf8_lossy(&output.stdout), first);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), first);
    // A part of it would take the place of the whole.
    let words = ["claims", "--from", "out", "9"];
    let part = support::command(run.folder.path(), &words)
        .output()
        .unwrap();
    assert_eq!(part.status.code(), Some(2));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), first);
    std::fs::write(&file, "{}").unwrap();
    let output = again();
    assert_eq!(output.status.code(), Some(2));
    let said = support::said(&output);
    assert!(
        said.contains("--from: out/claims.json: missing field"),
        "{said}"
    );
}

#[test]
fn what_is_not_installed_leaves_its_claims_open_and_says_what_to_do() {
    let _beside = ONE_AT_A_TIME.read().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    let words = ["claims", "9", "14", "--quick", "--json", "--out", "out"];
    let output = support::command(folder.path(), &words)
        .env("PATH", "/nowhere")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    let claims: Claims = serde_json::from_slice(&output.stdout).unwrap();
    let told = claims
        .rows
        .iter()
        .map(|row| (row.ruling, row.because.as_str()));
    let told: Vec<(Ruling, &str)> = told.collect();
    let redis = "redis: store: redis-server is not installed: apt-get install redis-server";
    let nginx = "token: balancer: nginx is not installed: apt-get install nginx-light";
    assert_eq!(
        told,
        [(Ruling::Inconclusive, redis), (Ruling::Inconclusive, nginx)]
    );
    support::assert_nothing_left(folder.path());
}
