//! The record of a disk's calls: every one that succeeded and changed what is live or durable, in the order in which it took
//! effect, with the moment right before that on the system's monotonic clock. It is enough to build the disk again.
//!
//! A line of text for each call; the bytes of a write follow its line, and a line's end follows them:
//!
//! ```text
//! comeback-disk 2 ext4 700 0 0
//! 81234567 make 1 a.log file 644 0 0
//! 81234999 write 2 0 5
//! hello
//! 81235555 sync-begin 2 all
//! 81236333 sync-end 2 all 1
//! 81236666 end
//! ```
//!
//! What the first sync makes durable is what was there when it began, and it is durable when it has ended.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::time::{Duration, SystemTime};

use comeback_model::plan::DiskModel;
use rustix::time::{ClockId, clock_gettime};

use crate::model::{About, Id};

/// How the first line begins: the form, and its version.
const FORM: &str = "comeback-disk 2";
/// A record grows no longer than this: what it holds is kept in memory when it is read.
pub(crate) const MOST_BYTES: u64 = 256 << 20;

/// The present on the system's monotonic clock, which all processes share.
pub fn now() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec as u32)
}

/// A name in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The folder.
    pub folder: Id,
    /// The name.
    pub name: OsString,
}

impl Place {
    pub(crate) fn of((folder, name): (Id, &OsStr)) -> Self {
        let name = name.to_owned();
        Self { folder, name }
    }

    /// As the disk takes it.
    pub(crate) fn pair(&self) -> (Id, &OsStr) {
        (self.folder, &self.name)
    }
}

/// Who may use something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// The permissions.
    pub mode: u16,
    /// The owner.
    pub uid: u32,
    /// The owning group.
    pub gid: u32,
}

impl Access {
    pub(crate) const fn of(about: &About) -> Self {
        Self {
            mode: about.mode,
            uid: about.uid,
            gid: about.gid,
        }
    }

    /// The rest is not on record.
    pub(crate) const fn about(self) -> About {
        let time = SystemTime::UNIX_EPOCH;
        About {
            mode: self.mode,
            uid: self.uid,
            gid: self.gid,
            accessed: time,
            modified: time,
            changed: time,
        }
    }
}

/// What was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Made {
    /// A file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link to this.
    Link(OsString),
    /// A socket (`true`) or a pipe.
    Special(bool),
}

/// A call that had an effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// Something was made. Its id is the next one.
    Make(Place, Made, Access),
    /// A file got another name.
    Link(Id, Place),
    /// A name was taken away; with `true`, of a folder.
    Remove(Place, bool),
    /// Something was moved; with `true`, over what was there.
    Rename(Place, Place, bool),
    /// Bytes were written there.
    Write(Id, u64, Vec<u8>),
    /// A file was cut, or made longer.
    SetLength(Id, u64),
    /// Permissions, owner or times were set.
    About(Id, Access),
    /// It is open once more.
    Open(Id),
    /// It is closed once.
    Close(Id),
    /// A sync that took no time; with `true`, of the data alone.
    Sync(Id, bool),
    /// A sync began. What is there now is durable when it ends.
    SyncBegin(Id, bool),
    /// A sync ended: the one that was begun as so many were.
    SyncEnd(Id, bool, u64),
}

impl Call {
    /// Whether a cut of the power right after it may leave another disk than one right before it, or after ext4's journal came.
    pub const fn changes(&self) -> bool {
        !matches!(self, Self::Open(_) | Self::SyncBegin(..))
    }
}

/// A call on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noted {
    /// Right before it took effect.
    pub at: Duration,
    /// What was done.
    pub call: Call,
}

/// How a record ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All calls are on it.
    Whole,
    /// The call at this moment did not fit, and none after it is there.
    Full(Duration),
}

/// A record that was read.
#[derive(Clone, Debug)]
pub struct Record {
    /// The disk's rule.
    pub rule: DiskModel,
    /// Who may use its folder at the beginning.
    pub root: Access,
    /// The calls.
    pub calls: Vec<Noted>,
    /// How it ends.
    pub ended: Ended,
}

/// A record that is being written.
#[derive(Debug)]
pub(crate) struct Log<W: Write> {
    to: W,
    has_ended: bool,
    left: u64,
    /// Why it ended before its time.
    failed: Option<io::Error>,
}

