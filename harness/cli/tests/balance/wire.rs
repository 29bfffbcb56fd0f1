//! Bytes: what passes, what does not, what is sent twice, and what a broken reply looks like.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::OK;
use crate::parts::{Fake, Process, Reply, free_port, wait_for};

const MIB: usize = 1 << 20;

#[test]
fn large_bodies_pass_in_both_directions_without_being_kept() {
    const SIZE: usize = 10 * MIB;
    let replica = Fake::start(|stream| {
        let mut body = vec![0; SIZE];
        stream.read_exact(&mut body).unwrap();
        body.reverse();
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {SIZE}\r\n\r\n").unwrap();
        stream.write_all(&body).is_ok()
    });
    let balancer = Process::balance(&[replica.port], "");
    balancer.connect();
    let before = balancer.memory_kib("VmRSS");
    let body: Vec<u8> = (0..SIZE).map(|at| (at / 1000) as u8).collect();
    let mut stream = balancer.connect();
    write!(
        stream,
        "PUT / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {SIZE}\r\n\r\n"
    )
    .unwrap();
    stream.write_all(&body).unwrap();
    // A client that is in no hurry: nobody may hold the reply for it.
    std::thread::sleep(Duration::from_millis(200));
    let reply = Reply::read(stream);
    assert!(reply.status == 200 && reply.broken.is_none());
    assert!(reply.body.iter().rev().eq(&body));
    let grown = balancer.memory_kib("VmHWM").saturating_sub(before);
    assert!(grown < 4 * 1024, "the balancer grew by {grown} KiB");
}

#[test]
fn chunks_pass_as_chunks() {
    let replica = Fake::says(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        true,
    );
    let balancer = Process::balance(&[replica.port], "");
    let reply = balancer.get("/");
    assert_eq!(reply.header("transfer-encoding"), Some("chunked"));
    assert!(reply.body.ends_with(b"\r\n0\r\n\r\n"), "{reply:?}");
    assert_eq!(reply.broken, None);
}

#[test]
fn replies_without_a_body_stay_without_one() {
    let bare = Fake::says(
        "HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\netag: \"x\"\r\n\r\n",
        true,
    );
    let balancer = Process::balance(&[bare.port], "");
    for _ in 0..2 {
        let reply = balancer.get("/");
        assert_eq!((reply.status, reply.header("etag")), (304, Some("\"x\"")));
        assert!(reply.body.is_empty() && reply.broken.is_none());
    }
    let head = Fake::says("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", true);
    let balancer = Process::balance(&[head.port], "");
    for _ in 0..2 {
        let reply = balancer.ask("HEAD", "/", &[], "");
        assert_eq!(
            (reply.status, reply.header("content-length")),
            (200, Some("5"))
        );
        assert!(reply.body.is_empty() && reply.broken.is_none());
    }
}

/// A replica that sends this and ends, by an orderly close.
fn half_reply(bytes: &'static str) -> Process {
    let replica = Fake::says(bytes, false);
    // Kept alive by its thread.
    Process::balance(&[replica.port], "--every 1h --fall 100")
}

#[test]
fn a_reply_that_breaks_off_resets_the_client() {
    let counted = half_reply("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf");
    let reply = counted.get("/");
    assert_eq!(reply.broken, Some(ErrorKind::ConnectionReset), "{reply:?}");
    let chunked = half_reply("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n");
    let reply = chunked.get("/");
    assert_eq!(reply.broken, Some(ErrorKind::ConnectionReset), "{reply:?}");
    // Without a length nor chunks an orderly close would be a complete reply.
    let old = chunked.send("GET / HTTP/1.0\r\nhost: a\r\n\r\n");
    assert_eq!(old.broken, Some(ErrorKind::ConnectionReset), "{old:?}");
}

#[test]
fn a_reply_that_ends_with_its_connection_is_passed_on_as_one() {
    let balancer = half_reply("HTTP/1.1 200 OK\r\n\r\nwho knows whether this is all");
    let reply = balancer.get("/");
    assert_eq!(reply.body, b"who knows whether this is all");
    assert_eq!(reply.header("transfer-encoding"), None, "{reply:?}");
    assert_eq!(reply.header("content-length"), None, "{reply:?}");
}

