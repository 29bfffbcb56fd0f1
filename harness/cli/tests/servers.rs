//! Real servers, as the files in `experiments/` describe them: each loses what its documentation lets one expect, or what
//! the file says was found instead.

#![allow(clippy::print_stderr, reason = "a test says when it is not judged")]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use comeback_analysis::summary::{ArmSummary, Status, Summary};
use support::{Run, can_lose_power, has};
use tempfile::TempDir;

/// Debian's Python, which has Debian's modules; the one in PATH may be another.
const PYTHON: &str = "/usr/bin/python3";

#[test]
fn data_connections_of_ftp_take_no_servers_port() {
    assert!(
        *comeback_servers::protocols::ftp::DATA_PORTS.end() < comeback_supervise::ports::LOWEST
    );
}

/// A file of the folder with ready-made experiments.
fn ready_made(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../experiments")
        .join(file)
}

/// Runs a ready-made experiment once for each of its arms.
fn experiment(file: &str) -> Run {
    run(&ready_made(file), &[])
}

/// The same at a load that a slow server bears beside other work.
fn gentle(file: &str) -> Run {
    run(&ready_made(file), &["--rate", "40"])
}

fn run(file: &Path, more: &[&str]) -> Run {
    let path = file.to_str().expect("a path is text");
    let words = [
        "run", path, "--trials", "1", "--seed", "3", "--quiet", "--out", "out",
    ];
    support::run(&[&words[..], more].concat())
}

/// What every arm must be, whatever it loses: measured, without a loss where nothing was killed, and true to its users' names.
fn measured<'a>(summary: &'a Summary, arm: &str) -> &'a ArmSummary {
    let found = summary.arms.iter().find(|found| found.name == arm);
    let found = found.unwrap_or_else(|| panic!("there is no arm {arm}"));
    assert_eq!(found.status, Status::Measured, "{arm}: {:?}", found.reason);
    assert_eq!(found.control.trials, 1, "{arm}");
    for sessions in [&found.sessions, &found.control.sessions] {
        assert_eq!(sessions.wrong_identity, 0, "{arm}: {sessions:?}");
    }
    let control = (found.control.sessions.lost, found.control.writes.lost);
    assert_eq!(control, (0, 0), "{arm}: lost without a crash");
    found
}

/// Sessions and writes outlive the crash, all of them.
fn keeps(summary: &Summary, arm: &str) {
    let ArmSummary {
        sessions, writes, ..
    } = measured(summary, arm);
    assert!(sessions.acknowledged >= 20, "{arm}: {sessions:?}");
    assert_eq!(
        sessions.survived, sessions.acknowledged,
        "{arm}: {sessions:?}"
    );
    assert!(writes.acknowledged > 0, "{arm}: {writes:?}");
    assert_eq!(
        (writes.kept, writes.lost),
        (writes.acknowledged, 0),
        "{arm}: {writes:?}"
    );
}

/// Sessions outlive the crash and keep all their writes, but for as many as the server writes at a time: it empties a
/// session's file before it writes it anew, and may be killed in between.
fn keeps_but_those_being_written(summary: &Summary, arm: &str, at_a_time: u64) {
    let ArmSummary {
        sessions, writes, ..
    } = measured(summary, arm);
    assert!(sessions.lost <= at_a_time, "{arm}: {sessions:?}");
    assert!(sessions.survived >= 15, "{arm}: {sessions:?}");
    assert_eq!(
        sessions.survived + sessions.lost,
        sessions.acknowledged,
        "{arm}: {sessions:?}"
    );
    assert!(writes.kept > 0, "{arm}: {writes:?}");
    assert_eq!(
        writes.kept + writes.lost,
        writes.acknowledged,
        "{arm}: {writes:?}"
    );
}

/// No session and no write outlives the crash. A few sessions may be undecided: those whose user logged out before anything
/// else was asked of the new process.
fn loses(summary: &Summary, arm: &str) {
    let ArmSummary {
        sessions, writes, ..
    } = measured(summary, arm);
    assert!(sessions.lost >= 15, "{arm}: {sessions:?}");
    assert_eq!(
        sessions.lost + sessions.undecided,
        sessions.acknowledged,
        "{arm}: {sessions:?}"
    );
    assert!(writes.lost > 0, "{arm}: {writes:?}");
    assert_eq!(
        (writes.kept, writes.lost),
        (0, writes.acknowledged),
        "{arm}: {writes:?}"
    );
}

