//! Supervision, with real processes: started, watched, stopped, found again, and none left.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::print_stderr, reason = "a test says when it is skipped")]

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use comeback_engine::readiness::{NotReady, Ready, wait_until_ready};
use comeback_host::clock::Clock;
use comeback_host::undo::Undo;
use comeback_model::endpoint::Endpoint;
use comeback_model::event::Exit;
use comeback_model::ids::{BootId, Incarnation, Node, TrialId};
use comeback_model::plan::{Protocol, Reach, Readiness, ReadyProbe, Signal, Stop, Target};
use comeback_model::units::Span;
use comeback_supervise::ownership::{listeners, listening_addresses};
use comeback_supervise::ports::free_port;
use comeback_supervise::process::{Addresses, Launch, Process, StartError, adopt_orphans};
use comeback_supervise::scratch;
use comeback_supervise::shot::Sent;
use comeback_supervise::tag::RunTag;
use comeback_supervise::warden::Warden;
use nix::unistd::Pid;
use tempfile::TempDir;

/// Which node the processes of these tests are.
const NODE: Node = Node::Replica(2);
const PROGRAM: &str = env!("CARGO_BIN_EXE_comeback");
const PATIENCE: Duration = Duration::from_secs(60);

/// Overwrites its own environment with zeros, as servers do that show a title.
const OVERWRITE: &str = "
import os, sys, time
def overwrite():
    fields = open('/proc/self/stat').read().rsplit(')', 1)[1].split()
    start, end = int(fields[47]), int(fields[48])
    with open('/proc/self/mem', 'r+b', 0) as memory:
        memory.seek(start)
        memory.write(bytes(end - start))
";

/// Leaves a process in a session of its own, and goes on when that is so. From then on the process neither has a child nor
/// executes another program: it waits for somebody to write.
const DETACH: &str = "mkfifo {data}/never
setsid sh -c ': > {data}/up; : < {data}/never' &
until [ -e {data}/up ]; do sleep 0.01; done";

/// An orphan that hides its tag in a session of its own counts as a member of every run of this process: a test that makes
/// one holds this alone, the others share it.
static ORPHANS: RwLock<()> = RwLock::new(());

