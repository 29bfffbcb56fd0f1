//! What the events say of each trial, gathered; where the journal says a thing twice, the first holds.

mod fault;
mod gather;
mod identity;
mod recovery;

use std::collections::BTreeMap;

use comeback_model::event::{Evidence, Exit, Phase};
use comeback_model::ids::{ArmId, FaultId, Incarnation, Node, TrialId};
use comeback_model::operation::Operation;
use comeback_model::units::{Elapsed, Span};

use crate::measure::{Extension, IdleKill};

pub(super) use fault::FaultFacts;
pub(super) use gather::{Facts, Gatherer};
pub(super) use recovery::Hit;

/// What the events say of a run.
#[derive(Debug, Default)]
pub(super) struct RunFacts {
    /// Each trial that started, in that order.
    pub(super) trials: Vec<Facts>,
    /// Arms that could not run, and why.
    pub(super) skipped: BTreeMap<ArmId, String>,
    /// A signal ended the run.
    pub(super) interrupted: bool,
    /// It ended at once, since the first start of this arm failed.
    pub(super) given_up: Option<ArmId>,
    /// The run ended by itself.
    pub(super) ended: bool,
    /// The first event that is of no trial which started, though it is about one.
    pub(super) stray: Option<String>,
    /// The void trials, what was run in the place of each, and whether that had its faults; in order.
    pub(super) replaced: Vec<(TrialId, TrialId, bool)>,
    /// How it went on after its end.
    pub(super) extensions: Vec<Extension>,
}

/// How a machine's cores were shared, as shares of 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cores {
    /// What the machine below this one gave to others, of the cores' time that somebody here wanted.
    pub(super) stolen: f64,
    /// And that as a time of one core.
    pub(super) stolen_for: Span,
    /// In how much of the time at least one task waited for a core, where the kernel tells.
    pub(super) waited: Option<f64>,
}

/// An end nobody asked for.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    pub(super) at: Elapsed,
    pub(super) start: Start,
    pub(super) exit: Exit,
    /// What its output says of that.
    pub(super) said: Option<String>,
}

/// What a health check said.
#[derive(Clone, Debug, Default)]
pub(super) struct Health {
    /// Each answer that was another than the one before: when it was read, whether it said ready, and when the last one
    /// before was read.
    pub(super) changes: Vec<(Elapsed, bool, Option<Elapsed>)>,
    /// When the last answer of all was read; absent where it is not known how it went on after the last change.
    pub(super) last: Option<Elapsed>,
}

/// Which start of which node.
pub(super) type Start = (Node, Incarnation);

/// A step of telling the balancer to spare a replica, which did or did not succeed.
#[derive(Clone, Debug)]
pub(super) struct Drained {
    pub(super) node: Node,
    /// To send it requests again, not to send it none.
    pub(super) is_end: bool,
    pub(super) problem: Option<String>,
}

/// A start again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Restart {
    /// It was begun.
    pub(super) requested: Elapsed,
    /// Its launcher was executed, if there was one.
    pub(super) launched: Option<Elapsed>,
    /// The program was executed.
    pub(super) executed: Elapsed,
}

/// From the sending of a fault until all that it hit was back.
#[derive(Clone, Copy, Debug)]
pub(super) struct FaultSpan {
    pub(super) fault: FaultId,
    /// K.
    pub(super) sent: Elapsed,
    /// Users may be out from then on: K, but for a command, which takes its time.
    pub(super) out: Elapsed,
    /// And are from then on for certain.
    pub(super) surely_out: Elapsed,
    /// R; absent where it never was back, or that is not known.
    pub(super) recovered: Option<Elapsed>,
}

/// The first correct reply of the new process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Correct {
    pub(super) at: Elapsed,
    pub(super) last_failed: Option<Elapsed>,
    pub(super) evidence: Evidence,
}

impl FaultSpan {
    /// Whether an operation was in flight when users were out, or wanted from then on until all was back.
    pub(super) fn holds(&self, operation: &Operation) -> bool {
        let is_over = self
            .recovered
            .is_some_and(|back| operation.intended >= back);
        operation.finished >= self.out && !is_over
    }
}

impl Facts {
    /// Whether an operation came after the load, as the final looks do; absent where nobody says when it ended.
    pub(super) fn is_after_load(&self, operation: &Operation) -> Option<bool> {
        let (stopped, _) = self.stopped?;
        Some(operation.intended >= stopped)
    }

    /// B: the load is measured from here on.
    pub(super) fn baseline(&self) -> Option<Elapsed> {
        self.phases.get(&Phase::Baseline).copied()
    }

    /// Of the time between these two moments: how much lies in stretches in which somebody on the machine mostly waited for its
    /// disk, and for how long of that somebody did.
    pub(super) fn disk_stalled(&self, from: Elapsed, until: Elapsed) -> (Span, Span) {
        let (mut shared, mut waited) = (Span::ZERO, 0.0);
        for (begin, end, stalled) in &self.disk_stalls {
            let own = until.min(*end).since(from.max(*begin));
            let share = stalled.as_us() as f64 / end.since(*begin).as_us().max(1) as f64;
            shared += own;
            waited += own.as_us() as f64 * share;
        }
        (shared, Span::from_us(waited as u64))
    }

