//! The flags that say how a session looks from outside.

use std::collections::BTreeMap;

use comeback_core::plan::{
    Expect, Extract, Identity, Mix, Protocol, Request, SessionFlow, Workload, Writes,
};

use super::request::{parse_command, parse_identity, parse_request};
use crate::cli::CliError;

/// How a session looks from outside.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Sessions")]
pub(super) struct SessionArgs {
    /// Begins a session: 'METHOD /path [BODY]', the body JSON, a=1&b=2, or text; {{ session }} is the
    /// user's number, {{ login }} counts its logins, {{ random }} is random. Needs --act, --check and --value
    #[arg(long, value_name = "REQUEST", requires_all = ["act", "check", "value"], conflicts_with = "get")]
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
    #[arg(long, value_enum, default_value_t = WritesArg::Counter, requires = "login")]
    writes: WritesArg,
    /// Where replies name the user, and how: '/user=u{{ session }}'
    #[arg(long, value_name = "PLACE=NAME", value_parser = parse_identity, requires = "login")]
    identity: Option<Identity>,
    /// Text of the page for somebody who is not logged in, where it is not a 401 or 403
    #[arg(long, value_name = "TEXT", requires = "login")]
    stranger: Option<String>,
    /// Redirects that --login and --act follow
    #[arg(long, value_name = "N", default_value_t = 0, requires = "login")]
    follow: u32,
}

/// What a change adds.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum WritesArg {
    /// One, to a counter
    Counter,
    /// A value of its own, to a set
    Set,
    /// A value of its own, to a list: duplicates count
    List,
}

/// Out of a hundred operations of a user, so many are changes; most others are looks.
const ACTS: u32 = 70;
const LOGOUTS: u32 = 2;

impl SessionArgs {
    /// The workload of users with sessions, if there are any.
    pub(super) fn to_workload(&self, protocol: Protocol) -> Result<Option<Workload>, CliError> {
        let (Some(login), Some(act), Some(check)) = (&self.login, &self.act, &self.check) else {
            return Ok(None);
        };
        let request = |flag: &str, text: &str, follow: u32| match protocol {
            Protocol::Redis => Ok(parse_command(text)),
            Protocol::Http | Protocol::Https | Protocol::Http2 | Protocol::H2c => {
                parse_request(text)
                    .map(|request| Request { follow, ..request })
                    .map_err(|problem| CliError::Usage(format!("--{flag}: {problem}")))
            }
        };
        let logout = self.logout.as_deref();
        let logout = logout.map(|text| request("logout", text, 0)).transpose()?;
        let logouts = logout.as_ref().map_or(0, |_| LOGOUTS);
        let stranger = self.stranger.as_ref().map(|text| Expect {
            body: Some(text.clone()),
            ..Expect::default()
        });
        Ok(Some(Workload::Sessions(Box::new(SessionFlow {
            login: request("login", login, self.follow)?,
            act: request("act", act, self.follow)?,
            check: request("check", check, 0)?,
            logout,
            more: BTreeMap::new(),
            value: self.value.clone(),
            writes: match self.writes {
                WritesArg::Counter => Writes::Counter,
                WritesArg::Set => Writes::Set,
                WritesArg::List => Writes::List,
            },
            identity: self.identity.clone(),
            stranger,
            mix: Mix {
                act: ACTS,
                check: 100 - ACTS - logouts,
                logout: logouts,
            },
        }))))
    }
}
