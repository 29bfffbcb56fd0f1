//! One direction of a connection: bytes, their end and a reset, each passed on when it is due, in the order in which they came.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use comeback_model::toxics::Cut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::board::Held;
use super::effects::{Delay, Effects, Way};

/// How much is read at once.
const READ_BYTES: usize = 32 * 1024;
/// How many bytes wait at most; beyond it nothing is read, and the sender waits.
const QUEUE_BYTES: usize = 1 << 20;
/// Bytes of a limited bandwidth are passed on so many times a second, where there are as many.
const STEPS: u64 = 100;

/// The step of the runtime's timers. Bytes that a bandwidth would hold back for less than that are passed on at once: the next ones
/// wait for them, too.
const TIMER: Duration = Duration::from_millis(1);

/// How a direction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Its sender closed it, and that was passed on.
    Closed,
    /// Its sender reset the connection.
    Reset,
    /// Its receiver takes nothing more.
    Broken,
    /// It was cut.
    Cut(Cut),
}

/// Something to be passed on.
enum Piece {
    Bytes(Vec<u8>),
    Close,
    Reset,
}

/// Something that waits.
struct Waiting {
    piece: Piece,
    came: Instant,
    delays: Vec<Delay>,
    due: Instant,
}

/// One direction of a connection.
pub(super) struct Pump<'a> {
    pub(super) from: ReadHalf<'a>,
    pub(super) to: WriteHalf<'a>,
    pub(super) held: watch::Receiver<Held>,
    pub(super) effects: Effects,
    queue: VecDeque<Waiting>,
    queued: usize,
    is_open: bool,
    passed: u64,
    /// Until then the bandwidth is used up.
    free_at: Instant,
}

impl<'a> Pump<'a> {
    pub(super) fn new(
        (from, to): (ReadHalf<'a>, WriteHalf<'a>),
        held: watch::Receiver<Held>,
        (connection, way): (u64, Way),
    ) -> Self {
        let mut effects = Effects::new(connection, way);
        effects.change(&held.borrow(), 0);
        Self {
            from,
            to,
            held,
            effects,
            queue: VecDeque::new(),
            queued: 0,
            is_open: true,
            passed: 0,
            free_at: Instant::now(),
        }
    }

    /// Passes on until the direction ends. `ended` is called when its sender has ended it.
    pub(super) async fn run(mut self, ended: impl Fn()) -> End {
        let mut buffer = vec![0; READ_BYTES];
        loop {
            if self.held.has_changed().unwrap_or(false) {
                self.change();
            }
            let due = self.next_due();
            if due.is_some_and(|due| due <= Instant::now()) {
                match self.pass_next().await {
                    Ok(None) => continue,
                    Ok(Some(end)) => return end,
                    Err(_) => return End::Broken,
                }
            }
            tokio::select! {
                biased;
                Ok(()) = self.held.changed() => self.change(),
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
                read = self.from.read(&mut buffer), if self.is_open && self.queued < QUEUE_BYTES => {
                    if !matches!(read, Ok(1..)) {
                        ended();
                    }
                    match self.take(read.map(|length| &buffer[..length])).await {
                        Ok(()) => {}
                        Err(end) => return end,
                    }
                }
            }
        }
    }

    /// Other toxics hold. What waits is due when the delays are over that still hold.
    fn change(&mut self) {
        self.effects
            .change(&self.held.borrow_and_update(), self.passed);
        let mut last = None;
        for waiting in &mut self.queue {
            let due = waiting.came + self.effects.sum(&waiting.delays);
            waiting.due = due.max(last.unwrap_or(due));
            last = Some(waiting.due);
        }
        if self.effects.bandwidth().is_none() {
            self.free_at = Instant::now();
        }
    }

