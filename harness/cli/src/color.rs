//! Whether to color, and how a verdict looks: its word, a sign, and, where it is wanted, a color. Never the
//! color alone.

use std::ffi::OsString;
use std::io::IsTerminal;

use comeback_analysis::verdict::Outcome;

/// What `--color` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum ColorChoice {
    /// On a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl ColorChoice {
    /// Whether what goes to stdout is colored.
    pub(super) fn wants_color(self) -> bool {
        decide(
            self,
            |name| std::env::var_os(name),
            std::io::stdout().is_terminal(),
        )
    }

    /// Whether what goes to stderr is colored.
    pub(super) fn wants_color_on_stderr(self) -> bool {
        decide(
            self,
            |name| std::env::var_os(name),
            std::io::stderr().is_terminal(),
        )
    }
}

/// The option first, then NO_COLOR, then CLICOLOR_FORCE, then whether there is a terminal that knows colors.
fn decide(
    choice: ColorChoice,
    variable: impl Fn(&str) -> Option<OsString>,
    is_terminal: bool,
) -> bool {
    let is_set = |name: &str| variable(name).is_some_and(|value| !value.is_empty());
    let is_zero = |name: &str| variable(name).is_some_and(|value| value == "0");
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto if is_set("NO_COLOR") => false,
        ColorChoice::Auto if is_set("CLICOLOR_FORCE") && !is_zero("CLICOLOR_FORCE") => true,
        ColorChoice::Auto => {
            is_terminal
                && !is_zero("CLICOLOR")
                && variable("TERM").is_none_or(|term| term != "dumb")
        }
    }
}

/// The word for a verdict with its sign: `✓ PASS`.
pub(super) fn outcome(outcome: Outcome, color: bool) -> String {
    let (sign, code) = match outcome {
        Outcome::Pass => ("✓", 32),
        Outcome::Fail => ("✗", 31),
        Outcome::Inconclusive => ("?", 33),
        // Neither good nor bad: as other text is.
        Outcome::Measured => ("·", 39),
    };
    let word = outcome.name().to_uppercase();
    if color {
        format!("\x1b[1;{code}m{sign} {word}\x1b[0m")
    } else {
        format!("{sign} {word}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(choice: ColorChoice, set: &[(&str, &str)], is_terminal: bool) -> bool {
        let variable = |name: &str| {
            let found = set.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        };
        decide(choice, variable, is_terminal)
    }

    #[test]
    fn color_follows_the_option_then_the_variables_then_the_terminal() {
        use ColorChoice::{Always, Auto, Never};
        let (on, off) = (true, false);
        for (choice, set, is_terminal, expected) in [
            (Auto, &[][..], true, on),
            (Auto, &[], false, off),
            (Auto, &[("NO_COLOR", "1")], true, off),
            (Auto, &[("NO_COLOR", "")], true, on),
            (
                Auto,
                &[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")],
                true,
                off,
            ),
            (Auto, &[("CLICOLOR_FORCE", "1")], false, on),
            (Auto, &[("CLICOLOR_FORCE", "0")], false, off),
            (Auto, &[("CLICOLOR", "0")], true, off),
            (Auto, &[("TERM", "dumb")], true, off),
            (Always, &[("NO_COLOR", "1")], false, on),
            (Never, &[("CLICOLOR_FORCE", "1")], true, off),
        ] {
            let is = decided(choice, set, is_terminal);
            assert_eq!(is, expected, "{choice:?} {set:?} terminal: {is_terminal}");
        }
    }

    #[test]
    fn a_verdict_is_told_by_word_and_sign_without_color_too() {
        for (which, plain) in [
            (Outcome::Pass, "✓ PASS"),
            (Outcome::Fail, "✗ FAIL"),
            (Outcome::Inconclusive, "? INCONCLUSIVE"),
            (Outcome::Measured, "· MEASURED"),
        ] {
            assert_eq!(outcome(which, false), plain);
            let colored = outcome(which, true);
            assert!(
                colored.contains(plain) && colored.ends_with("\x1b[0m"),
                "{colored:?}"
            );
        }
    }
}
