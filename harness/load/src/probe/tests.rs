//! Tests of the probe against a server of this process, which clients of the load asked before.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use comeback_model::ids::{Seed, TrialId};
use comeback_model::plan::{Protocol, Request, Workload};

use super::*;
use crate::{Generator, Setup, Users};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many replies a server has given, and how many of the next ones are empty pages.
#[derive(Debug, Default)]
struct Pages {
    served: AtomicU32,
    empty: AtomicU32,
}

/// A page for everybody.
fn serve() -> (u16, Arc<Pages>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let pages = Arc::<Pages>::default();
    let own = Arc::clone(&pages);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let pages = Arc::clone(&own);
            std::thread::spawn(move || answer(&stream, &pages));
        }
    });
    (port, pages)
}

/// Answers the requests of a connection until the client closes it.
fn answer(mut stream: &TcpStream, pages: &Pages) {
    let mut lines = BufReader::new(stream).lines();
    while let Some(Ok(line)) = lines.next() {
        if !line.is_empty() {
            continue;
        }
        let less = |empty: u32| empty.checked_sub(1);
        let empty = &pages.empty;
        let is_empty = empty.fetch_update(Ordering::AcqRel, Ordering::Acquire, less);
        let page = if is_empty.is_ok() { "" } else { "welcome" };
        let length = page.len();
        let reply = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{page}");
        pages.served.fetch_add(1, Ordering::AcqRel);
        if stream.write_all(reply.as_bytes()).is_err() {
            return;
        }
    }
}

/// Two workers, each with a client.
fn setup(port: u16) -> Setup {
    let request = Request::new("GET", "/");
    Setup {
        first_user: 0,
        users: Users {
            first: 0,
            clients: 2,
            probes: 0,
        },
        trial: TrialId(0),
        load: Load {
            clients: 2,
            workers: 2,
            rate: 1_000.0,
            timeout: Span::from_secs(30),
            ..Load::of(Workload::Stateless(Box::new(request)))
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

/// Until the server has given so many replies.
async fn until_served(pages: &Pages, wanted: u32) {
    let served = async {
        while pages.served.load(Ordering::Acquire) < wanted {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let served = tokio::time::timeout(PATIENCE, served).await;
    served.expect("the load is served");
}

/// The observations of a probe whose server gives three empty pages before the next one is whole.
async fn probed(setup: &Setup, (pages, known): (&Pages, Known)) -> Seen {
    pages.empty.store(3, Ordering::Release);
    let users = Cell::new(0);
    let probe = Probe::new(ProbeSetup {
        load: &setup.load,
        endpoint: &setup.endpoint,
        boot_header: None,
        old_boots: Vec::new(),
        work: None,
        usual: Span::ZERO,
        known,
        users: &users,
        since: setup.clock.now(),
        clock: setup.clock,
    });
    let probe = probe.expect("a probe");
    let recovered = tokio::time::timeout(PATIENCE, probe.run(|| Owner::New(1))).await;
    recovered
        .expect("the server answers")
        .expect("whoever answers is new");
    probe.seen()
}

#[tokio::test]
async fn a_page_that_the_clients_call_wrong_is_no_recovery() {
    let (port, pages) = serve();
    let setup = setup(port);
    let mut load = Generator::start(&setup, |_| {}).expect("the load starts");
    load.run(setup.clock.now());
    // Neither worker need have had as many.
    until_served(&pages, 12).await;
    load.stop().await.expect("the workers live");
    let known = load.trigger().known().clone();
    known.expect_as_before();
    let seen = probed(&setup, (&pages, known)).await;
    assert_eq!(pages.empty.load(Ordering::Acquire), 0);
    assert!(seen.probes > 3, "{seen:?}");
    let problem = seen.last_failure.expect("a probe failed");
    assert!(problem.contains("the reply is empty"), "{problem}");
    // Of a server whose pages nobody knows an empty one is as good as any.
    let seen = probed(&setup, (&pages, Known::default())).await;
    assert_eq!(seen.last_failure, None);
    load.finish().expect("the workers end");
}
