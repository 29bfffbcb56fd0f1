//! The requests of sessions are sent again as they were, shuffled and repeated.

use std::io;

use crate::rulings::{Fact, What};
use comeback_model::operation::Step;
use comeback_model::plan::Arm;

use super::context::{ClaimContext, Trouble};
use super::line::{Answer, Line};
use super::user::Users;

/// How often each is sent again.
const TIMES: usize = 2;

pub(crate) async fn run(context: &ClaimContext, arm: &Arm) -> Result<(), Trouble> {
    for round in 0..context.amount.rounds {
        let mut deployment = context.deployment(arm).await?;
        let home = deployment.open().await?;
        let mut line = Line::open(home.port).await?;
        let users = Users::of(home.port)?;
        let (mut sent, mut right) = (Vec::new(), 0);
        for number in 0..context.amount.each {
            let mut user = users.user(number);
            right += u64::from(user.take(Step::Login, &mut line).await?);
            for step in [Step::Act, Step::Check, Step::Act, Step::Check] {
                let request = user.request(step).map_err(io::Error::other)?;
                let answer = line.ask(&request).await?;
                right += u64::from(user.classify(&answer).is_ok());
                sent.push((request, answer));
            }
        }
        let asked = sent.len() as u64 + u64::from(context.amount.each);
        let at = u64::from(round);
        context.tell(&Fact::share(&arm.name, What::Control, at, (right, asked)))?;
        let mut again: Vec<&(Vec<u8>, Answer)> = sent.iter().collect();
        again = again.repeat(TIMES);
        context.shuffler(at).shuffle(&mut again);
        let mut same = 0;
        for (request, before) in &again {
            same += u64::from(line.ask(request).await? == *before);
        }
        let of = (same, again.len() as u64);
        context.tell(&Fact::share(&arm.name, What::Reordered, at, of))?;
        deployment.close(home).await?;
    }
    Ok(())
}
