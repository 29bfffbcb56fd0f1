//! Whatever ends a run, and in whichever phase: no process of it, and no data folder, is left.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use comeback_model::event::Phase;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::{assert_nothing_left, command, processes_of, read_events};

const PATIENCE: Duration = Duration::from_secs(60);

/// Long windows, so that each phase can be met; a target whose orphan survives the killing of its group.
fn start(folder: &Path, target: &str) -> Child {
    command(
        folder,
        &[
            "compare",
            target,
            "--trials",
            "1",
            "--sessions",
            "5",
            "--rate",
            "50",
            "--seed",
            "3",
            "--horizon",
            "3s",
            "--out",
            "out",
            "--quiet",
        ],
    )
    .spawn()
    .unwrap()
}

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn has_entered(folder: &Path, phase: Phase) -> bool {
    let wanted = serde_json::to_value(phase).unwrap();
    let out = folder.join("out");
    out.join("journal.jsonl").exists()
        && read_whole_events(&out)
            .iter()
            .any(|event| event["kind"]["phase"] == wanted)
}

/// The run is still writing: a line without its end is not read.
fn read_whole_events(out: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(out.join("journal.jsonl")).unwrap();
    let end = text.rfind('\n').map_or(0, |at| at + 1);
    text[..end]
        .lines()
        .skip(1)
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn end_of(child: &mut Child) -> ExitStatus {
    let mut status = None;
    wait_until("its end", || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    status.unwrap()
}

fn interrupt(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id() as i32), signal).unwrap();
}

/// Kills a harness, and waits until its warden has undone everything.
fn kill_and_wait(child: &mut Child, folder: &Path) {
    interrupt(child, Signal::SIGKILL);
    end_of(child);
    wait_until_nobody_is_left(folder);
    assert_nothing_left(folder);
}

fn wait_until_nobody_is_left(folder: &Path) {
    wait_until("the last one's end", || processes_of(folder).is_empty());
}

#[test]
fn an_interrupt_in_any_phase_leaves_nothing_and_keeps_the_journal() {
    for phase in Phase::ALL {
        let folder = tempfile::tempdir().unwrap();
        // A control trial has no recovery: the run is interrupted in whichever trial meets the phase first.
        let mut child = start(folder.path(), "memory");
        wait_until(phase.name(), || has_entered(folder.path(), phase));
        interrupt(&child, Signal::SIGINT);
        let status = end_of(&mut child);
        assert_eq!(status.code(), Some(130), "in phase {}", phase.name());
        assert_nothing_left(folder.path());
        let events = read_events(&folder.path().join("out"));
        assert_eq!(events.last().unwrap()["kind"]["type"], "run_interrupted");
        assert!(folder.path().join("out/summary.json").exists());
    }
}

#[test]
fn sigterm_ends_a_run_like_an_interrupt() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = start(folder.path(), "token");
    wait_until("baseline", || has_entered(folder.path(), Phase::Baseline));
    interrupt(&child, Signal::SIGTERM);
    assert_eq!(end_of(&mut child).code(), Some(130));
    assert_nothing_left(folder.path());
}

#[test]
fn a_second_interrupt_ends_at_once_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = start(folder.path(), "orphan-keeps-port");
    wait_until("baseline", || has_entered(folder.path(), Phase::Baseline));
    interrupt(&child, Signal::SIGINT);
    interrupt(&child, Signal::SIGINT);
    assert_eq!(end_of(&mut child).code(), Some(130));
    wait_until_nobody_is_left(folder.path());
    assert_nothing_left(folder.path());
}

#[test]
fn an_orphan_in_a_session_of_its_own_is_found_after_an_interrupt() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = start(folder.path(), "orphan-keeps-port");
    wait_until("recovery", || has_entered(folder.path(), Phase::Recovery));
    interrupt(&child, Signal::SIGINT);
    assert_eq!(end_of(&mut child).code(), Some(130));
    assert_nothing_left(folder.path());
}

#[test]
fn a_killed_harness_leaves_nothing_either() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = start(folder.path(), "orphan-keeps-port");
    wait_until("baseline", || has_entered(folder.path(), Phase::Baseline));
    kill_and_wait(&mut child, folder.path());
}

/// A server whose daemon leaves its group and its session, and takes no environment along.
const DAEMON: &str = include_str!("data/daemon.py");

/// A run of that server, with records of its own.
fn start_daemon(folder: &Path) -> Child {
    let mut command = command(
        folder,
        &[
            "run",
            "--get",
            "/",
            "--sessions",
            "5",
            "--rate",
            "50",
            "--trials",
            "1",
            "--horizon",
            "3s",
            "--env",
            "DATA={data}",
            "--env",
            "PORT={port}",
            "--out",
            "out",
            "--quiet",
            "--",
            "python3",
            "-c",
            DAEMON,
        ],
    );
    command.env("COMEBACK_RECORDS", folder.join("records"));
    command.spawn().unwrap()
}

