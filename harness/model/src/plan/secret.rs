//! Values that a plan contains and no document may contain: environment variables, credentials in headers, and values
//! marked as secret.
//!
//! A stored plan has [`MASK`] in their place; texts in which one is quoted have it, too. To run a stored plan again the
//! values must be given again.

use std::collections::{BTreeMap, BTreeSet};

use super::{Arm, Body, Call, Plan, Request, Target, Workload};

/// The text in place of a secret. If a name has several values in one plan, the later ones get a number.
pub const MASK: &str = "•••";

/// Headers that prove who somebody is.
const PROVING: [&str; 4] = [
    "authorization",
    "cookie",
    "proxy-authorization",
    "set-cookie",
];
/// What may stand before a credential.
const SCHEMES: [&str; 4] = ["basic", "bearer", "digest", "token"];
/// Shorter texts are in too many words by chance: they are masked where they stand in the plan, and not looked for
/// elsewhere.
const SOUGHT_FROM: usize = 4;
/// A placeholder for a captured value.
const CAPTURED: &str = "\0";

/// Texts that are masked wherever they are quoted.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets {
    /// The longest first, since one may be part of another.
    texts: Vec<String>,
}

/// It is not to be read in a message either.
impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secrets({})", self.texts.len())
    }
}

impl Secrets {
    fn of(texts: impl IntoIterator<Item = String>) -> Self {
        let plain = texts.into_iter().filter(|text| !is_masked(text));
        let mut texts: Vec<String> = plain
            .flat_map(|text| [form_encoded(&text), json_escaped(&text), text])
            .filter(|text| text.chars().count() >= SOUGHT_FROM)
            .collect();
        texts.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        texts.dedup();
        Self { texts }
    }

    /// Masks them in a text.
    pub fn hide(&self, text: &mut String) {
        for secret in &self.texts {
            if text.contains(secret.as_str()) {
                *text = text.replace(secret.as_str(), MASK);
            }
        }
    }
}

