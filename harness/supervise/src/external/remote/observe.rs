//! What the connections to a server on another machine tell of it: some are held, and new ones are tried.

use std::future::poll_fn;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use comeback_host::clock::Clock;
use comeback_model::units::{Elapsed, Span};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio::time::Instant;

/// So many connections are held. A server may close one for reasons of its own.
const HELD: usize = 3;
/// So long after the one before each of them is opened: a server that closes idle ones does not close them together.
const STAGGER: Duration = Duration::from_millis(150);
/// The end of one server closes all of its connections within this of each other, also where one packet is lost on the way.
const TOGETHER: Span = Span::from_ms(500);
/// So many connections that are closed together are no chance.
const WITNESSES: usize = 2;
/// Between two tries to connect while something is waited for: the end, or a new start.
const POLL: Duration = Duration::from_millis(5);
/// And while nothing is: until a held connection that was closed is opened again, and before the first start.
const CALM_POLL: Duration = Duration::from_millis(50);
/// After the command, a connection that was closed is opened again no sooner than the others of a server that ends are closed, too. Where
/// all are closed, one is at once.
const REFILL: Duration = Duration::from_millis(100);
/// After how long a try to connect tells nothing.
const ANSWERED_WITHIN: Duration = Duration::from_secs(1);

/// An end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct End {
    /// When it was seen: the last of the held connections was closed.
    pub(super) at: Elapsed,
    /// It was there then.
    pub(super) alive: Elapsed,
    pub(super) evidence: String,
}

/// A held connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Line {
    #[default]
    Never,
    Open,
    Closed(Elapsed),
}

/// What the last try to connect came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Tried {
    #[default]
    Not,
    Accepted,
    Refused,
    Unclear(String),
}

#[derive(Debug, Default)]
struct Signs {
    lines: [Line; HELD],
    tried: Tried,
    /// The begin of the first try that was accepted, and of the last.
    first_accept: Option<Elapsed>,
    last_accept: Option<Elapsed>,
    /// When the command that ends it was begun.
    sent: Option<Elapsed>,
    /// All held connections were closed together after that, and the next try was accepted.
    was_replaced: bool,
    end: Option<End>,
}

impl Signs {
    fn close(&mut self, place: usize, at: Elapsed) {
        self.lines[place] = Line::Closed(at);
        self.judge();
    }

    /// A held connection broke, and the server did not close it: that tells nothing of the server.
    fn lose(&mut self, place: usize) {
        self.lines[place] = Line::Never;
    }

    fn open(&mut self, place: usize) {
        self.lines[place] = Line::Open;
    }

    fn try_ended(&mut self, begun: Elapsed, tried: Tried) {
        if tried == Tried::Accepted {
            // A try that was under way then tells nothing of the time after.
            let closed = self.closed_together().filter(|_| self.sent.is_some());
            self.was_replaced |= closed.is_some_and(|at| begun > at);
            self.first_accept.get_or_insert(begun);
            self.last_accept = Some(begun);
        }
        self.tried = tried;
        self.judge();
    }

    /// When the last of the held connections was closed, if all were, enough of them together, and after the command where there was one.
    fn closed_together(&self) -> Option<Elapsed> {
        let mut closed = Vec::with_capacity(HELD);
        for line in self.lines {
            match line {
                Line::Never => {}
                Line::Open => return None,
                Line::Closed(at) => closed.push(at),
            }
        }
        let last = closed.iter().copied().max()?;
        let is_witness = |at: &&Elapsed| {
            last.since(**at) <= TOGETHER && self.sent.is_none_or(|sent| **at >= sent)
        };
        let witnesses = closed.iter().filter(is_witness).count();
        (witnesses >= WITNESSES.min(closed.len())).then_some(last)
    }

    /// Sees whether it has ended.
    fn judge(&mut self) {
        if self.end.is_some() || self.tried != Tried::Refused {
            return;
        }
        let Some(at) = self.closed_together() else {
            return;
        };
        // It accepted another one later, and so it was there.
        if self.last_accept.is_some_and(|accepted| accepted > at) {
            return;
        }
        let alive = self.last_accept.max(self.sent).unwrap_or(at).min(at);
        let all: Vec<Elapsed> = self
            .lines
            .iter()
            .filter_map(|line| match line {
                Line::Closed(at) => Some(*at),
                Line::Never | Line::Open => None,
            })
            .collect();
        let witnesses: Vec<&Elapsed> = all
            .iter()
            .filter(|one| at.since(**one) <= TOGETHER)
            .collect();
        let first = witnesses.iter().map(|one| **one).min().unwrap_or(at);
        let evidence = format!(
            "{} of {} held connections were closed by the server within {:.1} ms, and a new one was refused; it was there {:.1} ms before",
            witnesses.len(),
            all.len(),
            at.since(first).as_ms(),
            at.since(alive).as_ms(),
        );
        self.end = Some(End {
            at,
            alive,
            evidence,
        });
    }

