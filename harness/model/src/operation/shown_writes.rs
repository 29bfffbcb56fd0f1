//! The writes a reply shows, as one word: `1-17,19,19,?2`.
//!
//! Numbers stand in the order they are shown, runs of them as ranges (a list that shows the newest first
//! runs downwards: `17-1`), and `?2` last for two foreign values. A reply that shows nothing is `-`, so
//! that it is never taken for one that could not be read.

use std::fmt;
use std::str::FromStr;

use super::ShownWrites;

/// A reply that shows no write and nothing foreign.
const NOTHING: &str = "-";

/// More writes than any reply can show: the load keeps less than this many bytes of a body. A word that
/// says more was not written by this program, and is refused before it fills the memory.
const MOST: usize = 1 << 20;

/// A word that names no writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownWritesError(String);

impl fmt::Display for ShownWritesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}' does not say which writes were shown", self.0)
    }
}

impl std::error::Error for ShownWritesError {}

impl fmt::Display for ShownWrites {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.writes.is_empty() && self.foreign == 0 {
            return f.write_str(NOTHING);
        }
        let mut separator = "";
        let mut rest = self.writes.as_slice();
        while let Some(first) = rest.first() {
            let (run, after) = rest.split_at(run_length(rest));
            match run.last() {
                Some(last) if last != first => write!(f, "{separator}{first}-{last}")?,
                Some(_) | None => write!(f, "{separator}{first}")?,
            }
            separator = ",";
            rest = after;
        }
        match self.foreign {
            0 => Ok(()),
            foreign => write!(f, "{separator}?{foreign}"),
        }
    }
}

/// How many numbers from the first on go up, or go down, in steps of one; 1 when none follows so.
fn run_length(writes: &[u32]) -> usize {
    let is_up = |pair: &[u32]| pair[0].checked_add(1) == Some(pair[1]);
    let is_down = |pair: &[u32]| pair[0].checked_sub(1) == Some(pair[1]);
    let of = |follows: &dyn Fn(&[u32]) -> bool| {
        1 + writes.windows(2).take_while(|pair| follows(pair)).count()
    };
    of(&is_up).max(of(&is_down))
}

impl FromStr for ShownWrites {
    type Err = ShownWritesError;

    fn from_str(text: &str) -> Result<Self, ShownWritesError> {
        if text == NOTHING {
            return Ok(Self::default());
        }
        let invalid = || {
            let shown = text.chars().take(60).collect();
            ShownWritesError(shown)
        };
        let mut found = Self::default();
        for part in text.split(',') {
            if found.foreign > 0 {
                return Err(invalid());
            }
            match part.strip_prefix('?') {
                Some(foreign) => {
                    found.foreign = number(foreign).filter(|n| *n > 0).ok_or_else(invalid)?
                }
                None => found.extend_by(part).ok_or_else(invalid)?,
            }
        }
        Ok(found)
    }
}

impl ShownWrites {
    /// Appends what `17` or `3-9` or `9-3` names; nothing when it names nothing, or too much.
    fn extend_by(&mut self, part: &str) -> Option<()> {
        let (first, last) = match part.split_once('-') {
            Some((first, last)) => (number(first)?, number(last)?),
            None => (number(part)?, number(part)?),
        };
        let more = usize::try_from(first.abs_diff(last)).ok()?;
        if self.writes.len().saturating_add(more) >= MOST {
            return None;
        }
        if first <= last {
            self.writes.extend(first..=last);
        } else {
            self.writes.extend((last..=first).rev());
        }
        Some(())
    }
}

/// A number in plain digits: `parse` alone would take a sign, too.
fn number(text: &str) -> Option<u32> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_plain)
}

impl TryFrom<String> for ShownWrites {
    type Error = ShownWritesError;

    fn try_from(text: String) -> Result<Self, ShownWritesError> {
        text.parse()
    }
}

impl From<ShownWrites> for String {
    fn from(found: ShownWrites) -> Self {
        found.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(word: &str, writes: &[u32], foreign: u32) {
        let found = ShownWrites {
            writes: writes.to_vec(),
            foreign,
        };
        assert_eq!(found.to_string(), word);
        assert_eq!(word.parse(), Ok(found));
    }

    #[test]
    fn writes_are_written_as_ranges_in_the_order_they_are_shown() {
        check("-", &[], 0);
        check("?2", &[], 2);
        check("7", &[7], 0);
        check("1-4,6,6,?2", &[1, 2, 3, 4, 6, 6], 2);
        check("4-1,9", &[4, 3, 2, 1, 9], 0);
        check("2-1,3", &[2, 1, 3], 0);
        check(
            "0,4294967294-4294967295,0",
            &[0, u32::MAX - 1, u32::MAX, 0],
            0,
        );
    }

    #[test]
    fn what_names_no_writes_is_refused() {
        for word in [
            "",
            ",",
            "1,",
            "-1",
            "1-",
            "1--2",
            "+1",
            "?",
            "?0",
            "?1,2",
            "?1,?1",
            "x",
            "4294967296",
            "1, 2",
            "1-2-3",
            "-,1",
        ] {
            assert!(word.parse::<ShownWrites>().is_err(), "{word}");
        }
    }

    #[test]
    fn a_word_that_would_fill_the_memory_is_refused() {
        for word in ["0-4294967295", "4294967295-0", "1-1000000,1-1000000"] {
            assert!(word.parse::<ShownWrites>().is_err(), "{word}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            writes in vec(prop_oneof![4 => 0..12_u32, 1 => any::<u32>()], 0..40), foreign: u32,
        ) {
            let found = ShownWrites { writes, foreign };
            prop_assert_eq!(found.to_string().parse(), Ok(found));
        }

        #[test]
        fn no_word_makes_the_reader_panic(word in "[0-9?,-]{0,12}|\\PC{0,8}") {
            if let Ok(found) = word.parse::<ShownWrites>() {
                prop_assert_eq!(found.to_string().parse(), Ok(found));
            }
        }
    }
}
