//! `comeback run --against REV`: a git revision of the user's repository, built and measured beside the working tree. Each arm gets
//! a second one, which runs the same command in a working tree of the revision, and is its baseline.

mod worktree;

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use comeback_experiment::{Document, Origin, Resolved, resolve};
use comeback_faults::Faults;
use comeback_host::program;
use comeback_model::plan::{Arm, Plan, Target};

use comeback_supervise::output::printable;

use self::worktree::Worktree;
use super::experiment::usage;
use super::git::ask;
use super::options::Output;
use super::{CliError, warn};

/// How many digits of a commit's hash are shown, at least.
const SHORT: &str = "--short=7";
/// What reads the command of `--build`.
const SHELL: [&str; 2] = ["/bin/sh", "-c"];

/// By which languages find code.
const CODE_VARIABLES: [&str; 6] = [
    "PYTHONPATH",
    "NODE_PATH",
    "CLASSPATH",
    "RUBYLIB",
    "PERL5LIB",
    "LD_LIBRARY_PATH",
];

/// Commands that build servers.
type Builds = Vec<Vec<String>>;

/// The revision to compare with, on the command line.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Gates")]
pub(super) struct AgainstArgs {
    /// Measure this git revision beside the working tree
    ///
    /// Such as origin/main.
    ///
    /// The same command is started in a temporary working tree of the revision, in the same run. Gates with `baseline` compare
    /// with it; no other gate is asked of it. By default, the working tree must not lose more and not recover later.
    #[arg(long, value_name = "REV", conflicts_with = "baseline")]
    against: Option<String>,
    /// Build both with this command first, which a shell reads [default: the file's `build`]
    #[arg(
        long,
        value_name = "COMMAND",
        requires = "against",
        hide_short_help = true
    )]
    build: Option<String>,
}

impl AgainstArgs {
    pub(super) const fn is_asked(&self) -> bool {
        self.against.is_some()
    }
}

/// Puts the revision's arms beside those of the working tree. What it returns must be kept for as long as they run.
pub(super) fn prepare(
    args: &AgainstArgs,
    document: &Document,
    origin: &Origin,
    resolved: &mut Resolved,
    output: &Output,
) -> Result<Option<Worktree>, CliError> {
    let Some(asked) = &args.against else {
        return Ok(None);
    };
    if resolved.plan.is_external() {
        return Err(CliError::Usage(
            "--against: [target] external names a server that others start, and that has no revision: both arms would be the same \
             process. Leave out --against, or name the server's command in place of external"
                .to_owned(),
        ));
    }
    check_baselines(&resolved.plan)?;
    let home = Home::find(origin.here.as_deref())?;
    let revision = Revision::find(&home, asked)?;
    if revision.is_the_working_tree(&home) {
        warn(&format!(
            "--against: the working tree holds the same files as {revision}: this run compares a server with itself"
        ));
    }
    let worktree = Worktree::add(&home.root, &revision.hash)?;
    let device = |folder: &Path| folder.metadata().map(|found| found.dev()).ok();
    if device(worktree.path()) != device(&home.root) {
        warn(&format!(
            "--against: {} lies on another file system than the working tree: what the servers store there takes another time. \
             Set TMPDIR to a folder beside the repository",
            worktree.path().display()
        ));
    }
    let place = Place {
        home: &home,
        revision: &revision,
        tree: worktree.path(),
    };
    let there = Origin {
        name: origin.name.clone(),
        here: place.move_here(origin),
    };
    let earlier = resolve(document, &there, &Faults).map_err(usage)?;
    let builds = match &args.build {
        Some(line) => [0, 1].map(|_| {
            vec![
                SHELL
                    .into_iter()
                    .chain([line.as_str()])
                    .map(str::to_owned)
                    .collect(),
            ]
        }),
        None => [earlier.builds, resolved.builds.clone()],
    };
    let outside = place.files_outside(&mut resolved.plan.arms);
    place.build(builds, &worktree, output)?;
    refuse_shared_builds(&outside)?;
    place.warn_of_variables();
    let mut arms = Vec::with_capacity(resolved.plan.arms.len());
    for (arm, earlier) in resolved.plan.arms.iter_mut().zip(earlier.plan.arms) {
        arms.push(place.pair(arm, earlier)?);
    }
    resolved.plan.arms.extend(arms);
    Ok(Some(worktree))
}

/// Refuses a file whose arms are compared with each other: these would not be compared with the revision.
fn check_baselines(plan: &Plan) -> Result<(), CliError> {
    let mut arms = plan.arms.iter();
    let Some(arm) = arms.find(|arm| arm.baseline.is_some()) else {
        return Ok(());
    };
    Err(CliError::Usage(format!(
        "--against: the arm {} of the file already has another arm as its baseline: remove `baseline` from it",
        arm.name
    )))
}