#[test]
fn a_silent_replica_is_a_timeout_and_a_reset_in_the_middle_of_a_reply() {
    let silent = Fake::start(|_| {
        std::thread::sleep(Duration::from_secs(60));
        true
    });
    let balancer = Process::balance(&[silent.port], "--timeout 1s --retry 3");
    let reply = balancer.get("/");
    assert_eq!((reply.status, reply.error()), (504, Some("timeout")));
    assert_eq!(reply.header("x-failed-replica"), Some("0"));
    wait_for("the request", || (!silent.heads().is_empty()).then_some(()));
    assert_eq!(silent.heads().len(), 1);
    let stuck = Fake::start(|stream| {
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf")
            .unwrap();
        std::thread::sleep(Duration::from_secs(60));
        true
    });
    let balancer = Process::balance(&[stuck.port], "--timeout 2s");
    assert_eq!(balancer.get("/").broken, Some(ErrorKind::ConnectionReset));
}

#[test]
fn a_client_that_is_slow_to_send_is_not_blamed_on_the_replica() {
    let replica = Fake::start(|stream| {
        let mut body = [0; 6];
        stream.read_exact(&mut body).is_ok() && stream.write_all(OK.as_bytes()).is_ok()
    });
    let balancer = Process::balance(&[replica.port], "--timeout 1500ms");
    let begin = |stream: &mut TcpStream| {
        stream
            .write_all(
                b"POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 6\r\n\r\n",
            )
            .unwrap();
    };
    let mut slow = balancer.connect();
    begin(&mut slow);
    for piece in [b"ab", b"cd", b"ef"] {
        std::thread::sleep(Duration::from_millis(600));
        slow.write_all(piece).unwrap();
    }
    assert_eq!(Reply::read(slow).status, 200);
    let mut stalled = balancer.connect();
    begin(&mut stalled);
    let reply = Reply::read(stalled);
    assert_eq!((reply.status, reply.error()), (408, Some("client")));
    assert!(balancer.events("ejected").is_empty());
}

#[test]
fn what_is_not_http_is_malformed() {
    let balancer = half_reply("220 mail.example ESMTP\r\n\r\n");
    let reply = balancer.get("/");
    assert_eq!((reply.status, reply.error()), (502, Some("malformed")));
}

#[test]
fn a_closed_idle_connection_fails_nobody() {
    let closed = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&closed);
    let replica = Fake::start(move |stream| {
        stream.write_all(OK.as_bytes()).unwrap();
        stream.shutdown(Shutdown::Both).unwrap();
        count.fetch_add(1, Ordering::SeqCst);
        false
    });
    let balancer = Process::balance(&[replica.port], "--every 1h");
    for number in 1..=20 {
        assert_eq!(balancer.ask("POST", "/", &[], "").status, 200);
        wait_for("its end", || {
            (closed.load(Ordering::SeqCst) == number).then_some(())
        });
    }
}

