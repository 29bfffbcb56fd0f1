//! Several gates of one run: the more of them lie just at their bounds, the likelier one breaks by chance. Together they are
//! held to one level, by Holm's method (METHOD §5, *Several gates*).

use comeback_statistics::{self as statistics, holm};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Asked, Check, Outcome};

/// At most so often does any gate of a run break by chance.
const LEVEL: f64 = 1.0 - statistics::CONFIDENCE;

/// Gates on times and rates that are judged in one run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Family {
    /// How many, over all arms.
    pub gates: u32,
    /// The largest share of runs in which one of them would break by chance if each were judged alone.
    pub unadjusted: f64,
    /// And as they are judged.
    pub controlled: f64,
}

/// The gates among these checks that chance alone may break; none where there are fewer than two.
pub fn family_of(checks: &[Check]) -> Option<Family> {
    let gates = checks.iter().filter(|check| check.sharpness.is_some());
    let gates = gates.count() as u32;
    (gates > 1).then(|| Family {
        gates,
        unadjusted: (f64::from(gates) * LEVEL / 2.0).min(1.0),
        controlled: (f64::from(gates) * LEVEL / 2.0).min(LEVEL),
    })
}

/// What is broken by itself, and not at the level that all of them together ask for, is undecided.
pub(super) fn control<'a, 'b: 'a>(asked: impl Iterator<Item = &'a mut Asked<'b>>) {
    let mut asked: Vec<&mut Asked<'_>> = asked
        .filter(|asked| asked.check.sharpness.is_some())
        .collect();
    // Its own interval says that it breaks by chance in at most half of what the level allows.
    let chance = |asked: &&mut Asked<'_>| match asked.check.outcome {
        Outcome::Fail => asked.chance.min(LEVEL / 2.0),
        Outcome::Pass | Outcome::Inconclusive | Outcome::Measured => 1.0,
    };
    let chances: Vec<f64> = asked.iter().map(chance).collect();
    let gates = chances.len();
    for (asked, adjusted) in asked.iter_mut().zip(holm(&chances)) {
        if asked.check.outcome != Outcome::Fail || adjusted <= LEVEL {
            continue;
        }
        let found = asked.check.detail.take().unwrap_or_default();
        asked.check.outcome = Outcome::Inconclusive;
        asked.check.detail = Some(format!(
            "{found}; broken by itself, but {gates} gates on times and rates are judged, and among so many chance alone \
             shows that in up to {:.1} % of runs, where {:.0} % are allowed; more trials would tell",
            100.0 * adjusted,
            100.0 * LEVEL
        ));
        // Each trial more halves what a sign test says.
        let halvings = (adjusted / LEVEL).log2().ceil().max(1.0);
        asked.check.more_trials = Some(halvings as u32);
    }
}