/// The user's repository.
struct Home {
    /// The top of its working tree.
    root: PathBuf,
    /// The folder of the experiment file below it, if it lies there.
    here: Option<PathBuf>,
    /// The current folder below it, if that lies there: where servers are started.
    current: Option<PathBuf>,
}

impl Home {
    /// The repository that holds the experiment file, or else the current folder.
    fn find(here: Option<&Path>) -> Result<Self, CliError> {
        let current = std::env::current_dir()?;
        let of_here = here.map(find_repository);
        let of_current = find_repository(&current);
        let root = match (&of_here, &of_current) {
            (Some(Ok((root, _))), _) | (_, Ok((root, _))) => root.clone(),
            (_, Err(why)) => {
                return Err(CliError::Usage(format!(
                    "--against: {} is in no git repository that can be used ({why}): run it in one, or leave out --against",
                    here.unwrap_or(&current).display()
                )));
            }
        };
        let below = |found: Result<(PathBuf, PathBuf), String>| {
            let (its, prefix) = found.ok()?;
            (its == root).then_some(prefix)
        };
        Ok(Self {
            here: of_here.and_then(below),
            current: below(of_current),
            root,
        })
    }

    /// Where servers are started and built, below its root.
    fn start(&self) -> &Path {
        let place = self.current.as_deref().or(self.here.as_deref());
        place.unwrap_or(Path::new(""))
    }
}

/// The top of the working tree that a folder lies in, and the way from there to the folder.
fn find_repository(folder: &Path) -> Result<(PathBuf, PathBuf), String> {
    let root = ask(folder, &["rev-parse", "--show-toplevel"])?;
    let prefix = ask(folder, &["rev-parse", "--show-prefix"])?;
    // Without the slash at its end.
    Ok((root.into(), Path::new(&prefix).components().collect()))
}

/// A commit.
struct Revision {
    hash: String,
    short: String,
    /// As it was asked for.
    asked: String,
}

impl std::fmt::Display for Revision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.hash.starts_with(&self.asked) {
            true => f.write_str(&self.short),
            false => write!(f, "{} ({})", self.asked, self.short),
        }
    }
}

impl Revision {
    fn find(home: &Home, asked: &str) -> Result<Self, CliError> {
        let hash = |short: &str| {
            let commit = format!("{asked}^{{commit}}");
            let words = ["rev-parse", "--verify", "--quiet", short, &commit];
            let words = words.into_iter().filter(|word| !word.is_empty());
            let found = ask(&home.root, &words.collect::<Vec<_>>());
            found.map(|hash| hash.to_string_lossy().into_owned())
        };
        let is_name = !asked.starts_with('-') && !asked.is_empty();
        let found = is_name.then(|| Some((hash("").ok()?, hash(SHORT).ok()?)));
        let Some(Some((hash, short))) = found else {
            return Err(CliError::Usage(format!(
                "--against: there is no revision '{asked}' in {}: fetch it first, such as `git fetch origin main` (in GitHub \
                 Actions, check out with `fetch-depth: 0`), or name another one",
                home.root.display()
            )));
        };
        Ok(Self {
            hash,
            short,
            asked: asked.to_owned(),
        })
    }

    /// Whether the working tree holds the same, and nothing beside it but what is ignored and the folders of runs.
    fn is_the_working_tree(&self, home: &Home) -> bool {
        let is_same = ask(&home.root, &["diff", "--quiet", &self.hash]).is_ok();
        let others = [
            "ls-files",
            "--others",
            "--exclude-standard",
            "--",
            ":(exclude,glob)**/comeback-runs/**",
        ];
        is_same && ask(&home.root, &others).is_ok_and(|files| files.is_empty())
    }
}

/// The revision's files, and where they come from.
struct Place<'a> {
    home: &'a Home,
    revision: &'a Revision,
    /// The revision's working tree.
    tree: &'a Path,
}

