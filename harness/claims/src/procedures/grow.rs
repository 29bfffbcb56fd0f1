//! Sessions are begun, many, and every so often the memory and the disk are looked at that servers take; and what a
//! request and its reply weigh.

use std::io;

use crate::rulings::{Fact, What};
use comeback_model::operation::Step;
use comeback_model::plan::Arm;
use futures_util::future::try_join_all;

use super::context::{ClaimContext, Deployment, Server, Trouble};
use super::line::Line;
use super::user::{User, Users};

/// Connections that are used at once: a server that syncs does it for several.
const LINES: u32 = 64;
/// The server whose tokens can be taken back: each of them is, since those are what it has to know.
const REVOCABLE: &str = "token-revocable";
/// Requests before the first look: code is paged in, buffers are as large as they get.
const WARM_UP: u64 = 5_000;

pub(crate) async fn run(context: &ClaimContext, arm: &Arm) -> Result<(), Trouble> {
    let mut deployment = context.deployment(arm).await?;
    let server = deployment.open().await?;
    weigh(context, arm, &server).await?;
    grow(context, arm, &deployment, &server).await?;
    deployment.close(server).await
}

/// Looks at a first, steady state and then after each portion; first of requests within one session, then of logins.
async fn grow(
    context: &ClaimContext,
    arm: &Arm,
    deployment: &Deployment<'_>,
    server: &Server,
) -> Result<(), Trouble> {
    let each = u64::from(context.amount.each);
    let rounds = u64::from(context.amount.rounds);
    let (mut lines, _) = Users::of(server.port)?.log_in(0..LINES).await?;
    ask(&mut lines, WARM_UP, &[Step::Check]).await?;
    for round in 0..=rounds {
        if round > 0 {
            let right = ask(&mut lines, each, &[Step::Check]).await?;
            context.tell(&Fact::share(&arm.name, What::Control, round, (right, each)))?;
        }
        let memory = deployment.memory(server)? as f64;
        context.tell(&Fact::value(
            &arm.name,
            What::MemoryOfRequests,
            round * each,
            memory,
        ))?;
    }
    let begin: &[Step] = match arm.name == REVOCABLE {
        true => &[Step::Login, Step::Logout],
        false => &[Step::Login],
    };
    for round in 0..=rounds {
        if round > 0 {
            let right = ask(&mut lines, each, begin).await?;
            context.tell(&Fact::share(
                &arm.name,
                What::Control,
                rounds + round,
                (right, each),
            ))?;
        }
        let (memory, disk) = (deployment.memory(server)? as f64, deployment.disk()? as f64);
        context.tell(&Fact::value(&arm.name, What::Memory, round * each, memory))?;
        context.tell(&Fact::value(&arm.name, What::Disk, round * each, disk))?;
    }
    Ok(())
}

/// Takes the steps so many times, over all lines together; how often all of them came out right.
async fn ask(lines: &mut [(User, Line)], count: u64, steps: &[Step]) -> Result<u64, Trouble> {
    let lines_in_all = u64::from(LINES);
    let (per_line, left) = (count / lines_in_all, count % lines_in_all);
    let work = lines.iter_mut().zip(0..);
    let work = work.map(|((user, line), number)| async move {
        let mut right = 0;
        for _ in 0..per_line + u64::from(number < left) {
            let all = steps.len() as u64;
            right += u64::from(user.take_all(steps, line).await? == all);
        }
        Ok::<u64, Trouble>(right)
    });
    Ok(try_join_all(work).await?.into_iter().sum())
}

/// What a request within a session weighs, and its reply: the mean of a visit and a look.
pub(super) async fn weigh(
    context: &ClaimContext,
    arm: &Arm,
    server: &Server,
) -> Result<(), Trouble> {
    let mut line = Line::open(server.port).await?;
    // Of a middle length, and not the first visit: a token holds both.
    let mut logged_out = Users::of(server.port)?.user(1_000);
    let mut user = logged_out.clone();
    user.take_all(&[Step::Login, Step::Act], &mut line).await?;
    for (step, at) in [(Step::Act, 0), (Step::Check, 1)] {
        let request = user.request(step).map_err(io::Error::other)?;
        let answer = line.ask(&request).await?;
        if let Err(class) = user.classify(&answer) {
            let label = class.label();
            return Err(Trouble::Server(format!(
                "a request was answered wrongly: {label}"
            )));
        }
        let plain = logged_out.request(step).map_err(io::Error::other)?.len();
        let bytes = [
            (What::RequestBytes, request.len()),
            (What::PlainRequestBytes, plain),
            (What::ReplyBytes, answer.bytes),
        ];
        for (what, bytes) in bytes {
            context.tell(&Fact::value(&arm.name, what, at, bytes as f64))?;
        }
    }
    Ok(())
}
