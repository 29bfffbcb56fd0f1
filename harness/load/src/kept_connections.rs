//! Tests of a whole load against a server that notes which requests came over which connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use comeback_model::endpoint::Endpoint;
use comeback_model::ids::{Seed, TrialId};
use comeback_model::plan::{Load, Mix, Protocol, Request, SessionFlow, Workload};

use super::*;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);
const PAGE: &str = r#"{"user":"u0","visits":0}"#;

/// The requests of each connection, as method and path.
type Seen = Arc<Mutex<Vec<Vec<String>>>>;

/// Knows everybody, and keeps every connection.
fn serve() -> (u16, Seen) {
    serve_unless(&Arc::default())
}

/// The same, but closes the connection of a look while this is set.
fn serve_unless(is_down: &Arc<AtomicBool>) -> (u16, Seen) {
    let is_down = Arc::clone(is_down);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let seen = Seen::default();
    let noted = Arc::clone(&seen);
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().flatten().enumerate() {
            noted.lock().expect("no holder panicked").push(Vec::new());
            let (noted, is_down) = (Arc::clone(&noted), Arc::clone(&is_down));
            std::thread::spawn(move || {
                answer(stream, |line| {
                    let is_look = line == "GET /me";
                    noted.lock().expect("no holder panicked")[number].push(line);
                    !(is_look && is_down.load(Ordering::Acquire))
                })
            });
        }
    });
    (port, seen)
}

/// Answers the requests of a connection until the client closes it, or one is not to be answered.
fn answer(mut stream: TcpStream, takes: impl Fn(String) -> bool) {
    let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).unwrap_or(0) == 0 {
                return;
            }
        }
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            let is_length = name.eq_ignore_ascii_case("content-length");
            is_length.then(|| value.parse().ok()).flatten()
        });
        let mut body = vec![0; length.unwrap_or(0)];
        reader.read_exact(&mut body).expect("the whole body");
        if !takes(head.split(' ').take(2).collect::<Vec<_>>().join(" ")) {
            return;
        }
        let length = PAGE.len();
        let reply = format!(
            "HTTP/1.1 200 OK\r\nset-cookie: id=1\r\ncontent-length: {length}\r\n\r\n{PAGE}"
        );
        if stream.write_all(reply.as_bytes()).is_err() {
            return;
        }
    }
}

/// One user.
fn setup(port: u16, keep_alive: bool, flow: SessionFlow) -> Setup {
    Setup {
        first_user: 0,
        users: Users {
            first: 0,
            clients: 1,
            probes: 0,
        },
        trial: TrialId(0),
        load: Load {
            clients: 1,
            timeout: Span::from_secs(30),
            keep_alive,
            ..Load::of(Workload::Sessions(Box::new(flow)))
        },
        seed: Seed(1),
        endpoint: Endpoint::tcp(Protocol::Http, port),
        closed: false,
        newcomers: false,
        boot_header: None,
        behind_cache: None,
        retry: None,
        balanced: false,
        clock: Clock::start(),
    }
}

/// A load that logs out and nothing else, with a look before each logout.
async fn load_of_logouts(port: u16, keep_alive: bool) -> Generator {
    let only_out = Mix {
        act: 0,
        check: 0,
        logout: 1,
        browse: 0,
    };
    let flow = SessionFlow {
        mix: only_out,
        ..SessionFlow::reference()
    };
    let setup = setup(port, keep_alive, flow);
    let mut load = Generator::start(&setup, |_| {}).expect("the load starts");
    load.trigger().look_before_logouts();
    load.open().await.expect("the worker lives");
    load.run(setup.clock.now());
    load
}

fn count(seen: &Seen, request: &str) -> usize {
    let seen = seen.lock().expect("no holder panicked");
    let requests = seen.iter().flatten();
    requests.filter(|line| *line == request).count()
}

