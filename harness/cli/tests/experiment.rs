//! Experiment files as their users meet them: written, checked, explained and run.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "experiment/chaos.rs"]
mod chaos;
#[path = "experiment/connections.rs"]
mod connections;
#[path = "experiment/crash_loop.rs"]
mod crash_loop;
#[path = "experiment/events.rs"]
mod events;
#[path = "experiment/limits.rs"]
mod limits;
#[path = "experiment/record.rs"]
mod record;
#[path = "experiment/recordings.rs"]
mod recordings;
mod support;

use std::path::Path;
use std::process::Output;

use serde_json::Value;
use support::{Run, command};
use tempfile::TempDir;

/// A short experiment on a reference server, as if nobody here had written it.
const SHOP: &str = concat!(
    r#"
trials = 1
seed = 7
[target]
command = ["{comeback}", "serve", "journal", "--port", "{port}", "--data", "{data}"]
environment = { HERE = "{here}" }
[load]
sessions = 10
rate = 100
"#,
    include_str!("data/counter.toml"),
    r#"[[fault]]
at = "400ms"
[windows]
settle = "600ms"
steady_for = "300ms"
window = "50ms"
[gate]
lost_sessions = 0
lost_writes = 0
"#
);

fn folder_with(name: &str, text: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(name), text).unwrap();
    folder
}

fn call(folder: &Path, words: &[&str]) -> Output {
    command(folder, words).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    support::said(output)
}

/// Runs `shop.toml` with these words behind it.
fn run_shop(text: &str, words: &[&str]) -> Run {
    run_file("shop.toml", text, words)
}

/// Runs an experiment file, in a folder of its own, with these words behind it.
fn run_file(name: &str, text: &str, words: &[&str]) -> Run {
    let folder = folder_with(name, text);
    let mut all = vec!["run", name, "--quiet", "--out", "out"];
    all.extend(words);
    let output = call(folder.path(), &all);
    let run = Run { folder, output };
    support::assert_nothing_left(run.folder.path());
    run
}

fn header(run: &Run) -> Value {
    let text = std::fs::read_to_string(run.out().join("journal.jsonl")).unwrap();
    serde_json::from_str(text.lines().next().unwrap()).unwrap()
}

#[test]
fn a_file_says_everything_a_run_needs() {
    let run = run_shop(SHOP, &[]);
    if !support::ended_with(&run, 0) {
        return;
    }
    let summary = run.summary();
    assert_eq!((summary.name.as_str(), summary.seed), ("shop", 7));
    assert!(summary.arms[0].sessions.survived >= 10);
    assert!(summary.arms[0].writes.kept > 0);
    // What variables hold is not stored.
    let target = &header(&run)["plan"]["arms"][0]["target"];
    assert_eq!(target["environment"]["HERE"], "•••");
}

#[test]
fn flags_and_a_command_override_the_file() {
    let command = [
        "--seed",
        "9",
        "--sessions",
        "5",
        "--gate",
        "lost_sessions <= 5",
        "--",
        "{comeback}",
        "serve",
        "memory",
        "--port",
        "{port}",
        "--data",
        "{data}",
    ];
    let run = run_shop(SHOP, &command);
    if !support::ended_with(&run, 1) {
        return;
    }
    let summary = run.summary();
    assert_eq!(summary.seed, 9);
    let sessions = summary.arms[0].sessions;
    assert_eq!(sessions.lost, sessions.acknowledged);
    assert!(sessions.acknowledged >= 5 && sessions.acknowledged < 10);
    let gates: Vec<&str> = summary
        .gates
        .iter()
        .map(|gate| gate.gate.as_str())
        .collect();
    assert_eq!(
        gates,
        [
            "unrecovered == 0",
            "wrong_identity == 0",
            "lost_sessions == 0",
            "lost_writes == 0",
            "lost_sessions <= 5"
        ]
    );
}

