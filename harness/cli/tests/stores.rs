//! Sessions in a real Redis and a real PostgreSQL, shared by replicas behind a balancer: what a killed replica costs, and
//! what a killed store does. By the experiment files that people are given.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::fs::Permissions;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use comeback_analysis::summary::{ArmSummary, Culprit};
use comeback_engine::needs;
use comeback_supervise::ports;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::{PROGRAM, Run, is_there_or_skipped};
use tempfile::TempDir;

/// Whether a server is installed; a test ends with a reason where it is not. CI has everything.
fn is_here(name: &str) -> bool {
    let is_here = match name {
        "PostgreSQL" => needs::find_postgres().is_some(),
        program => {
            let path = std::env::var_os("PATH").unwrap_or_default();
            std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
        }
    };
    is_there_or_skipped(name, is_here)
}

/// A folder that PostgreSQL's user can reach.
fn open_folder() -> TempDir {
    tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o755))
        .tempdir()
        .unwrap()
}

fn experiment(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../experiments")
        .join(name)
}

/// Runs one of the experiments, as small as it can be.
fn run(file: &Path) -> Run {
    let folder = open_folder();
    let file = file.to_str().unwrap();
    let mut words = vec!["run", file, "--out", "out", "--quiet"];
    words.extend(["--trials", "1", "--sessions", "20", "--rate", "100"]);
    words.extend(["--seed", "3"]);
    let output = support::command(folder.path(), &words).output().unwrap();
    let run = Run { folder, output };
    support::assert_nothing_left(run.folder.path());
    // What outlives a killed store would go on writing to its files.
    let events = run.out().join("journal.jsonl");
    assert!(
        std::fs::read_to_string(events).is_ok_and(|text| !text.contains("survivors_found")),
        "{}",
        run.printed()
    );
    run
}

fn arm<'a>(arms: &'a [ArmSummary], name: &str) -> &'a ArmSummary {
    arms.iter().find(|arm| arm.name == name).unwrap()
}

fn failed(arm: &ArmSummary, culprit: Culprit) -> u64 {
    let attribution = arm.attribution.as_ref().unwrap();
    attribution.failed.get(&culprit).copied().unwrap_or(0)
}

/// Fails unless the fault landed, the control is clean, and both saw something that could have been lost.
fn assert_measured(arm: &ArmSummary, run: &Run) {
    let said = format!("{}: {}", arm.name, run.printed());
    assert_eq!(arm.trials, 1, "{said}");
    assert!(arm.faults_landed >= 1, "{said}");
    // Some of the 20 users may be between two sessions at the fault, and others log in while it is waited for.
    assert!(arm.sessions.acknowledged >= 15, "{said}");
    assert!(arm.writes.acknowledged > 0, "{said}");
    let control = &arm.control;
    assert_eq!(control.trials, 1, "{said}");
    assert_eq!(control.sessions.lost, 0, "{said}");
    assert!(control.writes.acknowledged > 0, "{said}");
    assert_eq!(control.writes.lost, 0, "{said}");
}

/// Whether a run passed. A balancer sends a write to any replica, so a kill of one meets a write of its own by chance: a run in
/// which none did is inconclusive, for that reason alone. What it counted is asked for in either case.
#[track_caller]
fn passed_or_met_no_write(run: &Run) -> bool {
    let printed = run.printed();
    let mut undecided = printed
        .lines()
        .filter(|line| line.contains("cannot be judged"))
        .peekable();
    let met_none = undecided.peek().is_some()
        && undecided.all(|line| line.contains("no write was in flight at"));
    match run.output.status.code() == Some(3) && met_none {
        true => support::was_measured(run),
        false => support::ended_with(run, 0),
    }
}

fn assert_nothing_lost(arm: &ArmSummary) {
    let (sessions, writes) = (&arm.sessions, &arm.writes);
    assert_eq!((sessions.lost, writes.lost), (0, 0), "{}", arm.name);
    assert_eq!(sessions.survived, sessions.acknowledged, "{}", arm.name);
    assert_eq!(writes.kept, writes.acknowledged, "{}", arm.name);
    assert_eq!((writes.duplicated, writes.phantom), (0, 0), "{}", arm.name);
}

#[test]
fn a_killed_replica_loses_nothing_that_is_in_redis() {
    if !is_here("redis-server") {
        return;
    }
    let run = run(&experiment("redis-replicas.toml"));
    if !passed_or_met_no_write(&run) {
        return;
    }
    let arms = run.summary().arms;
    assert_eq!(arms.len(), 3);
    for arm in &arms {
        assert_measured(arm, &run);
        assert_nothing_lost(arm);
        assert_eq!(failed(arm, Culprit::Store), 0, "{}", arm.name);
        // All three replicas did their part.
        assert_eq!(arm.attribution.as_ref().unwrap().served.len(), 3);
    }
}

