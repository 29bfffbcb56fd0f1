//! From text to plan. Wrong files, and how they are told, are tested with the whole program (`bad_input`).

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod chaos;

use std::path::Path;

use comeback_faults::Faults;
use comeback_model::ids::{FaultId, Incarnation, Seed};
use comeback_model::plan::{
    Arrivals, Body, Call, Command, Dialect, Extract, Plan, Protocol, ReadyProbe, Request,
    SessionFlow, Signal, StatusRange, Workload, Writes,
};
use comeback_model::units::Span;
use proptest::prelude::*;

use super::*;

const LEAST: &str = "[target]\ncommand = [\"./shop\", \"{port}\"]\n";

fn resolved(text: &str) -> Resolved {
    let file = File::parse(Path::new("/srv/shop.toml"), text.to_owned(), &Faults);
    let file = file.unwrap_or_else(|error| panic!("{error}"));
    file.resolve(&Faults)
        .unwrap_or_else(|error| panic!("{error}"))
}

fn plan(text: &str) -> Plan {
    resolved(text).plan
}

/// A flow whose steps are these lines.
fn flow(more: &str) -> SessionFlow {
    let text = format!(
        "{LEAST}[session.login]\nrequest = \"POST /login\"\n[session.act]\nrequest = \"POST /act\"\n\
         [session.check]\nrequest = \"GET /me\"\n{more}"
    );
    match plan(&text).load.workload {
        Workload::Sessions(flow) => *flow,
        Workload::Stateless(_) => panic!("no sessions"),
    }
}

fn body(request: &Request) -> Option<&Body> {
    match &request.call {
        Call::Http { body, .. } => body.as_ref(),
        Call::Command(_) => panic!("not HTTP"),
    }
}

#[test]
fn the_least_that_can_be_said_is_a_command() {
    let plan = plan(LEAST);
    assert_eq!(plan.name, "shop");
    assert_eq!((plan.trials, plan.extend_to, plan.controls), (6, 6, 1));
    assert_eq!(plan.replacements, 2);
    assert_eq!(plan.arms.len(), 1);
    assert_eq!(plan.arms[0].name, "shop");
    assert_eq!(plan.arms[0].target.command, ["./shop", "{port}"]);
    assert_eq!(
        plan.arms[0].target.ready.probe,
        ReadyProbe::Http("/".to_owned())
    );
    assert_eq!(
        plan.load.workload,
        Workload::Stateless(Box::new(Request::new("GET", "/")))
    );
    let gates: Vec<String> = plan.gates.iter().map(ToString::to_string).collect();
    assert_eq!(gates, ["unrecovered == 0"]);
    assert_eq!(plan.faults[0].kind, "kill");
}

