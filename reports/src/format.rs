//! Numbers and foreign text as people read them, the same in the terminal, the page and the charts.
//!
//! Nothing here interprets a figure. Text from outside this program passes through [`printable`] before it is shown.

use comeback_analysis::summary::Distribution;
use comeback_model::units::Span;

/// Shown if there is no figure at all.
pub const NOTHING: &str = "–";

/// Shown if a figure needs more trials.
pub const TOO_FEW: &str = "n too small";

/// The fewest trials with which a median, or a share, has an interval.
pub const INTERVAL_NEEDS: u32 = 6;

/// More than a run can do: a server whose counter says so says nothing.
const COUNTLESS: u64 = 1_000_000_000_000;

/// A whole number with thousands separators: `1,203`; one beyond all counting: `> 1,000,000,000,000`.
pub fn count(number: u64) -> String {
    if number > COUNTLESS {
        return format!("> {}", count(COUNTLESS));
    }
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of things: `1 trial`, `6 trials`.
pub fn counted(number: u64, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {thing}{plural}", count(number))
}

/// `0 / 1,203`.
pub fn count_of(part: u64, whole: u64) -> String {
    format!("{} / {}", count(part), count(whole))
}

/// The same of what is lost, with what is lost if its acknowledgement was whole: `0 / 1,203 (+3 doubted)`.
pub fn lost_of(lost: u64, doubted: u64, whole: u64) -> String {
    let counted = count_of(lost, whole);
    match doubted {
        0 => counted,
        more => format!("{counted} (+{} doubted)", count(more)),
    }
}

/// A share as a percentage, never rounded to 0 or 100 when it is neither: `39 %`, `3.1 %`, `99.97 %`.
pub fn percent(share: f64) -> String {
    if !share.is_finite() {
        return NOTHING.to_owned();
    }
    let value = share * 100.0;
    if value == 0.0 || value == 100.0 {
        return format!("{value:.0} %");
    }
    if value < 0.001 {
        return "< 0.001 %".to_owned();
    }
    if value > 99.999 && value < 100.0 {
        return "> 99.999 %".to_owned();
    }
    // As many digits as keep the distance to nothing, or to everything, visible.
    let decimals = match value.min((100.0 - value) * 10.0) {
        d if d >= 9.95 => 0,
        d if d >= 0.995 => 1,
        d if d >= 0.0995 => 2,
        _ => 3,
    };
    let text = format!("{value:.decimals$}");
    let text = text.strip_suffix(".0").unwrap_or(&text);
    format!("{text} %")
}

/// A time in ms: `3.4 ms`, `312 ms`, `4,310 ms`; from ten seconds on in seconds: `12.3 s`.
pub fn ms(value: f64) -> String {
    if !value.is_finite() {
        return NOTHING.to_owned();
    }
    // Before rounding: 9.96 ms is `10 ms`, not `10.0 ms`.
    let size = value.abs();
    let sign = if value < 0.0 && size >= 0.05 {
        "−"
    } else {
        ""
    };
    match size {
        s if s < 0.05 => "0 ms".to_owned(),
        s if s < 9.95 => format!("{sign}{s:.1} ms"),
        s if s < 9_999.5 => format!("{sign}{} ms", count(s.round() as u64)),
        s if s < 99_950.0 => format!("{sign}{:.1} s", s / 1_000.0),
        s => format!("{sign}{} s", count((s / 1_000.0).round() as u64)),
    }
}

/// A time in seconds with three significant digits: `0.42 s`, `1.83 s`, `25.3 s`.
pub fn seconds(value: f64) -> String {
    if !value.is_finite() {
        return NOTHING.to_owned();
    }
    let decimals = match value.abs() {
        s if s < 10.0 => 2,
        s if s < 100.0 => 1,
        _ => return format!("{} s", plain(value.round())),
    };
    format!("{value:.decimals$} s")
}

/// A number without a unit, for an axis: `0`, `0.5`, `20`, `1,500`, `−2`.
pub fn plain(value: f64) -> String {
    let size = value.abs();
    let sign = if value < 0.0 { "−" } else { "" };
    if (size - size.round()).abs() < 1e-9 {
        return format!("{sign}{}", count(size.round() as u64));
    }
    let text = format!("{size:.3}");
    format!("{sign}{}", text.trim_end_matches('0').trim_end_matches('.'))
}

/// A rate per second, rounded to what a plan would say: `200`, `62.5`.
pub fn rate(value: f64) -> String {
    plain((value * 10.0).round() / 10.0)
}

/// A length of time as it was planned: `30 s`, `250 ms`.
pub fn span(length: Span) -> String {
    let length = length.as_ms();
    if length > 0.0 && length % 1_000.0 == 0.0 {
        return format!("{} s", count((length / 1_000.0) as u64));
    }
    ms(length)
}

/// Beyond what was waited for: `> 30 s`.
pub fn beyond(horizon: Span) -> String {
    format!("> {}", span(horizon))
}

/// Stands for what did not happen before the trial's load ended.
pub const NOT_SEEN: &str = "not seen";

/// How to write the figures of a time over trials.
#[derive(Clone, Debug)]
pub struct TimeStyle {
    /// How a value is written, with its unit.
    pub value: fn(f64) -> String,
    /// Shown for a value that was not reached.
    pub beyond: String,
}

impl TimeStyle {
    /// Times after T0, looked for until the horizon, which a summary alone does not know.
    pub fn after_fault(horizon: Option<Span>) -> Self {
        Self {
            value: ms,
            beyond: horizon.map_or_else(|| "> horizon".to_owned(), beyond),
        }
    }

    /// A time to steady, looked for until the end of the trial's load: far less than the horizon.
    pub fn steady() -> Self {
        Self {
            value: ms,
            beyond: NOT_SEEN.to_owned(),
        }
    }

    /// A time that was not seen to end for this reason.
    pub fn or(beyond: &str) -> Self {
        Self {
            value: ms,
            beyond: beyond.to_owned(),
        }
    }

    /// A time that counts until the end of the trial's load.
    pub fn until_the_end() -> Self {
        Self {
            value: ms,
            beyond: "not before the end".to_owned(),
        }
    }

    /// An outage area, in equivalent seconds.
    pub fn area() -> Self {
        Self {
            value: seconds,
            beyond: "open".to_owned(),
        }
    }

    /// One value.
    pub fn value_of(&self, value: f64) -> String {
        (self.value)(value)
    }

    fn or_beyond(&self, value: Option<f64>) -> String {
        value.map_or_else(|| self.beyond.clone(), self.value)
    }

    /// The median: `312 ms`, `> 30 s` when more than half did not come back, `–` without a trial.
    pub fn median(&self, times: &Distribution) -> String {
        if times.n == 0 {
            return NOTHING.to_owned();
        }
        self.or_beyond(times.median)
    }

    /// Its interval: `[290, 341 ms]`, `[290 ms, > 30 s]`, `[n too small]`; nothing without a trial.
    pub fn interval(&self, times: &Distribution) -> Option<String> {
        if times.n == 0 {
            return None;
        }
        if times.n < INTERVAL_NEEDS {
            return Some(format!("[{TOO_FEW}]"));
        }
        if times.low.is_none() {
            return Some(format!("[{}]", self.beyond));
        }
        let (low, high) = (self.or_beyond(times.low), self.or_beyond(times.high));
        // One unit is said once.
        let low = match (low.split_once(' '), high.split_once(' ')) {
            (Some((number, unit)), Some((_, other))) if unit == other => number.to_owned(),
            _ => low,
        };
        Some(format!("[{low}, {high}]"))
    }

    /// Both: `312 ms [290, 341 ms]`.
    pub fn both(&self, times: &Distribution) -> String {
        let median = self.median(times);
        match self.interval(times) {
            Some(interval) => format!("{median} {interval}"),
            None => median,
        }
    }
}

/// Foreign text made safe to show on one line: control characters, and characters that reorder or hide text
/// or that XML forbids, are written as escapes such as `\n`, `\x1b` and `\u{202e}`.
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => shown.extend(c.escape_default()),
            '\0'..='\x1f' | '\x7f' => shown.push_str(&format!("\\x{:02x}", c as u32)),
            '\u{80}'..='\u{9f}'
            | '\u{61c}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{fffe}'
            | '\u{ffff}' => shown.extend(c.escape_unicode()),
            _ => shown.push(c),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_thousands_separators() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_203, "1,203"),
            (1_000_000, "1,000,000"),
        ] {
            assert_eq!(count(number), text);
        }
        assert_eq!(counted(1, "trial"), "1 trial");
        assert_eq!(counted(1_200, "trial"), "1,200 trials");
    }

    #[test]
    fn shares_are_never_rounded_to_nothing_or_to_everything() {
        for (share, text) in [
            (0.0, "0 %"),
            (1.0, "100 %"),
            (0.393, "39 %"),
            (0.0312, "3.1 %"),
            (0.0084, "0.84 %"),
            (0.0004, "0.040 %"),
            (0.000_04, "0.004 %"),
            (0.000_001, "< 0.001 %"),
            (0.922, "92 %"),
            (0.995, "99.5 %"),
            (0.9997, "99.97 %"),
            (0.9999, "99.99 %"),
            (0.95, "95 %"),
            (0.05, "5 %"),
            (0.999_999, "> 99.999 %"),
            (f64::NAN, NOTHING),
        ] {
            assert_eq!(percent(share), text);
        }
    }

    #[test]
    fn times_are_in_ms_below_ten_seconds() {
        for (value, text) in [
            (0.0, "0 ms"),
            (3.44, "3.4 ms"),
            (9.96, "10 ms"),
            (312.4, "312 ms"),
            (4_310.0, "4,310 ms"),
            (9_999.9, "10.0 s"),
            (12_345.0, "12.3 s"),
            (131_000.0, "131 s"),
            (-1.2, "−1.2 ms"),
            (f64::INFINITY, NOTHING),
        ] {
            assert_eq!(ms(value), text);
        }
        assert_eq!(seconds(0.4), "0.40 s");
        assert_eq!(plain(-0.5), "−0.5");
        assert_eq!(beyond(Span::from_secs(30)), "> 30 s");
        assert_eq!(beyond(Span::from_ms(1_500)), "> 1,500 ms");
    }

    #[test]
    fn missing_figures_say_why_they_are_missing() {
        let style = TimeStyle::after_fault(Some(Span::from_secs(30)));
        let nothing = Distribution::default();
        assert_eq!(style.median(&nothing), NOTHING);
        assert_eq!(style.interval(&nothing), None);
        let few = Distribution {
            n: 5,
            median: Some(312.0),
            ..nothing
        };
        assert_eq!(style.interval(&few).as_deref(), Some("[n too small]"));
        let open = Distribution {
            n: 6,
            median: Some(312.0),
            low: Some(290.0),
            censored: 1,
            ..nothing
        };
        assert_eq!(style.interval(&open).as_deref(), Some("[290 ms, > 30 s]"));
        let closed = Distribution {
            high: Some(341.0),
            ..open
        };
        assert_eq!(style.interval(&closed).as_deref(), Some("[290, 341 ms]"));
        let never = Distribution {
            n: 6,
            censored: 6,
            ..nothing
        };
        assert_eq!(style.median(&never), "> 30 s");
        assert_eq!(style.interval(&never).as_deref(), Some("[> 30 s]"));
    }

    #[test]
    fn control_characters_are_shown_not_obeyed() {
        assert_eq!(printable("a\x1b[31m\nb"), r"a\x1b[31m\nb");
        assert_eq!(printable("x\u{202e}y\u{85}"), r"x\u{202e}y\u{85}");
        assert_eq!(printable("größer – 大"), "größer – 大");
    }
}
