//! The text of a first experiment file.

use std::collections::BTreeMap;

use comeback_experiment::document::TargetPart;
use comeback_model::plan::{Dialect, Protocol};
use comeback_model::units::Span;

use super::Known;
use super::flow::Flow;
use comeback_engine::discover::{Answer, Discovered};

/// The input of a first file.
pub(super) struct Draft<'a> {
    pub(super) known: Known<'a>,
    /// The flow of its sessions, if requests were recorded.
    pub(super) flow: Option<&'a Flow>,
}

/// How long a first start may take, at least.
const READY_WITHIN: Span = Span::from_secs(10);
/// After this time a first answer is worth a word.
const SLOW_START: Span = Span::from_secs(2);

/// A placeholder for a command that is not known yet.
pub(super) const EXAMPLE: [&str; 5] = ["./server", "--port", "{port}", "--data", "{data}"];

impl Draft<'_> {
    /// The whole file.
    pub(super) fn text(&self) -> String {
        let asked = self.known.parts;
        let mut parts = vec![head(asked.trials), self.target(), load(asked.sessions)];
        parts.push(match (&asked.session, self.protocol().dialect()) {
            (Some(session), _) => session.clone(),
            (None, Some(dialect)) => dialect.spec().example.to_owned(),
            (None, None) => self.flow.map_or_else(|| self.http(), Flow::text),
        });
        let faults = asked.faults.clone().unwrap_or_else(fault);
        parts.push(faults + CHAOS);
        let gates = asked.gates.as_deref().unwrap_or(GATE).to_owned();
        parts.push(gates + MORE_GATES);
        parts.join("\n")
    }

    /// Whether it describes the sessions of users.
    fn has_flow(&self) -> bool {
        self.flow.is_some() || self.known.parts.session.is_some()
    }

    fn protocol(&self) -> Protocol {
        let said = self.known.server.target.protocol;
        let seen = || self.known.seen.and_then(|seen| seen.protocol);
        said.or_else(seen).unwrap_or_default()
    }

    fn target(&self) -> String {
        let words: Vec<String> = match self.known.server.command {
            [] => EXAMPLE.map(str::to_owned).to_vec(),
            command => command.to_vec(),
        };
        let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
        let said = self.protocol();
        let protocol = match (said == Protocol::default(), said.spec()) {
            (true, spec) => {
                let others = Protocol::ALL.into_iter().filter(|other| *other != said);
                let others: Vec<&str> = others.map(|other| other.spec().name).collect();
                format!(
                    "# protocol = \"{}\"                       # or {}",
                    spec.name,
                    others.join(", ")
                )
            }
            (false, spec) if spec.is_encrypted => format!(
                "protocol = \"{}\"   # its certificate is not verified",
                spec.name
            ),
            (false, spec) => format!("protocol = \"{}\"", spec.name),
        };
        format!(
            "[target]\n# No shell reads it. {{port}} and {{data}} are filled in at each start. {{here}} is the folder of this file.\n\
             command = [{}]\n{protocol}\n{}{}\n{}\n{}\n{}\n",
            words.join(", "),
            self.rest(),
            self.ready(),
            self.stop(),
            self.restart(),
            self.environment(),
        )
    }

    /// Everything else that was said: where it listens, and how its starts are told apart.
    fn rest(&self) -> String {
        let rest = TargetPart {
            // The file says these in its own way.
            protocol: None,
            ready: None,
            restart: None,
            environment: BTreeMap::new(),
            ..self.known.server.target.clone()
        };
        toml::to_string(&rest).unwrap_or_default()
    }

    fn restart(&self) -> String {
        let restart = self.known.server.target.restart.clone();
        let restart = restart.unwrap_or_default();
        let after = restart.after.map(|pause| format!("after = \"{pause}\""));
        let attempts = restart.attempts;
        let attempts = attempts.map(|attempts| format!("attempts = {attempts}"));
        let said: Vec<String> = after.into_iter().chain(attempts).collect();
        match said.as_slice() {
            [] => {
                "# restart = { after = \"0s\" }              # a pause before it is started again"
                    .to_owned()
            }
            said => format!("restart = {{ {} }}", said.join(", ")),
        }
    }

    fn environment(&self) -> String {
        let variables = self.known.server.target.environment.iter();
        let is_bare = |name: &str| {
            name.chars()
                .all(|sign| sign.is_ascii_alphanumeric() || sign == '_')
        };
        let key = |name: &str| match is_bare(name) {
            true => name.to_owned(),
            false => quoted(name),
        };
        let said =
            variables.map(|(name, value)| format!("{} = {}", key(name), quoted(&value.text)));
        let said: Vec<String> = said.collect();
        match said.as_slice() {
            [] => "# environment = { NAME = \"value\" }".to_owned(),
            said => format!("environment = {{ {} }}", said.join(", ")),
        }
    }

    fn ready(&self) -> String {
        let target = self.known.server.target;
        let seen = || self.known.seen.map_or(READY_WITHIN, within);
        let said = target.ready.as_ref();
        let within = said.and_then(|ready| ready.within).unwrap_or_else(seen);
        let up = |what: &str| format!("ready = {{ {what}, within = \"{within}\" }}");
        if let Some(said) = said {
            let log = said
                .log
                .iter()
                .map(|text| format!("log = {}", quoted(text)));
            let http = said
                .http
                .iter()
                .map(|path| format!("http = {}", quoted(path)));
            let tcp = said.tcp.iter().map(|_| "tcp = true".to_owned());
            if let Some(said) = log.chain(http).chain(tcp).next() {
                return up(&said);
            }
        }
        match self.known.seen {
            None if self.has_flow() => {
                format!("{}   # or {{ http = \"/health\" }}", up("tcp = true"))
            }
            None => format!(
                "{}   # or {{ tcp = true }}, {{ log = \"listening\" }}",
                up("http = \"/health\"")
            ),
            Some(seen) => match (seen.health(), seen.front()) {
                (Some(answer), _) => up(&format!("http = {}", quoted(&answer.path))),
                (None, Some(front)) if front.is_good() => up("http = \"/\""),
                (None, _) => up("tcp = true"),
            },
        }
    }

    fn stop(&self) -> String {
        let stop = "stop = { signal = \"TERM\", grace = \"5s\" }";
        match self.known.seen {
            None => stop.to_owned(),
            Some(seen) => {
                let (exit, after) = &seen.stopped;
                format!("{stop}   # it {exit} after {:.0} ms", after.as_ms())
            }
        }
    }

    fn http(&self) -> String {
        let front = self.known.seen.and_then(Discovered::front);
        let operation = match (self.known.seen, front) {
            (None, _) => "/".to_owned(),
            (Some(_), Some(front)) if front.is_good() => "/".to_owned(),
            (Some(seen), _) => {
                // What the flags say is ready is asked for rather than what may tell of health.
                let ready = self.known.server.target.ready.as_ref();
                let said = ready.and_then(|ready| ready.http.clone());
                let health = || seen.health().map(|answer| answer.path.clone());
                said.or_else(health).unwrap_or_else(|| "/".to_owned())
            }
        };
        let note = match front {
            Some(front) if !front.is_good() => format!(
                "# GET / was answered with {}: name a request that your users make.\n",
                front.status
            ),
            Some(_) | None => String::new(),
        };
        let cookies = self.known.seen.map(cookies).unwrap_or_default();
        let seen = match cookies.as_slice() {
            [] => String::new(),
            names => format!(
                "# It set the cookie{} {}: it seems to have sessions.\n",
                if names.len() == 1 { "" } else { "s" },
                names.join(", ")
            ),
        };
        format!(
            "# Without sessions: every user makes this one request.\n{note}[operation]\nrequest = {}\n\n{seen}{SESSION}",
            quoted(&format!("GET {operation}"))
        )
    }
}

