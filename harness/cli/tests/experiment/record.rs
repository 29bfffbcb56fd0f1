//! Experiment files that `record` writes from what passes its proxy.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::JoinHandle;

use rustix::process::{Pid, Signal, kill_process};

use super::{call, stderr, stdout};
use crate::support::{PROGRAM, assert_nothing_left, command, has, unfolded};

const SERVER: [&str; 6] = ["serve", "memory", "--port", "{port}", "--data", "{data}"];

/// A recording that goes on.
struct Recording {
    child: Child,
    /// Where its proxy listens.
    address: String,
    /// Reads what it prints on stderr, to the end.
    told: JoinHandle<String>,
}

impl Recording {
    /// Starts `record` with these words, and waits until it listens.
    fn start(folder: &Path, words: &[&str], server: &[&str]) -> Self {
        let words = [&["record"], words, &["--"], server].concat();
        let mut child = command(folder, &words)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let mut told = String::new();
        while !told.contains("recording: open http://") {
            let read = lines.read_line(&mut told).unwrap();
            assert!(read > 0, "it ended: {told}");
        }
        let (_, address) = told.split_once("open http://").unwrap();
        let address = address.split(' ').next().unwrap().to_owned();
        let told = std::thread::spawn(move || {
            lines.read_to_string(&mut told).unwrap();
            told
        });
        Self {
            child,
            address,
            told,
        }
    }

    /// Sends a request, with these lines in its head: the whole reply.
    fn ask(&self, request: &str, lines: &[&str], body: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        let head = format!(
            "{request} HTTP/1.1\r\nHost: {}\r\nOrigin: http://{}\r\nConnection: close\r\n{lines}Content-Length: {}\r\n\r\n{body}",
            self.address,
            self.address,
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).unwrap();
        String::from_utf8(reply).unwrap()
    }

    /// A login, two acts with looks between them, a static file, and the logout.
    fn use_reference_server(&self) {
        let login = self.ask(
            "POST /login",
            &["Content-Type: application/json", "Accept-Encoding: gzip"],
            "{\"user\": \"alice\"}",
        );
        let (_, cookie) = login.split_once("set-cookie: ").unwrap();
        let cookie = format!("Cookie: {}", cookie.split(';').next().unwrap());
        for request in [
            "GET /me",
            "POST /visit",
            "GET /me",
            "POST /visit",
            "GET /style.css",
            "GET /me",
            "POST /logout",
        ] {
            self.ask(request, &[&cookie], "");
        }
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Waits for its end: what it printed on stdout and on stderr.
    fn end(mut self, code: i32) -> (String, String) {
        let mut printed = String::new();
        let mut stdout = self.child.stdout.take().unwrap();
        stdout.read_to_string(&mut printed).unwrap();
        let ended = self.child.wait().unwrap();
        let told = unfolded(&self.told.join().unwrap());
        assert_eq!(ended.code(), Some(code), "{printed}{told}");
        (printed, told)
    }

    /// Presses Enter.
    fn press_enter(&mut self) {
        self.child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    }
}

fn assert_works(folder: &Path, file: &str) {
    let words: [&[&str]; 2] = [&["validate", file], &["try", file, "--brief"]];
    for words in words {
        let output: Output = call(folder, words);
        let told = format!("{}{}", stdout(&output), stderr(&output));
        assert_eq!(output.status.code(), Some(0), "{words:?}: {told}");
    }
}

fn part_of<'t>(text: &'t str, from: &str) -> &'t str {
    &text[text.find(from).unwrap()..]
}

#[test]
fn a_session_through_the_recorder_gives_a_file_that_works() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let server = [&[PROGRAM], &SERVER[..]].concat();
    let words = ["shop.toml", "--har", "shop.har"];
    let mut recording = Recording::start(folder, &words, &server);
    recording.use_reference_server();
    recording.press_enter();
    let (told, seen) = recording.end(0);
    for part in [
        "7 requests of the recording; left out: 1 for static files",
        "login       POST /login: its path",
        "value       /visits: it was 0, 1, 2 after 0, 1, 2 acts",
        "logout      POST /logout: its path",
        "the server answers this flow as the file describes it",
        "wrote shop.har",
    ] {
        assert!(told.contains(part), "{part}\n{told}");
    }
    assert!(seen.contains("  200 POST /login\n"), "{seen}");
    assert_works(folder, "shop.toml");
    for file in ["shop.har", "shop.toml"] {
        let mode = std::fs::metadata(folder.join(file))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(
            mode & 0o077,
            0,
            "others may read the passwords of {file}: {mode:o}"
        );
    }
    // The HAR file says the same.
    let again = call(folder, &["init", "again.toml", "--from-har", "shop.har"]);
    assert_eq!(again.status.code(), Some(0), "{}", stderr(&again));
    let [recorded, again] =
        ["shop.toml", "again.toml"].map(|file| std::fs::read_to_string(folder.join(file)).unwrap());
    assert_eq!(
        part_of(&recorded, "[session]"),
        part_of(&again, "[session]")
    );
    assert_nothing_left(folder);
}

#[test]
fn a_recording_ends_with_ctrl_c_and_a_termination_leaves_no_file() {
    for (signal, code) in [(Signal::INT, 0), (Signal::TERM, 130)] {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let server = [&[PROGRAM], &SERVER[..]].concat();
        let recording = Recording::start(folder, &["shop.toml"], &server);
        recording.use_reference_server();
        kill_process(recording.pid(), signal).unwrap();
        recording.end(code);
        assert_eq!(folder.join("shop.toml").exists(), code == 0);
        assert_nothing_left(folder);
    }
}

