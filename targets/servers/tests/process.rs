//! Servers as processes of their own: signals, kills, exits.
//!
//! The process is this test program itself, which serves where the environment tells it to.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::env;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use comeback_servers::{ServeOptions, find, serve};
use comeback_supervise::ports::free_port;
use rustix::process::{Pid, Signal, kill_process};
use support::{Client, wait_until};

const TARGET: &str = "COMEBACK_TEST_TARGET";
const PORT: &str = "COMEBACK_TEST_PORT";
const DATA: &str = "COMEBACK_TEST_DATA";

#[test]
#[ignore = "not a test: the server process of the tests below"]
fn serves_as_a_process() {
    let (Ok(name), Ok(port), Some(data)) = (env::var(TARGET), env::var(PORT), env::var_os(DATA))
    else {
        return;
    };
    let options = ServeOptions {
        port: port.parse().unwrap(),
        data: data.into(),
        store: None,
        store_within: comeback_servers::STORE_WITHIN,
    };
    serve(find(&name).unwrap(), &options).unwrap();
}

struct Process {
    address: SocketAddr,
    child: Option<Child>,
}

impl Process {
    fn start(name: &str, address: SocketAddr, data: &Path) -> Self {
        let child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "serves_as_a_process", "--ignored", "--nocapture"])
            .env(TARGET, name)
            .env(PORT, address.port().to_string())
            .env(DATA, data)
            .stdout(Stdio::null())
            .stderr(if name == "chatty" {
                Stdio::null()
            } else {
                Stdio::piped()
            })
            .spawn()
            .unwrap();
        Self {
            address,
            child: Some(child),
        }
    }

    fn start_ready(name: &str, address: SocketAddr, data: &Path) -> Self {
        let process = Self::start(name, address, data);
        wait_until("listening", || process.is_listening());
        process
    }

    fn is_listening(&self) -> bool {
        TcpStream::connect(self.address).is_ok()
    }

    fn client(&self) -> Client {
        Client::connect(self.address)
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(self.child.as_ref().unwrap()), signal).unwrap();
    }

    fn wait(mut self) -> Output {
        self.child.take().unwrap().wait_with_output().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn free_address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], free_port().unwrap()))
}

#[test]
fn both_polite_signals_end_a_server_well() {
    let data = tempfile::tempdir().unwrap();
    for name in [
        "token", "memory", "buffered", "journal", "sqlite", "trivial", "dns", "ftp", "telnet",
    ] {
        for signal in [Signal::TERM, Signal::INT] {
            let process = Process::start_ready(name, free_address(), &data.path().join(name));
            process.signal(signal);
            assert!(process.wait().status.success(), "{name}");
        }
    }
}

#[test]
fn what_a_durable_server_acknowledged_survives_a_kill() {
    for name in ["journal", "sqlite", "token", "zombie"] {
        let data = tempfile::tempdir().unwrap();
        let address = free_address();
        let mut acknowledged = 0;
        let mut cookie = None;
        for round in 0..5 {
            let process = Process::start_ready(name, address, data.path());
            let mut client = process.client();
            client.cookie = cookie;
            if round == 0 {
                client.login("u17");
            }
            for _ in 0..10 {
                acknowledged += 1;
                assert_eq!(
                    client.visit().session(),
                    (200, "u17", acknowledged),
                    "{name}"
                );
            }
            cookie = client.cookie.clone();
            process.signal(Signal::KILL);
            assert!(!process.wait().status.success());
        }
    }
}

#[test]
fn what_is_in_flight_at_a_kill_is_kept_once_or_not_at_all() {
    for name in ["journal", "sqlite"] {
        let data = tempfile::tempdir().unwrap();
        let address = free_address();
        let process = Process::start_ready(name, address, data.path());
        let mut clients: Vec<Client> = (0..20).map(|_| process.client()).collect();
        for client in &mut clients {
            client.login("u17");
            client.visit();
            client.write("POST", "/visit", "");
        }
        process.signal(Signal::KILL);
        process.wait();
        let process = Process::start_ready(name, address, data.path());
        for client in clients {
            let visits = client.moved_to(address).me().session().2;
            assert!((1..=2).contains(&visits), "{name}: {visits} visits");
        }
        drop(process);
    }
}

