//! The rate of a run that leaves it to a measurement (`rate = "auto"`): it is measured before the first trial, once, and the plan that is
//! stored has the number.

use comeback_engine::campaign::{self, Host};
use comeback_engine::interrupt::Interrupt;
use comeback_engine::{Measured, Unmeasured, choose};
use comeback_model::ids::Seed;
use comeback_model::plan::{Arm, Calibrated, Calibration, Fitted, Plan};
use comeback_supervise::output::printable;
use comeback_supervise::tag::RunTag;

use super::baseline::Stored;
use super::options::Output;
use super::{CliError, print_aside, warn};

/// Measures the rate of a plan that wants it, and says what was chosen. A stored run that this one is compared with has a load
/// already: that is taken, since figures of different loads are not compared.
pub(super) fn calibrate(
    plan: &mut Plan,
    stored: Option<&Stored>,
    seed: Seed,
    output: &Output,
) -> Result<(), CliError> {
    if !plan.calibration.is_wanted() {
        return Ok(());
    }
    if let Some(stored) = stored {
        let taken = take_over(plan, &stored.header().plan);
        print_aside(&format!(
            "calibration: as the baseline had: {}",
            taken.join(", ")
        ));
        return valid(plan);
    }
    let calibrated = measure(plan, seed, output)?;
    let told = format!("calibration: {}", printable(&calibrated.to_string()));
    // What decides whether a recovery comes too late is told in any case.
    match calibrated.fitted == Fitted::default() {
        true => output.tell(&told),
        false => print_aside(&told),
    }
    for arm in calibrated.arms.iter().filter(|arm| arm.was_disturbed()) {
        warn(&format!(
            "calibration: the machine was busy: operations of {} started up to {:.0} ms late by themselves (95 of 100), so it may bear \
             more than was measured. Calibrate on a quiet machine, or give a number (--rate)",
            arm.arm, arm.late_ms_p95
        ));
    }
    calibrated.apply_to(plan);
    valid(plan)
}

/// What was chosen may not fit the rest of the plan.
fn valid(plan: &Plan) -> Result<(), CliError> {
    plan.validate().map_err(|error| {
        CliError::Usage(format!(
            "calibration: with what it chose, the experiment cannot be run: {error}"
        ))
    })
}

/// The load of an earlier run, as far as this one leaves it open, and not what its servers were measured to bear: nothing was
/// measured of these. In words: what was taken.
fn take_over(plan: &mut Plan, earlier: &Plan) -> Vec<String> {
    let Calibration::Wanted(open) = plan.calibration else {
        return Vec::new();
    };
    plan.load.rate = earlier.load.rate;
    let mut taken = vec![format!("rate = {}", plan.load.rate)];
    if open.sessions {
        plan.load.clients = earlier.load.clients.max(plan.load.workers);
        taken.push(format!("sessions = {}", plan.load.clients));
    }
    if open.timeout {
        plan.load.timeout = earlier.load.timeout;
        taken.push(format!("timeout = \"{}\"", plan.load.timeout));
    }
    let (own, other) = (&mut plan.windows, earlier.windows);
    for (is_open, name, own, other) in [
        (open.horizon, "horizon", &mut own.horizon, other.horizon),
        (open.baseline, "at", &mut own.baseline, other.baseline),
        (open.window, "window", &mut own.window, other.window),
        (
            open.steady_for,
            "steady_for",
            &mut own.steady_for,
            other.steady_for,
        ),
        (open.settle, "settle", &mut own.settle, other.settle),
    ] {
        if is_open && *own != other {
            *own = other;
            taken.push(format!("{name} = \"{other}\""));
        }
    }
    plan.calibration = Calibration::Given;
    taken
}

/// Measures every arm, in a temporary folder.
fn measure(plan: &Plan, seed: Seed, output: &Output) -> Result<Calibrated, CliError> {
    let (folder, started) = super::setup::temporary_folder("calibration");
    let header = campaign::header(plan.clone(), seed, started, &std::env::temp_dir());
    let listen = |tag: &RunTag| Interrupt::listen(tag.clone(), super::setup::end_at_once);
    let begin = |arm: &Arm| {
        output.tell(&format!(
            "calibration: measuring how much load {} bears, on a start of its own; this takes some seconds",
            printable(&arm.name)
        ));
    };
    let measured = campaign::calibrate(&header, &folder, (Host::Program, listen), begin)?;
    let measured = measured.ok_or(CliError::Interrupted)?;
    let mut arms = Vec::new();
    for Measured { arm, found } in measured {
        arms.push(found.map_err(|why| refuse(plan, &arm, &why))?);
    }
    choose(plan, arms).ok_or_else(|| {
        CliError::Usage("calibration: no arm of this experiment can run here".to_owned())
    })
}

/// That there is no rate, and what to do.
fn refuse(plan: &Plan, arm: &str, why: &Unmeasured) -> CliError {
    let mend = match why {
        Unmeasured::Ended(_) => {
            "`comeback try` shows whether the server starts and what it answers. If it is slow, use fewer sessions \
             (--sessions 10). A number (--rate 20) runs without a calibration."
                .to_owned()
        }
        Unmeasured::NothingCorrect(_) => {
            "`comeback try` shows each request and its reply. A number (--rate 20) runs without a calibration.".to_owned()
        }
        Unmeasured::TooSlow { per_second, .. } => format!(
            "Give a number, and in the file longer windows: --rate {}, at = \"10s\" in [[fault]] and settle = \"10s\" in [windows]; or \
             use cheaper requests.",
            (per_second / 3.0).floor().max(1.0)
        ),
    };
    let mut problem = why.to_string();
    plan.secrets().hide(&mut problem);
    CliError::Usage(format!(
        "calibration: {}: {problem}\nNothing was measured. {mend}",
        printable(arm)
    ))
}

#[cfg(test)]
mod tests {
    use comeback_model::plan::{Open, test_plan};
    use comeback_model::units::Span;

    use super::*;

    #[test]
    fn what_the_baselines_server_bears_is_not_said_of_another() {
        let mut earlier = test_plan();
        Calibrated {
            rate: 12.0,
            at_most: false,
            fitted: Fitted {
                sessions: Some(3),
                timeout: Some(Span::from_secs(7)),
                horizon: Some(Span::from_secs(99)),
                settle: Some(Span::from_secs(8)),
                ..Fitted::default()
            },
            arms: Vec::new(),
        }
        .apply_to(&mut earlier);
        let taken = |open: Open| {
            let mut plan = test_plan();
            plan.calibration = Calibration::Wanted(open);
            let told = take_over(&mut plan, &earlier);
            assert_eq!(
                told.contains(&"horizon = \"99s\"".to_owned()),
                open.horizon,
                "{told:?}"
            );
            let settle = match open.settle {
                true => Span::from_secs(8),
                false => test_plan().windows.settle,
            };
            assert_eq!(plan.windows.settle, settle);
            assert_eq!(plan.calibration, Calibration::Given);
            assert_eq!(plan.load.rate, 12.0);
            (plan.load.clients, plan.load.timeout, plan.windows.horizon)
        };
        let own = test_plan();
        let own = (own.load.clients, own.load.timeout, own.windows.horizon);
        assert_eq!(taken(Open::default()), own);
        let all = Open {
            sessions: true,
            timeout: true,
            horizon: true,
            baseline: true,
            settle: true,
            steady_for: true,
            window: true,
        };
        let earlier = (3, Span::from_secs(7), Span::from_secs(99));
        assert_eq!(taken(all), earlier);
    }
}