impl Place<'_> {
    /// The folder of the experiment file in the revision's tree. It is made where the file is newer than the revision, so that
    /// paths such as `{here}/../server` lead somewhere.
    fn move_here(&self, origin: &Origin) -> Option<PathBuf> {
        let Some(below) = &self.home.here else {
            return origin.here.clone();
        };
        let here = self.tree.join(below);
        // A path that leads nowhere is told with the file that is missing.
        let _ = std::fs::create_dir_all(&here);
        Some(here)
    }

    /// Builds the revision and the working tree, in this order: each with these commands, where its servers are started.
    fn build(
        &self,
        builds: [Builds; 2],
        worktree: &Worktree,
        output: &Output,
    ) -> Result<(), CliError> {
        if builds.iter().all(Vec::is_empty) {
            return Ok(());
        }
        let start = self.home.start();
        let trees = [
            (self.revision.to_string(), self.folder(start)?),
            ("the working tree".to_owned(), self.home.root.join(start)),
        ];
        for ((name, folder), builds) in trees.iter().zip(builds) {
            for words in builds {
                let shown = match words.as_slice() {
                    [shell, flag, line] if [shell, flag] == SHELL => line.clone(),
                    words => words.join(" "),
                };
                output.tell(&format!("building {name}: {}", printable(&shown)));
                worktree.build(&words, folder).map_err(|why| {
                    CliError::Usage(format!("--against: `{shown}` failed in {name}: {why}"))
                })?;
            }
        }
        Ok(())
    }

    fn folder(&self, below: &Path) -> Result<PathBuf, CliError> {
        let folder = self.tree.join(below);
        match folder.is_dir() {
            true => Ok(folder),
            false => Err(CliError::Usage(format!(
                "--against: the folder {} does not exist in {}: run it from another folder of the repository, or name a revision \
                 that has this one",
                below.display(),
                self.revision
            ))),
        }
    }

    /// Makes the revision's arm, and the baseline of the working tree's.
    fn pair(&self, arm: &mut Arm, mut earlier: Arm) -> Result<Arm, CliError> {
        for target in targets(&mut earlier) {
            self.move_target(target)?;
        }
        let words = |arm: &mut Arm| -> Vec<(Vec<String>, Environment)> {
            let targets = targets(arm);
            let words = targets.map(|target| (target.command.clone(), target.environment.clone()));
            words.collect()
        };
        let is_same = words(arm) == words(&mut earlier);
        let is_moved = targets(&mut earlier).any(|target| target.folder.is_some());
        if is_same && !is_moved {
            return Err(CliError::Usage(format!(
                "--against: {}: nothing of its command lies in the repository {}, so both would start the same server: run \
                 it from within the repository, or write {{here}} in the command",
                arm.name,
                self.home.root.display()
            )));
        }
        if is_same && !targets(arm).any(|target| self.names_a_file(target)) {
            warn(&format!(
                "--against: {}: its command names no file of the repository. It is started in the folder of the revision: if it \
                 does not read its code from there, both arms are the same server",
                arm.name
            ));
        }
        let name = format!("{}@{}", arm.name, self.revision.short);
        let about = arm
            .about
            .replace(&format!("{}/", self.home.root.display()), "");
        arm.baseline = Some(name.clone());
        Ok(Arm {
            name,
            about: format!("{}: {about}", self.revision),
            family: (earlier.family).map(|family| format!("{family}@{}", self.revision.short)),
            baseline: None,
            revision: Some(self.revision.to_string()),
            ..earlier
        })
    }

    /// Has a target start in the revision's tree, with what it finds there.
    fn move_target(&self, target: &mut Target) -> Result<(), CliError> {
        if let Some(current) = &self.home.current {
            target.folder = Some(self.folder(current)?);
        }
        for (index, word) in target.command.iter_mut().enumerate() {
            self.without_links(word);
            // A program without a slash is looked for in PATH.
            match index > 0 || word.contains('/') {
                true => self.expect(word)?,
                false => self.warn_of_program(word),
            }
            self.move_text(word);
        }
        target
            .environment
            .values_mut()
            .for_each(|text| self.move_text(text));
        target
            .socket
            .iter_mut()
            .for_each(|text| self.move_text(text));
        Ok(())
    }

    /// A file that a command names must be in the revision, too.
    fn expect(&self, word: &str) -> Result<(), CliError> {
        let path = Path::new(word);
        let below = match (&self.home.current, path.is_absolute()) {
            (_, true) => path
                .strip_prefix(self.tree)
                .or_else(|_| path.strip_prefix(&self.home.root))
                .ok()
                .map(Path::to_owned),
            (Some(current), false) => Some(current.join(path)),
            (None, false) => None,
        };
        let is_lacking =
            |below: &Path| self.home.root.join(below).is_file() && !self.tree.join(below).exists();
        let Some(below) = below.filter(|below| is_lacking(below)) else {
            return Ok(());
        };
        Err(CliError::Usage(format!(
            "--against: {} does not exist in {}: if it is built, name the command that builds it there (--build COMMAND, or \
             `build` in [target])",
            below.display(),
            self.revision
        )))
    }

    /// The files outside both trees that the arms start, as they are now.
    fn files_outside(&self, arms: &mut [Arm]) -> Vec<(String, Option<Written>)> {
        let is_outside = |path: &Path| {
            let real = path.canonicalize();
            path.is_absolute() && !real.is_ok_and(|real| real.starts_with(&self.home.root))
        };
        let targets = arms.iter_mut().flat_map(targets);
        let words = targets.flat_map(|target| target.command.clone());
        words
            .filter(|word| is_outside(Path::new(word)))
            .map(|word| {
                let written = written(Path::new(&word));
                (word, written)
            })
            .collect()
    }

    /// Variables that lead to code are handed down to both.
    fn warn_of_variables(&self) {
        let root = self.home.root.to_string_lossy();
        for name in CODE_VARIABLES {
            let value = std::env::var(name).unwrap_or_default();
            if moved(&value, &root, "") != value {
                warn(&format!(
                    "--against: {name} leads into the working tree, and holds for the revision, too: set it by --env, or in the file"
                ));
            }
        }
    }

    /// Whether a word of its command is a file below the folder where it is started.
    fn names_a_file(&self, target: &Target) -> bool {
        let start = self.home.root.join(self.home.start());
        let mut words = target.command.iter();
        words.any(|word| !word.is_empty() && start.join(word).is_file())
    }

    /// An absolute path that leads into the repository by a link becomes the one without.
    fn without_links(&self, word: &mut String) {
        let path = Path::new(word.as_str());
        if !path.is_absolute() || path.starts_with(&self.home.root) || path.starts_with(self.tree) {
            return;
        }
        let real = path.canonicalize().ok();
        let real = real.filter(|real| real.starts_with(&self.home.root));
        if let Some(real) = real.and_then(|real| Some(real.to_str()?.to_owned())) {
            *word = real;
        }
    }

    /// A program that `PATH` finds in the working tree is the same for both.
    fn warn_of_program(&self, name: &str) {
        let found = program::of_system(name).and_then(|found| found.canonicalize().ok());
        if let Some(found) = found.filter(|found| found.starts_with(&self.home.root)) {
            warn(&format!(
                "--against: PATH finds {name} in the working tree ({}): the revision is started with it, too",
                found.display()
            ));
        }
    }

    /// Paths in the working tree become those in the revision's.
    fn move_text(&self, text: &mut String) {
        let (Some(root), Some(tree)) = (self.home.root.to_str(), self.tree.to_str()) else {
            return;
        };
        if root != "/" && !text.contains(tree) {
            *text = moved(text, root, tree);
        }
    }
}

