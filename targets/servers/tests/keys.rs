//! Visits with an `Idempotency-Key`: each key is counted once, for as long as its session lives.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::print_stderr, reason = "a skipped test says why")]

#[path = "support/stores.rs"]
mod stores;
mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use stores::{Kind, RealStore};
use support::{Answer, Client, Server};

/// The servers that keep sessions by themselves.
const KEEPING: &[&str] = &[
    "memory",
    "buffered",
    "journal",
    "sqlite",
    "wrong-answer",
    "sequential-ids",
    "re-creates",
    "zombie",
    "public-me",
    "lost-replies",
];

/// Runs a test on each of them, and on those whose stores are here.
fn for_each_server(test: impl Fn(&str, &Server)) {
    for name in KEEPING {
        let data = tempfile::tempdir().unwrap();
        let server = Server::start(name, data.path());
        test(name, &server);
        server.drain();
    }
    for kind in [Kind::Redis, Kind::Postgres] {
        if kind.is_here() {
            let store = RealStore::start(kind);
            let data = tempfile::tempdir().unwrap();
            let server = Server::start_over(kind.server(), data.path(), Some(store.address));
            test(kind.server(), &server);
            server.drain();
        }
    }
}

fn counts<const N: usize>(answers: [Answer; N]) -> [(u16, u64); N] {
    answers.map(|answer| (answer.status, answer.session().2))
}

#[test]
fn a_key_is_counted_once_however_late_it_comes_again() {
    for_each_server(|name, server| {
        let mut client = server.client();
        client.login("u17");
        let answers = [
            client.visit_once("a"),
            client.visit_once("a"),
            client.visit_once("b"),
            client.visit_once("a"),
            client.visit_once("\"b\""),
            client.visit(),
            client.visit(),
        ];
        let expected = [1, 1, 2, 2, 2, 3, 4].map(|visits| (200, visits));
        assert_eq!(counts(answers), expected, "{name}");
        assert_eq!(client.me().session(), (200, "u17", 4), "{name}");
    });
}

#[test]
fn a_key_is_one_sessions_alone_and_ends_with_it() {
    for_each_server(|name, server| {
        let (mut first, mut second) = (server.client(), server.client());
        first.login("u17");
        second.login("u18");
        assert_eq!(first.visit_once("a").session(), (200, "u17", 1), "{name}");
        assert_eq!(second.visit_once("a").session(), (200, "u18", 1), "{name}");
        let cookie = first.cookie.clone();
        // A login and a logout have no keys.
        let logout = first.send_with("/logout", "idempotency-key: a\r\n");
        assert_eq!(logout.session(), (200, "u17", 1), "{name}");
        if name != "re-creates" {
            first.cookie = cookie;
            let late = [first.visit_once("a"), first.visit_once("b")];
            assert_eq!(counts(late), [(401, 0); 2], "{name}");
        }
        first.login("u17");
        assert_eq!(first.visit_once("a").session(), (200, "u17", 1), "{name}");
    });
}

#[test]
fn what_is_no_key_is_refused_and_not_counted() {
    for_each_server(|name, server| {
        let mut client = server.client();
        client.login("u17");
        let long = format!("idempotency-key: {}\r\n", "k".repeat(65));
        for headers in [
            "idempotency-key:\r\n",
            "idempotency-key: \"\"\r\n",
            "idempotency-key: a b\r\n",
            "idempotency-key: \"a\"; b=1\r\n",
            "idempotency-key: ä\r\n",
            "idempotency-key: a\r\nidempotency-key: a\r\n",
            &long,
        ] {
            let answer = client.send_with("/visit", headers);
            assert_eq!(answer.status, 400, "{name}: {headers:?}");
            let error = answer.body["error"].as_str().unwrap();
            assert!(
                error.starts_with("this is not an Idempotency-Key: "),
                "{error}"
            );
        }
        let longest = "k".repeat(64);
        assert_eq!(counts([client.visit_once(&longest)]), [(200, 1)], "{name}");
        assert_eq!(counts([client.visit_once(&longest)]), [(200, 1)], "{name}");
    });
}

/// Eight clients send the same ten keys at the same time, and a visit without one.
#[test]
fn concurrent_visits_with_one_key_are_one_visit() {
    let crowd = |client: &Client, address: SocketAddr| {
        std::thread::scope(|scope| {
            for _ in 0..8 {
                let mut client = client.moved_to(address);
                scope.spawn(move || {
                    for key in 0..10 {
                        let answer = client.visit_once(&format!("key-{key}"));
                        assert_eq!(answer.status, 200, "{}", answer.body);
                    }
                    assert_eq!(client.visit().status, 200);
                });
            }
        });
    };
    for_each_server(|name, server| {
        if !["lost-replies", "wrong-answer"].contains(&name) {
            let mut client = server.client();
            client.login("u17");
            crowd(&client, server.address);
            assert_eq!(client.me().session(), (200, "u17", 18), "{name}");
        }
    });
}

/// A logout in the middle of a crowd: a session that is gone is a 401, whatever the visit had waited for.
#[test]
fn a_logout_among_visits_with_keys_ends_the_session() {
    for_each_server(|name, server| {
        // One does not answer every visit well, one welcomes whoever comes.
        if ["lost-replies", "re-creates"].contains(&name) {
            return;
        }
        for round in 0..5 {
            let mut client = server.client();
            client.login("u17");
            let cookie = client.cookie.clone();
            std::thread::scope(|scope| {
                for number in 0..6 {
                    let mut client = client.moved_to(server.address);
                    scope.spawn(move || {
                        for key in 0..10 {
                            let answer = client.visit_once(&format!("{number}-{key}"));
                            let status = answer.status;
                            assert!([200, 401].contains(&status), "{name}: {}", answer.body);
                        }
                    });
                }
                assert_eq!(client.logout().status, 200, "{name}, round {round}");
            });
            client.cookie = cookie;
            assert_eq!(client.visit_once("late").status, 401, "{name}");
        }
    });
}

