//! The servers that keep their sessions in another one: the contract, with real stores, and what a client sees while
//! the store is away.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::print_stderr, reason = "a skipped test says why")]

#[path = "support/stores.rs"]
mod stores;
mod support;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use comeback_servers::STORE_WITHIN;
use comeback_supervise::ports::free_port;
use rustix::process::Signal;
use stores::{Kind, RealStore};
use support::{Answer, Client, Server};

/// Longer than a request waits for the store; the rest is for a busy machine.
const PATIENCE: Duration = Duration::from_secs(12);

/// A store with replicas of the server over it.
struct Service {
    store: RealStore,
    replicas: Vec<Server>,
}

impl Service {
    fn start(kind: Kind, replicas: usize) -> Self {
        let store = RealStore::start(kind);
        let replicas = (0..replicas)
            .map(|_| replica(kind, store.address))
            .collect();
        Self { store, replicas }
    }

    fn client(&self, replica: usize) -> Client {
        self.replicas[replica].client()
    }

    fn drain(self) {
        self.replicas.into_iter().for_each(Server::drain);
    }
}

fn replica(kind: Kind, store: SocketAddr) -> Server {
    let data = tempfile::tempdir().unwrap();
    Server::start_over(kind.server(), data.path(), Some(store)).owning(data)
}

/// Runs a test on every store that is here.
fn for_each_store(test: impl Fn(Kind)) {
    for kind in [Kind::Redis, Kind::Postgres] {
        if kind.is_here() {
            test(kind);
        }
    }
}

/// All that a session can be asked for, in an order that a store that is away does not disturb.
fn all_requests(client: &mut Client) -> [Answer; 4] {
    [
        client.visit(),
        client.me(),
        client.login("u18"),
        client.logout(),
    ]
}