impl Log<BufWriter<File>> {
    /// A record in a new file.
    pub(crate) fn create(path: &Path, rule: DiskModel, root: &About) -> io::Result<Self> {
        let file = BufWriter::new(File::create_new(path)?);
        Self::begin(file, (rule, root), MOST_BYTES)
    }
}

impl<W: Write> Log<W> {
    pub(crate) fn begin(
        mut to: W,
        (rule, root): (DiskModel, &About),
        left: u64,
    ) -> io::Result<Self> {
        writeln!(to, "{FORM} {rule} {}", Access::of(root))?;
        Ok(Self {
            to,
            has_ended: false,
            left,
            failed: None,
        })
    }

    /// Puts a call on record. One that does not fit ends it.
    pub(crate) fn note(&mut self, at: Duration, call: &Call) {
        if self.has_ended {
            return;
        }
        let line = format!("{} {call}\n", at.as_nanos());
        let bytes = match call {
            Call::Write(_, _, bytes) => bytes.as_slice(),
            _ => &[],
        };
        let length = (line.len() + bytes.len() + 1) as u64;
        let written = match self.left.checked_sub(length) {
            Some(left) => {
                self.left = left;
                write_call(&mut self.to, &line, bytes)
            }
            None => self.end_with(at, "full"),
        };
        if let Err(error) = written {
            (self.has_ended, self.failed) = (true, Some(error));
        }
    }

    fn end_with(&mut self, at: Duration, word: &str) -> io::Result<()> {
        if std::mem::replace(&mut self.has_ended, true) {
            return Ok(());
        }
        writeln!(self.to, "{} {word}", at.as_nanos())?;
        self.to.flush()
    }

    /// What was written.
    #[cfg(test)]
    pub(crate) fn into_written(self) -> Option<W> {
        Some(self.to)
    }

    /// What follows is not on record.
    pub(crate) fn break_off(&mut self, at: Duration) {
        if let Err(error) = self.end_with(at, "full") {
            self.failed = Some(error);
        }
    }

    /// The disk takes no more calls.
    pub(crate) fn end(&mut self) -> io::Result<()> {
        match self.failed.take() {
            Some(error) => Err(error),
            None => self.end_with(now(), "end"),
        }
    }
}

fn write_call(to: &mut impl Write, line: &str, bytes: &[u8]) -> io::Result<()> {
    to.write_all(line.as_bytes())?;
    if !bytes.is_empty() {
        to.write_all(bytes)?;
        to.write_all(b"\n")?;
    }
    Ok(())
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:o} {} {}", self.mode, self.uid, self.gid)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.folder, Escaped(&self.name))
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = |data: &bool| if *data { "data" } else { "all" };
        match self {
            Self::Make(place, made, access) => match made {
                Made::File => write!(f, "make {place} file {access}"),
                Made::Folder => write!(f, "make {place} folder {access}"),
                Made::Link(target) => write!(f, "symlink {place} {} {access}", Escaped(target)),
                Made::Special(true) => write!(f, "make {place} socket {access}"),
                Made::Special(false) => write!(f, "make {place} pipe {access}"),
            },
            Self::Link(id, place) => write!(f, "link {id} {place}"),
            Self::Remove(place, false) => write!(f, "remove {place}"),
            Self::Remove(place, true) => write!(f, "rmdir {place}"),
            Self::Rename(from, to, true) => write!(f, "rename {from} {to}"),
            Self::Rename(from, to, false) => write!(f, "move {from} {to}"),
            Self::Write(id, offset, bytes) => write!(f, "write {id} {offset} {}", bytes.len()),
            Self::SetLength(id, length) => write!(f, "length {id} {length}"),
            Self::About(id, access) => write!(f, "about {id} {access}"),
            Self::Open(id) => write!(f, "open {id}"),
            Self::Close(id) => write!(f, "close {id}"),
            Self::Sync(id, data) => write!(f, "sync {id} {}", all(data)),
            Self::SyncBegin(id, data) => write!(f, "sync-begin {id} {}", all(data)),
            Self::SyncEnd(id, data, number) => {
                write!(f, "sync-end {id} {} {number}", all(data))
            }
        }
    }
}

