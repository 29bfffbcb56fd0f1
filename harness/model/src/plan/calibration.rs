//! Where the rate of a plan, and what else a server must bear, comes from. Where the experiment leaves it to a measurement, the plan of a run holds the number that was
//! chosen, and what was measured: whoever reads a stored run finds a number, and measures nothing again.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Plan;
use crate::units::Span;

/// Where the rate of the load comes from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Calibration {
    /// It was given, or is the default.
    #[default]
    Given,
    /// It is measured before the first trial, and so is what else the experiment leaves open. Until then the plan holds the defaults.
    /// No journal contains this.
    Wanted(Open),
    /// It was measured.
    Done(Calibrated),
}

impl Calibration {
    /// Whether nothing was, or is to be, measured.
    pub const fn is_given(&self) -> bool {
        matches!(self, Self::Given)
    }

    /// Whether it is still to be measured.
    pub const fn is_wanted(&self) -> bool {
        matches!(self, Self::Wanted(_))
    }
}

/// What an experiment says nothing about, so that a calibration may change it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    /// The number of sessions.
    pub sessions: bool,
    /// How long an operation may take.
    pub timeout: bool,
    /// How long the server may take to be back.
    pub horizon: bool,
    /// How long the load lasts before the fault.
    pub baseline: bool,
    /// And after the recovery.
    pub settle: bool,
    /// How long the service must be as good as before to be steady.
    pub steady_for: bool,
    /// The length over which figures are summed for that.
    pub window: bool,
}

/// What a calibration chose beside the rate, where a default does not suit the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Fitted {
    /// The number of sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions: Option<u32>,
    /// How long an operation may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// How long the server may take to be back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub horizon: Option<Span>,
    /// How long the load lasts before the fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Span>,
    /// And after the recovery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settle: Option<Span>,
    /// How long the service must be as good as before to be steady.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steady_for: Option<Span>,
    /// The length over which figures are summed for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Span>,
}

impl Fitted {
    fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// How a rate was chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibrated {
    /// The chosen rate, for all arms: operations per second.
    pub rate: f64,
    /// Whether it is the highest that a calibration chooses: the server bears more.
    pub at_most: bool,
    /// What was chosen beside it.
    #[serde(default, skip_serializing_if = "Fitted::is_nothing")]
    pub fitted: Fitted,
    /// What each measured arm bears.
    pub arms: Vec<Borne>,
}

/// What an arm bears.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Borne {
    /// Its name.
    pub arm: String,
    /// Correct operations per second at the knee, where more users at a time no longer get more done.
    pub per_second: f64,
    /// Whether the server bears more than that: raising the load ended before the knee.
    pub at_least: bool,
    /// The rate that it was offered at the end, and bore.
    pub offered: f64,
    /// How late the harness itself handed out operations then, in ms: the 95th percentile.
    pub late_ms_p95: f64,
    /// The 99th percentile of the time that correct operations took at that rate, in ms.
    #[serde(default)]
    pub took_ms_p99: f64,
    /// How long it took from the start until it was ready, in ms.
    #[serde(default)]
    pub ready_ms: f64,
    /// How long it took to open all sessions, in ms.
    #[serde(default)]
    pub opened_ms: f64,
    /// Each measured load, the lowest first.
    pub steps: Vec<LoadStep>,
}

/// One load of a calibration: so many users at a time, each asking again as soon as it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoadStep {
    /// Operations at a time.
    pub at_once: u32,
    /// Correct operations per second.
    pub per_second: f64,
    /// Operations that were answered correctly.
    pub correct: u64,
    /// Operations that failed.
    pub failed: u64,
    /// The 95th percentile of the time that correct ones took, in ms.
    pub took_ms_p95: f64,
    /// The 99th percentile, in ms. With fewer than a hundred operations it is the slowest. 0 in runs of before it was measured.
    #[serde(default)]
    pub took_ms_p99: f64,
}

/// An operation that the harness hands out later than this waited for the machine, not for the server.
const LATE_MS: f64 = 10.0;

/// Half of what a server bears is offered at first. Less than this share was found by trying.
const FELL_BEHIND: f64 = 0.4;

impl Borne {
    /// Whether the machine was too busy while it was measured to know the server's own limit.
    pub fn was_disturbed(&self) -> bool {
        self.late_ms_p95 > LATE_MS
    }
}

impl Calibrated {
    /// The arm that decides: the slowest.
    pub fn slowest(&self) -> Option<&Borne> {
        let arms = self.arms.iter();
        arms.min_by(|one, other| one.offered.total_cmp(&other.offered))
    }
}

impl Calibrated {
    /// Puts what was chosen into the plan, and how.
    pub fn apply_to(self, plan: &mut Plan) {
        let Fitted {
            sessions,
            timeout,
            horizon,
            baseline,
            settle,
            steady_for,
            window,
        } = self.fitted;
        let windows = &mut plan.windows;
        windows.baseline = baseline.unwrap_or(windows.baseline);
        windows.settle = settle.unwrap_or(windows.settle);
        windows.steady_for = steady_for.unwrap_or(windows.steady_for);
        windows.window = window.unwrap_or(windows.window);
        windows.horizon = horizon.unwrap_or(windows.horizon);
        plan.load.rate = self.rate;
        plan.load.clients = sessions.unwrap_or(plan.load.clients);
        plan.load.timeout = timeout.unwrap_or(plan.load.timeout);
        plan.calibration = Calibration::Done(self);
    }
}

