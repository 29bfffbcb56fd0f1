//! One start of a server on another machine: awaited, seen, ended. No process of it is seen from here, and none is signalled.
//!
//! ```text
//! awaited → seen (it accepted a connection) → ended (all held connections were closed together, and a new one was refused: this is T0)
//! ```
//! Each sign alone may lie. A server closes idle connections and lives; one that only stops listening refuses new ones and lives. A
//! connection that nobody answers tells nothing. Dropping it leaves the server as it is.

mod observe;

use std::cell::RefCell;
use std::io;
use std::net::TcpStream;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use comeback_host::clock::Clock;
use comeback_model::event::Exit;
use comeback_model::ids::{Incarnation, Node};
use comeback_model::plan::External;
use comeback_model::said::Line;
use comeback_model::units::Elapsed;
use tokio::task::AbortHandle;

use self::observe::{Observed, observe};
use super::commanded::Commanded;
use super::process::{Begin, Next};
use super::restart::Restart;
use super::shot::KillCommand;
use super::{NotFound, check_restarts};
use crate::roster::Place;
use crate::shot::Sent;

/// Between two looks at a restart command while the server is awaited.
const LOOK_PAUSE: Duration = Duration::from_millis(5);
/// How long the first look before a run waits for an answer.
const FIRST_LOOK: Duration = Duration::from_secs(5);

/// A server on another machine over the trials of a run. A clone is the same.
#[derive(Clone, Debug)]
pub struct RemoteWatch(Rc<RefCell<Known>>);

#[derive(Debug)]
struct Known {
    external: External,
    kill_under_way: Commanded,
    /// The latest start.
    place: Option<Place>,
    /// It accepted a connection in this run.
    was_seen: bool,
    /// The restart command was begun since the last end, and did not fail.
    is_on_its_way: bool,
    /// The start whose restart command was not begun yet: a kill command is under way.
    unbegun: Option<Place>,
}

impl RemoteWatch {
    /// A watch for this server.
    pub fn new(external: &External) -> Self {
        Self(Rc::new(RefCell::new(Known {
            external: external.clone(),
            kill_under_way: Commanded::default(),
            place: None,
            was_seen: false,
            is_on_its_way: false,
            unbegun: None,
        })))
    }

    /// The latest start. Whoever answers a request that was sent after the end of the start before is of this one: that end was seen, and
    /// nobody listened then.
    pub fn place(&self) -> Option<Place> {
        self.0.borrow().place
    }

    /// Whether it is the server of this node in this trial.
    pub fn is_of(&self, (trial, node, _): Place) -> bool {
        self.place()
            .is_some_and(|(of, its, _)| (of, its) == (trial, node))
    }

    /// Why the restart command of this start was not begun, if it waits.
    pub fn unbegun(&self, place: Place) -> Option<String> {
        let known = self.0.borrow();
        let words = known.external.kill.as_ref()?;
        (known.unbegun == Some(place)).then(|| {
            format!(
                "the kill command '{}' did not end though the server had, so that the restart command was not begun: have the command \
                 be over when the server has ended",
                words.join(" ")
            )
        })
    }
}

/// Sees that a server on another machine accepts connections, before anything is done to it.
///
/// # Errors
/// With the reason why it does not, and the mend.
pub(super) fn check(external: &External) -> Result<(), NotFound> {
    let address = external.address();
    let connected = TcpStream::connect_timeout(&address, FIRST_LOOK);
    connected.map_err(|error| {
        NotFound::because(format!(
            "nobody accepts a connection at {address} ({error}): start the server first, or correct external.address"
        ))
    })?;
    check_restarts(external, &[])
}

/// How an end was seen from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenOutside {
    /// The begin of the last connection that it accepted, or of the command that ended it: it was there then.
    pub alive: Elapsed,
    /// What was seen, in words.
    pub evidence: String,
}

/// One start of a server on another machine.
#[derive(Debug)]
pub struct RemoteProcess {
    place: Place,
    requested: Elapsed,
    clock: Clock,
    watch: RemoteWatch,
    restart: Option<Restart>,
    /// The restart command that is not begun yet.
    due: Option<Vec<String>>,
    /// Where the output of commands goes.
    log: PathBuf,
    observed: Arc<Observed>,
    observer: AbortHandle,
    executed: Option<Elapsed>,
    exit: Option<(Exit, Elapsed)>,
    displaced: Option<String>,
    tail: Vec<Line>,
}

