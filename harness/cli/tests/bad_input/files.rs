//! Experiment files that cannot be used: exit code 2, what is wrong under its line, and nothing started.

use std::process::Command;

use super::bench::folder;
use super::messages;
use crate::support::PROGRAM;

/// A file's text, the line (and column) of what is wrong in it, and what must be told.
type Case = (&'static str, &'static str, &'static [&'static str]);

/// Stands before the texts that need a server; it would leave a trace.
const SERVER: &str = "[target]\ncommand = [\"touch\", \"started\", \"{port}\"]\n";
/// Stands before the texts that need sessions: eight lines, with the server.
const SESSION: &str = "[session.login]\nrequest = \"POST /login\"\n[session.act]\nrequest = \"POST /act\"\n\
                       [session.check]\nrequest = \"GET /me\"\n";

const TEXTS: &[Case] = &[
    ("[target", "1:8", &["unclosed table"]),
    ("name = \"a\"\nname = \"b\"\n", "2:1", &["duplicate key"]),
    ("name = a\n", "1:8", &["string values must be quoted"]),
    ("= 3\n", "1:1", &["unquoted keys cannot be empty"]),
    ("name = \"\u{1b}[31m\"\n", "1:9", &["invalid basic string"]),
    ("", "1:1", &["there is no command", "command = ["]),
    (
        "[target]\ncomand = [\"x\"]\n",
        "2:1",
        &[
            "unknown key 'comand' in [target]",
            "did you mean 'command'?",
        ],
    ),
    (
        "[targets]\n",
        "1:2",
        &["unknown key 'targets'", "did you mean 'target'?"],
    ),
    (
        "quux = 1\n",
        "1:1",
        &[
            "unknown key 'quux'",
            "there are arm, balancer, cache, chaos, controls,",
        ],
    ),
    (
        "[target]\ncommand = \"./server --port {port}\"\n",
        "2:11",
        &["expected a list of words", "no shell"],
    ),
    (
        "[target]\ncommand = []\n",
        "2:11",
        &["would not know its port"],
    ),
    (
        "[target]\ncommand = [\"touch\", \"started\"]\n",
        "2:11",
        &["would not know its port"],
    ),
    (
        "[target]\ncommand = [\"./no-such\", \"{port}\"]\n",
        "",
        &["./no-such was not found", "build it"],
    ),
    (
        "[target]\ncommand = [\"no-such\", \"{port}\"]\n",
        "",
        &["not found in PATH"],
    ),
    (
        "[target]\ncommand = [\"./not-executable\", \"{port}\"]\n",
        "",
        &["is not executable", "chmod +x"],
    ),
    (
        "[target]\ncommand = [\"./a-folder\", \"{port}\"]\n",
        "",
        &["is a folder"],
    ),
];

