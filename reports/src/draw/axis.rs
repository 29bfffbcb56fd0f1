//! Scales: the place of a figure along an axis, and the numbers along it.

/// From figures to pixels along one direction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
    logarithmic: bool,
}

impl Scale {
    /// Equal differences are equally far apart. `figures` and `pixels` are (start, end).
    pub(crate) fn linear(figures: (f64, f64), pixels: (f64, f64)) -> Self {
        Self::new(figures, pixels, false)
    }

    /// Equal ratios are equally far apart; both ends are above zero.
    pub(crate) fn logarithmic(figures: (f64, f64), pixels: (f64, f64)) -> Self {
        Self::new(figures, pixels, true)
    }

    fn new((low, high): (f64, f64), (from, to): (f64, f64), logarithmic: bool) -> Self {
        Self {
            low,
            high,
            from,
            to,
            logarithmic,
        }
    }

    /// The position of a figure; one outside the axis is drawn at the nearer end.
    pub(crate) fn at(&self, figure: f64) -> f64 {
        let place = |figure: f64| {
            if self.logarithmic {
                figure.ln()
            } else {
                figure
            }
        };
        let span = place(self.high) - place(self.low);
        let inside = figure.clamp(self.low, self.high);
        let share = if span > 0.0 {
            (place(inside) - place(self.low)) / span
        } else {
            0.0
        };
        self.from + share * (self.to - self.from)
    }

    /// Figures to write along the axis: at most about `most`, all within it.
    pub(crate) fn ticks(&self, most: usize) -> Vec<f64> {
        if self.logarithmic {
            decades(self.low, self.high, most)
        } else {
            steps(self.low, self.high, most)
        }
    }
}

/// The smallest of 1, 2, 5 · 10ᵏ that is not below `figure`.
pub(crate) fn round_up(figure: f64) -> f64 {
    let decade = 10f64.powf(figure.max(1e-9).log10().floor());
    [1.0, 2.0, 5.0]
        .into_iter()
        .map(|step| step * decade)
        .find(|step| *step >= figure * (1.0 - 1e-9))
        .unwrap_or(10.0 * decade)
}

/// The end of an axis that starts at zero and holds `figure`: a multiple of its tick distance.
pub(crate) fn end_for(figure: f64, ticks: usize) -> f64 {
    let step = round_up(figure / ticks.max(1) as f64);
    (figure / step - 1e-9).ceil().max(1.0) * step
}

fn steps(low: f64, high: f64, most: usize) -> Vec<f64> {
    let step = round_up((high - low) / most.max(1) as f64);
    let first = (low / step - 1e-9).ceil() as i64;
    let last = (high / step + 1e-9).floor() as i64;
    (first..=last).map(|k| k as f64 * step).collect()
}

fn decades(low: f64, high: f64, most: usize) -> Vec<f64> {
    let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
    let with = |within: &[f64]| -> Vec<f64> {
        (first..=last)
            .flat_map(|k| within.iter().map(move |step| step * 10f64.powi(k)))
            .filter(|tick| *tick >= low * (1.0 - 1e-9) && *tick <= high * (1.0 + 1e-9))
            .collect()
    };
    [&[1.0, 2.0, 5.0][..], &[1.0, 3.0], &[1.0]]
        .into_iter()
        .map(with)
        .find(|ticks| ticks.len() <= most)
        .unwrap_or_else(|| with(&[1.0]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_within_the_axis() {
        assert_eq!(
            Scale::linear((0.0, 1.0), (0.0, 100.0)).ticks(5),
            [0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0]
        );
        assert_eq!(
            Scale::linear((-2.5, 4.0), (0.0, 100.0)).ticks(4),
            [-2.0, 0.0, 2.0, 4.0]
        );
        let ticks = Scale::logarithmic((8.0, 30_000.0), (0.0, 100.0)).ticks(12);
        assert_eq!(ticks[..4], [10.0, 20.0, 50.0, 100.0]);
        assert_eq!(
            Scale::logarithmic((8.0, 30_000.0), (0.0, 1.0))
                .ticks(4)
                .len(),
            4
        );
    }

    #[test]
    fn figures_outside_stand_at_the_end() {
        let scale = Scale::linear((0.0, 10.0), (100.0, 200.0));
        assert_eq!(
            (scale.at(5.0), scale.at(99.0), scale.at(-1.0)),
            (150.0, 200.0, 100.0)
        );
        assert_eq!(Scale::linear((0.0, 0.0), (100.0, 200.0)).at(0.0), 100.0);
    }

    #[test]
    fn an_axis_ends_at_a_tick() {
        assert_eq!(round_up(0.0), 1e-9);
        assert_eq!(round_up(20.0), 20.0);
        assert_eq!(end_for(0.39, 4), 0.4);
        assert_eq!(end_for(450.0, 4), 600.0);
    }
}
