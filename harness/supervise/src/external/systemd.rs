//! What systemd says of a unit, by `systemctl show`.

use std::io;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread;
use std::time::{Duration, Instant};

use comeback_model::plan::fault::Ending;

use super::NotFound;

/// How long an answer may take: one that does not come is no reason to stand still.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);
/// Between two looks at whether it has answered.
const PAUSE: Duration = Duration::from_millis(1);

/// The process id of a unit's main process.
pub(super) fn main_pid(unit: &str) -> Result<i32, NotFound> {
    let said = show(unit, "MainPID")?;
    match said.parse() {
        Ok(pid) if pid > 0 => Ok(pid),
        // So it is of a unit that is not known, too.
        Ok(_) | Err(_) => Err(NotFound::because(format!(
            "systemctl knows no main process of the unit {unit}"
        ))),
    }
}

/// The question for the main process of a unit, put on a thread of its own: whoever looks for the process has more to do, and an
/// answer takes some ms, or seconds on a busy machine.
#[derive(Debug, Default)]
pub(super) struct Asked {
    under_way: Option<Receiver<Result<i32, NotFound>>>,
    /// The last look had an answer.
    is_answered: bool,
}

impl Asked {
    /// The answer, once it is there; then it is asked anew. Until it is there, [`NotFound::is_pending`].
    pub(super) fn main_pid(&mut self, unit: &str) -> Result<i32, NotFound> {
        let own = unit.to_owned();
        self.ask(unit, move || main_pid(&own))
    }

    fn ask(
        &mut self,
        unit: &str,
        question: impl FnOnce() -> Result<i32, NotFound> + Send + 'static,
    ) -> Result<i32, NotFound> {
        let unasked = |error: io::Error| {
            NotFound::unseen(format!("systemctl cannot be asked for {unit}: {error}"))
        };
        let Some(answer) = self.under_way.take() else {
            let (tell, told) = channel();
            let put = move || {
                // Nobody may wait for it any more.
                let _ = tell.send(question());
            };
            let thread = thread::Builder::new().name("systemctl".to_owned());
            thread.spawn(put).map_err(unasked)?;
            self.under_way = Some(told);
            return Err(NotFound::pending(unit));
        };
        match answer.try_recv() {
            Ok(said) => {
                self.is_answered = true;
                said
            }
            Err(TryRecvError::Empty) => {
                self.under_way = Some(answer);
                Err(NotFound::pending(unit))
            }
            Err(TryRecvError::Disconnected) => {
                Err(unasked(io::Error::other("it ended without an answer")))
            }
        }
    }

    /// Whether an answer is waited for.
    pub(super) const fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    /// Whether there was an answer since this was asked last.
    pub(super) fn take_answered(&mut self) -> bool {
        std::mem::take(&mut self.is_answered)
    }

    /// Waits for no answer to what was asked before: it may tell of what is no more.
    pub(super) fn forget(&mut self) {
        self.under_way = None;
    }
}

/// Sees that a unit is started again by systemd itself after each of these ends.
pub(super) fn check_restarts(unit: &str, endings: &[Ending]) -> Result<(), NotFound> {
    let policy = show(unit, "Restart")?;
    let after = match policy.as_str() {
        "no" => "",
        policy => match endings.iter().find(|ending| !may_answer(policy, **ending)) {
            None => return Ok(()),
            Some(Ending::AtOnce) => " after a SIGKILL",
            Some(Ending::BySignal) => " after a signal",
            Some(Ending::AsAsked) => " after a stop, which is a clean end",
        },
    };
    Err(NotFound::because(format!(
        "systemd does not start the unit {unit} again{after} (Restart={policy}): add restart = [\"systemctl\", \"restart\", \"{unit}\"], \
         or write Restart=always in the unit"
    )))
}

/// Whether a policy has a unit started again that ended so (systemd.service(5), `Restart=`). A server that is asked to stop ends with
/// status 0 or by SIGTERM, which is clean. How one ends that gets another signal, or is ended by a command, nobody knows.
fn may_answer(policy: &str, ending: Ending) -> bool {
    match ending {
        Ending::AtOnce => !matches!(policy, "on-success" | "on-watchdog"),
        Ending::BySignal => policy != "on-watchdog",
        Ending::AsAsked => !matches!(
            policy,
            "on-failure" | "on-abnormal" | "on-abort" | "on-watchdog"
        ),
    }
}

fn show(unit: &str, property: &str) -> Result<String, NotFound> {
    let asked = format!("systemctl show -p {property} {unit}");
    let unknown = |why: String| NotFound::unseen(format!("`{asked}`: {why}"));
    match answer(unit, property) {
        Ok(Some(said)) => Ok(said),
        Ok(None) => Err(unknown("it failed, or did not answer in time".to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(unknown(
            "systemctl is not in PATH: where there is no systemd, name the process by port or pid_file".to_owned(),
        )),
        Err(error) => Err(unknown(error.to_string())),
    }
}

fn answer(unit: &str, property: &str) -> io::Result<Option<String>> {
    let mut child = Command::new("systemctl")
        .args(["show", "-p", property, "--value", "--", unit])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let until = Instant::now() + ANSWERS_WITHIN;
    // The answer is a word, which a pipe holds.
    while child.try_wait()?.is_none() {
        if Instant::now() >= until {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(PAUSE);
    }
    let output = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Ok(output.status.success().then_some(said))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_looks_for_a_units_process_goes_on_until_there_is_an_answer_and_then_asks_anew() {
        let mut asked = Asked::default();
        let (tell, told) = channel::<i32>();
        let slow = move || Ok(told.recv().unwrap_or_default());
        let ask = |asked: &mut Asked| asked.ask("shop", || Ok(1));
        let first = asked.ask("shop", slow);
        assert!(first.is_err_and(|missing| missing.is_pending && missing.is_unseen));
        // It is asked once, and nobody waits.
        assert!(ask(&mut asked).is_err_and(|missing| missing.is_pending));
        assert!(asked.is_under_way() && !asked.take_answered());
        tell.send(7).expect("it is heard");
        let answer = loop {
            match ask(&mut asked) {
                Err(missing) if missing.is_pending => thread::yield_now(),
                answer => break answer,
            }
        };
        assert_eq!(answer, Ok(7));
        assert!(asked.take_answered() && !asked.take_answered());
        assert!(!asked.is_under_way());
        // What is forgotten is not the answer to what is asked then.
        let (_tell, told) = channel::<i32>();
        let never = move || Ok(told.recv().unwrap_or_default());
        let pending = asked.ask("shop", never);
        assert!(pending.is_err() && asked.is_under_way());
        asked.forget();
        let answer = loop {
            match ask(&mut asked) {
                Err(missing) if missing.is_pending => thread::yield_now(),
                answer => break answer,
            }
        };
        assert_eq!(answer, Ok(1));
    }

    #[test]
    fn a_policy_answers_some_ends_and_not_others() {
        let answers = |policy: &str| {
            let endings = [Ending::AtOnce, Ending::BySignal, Ending::AsAsked];
            endings.map(|ending| may_answer(policy, ending))
        };
        assert_eq!(answers("always"), [true, true, true]);
        assert_eq!(answers("on-success"), [false, true, true]);
        for policy in ["on-failure", "on-abnormal", "on-abort"] {
            assert_eq!(answers(policy), [true, true, false], "{policy}");
        }
        assert_eq!(answers("on-watchdog"), [false, false, false]);
    }
}
