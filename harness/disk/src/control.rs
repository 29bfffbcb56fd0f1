//! The process of a disk: it mounts the file system, and takes orders from its standard input, which is a socket of the
//! harness. When that closes, whatever the reason, it unmounts and ends.
//!
//! ```text
//! health    → ok, or: failed REASON
//! counters  → unsynced ENTRIES BYTES
//! drop      → dropped ENTRIES BYTES, or: failed REASON
//! commit, drop → the same, right after ext4's journal was written out by itself
//! ```

use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use comeback_model::plan::DiskModel;
use fuser::{Config, MountOption, SessionACL};

use crate::canary::Canaries;
use crate::layer::Layer;
use crate::model::{About, Lost};
use crate::record::Log;

/// How long what is open may take to be closed. The processes that had it open have ended.
const CLOSED_WITHIN: Duration = Duration::from_secs(3);
/// So many requests are answered at once, beside the fsyncs that are under way.
const THREADS: usize = 4;
/// The order to drop all that is not durable once the journal was written out.
const COMMIT_AND_DROP: &str = "commit, drop";
/// What is wrong with a loss of nothing but the canaries: what the server keeps lies elsewhere, and no loss reached it.
const UNUSED: &str =
    "nothing but the canaries was ever made on it: does the server keep its data in {data}?";
/// In debug builds a test can ask for a disk that drops nothing (`keeps`), or everything (`loses`), or whose syncs take
/// longer (`slow`).
const BROKEN: &str = "COMEBACK_DISK";

const SLOW: Duration = Duration::from_secs(1);

/// A disk.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it is mounted: an empty folder.
    pub mount: PathBuf,
    /// Where the contents lie: an empty folder.
    pub backing: PathBuf,
    /// By which rule things become durable.
    pub model: DiskModel,
    /// Where its calls are put on record, if they are: a new file.
    pub record: Option<PathBuf>,
}

/// Runs it until the socket closes.
///
/// # Errors
/// If it cannot be mounted, or the socket fails.
pub fn run(options: &Options) -> io::Result<()> {
    let broken = std::env::var(BROKEN)
        .ok()
        .filter(|_| cfg!(debug_assertions));
    let folder = std::fs::metadata(&options.mount)?;
    let about = About::new(folder.permissions().mode(), folder.uid(), folder.gid());
    let log = |path: &PathBuf| Log::create(path, options.model, &about);
    let log = options.record.as_ref().map(log).transpose()?;
    let layer = Layer::new(options.model, options.backing.clone(), about, log);
    if broken.as_deref() == Some("loses") {
        layer.ignore_syncs();
    }
    if broken.as_deref() == Some("slow") {
        layer.slow_syncs(SLOW);
    }
    let mut config = Config::default();
    config.mount_options = vec![
        MountOption::FSName("comeback-disk".to_owned()),
        MountOption::DefaultPermissions,
        MountOption::NoAtime,
    ];
    config.acl = SessionACL::All;
    config.n_threads = Some(THREADS);
    let session = fuser::spawn_mount(layer.clone(), &options.mount, &config)?;
    let served = serve(options, &layer, broken.as_deref() == Some("keeps"));
    // Unmounts it. Whoever is still in it loses it: the mount is undone by command in any case.
    drop(session);
    served.and(layer.end_record())
}

fn serve(options: &Options, layer: &Layer, keeps: bool) -> io::Result<()> {
    let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut answers = socket.try_clone()?;
    let mut canaries = Canaries::begin(&options.mount)?;
    let (model, mount) = (options.model, options.mount.display());
    note(&format!("{model}: mounted at {mount}"));
    for line in BufReader::new(socket).lines() {
        let line = line?;
        let answer = match line.as_str() {
            "health" => match canaries.check() {
                Ok(()) => "ok".to_owned(),
                Err(problem) => format!("failed {problem}"),
            },
            "counters" => {
                let Lost { entries, bytes } = layer.unsynced();
                format!("unsynced {entries} {bytes}")
            }
            "drop" | COMMIT_AND_DROP => {
                let commits = line == COMMIT_AND_DROP;
                match cut(options, (layer, &mut canaries), (keeps, commits)) {
                    Ok(Lost { entries, bytes }) => format!("dropped {entries} {bytes}"),
                    Err(problem) => format!("failed {}", problem.replace('\n', " ")),
                }
            }
            other => format!("failed {other:?} is no order"),
        };
        note(&format!("{line}: {answer}"));
        answers.write_all(answer.as_bytes())?;
        answers.write_all(b"\n")?;
    }
    Ok(())
}

/// A line for its log. Where that cannot be written, nothing depends on it.
fn note(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Cuts the power, and looks at the canaries. They are not counted.
fn cut(
    options: &Options,
    (layer, canaries): (&Layer, &mut Canaries),
    (keeps, commits): (bool, bool),
) -> Result<Lost, String> {
    if !layer.is_used() {
        return Err(UNUSED.to_owned());
    }
    let failed = |error: io::Error| format!("a canary cannot be written or read: {error}");
    let length = canaries.write().map_err(failed)?;
    let mut lost = match keeps {
        true => Lost::default(),
        false => layer.cut_power(CLOSED_WITHIN, commits)?,
    };
    if let Some(problem) = canaries.look().map_err(failed)? {
        return Err(problem.to_owned());
    }
    lost.bytes = lost.bytes.saturating_sub(length);
    // Where its name was kept, it is empty.
    if options.model != DiskModel::Lazy && !commits {
        lost.entries = lost.entries.saturating_sub(1);
    }
    Ok(lost)
}