/// A text as it stands in a form's body.
fn form_encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// A text as it stands within the quotes of a JSON string.
fn json_escaped(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// Whether a value was not stored.
pub fn is_masked(value: &str) -> bool {
    value.starts_with(MASK)
}

/// Flags of this program that give secrets, as `NAME=VALUE`.
const GIVING: [&str; 2] = ["--env", "--secret"];

/// Masks the values of `--env` and `--secret` in the words of a command line of this program; what follows `--` is the server's own.
pub fn mask_words(words: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut masked = Vec::new();
    let (mut is_value, mut is_servers) = (false, false);
    for word in words {
        is_servers |= word == "--";
        let (flag, variable) = match word.split_once('=') {
            Some((flag, variable)) if GIVING.contains(&flag) => (flag, Some(variable)),
            _ => ("", is_value.then_some(word.as_str())),
        };
        let masked_word = match variable.filter(|_| !is_servers) {
            Some(variable) => {
                let name = variable.split('=').next().unwrap_or_default();
                let equals = if flag.is_empty() { "" } else { "=" };
                format!("{flag}{equals}{name}={MASK}")
            }
            None => word.clone(),
        };
        is_value = !is_servers && GIVING.contains(&word.as_str());
        masked.push(masked_word);
    }
    masked
}

/// A place of a plan whose value may be a secret.
enum Place {
    /// The value of an environment variable.
    Variable,
    /// The value of a header or of a form's field.
    Named,
    /// Any other text: of a command, a path, a body.
    Other,
}

impl Plan {
    /// This plan as it is stored.
    #[must_use]
    pub fn masked(&self) -> Self {
        let marked = Secrets::of(self.known_secrets());
        let mut seen: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut plan = self.clone();
        plan.marked.clear();
        plan.each_text(&mut |place, name, text| {
            let is_secret = match place {
                Place::Variable => !is_placeholder(text),
                Place::Named => {
                    let mut hidden = text.clone();
                    marked.hide(&mut hidden);
                    hidden != *text || self.marked.contains(text) || proves(name, text)
                }
                Place::Other => {
                    marked.hide(text);
                    false
                }
            };
            if is_secret && !is_masked(text) {
                let values = seen.entry(name.to_lowercase()).or_default();
                let known = values.iter().position(|value| value == text);
                let at = known.unwrap_or_else(|| {
                    values.push(text.clone());
                    values.len() - 1
                });
                *text = match at {
                    0 => MASK.to_owned(),
                    at => format!("{MASK}{}", at + 1),
                };
            }
        });
        plan
    }

    /// Whether it is a stored plan that had secrets. Nobody knows them any more, so nothing can be masked by it.
    pub fn has_masked(&self) -> bool {
        let mut has_masked = false;
        self.clone()
            .each_text(&mut |_, _, text| has_masked |= text.contains(MASK));
        has_masked
    }

    /// Every text that must be masked in quotes.
    pub fn secrets(&self) -> Secrets {
        let mut found: Vec<String> = self.known_secrets();
        self.clone().each_text(&mut |place, _, text| {
            if matches!(place, Place::Variable) && !is_placeholder(text) {
                found.extend(parts_of_value(text));
            }
        });
        Secrets::of(found)
    }

    /// Marked values and credentials in headers. No place of the plan may contain them.
    fn known_secrets(&self) -> Vec<String> {
        let mut found: Vec<String> = self.marked.iter().cloned().collect();
        self.clone().each_text(&mut |place, name, text| {
            if matches!(place, Place::Named) && proves(name, text) {
                found.extend(parts_of_header(text));
            }
        });
        found
    }

    /// Fills in values that were not stored: `variables` of the environment, and `others`: headers and form fields.
    ///
    /// # Errors
    /// If a value is missing or cannot be filled in, with a correction.
    pub fn reveal(
        &mut self,
        variables: &BTreeMap<String, String>,
        others: &BTreeMap<String, String>,
    ) -> Result<(), String> {
        let mut missing = BTreeSet::new();
        let mut is_lost = false;
        let mut marked = BTreeSet::new();
        self.each_text(&mut |place, name, text| {
            if !text.contains(MASK) {
                return;
            }
            let (given, flag) = match place {
                Place::Variable => (variables.get(name), "--env"),
                Place::Named => (others.get(&name.to_lowercase()), "--secret"),
                Place::Other => (None, ""),
            };
            match given {
                Some(value) if *text == MASK => {
                    if matches!(place, Place::Named) {
                        marked.insert(value.clone());
                    }
                    text.clone_from(value);
                }
                None if *text == MASK && !flag.is_empty() => {
                    missing.insert(format!("{flag} '{name}=…'"));
                }
                // One value cannot replace two, or a part of a text.
                _ => is_lost = true,
            }
        });
        self.marked.extend(marked);
        if is_lost {
            return Err(
                "the run does not hold its secrets, and some of them had several values, or stood within a command, a \
                 path or a body: run the experiment's file again, with the seed of that run (--seed)"
                    .to_owned(),
            );
        }
        if missing.is_empty() {
            return Ok(());
        }
        let missing: Vec<String> = missing.into_iter().collect();
        Err(format!(
            "the run does not hold its secrets ({MASK}): give them again, by {}",
            missing.join(" ")
        ))
    }

    /// The variables of its servers; not those that have different values.
    pub fn variables(&self) -> BTreeMap<String, String> {
        let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
        self.clone().each_text(&mut |place, name, text| {
            if matches!(place, Place::Variable) {
                found.entry(name.to_owned()).or_default().push(text.clone());
            }
        });
        let single = found.into_iter().filter_map(|(name, mut values)| {
            values.dedup();
            let [value] = <[String; 1]>::try_from(values).ok()?;
            Some((name, value))
        });
        single.collect()
    }

    /// Every text that could hold a secret, with the name of its variable, header or field.
    fn each_text(&mut self, visit: &mut impl FnMut(Place, &str, &mut String)) {
        for arm in &mut self.arms {
            for target in targets_of(arm) {
                for (name, value) in &mut target.environment {
                    visit(Place::Variable, name, value);
                }
                let external = target.external.as_mut();
                let commands = external.map(|external| [&mut external.restart, &mut external.kill]);
                let commands = commands.into_iter().flatten().flatten();
                for word in target.command.iter_mut().chain(commands.flatten()) {
                    visit(Place::Other, "", word);
                }
            }
        }
        match &mut self.load.workload {
            Workload::Stateless(request) => request.each_text(visit),
            Workload::Sessions(flow) => {
                let steps = [&mut flow.login, &mut flow.act, &mut flow.check];
                let more = flow.logout.iter_mut().chain(&mut flow.browse);
                let more = more.chain(flow.more.values_mut());
                for request in steps.into_iter().chain(more) {
                    request.each_text(visit);
                }
            }
        }
    }
}

fn targets_of(arm: &mut Arm) -> impl Iterator<Item = &mut Target> {
    let others = [
        &mut arm.balancer,
        &mut arm.cache,
        &mut arm.store,
        &mut arm.next,
    ];
    std::iter::once(&mut arm.target).chain(others.into_iter().flatten())
}

impl Request {
    fn each_text(&mut self, visit: &mut impl FnMut(Place, &str, &mut String)) {
        for (name, value) in &mut self.expect.headers {
            visit(Place::Named, name, value);
        }
        if let Some(body) = &mut self.expect.body {
            visit(Place::Other, "", body);
        }
        match &mut self.call {
            Call::Command(command) => {
                for word in &mut command.words {
                    visit(Place::Other, "", word);
                }
            }
            Call::Http {
                path,
                headers,
                body,
                ..
            } => {
                visit(Place::Other, "", path);
                for (name, value) in headers {
                    visit(Place::Named, name, value);
                }
                match body {
                    Some(Body::Json(text) | Body::Text(text)) => visit(Place::Other, "", text),
                    Some(Body::Form(fields)) => {
                        for (name, value) in fields {
                            visit(Place::Named, name, value);
                        }
                    }
                    None => {}
                }
            }
        }
    }
}

/// A value that is a word of this program's, such as `{port}`.
fn is_placeholder(value: &str) -> bool {
    let inner = value
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'));
    inner.is_some_and(|name| name.chars().all(|c| c.is_ascii_lowercase()))
}

/// Whether a header contains credentials beyond captured values. `Bearer {{ token }}` contains no secret.
fn proves(name: &str, value: &str) -> bool {
    let is_named = PROVING
        .iter()
        .any(|proving| name.eq_ignore_ascii_case(proving));
    is_named && !parts_of_header(value).is_empty()
}

/// The literal parts of a header's value: the whole value, and the part after a scheme or a cookie's name.
fn parts_of_header(value: &str) -> Vec<String> {
    let mut literal = String::new();
    let mut rest = value;
    while let Some((before, from)) = rest.split_once("{{") {
        let (expression, after) = from.split_once("}}").unwrap_or((from, ""));
        literal.extend([before, CAPTURED]);
        // A text within the expression is as literal as one outside.
        let quoted = expression.split(['"', '\'']).skip(1).step_by(2);
        quoted.for_each(|text| literal.extend([" ", text, " "]));
        rest = after;
    }
    literal.push_str(rest);
    let credential = |word: &str| {
        let value = match word.split_once('=') {
            // The padding of Base64 is not a value.
            Some((_, value)) if !value.trim_matches('=').is_empty() => value,
            _ => word,
        };
        value.trim_matches(['"', '=']).replace(CAPTURED, "")
    };
    let mut parts: Vec<String> = literal.split([' ', ';', ',']).map(credential).collect();
    parts.retain(|part| !part.is_empty() && !SCHEMES.contains(&part.to_lowercase().as_str()));
    if !parts.is_empty() {
        parts.push(value.to_owned());
    }
    parts
}

/// What of a variable's value is looked for in texts: all of it; where placeholders are filled in, what stands as a
/// user and a password in an address.
fn parts_of_value(value: &str) -> Vec<String> {
    let mut parts = vec![value.to_owned()];
    let credentials = value
        .split_once("://")
        .and_then(|(_, rest)| rest.split_once('@'));
    if let Some((user, _)) = credentials {
        parts.push(user.to_owned());
        parts.extend(
            user.split_once(':')
                .map(|(_, password)| password.to_owned()),
        );
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, EventKind};
    use crate::plan::test_plan;
    use crate::units::Elapsed;

    const SENTINEL: &str = "s3nt1nel-ab12";

    fn with_variable(name: &str, value: &str) -> Plan {
        let mut plan = test_plan();
        let environment = &mut plan.arms[0].target.environment;
        environment.insert(name.to_owned(), value.to_owned());
        plan
    }

    fn given(name: &str, value: &str) -> BTreeMap<String, String> {
        BTreeMap::from([(name.to_owned(), value.to_owned())])
    }

    fn stored(plan: &Plan) -> String {
        serde_json::to_string(&plan.masked()).unwrap_or_default()
    }

    #[test]
    fn a_value_of_the_environment_is_not_stored_and_can_be_given_again() {
        let plan = with_variable("API_KEY", SENTINEL);
        assert!(!stored(&plan).contains(SENTINEL));
        let mut again = plan.masked();
        assert_eq!(again.arms[0].target.environment["API_KEY"], MASK);
        assert_eq!(again.masked(), again, "masked once and for all");
        let nothing = BTreeMap::new();
        let error = again.clone().reveal(&nothing, &nothing);
        let error = error.expect_err("it is not there");
        assert!(error.contains("--env 'API_KEY=…'"), "{error}");
        assert_eq!(again.reveal(&given("API_KEY", SENTINEL), &nothing), Ok(()));
        assert_eq!(again, plan);
    }

    #[test]
    fn a_placeholder_is_no_secret() {
        let plan = with_variable("PORT", "{port}");
        assert_eq!(plan.masked(), plan);
        assert!(stored(&with_variable("URL", "http://u:{port}")).contains(MASK));
    }

    #[test]
    fn one_value_given_again_does_not_stand_for_two() {
        let mut plan = with_variable("MODE", "one");
        let mut other = plan.arms[0].clone();
        other.name = "other".to_owned();
        other
            .target
            .environment
            .insert("MODE".to_owned(), "two".to_owned());
        plan.arms.push(other);
        let mut again = plan.masked();
        assert_eq!(
            again.arms.last().expect("it is there").target.environment["MODE"],
            "•••2"
        );
        let error = again.reveal(&given("MODE", "one"), &BTreeMap::new());
        assert!(error.expect_err("which one?").contains("several values"));
    }

    #[test]
    fn headers_that_prove_somebody_are_not_stored_unless_a_reply_gave_them() {
        for (name, value) in [
            ("Authorization", "Bearer s3nt1nel-ab12"),
            ("authorization", "Basic s3nt1nel-ab12=="),
            ("Cookie", "sid=s3nt1nel-ab12; b={{ c }}"),
            ("proxy-authorization", "{{ 's3nt1nel-ab12' }}"),
        ] {
            assert!(proves(name, value), "{name}: {value}");
            let parts = Secrets::of(parts_of_header(value));
            let mut text = "the server said s3nt1nel-ab12!".to_owned();
            parts.hide(&mut text);
            assert_eq!(text, "the server said •••!", "{name}: {value}");
        }
        for (name, value) in [
            ("Authorization", "Bearer {{ token }}"),
            ("authorization", "{{ token }}"),
            ("Cookie", "sid={{ sid }}; b={{ c|urlencode }}"),
            ("Accept", "s3nt1nel-ab12"),
        ] {
            assert!(!proves(name, value), "{name}: {value}");
        }
    }

    #[test]
    fn what_is_marked_is_masked_wherever_it_stands() {
        let mut plan = test_plan();
        plan.marked.insert(SENTINEL.to_owned());
        plan.arms[0]
            .target
            .command
            .push(format!("--key={SENTINEL}"));
        let text = stored(&plan);
        assert!(
            !text.contains(SENTINEL) && text.contains("--key=•••"),
            "{text}"
        );
    }

    #[test]
    fn an_event_quotes_no_secret() {
        let plan = with_variable(
            "DATABASE",
            "postgres://joe:s3nt1nel-ab12@127.0.0.1:{store}/x",
        );
        let mut event = Event {
            at: Elapsed::default(),
            trial: None,
            kind: EventKind::TrialAborted {
                reason: "no login as joe with s3nt1nel-ab12".to_owned(),
            },
        };
        plan.secrets().hide_in(&mut event);
        let EventKind::TrialAborted { reason } = event.kind else {
            panic!("it is the same event");
        };
        assert_eq!(reason, "no login as joe with •••");
    }

    #[test]
    fn a_command_line_is_stored_without_values() {
        let words = [
            "run",
            "--env",
            "A=1",
            "--env=B=2=3",
            "--",
            "x",
            "--env",
            "C=3",
        ];
        let masked = mask_words(words.map(str::to_owned));
        let expected = [
            "run",
            "--env",
            "A=•••",
            "--env=B=•••",
            "--",
            "x",
            "--env",
            "C=3",
        ];
        assert_eq!(masked, expected);
    }
}
