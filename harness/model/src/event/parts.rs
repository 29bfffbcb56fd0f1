//! What events consist of.

use serde::{Deserialize, Serialize};

use crate::ids::{BootId, FaultId};
use crate::plan::Signal;

/// The process id that stands for a process on another machine.
pub const ELSEWHERE: i32 = 0;

/// A process that lives on although the fault ended the one that started it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Survivor {
    /// Its process id.
    pub pid: i32,
    /// Program and arguments, as it shows them.
    pub command: String,
}

/// A process of an earlier start that was alive at the final look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OldProcess {
    /// Which.
    #[serde(flatten)]
    pub survivor: Survivor,
    /// What it could answer by: `listens on 127.0.0.1:80`, `holds 2 sockets`. Absent where it holds no socket at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reach: Option<String>,
}

/// The parts of a trial, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The target starts and becomes ready.
    Start,
    /// The clients log in.
    Open,
    /// Load before anything is measured.
    WarmUp,
    /// Load that is compared with.
    Baseline,
    /// The fault is sent and confirmed (in a control trial: nothing is).
    Fault,
    /// The target starts again and is probed.
    Recovery,
    /// Load after recovery.
    Settle,
    /// Every session is read back.
    ReadBack,
    /// The target is stopped, and nothing is left.
    Stop,
}

impl Phase {
    /// Every phase, in order.
    pub const ALL: [Self; 9] = [
        Self::Start,
        Self::Open,
        Self::WarmUp,
        Self::Baseline,
        Self::Fault,
        Self::Recovery,
        Self::Settle,
        Self::ReadBack,
        Self::Stop,
    ];

    /// The name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Open => "open",
            Self::WarmUp => "warm-up",
            Self::Baseline => "baseline",
            Self::Fault => "fault",
            Self::Recovery => "recovery",
            Self::Settle => "settle",
            Self::ReadBack => "read-back",
            Self::Stop => "stop",
        }
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// By itself, with this status.
    Status(i32),
    /// By this signal.
    Signal(i32),
    /// After this signal was sent to it while it ran. Only its parent knows more, and that is not the harness.
    AfterSignal(i32),
    /// After the command was begun that ends it in place of a signal, while it ran. Only its parent knows more, and that is not the
    /// harness.
    AfterCommand,
    /// By itself. Only its parent knows how, and that is not the harness.
    Unseen,
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let named = |number: i32| Signal::ALL.iter().find(|known| known.number() == number);
        match self {
            Self::Status(status) => write!(f, "exited with status {status}"),
            Self::Signal(number) => {
                write!(f, "was ended by signal {number}")?;
                match named(*number) {
                    Some(known) => write!(f, " ({known})"),
                    None => Ok(()),
                }
            }
            Self::AfterSignal(number) => {
                match named(*number) {
                    Some(known) => write!(f, "ended after {known} was sent to it")?,
                    None => write!(f, "ended after signal {number} was sent to it")?,
                }
                f.write_str(" (only its parent knows its status)")
            }
            Self::AfterCommand => f.write_str(
                "ended after the kill command was begun (only its parent knows its status)",
            ),
            Self::Unseen => f.write_str("ended (only its parent knows how)"),
        }
    }
}

impl Exit {
    /// Whether SIGKILL ended it. One that ran when it was sent has no other way to end.
    pub const fn is_kill(self) -> bool {
        let kill = Signal::Kill.number();
        matches!(self, Self::Signal(number) | Self::AfterSignal(number) if number == kill)
    }
}

/// Why a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", from = "StoredCause")]
pub enum ExitCause {
    /// By this fault: the last of its exits is its T0.
    Injected(FaultId),
    /// Because the trial was over.
    Stopped,
    /// Because the cycle of a storm was over: it was killed while it had nothing to do.
    KilledIdle,
    /// By itself: nobody had asked it to. Journals say `unasked`.
    #[serde(rename = "unasked")]
    Unexpected,
}

/// Why a process ended, as it is stored: up to version 5 of the journal without the fault, which was the only one.
#[derive(Deserialize)]
#[serde(untagged)]
enum StoredCause {
    By { injected: FaultId },
    Named(CauseName),
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum CauseName {
    Injected,
    Stopped,
    KilledIdle,
    #[serde(alias = "unasked")]
    Unexpected,
}

impl From<StoredCause> for ExitCause {
    fn from(stored: StoredCause) -> Self {
        match stored {
            StoredCause::By { injected } => Self::Injected(injected),
            StoredCause::Named(CauseName::Injected) => Self::Injected(FaultId::FIRST),
            StoredCause::Named(CauseName::Stopped) => Self::Stopped,
            StoredCause::Named(CauseName::KilledIdle) => Self::KilledIdle,
            StoredCause::Named(CauseName::Unexpected) => Self::Unexpected,
        }
    }
}

/// How a reply is known to come from the new process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// It carries a boot id that no earlier incarnation had.
    BootId(BootId),
    /// The listening socket belongs to this process of the new incarnation, and to no older one.
    SocketOwner(i32),
    /// It is on another machine, whose processes are not seen: the request was sent when the old process had been seen to end, and nobody
    /// listened.
    AfterEnd,
}

/// Replies that no rule of the user judges: only what came before the fault says that they are wrong. So they prove nothing against
/// the server, and nothing for it. Each list has a few examples.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doubts {
    /// Requests whose pages were empty, and hardly ever before the fault.
    pub pages: Vec<String>,
    /// Names that the server gave to a user, and showed to another one.
    pub names: Vec<String>,
}

impl Doubts {
    /// Each list has so many examples.
    const EXAMPLES: usize = 3;

    /// Keeps one more example, if there are not enough of them.
    pub fn keep(examples: &mut Vec<String>, one: &str) {
        if examples.len() < Self::EXAMPLES && !examples.iter().any(|example| example == one) {
            examples.push(one.to_owned());
        }
    }
}
