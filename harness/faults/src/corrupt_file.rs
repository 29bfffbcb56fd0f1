//! `corrupt_file`: the nodes are killed, and a file of their data folder is changed before they are started again.

use std::cell::RefCell;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use comeback_model::plan::fault::{Effect, Ending, FaultWords, Needs, Reach, Within};
use comeback_model::schedule::Draws;
use comeback_model::units::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::act::{Act, ActError, Target};
use crate::ending::kill_all;
use crate::injection::{FaultError, Injection};
use crate::kind::Kind;

/// A larger file is left alone: it is held in memory.
const LARGEST: u64 = 256 << 20;
/// So much is set to zero: the sector of a disk.
const BLOCK: usize = 512;
/// So many flipped bits are told one by one.
const TOLD: usize = 4;

/// SIGKILL, then a change of a file.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CorruptFile {
    /// Which file, by its path below the node's data folder. Default: the largest one.
    file: String,
    /// How it is changed: `flip` some bits, `truncate` it, `zero` a block of 512 bytes, or restore an `older` copy. Default: flip.
    how: How,
    /// How many bits are flipped. Default: 1.
    bits: u32,
    /// How old the older copy is. Default: 500ms.
    age: Span,
}

/// How a file is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum How {
    Flip,
    Truncate,
    Zero,
    Older,
}

impl Default for CorruptFile {
    fn default() -> Self {
        Self {
            file: String::new(),
            how: How::Flip,
            bits: 1,
            age: Span::from_ms(500),
        }
    }
}

impl Kind for CorruptFile {
    const NAME: &'static str = "corrupt_file";
    const ABOUT: &'static str =
        "SIGKILL, and a file of the data folder is changed before the next start.";
    const EVIDENCE: &'static str =
        "Each process was reaped; the file is read back, and the bytes before and after are told.";
    const WITHIN: Within = Within::Request;

    fn check(&self) -> Result<(), (&'static str, &'static str)> {
        let is_below = Path::new(&self.file)
            .components()
            .all(|part| matches!(part, std::path::Component::Normal(_)));
        match self {
            _ if !is_below => Err(("file", "name a file below {data}, such as sessions.db")),
            Self { bits, .. } if !(1..=10_000).contains(bits) => {
                Err(("bits", "it must be 1 to 10000 bits"))
            }
            Self { age, .. } if *age == Span::ZERO => {
                Err(("age", "how = \"older\" needs an age, such as 500ms"))
            }
            _ => Ok(()),
        }
    }

    fn effect(&self) -> Effect {
        Effect::Ends(Ending::AtOnce)
    }

    fn needs(&self) -> Needs {
        Needs {
            // The older copy is taken first.
            ahead: self.how == How::Older,
            ..Needs::default()
        }
    }

    fn words(&self, reach: Reach) -> FaultWords {
        let file = match self.file.as_str() {
            "" => "the largest file",
            file => file,
        };
        let bits = match self.bits {
            1 => "a bit".to_owned(),
            bits => format!("{bits} bits"),
        };
        let change = match self.how {
            How::Flip => format!("{bits} of {file} flipped"),
            How::Truncate => format!("{file} truncated"),
            How::Zero => format!("a block of {file} set to zero"),
            How::Older => format!("{file} as it was {} before", self.age),
        };
        FaultWords {
            short: "crash".to_owned(),
            noun: format!("SIGKILL and {change}"),
            done: format!("SIGKILL to {reach}, and {change}"),
            begun: "SIGKILL sent".to_owned(),
            explained: format!(
                "SIGKILL to {reach} of the faulted nodes, and {change} before they start again"
            ),
        }
    }

    async fn inject(&self, on: &Injection) -> Result<(), FaultError> {
        let copies: Vec<_> = on
            .nodes()
            .iter()
            .map(|node| (*node, Copied::default()))
            .collect();
        if self.how == How::Older {
            for (node, copied) in &copies {
                let (file, copied) = (self.file.clone(), Rc::clone(copied));
                on.act(*node, Keep { file, copied }).await?;
            }
            tokio::time::sleep(self.age.into()).await;
        }
        kill_all(on).await?;
        for (node, copied) in copies {
            let (fault, done) = (self.clone(), None);
            let change = Change {
                fault,
                copied,
                done,
            };
            on.act(node, change).await?;
        }
        Ok(())
    }
}

