//! A session: its keys, its flags, and how they become part of a plan.

use std::collections::BTreeMap;

use comeback_model::plan::{Extract, Identity, Mix, Protocol, SessionFlow, Workload, Writes};
use schemars::JsonSchema;
use serde::Deserialize;
use toml::Table;

#[cfg(feature = "flags")]
use super::choice::parser;
use super::step::{self, ExpectPart, StepPart, expected};
use super::table::{Part, Unwritable};
use super::{Key, Problem};

/// Out of a hundred operations of a user, so many are changes and logouts; the others are looks.
const ACTS: u32 = 70;
const LOGOUTS: u32 = 2;
const BROWSES: u32 = 20;

/// How a session looks from outside.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[cfg_attr(feature = "flags", derive(clap::Args), command(next_help_heading = "Session"))]
#[serde(deny_unknown_fields)]
#[rustfmt::skip] // A line for each flag.
pub struct SessionPart {
    /// Begins a session.
    #[cfg_attr(feature = "flags", arg(long, value_name = "REQUEST", required = false, requires_all = ["act", "check", "value"], value_parser = parse_step, help = "Begins a session: 'METHOD /path [BODY]'", long_help = "Begins a session: 'METHOD /path [BODY]'\n\nThe body is JSON, a=1&b=2, or text. {{ session }} is the number of the user, {{ login }} counts its logins, {{ random }} is random. Needs --act, --check and --value."))]
    pub login: StepPart,
    /// Changes its state.
    #[cfg_attr(feature = "flags", arg(long, value_name = "REQUEST", required = false, requires = "login", value_parser = parse_step, help = "Changes the session's state: adds one to --value", long_help = "Changes the session's state: adds one to --value\n\nWith --writes, it writes the value {{ write }}."))]
    pub act: StepPart,
    /// Shows its state, and changes nothing.
    #[cfg_attr(feature = "flags", arg(long, value_name = "REQUEST", required = false, requires = "login", value_parser = parse_step, help = "Shows the session's state and changes nothing"))]
    pub check: StepPart,
    /// Ends it, if the server can do that.
    #[cfg_attr(feature = "flags", arg(long, value_name = "REQUEST", requires = "login", value_parser = parse_step, hide_short_help = true, help = "Ends the session"))]
    pub logout: Option<StepPart>,
    /// Requests a page that is the same for all users, such as one that a cache may keep. Its reply is not part of the session.
    #[cfg_attr(feature = "flags", arg(skip))]
    pub browse: Option<StepPart>,
    /// Further requests by name. Steps that name them in `before` send them.
    #[serde(default)]
    #[cfg_attr(feature = "flags", arg(skip))]
    pub step: BTreeMap<String, StepPart>,
    /// Where `check` (and `act`, if it does) shows the state: `/visits` (JSON pointer), `$.items[*]` (JSONPath),
    /// `header:NAME`, `cookie:NAME`, `regex:PATTERN` or `body`.
    #[schemars(with = "Option<String>")]
    #[cfg_attr(feature = "flags", arg(long, value_name = "PLACE", requires = "login", help = "Where --check shows the state, such as /visits", long_help = "Where --check shows the state, such as /visits\n\nA JSON pointer (/visits), a JSONPath ($.items[*]), header:NAME, cookie:NAME, regex:PATTERN, or body. If the reply to --act shows the state at the same place, it is read there, too."))]
    pub value: Option<Extract>,
    /// How `act` changes the state: it adds one to a counter, or its own value `{{ write }}` to a set or a list. Default:
    /// `counter`.
    #[serde(default)]
    #[cfg_attr(feature = "flags", arg(long, value_parser = parser::<Writes>(), default_value = "counter", requires = "login", hide_short_help = true, help = "How --act changes the state"))]
    pub writes: Writes,
    /// Where replies name the user.
    #[cfg_attr(feature = "flags", arg(long, value_name = "PLACE=NAME", value_parser = parse_identity, requires = "login", help = "Where replies name the user", long_help = "Where replies name the user\n\nSuch as /user=u{{ session }}."))]
    pub identity: Option<IdentityPart>,
    /// The page for a user who is not logged in, if it is neither a 401 nor a 403.
    #[cfg_attr(feature = "flags", arg(long, alias = "stranger", value_name = "TEXT", value_parser = parse_page, requires = "login", hide_short_help = true, help = "Text of the page for a user who is not logged in, if it is not a 401 or 403"))]
    pub logged_out_page: Option<ExpectPart>,
    /// How often each step is used.
    #[cfg_attr(feature = "flags", arg(skip))]
    pub mix: Option<MixPart>,
}

/// Which user the server believes it serves.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IdentityPart {
    /// Where the name is.
    #[schemars(with = "String")]
    pub at: Extract,
    /// The expected name, a template such as `u{{ session }}`.
    pub name: String,
}

/// How often each step is used, in shares of their sum.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MixPart {
    /// The share of `act`. Default: 70.
    pub act: Option<u32>,
    /// The share of `check`. Default: the rest of 100.
    pub check: Option<u32>,
    /// The share of `logout`. Default: 2, if there is a logout.
    pub logout: Option<u32>,
    /// The share of `browse`. Default: 20, if there is a `browse`.
    pub browse: Option<u32>,
}

/// Reads a step: its request.
#[cfg(feature = "flags")]
fn parse_step(text: &str) -> Result<StepPart, std::convert::Infallible> {
    Ok(StepPart::new(text))
}

/// Reads `PLACE=NAME`: where the user's name is, and the expected name.
#[cfg(feature = "flags")]
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