#[test]
fn more_trials_than_a_file_may_be_extended_to_are_just_more_trials() {
    let folder = folder_with("shop.toml", &format!("extend_to = 3{SHOP}"));
    for (flags, trials, extend_to) in [
        (&["--trials", "5"][..], 5, 5),
        (&["--trials", "2"], 2, 3),
        (&["--trials", "5", "--extend-to", "8"], 5, 8),
    ] {
        let mut words = vec!["explain", "shop.toml", "--json"];
        words.extend(flags);
        let output = call(folder.path(), &words);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let plan = serde_json::from_slice::<Value>(&output.stdout).unwrap()["plan"].clone();
        assert_eq!(
            (&plan["trials"], &plan["extend_to"]),
            (&trials.into(), &extend_to.into())
        );
    }
}

#[test]
fn arms_of_a_file_are_run_side_by_side() {
    let text = format!(
        "{SHOP}[[arm]]\nname = \"kept\"\n[[arm]]\nname = \"forgotten\"\n\
         target = {{ command = [\"{{comeback}}\", \"serve\", \"memory\", \"--port\", \"{{port}}\", \"--data\", \"{{data}}\"] }}\n"
    );
    let run = run_shop(&text, &[]);
    if !support::ended_with(&run, 1) {
        return;
    }
    let arms = run.summary().arms;
    let lost = |arm: usize| (arms[arm].name.as_str(), arms[arm].sessions.lost);
    assert_eq!(lost(0), ("kept", 0));
    assert_eq!(lost(1).0, "forgotten");
    assert!(lost(1).1 >= 10);
    assert!(
        run.printed()
            .contains("forgotten: lost_sessions == 0 is broken")
    );
    assert!(!run.printed().contains("kept: lost_sessions == 0"));
}

#[test]
fn what_is_explained_is_what_is_done() {
    let folder = folder_with("shop.toml", SHOP);
    let explained = call(
        folder.path(),
        &["explain", "shop.toml", "--seed", "3", "--json"],
    );
    assert_eq!(explained.status.code(), Some(0), "{}", stderr(&explained));
    let explained: Value = serde_json::from_slice(&explained.stdout).unwrap();
    let run = run_shop(SHOP, &["--seed", "3"]);
    let header = header(&run);
    assert_eq!(explained["schedule"], header["schedule"]);
    assert_eq!(explained["plan"]["load"], header["plan"]["load"]);
    // In words, with the moment of the kill: warm-up, baseline, and what was drawn.
    let words = stdout(&call(
        folder.path(),
        &["explain", "shop.toml", "--seed", "3"],
    ));
    let trials = header["schedule"]["trials"].as_array().unwrap();
    let drawn = trials
        .iter()
        .find_map(|trial| trial["faults"][0]["after"].as_str());
    let drawn: comeback_model::units::Span = drawn.unwrap().parse().unwrap();
    let at = format!("SIGKILL at {:.3} s", 0.7 + drawn.as_secs());
    assert!(words.contains(&at), "{at}\n{words}");
    assert!(words.contains("lost_writes == 0") && words.contains("no fault (control)"));
    assert!(!folder.path().join("comeback-runs").exists());
}

/// What happened in the trials with a fault: each fault's events of this type.
fn faults_told(run: &Run, kind: &str) -> Vec<u64> {
    let text = std::fs::read_to_string(run.out().join("journal.jsonl")).unwrap();
    let events = text.lines().skip(1).map(|line| {
        let event: Value = serde_json::from_str(line).unwrap();
        event["kind"].clone()
    });
    let told = events.filter(|event| event["type"] == kind);
    told.map(|event| event["fault"].as_u64().unwrap()).collect()
}

