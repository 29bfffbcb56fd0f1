//! The run's one monotonic clock.
//!
//! It goes by the runtime's instants: the system's monotonic clock, and the paused clock in tests that pause time.

use std::time::Duration;

use comeback_model::units::{Elapsed, Span};
use tokio::time::Instant;

/// The run's clock: its origin is the run's start.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock that starts now.
    pub fn start() -> Self {
        Self {
            origin: Instant::now(),
        }
    }

    /// The present moment.
    pub fn now(&self) -> Elapsed {
        self.at(Instant::now())
    }

    /// An instant on this clock.
    pub fn at(&self, instant: Instant) -> Elapsed {
        let since = instant.saturating_duration_since(self.origin);
        Elapsed::from_us(since.as_micros() as u64)
    }

    /// A moment of this clock as an instant.
    pub fn instant(&self, at: Elapsed) -> Instant {
        self.origin + Duration::from_micros(at.as_us())
    }

    /// How long until a moment; zero when it has passed.
    pub fn until(&self, at: Elapsed) -> Span {
        at.since(self.now())
    }
}
