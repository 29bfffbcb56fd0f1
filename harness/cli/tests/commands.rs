//! The command line as its users meet it: results, documents, exit codes, and what wrong input is told.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::path::{Path, PathBuf};
use std::process::Output;

use support::{PROGRAM, command, run};

fn plain(words: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    command(folder.path(), words).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn a_comparison_leaves_every_document_and_they_agree_with_a_later_report() {
    let run = run(&[
        "compare", "token", "memory", "--quick", "--trials", "1", "--seed", "11", "--out", "out",
    ]);
    if !support::ended_with(&run, 0) {
        return;
    }
    for name in [
        "journal.jsonl",
        "operations.csv",
        "summary.json",
        "report.md",
        "report.html",
        "charts/lost-sessions.svg",
        "charts/lost-sessions.png",
        "charts/lost-writes.svg",
        "charts/timeline.svg",
        "charts/recovery-time.svg",
        "charts/recovery-chain.svg",
    ] {
        let size = std::fs::metadata(run.out().join(name)).map_or(0, |file| file.len());
        assert!(size > 0, "{name} is missing or empty");
    }
    let before = std::fs::read(run.out().join("summary.json")).unwrap();
    let again = command(run.folder.path(), &["report", "out", "--json"])
        .output()
        .unwrap();
    assert_eq!(again.status.code(), Some(0));
    assert_eq!(
        std::fs::read(run.out().join("summary.json")).unwrap(),
        before
    );
    assert_eq!(stdout(&again).trim().as_bytes(), before.trim_ascii());
}

#[test]
fn the_summary_keeps_to_its_published_schema() {
    let schema = serde_json::from_slice(&plain(&["schema", "summary"]).stdout).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let run = run(&[
        "compare", "journal", "--quick", "--trials", "1", "--out", "out", "--json", "--quiet",
    ]);
    let printed: serde_json::Value = serde_json::from_slice(&run.output.stdout).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(&printed)
        .map(|error| error.to_string())
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
    let mut spoilt = printed;
    spoilt["verdict"] = "fine".into();
    assert!(!validator.is_valid(&spoilt), "the schema refuses nothing");
}

#[test]
fn the_same_seed_gives_the_same_schedule_byte_for_byte() {
    let schedule = |seed: &str| {
        let run = run(&[
            "compare",
            "memory",
            "--quick",
            "--trials",
            "1",
            "--sessions",
            "5",
            "--rate",
            "50",
            "--seed",
            seed,
            "--out",
            "out",
            "--quiet",
        ]);
        let journal = std::fs::read_to_string(run.out().join("journal.jsonl")).unwrap();
        let header = journal.lines().next().unwrap().to_owned();
        header[header.find("\"schedule\"").unwrap()..].to_owned()
    };
    assert_eq!(schedule("21"), schedule("21"));
    assert_ne!(schedule("21"), schedule("22"));
}

#[test]
fn a_server_nobody_here_wrote_gets_a_full_report() {
    let run = run(&[
        "run",
        "--trials",
        "2",
        "--rate",
        "50",
        "--out",
        "out",
        "--quiet",
        "--",
        "python3",
        "-m",
        "http.server",
        "{port}",
        "--bind",
        "127.0.0.1",
    ]);
    if !support::ended_with(&run, 0) {
        return;
    }
    let summary = run.summary();
    let arm = &summary.arms[0];
    assert_eq!(
        (arm.trials, arm.faults_landed, arm.time_to_ready_ms.n),
        (2, 2, 2)
    );
    assert!(arm.time_to_ready_ms.max.is_some_and(|ms| ms > 1.0));
    let owner = run
        .events()
        .iter()
        .any(|event| !event["kind"]["evidence"]["socket_owner"].is_null());
    assert!(owner, "the new process is known by its socket");
}

#[test]
fn wrong_input_is_told_what_is_wrong_and_ends_with_2_before_anything_starts() {
    let cases: &[(&[&str], &str)] = &[
        (&["compare", "memmory"], "did you mean 'memory'"),
        (&["compare", "memory", "memory"], "named twice"),
        (&["compare", "--trials", "0"], "at least one trial"),
        (&["compare", "--rate=-5"], "rate"),
        (&["compare", "--rate", "fast"], "fast"),
        (&["compare", "--sessions", "0"], "sessions"),
        (&["compare", "--sessions", "100000"], "15000"),
        (&["compare", "--timeout", "5"], "250ms"),
        (&["compare", "--horizon", "0s"], "horizon"),
        (&["compare", "--out", "/proc/nowhere"], "cannot be used"),
        (&["run"], "COMMAND"),
        (&["run", "--", "./server"], "{port}"),
        (
            &["run", "--get", "health", "--", "./server", "{port}"],
            "begin with /",
        ),
        (
            &["run", "--kill", "WINCH", "--", "./server", "{port}"],
            "WINCH",
        ),
        (
            &["run", "--ready", "maybe", "--", "./server", "{port}"],
            "log:TEXT",
        ),
        (
            &["run", "--env", "PORT", "--", "./server", "{port}"],
            "NAME=VALUE",
        ),
        (
            &["run", "--gate", "speed > 9", "--", "./server", "{port}"],
            "not a metric",
        ),
        (
            &["run", "--gate", "lost_sessions", "--", "./server", "{port}"],
            "a bound",
        ),
        (&["report", "nowhere"], "not a run folder"),
        (
            &["serve", "postgress", "--port", "1", "--data", "x"],
            "no reference server",
        ),
        (&["schema", "everything"], "summary"),
        (&["frobnicate"], "frobnicate"),
    ];
    for (words, expected) in cases {
        let output = plain(words);
        let said = support::said(&output);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {said}");
        assert!(said.contains(expected), "{words:?}: {said}");
    }
}

#[test]
fn a_folder_with_something_in_it_is_not_written_to() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("out")).unwrap();
    std::fs::write(folder.path().join("out/precious"), "mine").unwrap();
    let output = command(folder.path(), &["compare", "memory", "--out", "out"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        std::fs::read_dir(folder.path().join("out"))
            .unwrap()
            .count(),
        1
    );
}

