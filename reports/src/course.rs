//! How a run went beside its figures: that it was extended, and what it was compared with.

use comeback_core::summary::{Extension, RunLabel, Summary};

use crate::format::counted;

/// Sentences without a full stop; none for a run of its declared trials that was compared with nothing.
///
/// Foreign text in them is not escaped.
pub fn course(summary: &Summary) -> Vec<String> {
    let extensions = summary.extensions.iter().map(extended);
    let baseline = summary.baseline.iter().map(compared);
    extensions.chain(baseline).collect()
}

fn extended(extension: &Extension) -> String {
    format!(
        "extended by {}, since without them {}",
        counted(u64::from(extension.trials), "trial"),
        match extension.reasons.as_slice() {
            [] => "nothing could be told".to_owned(),
            reasons => reasons.join("; "),
        }
    )
}

fn compared(baseline: &RunLabel) -> String {
    format!("compared with {}", label(baseline))
}

/// A run by its name, time and seed.
pub(crate) fn label(run: &RunLabel) -> String {
    // RFC 3339 in UTC, but for what is finer than a second.
    let started = match run.started.split_once('T') {
        Some((day, time)) => format!(
            "{day} {} UTC",
            time.split(['.', 'Z']).next().unwrap_or(time)
        ),
        None => run.started.clone(),
    };
    format!("'{}' of {started}, seed {}", run.name, run.seed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake;

    #[test]
    fn an_extension_says_why_and_a_baseline_which() {
        let mut summary = fake::single().summary;
        assert!(course(&summary).is_empty());
        summary.extensions = vec![Extension {
            trials: 3,
            reasons: vec!["shop: x < 2s cannot be judged: too few".to_owned()],
        }];
        summary.baseline = Some(RunLabel {
            name: "shop".to_owned(),
            started: "2026-01-01T00:00:00Z".to_owned(),
            seed: 7,
        });
        assert_eq!(
            course(&summary),
            [
                "extended by 3 trials, since without them shop: x < 2s cannot be judged: too few",
                "compared with 'shop' of 2026-01-01 00:00:00 UTC, seed 7",
            ]
        );
    }
}