    fn why_not_ended(&self) -> String {
        let is_open = |line: &&Line| **line == Line::Open;
        let open = self.lines.iter().filter(is_open).count();
        match &self.tried {
            _ if self.was_replaced => {
                "all held connections were closed together, but the next one was accepted: the server was started again too soon for its \
                 end to be seen, or it only closed its connections, or something in front of it accepts in its place. Have it stay down \
                 for a moment (RestartSec=1 of systemd), or say external.restart and leave the start to that"
                    .to_owned()
            }
            Tried::Unclear(why) => format!(
                "{open} of {HELD} held connections are open, and a new one came to nothing: {why}. That is no proof of an end"
            ),
            Tried::Refused => format!(
                "new connections are refused, but {open} of {HELD} held ones are open, or were closed one by one: it may be at work on them"
            ),
            Tried::Accepted | Tried::Not => format!(
                "{open} of {HELD} held connections are open, and new ones are accepted: the command ended nothing, or something in front \
                 of the server (a proxy, a load balancer, a container's forwarder) keeps them open. Give the address of the server itself"
            ),
        }
    }
}

/// What is observed of one start, for those who want to know it.
#[derive(Debug)]
pub(super) struct Observed {
    clock: Clock,
    signs: Mutex<Signs>,
    changed: Notify,
    hurry: Notify,
}