/// An older copy of a file: where it lies, and what it held.
type Copied = Rc<RefCell<Option<(PathBuf, Vec<u8>)>>>;

/// Keeps a copy of a file.
#[derive(Debug)]
struct Keep {
    file: String,
    copied: Copied,
}

impl Act for Keep {
    fn apply(&mut self, on: &dyn Target) -> Result<(), ActError> {
        let found = find(on.data(), &self.file)?;
        *self.copied.borrow_mut() = Some(found);
        Ok(())
    }

    fn confirm(&self, on: &dyn Target) -> Result<String, ActError> {
        let copied = self.copied.borrow();
        let (path, bytes) = copied.as_ref().ok_or_else(nothing_kept)?;
        let (name, length) = (shown(on.data(), path), bytes.len());
        Ok(format!("a copy of {name} is kept, {length} bytes"))
    }
}

fn nothing_kept() -> ActError {
    ActError::Missed("no older copy of the file was kept".to_owned())
}

/// Changes a file of a node that has ended.
#[derive(Debug)]
struct Change {
    fault: CorruptFile,
    copied: Copied,
    /// Where, what it holds since, and what was changed.
    done: Option<(PathBuf, Vec<u8>, String)>,
}

impl Act for Change {
    fn is_for_ended(&self) -> bool {
        true
    }

    fn apply(&mut self, on: &dyn Target) -> Result<(), ActError> {
        let copied = self.copied.take();
        let older = match self.fault.how {
            How::Older => Some(copied.ok_or_else(nothing_kept)?),
            How::Flip | How::Truncate | How::Zero => None,
        };
        let (path, before) = match &older {
            Some((path, _)) => (path.clone(), read(path)?),
            None => find(on.data(), &self.fault.file)?,
        };
        let name = shown(on.data(), &path);
        let mut after = before.clone();
        let what = match older {
            Some((_, older)) => {
                after = older;
                let (is, was) = (after.len(), before.len());
                format!(
                    "it has {is} bytes of {} before, and not {was}",
                    self.fault.age
                )
            }
            None => change(&mut after, &self.fault, &mut on.draws())
                .ok_or_else(|| ActError::Missed(format!("{name} has nothing to change")))?,
        };
        if after == before {
            let problem = format!("{name} is as it was before");
            return Err(ActError::Missed(problem));
        }
        let mut file = fs::File::create(&path)?;
        file.write_all(&after)?;
        // On a disk that forgets a later power loss would else undo it.
        file.sync_all()?;
        self.done = Some((path, after, format!("{name}: {what}")));
        Ok(())
    }

    fn confirm(&self, _on: &dyn Target) -> Result<String, ActError> {
        let missed = || ActError::Missed("the file does not hold what was written".to_owned());
        let (path, after, what) = self.done.as_ref().ok_or_else(missed)?;
        match fs::read(path)? == *after {
            true => Ok(what.clone()),
            false => Err(missed()),
        }
    }
}

