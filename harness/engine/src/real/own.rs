//! Processes that the run starts itself.

use std::io;
use std::path::Path;

use comeback_model::event::{Exit, Survivor};
use comeback_model::ids::{Incarnation, Node};
use comeback_model::plan::{Reach, Signal, Stop};
use comeback_model::said::Line;
use comeback_model::schedule::Draws;
use comeback_model::units::Elapsed;

use crate::seams::{End, On, Process, SeenEnd, Shot};
use crate::supervise::addressed::Addressed;
use crate::supervise::output::OnLine;
use crate::supervise::process;
use comeback_faults::{Act, ActError, ActMethod, Disk, Target};

/// A started process, and whom a fault addresses with it.
#[derive(Debug)]
pub(crate) struct Own {
    pub(crate) process: process::Process,
    addressed: Option<Addressed>,
}

impl Own {
    pub(crate) const fn of(process: process::Process) -> Self {
        Self {
            process,
            addressed: None,
        }
    }

    fn addressed(&self) -> io::Result<&Addressed> {
        let nobody = || io::Error::other("nobody was addressed before the signal");
        self.addressed.as_ref().ok_or_else(nobody)
    }
}

impl Process for Own {
    fn node(&self) -> Node {
        self.process.node()
    }

    fn incarnation(&self) -> Incarnation {
        self.process.incarnation()
    }

    fn pid(&self) -> i32 {
        self.process.pid()
    }

    fn requested(&self) -> Elapsed {
        self.process.requested()
    }

    fn launched(&self) -> Option<Elapsed> {
        self.process.launched()
    }

    fn executed(&self) -> Elapsed {
        self.process.executed()
    }

    fn exit(&self) -> Option<(Exit, Elapsed)> {
        self.process.exit()
    }

    fn is_cleared(&self) -> bool {
        self.process.is_cleared()
    }

    fn tail(&self) -> Vec<Line> {
        self.process.tail()
    }

    fn on_line(&self, text: String, found: OnLine) {
        self.process.output().on_line(text, found);
    }

    async fn next_end(&mut self) -> io::Result<End> {
        let Self { process, addressed } = self;
        let is_running = process.is_running();
        let others = async {
            match addressed {
                Some(addressed) if addressed.has_living() => addressed.others_gone().await,
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            exited = process.exited(), if is_running => {
                let (exit, at) = exited?;
                Ok(End::Exited(exit, at))
            }
            gone = others => gone.map(|()| End::Others),
        }
    }

    fn seen_end(&self) -> io::Result<SeenEnd> {
        Ok(Box::pin(self.process.seen_end()?))
    }

    fn address(&mut self, reach: Reach) -> io::Result<()> {
        self.addressed = Some(self.process.address(reach)?);
        Ok(())
    }

    fn shot(&self, signal: Signal) -> io::Result<Shot> {
        let shot = self.process.shot(self.addressed()?, signal)?;
        Ok(Box::new(move || shot.fire()))
    }

    fn has_others(&self) -> bool {
        self.addressed.as_ref().is_some_and(Addressed::has_living)
    }

    fn last_end_of_others(&self) -> Option<Elapsed> {
        self.addressed.as_ref().and_then(Addressed::last_end)
    }

    fn take_newcomers(&mut self) -> io::Result<bool> {
        self.addressed
            .as_mut()
            .map_or(Ok(false), Addressed::take_newcomers)
    }

    fn kill_rest(&self) -> io::Result<Vec<i32>> {
        self.process.kill_rest(self.addressed()?)
    }

    fn survivors(&mut self) -> io::Result<Vec<Survivor>> {
        self.process.survivors()
    }

    fn pause(&self, reach: Reach) -> io::Result<()> {
        self.process.pause(reach)
    }

    fn stands_still(&self, reach: Reach) -> io::Result<bool> {
        self.process.stands_still(reach)
    }

    fn resume(&self, reach: Reach) -> io::Result<()> {
        self.process.resume(reach)
    }

    fn carry_out(
        &self,
        method: ActMethod,
        act: &mut dyn Act,
        on: On<'_>,
    ) -> Result<String, ActError> {
        let process = &self.process;
        let on = Reached { process, on };
        if method == ActMethod::Apply
            && let Some(undo) = act.lease(&on)?
        {
            process.lease(undo)?;
        }
        method.carry_out(act, &on)
    }

    async fn stop(&mut self, stop: &Stop) -> io::Result<()> {
        self.process.stop(stop).await.map(drop)
    }

    async fn clear_group(&mut self) -> io::Result<()> {
        self.process.clear_group().await
    }
}

/// A node, as an act sees it.
struct Reached<'a> {
    process: &'a process::Process,
    on: On<'a>,
}

impl Target for Reached<'_> {
    fn pid(&self) -> i32 {
        self.process.pid()
    }

    fn each_process(&self, call: &mut dyn FnMut(i32) -> io::Result<()>) -> io::Result<()> {
        self.process.each_reached(self.on.reach, call)
    }

    fn label(&self) -> String {
        self.process.label()
    }

    fn data(&self) -> &Path {
        self.on.data
    }

    fn disk(&self) -> Option<&dyn Disk> {
        self.on.disk
    }

    fn port(&self) -> Option<u16> {
        self.on.port
    }

    fn proxy(&self) -> Option<&str> {
        self.on.proxy
    }

    fn draws(&self) -> Draws {
        self.on.draws.clone()
    }
}