#[test]
fn the_contract_is_kept() {
    for_each_store(|kind| {
        let service = Service::start(kind, 1);
        let mut client = service.client(0);
        let health = client.health();
        assert_eq!(health.status, 200, "{kind:?}");
        let login = client.login("u17");
        assert_eq!(login.session(), (200, "u17", 0), "{kind:?}");
        assert_eq!(login.boot_id(), health.boot_id(), "{kind:?}");
        assert_eq!(client.visit().session(), (200, "u17", 1), "{kind:?}");
        assert_eq!(client.visit().session(), (200, "u17", 2), "{kind:?}");
        assert_eq!(client.me().session(), (200, "u17", 2), "{kind:?}");
        let session = client.cookie.clone();
        assert_eq!(client.logout().session(), (200, "u17", 2), "{kind:?}");
        assert_eq!(client.cookie, None, "{kind:?} takes the cookie back");
        let unknown = Some("session=0123456789abcdef0123456789abcdef".to_owned());
        for cookie in [None, session, unknown] {
            client.cookie = cookie;
            for answer in [client.visit(), client.me(), client.logout()] {
                assert_eq!(answer.status, 401, "{kind:?}");
                assert_eq!(answer.body["error"], "no such session", "{kind:?}");
            }
        }
        let refused = client.send("POST", "/login", r#"{"user":"a;b"}"#);
        assert_eq!(refused.status, 400, "{kind:?}");
        service.drain();
    });
}

#[test]
fn replicas_share_sessions_and_count_every_visit() {
    for_each_store(|kind| {
        let service = Service::start(kind, 2);
        let mut client = service.client(0);
        client.login("u17");
        std::thread::scope(|scope| {
            for number in 0..24 {
                let mut client = client.moved_to(service.replicas[number % 2].address);
                scope.spawn(move || (0..10).for_each(|_| assert_eq!(client.visit().status, 200)));
            }
        });
        let mut elsewhere = client.moved_to(service.replicas[1].address);
        assert_eq!(elsewhere.me().session(), (200, "u17", 240), "{kind:?}");
        elsewhere.logout();
        assert_eq!(client.visit().status, 401, "{kind:?}");
        service.drain();
    });
}

#[test]
fn a_killed_server_has_nothing_to_lose() {
    for_each_store(|kind| {
        let mut service = Service::start(kind, 1);
        let mut client = service.client(0);
        let before = client.login("u17").boot_id().to_owned();
        client.visit();
        // In a thread it cannot be killed; that nothing is in the process shows in another one just as well.
        service.replicas.push(replica(kind, service.store.address));
        let mut client = client.moved_to(service.replicas[1].address);
        let answer = client.visit();
        assert_eq!(answer.session(), (200, "u17", 2), "{kind:?}");
        assert_ne!(answer.boot_id(), before, "{kind:?}");
        service.drain();
    });
}

#[test]
fn a_store_that_is_away_is_a_503_and_never_a_lost_session() {
    for_each_store(|kind| {
        let mut service = Service::start(kind, 1);
        let mut client = service.client(0);
        client.login("u17");
        for _ in 0..3 {
            service.store.kill();
            for _ in 0..5 {
                let begun = Instant::now();
                for answer in all_requests(&mut client) {
                    assert_eq!(answer.status, 503, "{kind:?}: {}", answer.body);
                    assert_ne!(answer.body["error"], "no such session", "{kind:?}");
                    assert!(!answer.boot_id().is_empty(), "{kind:?}");
                }
                assert!(
                    begun.elapsed() < PATIENCE,
                    "{kind:?}: {:?}",
                    begun.elapsed()
                );
                assert_eq!(client.health().status, 200, "{kind:?} itself is up");
            }
            service.store.start_again();
            let back = client.login("u19");
            assert_eq!(
                back.session(),
                (200, "u19", 0),
                "{kind:?} works again at once"
            );
        }
        service.drain();
    });
}

#[test]
fn what_was_acknowledged_is_what_the_store_kept() {
    for_each_store(|kind| {
        let mut service = Service::start(kind, 1);
        let mut client = service.client(0);
        client.login("u17");
        (0..5).for_each(|_| assert_eq!(client.visit().status, 200, "{kind:?}"));
        service.store.kill();
        service.store.start_again();
        let expected = match kind {
            // It keeps nothing on disk.
            Kind::Redis => (401, "", 0),
            Kind::Postgres => (200, "u17", 5),
        };
        assert_eq!(client.me().session(), expected, "{kind:?}");
        service.drain();
    });
}

/// Bug 22 of the zoo is a pool that goes on handing out connections that died with the store.
#[test]
fn no_connection_outlives_its_store() {
    for_each_store(|kind| {
        let mut service = Service::start(kind, 1);
        let busy = |service: &Service| {
            std::thread::scope(|scope| {
                let threads: Vec<_> = (0..16)
                    .map(|_| {
                        let mut client = service.client(0);
                        scope.spawn(move || {
                            let logins = (0..5).map(|_| client.login("u17").status);
                            logins.filter(|status| *status == 200).count()
                        })
                    })
                    .collect();
                let good = threads.into_iter().map(|thread| thread.join().unwrap());
                good.sum::<usize>()
            })
        };
        assert_eq!(busy(&service), 80, "{kind:?}");
        service.store.kill();
        service.store.start_again();
        assert_eq!(busy(&service), 80, "{kind:?}");
        service.drain();
    });
}

#[test]
fn a_store_that_hangs_is_waited_for_a_second() {
    for_each_store(|kind| {
        let mut service = Service::start(kind, 0);
        let (data, store) = (tempfile::tempdir().unwrap(), Some(service.store.address));
        let server = Server::start_within(kind.server(), data.path(), store, STORE_WITHIN);
        service.replicas.push(server);
        let mut client = service.client(0);
        client.login("u17");
        let session = client.cookie.clone();
        service.store.signal(Signal::STOP);
        let begun = Instant::now();
        let answers = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..20)
                .map(|_| {
                    let mut client = client.moved_to(service.replicas[0].address);
                    scope.spawn(move || client.visit().status)
                })
                .collect();
            let answers = threads.into_iter().map(|thread| thread.join().unwrap());
            answers.collect::<Vec<_>>()
        });
        let waited = begun.elapsed();
        service.store.signal(Signal::CONT);
        assert_eq!(answers, [503; 20], "{kind:?}");
        assert!(
            waited >= Duration::from_millis(900) && waited < PATIENCE,
            "{kind:?}: {waited:?}"
        );
        client.cookie = session;
        let back = client.me();
        assert_eq!(back.status, 200, "{kind:?} works again at once");
        // What was asked before it hung may have been carried out, each of it once.
        assert!(back.session().2 <= 20, "{kind:?}: {}", back.body);
        service.drain();
    });
}

#[test]
fn a_server_starts_without_its_store() {
    for kind in [Kind::Redis, Kind::Postgres] {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port().unwrap()));
        let server = replica(kind, address);
        let mut client = server.client();
        assert_eq!(client.health().status, 200, "{kind:?}");
        assert_eq!(client.login("u17").status, 503, "{kind:?}");
        assert_eq!(client.me().status, 401, "{kind:?}: no cookie is no session");
        server.drain();
    }
}

#[test]
fn a_server_that_needs_a_store_does_not_start_without_an_address() {
    for kind in [Kind::Redis, Kind::Postgres] {
        let data = tempfile::tempdir().unwrap();
        let server = Server::start(kind.server(), data.path());
        let error = server.stop().join().unwrap().unwrap_err();
        assert!(
            error.to_string().contains("give its address"),
            "{kind:?}: {error}"
        );
    }
}