#[test]
fn a_killed_redis_loses_what_it_did_not_write_down() {
    if !is_here("redis-server") {
        return;
    }
    let run = run(&experiment("redis-store.toml"));
    if !support::ended_with(&run, 1) {
        return;
    }
    let arms = run.summary().arms;
    for arm in &arms {
        assert_measured(arm, &run);
        assert!(failed(arm, Culprit::Store) > 0, "{}", run.printed());
        assert_eq!(failed(arm, Culprit::Balancer), 0, "{}", run.printed());
    }
    let forgetful = arm(&arms, "redis");
    assert_eq!(forgetful.sessions.lost, 20);
    assert_eq!(forgetful.writes.lost, forgetful.writes.acknowledged);
    assert_nothing_lost(arm(&arms, "redis-always"));
    // On a busy disk, `everysec` holds back what it acknowledges during a sync, and a kill takes that.
    let everysec = arm(&arms, "redis-everysec");
    assert_eq!(everysec.sessions.lost, 0, "{:?}", everysec.sessions);
    assert!(everysec.writes.kept > 0, "{:?}", everysec.writes);
    let logs = std::fs::read_dir(run.out().join("logs")).unwrap().flatten();
    let names = logs.map(|entry| entry.file_name().into_string().unwrap());
    let of_stores = names.filter(|name| name.contains("-store-")).count();
    assert_eq!(of_stores, 9, "each start of a store has a log of its own");
}

#[test]
fn a_killed_replica_loses_nothing_that_is_in_postgres() {
    if !is_here("PostgreSQL") {
        return;
    }
    let run = run(&experiment("postgres-replicas.toml"));
    if !passed_or_met_no_write(&run) {
        return;
    }
    let arms = run.summary().arms;
    assert_measured(&arms[0], &run);
    assert_nothing_lost(&arms[0]);
    assert_eq!(failed(&arms[0], Culprit::Store), 0);
}

#[test]
fn a_killed_postgres_keeps_every_acknowledged_write() {
    if !is_here("PostgreSQL") {
        return;
    }
    let run = run(&experiment("postgres-store.toml"));
    if !support::ended_with(&run, 0) {
        return;
    }
    let arms = run.summary().arms;
    assert_measured(&arms[0], &run);
    assert_nothing_lost(&arms[0]);
    assert!(failed(&arms[0], Culprit::Store) > 0, "{}", run.printed());
    // A store that is away is no session that is gone.
    assert_eq!(failed(&arms[0], Culprit::Replica), 0, "{}", run.printed());
}

/// One of the experiments, its last arm alone, in which all visits of a session have the same idempotency key.
fn with_one_key(folder: &TempDir, name: &str) -> PathBuf {
    const VISIT: &str = "request = \"POST /visit\"\n";
    let text = std::fs::read_to_string(experiment(name)).unwrap();
    assert_eq!(text.matches(VISIT).count(), 1, "{name}");
    let mut parts = text.split("[[arm]]");
    let head = parts.next().unwrap();
    let arm = parts.last().map(|arm| format!("[[arm]]{arm}"));
    let keyed = format!("{VISIT}headers = {{ idempotency-key = \"visit\" }}\n");
    let text = head.replace(VISIT, &keyed) + &arm.unwrap_or_default();
    let file = folder.path().join(name);
    std::fs::write(&file, text).unwrap();
    file
}

/// What is acknowledged and not counted is lost to whoever does not know that it is all the same visit.
#[test]
fn the_stores_count_a_visit_once_that_comes_again_with_its_key() {
    let folder = open_folder();
    for (server, name) in [
        ("redis-server", "redis-store.toml"),
        ("PostgreSQL", "postgres-store.toml"),
    ] {
        if !is_here(server) {
            continue;
        }
        let run = run(&with_one_key(&folder, name));
        if !support::ended_with(&run, 3) {
            continue;
        }
        let arms = run.summary().arms;
        let control = &arms[0].control;
        assert_eq!((arms.len(), control.trials), (1, 1), "{name}");
        assert_eq!(control.sessions.lost, 0, "{}", run.printed());
        let writes = &control.writes;
        assert!(writes.lost > 0, "{}", run.printed());
        assert_eq!((writes.duplicated, writes.phantom), (0, 0), "{name}");
    }
}

const MIXED: &str = r#"
[target]
ready       = { http = "/health" }
boot_header = "x-boot-id"

[load]
sessions = 5
rate     = 50

[operation]
request = "GET /health"

[[arm]]
name   = "alone"
target = { command = ["{comeback}", "serve", "memory", "--port", "{port}", "--data", "{data}"] }

[[arm]]
name   = "shared"
target = { command = ["{comeback}", "serve", "redis", "--port", "{port}", "--data", "{data}", "--store", "127.0.0.1:{store}"] }
store  = { kind = "redis", environment = { PATH = "/nowhere" } }
"#;

const REASON: &str = "store: redis-server is not installed: apt-get install redis-server";

