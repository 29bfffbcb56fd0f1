//! `comeback report RUN RUN…`: outages and losses over many runs, as a page with charts.

use comeback_analysis::history::State;
use comeback_analysis::verdict::Outcome;
use comeback_reports::format::{counted, printable};
use comeback_runs::finish::write_artifact;
use comeback_runs::history::{history_of, is_run};

use super::Args;
use crate::folder::new_folder;
use crate::{CliError, ci, print, print_aside_as_it_is, say, warn};

pub(super) fn run(args: &Args) -> Result<Outcome, CliError> {
    let told = &args.told;
    let of_one = [
        ("--baseline", args.baseline.is_some()),
        ("--charts", args.looks.asked().is_some()),
        ("--junit", told.junit.is_some()),
        ("--verbose", told.verbose),
    ];
    if let Some((flag, _)) = of_one.iter().find(|(_, is_given)| *is_given) {
        return Err(CliError::Usage(format!(
            "{flag}: it is about a single run, and several are named: leave it away, or name one run"
        )));
    }
    let strange = args.runs.iter().find(|folder| !is_run(folder));
    if let Some(folder) = strange {
        return Err(CliError::Usage(format!(
            "{} is not a run folder: it has neither a journal nor a summary. Name folders of runs alone; `comeback list` lists them",
            folder.display()
        )));
    }
    let history = history_of(&args.runs, ci::read_command).with_changes();
    if history.runs.len() == 1 {
        return Err(CliError::Usage(format!(
            "all of the named folders are the same run, {}: name it once, or name several runs",
            history.runs[0].folder
        )));
    }
    for run in history.runs.iter().filter(|run| run.state != State::Judged) {
        let problem = run.problem.as_deref().unwrap_or_default();
        warn(&format!("{} has no figures: {problem}", run.folder));
        if let Some(next) = &run.next {
            print_aside_as_it_is(&format!("    next: {}", printable(next)));
        }
    }
    let now = jiff::ZonedDateTime::now();
    let folder = new_folder("trend", &now, args.out.as_deref())?;
    for artifact in comeback_reports::trend(&history)? {
        write_artifact(&folder, &artifact.path, &artifact.bytes)?;
    }
    if told.json {
        print(&serde_json::to_string_pretty(&history)?);
        return Ok(Outcome::Measured);
    }
    let judged = history.runs.iter().filter(|run| run.state == State::Judged);
    say(&format!(
        "{} of {} drawn",
        judged.count(),
        counted(history.runs.len() as u64, "run")
    ));
    for sentence in comeback_reports::changes(&history) {
        print(&sentence);
    }
    let page = folder.join("trend.html").display().to_string();
    say(&format!("trend: {}", printable(&page)));
    Ok(Outcome::Measured)
}
