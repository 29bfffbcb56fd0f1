//! Servers on another machine: in a network of their own, which ends with the test, however that does.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

use super::support::{self, CONTRACT_SESSION, Run, ended_with, is_there_or_skipped, unfolded};
use super::{assert_kept_all, told, wait_until};

/// Another machine: its first process ends when the test does, as its input is over then. The kernel ends all others with that, and
/// removes the network when nobody is in it.
struct Machine {
    first: Child,
    pid: u32,
    address: String,
    /// The same machine's.
    address_v6: String,
    port: u16,
    folder: tempfile::TempDir,
}

static MACHINES: AtomicU32 = AtomicU32::new(0);

fn is_done(program: &str, words: &[&str]) -> bool {
    let output = Command::new(program).args(words).output();
    output.is_ok_and(|output| output.status.success())
}

impl Machine {
    /// None where this user may not make one.
    fn new() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut first = Command::new("unshare")
            .args(["--net", "--pid", "--fork", "--kill-child", "sh", "-c"])
            .arg("echo up; read -r _")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut up = String::new();
        let said = first.stdout.take().unwrap();
        BufReader::new(said).read_line(&mut up).unwrap();
        let number = MACHINES.fetch_add(1, Ordering::SeqCst);
        let outer = std::process::id();
        let net = format!("10.{}.{}", 64 + outer / 256 % 128, outer % 256);
        let (here, there) = (number * 4 + 1, number * 4 + 2);
        let children = format!("/proc/{0}/task/{0}/children", first.id());
        let child = std::fs::read_to_string(children).unwrap_or_default();
        let mut machine = Self {
            pid: child.trim().parse().unwrap_or(0),
            first,
            address: format!("{net}.{there}"),
            address_v6: format!("fd00:{:x}:{number:x}::2", outer % 65_536),
            port: 8_080,
            folder,
        };
        let link = format!("cb{outer}x{number}");
        let is_made = machine.pid > 0
            && is_done(
                "ip",
                &[
                    "link",
                    "add",
                    &link,
                    "type",
                    "veth",
                    "peer",
                    "name",
                    "eth0",
                    "netns",
                    &machine.pid.to_string(),
                ],
            )
            && is_done(
                "ip",
                &["addr", "add", &format!("{net}.{here}/30"), "dev", &link],
            )
            && is_done("ip", &["link", "set", &link, "up"])
            && machine.does(&format!(
                "ip link set lo up; ip addr add {net}.{there}/30 dev eth0; ip link set eth0 up"
            ));
        let what = "the right to make a network of one's own";
        if !is_there_or_skipped(what, is_made) {
            machine.end();
            return None;
        }
        let net = machine.address_v6.trim_end_matches('2').to_owned();
        // Where there is no IPv6, its test says so.
        is_done(
            "ip",
            &["addr", "add", &format!("{net}1/126"), "dev", &link, "nodad"],
        );
        machine.does(&format!("ip addr add {net}2/126 dev eth0 nodad"));
        for (name, text) in [
            ("server.py", include_str!("server.py")),
            ("proxy.py", include_str!("proxy.py")),
        ] {
            std::fs::write(machine.path(name), text).unwrap();
        }
        Some(machine)
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// The words that do something there.
    fn words(&self, script: &str) -> Vec<String> {
        let pid = self.pid.to_string();
        let words = ["nsenter", "-t", &pid, "-n", "-p", "sh", "-c", script];
        words.map(str::to_owned).to_vec()
    }

    fn does(&self, script: &str) -> bool {
        let words = self.words(script);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        is_done(words[0], &words[1..])
    }

    /// A script that starts the server there, as `external.restart` names it.
    fn start(&self, address: &str, port: u16, kept: &str, idle: &str) -> String {
        let (server, pid) = (self.path("server.py"), self.path("pid"));
        format!(
            "setsid python3 {server} {address} {port} {kept} {idle} </dev/null >>{}.log 2>&1 & echo $! >{pid}",
            self.path("server")
        )
    }

    fn kill(&self) -> String {
        format!("kill -9 $(cat {})", self.path("pid"))
    }

    /// Starts it, and waits until it accepts connections.
    fn begin(&self, start: &str) {
        assert!(self.does(start));
        wait_until("the server answers", || {
            std::net::TcpStream::connect((self.address.as_str(), self.port)).is_ok()
        });
    }

    fn end(&mut self) {
        let _ = self.first.kill();
        let _ = self.first.wait();
    }

