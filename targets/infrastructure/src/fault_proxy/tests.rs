//! A real proxy on real sockets, in a thread of its own, between a node and clients of the test.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use comeback_model::toxics::{Answer, Counts, Cut, Direction, Order, Size, Toxics};
use comeback_model::units::Span;
use rustix::net::sockopt::set_socket_linger;
use tokio::sync::oneshot;

use super::board::Board;
use super::node::Front;

/// How long what must come may take, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
const DELAY: Duration = Duration::from_millis(150);
/// The same less the step of the runtime's timers.
const AT_LEAST: Duration = Duration::from_millis(149);

const NOTHING: Toxics = Toxics {
    delay: Span::ZERO,
    jitter: Span::ZERO,
    bandwidth: None,
    direction: Direction::Both,
    slow_close: Span::ZERO,
    cut_after: None,
    cut: Cut::Reset,
    refuse: false,
    fail_first: 0,
    percent: 100,
};

fn delayed(direction: Direction) -> Toxics {
    Toxics {
        delay: Span::from_ms(DELAY.as_millis() as u64),
        direction,
        ..NOTHING
    }
}

/// A proxy in front of a node whose connections the test accepts itself.
struct Proxied {
    board: Arc<Board>,
    at: SocketAddr,
    node: Option<TcpListener>,
    node_at: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Proxied {
    fn start() -> Self {
        let node = TcpListener::bind("127.0.0.1:0").expect("a port");
        let node_at = node.local_addr().expect("an address");
        let board = Arc::new(Board::default());
        // The port is free again when this is dropped, and the kernel gives it to nobody so soon.
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        let at = free.local_addr().expect("an address");
        drop(free);
        let (stop, stopped) = oneshot::channel();
        let (listens, listening) = std::sync::mpsc::channel();
        let its = Arc::clone(&board);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = { runtime }.enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let front = Front::listen(at, node_at, its).expect("it listens");
                listens.send(()).expect("the test waits");
                tokio::select! {
                    _ = stopped => {}
                    ended = front.serve() => ended.expect("it serves for ever"),
                }
            });
        });
        listening.recv_timeout(PATIENCE).expect("it listens");
        Self {
            board,
            at,
            node: Some(node),
            node_at,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    fn on(&self, toxics: Toxics) -> Counts {
        self.on_as("test", toxics)
    }

    fn on_as(&self, name: &str, toxics: Toxics) -> Counts {
        let (name, seed) = (name.to_owned(), 7);
        self.tell(Order::On { name, seed, toxics })
    }

    /// Waits until this was counted.
    fn until(&self, is_there: impl Fn(&Counts) -> bool) {
        let begun = Instant::now();
        while !is_there(&self.counts()) {
            assert!(begun.elapsed() < PATIENCE, "{:?}", self.counts());
            std::thread::yield_now();
        }
    }

    fn off(&self) -> Counts {
        let name = "test".to_owned();
        self.tell(Order::Off { name })
    }

    fn counts(&self) -> Counts {
        let name = "test".to_owned();
        self.tell(Order::Count { name })
    }

    fn tell(&self, order: Order) -> Counts {
        match self.board.obey(order) {
            Answer::State { counts, .. } => counts,
            Answer::Refused(problem) => panic!("{problem}"),
        }
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect_timeout(&self.at, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(stream)
    }

    /// A client and the node's end of its connection.
    fn pair(&self) -> (TcpStream, TcpStream) {
        let client = self.connect().expect("it listens");
        let node = self.node.as_ref().expect("the node listens");
        let (server, _) = node.accept().expect("it is passed on");
        server.set_read_timeout(Some(PATIENCE)).expect("it may");
        (client, server)
    }
}

impl Drop for Proxied {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking());
        }
    }
}

/// Sends this one way; how long it took to arrive.
fn send(from: &mut TcpStream, to: &mut TcpStream, bytes: &[u8]) -> Duration {
    let begun = Instant::now();
    from.write_all(bytes).expect("it is sent");
    let mut arrived = vec![0; bytes.len()];
    to.read_exact(&mut arrived).expect("it arrives");
    assert_eq!(arrived, bytes);
    begun.elapsed()
}

