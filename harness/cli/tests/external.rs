//! Servers that somebody else starts: under a shell loop that restarts them, or by a restart command. The run leaves them running.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "external/remote.rs"]
mod remote;
mod support;

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use comeback_supervise::ports::free_port;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use serde_json::Value;
use support::{CONTRACT_SESSION, PROGRAM, Run, command, ended_with, unfolded};

const PATIENCE: Duration = Duration::from_secs(60);

/// A server in a folder, and the shell that started it. Both end with it.
struct Server {
    shell: Child,
    port: u16,
    folder: tempfile::TempDir,
}

/// A server of sessions in memory, and how it shares its socket with other processes. Words: the port, and one of `alone`, `worker` (one
/// forked worker serves), `each` (a worker for each connection, without the listening socket), `daemon` (serves in the background), `lends`
/// (the command of the further words inherits the socket) and `dies` (the first one ends as soon as a run has seen it; the further word is
/// a file by which the second knows that it is not the first).
const PYTHON: &str = r#"
import http.server, json, os, socketserver, subprocess, sys, threading, time
def die_once_seen(flag):
    open(flag, 'w').close()
    while '"incarnation":1' not in open('out/journal.jsonl').read():
        time.sleep(0.001)
    os._exit(1)
visits = {}
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    disable_nagle_algorithm = True
    def log_message(self, *words):
        pass
    def reply(self, status, value):
        body = json.dumps(value).encode()
        head = f'HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n'
        if status == 200 and 'user' in value:
            head += f"Set-Cookie: sid={value['user']}\r\n"
        self.wfile.write(head.encode() + b'\r\n' + body)
    def known(self, more):
        user = self.headers.get('Cookie', '').partition('sid=')[2].partition(';')[0]
        if user not in visits:
            return self.reply(401, {})
        visits[user] += more
        self.reply(200, {'user': user, 'visits': visits[user]})
    def do_GET(self):
        self.reply(200, {}) if self.path == '/health' else self.known(0)
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get('Content-Length', 0)))
        if self.path == '/visit':
            return self.known(1)
        user = json.loads(body)['user']
        visits.setdefault(user, 0)
        self.reply(200, {'user': user, 'visits': visits[user]})
class Each(socketserver.ForkingMixIn, http.server.HTTPServer):
    block_on_close = False
    def finish_request(self, *request):
        self.socket.close()
        super().finish_request(*request)
port, how = int(sys.argv[1]), sys.argv[2]
Server = Each if how == 'each' else http.server.ThreadingHTTPServer
server = Server(('127.0.0.1', port), Handler)
if how == 'worker' and os.fork():
    os.wait()
elif how == 'daemon' and os.fork():
    time.sleep(0.2)
elif how == 'lends':
    threading.Thread(target=server.serve_forever).start()
    subprocess.run(sys.argv[3:], pass_fds=[server.fileno()])
else:
    if how == 'dies' and not os.path.exists(sys.argv[3]):
        threading.Thread(target=die_once_seen, args=[sys.argv[3]]).start()
    server.serve_forever()
"#;

impl Server {
    /// `$serve` starts the reference server of this name in the foreground, `$python` the one above, and `$pid` is a file for its id.
    fn under(script: &str, name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port().unwrap();
        let data = folder.path().join("data");
        let pid = folder.path().join("pid");
        let serve = format!(
            "{PROGRAM} serve {name} --port {port} --data {}",
            data.display()
        );
        let python = folder.path().join("server.py");
        std::fs::write(&python, PYTHON).unwrap();
        let python = format!("python3 {} {port}", python.display());
        let shell = Command::new("sh")
            .args(["-c", script])
            .env("serve", serve)
            .env("python", python)
            .env("program", PROGRAM)
            .env("folder", folder.path())
            .env("port", port.to_string())
            .env("pid", &pid)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self {
            shell,
            port,
            folder,
        };
        server.wait_until_up();
        server
    }

