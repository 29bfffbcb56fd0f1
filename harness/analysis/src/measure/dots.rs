//! The operations of a trial as dots: when each was wanted, how long until its fate was known, and how it ended.
//!
//! A trial may have millions of operations, and a picture has some hundred columns of pixels. So the plane is cut into cells, smaller
//! than a picture shows apart, and each cell that has operations of a kind keeps the slowest of them, as it was. No dot is moved,
//! and no lonely operation is left out, however slow or quick it was.

use std::collections::BTreeMap;

use comeback_model::operation::Operation;
use comeback_model::units::Elapsed;

use super::load::Load;
use super::types::{Dot, Ending};

/// Columns from the baseline's begin to the load's end.
const COLUMNS: u64 = 480;

/// Cells to each factor of ten of the time: the next one is 15 % slower.
const ROWS_PER_DECADE: f64 = 16.0;

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