/// A text in which a path, where it is a whole one or the begin of one, is another.
fn moved(text: &str, from: &str, to: &str) -> String {
    let mut done = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(from) {
        let (before, found) = rest.split_at(at);
        let after = &found[from.len()..];
        let begins = |sign: char| "=:,;'\"".contains(sign) || sign.is_whitespace();
        let ends = |sign: char| sign == '/' || begins(sign);
        let last = before
            .chars()
            .next_back()
            .or_else(|| done.chars().next_back());
        let is_whole = last.is_none_or(begins) && after.chars().next().is_none_or(ends);
        done.push_str(before);
        done.push_str(if is_whole { to } else { from });
        rest = after;
    }
    done + rest
}

/// The variables of a server.
type Environment = std::collections::BTreeMap<String, String>;

/// Which file it is and when it was written last. The file system's clock ticks some milliseconds apart, so this is compared with
/// what was before, and never with another clock.
type Written = (u64, i64, i64, u64);

fn written(path: &Path) -> Option<Written> {
    let file = path.metadata().ok()?;
    Some((file.ino(), file.mtime(), file.mtime_nsec(), file.len()))
}

/// A file outside both trees that the builds wrote is the one of the last build.
fn refuse_shared_builds(before: &[(String, Option<Written>)]) -> Result<(), CliError> {
    let mut changed = before.iter().filter(|(word, before)| {
        let now = written(Path::new(word));
        now.is_some() && now != *before
    });
    match changed.next() {
        None => Ok(()),
        Some((word, _)) => Err(CliError::Usage(format!(
            "--against: {word} lies outside the repository, and both builds write it: both arms would start the working tree's. \
             Build into a folder of the repository (unset CARGO_TARGET_DIR, or the like)"
        ))),
    }
}

/// Everything that an arm starts.
fn targets(arm: &mut Arm) -> impl Iterator<Item = &mut Target> {
    let others = [
        &mut arm.next,
        &mut arm.balancer,
        &mut arm.cache,
        &mut arm.store,
    ];
    std::iter::once(&mut arm.target).chain(others.into_iter().flatten())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_moved_where_it_is_a_whole_one() {
        let check =
            |text: &str, expected: &str| assert_eq!(moved(text, "/srv/app", "/tmp/t"), expected);
        check("/srv/app", "/tmp/t");
        check("--dir=/srv/app/x", "--dir=/tmp/t/x");
        check("/srv/app:/x:/srv/app/lib", "/tmp/t:/x:/tmp/t/lib");
        check("cd '/srv/app' && run", "cd '/tmp/t' && run");
        check("--dir=/mnt/srv/app/x", "--dir=/mnt/srv/app/x");
        check("/srv/apple", "/srv/apple");
        check("/srv/app/srv/app", "/tmp/t/srv/app");
    }
}
