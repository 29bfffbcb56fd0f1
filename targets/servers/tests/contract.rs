//! The contract that all servers share, and what a restart does to the sessions of each.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use comeback_servers::all;
use support::{Server, wait_until};

/// The servers that keep the whole contract, bugs apart that show only later or under load.
const HONEST: &[&str] = &[
    "token",
    "token-newkey",
    "token-revocable",
    "token-counter",
    "token-v2",
    "memory",
    "buffered",
    "journal",
    "sqlite",
    "late-listener",
    "wrong-answer",
    "double-apply",
    "lost-replies",
    "zombie",
    "stalls",
    "early-ack",
    "late-ack",
    "writes-in-place",
    "renames",
    "unsynced-rename",
    "synced-rename",
    "line-log",
    "late-sync",
    "unsynced-segments",
    "torn-is-fatal",
    "rewrites-state",
    "replaces-state",
    "after-stall",
    "resets-on-term",
    "finishes-on-term",
    "chunked",
];

fn with_server(name: &str, test: impl FnOnce(&Server)) {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(name, data.path());
    test(&server);
    server.drain();
}

#[test]
fn a_session_lives_from_login_to_logout() {
    for name in HONEST {
        with_server(name, |server| {
            let mut client = server.client();
            assert_eq!(client.login("u17").session(), (200, "u17", 0), "{name}");
            assert_eq!(client.visit().session(), (200, "u17", 1), "{name}");
            assert_eq!(client.visit().session(), (200, "u17", 2), "{name}");
            assert_eq!(client.me().session(), (200, "u17", 2), "{name}");
            assert_eq!(client.logout().session(), (200, "u17", 2), "{name}");
            assert_eq!(client.cookie, None, "{name} takes the cookie back");
            assert_eq!(client.me().status, 401, "{name}");
        });
    }
}

#[test]
fn the_cookie_is_kept_from_scripts_and_other_sites() {
    for name in HONEST {
        with_server(name, |server| {
            let login = server.client().login("u17");
            let cookie = login.header("set-cookie").unwrap();
            assert!(cookie.starts_with("session="), "{name}: {cookie}");
            for attribute in ["; Path=/", "; HttpOnly", "; SameSite=Lax"] {
                assert!(cookie.contains(attribute), "{name}: {cookie}");
            }
        });
    }
}

#[test]
fn who_has_no_session_is_told_so_and_gets_no_cookie() {
    for name in HONEST {
        with_server(name, |server| {
            let mut client = server.client();
            for cookie in [
                None,
                Some("session=0123456789abcdef0123456789abcdef"),
                Some("session=;"),
            ] {
                client.cookie = cookie.map(str::to_owned);
                for answer in [client.visit(), client.me(), client.logout()] {
                    assert_eq!(answer.status, 401, "{name}");
                    assert_eq!(answer.body["error"], "no such session", "{name}");
                    assert_eq!(answer.header("set-cookie"), None, "{name}");
                }
            }
        });
    }
}

#[test]
fn a_login_that_makes_no_sense_is_refused() {
    for name in HONEST {
        with_server(name, |server| {
            let mut client = server.client();
            for body in [
                "",
                "u17",
                "{}",
                r#"{"user":17}"#,
                r#"{"user":""}"#,
                r#"{"user":"a;b"}"#,
            ] {
                let answer = client.send("POST", "/login", body);
                assert_eq!(answer.status, 400, "{name}: {body}");
                assert!(answer.body["error"].is_string(), "{name}: {body}");
            }
        });
    }
}

#[test]
fn each_login_begins_a_session_of_its_own() {
    for name in HONEST {
        with_server(name, |server| {
            let (mut first, mut second) = (server.client(), server.client());
            first.login("u17");
            first.visit();
            assert_eq!(second.login("u17").session(), (200, "u17", 0), "{name}");
            assert_eq!(second.visit().session(), (200, "u17", 1), "{name}");
            assert_eq!(first.me().session(), (200, "u17", 1), "{name}");
        });
    }
}

