//! The operations of the last seconds: how many, how many failed, and how long the correct ones took.

use std::collections::VecDeque;

use comeback_model::operation::Operation;
use comeback_model::units::{Elapsed, Span};

/// The length of a slot.
const SLOT: Span = Span::from_ms(250);
/// So many slots are kept: a minute.
const KEPT: usize = 240;
/// So many slots make a cell of a sparkline, half a second.
const IN_CELL: u64 = 2;
/// The length of a cell.
pub(in crate::console) const CELL: Span = Span::from_us(IN_CELL * SLOT.as_us());
/// So many slots make the last second.
const IN_SECOND: u64 = 4;
/// Finished operations are handed on every 10 ms, and written before they are seen here. A slot is taken for complete after this.
const LAG: Span = Span::from_ms(100);

/// The operations that finished in one slot.
#[derive(Clone, Debug, Default)]
struct Slot {
    correct: u32,
    failed: u32,
    /// Of the correct ones, from their due time on. Only young slots keep them.
    latencies_us: Vec<u64>,
    slowest_us: Option<u64>,
}

/// The operations of the last minute.
#[derive(Clone, Debug, Default)]
pub(in crate::console) struct Window {
    /// The number of the first slot, counted from the run's start.
    first: u64,
    slots: VecDeque<Slot>,
}

/// The operations of the last second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::console) struct LastSecond {
    /// Correct ones per second.
    pub(in crate::console) correct_per_s: f64,
    /// The share that failed, if any finished.
    pub(in crate::console) failed: Option<f64>,
    /// The median latency of the correct ones, from their due time on.
    pub(in crate::console) median: Option<Span>,
    /// The highest of these.
    pub(in crate::console) slowest: Option<Span>,
}

/// One column of a sparkline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::console) struct Cell {
    /// Correct operations.
    pub(in crate::console) correct: u32,
    /// Failed ones.
    pub(in crate::console) failed: u32,
    /// The highest latency of the correct ones.
    pub(in crate::console) slowest: Option<Span>,
}

impl Window {
    pub(in crate::console) fn add(&mut self, operation: &Operation) {
        let Some(slot) = self.slot(number_of(operation.finished)) else {
            return;
        };
        if !operation.is_correct() {
            slot.failed += 1;
            return;
        }
        let latency_us = operation.finished.since(operation.intended).as_us();
        slot.correct += 1;
        slot.latencies_us.push(latency_us);
        slot.slowest_us = slot.slowest_us.max(Some(latency_us));
    }

    /// The slot of this number, unless it is too old.
    fn slot(&mut self, number: u64) -> Option<&mut Slot> {
        let end = self.first + self.slots.len() as u64;
        if self.slots.is_empty() || number >= end + KEPT as u64 {
            self.first = number;
            self.slots.clear();
            self.slots.push_back(Slot::default());
        }
        while self.first + self.slots.len() as u64 <= number {
            self.slots.push_back(Slot::default());
            // What is older than two seconds is drawn by its slowest alone.
            let old = self.slots.len().checked_sub(2 * IN_SECOND as usize);
            if let Some(slot) = old.and_then(|old| self.slots.get_mut(old)) {
                slot.latencies_us = Vec::new();
            }
        }
        while self.slots.len() > KEPT {
            self.slots.pop_front();
            self.first += 1;
        }
        let place = number.checked_sub(self.first)?;
        self.slots.get_mut(place as usize)
    }

    fn get(&self, number: u64) -> Option<&Slot> {
        let place = number.checked_sub(self.first)?;
        self.slots.get(place as usize)
    }

    /// The last second before `now`, or less, if the load has lasted less. `None` before a slot of it is complete.
    pub(in crate::console) fn last_second(
        &self,
        begun: Elapsed,
        now: Elapsed,
    ) -> Option<LastSecond> {
        let end = complete_until(now);
        // The slot in which the load began is not whole.
        let first = (number_of(begun) + 1).max(end.saturating_sub(IN_SECOND));
        let length = end.checked_sub(first).filter(|slots| *slots > 0)?;
        let slots = (first..end).filter_map(|number| self.get(number));
        let (mut correct, mut failed, mut slowest_us) = (0_u64, 0_u64, None);
        let mut latencies_us = Vec::new();
        for slot in slots {
            correct += u64::from(slot.correct);
            failed += u64::from(slot.failed);
            slowest_us = slowest_us.max(slot.slowest_us);
            latencies_us.extend_from_slice(&slot.latencies_us);
        }
        let seconds = length as f64 * SLOT.as_secs();
        let finished = correct + failed;
        Some(LastSecond {
            correct_per_s: correct as f64 / seconds,
            failed: (finished > 0).then(|| failed as f64 / finished as f64),
            median: median(&mut latencies_us),
            slowest: slowest_us.map(Span::from_us),
        })
    }

    /// The last complete cells before `now`, the oldest first; none from before the load began.
    pub(in crate::console) fn cells(
        &self,
        begun: Elapsed,
        now: Elapsed,
        count: usize,
    ) -> Vec<Cell> {
        let timed = self.timed_cells(begun, now, count);
        timed.map(|(_, cell)| cell).collect()
    }

