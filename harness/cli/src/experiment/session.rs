//! The flags that say how a session looks from outside.

use std::collections::BTreeMap;

use comeback_model::plan::{Extract, Writes};

use crate::choice::choice;
use comeback_experiment::document::{ExpectPart, IdentityPart, SessionPart, StepPart};

/// How a session looks from outside.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Sessions")]
pub(super) struct SessionArgs {
    /// Begins a session: 'METHOD /path [BODY]', the body JSON, a=1&b=2, or text; {{ session }} is the
    /// user's number, {{ login }} counts its logins, {{ random }} is random. Needs --act, --check and --value
    #[arg(long, value_name = "REQUEST", requires_all = ["act", "check", "value"], conflicts_with_all = ["get", "experiment"])]
    login: Option<String>,
    /// Changes the session's state: adds one to --value, or, with --writes, the value {{ write }}
    #[arg(long, value_name = "REQUEST", requires = "login")]
    act: Option<String>,
    /// Shows the session's state and changes nothing
    #[arg(long, value_name = "REQUEST", requires = "login")]
    check: Option<String>,
    /// Ends the session
    #[arg(long, value_name = "REQUEST", requires = "login")]
    logout: Option<String>,
    /// Where --check shows the state (and --act, where it does): a JSON pointer (/visits), a JSONPath
    /// ($.items[*]), header:NAME, cookie:NAME, regex:PATTERN, or body
    #[arg(long, value_name = "PLACE", requires = "login")]
    value: Option<Extract>,
    /// What --act changes
    #[arg(long, value_parser = choice::<Writes>(), default_value = "counter", requires = "login")]
    writes: Writes,
    /// Where replies name the user, and how: '/user=u{{ session }}'
    #[arg(long, value_name = "PLACE=NAME", value_parser = parse_identity, requires = "login")]
    identity: Option<IdentityPart>,
    /// Text of the page for somebody who is not logged in, where it is not a 401 or 403
    #[arg(long, alias = "stranger", value_name = "TEXT", requires = "login")]
    logged_out_page: Option<String>,
    /// Redirects that --login and --act follow
    #[arg(long, value_name = "N", default_value_t = 0, requires = "login")]
    follow: u32,
}

impl SessionArgs {
    /// The users' sessions, if there are any.
    pub(super) fn to_part(&self) -> Option<SessionPart> {
        let (Some(login), Some(act), Some(check)) = (&self.login, &self.act, &self.check) else {
            return None;
        };
        let step = |text: &str, follow: u32| StepPart {
            follow,
            ..StepPart::new(text)
        };
        Some(SessionPart {
            login: step(login, self.follow),
            act: step(act, self.follow),
            check: step(check, 0),
            logout: self.logout.as_deref().map(|text| step(text, 0)),
            browse: None,
            step: BTreeMap::new(),
            value: self.value.clone(),
            writes: self.writes,
            identity: self.identity.clone(),
            logged_out_page: self.logged_out_page.as_ref().map(|text| ExpectPart {
                body: Some(text.clone()),
                ..ExpectPart::default()
            }),
            mix: None,
        })
    }
}

/// Reads `PLACE=NAME`: where the user's name stands, and what it must be.
fn parse_identity(text: &str) -> Result<IdentityPart, String> {
    let (at, name) = text
        .split_once('=')
        .ok_or("write PLACE=NAME, such as '/user=u{{ session }}'")?;
    let at: Extract = at.parse().map_err(|error| format!("{error}"))?;
    Ok(IdentityPart {
        at,
        name: name.to_owned(),
    })
}
