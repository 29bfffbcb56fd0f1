//! A process that is none.

use std::cell::Cell;
use std::io;
use std::sync::{Arc, Mutex};

use comeback_model::event::{Exit, Survivor};
use comeback_model::ids::{BootId, Incarnation, Node};
use comeback_model::plan::{Reach, Signal, Stop};
use comeback_model::said::Line;
use comeback_model::units::{Elapsed, Span};
use tokio::sync::Notify;
use tokio::time::sleep_until;

use super::{Acts, Behaviour, Deeds};
use crate::clock::Clock;
use crate::seams::{End, On, Place, Process, SeenEnd, Shot};
use crate::supervise::output::OnLine;
use crate::supervise::shot::Sent;
use comeback_faults::{Act, ActError, ActMethod};

/// The latest start of a node.
#[derive(Clone, Debug)]
pub(super) struct Latest {
    pub(super) place: Place,
    pub(super) pid: i32,
    pub(super) executed: Elapsed,
    pub(super) life: Arc<Life>,
}

#[derive(Debug, Default)]
pub(super) struct Life {
    pub(super) state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
pub(super) struct State {
    /// When and how it will end.
    pub(super) end: Option<(Elapsed, Exit)>,
    /// It was reaped.
    pub(super) exit: Option<(Exit, Elapsed)>,
    others: Vec<Other>,
    paused: Option<Elapsed>,
}

#[derive(Clone, Copy, Debug)]
struct Other {
    end: Option<Elapsed>,
    is_over: bool,
}

impl Latest {
    pub(super) fn is_there(&self, now: Elapsed) -> bool {
        let state = self.life.state.lock().unwrap();
        state.exit.is_none() && state.end.is_none_or(|(at, _)| at > now) && state.paused.is_none()
    }
}

/// A start of a node.
#[derive(Debug)]
pub(in crate::tests) struct MockProcess {
    pub(super) clock: Clock,
    pub(super) deeds: Deeds,
    pub(super) behaviour: Behaviour,
    pub(super) start: Latest,
    pub(super) newcomers: Cell<u32>,
}

impl MockProcess {
    fn note(&self, what: &str) {
        let deed = format!("{what} {}", self.node());
        self.deeds.borrow_mut().push((self.clock.now(), deed));
    }

    pub(super) fn boot(&self) -> Option<BootId> {
        let name = format!("{} {}", self.node(), self.incarnation().0);
        let named = self.behaviour.is_named;
        named.then(|| BootId::from_header(name.as_bytes()))
    }

    fn end_in(&self, after: Span, exit: Exit) {
        let end = (self.clock.now() + after, exit);
        self.start.life.state.lock().unwrap().end = Some(end);
        self.start.life.changed.notify_waiters();
    }
}

impl Drop for MockProcess {
    fn drop(&mut self) {
        if self.is_running() {
            self.note("drop running");
        }
    }
}

impl Process for MockProcess {
    fn node(&self) -> Node {
        self.start.place.1
    }

    fn incarnation(&self) -> Incarnation {
        self.start.place.2
    }

    fn pid(&self) -> i32 {
        self.start.pid
    }

    fn requested(&self) -> Elapsed {
        self.start.executed
    }

    fn launched(&self) -> Option<Elapsed> {
        None
    }

    fn executed(&self) -> Elapsed {
        self.start.executed
    }

    fn exit(&self) -> Option<(Exit, Elapsed)> {
        self.start.life.state.lock().unwrap().exit
    }

    fn is_cleared(&self) -> bool {
        true
    }

    fn tail(&self) -> Vec<Line> {
        vec![Line::Out("the last line".to_owned())]
    }

    fn on_line(&self, text: String, found: OnLine) {
        let says = self.behaviour.says.iter();
        let now = self.clock.now();
        let line = says.filter_map(|(start, after, line)| {
            let at = self.executed() + *after;
            let is_it = *start == self.incarnation().0 && line.contains(&text) && at >= now;
            is_it.then_some((at, line.clone()))
        });
        if let Some((at, line)) = line.min() {
            let clock = self.clock;
            tokio::spawn(async move {
                sleep_until(clock.instant(at)).await;
                found(line);
            });
        }
    }

    async fn next_end(&mut self) -> io::Result<End> {
        loop {
            let changed = self.start.life.changed.notified();
            let now = self.clock.now();
            let next = {
                let mut state = self.start.life.state.lock().unwrap();
                let leader = state.end.filter(|_| state.exit.is_none());
                if let Some((_, exit)) = leader.filter(|(at, _)| *at <= now) {
                    // As with a real one, it has ended when that is seen.
                    state.exit = Some((exit, now));
                    return Ok(End::Exited(exit, now));
                }
                let left = state.others.iter().filter(|other| !other.is_over);
                let others = left.map(|other| other.end).max_by_key(|end| match end {
                    None => Elapsed::from_us(u64::MAX),
                    Some(at) => *at,
                });
                let others = others.flatten();
                if others.is_some_and(|at| at <= now) {
                    for other in &mut state.others {
                        other.is_over = true;
                    }
                    return Ok(End::Others);
                }
                leader.map(|(at, _)| at).into_iter().chain(others).min()
            };
            match next {
                None => changed.await,
                Some(at) => tokio::select! {
                    () = changed => {}
                    () = sleep_until(self.clock.instant(at)) => {}
                },
            }
        }
    }