#[test]
fn two_faults_of_one_trial_are_injected_and_recovered_from() {
    let second = "[[fault]]\nkind = \"terminate\"\nafter = \"3s\"\n[windows]";
    let run = run_shop(&SHOP.replace("[windows]", second), &[]);
    // A trial that a busy machine made void is replaced, and its faults are told once more.
    let is_replaced = |run: &Run| !run.summary().arms[0].replaced.is_empty();
    if !support::ended_with(&run, 0) || is_replaced(&run) && support::how_busy().is_some() {
        return;
    }
    assert_eq!(header(&run)["plan"]["faults"].as_array().unwrap().len(), 2);
    for kind in [
        "fault_requested",
        "fault_confirmed",
        "fault_ended",
        "first_correct",
    ] {
        assert_eq!(faults_told(&run, kind), [0, 1], "{kind}");
    }
    let journal = std::fs::read_to_string(run.out().join("journal.jsonl")).unwrap();
    for cause in [r#""cause":{"injected":0}"#, r#""cause":{"injected":1}"#] {
        assert_eq!(journal.matches(cause).count(), 1, "{cause}");
    }
    assert!(journal.contains("was ended by signal 9 (SIGKILL)"));
    // Three starts, and the control's one.
    assert_eq!(journal.matches(r#""type":"target_executed""#).count(), 4);
}

#[test]
fn a_surrounding_holds_for_whole_trials_and_for_the_one_without_a_fault() {
    let limit = "[surroundings]\nkind = \"descriptor_limit\"\nopen = 64\n[windows]";
    // It raises its own limit as far as it may when it starts, as programs in Go do.
    let raised = "\"sh\", \"-c\", \"ulimit -S -n $(ulimit -H -n) 2>/dev/null || true; exec \\\"$@\\\"\", \"it\", \"{comeback}\"";
    let shop = SHOP.replace("[windows]", limit);
    let run = run_shop(&shop.replace("\"{comeback}\"", raised), &[]);
    if !support::ended_with(&run, 0) {
        return;
    }
    // Two starts with a fault, and the control's one.
    assert_eq!(faults_told(&run, "surrounding_applied"), [1; 3]);
    assert_eq!(faults_told(&run, "surrounding_removed"), [1; 2]);
    let journal = std::fs::read_to_string(run.out().join("journal.jsonl")).unwrap();
    assert!(
        journal.contains("/limits: max open files at most 64"),
        "{journal}"
    );
}

#[test]
fn writes_that_an_older_copy_of_the_file_does_not_have_are_lost() {
    let older = "[[fault]]\nkind = \"corrupt_file\"\nhow = \"older\"";
    let run = run_shop(&SHOP.replace("[[fault]]", older), &[]);
    if !support::ended_with(&run, 1) {
        return;
    }
    // The copy was kept, and restored. A trial that is void is replaced, and told once more.
    assert!(faults_told(&run, "fault_acted").len() >= 2);
    assert!(!faults_told(&run, "fault_confirmed").is_empty());
    assert!(run.summary().arms[0].writes.lost > 0, "{}", run.printed());
}

#[test]
fn faults_of_the_command_line_take_the_place_of_those_of_the_file() {
    let folder = folder_with("shop.toml", SHOP);
    let explain = |faults: &[&str]| {
        let mut words = vec!["explain", "shop.toml", "--json"];
        words.extend(faults.iter().flat_map(|fault| ["--fault", *fault]));
        call(folder.path(), &words)
    };
    let explained = explain(&["pause:lasts=2s,at=1s", "kill:after=500ms,within=any"]);
    assert_eq!(explained.status.code(), Some(0), "{}", stderr(&explained));
    let plan = &serde_json::from_slice::<Value>(&explained.stdout).unwrap()["plan"];
    assert_eq!(plan["faults"][0]["kind"], "pause");
    assert_eq!(plan["faults"][0]["parameters"]["lasts"], "2s");
    assert_eq!(plan["faults"][1]["kind"], "kill");
    assert_eq!(plan["faults"][1]["after"], "500ms");
    assert_eq!(plan["windows"]["baseline"], "1s");
    let refused = explain(&["pause:lasst=2s"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("lasst"), "{}", stderr(&refused));
}

#[test]
fn the_kinds_of_faults_are_listed_with_what_proves_each_and_whether_it_works_here() {
    let folder = tempfile::tempdir().unwrap();
    let listed = call(folder.path(), &["faults", "--json"]);
    let kinds: Value = serde_json::from_slice(&listed.stdout).unwrap();
    let kinds = kinds.as_array().unwrap();
    assert!(kinds.len() >= 10);
    for kind in kinds {
        // Not every machine allows control groups and rules for packets.
        let needs_rights = [
            "cpu_quota",
            "memory_limit",
            "process_limit",
            "network",
            "power_loss",
        ];
        let works = kind["works"] == true || needs_rights.iter().any(|name| kind["name"] == *name);
        assert!(works, "{kind}");
        assert!(
            kind["evidence"]
                .as_str()
                .is_some_and(|text| !text.is_empty())
        );
    }
    let text = stdout(&call(folder.path(), &["faults"]));
    assert!(
        text.contains("descriptor_limit (also as a surrounding)"),
        "{text}"
    );
    assert!(text.contains("lasts: How long"), "{text}");
    let is_short = |line: &str| line.chars().count() <= 80;
    assert!(text.lines().all(is_short), "{text}");
}

#[test]
fn files_are_checked_without_running_them() {
    let folder = folder_with("good.toml", SHOP);
    std::fs::write(folder.path().join("bad.toml"), SHOP.replace("rate", "rat")).unwrap();
    let good = call(folder.path(), &["validate", "good.toml"]);
    assert_eq!(good.status.code(), Some(0), "{}", stderr(&good));
    assert!(stdout(&good).contains("good.toml: can be run: 1 arm, 2 trials, 4 gates"));
    let both = call(
        folder.path(),
        &["validate", "good.toml", "bad.toml", "--json"],
    );
    assert_eq!(both.status.code(), Some(2));
    let found: Value = serde_json::from_slice(&both.stdout).unwrap();
    assert_eq!(found[0]["problems"], Value::Array(Vec::new()));
    let problem = &found[1]["problems"][0];
    assert_eq!(
        (problem["line"].as_u64(), problem["column"].as_u64()),
        (Some(9), Some(1))
    );
    assert_eq!(problem["help"], "did you mean 'rate'?");
    assert!(!folder.path().join("comeback-runs").exists());
}

#[test]
fn on_github_a_wrong_file_is_annotated_at_its_line() {
    let folder = folder_with("bad.toml", "trails = 3\n");
    let output = command(folder.path(), &["run", "bad.toml"])
        .env("GITHUB_ACTIONS", "true")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let told = "::error file=bad.toml,line=1,col=1,title=comeback::unknown key 'trails' (did you mean 'trials'?)";
    assert!(stderr(&output).contains(told), "{}", stderr(&output));
}

#[test]
fn a_first_file_can_be_run_once_its_server_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let written = call(folder.path(), &["init"]);
    assert_eq!(written.status.code(), Some(0), "{}", stderr(&written));
    let path = folder.path().join("experiment.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let checked = call(folder.path(), &["validate", "experiment.toml"]);
    assert_eq!(checked.status.code(), Some(2));
    let told = stderr(&checked);
    assert!(
        told.contains("./server was not found") && !told.contains("error:"),
        "{told}"
    );
    std::fs::write(&path, text.replace("./server", support::PROGRAM)).unwrap();
    assert_eq!(
        call(folder.path(), &["validate", "experiment.toml"])
            .status
            .code(),
        Some(0)
    );
    // What is commented out is as sound as what is not.
    let sessions = text
        .replace("./server", support::PROGRAM)
        .replace("[operation]\nrequest = \"GET /\"\n", "");
    let (before, after) = sessions.split_once("and remove [operation]:\n").unwrap();
    let (described, rest) = after.split_once("[[fault]]").unwrap();
    let described = described.replace("# [", "[").replace("# value", "value");
    let described = described
        .replace("# identity", "identity")
        .replace("# request", "request")
        .replace("# json", "json");
    std::fs::write(&path, format!("{before}\n{described}[[fault]]{rest}")).unwrap();
    let checked = call(folder.path(), &["validate", "experiment.toml"]);
    assert_eq!(checked.status.code(), Some(0), "{}", stderr(&checked));
    let again = call(folder.path(), &["init"]);
    assert_eq!(again.status.code(), Some(2));
    assert!(
        stderr(&again).contains("already exists"),
        "{}",
        stderr(&again)
    );
}

/// Serves on a Unix socket, and nowhere else; only `/well` is answered with a 2xx.
const ON_A_SOCKET: &str = r#"
import http.server, os, socketserver, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *words):
        pass
    def do_GET(self):
        self.send_response(200 if self.path == '/well' else 404)
        self.send_header('Content-Length', '0')
        self.end_headers()
class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    def get_request(self):
        return (super().get_request()[0], ('local', 0))
if os.path.exists(sys.argv[1]):
    os.unlink(sys.argv[1])
print(os.environ['GREETING'], flush=True)
Server(sys.argv[1], Handler).serve_forever()
"#;

/// Discovery knows no such address and no such path: what is said is taken.
#[test]
fn a_first_file_says_what_the_flags_say_of_a_server() {
    let folder = folder_with("server.py", ON_A_SOCKET);
    let server = folder.path().join("server.py").display().to_string();
    let words = [
        "init",
        "it.toml",
        "--socket",
        "{data}/it.sock",
        "--ready",
        "http:/well",
        "--ready-within",
        "42s",
        "--restart-after",
        "1s",
        "--restart-attempts",
        "3",
        "--boot-header",
        "x-boot",
        "--env",
        "GREETING=hello",
        "--from-command",
        "python3",
        &server,
        "{data}/it.sock",
    ];
    let written = call(folder.path(), &words);
    assert_eq!(written.status.code(), Some(0), "{}", stderr(&written));
    let said = support::unfolded(&stdout(&written));
    assert!(said.contains("it answered with a 2xx: /well"), "{said}");
    let text = std::fs::read_to_string(folder.path().join("it.toml")).unwrap();
    for line in [
        "socket = \"{data}/it.sock\"",
        "boot_header = \"x-boot\"",
        "ready = { http = \"/well\", within = \"42s\" }",
        "restart = { after = \"1s\", attempts = 3 }",
        "environment = { GREETING = \"hello\" }",
        "request = \"GET /well\"",
    ] {
        assert!(text.lines().any(|one| one == line), "{line}\n{text}");
    }
    let checked = call(folder.path(), &["validate", "it.toml"]);
    assert_eq!(checked.status.code(), Some(0), "{}", stderr(&checked));
}

#[test]
fn flags_of_a_server_without_a_server_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refused = call(folder.path(), &["init", "--protocol", "https"]);
    assert_eq!(refused.status.code(), Some(2));
    let said = stderr(&refused);
    assert!(said.contains("--protocol: there is no server"), "{said}");
    assert!(!folder.path().join("experiment.toml").exists());
}

#[test]
fn a_first_file_says_what_was_seen_of_a_server_and_passes() {
    let folder = tempfile::tempdir().unwrap();
    let words = [
        "init",
        "shop.toml",
        "--from-command",
        support::PROGRAM,
        "serve",
        "token",
        "--port",
        "{port}",
        "--data",
        "{data}",
    ];
    let written = call(folder.path(), &words);
    assert_eq!(written.status.code(), Some(0), "{}", stderr(&written));
    let text = std::fs::read_to_string(folder.path().join("shop.toml")).unwrap();
    assert!(
        text.contains("ready = { http = \"/health\", within = \"10s\" }"),
        "{text}"
    );
    assert!(text.contains("request = \"GET /health\""), "{text}");
    assert!(
        stdout(&written).contains("it speaks HTTP"),
        "{}",
        stdout(&written)
    );
    let run = Run {
        output: call(
            folder.path(),
            &[
                "run",
                "shop.toml",
                "--trials",
                "1",
                "--quiet",
                "--out",
                "out",
            ],
        ),
        folder,
    };
    support::assert_nothing_left(run.folder.path());
    // One trial gives a median no interval: the file's gate is open, and nothing is broken.
    if !support::ended_with(&run, 3) {
        return;
    }
    assert!(
        run.printed().contains("a median's interval needs 6 trials"),
        "{}",
        run.printed()
    );
}

#[test]
fn a_server_that_is_told_its_port_by_a_variable_gets_a_file_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let script = "exec {comeback} serve memory --port $SHOP_PORT --data {data}";
    let words = [
        "init",
        "shop.toml",
        "--env",
        "SHOP_PORT={port}",
        "--env",
        "TOLD=as \"it\" is",
        "--from-command",
        "sh",
        "-c",
        script,
    ];
    let output = call(folder.path(), &words);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = std::fs::read_to_string(folder.path().join("shop.toml")).unwrap();
    let file: toml::Table = text.parse().unwrap();
    let variables = &file["target"]["environment"];
    assert_eq!(variables["SHOP_PORT"].as_str(), Some("{port}"));
    assert_eq!(variables["TOLD"].as_str(), Some("as \"it\" is"));
    let valid = call(folder.path(), &["validate", "shop.toml"]);
    assert_eq!(valid.status.code(), Some(0), "{}", stderr(&valid));
    let alone = call(folder.path(), &["init", "a.toml", "--env", "A=b"]);
    assert_eq!(alone.status.code(), Some(2));
    support::assert_nothing_left(folder.path());
}