#[test]
fn a_command_that_cannot_be_started_is_refused_and_says_why() {
    for (program, expected) in [
        ("./no-such-server", "not found"),
        ("/etc/passwd", "not executable"),
    ] {
        let run = run(&[
            "run", "--trials", "1", "--out", "out", "--quiet", "--", program, "{port}",
        ]);
        assert_eq!(run.code(), 2, "{}", run.printed());
        assert!(run.printed().contains(expected), "{}", run.printed());
        assert!(!run.out().exists());
    }
}

#[test]
fn every_command_has_help_with_examples() {
    for name in [
        "compare", "run", "report", "init", "record", "validate", "explain", "diff", "replay",
        "shrink", "export", "serve", "targets", "doctor", "schema", "cleanup", "cluster", "cache",
        "selftest", "merge", "list",
    ] {
        let output = plain(&[name, "--help"]);
        assert_eq!(output.status.code(), Some(0), "{name}");
        assert!(
            stdout(&output).contains(&format!("comeback {name}")),
            "{name}"
        );
    }
}

#[test]
fn the_list_of_targets_is_complete_and_readable_by_programs() {
    let listed: serde_json::Value =
        serde_json::from_slice(&plain(&["targets", "--json"]).stdout).unwrap();
    let names: Vec<&str> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "token",
            "token-newkey",
            "token-revocable",
            "token-counter",
            "token-v2",
            "memory",
            "buffered",
            "journal",
            "sqlite",
            "redis",
            "postgres",
            "udp-echo",
            "dns",
            "ftp",
            "telnet"
        ]
    );
    assert_eq!(listed[0]["protocol"], "HTTP");
    assert_eq!(listed[14]["protocol"], "Telnet");
}

#[test]
fn servers_of_other_protocols_are_refused_before_anything_starts() {
    let server = [
        "{comeback}",
        "serve",
        "dns",
        "--port",
        "{port}",
        "--data",
        "{data}",
    ];
    let behind = [&["run", "--out", "out", "--"][..], &server[..]].concat();
    for words in [
        &["run", "dns", "--out", "out"][..],
        &["compare", "token", "dns", "--out", "out"],
        &behind,
    ] {
        let run = run(words);
        assert_eq!(run.code(), 2, "{words:?}: {}", run.printed());
        assert!(
            run.printed().contains("dns speaks DNS"),
            "{}",
            run.printed()
        );
        assert!(!run.out().exists(), "{words:?}");
    }
}

