//! The parts of every page: its style, its scripts, and the policy that lets these run and nothing else.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::palette;

static STYLE: &str = include_str!("../templates/report.css");

/// The library that draws the charts one can zoom into, version 1.6.32 from npm.
static UPLOT: &str = include_str!("../assets/uplot/uPlot.iife.min.js");
static UPLOT_STYLE: &str = include_str!("../assets/uplot/uPlot.min.css");
static UPLOT_LICENSE: &str = include_str!("../assets/UPLOT-LICENSE.txt");

/// Whether a page has charts to zoom into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Charts {
    Live,
    Drawn,
}

/// The style of a page, with what is its own.
pub(crate) fn style(own: &str, charts: Charts) -> String {
    let uplot = match charts {
        Charts::Live => UPLOT_STYLE,
        Charts::Drawn => "",
    };
    [uplot, STYLE, &palette::rules(), own].join("\n")
}

/// The scripts of a report.
pub(crate) fn script(charts: Charts) -> String {
    let own = [
        include_str!("../templates/script/sort.js"),
        include_str!("../templates/script/logs.js"),
        include_str!("../templates/script/trials.js"),
    ];
    let mut script = own.join("\n");
    if charts == Charts::Live {
        let timeline = include_str!("../templates/script/timeline.js");
        script = [&library(), &script, timeline].join("\n");
    }
    script
}

/// The library that draws the charts one can zoom into, below its licence.
pub(crate) fn library() -> String {
    let licence = format!("/*!\n{}\n*/", UPLOT_LICENSE.trim());
    [&licence, UPLOT].join("\n")
}

/// The policy of a page: it may apply this style, run this script if it has one, and show pictures that it contains. It loads nothing.
pub(crate) fn policy(style: &str, script: Option<&str>) -> String {
    let hash = |text: &str| format!("'sha256-{}'", BASE64_STANDARD.encode(Sha256::digest(text)));
    let scripts = script.map_or_else(|| "'none'".to_owned(), hash);
    format!(
        "default-src 'none'; script-src {scripts}; style-src {}; img-src data:; base-uri 'none'; form-action 'none'",
        hash(style)
    )
}

/// A value as JSON that may stand within a script element: nothing in it ends one.
///
/// # Errors
/// If it cannot be written.
pub(crate) fn data(value: &impl Serialize) -> Result<String, serde_json::Error> {
    Ok(serde_json::to_string(value)?.replace('<', "\\u003c"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_names_the_hash_of_what_may_run() {
        // As `printf %s 'alert(1)' | openssl dgst -sha256 -binary | base64` says.
        let policy = policy("", Some("alert(1)"));
        assert!(
            policy.contains("script-src 'sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI='"),
            "{policy}"
        );
    }

    #[test]
    fn data_does_not_end_the_script_that_it_stands_in() {
        let json = data(&"</script><!--").expect("it is text");
        assert_eq!(json, "\"\\u003c/script>\\u003c!--\"");
    }

    #[test]
    fn no_script_holds_its_own_end_or_needs_anything_else() {
        for charts in [Charts::Live, Charts::Drawn] {
            for word in ["</", "<!--", "import(", "eval(", "new Function", "fetch("] {
                assert!(!script(charts).contains(word), "{word}");
            }
            for word in ["</", "url(", "@import"] {
                assert!(!style("", charts).contains(word), "{word}");
            }
        }
    }
}
