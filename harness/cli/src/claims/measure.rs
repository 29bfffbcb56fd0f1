//! One claim: its experiment and the resulting row. The measurements are in the claim's folder and are judged from there, so
//! judging them again gives the same ruling.

use std::path::{Path, PathBuf};

use comeback_architectures::{Comparison, lines_of, replica, servers};
use comeback_claims::{
    Claim, ClaimRow, Comparisons, Evidence, Experiment, Heading, Inquiry, Ruled, Source,
};
use comeback_model::ids::Seed;

use crate::baseline::BaselineArgs;
use crate::campaign::RunOptions;
use crate::console::Addresses;
use crate::experiment::usage;
use crate::options::Output;
use crate::{CliError, campaign, compare, folder, print_aside, setup, targets};
use comeback_claims::{FACTS, Task};
use comeback_engine::Ended;
use comeback_engine::campaign::Host;
use comeback_engine::interrupt::Interrupt;
use comeback_engine::needs::{self, Remotes};
use comeback_faults::Faults;
use comeback_host::machine;
use comeback_runs::finish::{judge_and_draw, write_artifact};
use comeback_runs::read::analyze;
use comeback_supervise::tag::RunTag;

/// The file in a claim's folder with the evidence of a comparison.
const EVIDENCE: &str = "evidence.jsonl";

/// A claim to measure, or to rule by stored measurements.
pub(super) struct Job<'a> {
    pub(super) claim: &'a Claim,
    pub(super) seed: u64,
    pub(super) quick: bool,
    pub(super) quiet: bool,
    /// It was measured before.
    pub(super) is_measured: bool,
    /// The folder of all claims.
    pub(super) folder: &'a Path,
    /// All claims of this run, in their order.
    pub(super) all: &'a [&'static Claim],
}

impl Job<'_> {
    /// Measures if necessary, then rules.
    pub(super) fn row(&self) -> Result<ClaimRow, CliError> {
        match self.claim.experiment {
            Experiment::Compare(comparisons) => self.compare(&comparisons),
            Experiment::Own(inquiry) => self.inquire(&inquiry),
        }
    }

    fn compare(&self, comparisons: &Comparisons) -> Result<ClaimRow, CliError> {
        let own = self.own();
        let runs = comparisons.runs(self.quick);
        let command = match runs.as_slice() {
            [run] => self.words(run).join(" "),
            _ => self.again(),
        };
        let runs: Vec<(Comparison, PathBuf)> = runs
            .into_iter()
            .map(|run| {
                let home = self
                    .folder
                    .join(home(self.all, self.claim, &run, self.quick));
                (run, home)
            })
            .collect();
        for (run, folder) in &runs {
            if folder.exists() {
                continue;
            }
            if self.is_measured {
                return Ok(self.open("it was not measured".to_owned(), command));
            }
            match Self::check(run) {
                // A server is not installed. The other claims may do without.
                Err(CliError::Usage(why)) => return Ok(self.open(why, command)),
                able => able?,
            }
        }
        let (mut summaries, mut details) = (Vec::new(), Vec::new());
        for (run, folder) in &runs {
            if !folder.exists() {
                self.run(run, folder)?;
            }
            summaries.push(judge_and_draw(analyze(folder)?, folder)?.summary);
            details.push(self.within(&folder.join("report.html")));
        }
        let evidence = Comparisons::evidence(&summaries, lines_of);
        let journal = Evidence::to_text(&evidence)?;
        write_artifact(&own, EVIDENCE, journal.as_bytes())?;
        details.push(self.within(&own.join(EVIDENCE)));
        let found = comparisons.rule(&Evidence::parse(&journal)?);
        let source = self.source(command, details);
        Ok(comeback_claims::row(self.claim, found, source))
    }

    /// The row of a claim that cannot be measured here.
    fn open(&self, why: String, command: String) -> ClaimRow {
        let source = self.source(command, Vec::new());
        comeback_claims::row(self.claim, Ruled::open(why), source)
    }

    /// The command that repeats a run.
    fn words(&self, run: &Comparison) -> Vec<String> {
        let mut words = vec!["comeback".to_owned(), "compare".to_owned()];
        words.extend(run.to_command());
        words.extend(["--seed".to_owned(), self.seed.to_string()]);
        words
    }

    /// Whether a run can be measured here, without measuring anything.
    fn check(run: &Comparison) -> Result<(), CliError> {
        let mut plan = compare::plan(run.clone(), |_| {})?;
        setup::check_servers(&mut plan, Remotes::Refused)?;
        setup::check_limits(&plan)
    }

    fn run(&self, run: &Comparison, folder: &Path) -> Result<(), CliError> {
        let plan = compare::plan(run.clone(), |_| {})?;
        let options = RunOptions {
            output: &Output::to_folder(folder, self.quiet),
            baseline: &BaselineArgs::default(),
            shard: None,
            preflight: false,
            file: None,
            remotes: Remotes::Refused,
            addresses: Addresses::default(),
        };
        match campaign::measure(plan, Seed(self.seed), &options)?.1 {
            Ended::Complete => Ok(()),
            Ended::Interrupted => Err(CliError::Interrupted),
        }
    }

    fn inquire(&self, inquiry: &Inquiry) -> Result<ClaimRow, CliError> {
        let own = self.own();
        if !self.is_measured {
            self.carry_out(inquiry, &own)?;
        }
        let found = inquiry.rule(&comeback_claims::read(&own)?);
        let details = vec![self.within(&own.join(FACTS))];
        let source = self.source(self.again(), details);
        Ok(comeback_claims::row(self.claim, found, source))
    }

    fn carry_out(&self, inquiry: &Inquiry, own: &Path) -> Result<(), CliError> {
        let mut arms = Vec::new();
        for name in inquiry.arms {
            arms.push(match comeback_claims::packaged(name) {
                Some(server) => server.arm(),
                None => replica(servers::find(name).map_err(targets::refuse)?, &Faults)
                    .map_err(usage)?,
            });
        }
        if inquiry.behind_proxy {
            let proxy = comeback_claims::PROXY.arm().target;
            for arm in &mut arms {
                arm.balancer = Some(proxy.clone());
            }
        }
        needs::skip_unfit(&mut arms);
        let started = jiff::ZonedDateTime::now();
        folder::new_folder("claim", &started, Some(own))?;
        let heading = Heading {
            comeback_facts: comeback_claims::VERSION,
            claim: self.claim.number,
            seed: self.seed,
            amount: match self.quick {
                true => inquiry.quick,
                false => inquiry.full,
            },
            started: started.timestamp().to_string(),
            machine: Some(machine::describe(own)),
        };
        let task = Task {
            heading: &heading,
            procedure: inquiry.procedure,
            arms: &arms,
            folder: own,
            host: Host::Program,
            follow: match self.quiet {
                true => |_| {},
                false => |arm| print_aside(&format!("  {arm}")),
            },
        };
        let listen = |tag: &RunTag| Interrupt::listen(tag.clone(), setup::end_at_once);
        match comeback_claims::run(&task, listen)? {
            Ended::Complete => Ok(()),
            Ended::Interrupted => Err(CliError::Interrupted),
        }
    }

    /// The claim's folder.
    fn own(&self) -> PathBuf {
        self.folder.join(folder_of(self.claim))
    }

    /// A file, seen from the folder of all claims.
    fn within(&self, file: &Path) -> String {
        let file = file.strip_prefix(self.folder).unwrap_or(file);
        file.display().to_string()
    }

    /// The command that repeats the row.
    fn again(&self) -> String {
        let quick = match self.quick {
            true => " --quick",
            false => "",
        };
        format!(
            "comeback claims {}{quick} --seed {}",
            self.claim.number, self.seed
        )
    }

    fn source(&self, command: String, details: Vec<String>) -> Source {
        Source {
            command,
            run: self.own().display().to_string(),
            details,
        }
    }
}

