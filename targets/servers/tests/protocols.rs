//! Servers of other protocols, as their ordinary clients find them.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::print_stderr, reason = "a test says when it is skipped")]

#[path = "support/clients.rs"]
mod clients;
mod support;

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use clients::{Control, Terminal};
use comeback_servers::protocols::{PASSWORD, dns, ftp, telnet};
use support::{Server, wait_until};

/// Longer than any answer takes.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Whether a client is installed; a test ends with a reason where it is not. CI has everything.
fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_here = std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    let why = format!("skipped: {program} is not installed (`cargo xtask install` installs it)");
    assert!(is_here || std::env::var_os("CI").is_none(), "{why}");
    if !is_here {
        eprintln!("{why}");
    }
    is_here
}

fn run(program: &str, words: &[&str]) -> Output {
    Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn datagrams_come_back_as_they_were() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start("udp-echo", data.path());
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client
        .set_read_timeout(Some(Duration::from_millis(50)))
        .unwrap();
    client.connect(server.address).unwrap();
    let mut buffer = [0; 2_000];
    // It is bound by a thread, and may not be yet.
    wait_until("an echo", || {
        let _ = client.send(b"there?");
        client
            .recv(&mut buffer)
            .is_ok_and(|length| &buffer[..length] == b"there?")
    });
    client.set_read_timeout(Some(ANSWER_MAX)).unwrap();
    for datagram in [&b"one"[..], b"", &[0xff; 1_400]] {
        // Late echoes of the question above may come first.
        client.send(datagram).unwrap();
        let length = loop {
            let length = client.recv(&mut buffer).unwrap();
            if &buffer[..length] != b"there?" {
                break length;
            }
        };
        assert_eq!(&buffer[..length], datagram);
    }
    server.drain();
    client.send(b"gone?").unwrap();
    assert!(client.recv(&mut buffer).is_err());
}

#[test]
fn dig_finds_the_zone_over_udp_and_over_tcp() {
    if !has("dig") {
        return;
    }
    let data = tempfile::tempdir().unwrap();
    let server = Server::start("dns", data.path());
    // Its UDP socket is bound by a thread, and may not be yet.
    let probe = UdpSocket::bind("127.0.0.1:0").unwrap();
    probe.connect(server.address).unwrap();
    probe
        .set_read_timeout(Some(Duration::from_millis(20)))
        .unwrap();
    wait_until("its socket", || {
        let is_refused = |error: std::io::Error| error.kind() == ErrorKind::ConnectionRefused;
        probe.send(b"?").is_ok() && !probe.recv(&mut [0; 512]).is_err_and(is_refused)
    });
    let port = server.address.port().to_string();
    let dig = |words: &[&str]| {
        let asked = ["@127.0.0.1", "-p", &port, "+tries=1", "+timeout=5"];
        printed(&run("dig", &[&asked[..], words].concat()))
    };
    for transport in ["+notcp", "+tcp"] {
        for host in [1, dns::HOSTS] {
            let name = format!("host-{host}.{}", dns::ZONE);
            let found = dig(&[transport, "+short", &name]);
            assert_eq!(
                found.trim(),
                dns::address_of(host).to_string(),
                "{transport}"
            );
        }
        let found = dig(&[transport, "+short", dns::ZONE, "TXT"]);
        assert_eq!(found.trim(), format!("\"{}\"", dns::TEXT));
    }
    let found = dig(&["host-1.example.test."]);
    assert!(found.contains("flags: qr aa"), "{found}");
    assert!(dig(&["nobody.example.test."]).contains("NXDOMAIN"));
    assert!(dig(&["example.org."]).contains("REFUSED"));
    server.drain();
}

#[test]
fn curl_stores_and_fetches_files_and_goes_on_where_it_stopped() {
    if !has("curl") {
        return;
    }
    let data = tempfile::tempdir().unwrap();
    fs::create_dir(data.path().join("inbox")).unwrap();
    let server = Server::start("ftp", data.path());
    let (near, far) = (data.path().join("near"), data.path().join("inbox/far"));
    let content: Vec<u8> = (0..100_000_u32).map(|byte| (byte % 251) as u8).collect();
    fs::write(&near, &content).unwrap();
    let url = format!("ftp://{}/inbox/far", server.address);
    let user = format!("ann:{PASSWORD}");
    let curl = |words: &[&str]| {
        let common = [
            "--silent",
            "--show-error",
            "--max-time",
            "10",
            "--user",
            &user,
        ];
        run("curl", &[&common[..], words].concat())
    };
    printed(&curl(&["--upload-file", near.to_str().unwrap(), &url]));
    assert_eq!(fs::read(&far).unwrap(), content);
    let fetched = curl(&[&url]);
    assert_eq!(fetched.stdout, content);
    let rest = curl(&["--continue-at", "60000", &url]);
    assert_eq!(rest.stdout, content[60_000..]);

    // What is there of an upload stays, and the rest follows.
    fs::write(&far, &content[..30_000]).unwrap();
    printed(&curl(&[
        "--continue-at",
        "-",
        "--upload-file",
        near.to_str().unwrap(),
        &url,
    ]));
    assert_eq!(fs::read(&far).unwrap(), content);

    let refused = run(
        "curl",
        &["--silent", "--max-time", "10", "--user", "ann:wrong", &url],
    );
    // 67: the server does not let the user in.
    assert_eq!(refused.status.code(), Some(67), "{refused:?}");
    server.drain();
}

