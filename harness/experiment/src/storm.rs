//! A storm: the defaults of a run whose trials are kills in one life of the data folder, one after the other.

use comeback_model::plan::Arrivals;
use comeback_model::units::Span;

use super::document::{LoadPart, RatePart};
use super::{Document, Problem};

/// Kills, where nobody says how many: none lost in so many leaves less than 0.3 % (95 %).
const KILLS: u32 = 1_000;
/// Cycles without a kill that come first.
const CONTROLS: u32 = 5;
/// As many sessions as keep a write in flight at most times, and no more to look at after each kill than that.
const SESSIONS: u32 = 8;
const RATE: f64 = 2_000.0;
/// A storm measures no times: a cycle whose load a slow server did not take in full is a kill like any other.
const FLOOR: f64 = 0.01;

impl Document {
    /// The document with the defaults of a storm where it says nothing, if it has one. What it says about the parts of a trial
    /// and the number of trials is not about a storm.
    pub(super) fn with_storm(&self) -> Result<Option<Self>, Problem> {
        let Some(storm) = &self.storm else {
            return Ok(None);
        };
        if self.chaos.is_some() {
            let what = "a storm repeats one fault, and chaos draws several: remove one of the two";
            return Err(Problem::at(vec!["chaos".into()], "chaos", what));
        }
        let kills = storm.kills.unwrap_or(KILLS);
        if kills == 0 {
            let place = vec!["storm".into(), "kills".into()];
            let what = "a storm has at least one kill: name a number, such as 1000";
            return Err(Problem::at(place, "kills", what));
        }
        let mut document = self.clone();
        document.trials = Some(kills);
        document.extend_to = None;
        document.replacements = Some(0);
        document.controls = Some(CONTROLS);
        let usual = LoadPart {
            sessions: Some(SESSIONS),
            rate: Some(RatePart::PerSecond(RATE)),
            arrivals: Some(Arrivals::Constant),
            ..LoadPart::default()
        };
        document.load = usual.overridden_by(document.load);
        // Its users wait for each answer, so there is nothing to measure.
        if document.load.rate == Some(RatePart::Auto) {
            document.load.rate = Some(RatePart::PerSecond(RATE));
        }
        document.load.floor = Some(FLOOR);
        let first = document.fault_mut();
        first.at = None;
        first.spread = Some(first.spread.unwrap_or(Span::ZERO));
        Ok(Some(document))
    }
}