    /// Each fault that events name, in the plan's order.
    pub(super) fn faults(&self) -> impl Iterator<Item = (FaultId, &FaultFacts)> {
        self.faults.iter().map(|(fault, own)| (*fault, own))
    }

    /// Takes for surroundings what stands in the plan from this place on: they are no faults of the trial.
    fn set_surroundings_apart(&mut self, first: FaultId) {
        self.surroundings = self.faults.split_off(&first);
        self.downs
            .retain(|(_, _, fault)| fault.is_none_or(|fault| fault < first));
    }

    /// Why a surrounding did not hold for the whole of the trial, if so.
    pub(super) fn lacks_surrounding(&self, surrounding: FaultId) -> Option<String> {
        let default = FaultFacts::default();
        let own = self.surroundings.get(&surrounding).unwrap_or(&default);
        if own.missed.is_some() {
            return own.missed.clone();
        }
        if own.applied.is_empty() {
            return Some("it was not seen to be applied".to_owned());
        }
        let load_ended = self.stopped.map(|(at, _)| at);
        let is_early = |ended: Elapsed| load_ended.is_none_or(|end| ended < end);
        if own.ended.is_some_and(is_early) {
            return Some("it ended before the load did".to_owned());
        }
        let bare = own
            .applied
            .iter()
            .find(|(node, at)| self.is_started_after(**node, **at));
        bare.map(|(node, _)| format!("it was not applied to {node} when that was started again"))
    }

    /// Whether a node was started after this moment, and that start went on.
    fn is_started_after(&self, node: Node, at: Elapsed) -> bool {
        let starts = self.restarts.iter().filter(|(of, _)| *of == node);
        let last = starts.map(|(_, restart)| restart.executed).max();
        last.is_some_and(|last| {
            let mut downs = self.downs.iter();
            last > at && !downs.any(|(of, down, _)| *of == node && *down >= last)
        })
    }

    /// What the events say of one fault.
    pub(super) fn of_fault(&self, fault: FaultId) -> Option<&FaultFacts> {
        self.faults.get(&fault)
    }

    /// When the last fault's effect was complete, and the last of the exits that it consists of; none of a pause.
    pub(super) fn injected(&self) -> Option<(Elapsed, Option<Exit>)> {
        let injected = self.faults.values().filter_map(FaultFacts::injected);
        injected.max_by_key(|(at, _)| *at)
    }

    /// K of the first fault: it was sent, to the first that it hits. Never in a control trial.
    pub(super) fn fault(&self) -> Option<Elapsed> {
        let sent = self.faults.values().filter_map(FaultFacts::sent);
        sent.min().filter(|_| !self.control)
    }

    /// K of the last fault. Never in a control trial.
    pub(super) fn last_fault(&self) -> Option<Elapsed> {
        let sent = self.faults.values().filter_map(FaultFacts::sent);
        sent.max().filter(|_| !self.control)
    }

    /// K of the first fault that was sent after this moment.
    pub(super) fn sent_after(&self, moment: Elapsed) -> Option<Elapsed> {
        let sent = self.faults.values().filter_map(FaultFacts::sent);
        sent.filter(|sent| *sent > moment).min()
    }

    /// T0 of the last fault: its effect was complete. Never in a control trial.
    pub(super) fn effect_confirmed(&self) -> Option<Elapsed> {
        self.injected().map(|(at, _)| at).filter(|_| !self.control)
    }

    /// T0 of the last fault before this moment, of those that another one came after. Each end of a crash loop is one.
    pub(super) fn effect_confirmed_before(&self, moment: Elapsed) -> Option<Elapsed> {
        let last = self.effect_confirmed()?;
        let confirmed = self
            .faults
            .values()
            .filter_map(FaultFacts::effect_confirmed);
        let again = self.downs.iter().filter_map(|(node, at, by)| {
            let is_one_of_several = self.first_of_several_ends(*node, (*by)?).is_some();
            is_one_of_several.then_some(*at)
        });
        let confirmed = confirmed.chain(again);
        confirmed
            .filter(|confirmed| *confirmed < last && *confirmed < moment)
            .max()
    }

    /// When a fault had last hit a node before this moment and before T0: one of several that it hits one after the other, or one
    /// that goes on under worse conditions.
    pub(super) fn effect_begun_before(&self, moment: Elapsed) -> Option<Elapsed> {
        let last = self.effect_confirmed()?;
        let begun = self.faults.values().flat_map(|own| {
            let faulted = own.faulted.iter();
            faulted.map(|(node, (at, _))| match own.degrades {
                true => own.sent_to(*node).unwrap_or(*at),
                false => *at,
            })
        });
        begun.filter(|begun| *begun < last && *begun < moment).max()
    }

    /// T0 of the last of the faults that were sent by this moment.
    pub(super) fn effect_confirmed_by(&self, moment: Elapsed) -> Option<Elapsed> {
        let sent = |own: &&FaultFacts| own.sent().is_some_and(|sent| sent <= moment);
        let confirmed = self
            .faults
            .values()
            .filter(sent)
            .filter_map(FaultFacts::effect_confirmed);
        confirmed.max().filter(|_| !self.control)
    }

