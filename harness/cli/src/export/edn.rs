//! A history as Jepsen writes it: each operation of a session as its invocation and its completion, in the order of time. For checkers
//! such as Elle and Knossos.
//!
//! Each session of each trial is a key of its own, `"trial/client/generation"`. How it is read and written follows from what the plan's writes are:
//!
//! - a counter: `:add` of 1 and `:read`, counted from what the login showed,
//! - a set: `:add` of the write's number and `:read`; both with `[key value]` as their value,
//! - a list: `:txn` of one `:append` or one `:r`, as Elle's list-append has them.
//!
//! What a reply shows and no write of the session explains is a negative number. A process does one operation at a time, and none after one
//! that is `:info`: its user goes on as another process.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write};

use comeback_analysis::measure::Course;
use comeback_model::ids::{ClientId, SessionId, TrialId};
use comeback_model::operation::{ErrorClass, Operation, Outcome, ShownWrites, Step};
use comeback_model::plan::{Workload, Writes};
use comeback_model::status;
use comeback_reports::format::printable;
use comeback_runs::read::Recorded;

use super::Exporter;

pub(super) const EDN: Exporter = Exporter {
    name: "edn",
    about: "Writes and reads of sessions as a Jepsen history (EDN), for Elle or Knossos",
    check,
    write,
};

/// What a session is to a checker.
fn kind_of(run: &Recorded) -> Result<Writes, String> {
    let plan = &run.header().plan;
    if plan.storm.is_some() {
        return Err(
            "the run is a storm, whose sessions go on over its trials: such a history is not written; \
             name a run without --storm"
                .to_owned(),
        );
    }
    match &plan.load.workload {
        Workload::Sessions(flow) => Ok(flow.writes),
        Workload::Stateless(_) => Err(
            "the run has no sessions, so nothing was written and read: name a run of an experiment with a [session]"
                .to_owned(),
        ),
    }
}

fn check(run: &Recorded) -> Result<(), String> {
    kind_of(run).map(drop)
}

fn write(run: &Recorded, to: &mut (dyn Write + Send)) -> io::Result<()> {
    let writes = kind_of(run).map_err(io::Error::other)?;
    let header = run.header();
    let schedule = &header.schedule;
    let arms: BTreeMap<TrialId, &str> = schedule
        .all()
        .filter_map(|trial| {
            let arm = header.plan.arms.get(trial.arm.0 as usize)?;
            Some((trial.id, arm.name.as_str()))
        })
        .collect();
    let mut course = Course::default();
    for event in run.events()? {
        course.note(&event?);
    }
    let cut_off = course.cut_off(header);
    let mut numbers = Numbers::default();
    for trial in run.operated() {
        let mut operations = run.operations_of(trial)?;
        cut_off.doubt(trial, &mut operations);
        let told = Trial {
            name: format!(
                ":trial {}, :arm {}",
                trial.0,
                text(arms.get(&trial).copied().unwrap_or_default())
            ),
            reading: Reading::of(writes, &operations),
        };
        told.write(&operations, &mut numbers, to)?;
    }
    Ok(())
}

/// The numbers of operations and processes, over all trials.
#[derive(Debug, Default)]
struct Numbers {
    index: u64,
    process: u64,
}

/// A trial that is being told.
struct Trial {
    name: String,
    reading: Reading,
}

/// An invocation or a completion.
struct Half {
    at: u64,
    /// Completions come behind the invocations of the same microsecond: what may have been at once was at once.
    is_completion: bool,
    process: u64,
    told: String,
}

impl Trial {
    fn write(
        &self,
        operations: &[Operation],
        numbers: &mut Numbers,
        to: &mut (dyn Write + Send),
    ) -> io::Result<()> {
        let mut told: Vec<(&Operation, Told)> = operations
            .iter()
            .filter_map(|operation| Some((operation, self.reading.tell(operation)?)))
            .collect();
        told.sort_by_key(|(operation, _)| (begun(operation), operation.finished.as_us()));
        let mut processes = Processes::after(numbers.process);
        let mut halves = Vec::with_capacity(2 * told.len());
        for (operation, one) in told {
            let (from, until) = (begun(operation), operation.finished.as_us());
            let process = processes.take(operation.client, (from, until), one.fate);
            halves.push(Half {
                at: from,
                is_completion: false,
                process,
                told: format!(":type :invoke, :f {}, :value {}", one.f, one.asked),
            });
            let error = one.error.map_or_else(String::new, |class| {
                format!(", :error :{}", class.name().replace('_', "-"))
            });
            halves.push(Half {
                at: until,
                is_completion: true,
                process,
                told: format!(
                    ":type :{}, :f {}, :value {}{error}",
                    one.fate.name(),
                    one.f,
                    one.answered
                ),
            });
        }
        numbers.process = processes.next;
        halves.sort_by_key(|half| (half.at, half.is_completion));
        for half in halves {
            let time = half.at * 1_000;
            writeln!(
                to,
                "{{:index {}, :time {time}, :process {}, {}, {}}}",
                numbers.index, half.process, half.told, self.name
            )?;
            numbers.index += 1;
        }
        Ok(())
    }
}