    /// A loop as supervisors have it.
    fn supervised(name: &str) -> Self {
        Self::under(
            "while :; do $serve & echo $! >$pid.new; mv $pid.new $pid; wait $!; done",
            name,
        )
    }

    fn wait_until_up(&self) {
        wait_until("the server answers", || self.answers());
    }

    fn answers(&self) -> bool {
        let ask = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
            stream.set_read_timeout(Some(Duration::from_secs(5)))?;
            stream.write_all(b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
            let mut reply = String::new();
            stream.read_to_string(&mut reply)?;
            Ok(reply)
        };
        ask().is_ok_and(|reply| reply.starts_with("HTTP/1.1 200"))
    }

    fn pid_file(&self) -> PathBuf {
        self.folder.path().join("pid")
    }

    fn pid(&self) -> i32 {
        let text = std::fs::read_to_string(self.pid_file()).unwrap();
        text.trim().parse().unwrap()
    }

    fn by_port(&self) -> String {
        format!("{{ port = {} }}", self.port)
    }

    fn by_pid_file(&self) -> String {
        format!(
            "{{ pid_file = \"{}\", address = \"127.0.0.1:{}\" }}",
            self.pid_file().display(),
            self.port
        )
    }

    /// A script that starts the server anew in the background, as `restart` in an experiment.
    fn by_restart(&self, name: &str, script: &str) -> String {
        let path = self.folder.path().join("restart.sh");
        let (port, folder) = (self.port, self.folder.path().display());
        let mut text =
            format!("serve='{PROGRAM} serve {name} --port {port} --data {folder}/data'\n");
        let python = format!("python='python3 {folder}/server.py {port}'");
        writeln!(text, "pid={folder}/pid\n{python}\n{script}").unwrap();
        std::fs::write(&path, text).unwrap();
        format!(
            "{{ port = {port}, restart = [\"sh\", \"{}\"] }}",
            path.display()
        )
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = killpg(
            Pid::from_raw(self.shell.id().cast_signed()),
            Signal::SIGKILL,
        );
        let _ = self.shell.wait();
        // A restart command left it behind, in a group of its own.
        let folder = self.folder.path().display().to_string();
        for process in std::fs::read_dir("/proc").unwrap().flatten() {
            let words = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
            let pid = process
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok());
            if let Some(pid) = pid.filter(|_| String::from_utf8_lossy(&words).contains(&folder)) {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
        }
    }
}

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "{what}: that did not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn experiment(external: &str, rest: &str) -> String {
    format!(
        r#"
trials = 2
seed = 4
{rest}
[target]
external = {external}
ready = {{ http = "/health" }}
[load]
sessions = 5
rate = 20
{CONTRACT_SESSION}
"#
    )
}

fn begin(folder: &Path, text: &str) -> Command {
    std::fs::write(folder.join("external.toml"), text).unwrap();
    let mut command = command(folder, &["run", "external.toml", "--out", "out"]);
    command.env("COMEBACK_RECORDS", folder.join("records"));
    command
}

fn run(text: &str) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let output = begin(folder.path(), text).output().unwrap();
    Run { folder, output }
}

fn told(run: &Run, kind: &str) -> Vec<Value> {
    let events = run.events().into_iter().map(|event| event["kind"].clone());
    events.filter(|event| event["type"] == kind).collect()
}

/// No session and no write was lost.
fn assert_kept_all(run: &Run) {
    let summary = run.summary();
    let arm = &summary.arms[0];
    assert_eq!(
        (arm.sessions.lost, arm.writes.lost),
        (0, 0),
        "{}",
        run.printed()
    );
}

