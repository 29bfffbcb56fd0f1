//! Whether this machine's disk keeps anybody waiting while the load runs: what a server does not do in such a time may be no
//! fault of its own (METHOD, *Back for good*). And how its cores were shared meanwhile: on a busy machine times say little (METHOD,
//! *A busy machine*).
//!
//! It has a thread of its own, which reads one small file ten times a second, and the account of the cores at its begin and its end.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use comeback_host::pressure::{self, Cores, waited_for_disk};
use comeback_model::event::EventKind;
use comeback_model::units::{Elapsed, Span};

use super::EngineError;
use super::seams::Book;
use super::watch::Watch;

/// Between two looks.
const EVERY: Duration = Duration::from_millis(100);
/// A stall goes on as long as somebody waits for this share of the time between two looks, in percent.
const MOSTLY: u64 = 50;
/// A server that stores waits for its disk again and again: shorter stalls are not told.
const LEAST: Span = Span::from_ms(200);

/// The looks while they go on.
pub(super) type PressureWatch = Watch<mpsc::Sender<()>>;

/// When the look was, and for how long somebody had waited by then, since the machine was started.
type Look = (Elapsed, Span);

/// A stretch in which somebody mostly waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stall {
    from: Elapsed,
    until: Elapsed,
    waited: Span,
}

/// Makes stalls of looks.
#[derive(Debug, Default)]
struct Stalls {
    last: Option<Look>,
    open: Option<Stall>,
}

impl Stalls {
    /// Takes up the next look; the stall that was over with it.
    fn look(&mut self, (at, waited): Look) -> Option<Stall> {
        let (from, before) = self.last.replace((at, waited))?;
        let waited = Span::from_us(waited.as_us().saturating_sub(before.as_us()));
        if waited.as_us() * 100 < at.since(from).as_us() * MOSTLY {
            return self.end();
        }
        let open = self.open.get_or_insert(Stall {
            from,
            until: from,
            waited: Span::ZERO,
        });
        open.until = at;
        open.waited += waited;
        None
    }

    /// The stall that goes on, if it is to be told.
    fn end(&mut self) -> Option<Stall> {
        self.open.take().filter(|stall| stall.waited >= LEAST)
    }
}

/// Begins to look, where the kernel keeps the accounts.
pub(super) fn watch(book: Book) -> Result<PressureWatch, EngineError> {
    let cores = pressure::cores().map(|cores| (book.clock.now(), cores));
    if waited_for_disk().is_none() && cores.is_none() {
        return Ok(Watch::NONE);
    }
    let (stop, stopped) = mpsc::channel();
    Watch::begin("pressure", stop, move || {
        look(&book, &stopped);
        if let Some(((since, begin), end)) = cores.zip(pressure::cores()) {
            let now = book.clock.now();
            book.record(now, shared(since, begin, end));
        }
    })
}

/// What the cores did between two looks.
fn shared(since_us: Elapsed, begin: Cores, end: Cores) -> EventKind {
    let between = |begin: Span, end: Span| end.as_us().saturating_sub(begin.as_us());
    let waited = begin.waited.zip(end.waited);
    EventKind::CoresShared {
        since_us,
        wanted_us: between(begin.wanted, end.wanted),
        stolen_us: between(begin.stolen, end.stolen),
        waited_us: waited.map(|(begin, end)| between(begin, end)),
    }
}

fn look(book: &Book, stopped: &mpsc::Receiver<()>) {
    let mut stalls = Stalls::default();
    let tell = |stall: Stall| {
        let (since_us, stalled_us) = (stall.from, stall.waited.as_us());
        book.record(
            stall.until,
            EventKind::DiskStalled {
                since_us,
                stalled_us,
            },
        );
    };
    loop {
        let ended = stopped.recv_timeout(EVERY) != Err(RecvTimeoutError::Timeout);
        if let Some(waited) = waited_for_disk() {
            stalls.look((book.clock.now(), waited)).map(tell);
        }
        if ended {
            stalls.end().map(tell);
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Elapsed {
        Elapsed::from_us(ms * 1_000)
    }

    /// Looks every 100 ms, between which somebody waited for so many ms.
    fn stalls(waits: &[u64]) -> Vec<Stall> {
        let mut stalls = Stalls::default();
        let mut waited = 0;
        assert_eq!(stalls.look((ms(0), Span::ZERO)), None);
        let mut found: Vec<Stall> = (1..)
            .zip(waits)
            .filter_map(|(number, wait)| {
                waited += wait;
                stalls.look((ms(number * 100), Span::from_ms(waited)))
            })
            .collect();
        found.extend(stalls.end());
        found
    }

    fn stall(from: u64, until: u64, waited: u64) -> Stall {
        Stall {
            from: ms(from),
            until: ms(until),
            waited: Span::from_ms(waited),
        }
    }

    #[test]
    fn looks_in_a_row_between_which_somebody_mostly_waited_are_one_stall() {
        for (waits, found) in [
            (&[][..], vec![]),
            (&[0, 40, 49], vec![]),
            // Too short to be told.
            (&[100, 99, 0], vec![]),
            (&[0, 100, 100, 10], vec![stall(100, 300, 200)]),
            (&[50; 6], vec![stall(0, 600, 300)]),
            (
                &[100, 100, 0, 80, 90, 70],
                vec![stall(0, 200, 200), stall(300, 600, 240)],
            ),
        ] {
            assert_eq!(stalls(waits), found, "{waits:?}");
        }
    }

    #[test]
    fn what_the_cores_did_is_told_by_two_looks_at_their_account() {
        let looked = |wanted, stolen, waited: Option<u64>| Cores {
            wanted: Span::from_ms(wanted),
            stolen: Span::from_ms(stolen),
            waited: waited.map(Span::from_ms),
        };
        let begin = looked(1_000, 50, Some(7));
        for (end, waited_us) in [
            (looked(5_000, 450, Some(1_507)), Some(1_500_000)),
            (looked(5_000, 450, None), None),
        ] {
            let told = EventKind::CoresShared {
                since_us: ms(3),
                wanted_us: 4_000_000,
                stolen_us: 400_000,
                waited_us,
            };
            assert_eq!(shared(ms(3), begin, end), told);
        }
    }
}
