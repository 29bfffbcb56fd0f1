//! Signals by name.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A signal, by its name without `SIG`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Signal {
    /// SIGKILL: cannot be caught.
    Kill,
    /// SIGTERM: the usual request to end.
    Term,
    /// SIGINT, as from Ctrl-C.
    Int,
    /// SIGQUIT.
    Quit,
    /// SIGHUP.
    Hup,
    /// SIGABRT, as from `abort()`.
    Abrt,
    /// SIGSEGV, as from a wild pointer.
    Segv,
    /// SIGUSR1.
    Usr1,
    /// SIGUSR2.
    Usr2,
}

impl Signal {
    /// Every signal that can be asked for.
    pub const ALL: [Self; 9] = [
        Self::Kill,
        Self::Term,
        Self::Int,
        Self::Quit,
        Self::Hup,
        Self::Abrt,
        Self::Segv,
        Self::Usr1,
        Self::Usr2,
    ];

    /// The name without `SIG`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kill => "KILL",
            Self::Term => "TERM",
            Self::Int => "INT",
            Self::Quit => "QUIT",
            Self::Hup => "HUP",
            Self::Abrt => "ABRT",
            Self::Segv => "SEGV",
            Self::Usr1 => "USR1",
            Self::Usr2 => "USR2",
        }
    }

    /// The number on Linux (x86 and Arm).
    pub const fn number(self) -> i32 {
        match self {
            Self::Kill => 9,
            Self::Term => 15,
            Self::Int => 2,
            Self::Quit => 3,
            Self::Hup => 1,
            Self::Abrt => 6,
            Self::Segv => 11,
            Self::Usr1 => 10,
            Self::Usr2 => 12,
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIG{}", self.name())
    }
}

impl std::str::FromStr for Signal {
    type Err = String;

    /// Reads `KILL`, `SIGKILL`, `kill` or `9`.
    fn from_str(text: &str) -> Result<Self, String> {
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        Self::ALL
            .into_iter()
            .find(|signal| signal.name() == name || signal.number().to_string() == name)
            .ok_or_else(|| {
                let names: Vec<_> = Self::ALL.iter().map(|signal| signal.name()).collect();
                format!(
                    "'{text}' is not a signal known here: use one of {}",
                    names.join(", ")
                )
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_read_by_name_and_number() {
        for text in ["KILL", "SIGKILL", "kill", "9"] {
            assert_eq!(text.parse(), Ok(Signal::Kill), "{text}");
        }
        assert!("WINCH".parse::<Signal>().is_err());
    }
}
