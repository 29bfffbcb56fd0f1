//! Experiment files that `init` writes from recorded requests.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{call, folder_with, stderr, stdout};
use crate::support::{PROGRAM, assert_nothing_left, has};

/// Requests to a reference server, as somebody writes them down.
const SCRIPT: &str = r#"#!/bin/sh
# One user of the shop.
curl -s -c cookies -X POST localhost:8080/login -H 'Content-Type: application/json' \
     -d '{"user": "alice"}'
curl -s -b cookies -X POST localhost:8080/visit > /dev/null
curl -s -b cookies localhost:8080/me | jq .visits
curl -s -b cookies localhost:8080/style.css
curl -s -b cookies -X POST localhost:8080/logout
"#;

const SERVER: [&str; 6] = ["serve", "memory", "--port", "{port}", "--data", "{data}"];

/// Calls `init FILE … --from-command` and this command; what it printed, and the file, which is valid.
fn written(folder: &Path, words: &[&str], command: &[&str]) -> (String, String) {
    let [file, ..] = words else { panic!("no file") };
    let init = [&["init"], words, &["--from-command"], command].concat();
    let init = call(folder, &init);
    let text = std::fs::read_to_string(folder.join(file)).unwrap_or_default();
    let told = stdout(&init);
    assert_eq!(init.status.code(), Some(0), "{told}{}{text}", stderr(&init));
    let checked = call(folder, &["validate", file]);
    assert_eq!(checked.status.code(), Some(0), "{}", stderr(&checked));
    (told, text)
}

/// Demands parts of a text.
fn assert_has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[test]
fn curl_commands_and_the_server_give_a_file_that_works() {
    let folder = folder_with("shop.sh", SCRIPT);
    let words = ["shop.toml", "--from-curl", "shop.sh"];
    let command = [&[PROGRAM], &SERVER[..]].concat();
    let (told, text) = written(folder.path(), &words, &command);
    assert_has(
        &told,
        &[
            "4 requests of shop.sh; left out: 1 for static files",
            "login       POST /login: its path",
            "value       /visits: it was 0, 1 after 0, 1 acts",
            "the server answers this flow as the file describes it",
        ],
    );
    let own = |line: &&str| !line.contains("shop.toml");
    assert!(
        told.lines()
            .filter(own)
            .all(|line| line.chars().count() <= 80),
        "{told}"
    );
    assert_has(
        &text,
        &[
            "json = { user = \"u{{ session }}\" }",
            "identity = { at = \"/user\", name = \"u{{ session }}\" }",
        ],
    );
    let tried = call(folder.path(), &["try", "shop.toml", "--brief"]);
    assert_eq!(
        tried.status.code(),
        Some(0),
        "{}{}",
        stdout(&tried),
        stderr(&tried)
    );
    assert_nothing_left(folder.path());
}

#[test]
fn a_flow_that_the_server_refuses_is_written_and_told() {
    let folder = folder_with(
        "shop.sh",
        &SCRIPT.replace("localhost:8080/visit", "localhost:8080/buy"),
    );
    let words = [
        "init",
        "shop.toml",
        "--from-curl",
        "shop.sh",
        "--from-command",
        PROGRAM,
    ];
    let written = call(folder.path(), &[&words[..], &SERVER].concat());
    assert_eq!(written.status.code(), Some(1), "{}", stderr(&written));
    let told = stdout(&written).replace("\n              ", " ");
    assert!(
        told.contains("it does not work yet: act: client error (HTTP 404): status 404"),
        "{told}"
    );
    assert!(folder.path().join("shop.toml").exists());
    assert_nothing_left(folder.path());
}

