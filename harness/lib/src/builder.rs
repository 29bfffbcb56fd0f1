//! An experiment as a value, for tests. It fills in the same [`Document`] as a file and the flags do, and
//! goes the same way to its verdict as `comeback run`; it prints nothing and leaves the process as it is.

use std::path::{Path, PathBuf};
use std::time::Duration;

use comeback_faults::Faults;
use comeback_model::plan::{Protocol, Signal};
use comeback_model::units::Span;

use comeback_experiment::document::{ReadyPart, Text, Words};
use comeback_experiment::{Document, File, Origin, read_text};

use super::Error;

/// A server, its users, the fault, and the gates. The [crate's page](crate) has an example.
///
/// It begins with a command ([`Experiment::command`]) or an experiment file ([`Experiment::from_file`],
/// [`Experiment::from_toml`]). Every other method changes one thing about it. A file can set more than the methods can. The
/// defaults are those of `comeback run`.
///
/// An invalid value does not panic. [`Experiment::run`] reports all of them and starts nothing.
#[derive(Clone, Debug)]
#[must_use = "an experiment does nothing until it is run"]
pub struct Experiment {
    pub(super) document: Document,
    pub(super) origin: Origin,
    /// The origin of the document, if it is a file whose command has not been replaced.
    pub(super) file: Option<File>,
    pub(super) gates: Vec<String>,
    /// Problems with values that never reached the document.
    pub(super) problems: Vec<String>,
    pub(super) out: Option<PathBuf>,
    pub(super) takes_turns: bool,
}

/// How an experiment begins.
impl Experiment {
    /// A server to start: program and arguments, without a shell. `{port}` (the port on 127.0.0.1 to listen on), `{data}` (a
    /// folder of its own that outlives the kill) and `{comeback}` (the program of this name, for its reference servers) are
    /// filled in. In a test of a package, `env!("CARGO_BIN_EXE_name")` is the path of its program.
    pub fn command<W: Into<String>>(words: impl IntoIterator<Item = W>) -> Self {
        let words: Vec<String> = words.into_iter().map(Into::into).collect();
        let program = Path::new(words.first().map_or("", String::as_str));
        let name = program.file_stem().unwrap_or_default().to_string_lossy();
        let origin = Origin {
            name: name.trim_matches(['{', '}']).to_owned(),
            here: None,
        };
        Self::new(Document::default(), origin).with_command(words)
    }

    /// An experiment file, as `comeback run` reads it. A relative path begins in the current folder. Cargo starts tests in the
    /// folder of their package.
    ///
    /// # Errors
    /// If it cannot be read or is not a valid experiment, with line and column.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let text = std::fs::File::open(path)
            .and_then(read_text)
            .map_err(|error| Error::usage(format!("{}: {error}", path.display())))?;
        let file = File::parse(path, text, &Faults).map_err(Error::refused)?;
        Ok(Self::new(file.document.clone(), file.origin()).read_from(file))
    }

    /// The text of an experiment file. `{here}` cannot be used, because there is no folder.
    ///
    /// # Errors
    /// If it is not a valid experiment, with line and column.
    pub fn from_toml(text: &str) -> Result<Self, Error> {
        let file = File::parse(Path::new("experiment"), text.to_owned(), &Faults);
        let file = file.map_err(Error::refused)?;
        let origin = Origin {
            here: None,
            ..file.origin()
        };
        Ok(Self::new(file.document.clone(), origin).read_from(file))
    }

    fn new(document: Document, origin: Origin) -> Self {
        Self {
            document,
            origin,
            file: None,
            gates: Vec::new(),
            problems: Vec::new(),
            out: None,
            takes_turns: true,
        }
    }

    fn read_from(self, file: File) -> Self {
        Self {
            file: Some(file),
            ..self
        }
    }
}

/// The server.
impl Experiment {
    /// Starts this command instead of the file's.
    pub fn with_command<W: Into<String>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        let words = words.into_iter().map(Into::into).collect();
        self.document.target.command = Some(Words(words));
        self.file = None;
        self
    }

    /// Sets an environment variable of the server. Placeholders are filled in as in its command.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let environment = &mut self.document.target.environment;
        environment.insert(name.into(), Text::new(value));
        self
    }

    /// The protocol that the server speaks. Default: HTTP/1.1.
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.document.target.protocol = Some(protocol);
        self
    }

    /// The Unix socket it listens on, such as `{data}/app.sock`. Default: 127.0.0.1 and `{port}`.
    pub fn socket(mut self, path: impl Into<String>) -> Self {
        self.document.target.socket = Some(path.into());
        self
    }

    /// The server is up when a `GET` of this path is answered with a 2xx.
    pub fn ready_http(self, path: impl Into<String>) -> Self {
        self.ready(ReadyPart {
            http: Some(path.into()),
            ..ReadyPart::default()
        })
    }

    /// The server is up when a line of its output contains this text.
    pub fn ready_log(self, text: impl Into<String>) -> Self {
        self.ready(ReadyPart {
            log: Some(text.into()),
            ..ReadyPart::default()
        })
    }

    /// The server is up when it accepts a connection.
    pub fn ready_tcp(self) -> Self {
        self.ready(ReadyPart {
            tcp: Some(true),
            ..ReadyPart::default()
        })
    }

    fn ready(mut self, ready: ReadyPart) -> Self {
        let within = self.document.target.ready.take().and_then(|it| it.within);
        self.document.target.ready = Some(ReadyPart { within, ..ready });
        self
    }

    /// How long its first start may take. Default: 10 s.
    pub fn ready_within(mut self, time: Duration) -> Self {
        let ready = self.document.target.ready.get_or_insert_default();
        ready.within = Some(span(time));
        self
    }

    /// A response header that changes with each start of the server. Default: the owner of the listening socket tells the new
    /// process from the old one.
    pub fn boot_header(mut self, name: impl Into<String>) -> Self {
        self.document.target.boot_header = Some(name.into());
        self
    }

    /// The pause between its confirmed exit and its restart. Default: none.
    pub fn restart_after(mut self, pause: Duration) -> Self {
        self.document.target.restart.get_or_insert_default().after = Some(span(pause));
        self
    }

    /// The most starts after one fault, if the server ends before it is ready. Default: 1.
    pub fn restart_attempts(mut self, starts: u32) -> Self {
        let restart = self.document.target.restart.get_or_insert_default();
        restart.attempts = Some(starts);
        self
    }
}