/// Each faulted trial met a process, which ended by the signal, and another one came in its place.
fn assert_replaced(run: &Run) {
    for confirmed in told(run, "fault_confirmed") {
        let evidence = confirmed["evidence"].as_str().unwrap();
        assert!(
            evidence.contains("ended after SIGKILL was sent to it"),
            "{evidence}"
        );
    }
    let pids: Vec<i64> = told(run, "target_executed")
        .iter()
        .filter(|event| event["incarnation"].as_i64() > Some(0))
        .map(|event| event["pid"].as_i64().unwrap())
        .collect();
    let kills = told(run, "fault_confirmed").len();
    assert!(kills >= 2, "{}", run.printed());
    assert_eq!(pids.len(), kills, "{}", run.printed());
    assert!(pids.iter().all(|pid| *pid > 1), "{pids:?}");
}

#[test]
fn a_server_under_a_loop_is_found_by_its_port_killed_and_left_running() {
    let server = Server::supervised("journal");
    let run = run(&experiment(&server.by_port(), ""));
    if ended_with(&run, 0) {
        assert_replaced(&run);
        assert_kept_all(&run);
    }
    assert!(server.answers(), "{}", run.printed());
}

#[test]
fn what_a_server_keeps_in_memory_is_lost_with_the_process_that_its_pid_file_names() {
    let server = Server::supervised("memory");
    let run = run(&experiment(&server.by_pid_file(), ""));
    if ended_with(&run, 1) {
        assert_replaced(&run);
        assert!(run.summary().arms[0].sessions.lost > 0, "{}", run.printed());
    }
    assert!(server.answers(), "{}", run.printed());
}

#[test]
fn what_a_restart_command_starts_in_the_background_outlives_the_run() {
    let server = Server::under("$serve", "journal");
    let restart = server.by_restart("journal", "setsid $serve >/dev/null 2>&1 & echo $! >$pid");
    let run = run(&experiment(&restart, ""));
    if ended_with(&run, 0) {
        assert_replaced(&run);
    }
    assert!(server.answers(), "{}", run.printed());
}

#[test]
fn a_restart_command_may_be_the_server_itself() {
    let server = Server::under("$serve", "journal");
    let restart = server.by_restart("journal", "exec $serve");
    let run = run(&experiment(&restart, ""));
    if ended_with(&run, 0) {
        assert_replaced(&run);
    }
    assert!(server.answers(), "{}", run.printed());
}

#[test]
fn a_server_that_nobody_starts_again_has_not_recovered() {
    let server = Server::under("$serve", "journal");
    let short = "[windows]\nhorizon = \"2s\"";
    let run = run(&experiment(&server.by_port(), short).replace("trials = 2", "trials = 1"));
    if ended_with(&run, 1) {
        assert_eq!(told(&run, "not_recovered").len(), 1, "{}", run.printed());
    }
}

#[test]
fn a_restart_command_that_fails_is_told_with_its_exit_code_and_output() {
    let server = Server::under("$serve", "journal");
    let restart = server.by_restart("journal", "echo the disk is on fire; exit 7");
    let short = "[windows]\nhorizon = \"2s\"";
    let run = run(&experiment(&restart, short).replace("trials = 2", "trials = 1"));
    if ended_with(&run, 1) {
        let summary = std::fs::read_to_string(run.out().join("summary.json")).unwrap();
        assert!(summary.contains("exited with status 7"), "{summary}");
        assert!(summary.contains("the disk is on fire"), "{summary}");
        assert!(!server.answers());
    }
}

#[test]
fn a_process_that_does_not_listen_there_is_refused_before_anything_is_done() {
    let server = Server::supervised("memory");
    let before = server.pid();
    let another = server.folder.path().join("another");
    std::fs::write(&another, std::process::id().to_string()).unwrap();
    let external = format!(
        "{{ pid_file = \"{}\", address = \"127.0.0.1:{}\" }}",
        another.display(),
        server.port
    );
    let refused = run(&experiment(&external, ""));
    assert_eq!(refused.code(), 2, "{}", refused.printed());
    let printed = unfolded(&refused.printed());
    assert!(printed.contains("but 127.0.0.1:"), "{printed}");
    assert!(
        printed.contains(&format!("is held by process {before} ")),
        "{printed}"
    );
    assert!(!refused.out().exists(), "{printed}");
    assert_eq!(server.pid(), before);

    let nobody = format!("{{ port = {} }}", free_port().unwrap());
    let refused = run(&experiment(&nobody, ""));
    assert_eq!(refused.code(), 2, "{}", refused.printed());
    assert!(
        refused.printed().contains("nobody listens on 127.0.0.1:"),
        "{}",
        refused.printed()
    );
}

