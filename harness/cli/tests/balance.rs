//! The balancer in front of real servers: who gets a request, who is ejected, who returns, who drains.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::print_stderr, reason = "a test says when it is skipped")]

#[path = "balance/drain.rs"]
mod drain;
#[path = "balance/outside.rs"]
mod outside;
#[path = "balance/parts.rs"]
mod parts;
mod support;
#[path = "balance/wire.rs"]
mod wire;

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::Signal;
use parts::{Fake, Process, Reply, free_port, wait_for};

const CHECKED: &str = "--check /health --every 20ms";
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn serve(name: &str, count: usize) -> Vec<Process> {
    (0..count).map(|_| Process::serve(name)).collect()
}

fn ports(replicas: &[Process]) -> Vec<u16> {
    replicas.iter().map(|replica| replica.port).collect()
}

/// How many of `times` requests each of three replicas answered.
fn spread(balancer: &Process, times: usize) -> [usize; 3] {
    let mut counts = [0; 3];
    for _ in 0..times {
        let reply = balancer.get("/health");
        assert_eq!(reply.status, 200, "{reply:?}");
        counts[reply.replica().unwrap()] += 1;
    }
    counts
}

/// Logs in, then visits; says how many visits were for the session.
fn visits(balancer: &Process, times: usize) -> usize {
    let login = balancer.ask(
        "POST",
        "/login",
        &["content-type: application/json"],
        r#"{"user":"ann"}"#,
    );
    assert_eq!(login.status, 200, "{login:?}");
    let cookie = format!("cookie: {}", login.cookies().join("; "));
    (0..times)
        .filter(|_| balancer.ask("POST", "/visit", &[&cookie], "").status == 200)
        .count()
}

#[test]
fn requests_are_spread_as_the_policy_says() {
    let replicas = serve("token", 3);
    let to = ports(&replicas);
    let in_turn = Process::balance(&to, CHECKED);
    assert_eq!(spread(&in_turn, 30), [10, 10, 10]);
    let fewest = Process::balance(&to, "--policy least-connections");
    assert_eq!(spread(&fewest, 30), [10, 10, 10]);
    let random = Process::balance(&to, "--policy random --seed 1");
    let counts = spread(&random, 60);
    assert!(counts.iter().all(|count| *count >= 8), "{counts:?}");
    assert_ne!(counts, [20, 20, 20]);
}

#[test]
fn a_source_goes_to_one_replica_by_its_forwarded_address_or_its_connection() {
    let replicas = serve("token", 3);
    let balancer = Process::balance(&ports(&replicas), "--policy source-hash");
    let mut seen = [false; 3];
    for number in 0..20 {
        let source = format!("x-forwarded-for: 10.0.0.{number}, 127.0.0.1");
        let ask = || balancer.ask("GET", "/health", &[&source], "").replica();
        let first = ask();
        assert!((0..3).all(|_| ask() == first));
        seen[first.unwrap()] = true;
    }
    assert_eq!(seen, [true; 3]);
    let stream = balancer.connect();
    let request = "GET /health HTTP/1.1\r\nhost: a\r\n\r\n";
    (&stream).write_all(request.repeat(5).as_bytes()).unwrap();
    let last = "GET /health HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    (&stream).write_all(last.as_bytes()).unwrap();
    let all = Reply::read(stream);
    let text = String::from_utf8(all.body.clone()).unwrap();
    let own = format!("x-replica: {}\r\n", all.replica().unwrap());
    assert_eq!(text.matches(&own).count(), 5, "{text}");
}