/// How long a first start may take: three times as long as this one, in whole steps.
fn within(seen: &Discovered) -> Span {
    let step = READY_WITHIN.as_secs();
    let steps = (seen.answering_after.as_secs() * 3.0 / step)
        .ceil()
        .max(1.0);
    Span::from_secs((steps * step) as u64)
}

/// The observations, one line each.
pub(super) fn tell(seen: &Discovered, has_flow: bool) -> Vec<String> {
    let mut lines = vec![match seen.protocol {
        Some(protocol) => format!(
            "it speaks {}, and accepted a connection after {:.0} ms",
            protocol.spec().label,
            seen.listening_after.as_ms()
        ),
        None => {
            let dialects: Vec<&str> = Dialect::all().map(|dialect| dialect.spec().name).collect();
            format!(
                "it accepts connections, but answered neither HTTP, HTTPS nor {}",
                dialects.join(" nor ")
            )
        }
    }];
    let good: Vec<&str> = seen
        .answers
        .iter()
        .filter(|answer| answer.is_good())
        .map(|answer| answer.path.as_str())
        .collect();
    if !good.is_empty() {
        lines.push(match seen.answering_after > SLOW_START {
            false => format!("it answered with a 2xx: {}", good.join(", ")),
            true => format!(
                "it answered with a 2xx: {}, {:.1} s after its start",
                good.join(", "),
                seen.answering_after.as_secs()
            ),
        });
    }
    let cookies = cookies(seen);
    if !cookies.is_empty() && !has_flow {
        lines.push(format!(
            "it sets {}: describe its sessions in the file",
            cookies.join(", ")
        ));
    }
    let (exit, after) = &seen.stopped;
    lines.push(format!(
        "asked to stop, it {exit} after {:.0} ms",
        after.as_ms()
    ));
    lines
}

