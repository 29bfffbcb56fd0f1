//! What is broken in the zoo is broken in the way its files say.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use support::{Server, wait_until};

#[test]
fn early_health_is_healthy_before_it_works() {
    let data = tempfile::tempdir().unwrap();
    let begun = Instant::now();
    let server = Server::start("early-health", data.path());
    let mut client = server.client();
    assert_eq!(client.health().status, 200);
    let early = client.login("u17");
    // Later than that it may work: a busy machine may not get here in time.
    if begun.elapsed() < Duration::from_millis(200) {
        assert_eq!(early.status, 503);
    }
    assert_eq!(early.boot_id(), client.health().boot_id());
    wait_until("work", || client.login("u17").status == 200);
    server.drain();
}

#[test]
fn wrong_answer_lies_at_each_fiftieth_visit_and_counts_right() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start("wrong-answer", data.path());
    let mut client = server.client();
    client.login("u17");
    for visit in 1..=100 {
        let expected = if visit % 50 == 0 { visit + 1000 } else { visit };
        assert_eq!(client.visit().session(), (200, "u17", expected));
    }
    assert_eq!(client.me().session(), (200, "u17", 100));
    server.drain();
}

#[test]
fn sequential_ids_gives_an_old_cookie_to_a_stranger() {
    let data = tempfile::tempdir().unwrap();
    let first = Server::start("sequential-ids", data.path());
    let mut old = first.client();
    old.login("u17");
    assert_eq!(
        old.cookie.as_deref(),
        Some("session=00000000000000000000000000000001")
    );
    first.drain();

    let second = Server::start("sequential-ids", data.path());
    second.client().login("stranger");
    assert_eq!(
        old.moved_to(second.address).me().session(),
        (200, "stranger", 0)
    );
    second.drain();
}

#[test]
fn re_creates_never_misses_a_session() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start("re-creates", data.path());
    let mut client = server.client();
    assert_eq!(client.me().session(), (200, "guest", 0));
    assert_eq!(
        client.visit().session(),
        (200, "guest", 1),
        "the new cookie counts"
    );
    client.cookie = Some("session=0123456789abcdef0123456789abcdef".to_owned());
    assert_eq!(client.visit().session(), (200, "guest", 1));
    assert_eq!(client.login("u17").session(), (200, "u17", 0));
    assert_eq!(client.visit().session(), (200, "u17", 1));
    server.drain();
}

#[test]
fn double_apply_runs_ahead_of_its_answers() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start("double-apply", data.path());
    let mut client = server.client();
    client.login("u17");
    for visit in 1..=20 {
        assert_eq!(client.visit().session(), (200, "u17", visit));
    }
    assert_eq!(client.me().session(), (200, "u17", 21));
    server.drain();
}

/// Sends a visit until it is answered well, as a client that tries again does.
fn visit_until_answered(mut visit: impl FnMut() -> u16) {
    let tries = (0..3).map(|_| visit());
    assert!(tries.into_iter().any(|status| status == 200));
}

#[test]
fn lost_replies_duplicates_what_is_tried_again_without_a_key() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start("lost-replies", data.path());
    let mut client = server.client();
    client.login("u17");
    for visit in 1..10 {
        assert_eq!(client.visit().session(), (200, "u17", visit));
    }
    let lost = client.visit();
    assert_eq!(lost.status, 503);
    assert_eq!(lost.body["error"], "the reply was lost on its way");
    assert_eq!(client.me().session(), (200, "u17", 10), "it was applied");

    let mut bare = server.client();
    bare.login("u18");
    (0..28).for_each(|_| visit_until_answered(|| bare.visit().status));
    assert_eq!(
        bare.me().session(),
        (200, "u18", 31),
        "three are duplicates"
    );

    let mut keyed = server.client();
    keyed.login("u19");
    for visit in 0..28 {
        visit_until_answered(|| keyed.visit_once(&format!("visit-{visit}")).status);
    }
    assert_eq!(
        keyed.me().session(),
        (200, "u19", 28),
        "none is a duplicate"
    );
    server.drain();
}

#[test]
fn ignores_keys_applies_a_visit_again_that_memory_applies_once() {
    for (name, visits) in [("ignores-keys", 2), ("memory", 1)] {
        let data = tempfile::tempdir().unwrap();
        let server = Server::start(name, data.path());
        let mut client = server.client();
        client.login("u17");
        for _ in 0..2 {
            assert_eq!(client.visit_once("visit-1").status, 200, "{name}");
        }
        assert_eq!(client.me().session(), (200, "u17", visits), "{name}");
        server.drain();
    }
}

#[test]
fn a_zombie_rises_after_a_restart() {
    let data = tempfile::tempdir().unwrap();
    let first = Server::start("zombie", data.path());
    let mut client = first.client();
    client.login("u17");
    let cookie = client.cookie.clone();
    client.logout();
    client.cookie = cookie;
    assert_eq!(client.visit().status, 401);
    first.drain();

    let second = Server::start("zombie", data.path());
    assert_eq!(
        client.moved_to(second.address).visit().session(),
        (200, "u17", 1)
    );
    second.drain();
}

#[test]
fn chunked_sends_its_answers_in_pieces() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start("chunked", data.path());
    let mut client = server.client();
    for answer in [
        client.login("u17"),
        client.me(),
        client.send("POST", "/login", "{}"),
    ] {
        assert_eq!(answer.header("transfer-encoding"), Some("chunked"));
        assert_eq!(answer.header("content-length"), None);
        assert_eq!(answer.chunks, 3);
        assert!(answer.body.is_object());
    }
    server.drain();
}

#[test]
fn trivial_answers_pipelined_requests_however_they_are_cut() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start("trivial", data.path());
    let requests = "POST /visit HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}".repeat(3);
    for cut in 1..requests.len() {
        let mut stream = TcpStream::connect(server.address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.write_all(&requests.as_bytes()[..cut]).unwrap();
        stream.write_all(&requests.as_bytes()[cut..]).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answers = String::new();
        stream.read_to_string(&mut answers).unwrap();
        assert_eq!(
            answers.matches("HTTP/1.1 200 OK\r\n").count(),
            3,
            "cut at {cut}"
        );
        assert_eq!(
            answers.matches(r#"{"status":"ok"}"#).count(),
            3,
            "cut at {cut}"
        );
    }
    server.drain();
}

#[test]
fn public_me_lets_anybody_keep_a_users_own_page_and_nothing_else() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start("public-me", data.path());
    let mut client = server.client();
    let control = |answer: support::Answer| answer.header("cache-control").map(str::to_owned);
    assert_eq!(control(client.me()).as_deref(), Some("private, no-store"));
    assert_eq!(
        control(client.login("u17")).as_deref(),
        Some("private, no-store")
    );
    assert_eq!(control(client.me()).as_deref(), Some("public, max-age=60"));
    assert_eq!(
        control(client.visit()).as_deref(),
        Some("private, no-store")
    );
    server.drain();
}

#[test]
fn cut_recovery_is_empty_only_after_a_start_that_was_cut_off() {
    let data = tempfile::tempdir().unwrap();
    let first = Server::start("cut-recovery", data.path());
    let mut client = first.client();
    client.login("u17");
    first.drain();

    let second = Server::start("cut-recovery", data.path());
    let mut client = client.moved_to(second.address);
    assert_eq!(client.me().session(), (200, "u17", 0));
    second.drain();

    // What a kill during the start leaves.
    std::fs::write(data.path().join("recovering"), "").unwrap();
    let third = Server::start("cut-recovery", data.path());
    assert_eq!(client.moved_to(third.address).me().status, 401);
    third.drain();
}
