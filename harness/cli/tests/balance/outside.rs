//! HAProxy and nginx in the builtin balancer's place, and the replies they give.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::parts::{Fake, Process, free_port, wait_for};
use crate::{CHECKED, OK, ports, serve, spread, visits};

/// Whether the program is there; in CI its absence is a failure.
fn has(program: &str) -> bool {
    crate::support::has(program, &[program, "-v"])
}

/// Kills one of three replicas; after the ejection nothing fails. The `errors` are what may be seen before it.
fn survives_a_kill(flags: &str, errors: &[(u16, &str)]) {
    let mut replicas = serve("token", 3);
    let mut balancer = Process::balance(&ports(&replicas), flags);
    assert!(
        balancer.printed().contains("version"),
        "{}",
        balancer.printed()
    );
    assert!(balancer.printed().contains(&balancer.port.to_string()));
    assert_eq!(spread(&balancer, 30), [10, 10, 10]);
    let working = balancer.get("/health");
    assert!(working.header("x-boot-id").is_some() && working.error().is_none());
    replicas[1].end(Signal::SIGKILL);
    let killed = Instant::now();
    let mut failed = 0;
    for _ in 0..39 {
        let reply = balancer.get("/health");
        if reply.status != 200 {
            failed += 1_u64;
            let told = (reply.status, reply.error().unwrap());
            assert!(errors.contains(&told), "{reply:?}");
            assert_eq!(reply.header("x-failed-replica"), Some("1"), "{reply:?}");
            assert_eq!((reply.replica(), reply.header("x-boot-id")), (None, None));
        }
    }
    // nginx asks a dead replica again after a second, by a request of a client.
    let allowed = 2 + killed.elapsed().as_secs();
    assert!(failed <= allowed, "{failed} requests failed");
    replicas[1].restart();
    wait_for("its return", || {
        (balancer.get("/health").replica() == Some(1)).then_some(())
    });
    balancer.end(Signal::SIGTERM);
}

/// Errors of the balancer's own are told from those of a replica.
fn tells_whose_fault_it_is(flags: &str) {
    let breaks = Fake::start(|_| false);
    let balancer = Process::balance(&[breaks.port], flags);
    let reply = balancer.get("/");
    assert_eq!(
        (reply.status, reply.error()),
        (502, Some("reset")),
        "{reply:?}"
    );
    let silent = Fake::start(|_| {
        std::thread::sleep(Duration::from_secs(60));
        false
    });
    let balancer = Process::balance(&[silent.port], &format!("{flags} --timeout 1s"));
    let reply = balancer.get("/");
    assert_eq!(
        (reply.status, reply.error()),
        (504, Some("timeout")),
        "{reply:?}"
    );
    let ill = Fake::says(
        "HTTP/1.1 502 Mine\r\nx-balancer-error: reset\r\ncontent-length: 0\r\n\r\n",
        true,
    );
    let balancer = Process::balance(&[ill.port], flags);
    let reply = balancer.get("/");
    assert_eq!(
        (reply.status, reply.error(), reply.replica()),
        (502, None, Some(0))
    );
    let dead = [free_port(), free_port()];
    let balancer = Process::balance(&dead, &format!("{flags} --fall 1"));
    let last = wait_for("nobody up", || {
        let reply = balancer.get("/");
        (reply.error() == Some("none-up")).then_some(reply)
    });
    assert_eq!(
        (last.replica(), last.header("x-failed-replica")),
        (None, None)
    );
}

#[test]
fn haproxy_balances_ejects_and_returns() {
    if !has("haproxy") {
        return;
    }
    survives_a_kill(
        &format!("--with haproxy --data lb {CHECKED}"),
        &[(503, "refused")],
    );
    tells_whose_fault_it_is("--with haproxy --data lb");
}

#[test]
fn haproxy_keeps_sessions_where_their_cookie_says() {
    if !has("haproxy") {
        return;
    }
    let replicas = serve("memory", 3);
    let to = ports(&replicas);
    let sticky = Process::balance(&to, "--with haproxy --data lb --policy sticky");
    assert_eq!(visits(&sticky, 30), 30);
    let in_turn = Process::balance(&to, "--with haproxy --data lb");
    assert_eq!(visits(&in_turn, 30), 10);
}

#[test]
fn nginx_balances_ejects_and_returns() {
    if !has("nginx") {
        return;
    }
    survives_a_kill("--with nginx --data lb", &[(502, "refused")]);
    tells_whose_fault_it_is("--with nginx --data lb");
}

