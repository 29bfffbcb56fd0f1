//! `comeback try`: one user's way through the flow, before anything is measured.

mod shown;

use comeback_analysis::verdict::Outcome;
use comeback_engine::campaign::{self, Host};
use comeback_engine::interrupt::Interrupt;
use comeback_engine::{EndedEarly, Reach, Tried};
use comeback_load::probe::{Walked, Who};
use comeback_model::ids::{Node, Seed};
use comeback_model::operation::Step;
use comeback_model::plan::{Plan, Workload};
use comeback_supervise::output::printable;
use comeback_supervise::tag::RunTag;
use serde::Serialize;

use super::experiment::Described;
use super::options::{self, Consent};
use super::{CliError, print, print_aside, say};

const EXAMPLES: &str = r#"Examples:
  comeback try shop.toml
  comeback try shop.toml --brief
  comeback try shop.toml --json | jq '.[].problem'
  comeback try --login 'POST /login {"user":"u{{ session }}"}' \
      --act 'POST /visit' --check 'GET /me' --value /visits \
      -- ./server --port {port}"#;

/// Take one user through the flow, before anything is measured.
///
/// Starts the server, logs in, acts, checks, checks once more as somebody who never logged in, restarts the server, and does
/// all of that again. Prints each request and its reply, with secrets hidden. If a reply is not as the experiment describes
/// it, says which expectation failed and what to write instead. Takes what `run` takes.
///
/// Exits 0 if the flow works, 1 if it does not, 2 if the file cannot be used.
#[derive(Debug, clap::Args)]
#[command(
    after_help = EXAMPLES
)]
pub(super) struct Args {
    #[command(flatten)]
    described: Described,
    #[command(flatten)]
    consent: Consent,
    /// Print a line for each step, and requests only where one fails
    #[arg(long, conflicts_with = "json", help_heading = "Results")]
    brief: bool,
    /// Print what was sent and answered as JSON
    #[arg(long, help_heading = "Results")]
    json: bool,
}

/// What a step of the flow is called, in a file and on a screen.
pub(super) const fn name_of(step: Step) -> &'static str {
    match step {
        Step::Login => "login",
        Step::Act => "act",
        Step::Check | Step::ReadBack => "check",
        Step::Logout => "logout",
        Step::Get => "get",
    }
}

/// What `--json` prints of an arm.
#[derive(Serialize)]
struct Report {
    arm: String,
    /// What is wrong first of all; absent where the flow works.
    problem: Option<String>,
    /// What makes results weaker than they could be.
    warnings: Vec<String>,
    first_start: Vec<shown::Step>,
    after_restart: Vec<shown::Step>,
}

pub(super) fn run(args: &Args) -> Result<Outcome, CliError> {
    let (mut plan, seed) = args.described.resolve()?;
    super::setup::check_servers(&mut plan, args.consent.remotes())?;
    super::setup::check_limits(&plan)?;
    let seed = options::seed(seed)?;
    if !args.json {
        print_aside(match plan.is_external() {
            false => "comeback: trying the flow, on a first start and after a restart",
            true => "comeback: trying the flow on the server that runs; it is not restarted",
        });
    }
    let tried = walk(&plan, seed, Reach::Restart)?;
    let reports: Vec<Report> = tried.iter().map(|one| report(&plan, one)).collect();
    let works = reports.iter().all(|report| report.problem.is_none());
    if args.json {
        print(&serde_json::to_string_pretty(&reports)?);
    } else {
        for report in &reports {
            say(&shown::text(report, args.brief));
        }
        print(match works {
            true => "The flow works: `comeback run` with the same arguments measures it.",
            false => "The flow does not work as described. Nothing was measured.",
        });
    }
    Ok(if works { Outcome::Pass } else { Outcome::Fail })
}

/// Before a run: users' ways through the flow of each arm, on a first start and, where that is quick, after a restart.
///
/// Only a description that the server contradicts on its first start ends the run here: then it cannot be right. A server that fails,
/// does not know its own sessions, or answers otherwise after a restart is what a run measures; that is a warning. So it is where
/// somebody who never logged in is answered like a user. Arms with several replicas are left out: these may share nothing on purpose.
pub(super) fn preflight(plan: &Plan, seed: Seed) -> Result<(), CliError> {
    let mut plan = plan.clone();
    for arm in plan.arms.iter_mut().filter(|arm| arm.replicas > 1) {
        let why = || "it has several replicas".to_owned();
        arm.skip.get_or_insert_with(why);
    }
    let is_walked = plan.arms.iter().any(|arm| arm.skip.is_none());
    if !matches!(plan.load.workload, Workload::Sessions(_)) || !is_walked {
        return Ok(());
    }
    for tried in walk(&plan, seed, Reach::BeforeRun)? {
        let arm = printable(&plan.arms[tried.arm.0 as usize].name);
        for warning in examine(&tried, (&plan, &arm))? {
            print_aside(&format!("warning: {arm}: {warning}"));
        }
    }
    Ok(())
}

