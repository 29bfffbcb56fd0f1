//! Whatever is recorded: no recording makes the program panic, and each file that follows from one can be run.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;

use comeback_experiment::File;
use comeback_experiment::document::TargetPart;
use comeback_faults::Faults;
use comeback_model::plan::Workload;
use serde_json::json;

use super::asked::Parts;
use super::draft::Draft;
use super::openapi::tests::{BEARER, COOKIE};
use super::recorded::{Exchange, Said, Sifted, Unusable};
use super::{Args, Known, Server, curl, har, infer, openapi};

const SCRIPT: &str = "curl 'http://localhost:8000/login' -H 'Accept: text/html'
curl 'http://localhost:8000/login' -b 'csrftoken=c00kie' --data-raw $'csrf_token=m45k{{&user=al&password=it\\'s'
curl -L http://localhost:8000/visit/al -H 'X-CSRFToken: c00kie' -b 'csrftoken=c00kie; sid=s' --json '{\"a\": [null, \"b\"]}'
curl -u a:b \"$BASE/me?x=1\" -b 'csrftoken=c00kie; sid=s'
";

/// Two acts of an API, of which each shows a counter and a list.
fn recorded() -> String {
    let entry = |request: &str, body: Option<&str>, page: serde_json::Value| {
        let (method, path) = request.split_once(' ').unwrap();
        let mut asked = json!({"method": method, "url": format!("http://localhost{path}")});
        asked["headers"] = json!([{"name": "Authorization", "value": "Bearer t0k3n-0123456789"}]);
        if let Some(text) = body {
            asked["postData"] = json!({"mimeType": "application/json", "text": text});
        }
        let content = json!({"text": page.to_string()});
        json!({"request": asked, "response": {"status": 200, "headers": [], "content": content}})
    };
    let shop = |count: u32, items: &[&str]| json!({"user": "al", "count": count, "items": items});
    let entries = [
        entry(
            "POST /login",
            Some(r#"{"user": "al"}"#),
            json!({"data": {"token": "t0k3n-0123456789"}}),
        ),
        entry("GET /shop", None, shop(0, &[])),
        entry(
            "POST /buy?of=al",
            Some(r#"{"item": "tea pot"}"#),
            shop(1, &["tea pot"]),
        ),
        entry("GET /shop", None, shop(1, &["tea pot"])),
        entry("DELETE /session", None, json!([])),
    ];
    json!({"log": {"entries": entries}}).to_string()
}

/// What is put into a recording at random.
const PIECES: [&str; 24] = [
    "'",
    "\"",
    "\\",
    "$",
    "{",
    "}",
    "[",
    "{{",
    "{%",
    "{#",
    "ä",
    "😀",
    "\n",
    "0",
    "7",
    "/",
    "?",
    "&",
    "=",
    "<",
    " value=\"",
    "csrf",
    ";",
    "-d ",
];

/// A text with a few changes that follow from the seed (Knuth's multiplier, as in MMIX).
fn changed(text: &str, seed: &mut u64) -> String {
    let mut draw = |below: usize| {
        *seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (*seed >> 33) as usize % below.max(1)
    };
    let mut letters: Vec<String> = text.chars().map(String::from).collect();
    for _ in 0..=draw(4) {
        let at = draw(letters.len());
        let piece = PIECES[draw(PIECES.len())].to_owned();
        match draw(3) {
            0 => letters.insert(at, piece),
            1 => letters[at] = piece,
            _ => drop(letters.drain(at..(at + draw(20)).min(letters.len()))),
        }
    }
    letters.concat()
}

/// How many of the files could be run; each that was written must be.
fn files_of(recorded: Result<Vec<Exchange>, Unusable>) -> usize {
    files_of_document(recorded.map(|recorded| (recorded, Said::default())))
}

fn files_of_document(parsed: Result<(Vec<Exchange>, Said), Unusable>) -> usize {
    let Ok((recorded, said)) = parsed else {
        return 0;
    };
    let sifted = Sifted::sift(recorded);
    let flows =
        [Some(true), Some(false)].map(|keeps_user| infer::infer(&sifted.kept, keeps_user, &said));
    let flows = flows.iter().flatten();
    let files = flows.map(|flow| {
        assert!(
            flow.tell()
                .iter()
                .all(|line| !line.contains(char::is_control))
        );
        let known = Known {
            server: Server {
                command: &[],
                target: &TargetPart::default(),
            },
            seen: None,
            parts: &Parts::default(),
        };
        let draft = Draft {
            known,
            flow: Some(flow),
        };
        let text = draft.text();
        let file = File::parse(Path::new("it.toml"), text.clone(), &Faults);
        let resolved = file.and_then(|file| file.resolve(&Faults));
        assert!(resolved.is_ok(), "{}\n{text}", resolved.unwrap_err());
    });
    files.count()
}

#[test]
fn every_file_that_follows_from_a_recording_can_be_run() {
    let mut seed = 1;
    let mut files = [0; 4];
    for _ in 0..300 {
        files[0] += files_of(curl::parse(&changed(SCRIPT, &mut seed)));
        files[1] += files_of(har::parse(&changed(&recorded(), &mut seed)));
        for (at, document) in [(2, BEARER), (3, COOKIE)] {
            files[at] += files_of_document(openapi::parse(&changed(document, &mut seed)));
        }
    }
    assert!(files.iter().all(|count| *count > 50), "{files:?}");
    assert_eq!(
        (
            files_of(curl::parse(SCRIPT)),
            files_of(har::parse(&recorded()))
        ),
        (2, 2)
    );
}

/// `comeback init`, by itself.
#[derive(clap::Parser)]
struct Init {
    #[command(flatten)]
    args: Args,
}

/// The file that follows from these flags, read again.
fn file_of(flags: &[&str]) -> File {
    let words = ["init"].into_iter().chain(flags.iter().copied());
    let Init { args } = clap::Parser::try_parse_from(words).unwrap();
    let target = args.target.to_part();
    let server = Server {
        command: &args.from_command,
        target: &target,
    };
    let known = Known {
        server,
        seen: None,
        parts: &args.asked.to_parts(server).unwrap(),
    };
    let text = Draft { known, flow: None }.text();
    let file = File::parse(Path::new("it.toml"), text.clone(), &Faults);
    file.unwrap_or_else(|problems| panic!("{problems}\n{text}"))
}

#[test]
fn flags_of_users_trials_faults_and_gates_stand_in_the_file() {
    let file = file_of(&[
        "--trials",
        "9",
        "--sessions",
        "12",
        "--fault",
        "pause:lasts=2s,at=3s",
        "--fault",
        "kill:after=100ms",
        "--gate",
        "time_to_ready.max < 3s",
        "--login",
        "POST /login {\"user\":\"u{{ session }}\"}",
        "--act",
        "POST /visit",
        "--check",
        "GET /me",
        "--logout",
        "POST /logout",
        "--value",
        "/visits",
        "--identity",
        "/user=u{{ session }}",
        "--from-command",
        "./shop",
        "{port}",
    ]);
    let plan = file.resolve(&Faults).unwrap().plan;
    assert_eq!((plan.trials, plan.load.clients), (9, 12));
    let faults: Vec<&str> = plan
        .faults
        .iter()
        .map(|fault| fault.kind.as_str())
        .collect();
    assert_eq!(faults, ["pause", "kill"]);
    assert_eq!(plan.windows.baseline.to_string(), "3s");
    let gates: Vec<String> = plan.gates.iter().map(ToString::to_string).collect();
    assert!(
        gates.contains(&"time_to_ready.max < 3s".to_owned()),
        "{gates:?}"
    );
    assert!(
        gates.contains(&"lost_sessions == 0".to_owned()),
        "{gates:?}"
    );
    assert!(
        !gates.iter().any(|gate| gate.starts_with("outage")),
        "{gates:?}"
    );
    let Workload::Sessions(flow) = plan.load.workload else {
        panic!("no session");
    };
    assert!(flow.logout.is_some());
    assert_eq!(flow.identity.unwrap().name, "u{{ session }}");
    // Without flags there are the examples.
    let plan = file_of(&[]).resolve(&Faults).unwrap().plan;
    assert_eq!((plan.trials, plan.load.clients), (6, 50));
    assert!(
        plan.gates
            .iter()
            .any(|gate| gate.to_string().starts_with("outage"))
    );
}

#[test]
fn a_flow_is_recorded_or_said() {
    let flow = [
        "--login", "POST /l", "--act", "POST /a", "--check", "GET /c", "--value", "/v",
    ];
    for form in ["--from-har", "--from-curl", "--from-openapi"] {
        let words = ["init", form, "it"].into_iter().chain(flow);
        let refused = <Init as clap::Parser>::try_parse_from(words).err().unwrap();
        assert_eq!(refused.kind(), clap::error::ErrorKind::ArgumentConflict);
    }
}
