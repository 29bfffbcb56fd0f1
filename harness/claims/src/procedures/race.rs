//! Servers as fast as they go, and at a load that is equal for all: round by round, in random order, so that what disturbs
//! the machine disturbs them alike.

use std::time::Duration;

use crate::rulings::{Fact, What};
use comeback_model::operation::Step;
use comeback_model::plan::Arm;
use comeback_statistics::{median, quantile};
use futures_util::future::try_join_all;
use tokio::time::Instant;

use super::context::{ClaimContext, Deployment, Server, Trouble};
use super::line::Line;
use super::user::{User, Users};
use comeback_engine::EngineError;
use comeback_load::pacer::Pacer;

/// Connections, each with a session of its own.
const LINES: u32 = 16;
/// Requests per second of all of them together, where the load is equal: a fraction of what any of the servers bears.
const RATE: u32 = 2_000;
/// The server that does nothing and knows no users, which tells how much the client bears.
const IDLE: &str = "trivial";

/// An arm in the race.
struct Runner<'a> {
    arm: &'a Arm,
    deployment: Deployment<'a>,
    server: Server,
    lines: Vec<(User, Line)>,
    /// It failed in an earlier round, and runs no more.
    failed: bool,
}

pub(crate) async fn run(context: &ClaimContext, arms: &[&Arm]) -> Result<(), EngineError> {
    let mut runners = Vec::new();
    for arm in arms {
        let runner = Runner::start(context, arm).await;
        runners.extend(context.record_failure(arm, runner)?);
    }
    for round in 0..u64::from(context.amount.rounds) {
        context.shuffler(round).shuffle(&mut runners);
        for runner in &mut runners {
            runner.round(context, round).await?;
        }
    }
    for runner in runners {
        let closed = runner.deployment.close(runner.server).await;
        context.record_failure(runner.arm, closed)?;
    }
    Ok(())
}

impl<'a> Runner<'a> {
    async fn start(context: &'a ClaimContext, arm: &'a Arm) -> Result<Self, Trouble> {
        let mut deployment = context.deployment(arm).await?;
        let server = deployment.open().await?;
        let users = match arm.name == IDLE {
            true => Users::without_sessions(server.port)?,
            false => Users::of(server.port)?,
        };
        let (lines, _) = users.log_in(0..LINES).await?;
        Ok(Self {
            arm,
            deployment,
            server,
            lines,
            failed: false,
        })
    }

    /// A round, if it still runs.
    async fn round(&mut self, context: &ClaimContext, round: u64) -> Result<(), EngineError> {
        if self.failed {
            return Ok(());
        }
        let run = match self.closed_loop(context, round).await {
            Ok(()) => self.open_loop(context, round).await,
            failed => failed,
        };
        self.failed = context.record_failure(self.arm, run)?.is_none();
        Ok(())
    }

    /// One request after the other on each line.
    async fn closed_loop(&mut self, context: &ClaimContext, round: u64) -> Result<(), Trouble> {
        let time = Duration::from_millis(u64::from(context.amount.each));
        let name = &self.arm.name;
        let begun = Instant::now();
        let work = self.lines.iter_mut().map(|(user, line)| async move {
            let (mut right, mut asked) = (0, 0);
            while begun.elapsed() < time {
                for step in [Step::Act, Step::Check] {
                    right += u64::from(user.take(step, line).await?);
                    asked += 1;
                }
            }
            Ok::<(u64, u64), Trouble>((right, asked))
        });
        let counts = try_join_all(work).await?;
        let took = begun.elapsed().as_secs_f64();
        let (right, asked) = counts
            .into_iter()
            .fold((0, 0), |sum, of| (sum.0 + of.0, sum.1 + of.1));
        context.tell(&Fact::share(name, What::Control, round, (right, asked)))?;
        context.tell(&Fact::value(
            name,
            What::Goodput,
            round,
            right as f64 / took,
        ))?;
        Ok(())
    }

    /// Each line at its own times, all together at the rate; latency is counted from the time a request was due.
    async fn open_loop(&mut self, context: &ClaimContext, round: u64) -> Result<(), Trouble> {
        let time = Duration::from_millis(u64::from(context.amount.each));
        let pause = Duration::from_secs(1) * LINES / RATE;
        let name = &self.arm.name;
        let begun = Instant::now();
        let work = self
            .lines
            .iter_mut()
            .zip(0..)
            .map(|((user, line), number)| async move {
                let pacer = Pacer::new()?;
                let mut latencies = Vec::new();
                let mut due = begun + pause * (number + 1) / LINES;
                let mut steps = [Step::Act, Step::Check].into_iter().cycle();
                while let (true, Some(step)) = (due < begun + time, steps.next()) {
                    pacer.wait_until(due).await?;
                    if user.take(step, line).await? {
                        latencies.push(due.elapsed().as_secs_f64() * 1_000.0);
                    }
                    due += pause;
                }
                Ok::<Vec<f64>, Trouble>(latencies)
            });
        let latencies: Vec<f64> = try_join_all(work).await?.into_iter().flatten().collect();
        let p50 = median(&latencies);
        let p99 = quantile(&latencies, 0.99).ok();
        for (what, value) in [(What::P50Ms, p50), (What::P99Ms, p99)] {
            if let Some(value) = value {
                context.tell(&Fact::value(name, what, round, value))?;
            }
        }
        Ok(())
    }
}