/// A name in one word.
struct Escaped<'a>(&'a OsStr);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No name is empty, but a word never may be.
        f.write_str("=")?;
        for byte in self.0.as_bytes() {
            match byte {
                b'%' | 0..=b' ' | 0x7f.. => write!(f, "%{byte:02x}")?,
                byte => write!(f, "{}", char::from(*byte))?,
            }
        }
        Ok(())
    }
}

/// Reads the record of a disk that has ended.
///
/// # Errors
/// If it cannot be read, is none, or breaks off.
pub fn read(path: &Path) -> io::Result<Record> {
    parse(BufReader::new(File::open(path)?))
}

pub(crate) fn parse(mut from: impl BufRead) -> io::Result<Record> {
    let first = next_line(&mut from)?;
    let (rule, root) = first
        .strip_prefix(FORM)
        .and_then(|rest| parse_head(&mut Fields(rest.split(' ').skip(1))))
        .ok_or_else(|| invalid(&first))?;
    let mut calls = Vec::new();
    loop {
        let line = next_line(&mut from)?;
        let mut words = Fields(line.split(' '));
        let at = words.number().map(Duration::from_nanos);
        let at = at.ok_or_else(|| invalid(&line))?;
        let ended = match words.0.next() {
            Some("end") => Some(Ended::Whole),
            Some("full") => Some(Ended::Full(at)),
            Some(verb) => {
                let call = parse_call(verb, &mut words, &mut from)?;
                let call = call.ok_or_else(|| invalid(&line))?;
                calls.push(Noted { at, call });
                None
            }
            None => return Err(invalid(&line)),
        };
        if let Some(ended) = ended {
            return Ok(Record {
                rule,
                root,
                calls,
                ended,
            });
        }
    }
}

fn invalid(line: &str) -> io::Error {
    io::Error::other(format!(
        "the record of the disk has a line that is none: {line:?}"
    ))
}

/// A line without its end.
fn next_line(from: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    match line.pop() {
        Some('\n') => Ok(line),
        _ => Err(io::Error::other("the record of the disk breaks off")),
    }
}

fn parse_head<'l>(
    words: &mut Fields<impl Iterator<Item = &'l str>>,
) -> Option<(DiskModel, Access)> {
    let name = words.0.next()?;
    let rule = DiskModel::ALL
        .into_iter()
        .find(|rule| rule.name() == name)?;
    Some((rule, words.access()?))
}

fn parse_call<'l>(
    verb: &str,
    words: &mut Fields<impl Iterator<Item = &'l str>>,
    from: &mut impl BufRead,
) -> io::Result<Option<Call>> {
    if verb == "write" {
        let (Some(id), Some(offset), Some(length)) =
            (words.number(), words.number(), words.number())
        else {
            return Ok(None);
        };
        if length == 0 {
            return Ok(Some(Call::Write(id, offset, Vec::new())));
        }
        let mut bytes = Vec::new();
        from.by_ref().take(length).read_to_end(&mut bytes)?;
        if bytes.len() as u64 != length || !next_line(from)?.is_empty() {
            return Err(io::Error::other(
                "the record of the disk breaks off in a write",
            ));
        }
        return Ok(Some(Call::Write(id, offset, bytes)));
    }
    Ok(parse_short(verb, words))
}

fn parse_short<'l>(verb: &str, words: &mut Fields<impl Iterator<Item = &'l str>>) -> Option<Call> {
    Some(match verb {
        "make" => {
            let place = words.place()?;
            let made = match words.0.next()? {
                "file" => Made::File,
                "folder" => Made::Folder,
                "socket" => Made::Special(true),
                "pipe" => Made::Special(false),
                _ => return None,
            };
            Call::Make(place, made, words.access()?)
        }
        "symlink" => {
            let place = words.place()?;
            let target = unescape(words.0.next()?)?;
            Call::Make(place, Made::Link(target), words.access()?)
        }
        "link" => Call::Link(words.number()?, words.place()?),
        "remove" | "rmdir" => Call::Remove(words.place()?, verb == "rmdir"),
        "rename" | "move" => Call::Rename(words.place()?, words.place()?, verb == "rename"),
        "length" => Call::SetLength(words.number()?, words.number()?),
        "about" => Call::About(words.number()?, words.access()?),
        "open" => Call::Open(words.number()?),
        "close" => Call::Close(words.number()?),
        "sync" | "sync-begin" | "sync-end" => {
            let id = words.number()?;
            let data = match words.0.next()? {
                "data" => true,
                "all" => false,
                _ => return None,
            };
            match verb {
                "sync" => Call::Sync(id, data),
                "sync-begin" => Call::SyncBegin(id, data),
                _ => Call::SyncEnd(id, data, words.number()?),
            }
        }
        _ => return None,
    })
}