#[test]
fn a_connection_that_closes_while_a_request_is_on_its_way_to_the_balancer_fails_nobody() {
    let closing = Arc::new(AtomicBool::new(false));
    let wanted = Arc::clone(&closing);
    let replica = Fake::start(move |stream| {
        stream.write_all(OK.as_bytes()).unwrap();
        wait_for("the order to close", || {
            wanted.load(Ordering::SeqCst).then_some(())
        });
        stream.shutdown(Shutdown::Both).unwrap();
        wanted.store(false, Ordering::SeqCst);
        false
    });
    let balancer = Process::balance(&[replica.port], "--every 1h");
    assert_eq!(balancer.get("/").status, 200);
    for _ in 0..5 {
        // Both are there when the balancer looks: the end of its idle connection, and a request.
        balancer.signal(Signal::SIGSTOP);
        closing.store(true, Ordering::SeqCst);
        wait_for("the end", || {
            (!closing.load(Ordering::SeqCst)).then_some(())
        });
        let mut stream = balancer.connect();
        stream
            .write_all(b"POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            .unwrap();
        balancer.signal(Signal::SIGCONT);
        let reply = Reply::read(stream);
        assert_eq!(reply.status, 200, "{reply:?}");
    }
}

#[test]
fn connections_to_replicas_are_kept() {
    let opened = Arc::new(std::sync::Mutex::new(std::collections::HashSet::new()));
    let peers = Arc::clone(&opened);
    let replica = Fake::start(move |stream| {
        peers.lock().unwrap().insert(stream.peer_addr().unwrap());
        stream.write_all(OK.as_bytes()).is_ok()
    });
    let balancer = Process::balance(&[replica.port], "");
    for _ in 0..10 {
        assert_eq!(balancer.get("/").status, 200);
    }
    assert_eq!(opened.lock().unwrap().len(), 1);
}

#[test]
fn a_request_is_sent_twice_only_if_nothing_was_sent_or_it_only_reads() {
    let breaks = Fake::start(|_| false);
    let good = Fake::says(OK, true);
    let to = [breaks.port, good.port];
    let once = Process::balance(&to, "--fall 100 --policy sticky");
    let home = ["cookie: comeback_replica=r0"];
    let reply = once.ask("GET", "/", &home, "");
    assert_eq!((reply.status, reply.error()), (502, Some("reset")));
    let again = Process::balance(&to, "--fall 100 --policy sticky --retry 1");
    let reply = again.ask("GET", "/", &home, "");
    assert_eq!((reply.status, reply.replica()), (200, Some(1)));
    for (method, body) in [("POST", "x"), ("POST", ""), ("GET", "x"), ("DELETE", "")] {
        let reply = again.ask(method, "/", &home, body);
        assert_eq!(
            (reply.status, reply.error()),
            (502, Some("reset")),
            "{method}"
        );
    }
    assert_eq!((breaks.heads().len(), good.heads().len()), (6, 1));
    let dead = free_port();
    let refused = Process::balance(&[dead, good.port], "--policy sticky --retry 1 --every 1h");
    let reply = refused.ask("POST", "/", &home, "x");
    assert_eq!((reply.status, reply.replica()), (200, Some(1)));
    assert_eq!(good.heads().len(), 2);
}

#[test]
fn two_readers_of_a_request_cannot_disagree_about_its_length() {
    let replica = Fake::start(|stream| {
        let mut body = [0; 64];
        stream.read(&mut body).is_ok() && stream.write_all(OK.as_bytes()).is_ok()
    });
    let balancer = Process::balance(&[replica.port], "");
    let two = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd";
    assert_eq!(balancer.send(two).status, 400);
    let nonsense = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: +3\r\n\r\nabc";
    assert_eq!(balancer.send(nonsense).status, 400);
    let coding = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip\r\n\r\nabc";
    assert_eq!(balancer.send(coding).status, 400);
    assert_eq!(replica.heads(), [""; 0]);
    for (order, length) in [("content-length first", true), ("after", false)] {
        let (cl, te) = ("content-length: 30\r\n", "transfer-encoding: chunked\r\n");
        let lines = if length { [cl, te] } else { [te, cl] };
        let both = format!(
            "POST /{} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{}\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n",
            order.len(),
            lines.concat()
        );
        balancer.send(&both);
        let heads = replica.heads();
        let head = heads.last().unwrap();
        assert!(!head.contains("content-length"), "{order}: {head}");
        assert!(
            head.contains("transfer-encoding: chunked"),
            "{order}: {head}"
        );
    }
    assert_eq!(replica.heads().len(), 2, "{:?}", replica.heads());
}

#[test]
fn what_is_about_the_clients_connection_stays_there() {
    let replica = Fake::says(
        "HTTP/1.1 200 OK\r\nkeep-alive: timeout=5\r\nconnection: x-mine\r\nx-mine: 1\r\nx-balancer-error: reset\r\nx-failed-replica: 7\r\nx-replica: 7\r\ncontent-length: 0\r\n\r\n",
        true,
    );
    let balancer = Process::balance(&[replica.port], "");
    let reply = balancer.send("GET http://named/path?x=1 HTTP/1.1\r\nhost: other\r\nconnection: close, x-hop\r\nx-hop: 1\r\nupgrade: websocket\r\nx-kept: 1\r\n\r\n");
    assert_eq!(reply.status, 200);
    assert_eq!(
        (reply.header("keep-alive"), reply.header("x-mine")),
        (None, None)
    );
    assert_eq!((reply.error(), reply.replica()), (None, Some(0)));
    assert_eq!(reply.header("x-failed-replica"), None);
    let head = &replica.heads()[0];
    assert!(head.starts_with("GET /path?x=1 HTTP/1.1\r\n"), "{head}");
    assert!(
        head.contains("host: named\r\n") && head.contains("x-kept: 1\r\n"),
        "{head}"
    );
    for gone in ["connection", "x-hop", "upgrade"] {
        assert!(!head.contains(gone), "{head}");
    }
    assert_eq!(
        balancer
            .send("GET / HTTP/1.1\r\nconnection: close\r\n\r\n")
            .status,
        400
    );
    assert_eq!(
        balancer
            .send("CONNECT a:1 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            .status,
        400
    );
}