/// What a test holds of it until its processes are gone.
#[allow(dead_code, reason = "it is held")]
enum Turn {
    Shared(RwLockReadGuard<'static, ()>),
    Alone(RwLockWriteGuard<'static, ()>),
    OfAnother,
}

/// A run of its own for each test.
struct Bench {
    folder: TempDir,
    tag: RunTag,
    clock: Clock,
    port: u16,
    _turn: Turn,
}

impl Drop for Bench {
    fn drop(&mut self) {
        // What a test left alone, before its folder goes.
        self.tag.kill_all();
    }
}

impl Bench {
    fn new() -> Self {
        let turn = ORPHANS.read().unwrap_or_else(PoisonError::into_inner);
        Self::with(Turn::Shared(turn))
    }

    /// For a test that makes an orphan without a tag.
    fn alone() -> Self {
        let turn = ORPHANS.write().unwrap_or_else(PoisonError::into_inner);
        Self::with(Turn::Alone(turn))
    }

    fn with(turn: Turn) -> Self {
        adopt_orphans().unwrap();
        Self {
            folder: tempfile::tempdir().unwrap(),
            tag: RunTag::new().unwrap(),
            clock: Clock::start(),
            port: free_port().unwrap(),
            _turn: turn,
        }
    }

    fn endpoint(&self) -> Endpoint {
        Endpoint::tcp(Protocol::Http, self.port)
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("target.log")
    }

    fn try_spawn(&self, target: &Target, incarnation: u32) -> Result<Process, StartError> {
        Process::spawn(Launch {
            target,
            port: self.port,
            data: self.folder.path(),
            node: NODE,
            addresses: &Addresses::default(),
            trial: TrialId(5),
            incarnation: Incarnation(incarnation),
            tag: &self.tag,
            log: self.log(),
            clock: self.clock,
            listener: None,
        })
    }

    fn spawn(&self, words: &[&str]) -> Process {
        self.try_spawn(&target(words), 0).unwrap()
    }

    fn sh(&self, script: &str) -> Process {
        self.spawn(&["sh", "-c", script])
    }

    fn python(&self, script: &str) -> Process {
        self.spawn(&["python3", "-c", &format!("{OVERWRITE}\n{script}")])
    }

    async fn ready(
        &self,
        words: &[&str],
        probe: ReadyProbe,
        ms: u64,
    ) -> (Process, Result<Ready, NotReady>) {
        let mut target = target(words);
        target.ready = Readiness {
            probe,
            within: Span::from_ms(ms),
        };
        let mut process = self.try_spawn(&target, 0).unwrap();
        let header = Some("x-boot-id");
        let endpoint = self.endpoint();
        let ready = wait_until_ready(&mut process, &target.ready, &endpoint, header, self.clock);
        let ready = ready.await;
        (process, ready)
    }

    fn pids(&self) -> Vec<i32> {
        self.tag.members().iter().map(|member| member.pid).collect()
    }
}

fn target(words: &[&str]) -> Target {
    Target {
        environment: BTreeMap::from([("GREETING".to_owned(), "on {port}".to_owned())]),
        ready: Readiness {
            probe: ReadyProbe::Tcp,
            within: Span::from_secs(20),
        },
        ..Target::of(words.iter().copied())
    }
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("it takes far too long")
}

async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not happen");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Whether it is there, as a zombie too.
fn is_there(pid: i32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

/// Whether it executes `sleep`: what a shell has only just started is still a shell.
fn is_asleep(pid: &i32) -> bool {
    let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    words.starts_with(b"sleep\0")
}

/// Whether it holds off what a terminal and a person send.
fn is_deaf(pid: i32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let masks = status.lines().filter_map(|line| {
        let mask = line
            .strip_prefix("SigBlk:")
            .or(line.strip_prefix("SigIgn:"))?;
        u64::from_str_radix(mask.trim(), 16).ok()
    });
    let held_off = masks.fold(0, |held_off, mask| held_off | mask);
    POLITE
        .iter()
        .all(|signal| held_off >> (*signal as i32 - 1) & 1 == 1)
}

fn tail_of(process: &Process) -> Vec<String> {
    let lines = process.tail().into_iter();
    lines.map(|line| line.text().to_owned()).collect()
}

fn exit_stop(signal: Signal, grace_ms: u64) -> Stop {
    Stop {
        signal,
        grace: Span::from_ms(grace_ms),
    }
}

#[tokio::test]
async fn an_exit_is_noticed_with_its_status_and_stays_known() {
    let bench = Bench::new();
    let mut process = bench.sh("exit 7");
    assert!(process.requested() <= process.executed());
    let first = soon(process.exited()).await.unwrap();
    assert_eq!(first.0, Exit::Status(7));
    assert!(first.1 >= process.executed());
    assert!(!process.is_running());
    assert_eq!(soon(process.exited()).await.unwrap(), first);
    assert!(process.signal_group(Signal::Term).is_err());
}

#[tokio::test]
async fn a_kill_is_noticed_by_its_signal_and_confirmed_by_reaping() {
    let bench = Bench::new();
    let mut process = bench.spawn(&["sleep", "60"]);
    // Given up in between, as a select does.
    let waited = tokio::time::timeout(Duration::from_millis(20), process.exited()).await;
    assert!(waited.is_err());
    let sent = bench.clock.now();
    process.signal_group(Signal::Kill).unwrap();
    let (exit, at) = soon(process.exited()).await.unwrap();
    assert_eq!(exit, Exit::Signal(9));
    assert!(at >= sent && at.ms_after(sent) < 5_000.0);
    assert!(!is_there(process.pid()));
}

#[tokio::test]
async fn what_is_filled_in_reaches_arguments_and_environment() {
    let bench = Bench::new();
    let script =
        "echo \"$0 $1 $2 $GREETING $COMEBACK_TRIAL $COMEBACK_INCARNATION $COMEBACK_RUN\"; exit 0";
    let mut process = bench.spawn(&["sh", "-c", script, "{port}", "{replica}{foo}", "{data}"]);
    soon(process.exited()).await.unwrap();
    let (port, data) = (bench.port, bench.folder.path().display());
    let expected = format!("{port} 2{{foo}} {data} on {port} 5 0 {}", bench.tag);
    assert_eq!(tail_of(&process), [expected]);
}

#[tokio::test]
async fn a_detached_grandchild_is_found_by_its_tag_and_killed() {
    let bench = Bench::new();
    let mut process = bench.sh(DETACH);
    assert_eq!(soon(process.exited()).await.unwrap().0, Exit::Status(0));
    soon(process.clear_group()).await.unwrap();
    let members = bench.tag.members();
    assert_eq!(members.len(), 1, "{members:?}");
    let place = (TrialId(5), NODE, Incarnation(0));
    assert_eq!(members[0].place, Some(place));
    assert_eq!(bench.tag.kill_all(), [members[0].pid]);
    assert!(bench.tag.members().is_empty());
    assert!(!is_there(members[0].pid), "it is reaped as well");
    assert!(bench.tag.kill_all().is_empty());
}

#[tokio::test]
async fn a_process_that_overwrote_its_environment_is_still_known() {
    let bench = Bench::new();
    let process = bench.python("overwrite(); print('done', flush=True); time.sleep(60)");
    until("the overwriting", || tail_of(&process) == ["done"]).await;
    let members = process.members();
    assert_eq!(members.len(), 1);
    assert_eq!(members[0].pid, process.pid());
}

#[tokio::test]
async fn a_daemon_that_overwrote_its_environment_is_found_among_the_orphans() {
    let bench = Bench::alone();
    let mut process = bench.python(
        "
if os.fork(): os._exit(0)
os.setsid()
overwrite()
time.sleep(60)",
    );
    soon(process.exited()).await.unwrap();
    until("the daemon's detaching", || {
        bench
            .tag
            .members()
            .iter()
            .any(|member| member.place.is_none())
    })
    .await;
    soon(process.clear_group()).await.unwrap();
    let pids = bench.pids();
    assert_eq!(pids.len(), 1);
    assert_eq!(bench.tag.kill_all(), pids);
    assert!(!is_there(pids[0]));
}

#[tokio::test]
async fn the_rest_of_a_group_is_cleared_and_reaped() {
    let bench = Bench::new();
    let mut process = bench.sh("sleep 60 & sleep 60 & echo $!; exec sleep 60");
    until("the start", || bench.pids().len() == 3).await;
    // The leader alone, so that the others are left.
    nix::sys::signal::kill(Pid::from_raw(process.pid()), nix::sys::signal::SIGKILL).unwrap();
    soon(process.exited()).await.unwrap();
    let others = bench.pids();
    assert_eq!(others.len(), 2);
    soon(process.clear_group()).await.unwrap();
    soon(process.clear_group()).await.unwrap();
    assert!(bench.pids().is_empty());
    assert!(others.iter().all(|pid| !is_there(*pid)));
}

#[tokio::test]
async fn a_survivor_of_an_earlier_start_is_told_from_the_new_one() {
    let bench = Bench::new();
    let mut first = bench.sh(&format!("{DETACH}; echo up; exec sleep 60"));
    until("the survivor's detaching", || tail_of(&first) == ["up"]).await;
    first.signal_group(Signal::Kill).unwrap();
    soon(first.exited()).await.unwrap();
    soon(first.clear_group()).await.unwrap();
    let survivors = bench.pids();
    let second = bench.try_spawn(&target(&["sleep", "60"]), 1).unwrap();
    drop(first);
    assert_eq!(
        bench.tag.members_before((TrialId(5), NODE, Incarnation(1))),
        survivors
    );
    assert!(second.is_running());
    assert_eq!(bench.tag.kill_all().len(), 2);
}

#[tokio::test]
async fn a_flood_of_output_is_read_and_bounded() {
    let bench = Bench::new();
    let mut process = bench.python(
        "
for number in range(200_000):
    print(number, 'x' * 40)
sys.stderr.write('y' * 10_000 + '\\nlast')",
    );
    let (exit, _) = soon(process.exited()).await.unwrap();
    assert_eq!(exit, Exit::Status(0));
    let tail = tail_of(&process);
    assert_eq!(tail.len(), 32);
    assert!(tail.contains(&"last".to_owned()));
    assert!(tail.iter().any(|line| line.starts_with("199999 ")));
    assert!(tail.contains(&format!("{}…", "y".repeat(2048))));
    let log = std::fs::read_to_string(bench.log()).unwrap();
    assert!(log.starts_with("0 xxx"));
    assert!(log.ends_with("left out]\n"));
    assert!(
        (4 << 20..(4 << 20) + 100).contains(&log.len()),
        "{}",
        log.len()
    );
}

#[tokio::test]
async fn an_orphan_that_holds_the_pipe_keeps_nobody_waiting() {
    let bench = Bench::new();
    let mut process = bench.sh(&format!("echo before; {DETACH}; echo after"));
    soon(process.exited()).await.unwrap();
    assert_eq!(tail_of(&process), ["before", "after"]);
    let begun = Instant::now();
    drop(process);
    assert!(begun.elapsed() < PATIENCE);
    assert_eq!(bench.tag.kill_all().len(), 1);
}

#[tokio::test]
async fn a_program_that_cannot_be_started_is_explained_with_the_mend() {
    let bench = Bench::new();
    let script = bench.folder.path().join("server");
    let path = script.to_str().unwrap();
    let explain = |words: &[&str]| bench.try_spawn(&target(words), 0).unwrap_err().to_string();
    assert!(explain(&["no-such-program-here"]).contains("was not found in PATH: install it"));
    assert!(explain(&[path]).contains("build it, or correct its path"));
    write(&script, "echo hello");
    assert!(explain(&[path]).contains("chmod +x"));
    make_executable(&script);
    assert!(explain(&[path]).contains("begin it with a `#!` line"));
    write(&script, "#!/no/such/interpreter\n");
    assert!(explain(&[path]).contains("interpreter that its first line names"));
    assert!(explain(&["/tmp"]).contains("is a folder"));
    assert!(explain(&[""]).contains("is empty"));
    assert!(explain(&[]).contains("is empty"));
    assert!(bench.pids().is_empty());
}

/// Writes a program in another process. Were the file open here, a child of the neighbouring test might hold it open until
/// its exec, and the kernel starts no program that is open for writing.
fn write(path: &Path, text: &str) {
    let mut printf = Command::new("sh");
    printf
        .args(["-c", r#"printf %s "$1" > "$0""#])
        .args([path.as_os_str(), text.as_ref()]);
    assert!(printf.status().unwrap().success());
}

fn make_executable(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn a_path_of_the_targets_own_is_where_its_program_is_looked_for() {
    let bench = Bench::new();
    let script = bench.folder.path().join("only-here");
    write(&script, "#!/bin/sh\necho \"$PATH\"\n");
    make_executable(&script);
    let mut target = target(&["only-here"]);
    assert!(bench.try_spawn(&target, 0).is_err());
    target
        .environment
        .insert("PATH".to_owned(), "{data}".to_owned());
    let mut process = bench.try_spawn(&target, 0).unwrap();
    soon(process.exited()).await.unwrap();
    assert_eq!(tail_of(&process), [bench.folder.path().to_str().unwrap()]);
}

#[tokio::test]
async fn a_target_that_ends_before_it_is_ready_fails_at_once_with_its_last_words() {
    let bench = Bench::new();
    let words = ["sh", "-c", "echo no such database >&2; exit 3"];
    let (process, ready) = soon(bench.ready(&words, ReadyProbe::Tcp, 60_000)).await;
    let error = ready.unwrap_err().to_string();
    assert!(
        error.starts_with("it exited with status 3 after "),
        "{error}"
    );
    assert_eq!(tail_of(&process), ["no such database"]);
}

#[tokio::test]
async fn a_target_that_goes_into_the_background_is_told_to_stay() {
    let bench = Bench::new();
    let words = ["sh", "-c", DETACH];
    let (process, ready) = soon(bench.ready(&words, ReadyProbe::Tcp, 60_000)).await;
    let error = ready.unwrap_err().to_string();
    assert!(error.contains("start it in the foreground"), "{error}");
    drop(process);
    bench.tag.kill_all();
}

#[tokio::test]
async fn a_target_that_is_never_ready_is_given_up_with_what_was_seen() {
    let bench = Bench::new();
    let probe = ReadyProbe::Http("/health".to_owned());
    let (process, ready) = soon(bench.ready(&["sleep", "60"], probe, 2_000)).await;
    let error = ready.unwrap_err().to_string();
    assert!(
        error.contains("not ready within 2s: GET /health on port"),
        "{error}"
    );
    assert!(error.contains("refused"), "{error}");
    assert!(error.contains("it listens on no TCP port"), "{error}");
    assert!(process.is_running());
}

const SERVER: &str = "
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == '/health' else 404)
        self.send_header('X-Boot-Id', 'boot %d' % os.getpid())
        self.end_headers()
        self.wfile.write(b'fine')
    def log_message(self, *words): pass
server = http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), Handler)
print('listening', server.server_port, flush=True)
server.serve_forever()";

fn server(port: &str) -> [&str; 4] {
    ["python3", "-c", SERVER, port]
}

#[tokio::test]
async fn a_target_that_listens_elsewhere_is_told_where() {
    let bench = Bench::new();
    let other = free_port().unwrap().to_string();
    let (_process, ready) = soon(bench.ready(&server(&other), ReadyProbe::Tcp, 5_000)).await;
    let error = ready.unwrap_err().to_string();
    let expected = format!(
        "it listens on 127.0.0.1:{other}, expected port {}",
        bench.port
    );
    assert!(error.contains(&expected), "{error}");
}

#[tokio::test]
async fn a_wrong_answer_is_not_ready_and_is_told() {
    let bench = Bench::new();
    let probe = ReadyProbe::Http("/wrong".to_owned());
    let (_process, ready) = soon(bench.ready(&server("{port}"), probe, 5_000)).await;
    let error = ready.unwrap_err().to_string();
    assert!(error.contains("it answered 404 Not Found"), "{error}");
}

/// Answers once that it is not there, and nothing more.
const FALLS_SILENT: &str = "
import http.server, sys, time
class Handler(http.server.BaseHTTPRequestHandler):
    asked = 0
    def do_GET(self):
        Handler.asked += 1
        while Handler.asked > 1: time.sleep(60)
        self.send_error(404)
http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), Handler).serve_forever()";

#[tokio::test]
async fn what_a_target_answered_is_told_though_it_falls_silent() {
    let bench = Bench::new();
    let probe = ReadyProbe::Http("/".to_owned());
    let words = ["python3", "-c", FALLS_SILENT, "{port}"];
    let (_process, ready) = soon(bench.ready(&words, probe, 5_000)).await;
    let error = ready.unwrap_err().to_string();
    assert!(
        error.contains("it answered 404 Not Found; later "),
        "{error}"
    );
}

#[tokio::test]
async fn readiness_is_seen_over_http_tcp_and_in_the_log() {
    for probe in [
        ReadyProbe::Http("/health".to_owned()),
        ReadyProbe::Tcp,
        ReadyProbe::Log("listening".to_owned()),
    ] {
        let bench = Bench::new();
        let is_http = matches!(probe, ReadyProbe::Http(_));
        let (process, ready) = soon(bench.ready(&server("{port}"), probe, 20_000)).await;
        let ready = ready.unwrap();
        assert!(ready.at >= process.executed());
        let boot = BootId::from_header(format!("boot {}", process.pid()).as_bytes());
        assert_eq!(ready.boot, is_http.then_some(boot));
    }
}

#[tokio::test]
async fn a_target_is_stopped_politely_or_killed_after_its_grace() {
    let bench = Bench::new();
    let mut polite = bench.spawn(&["sleep", "60"]);
    let stopped = soon(polite.stop(&exit_stop(Signal::Term, 10_000)))
        .await
        .unwrap();
    assert_eq!((stopped.exit, stopped.took_kill), (Exit::Signal(15), false));
    let mut deaf = bench.sh("trap '' TERM; echo deaf; while :; do sleep 1; done");
    until("its deafness", || tail_of(&deaf) == ["deaf"]).await;
    let stopped = soon(deaf.stop(&exit_stop(Signal::Term, 50))).await.unwrap();
    assert_eq!((stopped.exit, stopped.took_kill), (Exit::Signal(9), true));
    // Asked again, it tells the same.
    assert_eq!(
        soon(deaf.stop(&exit_stop(Signal::Term, 50)))
            .await
            .unwrap()
            .at,
        stopped.at
    );
}

#[tokio::test]
async fn the_port_is_kept_across_restarts_and_its_owner_known() {
    let bench = Bench::new();
    let mut previous = None;
    for incarnation in 0..3 {
        let target = target(&server("{port}"));
        let mut process = bench.try_spawn(&target, incarnation).unwrap();
        let endpoint = bench.endpoint();
        let ready = wait_until_ready(&mut process, &target.ready, &endpoint, None, bench.clock);
        soon(ready).await.unwrap();
        let owners = listeners(&bench.endpoint(), &bench.tag).unwrap();
        assert_eq!(owners.len(), 1, "{owners:?}");
        assert_eq!(owners[0].pid, process.pid());
        let place = (TrialId(5), NODE, Incarnation(incarnation));
        assert_eq!(owners[0].place, Some(place));
        assert!(owners[0].is_member);
        let address = format!("127.0.0.1:{}", bench.port).parse().unwrap();
        assert_eq!(listening_addresses(&[process.pid()]).unwrap(), [address]);
        process.signal_group(Signal::Kill).unwrap();
        soon(process.exited()).await.unwrap();
        soon(process.clear_group()).await.unwrap();
        assert!(listeners(&bench.endpoint(), &bench.tag).unwrap().is_empty());
        assert_ne!(previous.replace(process.pid()), Some(process.pid()));
    }
}

#[tokio::test]
async fn an_owner_that_overwrote_its_environment_is_known_to_be_of_its_start() {
    let bench = Bench::new();
    let script = format!("{OVERWRITE}\noverwrite()\n{SERVER}");
    let words = ["python3", "-c", &script, "{port}"];
    let (process, ready) = soon(bench.ready(&words, ReadyProbe::Tcp, 20_000)).await;
    ready.unwrap();
    let owners = listeners(&bench.endpoint(), &bench.tag).unwrap();
    assert_eq!(owners.len(), 1);
    assert_eq!(
        owners[0].place.map(|(_, _, start)| start),
        Some(process.incarnation())
    );
}

#[tokio::test]
async fn a_drop_leaves_nothing_of_a_running_process() {
    let bench = Bench::new();
    let process = bench.sh("sleep 60 & setsid sleep 60 & exec sleep 60");
    until("the start", || {
        bench.pids().iter().filter(|pid| is_asleep(pid)).count() == 3
    })
    .await;
    let pids = bench.pids();
    drop(process);
    assert!(pids.iter().all(|pid| !is_there(*pid)), "{pids:?}");
}

#[tokio::test]
async fn a_drop_clears_the_group_of_an_ended_process() {
    let bench = Bench::new();
    let mut process = bench.sh("sleep 60 & exit 1");
    soon(process.exited()).await.unwrap();
    let pids = bench.pids();
    assert_eq!(pids.len(), 1);
    drop(process);
    assert!(!is_there(pids[0]));
}

const POLITE: [nix::sys::signal::Signal; 3] = [
    nix::sys::signal::SIGINT,
    nix::sys::signal::SIGTERM,
    nix::sys::signal::SIGHUP,
];

fn start_program_as_warden(tag: &RunTag, scratch: &Path) -> io::Result<Warden> {
    Warden::start_as(Path::new(PROGRAM), tag, scratch)
}

#[tokio::test]
async fn the_programs_warden_ends_what_is_left_and_removes_the_scratch_folder() {
    check_warden(start_program_as_warden).await;
}

#[tokio::test]
async fn the_shells_warden_ends_what_is_left_and_removes_the_scratch_folder() {
    check_warden(Warden::start_in_shell).await;
}

async fn check_warden(start: fn(&RunTag, &Path) -> io::Result<Warden>) {
    let bench = Bench::new();
    let scratch = bench.folder.path().join("scratch");
    scratch::create(&scratch, bench.tag.as_str()).unwrap();
    std::fs::create_dir(scratch.join("trial-000")).unwrap();
    let warden = start(&bench.tag, &scratch).unwrap();
    // What was done to the machine: one thing was undone already, one was not begun.
    let [undone, done, planned] = ["undone", "it's done", "planned"].map(|name| {
        let path = bench.folder.path().join(name);
        bench
            .tag
            .lease(Undo::remove_folder(&path).unwrap())
            .unwrap();
        std::fs::create_dir(&path).unwrap();
        if name == "undone" {
            assert!(bench.tag.undo_all().is_empty());
            assert!(!path.exists());
            std::fs::create_dir(&path).unwrap();
        }
        path
    });
    std::fs::remove_dir(&planned).unwrap();
    let detached = bench.sh("setsid sleep 60 & exec sleep 60");
    let mut nameless = bench.python("overwrite(); print('done', flush=True); time.sleep(60)");
    until("the start", || {
        let asleep = bench.pids().iter().filter(|pid| is_asleep(pid)).count();
        asleep == 2 && tail_of(&nameless) == ["done"] && is_deaf(warden.pid())
    })
    .await;
    assert_eq!(bench.pids().len(), 3);
    assert!(!bench.pids().contains(&warden.pid()), "it carries no tag");
    // A terminal's signals do not end it.
    for signal in POLITE {
        nix::sys::signal::kill(Pid::from_raw(warden.pid()), signal).unwrap();
    }
    let pid = warden.pid();
    // As when the harness ends: the pipe closes.
    warden.dismiss().unwrap();
    assert!(!is_there(pid));
    assert!(bench.pids().is_empty());
    assert!(!scratch.exists());
    assert!(undone.exists() && !done.exists() && !planned.exists());
    assert_eq!(soon(nameless.exited()).await.unwrap().0, Exit::Signal(9));
    drop(detached);
}

/// A file system whose process waits for an answer of its own: nothing but its unmounting ends it.
const WAITS_FOR_ITSELF: &str = "
import ctypes, struct, threading
point = sys.argv[1]
device = os.open('/dev/fuse', os.O_RDWR)
libc = ctypes.CDLL(None, use_errno=True)
data = f'fd={device},rootmode=40000,user_id=0,group_id=0'
if libc.mount(b'waits', point.encode(), b'fuse', 0, data.encode()):
    print('refused', flush=True)
    sys.exit()
length, kind, number = struct.unpack_from('<IIQ', os.read(device, 1 << 20))
assert kind == 26
os.write(device, struct.pack('<IiQ', 80, 0, number) + struct.pack('<4I48x', 7, 31, 4096, 0))
threading.Thread(target=lambda: os.stat(point)).start()
os.read(device, 1 << 20)
print('up', flush=True)
time.sleep(60)";

/// Unmounts it when the test ends.
struct Unmounts(Undo);

impl Drop for Unmounts {
    fn drop(&mut self) {
        let _ = self.0.run();
    }
}

async fn check_warden_frees(start: fn(&RunTag, &Path) -> io::Result<Warden>) {
    let bench = Bench::new();
    let folder = bench.folder.path().canonicalize().unwrap();
    let [scratch, point] = ["scratch", "point"].map(|name| folder.join(name));
    scratch::create(&scratch, bench.tag.as_str()).unwrap();
    std::fs::create_dir(&point).unwrap();
    let undo = Undo::unmount(&point).unwrap();
    let warden = start(&bench.tag, &scratch).unwrap();
    bench.tag.lease(undo.clone()).unwrap();
    let script = format!("{OVERWRITE}\n{WAITS_FOR_ITSELF}");
    let process = bench.spawn(&["python3", "-c", &script, point.to_str().unwrap()]);
    let _unmounts = Unmounts(undo);
    until("the mount", || !tail_of(&process).is_empty()).await;
    if tail_of(&process) != ["up"] {
        eprintln!("skipped: nothing can be mounted here");
        return;
    }
    warden.dismiss().unwrap();
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(point.to_str().unwrap()), "{mounts}");
    assert!(bench.pids().is_empty());
    assert!(!scratch.exists());
}