/// The summary of a run that ended with this code; nothing where a trial missed its load on a busy machine.
fn summary(run: &Run, code: i32) -> Option<Summary> {
    if missed_its_load(run) {
        return None;
    }
    assert_eq!(run.code(), code, "{}", run.printed());
    Some(run.summary())
}

/// Whether the machine is busy, and a trial does not count because less was sent than its floor demands.
fn missed_its_load(run: &Run) -> bool {
    let text = std::fs::read_to_string(run.out().join("summary.json")).expect("it was written");
    let busy = support::how_busy().filter(|_| text.contains("; the floor is "));
    if let Some(busy) = &busy {
        eprintln!(
            "not judged, for the machine is busy ({busy}): {}",
            run.printed()
        );
    }
    busy.is_some()
}

#[test]
fn flask_keeps_sessions_unless_its_key_is_new_at_each_start() {
    if !has("python3-flask", &[PYTHON, "-c", "import flask"]) {
        return;
    }
    let Some(summary) = summary(&experiment("flask.toml"), 1) else {
        return;
    };
    keeps(&summary, "fixed-key");
    loses(&summary, "fresh-key");
    let honoured = measured(&summary, "fixed-key").sessions;
    assert!(
        honoured.honoured_logouts() > 0,
        "a signed cookie cannot be revoked: {honoured:?}"
    );
}

#[test]
fn django_keeps_sessions_unless_they_are_in_its_cache_alone() {
    if !has("python3-django", &[PYTHON, "-c", "import django"]) {
        return;
    }
    let Some(summary) = summary(&experiment("django.toml"), 1) else {
        return;
    };
    for arm in ["database", "cached-database"] {
        keeps(&summary, arm);
    }
    loses(&summary, "cache");
    assert_eq!(
        measured(&summary, "database").sessions.honoured_logouts(),
        0
    );
}

#[test]
fn cherrypy_loses_sessions_in_memory_and_at_most_those_being_written_in_files() {
    if !has("python3-cherrypy3", &[PYTHON, "-c", "import cherrypy"]) {
        return;
    }
    let Some(summary) = summary(&gentle("cherrypy.toml"), 1) else {
        return;
    };
    loses(&summary, "memory");
    let threads = 10;
    keeps_but_those_being_written(&summary, "files", threads);
}

#[test]
fn php_keeps_sessions_in_its_files_but_perhaps_the_one_being_written() {
    if !has("php-cli", &["php", "--version"]) {
        return;
    }
    let run = gentle("php.toml");
    if missed_its_load(&run) {
        return;
    }
    let summary = run.summary();
    keeps_but_those_being_written(&summary, "php", 1);
    let lost = measured(&summary, "php").sessions.lost;
    assert_eq!(run.code(), i32::from(lost > 0), "{}", run.printed());
}

#[test]
fn sinatra_loses_sessions_unless_its_secret_is_given() {
    if !has("ruby-sinatra", &["ruby", "-e", "require 'sinatra/base'"]) {
        return;
    }
    let Some(summary) = summary(&gentle("sinatra.toml"), 1) else {
        return;
    };
    loses(&summary, "fresh-secret");
    keeps(&summary, "fixed-secret");
}

/// Installs the packages of npm that Express and Fastify need, unless they are there.
fn has_node_packages() -> bool {
    if !has("nodejs", &["node", "--version"]) || !has("npm", &["npm", "--version"]) {
        return false;
    }
    let installer = ready_made("apps/install.sh");
    let installed = Command::new(installer).output();
    let installed = installed.expect("the installer starts");
    let told = String::from_utf8_lossy(&installed.stderr);
    support::is_there_or_skipped(
        &format!("what apps/install.sh has from npm ({told})"),
        installed.status.success(),
    )
}

