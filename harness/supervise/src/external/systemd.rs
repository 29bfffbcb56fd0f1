//! What systemd says of a unit, by `systemctl show`.

use std::io;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

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

/// Sees that a unit is started again by systemd itself.
pub(super) fn check_restarts(unit: &str) -> Result<(), NotFound> {
    match show(unit, "Restart")?.as_str() {
        "no" => Err(NotFound::because(format!(
            "systemd does not start the unit {unit} again (Restart=no): add restart = [\"systemctl\", \"restart\", \"{unit}\"], or \
             write Restart=always in the unit"
        ))),
        _ => Ok(()),
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
