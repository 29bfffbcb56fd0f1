//! The flags that describe a session.

use std::collections::BTreeMap;

use comeback_model::plan::{Extract, Writes};

use crate::choice::choice;
use comeback_experiment::document::{ExpectPart, IdentityPart, SessionPart, StepPart};

/// The description of a session.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Session")]
pub(crate) struct SessionArgs {
    /// Begins a session: 'METHOD /path [BODY]'
    ///
    /// The body is JSON, a=1&b=2, or text. {{ session }} is the number of the user, {{ login }} counts its logins,
    /// {{ random }} is random. Needs --act, --check and --value.
    #[arg(long, value_name = "REQUEST", requires_all = ["act", "check", "value"])]
    login: Option<String>,
    /// Changes the session's state: adds one to --value
    ///
    /// With --writes, it writes the value {{ write }}.
    #[arg(long, value_name = "REQUEST", requires = "login")]
    act: Option<String>,
    /// Shows the session's state and changes nothing
    #[arg(long, value_name = "REQUEST", requires = "login")]
    check: Option<String>,
    /// Ends the session
    #[arg(
        long,
        value_name = "REQUEST",
        requires = "login",
        hide_short_help = true
    )]
    logout: Option<String>,
    /// Where --check shows the state, such as /visits
    ///
    /// A JSON pointer (/visits), a JSONPath ($.items[*]), header:NAME, cookie:NAME, regex:PATTERN, or body. If the reply to --act shows the state at
    /// the same place, it is read there, too.
    #[arg(long, value_name = "PLACE", requires = "login")]
    value: Option<Extract>,
    /// How --act changes the state
    #[arg(long, value_parser = choice::<Writes>(), default_value = "counter", requires = "login", hide_short_help = true)]
    writes: Writes,
    /// Where replies name the user
    ///
    /// Such as /user=u{{ session }}.
    #[arg(long, value_name = "PLACE=NAME", value_parser = parse_identity, requires = "login")]
    identity: Option<IdentityPart>,
    /// Text of the page for a user who is not logged in, if it is not a 401 or 403
    #[arg(
        long,
        alias = "stranger",
        value_name = "TEXT",
        requires = "login",
        hide_short_help = true
    )]
    logged_out_page: Option<String>,
    /// How many redirects --login, --act, --logout and --get follow
    ///
    /// The last reply counts. --check follows none: servers redirect users whom they do not know.
    #[arg(long, value_name = "N", default_value_t = 0, hide_short_help = true)]
    pub(crate) follow: u32,
}

impl SessionArgs {
    /// The description, if there is one.
    pub(crate) fn to_part(&self) -> Option<SessionPart> {
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
            logout: self.logout.as_deref().map(|text| step(text, self.follow)),
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

/// Reads `PLACE=NAME`: where the user's name is, and the expected name.
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
