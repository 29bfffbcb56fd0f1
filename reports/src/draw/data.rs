//! The figures of a drawing as CSV: one row for each figure that is drawn.

use comeback_model::ids::TrialId;

use super::Drawing;
use crate::RenderError;

/// A figure that is drawn.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Datum {
    /// The arm it is of.
    pub(crate) arm: String,
    /// What it is.
    pub(crate) series: String,
    /// The trial, if it is of one alone.
    pub(crate) trial: Option<u32>,
    /// Its place along the axis below, if that is not the figure itself.
    pub(crate) across: Option<Across>,
    /// The figure; infinite if it lies beyond what was waited for.
    pub(crate) value: Option<f64>,
    /// The low end of its interval, range or error.
    pub(crate) low: Option<f64>,
    /// The high end.
    pub(crate) high: Option<f64>,
    /// The unit of figure, low and high end.
    pub(crate) unit: &'static str,
}

/// A place along an axis, or a stretch of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Across {
    pub(crate) from: f64,
    pub(crate) to: Option<f64>,
    pub(crate) unit: &'static str,
}

impl Datum {
    /// A figure of an arm.
    pub(crate) fn new(arm: &str, series: &str, value: Option<f64>, unit: &'static str) -> Self {
        Self {
            arm: arm.to_owned(),
            series: series.to_owned(),
            value,
            unit,
            ..Self::default()
        }
    }

    /// The same with its ends.
    pub(crate) fn between(self, low: Option<f64>, high: Option<f64>) -> Self {
        Self { low, high, ..self }
    }

    /// The same of one trial.
    pub(crate) fn of_trial(self, trial: TrialId) -> Self {
        Self {
            trial: Some(trial.0),
            ..self
        }
    }

    /// The same at a place.
    pub(crate) fn at(self, from: f64, unit: &'static str) -> Self {
        let across = Across {
            from,
            to: None,
            unit,
        };
        Self {
            across: Some(across),
            ..self
        }
    }

    /// The same over a stretch of seconds after the fault.
    pub(crate) fn over(self, from: f64, to: f64) -> Self {
        let across = Across {
            from,
            to: Some(to),
            unit: "s",
        };
        Self {
            across: Some(across),
            ..self
        }
    }

    /// The same over a stretch of ms.
    pub(crate) fn over_ms(self, from: f64, to: f64) -> Self {
        let across = Across {
            from,
            to: Some(to),
            unit: "ms",
        };
        Self {
            across: Some(across),
            ..self
        }
    }

    fn fields(&self) -> [String; 10] {
        let figure = |figure: Option<f64>| figure.map_or_else(String::new, |it| it.to_string());
        let across = self.across;
        [
            self.arm.clone(),
            self.series.clone(),
            self.trial.map_or_else(String::new, |it| it.to_string()),
            figure(across.map(|it| it.from)),
            figure(across.and_then(|it| it.to)),
            across.map_or("", |it| it.unit).to_owned(),
            figure(self.value),
            figure(self.low),
            figure(self.high),
            self.unit.to_owned(),
        ]
    }
}

/// The columns, in order.
pub(crate) const COLUMNS: [&str; 10] = [
    "arm", "series", "trial", "x", "x_end", "x_unit", "value", "low", "high", "unit",
];

/// The figures of a drawing, with a line of column names. Figures are not rounded; `inf` lies beyond what was waited for.
///
/// # Errors
/// If the writer fails.
pub(crate) fn csv(drawing: &Drawing) -> Result<Vec<u8>, RenderError> {
    let failed = |error: &dyn std::fmt::Display| RenderError::Draw {
        chart: drawing.label.clone(),
        problem: error.to_string(),
    };
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS).map_err(|it| failed(&it))?;
    for datum in drawing.data.iter().flatten() {
        writer
            .write_record(datum.fields())
            .map_err(|it| failed(&it))?;
    }
    writer.into_inner().map_err(|it| failed(&it))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn a_figure_is_not_rounded_and_what_is_unknown_is_empty() {
        let mut drawing = Drawing::new(100.0, "a chart");
        drawing.data = Some(Vec::new());
        let figure = Datum::new("a, \"b\"", "median", Some(1.0 / 3.0), "ms");
        drawing.record(|| figure.between(None, Some(f64::INFINITY)));
        let trial = Datum::new("c", "trial", Some(2.0), "%").of_trial(TrialId(7));
        drawing.record(|| trial.over(-0.5, 0.25));
        assert_eq!(
            String::from_utf8(csv(&drawing).unwrap()).unwrap(),
            "arm,series,trial,x,x_end,x_unit,value,low,high,unit\n\
             \"a, \"\"b\"\"\",median,,,,,0.3333333333333333,,inf,ms\n\
             c,trial,7,-0.5,0.25,s,2,,,%\n"
        );
    }
}