#[test]
fn a_busy_replica_is_avoided_by_least_connections() {
    let over = Arc::new(AtomicBool::new(false));
    let is_over = Arc::clone(&over);
    let slow = Fake::start(move |stream| {
        wait_for("the test", || is_over.load(Ordering::Relaxed).then_some(()));
        stream.write_all(OK.as_bytes()).is_ok()
    });
    let quick = Fake::says(OK, true);
    let balancer = Process::balance(
        &[slow.port, quick.port],
        "--policy least-connections --timeout 60s",
    );
    std::thread::scope(|scope| {
        // In turn as long as both are idle: the first goes to the slow one.
        let held = scope.spawn(|| balancer.get("/").replica());
        wait_for("the held request", || {
            (!slow.heads().is_empty()).then_some(())
        });
        let others: Vec<_> = (0..6).map(|_| balancer.get("/").replica()).collect();
        over.store(true, Ordering::Relaxed);
        assert_eq!(others, [Some(1); 6]);
        assert_eq!(held.join().unwrap(), Some(0));
    });
}

#[test]
fn sessions_in_memory_need_sticky_and_break_without_it() {
    let replicas = serve("memory", 3);
    let to = ports(&replicas);
    let sticky = Process::balance(&to, "--policy sticky --cookie lb");
    assert_eq!(visits(&sticky, 30), 30);
    let in_turn = Process::balance(&to, "");
    assert_eq!(visits(&in_turn, 30), 10);
}

#[test]
fn a_killed_replica_fails_one_request_is_ejected_and_returns_when_it_is_back() {
    let mut replicas = serve("token", 3);
    let balancer = Process::balance(&ports(&replicas), CHECKED);
    assert_eq!(spread(&balancer, 3), [1, 1, 1]);
    replicas[1].end(Signal::SIGKILL);
    // Whether a request or a check meets it first, at most one request fails.
    let replies: Vec<Reply> = (0..30).map(|_| balancer.get("/health")).collect();
    let failed: Vec<&Reply> = replies.iter().filter(|reply| reply.status != 200).collect();
    assert!(failed.len() <= 1, "{failed:?}");
    for reply in failed {
        assert_eq!((reply.status, reply.error()), (502, Some("refused")));
        assert_eq!(reply.header("x-failed-replica"), Some("1"));
        assert_eq!((reply.replica(), reply.header("x-boot-id")), (None, None));
    }
    let ejected = balancer.wait_for_event("ejected");
    assert_eq!(
        ejected["replica"],
        format!("127.0.0.1:{}", replicas[1].port)
    );
    assert_eq!(spread(&balancer, 10), [5, 0, 5]);
    replicas[1].restart();
    let returned = balancer.wait_for_event("returned");
    assert!(returned["at_ms"].as_f64() > ejected["at_ms"].as_f64());
    assert_eq!(spread(&balancer, 30), [10, 10, 10]);
    assert_eq!(balancer.events("ejected").len(), 1);
}

#[test]
fn a_refused_request_ejects_at_once_without_any_check() {
    let good = Fake::says(OK, true);
    let dead = free_port();
    // The first check is made when the balancer starts, the second one never.
    let balancer = Process::balance(&[dead, good.port], "--every 1h");
    let replies: Vec<Reply> = (0..9).map(|_| balancer.get("/")).collect();
    let refused = replies
        .iter()
        .filter(|reply| reply.error() == Some("refused"));
    assert_eq!(refused.count(), 1);
    assert_eq!(balancer.events("ejected")[0]["why"], "refused");
}

#[test]
fn a_client_whose_replica_died_is_moved_and_stays_where_it_is() {
    let mut replicas = serve("token", 2);
    let balancer = Process::balance(&ports(&replicas), &format!("--policy sticky {CHECKED}"));
    let first = balancer.get("/health");
    let (home, cookies) = (first.replica().unwrap(), first.cookies());
    assert_eq!(cookies, [format!("comeback_replica=r{home}")]);
    let with = |cookie: &str| balancer.ask("GET", "/health", &[&format!("cookie: {cookie}")], "");
    let again = with(&cookies[0]);
    assert_eq!((again.replica(), again.cookies().len()), (Some(home), 0));
    replicas[home].end(Signal::SIGKILL);
    balancer.wait_for_event("ejected");
    let moved = with(&cookies[0]);
    assert_eq!(moved.replica(), Some(1 - home));
    assert_eq!(moved.cookies(), [format!("comeback_replica=r{}", 1 - home)]);
    replicas[home].restart();
    balancer.wait_for_event("returned");
    for _ in 0..5 {
        let stays = with(&moved.cookies()[0]);
        assert_eq!(
            (stays.replica(), stays.cookies().len()),
            (Some(1 - home), 0)
        );
    }
}