const WITH_SERVER: &[Case] = &[
    (
        "[load]\nrate = \"fast\"\n",
        "4:8",
        &["expected a number of operations per second, or \"auto\""],
    ),
    ("[load]\nrate = -1\n", "4:8", &["above 0"]),
    ("[load]\nrate = nan\n", "4:8", &["above 0"]),
    ("[load]\nsessions = 0\n", "4:12", &["from 1 to 15000"]),
    ("[load]\nsessions = -1\n", "4:12", &["invalid value"]),
    ("[load]\ntimeout = 5\n", "4:11", &["invalid type"]),
    (
        "[load]\ntimeout = \"5\"\n",
        "4:11",
        &["'5' is not a length of time", "250ms"],
    ),
    ("[load]\ntimeout = \"0s\"\n", "4:11", &["longer than 0s"]),
    (
        "[load]\narrivals = \"bursts\"\n",
        "4:12",
        &["unknown variant", "poisson"],
    ),
    ("[load]\nfloor = 0.0\n", "4:9", &["above 0 and at most 1"]),
    (
        "[load]\nworkers = 99\n",
        "4:11",
        &["at most the number of sessions"],
    ),
    (
        "protocol = \"gopher\"\n",
        "3:12",
        &["unknown variant", "redis"],
    ),
    (
        "protocol = \"redis\"\n",
        "3:12",
        &["with the commands to send"],
    ),
    (
        "ready = { http = \"/\", tcp = true }\n",
        "3:1",
        &["one of http, tcp and log"],
    ),
    (
        "ready = { http = \"health\" }\n",
        "3:18",
        &["is not a path"],
    ),
    (
        "ready = { tcp = false }\n",
        "3:17",
        &["use http or log instead"],
    ),
    (
        "ready = { http = \"/\", within = \"0s\" }\n",
        "3:32",
        &["longer than 0s"],
    ),
    (
        "stop = { signal = \"NOPE\" }\n",
        "3:19",
        &["unknown variant", "TERM"],
    ),
    (
        "restart = { after = \"40s\" }\n",
        "3:21",
        &["longer than the pause before the restart"],
    ),
    (
        "boot_header = \"x y\"\n",
        "3:15",
        &["is not the name of a header"],
    ),
    (
        "socket = \"/tmp/x.sock\"\n",
        "3:10",
        &["would not know its socket"],
    ),
    (
        "[windows]\nsettle = \"10ms\"\n",
        "4:10",
        &["at least as long"],
    ),
    ("[windows]\nhorizon = \"0s\"\n", "4:11", &["longer than 0s"]),
    (
        "[[fault]]\nkind = \"explode\"\n",
        "4:8",
        &["there is no fault 'explode'", "segfault"],
    ),
    ("[[fault]]\nat = \"0s\"\n", "4:6", &["at least two windows"]),
    (
        "[[fault]]\non = \"reply\"\n",
        "4:6",
        &[
            "there is no event 'reply'",
            "acknowledgement, sent, log, start",
        ],
    ),
    (
        "[[fault]]\nnth = 3\n",
        "4:7",
        &["set on = \"acknowledgement\" or on = \"sent\", or remove it"],
    ),
    (
        "[[fault]]\non = \"log\"\nnth = 3\n",
        "5:7",
        &["set on = \"acknowledgement\" or on = \"sent\", or remove it"],
    ),
    (
        "[[fault]]\non = \"log\"\n",
        "4:6",
        &["needs the text of a line", "matches ="],
    ),
    (
        "[[fault]]\non = \"log\"\nmatches = \"x\"\nwithin = \"any\"\n",
        "6:10",
        &["use on or within, not both"],
    ),
    (
        "[[fault]]\non = \"log\"\nmatches = \"x\"\ncomes_within = \"0s\"\n",
        "6:16",
        &["an event needs time to come"],
    ),
    (
        "[[fault]]\non = \"start\"\n",
        "4:6",
        &["nothing is started again before the first fault"],
    ),
    (
        "[operation]\nrequest = \"GET /\"\n[[fault]]\non = \"acknowledgement\"\n",
        "6:6",
        &["counts writes, and the load has none"],
    ),
    ("[[fault]]\n[[fault]]\nat = \"1s\"\n", "5:6", &["use after"]),
    (
        "[fault]\nafter = \"1s\"\n",
        "4:9",
        &["set the moment of the first one with `at`"],
    ),
    (
        "[[fault]]\nkind = \"kill\"\nsignal = \"TERM\"\n",
        "5:10",
        &["kind or signal, not both"],
    ),
    ("[gate]\nspeed = 3\n", "4:9", &["'speed' is not a metric"]),
    (
        "[gate]\nlost_sesions = 0\n",
        "4:16",
        &["did you mean lost_sessions"],
    ),
    (
        "[gate]\n\"time_to_ready.median\" = \"< 2\"\n",
        "4:26",
        &["a number and a unit"],
    ),
    (
        "[gate]\nlost_sessions = true\n",
        "4:17",
        &["a bound such as 0"],
    ),
    (
        "[gate]\n\"time_to_ready.p95\" = \"<= baseline\"\n",
        "4:23",
        &["only medians"],
    ),
    (
        "[operation]\nrequest = \"get /\"\n",
        "4:11",
        &["'get' is not a method"],
    ),
    (
        "[operation]\nrequest = \"GET index\"\n",
        "4:11",
        &["must begin with /"],
    ),
    (
        "[operation]\nrequest = \"GET /\"\nexpect = { status = 99 }\n",
        "5:21",
        &["99 is not an HTTP status"],
    ),
    (
        "[operation]\nrequest = \"GET /\"\nexpect = { status = \"9xx\" }\n",
        "5:21",
        &["not a class of statuses"],
    ),
    (
        "[operation]\nrequest = \"POST /\"\nform = { a = 1 }\ntext = \"b\"\n",
        "6:8",
        &["one body", "form"],
    ),
    (
        "[operation]\nrequest = \"GET /\"\nheaders = { \"a\\r\\nb\" = \"c\" }\n",
        "5:24",
        &["is not the name of a header"],
    ),
    (
        "[operation]\nrequest = \"GET /{{ nobody }}\"\n",
        "4:11",
        &["uses 'nobody'", "session, login"],
    ),
    (
        "[operation]\nrequest = \"GET /{{ session\"\n",
        "4:11",
        &["is not a template"],
    ),
    (
        "[operation]\nheaders = {}\n",
        "3:1",
        &["missing field `request`"],
    ),
    (
        "[[arm]]\nname = \"a\"\n[[arm]]\nname = \"a\"\n",
        "6:8",
        &["'a' is named twice"],
    ),
    (
        "[[arm]]\nname = \"a/b\"\n",
        "4:8",
        &["cannot be a file's name"],
    ),
    (
        "[[arm]]\nname = \"a\"\nbaseline = \"b\"\n",
        "5:12",
        &["no arm 'b'", "the arms are a"],
    ),
    (
        "[[arm]]\nname = \"a\"\nbaseline = \"a\"\n",
        "5:12",
        &["cannot be its own baseline"],
    ),
    (
        "[[arm]]\nname = \"a\"\n[arm.target]\nprotocol = \"redis\"\n[[arm]]\nname = \"b\"\n[arm.target]\nprotocol = \"http\"\n",
        "10:12",
        &["use the same protocol"],
    ),
    (
        "[[arm]]\nname = \"a\"\n[arm.target]\nready = { within = \"0s\" }\n",
        "6:20",
        &["longer than 0s"],
    ),
];