#[test]
fn a_recording_that_cannot_be_used_is_refused_with_what_to_do_and_leaves_no_file() {
    for (flag, recording, told) in [
        (
            "--from-curl",
            "curl a\ncurl 'b",
            "it: line 2: a quote begins here and is not closed: copy the whole command",
        ),
        (
            "--from-curl",
            "curl --frob a",
            "it: line 1: curl's --frob is not known here: remove it",
        ),
        (
            "--from-curl",
            "curl -F a=b c",
            "it: line 1: -F sends a multipart form",
        ),
        (
            "--from-curl",
            "ls",
            "it: it has no curl command: in the browser's network tab choose",
        ),
        (
            "--from-curl",
            "curl localhost/a",
            "it: none of its requests looks like a login: GET /a: record from before",
        ),
        (
            "--from-openapi",
            "{\"openapi\": \"3.1.0\", \"paths\": {\"/a\": {\"post\": {}}}}",
            "it: no operation looks like a login, so the key session.login is missing: POST /a. A login is",
        ),
        (
            "--from-har",
            "curl a",
            "it: it is not JSON: expected value at line 1 column 1: open the browser's",
        ),
        (
            "--from-har",
            "{\"log\": {\"entries\": []}}",
            "it: it has no requests: log.entries is empty: open",
        ),
    ] {
        let folder = folder_with("it", recording);
        let output = call(folder.path(), &["init", "new.toml", flag, "it"]);
        assert_eq!(output.status.code(), Some(2), "{recording}");
        assert!(
            stderr(&output).contains(told),
            "{recording}: {}",
            stderr(&output)
        );
        assert!(!folder.path().join("new.toml").exists());
    }
    let folder = folder_with("it", "");
    let both = ["init", "--from-har", "it", "--from-openapi", "it"];
    let both = call(folder.path(), &both);
    assert_eq!(both.status.code(), Some(2), "{}", stderr(&both));
    let output = call(folder.path(), &["init", "--from-har", "nowhere.har"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("nowhere.har: No such file"),
        "{}",
        stderr(&output)
    );
}

/// Debian's Python, which has Debian's modules.
const PYTHON: &str = "/usr/bin/python3";

/// A server that is not part of a run; its end with it.
struct Alone(Child);

impl Drop for Alone {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts Django beside all runs, and waits until it listens.
fn django(application: &str, folder: &Path) -> (Alone, u16) {
    let port = comeback_supervise::ports::free_port().unwrap();
    let mut server = Command::new(PYTHON);
    server.args(["-B", application]).arg(folder);
    let server = server
        .arg(port.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut server = Alone(server.spawn().unwrap());
    let deadline = Instant::now() + Duration::from_secs(120);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert_eq!(server.0.try_wait().unwrap(), None, "Django ended");
        assert!(Instant::now() < deadline, "Django does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    (server, port)
}

#[test]
fn a_har_file_of_a_login_to_django_in_a_browser_gives_a_file_that_works() {
    let is_there = has("python3-django", &[PYTHON, "-c", "import django"])
        && has("chromium", &["chromium", "--version"]);
    if !is_there {
        return;
    }
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let application = here.join("../experiments/apps/django_visits.py");
    let application = application.to_str().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (server, port) = django(application, folder.path());
    let recorded = Command::new(PYTHON)
        .arg("-B")
        .arg(here.join("tests/data/browse.py"))
        .args([&*format!("http://127.0.0.1:{port}/"), "profile", "shop.har"])
        .current_dir(folder.path())
        // What a browser that is killed leaves goes with the folder.
        .env("TMPDIR", folder.path())
        .output()
        .unwrap();
    assert!(recorded.status.success(), "{}", stderr(&recorded));
    drop(server);
    let command = [PYTHON, "-B", application, "{data}", "{port}"];
    let words = ["shop.toml", "--from-har", "shop.har"];
    let (_, text) = written(folder.path(), &words, &command);
    assert_has(
        &text,
        &[
            "value = \"regex:visits: ([0-9]+)\"",
            "identity = { at = \"regex:You are ([0-9A-Za-z_]+)\", name = \"u{{ session }}\" }",
            "logged_out_page = { headers = { location = \"/login\" } }",
            "form = { csrfmiddlewaretoken = \"{{ csrf }}\", user = \"u{{ session }}\" }",
        ],
    );
    assert_nothing_left(folder.path());
}

/// Requests to an API with accounts, as a shell script has them.
const API: &str = r#"API=http://localhost:3000/api
curl -s -X POST "$API/auth/login" -H "Content-Type: application/json" \
     -d '{"username": "alice", "password": "wonder"}'
# Put the token of the reply into TOKEN.
curl -s -X POST "$API/todos" -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" -d '{"title": "milk"}'
curl -s "$API/todos" -H "Authorization: Bearer $TOKEN" | jq .
"#;

#[test]
fn tokens_entries_and_an_account_are_found_by_asking_the_server() {
    let folder = folder_with("api.sh", API);
    let server = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/accounts.py");
    let server = server.to_str().unwrap();
    let command = ["python3", "-B", server, "{port}"];
    let words = ["api.toml", "--from-curl", "api.sh"];
    let (_, text) = written(folder.path(), &words, &command);
    assert_has(
        &text,
        &[
            "value = \"$.items[*].title\"\nwrites = \"list\"\nidentity = { at = \"/owner\", name = \"alice\" }",
            "json = { password = \"wonder\", username = \"alice\" }\ncapture = { token = \"/data/accessToken\" }",
            "headers = { authorization = \"Bearer {{ token }}\" }\njson = { title = \"{{ write }}\" }",
        ],
    );
    assert_nothing_left(folder.path());
}

/// What the reference server is, as an OpenAPI document has it.
const VISITS: &str = r#"
openapi: 3.1.0
info: {title: Visits, version: "1"}
security: [{session: []}]
paths:
  /login:
    post:
      security: []
      requestBody:
        content:
          application/json:
            schema: {type: object, properties: {user: {type: string}}}
      responses: {"200": {description: logged in}}
  /visit:
    post:
      responses: {"200": {description: counted}}
  /me:
    get:
      responses:
        "200":
          description: the user
          content:
            application/json:
              schema: {type: object, properties: {user: {type: string}, visits: {type: integer}}}
  /logout:
    post:
      responses: {"200": {description: logged out}}
components:
  securitySchemes:
    session: {type: apiKey, in: cookie, name: sid}
"#;

#[test]
fn an_openapi_document_gives_a_file_that_works_with_the_server_and_a_valid_one_without() {
    let folder = folder_with("visits.yaml", VISITS);
    // The command of a file whose server is not known yet.
    std::os::unix::fs::symlink(PROGRAM, folder.path().join("server")).unwrap();
    let alone = ["init", "alone.toml", "--from-openapi", "visits.yaml"];
    let alone = call(folder.path(), &alone);
    let told = stdout(&alone);
    assert_eq!(alone.status.code(), Some(0), "{told}{}", stderr(&alone));
    assert_has(
        &told,
        &[
            "5 requests of visits.yaml",
            "login       POST /login: its path",
            "open        whether /visits counts the acts (value)",
        ],
    );
    let checked = call(folder.path(), &["validate", "alone.toml"]);
    assert_eq!(checked.status.code(), Some(0), "{}", stderr(&checked));
    let command = [&[PROGRAM], &SERVER[..]].concat();
    let words = ["shop.toml", "--from-openapi", "visits.yaml"];
    let (told, text) = written(folder.path(), &words, &command);
    assert_has(
        &told,
        &[
            "value       /visits: it was 0, 1 after 0, 1 acts",
            "the server answers this flow as the file describes it",
        ],
    );
    assert_has(
        &text,
        &[
            "value = \"/visits\"",
            "json = { user = \"u{{ session }}\" }",
            "identity = { at = \"/user\", name = \"u{{ session }}\" }",
        ],
    );
    let tried = call(folder.path(), &["try", "shop.toml", "--brief"]);
    assert_eq!(tried.status.code(), Some(0), "{}", stdout(&tried));
    assert_nothing_left(folder.path());
}

#[test]
fn a_document_with_an_account_of_its_own_gives_a_file_that_logs_in_with_it() {
    const ACCOUNTS: &str = r##"{"openapi": "3.0.3", "servers": [{"url": "/api"}], "paths": {
      "/auth/login": {"post": {"requestBody": {"content": {"application/json": {"schema": {"type": "object", "properties": {
          "username": {"type": "string", "example": "alice"}, "password": {"type": "string", "example": "wonder"}}}}}},
        "responses": {"200": {"description": "ok"}}}},
      "/todos": {"post": {"security": [{"token": []}], "requestBody": {"content": {"application/json": {"schema": {
            "type": "object", "properties": {"title": {"type": "string"}}}}}}, "responses": {"201": {"description": "ok"}}},
        "get": {"security": [{"token": []}], "responses": {"200": {"description": "ok"}}}}},
      "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}}}"##;
    let folder = folder_with("api.json", ACCOUNTS);
    let server = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/accounts.py");
    let server = server.to_str().unwrap();
    let command = ["python3", "-B", server, "{port}"];
    let words = ["api.toml", "--from-openapi", "api.json"];
    let (_, text) = written(folder.path(), &words, &command);
    assert_has(
        &text,
        &[
            "value = \"$.items[*].title\"\nwrites = \"list\"\nidentity = { at = \"/owner\", name = \"alice\" }",
            "json = { password = \"wonder\", username = \"alice\" }\ncapture = { token = \"/data/accessToken\" }",
            "headers = { authorization = \"Bearer {{ token }}\" }\njson = { title = \"{{ write }}\" }",
        ],
    );
    assert_nothing_left(folder.path());
}

/// An API that answers what it knows, and everything else with a 404: its front page and every customary health path, too.
const ONLY_AN_API: &str = r#"
import json, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
clicks = {}
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def answer(self, status, value, cookie=None):
        body = json.dumps(value).encode()
        self.send_response(status)
        if cookie:
            self.send_header("Set-Cookie", "user=" + cookie)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do(self, method):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        user = self.headers.get("Cookie", "")[len("user="):]
        asked = (method, self.path)
        if asked == ("POST", "/session"):
            user = body[len("username="):]
            clicks[user] = 0
            self.answer(200, {"user": user}, user)
        elif asked not in [("POST", "/click"), ("GET", "/profile")]:
            self.answer(404, {})
        elif user not in clicks:
            self.answer(403, {})
        else:
            clicks[user] += method == "POST"
            self.answer(200, {"user": user, "clicks": clicks[user]})
    def do_GET(self):
        self.do("GET")
    def do_POST(self):
        self.do("POST")
    def log_message(self, *words):
        pass
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"#;

#[test]
fn a_server_that_knows_only_the_pages_of_the_recording_is_not_waited_for() {
    let requests = "curl -d username=alice http://localhost:1/session\n\
                    curl -X POST http://localhost:1/click\ncurl -X POST http://localhost:1/click\n\
                    curl http://localhost:1/profile\n";
    let folder = folder_with("api.sh", requests);
    std::fs::write(folder.path().join("api.py"), ONLY_AN_API).unwrap();
    let command = ["python3", "-B", "api.py", "{port}"];
    let init = [
        "init",
        "api.toml",
        "--from-curl",
        "api.sh",
        "--from-command",
    ];
    let output = call(folder.path(), &[&init[..], &command[..]].concat());
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{told}{}", stdout(&output));
    // It refuses `/profile` at once, which a server that is still starting does not.
    assert!(!told.contains("waiting"), "{told}");
    let text = std::fs::read_to_string(folder.path().join("api.toml")).unwrap();
    // A page that is refused to strangers tells nothing of its readiness.
    assert_has(&text, &["ready = { tcp = true", "value = \"/clicks\""]);
    assert_nothing_left(folder.path());
}