#[test]
fn everything_that_is_said_arrives_in_the_plan() {
    let text = r#"
name = "other"
trials = 3
controls = 2
extend_to = 9
replacements = 1
seed = 11
[target]
command = ["{here}/shop", "{data}/shop.sock"]
protocol = "h2c"
socket = "{data}/shop.sock"
environment = { HOME = "{here}", WORKERS = 4 }
ready = { log = "listening", within = "3s" }
stop = { signal = "INT", grace = "1s" }
restart = { after = "250ms", attempts = 5, backoff = "50ms" }
boot_header = "x-start"
[load]
sessions = 7
rate = 12.5
arrivals = "constant"
timeout = "1s"
objective = "200ms"
workers = 2
floor = 0.5
[[fault]]
kind = "terminate"
at = "700ms"
spread = "100ms"
lands_within = "9s"
[windows]
warm_up = "50ms"
settle = "900ms"
horizon = "20s"
window = "60ms"
steady_for = "600ms"
[gate]
lost_sessions = 0
"time_to_ready.median" = ["< 2s", ">= 1ms"]
"#;
    let Resolved { plan, seed, .. } = resolved(text);
    assert_eq!(seed, Some(Seed(11)));
    assert_eq!(plan.name, "other");
    assert_eq!((plan.trials, plan.controls, plan.extend_to), (3, 2, 9));
    assert_eq!(plan.replacements, 1);
    let target = &plan.arms[0].target;
    assert_eq!(target.command, ["/srv/shop", "{data}/shop.sock"]);
    assert_eq!(target.protocol, Protocol::H2c);
    assert_eq!(target.socket.as_deref(), Some("{data}/shop.sock"));
    assert_eq!(target.environment["HOME"], "/srv");
    assert_eq!(target.environment["WORKERS"], "4");
    assert_eq!(target.ready.probe, ReadyProbe::Log("listening".to_owned()));
    assert_eq!(target.ready.within, Span::from_secs(3));
    assert_eq!(target.stop.signal, Signal::Int);
    assert_eq!(target.stop.grace, Span::from_secs(1));
    assert_eq!(target.restart_after, Span::from_ms(250));
    let pauses = (0..7).map(|start| target.attempts.pause_after(Incarnation(start)));
    let pauses: Vec<u64> = pauses.flatten().map(Span::as_us).collect();
    assert_eq!(pauses, [50_000, 100_000, 200_000, 400_000], "five starts");
    assert_eq!(target.boot_header.as_deref(), Some("x-start"));
    let load = &plan.load;
    assert_eq!((load.clients, load.rate, load.workers), (7, 12.5, 2));
    assert_eq!(load.arrivals, Arrivals::Constant);
    assert_eq!(load.timeout, Span::from_secs(1));
    assert_eq!(load.objective, Some(Span::from_ms(200)));
    assert_eq!(load.floor, 0.5);
    assert_eq!(plan.faults[0].kind, "terminate");
    assert_eq!(plan.faults[0].jitter, Span::from_ms(100));
    assert_eq!(plan.faults[0].lands_within, Span::from_secs(9));
    let windows = plan.windows;
    assert_eq!(windows.baseline, Span::from_ms(700));
    assert_eq!(windows.warm_up, Span::from_ms(50));
    assert_eq!(windows.settle, Span::from_ms(900));
    assert_eq!(windows.horizon, Span::from_secs(20));
    assert_eq!(windows.window, Span::from_ms(60));
    assert_eq!(windows.steady_for, Span::from_ms(600));
    let gates: Vec<String> = plan.gates.iter().map(ToString::to_string).collect();
    assert_eq!(
        gates,
        [
            "unrecovered == 0",
            "lost_sessions == 0",
            "time_to_ready.median < 2s",
            "time_to_ready.median >= 1ms",
        ]
    );
}

#[test]
fn what_nobody_may_lose_is_demanded_where_nothing_is_said_of_it() {
    let demanded = |head: &str, more: &str| {
        let text = format!(
            "{head}\n[target]\ncommand = [\"shop\", \"{{port}}\"]\n[session]\nlogin = {{ request \
             = \"POST /login\" }}\nact = {{ request = \"POST /visit\" }}\ncheck = {{ request = \"GET /me\" }}\n{more}"
        );
        let Resolved {
            plan,
            default_gates,
            ..
        } = resolved(&text);
        let gates: Vec<String> = plan.gates.iter().map(ToString::to_string).collect();
        assert!(
            gates.starts_with(
                &default_gates
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
            )
        );
        (gates, default_gates.len())
    };
    let usual = ["unrecovered == 0", "lost_sessions == 0", "lost_writes == 0"];
    let shown = "value = \"/visits\"\n";
    assert_eq!(demanded("", shown), (usual.map(str::to_owned).to_vec(), 3));
    // Nobody can see writes that no reply shows.
    assert_eq!(demanded("", "").0, usual[..2]);
    // Where users log out, a crash must not bring their sessions back.
    let logs_out = |share: &str| {
        format!(
            "mix = {{ act = 1, check = 1{share} }}\nlogout = {{ request = \"POST /logout\" }}\n"
        )
    };
    let (gates, defaults) = demanded("", &logs_out(", logout = 1"));
    assert_eq!(gates[..2], usual[..2]);
    assert_eq!(gates[2..], ["zombie_sessions == 0 if the control has none"]);
    assert_eq!(defaults, 3);
    assert_eq!(demanded("", &logs_out(", logout = 0")).0, usual[..2]);
    // A gate of one's own replaces the default of the same metric, and no other.
    let own =
        format!("{shown}[gate]\nlost_sessions = \"<= 3\"\n\"time_to_ready.max\" = \"< 2s\"\n");
    let expected = [
        usual[0],
        usual[2],
        "lost_sessions <= 3",
        "time_to_ready.max < 2s",
    ];
    assert_eq!(
        demanded("", &own),
        (expected.map(str::to_owned).to_vec(), 2)
    );
    assert_eq!(demanded("default_gates = false", &own).0, expected[2..]);
    assert_eq!(demanded("default_gates = false", shown).0, [""; 0]);
}

