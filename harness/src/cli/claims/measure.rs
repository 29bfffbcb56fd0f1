//! One claim: its experiment, and the row that comes of it. What was measured lies in the claim's folder, and is judged
//! from there, so that judging again cannot differ.

use std::path::{Path, PathBuf};

use clap::Parser;
use comeback_core::claims::{
    self, Claim, ClaimRow, Comparison, Evidence, Experiment, Heading, Inquiry, Judgement,
    Procedure, Source,
};

use crate::claims::{FACTS, Task};
use crate::cli::{CliError, campaign, compare, print_aside, targets};
use crate::engine::Ended;
use crate::engine::campaign::Host;
use crate::engine::interrupt::Interrupt;
use crate::finish::{judge_and_draw, write_artifact};
use crate::supervise::needs;
use crate::supervise::tag::RunTag;
use crate::{machine, record};

/// What a comparison's claim was judged by, in the claim's folder.
const EVIDENCE: &str = "evidence.jsonl";

/// A claim to be measured, or to be judged by what was.
pub(super) struct Job<'a> {
    pub(super) claim: &'a Claim,
    pub(super) seed: u64,
    pub(super) quick: bool,
    pub(super) quiet: bool,
    /// It was measured before.
    pub(super) is_measured: bool,
    /// The folder of all claims.
    pub(super) folder: &'a Path,
}

/// The words of a comparison, as they are typed.
#[derive(Debug, Parser)]
#[command(no_binary_name = true)]
struct Line {
    #[command(flatten)]
    compare: compare::Args,
}

impl Job<'_> {
    /// Does what is left to do, and rules.
    pub(super) fn row(&self) -> Result<ClaimRow, CliError> {
        match self.claim.experiment {
            Experiment::Compare(comparison) => self.compare(&comparison),
            Experiment::Own(inquiry) => self.inquire(&inquiry),
        }
    }

    fn compare(&self, comparison: &Comparison) -> Result<ClaimRow, CliError> {
        let own = self.own();
        let command = match comparison.runs {
            [run] => format!(
                "comeback compare {}",
                self.words(run, comparison.trials).join(" ")
            ),
            _ => self.again(),
        };
        let (mut summaries, mut details) = (Vec::new(), Vec::new());
        for (run, number) in comparison.runs.iter().zip(1..) {
            let folder = match comparison.runs {
                [_] => own.clone(),
                _ => own.join(format!("run-{number}")),
            };
            let words = self.words(run, comparison.trials);
            if !self.is_measured {
                match self.run(words, &folder) {
                    // Nothing was started: a server is not installed. The other claims may do without.
                    Err(CliError::Usage(why)) => return Ok(self.open(why, command)),
                    ran => ran?,
                }
            } else if !folder.exists() {
                return Ok(self.open("it was not measured".to_owned(), command));
            }
            summaries.push(judge_and_draw(&record::read(&folder)?, &folder)?.summary);
            details.push(self.within(&folder.join("report.html")));
        }
        let evidence = Comparison::evidence(&summaries, compare::lines_of);
        let journal = Evidence::to_text(&evidence)?;
        let path = own.join(EVIDENCE);
        write_artifact(&path, journal.as_bytes())?;
        details.push(self.within(&path));
        let found = comparison.judge(&Evidence::parse(&journal)?);
        let source = self.source(command, details);
        Ok(ClaimRow::new(self.claim, found, source))
    }

    /// The row of a claim that cannot be measured here.
    fn open(&self, why: String, command: String) -> ClaimRow {
        let source = self.source(command, Vec::new());
        ClaimRow::new(self.claim, Judgement::open(why), source)
    }

    /// What `comeback compare` is told.
    fn words(&self, run: &[&str], trials: u32) -> Vec<String> {
        let mut words: Vec<String> = run.iter().map(|word| (*word).to_owned()).collect();
        if self.quick {
            words.push("--quick".to_owned());
        }
        words.extend(["--trials".to_owned(), trials.to_string()]);
        words.extend(["--seed".to_owned(), self.seed.to_string()]);
        words
    }

    fn run(&self, mut words: Vec<String>, folder: &Path) -> Result<(), CliError> {
        words.extend(["--out".to_owned(), folder.display().to_string()]);
        if self.quiet {
            words.push("--quiet".to_owned());
        }
        let line =
            Line::try_parse_from(words).map_err(|error| CliError::Usage(error.to_string()))?;
        match compare::measure(&line.compare)?.1 {
            Ended::Complete => Ok(()),
            Ended::Interrupted => Err(CliError::Interrupted),
        }
    }

    fn inquire(&self, inquiry: &Inquiry) -> Result<ClaimRow, CliError> {
        let own = self.own();
        if !self.is_measured {
            self.carry_out(inquiry, &own)?;
        }
        let found = inquiry.judge(&crate::claims::read(&own)?);
        let details = vec![self.within(&own.join(FACTS))];
        let source = self.source(self.again(), details);
        Ok(ClaimRow::new(self.claim, found, source))
    }

    fn carry_out(&self, inquiry: &Inquiry, own: &Path) -> Result<(), CliError> {
        let mut arms = Vec::new();
        for name in inquiry.arms {
            arms.push(match crate::claims::packaged(name) {
                Some(server) => compare::packaged(server),
                None => compare::sharing(targets::find(name)?)?,
            });
        }
        if inquiry.procedure == Procedure::Idle {
            let proxy = compare::packaged(&crate::claims::PROXY).target;
            for arm in &mut arms {
                arm.balancer = Some(proxy.clone());
            }
        }
        needs::skip_unfit(&mut arms);
        let started = jiff::ZonedDateTime::now();
        campaign::new_folder("claim", &started, Some(own))?;
        let heading = Heading {
            comeback_facts: claims::VERSION,
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
        let listen = |tag: &RunTag| Interrupt::listen(tag.clone(), campaign::end_at_once);
        match crate::claims::run(&task, listen)? {
            Ended::Complete => Ok(()),
            Ended::Interrupted => Err(CliError::Interrupted),
        }
    }

    /// The claim's folder.
    fn own(&self) -> PathBuf {
        self.folder.join(format!("claim-{}", self.claim.number))
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
