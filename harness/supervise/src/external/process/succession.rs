//! What ended by itself and was no server any more, or not by itself: a launcher whose daemon goes on, and what a command of the run may
//! have ended.

use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;

use comeback_model::ids::Incarnation;
use comeback_model::units::Span;

use super::super::shot::NONE;
use super::{ExternalProcess, Held, LOOK_PAUSE};

/// How soon a server ends that a command only asked to end, as `systemctl --no-block restart` does.
const ASKED_WITHIN: Span = Span::from_ms(50);
/// How soon a script ends after the last command in it.
const SCRIPT_TAKES: Span = Span::from_secs(1);
/// How long a command may take from the end of one server until another one listens, and the pause between two looks.
const SWAP_TAKES: Span = Span::from_secs(10);
const SWAP_PAUSE: Duration = Duration::from_millis(20);
impl ExternalProcess {
    /// Whether what ended by itself was but the launcher of a daemon, which goes on as the same start: it listens on the same socket, and
    /// began after the fault. A launcher ends before any reply, or as a part of the restart command, which ends well.
    pub(super) async fn is_succeeded(&mut self) -> io::Result<bool> {
        let Some(held) = &self.held else {
            return Ok(false);
        };
        let is_by_itself = held.sent.load(Ordering::SeqCst) == NONE;
        let Some(ended) = held.ended.filter(|_| is_by_itself) else {
            return Ok(false);
        };
        if self.place.2 == Incarnation(0) {
            return Ok(false);
        }
        let is_launcher = match &mut self.restart {
            Some(restart) => {
                restart
                    .ends_well(self.clock.instant(ended), (SCRIPT_TAKES, Span::ZERO))
                    .await?
            }
            None => false,
        };
        if !is_launcher && self.watch.has_answered(self.place) {
            return Ok(false);
        }
        self.watch.ask_anew();
        let sighting = loop {
            match self.watch.find_successor(self.place, &held.sockets) {
                Some(sighting) => break sighting,
                None if self.watch.is_asking() => tokio::time::sleep(LOOK_PAUSE).await,
                None => return Ok(false),
            }
        };
        let executed = held.executed;
        self.held = Some(Held {
            executed,
            ..Held::of(sighting, self.restart.as_ref())?
        });
        Ok(true)
    }

    /// Whether what ended by itself may have been ended by the command of an earlier fault, in words: a command that stops the server, waits
    /// and then kills it may hit the one that a supervisor started meanwhile.
    pub(super) fn displaced_by_kill_command(&self) -> Option<String> {
        let held = self.held.as_ref()?;
        let is_by_itself = held.sent.load(Ordering::SeqCst) == NONE;
        let ended = held.ended.filter(|_| is_by_itself)?;
        let under_way = self.watch.kill_under_way();
        let words = self.watch.kill_command()?;
        under_way
            .may_have_ended(self.clock.instant(ended).into_std())
            .then(|| {
                format!(
                    "process {} ended while the kill command '{}' of a fault was under way, or right after it: nobody can tell whether the \
                     command ended it. Have the command end the server once, and be over when that has ended",
                    held.identity.pid,
                    words.join(" ")
                )
            })
    }

    /// Whether what ended by itself may have been ended by the run's own restart command, in words: that was under way, had not started
    /// it, ends well, and leaves another process in its place. So does a command that stops the server first, where a supervisor had
    /// started it meanwhile.
    pub(super) async fn displaced_by_restart(&mut self) -> io::Result<Option<String>> {
        let Some((held, restart)) = self.held.as_ref().zip(self.restart.as_mut()) else {
            return Ok(None);
        };
        let is_by_itself = held.sent.load(Ordering::SeqCst) == NONE;
        let Some(ended) = held.ended.filter(|_| is_by_itself && !held.is_of_restart) else {
            return Ok(None);
        };
        let at = self.clock.instant(ended);
        if !restart.ends_well(at, (SWAP_TAKES, ASKED_WITHIN)).await? {
            return Ok(None);
        }
        while !self.watch.sees_another(self.place) {
            if self.clock.now() >= ended + SWAP_TAKES {
                return Ok(None);
            }
            tokio::time::sleep(SWAP_PAUSE).await;
        }
        Ok(Some(format!(
            "process {}, which the restart command is not known to have started, ended while the restart command '{}' was under way, and another took its place: \
             nobody can tell whether the command ended it. If a supervisor starts the server anyway, leave external.restart out; else have \
             the command start the server only",
            held.identity.pid,
            restart.told()
        )))
    }
}