/// Whether the process stands still.
fn is_stopped(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, rest) = stat.rsplit_once(") ").unwrap();
    rest.starts_with('T')
}

#[test]
fn a_paused_server_goes_on_when_the_harness_is_killed() {
    let server = Server::supervised("memory");
    let fault = "[[fault]]\nkind = \"pause\"\nlasts = \"20s\"\n[windows]\nhorizon = \"30s\"";
    let text = experiment(&server.by_port(), "controls = 0")
        .replace("[load]", &format!("{fault}\n[load]"));
    let folder = tempfile::tempdir().unwrap();
    let mut harness = begin(folder.path(), &text)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let pid = server.pid();
    wait_until("the server stands still", || is_stopped(pid));
    harness.kill().unwrap();
    harness.wait().unwrap();
    wait_until("the server goes on", || !is_stopped(pid));
    assert!(server.answers());
    assert_eq!(server.pid(), pid);
}

const SHORT: &str = "[windows]\nhorizon = \"2s\"";

/// The same with one trial, which gives up soon.
fn short(external: &str) -> String {
    experiment(external, SHORT).replace("trials = 2", "trials = 1\ncontrols = 0")
}

#[test]
fn a_worker_that_outlives_its_master_is_no_recovery() {
    let server = Server::under("exec $python worker", "memory");
    let run = run(&short(&server.by_port()));
    if ended_with(&run, 1) {
        assert_eq!(told(&run, "not_recovered").len(), 1, "{}", run.printed());
        let executed = told(&run, "target_executed");
        assert!(
            executed.iter().all(|event| event["incarnation"] == 0),
            "{executed:?}"
        );
    }
    // Nobody but the worker is left to answer.
    assert!(server.answers());
}

#[test]
fn workers_that_go_on_with_kept_connections_void_the_trial() {
    let server = Server::under("while :; do $python each; done", "memory");
    let one = experiment(&server.by_port(), "controls = 0").replace("trials = 2", "trials = 1");
    let run = run(&one);
    if ended_with(&run, 3) {
        let summary = std::fs::read_to_string(run.out().join("summary.json")).unwrap();
        assert!(
            summary.contains("an old process still answers or may answer"),
            "{summary}"
        );
    }
}

#[test]
fn a_daemon_goes_on_as_the_start_of_its_launcher() {
    let server = Server::under("$python daemon; sleep 600", "memory");
    let shell = server.shell.id().cast_signed();
    wait_until("its first launcher has ended", || {
        pid_of(shell, "sleep").is_some()
    });
    let restart = server.by_restart("memory", "$python daemon");
    let text = format!(
        "trials = 2\nseed = 4\ncontrols = 0\n[target]\nexternal = {restart}\nready = {{ http = \"/health\" }}\n\
         [load]\nsessions = 5\nrate = 20\n[operation]\nrequest = \"GET /health\"\n"
    );
    let run = run(&text);
    // There is no control.
    if ended_with(&run, 3) {
        assert_eq!(told(&run, "not_recovered").len(), 0, "{}", run.printed());
        let executed = told(&run, "target_executed");
        let again = executed.iter().filter(|event| event["incarnation"] == 1);
        assert_eq!(again.count(), 2, "{executed:?}");
        for exited in told(&run, "target_exited") {
            assert_ne!(exited["cause"], "unasked", "{exited}");
        }
    }
    assert!(server.answers(), "{}", run.printed());
}