const WITH_SESSION: &[Case] = &[
    (
        "[[fault]]\non = \"acknowledgement\"\nto = \"tree\"\n",
        "10:6",
        &["use to = \"group\", or on = \"log\""],
    ),
    (
        "[[fault]]\nkind = \"corrupt_file\"\nhow = \"older\"\non = \"sent\"\n",
        "12:6",
        &["takes time before the signal", "leave on out"],
    ),
    (
        "[[fault]]\n[[fault]]\non = \"acknowledgement\"\n",
        "11:6",
        &["an earlier fault", "use on = \"log\" or \"start\""],
    ),
    (
        "[[fault]]\non = \"log\"\nmatches = \"x\"\n[[fault]]\nafter = \"1s\"\n",
        "13:9",
        &["could come before it", "take on from the first"],
    ),
    (
        "[[fault]]\non = \"acknowledgement\"\nnth = \"9..5\"\n",
        "11:7",
        &["write the smaller number first"],
    ),
    (
        "[[fault]]\non = \"sent\"\nnth = 100000\n",
        "11:7",
        &["raise the rate or comes_within, or lower nth"],
    ),
    (
        "[session]\nvalue = \"visits\"\n",
        "10:9",
        &["names no place", "JSON pointer"],
    ),
    ("[session]\nvalue = \"$..[\"\n", "10:9", &["JSONPath"]),
    ("[session]\nvalue = \"regex:(\"\n", "10:9", &["regex"]),
    (
        "[session]\nwrites = \"heap\"\n",
        "10:10",
        &["unknown variant", "counter"],
    ),
    (
        "[session]\nidentity = { at = \"/user\" }\n",
        "10:12",
        &["missing field `name`"],
    ),
    (
        "[session]\nmix = { act = 0, check = 0 }\n",
        "10:1",
        &["cannot both be 0"],
    ),
    (
        "before = [\"form\"]\n",
        "9:10",
        &["there is no step 'form'"],
    ),
    ("capture = { a = \"b\" }\n", "9:17", &["names no place"]),
    (
        "[session.step.page]\nrequest = \"GET /\"\nbefore = [\"page\"]\n",
        "11:10",
        &["cannot name another"],
    ),
    (
        "[session.logot]\nrequest = \"GET /\"\n",
        "9:10",
        &["unknown key 'logot'", "did you mean 'logout'?"],
    ),
    ("[operation]\nrequest = \"GET /\"\n", "9:2", &["remove one"]),
];

