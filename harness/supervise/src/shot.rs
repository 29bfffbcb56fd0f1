//! A signal at its moment, which is K: it is seen that the process runs, the time is taken, and the signal is sent, with nothing
//! between. So it goes to a process that the run started, and to one that somebody else did.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use comeback_host::clock::Clock;
use comeback_model::units::Elapsed;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::dying::Vitals;

/// What came of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It was sent right after this.
    At(Elapsed),
    /// Nothing was sent: the process had ended by itself, or was about to.
    Not,
}

/// A process that a signal is for. All that a look at it needs is open before the moment.
#[derive(Debug)]
pub(super) struct Sight {
    process: OwnedFd,
    vitals: Vitals,
    clock: Clock,
}

impl Sight {
    /// That of a process, by its number and its descriptor.
    pub(super) fn of(pid: i32, process: OwnedFd, clock: Clock) -> Self {
        Self {
            process,
            vitals: Vitals::open(pid),
            clock,
        }
    }

    /// Its descriptor.
    pub(super) const fn process(&self) -> &OwnedFd {
        &self.process
    }

    /// Has the signal sent if the process runs. The sender says whether it was there.
    pub(super) fn fire(&self, send: impl FnOnce() -> io::Result<bool>) -> io::Result<Sent> {
        let runs = || Ok(!self.vitals.is_dying() && !has_ended(&self.process)?);
        at_its_moment(self.clock, runs, send)
    }
}

fn at_its_moment(
    clock: Clock,
    runs: impl FnOnce() -> io::Result<bool>,
    send: impl FnOnce() -> io::Result<bool>,
) -> io::Result<Sent> {
    if !runs()? {
        return Ok(Sent::Not);
    }
    // After the look, which takes its time: a write that is answered meanwhile has not met the signal.
    let at = clock.now();
    Ok(match send()? {
        true => Sent::At(at),
        false => Sent::Not,
    })
}

/// Whether a process has ended, be it reaped or not.
pub(super) fn has_ended(process: impl AsFd) -> io::Result<bool> {
    let mut end = [PollFd::new(&process, PollFlags::IN)];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    Ok(poll(&mut end, Some(&now))? > 0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_moment_of_a_signal_is_taken_after_the_look_and_before_it_is_sent() {
        let clock = Clock::start();
        let (mut looked, mut sent) = (Elapsed::default(), Elapsed::default());
        let runs = || {
            std::thread::sleep(Duration::from_millis(5));
            looked = clock.now();
            Ok(true)
        };
        let send = || {
            sent = clock.now();
            Ok(true)
        };
        let fired = at_its_moment(clock, runs, send).expect("nothing fails");
        let Sent::At(at) = fired else {
            panic!("it was sent");
        };
        assert!(looked <= at && at <= sent, "{looked:?} {at:?} {sent:?}");
    }

    #[test]
    fn nothing_is_sent_to_a_process_that_does_not_run() {
        let clock = Clock::start();
        let never = || panic!("it was sent");
        let fired = at_its_moment(clock, || Ok(false), never);
        assert_eq!(fired.expect("nothing fails"), Sent::Not);
        let fired = at_its_moment(clock, || Ok(true), || Ok(false));
        assert_eq!(fired.expect("nothing fails"), Sent::Not);
    }
}