/// A server that accepts connections long before it serves: at first it knows no path, then it is not available. It starts to serve
/// only after it was asked so often, so that the test waits for no clock.
const STARTS_SLOWLY: &str = r#"
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
asked = 0
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        global asked
        asked += 1
        good = self.path == "/actuator/health"
        status = 404 if asked <= 30 else 503 if asked <= 60 or not good and asked <= 70 else 200 if good else 404
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *words):
        pass
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"#;

#[test]
fn the_replies_of_a_server_that_is_still_starting_are_not_taken_for_its_own() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("slow.py"), STARTS_SLOWLY).unwrap();
    let words = [
        "init",
        "it.toml",
        "--from-command",
        "python3",
        "slow.py",
        "{port}",
    ];
    let output = call(folder.path(), &words);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = std::fs::read_to_string(folder.path().join("it.toml")).unwrap();
    assert!(
        text.contains("ready = { http = \"/actuator/health\""),
        "{text}"
    );
    assert!(
        text.contains("request = \"GET /actuator/health\""),
        "{text}"
    );
    let told = stdout(&output);
    assert!(
        told.contains("it answered with a 2xx: /actuator/health"),
        "{told}"
    );
    support::assert_nothing_left(folder.path());
}

#[test]
fn a_server_that_ends_while_it_is_asked_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let ends = STARTS_SLOWLY
        .replace("import sys\n", "import os, sys\n")
        .replace(
            "        asked += 1\n",
            "        asked += 1\n        if asked > 20:\n            print('no database', flush=True)\n            os._exit(3)\n",
        );
    std::fs::write(folder.path().join("slow.py"), ends).unwrap();
    let words = [
        "init",
        "it.toml",
        "--from-command",
        "python3",
        "slow.py",
        "{port}",
    ];
    let output = call(folder.path(), &words);
    assert_eq!(output.status.code(), Some(2), "{}", stdout(&output));
    let told = stderr(&output);
    assert!(told.contains("before it was ready"), "{told}");
    assert!(told.contains("no database"), "{told}");
    assert!(!folder.path().join("it.toml").exists());
    support::assert_nothing_left(folder.path());
}