#[tokio::test]
async fn the_programs_warden_frees_whoever_waits_for_a_file_system_that_answers_nobody() {
    check_warden_frees(start_program_as_warden).await;
}

#[tokio::test]
async fn the_shells_warden_frees_whoever_waits_for_a_file_system_that_answers_nobody() {
    check_warden_frees(Warden::start_in_shell).await;
}

#[tokio::test]
async fn no_target_holds_the_pipe_to_the_warden() {
    let bench = Bench::new();
    let scratch = bench.folder.path().join("scratch");
    let warden = start_program_as_warden(&bench.tag, &scratch).unwrap();
    let process = bench.spawn(&["sleep", "60"]);
    let pipe = std::fs::read_link(format!("/proc/{}/fd/0", warden.pid())).unwrap();
    let held: Vec<_> = std::fs::read_dir(format!("/proc/{}/fd", process.pid()))
        .unwrap()
        // The loader's own are closed meanwhile.
        .filter_map(|descriptor| std::fs::read_link(descriptor.unwrap().path()).ok())
        .collect();
    assert!(pipe.to_string_lossy().starts_with("pipe:"), "{pipe:?}");
    assert!(held.len() >= 3 && !held.contains(&pipe), "{held:?}");
    drop(process);
    warden.dismiss().unwrap();
}