fn cookies(seen: &Discovered) -> Vec<String> {
    let mut names: Vec<String> = seen
        .answers
        .iter()
        .flat_map(|answer: &Answer| answer.cookies.clone())
        .collect();
    names.sort();
    names.dedup();
    names
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// So many crashes, if that is said.
fn head(trials: Option<u32>) -> String {
    let trials = trials.unwrap_or(6);
    format!(
        r##"# An experiment for comeback: what happens to users when the server is killed.
#   comeback validate FILE   checks it      comeback explain FILE   shows what would happen
#   comeback run FILE        does it        comeback schema experiment > experiment.schema.json, for editors

trials = {trials}        # crashes; six are the fewest that give a median an interval
controls = 1      # trials without a crash: problems in them have another cause
# seed = 7        # default: each run draws one and prints it
# extend_to = 20  # up to so many crashes, if a gate needs more
"##
    )
}

/// So many users, if that is said.
fn load(sessions: Option<u32>) -> String {
    let sessions = sessions.unwrap_or(50);
    format!(
        r#"[load]
sessions = {sessions}         # users, each with a connection
rate = "auto"         # operations per second, all users together: half of what the server bears
timeout = "2s"
# objective = "200ms" # a correct reply within this time counts as available
"#
    )
}

const SESSION: &str = r#"# With sessions, describe one instead, and remove [operation]:
# [session]
# value = "/visits"                                 # where replies show the state: a JSON pointer, $.json.path,
#                                                   # header:NAME, cookie:NAME, regex:PATTERN, body
# identity = { at = "/user", name = "u{{ session }}" }   # where replies name the user
# [session.login]                                   # its acknowledgement begins the session
# request = "POST /login"
# json = { user = "u{{ session }}" }                # or form = { ... }, or text = "..."
# [session.act]                                     # an acknowledged change: adds one to the state
# request = "POST /visit"
# [session.check]                                   # shows the state, and changes nothing
# request = "GET /me"
"#;

/// The default fault, with others that need no more than their name.
fn fault() -> String {
    let kinds = comeback_faults::plain();
    let (first, others) = kinds.split_first().unwrap_or((&"", &[]));
    let others = others.join(", ");
    format!(
        r#"[[fault]]
kind = "{first}"         # or {others}
at = "1s"             # the load runs undisturbed first
spread = "250ms"      # the moment is drawn from this span after it
"#
    )
}

const CHAOS: &str = "# [chaos] in place of [[fault]] has the seed draw several in each trial: comeback schema experiment --markdown\n";

const GATE: &str = r#"[gate]                # added to the default gates: the server comes back, and with a [session] nothing is lost
"outage.median" = "< 5s"   # a first bound: put your own here
"#;

const MORE_GATES: &str = "# \"error_rate.after\" = \"<= 0.1%\"\n";
