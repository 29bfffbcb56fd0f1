//! Which fault a loss is laid to, where a trial has several (METHOD §10). What is lost was lost between two looks: the
//! last that knew it, and the first that did not. Every fault that was under way in between may have taken it. Where that
//! is more than one, the loss is laid to the set of them, for nobody can tell.

use std::collections::BTreeMap;

use comeback_model::ids::FaultId;
use comeback_model::units::Elapsed;

use super::facts::{Facts, FaultSpan};
use super::types::LaidLoss;

/// The losses of a trial by the faults that they are laid to: sessions and writes.
#[derive(Debug, Default)]
pub(super) struct Laid(BTreeMap<Vec<FaultId>, (u64, u64)>);

impl Laid {
    pub(super) fn add_session(&mut self, faults: Vec<FaultId>) {
        self.0.entry(faults).or_default().0 += 1;
    }

    pub(super) fn add_write(&mut self, faults: Vec<FaultId>) {
        self.0.entry(faults).or_default().1 += 1;
    }

    pub(super) fn losses(&self) -> Vec<LaidLoss> {
        let losses = self.0.iter();
        losses
            .map(|(faults, (sessions, writes))| LaidLoss {
                faults: faults.clone(),
                sessions: *sessions,
                writes: *writes,
            })
            .collect()
    }
}

/// The faults of a trial that has several, to lay losses to.
#[derive(Debug)]
pub(super) struct Suspects(Vec<FaultSpan>);

impl Suspects {
    /// None where there is one fault, which needs no telling.
    pub(super) fn of(facts: &Facts) -> Option<Self> {
        let spans = facts.spans();
        (spans.len() > 1).then_some(Self(spans))
    }

    /// The faults that may have taken what was known at `known` and gone by `gone`: those sent by then that had not been
    /// recovered from before. Where there is none it is laid to the last fault before it was gone, as it is where there is
    /// only one: a server may forget some time after it is back.
    pub(super) fn between(&self, known: Option<Elapsed>, gone: Option<Elapsed>) -> Vec<FaultId> {
        let is_over = |span: &FaultSpan| span.recovered.is_some_and(|back| Some(back) <= known);
        let sent = |span: &&FaultSpan| gone.is_none_or(|gone| span.sent <= gone);
        let sent_by_then = || self.0.iter().filter(sent);
        let open = sent_by_then().filter(|span| !is_over(span));
        let mut faults: Vec<FaultId> = open.map(|span| span.fault).collect();
        if faults.is_empty() {
            let last = sent_by_then().max_by_key(|span| span.sent);
            faults.extend(last.map(|span| span.fault));
        }
        faults
    }
}