/// The run is refused with these words, and the server lives on.
fn assert_refused(server: &Server, external: &str, told: &[&str]) {
    let refused = run(&experiment(external, ""));
    assert_eq!(refused.code(), 2, "{}", refused.printed());
    let printed = unfolded(&refused.printed());
    for words in told {
        assert!(printed.contains(words), "{words}: {printed}");
    }
    assert!(!refused.out().exists(), "{printed}");
    assert!(server.answers());
}

/// The process below this folder with such a program.
fn pid_of(parent: i32, program: &str) -> Option<i32> {
    let listed = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).ok()?;
    let mut pids = listed.split_whitespace().filter_map(|pid| pid.parse().ok());
    pids.find(|pid| {
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        name.trim() == program
    })
}

#[test]
fn a_supervisor_that_holds_the_socket_is_not_killed_in_place_of_its_server() {
    for (command, name) in [
        ("sleep 600", "sleep"),
        ("python3 -c 'import time; time.sleep(600)'", "python3"),
    ] {
        refuse_supervisor_of(command, name);
    }
}

/// A supervisor with its server, which is this command with this name.
fn refuse_supervisor_of(command: &str, name: &str) {
    let server = Server::under(&format!("exec $python lends {command}"), "memory");
    let holder = server.shell.id().cast_signed();
    let mut other = None;
    wait_until("the other program runs", || {
        other = pid_of(holder, name);
        other.is_some()
    });
    let other = other.unwrap();
    let both = [format!("process {holder} ("), format!("process {other} (")];
    let words = [
        both[0].as_str(),
        both[1].as_str(),
        "which run different programs",
        "external.pid_file",
    ];
    assert_refused(&server, &server.by_port(), &words);
    std::fs::write(server.pid_file(), other.to_string()).unwrap();
    let words = [
        both[0].as_str(),
        both[1].as_str(),
        "which started it and keeps the socket open",
    ];
    assert_refused(&server, &server.by_pid_file(), &words);
}

#[test]
fn a_program_that_passes_connections_on_is_refused() {
    let script = "ln $program $folder/socat || cp $program $folder/socat
        exec $folder/socat serve memory --port $port --data $folder/data";
    let server = Server::under(script, "memory");
    let words = ["which passes connections on: the server is another process"];
    assert_refused(&server, &server.by_port(), &words);
}

#[test]
fn a_proxy_is_hit_only_where_it_is_named() {
    let script = "ln $program $folder/haproxy || cp $program $folder/haproxy
        echo $$ >$pid
        exec $folder/haproxy serve memory --port $port --data $folder/data";
    let server = Server::under(script, "memory");
    let words = [
        "a proxy: the server behind it is another process",
        "external.pid_file",
    ];
    assert_refused(&server, &server.by_port(), &words);
    let named = run(&short(&server.by_pid_file()));
    if ended_with(&named, 1) {
        assert_eq!(
            told(&named, "not_recovered").len(),
            1,
            "{}",
            named.printed()
        );
    }
}

/// The supervisor and the restart command each start a server: the first is there, and the second ends it.
#[test]
fn a_restart_command_that_ends_what_a_supervisor_had_started_is_not_the_servers_failure() {
    let script = "while :; do $serve & echo $! >>$folder/pids; echo $! >$pid; wait $!; done";
    let server = Server::under(script, "journal");
    let swap = "until grep -q '\"incarnation\":1' out/journal.jsonl; do sleep 0.05; done
        kill $(cat $pid)
        until [ $(wc -l <${pid}s) -ge 3 ]; do sleep 0.05; done";
    let restart = server.by_restart("journal", swap);
    let run = run(&short(&restart));
    if ended_with(&run, 3) {
        let aborted = told(&run, "trial_aborted");
        let reason = aborted[0]["reason"].as_str().unwrap();
        assert!(
            reason.contains("ended while the restart command")
                && reason.contains("leave external.restart out"),
            "{reason}"
        );
        assert!(told(&run, "not_recovered").is_empty(), "{}", run.printed());
    }
    assert!(server.answers(), "{}", run.printed());
}

