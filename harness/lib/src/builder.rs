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

/// A server, its users, what is done to it, and what is demanded. See the [crate's page](crate) for an example.
///
/// It is made of a command ([`Experiment::command`]) or of an experiment file ([`Experiment::from_file`],
/// [`Experiment::from_toml`]); every other method changes one thing about it. What cannot be said with a method, a file
/// can say. What is not said at all has the defaults of `comeback run`.
///
/// A value that cannot be carried out is no panic: [`Experiment::run`] names everything that is wrong, and starts
/// nothing.
#[derive(Clone, Debug)]
#[must_use = "an experiment does nothing until it is run"]
pub struct Experiment {
    pub(super) document: Document,
    pub(super) origin: Origin,
    /// Where the document comes from, if from a file, as long as its command stands.
    pub(super) file: Option<File>,
    pub(super) gates: Vec<String>,
    /// What is wrong with values that never came into the document.
    pub(super) problems: Vec<String>,
    pub(super) out: Option<PathBuf>,
    pub(super) takes_turns: bool,
}

/// Where it comes from.
impl Experiment {
    /// A server to start: program and arguments, without a shell. `{port}` (where it shall listen on 127.0.0.1),
    /// `{data}` (a folder of its own that outlives the kill) and `{comeback}` (the program of this name, for its
    /// reference servers) are filled in. In a test of a package, `env!("CARGO_BIN_EXE_name")` is its program.
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

    /// An experiment file, as `comeback run` reads it. A relative path starts where the test does: Cargo starts tests
    /// in their package's folder.
    ///
    /// # Errors
    /// When it cannot be read, or is no experiment: with line and column.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let text = std::fs::File::open(path)
            .and_then(read_text)
            .map_err(|error| Error::usage(format!("{}: {error}", path.display())))?;
        let file = File::parse(path, text, &Faults).map_err(Error::refused)?;
        Ok(Self::new(file.document.clone(), file.origin()).read_from(file))
    }

    /// The text of an experiment file. There is no folder that `{here}` could stand for.
    ///
    /// # Errors
    /// When it is no experiment: with line and column.
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
    /// Starts this, in place of the file's command.
    pub fn with_command<W: Into<String>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        let words = words.into_iter().map(Into::into).collect();
        self.document.target.command = Some(Words(words));
        self.file = None;
        self
    }

    /// Sets an environment variable for the server; placeholders are filled in as in its command.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let environment = &mut self.document.target.environment;
        environment.insert(name.into(), Text::new(value));
        self
    }

    /// What the server speaks; HTTP/1.1 when nothing is said.
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.document.target.protocol = Some(protocol);
        self
    }

    /// The Unix socket it listens on, such as `{data}/app.sock`, instead of 127.0.0.1 and `{port}`.
    pub fn socket(mut self, path: impl Into<String>) -> Self {
        self.document.target.socket = Some(path.into());
        self
    }

    /// It is up when a `GET` of this path is answered with a 2xx.
    pub fn ready_http(self, path: impl Into<String>) -> Self {
        self.ready(ReadyPart {
            http: Some(path.into()),
            ..ReadyPart::default()
        })
    }

    /// It is up when a line of its output holds this text.
    pub fn ready_log(self, text: impl Into<String>) -> Self {
        self.ready(ReadyPart {
            log: Some(text.into()),
            ..ReadyPart::default()
        })
    }

    /// It is up when it takes a connection.
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

    /// How long its first start may take.
    pub fn ready_within(mut self, time: Duration) -> Self {
        let ready = self.document.target.ready.get_or_insert_default();
        ready.within = Some(span(time));
        self
    }

    /// The response header that changes with each start of the server. Without one the owner of the listening socket
    /// tells the new process from the old.
    pub fn boot_header(mut self, name: impl Into<String>) -> Self {
        self.document.target.boot_header = Some(name.into());
        self
    }

    /// The pause between its confirmed exit and its restart.
    pub fn restart_after(mut self, pause: Duration) -> Self {
        self.document.target.restart.get_or_insert_default().after = Some(span(pause));
        self
    }

    /// How many starts there are at most after a fault, where it ends before it serves; 1 when nothing is said.
    pub fn restart_attempts(mut self, starts: u32) -> Self {
        let restart = self.document.target.restart.get_or_insert_default();
        restart.attempts = Some(starts);
        self
    }
}