impl RemoteProcess {
    /// Begins to wait for a start. One after a fault is asked for by the restart command, where there is one, and so is the first of a
    /// trial that finds the server down. It is begun when no kill command is under way any more.
    ///
    /// # Errors
    /// If the restart command cannot be begun.
    pub fn begin(watch: &RemoteWatch, begin: Begin<'_>) -> io::Result<Self> {
        let Begin {
            place,
            external,
            log,
            clock,
            tag: _,
        } = begin;
        let is_first = place.2 == Incarnation(0);
        watch.0.borrow_mut().place = Some(place);
        let observed = Arc::new(Observed::new(clock));
        let observing = observe(Arc::clone(&observed), external.address(), is_first);
        let mut process = Self {
            place,
            requested: clock.now(),
            clock,
            watch: watch.clone(),
            restart: None,
            due: external.restart.clone(),
            log,
            observer: tokio::spawn(observing).abort_handle(),
            observed,
            executed: None,
            exit: None,
            displaced: None,
            tail: Vec::new(),
        };
        if !is_first {
            process.begin_restart()?;
        }
        Ok(process)
    }

    fn begin_restart(&mut self) -> io::Result<()> {
        let mut known = self.watch.0.borrow_mut();
        if self.due.is_some() && known.kill_under_way.is_under_way() {
            known.unbegun = Some(self.place);
        } else if let Some(words) = self.due.take() {
            known.unbegun = None;
            self.requested = self.clock.now();
            self.restart = Some(Restart::begin(&words, self.log.clone())?);
            known.is_on_its_way = true;
        }
        Ok(())
    }

    /// Which node it is.
    pub const fn node(&self) -> Node {
        self.place.1
    }

    /// Which start of it.
    pub const fn incarnation(&self) -> Incarnation {
        self.place.2
    }

    /// When it began to be waited for.
    pub const fn requested(&self) -> Elapsed {
        self.requested
    }

    /// The begin of the first connection that it accepted: it had begun by then. While it is awaited, when that began.
    pub fn executed(&self) -> Elapsed {
        self.executed.unwrap_or(self.requested)
    }

    /// How and when it ended, if it has.
    pub const fn exit(&self) -> Option<(Exit, Elapsed)> {
        self.exit
    }

    /// Whether it has not accepted a connection yet.
    pub const fn is_awaited(&self) -> bool {
        self.executed.is_none() && self.exit.is_none()
    }

    /// Whether it accepted one, and was not seen to end.
    pub const fn is_running(&self) -> bool {
        self.executed.is_some() && self.exit.is_none()
    }

    /// Whether its end was seen, and is not told yet.
    pub fn has_untold_end(&self) -> bool {
        self.is_running() && self.observed.end().is_some()
    }

    /// Why its end says nothing of it, if that is so.
    pub fn displaced(&self) -> Option<&str> {
        self.displaced.as_deref()
    }

    /// The last lines of the restart command that failed.
    pub fn tail(&self) -> Vec<Line> {
        self.tail.clone()
    }

    /// How its end was seen, if it was.
    pub fn seen_outside(&self) -> Option<SeenOutside> {
        let end = self.observed.end().filter(|_| self.exit.is_some())?;
        Some(SeenOutside {
            alive: end.alive,
            evidence: end.evidence,
        })
    }

    /// Why its end was not seen although a command was to end it, in words.
    pub fn why_not_ended(&self) -> String {
        let address = self.watch.0.borrow().external.address();
        format!("{address}: {}", self.observed.why_not_ended())
    }

    /// What the last try to connect came to.
    pub fn missing(&self) -> Option<String> {
        let address = self.watch.0.borrow().external.address();
        let last = self.observed.last_failure().filter(|_| self.is_awaited())?;
        Some(format!("{address}: {last}"))
    }