/// Every process with this folder as its working directory or among its arguments.
fn pid_of(folder: &Path, word: &str) -> Option<i32> {
    let found = processes_of(folder);
    let line = found.iter().find(|line| line.contains(word))?;
    line.split(':').next()?.parse().ok()
}

fn clean(folder: &Path, words: &[&str]) -> (i32, String) {
    let output = command(folder, &[&["cleanup"], words].concat())
        .env("COMEBACK_RECORDS", folder.join("records"))
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = support::unfolded(&String::from_utf8_lossy(&said));
    (output.status.code().unwrap(), said)
}

/// What the record of the only run begins with.
fn read_record(folder: &Path) -> serde_json::Value {
    let mut records = std::fs::read_dir(folder.join("records")).unwrap();
    let text = std::fs::read_to_string(records.next().unwrap().unwrap().path()).unwrap();
    serde_json::from_str(text.lines().next().unwrap()).unwrap()
}

fn assert_nothing_on_record(folder: &Path) {
    let (code, said) = clean(folder, &[]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("nothing is left behind"), "{said}");
}

fn has_daemon(folder: &Path) -> bool {
    processes_of(folder)
        .iter()
        .any(|line| line.contains("sleep 300"))
}

#[test]
fn a_daemon_without_an_environment_does_not_outlive_a_killed_harness() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = start_daemon(folder.path());
    wait_until("the fault", || has_entered(folder.path(), Phase::Fault));
    wait_until("the daemon", || has_daemon(folder.path()));
    kill_and_wait(&mut child, folder.path());
    assert_nothing_on_record(folder.path());
}

#[test]
fn what_outlived_even_the_warden_is_listed_and_ended_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = start_daemon(folder.path());
    wait_until("the load", || has_entered(folder.path(), Phase::Baseline));
    wait_until("the daemon", || has_daemon(folder.path()));
    let (code, said) = clean(folder.path(), &["--yes"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("is still running"), "{said}");
    assert!(
        has_daemon(folder.path()),
        "a run that goes on is not touched"
    );
    let warden = pid_of(folder.path(), " warden --tag ").expect("it is there");
    // The warden first: one that is stopped instead goes on when its parent dies (the kernel continues a process group
    // that becomes an orphan).
    kill(Pid::from_raw(warden), Signal::SIGKILL).unwrap();
    interrupt(&child, Signal::SIGKILL);
    end_of(&mut child);
    let (code, said) = clean(folder.path(), &[]);
    assert_eq!(code, 0, "{said}");
    for part in [
        "its comeback is gone",
        " run --get /",
        "out/data",
        "sleep 300",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(has_daemon(folder.path()), "a list ends nothing");
    let (code, said) = clean(folder.path(), &["--json"]);
    assert_eq!(code, 0, "{said}");
    let listed: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(listed["runs"][0]["state"], "ended");
    let (code, said) = clean(folder.path(), &["--yes"]);
    assert_eq!(code, 0, "{said}");
    assert_nothing_left(folder.path());
    assert_nothing_on_record(folder.path());
}

/// The experiment of a server under a quota, which a control group outside the run's own holds.
const LIMITED: &str = r#"
trials = 1
[target]
command = ["{comeback}", "serve", "memory", "--port", "{port}", "--data", "{data}"]
[load]
sessions = 5
rate = 50
[operation]
request = "GET /health"
[fault]
at = "30s"
[[surroundings]]
kind = "cpu_quota"
percent = 200
"#;

/// Starts it, with records of its own, and waits until the quota holds. Returns the folder of its control group; none where
/// no such group can be made.
fn start_limited(folder: &Path) -> Option<(Child, PathBuf)> {
    let listed = command(folder, &["faults", "--json"]).output().unwrap();
    let kinds: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    let mut kinds = kinds.as_array().unwrap().iter();
    if kinds.any(|kind| kind["name"] == "cpu_quota" && kind["works"] == false) {
        return None;
    }
    std::fs::write(folder.join("limited.toml"), LIMITED).unwrap();
    let mut command = command(folder, &["run", "limited.toml", "--out", "out", "--quiet"]);
    command.env("COMEBACK_RECORDS", folder.join("records"));
    let child = command.spawn().unwrap();
    wait_until("the load", || has_entered(folder, Phase::WarmUp));
    let events = read_whole_events(&folder.join("out")).into_iter();
    let evidence = events.filter_map(|event| Some(event["kind"]["evidence"].as_str()?.to_owned()));
    let evidence: Vec<String> = evidence.collect();
    let (file, _) = evidence[0].split_once(": 200000, every process").unwrap();
    let group = Path::new(file).parent().unwrap().to_owned();
    assert!(group.is_dir(), "{}", group.display());
    Some((child, group))
}

#[test]
fn what_a_fault_did_to_the_machine_is_undone_though_the_harness_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let Some((mut child, group)) = start_limited(folder.path()) else {
        return;
    };
    kill_and_wait(&mut child, folder.path());
    wait_until("the group's removal", || !group.exists());
    assert_nothing_on_record(folder.path());
}

