//! A replica is added and takes over users that another knows; then that one is asked to end.

use crate::rulings::{Fact, What};
use comeback_model::operation::Step;
use comeback_model::plan::Arm;

use super::context::{ClaimContext, Server, Trouble};
use super::line::Line;
use super::user::{User, Users};

pub(crate) async fn run(context: &ClaimContext, arm: &Arm) -> Result<(), Trouble> {
    for round in 0..u64::from(context.amount.rounds) {
        let mut deployment = context.deployment(arm).await?;
        let first = deployment.open().await?;
        let (mut users, mut right) = Users::of(first.port)?
            .log_in(0..context.amount.each)
            .await?;
        for (user, line) in &mut users {
            right += user.take_all(&[Step::Act, Step::Check], line).await?;
        }
        let asked = 3 * users.len() as u64;
        context.tell(&Fact::share(
            &arm.name,
            What::Control,
            round,
            (right, asked),
        ))?;
        let added = deployment.open().await?;
        let accepted = look(&added, &mut users).await?;
        context.tell(&Fact::share(&arm.name, What::Accepted, round, accepted))?;
        // The users' connections are open, and idle.
        let took_ms = first.stop().await?.as_secs_f64() * 1_000.0;
        context.tell(&Fact::value(&arm.name, What::DrainMs, round, took_ms))?;
        let kept = look(&added, &mut users).await?;
        context.tell(&Fact::share(&arm.name, What::Kept, round, kept))?;
        deployment.close(added).await?;
    }
    Ok(())
}

/// How many of the users a server knows.
async fn look(server: &Server, users: &mut [(User, Line)]) -> Result<(u64, u64), Trouble> {
    let mut line = Line::open(server.port).await?;
    let mut right = 0;
    for (user, _) in users.iter_mut() {
        right += u64::from(user.take(Step::Check, &mut line).await?);
    }
    Ok((right, users.len() as u64))
}