/// A request that is held by its replica while the balancer gets this signal is answered.
fn finishes_what_is_in_flight(program: &str, signal: Signal) {
    let slow = Fake::start(|stream| {
        std::thread::sleep(Duration::from_millis(300));
        stream.write_all(OK.as_bytes()).is_ok()
    });
    let mut balancer = Process::balance(&[slow.port], &format!("--with {program} --data lb"));
    std::thread::scope(|scope| {
        let held = scope.spawn(|| balancer.get("/").status);
        wait_for("the request", || (!slow.heads().is_empty()).then_some(()));
        balancer.signal(signal);
        assert_eq!(held.join().unwrap(), 200);
    });
    let status = wait_for("its end", || balancer.child.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
}

#[test]
fn both_finish_what_is_in_flight_at_their_own_signals() {
    for (program, signal) in [("haproxy", Signal::SIGUSR1), ("nginx", Signal::SIGQUIT)] {
        if has(program) {
            finishes_what_is_in_flight(program, signal);
        }
    }
}

#[test]
fn haproxy_takes_orders_at_its_control_socket() {
    if !has("haproxy") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("control");
    let replicas = serve("token", 3);
    let flags = format!("--with haproxy --data lb --control {}", socket.display());
    let balancer = Process::balance(&ports(&replicas), &flags);
    let order = |line: &str| {
        // HAProxy puts the socket in its place after it has begun to listen at its port.
        let mut stream = wait_for("its control socket", || UnixStream::connect(&socket).ok());
        writeln!(stream, "{line}").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert_eq!(answer.trim(), "");
    };
    order("set server replicas/1 state maint");
    assert_eq!(spread(&balancer, 10), [5, 0, 5]);
    order("set server replicas/1 state ready");
    wait_for("its return", || {
        (balancer.get("/health").replica() == Some(1)).then_some(())
    });
}

#[test]
fn a_control_socket_works_in_a_folder_deeper_than_a_socket_path_may_be() {
    let replicas = serve("token", 3);
    for kind in ["builtin", "haproxy"] {
        if kind == "haproxy" && !has(kind) {
            continue;
        }
        let top = tempfile::tempdir().unwrap();
        let folder = top.path().join("deep".repeat(40));
        std::fs::create_dir(&folder).unwrap();
        let data = folder.to_str().unwrap();
        let flags = format!("--with {kind} --data {data} --control {data}/control.sock");
        let balancer = Process::balance(&ports(&replicas), &flags);
        // HAProxy puts the socket in its place after it has begun to listen at its port.
        wait_for("the socket", || {
            folder.join("control.sock").exists().then_some(())
        });
        let order = |order: &str| {
            let words = ["balance", order, "1", "--with", kind, "--data", data];
            let run = crate::support::run(&words);
            assert_eq!(run.code(), 0, "{kind} {order}: {}", run.printed());
        };
        order("drain");
        assert_eq!(spread(&balancer, 10), [5, 0, 5], "{kind}");
        order("return");
        assert!(spread(&balancer, 10)[1] > 0, "{kind}");
    }
}

#[test]
fn nginx_drains_a_replica_by_its_configuration() {
    if !has("nginx") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let replicas = serve("token", 3);
    let flags = format!("--with nginx --data {}", folder.path().display());
    let balancer = Process::balance(&ports(&replicas), &flags);
    assert_eq!(spread(&balancer, 30), [10, 10, 10]);
    let path = folder.path().join("nginx.conf");
    let text = std::fs::read_to_string(&path).unwrap();
    let server = format!("server 127.0.0.1:{}", replicas[1].port);
    std::fs::write(&path, text.replace(&server, &format!("{server} down"))).unwrap();
    let pid = balancer.child.id();
    let workers = || std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    let old = workers().trim().to_owned();
    balancer.signal(Signal::SIGHUP);
    // Until the old worker is gone both accept; nothing fails meanwhile.
    wait_for("the new worker alone", || {
        spread(&balancer, 3);
        let now = workers();
        let ids: Vec<&str> = now.split_whitespace().collect();
        (ids.len() == 1 && ids[0] != old).then_some(())
    });
    assert_eq!(spread(&balancer, 10), [5, 0, 5]);
}

#[test]
fn both_accept_every_policy_they_have() {
    let replicas = serve("token", 3);
    for (program, policies) in [
        (
            "haproxy",
            &["least-connections", "random", "source-hash", "sticky"][..],
        ),
        ("nginx", &["least-connections", "random", "source-hash"]),
    ] {
        if !has(program) {
            continue;
        }
        for policy in policies {
            let flags = format!("--with {program} --data lb --policy {policy} --retry 1");
            let balancer = Process::balance(&ports(&replicas), &flags);
            let ask = |number: usize| {
                let source = format!("x-forwarded-for: 10.0.0.{number}, 127.0.0.1");
                balancer
                    .ask("GET", "/health", &[&source], "")
                    .replica()
                    .unwrap()
            };
            let seen: Vec<usize> = (0..60).map(ask).collect();
            assert!(
                (0..3).all(|index| seen.contains(&index)),
                "{flags}: {seen:?}"
            );
            if *policy == "source-hash" {
                assert!((0..60).all(|number| ask(number) == seen[number]), "{flags}");
            }
        }
    }
}

#[test]
fn a_program_that_is_missing_is_named_with_the_command_that_installs_it() {
    let folder = tempfile::tempdir().unwrap();
    let words = [
        "balance",
        "--port",
        "25998",
        "--to",
        "127.0.0.1:4001",
        "--with",
        "haproxy",
        "--data",
        "d",
    ];
    let output = crate::support::command(folder.path(), &words)
        .env("PATH", folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let told = crate::support::said(&output);
    assert!(told.contains("apt-get install haproxy"), "{told}");
    assert!(!folder.path().join("d").exists());
}
