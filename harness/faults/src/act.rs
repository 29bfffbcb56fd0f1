//! Acts: what a fault does to a node other than by signals. The engine carries out any act, and knows none.
//!
//! An act is a value in its fault's file, with its system calls. [`Injection::act`] hands it to the engine, which applies it,
//! has it confirm its effect, puts the evidence on record, and keeps it until [`Injection::undo`] or the node's next start.
//!
//! [`Injection::act`]: crate::Injection::act
//! [`Injection::undo`]: crate::Injection::undo

use std::fmt::Debug;
use std::io;
use std::path::Path;

use comeback_host::undo::Undo;
use comeback_model::plan::DiskModel;
use comeback_model::schedule::Draws;

/// A disk that forgets, below a node's data.
pub trait Disk: Debug {
    /// By which rule it keeps things.
    fn model(&self) -> DiskModel;

    /// Drops what is not durable; with `commits`, right after the journal of a file system that has one was written out by itself.
    /// The node has ended. Returns what was dropped, and what shows it, in words.
    ///
    /// # Errors
    /// If the canaries do not show it, or the disk does not answer.
    fn cut_power(&self, commits: bool) -> Result<String, ActError>;

    /// Whether it works.
    ///
    /// # Errors
    /// If it does not answer.
    fn check(&self) -> io::Result<()>;
}

/// The node that an act is done to.
pub trait Target {
    /// The process that was started.
    fn pid(&self) -> i32;

    /// Calls this for each living process that the fault reaches, right after a look at whether its number is still its own. A
    /// process that ends meanwhile is left out.
    ///
    /// # Errors
    /// If the node has ended, `/proc` cannot be read, or the call fails.
    fn each_process(&self, call: &mut dyn FnMut(i32) -> io::Result<()>) -> io::Result<()>;

    /// A name of it that nothing else on this machine has.
    fn label(&self) -> String;

    /// Its data folder.
    fn data(&self) -> &Path;

    /// The disk that its data lies on, where that is one of ours.
    fn disk(&self) -> Option<&dyn Disk> {
        None
    }

    /// The port of 127.0.0.1 that it listens on; none where it listens on a Unix socket.
    fn port(&self) -> Option<u16>;

    /// Where the proxy in front of it takes orders: the abstract name of a Unix socket. None where there is no proxy.
    fn proxy(&self) -> Option<&str> {
        None
    }

    /// The draws for this act: the same for the same seed, trial, fault and node.
    fn draws(&self) -> Draws;
}

/// Something that is done to one node.
pub trait Act: Debug {
    /// Whether the node must have ended before it; it must run otherwise.
    fn is_for_ended(&self) -> bool {
        false
    }

    /// Whether the fault has its effect only with it: what counts from the effect counts from its end.
    fn completes(&self) -> bool {
        false
    }

    /// How to undo what it does outside the run's processes, control group and folder: these are ended and removed in any case.
    /// It is written down before the act is done, and carried out at the end of the trial, or when the harness is gone.
    ///
    /// # Errors
    /// When that cannot be said.
    fn lease(&self, _on: &dyn Target) -> io::Result<Option<Undo>> {
        Ok(None)
    }

    /// Does it.
    ///
    /// # Errors
    /// When it cannot.
    fn apply(&mut self, on: &dyn Target) -> Result<(), ActError>;

    /// What shows that it has its effect now. Asked after it was applied.
    ///
    /// # Errors
    /// When nothing shows it.
    fn confirm(&self, on: &dyn Target) -> Result<String, ActError>;

    /// What shows that it had its effect until now. Asked before it is undone.
    ///
    /// # Errors
    /// When nothing shows it.
    fn conclude(&self, on: &dyn Target) -> Result<String, ActError> {
        self.confirm(on)
    }

    /// Undoes it for the processes that live on; the node may have ended.
    ///
    /// # Errors
    /// When it cannot: the run ends.
    fn undo(&mut self, _on: &dyn Target) -> io::Result<()> {
        Ok(())
    }
}

/// Why an act was not done.
#[derive(Debug)]
pub enum ActError {
    /// It has no effect here; in words. The fault missed.
    Missed(String),
    /// The system refused. The run ends.
    Failed(io::Error),
}

impl From<io::Error> for ActError {
    fn from(cause: io::Error) -> Self {
        Self::Failed(cause)
    }
}

/// One of an act's methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActMethod {
    /// [`Act::apply`].
    Apply,
    /// [`Act::confirm`].
    Confirm,
    /// [`Act::conclude`].
    Conclude,
    /// [`Act::undo`].
    Undo,
}

impl ActMethod {
    /// Calls the method. Returns the evidence, if it is asked for.
    ///
    /// # Errors
    /// With the method's.
    pub fn carry_out(self, act: &mut dyn Act, on: &dyn Target) -> Result<String, ActError> {
        match self {
            Self::Apply => act.apply(on).map(|()| String::new()),
            Self::Confirm => act.confirm(on),
            Self::Conclude => act.conclude(on),
            Self::Undo => Ok(act.undo(on).map(|()| String::new())?),
        }
    }
}