/// What a walk before a run shows that makes the run weaker.
///
/// # Errors
/// If the server contradicts the description.
fn examine(tried: &Tried, (plan, arm): (&Plan, &str)) -> Result<Vec<String>, CliError> {
    let shown = |wrong: &Walked| {
        let steps = shown::steps(std::slice::from_ref(wrong), &plan.secrets());
        shown::failed(&steps)
    };
    let mut warnings = Vec::new();
    if let Some(wrong) = first_wrong(&tried.first) {
        let failed = shown(wrong);
        if !wrong.as_anonymous {
            return Err(CliError::Usage(format!(
                "{arm}: the server does not answer as the experiment describes it, before any fault\n{failed}\
                 Nothing was measured. `comeback try` shows the whole flow; --no-preflight measures all the same."
            )));
        }
        warnings.push(format!(
            "the server answers a user who has logged in like somebody who is not logged in, before any fault\n\
             {failed}Either the experiment describes this step wrongly, or the server does not know its own sessions. \
             `comeback try` shows the whole flow."
        ));
        return Ok(warnings);
    }
    let steps = || tried.first.iter().chain(&tried.restarted);
    let nobody = steps().filter(|one| one.who == Who::Nobody);
    warnings.extend(nobody.filter_map(warning_of).map(str::to_owned).take(1));
    if let Some(wrong) = first_wrong(&tried.restarted) {
        warnings.push(format!(
            "after a stop and a start the server does not answer a new user as it did on its first start, and as the experiment \
             describes it\n{}The run measures that. If it is meant so, describe what both starts answer.",
            shown(wrong)
        ));
    }
    if let Some(ended) = tried.ended_early.as_ref().filter(|_| tried.was_restarted) {
        let mut problem = in_words(ended);
        plan.secrets().hide(&mut problem);
        warnings.push(format!(
            "the server worked on its first start, and was then stopped and started once more: {}. The run measures that.",
            printable(&problem)
        ));
    }
    Ok(warnings)
}

/// The first step of a user whose reply has another form than is described, or that of somebody who never logged in.
fn first_wrong(steps: &[Walked]) -> Option<&Walked> {
    let mut users = steps.iter().filter(|one| one.who == Who::User);
    users.find(|one| one.has_another_form || one.as_anonymous)
}

/// Takes a user through the flow of each arm, in a temporary folder.
pub(super) fn walk(plan: &Plan, seed: Seed, reach: Reach) -> Result<Vec<Tried>, CliError> {
    let (folder, started) = super::setup::temporary_folder("try");
    let header = campaign::header(plan.clone(), seed, started, &std::env::temp_dir());
    let listen = |tag: &RunTag| Interrupt::listen(tag.clone(), super::setup::end_at_once);
    let tried = campaign::try_out(&header, (&folder, reach), Host::Program, listen)?;
    tried.ok_or(CliError::Interrupted)
}

fn report(plan: &Plan, tried: &Tried) -> Report {
    let secrets = &plan.secrets();
    let arm = &plan.arms[tried.arm.0 as usize];
    let steps = tried.first.iter().chain(&tried.restarted);
    let mut problem = steps.clone().find_map(problem_of);
    if let Some(ended) = &tried.ended_early {
        problem = Some(in_words(ended));
    }
    let mut warnings: Vec<String> = steps.filter_map(warning_of).map(str::to_owned).collect();
    warnings.dedup();
    let mut hide = |mut text: String| {
        secrets.hide(&mut text);
        text
    };
    Report {
        arm: arm.name.clone(),
        problem: problem.map(&mut hide),
        warnings,
        first_start: shown::steps(&tried.first, secrets),
        after_restart: shown::steps(&tried.restarted, secrets),
    }
}

/// What is wrong with the flow by this step. Nobody is refused, and so is who logged out: that is as it should be. A session
/// that a restart took is no mistake of the description.
fn problem_of(walked: &Walked) -> Option<String> {
    match walked.who {
        Who::User => walked.problem.clone(),
        Who::UserOfBefore | Who::Nobody | Who::LoggedOut => None,
    }
}

/// What a step shows that makes results weaker.
fn warning_of(walked: &Walked) -> Option<&'static str> {
    match (walked.who, &walked.problem) {
        (Who::Nobody, None) => Some(
            "a check by somebody who never logged in is answered like a user's, so a lost session may pass for a known one: \
             say where replies name the user (identity), or how the logged-out page looks (logged_out_page)",
        ),
        (Who::LoggedOut, None) => Some(
            "the server still honours the session after the logout: run counts that as a failure (zombie)",
        ),
        _ => None,
    }
}

fn in_words(ended: &EndedEarly) -> String {
    let node = match ended.node {
        Some(node) if node != Node::default() => format!("{node}: "),
        _ => String::new(),
    };
    let mut text = format!("{node}{}", ended.problem);
    for line in &ended.tail {
        text.push_str("\n  | ");
        text.push_str(line);
    }
    text
}
