//! What the sentences of an analysis are made of.

use comeback_model::units::Span;

/// A count with its noun: `1 session`, `1,200 sessions`.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(count))
}

/// `was` or `were`, after a count.
pub(crate) const fn was(count: u64) -> &'static str {
    if count == 1 { "was" } else { "were" }
}

/// More than a run can do: a server whose counter says so says nothing.
const COUNTLESS: u64 = 1_000_000_000_000;

/// A whole number with commas between its thousands; one beyond all counting as such.
pub(crate) fn grouped(number: u64) -> String {
    if number > COUNTLESS {
        return format!("more than {}", grouped(COUNTLESS));
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

/// A share in percent, with a decimal only where there is one: `90 %`, `92.5 %`.
pub(crate) fn percent(share: f64) -> String {
    let text = format!("{:.1}", share * 100.0);
    format!("{} %", text.strip_suffix(".0").unwrap_or(&text))
}

/// That the disk stood still for so long, as a clause.
pub(crate) fn waited_for_disk(stalled: Span) -> String {
    format!(
        "meanwhile this machine's disk kept somebody waiting for {:.1} s",
        stalled.as_secs()
    )
}

/// What a process's output says of its end, as the end of a sentence.
pub(super) fn last_words(said: Option<&str>) -> String {
    said.map_or_else(String::new, |said| format!("; its output: {said}"))
}

/// Processes by their ids: `process 12`, `processes 12, 13`.
pub(super) fn processes(pids: &[i32]) -> String {
    let list: Vec<String> = pids.iter().map(i32::to_string).collect();
    let noun = if pids.len() == 1 {
        "process"
    } else {
        "processes"
    };
    format!("{noun} {}", list.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped_and_nouns_follow_their_count() {
        assert_eq!(counted(1, "session"), "1 session");
        assert_eq!(counted(0, "session"), "0 sessions");
        assert_eq!(counted(1_234_567, "operation"), "1,234,567 operations");
        assert_eq!(
            (grouped(999), grouped(1_000)),
            ("999".to_owned(), "1,000".to_owned())
        );
    }

    #[test]
    fn a_share_has_a_decimal_only_where_there_is_one() {
        assert_eq!(
            (percent(0.9), percent(0.925)),
            ("90 %".to_owned(), "92.5 %".to_owned())
        );
    }
}
