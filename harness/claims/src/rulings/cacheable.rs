//! 7: what a stateless service answers is easy to cache.

use super::chart::share_bar;
use super::evidence::{Evidence, the_only};
use super::thresholds::{NEAR, REQUESTS};
use super::{Chart, Open, Ruled, Ruling, RulingResult, percent_of, share};
use comeback_analysis::summary::{CacheSummary, WhileDownSummary};

/// What a cache made of an arm.
struct Kept<'a> {
    cache: &'a CacheSummary,
    down: WhileDownSummary,
}

impl<'a> Kept<'a> {
    fn of(arm: &'a Evidence) -> Result<Self, Open> {
        let cache = arm.cache.as_ref();
        let cache = cache.filter(|cache| cache.look_ups >= REQUESTS);
        let cache = cache.ok_or_else(|| {
            Open(format!(
                "{} asked for fewer than {REQUESTS} pages that a cache may keep",
                arm.name
            ))
        })?;
        Ok(Self {
            cache,
            down: cache.while_down.unwrap_or_default(),
        })
    }

    fn hit_rate(&self) -> f64 {
        share(self.cache.hits, self.cache.look_ups)
    }

    fn told(&self) -> String {
        format!(
            "{} / {} / {}",
            percent_of(self.cache.hits, self.cache.look_ups),
            self.cache.another_users,
            percent_of(self.down.correct, self.down.scheduled)
        )
    }
}

pub(crate) fn rule(evidence: &[Evidence]) -> RulingResult {
    let arms = [
        the_only(evidence, "token")?,
        the_only(evidence, "sticky")?,
        the_only(evidence, "redis")?,
    ];
    let [token, memory, shared] = [Kept::of(arms[0])?, Kept::of(arms[1])?, Kept::of(arms[2])?];
    if !arms[0].has_all_requests() {
        return Err(Open(format!(
            "without a fault only {} of the token's requests were right",
            percent_of(arms[0].requests.1, arms[0].requests.0)
        )));
    }
    let more = token.hit_rate() - memory.hit_rate().max(shared.hit_rate());
    let wrong = token.cache.another_users;
    let (ruling, because) = if wrong > 0 {
        (
            Ruling::Refuted,
            format!("{wrong} replies to one user were served to another"),
        )
    } else if token.cache.hits == 0 {
        (
            Ruling::Refuted,
            "not one reply came from the cache".to_owned(),
        )
    } else if more > NEAR {
        (
            Ruling::Holds,
            "more of what it answers came from the cache, and none of it was another user's"
                .to_owned(),
        )
    } else {
        (
            Ruling::HoldsInPart,
            "true of pages that are the same for all, and of a stateful server's as well; replies to a user who is logged \
             in are not shared by any of them"
                .to_owned(),
        )
    };
    let names = ["token", "memory", "shared store"];
    let all = [&token, &memory, &shared];
    let told: Vec<String> = names
        .iter()
        .zip(all)
        .map(|(name, kept)| format!("{name} {}", kept.told()))
        .collect();
    let oldest = all
        .iter()
        .filter_map(|kept| kept.cache.oldest_stale_s)
        .max();
    let oldest = oldest.map_or_else(
        || "no stale reply was served".to_owned(),
        |age| format!("the oldest stale reply that was served was {age} s old"),
    );
    Ok(Ruled {
        ruling,
        figure: format!(
            "hits of look-ups / replies with another user's content / operations that were right while all servers were \
             down: {}; {oldest}",
            told.join(", ")
        ),
        chart: Chart::percent(
            "hits of look-ups, %",
            names
                .into_iter()
                .zip(all)
                .map(|(name, kept)| share_bar(name, (kept.cache.hits, kept.cache.look_ups)))
                .collect(),
        ),
        because,
        otherwise: "replies to logged-in users that say they are public: they are then shared, and wrong for all others"
            .to_owned(),
    })
}
