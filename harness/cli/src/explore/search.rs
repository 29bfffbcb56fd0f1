//! The search: the run is recorded, the disks are found, and the server is started on one after the other.
//!
//! Three controls frame it. On the disk at the end of the run all must be there, before and after all other disks; on the disk from
//! before the users' first step and on that from before the last user's first write it must not be. Otherwise the check says nothing
//! of a disk.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use comeback_analysis::verdict::Outcome;
use comeback_disk::explore::{Asked, ByItself, Group, Recipe, Survey, reason, survey};
use comeback_disk::record::{self, Record};
use comeback_engine::{Acts, EngineError, Explorer, Trying, Verification, Verified, Work, Worked};
use comeback_load::probe::Missing;
use comeback_model::ids::Seed;

use super::controls::{self, Teeth, teeth};
use super::document::{self, Coverage, Document, Failure, Lacks};
use super::looks::{Ask, Looked, Unclear, doubt, is_a_loss, problem, settled, weigh};
use super::{shown, told};

/// So many kinds of failures are looked into, and told.
const TOLD: usize = 5;
/// The search ends when the disk at the end of the run failed so often in a row: the others would tell nothing any more.
const MOST_GOOD_FAILED: usize = 3;
/// How often it is told how far it is.
const TELL_EVERY: Duration = Duration::from_secs(3);

/// What is searched for, and by what.
pub(super) struct Search<'s> {
    pub(super) acts: Acts,
    /// So many disks at most.
    pub(super) states: usize,
    pub(super) seed: Seed,
    /// What is sent for a login, and for an act: `POST /cart`.
    pub(super) requests: [String; 2],
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
#[derive(Clone)]
struct Failed {
    recipe: Recipe,
    moment: Option<Duration>,
    looked: Verification,
    states: usize,
    reason: String,
    /// It failed even when the server had long to read its files.
    is_settled: bool,
}