#[test]
fn lftp_mirrors_a_folder() {
    if !has("lftp") {
        return;
    }
    let data = tempfile::tempdir().unwrap();
    let (served, fetched) = (data.path().join("served"), data.path().join("fetched"));
    fs::create_dir_all(served.join("deep/er")).unwrap();
    fs::write(served.join("deep/er/file"), "content").unwrap();
    let server = Server::start("ftp", &served);
    let script = format!(
        "set cmd:fail-exit true; set net:timeout 5; set net:max-retries 1; set ftp:ssl-allow false; \
         open -u ann,{PASSWORD} ftp://{}; mirror deep {}; cd deep; mkdir new; pwd",
        server.address,
        fetched.display()
    );
    // Its own settings and history stay out of it.
    let output = Command::new("lftp")
        .args(["--norc", "-c", &script])
        .env("HOME", data.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(printed(&output).contains("/deep"), "{output:?}");
    let found = fs::read_to_string(fetched.join("er/file")).unwrap();
    assert_eq!(found, "content");
    assert!(served.join("deep/new").is_dir());
    server.drain();
}

#[test]
fn telnet_logs_in_counts_and_leaves() {
    if !has("telnet") {
        return;
    }
    let data = tempfile::tempdir().unwrap();
    let server = Server::start("telnet", data.path());
    wait_until("listening", || TcpStream::connect(server.address).is_ok());
    let mut terminal = Terminal::open(server.address);
    terminal.wait_for(telnet::LOGIN_PROMPT);
    terminal.type_line("ann");
    terminal.wait_for(telnet::PASSWORD_PROMPT);
    terminal.type_line(PASSWORD);
    for line in ["cd /inbox", "count", "count", "pwd"] {
        terminal.wait_for(telnet::PROMPT);
        terminal.type_line(line);
    }
    // What was typed is shown by a terminal, and here there is none.
    terminal.wait_for("$ 1\n$ 2\n$ /inbox\n$ ");
    terminal.type_line("exit");
    terminal.wait_for("logout\n");
    // It ends with the connection, and not by the time-out.
    assert_ne!(terminal.child.wait().unwrap().code(), Some(124));
    server.drain();
}

#[test]
fn a_transfer_that_runs_is_completed_while_the_server_drains() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start("ftp", data.path());
    let mut control = Control::log_in(server.address);
    let mut transfer = control.passive();
    control.say("STOR far");
    control.expect("150");
    transfer.write_all(b"one half, ").unwrap();
    let file = data.path().join("far");
    wait_until("the file", || file.exists());
    let ended = server.stop();
    // Nobody new is let in.
    std::thread::sleep(Duration::from_millis(50));
    assert!(!ended.is_finished());
    transfer.write_all(b"and the other").unwrap();
    drop(transfer);
    control.expect("226");
    ended.join().unwrap().unwrap();
    assert_content(&file, "one half, and the other");
}

/// One that an outgoing connection had may be in TIME_WAIT, and cannot be bound.
#[test]
fn the_ports_of_data_connections_are_their_own() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start("ftp", data.path());
    let mut control = Control::log_in(server.address);
    for _ in 0..100 {
        let port = control.passive().peer_addr().unwrap().port();
        assert!(ftp::DATA_PORTS.contains(&port), "{port}");
    }
    drop(control);
    server.drain();
}

#[test]
fn files_outside_of_the_folder_and_ports_of_others_are_out_of_reach() {
    let data = tempfile::tempdir().unwrap();
    let (served, secret) = (data.path().join("served"), data.path().join("secret"));
    fs::create_dir(&served).unwrap();
    fs::write(&secret, "nobody's business").unwrap();
    std::os::unix::fs::symlink(&secret, served.join("link")).unwrap();
    let server = Server::start("ftp", &served);
    for path in ["../secret", "/../secret", secret.to_str().unwrap(), "link"] {
        let mut control = Control::log_in(server.address);
        let mut transfer = control.passive();
        control.say(&format!("RETR {path}"));
        let mut fetched = Vec::new();
        // Closed or reset: there is nothing to send.
        let _ = transfer.read_to_end(&mut fetched);
        assert_eq!(fetched, b"", "{path}");
        assert!(!served.join("secret").exists());
    }
    // It connects to nobody: a client cannot have it reach another server.
    let mut control = Control::log_in(server.address);
    control.say("PORT 127,0,0,1,200,1");
    control.expect("502");
    server.drain();
}

#[test]
fn idle_connections_do_not_hold_a_server_that_is_asked_to_end() {
    for name in ["ftp", "telnet", "dns"] {
        let data = tempfile::tempdir().unwrap();
        let server = Server::start(name, data.path());
        let mut stream = TcpStream::connect(server.address).unwrap();
        stream.set_read_timeout(Some(ANSWER_MAX)).unwrap();
        if name != "dns" {
            assert!(
                stream.read(&mut [0; 1]).unwrap() == 1,
                "{name} greets nobody"
            );
        }
        let asked = std::time::Instant::now();
        server.drain();
        // A server that is held takes five seconds.
        assert!(asked.elapsed() < Duration::from_secs(4), "{name}");
        let mut rest = Vec::new();
        // Reset or closed, as long as it is over.
        let _ = stream.read_to_end(&mut rest);
    }
}

fn assert_content(file: &Path, content: &str) {
    assert_eq!(fs::read_to_string(file).unwrap(), content);
}