#[test]
fn keys_live_as_long_as_the_counter_does() {
    for name in ["buffered", "journal", "sqlite", "zombie"] {
        let data = tempfile::tempdir().unwrap();
        let first = Server::start(name, data.path());
        let mut client = first.client();
        client.login("u17");
        let before = [client.visit_once("a"), client.visit_once("b")];
        assert_eq!(counts(before), [(200, 1), (200, 2)], "{name}");
        first.drain();
        let second = Server::start(name, data.path());
        let mut client = client.moved_to(second.address);
        let after = [
            client.visit_once("a"),
            client.visit_once("b"),
            client.visit_once("c"),
        ];
        let expected = [(200, 2), (200, 2), (200, 3)];
        assert_eq!(counts(after), expected, "{name}");
        second.drain();
    }
    for kind in [Kind::Redis, Kind::Postgres] {
        if !kind.is_here() {
            continue;
        }
        let mut store = RealStore::start(kind);
        let data = tempfile::tempdir().unwrap();
        let replica = || Server::start_over(kind.server(), data.path(), Some(store.address));
        let (first, second) = (replica(), replica());
        let mut client = first.client();
        client.login("u17");
        client.visit_once("a");
        let mut client = client.moved_to(second.address);
        let elsewhere = [client.visit_once("a"), client.visit_once("b")];
        assert_eq!(counts(elsewhere), [(200, 1), (200, 2)], "{kind:?}");
        if kind == Kind::Postgres {
            store.kill();
            store.start_again();
            // The connections that died with it may be met by the first.
            client.me();
            let after = [client.visit_once("b"), client.visit_once("c")];
            assert_eq!(counts(after), [(200, 2), (200, 3)], "{kind:?}");
        }
        first.drain();
        second.drain();
    }
}

/// Files as the servers wrote them before.
#[test]
fn what_was_kept_before_there_were_keys_is_read() {
    let session = "0123456789abcdef0123456789abcdef";
    let data = tempfile::tempdir().unwrap();
    let old = format!(r#"{{"{session}":{{"user":"u17","visits":5}}}}"#);
    std::fs::write(data.path().join("sessions.json"), old).unwrap();
    let server = Server::start("buffered", data.path());
    let mut client = server.client();
    client.cookie = Some(format!("session={session}"));
    let answers = [client.visit_once("a"), client.visit_once("a")];
    assert_eq!(counts(answers), [(200, 6); 2]);
    server.drain();

    let data = tempfile::tempdir().unwrap();
    let database = rusqlite::Connection::open(data.path().join("sessions.sqlite")).unwrap();
    let made = "CREATE TABLE sessions (id BLOB PRIMARY KEY, user TEXT NOT NULL, visits INTEGER NOT NULL) \
        WITHOUT ROWID, STRICT; \
        INSERT INTO sessions VALUES (x'0123456789abcdef0123456789abcdef', 'u17', 5)";
    database.execute_batch(made).unwrap();
    drop(database);
    let server = Server::start("sqlite", data.path());
    let mut client = server.client();
    client.cookie = Some(format!("session={session}"));
    let answers = [client.visit_once("a"), client.visit_once("a")];
    assert_eq!(counts(answers), [(200, 6); 2]);
    client.logout();
    server.drain();
    let database = rusqlite::Connection::open(data.path().join("sessions.sqlite")).unwrap();
    let left: i64 = database
        .query_row("SELECT count(*) FROM keys", (), |row| row.get(0))
        .unwrap();
    assert_eq!(left, 0, "a logout takes the keys along");
}

/// How many keys a real store holds, of whichever session.
fn keys_in(kind: Kind, address: SocketAddr) -> usize {
    match kind {
        Kind::Redis => {
            let mut stream = TcpStream::connect(address).unwrap();
            stream
                .write_all(b"PING\r\nKEYS keys:*\r\nQUIT\r\n")
                .unwrap();
            let mut answers = String::new();
            stream.read_to_string(&mut answers).unwrap();
            assert!(answers.starts_with("+PONG\r\n*"), "{answers}");
            answers.matches("keys:").count()
        }
        Kind::Postgres => {
            let port = address.port().to_string();
            let count = Command::new("psql")
                .args(["-h", "127.0.0.1", "-U", "postgres", "-At", "-p", &port])
                .args(["-c", "SELECT count(*) FROM keys"])
                .output()
                .unwrap();
            let said = String::from_utf8(count.stdout).unwrap();
            said.trim().parse().unwrap()
        }
    }
}

#[test]
fn a_logout_takes_the_keys_out_of_a_real_store() {
    for kind in [Kind::Redis, Kind::Postgres] {
        if kind.is_here() {
            let store = RealStore::start(kind);
            let data = tempfile::tempdir().unwrap();
            let server = Server::start_over(kind.server(), data.path(), Some(store.address));
            let mut client = server.client();
            client.login("u17");
            client.visit_once("a");
            assert_eq!(keys_in(kind, store.address), 1, "{kind:?}");
            client.logout();
            assert_eq!(keys_in(kind, store.address), 0, "{kind:?}");
            server.drain();
        }
    }
}

/// Whoever has the old cookie goes back in time, so the header changes nothing.
#[test]
fn a_token_server_counts_by_the_cookie() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start("token", data.path());
    let mut client = server.client();
    client.login("u17");
    let before = client.cookie.clone();
    assert_eq!(counts([client.visit_once("a")]), [(200, 1)]);
    client.cookie = before;
    assert_eq!(counts([client.visit_once("a")]), [(200, 1)]);
    server.drain();
}