/// What is done, and what is demanded.
impl Experiment {
    /// The run's name, and its folder's; the file's or the program's when nothing is said.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.document.name = Some(name.into());
        self
    }

    /// Trials with a fault. A count such as `lost_sessions == 0` can be judged by one; the median of a time needs six.
    pub fn trials(mut self, trials: u32) -> Self {
        self.document.trials = Some(trials);
        self
    }

    /// How many trials with a fault there may be where [`trials`](Self::trials) do not suffice to judge a gate; the run
    /// then goes on by itself.
    pub fn extend_to(mut self, trials: u32) -> Self {
        self.document.extend_to = Some(trials);
        self
    }

    /// How many void trials are replaced at the end, where the harness or the machine made them void and nothing in them
    /// speaks against the server; a tenth of the trials when nothing is said, and at least two.
    pub fn replacements(mut self, trials: u32) -> Self {
        self.document.replacements = Some(trials);
        self
    }

    /// Trials without a fault, which show what is not due to one.
    pub fn controls(mut self, trials: u32) -> Self {
        self.document.controls = Some(trials);
        self
    }

    /// What all randomness follows from. When nothing is said one is drawn, which [`Report::seed`](crate::Report::seed) tells.
    pub fn seed(mut self, seed: u64) -> Self {
        self.document.seed = Some(seed);
        self
    }

    /// The signal that is sent to the server's process group; SIGKILL when nothing is said.
    pub fn signal(mut self, signal: Signal) -> Self {
        self.document.fault_mut().send(signal);
        self
    }

    /// How long the load runs undisturbed before the fault.
    pub fn fault_at(mut self, time: Duration) -> Self {
        self.document.fault_mut().at = Some(span(time));
        self
    }

    /// How long the load goes on after the first correct reply of the new process.
    pub fn settle(mut self, time: Duration) -> Self {
        self.document.windows.settle = Some(span(time));
        self
    }

    /// How often each session is looked at after the recovery, at most.
    pub fn looks(mut self, looks: u32) -> Self {
        self.document.load.looks = Some(looks);
        self
    }

    /// How long recovery may take before it counts as none.
    pub fn horizon(mut self, time: Duration) -> Self {
        self.document.windows.horizon = Some(span(time));
        self
    }

    /// Demands something, such as `lost_sessions == 0`, `outage.median < 2s` or `error_rate.after <= 0.1%`;
    /// called again, that too. Where nothing is said of them, it is also demanded that the server comes back and that no
    /// session and no write is lost.
    pub fn gate(mut self, gate: impl Into<String>) -> Self {
        self.gates.push(gate.into());
        self
    }

    /// Demands nothing but what [`gate`](Self::gate) says. Without any gate there is nothing to pass:
    /// [`Report::assert_passed`](crate::Report::assert_passed) panics.
    pub fn no_default_gates(mut self) -> Self {
        self.document.default_gates = Some(false);
        self
    }
}

/// How it is run.
impl Experiment {
    /// Puts the results into this folder, which must be new or empty, and keeps them in any case.
    ///
    /// When nothing is said they go to `comeback/NAME-1`, `-2`… in Cargo's target directory (in the system's folder for
    /// temporary files where there is none), and those of a run that passed are removed with its [`Report`](crate::Report).
    pub fn out(mut self, folder: impl Into<PathBuf>) -> Self {
        self.out = Some(folder.into());
        self
    }

    /// Whether it waits until no other experiment runs; it does when nothing is said.
    ///
    /// Cargo runs the tests of a package beside each other, and figures that are measured while another load uses the
    /// same cores say little. Experiments therefore take turns, within a process and among those of a target directory.
    /// Without that they run at once, and know their processes apart; fit for counts, not for times.
    pub fn take_turns(mut self, does: bool) -> Self {
        self.takes_turns = does;
        self
    }
}

pub(crate) fn span(time: Duration) -> Span {
    Span::from_us(u64::try_from(time.as_micros()).unwrap_or(u64::MAX))
}
