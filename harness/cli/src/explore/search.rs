//! The search: the run is recorded, the disks are found, and the server is started on one after the other.
//!
//! Two controls frame it. On the disk at the end of the run all must be there, before and after all other disks; on the disk from
//! before the users' first step it must not be. Otherwise the check says nothing of a disk.

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

use comeback_analysis::verdict::Outcome;
use comeback_disk::explore::{Asked, ByItself, Group, Recipe, Survey, reason, survey};
use comeback_disk::record::{self, Ended, Record};
use comeback_engine::{Acts, EngineError, Explorer, Verified, Work, Worked};
use comeback_model::ids::Seed;

use super::document::{self, Around, Coverage, Document, Failure, Lacks};
use super::shown;

/// So many kinds of failures are looked into, and told.
const TOLD: usize = 5;
/// How often it is told how far it is.
const TELL_EVERY: Duration = Duration::from_secs(3);

/// What is searched for, and by what.
pub(super) struct Search<'s> {
    pub(super) acts: Acts,
    /// So many disks at most.
    pub(super) states: usize,
    pub(super) seed: Seed,
    /// Told how far it is.
    pub(super) tell: &'s dyn Fn(&str),
}

/// Why a search ends before its time.
enum Stop {
    Interrupted,
    Engine(EngineError),
    /// The record cannot be used.
    Record(io::Error),
}

impl From<EngineError> for Stop {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Record(error)
    }
}

type Searched<T> = Result<T, Stop>;

/// A disk on which something was missing.
struct Failed {
    recipe: Recipe,
    moment: Option<Duration>,
    verified: Verified,
    states: usize,
    reason: String,
}