/// Reads to the end: what came, and how it ended.
fn rest(from: &mut TcpStream) -> (Vec<u8>, io::Result<()>) {
    let mut all = Vec::new();
    let ended = from.read_to_end(&mut all).map(drop);
    (all, ended)
}

fn kind(ended: io::Result<()>) -> Option<ErrorKind> {
    ended.err().map(|error| error.kind())
}

fn reset(stream: TcpStream) {
    set_socket_linger(&stream, Some(Duration::ZERO)).expect("it may");
}

#[test]
fn bytes_half_closes_and_resets_are_passed_on_both_ways() {
    let proxied = Proxied::start();
    let (mut client, mut server) = proxied.pair();
    send(&mut client, &mut server, b"question");
    client.shutdown(Shutdown::Write).expect("it is open");
    assert_eq!(rest(&mut server).0, b"");
    // The other half is still open.
    send(&mut server, &mut client, b"answer");
    drop(server);
    let (none, ended) = rest(&mut client);
    assert_eq!((none.len(), kind(ended)), (0, None));

    let (mut client, server) = proxied.pair();
    reset(server);
    assert_eq!(kind(rest(&mut client).1), Some(ErrorKind::ConnectionReset));
    let (client, mut server) = proxied.pair();
    reset(client);
    assert_eq!(kind(rest(&mut server).1), Some(ErrorKind::ConnectionReset));
    assert_eq!(proxied.counts(), Counts::default());
}

#[test]
fn a_megabyte_arrives_whole_whatever_holds() {
    let proxied = Proxied::start();
    let bytes: Vec<u8> = (0..1_000_000_u32)
        .map(|number| (number * 7) as u8)
        .collect();
    for toxics in [
        NOTHING,
        Toxics {
            jitter: Span::from_ms(5),
            delay: Span::from_ms(5),
            bandwidth: Some(Size::from_bytes(20_000_000)),
            ..NOTHING
        },
    ] {
        proxied.on(toxics);
        let (mut client, mut server) = proxied.pair();
        let sent = bytes.clone();
        let sender = std::thread::spawn(move || client.write_all(&sent).map(|()| drop(client)));
        let (arrived, ended) = rest(&mut server);
        assert_eq!(kind(ended), None);
        assert!(arrived == bytes, "{} bytes", arrived.len());
        sender.join().expect("it ends").expect("it is sent");
    }
}

#[test]
fn a_delay_holds_for_open_connections_its_way_alone_and_until_it_is_switched_off() {
    for (direction, to, from) in [
        (Direction::To, true, false),
        (Direction::From, false, true),
        (Direction::Both, true, true),
    ] {
        let proxied = Proxied::start();
        let (mut client, mut server) = proxied.pair();
        send(&mut client, &mut server, b"before");
        assert_eq!(proxied.counts().bytes_delayed, 0);
        proxied.on(delayed(direction));
        let up = send(&mut client, &mut server, b"12345");
        let counts = proxied.counts();
        assert_eq!(counts.bytes_delayed, if to { 5 } else { 0 });
        assert!(!to || up >= AT_LEAST, "{up:?}");
        let down = send(&mut server, &mut client, b"123");
        let more = proxied.counts().bytes_delayed - counts.bytes_delayed;
        assert_eq!(more, if from { 3 } else { 0 });
        assert!(!from || down >= AT_LEAST, "{down:?}");
        let counts = proxied.off();
        send(&mut client, &mut server, b"after");
        send(&mut server, &mut client, b"after");
        assert_eq!(proxied.counts(), counts);
    }
}

#[test]
fn what_is_delayed_arrives_at_once_when_that_is_switched_off() {
    let proxied = Proxied::start();
    let (mut client, mut server) = proxied.pair();
    proxied.on(Toxics {
        delay: Span::from_secs(3_600),
        ..NOTHING
    });
    client.write_all(b"late").expect("it is sent");
    proxied.until(|counts| counts.bytes_delayed == 4);
    proxied.off();
    let mut arrived = [0; 4];
    server.read_exact(&mut arrived).expect("it arrives");
    assert_eq!(&arrived, b"late");
}

