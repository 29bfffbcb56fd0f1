//! The page of a run that goes on. It holds no figure of the run: it is told them by whoever serves it, at `/events`.

use minijinja::context;

use crate::RenderError;
use crate::html::environment;
use crate::page::{self, Charts};

static TEMPLATE: &str = include_str!("../templates/live.html");
static STYLE: &str = include_str!("../templates/live.css");
static SCRIPT: &str = include_str!("../templates/script/live.js");

/// The page of a run that goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LivePage {
    /// The document.
    pub html: String,
    /// The value of its `Content-Security-Policy` header: it may run its own script, and ask only whoever serves it.
    pub policy: String,
}

/// The page of a run that goes on.
///
/// # Errors
/// If the template cannot be filled in.
pub fn live_page() -> Result<LivePage, RenderError> {
    let style = page::style(STYLE, Charts::Live);
    let script = [page::library(), SCRIPT.to_owned()].join("\n");
    let policy = format!(
        "{}; connect-src 'self'; frame-ancestors 'none'",
        page::policy(&style, Some(&script))
    );
    let mut environment = environment()?;
    // The name's ending turns on escaping.
    environment.add_template("live.html", TEMPLATE)?;
    let html = environment
        .get_template("live.html")?
        .render(context! { style, script })?;
    Ok(LivePage { html, policy })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_live_page_runs_its_own_script_alone_and_asks_only_whoever_serves_it() {
        let LivePage { html, policy } = live_page().expect("the template is whole");
        assert!(policy.starts_with("default-src 'none'; script-src 'sha256-"));
        assert!(policy.contains("connect-src 'self'"), "{policy}");
        assert_eq!(html.matches("<script").count(), 1);
        for word in [" style=", " onclick=", "http://", "https://cdn"] {
            let markup = html.split("<script>").next().unwrap_or_default();
            assert!(!markup.contains(word), "{word}");
        }
        for word in ["</", "<!--", "innerHTML", "eval("] {
            assert!(!SCRIPT.contains(word), "{word}");
        }
    }
}
