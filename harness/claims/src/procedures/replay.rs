//! Each request of a session is sent to a fresh instance, alone: all before it went to another.

use crate::rulings::{Fact, What};
use comeback_model::plan::Arm;

use super::context::{ClaimContext, Server, Trouble};
use super::line::Line;
use super::user::{SESSION, Users};

pub(crate) async fn run(context: &ClaimContext, arm: &Arm) -> Result<(), Trouble> {
    for _ in 0..context.amount.rounds {
        let mut deployment = context.deployment(arm).await?;
        let home = deployment.open().await?;
        for place in 0..SESSION.len() {
            let fresh = deployment.open().await?;
            for (what, there) in [(What::Control, &home), (What::Replayed, &fresh)] {
                let right = replay(&home, there, place, context.amount.each).await?;
                let of = (right, u64::from(context.amount.each));
                context.tell(&Fact::share(&arm.name, what, place as u64, of))?;
            }
            fresh.stop().await?;
        }
        deployment.close(home).await?;
    }
    Ok(())
}

/// The session up to the place goes to the one, the request at the place to the other; how many are right.
async fn replay(home: &Server, there: &Server, place: usize, users: u32) -> Result<u64, Trouble> {
    let mut right = 0;
    let mut at_home = Line::open(home.port).await?;
    let mut line = Line::open(there.port).await?;
    let contract = Users::of(home.port)?;
    for number in 0..users {
        let mut user = contract.user(number);
        user.take_all(&SESSION[..place], &mut at_home).await?;
        right += u64::from(user.take(SESSION[place], &mut line).await?);
    }
    Ok(right)
}