#[test]
fn buffered_keeps_what_is_older_than_its_interval() {
    let data = tempfile::tempdir().unwrap();
    let address = free_address();
    let process = Process::start_ready("buffered", address, data.path());
    let mut client = process.client();
    client.login("u17");
    client.visit();
    let file = data.path().join("sessions.json");
    wait_until("the flush", || {
        std::fs::read_to_string(&file).is_ok_and(|text| text.contains(r#""visits":1"#))
    });
    process.signal(Signal::KILL);
    process.wait();
    let process = Process::start_ready("buffered", address, data.path());
    assert_eq!(client.moved_to(address).me().session(), (200, "u17", 1));
    drop(process);
}

#[test]
fn a_taken_port_and_a_taken_folder_are_told_apart() {
    let data = tempfile::tempdir().unwrap();
    let address = free_address();
    let process = Process::start_ready("journal", address, data.path());
    let second = Process::start("journal", free_address(), data.path()).wait();
    assert!(!second.status.success());
    assert!(String::from_utf8_lossy(&second.stderr).contains("InUse { path"));
    let other = tempfile::tempdir().unwrap();
    let second = Process::start("memory", address, other.path()).wait();
    assert!(!second.status.success());
    assert!(String::from_utf8_lossy(&second.stderr).contains("AddrInUse"));
    drop(process);
}

#[test]
fn ignores_term_is_ended_by_nothing_but_a_kill() {
    let data = tempfile::tempdir().unwrap();
    let process = Process::start_ready("ignores-term", free_address(), data.path());
    let mut client = process.client();
    for signal in [Signal::TERM, Signal::INT] {
        process.signal(signal);
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(client.health().status, 200);
    }
    assert!(process.is_listening());
    process.signal(Signal::KILL);
    assert!(!process.wait().status.success());
}

#[test]
fn dying_targets_say_forty_lines_and_fail() {
    let data = tempfile::tempdir().unwrap();
    let died = Process::start("dies-at-start", free_address(), data.path()).wait();
    assert!(!died.status.success());
    let said = String::from_utf8_lossy(&died.stderr).into_owned();
    assert!(
        said.contains("line 1 of 40") && said.contains("line 40 of 40"),
        "{said}"
    );

    let process = Process::start_ready("dies-at-restart", free_address(), data.path());
    assert_eq!(process.client().login("u17").status, 200);
    process.signal(Signal::KILL);
    process.wait();
    let died = Process::start("dies-at-restart", free_address(), data.path()).wait();
    assert!(!died.status.success());
    assert!(String::from_utf8_lossy(&died.stderr).contains("line 40 of 40"));
}

#[test]
fn never_back_comes_up_once_and_can_still_be_told_to_go() {
    let data = tempfile::tempdir().unwrap();
    let process = Process::start_ready("never-back", free_address(), data.path());
    assert_eq!(process.client().login("u17").status, 200);
    process.signal(Signal::KILL);
    process.wait();
    let process = Process::start("never-back", free_address(), data.path());
    std::thread::sleep(Duration::from_millis(100));
    assert!(!process.is_listening());
    process.signal(Signal::TERM);
    assert!(!process.wait().status.success());
}

#[test]
fn pid_file_starts_again_after_a_stop_and_not_after_a_kill() {
    let data = tempfile::tempdir().unwrap();
    let first = Process::start_ready("pid-file", free_address(), data.path());
    let mut client = first.client();
    assert_eq!(client.login("u17").status, 200);
    first.signal(Signal::TERM);
    assert!(first.wait().status.success());

    let address = free_address();
    let second = Process::start_ready("pid-file", address, data.path());
    assert_eq!(client.moved_to(address).me().session(), (200, "u17", 0));
    second.signal(Signal::KILL);
    second.wait();
    let third = Process::start("pid-file", free_address(), data.path()).wait();
    assert!(!third.status.success());
    assert!(String::from_utf8_lossy(&third.stderr).contains("server.pid"));
}

#[test]
fn chatty_serves_on_while_it_prints() {
    let data = tempfile::tempdir().unwrap();
    let process = Process::start_ready("chatty", free_address(), data.path());
    let mut client = process.client();
    assert_eq!(client.login("u17").status, 200);
    assert_eq!(client.visit().session(), (200, "u17", 1));
    process.signal(Signal::TERM);
    assert!(process.wait().status.success());
}