    fn external(&self, kill: &str, restart: &str) -> String {
        let quoted = |script: &str| {
            let words = self.words(script);
            serde_json::to_string(&words).unwrap()
        };
        let address = match self.address.contains(':') {
            true => format!("[{}]", self.address),
            false => self.address.clone(),
        };
        format!(
            "{{ address = \"{address}:{}\", kill = {}, restart = {} }}",
            self.port,
            quoted(kill),
            quoted(restart)
        )
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.end();
    }
}

fn experiment(external: &str, rest: &str) -> String {
    let mut text = format!("trials = 2\ncontrols = 1\nseed = 4\n{rest}\n");
    write!(
        text,
        "[target]\nexternal = {external}\nready = {{ http = \"/health\" }}\n[load]\nsessions = 5\nrate = 20\n{CONTRACT_SESSION}\n"
    )
    .unwrap();
    text
}

fn run_with(text: &str, flags: &[&str]) -> Run {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("external.toml"), text).unwrap();
    let mut words = vec!["run", "external.toml", "--out", "out"];
    words.extend(flags);
    let output: Output = support::command(folder.path(), &words).output().unwrap();
    Run { folder, output }
}

fn run(text: &str) -> Run {
    run_with(text, &["--allow-remote"])
}

/// Each end was seen from outside, and told with what it left open.
fn assert_seen_from_outside(run: &Run) {
    let confirmed = told(run, "fault_confirmed");
    assert_eq!(confirmed.len(), 2, "{}", run.printed());
    let times: Vec<Value> = run
        .events()
        .into_iter()
        .filter(|event| event["kind"]["type"] == "fault_confirmed")
        .collect();
    for event in times {
        let kind = &event["kind"];
        let evidence = kind["evidence"].as_str().unwrap();
        assert!(evidence.contains("a new one was refused"), "{evidence}");
        assert!(
            kind["alive_us"].as_u64() <= event["at_us"].as_u64(),
            "{event}"
        );
    }
    let returned = told(run, "first_correct");
    assert!(
        returned.iter().all(|one| one["evidence"] == "after_end"),
        "{returned:?}"
    );
    let executed = told(run, "target_executed");
    assert!(executed.iter().all(|one| one["pid"] == 0), "{executed:?}");
}

fn journal(machine: &Machine) -> String {
    machine.start(
        &machine.address,
        machine.port,
        &machine.path("journal"),
        "60",
    )
}

#[test]
fn what_a_server_on_another_machine_keeps_in_memory_is_lost_with_its_end() {
    let Some(machine) = Machine::new() else {
        return;
    };
    let start = machine.start(&machine.address, machine.port, "memory", "60");
    machine.begin(&start);
    let run = run(&experiment(&machine.external(&machine.kill(), &start), ""));
    if ended_with(&run, 1) {
        assert_seen_from_outside(&run);
        assert!(run.summary().arms[0].sessions.lost > 0, "{}", run.printed());
    }
}

#[test]
fn what_a_server_on_another_machine_writes_down_outlives_its_end() {
    let Some(machine) = Machine::new() else {
        return;
    };
    let start = journal(&machine);
    machine.begin(&start);
    let run = run(&experiment(&machine.external(&machine.kill(), &start), ""));
    if ended_with(&run, 0) {
        assert_seen_from_outside(&run);
        assert_kept_all(&run);
    }
}

#[test]
fn a_kill_command_that_kills_nothing_leaves_it_open_what_the_server_keeps() {
    let Some(machine) = Machine::new() else {
        return;
    };
    let start = machine.start(&machine.address, machine.port, "memory", "60");
    machine.begin(&start);
    let run = run(&experiment(&machine.external("true", &start), ""));
    assert_eq!(run.code(), 3, "{}", run.printed());
    let missed = told(&run, "fault_missed");
    let reason = missed[0]["reason"].as_str().unwrap();
    assert!(
        reason.contains("the end of the server was not seen within"),
        "{reason}"
    );
    assert!(reason.contains("the command ended nothing"), "{reason}");
    assert!(told(&run, "fault_confirmed").is_empty());
}

#[test]
fn a_command_that_only_closes_the_connections_of_the_server_shows_nothing() {
    let Some(machine) = Machine::new() else {
        return;
    };
    let start = machine.start(&machine.address, machine.port, "memory", "60");
    machine.begin(&start);
    let drops = machine.kill().replace("-9", "-USR1");
    let run = run(&experiment(&machine.external(&drops, &start), ""));
    assert_eq!(run.code(), 3, "{}", run.printed());
    let missed = told(&run, "fault_missed");
    let reason = missed[0]["reason"].as_str().unwrap();
    assert!(
        reason.contains("closed together, but the next one was accepted"),
        "{reason}"
    );
}

