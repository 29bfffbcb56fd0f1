//! Real processes, fake replicas, and a client that sees what came and how it ended.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::PROGRAM;

/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until something is there.
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "never seen: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A port nobody listens at. Drawing it does not listen either: a child that another thread forks just then
/// would go on listening in its place until it executes its program.
pub(crate) fn free_port() -> u16 {
    comeback_supervise::ports::free_port().unwrap()
}

/// A process of a test's own; killed when dropped.
pub(crate) struct Process {
    pub(crate) child: Child,
    pub(crate) port: u16,
    words: Vec<String>,
    printed: PathBuf,
    folder: TempDir,
}

impl Process {
    fn start(port: u16, words: Vec<String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let printed = folder.path().join("printed");
        let child = Self::spawn(&words, folder.path(), &printed);
        Self {
            child,
            port,
            words,
            printed,
            folder,
        }
    }

    fn spawn(words: &[String], folder: &Path, printed: &Path) -> Child {
        let out = File::options()
            .create(true)
            .append(true)
            .open(printed)
            .unwrap();
        Command::new(PROGRAM)
            .args(words)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(out.try_clone().unwrap())
            .stderr(out)
            .spawn()
            .unwrap()
    }

    /// A reference server that answers.
    pub(crate) fn serve(name: &str) -> Self {
        let port = free_port();
        Self::listening(port, &format!("serve {name} --port {port} --data data"))
    }

    /// What these words start, once it listens at the port.
    pub(crate) fn listening(port: u16, words: &str) -> Self {
        let process = Self::start(port, split(words));
        process.wait_until_it_listens();
        process
    }

    /// A balancer that listens.
    pub(crate) fn balance(to: &[u16], flags: &str) -> Self {
        let port = free_port();
        let to: Vec<String> = to.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        let words = format!("balance --port {port} --to {} {flags}", to.join(","));
        Self::listening(port, &words)
    }

    /// Starts it once more after its end, with the same port and folder.
    pub(crate) fn restart(&mut self) {
        self.child = Self::spawn(&self.words, self.folder.path(), &self.printed);
        self.wait_until_it_listens();
    }

    fn wait_until_it_listens(&self) {
        wait_for(
            &format!("{:?} listening: {}", self.words, self.printed()),
            || TcpStream::connect(("127.0.0.1", self.port)).ok(),
        );
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).unwrap();
        kill(Pid::from_raw(pid), signal).unwrap();
    }

    /// Sends a signal and waits for the end.
    pub(crate) fn end(&mut self, signal: Signal) -> ExitStatus {
        self.signal(signal);
        wait_for("its end", || self.child.try_wait().unwrap())
    }

    pub(crate) fn printed(&self) -> String {
        std::fs::read_to_string(&self.printed).unwrap()
    }

    /// The events it printed, of this name.
    pub(crate) fn events(&self, name: &str) -> Vec<Value> {
        self.printed()
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .filter(|event| event["event"] == name)
            .collect()
    }

    /// Waits for the first event of this name.
    pub(crate) fn wait_for_event(&self, name: &str) -> Value {
        wait_for(name, || self.events(name).into_iter().next())
    }

    /// A figure of `/proc/PID/status`, in KiB.
    pub(crate) fn memory_kib(&self, name: &str) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let text = std::fs::read_to_string(path).unwrap();
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, &[], "")
    }

    pub(crate) fn ask(&self, method: &str, path: &str, headers: &[&str], body: &str) -> Reply {
        let mut lines = vec![
            format!("{method} {path} HTTP/1.1"),
            "host: test".to_owned(),
            "connection: close".to_owned(),
        ];
        lines.extend(headers.iter().map(|line| (*line).to_owned()));
        if !body.is_empty() {
            lines.push(format!("content-length: {}", body.len()));
        }
        self.send(&format!("{}\r\n\r\n{body}", lines.join("\r\n")))
    }

    /// Sends these bytes on a connection of their own, and reads until it ends.
    pub(crate) fn send(&self, bytes: &str) -> Reply {
        let mut stream = self.connect();
        stream.write_all(bytes.as_bytes()).unwrap();
        Reply::read(stream)
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // nginx is more than one process: the first takes the others with it, if it is asked.
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        if let Ok(None) = self.child.try_wait() {
            let _ = kill(pid, Signal::SIGTERM);
            let _ = kill(pid, Signal::SIGCONT);
        }
        let asked = Instant::now();
        while let Ok(None) = self.child.try_wait()
            && asked.elapsed() < Duration::from_secs(10)
        {
            std::thread::sleep(Duration::from_millis(2));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn split(words: &str) -> Vec<String> {
    words.split_whitespace().map(str::to_owned).collect()
}

/// What a client got on a connection, up to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
    /// How the connection ended, where not in order.
    pub(crate) broken: Option<io::ErrorKind>,
}

impl Reply {
    pub(crate) fn read(mut stream: TcpStream) -> Self {
        let mut bytes = Vec::new();
        let broken = stream
            .read_to_end(&mut bytes)
            .err()
            .map(|error| error.kind());
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let body = end.map(|end| bytes.split_off(end + 4)).unwrap_or_default();
        let head = String::from_utf8(bytes).unwrap();
        let status = head
            .split(' ')
            .nth(1)
            .map_or(0, |word| word.parse().unwrap());
        Self {
            status,
            head: head.to_lowercase(),
            body,
            broken,
        }
    }

    /// A header's value; the first, where there are several.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers(name).next()
    }

    pub(crate) fn headers(&self, name: &str) -> impl Iterator<Item = &str> {
        self.head
            .lines()
            .filter_map(move |line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// Which replica gave it.
    pub(crate) fn replica(&self) -> Option<usize> {
        self.header("x-replica").map(|index| index.parse().unwrap())
    }

    /// Whose fault the balancer says it is.
    pub(crate) fn error(&self) -> Option<&str> {
        self.header("x-balancer-error")
    }

    /// The cookies it sets, as a client sends them back.
    pub(crate) fn cookies(&self) -> Vec<String> {
        self.headers("set-cookie")
            .map(|line| line.split(';').next().unwrap().to_owned())
            .collect()
    }
}

/// A replica that does what a test says.
pub(crate) struct Fake {
    pub(crate) port: u16,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    /// Calls `act` after each request's head; it says whether the connection is to be kept.
    pub(crate) fn start(act: impl Fn(&mut TcpStream) -> bool + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let (seen, act) = (Arc::clone(&heads), Arc::new(act));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (seen, act) = (Arc::clone(&seen), Arc::clone(&act));
                std::thread::spawn(move || {
                    let mut stream = stream.unwrap();
                    while let Some(head) = read_head(&mut stream) {
                        seen.lock().unwrap().push(head);
                        if !act(&mut stream) {
                            break;
                        }
                    }
                });
            }
        });
        Self { port, heads }
    }

    /// Always the same bytes.
    pub(crate) fn says(bytes: &'static str, keep: bool) -> Self {
        Self::start(move |stream| stream.write_all(bytes.as_bytes()).is_ok() && keep)
    }

    /// The heads of the requests it got.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

/// Reads byte by byte up to the empty line; none at the connection's end.
fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    Some(String::from_utf8(head).unwrap())
}

/// Whether anybody takes connections there.
pub(crate) fn listens(port: u16) -> bool {
    TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).is_ok()
}