#[test]
fn express_loses_sessions_in_its_default_store_and_keeps_them_in_files() {
    if !has_node_packages() {
        return;
    }
    let Some(summary) = summary(&gentle("express.toml"), 1) else {
        return;
    };
    loses(&summary, "memory");
    keeps(&summary, "file");
}

#[test]
fn fastify_loses_sessions_in_its_default_store_and_keeps_them_in_files() {
    if !has_node_packages() {
        return;
    }
    let Some(summary) = summary(&gentle("fastify.toml"), 1) else {
        return;
    };
    loses(&summary, "memory");
    keeps(&summary, "file");
}

#[test]
fn fastapi_keeps_sessions_in_sqlite_and_loses_them_in_a_dict() {
    if !has(
        "python3-fastapi and python3-uvicorn",
        &[PYTHON, "-c", "import fastapi, uvicorn"],
    ) {
        return;
    }
    let Some(summary) = summary(&experiment("fastapi.toml"), 1) else {
        return;
    };
    keeps(&summary, "sqlite");
    loses(&summary, "memory");
}

/// A ready-made file in a folder of its own, with a server that is built where the file's first lines have it built: in the `target` of
/// the folder two above it.
fn with_built(file: &str, build: impl FnOnce(&Path) -> Command) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let (experiments, target) = (
        folder.path().join("harness/experiments"),
        folder.path().join("target"),
    );
    std::fs::create_dir_all(&experiments).expect("a folder");
    let copy = experiments.join(file);
    std::fs::copy(ready_made(file), &copy).expect("it is copied");
    let built = build(&target).output().expect("the compiler starts");
    let told = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "{told}");
    (folder, copy)
}

#[test]
fn java_keeps_sessions_in_a_file_and_loses_them_in_a_map() {
    if !has("default-jdk-headless", &["javac", "-version"]) {
        return;
    }
    let (_folder, file) = with_built("java.toml", |target| {
        let mut build = Command::new("javac");
        build.arg("-d").arg(target.join("visits-java"));
        build.arg(ready_made("apps/Visits.java"));
        build
    });
    let Some(summary) = summary(&run(&file, &[]), 1) else {
        return;
    };
    keeps(&summary, "file");
    loses(&summary, "memory");
}

/// Tomcat as a library, and what it needs beside itself.
const TOMCAT: [&str; 2] = [
    "/usr/share/java/tomcat10-embed-core.jar",
    "/usr/share/java/jakarta-annotation-api.jar",
];

#[test]
fn tomcat_loses_sessions_unless_they_are_written_and_keeps_them_where_each_request_writes_its_own()
{
    let jars = TOMCAT.iter().all(|jar| Path::new(jar).is_file());
    if !has("default-jdk-headless", &["javac", "-version"])
        || !support::is_there_or_skipped(
            "libtomcat10-embed-java or libjakarta-annotation-api-java",
            jars,
        )
    {
        return;
    }
    let (_folder, file) = with_built("tomcat.toml", |target| {
        let mut build = Command::new("javac");
        build.arg("-d").arg(target.join("visits-tomcat"));
        build.args(["-cp", TOMCAT[0]]);
        build.arg(ready_made("apps/TomcatVisits.java"));
        build
    });
    let Some(summary) = summary(&run(&file, &[]), 1) else {
        return;
    };
    loses(&summary, "memory");
    // Which ones depends on when the kill comes within the second.
    let backup = measured(&summary, "backup").sessions;
    assert!(backup.survived + backup.reset > 0, "{backup:?}");
    // An older version of its store empties a file before it writes it, and so many requests are hardly ever under way.
    let at_a_time = 10;
    keeps_but_those_being_written(&summary, "valve", at_a_time);
}

#[test]
fn go_keeps_sessions_in_a_file_and_loses_them_in_a_map() {
    if !has("golang-go", &["go", "version"]) {
        return;
    }
    let (_folder, file) = with_built("go.toml", |target| {
        let mut build = Command::new("go");
        build.args(["build", "-o"]).arg(target.join("visits-go"));
        build.arg(ready_made("apps/visits.go"));
        build.env("GOCACHE", target.join("cache"));
        build
    });
    let Some(summary) = summary(&run(&file, &["--rate", "40"]), 1) else {
        return;
    };
    keeps(&summary, "file");
    loses(&summary, "memory");
}

