//! The colours, by their meaning. Each has a value of its own, so that a page can replace it by its counterpart on a dark
//! background. The strong ones are from the Okabe–Ito palette, which people with any kind of colour vision can distinguish.

use std::fmt::Write;

/// The ground of a drawing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// Dark words on a light ground.
    #[default]
    Light,
    /// Light words on a dark ground.
    Dark,
}

/// The meaning of a colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ink {
    /// The ground of a drawing.
    Ground,
    /// Words and marks that matter.
    Text,
    /// Words that explain.
    Muted,
    /// Axis lines and faint marks.
    Axis,
    /// Lines to read off at.
    Grid,
    /// The ground of every other row.
    Stripe,
    /// A measured value that is neither good nor bad.
    Measure,
    /// A loss or a failure.
    Loss,
    /// Nothing lost; back again.
    Good,
    /// The second of several steps.
    StepTwo,
    /// The third of several steps.
    StepThree,
}

impl Ink {
    const ALL: [Self; 11] = [
        Self::Ground,
        Self::Text,
        Self::Muted,
        Self::Axis,
        Self::Grid,
        Self::Stripe,
        Self::Measure,
        Self::Loss,
        Self::Good,
        Self::StepTwo,
        Self::StepThree,
    ];

    /// The colour on a light ground, and its counterpart on a dark one.
    const fn values(self) -> (u32, u32) {
        match self {
            Self::Ground => (0x00FE_FEFE, 0x0017_191C),
            Self::Text => (0x001A_1A1A, 0x00EC_ECE8),
            Self::Muted => (0x005C_5C5C, 0x00A9_ACB0),
            Self::Axis => (0x008E_8E8A, 0x007A_7E84),
            Self::Grid => (0x00E2_E2DE, 0x0035_383D),
            Self::Stripe => (0x00F6_F6F3, 0x001E_2125),
            Self::Measure => (0x0000_72B2, 0x004F_B0E8),
            Self::Loss => (0x00D5_5E00, 0x00FF_8A3D),
            Self::Good => (0x0000_9E73, 0x002F_CB9E),
            Self::StepTwo => (0x00E6_9F00, 0x00F2_B632),
            Self::StepThree => (0x0056_B4E9, 0x008A_D2F7),
        }
    }

    /// Its name among the page's properties.
    const fn name(self) -> &'static str {
        match self {
            Self::Ground => "ground",
            Self::Text => "text",
            Self::Muted => "muted",
            Self::Axis => "axis",
            Self::Grid => "grid",
            Self::Stripe => "stripe",
            Self::Measure => "measure",
            Self::Loss => "loss",
            Self::Good => "good",
            Self::StepTwo => "step-two",
            Self::StepThree => "step-three",
        }
    }

    /// Red, green and blue on such a ground.
    pub(crate) const fn rgb(self, theme: Theme) -> (u8, u8, u8) {
        let (on_light, on_dark) = self.values();
        let value = match theme {
            Theme::Light => on_light,
            Theme::Dark => on_dark,
        };
        let [_, red, green, blue] = value.to_be_bytes();
        (red, green, blue)
    }

    /// The same ink, partly transparent.
    pub(crate) const fn faint(self, opacity: f64) -> Paint {
        Paint { ink: self, opacity }
    }
}

/// An ink, and how much of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Paint {
    /// The colour.
    pub(crate) ink: Ink,
    /// From 0, nothing, to 1.
    pub(crate) opacity: f64,
}

impl From<Ink> for Paint {
    fn from(ink: Ink) -> Self {
        ink.faint(1.0)
    }
}

/// Style rules: each ink as a property of the page, such as `--ink-text`, and what turns these and the drawings within the page
/// from light to dark.
pub(crate) fn rules() -> String {
    let (mut light, mut dark, mut drawn) = (String::new(), String::new(), String::new());
    for ink in Ink::ALL {
        let (name, (on_light, on_dark)) = (ink.name(), ink.values());
        // Writing to a string cannot fail.
        let _ = writeln!(light, "--ink-{name}:#{on_light:06X};");
        let _ = writeln!(dark, "--ink-{name}:#{on_dark:06X};");
        for property in ["fill", "stroke"] {
            let _ = writeln!(
                drawn,
                "svg [{property}=\"#{on_light:06X}\"]{{{property}:#{on_dark:06X}}}"
            );
        }
    }
    format!(
        ":root{{\n{light}}}\n@media screen and (prefers-color-scheme: dark) {{\n:root{{\n{dark}}}\n{drawn}}}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ink_has_a_value_of_its_own() {
        for (place, ink) in Ink::ALL.iter().enumerate() {
            for other in &Ink::ALL[..place] {
                assert_ne!(ink.values().0, other.values().0, "{ink:?} and {other:?}");
            }
        }
        let rules = rules();
        assert!(rules.contains("svg [fill=\"#1A1A1A\"]{fill:#ECECE8}"));
        let both = rules.matches("--ink-text:#").count();
        assert_eq!(both, 2, "{rules}");
    }
}