/// The record, and whether a control needed another try.
type Controlled<'r> = (&'r Record, &'r Cell<bool>);

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
            work: of.map(told::work),
            coverage: None,
            failures: Vec::new(),
            remarks: of.map(told::remarks).unwrap_or_default(),
            durability: None,
        }
    }

    fn search(&self, explorer: &mut Explorer<'_>, of: (&Record, &Work)) -> Searched<Document> {
        let (record, work) = of;
        let end = |problem: &str| Ok(self.inconclusive(problem.to_owned(), Some(of)));
        let is_full = record.full_at().is_some();
        if controls::writers(work, record.full_at()).is_empty() {
            return end(match is_full {
                false => "no write was acknowledged, so that none can be missing",
                true => {
                    "no write was acknowledged before the record of the disk was full: ask for fewer --acts"
                }
            });
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
        let needed_another = Cell::new(false);
        let controlled = (record, &needed_another);
        let untested = match self.control(explorer, (controlled, work), last)? {
            Control::Passed(untested) => untested,
            Control::Failed(problem) => return end(&problem),
        };
        let begun = Instant::now();
        let mut found = self.look_at_all(explorer, record, (&survey, last))?;
        found.coverage.took_s = begun.elapsed().as_secs_f64();
        found.coverage.users_gave_up = work.problems.len();
        let (mut document, unsound) = loop {
            let is_by_chance = needed_another.get();
            self.confirm(explorer, record, (&mut found, last, is_by_chance))?;
            let document = self.told(explorer, of, (&found, &untested))?;
            let unsound = end_control(explorer, (controlled, work), (last, &document))?;
            let is_doubted = is_by_chance || !needed_another.get();
            if is_doubted || found.failed.is_empty() {
                break (document, unsound);
            }
        };
        if let Some(problem) = unsound {
            document.verdict = Outcome::Inconclusive;
            document.headline = format!(
                "on the disk at the end of the run all was there at first, and not any more at the end, so that what was found \
                 proves nothing: {problem}; do sessions expire?"
            );
        }
        Ok(document)
    }

    /// What was found.
    fn told(
        &self,
        explorer: &mut Explorer<'_>,
        of: (&Record, &Work),
        (found, untested): (&Found, &Option<String>),
    ) -> Searched<Document> {
        let (_, work) = of;
        let mut document = self.inconclusive(String::new(), Some(of));
        document.remarks.extend(untested.clone());
        let mut coverage = found.coverage;
        coverage.states_failed = found.failed.len();
        document
            .remarks
            .extend(shown::remarks(&coverage, &found.unclear));
        let mut kinds: BTreeMap<String, Failed> = BTreeMap::new();
        for one in &found.failed {
            add_failed(&mut kinds, one.clone());
        }
        let mut failed: Vec<Failed> = kinds.into_values().collect();
        failed.sort_by_key(|one| (usize::MAX - one.states, one.recipe.cut));
        if failed.len() > TOLD {
            let more = failed.len() - TOLD;
            document
                .remarks
                .push(format!("{more} more kinds of failures are not told"));
        }
        failed.truncate(TOLD);
        for one in failed {
            document.failures.push(look_into(explorer, of, one)?);
        }
        document.coverage = Some(coverage);
        // A request that failed is on no list, and may have been under way beside any other.
        if work.problems.is_empty() {
            document.durability = Some(told::durability(of, &self.requests)?);
        }
        (document.verdict, document.headline) = shown::judged(&document);
        Ok(document)
    }

    /// Looks at the disks of which it is known what must be found on them.
    fn control(
        &self,
        explorer: &mut Explorer<'_>,
        (controlled, work): (Controlled<'_>, &Work),
        last: usize,
    ) -> Searched<Control> {
        let (record, _) = controlled;
        let moment = record.end_of(last);
        let full = (last, ByItself::All);
        let failed = |problem: String| Ok(Control::Failed(problem));
        let is_whole = |verified: &Verified| *verified == Verified::Whole;
        match steady(explorer, controlled, (Some(full), moment), is_whole)? {
            Verified::Whole => {}
            Verified::Anybody => {
                return failed(
                    "a check by somebody who never logged in is answered like a user's, so that nothing tells a lost session: \
                     say where replies name the user (identity), or how the logged-out page looks (logged_out_page)"
                        .to_owned(),
                );
            }
            Verified::Unclear(problem) => {
                return failed(format!(
                    "the server could not be tried on the disk at the end of the run: {problem}"
                ));
            }
            other => {
                return failed(format!(
                    "even on the disk at the end of the run something is missing, without any power cut: {} \
                     (`comeback run` with the fault kill measures that)",
                    problem(&other)
                ));
            }
        }
        let writers = controls::writers(work, moment);
        // The disk as it was before any user came: then nothing of them can be there.
        let calls = record.calls.partition_point(|noted| noted.at < work.ready);
        let before = calls.checked_sub(1);
        match without(explorer, controlled, (before, moment), &writers)? {
            Teeth::Bites => {}
            Teeth::Blind(user) => {
                return failed(format!(
                    "on the disk from before the first login the session of user {user} and its writes are there, too, so that no \
                     disk tells what is lost: the server keeps them elsewhere than in {{data}}, or with its users"
                ));
            }
            Teeth::Mute(problem) => {
                return failed(format!(
                    "on the disk from before the first login the check says nothing: {problem}"
                ));
            }
        }
        // The same with the sessions on it, but not this user's writes.
        let Some((user, cut)) = controls::before_first_write(record, work, &writers) else {
            return Ok(Control::Passed(None));
        };
        if before.is_some_and(|before| before >= cut) {
            return Ok(Control::Passed(None));
        }
        Ok(
            match without(explorer, controlled, (Some(cut), moment), &[user])? {
                Teeth::Bites => Control::Passed(None),
                Teeth::Blind(user) => Control::Failed(format!(
                    "on the disk from before the first write of user {user} this write is there, too, so that no disk tells of a \
                     lost write: the server keeps writes elsewhere than in {{data}}, or the value of a check does not show them"
                )),
                Teeth::Mute(problem) => Control::Passed(Some(format!(
                    "it was not seen that a check misses a write of a session that is there: on the disk from before the first \
                     write of user {user} the server said nothing: {problem}"
                ))),
            },
        )
    }

    /// Looks at each disk.
    fn look_at_all(
        &self,
        explorer: &mut Explorer<'_>,
        record: &Record,
        (survey, last): (&Survey, usize),
    ) -> Searched<Found> {
        let mut coverage = Coverage {
            points: survey.points,
            points_before_ready: survey.points_before,
            prefix_states: survey.prefixes,
            reorderings_log10: survey.reorderings_log10,
            is_cut: record.full_at().is_some(),
            ..Coverage::default()
        };
        let mut failed = Vec::new();
        let mut unclear: BTreeMap<Unclear, (usize, String)> = BTreeMap::new();
        let mut good_failed = 0;
        let mut told = Instant::now();
        for (done, group) in survey.groups.iter().enumerate() {
            let looked = look_at(explorer, record, (group, last))?;
            match group.is_reordered() {
                true => coverage.reorderings_verified += 1,
                false => coverage.prefix_states_verified += 1,
            }
            good_failed = match &looked {
                Looked::Unclear(Unclear::GoodFailed, _) => good_failed + 1,
                _ => 0,
            };
            match looked {
                Looked::Whole => {}
                Looked::Slow => coverage.states_slow += 1,
                Looked::Unclear(why, problem) => {
                    coverage.states_unclear += 1;
                    unclear.entry(why).or_insert((0, problem)).0 += 1;
                }
                Looked::Failed(looked) => failed.push(failed_on(record, group, looked)?),
            }
            if good_failed == MOST_GOOD_FAILED {
                coverage.is_stopped = true;
                break;
            }
            if told.elapsed() >= TELL_EVERY {
                told = Instant::now();
                (self.tell)(&format!(
                    "explore: {} of {} disks, {} failed",
                    done + 1,
                    survey.groups.len(),
                    failed.len()
                ));
            }
        }
        failed.sort_by_key(|one: &Failed| one.recipe.cut);
        Ok(Found {
            failed,
            unclear,
            coverage,
            is_read_late: false,
        })
    }

    /// Looks again at disks that failed: where something is lost, with long for the server to read its files, at the first of each kind,
    /// or at each if that was of use; and of a server that fails at random, at each several times.
    fn confirm(
        &self,
        explorer: &mut Explorer<'_>,
        record: &Record,
        (found, last, is_by_chance): (&mut Found, usize, bool),
    ) -> Searched<()> {
        while let Some(place) = found.next_to_settle() {
            let one = &mut found.failed[place];
            let recipe = Some((one.recipe.cut, one.recipe.by_itself.clone()));
            let again = on(explorer, record, (recipe, &[one.moment]), Trying::Settled)?;
            match settled(&one.looked, again) {
                Looked::Failed(_) => one.is_settled = true,
                other => found.withdraw(place, other),
            }
        }
        let is_by_chance = is_by_chance || found.unclear.keys().any(|why| why.is_by_chance());
        if !is_by_chance || found.failed.is_empty() {
            return Ok(());
        }
        (self.tell)("explore: the server fails at random: each disk that failed is tried again");
        for place in (0..found.failed.len()).rev() {
            let Failed {
                recipe,
                moment,
                looked,
                ..
            } = found.failed[place].clone();
            let disk = Some((recipe.cut, recipe.by_itself));
            let doubted = doubt(&looked.verified, |ask| {
                look_as(explorer, record, (&disk, &[moment], last), ask)
            })?;
            if let Some((why, problem)) = doubted {
                found.withdraw(place, Looked::Unclear(why, problem));
            }
        }
        Ok(())
    }
}

/// What the controls at the beginning came to.
enum Control {
    /// Looks tell what is lost; and what was not seen of that.
    Passed(Option<String>),
    /// No look would say anything, and why.
    Failed(String),
}

/// What the looks at all disks found.
struct Found {
    /// Each kind of failure once.
    failed: Vec<Failed>,
    coverage: Coverage,
    unclear: BTreeMap<Unclear, (usize, String)>,
    /// What was lost on a disk was there after a while.
    is_read_late: bool,
}

impl Found {
    /// A disk on which something was lost, and of whose kind none was looked at with long to settle.
    fn next_to_settle(&self) -> Option<usize> {
        let is_known = |one: &Failed| {
            let is_alike = |other: &&Failed| other.is_settled && kind_of(other) == kind_of(one);
            one.is_settled || !self.is_read_late && self.failed.iter().any(|other| is_alike(&other))
        };
        let mut all = self.failed.iter();
        all.position(|one| is_a_loss(&one.looked.verified) && !is_known(one))
    }

    /// A disk that failed did not fail after all.
    fn withdraw(&mut self, place: usize, looked: Looked) {
        self.failed.remove(place);
        match looked {
            Looked::Unclear(why, problem) => {
                self.coverage.states_unclear += 1;
                self.unclear.entry(why).or_insert((0, problem)).0 += 1;
            }
            Looked::Slow => {
                self.coverage.states_slow += 1;
                self.is_read_late = true;
            }
            Looked::Whole | Looked::Failed(_) => {}
        }
    }
}

/// The server on a disk; without a cut on an empty one.
fn on(
    explorer: &mut Explorer<'_>,
    record: &Record,
    (recipe, moments): (Option<Disk>, &[Option<Duration>]),
    trying: Trying,
) -> Searched<Verification> {
    let tree = recipe.map(|(cut, by_itself)| record.build(&Recipe { cut, by_itself }));
    let tree = tree.transpose()?;
    let lay = |folder: &Path| tree.map_or(Ok(()), |tree| tree.lay(folder));
    let tried = explorer.verify(lay, moments, trying)?;
    tried.ok_or(Stop::Interrupted)
}

/// The same for a control, once more and with more time if it is not as it should be.
fn steady(
    explorer: &mut Explorer<'_>,
    (record, needed_another): Controlled<'_>,
    (recipe, moment): (Option<Disk>, Option<Duration>),
    is_fine: impl Fn(&Verified) -> bool,
) -> Searched<Verified> {
    let disk = (recipe.clone(), &[moment][..]);
    let verified = on(explorer, record, disk, Trying::Usual)?.verified;
    match is_fine(&verified) {
        true => Ok(verified),
        false => {
            needed_another.set(true);
            Ok(on(explorer, record, (recipe, &[moment]), Trying::Settled)?.verified)
        }
    }
}

/// Whether it is seen that these users' writes are missing on the disk after this call, with nothing lost of it; without a call on an
/// empty one.
fn without(
    explorer: &mut Explorer<'_>,
    controlled: Controlled<'_>,
    (cut, moment): (Option<usize>, Option<Duration>),
    writers: &[u32],
) -> Searched<Teeth> {
    let recipe = cut.map(|cut| (cut, ByItself::All));
    let bites = |verified: &Verified| teeth(verified, writers) == Teeth::Bites;
    let verified = steady(explorer, controlled, (recipe, moment), bites)?;
    Ok(teeth(&verified, writers))
}

/// The problem on the disk at the end of the run, when all others were looked at. By then its sessions are older than any that was
/// missed on another disk: what is there has not expired.
fn end_control(
    explorer: &mut Explorer<'_>,
    (controlled, work): (Controlled<'_>, &Work),
    (last, document): (usize, &Document),
) -> Searched<Option<String>> {
    if !document.failures.is_empty() {
        let waited = explorer.wait(controls::ages_by(work));
        waited.ok_or(Stop::Interrupted)?;
    }
    let moment = controlled.0.end_of(last);
    let full = Some((last, ByItself::All));
    let is_whole = |verified: &Verified| *verified == Verified::Whole;
    let verified = steady(explorer, controlled, (full, moment), is_whole)?;
    Ok((verified != Verified::Whole).then(|| problem(&verified)))
}

fn look_at(
    explorer: &mut Explorer<'_>,
    record: &Record,
    (group, last): (&Group, usize),
) -> Searched<Looked> {
    let moments: Vec<Option<Duration>> = group
        .recipes
        .iter()
        .map(|recipe| record.end_of(recipe.cut))
        .collect();
    let Some(recipe) = group.recipes.first() else {
        return Ok(Looked::Whole);
    };
    let disk = Some((recipe.cut, recipe.by_itself.clone()));
    weigh(|ask| look_as(explorer, record, (&disk, &moments, last), ask))
}

/// A disk: after which call the power is cut, and what was written out by itself.
type Disk = (usize, ByItself);

fn look_as(
    explorer: &mut Explorer<'_>,
    record: &Record,
    (disk, moments, last): (&Option<Disk>, &[Option<Duration>], usize),
    ask: Ask,
) -> Searched<Verification> {
    match ask {
        Ask::First => on(explorer, record, (disk.clone(), moments), Trying::Usual),
        Ask::Again => on(explorer, record, (disk.clone(), moments), Trying::Patient),
        Ask::Good => {
            let moment = [record.end_of(last)];
            let good = Some((last, ByItself::All));
            on(explorer, record, (good, &moment), Trying::Patient)
        }
    }
}

/// What is known of a disk that failed.
fn failed_on(record: &Record, group: &Group, looked: Verification) -> Searched<Failed> {
    let first = match &looked.verified {
        Verified::Missing(first, _) => *first,
        Verified::Whole
        | Verified::Anybody
        | Verified::NotBack(_)
        | Verified::NotServed(_)
        | Verified::Unclear(_) => 0,
    };
    let recipe = group.recipes[first].clone();
    let reason = reason(record, recipe.cut)?.headline;
    Ok(Failed {
        moment: record.end_of(recipe.cut),
        recipe,
        looked,
        states: 1,
        is_settled: false,
        reason: reason.unwrap_or_else(|| "all that was written had been synced".to_owned()),
    })
}

/// Of those that fail alike the earliest cut is kept.
fn add_failed(kinds: &mut BTreeMap<String, Failed>, failed: Failed) {
    let kind = kind_of(&failed);
    let Some(known) = kinds.get_mut(&kind) else {
        kinds.insert(kind, failed);
        return;
    };
    let states = known.states + 1;
    if failed.recipe.cut < known.recipe.cut {
        *known = failed;
    }
    known.states = states;
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

/// Whether something of this was acknowledged before its bytes were handed over.
fn is_early(
    explorer: &mut Explorer<'_>,
    (record, work): (&Record, &Work),
    missing: &[Missing],
) -> Searched<bool> {
    let Some((user, cut)) = controls::at_acknowledgement(record, work, missing) else {
        return Ok(false);
    };
    let disk = Some((cut, ByItself::All));
    let moment = [record.end_of(cut)];
    let tried = on(explorer, record, (disk, &moment), Trying::Patient)?;
    Ok(teeth(&tried.verified, &[user]) == Teeth::Bites)
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
        looked: Verification { verified, .. },
        states,
        reason: headline,
        ..
    } = failed;
    let all = Some((recipe.cut, ByItself::All));
    let is_whole = |verified: &Verified| *verified == Verified::Whole;
    // How it does on other disks is known.
    let unheard = Cell::new(false);
    let lacks = match steady(explorer, (record, &unheard), (all, moment), is_whole)? {
        Verified::Whole => Lacks::Sync,
        Verified::Missing(_, missing) => match is_early(explorer, (record, work), &missing)? {
            true => Lacks::Write,
            false => Lacks::More,
        },
        Verified::NotBack(_) | Verified::NotServed(_) => Lacks::More,
        Verified::Anybody | Verified::Unclear(_) => Lacks::Unknown,
    };
    let calls = reason(record, recipe.cut)?.calls;
    let output = match &verified {
        Verified::NotBack(not_back) => not_back.tail.clone(),
        _ => Vec::new(),
    };
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
        problem: problem(&verified),
        output,
        around: told::around(&calls, moment, work),
    })
}