    /// Waits for the next thing to be seen of it; it may be given up and asked again.
    ///
    /// # Errors
    /// If it cannot be watched.
    pub async fn next(&mut self) -> io::Result<Next> {
        loop {
            // Asked for before the look, so that no change is missed between the two.
            let observed = Arc::clone(&self.observed);
            let changed = observed.changed();
            if self.exit.is_some() {
                std::future::pending::<()>().await;
            }
            if self.executed.is_none() {
                if let Some(executed) = self.observed.first_accept() {
                    self.executed = Some(executed);
                    let mut known = self.watch.0.borrow_mut();
                    known.was_seen = true;
                    return Ok(Next::Executed);
                }
                if let Some((exit, at)) = self.look()? {
                    return Ok(Next::Exited(exit, at));
                }
                tokio::select! {
                    () = changed => {}
                    () = tokio::time::sleep(LOOK_PAUSE) => {}
                }
                continue;
            }
            if let Some(end) = self.observed.end() {
                let exit = match self.observed.sent() {
                    Some(_) => Exit::AfterCommand,
                    None => Exit::Unseen,
                };
                self.exit = Some((exit, end.at));
                self.watch.0.borrow_mut().is_on_its_way = false;
                self.displaced = self.displaced_by_kill_command(exit, end.at);
                return Ok(Next::Exited(exit, end.at));
            }
            changed.await;
        }
    }

    /// Begins the restart command that is due, and sees whether it fails.
    fn look(&mut self) -> io::Result<Option<(Exit, Elapsed)>> {
        let is_wanted = match self.place.2 {
            // An earlier trial may have left it dead.
            Incarnation(0) => {
                let known = self.watch.0.borrow();
                known.was_seen && !known.is_on_its_way && self.observed.is_refused()
            }
            _ => true,
        };
        if is_wanted && let Err(error) = self.begin_restart() {
            let why = format!("the restart command cannot be begun: {error}");
            return Ok(Some(self.fail(Exit::Unseen, vec![Line::Out(why)])));
        }
        let failed = match &mut self.restart {
            Some(restart) => restart.failure()?,
            None => None,
        };
        Ok(failed.map(|(exit, tail)| self.fail(exit, tail)))
    }

    fn fail(&mut self, exit: Exit, tail: Vec<Line>) -> (Exit, Elapsed) {
        self.watch.0.borrow_mut().is_on_its_way = false;
        let ended = (exit, self.clock.now());
        self.exit = Some(ended);
        self.tail = tail;
        ended
    }

    fn displaced_by_kill_command(&self, exit: Exit, ended: Elapsed) -> Option<String> {
        let known = self.watch.0.borrow();
        let words = known.external.kill.as_ref()?;
        let at = self.clock.instant(ended).into_std();
        let is_by_itself = exit == Exit::Unseen;
        (is_by_itself && known.kill_under_way.may_have_ended(at)).then(|| {
            format!(
                "it ended while the kill command '{}' of a fault was under way, or right after it: nobody can tell whether the command \
                 ended it. Have the command end the server once, and be over when that has ended",
                words.join(" ")
            )
        })
    }

    /// Makes the kill command ready.
    ///
    /// # Errors
    /// If it has ended, or its program is not there.
    pub fn shot(&self) -> io::Result<RemoteShot> {
        if !self.is_running() {
            let gone = "no server accepts connections there";
            return Err(io::Error::new(io::ErrorKind::NotFound, gone));
        }
        let known = self.watch.0.borrow();
        let words = known.external.kill.clone().unwrap_or_default();
        let under_way = known.kill_under_way.clone();
        Ok(RemoteShot {
            command: KillCommand::prepare(&words, &self.log, under_way)?,
            observed: Arc::clone(&self.observed),
        })
    }
}

impl Drop for RemoteProcess {
    fn drop(&mut self) {
        self.observer.abort();
    }
}

/// The command that ends a server on another machine, ready to be begun.
#[derive(Debug)]
pub struct RemoteShot {
    command: KillCommand,
    observed: Arc<Observed>,
}

impl RemoteShot {
    /// Begins it, unless the server was seen to end before: then it ended by itself.
    ///
    /// # Errors
    /// If it cannot be begun.
    pub fn fire(mut self) -> io::Result<Sent> {
        let Some(at) = self.observed.note_sent() else {
            return Ok(Sent::Not);
        };
        self.command.begin()?;
        Ok(Sent::At(at))
    }
}