#[test]
fn axum_keeps_sessions_in_a_file() {
    // Built beside this program, wherever that is.
    let shop = Path::new(support::PROGRAM).with_file_name("shop");
    assert!(
        shop.is_file(),
        "{} is not there: `cargo build --workspace`",
        shop.display()
    );
    let shop = shop.to_str().expect("a path is text");
    let words = ["--", shop, "{port}", "{data}"];
    let Some(summary) = summary(&run(&ready_made("axum.toml"), &words), 0) else {
        return;
    };
    keeps(&summary, "axum");
}

fn has_redis() -> bool {
    has("redis-server", &["redis-server", "--version"])
}

#[test]
fn redis_keeps_in_its_append_only_file_what_it_acknowledged_and_without_one_nothing() {
    if !has_redis() {
        return;
    }
    let Some(summary) = summary(&experiment("redis.toml"), 1) else {
        return;
    };
    loses(&summary, "snapshots");
    keeps(&summary, "always");
    // What it acknowledges during an fsync may be lost, and how long one takes is the disk's affair.
    let ArmSummary {
        sessions, writes, ..
    } = measured(&summary, "everysec");
    assert_eq!(sessions.lost + sessions.undecided, 0, "{sessions:?}");
    assert!(writes.kept > writes.lost, "{writes:?}");
}

#[test]
fn redis_loses_to_a_kill_what_it_acknowledged_while_the_disk_was_busy() {
    if !has_redis() || !has("strace", &["strace", "-o", "/dev/null", "true"]) {
        return;
    }
    let Some(summary) = summary(&experiment("redis-slow-disk.toml"), 1) else {
        return;
    };
    let ArmSummary {
        sessions,
        writes,
        loss_window_ms,
        ..
    } = measured(&summary, "redis-slow-disk");
    // Those of the three who logged in right before the kill.
    assert!(
        sessions.lost <= 3 && sessions.undecided == 0,
        "{sessions:?}"
    );
    assert!(sessions.reset > 0, "{sessions:?}");
    assert!(writes.lost > 0 && writes.kept > 0, "{writes:?}");
    // Redis holds writes back for two seconds, by a clock of whole ones.
    let longest = loss_window_ms.max.expect("writes were lost");
    assert!(longest < 3_100.0, "{loss_window_ms:?}");
}

#[test]
fn redis_loses_to_a_power_loss_what_it_did_not_sync() {
    if !has_redis() || !can_lose_power() {
        return;
    }
    let Some(summary) = summary(&experiment("power-loss-redis.toml"), 1) else {
        return;
    };
    keeps(&summary, "always");
    let everysec = measured(&summary, "everysec");
    // Those of the three who logged in right before it.
    assert!(
        everysec.sessions.lost <= 3 && everysec.sessions.undecided == 0,
        "{:?}",
        everysec.sessions
    );
    assert!(
        everysec.writes.lost > 0 && everysec.writes.kept > 0,
        "{:?}",
        everysec.writes
    );
    loses(&summary, "no");
}

#[test]
fn sqlite_loses_to_a_power_loss_what_it_did_not_sync() {
    if !has("Python with SQLite", &[PYTHON, "-c", "import sqlite3"]) || !can_lose_power() {
        return;
    }
    let Some(summary) = summary(&experiment("power-loss-sqlite.toml"), 1) else {
        return;
    };
    keeps(&summary, "full");
    loses(&summary, "normal");
}

#[test]
fn nginx_is_back_on_a_port_and_never_on_a_unix_socket() {
    if !has("nginx-light", &["/usr/sbin/nginx", "-v"]) {
        return;
    }
    let Some(summary) = summary(&experiment("nginx.toml"), 1) else {
        return;
    };
    let port = &measured(&summary, "port").time_to_ready_ms;
    assert_eq!((port.n, port.censored), (1, 0), "{port:?}");
    let socket = &measured(&summary, "unix-socket").time_to_ready_ms;
    assert_eq!((socket.n, socket.censored), (1, 1), "{socket:?}");
}
