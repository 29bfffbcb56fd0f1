//! Servers on other machines, as the engine sees processes.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;

use comeback_model::event::{ELSEWHERE, Exit, Survivor};
use comeback_model::ids::{Incarnation, Node};
use comeback_model::plan::{External, Reach, Signal, Stop};
use comeback_model::said::Line;
use comeback_model::units::Elapsed;

use crate::seams::{End, On, Place, Process, SeenEnd, Shot};
use crate::supervise::external::{Begin, Next, RemoteProcess, RemoteWatch, SeenOutside};
use crate::supervise::output::OnLine;
use crate::supervise::ownership::Owner;
use crate::supervise::process::Launch;
use comeback_faults::{Act, ActError, ActMethod};

/// The servers of a run on other machines, by their addresses.
#[derive(Debug, Default)]
pub(super) struct Remotes(RefCell<BTreeMap<SocketAddr, RemoteWatch>>);

impl Remotes {
    /// Begins to wait for a start of a server.
    pub(super) fn begin(
        &self,
        external: &External,
        launch: Launch<'_>,
    ) -> io::Result<RemoteProcess> {
        let mut all = self.0.borrow_mut();
        let watch = all
            .entry(external.address())
            .or_insert_with(|| RemoteWatch::new(external));
        let begin = Begin {
            place: (launch.trial, launch.node, launch.incarnation),
            external,
            log: launch.log,
            tag: launch.tag,
            clock: launch.clock,
        };
        RemoteProcess::begin(watch, begin)
    }

    /// Whose the replies of an address are, where that is one of these.
    pub(super) fn owner(&self, address: SocketAddr) -> Option<Owner> {
        let all = self.0.borrow();
        let watch = all.get(&address)?;
        Some(Owner {
            pid: ELSEWHERE,
            start_time: 0,
            is_member: false,
            place: watch.place(),
        })
    }

    /// Whether an address is one of these.
    pub(super) fn has(&self, address: SocketAddr) -> bool {
        self.0.borrow().contains_key(&address)
    }

    /// The watch of the server of this node, in this trial.
    pub(super) fn of(&self, place: Place) -> Option<RemoteWatch> {
        let all = self.0.borrow();
        all.values().find(|watch| watch.is_of(place)).cloned()
    }
}

impl Process for RemoteProcess {
    fn node(&self) -> Node {
        Self::node(self)
    }

    fn incarnation(&self) -> Incarnation {
        Self::incarnation(self)
    }

    fn pid(&self) -> i32 {
        ELSEWHERE
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

    fn seen_outside(&self) -> Option<SeenOutside> {
        Self::seen_outside(self)
    }

    fn why_not_ended(&self) -> Option<String> {
        Some(Self::why_not_ended(self))
    }

    async fn next_end(&mut self) -> io::Result<End> {
        Ok(match self.next().await? {
            Next::Executed => End::Executed,
            Next::Exited(exit, at) => End::Exited(exit, at),
            Next::Others => End::Others,
        })
    }

    /// No plan has it waited for: only a fault at an event asks.
    fn seen_end(&self) -> io::Result<SeenEnd> {
        Ok(Box::pin(std::future::pending()))
    }

    fn address(&mut self, _reach: Reach) -> io::Result<()> {
        Ok(())
    }

    /// The kill command: no signal reaches another machine.
    fn shot(&self, _signal: Signal) -> io::Result<Shot> {
        let shot = Self::shot(self)?;
        Ok(Box::new(move || shot.fire()))
    }

    fn has_others(&self) -> bool {
        false
    }

    fn last_end_of_others(&self) -> Option<Elapsed> {
        None
    }

    fn take_newcomers(&mut self) -> io::Result<bool> {
        Ok(false)
    }

    fn kill_rest(&self) -> io::Result<Vec<i32>> {
        Ok(Vec::new())
    }

    /// None is seen from here.
    fn survivors(&mut self) -> io::Result<Vec<Survivor>> {
        Ok(Vec::new())
    }

    fn pause(&self, _reach: Reach) -> io::Result<()> {
        Err(not_here())
    }

    fn stands_still(&self, _reach: Reach) -> io::Result<bool> {
        Err(not_here())
    }

    fn resume(&self, _reach: Reach) -> io::Result<()> {
        Ok(())
    }

    fn carry_out(
        &self,
        _method: ActMethod,
        _act: &mut dyn Act,
        _on: On<'_>,
    ) -> Result<String, ActError> {
        Err(ActError::Missed(not_here().to_string()))
    }

    /// It is not the run's to stop.
    async fn stop(&mut self, _stop: &Stop) -> io::Result<()> {
        Ok(())
    }

    async fn clear_group(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A plan that asks for this is not valid.
fn not_here() -> io::Error {
    io::Error::new(
        io::ErrorKind::Unsupported,
        "nothing but the kill command is done to a server on another machine",
    )
}