#[test]
fn what_a_fault_did_to_the_machine_is_listed_and_undone_when_the_warden_is_gone_too() {
    let folder = tempfile::tempdir().unwrap();
    let Some((mut child, group)) = start_limited(folder.path()) else {
        return;
    };
    let warden = pid_of(folder.path(), " warden --tag ").expect("it is there");
    kill(Pid::from_raw(warden), Signal::SIGKILL).unwrap();
    interrupt(&child, Signal::SIGKILL);
    end_of(&mut child);
    let (code, said) = clean(folder.path(), &[]);
    assert_eq!(code, 0, "{said}");
    let undo = format!("to undo  [ ! -d '{0}' ] || rmdir '{0}'", group.display());
    assert!(said.contains(&undo), "{undo}: {said}");
    assert!(group.exists(), "a list undoes nothing");
    let (code, said) = clean(folder.path(), &["--yes"]);
    assert_eq!(code, 0, "{said}");
    assert!(!group.exists());
    assert_nothing_left(folder.path());
    assert_nothing_on_record(folder.path());
}

#[test]
fn a_process_that_merely_carries_the_tag_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    // The tag of a run whose harness ended long ago: its process id is beyond any the kernel gives.
    let mut shell = std::process::Command::new("sleep")
        .arg("300")
        .env("COMEBACK_RUN", "99999999-1-89abcdef")
        .spawn()
        .unwrap();
    let (code, said) = clean(folder.path(), &["--yes"]);
    assert_eq!(code, 0, "{said}");
    let named = format!("process {} (", shell.id());
    assert!(
        said.contains(&named) && said.contains("left alone"),
        "{said}"
    );
    assert!(shell.try_wait().unwrap().is_none());
    shell.kill().unwrap();
    shell.wait().unwrap();
}

