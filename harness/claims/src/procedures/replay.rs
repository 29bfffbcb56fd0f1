//! Each request of a session is sent to a fresh instance, alone: all before it went to another.

use crate::rulings::{Fact, What};
use comeback_model::plan::Arm;

use super::line::Line;
use super::stage::{Server, Stage, Trouble};
use super::user::{SESSION, User};

pub(super) async fn run(stage: &Stage, arm: &Arm) -> Result<(), Trouble> {
    for _ in 0..stage.amount.rounds {
        let mut house = stage.house(arm).await?;
        let home = house.open().await?;
        for place in 0..SESSION.len() {
            let fresh = house.open().await?;
            for (what, there) in [(What::Control, &home), (What::Replayed, &fresh)] {
                let right = replay(&home, there, place, stage.amount.each).await?;
                let of = (right, u64::from(stage.amount.each));
                stage.tell(&Fact::share(&arm.name, what, place as u64, of))?;
            }
            fresh.stop().await?;
        }
        house.close(home).await?;
    }
    Ok(())
}

/// The session up to the place goes to the one, the request at the place to the other; how many are right.
async fn replay(home: &Server, there: &Server, place: usize, users: u32) -> Result<u64, Trouble> {
    let mut right = 0;
    let mut at_home = Line::open(home.port).await?;
    let mut line = Line::open(there.port).await?;
    for number in 0..users {
        let mut user = User::new(number);
        user.take_all(&SESSION[..place], &mut at_home).await?;
        right += u64::from(user.take(SESSION[place], &mut line).await?);
    }
    Ok(right)
}