#[test]
fn a_server_that_cannot_be_looked_at_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    for (server, told) in [
        (
            &["sh", "-c", "echo no licence >&2; exit 3", "{port}"][..],
            "no licence",
        ),
        (&["sleep", "0.1", "0.{port}"][..], "before it was ready"),
        (&["./nowhere", "{port}"][..], "was not found"),
        (&["sleep", "1"][..], "would not know its port"),
    ] {
        let mut words = vec!["init", "shop.toml", "--from-command"];
        words.extend(server);
        let output = call(folder.path(), &words);
        assert_eq!(output.status.code(), Some(2), "{server:?}");
        assert!(
            stderr(&output).contains(told),
            "{server:?}: {}",
            stderr(&output)
        );
        assert!(!folder.path().join("shop.toml").exists());
    }
    support::assert_nothing_left(folder.path());
}

/// The examples of every guide, as a reader would copy them, with programs that are there.
#[test]
fn the_examples_of_the_guides_can_be_run() {
    let guides = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let texts = std::fs::read_dir(guides).unwrap().map(|page| {
        let path = page.unwrap().path();
        let is_guide = path.extension().is_some_and(|ending| ending == "md");
        is_guide.then(|| std::fs::read_to_string(path).unwrap())
    });
    let guides = texts.flatten().collect::<Vec<_>>().concat();
    let mut checked = 0;
    for block in guides.split("```toml\n").skip(1) {
        let text = block.split("```").next().unwrap();
        let text = ["\"python3\"", "\"./server\"", "\"redis-server\""]
            .iter()
            .fold(text.to_owned(), |text, program| {
                text.replace(program, "\"{comeback}\"")
            })
            .replace(
                "external = { port = 8080 }",
                "command = [\"{comeback}\", \"{port}\"]",
            )
            .replace(
                "kind = \"postgres\"",
                "command = [\"{comeback}\", \"{port}\"]",
            );
        let folder = folder_with("guide.toml", &text);
        let output = call(folder.path(), &["validate", "guide.toml"]);
        assert_eq!(output.status.code(), Some(0), "{text}\n{}", stderr(&output));
        checked += 1;
    }
    assert!(checked >= 8, "{checked} examples");
}

