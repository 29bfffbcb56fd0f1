//! Servers that somebody else starts, as the engine sees processes.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;

use comeback_model::event::{Exit, Survivor};
use comeback_model::ids::{Incarnation, Node};
use comeback_model::plan::{External, Reach, Signal, Stop};
use comeback_model::said::Line;
use comeback_model::units::Elapsed;

use crate::seams::{End, On, Place, Process, SeenEnd, Shot};
use crate::supervise::external::{Begin, ExternalProcess, Next, Watch};
use crate::supervise::output::OnLine;
use crate::supervise::ownership::Owner;
use crate::supervise::process::Launch;
use comeback_faults::{Act, ActError, ActMethod};

/// The servers of a run that somebody else starts, by their ports.
#[derive(Debug, Default)]
pub(super) struct Watches(RefCell<BTreeMap<u16, Watch>>);

impl Watches {
    /// Begins to wait for a start of a server.
    pub(super) fn begin(
        &self,
        external: &External,
        launch: Launch<'_>,
    ) -> io::Result<ExternalProcess> {
        let new = || Watch::new(external, launch.clock);
        let mut all = self.0.borrow_mut();
        let watch = all.entry(external.port).or_insert_with(new);
        let begin = Begin {
            place: (launch.trial, launch.node, launch.incarnation),
            external,
            log: launch.log,
            tag: launch.tag,
            clock: launch.clock,
        };
        ExternalProcess::begin(watch, begin)
    }

    /// The watch of the server at a port, where somebody else starts it.
    pub(super) fn at(&self, port: u16) -> Option<Watch> {
        self.0.borrow().get(&port).cloned()
    }

    /// Tells which start each owner of its socket is of.
    pub(super) fn place(&self, port: u16, owners: &mut [Owner]) {
        let Some(watch) = self.at(port) else {
            return;
        };
        watch.look();
        for owner in owners {
            owner.place = watch.place_of(owner.pid, owner.start_time).or(owner.place);
            // Nobody asks but for the sender of a reply.
            if let Some(place) = owner.place {
                watch.note_answer(place);
            }
        }
    }

    /// The watch of the server of this node, in this trial.
    pub(super) fn of(&self, place: Place) -> Option<Watch> {
        let all = self.0.borrow();
        all.values().find(|watch| watch.is_of(place)).cloned()
    }

    /// The begin of a start, in clock ticks, if it is one of these.
    pub(super) fn start_time_of(&self, place: Place) -> Option<u64> {
        let all = self.0.borrow();
        all.values().find_map(|watch| watch.start_time_of(place))
    }
}

impl Process for ExternalProcess {
    fn node(&self) -> Node {
        Self::node(self)
    }

    fn incarnation(&self) -> Incarnation {
        Self::incarnation(self)
    }

    fn pid(&self) -> i32 {
        Self::pid(self)
    }

    fn requested(&self) -> Elapsed {
        Self::requested(self)
    }

    fn launched(&self) -> Option<Elapsed> {
        None
    }

    fn executed(&self) -> Elapsed {
        Self::executed(self)
    }

    fn exit(&self) -> Option<(Exit, Elapsed)> {
        Self::exit(self)
    }

    fn is_awaited(&self) -> bool {
        Self::is_awaited(self)
    }

    /// It has no group of the run's.
    fn is_cleared(&self) -> bool {
        !Self::is_running(self)
    }

    fn tail(&self) -> Vec<Line> {
        Self::tail(self)
    }

    /// Its output is not the run's to read, and no plan waits for a line of it.
    fn on_line(&self, _text: String, _found: OnLine) {}

    fn has_untold_end(&self) -> bool {
        Self::has_untold_end(self)
    }

    fn displaced(&self) -> Option<&str> {
        Self::displaced(self)
    }

    async fn next_end(&mut self) -> io::Result<End> {
        Ok(match self.next().await? {
            Next::Executed => End::Executed,
            Next::Exited(exit, at) => End::Exited(exit, at),
            Next::Others => End::Others,
        })
    }

    fn seen_end(&self) -> io::Result<SeenEnd> {
        Ok(Box::pin(Self::seen_end(self)?))
    }

    fn address(&mut self, reach: Reach) -> io::Result<()> {
        Self::address(self, reach)
    }

    fn shot(&self, signal: Signal) -> io::Result<Shot> {
        let shot = Self::shot(self, signal)?;
        Ok(Box::new(move || shot.fire()))
    }

    fn has_others(&self) -> bool {
        Self::has_others(self)
    }

    fn last_end_of_others(&self) -> Option<Elapsed> {
        Self::last_end_of_others(self)
    }

    /// Once it has ended, whose child a newcomer is cannot be told.
    fn take_newcomers(&mut self) -> io::Result<bool> {
        Ok(false)
    }

    fn kill_rest(&self) -> io::Result<Vec<i32>> {
        Self::kill_rest(self)
    }

    fn survivors(&mut self) -> io::Result<Vec<Survivor>> {
        Ok(Self::survivors(self))
    }

    fn pause(&self, reach: Reach) -> io::Result<()> {
        Self::pause(self, reach)
    }

    fn stands_still(&self, reach: Reach) -> io::Result<bool> {
        Self::stands_still(self, reach)
    }

    fn resume(&self, _reach: Reach) -> io::Result<()> {
        Self::resume(self)
    }

    fn carry_out(
        &self,
        _method: ActMethod,
        _act: &mut dyn Act,
        _on: On<'_>,
    ) -> Result<String, ActError> {
        let what = "nothing but a signal is done to a server that Comeback did not start";
        Err(ActError::Missed(what.to_owned()))
    }

    /// It is not the run's to stop.
    async fn stop(&mut self, _stop: &Stop) -> io::Result<()> {
        self.resume()
    }

    async fn clear_group(&mut self) -> io::Result<()> {
        Ok(())
    }
}