/// The words of a line.
struct Fields<I>(I);

impl<'l, I: Iterator<Item = &'l str>> Fields<I> {
    fn number(&mut self) -> Option<u64> {
        self.0.next()?.parse().ok()
    }

    fn place(&mut self) -> Option<Place> {
        let folder = self.number()?;
        let name = unescape(self.0.next()?)?;
        Some(Place { folder, name })
    }

    fn access(&mut self) -> Option<Access> {
        Some(Access {
            mode: u16::from_str_radix(self.0.next()?, 8).ok()?,
            uid: self.0.next()?.parse().ok()?,
            gid: self.0.next()?.parse().ok()?,
        })
    }
}

fn unescape(word: &str) -> Option<OsString> {
    let mut bytes = word.strip_prefix('=')?.bytes();
    let mut name = Vec::new();
    while let Some(byte) = bytes.next() {
        name.push(match byte {
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            byte => byte,
        });
    }
    Some(OsString::from_vec(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about() -> About {
        Access {
            mode: 0o755,
            uid: 1,
            gid: 2,
        }
        .about()
    }

    fn place(name: &[u8]) -> Place {
        Place::of((1, OsStr::from_bytes(name)))
    }

    fn calls() -> Vec<Call> {
        let access = Access::of(&about());
        vec![
            Call::Make(place(b"a b%\n\xff"), Made::File, access),
            Call::Make(place(b"d"), Made::Folder, access),
            Call::Make(place(b"l"), Made::Link("to a place".into()), access),
            Call::Make(place(b"s"), Made::Special(true), access),
            Call::Make(place(b"p"), Made::Special(false), access),
            Call::Link(2, place(b"hard")),
            Call::Write(2, 7, b"one\ntwo 3 end\n".to_vec()),
            Call::Write(2, 7, Vec::new()),
            Call::SetLength(2, 9),
            Call::About(2, access),
            Call::Open(2),
            Call::Sync(2, true),
            Call::Sync(1, false),
            Call::SyncBegin(2, true),
            Call::SyncBegin(1, false),
            Call::SyncEnd(1, false, 2),
            Call::SyncEnd(2, true, 1),
            Call::Close(2),
            Call::Rename(place(b"hard"), place(b"soft"), true),
            Call::Rename(place(b"soft"), place(b"hard"), false),
            Call::Remove(place(b"hard"), false),
            Call::Remove(place(b"d"), true),
        ]
    }

    fn written(left: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut log =
            Log::begin(&mut bytes, (DiskModel::Strict, &about()), left).expect("it is memory");
        for (nanos, call) in (0..).zip(calls()) {
            log.note(Duration::from_nanos(nanos), &call);
        }
        log.end().expect("it is memory");
        bytes
    }

    #[test]
    fn what_is_noted_is_read_again() {
        let read = parse(written(u64::MAX).as_slice()).expect("it is whole");
        assert_eq!((read.rule, read.ended), (DiskModel::Strict, Ended::Whole));
        assert_eq!(read.root, Access::of(&about()));
        let read: Vec<Call> = read.calls.into_iter().map(|noted| noted.call).collect();
        assert_eq!(read, calls());
    }

    #[test]
    fn a_record_that_is_full_says_from_when_on_calls_are_missing() {
        let read = parse(written(120).as_slice()).expect("it has an end");
        let kept = read.calls.len();
        assert!(0 < kept && kept < calls().len(), "{kept}");
        let at = Duration::from_nanos(kept as u64);
        assert_eq!(read.ended, Ended::Full(at));
        let read: Vec<Call> = read.calls.into_iter().map(|noted| noted.call).collect();
        assert_eq!(read, calls()[..kept]);
    }

    #[test]
    fn a_record_that_breaks_off_anywhere_is_none() {
        let bytes = written(u64::MAX);
        for length in 0..bytes.len() {
            let read = parse(&bytes[..length]);
            assert!(read.is_err(), "{length}: {read:?}");
        }
    }
}