/// Changes bytes as the fault says. Returns the change in words; none where there is nothing to change.
fn change(bytes: &mut Vec<u8>, fault: &CorruptFile, draws: &mut Draws) -> Option<String> {
    let length = bytes.len();
    if length == 0 {
        return None;
    }
    match fault.how {
        How::Flip => {
            let places = length as u64 * 8;
            let mut flipped = Vec::new();
            for _ in 0..u64::from(fault.bits).min(places) {
                // Each bit once; the next free one where it was drawn before.
                let mut place = draws.below(places);
                while flipped.contains(&place) {
                    place = (place + 1) % places;
                }
                flipped.push(place);
            }
            let told = flipped.iter().map(|place| {
                let (at, bit) = ((place / 8) as usize, place % 8);
                let before = bytes[at];
                bytes[at] ^= 1 << bit;
                format!(
                    "byte {at} of {length} from {before:#04x} to {:#04x}",
                    bytes[at]
                )
            });
            let told: Vec<String> = told.collect();
            let more = match told.len().saturating_sub(TOLD) {
                0 => String::new(),
                more => format!(", and {more} more"),
            };
            Some(format!("{}{more}", told[..told.len().min(TOLD)].join(", ")))
        }
        How::Truncate => {
            let left = draws.below(length as u64) as usize;
            bytes.truncate(left);
            Some(format!("{left} of {length} bytes are left"))
        }
        How::Zero => {
            // Only blocks that hold something.
            let held = |block: &usize| {
                bytes[block * BLOCK..]
                    .iter()
                    .take(BLOCK)
                    .any(|byte| *byte != 0)
            };
            let blocks: Vec<usize> = (0..length.div_ceil(BLOCK)).filter(held).collect();
            let drawn = draws.below(blocks.len() as u64) as usize;
            let begin = blocks.get(drawn)? * BLOCK;
            let end = length.min(begin + BLOCK);
            bytes[begin..end].fill(0);
            Some(format!("bytes {begin} to {} of {length} are zero", end - 1))
        }
        How::Older => None,
    }
}

/// The file of this name, or else the largest, and what it holds.
fn find(data: &Path, name: &str) -> Result<(PathBuf, Vec<u8>), ActError> {
    let found = match name {
        "" => largest(data),
        name => {
            let path = data.join(name);
            let found = fs::symlink_metadata(&path).ok();
            let found = found.filter(fs::Metadata::is_file);
            found.map(|found| (path, found.len()))
        }
    };
    let missed = |problem: String| Err(ActError::Missed(problem));
    match found {
        None if name.is_empty() => missed("the data folder has no file".to_owned()),
        None => missed(format!("the data folder has no file {name}")),
        Some((path, length)) if length > LARGEST => {
            let name = shown(data, &path);
            missed(format!("{name} has {length} bytes, more than {LARGEST}"))
        }
        Some((path, _)) => {
            let bytes = read(&path)?;
            Ok((path, bytes))
        }
    }
}

/// A server may remove a file meanwhile.
fn read(path: &Path) -> Result<Vec<u8>, ActError> {
    fs::read(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => ActError::Missed(format!("{} is gone", path.display())),
        _ => error.into(),
    })
}

/// The largest file below a folder, the first by its name of those; links are not followed.
fn largest(folder: &Path) -> Option<(PathBuf, u64)> {
    let mut found: Option<(PathBuf, u64)> = None;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        // A server may remove anything meanwhile.
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let entries = entries.filter_map(|entry| Some((entry.path(), entry.metadata().ok()?)));
        for (path, about) in entries {
            let is_larger = found.as_ref().is_none_or(|(known, length)| {
                about.len() > *length || (about.len() == *length && path < *known)
            });
            if about.is_dir() {
                folders.push(path);
            } else if about.is_file() && is_larger {
                found = Some((path, about.len()));
            }
        }
    }
    found
}