#[test]
fn a_recording_without_requests_or_without_its_server_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let server = [&[PROGRAM], &SERVER[..]].concat();
    let nothing = Recording::start(folder, &["a.toml", "--for", "1ms"], &server);
    let address = nothing.address.clone();
    let (_, told) = nothing.end(2);
    let expected = format!("the recording: no request came: open http://{address} in a browser");
    assert!(told.contains(&expected), "{told}");
    // This one ends when it is asked for its end.
    let ends = "import os, sys\nfrom http.server import *\nclass H(BaseHTTPRequestHandler):\n def do_GET(self):\n  \
                if self.path == '/end': print('no disk', flush=True); os._exit(3)\n  self.send_response(200); \
                self.send_header('Content-Length', '0'); self.end_headers()\n log_message = lambda *words: None\n\
                ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])), H).serve_forever()";
    let recording = Recording::start(folder, &["b.toml"], &["python3", "-c", ends, "{port}"]);
    recording.ask("GET /end", &[], "");
    let (_, told) = recording.end(2);
    for part in [
        "the server exited with status 3 by itself, and the recording ended with it",
        "  | no disk",
        "GET /end: the server gave no reply",
        "the recording: none of its requests looks like a login: GET /end: record from before",
    ] {
        assert!(told.contains(part), "{part}\n{told}");
    }
    assert!(!folder.join("a.toml").exists() && !folder.join("b.toml").exists());
    assert_nothing_left(folder);
}

#[test]
fn what_cannot_be_recorded_is_refused_before_the_server_is_started() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("there"), "").unwrap();
    let occupied = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = occupied.local_addr().unwrap().port().to_string();
    let cases: [(&[&str], &str); 5] = [
        (&["there"], "there already exists and is not overwritten"),
        (&["a.toml", "--har", "there"], "there already exists"),
        (
            &["a.toml", "--har", "a.toml"],
            "--har: it names the experiment file",
        ),
        (
            &["a.toml", "--port", &taken],
            "--port: the recorder cannot listen",
        ),
        (&["a.toml", "--for", "soon"], "--for"),
    ];
    for (words, told) in cases {
        let words = [&["record"], words, &["--", "touch", "started-{port}"]].concat();
        let output = call(folder, &words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(
            stderr(&output).contains(told),
            "{words:?}: {}",
            stderr(&output)
        );
    }
    drop(occupied);
    let left: Vec<_> = std::fs::read_dir(folder).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
    assert_nothing_left(folder);
}

/// Debian's Python, which has Debian's modules.
const PYTHON: &str = "/usr/bin/python3";

#[test]
fn a_login_to_django_in_a_browser_gives_a_file_that_works() {
    let is_there = has("python3-django", &[PYTHON, "-c", "import django"])
        && has("chromium", &["chromium", "--version"]);
    if !is_there {
        return;
    }
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let application = here.join("../experiments/apps/django_visits.py");
    let application = application.to_str().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let server = [PYTHON, "-B", application, "{data}", "{port}"];
    let mut recording = Recording::start(folder, &["shop.toml"], &server);
    let page = format!("http://{}/", recording.address);
    let browsed = Command::new(PYTHON)
        .arg("-B")
        .args([&here.join("tests/data/browse.py"), Path::new(&page)])
        .arg(folder.join("profile"))
        .current_dir(folder)
        // What a browser that is killed leaves goes with the folder.
        .env("TMPDIR", folder)
        .output()
        .unwrap();
    assert!(browsed.status.success(), "{}", stderr(&browsed));
    recording.press_enter();
    let (told, seen) = recording.end(0);
    let text = std::fs::read_to_string(folder.join("shop.toml")).unwrap();
    for part in [
        "value = \"regex:visits: ([0-9]+)\"",
        "identity = { at = \"regex:You are ([0-9A-Za-z_]+)\", name = \"u{{ session }}\" }",
        "logged_out_page = { headers = { location = \"/login\" } }",
        "form = { csrfmiddlewaretoken = \"{{ csrf }}\", user = \"u{{ session }}\" }",
    ] {
        assert!(text.contains(part), "{part}\n{text}\n{told}{seen}");
    }
    assert_works(folder, "shop.toml");
    assert_nothing_left(folder);
}

#[test]
fn a_recording_takes_the_flags_of_the_server_and_the_file_has_them() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let server = [&[PROGRAM], &SERVER[..]].concat();
    let words = [
        "shop.toml",
        "--ready",
        "tcp",
        "--ready-within",
        "33s",
        "--restart-after",
        "40ms",
        "--env",
        "COLOR=no",
    ];
    let mut recording = Recording::start(folder, &words, &server);
    recording.use_reference_server();
    recording.press_enter();
    recording.end(0);
    let text = std::fs::read_to_string(folder.join("shop.toml")).unwrap();
    for part in ["tcp = true", "33s", "40ms", "COLOR"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // What no recorder can stand in front of is refused before anything is started.
    for (flag, value, told) in [
        (
            "--socket",
            "{data}/app.sock",
            "the recorder reaches the server at a port",
        ),
        ("--protocol", "https", "only HTTP is recorded"),
    ] {
        let words = [
            "record",
            "other.toml",
            flag,
            value,
            "--",
            "./no-such-server",
        ];
        let output = call(folder, &words);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        let said = unfolded(&stderr(&output));
        assert!(said.contains(told), "{said}");
    }
}