/// What a shell reads of `/proc` must not be led astray by a name, nor by processes of others.
#[tokio::test]
async fn the_shells_warden_knows_strange_names_and_leaves_others_alone() {
    let bench = Bench::alone();
    let scratch = bench.folder.path().join("a folder's $(name)");
    scratch::create(&scratch, bench.tag.as_str()).unwrap();
    let other = Bench::with(Turn::OfAnother);
    let others = other.sh("exec sleep 60");
    let warden = Warden::start_in_shell(&bench.tag, &scratch).unwrap();
    let strange = bench.folder.path().join("a) S 1 (\nb");
    let mut copy = Command::new("cp");
    assert!(
        copy.arg("/bin/sleep")
            .arg(&strange)
            .status()
            .unwrap()
            .success()
    );
    let named = bench.spawn(&[strange.to_str().unwrap(), "60"]);
    // Known by its leader's group alone, and a child of it by its parent alone.
    let nameless = bench.python(
        "
if os.fork() == 0:
    overwrite()
    if os.fork() == 0:
        os.setsid()
        overwrite()
        print('up', flush=True)
    time.sleep(60)
os._exit(0)",
    );
    // Their parent ends when it has had its turn.
    until("the start", || {
        tail_of(&nameless) == ["up"] && bench.pids().len() == 3
    })
    .await;
    warden.dismiss().unwrap();
    assert!(!scratch.exists());
    assert!(bench.pids().is_empty());
    assert_eq!(other.pids(), [others.pid()]);
    drop((named, nameless));
}

