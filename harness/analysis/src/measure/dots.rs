//! The operations of a trial as dots: when each was wanted, how long until its fate was known, and how it ended.
//!
//! A trial may have millions of operations, and a picture has some hundred columns of pixels. So the plane is cut into cells, smaller
//! than a picture shows apart, and each cell that has operations of a kind keeps the slowest of them, as it was. No dot is moved,
//! and no lonely operation is left out, however slow or quick it was.

use std::collections::BTreeMap;

use comeback_model::operation::{ErrorClass, Operation};
use comeback_model::units::Elapsed;

use super::load::Load;

/// Columns from the baseline's begin to the load's end.
const COLUMNS: u64 = 480;

/// Cells to each factor of ten of the time: the next one is 15 % slower.
const ROWS_PER_DECADE: f64 = 16.0;

/// How an operation ended, as coarsely as a picture can tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ending {
    /// It was correct.
    Correct,
    /// A reply came, and it was an error or wrong.
    Failed,
    /// The connection was refused or broken.
    Cut,
    /// No connection or no reply in time.
    TimedOut,
    /// The load generator could not send it, or not in time.
    Unsent,
}

impl Ending {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 5] = [
        Self::Correct,
        Self::Failed,
        Self::Cut,
        Self::TimedOut,
        Self::Unsent,
    ];

    const fn of(error: Option<ErrorClass>) -> Self {
        match error {
            None => Self::Correct,
            Some(ErrorClass::Refused | ErrorClass::Reset) => Self::Cut,
            Some(ErrorClass::ConnectTimeout | ErrorClass::ResponseTimeout) => Self::TimedOut,
            Some(ErrorClass::Unsent | ErrorClass::HarnessError) => Self::Unsent,
            Some(
                ErrorClass::ServerError
                | ErrorClass::ClientError
                | ErrorClass::SessionRejected
                | ErrorClass::SessionRecreated
                | ErrorClass::WrongIdentity
                | ErrorClass::WrongAnswer
                | ErrorClass::Malformed,
            ) => Self::Failed,
        }
    }
}

/// The slowest of the operations that ended alike at nearly the same time after nearly the same wait.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dot {
    /// When it was wanted, in ms after the first fault was sent (in a control trial: after where that would have been).
    pub at_ms: f32,
    /// From then until its fate was known, in ms.
    pub took_ms: f32,
    /// How it ended.
    pub ending: Ending,
}

/// The trial's dots by ending, then by time; none where the load never began.
pub(super) fn dots(load: &Load<'_>, origin: Option<Elapsed>) -> Vec<Dot> {
    let intended = || load.operations.iter().map(|operation| operation.intended);
    let (Some(origin), Some(from), Some(to)) = (origin, intended().min(), intended().max()) else {
        return Vec::new();
    };
    let column_us = (to.since(from).as_us() / COLUMNS).max(1);
    let mut slowest: BTreeMap<(Ending, u64, i32), &Operation> = BTreeMap::new();
    for operation in &load.operations {
        let column = operation.intended.since(from).as_us() / column_us;
        let row = (ROWS_PER_DECADE * (took_us(operation).max(1) as f64).log10()).floor() as i32;
        let cell = (Ending::of(operation.error), column, row);
        let known = slowest.entry(cell).or_insert(operation);
        let order = |operation: &Operation| (took_us(operation), operation.intended);
        if order(operation) > order(known) {
            *known = operation;
        }
    }
    let dot = |((ending, _, _), operation): ((Ending, u64, i32), &Operation)| Dot {
        at_ms: operation.intended.ms_after(origin) as f32,
        took_ms: took_us(operation) as f32 / 1_000.0,
        ending,
    };
    slowest.into_iter().map(dot).collect()
}

const fn took_us(operation: &Operation) -> u64 {
    operation.finished.since(operation.intended).as_us()
}