    /// The same, each with its begin.
    pub(in crate::console) fn timed_cells(
        &self,
        begun: Elapsed,
        now: Elapsed,
        count: usize,
    ) -> impl Iterator<Item = (Elapsed, Cell)> {
        let end = complete_until(now) / IN_CELL;
        let first = (number_of(begun) / IN_CELL).max(end.saturating_sub(count as u64));
        (first..end).map(|cell| (Elapsed::from_us(cell * CELL.as_us()), self.cell(cell)))
    }

    fn cell(&self, cell: u64) -> Cell {
        let numbers = cell * IN_CELL..(cell + 1) * IN_CELL;
        let slots = numbers.filter_map(|number| self.get(number));
        slots.fold(Cell::default(), |sum, slot| Cell {
            correct: sum.correct + slot.correct,
            failed: sum.failed + slot.failed,
            slowest: sum.slowest.max(slot.slowest_us.map(Span::from_us)),
        })
    }
}

const fn number_of(at: Elapsed) -> u64 {
    at.as_us() / SLOT.as_us()
}

/// The first slot that is not complete.
fn complete_until(now: Elapsed) -> u64 {
    number_of(Elapsed::from_us(now.as_us().saturating_sub(LAG.as_us())))
}

fn median(latencies_us: &mut [u64]) -> Option<Span> {
    let middle = latencies_us.len().checked_sub(1)? / 2;
    let (_, median_us, _) = latencies_us.select_nth_unstable(middle);
    Some(Span::from_us(*median_us))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use comeback_model::ids::{ClientId, TrialId};
    use comeback_model::operation::{ErrorClass, Step, test_operation};

    use super::*;

    fn operation(finished_ms: u64, latency_ms: u64, error: Option<ErrorClass>) -> Operation {
        Operation {
            intended: Elapsed::from_us((finished_ms - latency_ms) * 1_000),
            finished: Elapsed::from_us(finished_ms * 1_000),
            error,
            ..test_operation(TrialId(1), ClientId(0), Step::Check, at(0))
        }
    }

    fn at(ms: u64) -> Elapsed {
        Elapsed::from_us(ms * 1_000)
    }

    #[test]
    fn the_last_second_counts_what_finished_in_it_and_nothing_older() {
        let mut window = Window::default();
        for (finished, latency, error) in [
            (1_900, 500, None),
            (2_100, 10, None),
            (2_400, 30, None),
            (2_600, 20, None),
            (2_990, 5, Some(ErrorClass::Reset)),
            // Its slot is not complete at 3.2 s.
            (3_100, 900, None),
        ] {
            window.add(&operation(finished, latency, error));
        }
        let last = window.last_second(at(0), at(3_200)).unwrap();
        assert_eq!(
            last,
            LastSecond {
                correct_per_s: 3.0,
                failed: Some(0.25),
                median: Some(Span::from_ms(20)),
                slowest: Some(Span::from_ms(30)),
            }
        );
    }

    #[test]
    fn a_load_that_began_just_now_is_not_taken_for_a_slow_one() {
        let mut window = Window::default();
        for finished in [1_010, 1_300, 1_400] {
            window.add(&operation(finished, 1, None));
        }
        assert_eq!(window.last_second(at(1_000), at(1_200)), None);
        let last = window.last_second(at(1_000), at(1_610)).unwrap();
        assert_eq!(last.correct_per_s, 8.0, "two within a quarter of a second");
    }

    #[test]
    fn where_nothing_finishes_the_rate_is_zero_and_no_share_has_failed() {
        let mut window = Window::default();
        window.add(&operation(1_000, 1, None));
        let last = window.last_second(at(0), at(9_000)).unwrap();
        assert_eq!((last.correct_per_s, last.failed), (0.0, None));
        assert_eq!(window.cells(at(0), at(9_000), 3), [Cell::default(); 3]);
    }

    #[test]
    fn a_cell_keeps_its_slowest_operation_however_old_it_is() {
        let mut window = Window::default();
        window.add(&operation(1_100, 700, None));
        window.add(&operation(1_200, 3, None));
        window.add(&operation(20_000, 1, None));
        let cells = window.cells(at(1_000), at(21_000), 100);
        assert_eq!(cells.len(), 39);
        assert_eq!(cells[0].slowest, Some(Span::from_ms(700)));
        assert_eq!((cells[0].correct, cells[1].correct), (2, 0));
    }

    #[test]
    fn what_is_older_than_a_minute_is_forgotten() {
        let mut window = Window::default();
        window.add(&operation(1_000, 1, None));
        window.add(&operation(500_000, 1, None));
        window.add(&operation(900, 1, None));
        assert!(window.slots.len() <= KEPT);
        let cells = window.cells(at(0), at(500_600), 500);
        assert_eq!(cells.iter().map(|cell| cell.correct).sum::<u32>(), 1);
    }
}