impl Search<'_> {
    /// `None` when the run shall end.
    ///
    /// # Errors
    /// The outer one is the harness's; the inner one is that of a record that cannot be used.
    pub(super) fn run(
        &self,
        explorer: &mut Explorer<'_>,
    ) -> Result<Option<io::Result<Document>>, EngineError> {
        match self.work_and_search(explorer) {
            Ok(document) => Ok(Some(Ok(document))),
            Err(Stop::Record(error)) => Ok(Some(Err(error))),
            Err(Stop::Engine(error)) => Err(error),
            Err(Stop::Interrupted) => Ok(None),
        }
    }

    fn work_and_search(&self, explorer: &mut Explorer<'_>) -> Searched<Document> {
        (self.tell)(&format!(
            "explore: {} users act {} times on a disk that is recorded",
            self.acts.users, self.acts.writes
        ));
        let worked = explorer.work(self.acts)?.ok_or(Stop::Interrupted)?;
        let work = match worked {
            Worked::Done(work) => work,
            Worked::Failed(ended) => {
                let problem = format!(
                    "the server was not up to the run without a fault: {}",
                    ended.problem
                );
                return Ok(self.inconclusive(problem, None));
            }
        };
        let record = record::read(&work.record)?;
        self.search(explorer, (&record, &work))
    }

    fn inconclusive(&self, headline: String, of: Option<(&Record, &Work)>) -> Document {
        Document {
            schema: document::SCHEMA,
            verdict: Outcome::Inconclusive,
            headline,
            disk: of.map(|(record, _)| record.rule).unwrap_or_default(),
            seed: self.seed.0,
            work: of.map(told),
            coverage: None,
            failures: Vec::new(),
            remarks: of.map(remarks).unwrap_or_default(),
        }
    }

    fn search(&self, explorer: &mut Explorer<'_>, of: (&Record, &Work)) -> Searched<Document> {
        let (record, work) = of;
        let end = |problem: &str| Ok(self.inconclusive(problem.to_owned(), Some(of)));
        if work.acknowledged.iter().all(|one| one.write == 0) {
            return end("no write was acknowledged, so that none can be missing");
        }
        let asked = Asked {
            from: work.ready,
            states: self.states,
            seed: self.seed.0,
        };
        let survey = survey(record, &asked)?;
        let Some(last) = record
            .calls
            .len()
            .checked_sub(1)
            .filter(|_| survey.points > 0)
        else {
            return end(
                "the server did nothing with its disk after it was up: does it keep its data in {data}?",
            );
        };
        (self.tell)(&format!(
            "explore: {} calls; {} points, {} different disks; {} to look at",
            record.calls.len(),
            survey.points,
            survey.prefixes,
            survey.groups.len()
        ));
        if let Some(problem) = self.control(explorer, of, last)? {
            return end(&problem);
        }
        let begun = Instant::now();
        let (mut failed, mut coverage) = self.look_at_all(explorer, record, &survey)?;
        coverage.users_gave_up = work.problems.len();
        coverage.took_s = begun.elapsed().as_secs_f64();
        let whole = on(
            explorer,
            record,
            (last, ByItself::All),
            &[record.end_of(last)],
        )?;
        if whole != Verified::Whole {
            return end(&format!(
                "on the disk at the end of the run all was there at first, and not any more at the end: {}; do sessions expire?",
                shown::problem(&whole).0
            ));
        }
        let kinds = failed.len();
        failed.truncate(TOLD);
        let mut failures = Vec::new();
        for one in failed {
            failures.push(look_into(explorer, of, one)?);
        }
        let mut document = self.inconclusive(String::new(), Some(of));
        if kinds > failures.len() {
            let more = kinds - failures.len();
            document
                .remarks
                .push(format!("{more} more kinds of failures are not told"));
        }
        if coverage.states_unsteady > 0 {
            document.remarks.push(format!(
                "{} disks failed once, and not a second time",
                coverage.states_unsteady
            ));
        }
        document.failures = failures;
        document.coverage = Some(coverage);
        (document.verdict, document.headline) = shown::judged(&document);
        Ok(document)
    }

    /// Why no look at a disk would say anything, if that is so.
    fn control(
        &self,
        explorer: &mut Explorer<'_>,
        (record, work): (&Record, &Work),
        last: usize,
    ) -> Searched<Option<String>> {
        let moment = record.end_of(last);
        let problem = match on(explorer, record, (last, ByItself::All), &[moment])? {
            Verified::Whole => None,
            Verified::Anybody => Some(
                "a check by somebody who never logged in is answered like a user's, so that nothing tells a lost session: \
                 say where replies name the user (identity), or how the logged-out page looks (logged_out_page)"
                    .to_owned(),
            ),
            other => Some(format!(
                "even on the disk at the end of the run something is missing, without any power cut: {} \
                 (`comeback run` with the fault kill measures that)",
                shown::problem(&other).0
            )),
        };
        if problem.is_some() {
            return Ok(problem);
        }
        // The disk as it was before any user came: then nothing of them can be there.
        let calls = record.calls.iter();
        let before = calls.take_while(|noted| noted.at < work.ready).count();
        let empty = match before.checked_sub(1) {
            Some(cut) => on(explorer, record, (cut, ByItself::All), &[moment])?,
            None => {
                let verified = explorer.verify(|_| Ok(()), &[moment])?;
                verified.ok_or(Stop::Interrupted)?
            }
        };
        let is_blind = !matches!(empty, Verified::Missing(..));
        Ok(is_blind.then(|| {
            match empty {
                Verified::Whole | Verified::Anybody => {
                    "on the disk from before the first login all sessions are there, too, so that no disk tells what is lost: \
                     the server keeps them elsewhere than in {data}, or with its users"
                        .to_owned()
                }
                other => format!(
                    "on the disk from before the first login the check says nothing: {}",
                    shown::problem(&other).0
                ),
            }
        }))
    }

    /// Looks at each disk. Of those that fail alike the earliest cut is kept.
    fn look_at_all(
        &self,
        explorer: &mut Explorer<'_>,
        record: &Record,
        survey: &Survey,
    ) -> Searched<(Vec<Failed>, Coverage)> {
        let mut coverage = Coverage {
            points: survey.points,
            points_before_ready: survey.points_before,
            prefix_states: survey.prefixes,
            reorderings_log10: survey.reorderings_log10,
            is_cut: record.ended != Ended::Whole,
            ..Coverage::default()
        };
        let mut kinds: BTreeMap<String, Failed> = BTreeMap::new();
        let mut told = Instant::now();
        for (done, group) in survey.groups.iter().enumerate() {
            let looked = look_at(explorer, record, group)?;
            match group.is_reordered() {
                true => coverage.reorderings_verified += 1,
                false => coverage.prefix_states_verified += 1,
            }
            match looked {
                Looked::Whole => {}
                Looked::Unsteady => coverage.states_unsteady += 1,
                Looked::Failed(failed) => {
                    coverage.states_failed += 1;
                    let kind = kind_of(&failed);
                    if let Some(known) = kinds.get_mut(&kind) {
                        let states = known.states + 1;
                        if failed.recipe.cut < known.recipe.cut {
                            *known = failed;
                        }
                        known.states = states;
                    } else {
                        kinds.insert(kind, failed);
                    }
                }
            }
            if told.elapsed() >= TELL_EVERY {
                told = Instant::now();
                (self.tell)(&format!(
                    "explore: {} of {} disks, {} failed",
                    done + 1,
                    survey.groups.len(),
                    coverage.states_failed
                ));
            }
        }
        let mut failed: Vec<Failed> = kinds.into_values().collect();
        failed.sort_by_key(|one| (usize::MAX - one.states, one.recipe.cut));
        Ok((failed, coverage))
    }
}

/// The server on a disk.
fn on(
    explorer: &mut Explorer<'_>,
    record: &Record,
    (cut, by_itself): (usize, ByItself),
    moments: &[Option<Duration>],
) -> Searched<Verified> {
    let tree = record.build(&Recipe { cut, by_itself })?;
    let verified = explorer.verify(|folder| tree.lay(folder), moments)?;
    verified.ok_or(Stop::Interrupted)
}

/// What a look at a disk found.
enum Looked {
    Whole,
    /// It failed, and then it did not.
    Unsteady,
    Failed(Failed),
}