impl fmt::Display for Calibrated {
    /// One line: what the server bears, and what it gets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = self.rate;
        let Some(slowest) = self.slowest() else {
            return write!(f, "{rate}/s are offered");
        };
        match self.arms.len() {
            1 => f.write_str("this server bears ")?,
            count => write!(f, "the slowest of {count} arms, {}, bears ", slowest.arm)?,
        }
        let about = match slowest.at_least {
            true => "more than",
            false => "about",
        };
        let most = match self.at_most {
            true => ", the most that a calibration chooses",
            false => "",
        };
        let less = match rate < slowest.per_second * FELL_BEHIND && !self.at_most {
            true => ", since it fell behind at each higher rate that was tried",
            false => "",
        };
        write!(
            f,
            "{about} {:.0} operations/s with your sessions; {rate}/s are offered{most}{less} (rate = {rate} in CI)",
            slowest.per_second
        )?;
        let Fitted {
            sessions,
            timeout,
            horizon,
            baseline,
            settle,
            steady_for,
            window,
        } = self.fitted;
        let most = |of: fn(&Borne) -> f64| self.arms.iter().map(of).fold(0.0, f64::max);
        if let Some(sessions) = sessions {
            let opened = most(|arm| arm.opened_ms) / 1_000.0;
            write!(
                f,
                "; sessions = {sessions}, since opening them all took {opened:.1} s"
            )?;
        }
        if let Some(timeout) = timeout {
            let took = most(|arm| arm.took_ms_p99);
            write!(
                f,
                "; timeout = \"{timeout}\", since one operation in a hundred took {took:.0} ms"
            )?;
        }
        if let Some(horizon) = horizon {
            let ready = most(|arm| arm.ready_ms) / 1_000.0;
            write!(
                f,
                "; horizon = \"{horizon}\", since a start took {ready:.1} s"
            )?;
        }
        // Under the names that an experiment file has for them.
        let lengths = [
            ("at", baseline),
            ("window", window),
            ("steady_for", steady_for),
            ("settle", settle),
        ];
        let lengths = lengths.iter().filter_map(|(name, length)| {
            let length = (*length)?;
            Some(format!("{name} = \"{length}\""))
        });
        let lengths: Vec<String> = lengths.collect();
        match lengths.is_empty() {
            true => Ok(()),
            false => write!(
                f,
                "; {}, so that each has enough of {rate} operations/s and of the time after an outage",
                lengths.join(", ")
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::test_plan;

    fn calibrated(fitted: Fitted) -> Calibrated {
        Calibrated {
            rate: 12.0,
            at_most: false,
            fitted,
            arms: vec![Borne {
                arm: "it".to_owned(),
                per_second: 25.0,
                at_least: false,
                offered: 12.0,
                late_ms_p95: 0.1,
                took_ms_p99: 710.0,
                ready_ms: 9_100.0,
                opened_ms: 8_200.0,
                steps: Vec::new(),
            }],
        }
    }

    const RATE: &str = "this server bears about 25 operations/s with your sessions; 12/s are offered (rate = 12 in CI)";

    #[test]
    fn what_was_chosen_beside_the_rate_is_in_the_same_line_and_in_the_plan() {
        let fitted = Fitted {
            sessions: Some(24),
            timeout: Some(Span::from_secs(3)),
            horizon: Some(Span::from_secs(37)),
            settle: Some(Span::from_secs(6)),
            window: Some(Span::from_ms(500)),
            ..Fitted::default()
        };
        let said = format!(
            "{RATE}; sessions = 24, since opening them all took 8.2 s; timeout = \"3s\", since one operation in a hundred took \
             710 ms; horizon = \"37s\", since a start took 9.1 s; window = \"500ms\", settle = \"6s\", so that each has enough of \
             12 operations/s and of the time after an outage"
        );
        assert_eq!(calibrated(fitted).to_string(), said);
        let mut plan = test_plan();
        calibrated(fitted).apply_to(&mut plan);
        let (load, windows) = (&plan.load, plan.windows);
        let chosen = (load.rate, load.clients, load.timeout, windows.horizon);
        assert_eq!(chosen, (12.0, 24, Span::from_secs(3), Span::from_secs(37)));
        assert_eq!(windows.settle, Span::from_secs(6));
        assert_eq!(windows.window, Span::from_ms(500));
        assert_eq!(windows.steady_for, test_plan().windows.steady_for);
        assert_eq!(plan.calibration, Calibration::Done(calibrated(fitted)));
    }

    #[test]
    fn why_much_less_is_offered_than_the_server_bears_is_said() {
        let mut chosen = calibrated(Fitted::default());
        (chosen.rate, chosen.arms[0].offered) = (9.0, 9.0);
        let said = "about 25 operations/s with your sessions; 9/s are offered, since it fell behind at each higher rate that was \
                    tried (rate = 9 in CI)";
        assert!(chosen.to_string().ends_with(said), "{chosen}");
    }

    #[test]
    fn where_the_defaults_suit_nothing_else_is_said_or_changed() {
        assert_eq!(calibrated(Fitted::default()).to_string(), RATE);
        let (mut plan, before) = (test_plan(), test_plan());
        calibrated(Fitted::default()).apply_to(&mut plan);
        plan.load.rate = before.load.rate;
        plan.calibration = Calibration::Given;
        assert_eq!(plan, before);
        // Nothing is stored of it, either.
        let stored = serde_json::to_string(&calibrated(Fitted::default())).expect("it is stored");
        assert!(!stored.contains("fitted"), "{stored}");
    }
}
