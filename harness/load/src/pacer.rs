//! Waits for an instant with a precision of a tenth of a millisecond. The runtime's own timers tick at one millisecond.

use std::io;
use std::os::fd::OwnedFd;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::io::unix::AsyncFd;
use tokio::time::Instant;

use comeback_host::watched::watch;

/// A one-shot timer of the kernel's, driven by the runtime's own poll.
#[derive(Debug)]
pub struct Pacer {
    timer: AsyncFd<OwnedFd>,
}

impl Pacer {
    /// A timer that is not armed.
    ///
    /// # Errors
    /// If the kernel has none.
    pub fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        Ok(Self {
            timer: watch(timer)?,
        })
    }

    /// Waits until `at`, or until a previous wait that was given up would have ended.
    ///
    /// # Errors
    /// If the timer cannot be set.
    pub async fn wait_until(&self, at: Instant) -> io::Result<()> {
        let left = at.saturating_duration_since(Instant::now());
        let zero = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let timer = Itimerspec {
            it_interval: zero,
            it_value: Timespec {
                tv_sec: left.as_secs() as i64,
                // Zero would disarm the timer.
                tv_nsec: i64::from(left.subsec_nanos().max(1)),
            },
        };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &timer)?;
        // Setting it again discards the expiry, so it need not be read.
        self.timer.readable().await?.clear_ready();
        Ok(())
    }
}