#[test]
fn what_waits_for_two_delays_waits_for_the_other_when_one_is_switched_off() {
    let proxied = Proxied::start();
    let (mut client, mut server) = proxied.pair();
    proxied.on_as("surrounding", delayed(Direction::Both));
    proxied.on(Toxics {
        delay: Span::from_secs(3_600),
        ..NOTHING
    });
    let begun = Instant::now();
    client.write_all(b"late").expect("it is sent");
    proxied.until(|counts| counts.bytes_delayed == 4);
    proxied.off();
    let mut arrived = [0; 4];
    server.read_exact(&mut arrived).expect("it arrives");
    assert!(begun.elapsed() >= DELAY, "{:?}", begun.elapsed());
}

#[test]
fn nothing_is_passed_on_before_it_is_due() {
    let proxied = Proxied::start();
    let (mut client, mut server) = proxied.pair();
    let short = Duration::from_millis(1);
    proxied.on(Toxics {
        delay: Span::from_ms(1),
        ..NOTHING
    });
    for round in 0..20_u8 {
        let took = send(&mut client, &mut server, &[round]);
        assert!(took >= short, "{took:?}");
    }
}

#[test]
fn only_what_waits_for_a_bandwidth_counts_as_held_back_by_it() {
    let proxied = Proxied::start();
    let (mut client, mut server) = proxied.pair();
    let rate = |bytes| Toxics {
        bandwidth: Some(Size::from_bytes(bytes)),
        ..NOTHING
    };
    // A microsecond for each 100 bytes.
    proxied.on(rate(100_000_000));
    for _ in 0..20 {
        send(&mut client, &mut server, &[1; 1_000]);
    }
    assert_eq!(proxied.counts().bytes_held, 0);
    proxied.on(rate(1_000_000));
    let took = send(&mut client, &mut server, &[1; 5_000]);
    assert!(took >= Duration::from_millis(4), "{took:?}");
    assert!(proxied.counts().bytes_held > 0);
}

#[test]
fn jitter_stays_within_its_bounds_and_nothing_overtakes() {
    let proxied = Proxied::start();
    proxied.on(Toxics {
        jitter: Span::from_ms(100),
        ..delayed(Direction::To)
    });
    let (mut client, mut server) = proxied.pair();
    let mut took = Vec::new();
    for round in 0..8_u8 {
        took.push(send(&mut client, &mut server, &[round]));
    }
    // At least the delay less the jitter.
    let least = Duration::from_millis(49);
    assert!(took.iter().all(|took| *took >= least), "{took:?}");
    for round in 0..50_u8 {
        client.write_all(&[round]).expect("it is sent");
    }
    let mut arrived = [0; 50];
    server.read_exact(&mut arrived).expect("it arrives");
    assert!(arrived.is_sorted(), "{arrived:?}");
}

#[test]
fn bytes_take_their_time_at_a_bandwidth() {
    let proxied = Proxied::start();
    proxied.on(Toxics {
        bandwidth: Some(Size::from_bytes(10_000)),
        ..NOTHING
    });
    let (mut client, mut server) = proxied.pair();
    let took = send(&mut server, &mut client, &[1; 3_000]);
    // 300 ms, and the timer's step.
    assert!(took >= Duration::from_millis(297), "{took:?}");
    assert!(
        proxied.counts().bytes_held >= 2_000,
        "{:?}",
        proxied.counts()
    );
    // Both ways have a bandwidth of their own.
    let took = send(&mut client, &mut server, &[1; 1_000]);
    assert!(took >= Duration::from_millis(97), "{took:?}");
}