fn shown(data: &Path, path: &Path) -> String {
    path.strip_prefix(data)
        .unwrap_or(path)
        .display()
        .to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tests::{asked_by, asked_of};

    struct Ended(tempfile::TempDir);

    impl Target for Ended {
        fn pid(&self) -> i32 {
            1
        }

        fn each_process(&self, _call: &mut dyn FnMut(i32) -> io::Result<()>) -> io::Result<()> {
            Ok(())
        }

        fn label(&self) -> String {
            "test".to_owned()
        }

        fn data(&self) -> &Path {
            self.0.path()
        }

        fn port(&self) -> Option<u16> {
            None
        }

        fn draws(&self) -> Draws {
            Draws::new(7)
        }
    }

    /// A data folder with a file of 1,300 bytes, and a smaller one.
    fn ended() -> Ended {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("db")).expect("it is made");
        fs::write(folder.path().join("db/log"), [b'x'; 1_300]).expect("it is written");
        fs::write(folder.path().join("pid"), "12").expect("it is written");
        Ended(folder)
    }

    fn fault(how: How) -> CorruptFile {
        let bits = 6;
        CorruptFile {
            how,
            bits,
            ..CorruptFile::default()
        }
    }

    fn done(fault: CorruptFile, on: &Ended) -> Result<String, ActError> {
        let (copied, done) = (Copied::default(), None);
        let mut change = Change {
            fault,
            copied,
            done,
        };
        change.apply(on)?;
        change.confirm(on)
    }

    #[test]
    fn a_file_is_changed_as_it_is_asked_and_the_same_by_the_same_draws() {
        for how in [How::Flip, How::Truncate, How::Zero] {
            let [first, second] = [ended(), ended()];
            let told = [&first, &second].map(|on| done(fault(how), on).expect("it may"));
            assert_eq!(told[0], told[1]);
            assert!(told[0].starts_with("db/log: "), "{}", told[0]);
            let held = [&first, &second]
                .map(|on| fs::read(on.data().join("db/log")).expect("it is there"));
            assert_eq!(held[0], held[1]);
            let changed = held[0].iter().filter(|byte| **byte != b'x');
            let bits: u32 = changed.clone().map(|byte| (byte ^ b'x').count_ones()).sum();
            match how {
                How::Flip => assert_eq!((bits, held[0].len()), (6, 1_300)),
                How::Truncate => assert!(bits == 0 && held[0].len() < 1_300),
                How::Zero => assert!([512, 276].contains(&changed.count())),
                How::Older => unreachable!("it needs a copy"),
            }
        }
    }

    #[test]
    fn an_older_copy_comes_back() {
        let on = ended();
        let copied = Copied::default();
        let (file, kept) = ("pid".to_owned(), Rc::clone(&copied));
        let mut keep = Keep { file, copied: kept };
        keep.apply(&on).expect("it is there");
        let evidence = keep.confirm(&on).expect("it is kept");
        assert_eq!(evidence, "a copy of pid is kept, 2 bytes");
        fs::write(on.data().join("pid"), "3456").expect("it is written");
        let (fault, done) = (fault(How::Older), None);
        let mut change = Change {
            fault,
            copied,
            done,
        };
        change.apply(&on).expect("it is kept");
        let evidence = change.confirm(&on).expect("it is restored");
        assert_eq!(evidence, "pid: it has 2 bytes of 500ms before, and not 4");
        assert_eq!(fs::read(on.data().join("pid")).expect("it is there"), b"12");
    }

    #[test]
    fn what_cannot_be_changed_is_missed() {
        let missed = |fault: CorruptFile, on: &Ended| match done(fault, on) {
            Err(ActError::Missed(problem)) => problem,
            other => panic!("{other:?}"),
        };
        let on = ended();
        let file = "db".to_owned();
        let of_folder = CorruptFile {
            file,
            ..fault(How::Flip)
        };
        assert_eq!(missed(of_folder, &on), "the data folder has no file db");
        assert!(missed(fault(How::Older), &on).starts_with("no older copy"));
        for held in [&b""[..], &[0; 20]] {
            fs::write(on.data().join("db/log"), held).expect("it is written");
            let file = "db/log".to_owned();
            let fault = CorruptFile {
                file,
                ..fault(How::Zero)
            };
            assert_eq!(missed(fault, &on), "db/log has nothing to change");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_file_is_changed_after_the_end_and_an_older_copy_is_kept_before() {
        let (asked, ended) = asked_by("corrupt_file", &json!({})).await;
        assert_eq!(ended, Ok(()));
        let last: Vec<&str> = asked
            .iter()
            .rev()
            .take(3)
            .map(|(what, _, _)| *what)
            .collect();
        assert_eq!(last, ["act", "act", "confirm end"]);
        let (asked, ended) =
            asked_by("corrupt_file", &json!({ "how": "older", "age": "2s" })).await;
        assert_eq!(ended, Ok(()));
        let kept = asked_of(&asked, "act")[0].1;
        assert_eq!(asked_of(&asked, "signal")[0].1, kept + Span::from_secs(2));
        assert_eq!(asked_of(&asked, "act").len(), 4);
    }
}