#[test]
fn what_doctor_finds_fits_80_columns() {
    let output = plain(&["doctor"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.lines().count() > 9, "{text}");
    assert!(
        text.lines().all(|line| line.chars().count() <= 80),
        "{text}"
    );
}

#[test]
fn doctor_finds_what_a_run_needs() {
    let output = plain(&["doctor", "--json"]);
    assert_eq!(output.status.code(), Some(0));
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(
        document["findings"]
            .as_array()
            .unwrap()
            .iter()
            .all(|finding| finding["works"] == true)
    );
}

#[test]
fn a_second_process_on_a_port_is_told_so() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let folder = tempfile::tempdir().unwrap();
    let output = std::process::Command::new(PROGRAM)
        .args(["serve", "memory", "--port", &port, "--data", "data"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(support::said(&output).contains("in use"));
}

#[test]
fn a_server_that_does_not_start_is_quoted_once() {
    let program = PROGRAM;
    let run = run(&[
        "run",
        "--trials",
        "2",
        "--out",
        "out",
        "--",
        program,
        "serve",
        "dies-at-start",
        "--port",
        "{port}",
        "--data",
        "{data}",
    ]);
    let said = support::said(&run.output);
    assert_eq!(run.code(), 3, "{said}");
    // The last 32 lines are kept, 31 numbered ones and the reason, and before them the first that tells of an error.
    assert_eq!(said.matches("  | line ").count(), 32, "{said}");
    assert!(said.contains("  | line 40 of 40"), "{said}");
    assert!(said.contains("the run ends here"), "{said}");
    let table = String::from_utf8_lossy(&run.output.stdout).into_owned();
    let widest = table
        .lines()
        .take_while(|line| !line.starts_with("verdict"))
        .map(|line| line.chars().count())
        .max();
    assert!(widest.unwrap() <= 200, "the table is {widest:?} wide");
}

const SECRETS: [&str; 4] = [
    "sentinel-of-the-variable",
    "sentinel-of-the-token",
    "sentinel-of-the-header",
    "sentinel-of-the-flag",
];

const SECRETIVE: &str = r#"
[target]
command     = ["{comeback}", "serve", "memory", "--port", "{port}", "--data", "{data}"]
ready       = { http = "/health" }
boot_header = "x-boot-id"
environment = { KEY = "sentinel-of-the-variable", PORT = "{port}" }

[session]
value    = "/visits"
identity = { at = "/user", name = "u{{ session }}" }

[session.login]
request = "POST /login"
json    = { user = "u{{ session }}" }
headers = { authorization = "Bearer sentinel-of-the-token" }

[session.act]
request = "POST /visit"
headers = { x-api-key = { value = "sentinel-of-the-header", secret = true } }

[session.check]
request = "GET /me"

[windows]
warm_up    = "150ms"
settle     = "300ms"
steady_for = "200ms"
"#;

/// Every file below a folder, but not what the server itself wrote.
fn files_of_the_harness(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    let entries = entries.filter(|entry| entry.file_name() != "logs");
    entries
        .flat_map(|entry| match entry.file_type().unwrap().is_dir() {
            true => files_of_the_harness(&entry.path()),
            false => vec![entry.path()],
        })
        .collect()
}

fn assert_tells_no_secret(what: &str, text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    for secret in SECRETS {
        assert!(!text.contains(secret), "{what} holds {secret}: {text}");
    }
}

fn assert_holds_no_secret(folder: &Path) {
    let files = files_of_the_harness(folder);
    assert!(files.len() > 4, "{files:?}");
    for file in files {
        assert_tells_no_secret(&file.display().to_string(), &std::fs::read(&file).unwrap());
    }
}

/// Runs the program in a folder, sees that it tells no secret, and gives its exit code and what it said.
fn discreet(folder: &Path, words: &[&str]) -> (i32, String) {
    let output = command(folder, words)
        .env("KEY", "sentinel-of-the-variable")
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert_tells_no_secret(&words.join(" "), &said);
    let said = support::unfolded(&String::from_utf8_lossy(&said));
    (output.status.code().unwrap(), said)
}

/// Whether a run ended as it should. On a busy machine it may be inconclusive.
#[track_caller]
fn is_measured(code: i32, said: &str) -> bool {
    let is_borne = code == 3 && support::how_busy().is_some();
    assert!(code == 0 || is_borne, "{code}: {said}");
    code == 0
}

#[test]
fn no_document_and_no_message_holds_a_secret_and_a_replay_asks_for_them() {
    const SMALL: [&str; 8] = [
        "--trials",
        "1",
        "--sessions",
        "5",
        "--rate",
        "50",
        "--seed",
        "3",
    ];
    let folder = tempfile::tempdir().unwrap();
    let (file, out) = (folder.path().join("shop.toml"), folder.path().join("out"));
    std::fs::write(&file, SECRETIVE).unwrap();
    let flags = ["--env", "FLAG=sentinel-of-the-flag", "--no-gates"];
    let told = [
        &["run", "shop.toml", "--verbose", "--out", "out"][..],
        &SMALL,
        &flags,
    ]
    .concat();
    let (code, said) = discreet(folder.path(), &told);
    if !is_measured(code, &said) {
        return;
    }
    assert_holds_no_secret(&out);
    let journal = std::fs::read_to_string(out.join("journal.jsonl")).unwrap();
    for masked in [
        r#""KEY":"•••""#,
        r#""FLAG":"•••""#,
        r#""PORT":"{port}""#,
        r#""authorization":"•••""#,
        r#""x-api-key":"•••""#,
    ] {
        assert!(journal.contains(masked), "{masked}: {journal}");
    }
    for words in [
        &["explain", "shop.toml", "--json", "--seed", "3"][..],
        &["explain", "shop.toml", "--seed", "3"],
        &["validate", "shop.toml"],
        &["report", "out", "--json"],
        &["export", "out"],
    ] {
        let (code, said) = discreet(folder.path(), words);
        assert_eq!(code, 0, "{words:?}: {said}");
    }
    assert_holds_no_secret(&out);
    let (code, said) = discreet(folder.path(), &["replay", "out", "--out", "again"]);
    assert_eq!(code, 2, "{said}");
    for wanted in ["KEY", "FLAG", "authorization", "x-api-key"] {
        assert!(said.contains(&format!("'{wanted}=…'")), "{wanted}: {said}");
    }
    let given = [
        "replay",
        "out",
        "--out",
        "again",
        "--env",
        "KEY",
        "--env",
        "FLAG=sentinel-of-the-flag",
        "--secret",
        "Authorization=Bearer sentinel-of-the-token",
        "--secret",
        "x-api-key=sentinel-of-the-header",
    ];
    let (code, said) = discreet(folder.path(), &given);
    if !is_measured(code, &said) {
        return;
    }
    let again = folder.path().join("again");
    let (code, said) = discreet(folder.path(), &["diff", "out", "again"]);
    // One trial is too few to compare.
    assert_eq!(code, 3, "{said}");
    assert!(!said.contains("its load"), "{said}");
    assert_holds_no_secret(&again);
    let plan = |folder: &Path| support::read_header(folder)["plan"].clone();
    assert_eq!(plan(&again), plan(&out));
    support::assert_nothing_left(folder.path());
}

#[test]
fn a_server_that_quotes_a_secret_when_it_fails_is_quoted_without_it() {
    let folder = tempfile::tempdir().unwrap();
    let words = [
        "run",
        "--env",
        "KEY=sentinel-of-the-flag",
        "--out",
        "out",
        "--trials",
        "1",
        "--rate",
        "50",
        "--",
        "sh",
        "-c",
        "echo \"cannot use $KEY at {port}\" >&2; exit 1",
    ];
    let (code, said) = discreet(folder.path(), &words);
    assert_ne!(code, 0, "{said}");
    assert!(said.contains("cannot use •••"), "{said}");
    assert_holds_no_secret(&folder.path().join("out"));
}

/// A run's folder with a link out of it, in the place of one of its files or folders.
#[test]
fn a_report_follows_no_link_out_of_its_folder() {
    let run = run(&[
        "compare",
        "token",
        "--quick",
        "--trials",
        "1",
        "--sessions",
        "5",
        "--rate",
        "50",
        "--out",
        "out",
    ]);
    let outside = run.folder.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    let victim = outside.join("victim");
    for name in [
        "summary.json",
        "junit.xml",
        "charts",
        "journal.jsonl",
        "baseline",
    ] {
        std::fs::write(&victim, "gold").unwrap();
        let (place, aside) = (run.out().join(name), run.folder.path().join("aside"));
        let is_there = std::fs::rename(&place, &aside).is_ok();
        let leads_to = match name {
            "charts" | "baseline" => &outside,
            _ => &victim,
        };
        std::os::unix::fs::symlink(leads_to, &place).unwrap();
        let output = command(run.folder.path(), &["report", "out"])
            .output()
            .unwrap();
        let said = support::said(&output);
        assert_eq!(output.status.code(), Some(4), "{name}: {said}");
        assert!(said.contains(&format!("'{name}' is a link")), "{said}");
        assert!(said.contains("replace the link"), "{said}");
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "gold", "{name}");
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1, "{name}");
        std::fs::remove_file(&place).unwrap();
        if is_there {
            std::fs::rename(&aside, &place).unwrap();
        }
    }
    // The folder itself may be named by one.
    std::os::unix::fs::symlink(run.out(), run.folder.path().join("latest")).unwrap();
    let output = command(run.folder.path(), &["report", "latest"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(run.code()));
}

#[test]
fn the_metrics_of_gates_are_listed_as_the_guide_lists_them() {
    let listed: serde_json::Value =
        serde_json::from_slice(&plain(&["metrics", "--json"]).stdout).unwrap();
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/gates.md");
    let guide = std::fs::read_to_string(guide).unwrap();
    for metric in listed.as_array().unwrap() {
        let text = |key: &str| metric[key].as_str().unwrap();
        let name = text("name");
        // The guide has one row for a metric and all its parts.
        let row = guide.lines().find(|line| {
            let of_row = line
                .strip_prefix("| `")
                .and_then(|rest| rest.split_once('`'));
            of_row.is_some_and(|(family, _)| {
                name == family || name.starts_with(&format!("{family}."))
            })
        });
        let row = row.unwrap_or_else(|| panic!("the guide has no row for {name}"));
        assert!(row.contains(text("meaning")), "{name}: {row}");
        let wanted_unit = text("unit");
        assert!(
            row.contains(&format!("| {wanted_unit} |")) || name.starts_with("outage_area"),
            "{name}: {row}"
        );
        // Each example is a gate.
        let checked = plain(&[
            "explain",
            "--get",
            "/",
            "--gate",
            text("example"),
            "--",
            "true",
            "{port}",
        ]);
        assert_eq!(
            checked.status.code(),
            Some(0),
            "{}: {checked:?}",
            text("example")
        );
    }
    let unknown = plain(&["metrics", "speed"]);
    assert_eq!(unknown.status.code(), Some(2));
    let printed = stdout(&plain(&["metrics"]));
    // Metrics of one meaning share an example.
    for metric in listed.as_array().unwrap() {
        let meaning = metric["meaning"].as_str().unwrap();
        let (_, below) = printed.split_once(&format!(": {meaning}\n")).unwrap();
        let example = below.lines().next().unwrap();
        let of_it = listed.as_array().unwrap().iter().any(|one| {
            let gate = one["example"].as_str().unwrap();
            one["meaning"] == meaning && example == format!("    such as '{gate}'")
        });
        assert!(of_it, "{meaning}: {example}");
    }
    assert!(
        printed.lines().all(|line| line.chars().count() <= 80),
        "{printed}"
    );
}

#[test]
fn faults_are_looked_up_by_what_they_are_about() {
    let names = |words: &[&str]| -> Vec<String> {
        let words = [&["faults", "--json"], words].concat();
        let kinds: serde_json::Value = serde_json::from_slice(&plain(&words).stdout).unwrap();
        let kinds = kinds.as_array().unwrap().iter();
        kinds
            .map(|kind| kind["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let limits = names(&["_limit"]);
    assert!(
        limits.iter().any(|name| name == "memory_limit"),
        "{limits:?}"
    );
    assert!(limits.len() < names(&[]).len());
    let unknown = plain(&["faults", "meteorite"]);
    assert_eq!(unknown.status.code(), Some(2));
    let said = support::said(&unknown);
    assert!(said.contains("no kind of fault has 'meteorite'"), "{said}");
}

#[test]
fn explain_shows_replicas_balancer_and_store_and_who_gets_each_fault() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../experiments/redis-replicas.toml");
    let words = ["explain", file.to_str().unwrap(), "--seed", "3"];
    let printed = stdout(&plain(&words));
    let document = stdout(&plain(&[&words[..], &["--json"]].concat()));
    let document: serde_json::Value = serde_json::from_str(&document).unwrap();
    let text = printed.split_whitespace().collect::<Vec<_>>().join(" ");
    for beside in [
        "3 replicas: replica-0, replica-1, replica-2",
        "balancer in front of them: {comeback} balance --port {port}",
        "store that the replicas share: redis-server",
    ] {
        assert!(text.contains(beside), "{beside}:\n{printed}");
    }
    let trials = document["schedule"]["trials"].as_array().unwrap();
    let mut killed = std::collections::BTreeSet::new();
    for trial in trials {
        let (id, faults) = (&trial["id"], &trial["faults"]);
        let Some(node) = faults[0]["nodes"][0].as_str() else {
            continue;
        };
        killed.insert(node);
        let line = printed
            .lines()
            .find(|line| line.trim_start().starts_with(&format!("trial {id} ")))
            .unwrap();
        assert!(
            line.contains(&format!("SIGKILL for {node} at ")),
            "{node}: {line}"
        );
    }
    assert!(killed.len() > 1, "{killed:?}");
    let alone = plain(&["explain", "--get", "/", "--", "true", "{port}"]);
    let alone = stdout(&alone);
    assert!(alone.contains("SIGKILL at "), "{alone}");
}

#[test]
fn explain_fits_80_columns_and_takes_no_folder_of_a_run() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../experiments/redis-replicas.toml");
    let printed = stdout(&plain(&["explain", file.to_str().unwrap()]));
    // A command or a path is one word.
    let long = |line: &str| line.chars().count() > 80 && line.split_whitespace().count() > 2;
    let long: Vec<&str> = printed.lines().filter(|line| long(line)).collect();
    assert_eq!(long, [""; 0]);
    let run = tempfile::tempdir().unwrap();
    std::fs::write(run.path().join("journal.jsonl"), "").unwrap();
    let refused = plain(&["explain", run.path().to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(2));
    let said = support::said(&refused);
    assert!(said.contains("this is the folder of a run"), "{said}");
}

#[test]
fn shells_get_completions_and_man_gets_a_page_for_each_command() {
    let script = stdout(&plain(&["completions", "bash"]));
    let checked = std::process::Command::new("bash")
        .args(["-n", "-c", &script])
        .output()
        .unwrap();
    assert!(checked.status.success(), "{checked:?}");
    assert!(script.contains("--fault-target"));
    let folder = tempfile::tempdir().unwrap();
    let made = command(folder.path(), &["man", "pages/man1"])
        .output()
        .unwrap();
    assert_eq!(made.status.code(), Some(0), "{made:?}");
    for command in [
        "comeback",
        "comeback-run",
        "comeback-try",
        "comeback-compare",
    ] {
        let page = folder.path().join(format!("pages/man1/{command}.1"));
        let page = std::fs::read_to_string(page).unwrap();
        assert!(page.contains(".SH NAME"), "{command}: {page}");
    }
    let left = std::fs::read_dir(folder.path().join("pages/man1"))
        .unwrap()
        .flatten();
    let hidden: Vec<_> = left
        .filter(|page| page.file_name().to_string_lossy().contains("warden"))
        .collect();
    assert!(hidden.is_empty(), "{hidden:?}");
}