/// A master whose worker, at SIGTERM, goes on until it is let go.
const WORKER: &str = "
import signal
def stop(*_):
    while not os.path.exists('{data}/go'): time.sleep(0.001)
    open('{data}/saved', 'w').close()
    os._exit(0)
if os.fork():
    time.sleep(60)
signal.signal(signal.SIGTERM, stop)
print('up', flush=True)
while True: time.sleep(1)";

#[tokio::test]
async fn a_stop_waits_for_the_whole_group_and_kills_nobody_meanwhile() {
    let bench = Bench::new();
    let mut process = bench.python(WORKER);
    until("the worker", || tail_of(&process) == ["up"]).await;
    let mut addressed = process.address(Reach::Group).unwrap();
    process.send(&addressed, Signal::Term).unwrap();
    let (exit, leader_at) = soon(process.exited()).await.unwrap();
    assert_eq!(exit, Exit::Signal(15));
    let left = process.survivors().unwrap();
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(left[0].command.contains("python3 -c"), "{left:?}");
    std::fs::write(bench.folder.path().join("go"), "").unwrap();
    soon(addressed.others_gone()).await.unwrap();
    assert!(bench.folder.path().join("saved").exists());
    assert!(addressed.last_end().unwrap() > leader_at);
    assert!(!addressed.take_newcomers().unwrap());
    assert_eq!(process.survivors().unwrap(), []);
    assert!(process.is_cleared());
}

