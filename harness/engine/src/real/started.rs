//! A process of a trial: the run started it, or somebody else did.

use std::io;

use comeback_model::event::{Exit, Survivor};
use comeback_model::ids::{Incarnation, Node};
use comeback_model::plan::{Reach, Signal, Stop};
use comeback_model::said::Line;
use comeback_model::units::Elapsed;

use super::own::Own;
use crate::seams::{End, On, Process, SeenEnd, Shot};
use crate::supervise::external::{ExternalProcess, RemoteProcess, SeenOutside};
use crate::supervise::output::OnLine;
use comeback_faults::{Act, ActError, ActMethod};

/// A process of a trial.
#[derive(Debug)]
pub(crate) enum Started {
    /// The run started it.
    Own(Box<Own>),
    /// Somebody else did.
    External(Box<ExternalProcess>),
    /// Somebody else did, on another machine.
    Remote(Box<RemoteProcess>),
}

/// Hands a call on to whichever it is.
macro_rules! either {
    ($started:expr, $process:ident => $call:expr) => {
        match $started {
            Started::Own($process) => $call,
            Started::External($process) => $call,
            Started::Remote($process) => $call,
        }
    };
}

impl Process for Started {
    fn node(&self) -> Node {
        either!(self, process => Process::node(process.as_ref()))
    }

    fn incarnation(&self) -> Incarnation {
        either!(self, process => Process::incarnation(process.as_ref()))
    }

    fn pid(&self) -> i32 {
        either!(self, process => Process::pid(process.as_ref()))
    }

    fn requested(&self) -> Elapsed {
        either!(self, process => Process::requested(process.as_ref()))
    }

    fn launched(&self) -> Option<Elapsed> {
        either!(self, process => Process::launched(process.as_ref()))
    }

    fn executed(&self) -> Elapsed {
        either!(self, process => Process::executed(process.as_ref()))
    }

    fn exit(&self) -> Option<(Exit, Elapsed)> {
        either!(self, process => Process::exit(process.as_ref()))
    }

    fn is_awaited(&self) -> bool {
        either!(self, process => Process::is_awaited(process.as_ref()))
    }

    fn is_cleared(&self) -> bool {
        either!(self, process => Process::is_cleared(process.as_ref()))
    }

    fn tail(&self) -> Vec<Line> {
        either!(self, process => Process::tail(process.as_ref()))
    }

    fn on_line(&self, text: String, found: OnLine) {
        either!(self, process => Process::on_line(process.as_ref(), text, found));
    }

    fn has_untold_end(&self) -> bool {
        either!(self, process => Process::has_untold_end(process.as_ref()))
    }

    fn displaced(&self) -> Option<&str> {
        either!(self, process => Process::displaced(process.as_ref()))
    }

    fn seen_outside(&self) -> Option<SeenOutside> {
        either!(self, process => Process::seen_outside(process.as_ref()))
    }

    fn why_not_ended(&self) -> Option<String> {
        either!(self, process => Process::why_not_ended(process.as_ref()))
    }

    async fn next_end(&mut self) -> io::Result<End> {
        either!(self, process => process.next_end().await)
    }

    fn seen_end(&self) -> io::Result<SeenEnd> {
        either!(self, process => Process::seen_end(process.as_ref()))
    }

    fn address(&mut self, reach: Reach) -> io::Result<()> {
        either!(self, process => Process::address(process.as_mut(), reach))
    }

    fn shot(&self, signal: Signal) -> io::Result<Shot> {
        either!(self, process => Process::shot(process.as_ref(), signal))
    }

    fn has_others(&self) -> bool {
        either!(self, process => Process::has_others(process.as_ref()))
    }

    fn last_end_of_others(&self) -> Option<Elapsed> {
        either!(self, process => Process::last_end_of_others(process.as_ref()))
    }

    fn take_newcomers(&mut self) -> io::Result<bool> {
        either!(self, process => process.take_newcomers())
    }

    fn kill_rest(&self) -> io::Result<Vec<i32>> {
        either!(self, process => Process::kill_rest(process.as_ref()))
    }

    fn survivors(&mut self) -> io::Result<Vec<Survivor>> {
        either!(self, process => Process::survivors(process.as_mut()))
    }

    fn pause(&self, reach: Reach) -> io::Result<()> {
        either!(self, process => Process::pause(process.as_ref(), reach))
    }

    fn stands_still(&self, reach: Reach) -> io::Result<bool> {
        either!(self, process => Process::stands_still(process.as_ref(), reach))
    }

    fn resume(&self, reach: Reach) -> io::Result<()> {
        either!(self, process => Process::resume(process.as_ref(), reach))
    }

    fn carry_out(
        &self,
        method: ActMethod,
        act: &mut dyn Act,
        on: On<'_>,
    ) -> Result<String, ActError> {
        either!(self, process => process.carry_out(method, act, on))
    }

    async fn stop(&mut self, stop: &Stop) -> io::Result<()> {
        either!(self, process => process.stop(stop).await)
    }

    async fn clear_group(&mut self) -> io::Result<()> {
        either!(self, process => process.clear_group().await)
    }
}