    /// Whether every fault of which there is word took effect, and there is one.
    pub(super) fn landed(&self) -> bool {
        !self.control && !self.faults.is_empty() && self.faults.values().all(FaultFacts::landed)
    }

    /// From the sending of each fault until all that it hit was back; without an end where that is not known. None in a
    /// control trial.
    pub(super) fn spans(&self) -> Vec<FaultSpan> {
        let faults = self.faults.iter().filter(|_| !self.control);
        let span = |(fault, own): (&FaultId, &FaultFacts)| {
            let sent = own.sent()?;
            Some(FaultSpan {
                fault: *fault,
                sent,
                out: sent,
                surely_out: sent,
                recovered: self.recovered_from(*fault),
            })
        };
        faults.filter_map(span).collect()
    }

    /// The stretches in which all was back from one fault, and the next had not come yet.
    pub(super) fn calms(&self) -> Vec<(Elapsed, Elapsed)> {
        let mut spans = self.spans();
        spans.sort_by_key(|span| span.sent);
        let mut calms = Vec::new();
        let mut back: Option<Elapsed> = None;
        for (place, span) in spans.iter().enumerate() {
            if let Some(back) = back.filter(|back| *back < span.sent) {
                calms.push((back, span.sent));
            }
            back = match span.recovered {
                Some(own) if place == 0 => Some(own),
                Some(own) => back.map(|back| back.max(own)),
                // Never back: nothing is calm from then on.
                None => None,
            };
        }
        calms
    }

    /// Whether it came to its end, with the service back.
    pub(super) fn ended_well(&self) -> bool {
        let is_back = self.control || self.recovered().is_some();
        self.ended && self.aborted.is_none() && self.start_failed.is_none() && is_back
    }

    /// Whether this look at a session came before the load of the trial: the session is one of the trial before.
    pub(super) fn is_carried_on(&self, look: &Operation) -> bool {
        let load = self.phases.get(&Phase::WarmUp);
        load.is_some_and(|load| look.finished <= *load)
    }

    /// What the kill of the idle server at the end of the trial before came to, if there was one: with it begins this trial.
    pub(super) fn idle_kill(&self) -> Option<IdleKill> {
        let is_up = self.start_failed.is_none() || self.phases.contains_key(&Phase::Open);
        self.after_idle_kill.then(|| IdleKill {
            sessions: self.resumed.unwrap_or_default(),
            not_started: !is_up && !self.port_taken,
        })
    }

    /// When the wait for a recovery was given up, at last, and what the last probe saw.
    pub(super) fn given_up(&self) -> Option<&(Elapsed, String)> {
        let given_up = self.faults.values().filter_map(|own| own.given_up.as_ref());
        given_up.max_by_key(|(at, _)| *at)
    }

    /// Where the timeline's windows are aligned: the sending of the fault, or the moment it would have been.
    pub(super) fn origin(&self) -> Option<Elapsed> {
        self.fault()
            .or_else(|| self.phases.get(&Phase::Fault).copied())
            .or_else(|| self.baseline())
    }

    /// Whether a fault took effect on this node.
    pub(super) fn is_faulted(&self, node: Node) -> bool {
        let mut faults = self.faults.values();
        faults.any(|own| own.faulted.contains_key(&node))
    }

    /// Whether one fault took effect on every replica: which one.
    pub(super) fn fault_of_all_replicas(&self) -> Option<FaultId> {
        let mut faults = self.faults.iter();
        let is_replica = |node: &&Node| matches!(node, Node::Replica(_));
        let hits_all = |own: &FaultFacts| {
            let mut replicas = self.nodes.iter().filter(is_replica);
            replicas.all(|node| own.faulted.contains_key(node))
                && own.faulted.keys().any(|node| is_replica(&node))
        };
        let (fault, _) = faults.find(|(_, own)| hits_all(own))?;
        Some(*fault)
    }

    /// The nodes that were started.
    pub(super) fn nodes(&self) -> impl Iterator<Item = Node> {
        self.nodes.iter().copied()
    }

    /// Whether the server is all there is.
    pub(super) fn is_alone(&self) -> bool {
        self.nodes.iter().all(|node| *node == Node::default())
    }

    /// A start in a sentence: `the target`, `the restarted replica 2`.
    pub(super) fn name_of(&self, (node, incarnation): Start) -> String {
        let again = if incarnation > Incarnation(0) {
            "restarted "
        } else {
            ""
        };
        match node {
            Node::Replica(_) if self.is_alone() => format!("the {again}target"),
            Node::Replica(number) if again.is_empty() => format!("replica {number}"),
            Node::Replica(number) => format!("the {again}replica {number}"),
            Node::Balancer | Node::Cache | Node::Store => format!("the {again}{node}"),
        }
    }
}

/// Whether the operation's first byte was written by `moment`.
pub(super) fn was_sent_by(operation: &Operation, moment: Elapsed) -> bool {
    operation.sent.is_some_and(|sent| sent <= moment)
}