async fn until_seen(seen: &Seen, request: &str, least: usize) {
    let enough = async {
        while count(seen, request) < least {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let enough = tokio::time::timeout(PATIENCE, enough).await;
    enough.expect("users ask for it");
}

/// A logout is the last that a session can tell. If nobody learned what became of it before, nobody would.
#[tokio::test]
async fn a_user_whose_look_is_not_answered_looks_again_and_does_not_log_out() {
    let is_down = Arc::new(AtomicBool::new(true));
    let (port, seen) = serve_unless(&is_down);
    let mut load = load_of_logouts(port, true).await;
    until_seen(&seen, "GET /me", 6).await;
    assert_eq!(count(&seen, "POST /logout"), 0);
    is_down.store(false, Ordering::Release);
    until_seen(&seen, "POST /logout", 1).await;
    load.stop().await.expect("the worker lives");
    load.finish().expect("the worker ends");
}

/// The requests of each connection, where each logout has a look before it.
async fn requests_of_each_connection(keep_alive: bool) -> Vec<Vec<String>> {
    let (port, seen) = serve();
    let mut load = load_of_logouts(port, keep_alive).await;
    until_seen(&seen, "POST /logout", 3).await;
    load.stop().await.expect("the worker lives");
    load.finish().expect("the worker ends");
    let seen = seen.lock().expect("no holder panicked");
    seen.clone()
}

#[tokio::test]
async fn a_client_that_keeps_no_connection_sends_a_look_and_the_logout_behind_it_over_two() {
    let connections = requests_of_each_connection(false).await;
    for requests in &connections {
        assert!(requests.len() <= 1, "{requests:?}");
    }
    assert!(connections.contains(&vec!["GET /me".to_owned()]));
}

#[tokio::test]
async fn a_client_that_keeps_its_connection_sends_everything_over_one() {
    let connections = requests_of_each_connection(true).await;
    assert_eq!(connections.len(), 1, "{connections:?}");
}

/// A process that closes its listener and works on with its connections would answer for the one that took its place.
#[tokio::test]
async fn after_the_end_of_a_server_elsewhere_nobody_asks_over_an_older_connection() {
    let (port, seen) = serve();
    let mut load = load_of_logouts(port, true).await;
    until_seen(&seen, "POST /logout", 3).await;
    load.trigger().note_end_elsewhere();
    let connections = || seen.lock().expect("no holder panicked").clone();
    let is_new = async {
        while connections().len() < 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let is_new = tokio::time::timeout(PATIENCE, is_new).await;
    is_new.expect("it connects anew");
    let before = connections()[0].len();
    until_seen(&seen, "POST /logout", count(&seen, "POST /logout") + 2).await;
    assert_eq!(connections()[0].len(), before);
    assert_eq!(connections().len(), 2);
    load.stop().await.expect("the worker lives");
    load.finish().expect("the worker ends");
}

#[tokio::test]
async fn a_fault_waits_for_the_own_request_of_an_act_and_not_for_one_before_it() {
    let (port, seen) = serve();
    let mut flow = SessionFlow {
        mix: Mix {
            act: 1,
            check: 0,
            logout: 0,
            browse: 0,
        },
        ..SessionFlow::reference()
    };
    let form = Request::new("GET", "/form");
    flow.more.insert("form".to_owned(), form);
    flow.act.before = vec!["form".to_owned()];
    let setup = setup(port, true, flow);
    let mut load = Generator::start(&setup, |_| {}).expect("the load starts");
    load.open().await.expect("the worker lives");
    let (tell, told) = oneshot::channel();
    let inject = move |passed: Option<Passed>| {
        let seen = seen.lock().expect("no holder panicked");
        let asked = seen.iter().flatten().any(|line| line == "GET /form");
        let _ = tell.send(passed.is_some() && asked);
    };
    let trigger = load.trigger().clone();
    let _armed = trigger.arm(Moment::Within(0.0), Box::new(inject));
    load.run(setup.clock.now());
    let was_asked = tokio::time::timeout(PATIENCE, told).await;
    assert_eq!(was_asked.expect("the moment comes"), Ok(true));
    load.stop().await.expect("the worker lives");
    load.finish().expect("the worker ends");
}