#[test]
fn without_any_replica_the_balancer_says_so() {
    let balancer = Process::balance(&[free_port(), free_port()], "--every 20ms");
    wait_for("both ejected", || {
        (balancer.events("ejected").len() == 2).then_some(())
    });
    let reply = balancer.get("/health");
    assert_eq!((reply.status, reply.error()), (503, Some("none-up")));
    assert_eq!((reply.replica(), reply.header("x-boot-id")), (None, None));
}

#[test]
fn a_replica_whose_health_check_is_bad_is_ejected_though_it_listens() {
    let sick = Fake::says("HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n", true);
    let balancer = Process::balance(&[sick.port], "--check /h?deep=1 --every 20ms --fall 3");
    let ejected = balancer.wait_for_event("ejected");
    assert_eq!(ejected["why"], "check: status 500");
    assert!(sick.heads().len() >= 3);
    assert!(sick.heads()[0].starts_with("GET /h?deep=1 HTTP/1.1\r\n"));
}

#[test]
fn what_cannot_be_is_refused_before_anything_starts() {
    let base = "balance --port 25999 --to 127.0.0.1:4001,127.0.0.1:4002";
    for (line, part) in [
        ("balance --port 25999", "--to"),
        ("balance --port 0 --to 127.0.0.1:4001", "--port 0"),
        ("balance --port 25999 --to 127.0.0.1:0", "0 is not a port"),
        (
            "balance --port 25999 --to localhost:1",
            "invalid socket address",
        ),
        (
            "balance --port 25999 --to 127.0.0.1:25999",
            "the balancer itself",
        ),
        ("balance --port 25999 --to 127.0.0.1:1,127.0.0.1:1", "twice"),
        (&format!("{base} --check health"), "--check"),
        (&format!("{base} --check /a;b"), "--check"),
        (&format!("{base} --cookie a=b"), "--cookie"),
        (&format!("{base} --every 0s"), "--every"),
        (&format!("{base} --timeout 0s"), "--timeout"),
        (&format!("{base} --fall 0"), "--fall"),
        (&format!("{base} --policy fair"), "--policy"),
        (&format!("{base} --with haproxy"), "--data"),
        (&format!("{base} --control a;\"b"), "--control"),
        (
            &format!("{base} --with haproxy --data d --drain 1s"),
            "--drain",
        ),
        (
            &format!("{base} --with nginx --data d --control c"),
            "no control socket",
        ),
        (
            &format!("{base} --with nginx --data d --policy sticky"),
            "no sticky cookies",
        ),
        (
            &format!("{base} --with nginx --data d --check /health"),
            "no active checks",
        ),
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        let run = support::run(&words);
        assert_eq!(run.code(), 2, "{line}: {}", run.printed());
        assert!(run.printed().contains(part), "{line}: {}", run.printed());
        assert!(!run.folder.path().join("d").exists(), "{line}");
    }
}

#[test]
fn a_port_that_is_taken_is_named() {
    let fake = Fake::says(OK, true);
    let port = fake.port.to_string();
    let run = support::run(&["balance", "--port", &port, "--to", "127.0.0.1:4001"]);
    assert_eq!(run.code(), 4, "{}", run.printed());
    let told = format!("cannot listen on 127.0.0.1:{port}");
    assert!(run.printed().contains(&told), "{}", run.printed());
}