#[test]
fn beside_a_revision_the_default_gates_compare_with_it() {
    let demanded = |gates: &str| {
        let steps = "login = { request = \"POST /login\" }\nact = { request = \"POST /visit\" }\ncheck = { request = \"GET /me\" }";
        let text = format!(
            "[target]\ncommand = [\"shop\", \"{{port}}\"]\n[session]\nvalue = \"/visits\"\n{steps}\n[gate]\n{gates}"
        );
        let file = File::parse(Path::new("/srv/shop.toml"), text, &Faults).expect("it is one");
        let mut document = file.document.clone();
        document.beside_revision = true;
        let plan = resolve(&document, &file.origin(), &Faults)
            .expect("it works")
            .plan;
        plan.gates
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    let usual = [
        "unrecovered == 0",
        "lost_sessions <= baseline",
        "lost_writes <= baseline",
        "time_to_ready.median <= baseline + 20% + 250ms",
    ];
    assert_eq!(demanded(""), usual);
    // Who compares something else has said what matters; a bound says nothing of that.
    let own = demanded("\"outage.median\" = \"<= baseline\"");
    assert_eq!(own[..3], usual[..3]);
    assert_eq!(own[3..], ["outage.median <= baseline"]);
    let own = demanded("lost_sessions = 0");
    assert_eq!(own, [usual[0], usual[2], usual[3], "lost_sessions == 0"]);
}

#[test]
fn what_builds_a_server_is_a_command_and_each_is_run_once() {
    let resolved = resolved(
        "[target]\ncommand = [\"shop\", \"{port}\"]\nbuild = [\"make\", \"{here}/shop\"]\n[[arm]]\nname = \"a\"\n[[arm]]\n\
         name = \"b\"\ntarget = { build = [\"make\", \"b\"] }\n[[arm]]\nname = \"c\"\ntarget = { build = [\"make\", \"b\"] }\n",
    );
    assert_eq!(resolved.builds, [["make", "/srv/shop"], ["make", "b"]]);
}

#[test]
fn a_session_is_described_by_its_steps() {
    // Behind the last step, which is the check.
    let flow = flow("follow = 1\n");
    assert_eq!(flow.check.follow, 1);
    assert_eq!((flow.mix.act, flow.mix.check, flow.mix.logout), (70, 30, 0));
    assert_eq!(flow.writes, Writes::Counter);
}

#[test]
fn every_part_of_a_step_arrives_in_the_plan() {
    let flow = flow(
        r#"
[session.logout]
request = "POST /logout"
headers = { authorization = "Bearer {{ csrf }}", "x-n" = 3 }
form = { csrf = "{{ csrf }}", remember = true }
expect = { status = [204, "3xx"], body = "bye", headers = { location = "/" } }
capture = { token = "header:x-token" }
before = ["page"]
follow = 4
value = "body"
[session.step.page]
request = "GET /logout"
capture = { csrf = 'regex:value="(\w+)"' }
"#,
    );
    let logout = flow.logout.unwrap();
    let Call::Http { headers, .. } = &logout.call else {
        panic!("not HTTP");
    };
    assert_eq!(headers["authorization"], "Bearer {{ csrf }}");
    assert_eq!(headers["x-n"], "3");
    let Some(Body::Form(fields)) = body(&logout) else {
        panic!("no form");
    };
    assert_eq!(fields["remember"], "true");
    let range = |first, last| StatusRange { first, last };
    assert_eq!(logout.expect.status, [range(204, 204), range(300, 399)]);
    assert_eq!(logout.expect.body.as_deref(), Some("bye"));
    assert_eq!(logout.expect.headers["location"], "/");
    assert_eq!(logout.capture["token"], Extract::Header("x-token".into()));
    assert_eq!(logout.before, ["page"]);
    assert_eq!(logout.follow, 4);
    assert_eq!(logout.value, Some(Extract::Body));
    assert!(flow.more.contains_key("page"));
    assert_eq!((flow.mix.act, flow.mix.check, flow.mix.logout), (70, 28, 2));
}

#[test]
fn json_is_written_as_toml_and_templates_in_it_stay_templates() {
    for (toml, json) in [
        (
            r#"{ user = "u{{ session }}" }"#,
            r#"{"user":"u{{ session }}"}"#,
        ),
        (
            r#"{ a = [1, 2.5, true, "x"] }"#,
            r#"{"a":[1,2.5,true,"x"]}"#,
        ),
        (r#"{ a = 'say "hi"' }"#, r#"{"a":"say \"hi\""}"#),
        // What the template engine reads is not JSON yet.
        (
            r#"{ a = '"{{ session ~ "\n" }}"' }"#,
            r#"{"a":"\"{{ session ~ "\n" }}\""}"#,
        ),
        (
            r#"{ a = "{% if login %}x{% endif %}" }"#,
            r#"{"a":"{% if login %}x{% endif %}"}"#,
        ),
        (r#"{ a = "{{ never closed" }"#, r#"{"a":"{{ never closed"}"#),
        (r#"'{"a": null}'"#, r#"{"a": null}"#),
    ] {
        let value: toml::Table = format!("json = {toml}").parse().unwrap();
        assert_eq!(json::to_template(&value["json"]), json, "{toml}");
    }
}

#[test]
fn the_first_session_of_each_dialect_is_valid() {
    for protocol in Protocol::ALL {
        let Some(dialect) = protocol.dialect() else {
            continue;
        };
        let (name, example) = (protocol.spec().name, dialect.spec().example);
        let plan = plan(&format!("{LEAST}protocol = \"{name}\"\n{example}"));
        assert!(matches!(plan.load.workload, Workload::Sessions(_)));
    }
}

#[test]
fn redis_steps_are_commands() {
    let text = "[target]\ncommand = [\"redis-server\", \"--port\", \"{port}\"]\nprotocol = \"redis\"\n\
                [session]\nvalue = \"/1\"\n[session.login]\nrequest = \"SET n:{{ session }} 0\"\n\
                [session.act]\nrequest = \"INCR n:{{ session }}\"\n[session.check]\nrequest = \"GET n:{{ session }}\"\n";
    let Workload::Sessions(flow) = plan(text).load.workload else {
        panic!("no sessions");
    };
    let words = ["INCR", "n:{{ session }}"].map(str::to_owned);
    assert_eq!(
        flow.act.call,
        Call::Command(Command {
            dialect: Dialect::Redis,
            words: words.to_vec()
        })
    );
}

#[test]
fn an_arm_overrides_what_it_names_and_keeps_the_rest() {
    let text = r#"
[target]
command = ["./shop", "{port}"]
environment = { A = "1", B = "2" }
ready = { http = "/health", within = "3s" }
boot_header = "x-boot"
[[arm]]
name = "v1"
about = "in production"
[[arm]]
name = "v2"
baseline = "v1"
[arm.target]
command = ["./shop2", "{port}"]
environment = { B = "3", C = "4" }
ready = { within = "9s" }
"#;
    let arms = plan(text).arms;
    let [v1, v2] = arms.as_slice() else {
        panic!("two arms");
    };
    assert_eq!(
        (v1.name.as_str(), v1.about.as_str()),
        ("v1", "in production")
    );
    assert_eq!(v1.target.command[0], "./shop");
    assert_eq!(v2.baseline.as_deref(), Some("v1"));
    assert_eq!(v2.target.command[0], "./shop2");
    let environment: Vec<(&str, &str)> = v2
        .target
        .environment
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(environment, [("A", "1"), ("B", "3"), ("C", "4")]);
    assert_eq!(
        v2.target.ready.probe,
        ReadyProbe::Http("/health".to_owned())
    );
    assert_eq!(v2.target.ready.within, Span::from_secs(9));
    assert_eq!(v2.target.boot_header.as_deref(), Some("x-boot"));
}

#[test]
fn every_problem_is_told_with_its_place() {
    let text = "trails = 3\n[target]\ncommand = [\"./x\", \"{port}\"]\n[load]\n  sesions = 4\n";
    let error = File::parse(Path::new("a.toml"), text.to_owned(), &Faults).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a.toml:1:1: unknown key 'trails' (did you mean 'trials'?)\n\
         a.toml:5:3: unknown key 'sesions' in [load] (did you mean 'sessions'?)"
    );
}

/// The lines of what is wrong with a file that is used as it is.
fn wrong_with(text: &str) -> Vec<(usize, String)> {
    let refused = match File::parse(Path::new("a.toml"), text.to_owned(), &Faults) {
        Ok(file) => file.resolve(&Faults).expect_err("it is refused"),
        Err(refused) => refused.with_rules(&Faults),
    };
    let wrong = refused.problems().iter();
    wrong
        .map(|wrong| (wrong.line, wrong.message.clone()))
        .collect()
}

#[test]
fn unknown_keys_wrong_types_and_broken_rules_are_told_together() {
    let text = "trails = 3\n[target]\ncommand = [\"./x\", \"{port}\"]\n[load]\ntimeout = 5\nsessions = \"many\"\n\
                [[arm]]\nname = \"a\"\n[[arm]]\nname = 7\n[gate]\nspeed = 3\nlost_sessions = true\n";
    let wrong = wrong_with(text);
    let told = [
        (1, "unknown key 'trails'"),
        (5, "invalid type"),
        (6, "invalid type"),
        (10, "invalid type"),
        (12, "'speed' is not a metric"),
        (13, "a bound such as 0"),
    ];
    let lines: Vec<usize> = wrong.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, told.map(|(line, _)| line), "{wrong:?}");
    for ((_, message), (line, part)) in wrong.iter().zip(told) {
        assert!(message.contains(part), "{line}: {message}");
    }
}

#[test]
fn all_broken_rules_of_the_plan_are_told_each_once() {
    let text = "trials = 0\n[target]\ncommand = [\"./x\", \"{port}\"]\nboot_header = \"a b\"\nready = { http = \"/\", within = \"0s\" }\n\
                [load]\nsessions = 0\ntimeout = \"0s\"\nlooks = 0\n[windows]\nsettle = \"10ms\"\nhorizon = \"0s\"\n\
                [[arm]]\nname = \"a\"\n[[arm]]\nname = \"a\"\n";
    let wrong = wrong_with(text);
    let lines: Vec<usize> = wrong.iter().map(|(line, _)| *line).collect();
    // What the two arms share is told once.
    assert_eq!(lines, [1, 4, 5, 7, 8, 9, 11, 12, 16], "{wrong:?}");
}

#[test]
fn what_follows_from_a_mistake_that_is_told_is_not_told_beside_it() {
    let server = "[target]\ncommand = [\"./x\", \"{port}\"]\n";
    for (text, line) in [
        // Without its command, the server has none.
        ("[target]\ncomand = [\"./x\", \"{port}\"]\n".to_owned(), 2),
        ("[target]\ncommand = \"./x\"\n".to_owned(), 2),
        ("[targets]\ncommand = [\"./x\", \"{port}\"]\n".to_owned(), 1),
        // Without its request, a step is none, and without a step, there is no session to ask after.
        (
            format!(
                "{server}[session.login]\nrequst = \"POST /login\"\n[session.act]\nrequest = \"POST /a\"\n[session.check]\n\
                 request = \"GET /me\"\n[gate]\nlost_sessions = 0\n"
            ),
            4,
        ),
        // The pause would be longer than the usual horizon.
        (
            format!("{server}restart = {{ after = \"40s\" }}\n[windows]\nhorizon = 60\n"),
            5,
        ),
    ] {
        let wrong = wrong_with(&text);
        let lines: Vec<usize> = wrong.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [line], "{text}\n{wrong:?}");
    }
}

#[test]
fn the_checked_in_schema_is_the_one_this_program_prints() {
    let stored = include_str!("../../experiments/experiment.schema.json");
    let stored: serde_json::Value = serde_json::from_str(stored).unwrap();
    assert!(
        stored == json_schema(&Faults),
        "experiments/experiment.schema.json is not what `comeback schema experiment` prints: write it again"
    );
}

proptest! {
    /// Whatever stands in a file, it is read or refused, with places that exist.
    #[test]
    fn any_text_is_read_or_refused(text in "(\\[\\[?(target|load|session|arm|gate|fault|operation)\\]?\\]\n|[a-z_]{1,9} = ([0-9]{1,3}|\"[ -~é]{0,9}\"|\\{\\}|\\[\\])\n|[ -~]{0,5}\n){0,12}") {
        let refused = match File::parse(Path::new("x.toml"), text.clone(), &Faults) {
            Ok(file) => file.resolve(&Faults).err(),
            Err(error) => Some(error.with_rules(&Faults)),
        };
        if let Some(error) = refused {
            prop_assert!(!error.problems().is_empty());
            prop_assert!(!error.render(false).is_empty());
            for wrong in error.problems() {
                prop_assert!(wrong.line <= text.matches('\n').count() + 1, "{}", error);
            }
        }
    }
}

#[test]
fn what_is_shown_of_a_wrong_file_cannot_steer_the_terminal() {
    // As it stands, and as an escape that the message then holds.
    let raw = "\"\u{1b}[31m\u{7f}\u{9b}\" = 1\n";
    let escaped = "\"\\u001b[31m\\u007f\\u009b\" = 'x\u{9b}31m'\n";
    for (path, text) in [
        ("shop.toml", raw),
        ("shop.toml", escaped),
        ("sh\u{1b}[31m\u{9b}op.toml", escaped),
    ] {
        let refused = File::parse(Path::new(path), text.to_owned(), &Faults).unwrap_err();
        let shown = refused.render(false);
        let steers = |letter: char| letter.is_control() && letter != '\n';
        assert!(!shown.contains(steers), "{shown:?}");
        assert!(shown.contains("op.toml:1:"), "{shown}");
        // What is left are the colors.
        let colored = refused.render(true);
        assert!(!colored.contains(['\u{9b}', '\u{7f}']), "{colored:?}");
        assert!(!colored.contains("\u{1b}[31mop"), "{colored:?}");
    }
}

#[test]
fn a_family_that_cannot_be_is_shown_where_it_stands() {
    let text = "[target]\ncommand = [\"server\", \"{port}\"]\n\n[[arm]]\nname = \"one\"\n\n[[arm]]\nname = \"two\"\nfamily = \"a/b\"\n";
    let file = File::parse(Path::new("a.toml"), text.to_owned(), &Faults).expect("it is read");
    let refused = file.resolve(&Faults).expect_err("it is refused");
    let places = refused
        .problems()
        .iter()
        .map(|wrong| (wrong.line, wrong.column));
    assert_eq!(places.collect::<Vec<_>>(), [(9, 10)]);
}

#[test]
fn each_gate_of_a_file_is_found_where_it_stands() {
    let text = format!(
        "{LEAST}\n[gate]\nunrecovered = 0\n\"outage.median\" = [\n  \"< 2s\",\n  \"<= baseline + 20%\",\n]\n"
    );
    let file = File::parse(Path::new("a.toml"), text, &Faults).expect("it is read");
    let places = file.gate_places();
    let places: Vec<(&str, (usize, usize))> = places
        .iter()
        .map(|(gate, place)| (gate.as_str(), *place))
        .collect();
    assert_eq!(
        places,
        [
            ("outage.median < 2s", (7, 3)),
            ("outage.median <= baseline + 20%", (8, 3)),
            ("unrecovered == 0", (5, 15)),
        ]
    );
    // The texts are those of the plan.
    let gates = file.resolve(&Faults).expect("a plan").plan.gates;
    for (gate, _) in places {
        assert!(gates.iter().any(|one| one.to_string() == gate), "{gate}");
    }
    let file = File::parse(Path::new("a.toml"), LEAST.to_owned(), &Faults).expect("it is read");
    assert!(file.gate_places().is_empty());
}

/// A file with these faults, and what it resolves to.
fn with_faults(faults: &str) -> Result<Resolved, Unreadable> {
    let text = format!("[target]\ncommand = [\"server\", \"{{port}}\"]\n{faults}");
    File::parse(Path::new("a.toml"), text, &Faults)?.resolve(&Faults)
}

#[test]
fn one_fault_may_be_a_table_instead_of_a_list_of_one() {
    let fault = "kind = \"pause\"\nlasts = \"2s\"\nat = \"3s\"\n";
    let table = with_faults(&format!("[fault]\n{fault}")).expect("it is read");
    let list = with_faults(&format!("[[fault]]\n{fault}")).expect("it is read");
    assert_eq!(table.plan, list.plan);
    assert_eq!(table.plan.windows.baseline, Span::from_secs(3));
}

#[test]
fn what_is_wrong_with_a_fault_is_shown_where_it_stands_in_either_form() {
    for (faults, line, what) in [
        (
            "[fault]\nkind = \"pause\"\nlasts = \"0s\"\n",
            5,
            "a pause needs a length",
        ),
        (
            "[[fault]]\nkind = \"pause\"\nlasts = \"0s\"\n",
            5,
            "a pause needs a length",
        ),
        (
            "[fault]\nafter = \"1s\"\n",
            4,
            "set the moment of the first one with `at`",
        ),
        ("[fault]\nlasst = \"1s\"\n", 4, "did you mean 'lasts'?"),
        ("[[fault]]\n[[fault]]\nat = \"1s\"\n", 5, "use after"),
        (
            "[[fault]]\n[[fault]]\nkind = \"no\"\n",
            5,
            "there is no fault 'no'",
        ),
    ] {
        let refused = with_faults(faults).expect_err(faults);
        let mut problems = refused.problems().iter();
        let told = problems.find(|problem| problem.told().contains(what));
        assert_eq!(told.map(|told| told.line), Some(line), "{refused}");
    }
}

#[test]
fn what_cannot_be_a_surrounding_and_what_can_only_be_one_are_refused_by_name() {
    let limit = "kind = \"descriptor_limit\"\nopen = 32\n";
    let resolved = with_faults(&format!("[surroundings]\n{limit}")).expect("it is read");
    let plan = resolved.plan;
    assert_eq!(plan.surroundings[0].parameters["open"], 32);
    assert_eq!(plan.named_surroundings().next().unwrap().0, FaultId(1));
    for (faults, line, what) in [
        (
            format!("[[fault]]\n{limit}"),
            4,
            "say how long it lasts, or name it under [[surroundings]]",
        ),
        (
            "[[fault]]\nkind = \"pause\"\nlasts = \"1h\"\n".to_owned(),
            5,
            "outlasts the horizon",
        ),
        (
            format!("[[surroundings]]\n{limit}lasts = \"1s\"\n"),
            4,
            "make it a fault",
        ),
        (
            "[[surroundings]]\nkind = \"kill\"\n".to_owned(),
            4,
            "make it a fault",
        ),
        (
            "[surroundings]\nkind = \"descriptor_limit\"\nopen = 3\n".to_owned(),
            5,
            "no server can start",
        ),
        (
            "[surroundings]\nopen = 3\n".to_owned(),
            3,
            "missing field `kind`",
        ),
    ] {
        let refused = with_faults(&faults).expect_err(&faults);
        let first = &refused.problems()[0];
        assert!(first.told().contains(what), "{refused}");
        assert_eq!(first.line, line, "{refused}");
    }
}

#[test]
fn a_fault_of_the_command_line_is_the_one_of_a_file() {
    let file = "[fault]\nkind = \"rolling_restart\"\ntarget = \"replica:0\"\ndrain = false\nafter = \"0s\"\n";
    let text = format!("{LEAST}{file}");
    let file = File::parse(Path::new("a.toml"), text, &Faults).unwrap();
    let typed = "rolling-restart:target=replica:0,drain=false,after=0s";
    assert_eq!(typed.parse(), Ok(file.document.fault[0].clone()));
    for (typed, what) in [
        ("pause:lasts", "'lasts' has no value"),
        ("pause:lasts=1s,lasts=2s", "two values"),
        ("kill:target=moon", "'moon' is not a target"),
    ] {
        let refused = typed.parse::<document::FaultPart>().unwrap_err();
        assert!(refused.contains(what), "{refused}");
    }
}

#[test]
fn a_node_has_one_disk_that_forgets() {
    let loss = |disk: &str, target: &str| {
        format!(
            "[[fault]]\nkind = \"power_loss\"\ndisk = \"{disk}\"\nafter = \"0s\"\ntarget = \"{target}\"\n"
        )
    };
    let pair = |one: &str, other: &str, target: &str| loss(one, "replica:0") + &loss(other, target);
    for (faults, is_well) in [
        (pair("strict", "strict", "replica:any"), true),
        (pair("strict", "ext4", "replicas:all"), false),
        (pair("lazy", "ext4", "replica:0"), false),
        (
            loss("lazy", "replica:0") + "[[fault]]\nkind = \"kill\"\n",
            true,
        ),
    ] {
        match with_faults(&faults) {
            Ok(_) => assert!(is_well, "{faults}"),
            Err(refused) => {
                assert!(!is_well, "{refused}");
                let told = refused.problems()[0].told();
                assert!(told.contains("here, too"), "{told}");
            }
        }
    }
}

/// The problem of a text of which all but the problem is right.
fn refused(text: &str) -> Unreadable {
    match File::parse(Path::new("a.toml"), text.to_owned(), &Faults) {
        Ok(file) => file.resolve(&Faults).expect_err(text),
        Err(refused) => refused,
    }
}

#[test]
fn a_problem_of_the_plan_as_a_whole_is_shown_where_it_was_said() {
    const TARGET: &str = "[target]\ncommand = [\"server\", \"{port}\"]\n";
    const USERS: &str = "[session.login]\nrequest = \"POST /login\"\n[session.act]\nrequest = \"POST /act\"\n\
        [session.check]\nrequest = \"GET /me\"\n";
    let proxy = "command = [\"proxy\", \"{port}\"]\n";
    // Each follows the target's two lines.
    let mut cases: Vec<(String, usize, &str)> = [
        (
            "[[fault]]\nkind = \"deploy\"\n",
            4,
            "what replaces the server?",
        ),
        (
            "[deploy]\ncommand = [\"new\", \"{port}\"]\n",
            3,
            "no fault of this plan replaces",
        ),
        (
            "[[arm]]\nname = \"a\"\n[arm.deploy]\ncommand = [\"new\", \"{port}\"]\n",
            5,
            "no fault of this plan replaces",
        ),
        (
            "[[arm]]\nname = \"a\"\n[[fault]]\nkind = \"deploy\"\n",
            6,
            "what replaces the server?",
        ),
        ("[windows]\nwindow = \"600ms\"\n", 4, "at least two windows"),
        (
            "[storm]\n[[surroundings]]\nkind = \"connections\"\ndelay = \"5ms\"\n",
            4,
            "the surroundings",
        ),
        ("[storm]\nkills = 5\n", 3, "describe a session"),
        (
            "[storm]\n[operation]\nrequest = \"GET /\"\n",
            4,
            "describe a session",
        ),
        (
            "[storm]\n[[arm]]\nname = \"a\"\n[[arm]]\nname = \"b\"\n",
            4,
            "a storm has one server",
        ),
        (
            "[[arm]]\nname = \"a\"\n[arm.target]\nprotocol = \"redis\"\n",
            6,
            "add a session or an operation",
        ),
    ]
    .map(|(text, line, what)| (format!("{TARGET}{text}"), line, what))
    .into();
    for (key, line) in [
        ("trials", 1),
        ("extend_to", 1),
        ("replacements", 1),
        ("controls", 1),
    ] {
        let text = format!("name = \"x\"\n{key} = 4000000000\n{TARGET}");
        cases.push((text, line + 1, "at most 100000"));
    }
    for part in ["balancer", "cache", "store"] {
        let own = format!("[{part}]\n{proxy}");
        let storm = format!("{TARGET}[storm]\n{own}");
        cases.push((storm, 4, "a storm kills a single server"));
        let within = format!("{TARGET}{own}ready = {{ tcp = true, within = \"0s\" }}\n");
        cases.push((within, 5, "must be longer than 0s"));
        let restart = format!("{TARGET}{own}restart = {{ after = \"30s\" }}\n");
        cases.push((restart, 5, "longer than the pause before the restart"));
        let arm = format!(
            "{TARGET}[[arm]]\nname = \"a\"\n[arm.{part}]\n{proxy}restart = {{ after = \"30s\" }}\n"
        );
        cases.push((arm, 7, "longer than the pause before the restart"));
    }
    let drains = "[[fault]]\nkind = \"rolling_restart\"\ntarget = \"replicas:all\"\n";
    cases.extend([
        (
            format!("{TARGET}replicas = 2\n{drains}[balancer]\n{proxy}"),
            7,
            "how is it told that a replica is about to be stopped?",
        ),
        (
            format!("{TARGET}replicas = 2\n{drains}[[arm]]\nname = \"a\"\n[arm.balancer]\n{proxy}"),
            9,
            "how is it told that a replica is about to be stopped?",
        ),
        (
            format!("{TARGET}[storm]\nkills = 1000000\n{USERS}"),
            4,
            "at most 100000",
        ),
        (
            format!("{TARGET}[storm]\n{USERS}[gate]\nlost_sessions = 0\n\"time_to_ready.median\" = \"< 1s\"\n"),
            12,
            "cannot be judged in a storm",
        ),
        (
            format!("{TARGET}boot_header = \"x-boot-id\"\nlistener = \"held\"\nready = {{ http = \"/up\" }}\n\
                 [gate]\nunrecovered = 0\n\"time_to_listen.median\" = \"< 1s\"\n"),
            8,
            "cannot be judged with a held listener",
        ),
        (
            "[storm]\n[[arm]]\nname = \"a\"\n[arm.target]\nexternal = { port = 8080 }\n".to_owned(),
            5,
            "a storm stops the server",
        ),
        (
            format!("{TARGET}replicas = 2\n[storm]\n[balancer]\n{proxy}"),
            3,
            "a storm kills a single server",
        ),
    ]);
    for (text, line, what) in cases {
        let refused = refused(&text);
        // Other rules may be broken as well.
        let mut problems = refused.problems().iter();
        let told = problems.find(|problem| problem.told().contains(what));
        let told = told.unwrap_or_else(|| panic!("{text}{refused}"));
        assert_eq!(told.line, line, "{text}{refused}");
        assert_ne!(told.line, 1, "{text}{refused}");
    }
}

#[test]
fn a_storm_refuses_what_needs_a_proxy_or_a_disk_that_forgets() {
    for (faults, line, what) in [
        (
            "[storm]\nkills = 5\n[[fault]]\nkind = \"power_loss\"\n",
            6,
            "without the proxy or the disk that a power_loss needs",
        ),
        (
            "[storm]\nkills = 5\n[[fault]]\nkind = \"connections\"\ndelay = \"5ms\"\nlasts = \"1s\"\n",
            6,
            "a storm kills, and a connections does not",
        ),
        (
            "[storm]\nkills = 5\n[[surroundings]]\nkind = \"connections\"\ndelay = \"5ms\"\n",
            5,
            "leave out all others, and the surroundings",
        ),
    ] {
        let refused = with_faults(faults).expect_err(faults);
        let mut problems = refused.problems().iter();
        let told = problems.find(|problem| problem.told().contains(what));
        assert_eq!(told.map(|told| told.line), Some(line), "{refused}");
    }
}