#[test]
fn every_answer_carries_the_boot_id() {
    for name in HONEST {
        let data = tempfile::tempdir().unwrap();
        let mut boots = Vec::new();
        for _ in 0..2 {
            let server = Server::start(name, data.path());
            let mut client = server.client();
            let health = client.health();
            assert_eq!(
                (health.status, health.body["status"].as_str()),
                (200, Some("ok")),
                "{name}"
            );
            let boot = health.boot_id().to_owned();
            let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            assert!(
                boot.len() == 16 && boot.bytes().all(is_digit),
                "{name}: {boot}"
            );
            let odd = [
                client.me(),
                client.send("GET", "/nowhere", ""),
                client.send("GET", "/login", ""),
            ];
            assert_eq!(
                odd.each_ref().map(|answer| answer.status),
                [401, 404, 405],
                "{name}"
            );
            for answer in [client.login("u17"), client.visit()].iter().chain(&odd) {
                assert_eq!(answer.boot_id(), boot, "{name}");
            }
            boots.push(boot);
            server.drain();
        }
        assert_ne!(boots[0], boots[1], "{name}");
    }
}

#[test]
fn a_restart_keeps_what_is_stored_and_loses_what_is_not() {
    let kept = [
        ("token", true),
        ("token-newkey", false),
        ("token-v2", true),
        ("memory", false),
        ("buffered", true),
        ("journal", true),
        ("sqlite", true),
        ("late-ack", true),
        ("unsynced-rename", true),
        ("synced-rename", true),
        ("line-log", true),
        ("late-sync", true),
        ("unsynced-segments", true),
        ("torn-is-fatal", true),
        ("rewrites-state", true),
        ("replaces-state", true),
    ];
    for (name, is_kept) in kept {
        let data = tempfile::tempdir().unwrap();
        // The folder may be missing at the first start.
        let folder = data.path().join("not/yet/there");
        let first = Server::start(name, &folder);
        let mut client = first.client();
        let mut gone = first.client();
        client.login("u17");
        client.visit();
        gone.login("u18");
        let gone_cookie = gone.cookie.clone();
        gone.logout();
        first.drain();

        let second = Server::start(name, &folder);
        let mut client = client.moved_to(second.address);
        let expected = if is_kept {
            (200, "u17", 2)
        } else {
            (401, "", 0)
        };
        assert_eq!(client.visit().session(), expected, "{name}");
        if !["token", "token-v2"].contains(&name) {
            gone = gone.moved_to(second.address);
            gone.cookie = gone_cookie;
            assert_eq!(
                gone.me().status,
                401,
                "{name} forgets a session that was logged out"
            );
        }
        second.drain();
    }
}

/// In either direction: of two versions behind one balancer each refuses the other's users.
#[test]
fn a_token_of_another_format_is_refused_although_the_key_is_the_same() {
    for (issuer, successor) in [("token", "token-v2"), ("token-v2", "token")] {
        let data = tempfile::tempdir().unwrap();
        let first = Server::start(issuer, data.path());
        let mut client = first.client();
        client.login("u17");
        first.drain();
        let second = Server::start(successor, data.path());
        let mut moved = client.moved_to(second.address);
        assert_eq!(moved.me().status, 401, "{successor}");
        assert_eq!(moved.login("u17").session(), (200, "u17", 0), "{successor}");
        assert_eq!(moved.visit().session(), (200, "u17", 1), "{successor}");
        second.drain();
    }
}

#[test]
fn idle_connections_do_not_delay_the_drain() {
    for name in HONEST {
        let data = tempfile::tempdir().unwrap();
        let server = Server::start(name, data.path());
        let mut used = server.client();
        assert_eq!(used.health().status, 200);
        let mut unused = server.client();
        // Accepted in order, so the unused one is known to the server by now.
        assert_eq!(server.client().health().status, 200);
        let begun = Instant::now();
        server.drain();
        assert!(
            begun.elapsed() < Duration::from_secs(4),
            "{name} took {:?}",
            begun.elapsed()
        );
        assert!(used.is_closed() && unused.is_closed(), "{name}");
    }
}