    /// Takes what has come.
    async fn take(&mut self, read: io::Result<&[u8]>) -> Result<(), End> {
        let came = Instant::now();
        let (piece, delays) = match read {
            Ok([]) => {
                let mut delays = self.effects.delay(0);
                delays.extend(self.effects.slow_close());
                (Piece::Close, delays)
            }
            Ok(bytes) if self.effects.are_none() && self.queue.is_empty() => {
                self.passed += bytes.len() as u64;
                let written = self.to.write_all(bytes).await;
                return written.map_err(|_| End::Broken);
            }
            Ok(bytes) => {
                self.queued += bytes.len();
                let delays = self.effects.delay(bytes.len() as u64);
                (Piece::Bytes(bytes.to_vec()), delays)
            }
            Err(_) => (Piece::Reset, self.effects.delay(0)),
        };
        self.is_open = matches!(piece, Piece::Bytes(_));
        // Nothing overtakes what came before it.
        let last = self.queue.back().map(|waiting| waiting.due);
        let due = (came + self.effects.sum(&delays)).max(last.unwrap_or(came));
        self.queue.push_back(Waiting {
            piece,
            came,
            delays,
            due,
        });
        Ok(())
    }

    /// When the first that waits is to be passed on, or as much of it as passes at once: bytes of a limited bandwidth have arrived
    /// when the last of them has.
    fn next_due(&self) -> Option<Instant> {
        let Waiting { piece, due, .. } = self.queue.front()?;
        Some(match piece {
            Piece::Bytes(bytes) => {
                let arrived = self.arrived(*due, self.most().min(bytes.len() as u64));
                if is_held(*due, arrived) {
                    arrived
                } else {
                    *due
                }
            }
            Piece::Close | Piece::Reset => self.free_at.max(*due),
        })
    }

    /// When so many bytes that are due have arrived at the bandwidth.
    fn arrived(&self, due: Instant, bytes: u64) -> Instant {
        self.free_at.max(due) + self.takes(bytes)
    }

    /// How many bytes pass at once.
    fn most(&self) -> u64 {
        let rate = self.effects.bandwidth();
        let step = rate.map_or(u64::MAX, |rate| (rate / STEPS).max(1));
        step.min(self.effects.until_cut(self.passed).unwrap_or(u64::MAX))
    }

    /// How long so many bytes take.
    fn takes(&self, bytes: u64) -> Duration {
        let rate = self.effects.bandwidth();
        rate.map_or(Duration::ZERO, |rate| {
            Duration::from_micros(bytes * 1_000_000 / rate)
        })
    }

    /// Passes on the first that waits, or as much of it as may pass now; the end, where that is one.
    async fn pass_next(&mut self) -> io::Result<Option<End>> {
        let Some(mut waiting) = self.queue.pop_front() else {
            return Ok(None);
        };
        let mut bytes = match waiting.piece {
            Piece::Bytes(bytes) => bytes,
            Piece::Close => {
                self.to.shutdown().await?;
                return Ok(Some(End::Closed));
            }
            Piece::Reset => return Ok(Some(End::Reset)),
        };
        let most = usize::try_from(self.most()).unwrap_or(usize::MAX);
        let rest = (bytes.len() > most).then(|| bytes.split_off(most));
        let length = bytes.len() as u64;
        if self.effects.bandwidth().is_some() {
            let arrived = self.arrived(waiting.due, length);
            if is_held(waiting.due, arrived) {
                self.effects.note_held(length);
            }
            self.free_at = arrived;
        }
        self.to.write_all(&bytes).await?;
        self.passed += length;
        self.queued -= bytes.len();
        if self.effects.until_cut(self.passed) == Some(0) {
            return Ok(Some(End::Cut(self.effects.cut(self.passed))));
        }
        if let Some(rest) = rest {
            waiting.piece = Piece::Bytes(rest);
            self.queue.push_front(waiting);
        }
        Ok(None)
    }
}

/// Whether a bandwidth holds back what is due then and arrives then.
fn is_held(due: Instant, arrived: Instant) -> bool {
    arrived >= due + TIMER
}