    fn seen_end(&self) -> io::Result<SeenEnd> {
        let (life, clock) = (Arc::clone(&self.start.life), self.clock);
        Ok(Box::pin(async move {
            loop {
                let changed = life.changed.notified();
                let end = life.state.lock().unwrap().end.map(|(at, _)| at);
                match end {
                    Some(at) if at <= clock.now() => return Ok(()),
                    Some(at) => tokio::select! {
                        () = changed => {}
                        () = sleep_until(clock.instant(at)) => {}
                    },
                    None => changed.await,
                }
            }
        }))
    }

    fn address(&mut self, reach: Reach) -> io::Result<()> {
        self.note("address");
        let others = self.behaviour.others_end_after.len();
        let others = if reach == Reach::Process { 0 } else { others };
        let (end, is_over) = (None, false);
        self.start.life.state.lock().unwrap().others = vec![Other { end, is_over }; others];
        Ok(())
    }

    fn shot(&self, signal: Signal) -> io::Result<Shot> {
        let (life, clock) = (Arc::clone(&self.start.life), self.clock);
        let mut behaviour = self.behaviour.clone();
        if signal != Signal::Kill && behaviour.hangs.contains(&self.incarnation().0) {
            behaviour.ends_after = None;
        }
        Ok(Box::new(move || {
            let now = clock.now();
            let mut state = life.state.lock().unwrap();
            let is_ending = |(at, _): (Elapsed, Exit)| at <= now + behaviour.ends_slowly;
            if state.end.is_some_and(is_ending) {
                return Ok(Sent::Not);
            }
            let exit = behaviour.ends_with.unwrap_or(Exit::Signal(signal.number()));
            state.end = behaviour.ends_after.map(|after| (now + after, exit));
            for (other, after) in state.others.iter_mut().zip(behaviour.others_end_after) {
                other.end = after.map(|after| now + after);
            }
            life.changed.notify_waiters();
            Ok(Sent::At(now + behaviour.sent_after))
        }))
    }

    fn has_others(&self) -> bool {
        let state = self.start.life.state.lock().unwrap();
        state.others.iter().any(|other| !other.is_over)
    }

    fn last_end_of_others(&self) -> Option<Elapsed> {
        let state = self.start.life.state.lock().unwrap();
        let over = state.others.iter().filter(|other| other.is_over);
        over.filter_map(|other| other.end).max()
    }

    fn take_newcomers(&mut self) -> io::Result<bool> {
        self.note("scan");
        let Some(left) = self.newcomers.get().checked_sub(1) else {
            return Ok(false);
        };
        self.newcomers.set(left);
        let end = Some(self.clock.now() + Span::from_ms(10));
        let mut state = self.start.life.state.lock().unwrap();
        state.others.push(Other {
            end,
            is_over: false,
        });
        Ok(true)
    }

    fn kill_rest(&self) -> io::Result<Vec<i32>> {
        self.note("kill rest");
        let mut killed = Vec::new();
        if self.is_running() {
            self.end_in(Span::from_ms(1), Exit::Signal(Signal::Kill.number()));
            killed.push(self.pid());
        }
        let now = self.clock.now();
        let mut state = self.start.life.state.lock().unwrap();
        for (other, number) in state.others.iter_mut().zip(1..) {
            if !other.is_over {
                other.end = Some(now + Span::from_ms(1));
                killed.push(self.pid() * 1_000 + number);
            }
        }
        self.start.life.changed.notify_waiters();
        Ok(killed)
    }

    fn survivors(&mut self) -> io::Result<Vec<Survivor>> {
        self.note("survivors");
        let state = self.start.life.state.lock().unwrap();
        let left = state.others.iter().zip(1..);
        let left = left.filter(|(other, _)| !other.is_over);
        let named = left.map(|(_, number)| Survivor {
            pid: self.start.pid * 1_000 + number,
            command: "worker".to_owned(),
        });
        Ok(named.collect())
    }

    fn pause(&self, _reach: Reach) -> io::Result<()> {
        let mut state = self.start.life.state.lock().unwrap();
        state.paused.get_or_insert(self.clock.now());
        Ok(())
    }

    fn stands_still(&self, _reach: Reach) -> io::Result<bool> {
        let paused = self.start.life.state.lock().unwrap().paused;
        let still = paused.and_then(|at| Some(at + self.behaviour.still_after?));
        Ok(still.is_some_and(|at| at <= self.clock.now()))
    }

    fn resume(&self, _reach: Reach) -> io::Result<()> {
        self.note("resume");
        self.start.life.state.lock().unwrap().paused = None;
        Ok(())
    }

    fn carry_out(
        &self,
        method: ActMethod,
        _act: &mut dyn Act,
        _on: On<'_>,
    ) -> Result<String, ActError> {
        self.note(&format!("{method:?}").to_lowercase());
        match (self.behaviour.acts, method) {
            (Acts::Miss, ActMethod::Confirm) => {
                Err(ActError::Missed("it has no effect".to_owned()))
            }
            (Acts::Wear, ActMethod::Conclude) => {
                Err(ActError::Missed("it has no effect any more".to_owned()))
            }
            (Acts::Fail, ActMethod::Apply) | (Acts::Stay, ActMethod::Undo) => {
                Err(ActError::Failed(io::ErrorKind::PermissionDenied.into()))
            }
            _ => Ok("the mock says so".to_owned()),
        }
    }

    async fn stop(&mut self, stop: &Stop) -> io::Result<()> {
        self.note("stop");
        let (after, signal) = match self.behaviour.ends_after {
            Some(after) => (after, stop.signal),
            None => (stop.grace, Signal::Kill),
        };
        self.end_in(after, Exit::Signal(signal.number()));
        loop {
            if let End::Exited(..) = self.next_end().await? {
                return Ok(());
            }
        }
    }

    async fn clear_group(&mut self) -> io::Result<()> {
        Ok(())
    }
}
