//! The small chart of a claim: bars under their names, one width for page, phone and file.

use comeback_model::claims::{Bar, Chart};

use crate::draw::{Align, Drawing, Ink, Style};
use crate::format::plain;

/// As narrow as a phone.
const WIDTH: f64 = 340.0;
const MARGIN: f64 = 8.0;
/// From one bar's name to the next.
const ROW: f64 = 40.0;
/// A bar's height.
const BAR: f64 = 12.0;

/// Draws it; nothing if there are no bars.
pub(super) fn draw(chart: &Chart) -> Option<Drawing> {
    if chart.bars.is_empty() {
        return None;
    }
    let mut drawing = Drawing::new(WIDTH, &label(chart));
    let room = WIDTH - 2.0 * MARGIN;
    let mut y = 6.0;
    for line in Style::NOTE.wrap(&chart.axis, room, 3) {
        y += Style::NOTE.leading();
        drawing.text((MARGIN, y - 6.0), &line, Style::NOTE);
    }
    let end = chart
        .end
        .unwrap_or_else(|| reach(&chart.bars))
        .max(f64::MIN_POSITIVE);
    let x = |value: f64| MARGIN + room * (value / end).clamp(0.0, 1.0);
    y += 18.0;
    for bar in &chart.bars {
        let value = told(bar);
        let beside = room - Style::NAME.width(&value) - 10.0;
        drawing.text(
            (MARGIN, y),
            &Style::LABEL.cut(&bar.label, beside),
            Style::LABEL,
        );
        let right = Style::NAME.align(Align::Right);
        drawing.text((WIDTH - MARGIN, y), &value, right);
        let top = y + 10.0;
        drawing.fill((MARGIN, top), (WIDTH - MARGIN, top + BAR), Ink::Stripe);
        drawing.fill((MARGIN, top), (x(bar.value), top + BAR), Ink::Measure);
        // Where a bar starts, also one of nothing.
        drawing.fill((MARGIN - 1.0, top), (MARGIN + 1.0, top + BAR), Ink::Measure);
        if let (Some(low), Some(high)) = (bar.low, bar.high) {
            interval(&mut drawing, (x(low), x(high)), top + BAR / 2.0);
        }
        y += ROW;
    }
    drawing.height = y - 6.0;
    Some(drawing)
}

/// An interval, seen on the bar as well as beside it; none where it is narrower than its own marks.
fn interval(drawing: &mut Drawing, (from, to): (f64, f64), y: f64) {
    if to - from < 3.0 {
        return;
    }
    drawing.line((from, y), (to, y), 5.0, Ink::Ground);
    drawing.line((from, y), (to, y), 2.0, Ink::Text);
    for x in [from, to] {
        drawing.line((x, y - 4.0), (x, y + 4.0), 2.0, Ink::Text);
    }
}

fn reach(bars: &[Bar]) -> f64 {
    let reach = bars
        .iter()
        .map(|bar| bar.high.unwrap_or(0.0).max(bar.value));
    reach.fold(0.0, f64::max)
}

/// A figure with as many places as it deserves.
fn told(bar: &Bar) -> String {
    let places = match bar.value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    let scale = 10_f64.powi(places);
    plain((bar.value * scale).round() / scale)
}

/// The chart in words.
fn label(chart: &Chart) -> String {
    let bars: Vec<String> = chart
        .bars
        .iter()
        .map(|bar| format!("{} {}", bar.label, told(bar)))
        .collect();
    format!("{}: {}", chart.axis, bars.join(", "))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;
    use crate::draw::{Paint, Shape};

    fn bar(label: &str, value: f64, interval: Option<(f64, f64)>) -> Bar {
        Bar {
            label: label.to_owned(),
            value,
            low: interval.map(|(low, _)| low),
            high: interval.map(|(_, high)| high),
        }
    }

    fn bars(drawing: &Drawing) -> Vec<f64> {
        let measure = Paint::from(Ink::Measure);
        let boxes = drawing.shapes.iter().filter_map(|shape| match shape {
            Shape::Box { from, to, paint } if *paint == measure && from.0 >= MARGIN => {
                Some(to.0 - from.0)
            }
            _ => None,
        });
        boxes.collect()
    }

    #[test]
    fn bars_are_as_long_as_they_say() {
        let chart = Chart {
            axis: "requests, %".to_owned(),
            end: Some(100.0),
            bars: vec![
                bar("token", 100.0, None),
                bar("memory", 25.0, Some((20.0, 30.0))),
            ],
        };
        let drawing = draw(&chart).unwrap();
        let room = WIDTH - 2.0 * MARGIN;
        assert_eq!(bars(&drawing), [room, room / 4.0]);
        assert_eq!(drawing.label, "requests, %: token 100, memory 25");
    }

    #[test]
    fn without_an_end_the_longest_bar_or_interval_fills_the_room() {
        let chart = Chart {
            axis: "bytes".to_owned(),
            end: None,
            bars: vec![bar("a", 50.0, Some((10.0, 200.0))), bar("b", 0.0, None)],
        };
        let room = WIDTH - 2.0 * MARGIN;
        assert_eq!(bars(&draw(&chart).unwrap()), [room / 4.0, 0.0]);
    }

    #[test]
    fn what_was_not_measured_has_no_chart() {
        assert!(draw(&Chart::default()).is_none());
    }
}
