//! Any bytes are an experiment that can run, or are refused where they are wrong.

use std::path::Path;

use comeback_faults::Faults;
use comeback_model::ids::Seed;
use comeback_model::journal::{self, Header, Machine, VERSION, write_line};
use comeback_model::plan::Plan;
use comeback_model::schedule::{ArrivalStream, Schedule, clients_of, expand};

use super::Worth;
use comeback_experiment::{File, Unreadable};

/// Trials that a schedule may be drawn for here: more would only take long.
const DRAWN: u32 = 100;
/// Trials of all arms together that any plan may ask for, with and without a fault.
const MOST_TRIALS: u64 = 100_000;

/// Reads the bytes as an experiment file.
///
/// # Panics
/// When a file that is refused is not told where and why, or one that is taken does not make a plan that
/// validates, survives being stored, and can be scheduled.
pub fn check_experiment(bytes: &[u8]) -> Worth {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Worth::Dropped;
    };
    let path = Path::new("/experiments/shop.toml");
    let resolved =
        File::parse(path, text.to_owned(), &Faults)
            .map_err(|refused| refused.with_rules(&Faults))
            .and_then(|file| file.resolve(&Faults));
    match resolved {
        Err(refused) => check_refusal(&refused, text),
        Ok(resolved) => check_plan(resolved.plan, resolved.seed.unwrap_or(Seed(1))),
    }
    Worth::Kept
}

fn check_refusal(refused: &Unreadable, text: &str) {
    assert!(!refused.problems().is_empty(), "refused without a reason");
    // A file's last line may be the empty one behind its last line break.
    let lines: Vec<&str> = text.split('\n').collect();
    for wrong in refused.problems() {
        assert!(!wrong.message.is_empty(), "refused without a word");
        let line = wrong.line.checked_sub(1).and_then(|at| lines.get(at));
        let line = line.unwrap_or_else(|| panic!("there is no line {}", wrong.line));
        let columns = 1..=line.chars().count() + 1;
        assert!(
            columns.contains(&wrong.column),
            "line {} has no column {}",
            wrong.line,
            wrong.column
        );
    }
    check_shown(&refused.render(false));
    check_shown(&without_colors(&refused.render(true)));
}

/// What is shown is shown on a terminal, and must not be able to steer it.
fn check_shown(shown: &str) {
    assert!(!shown.trim().is_empty(), "nothing is shown");
    let steers = |letter: &char| letter.is_control() && *letter != '\n';
    if let Some(letter) = shown.chars().find(steers) {
        panic!("shown with {letter:?}: {shown:?}");
    }
}

/// The text without the sequences that change its color.
fn without_colors(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|letter: char| !letter.is_ascii_digit() && letter != ';');
        match end.map(|end| part.split_at(end)) {
            Some((_, rest)) if rest.starts_with('m') => plain.push_str(&rest[1..]),
            _ => panic!("shown with another sequence than a color: {text:?}"),
        }
    }
    plain
}

fn check_plan(mut plan: Plan, seed: Seed) {
    assert_eq!(plan.validate(), Ok(()), "resolved, but not valid");
    let each = u64::from(plan.extend_to.max(plan.trials)) + u64::from(plan.controls);
    let all = each.saturating_mul(plan.arms.len() as u64);
    assert!(all <= MOST_TRIALS, "{all} trials would be scheduled");
    plan.trials = plan.trials.min(DRAWN);
    plan.controls = plan.controls.min(DRAWN);
    let schedule = expand(&plan, seed);
    let wanted = (plan.trials + plan.controls) as usize * plan.arms.len();
    assert_eq!(schedule.trials.len(), wanted);
    check_arrivals(&plan, &schedule);
    check_stored(plan, schedule, seed);
}

fn check_arrivals(plan: &Plan, schedule: &Schedule) {
    let load = &plan.load;
    let Some(trial) = schedule.trials.first() else {
        return;
    };
    for worker in [0, load.workers - 1] {
        assert!(clients_of(load, worker) > 0, "worker {worker} is idle");
        let mut last = None;
        for arrival in ArrivalStream::new(load, trial.load_seed, worker).take(4) {
            assert!(arrival.client.0 < load.clients);
            assert!(last <= Some(arrival.at), "time runs backwards");
            last = Some(arrival.at);
        }
    }
}

/// The journal's first line holds the plan; read back it must be the same.
fn check_stored(plan: Plan, schedule: Schedule, seed: Seed) {
    let header = Header {
        comeback_journal: VERSION,
        written_by: "0".to_owned(),
        started: "2026-01-01T00:00:00Z".to_owned(),
        seed,
        machine: Machine::default(),
        plan,
        schedule,
        shards: None,
        label: None,
        revision: None,
    };
    let mut line = Vec::new();
    write_line(&mut line, &header).expect("a vector takes everything");
    match journal::read(&line[..], &b""[..]) {
        Ok(journal) => assert_eq!(journal.header, header, "stored, the plan is another"),
        Err(error) => panic!("stored, the plan cannot be read: {error}"),
    }
}