/// Whether it was refused for whose session it met alone: the server did it, and to which session nobody knows.
fn may_be_anothers(operation: &Operation) -> bool {
    let is_of_another = matches!(
        operation.error,
        Some(ErrorClass::WrongIdentity | ErrorClass::SessionRecreated)
    );
    is_of_another && !operation.status.is_some_and(status::is_error)
}

/// When its request left. One that never did was over at once.
fn begun(operation: &Operation) -> u64 {
    let finished = operation.finished;
    operation.sent.unwrap_or(finished).min(finished).as_us()
}

/// What became of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Ok,
    Fail,
    Info,
}

impl Fate {
    const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Fail => "fail",
            Self::Info => "info",
        }
    }
}

/// The processes of a trial.
struct Processes {
    /// That of each client, and the end of its last operation.
    of: BTreeMap<ClientId, (u64, u64)>,
    next: u64,
}

impl Processes {
    const fn after(next: u64) -> Self {
        Self {
            of: BTreeMap::new(),
            next,
        }
    }

    /// The process that does an operation of this client from one moment until another.
    fn take(&mut self, client: ClientId, (from, until): (u64, u64), fate: Fate) -> u64 {
        // The last looks at several sessions of one client may be under way at once.
        let own = self.of.get(&client).filter(|(_, busy)| *busy < from);
        let process = own.map_or(self.next, |(process, _)| *process);
        self.next = self.next.max(process + 1);
        match fate {
            Fate::Info => self.of.remove(&client),
            Fate::Ok | Fate::Fail => self.of.insert(client, (process, until)),
        };
        process
    }
}

/// An operation as a checker reads it.
struct Told {
    f: &'static str,
    asked: String,
    answered: String,
    fate: Fate,
    error: Option<ErrorClass>,
}

/// How the replies of a trial are read.
struct Reading {
    writes: Writes,
    /// What each session showed at its login; nothing where nobody knows.
    began_with: BTreeMap<SessionId, Option<(u64, u32)>>,
    /// The lists are shown with the newest first.
    is_newest_first: bool,
}

impl Reading {
    fn of(writes: Writes, operations: &[Operation]) -> Self {
        let logins = operations
            .iter()
            .filter(|one| one.step == Step::Login && one.outcome != Outcome::Rejected);
        let began_with = logins.map(|login| {
            let foreign = login.found.as_ref().map_or(0, |found| found.foreign);
            let shown = (login.value.unwrap_or(0), foreign);
            let is_known = login.outcome == Outcome::Acknowledged;
            (login.session(), is_known.then_some(shown))
        });
        let shown = operations.iter().filter_map(|one| one.found.as_ref());
        let (mut up, mut down) = (0_u64, 0_u64);
        for pair in shown.flat_map(|found| found.writes.windows(2)) {
            up += u64::from(pair[0] < pair[1]);
            down += u64::from(pair[0] > pair[1]);
        }
        Self {
            writes,
            began_with: began_with.collect(),
            is_newest_first: down > up,
        }
    }