#[test]
fn a_crash_after_the_restart_command_is_over_is_told_at_once_and_is_the_servers() {
    let server = Server::under("exec $python alone", "memory");
    let restart = server.by_restart(
        "memory",
        "setsid sh -c \"sleep 0.3; exec $python dies ${pid}flag\" >/dev/null 2>&1 &",
    );
    let text = experiment(&restart, "[windows]\nhorizon = \"8s\"")
        .replace("trials = 2", "trials = 1")
        .replace("ready = ", "restart = { attempts = 3 }\nready = ");
    let run = run(&text);
    // The server kept its sessions in memory.
    if ended_with(&run, 1) {
        assert!(told(&run, "trial_aborted").is_empty(), "{}", run.printed());
        assert!(told(&run, "not_recovered").is_empty(), "{}", run.printed());
        let exited = told(&run, "target_exited");
        let crashed = exited.iter().find(|event| event["incarnation"] == 1);
        assert_eq!(crashed.unwrap()["cause"], "unasked", "{exited:?}");
    }
}

#[test]
fn another_program_that_takes_the_port_is_neither_the_server_nor_killed() {
    let server = Server::under("$serve", "journal");
    let folder = tempfile::tempdir().unwrap();
    let text = experiment(&server.by_port(), &format!("controls = 0\n{SHORT}"));
    let harness = begin(folder.path(), &text)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_until("the server is killed", || {
        TcpStream::connect(("127.0.0.1", server.port)).is_err()
    });
    let mut another = Command::new("python3")
        .args(["-m", "http.server", "--bind", "127.0.0.1"])
        .arg(server.port.to_string())
        .current_dir(server.folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let output = harness.wait_with_output().unwrap();
    let is_alive = another.try_wait().unwrap().is_none();
    another.kill().unwrap();
    another.wait().unwrap();
    let run = Run { folder, output };
    assert!(is_alive, "{}", run.printed());
    if ended_with(&run, 1) {
        let journal = format!("{:?}", run.events());
        assert!(
            journal.contains(&format!("process {} ", another.id()))
                || journal.contains(&format!("process {},", another.id())),
            "{journal}"
        );
    }
}

#[test]
fn a_server_that_dies_before_the_fault_is_started_for_the_next_trial() {
    let server = Server::under("exec $serve", "journal");
    let restart = server.by_restart("journal", "setsid $serve >/dev/null 2>&1 & echo $! >$pid");
    let folder = tempfile::tempdir().unwrap();
    let mut command = begin(folder.path(), &experiment(&restart, "controls = 0"));
    let harness = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let journal = folder.path().join("out/journal.jsonl");
    wait_until("the load has begun", || {
        let text = std::fs::read_to_string(&journal).unwrap_or_default();
        text.contains("\"phase\":\"warm_up\"")
    });
    kill(
        Pid::from_raw(server.shell.id().cast_signed()),
        Signal::SIGKILL,
    )
    .unwrap();
    let output = harness.wait_with_output().unwrap();
    let run = Run { folder, output };
    // Its end is its own, so that the trial does not count; the next one has a server all the same.
    if ended_with(&run, 3) {
        assert_eq!(
            told(&run, "target_start_failed").len(),
            0,
            "{}",
            run.printed()
        );
        assert!(
            !told(&run, "fault_confirmed").is_empty(),
            "{}",
            run.printed()
        );
    }
    assert!(server.answers(), "{}", run.printed());
}

/// A `systemctl` that knows one unit: its main process is the one of the pid file, and its policy this one.
fn systemctl(server: &Server, policy: &str) -> String {
    let folder = server.folder.path().join("bin");
    std::fs::create_dir_all(&folder).unwrap();
    let script = format!(
        "#!/bin/sh\n[ \"$1 $2 $4 $5 $6\" = 'show -p --value -- shop.service' ] || exit 1\n\
         case $3 in MainPID) cat {} ;; Restart) echo {policy} ;; *) exit 1 ;; esac\n",
        server.pid_file().display()
    );
    let program = folder.join("systemctl");
    std::fs::write(&program, script).unwrap();
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&program, executable).unwrap();
    format!("{}:{}", folder.display(), std::env::var("PATH").unwrap())
}