#[test]
fn files_that_make_no_sense_are_refused_under_the_line_before_anything_is_started() {
    let texts = |head: &str, cases: &[Case]| {
        let cases = cases.iter();
        cases
            .map(|(text, place, told)| (format!("{head}{text}"), *place, *told))
            .collect::<Vec<_>>()
    };
    let mut all = texts("", TEXTS);
    all.extend(texts(SERVER, WITH_SERVER));
    all.extend(texts(&format!("{SERVER}{SESSION}"), WITH_SESSION));
    assert!(all.len() >= 60, "{}", all.len());
    let (mut said, mut failures) = (Vec::new(), Vec::new());
    for (text, place, told) in &all {
        match refused(text.as_bytes(), place, told) {
            Ok(message) => said.push(message),
            Err(failure) => failures.push(failure),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    messages::are_the_stored_ones("files", &said);
}

#[test]
fn what_is_no_text_or_no_file_is_refused() {
    refused(b"name = \"a\"\n\xff\xfe", "", &["line 2 is not UTF-8 text"]).unwrap();
    for (name, told) in [
        ("missing.toml", "No such file"),
        ("a-folder", "Is a directory"),
        ("/dev/zero", "it is larger than 1 MiB"),
        ("/dev/full", "it is larger than 1 MiB"),
    ] {
        let folder = folder();
        let output = Command::new(PROGRAM)
            .args(["run", name])
            .current_dir(folder.path())
            .output()
            .unwrap();
        let said = crate::support::said(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(told) && said.contains(name), "{said}");
    }
}

/// Fifty thousand keys, and a line that is nearly as long as a file may be.
#[test]
fn a_file_of_nothing_but_mistakes_is_told_in_brief() {
    let keys: String = (0..50_000).map(|key| format!("k{key} = 1\n")).collect();
    let line = format!("name = \"{}\"\nquux = 1\n", "x".repeat(1_000_000));
    for (text, told) in [(keys, ", and 49980 more"), (line, "unknown key 'quux'")] {
        let folder = folder();
        std::fs::write(folder.path().join("x.toml"), text).unwrap();
        let output = Command::new(PROGRAM)
            .args(["run", "x.toml"])
            .current_dir(folder.path())
            .output()
            .unwrap();
        let said = crate::support::said(&output);
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(said.contains(told), "{told}: {} bytes", said.len());
        assert!(said.len() < 20_000, "{told}: {} bytes", said.len());
    }
}

#[test]
fn the_server_of_these_files_would_have_left_a_trace() {
    let folder = folder();
    std::fs::write(folder.path().join("x.toml"), SERVER).unwrap();
    let output = Command::new(PROGRAM)
        .args(["run", "x.toml", "--trials", "1", "--rate", "200"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(folder.path().join("started").exists());
}

/// What is said of a file that is refused as it should be.
pub(super) fn refused(text: &[u8], place: &str, told: &[&str]) -> Result<String, String> {
    let folder = folder();
    std::fs::write(folder.path().join("x.toml"), text).unwrap();
    let output = Command::new(PROGRAM)
        .args(["run", "x.toml"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let said = crate::support::said(&output);
    let shown = String::from_utf8_lossy(text);
    let wrong = |problem: String| Err(format!("{shown}\n{problem}\n{said}"));
    if output.status.code() != Some(2) {
        return wrong(format!("ended with {}", output.status));
    }
    if !place.is_empty() && !said.contains(&format!("x.toml:{place}\n")) {
        return wrong(format!("not at {place}"));
    }
    if let Some(text) = told.iter().find(|text| !said.contains(**text)) {
        return wrong(format!("{text:?} is not told"));
    }
    if said.contains('\u{1b}') {
        return wrong("control bytes reach the terminal".to_owned());
    }
    for trace in ["started", "comeback-runs"] {
        if folder.path().join(trace).exists() {
            return wrong(format!("{trace} was made"));
        }
    }
    Ok(said.replace(&folder.path().display().to_string(), "FOLDER"))
}