    /// The operation, if it reads or writes a session.
    fn tell(&self, operation: &Operation) -> Option<Told> {
        let session = operation.session();
        let key = format!(
            "\"{}/{}/{}\"",
            operation.trial.0, session.client.0, session.generation
        );
        let shows_state = matches!(operation.error, None | Some(ErrorClass::WrongAnswer));
        let acknowledged = match (operation.outcome, shows_state) {
            (Outcome::Acknowledged, true) => Fate::Ok,
            // It was done to somebody's session, and nobody knows whose.
            (Outcome::Acknowledged, false) | (Outcome::Indeterminate, _) => Fate::Info,
            (Outcome::Rejected, _) => Fate::Fail,
        };
        let (f, asked, answered, fate) = match operation.step {
            Step::Act => {
                let (f, value) = self.written(&key, operation)?;
                let fate = match acknowledged {
                    Fate::Fail if may_be_anothers(operation) => Fate::Info,
                    fate => fate,
                };
                (f, value.clone(), value, fate)
            }
            Step::Check | Step::ReadBack => {
                let f = match self.writes {
                    Writes::Counter | Writes::Set => ":read",
                    Writes::List => ":txn",
                };
                let asked = self.read(&key, "nil");
                let shown = (acknowledged == Fate::Ok)
                    .then(|| self.shown(operation))
                    .flatten();
                // A read of which nothing is learned changed nothing either; that nothing was shown must not be read from it.
                let fate = match (&shown, acknowledged) {
                    (Some(_), _) => Fate::Ok,
                    (None, Fate::Info) => Fate::Info,
                    (None, Fate::Ok | Fate::Fail) => Fate::Fail,
                };
                let answered = shown.map_or_else(|| asked.clone(), |shown| self.read(&key, &shown));
                (f, asked, answered, fate)
            }
            Step::Login | Step::Logout | Step::Get => return None,
        };
        Some(Told {
            f,
            asked,
            answered,
            fate,
            error: operation.error,
        })
    }

    fn written(&self, key: &str, operation: &Operation) -> Option<(&'static str, String)> {
        Some(match self.writes {
            Writes::Counter => (":add", format!("[{key} 1]")),
            Writes::Set => (":add", format!("[{key} {}]", operation.write?)),
            Writes::List => (":txn", format!("[[:append {key} {}]]", operation.write?)),
        })
    }

    fn read(&self, key: &str, shown: &str) -> String {
        match self.writes {
            Writes::Counter | Writes::Set => format!("[{key} {shown}]"),
            Writes::List => format!("[[:r {key} {shown}]]"),
        }
    }

    /// What a reply shows of the session, beyond what it began with.
    fn shown(&self, operation: &Operation) -> Option<String> {
        let base = self.began_with.get(&operation.session());
        let (counter, foreign) = base.copied().unwrap_or(Some((0, 0)))?;
        match self.writes {
            Writes::Counter => {
                let shown = i128::from(operation.value?) - i128::from(counter);
                Some(shown.to_string())
            }
            Writes::Set => {
                let mut values = values(operation.found.as_ref()?, foreign);
                values.sort_unstable();
                values.dedup();
                Some(format!("#{{{}}}", joined(&values)))
            }
            Writes::List => {
                let found = operation.found.as_ref()?;
                let mut values = values(found, foreign);
                if self.is_newest_first {
                    values[..found.writes.len()].reverse();
                }
                Some(format!("[{}]", joined(&values)))
            }
        }
    }
}

/// The shown writes; those of nobody are -1, -2 and so on, but for as many as were there at the login.
fn values(found: &ShownWrites, at_login: u32) -> Vec<i64> {
    let own = found.writes.iter().map(|write| i64::from(*write));
    let foreign = found.foreign.saturating_sub(at_login);
    own.chain((1..=i64::from(foreign)).map(|number| -number))
        .collect()
}

fn joined(values: &[i64]) -> String {
    let mut text = String::with_capacity(values.len() * 4);
    for (place, value) in values.iter().enumerate() {
        let separator = if place == 0 { "" } else { " " };
        // Writing to a string cannot fail.
        let _ = write!(text, "{separator}{value}");
    }
    text
}

/// A string of EDN.
fn text(text: &str) -> String {
    let plain = printable(text).replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{plain}\"")
}

#[cfg(test)]
mod tests {
    use comeback_model::operation::test_operation;
    use comeback_model::units::Elapsed;

    use super::*;

    fn told(step: Step, error: ErrorClass, status: u16) -> Option<Fate> {
        let operation = Operation {
            outcome: Outcome::Rejected,
            error: Some(error),
            status: Some(status),
            write: Some(1),
            ..test_operation(TrialId(0), ClientId(0), step, Elapsed::from_us(1_000))
        };
        let reading = Reading::of(Writes::Set, &[]);
        reading.tell(&operation).map(|told| told.fate)
    }

    #[test]
    fn a_write_that_was_done_to_anothers_session_may_have_had_an_effect() {
        for error in [ErrorClass::WrongIdentity, ErrorClass::SessionRecreated] {
            assert_eq!(told(Step::Act, error, 200), Some(Fate::Info), "{error:?}");
            assert_eq!(told(Step::Act, error, 403), Some(Fate::Fail), "{error:?}");
            assert_eq!(told(Step::Check, error, 200), Some(Fate::Fail), "{error:?}");
        }
        let refused = told(Step::Act, ErrorClass::SessionRejected, 200);
        assert_eq!(refused, Some(Fate::Fail));
    }
}