/// A run with this `PATH`.
fn run_with(path: &str, text: &str) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let output = begin(folder.path(), text).env("PATH", path).output();
    Run {
        output: output.unwrap(),
        folder,
    }
}

#[test]
fn the_main_process_of_a_systemd_unit_is_killed_and_started_again_by_the_units_policy() {
    let server = Server::supervised("memory");
    let unit = format!(
        "{{ systemd_unit = \"shop.service\", port = {} }}",
        server.port
    );
    let path = systemctl(&server, "always");
    let run = run_with(&path, &experiment(&unit, ""));
    if ended_with(&run, 1) {
        assert_replaced(&run);
        assert!(run.summary().arms[0].sessions.lost > 0, "{}", run.printed());
    }
    assert!(server.answers(), "{}", run.printed());
}

#[test]
fn a_unit_that_nothing_starts_again_or_that_is_another_process_is_refused() {
    let server = Server::supervised("memory");
    let refused = |unit: &str, policy: &str, told: &str| {
        let unit = format!("{{ systemd_unit = \"{unit}\", port = {} }}", server.port);
        let run = run_with(&systemctl(&server, policy), &experiment(&unit, ""));
        assert_eq!(run.code(), 2, "{}", run.printed());
        assert!(run.printed().contains(told), "{told}: {}", run.printed());
        assert!(!run.out().exists());
    };
    refused(
        "shop.service",
        "no",
        "(Restart=no): add restart = [\"systemctl\", \"restart\", \"shop.service\"]",
    );
    refused(
        "other.service",
        "always",
        "`systemctl show -p MainPID other.service`: it failed",
    );
    let own = std::process::id();
    let pid = server.pid();
    std::fs::write(server.pid_file(), own.to_string()).unwrap();
    refused(
        "shop.service",
        "always",
        &format!("is held by process {pid} "),
    );
    std::fs::write(server.pid_file(), "0").unwrap();
    refused(
        "shop.service",
        "always",
        "knows no main process of the unit shop.service",
    );
    assert!(server.answers());
}

#[test]
fn a_server_that_is_not_started_again_after_such_a_fault_is_refused() {
    let server = Server::supervised("memory");
    let refused = |external: &str, policy: &str, rest: &str, told: &str| {
        let external = format!("{{ {external}, port = {} }}", server.port);
        let path = systemctl(&server, policy);
        let run = run_with(&path, &experiment(&external, rest));
        assert_eq!(run.code(), 2, "{}", run.printed());
        assert!(run.printed().contains(told), "{told}: {}", run.printed());
        assert!(!run.out().exists());
    };
    let unit = "systemd_unit = \"shop.service\"";
    let terminate = "[fault]\nkind = \"terminate\"";
    refused(unit, "on-success", "", "(Restart=on-success)");
    refused(unit, "on-failure", terminate, "(Restart=on-failure)");
    let stop = "kill = [\"systemctl\", \"stop\", \"shop.service\"]";
    let mend = "restart = [\"systemctl\", \"start\", \"shop.service\"]";
    refused(stop, "always", "", mend);
    assert!(server.answers());
}