#[test]
fn a_reply_is_cut_after_so_many_bytes_since_the_fault_began() {
    for (cut, ends) in [
        (Cut::Reset, Some(ErrorKind::ConnectionReset)),
        (Cut::Close, None),
    ] {
        let proxied = Proxied::start();
        let (mut client, mut server) = proxied.pair();
        send(&mut server, &mut client, &[1; 5_000]);
        proxied.on(Toxics {
            cut_after: Some(Size::from_bytes(1_000)),
            cut,
            ..NOTHING
        });
        // Requests are not counted.
        send(&mut client, &mut server, &[1; 5_000]);
        server.write_all(&[2; 600]).expect("it is sent");
        let mut arrived = [0; 600];
        client.read_exact(&mut arrived).expect("it arrives");
        assert_eq!(proxied.counts().cut, 0);
        server.write_all(&[2; 600]).expect("it is sent");
        let (last, ended) = rest(&mut client);
        assert_eq!((last.len(), kind(ended)), (400, ends));
        assert_eq!(proxied.counts().cut, 1);
        // The node sees that its client is gone.
        let (_, ended) = rest(&mut server);
        assert_eq!(kind(ended), Some(ErrorKind::ConnectionReset));
    }
}

#[test]
fn the_end_of_a_connection_is_passed_on_late() {
    let proxied = Proxied::start();
    proxied.on(Toxics {
        slow_close: Span::from_ms(150),
        ..NOTHING
    });
    let (mut client, server) = proxied.pair();
    let begun = Instant::now();
    drop(server);
    let (_, ended) = rest(&mut client);
    assert_eq!(kind(ended), None);
    assert!(begun.elapsed() >= Duration::from_millis(149));
    assert_eq!(proxied.counts().closes_delayed, 1);
}

#[test]
fn what_begins_and_ends_meanwhile_does_not_shorten_a_slow_close() {
    let proxied = Proxied::start();
    proxied.on(Toxics {
        slow_close: Span::from_ms(150),
        ..NOTHING
    });
    let (mut client, server) = proxied.pair();
    let begun = Instant::now();
    drop(server);
    proxied.until(|counts| counts.closes_delayed == 1);
    proxied.on_as("other", NOTHING);
    let (_, ended) = rest(&mut client);
    assert_eq!(kind(ended), None);
    assert!(begun.elapsed() >= DELAY, "{:?}", begun.elapsed());
}

#[test]
fn a_reply_on_its_way_arrives_though_the_node_takes_no_more_requests() {
    let proxied = Proxied::start();
    proxied.on(Toxics {
        delay: Span::from_ms(400),
        ..delayed(Direction::From)
    });
    let (mut client, mut server) = proxied.pair();
    server.write_all(b"answer").expect("it is sent");
    proxied.until(|counts| counts.bytes_delayed == 6);
    reset(server);
    for _ in 0..10 {
        client.write_all(b"more").expect("the proxy is there");
    }
    let mut arrived = [0; 6];
    client.read_exact(&mut arrived).expect("it arrives");
    assert_eq!(&arrived, b"answer");
}

#[test]
fn who_was_reset_for_a_node_that_is_gone_is_refused_when_he_comes_again() {
    for _ in 0..20 {
        let mut proxied = Proxied::start();
        drop(proxied.node.take());
        let ended = proxied.connect().and_then(|mut client| rest(&mut client).1);
        let reset = [ErrorKind::ConnectionReset, ErrorKind::ConnectionRefused];
        assert!(kind(ended).is_some_and(|kind| reset.contains(&kind)));
        let again = proxied.connect().map(drop);
        assert_eq!(kind(again), Some(ErrorKind::ConnectionRefused));
    }
}

#[test]
fn a_proxy_that_cannot_connect_by_its_own_fault_ends_with_an_error() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = free.local_addr().expect("an address");
    drop(free);
    // The kernel connects nobody to all hosts at once.
    let nowhere = SocketAddr::from(([255; 4], 9));
    let (listens, listening) = std::sync::mpsc::channel();
    let proxy = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let front = Front::listen(at, nowhere, Arc::default()).expect("it listens");
            listens.send(()).expect("the test waits");
            tokio::time::timeout(PATIENCE, front.serve()).await
        })
    });
    listening.recv_timeout(PATIENCE).expect("it listens");
    let client = TcpStream::connect_timeout(&at, PATIENCE).expect("it listens");
    let ended = proxy.join().expect("it does not panic");
    let error = ended.expect("it ends").expect_err("it failed");
    assert!(
        error.to_string().contains("cannot connect to the node"),
        "{error}"
    );
    drop(client);
}

