//! The runs of one planted bug and its twin.

use std::path::{Path, PathBuf};

use comeback_analysis::measure::Analysis;
use comeback_analysis::verdict::{Outcome, Verdict};
use comeback_engine::Ended;
use comeback_engine::needs::Remotes;
use comeback_model::event::EventKind;
use comeback_model::ids::{Seed, TrialId};
use comeback_runs::finish::judge;
use comeback_runs::read::{analyze, events};
use comeback_statistics::{median, wilson};

use super::document::{Remark, Row};
use super::table::Bug;
use super::verdict::{Sighting, Tally, first_sight, is_open};
use crate::baseline::BaselineArgs;
use crate::campaign::RunOptions;
use crate::console::Addresses;
use crate::options::Output;
use crate::{CliError, campaign, print_aside};

/// A bug to look for.
pub(super) struct Job<'a> {
    pub(super) bug: &'a Bug,
    /// The seed of its first run.
    pub(super) seed: u64,
    /// How many seeds.
    pub(super) seeds: u32,
    /// Whether the bug is exchanged with its twin.
    pub(super) swapped: bool,
    pub(super) quiet: bool,
    /// The folder of the self-test.
    pub(super) folder: &'a Path,
}

/// A run, read back and judged.
struct Ran {
    folder: PathBuf,
    analysis: Analysis,
    verdict: Verdict,
}

impl Job<'_> {
    /// Runs the server and its twin once for each seed, and the server under the fault that it survives.
    pub(super) fn row(&self) -> Result<Row, CliError> {
        let (mut tally, mut remarks) = (Tally::default(), Vec::new());
        for number in 0..self.seeds {
            let seed = self.seed.wrapping_add(u64::from(number));
            let (server, twin) = (self.bug.server, self.bug.twin);
            let ran = self.run(self.bug, server, seed)?;
            let sighting = self.sighting(&ran)?;
            let found = match sighting {
                Sighting::Detected { .. } => "detected",
                Sighting::Missed => "missed",
                Sighting::Inconclusive => "inconclusive",
            };
            if !matches!(sighting, Sighting::Detected { .. }) {
                remarks.push(remark(server, found, &ran));
            }
            tally.sightings.push(sighting);
            let mut told = format!("bug {}, seed {seed}: {server}: {found}", self.bug.number);
            let spared = self.bug.spared();
            let spared = spared.as_ref().map(|spared| (spared, server));
            for (bug, server) in [(self.bug, twin)].into_iter().chain(spared) {
                let ran = self.run(bug, server, seed)?;
                let clean = match ran.verdict.outcome {
                    Outcome::Pass | Outcome::Measured => "clean",
                    Outcome::Fail => "alarm",
                    Outcome::Inconclusive => "inconclusive",
                };
                let fault = match bug.fault == self.bug.fault {
                    true => String::new(),
                    false => format!(" under {}", bug.fault),
                };
                if clean != "clean" {
                    remarks.push(remark(&format!("{server}{fault}"), clean, &ran));
                }
                tally.clean.push(ran.verdict.outcome);
                told += &format!("; {server}{fault}: {clean}");
            }
            if !self.quiet {
                print_aside(&told);
            }
        }
        Ok(self.sum_up(&tally, remarks))
    }

    /// Runs a server as `compare` would.
    fn run(&self, bug: &Bug, server: &str, seed: u64) -> Result<Ran, CliError> {
        let fault = match bug.fault == self.bug.fault {
            true => String::new(),
            false => format!("-{}", bug.fault),
        };
        let name = format!("bug-{}/{server}{fault}-{seed}", bug.number);
        let folder = self.folder.join(name);
        let options = RunOptions {
            output: &Output::to_folder(&folder, true),
            baseline: &BaselineArgs::default(),
            shard: None,
            preflight: false,
            file: None,
            remotes: Remotes::Refused,
            addresses: Addresses::default(),
        };
        match campaign::measure(bug.plan(server)?, Seed(seed), &options)? {
            (_, Ended::Interrupted) => Err(CliError::Interrupted),
            (folder, Ended::Complete) => {
                let analysis = analyze(&folder)?;
                Ok(Ran {
                    verdict: judge(&analysis, &folder)?,
                    analysis,
                    folder,
                })
            }
        }
    }

    fn sighting(&self, ran: &Ran) -> Result<Sighting, CliError> {
        match first_sight(self.bug, &ran.analysis) {
            Some((trial, faults)) => Ok(Sighting::Detected {
                faults,
                seconds: seconds_until(&ran.folder, trial)?,
            }),
            None if is_open(self.bug, &ran.verdict) => Ok(Sighting::Inconclusive),
            None => Ok(Sighting::Missed),
        }
    }

    fn command(&self) -> String {
        let (number, seed, seeds) = (self.bug.number, self.seed, self.seeds);
        let swap = match self.swapped {
            true => " --swap",
            false => "",
        };
        format!("comeback selftest --bugs {number} --seed {seed} --seeds {seeds}{swap}")
    }

    fn sum_up(&self, tally: &Tally, remarks: Vec<Remark>) -> Row {
        let bug = self.bug;
        let detected = tally.detected();
        let share = wilson(detected as u64, u64::from(self.seeds));
        Row {
            number: bug.number,
            bug: bug.about.to_owned(),
            server: bug.server.to_owned(),
            twin: bug.twin.to_owned(),
            fault: bug.fault.to_owned(),
            survives: bug.survives.map(str::to_owned),
            gate: bug.gate.to_owned(),
            outcome: tally.outcome(),
            runs: self.seeds,
            detected: detected as u32,
            detected_share_low: share.map_or(0.0, |share| share.low),
            detected_share_high: share.map_or(1.0, |share| share.high),
            inconclusive: tally.inconclusive() as u32,
            faults_median: median(&tally.faults()),
            seconds_median: median(&tally.seconds()),
            clean_runs: tally.clean.len() as u32,
            alarms: tally.ended_clean(Outcome::Fail) as u32,
            twin_inconclusive: tally.ended_clean(Outcome::Inconclusive) as u32,
            command: self.command(),
            remarks,
        }
    }
}

fn remark(server: &str, what: &str, ran: &Ran) -> Remark {
    Remark {
        server: server.to_owned(),
        what: what.to_owned(),
        headline: ran.verdict.headline.clone(),
        run: ran.folder.display().to_string(),
    }
}

/// From the start of the first trial to the end of this one.
fn seconds_until(folder: &Path, trial: TrialId) -> Result<f64, CliError> {
    let (mut begun, mut ended) = (None, None);
    for event in events(folder)? {
        let event = event?;
        match event.kind {
            EventKind::TrialStarted { .. } => {
                begun.get_or_insert(event.at);
            }
            EventKind::TrialEnded if event.trial == Some(trial) => ended = Some(event.at),
            _ => {}
        }
    }
    let took = begun.zip(ended).map(|(begun, ended)| ended.ms_after(begun));
    Ok(took.unwrap_or(f64::NAN) / 1_000.0)
}