#[test]
fn a_request_in_flight_is_answered_before_the_server_ends() {
    for name in ["stalls", "finishes-on-term"] {
        let data = tempfile::tempdir().unwrap();
        let server = Server::start(name, data.path());
        let (mut client, address) = (server.client(), server.address);
        let body = r#"{"user":"u17"}"#;
        client.write_text(&format!(
            "POST /login HTTP/1.1\r\nhost: test\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
            body.len()
        ));
        // Whoever carries the request out asks for its body, and waits for it.
        assert_eq!(client.line(), "HTTP/1.1 100 Continue", "{name}");
        assert_eq!(client.line(), "", "{name}");
        let drained = server.stop();
        wait_until("the drain", || TcpStream::connect(address).is_err());
        client.write_text(body);
        let answer = client.read();
        assert_eq!(answer.session(), (200, "u17", 0), "{name}");
        assert_eq!(answer.header("connection"), Some("close"), "{name}");
        drained.join().unwrap().unwrap();
    }
}

#[test]
fn half_a_request_does_not_hold_the_drain_up_for_ever() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start("memory", data.path());
    let mut client = server.client();
    client.health();
    let mut half = TcpStream::connect(server.address).unwrap();
    half.write_all(b"POST /login HTTP/1.1\r\ncontent-length: 9\r\n\r\n{")
        .unwrap();
    std::thread::sleep(Duration::from_millis(50));
    let begun = Instant::now();
    server.drain();
    assert!(
        begun.elapsed() < Duration::from_secs(30),
        "took {:?}",
        begun.elapsed()
    );
}

#[test]
fn concurrent_visits_to_one_session_are_all_counted() {
    for name in ["memory", "buffered", "journal", "sqlite"] {
        with_server(name, |server| {
            let mut client = server.client();
            client.login("u17");
            std::thread::scope(|scope| {
                for _ in 0..8 {
                    let mut client = client.moved_to(server.address);
                    scope.spawn(move || {
                        (0..10).for_each(|_| assert_eq!(client.visit().status, 200))
                    });
                }
            });
            assert_eq!(client.me().session(), (200, "u17", 80), "{name}");
        });
    }
}

#[test]
fn names_are_unique_and_summaries_fit_on_a_line() {
    for (place, target) in all().iter().enumerate() {
        assert!(
            all()[..place].iter().all(|other| other.name != target.name),
            "{}",
            target.name
        );
        assert!(
            !target.summary.is_empty() && target.summary.len() < 80,
            "{}",
            target.name
        );
    }
    assert_eq!(all().iter().filter(|target| !target.zoo).count(), 15);
}

#[test]
fn what_is_a_users_own_is_nobody_elses() {
    for name in HONEST {
        with_server(name, |server| {
            let mut client = server.client();
            for answer in [
                client.me(),
                client.login("u17"),
                client.visit(),
                client.me(),
                client.logout(),
                client.health(),
            ] {
                let control = answer.header("cache-control");
                assert_eq!(control, Some("private, no-store"), "{name}");
            }
        });
    }
}

/// What a server says to a request without a body.
fn raw(server: &Server, path: &str, header: &str) -> String {
    let mut stream = TcpStream::connect(server.address).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{header}\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
    answer
}

#[test]
fn a_page_is_everybodys_for_as_long_as_it_says() {
    with_server("token", |server| {
        let page = raw(server, "/page/3", "");
        assert!(page.starts_with("HTTP/1.1 200"), "{page}");
        assert!(
            page.contains("cache-control: public, max-age=5\r\n"),
            "{page}"
        );
        assert!(page.contains("etag: \"page-3\"\r\n"), "{page}");
        assert!(page.contains("<title>Page 3</title>"), "{page}");
        let short = raw(server, "/page/3?max-age=1&stale-if-error=60", "");
        assert!(
            short.contains("cache-control: public, max-age=1, stale-if-error=60\r\n"),
            "{short}"
        );
        for condition in [
            "if-none-match: W/\"page-3\"\r\n",
            "if-modified-since: Thu, 01 Jan 2026 00:00:00 GMT\r\n",
        ] {
            let known = raw(server, "/page/3", condition);
            assert!(known.starts_with("HTTP/1.1 304"), "{known}");
            assert!(known.ends_with("\r\n\r\n"), "{known}");
        }
        let other = raw(server, "/page/3", "if-none-match: \"page-4\"\r\n");
        assert!(other.starts_with("HTTP/1.1 200"), "{other}");
        for wrong in ["/page/3?max-age=soon", "/page/3?age=1", "/page/three"] {
            let refused = raw(server, wrong, "");
            assert!(refused.starts_with("HTTP/1.1 400"), "{wrong}: {refused}");
        }
    });
}
