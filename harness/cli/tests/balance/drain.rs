//! Drains: of the balancer by a signal, of a replica by order, and a restart of one replica after the other.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::parts::{Fake, Process, Reply, listens, wait_for};
use crate::{CHECKED, OK, ports, serve};

#[test]
fn a_drain_finishes_what_is_in_flight_and_refuses_what_is_new() {
    let slow = Fake::start(|stream| {
        std::thread::sleep(Duration::from_millis(300));
        stream.write_all(OK.as_bytes()).is_ok()
    });
    let mut balancer = Process::balance(&[slow.port], "");
    let idle = balancer.connect();
    let mut held = balancer.connect();
    held.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        .unwrap();
    wait_for("the request", || (!slow.heads().is_empty()).then_some(()));
    balancer.signal(Signal::SIGTERM);
    balancer.wait_for_event("draining");
    assert!(!listens(balancer.port));
    let reply = Reply::read(held);
    assert_eq!((reply.status, &reply.body[..]), (200, &b"ok"[..]));
    let status = wait_for("its end", || balancer.child.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
    assert_eq!(balancer.wait_for_event("drained")["cut"], 0);
    assert_eq!(Reply::read(idle).broken, None);
}

#[test]
fn a_drain_ends_in_time_and_counts_what_it_cut() {
    let silent = Fake::start(|_| {
        std::thread::sleep(Duration::from_secs(60));
        false
    });
    let mut balancer = Process::balance(&[silent.port], "--drain 100ms --timeout 60s");
    let mut held = balancer.connect();
    held.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        .unwrap();
    wait_for("the request", || (!silent.heads().is_empty()).then_some(()));
    assert_eq!(balancer.end(Signal::SIGINT).code(), Some(0));
    assert_eq!(balancer.wait_for_event("drained")["cut"], 1);
    assert_eq!(Reply::read(held).status, 0);
}

/// Sends an order to a control socket and reads its answer.
fn order(path: &Path, line: &str) -> Value {
    let mut stream = UnixStream::connect(path).unwrap();
    writeln!(stream, "{line}").unwrap();
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).unwrap();
    serde_json::from_str(&answer).unwrap()
}

#[test]
fn a_replica_is_drained_by_order_even_of_its_sticky_clients() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("control");
    let over = Arc::new(AtomicBool::new(false));
    let is_over = Arc::clone(&over);
    let slow = Fake::start(move |stream| {
        wait_for("the test", || is_over.load(Ordering::Relaxed).then_some(()));
        stream.write_all(OK.as_bytes()).is_ok()
    });
    let other = Fake::says(OK, true);
    let flags = format!(
        "--policy sticky --timeout 60s --control {}",
        socket.display()
    );
    let mut balancer = Process::balance(&[slow.port, other.port], &flags);
    let cookie = ["cookie: comeback_replica=r0"];
    std::thread::scope(|scope| {
        let held = scope.spawn(|| balancer.ask("GET", "/", &cookie, ""));
        wait_for("the request", || (!slow.heads().is_empty()).then_some(()));
        let status = order(&socket, "drain 0");
        let elsewhere = balancer.ask("GET", "/", &cookie, "").replica();
        over.store(true, Ordering::Relaxed);
        let drained = &status["replicas"][0];
        assert_eq!(drained["draining"], true, "{status}");
        assert_eq!(
            (&drained["up"], &drained["in_flight"]),
            (&true.into(), &1.into())
        );
        assert_eq!(elsewhere, Some(1));
        assert_eq!(held.join().unwrap().replica(), Some(0));
    });
    assert_eq!(order(&socket, "status")["replicas"][0]["in_flight"], 0);
    order(&socket, "return 0");
    assert_eq!(balancer.ask("GET", "/", &cookie, "").replica(), Some(0));
    for wrong in ["drain 2", "drain", "drain x", "stop", "status 1", ""] {
        assert!(order(&socket, wrong)["error"].is_string(), "{wrong}");
    }
    assert_eq!(balancer.end(Signal::SIGTERM).code(), Some(0));
    assert!(!socket.exists());
}

struct EndsClients<'a>(&'a AtomicBool);

impl Drop for EndsClients<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Restarts each replica in turn under load, with or without a drain; counts (requests, failures).
fn restart_all(drains: bool) -> (usize, usize) {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("control");
    let mut replicas = serve("token", 3);
    let patient = "--timeout 20s --check-timeout 20s";
    let flags = format!("{CHECKED} {patient} --control {}", socket.display());
    let balancer = Process::balance(&ports(&replicas), &flags);
    let is = |index: usize, field: &str, value: Value| {
        wait_for(field, || {
            (order(&socket, "status")["replicas"][index][field] == value).then_some(())
        });
    };
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let client = || {
            let (mut asked, mut failed) = (0, 0);
            while !over.load(Ordering::Relaxed) {
                let reply = balancer.get("/health");
                asked += 1;
                failed += usize::from(reply.status != 200 || reply.broken.is_some());
            }
            (asked, failed)
        };
        // However this ends, the clients do.
        let end = EndsClients(&over);
        let clients: Vec<_> = (0..4).map(|_| scope.spawn(client)).collect();
        for (index, replica) in replicas.iter_mut().enumerate() {
            if drains {
                order(&socket, &format!("drain {index}"));
                is(index, "in_flight", 0.into());
            }
            replica.end(Signal::SIGKILL);
            is(index, "up", false.into());
            replica.restart();
            is(index, "up", true.into());
            order(&socket, &format!("return {index}"));
        }
        drop(end);
        clients
            .into_iter()
            .map(|client| client.join().unwrap())
            .fold((0, 0), |sum, (asked, failed)| {
                (sum.0 + asked, sum.1 + failed)
            })
    })
}

#[test]
fn replicas_are_restarted_one_by_one_without_a_lost_request_if_they_are_drained_first() {
    let (asked, failed) = restart_all(true);
    assert!(asked > 20, "{asked}");
    assert_eq!(failed, 0, "of {asked}");
    let (asked, failed) = restart_all(false);
    assert!(
        failed > 0,
        "of {asked}: the load did not notice any restart"
    );
}