/// Every ready-made file, and whether the published schema takes it as the program does.
#[test]
fn ready_made_files_keep_to_the_published_schema() {
    let folder = tempfile::tempdir().unwrap();
    let schema = call(folder.path(), &["schema", "experiment"]);
    let schema: Value = serde_json::from_slice(&schema.stdout).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let as_json = |text: &str| {
        let table: toml::Table = text.parse().unwrap();
        serde_json::to_value(table).unwrap()
    };
    assert!(validator.is_valid(&as_json(SHOP)));
    for wrong in [
        SHOP.replace("rate", "rat"),
        SHOP.replace("rate = 100", "rate = \"fast\""),
        SHOP.replace("lost_sessions = 0", "lost_sesions = 0"),
        SHOP.replace("request = \"GET /me\"", "expect = { status = \"9xx\" }"),
    ] {
        assert!(!validator.is_valid(&as_json(&wrong)), "{wrong}");
    }
    // What two kinds of faults call the same has the words of either.
    let fault = |keys: &str| format!("[target]\ncommand = [\"x\"]\n[[fault]]\n{keys}\n");
    for keys in [
        "kind = \"network\"\nhow = \"drop\"\nlasts = \"1s\"",
        "kind = \"corrupt_file\"\nhow = \"older\"",
    ] {
        assert!(validator.is_valid(&as_json(&fault(keys))), "{keys}");
    }
    let neither = fault("kind = \"network\"\nhow = \"lose\"");
    assert!(!validator.is_valid(&as_json(&neither)));
    let ready_made = Path::new(env!("CARGO_MANIFEST_DIR")).join("../experiments");
    for folder in [ready_made.join("real"), ready_made] {
        let mut checked = 0;
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|ending| ending != "toml") {
                continue;
            }
            checked += 1;
            let text = std::fs::read_to_string(&path).unwrap();
            let errors: Vec<String> = validator
                .iter_errors(&as_json(&text))
                .map(|error| error.to_string())
                .collect();
            assert!(errors.is_empty(), "{}: {errors:#?}", path.display());
        }
        assert!(checked >= 2, "{checked} files in {}", folder.display());
    }
}

#[test]
fn redirects_are_followed_where_a_flag_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let follow = ["--follow", "2"];
    let session = [
        "--login",
        "POST /login a=1",
        "--act",
        "POST /act",
        "--check",
        "GET /me",
        "--logout",
        "POST /logout",
        "--value",
        "/n",
    ];
    let followed = |words: &[&str]| {
        let server = ["--", support::PROGRAM, "{port}"];
        let words = [&["explain", "--seed", "3"], words, &follow, &server].concat();
        let said = support::unfolded(&stdout(&call(folder.path(), &words)));
        said.matches("(follows up to 2 redirects)").count()
    };
    // A check that is redirected is one by a user who is not known.
    assert_eq!(followed(&session), 3);
    assert_eq!(followed(&["--get", "/"]), 1);
    assert_eq!(followed(&[]), 1);
}
