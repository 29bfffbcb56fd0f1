//! Orders to a running balancer: send a replica no more requests, or again some.
//!
//! An order is given and then waited for: it is done when the balancer confirms it, not when it was sent.

mod builtin;
mod haproxy;
mod nginx;

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::outside::Program;
use super::socket;

/// The control socket, in the balancer's folder.
pub const CONTROL: &str = "control.sock";

/// Between two looks at what the balancer does.
const PAUSE: Duration = Duration::from_millis(5);
/// How long an answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// The settings of a balancer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// To send this replica no more requests, not those with its sticky cookie either.
    Drain(usize),
    /// To send it requests again.
    Return(usize),
    /// Only to report.
    Status,
}

/// The state of a replica at its balancer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Its place in the balancer's list, from 0.
    pub index: usize,
    /// Where it is.
    pub address: String,
    /// Whether it passes its checks.
    pub up: bool,
    /// Whether it gets no requests because it is drained.
    pub draining: bool,
    /// Requests that it has not answered; absent where the balancer cannot tell.
    pub in_flight: Option<u64>,
}

/// Why an order was not carried out.
#[derive(Debug)]
pub enum OrderError {
    /// No balancer takes orders there.
    Absent {
        /// The attempt.
        what: String,
        /// Why it failed.
        cause: io::Error,
    },
    /// It has no such replica.
    Unknown {
        /// Which.
        replica: usize,
        /// How many it has.
        of: usize,
    },
    /// It said something else than was to be expected.
    Strange(String),
    /// The order was given, and is not yet carried out.
    TooLate {
        /// The part that is not carried out.
        what: String,
        /// How long it had.
        within: Duration,
    },
}

impl fmt::Display for OrderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent { what, .. } => write!(
                f,
                "{what}: is --data the folder of a running balancer, and --with its kind?"
            ),
            Self::Unknown { replica, of } => write!(
                f,
                "there is no replica {replica}: name one from 0 to {}",
                of.saturating_sub(1)
            ),
            Self::Strange(said) => write!(f, "the balancer answered '{}'", said.trim()),
            Self::TooLate { what, within } => {
                write!(f, "{what} after {} s", within.as_secs_f64())
            }
        }
    }
}

impl std::error::Error for OrderError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Absent { cause, .. } => Some(cause),
            Self::Unknown { .. } | Self::Strange(_) | Self::TooLate { .. } => None,
        }
    }
}

/// A way to talk to a balancer.
trait Listens {
    /// Tells it what to do with a replica that it has.
    fn tell(&mut self, replica: usize, drain: bool) -> Result<(), OrderError>;
    /// Asks for the state of all its replicas.
    fn look(&mut self) -> Result<Vec<Standing>, OrderError>;
}

/// Gives an order to the balancer that works in `folder`, waits until it is carried out, and tells how its replicas
/// stand then. Blocks.
///
/// # Errors
/// If there is none, it has no such replica, or it takes too long.
pub fn give(
    program: Option<Program>,
    folder: &Path,
    order: Order,
    within: Duration,
) -> Result<Vec<Standing>, OrderError> {
    let mut balancer: Box<dyn Listens> = match program {
        None => Box::new(builtin::Builtin::at(folder)?),
        Some(Program::Haproxy) => Box::new(haproxy::Haproxy::at(folder)?),
        Some(Program::Nginx) => Box::new(nginx::Nginx::at(folder)?),
    };
    let before = balancer.look()?;
    let (replica, drain) = match order {
        Order::Status => return Ok(before),
        Order::Drain(replica) => (replica, true),
        Order::Return(replica) => (replica, false),
    };
    let of = before.len();
    if replica >= of {
        return Err(OrderError::Unknown { replica, of });
    }
    balancer.tell(replica, drain)?;
    let deadline = Instant::now() + within;
    loop {
        let all = balancer.look()?;
        let Some(problem) = problem_of(&all, replica, drain) else {
            return Ok(all);
        };
        if Instant::now() >= deadline {
            return Err(OrderError::TooLate {
                what: problem,
                within,
            });
        }
        std::thread::sleep(PAUSE);
    }
}

/// The part that is not yet carried out.
fn problem_of(all: &[Standing], replica: usize, drain: bool) -> Option<String> {
    let Some(found) = all.iter().find(|standing| standing.index == replica) else {
        return Some(format!("the balancer no longer had a replica {replica}"));
    };
    match (drain, found.draining, found.in_flight) {
        (true, false, _) => Some(format!("replica {replica} still got requests")),
        (true, true, Some(0)) => None,
        (true, true, Some(1)) => Some(format!("replica {replica} still had 1 request in flight")),
        (true, true, Some(count)) => Some(format!(
            "replica {replica} still had {count} requests in flight"
        )),
        (true, true, None) => Some(format!(
            "replica {replica} could still have had requests in flight"
        )),
        (false, true, _) => Some(format!("replica {replica} still got no requests")),
        (false, false, _) if !found.up => {
            Some(format!("replica {replica} was still down to the balancer"))
        }
        (false, false, _) => None,
    }
}

/// Connects to the control socket.
fn connect(folder: &Path) -> Result<UnixStream, OrderError> {
    let path = folder.join(CONTROL);
    let connect = || {
        let stream = socket::with_short_path(&path, |path| UnixStream::connect(path))?;
        stream.set_read_timeout(Some(ANSWER_WITHIN))?;
        stream.set_write_timeout(Some(ANSWER_WITHIN))?;
        Ok(stream)
    };
    connect().map_err(|cause| OrderError::Absent {
        what: format!("no balancer takes orders at {}", path.display()),
        cause,
    })
}

fn broken(cause: io::Error) -> OrderError {
    let what = "the balancer broke off".to_owned();
    OrderError::Absent { what, cause }
}

/// Sends a line to a balancer that answers with a line.
fn ask_line(stream: &mut UnixStream, line: &str) -> Result<String, OrderError> {
    writeln!(stream, "{line}").map_err(broken)?;
    let mut answer = String::new();
    // The next answer comes only when it is asked for: nothing is read ahead and lost.
    BufReader::new(stream)
        .read_line(&mut answer)
        .map_err(broken)?;
    Ok(answer)
}

/// Sends a line to a balancer that answers once and closes.
fn ask_once(folder: &Path, line: &str) -> Result<String, OrderError> {
    let mut stream = connect(folder)?;
    writeln!(stream, "{line}").map_err(broken)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(broken)?;
    Ok(answer)
}