#[tokio::test]
async fn a_process_that_has_ended_by_itself_is_sent_nothing_though_nobody_has_reaped_it() {
    let bench = Bench::new();
    let process = bench.sh("kill -SEGV $$");
    let addressed = process.address(Reach::Group).unwrap();
    soon(process.seen_end().unwrap()).await.unwrap();
    let sent = process.send(&addressed, Signal::Term).unwrap();
    assert_eq!(sent, Sent::Not);
}

#[tokio::test]
async fn whom_a_signal_reaches_is_as_asked() {
    let script = format!("{DETACH}\nsleep 60 & echo up; wait");
    for (reach, left) in [(Reach::Process, 2), (Reach::Group, 1), (Reach::Tree, 0)] {
        let bench = Bench::new();
        let mut process = bench.sh(&script);
        until("its children", || process.members().len() == 3).await;
        until("its last word", || tail_of(&process) == ["up"]).await;
        let mut addressed = process.address(reach).unwrap();
        process.send(&addressed, Signal::Kill).unwrap();
        assert_eq!(soon(process.exited()).await.unwrap().0, Exit::Signal(9));
        soon(addressed.others_gone()).await.unwrap();
        assert_eq!(process.survivors().unwrap().len(), left, "{reach}");
    }
}

#[tokio::test]
async fn what_does_not_end_is_killed_by_name_and_nothing_else() {
    let bench = Bench::new();
    let script = format!("trap '' TERM\n{DETACH}\nsleep 60 & echo up; wait");
    let mut process = bench.sh(&script);
    until("its children", || process.members().len() == 3).await;
    until("its last word", || tail_of(&process) == ["up"]).await;
    let mut addressed = process.address(Reach::Group).unwrap();
    process.send(&addressed, Signal::Term).unwrap();
    let killed = process.kill_rest(&addressed).unwrap();
    assert!(killed.contains(&process.pid()), "{killed:?}");
    soon(process.exited()).await.unwrap();
    soon(addressed.others_gone()).await.unwrap();
    let left = process.survivors().unwrap();
    assert_eq!(
        left.len(),
        1,
        "the detached one was not addressed: {left:?}"
    );
}