fn folder_of(claim: &Claim) -> String {
    format!("claim-{}", claim.number)
}

/// Where a comparison lies that is a claim's own, by its place among them.
fn place(claim: &Claim, all: &[Comparison], number: usize) -> PathBuf {
    let folder = PathBuf::from(folder_of(claim));
    match all {
        [_] => folder,
        _ => folder.join(format!("run-{}", number + 1)),
    }
}

/// The path of a comparison, from the folder of all claims: in the folder of the first measured claim that needs it. It is
/// measured once, even if several claims need it.
fn home(all: &[&Claim], own: &Claim, run: &Comparison, quick: bool) -> PathBuf {
    let first = all.iter().find_map(|claim| match claim.experiment {
        Experiment::Compare(comparisons) => {
            let runs = comparisons.runs(quick);
            let number = runs.iter().position(|one| one == run)?;
            Some(place(claim, &runs, number))
        }
        Experiment::Own(_) => None,
    });
    first.unwrap_or_else(|| folder_of(own).into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use comeback_claims::CLAIMS;

    use super::*;

    /// Where the comparisons of a claim lie when these are measured.
    fn homes(number: u32, all: &[u32]) -> Vec<String> {
        let find = |number: &u32| Claim::find(*number).unwrap();
        let all: Vec<&Claim> = all.iter().map(find).collect();
        let claim = find(&number);
        let Experiment::Compare(comparisons) = claim.experiment else {
            panic!("claim {number} is no comparison");
        };
        let runs = comparisons.runs(false);
        let homes = runs.iter().map(|run| home(&all, claim, run, false));
        homes.map(|home| home.display().to_string()).collect()
    }

    #[test]
    fn a_comparison_of_several_claims_lies_with_the_first() {
        assert_eq!(homes(6, &[6]), ["claim-6/run-1", "claim-6/run-2"]);
        assert_eq!(homes(6, &[5, 6]), ["claim-5", "claim-6/run-2"]);
        let alone = ["claim-12/run-1", "claim-12/run-2", "claim-12/run-3"];
        assert_eq!(homes(12, &[10, 12]), alone);
        let all: Vec<u32> = CLAIMS.iter().map(|claim| claim.number).collect();
        assert_eq!(
            homes(12, &all),
            ["claim-12/run-1", "claim-11/run-1", "claim-6/run-2"]
        );
    }
}