#[test]
fn a_server_on_another_machine_may_have_an_address_of_ipv6() {
    let Some(mut machine) = Machine::new() else {
        return;
    };
    machine.address = machine.address_v6.clone();
    if !is_there_or_skipped("IPv6", std::net::UdpSocket::bind("[::1]:0").is_ok()) {
        return;
    }
    let start = journal(&machine);
    machine.begin(&start);
    let run = run(&experiment(&machine.external(&machine.kill(), &start), ""));
    if ended_with(&run, 0) {
        assert_seen_from_outside(&run);
    }
}

#[test]
fn without_the_flag_nothing_reaches_another_machine() {
    let Some(machine) = Machine::new() else {
        return;
    };
    let start = journal(&machine);
    machine.begin(&start);
    let killed = machine.path("killed");
    let external = machine.external(&format!("touch {killed}"), &start);
    let refused = run_with(&experiment(&external, ""), &[]);
    assert_eq!(refused.code(), 2, "{}", refused.printed());
    let printed = unfolded(&refused.printed());
    for word in [
        machine.address.as_str(),
        "machine of others",
        "add --allow-remote",
    ] {
        assert!(printed.contains(word), "{printed}");
    }
    assert!(
        !refused.out().exists() && !Path::new(&killed).exists(),
        "{printed}"
    );
}

#[test]
fn a_proxy_that_keeps_connections_open_hides_the_end() {
    let Some(machine) = Machine::new() else {
        return;
    };
    let start = machine.start("127.0.0.1", 9_090, "memory", "60");
    assert!(machine.does(&start));
    machine.begin(&format!(
        "setsid python3 {} {} {} 9090 </dev/null >/dev/null 2>&1 &",
        machine.path("proxy.py"),
        machine.address,
        machine.port
    ));
    let run = run(&experiment(&machine.external(&machine.kill(), &start), ""));
    assert_ne!(run.code(), 0, "{}", run.printed());
    assert!(
        told(&run, "fault_confirmed").is_empty(),
        "{}",
        run.printed()
    );
}

#[test]
fn a_server_that_closes_idle_connections_is_not_taken_for_ended() {
    let Some(machine) = Machine::new() else {
        return;
    };
    let start = machine.start(
        &machine.address,
        machine.port,
        &machine.path("journal"),
        "0.2",
    );
    machine.begin(&start);
    let nothing = run(&experiment(&machine.external("true", &start), ""));
    assert_eq!(nothing.code(), 3, "{}", nothing.printed());
    assert!(told(&nothing, "fault_confirmed").is_empty());
    assert!(
        told(&nothing, "target_exited").is_empty(),
        "{}",
        nothing.printed()
    );
    let run = run(&experiment(&machine.external(&machine.kill(), &start), ""));
    if ended_with(&run, 0) {
        assert_seen_from_outside(&run);
    }
}

#[test]
fn a_server_on_another_machine_that_ends_by_itself_in_a_control_is_noticed() {
    let Some(machine) = Machine::new() else {
        return;
    };
    let start = machine.start(&machine.address, machine.port, "memory", "60");
    machine.begin(&start);
    let text = experiment(&machine.external(&machine.kill(), &start), "");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("external.toml"), text).unwrap();
    let words = ["run", "external.toml", "--out", "out", "--allow-remote"];
    let running = support::command(folder.path(), &words)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let journal = folder.path().join("out/journal.jsonl");
    wait_until("a control trial settles", || {
        let text = std::fs::read_to_string(&journal).unwrap_or_default();
        let control = text.rsplit_once("\"control\":true");
        control.is_some_and(|(_, since)| since.contains("\"settle\""))
    });
    assert!(machine.does(&machine.kill()));
    let output = running.wait_with_output().unwrap();
    let run = Run { folder, output };
    assert_ne!(run.code(), 0, "{}", run.printed());
    let exits = told(&run, "target_exited");
    let unasked = exits.iter().filter(|exit| exit["cause"] == "unasked");
    assert_eq!(unasked.count(), 1, "{exits:?}");
    // The next trial finds it down, and has it started again.
    assert!(
        !told(&run, "fault_confirmed").is_empty(),
        "{}",
        run.printed()
    );
}