#[test]
fn new_connections_are_reset_and_open_ones_go_on() {
    let proxied = Proxied::start();
    let (mut client, mut server) = proxied.pair();
    proxied.on(Toxics {
        refuse: true,
        ..NOTHING
    });
    for _ in 0..3 {
        let ended = proxied.connect().map(|mut client| rest(&mut client).1);
        let ended = ended.and_then(|ended| ended);
        assert_eq!(kind(ended), Some(ErrorKind::ConnectionReset));
    }
    send(&mut client, &mut server, b"goes on");
    assert_eq!(proxied.counts().refused, 3);
    proxied.off();
    let (mut client, mut server) = proxied.pair();
    send(&mut client, &mut server, b"again");
}

#[test]
fn the_first_new_connections_fail_and_no_other() {
    let proxied = Proxied::start();
    proxied.on(Toxics {
        fail_first: 2,
        ..NOTHING
    });
    for _ in 0..2 {
        let ended = proxied.connect().map(|mut client| rest(&mut client).1);
        let ended = ended.and_then(|ended| ended);
        assert_eq!(kind(ended), Some(ErrorKind::ConnectionReset));
    }
    let (mut client, mut server) = proxied.pair();
    send(&mut client, &mut server, b"third");
    assert_eq!(proxied.counts().failed, 2);
}

/// Which of these connections are met.
fn met(percent: u8) -> Vec<bool> {
    let proxied = Proxied::start();
    proxied.on(Toxics {
        percent,
        refuse: true,
        ..NOTHING
    });
    let mut met = Vec::new();
    for _ in 0..40 {
        let before = proxied.counts().refused;
        let client = match proxied.connect() {
            Ok(client) => client,
            Err(_) => {
                met.push(true);
                continue;
            }
        };
        // One that is not met gets as far as the node.
        client.shutdown(Shutdown::Write).unwrap_or(());
        let node = proxied.node.as_ref().expect("the node listens");
        node.set_nonblocking(true).expect("it may");
        let begun = Instant::now();
        met.push(loop {
            if node.accept().is_ok() {
                break false;
            }
            if proxied.counts().refused > before {
                break true;
            }
            assert!(begun.elapsed() < PATIENCE);
            std::thread::yield_now();
        });
    }
    met
}

#[test]
fn a_share_of_the_connections_is_met_as_the_seed_says() {
    assert!(met(100).iter().all(|met| *met));
    assert!(met(0).iter().all(|met| !met));
    let half = met(50);
    let count = half.iter().filter(|met| **met).count();
    assert!((8..=32).contains(&count), "{half:?}");
    assert_eq!(half, met(50));
}

#[test]
fn who_connects_to_a_node_that_is_gone_is_refused_until_it_is_back() {
    let mut proxied = Proxied::start();
    let (mut client, server) = proxied.pair();
    // As a killed process: all at once.
    drop(proxied.node.take());
    drop(server);
    assert_eq!(rest(&mut client).0, b"");
    let begun = Instant::now();
    let mut last = None;
    // A connection that comes before the proxy has noticed it is reset, and answered by nobody.
    while last != Some(ErrorKind::ConnectionRefused) {
        let ended = proxied.connect().and_then(|mut client| rest(&mut client).1);
        last = kind(ended);
        assert!(last.is_some(), "nobody is there to end it well");
        assert!(begun.elapsed() < PATIENCE, "{last:?}");
    }
    for _ in 0..20 {
        let refused = proxied.connect().map(drop);
        assert_eq!(kind(refused), Some(ErrorKind::ConnectionRefused));
    }
    proxied.node = Some(TcpListener::bind(proxied.node_at).expect("the port is its own"));
    let begun = Instant::now();
    let client = loop {
        match proxied.connect() {
            Ok(client) => break client,
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionRefused),
        }
        assert!(begun.elapsed() < PATIENCE, "it listens again");
    };
    let (mut client, node) = (client, proxied.node.as_ref().expect("it is back"));
    let (mut server, _) = node.accept().expect("it is passed on");
    send(&mut client, &mut server, b"as before");
}