impl Observed {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            clock,
            signs: Mutex::default(),
            changed: Notify::new(),
            hurry: Notify::new(),
        }
    }

    fn with<T>(&self, ask: impl FnOnce(&mut Signs) -> T) -> T {
        ask(&mut self.signs.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    pub(super) fn first_accept(&self) -> Option<Elapsed> {
        self.with(|signs| signs.first_accept)
    }

    pub(super) fn sent(&self) -> Option<Elapsed> {
        self.with(|signs| signs.sent)
    }

    pub(super) fn end(&self) -> Option<End> {
        self.with(|signs| signs.end.clone())
    }

    pub(super) fn is_refused(&self) -> bool {
        self.with(|signs| signs.tried == Tried::Refused)
    }

    pub(super) fn why_not_ended(&self) -> String {
        self.with(|signs| signs.why_not_ended())
    }

    pub(super) fn last_failure(&self) -> Option<String> {
        self.with(|signs| match &signs.tried {
            Tried::Not | Tried::Accepted => None,
            Tried::Refused => Some("a connection was refused".to_owned()),
            Tried::Unclear(why) => Some(why.clone()),
        })
    }

    /// The command that ends it is about to be begun; when. None if it has ended before.
    pub(super) fn note_sent(&self) -> Option<Elapsed> {
        let at = self.with(|signs| {
            if signs.end.is_some() {
                return None;
            }
            let now = self.clock.now();
            signs.sent = Some(now);
            Some(now)
        });
        self.hurry.notify_one();
        at
    }

    fn note(&self, change: impl FnOnce(&mut Signs)) {
        self.with(change);
        // Who asks later looks first.
        self.changed.notify_waiters();
    }
}

/// Observes a server until its end.
pub(super) async fn observe(observed: Arc<Observed>, address: SocketAddr, is_first: bool) {
    let clock = observed.clock;
    let mut held: [Option<TcpStream>; HELD] = [const { None }; HELD];
    let mut next_try = Instant::now();
    // When each place may be filled.
    let mut due = [next_try; HELD];
    loop {
        let (is_awaited, is_urgent) = observed.with(|signs| {
            let is_awaited = signs.first_accept.is_none();
            let none_open = !signs.lines.contains(&Line::Open);
            (is_awaited, signs.sent.is_some() || none_open)
        });
        let pause = match is_awaited {
            true if is_first => CALM_POLL,
            true => POLL,
            false if is_urgent => POLL,
            false => CALM_POLL,
        };
        let empty = (0..HELD).filter(|place| held[*place].is_none());
        let next_due = empty.map(|place| due[place]).min();
        let at = match (is_awaited || is_urgent, next_due) {
            (true, _) => Some(next_try),
            (false, Some(due)) => Some(due.max(next_try)),
            (false, None) => None,
        };
        let trying = async {
            match at {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
            let begun = clock.now();
            (begun, connect(address).await)
        };
        tokio::select! {
            biased;
            (place, by_server) = closed(&held) => {
                held[place] = None;
                let now = clock.now();
                let pause = observed.sent().map_or(Duration::ZERO, |_| REFILL);
                due[place] = Instant::now() + pause;
                observed.note(|signs| match by_server {
                    true => signs.close(place, now),
                    false => signs.lose(place),
                });
            }
            (begun, tried) = trying => {
                let now = Instant::now();
                next_try = now + pause;
                let (tried, stream) = match tried {
                    Ok(stream) => (Tried::Accepted, Some(stream)),
                    Err(tried) => (tried, None),
                };
                // Where none is held any more, the next is held at once: only what is held shows when it ends.
                let is_due = |place: &usize| due[*place] <= now || held.iter().all(Option::is_none);
                let free = (0..HELD).find(|place| held[*place].is_none() && is_due(place));
                observed.note(|signs| {
                    signs.try_ended(begun, tried);
                    if let Some((place, stream)) = free.zip(stream) {
                        let is_again = signs.lines[place] != Line::Never;
                        signs.open(place);
                        held[place] = Some(stream);
                        for (later, due) in due.iter_mut().enumerate().skip(place + 1) {
                            if !is_again && signs.lines[later] == Line::Never {
                                *due = now + STAGGER;
                            }
                        }
                    }
                });
            }
            () = observed.hurry.notified() => next_try = Instant::now(),
        }
        if observed.end().is_some() {
            return;
        }
    }
}

async fn connect(address: SocketAddr) -> Result<TcpStream, Tried> {
    match tokio::time::timeout(ANSWERED_WITHIN, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => Err(Tried::Refused),
        Ok(Err(error)) => Err(Tried::Unclear(error.to_string())),
        Err(_late) => {
            let seconds = ANSWERED_WITHIN.as_secs();
            Err(Tried::Unclear(format!("no answer within {seconds} s")))
        }
    }
}

/// The next of the held connections to end, by its place, and whether the server closed it. What a server says on one is left aside.
async fn closed(held: &[Option<TcpStream>; HELD]) -> (usize, bool) {
    poll_fn(|context| {
        for (place, stream) in held.iter().enumerate() {
            let ended = stream.as_ref().map(|stream| poll_end(stream, context));
            if let Some(Poll::Ready(by_server)) = ended {
                return Poll::Ready((place, by_server));
            }
        }
        Poll::Pending
    })
    .await
}

fn poll_end(stream: &TcpStream, context: &mut Context<'_>) -> Poll<bool> {
    let mut said = [0; 1024];
    loop {
        let read = match stream.poll_read_ready(context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(())) => stream.try_read(&mut said),
            Poll::Ready(Err(error)) => Err(error),
        };
        match read {
            Ok(0) => return Poll::Ready(true),
            Ok(_) => {}
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::Interrupted => {}
                ErrorKind::ConnectionReset => return Poll::Ready(true),
                _ => return Poll::Ready(false),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(ms: u64) -> Elapsed {
        Elapsed::from_us(ms * 1_000)
    }

    /// Three connections are held, and the command was begun at 1000 ms.
    fn held() -> Signs {
        let mut signs = Signs::default();
        for place in 0..HELD {
            signs.try_ended(at(place as u64 * 150), Tried::Accepted);
            signs.open(place);
        }
        signs.sent = Some(at(1_000));
        signs
    }

    #[test]
    fn connections_that_are_closed_together_and_a_refused_one_show_an_end() {
        let mut signs = held();
        signs.try_ended(at(1_004), Tried::Accepted);
        for place in 0..HELD {
            signs.close(place, at(1_008));
        }
        assert_eq!(signs.end, None, "it may have closed idle ones");
        signs.try_ended(at(1_009), Tried::Refused);
        let end = signs.end.expect("it is an end");
        assert_eq!((end.at, end.alive), (at(1_008), at(1_004)));
        assert!(end.evidence.contains("4.0 ms before"), "{}", end.evidence);
    }

    #[test]
    fn a_refused_connection_alone_shows_no_end() {
        let mut signs = held();
        signs.try_ended(at(1_009), Tried::Refused);
        signs.close(0, at(1_010));
        signs.close(1, at(1_010));
        assert_eq!(signs.end, None, "it works on the third");
        // That is closed much later: nobody knows whether the process has ended.
        signs.close(2, at(4_000));
        assert_eq!(signs.end, None);
        assert!(signs.why_not_ended().contains("one by one"));
    }

    #[test]
    fn closed_connections_and_silence_show_no_end() {
        let mut signs = held();
        for place in 0..HELD {
            signs.close(place, at(1_008));
        }
        signs.try_ended(at(1_009), Tried::Unclear("no answer within 1 s".to_owned()));
        assert_eq!(signs.end, None);
        assert!(signs.why_not_ended().contains("no proof of an end"));
    }

    #[test]
    fn a_server_that_drops_all_connections_and_accepts_the_next_was_not_seen_to_end() {
        let mut signs = held();
        for place in 0..HELD {
            signs.close(place, at(1_008));
        }
        signs.try_ended(at(1_009), Tried::Accepted);
        assert_eq!(signs.end, None);
        assert!(
            signs
                .why_not_ended()
                .contains("accepted: the server was started again")
        );
    }

    #[test]
    fn what_was_closed_before_the_command_is_no_sign_of_its_effect() {
        let mut signs = held();
        signs.close(0, at(900));
        signs.close(1, at(950));
        signs.close(2, at(1_100));
        signs.try_ended(at(1_101), Tried::Refused);
        assert_eq!(signs.end, None);
        // Without a command two of three are enough.
        let mut signs = held();
        signs.sent = None;
        signs.close(0, at(100));
        signs.close(1, at(950));
        signs.close(2, at(1_100));
        signs.try_ended(at(1_101), Tried::Refused);
        assert!(signs.end.is_some());
    }

    #[test]
    fn what_accepted_another_connection_later_had_not_ended() {
        let mut signs = held();
        for place in 0..HELD {
            signs.close(place, at(1_008));
        }
        signs.try_ended(at(1_020), Tried::Accepted);
        signs.try_ended(at(1_060), Tried::Refused);
        assert_eq!(signs.end, None, "it was there 12 ms later");
        // What is held from then on shows the end.
        signs.try_ended(at(1_065), Tried::Accepted);
        signs.open(0);
        signs.close(0, at(1_100));
        signs.try_ended(at(1_102), Tried::Refused);
        let end = signs.end.expect("it is an end");
        assert_eq!((end.at, end.alive), (at(1_100), at(1_065)));
    }

    #[tokio::test]
    async fn a_server_that_closes_idle_connections_and_accepts_until_it_ends_ends_then() {
        let clock = Clock::start();
        let server = tokio::net::TcpListener::bind(("127.0.0.1", 0));
        let server = server.await.expect("a port is free");
        let address = server.local_addr().expect("it has one");
        let observed = Arc::new(Observed::new(clock));
        let observing = tokio::spawn(observe(Arc::clone(&observed), address, false));
        let mut open = Vec::new();
        let is_held = || observed.with(|signs| signs.lines == [Line::Open; HELD]);
        while !is_held() {
            let accepted = tokio::time::timeout(POLL, server.accept()).await;
            open.extend(accepted.map(|accepted| accepted.expect("it is accepted")));
        }
        observed.note_sent();
        let mut last_accept = clock.now();
        let until = Instant::now() + Duration::from_millis(300);
        let mut sweeps = tokio::time::interval(Duration::from_millis(10));
        while Instant::now() < until {
            tokio::select! {
                accepted = server.accept() => {
                    open.push(accepted.expect("it is accepted"));
                    last_accept = clock.now();
                }
                _ = sweeps.tick() => open.clear(),
            }
        }
        drop((server, open));
        let done = tokio::time::timeout(Duration::from_secs(10), observing).await;
        done.expect("the end is seen").expect("nothing panics");
        let end = observed.end().expect("it is an end");
        // A try may have been under way when the last held one was closed.
        let late = last_accept.since(end.at.min(last_accept));
        assert!(
            late < Span::from_ms(20),
            "accepted {:.1} ms after the end: {end:?}",
            late.as_ms()
        );
    }
}