#[test]
fn an_arm_whose_store_is_missing_is_skipped_and_the_others_run() {
    let folder = open_folder();
    let file = folder.path().join("mixed.toml");
    std::fs::write(&file, MIXED).unwrap();
    let checked = support::command(folder.path(), &["validate", "mixed.toml"]).output();
    let checked = checked.unwrap();
    let said = support::unfolded(&String::from_utf8_lossy(&checked.stdout));
    assert!(checked.status.success(), "{said}");
    assert!(
        said.contains("1 arm,") && said.contains(&format!("shared is skipped here: {REASON}")),
        "{said}"
    );
    let run = run(&file);
    // What was not measured is not passed.
    if !support::ended_with(&run, 3) {
        return;
    }
    let arms = run.summary().arms;
    assert_eq!(arm(&arms, "alone").trials, 1);
    assert_eq!(arm(&arms, "shared").reason.as_deref(), Some(REASON));
    assert!(run.printed().contains("skipped"), "{}", run.printed());
}

#[test]
fn a_run_of_which_nothing_can_run_is_refused() {
    for file in ["redis-store.toml", "redis-replicas.toml"] {
        let folder = open_folder();
        let file = experiment(file);
        let words = ["run", file.to_str().unwrap(), "--out", "out"];
        let mut command = support::command(folder.path(), &words);
        let output = command.env("PATH", "/nowhere").output().unwrap();
        let said = support::said(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(&format!("redis-always: {REASON}")), "{said}");
        assert!(!folder.path().join("out").exists(), "nothing is begun");
    }
}

#[test]
fn a_server_and_its_store_are_named_together() {
    let folder = open_folder();
    for (words, wanted) in [
        (&["serve", "redis"][..], "give its address"),
        (
            &["serve", "memory", "--store", "127.0.0.1:1"],
            "memory does not use a store",
        ),
    ] {
        let mut words = words.to_vec();
        words.extend(["--port", "1", "--data", "data"]);
        let output = support::command(folder.path(), &words).output().unwrap();
        let said = support::said(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(wanted), "{said}");
    }
}

/// `comeback cluster`, killed with the test.
struct Cluster {
    child: Child,
    port: String,
}

impl Cluster {
    fn start(data: &Path, port: &str) -> Self {
        let mut child = Command::new(PROGRAM)
            .args(["cluster", "--port", port, "--data"])
            .arg(data)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = child.stderr.take().unwrap();
        let mut said = String::new();
        let mut lines = BufReader::new(output).lines();
        let is_ready = lines.by_ref().any(|line| {
            let line = line.unwrap();
            said.push_str(&line);
            line.contains("database system is ready to accept connections")
        });
        assert!(is_ready, "{said}");
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            child,
            port: port.to_owned(),
        }
    }

    fn ask(&self, query: &str) -> Command {
        let mut command = Command::new("psql");
        command
            .args(["-h", "127.0.0.1", "-U", "postgres", "-At", "-p"])
            .args([&self.port, "-c", query]);
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // In order, or the memory that its processes share would stay behind; one that was killed is not there.
        let pid = Pid::from_raw(self.child.id() as i32);
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            let _ = kill(pid, Signal::SIGINT);
        }
        let _ = self.child.wait();
    }
}

#[test]
fn a_cluster_starts_again_although_a_backend_outlives_its_postmaster() {
    if !is_here("PostgreSQL") {
        return;
    }
    let folder = open_folder();
    let port = ports::free_port().unwrap().to_string();
    let mut cluster = Cluster::start(folder.path(), &port);
    let mut made = cluster.ask("CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)");
    assert!(made.output().unwrap().status.success());
    // It computes, and looks up only when it is done.
    let mut busy = cluster
        .ask("SELECT 'begun'; SELECT sum(a * b) FROM generate_series(1, 4000) a, generate_series(1, 4000) b")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let computes = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%generate_series%' AND state = 'active'";
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let seen = cluster.ask(computes).output().unwrap();
        // The one that asks is the other.
        if String::from_utf8_lossy(&seen.stdout).trim() == "2" {
            break;
        }
        assert!(Instant::now() < deadline, "the query does not run");
    }
    // The child is the postmaster itself.
    cluster.child.kill().unwrap();
    cluster.child.wait().unwrap();
    assert!(busy.try_wait().unwrap().is_none(), "its backend goes on");
    let again = Cluster::start(folder.path(), &port);
    busy.wait().unwrap();
    let kept = again.ask("SELECT n FROM kept").output().unwrap();
    assert_eq!(String::from_utf8_lossy(&kept.stdout).trim(), "7");
}

#[test]
fn a_cluster_that_its_user_cannot_reach_is_refused() {
    if !is_here("PostgreSQL") || !nix::unistd::geteuid().is_root() {
        return;
    }
    // Of root alone, as its home is.
    let folder = open_folder();
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).unwrap();
    let words = ["cluster", "--port", "1", "--data", "data"];
    let output = support::command(folder.path(), &words).output().unwrap();
    let said = support::said(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("its user 'postgres' may not enter") && said.contains("--out"),
        "{said}"
    );
}
