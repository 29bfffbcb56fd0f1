//! Whatever is recorded: no recording makes the program panic, and each file that follows from one can be run.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use crate::experiment::TargetArgs;
use std::path::Path;

use comeback_experiment::File;
use comeback_faults::Faults;
use serde_json::json;

use super::Server;
use super::draft::Draft;
use super::openapi::tests::{BEARER, COOKIE};
use super::recorded::{Exchange, Said, Sifted, Unusable};
use super::{curl, har, infer, openapi};

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
        let draft = Draft {
            server: Server {
                command: &[],
                target: &TargetArgs::default(),
            },
            seen: None,
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