fn look_at(explorer: &mut Explorer<'_>, record: &Record, group: &Group) -> Searched<Looked> {
    let moments: Vec<Option<Duration>> = group
        .recipes
        .iter()
        .map(|recipe| record.end_of(recipe.cut))
        .collect();
    let Some(recipe) = group.recipes.first() else {
        return Ok(Looked::Whole);
    };
    let disk = (recipe.cut, recipe.by_itself.clone());
    let first = match on(explorer, record, disk.clone(), &moments)? {
        Verified::Whole => return Ok(Looked::Whole),
        // It says nothing of this disk.
        Verified::Anybody => return Ok(Looked::Unsteady),
        Verified::Missing(first, _) => first,
        Verified::NotBack(..) | Verified::NotServed(_) => 0,
    };
    // One failure may be chance, on a machine that is busy: it must fail twice.
    let moment = moments[first];
    let verified = match on(explorer, record, disk, &[moment])? {
        Verified::Whole | Verified::Anybody => return Ok(Looked::Unsteady),
        verified => verified,
    };
    let recipe = group.recipes[first].clone();
    let reason = reason(record, recipe.cut)?.headline;
    Ok(Looked::Failed(Failed {
        recipe,
        moment,
        verified,
        states: 1,
        reason: reason.unwrap_or_else(|| "all that was written had been synced".to_owned()),
    }))
}

/// Failures of one kind differ in numbers only.
fn kind_of(failed: &Failed) -> String {
    let mut kind = String::new();
    for character in failed.reason.chars() {
        match character.is_ascii_digit() {
            true if kind.ends_with('#') => {}
            true => kind.push('#'),
            false => kind.push(character),
        }
    }
    kind
}

/// Finds what the server lacks, and tells what was done around the cut.
fn look_into(
    explorer: &mut Explorer<'_>,
    (record, work): (&Record, &Work),
    failed: Failed,
) -> Searched<Failure> {
    let Failed {
        recipe,
        moment,
        verified,
        states,
        reason: headline,
    } = failed;
    let lacks = match on(explorer, record, (recipe.cut, ByItself::All), &[moment])? {
        Verified::Whole => Lacks::Sync,
        Verified::Missing(..) | Verified::NotBack(..) | Verified::NotServed(_) => Lacks::Write,
        Verified::Anybody => Lacks::Unknown,
    };
    let calls = reason(record, recipe.cut)?.calls;
    let (problem, output) = shown::problem(&verified);
    Ok(Failure {
        reason: headline,
        lacks,
        states,
        by_itself: match recipe.by_itself {
            ByItself::Nothing | ByItself::All => None,
            ByItself::Journal => Some("ext4's journal had just been written out by itself"),
            ByItself::Some(_) => Some("some of what was not synced had been written out by itself"),
        },
        call: recipe.cut,
        problem,
        output,
        around: around(&calls, moment, work),
    })
}

/// The calls, and the acknowledgements between them.
fn around(
    calls: &[comeback_disk::explore::Spoken],
    moment: Option<Duration>,
    work: &Work,
) -> Vec<Around> {
    let (Some(first), Some(last)) = (calls.first(), calls.last()) else {
        return Vec::new();
    };
    let is_near = |at: Duration| first.at <= at && at <= last.at.max(moment.unwrap_or(at));
    let acknowledged = work
        .acknowledged
        .iter()
        .filter(|one| is_near(one.at))
        .map(|one| {
            let what = match one.write {
                0 => format!("acknowledged: the login of user {}", one.user),
                write => format!("acknowledged: write {write} of user {}", one.user),
            };
            (one.at, what, moment.is_some_and(|moment| one.at >= moment))
        });
    let calls = calls
        .iter()
        .map(|call| (call.at, call.text.clone(), call.is_after));
    let mut all: Vec<(Duration, String, bool)> = calls.chain(acknowledged).collect();
    all.sort_by_key(|(at, _, is_after)| (*is_after, *at));
    let since = |at: Duration| at.as_secs_f64() - work.ready.as_secs_f64();
    all.into_iter()
        .map(|(at, what, after_cut)| Around {
            at_ms: (since(at) * 1e6).round() / 1e3,
            what,
            after_cut,
        })
        .collect()
}

fn told((record, work): (&Record, &Work)) -> document::Work {
    let logins = work
        .acknowledged
        .iter()
        .filter(|one| one.write == 0)
        .count();
    document::Work {
        calls: record.calls.len(),
        logins,
        writes: work.acknowledged.len() - logins,
    }
}

fn remarks((record, work): (&Record, &Work)) -> Vec<String> {
    let mut remarks = Vec::new();
    if let Some(problem) = work.problems.first() {
        let users = work.problems.len();
        remarks.push(format!(
            "{users} users gave up in the run without a fault; the first: {problem}"
        ));
    }
    if record.ended != Ended::Whole {
        remarks.push(
            "the record of the disk was full before the run was over: ask for fewer --acts"
                .to_owned(),
        );
    }
    remarks
}