/// Reads a text that a page contains.
#[cfg(feature = "flags")]
fn parse_page(text: &str) -> Result<ExpectPart, std::convert::Infallible> {
    Ok(ExpectPart {
        body: Some(text.to_owned()),
        ..ExpectPart::default()
    })
}

impl SessionPart {
    /// All its steps, also those that are named by others.
    pub(super) fn steps(&self) -> impl Iterator<Item = &StepPart> {
        let own = [&self.login, &self.act, &self.check];
        let own = own.into_iter().chain(&self.logout).chain(&self.browse);
        own.chain(self.step.values())
    }

    /// What users do.
    ///
    /// # Errors
    /// If a step cannot be sent, with each problem and its place.
    pub fn to_workload(&self, protocol: Protocol) -> Result<Workload, Vec<Problem>> {
        let flow = self.to_flow(protocol).map_err(|problems| {
            let problems = problems.into_iter();
            problems.map(StepProblem::into_problem).collect::<Vec<_>>()
        })?;
        Ok(Workload::Sessions(Box::new(flow)))
    }

    /// The flow, or the problem and its step.
    fn to_flow(&self, protocol: Protocol) -> Result<SessionFlow, Vec<StepProblem>> {
        let mut problems = Vec::new();
        let mut read = |path: Vec<String>, part: &StepPart| {
            part.to_request(protocol)
                .map_err(|(at, what)| {
                    problems.push(StepProblem {
                        step: path,
                        at,
                        what,
                    });
                })
                .ok()
        };
        let named = |name: &str| vec![name.to_owned()];
        let login = read(named("login"), &self.login);
        let act = read(named("act"), &self.act);
        let check = read(named("check"), &self.check);
        let logout = self.logout.as_ref();
        let logout = logout.map(|part| read(named("logout"), part));
        let browse = self.browse.as_ref();
        let browse = browse.map(|part| read(named("browse"), part));
        let more: Vec<_> = self
            .step
            .iter()
            .map(|(name, part)| {
                let path = vec!["step".to_owned(), name.clone()];
                (name.clone(), read(path, part))
            })
            .collect();
        let share = self.mix.as_ref().and_then(|mix| mix.browse);
        if self.browse.is_none() && share.is_some_and(|share| share > 0) {
            problems.push(StepProblem {
                step: named("mix"),
                at: vec!["browse"],
                what: "there is no page to browse: add [session.browse]".to_owned(),
            });
        }
        let (Some(login), Some(act), Some(check)) = (login, act, check) else {
            return Err(problems);
        };
        if !problems.is_empty() {
            return Err(problems);
        }
        let logout = logout.flatten();
        let browse = browse.flatten();
        Ok(SessionFlow {
            mix: to_mix(self.mix.as_ref(), logout.is_some(), browse.is_some()),
            login,
            act,
            check,
            logout,
            browse,
            more: more
                .into_iter()
                .filter_map(|(name, request)| Some((name, request?)))
                .collect(),
            value: self.value.clone(),
            writes: self.writes,
            identity: self.identity.as_ref().map(|identity| Identity {
                at: identity.at.clone(),
                name: identity.name.clone(),
            }),
            logged_out_page: self.logged_out_page.as_ref().map(ExpectPart::to_expect),
        })
    }
}

/// The problem of a step.
struct StepProblem {
    /// Its path below `session`.
    step: Vec<String>,
    at: Vec<&'static str>,
    what: String,
}

impl StepProblem {
    fn into_problem(self) -> Problem {
        let mut place: Vec<Key> = vec!["session".into()];
        place.extend(self.step.iter().map(|name| name.as_str().into()));
        place.extend(self.at.iter().map(|name| Key::from(*name)));
        // The flag is called as its step.
        let name = self.step.last().cloned().unwrap_or_default();
        Problem::at(place, name, self.what)
    }
}

fn to_mix(said: Option<&MixPart>, has_logout: bool, has_browse: bool) -> Mix {
    let said = said.cloned().unwrap_or_default();
    let act = said.act.unwrap_or(ACTS);
    let logout = match has_logout {
        true => said.logout.unwrap_or(LOGOUTS),
        false => 0,
    };
    let browse = match has_browse {
        true => said.browse.unwrap_or(BROWSES),
        false => 0,
    };
    let rest = 100_u32
        .saturating_sub(act)
        .saturating_sub(logout)
        .saturating_sub(browse);
    Mix {
        act,
        check: said.check.unwrap_or(rest),
        logout,
        browse,
    }
}

/// The way back from a plan.
pub(super) fn table(flow: &SessionFlow) -> Result<Table, Unwritable> {
    let mut part = Part::default();
    part.put("login", step::table(&flow.login)?)?;
    part.put("act", step::table(&flow.act)?)?;
    part.put("check", step::table(&flow.check)?)?;
    let mut mix = Part::default();
    mix.put("act", flow.mix.act)?;
    mix.put("check", flow.mix.check)?;
    if let Some(logout) = &flow.logout {
        part.put("logout", step::table(logout)?)?;
        mix.put("logout", flow.mix.logout)?;
    }
    if let Some(browse) = &flow.browse {
        part.put("browse", step::table(browse)?)?;
        mix.put("browse", flow.mix.browse)?;
    }
    part.put("mix", mix.0)?;
    let steps = flow.more.iter();
    let steps = steps.map(|(name, step)| Ok((name.clone(), step::table(step)?)));
    part.put_some_texts("step", &steps.collect::<Result<_, Unwritable>>()?)?;
    part.put_some("value", flow.value.as_ref())?;
    part.put("writes", flow.writes)?;
    part.put_some("identity", flow.identity.as_ref())?;
    let page = flow.logged_out_page.as_ref().map(expected).transpose()?;
    part.put_some("logged_out_page", page)?;
    Ok(part.0)
}
