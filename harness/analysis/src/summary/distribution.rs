//! A figure of each trial, as the summary shows it over all of them.

use comeback_statistics as statistics;

use super::Distribution;

/// A time over trials. Infinite if it was not seen.
pub fn distribution(figures: impl Iterator<Item = f64>) -> Distribution {
    let figures: Vec<f64> = figures.filter(|figure| !figure.is_nan()).collect();
    let finite = |figure: f64| Some(figure).filter(|figure| figure.is_finite());
    let interval = statistics::median_interval(&figures);
    Distribution {
        n: figures.len() as u32,
        median: statistics::median(&figures).and_then(finite),
        low: interval.and_then(|interval| finite(interval.low)),
        high: interval.and_then(|interval| finite(interval.high)),
        p95: statistics::quantile(&figures, 0.95).ok().and_then(finite),
        max: figures
            .iter()
            .copied()
            .max_by(f64::total_cmp)
            .and_then(finite),
        censored: figures.iter().filter(|figure| figure.is_infinite()).count() as u32,
    }
}