/// The run, the fault and the gates.
impl Experiment {
    /// The name of the run and of its folder. Default: the name of the file or of the program.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.document.name = Some(name.into());
        self
    }

    /// Trials with a fault. One can judge a count such as `lost_sessions == 0`. The median of a time needs six. Default: 6.
    pub fn trials(mut self, trials: u32) -> Self {
        self.document.trials = Some(trials);
        self
    }

    /// The most trials with a fault if a gate needs more than [`trials`](Self::trials) to be judged. The run then continues by
    /// itself. Default: none are added.
    pub fn extend_to(mut self, trials: u32) -> Self {
        self.document.extend_to = Some(trials);
        self
    }

    /// How many void trials are replaced at the end. Only trials that the harness or the machine made void are replaced, and
    /// only if nothing in them speaks against the server. Default: a tenth of the trials, at least two.
    pub fn replacements(mut self, trials: u32) -> Self {
        self.document.replacements = Some(trials);
        self
    }

    /// Control trials, without a fault. Problems in them are not caused by a fault. Default: 1.
    pub fn controls(mut self, trials: u32) -> Self {
        self.document.controls = Some(trials);
        self
    }

    /// The seed of everything random. Default: drawn. [`Report::seed`](crate::Report::seed) returns it.
    pub fn seed(mut self, seed: u64) -> Self {
        self.document.seed = Some(seed);
        self
    }

    /// The signal that is sent to the server's process group. Default: SIGKILL.
    pub fn signal(mut self, signal: Signal) -> Self {
        self.document.fault_mut().send(signal);
        self
    }

    /// How long the load runs undisturbed before the fault. Default: 1 s.
    pub fn fault_at(mut self, time: Duration) -> Self {
        self.document.fault_mut().at = Some(span(time));
        self
    }

    /// How long the load continues after the first correct reply of the new process. Default: 2 s.
    pub fn settle(mut self, time: Duration) -> Self {
        self.document.windows.settle = Some(span(time));
        self
    }

    /// How often each session is read after the recovery, at most. Default: 8.
    pub fn looks(mut self, looks: u32) -> Self {
        self.document.load.looks = Some(looks);
        self
    }

    /// How long the recovery is waited for. Default: 30 s.
    pub fn horizon(mut self, time: Duration) -> Self {
        self.document.windows.horizon = Some(span(time));
        self
    }

    /// Adds a gate, such as `lost_sessions == 0`, `outage.median < 2s` or `error_rate.after <= 0.1%`. The default gates also
    /// demand that the server comes back, loses no session and no write, shows nobody another user's content, and brings no logged-out session back. A gate of yours replaces the default gate of the
    /// same metric.
    pub fn gate(mut self, gate: impl Into<String>) -> Self {
        self.gates.push(gate.into());
        self
    }

    /// Turns off all gates except those of [`gate`](Self::gate). A run without any gate cannot pass:
    /// [`Report::assert_passed`](crate::Report::assert_passed) panics.
    pub fn no_default_gates(mut self) -> Self {
        self.document.default_gates = Some(false);
        self
    }
}

/// Where and when it runs.
impl Experiment {
    /// Puts the results into this folder, which must be new or empty, and keeps them in any case.
    ///
    /// Default: `comeback/NAME-1`, `-2`… in Cargo's target directory, or in the system's temporary folder if there is none. The
    /// default folder of a run that passed is removed with its [`Report`](crate::Report).
    pub fn out(mut self, folder: impl Into<PathBuf>) -> Self {
        self.out = Some(folder.into());
        self
    }

    /// Whether it waits until no other experiment runs. Default: true.
    ///
    /// Cargo runs the tests of a package in parallel, and figures mean little if another load uses the same cores.
    /// Experiments therefore take turns, within a process and among all processes of a target directory. With `false` they run
    /// in parallel. They still tell their processes apart. That is good enough for counts, not for times.
    pub fn take_turns(mut self, does: bool) -> Self {
        self.takes_turns = does;
        self
    }
}

pub(crate) fn span(time: Duration) -> Span {
    Span::from_us(u64::try_from(time.as_micros()).unwrap_or(u64::MAX))
}
