//! A time of a trial, which may lie beyond what was waited for.

/// A measured time after T0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Time {
    /// It was seen at `ms`; the truth lies at most `error_ms` earlier.
    At {
        /// When it was seen.
        ms: f64,
        /// How much earlier it may have been true.
        error_ms: f64,
    },
    /// It was not seen, or not for good, until this many ms after T0.
    Beyond {
        /// How long was looked.
        ms: f64,
    },
}

impl Time {
    /// The time in ms, infinite when it was not seen.
    pub const fn or_infinite(self) -> f64 {
        match self {
            Self::At { ms, .. } => ms,
            Self::Beyond { .. } => f64::INFINITY,
        }
    }

    /// The longer of two: one that was not seen to end is longer than any that was.
    #[must_use]
    pub fn longer(self, other: Self) -> Self {
        match (self, other) {
            (Self::Beyond { .. }, Self::At { .. }) => self,
            (Self::At { .. }, Self::Beyond { .. }) => other,
            (Self::At { ms, .. }, Self::At { ms: more, .. })
            | (Self::Beyond { ms }, Self::Beyond { ms: more }) => {
                if more > ms {
                    other
                } else {
                    self
                }
            }
        }
    }

    /// The same moment, counted from so many ms earlier.
    #[must_use]
    pub fn plus(self, earlier_ms: f64) -> Self {
        match self {
            Self::At { ms, error_ms } => Self::At {
                ms: ms + earlier_ms,
                error_ms,
            },
            Self::Beyond { ms } => Self::Beyond {
                ms: ms + earlier_ms,
            },
        }
    }

    /// The same time, whose begin may have been so much later.
    #[must_use]
    pub fn less_sure(self, later_ms: f64) -> Self {
        match self {
            Self::At { ms, error_ms } => Self::At {
                ms,
                error_ms: error_ms + later_ms,
            },
            Self::Beyond { .. } => self,
        }
    }

    /// How much earlier it may have been true; unknown when it was not seen.
    pub const fn error_ms(self) -> Option<f64> {
        match self {
            Self::At { error_ms, .. } => Some(error_ms),
            Self::Beyond { .. } => None,
        }
    }
}