#[test]
fn a_run_in_another_pid_namespace_is_left_alone() {
    let Some(mut unshare) = support::in_a_pid_namespace() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mut child = unshare
        .args(["run", "--trials", "1", "--quiet"])
        // The server is the same for as long as the test looks.
        .args(["--fault", "kill:at=60s", "--get", "/health"])
        .args(["--out", "out", "--", support::PROGRAM, "serve", "token"])
        .args(["--port", "{port}", "--data", "{data}"])
        .env("COMEBACK_RECORDS", folder.path().join("records"))
        .current_dir(folder.path())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    wait_until("the load", || has_entered(folder.path(), Phase::Baseline));
    let before = processes_of(folder.path());
    let (code, said) = clean(folder.path(), &["--yes"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("another pid namespace"), "{said}");
    assert_eq!(processes_of(folder.path()), before);
    let group = read_record(folder.path())["cgroup"].clone();
    child.kill().unwrap();
    child.wait().unwrap();
    wait_until_nobody_is_left(folder.path());
    let Some(group) = group.as_str() else {
        // Where no control group can be made, nothing proves from here that nobody is left.
        return;
    };
    let (code, said) = clean(folder.path(), &["--yes"]);
    assert_eq!(code, 0, "{said}");
    assert!(!Path::new(group).exists(), "an empty group goes: {said}");
    assert_nothing_left(folder.path());
    assert_nothing_on_record(folder.path());
}

#[test]
fn a_warden_removes_no_folder_that_its_run_has_not_marked() {
    let folder = tempfile::tempdir().unwrap();
    let precious = folder.path().join("precious");
    std::fs::create_dir(&precious).unwrap();
    std::fs::write(precious.join("gold"), "").unwrap();
    let words = [
        "warden",
        "--tag",
        "99999999-2-89abcdef",
        "--scratch",
        "precious",
    ];
    let output = command(folder.path(), &words).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(precious.join("gold").exists());
}

fn is_done(program: &str, path: &Path) -> bool {
    let mut command = std::process::Command::new(program);
    let command = command.arg(path).stderr(std::process::Stdio::null());
    command.status().unwrap().success()
}

/// Root can remove all but a mount; anybody else nothing from a folder that may not be read.
#[test]
fn what_cannot_be_removed_costs_its_trial_and_not_the_run() {
    let is_root = nix::unistd::geteuid().is_root();
    let block = match is_root {
        true => "mount -t tmpfs none $DATA/kept",
        false => "touch $DATA/kept/x; chmod 0 $DATA/kept",
    };
    let script =
        format!("mkdir -p $DATA/kept; {block}; exec python3 -m http.server --bind 127.0.0.1 $PORT");
    let folder = tempfile::tempdir().unwrap();
    let output = command(
        folder.path(),
        &[
            "run",
            "--get",
            "/",
            "--sessions",
            "5",
            "--rate",
            "50",
            "--trials",
            "1",
            "--env",
            "DATA={data}",
            "--env",
            "PORT={port}",
            "--out",
            "out",
            "--quiet",
            "--",
            "sh",
            "-c",
            &script,
        ],
    )
    .env("COMEBACK_RECORDS", folder.path().join("records"))
    .output()
    .unwrap();
    let data = folder.path().join("out/data");
    let kept: Vec<_> = std::fs::read_dir(&data)
        .unwrap()
        .map(|entry| entry.unwrap().path().join("kept"))
        .filter(|path| path.is_dir())
        .collect();
    for path in &kept {
        // A restart mounts once more.
        while is_root && is_done("umount", path) {}
        if !is_root {
            let mut mode = std::fs::metadata(path).unwrap().permissions();
            std::os::unix::fs::PermissionsExt::set_mode(&mut mode, 0o700);
            std::fs::set_permissions(path, mode).unwrap();
        }
    }
    let said = support::said(&output);
    assert_eq!(output.status.code(), Some(3), "{said}");
    let events = read_events(&folder.path().join("out"));
    assert_eq!(events.last().unwrap()["kind"]["type"], "run_ended");
    let text = std::fs::read_to_string(folder.path().join("out/journal.jsonl")).unwrap();
    assert!(text.contains("left something behind"), "{said}");
    assert_eq!(kept.len(), 2, "the control's and the fault's");
    let (code, listed) = clean(folder.path(), &["--yes"]);
    assert_eq!(code, 0, "{listed}");
    assert_nothing_left(folder.path());
}

/// Panics can be forced in debug builds only, and tests are one.
#[cfg(debug_assertions)]
#[test]
fn a_panic_in_any_phase_leaves_nothing() {
    for phase in Phase::ALL {
        let folder = tempfile::tempdir().unwrap();
        let mut child = command(
            folder.path(),
            &[
                "compare",
                "memory",
                "--quick",
                "--trials",
                "1",
                "--sessions",
                "5",
                "--rate",
                "50",
                "--seed",
                "3",
                "--out",
                "out",
                "--quiet",
            ],
        )
        .env("COMEBACK_PANIC_IN", phase.name())
        .spawn()
        .unwrap();
        let status = end_of(&mut child);
        assert_eq!(status.code(), Some(4), "in phase {}", phase.name());
        assert_nothing_left(folder.path());
    }
}

/// The same server behind a proxy.
const PROXIED: &str = "[[surroundings]]\nkind = \"connections\"\ndelay = \"2ms\"\n";

fn proxies_of(folder: &Path) -> Vec<i32> {
    let found = processes_of(folder).into_iter();
    let proxies = found.filter(|one| one.contains("fault-proxy"));
    let pid = |one: String| one.split_once(':').unwrap().0.parse().unwrap();
    proxies.map(pid).collect()
}

fn start_proxied(folder: &Path) -> Child {
    let (server, _) = LIMITED.split_once("[[surroundings]]").unwrap();
    std::fs::write(folder.join("proxied.toml"), format!("{server}{PROXIED}")).unwrap();
    let mut command = command(folder, &["run", "proxied.toml", "--out", "out", "--quiet"]);
    command.env("COMEBACK_RECORDS", folder.join("records"));
    let child = command.spawn().unwrap();
    wait_until("the load", || has_entered(folder, Phase::WarmUp));
    assert_eq!(proxies_of(folder).len(), 1);
    child
}

#[test]
fn a_proxy_is_ended_though_the_harness_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = start_proxied(folder.path());
    kill_and_wait(&mut child, folder.path());
    assert_eq!(proxies_of(folder.path()), [0_i32; 0]);
    assert_nothing_on_record(folder.path());
}

#[test]
fn a_trial_whose_proxy_ends_is_void() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = start_proxied(folder.path());
    let proxy = Pid::from_raw(proxies_of(folder.path())[0]);
    kill(proxy, Signal::SIGKILL).unwrap();
    let is_void = || {
        let events = read_whole_events(&folder.path().join("out")).into_iter();
        let mut reasons = events.map(|event| event["kind"]["reason"].clone());
        reasons.any(|reason| reason == "the proxy in front of replica-0 ended by itself")
    };
    wait_until("the trial's end", is_void);
    kill_and_wait(&mut child, folder.path());
}