/// The command asks the server to stop, which it does with the status 0: what it was sent is the command's own affair.
#[test]
fn a_command_ends_the_server_in_place_of_a_signal_and_t0_is_the_end_of_its_process() {
    let server = Server::supervised("journal");
    let script = server.folder.path().join("end.sh");
    let text = format!("kill -TERM $(cat {})\n", server.pid_file().display());
    std::fs::write(&script, text).unwrap();
    let external = format!(
        "{{ port = {}, kill = [\"sh\", \"{}\"] }}",
        server.port,
        script.display()
    );
    // A write is seldom under way when the server ends, and then nobody can tell whether one would have been lost.
    let run = run(&experiment(&external, ""));
    if run.code() == 0 || ended_with(&run, 3) {
        let confirmed = told(&run, "fault_confirmed");
        assert!(confirmed.len() >= 2, "{}", run.printed());
        for one in &confirmed {
            let evidence = one["evidence"].as_str().unwrap();
            assert!(
                evidence.contains("ended after the kill command was begun"),
                "{evidence}"
            );
        }
        for exited in told(&run, "target_exited") {
            assert_eq!(exited["exit"], "after_command", "{exited}");
        }
        // The command takes its time, and none of that is after T0.
        let moment = |kind: &str| {
            let events = run.events().into_iter();
            let of_kind = events.filter(|event| event["kind"]["type"] == kind);
            of_kind
                .map(|event| event["at_us"].as_u64().unwrap())
                .collect::<Vec<_>>()
        };
        let (sent, gone) = (moment("fault_requested"), moment("target_exited"));
        assert!(
            !sent.is_empty() && sent.len() == gone.len(),
            "{sent:?} {gone:?}"
        );
        assert!(
            sent.iter().zip(&gone).all(|(sent, gone)| sent < gone),
            "{sent:?} {gone:?}"
        );
    }
    assert!(server.answers(), "{}", run.printed());
}

#[test]
fn a_command_that_ends_nothing_is_no_fault() {
    let server = Server::supervised("journal");
    let external = format!("{{ port = {}, kill = [\"true\"] }}", server.port);
    let fault = "controls = 0\n[fault]\nlands_within = \"300ms\"";
    let run =
        run(&experiment(&external, fault).replace("trials = 2", "trials = 1\nreplacements = 0"));
    if ended_with(&run, 3) {
        let said = run.printed();
        assert!(
            said.contains("was still running 300ms after the kill command"),
            "{said}"
        );
    }
    assert!(server.answers(), "{}", run.printed());
}

/// The same server under runit itself, in a folder of its own.
#[test]
fn a_server_under_runit_is_killed_and_runit_starts_it_again() {
    if !support::has("runit", &["sh", "-c", "command -v runsv"]) {
        return;
    }
    let script = "mkdir $folder/shop
        printf '#!/bin/sh\\nexec %s\\n' \"$serve\" >$folder/shop/run
        chmod +x $folder/shop/run
        exec runsv $folder/shop";
    let server = Server::under(script, "journal");
    let pid = server.folder.path().join("shop/supervise/pid");
    let external = format!(
        "{{ pid_file = \"{}\", address = \"127.0.0.1:{}\" }}",
        pid.display(),
        server.port
    );
    let run = run(&experiment(&external, ""));
    if ended_with(&run, 0) {
        assert_replaced(&run);
    }
    assert!(server.answers(), "{}", run.printed());
}

/// The same server under supervisord, as its configuration has it: the port names the process, since there is no file with its id.
#[test]
fn a_server_under_supervisord_is_killed_and_supervisord_starts_it_again() {
    if !support::has("supervisor", &["sh", "-c", "command -v supervisord"]) {
        return;
    }
    let script = "printf '%s\\n' '[supervisord]' nodaemon=true logfile=/dev/null logfile_maxbytes=0 \\
        \"pidfile=$folder/supervisord.pid\" \"childlogdir=$folder\" \\
        '[program:shop]' \"command=$serve\" autorestart=true startsecs=0 stdout_logfile=NONE stderr_logfile=NONE \\
        >$folder/supervisord.conf
        exec supervisord -c $folder/supervisord.conf";
    let server = Server::under(script, "journal");
    let run = run(&experiment(&server.by_port(), ""));
    if ended_with(&run, 0) {
        assert_replaced(&run);
    }
    assert!(server.answers(), "{}", run.printed());
}
