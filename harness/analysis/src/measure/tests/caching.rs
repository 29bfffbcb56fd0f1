//! Trials with a shared cache in front.

use comeback_model::operation::Cached;
use comeback_model::plan::Target;

use super::*;
use crate::measure::Culprit;

/// A server behind a cache; the server is killed and comes back.
fn behind_a_cache() -> Story {
    Story::faulted().planned(|plan| {
        let other: Target = plan.arms[0].target.clone();
        plan.arms[0].cache = Some(other);
    })
}

impl Op {
    /// By way of the cache; what it had stored names no process.
    fn via(mut self, cached: Cached) -> Self {
        self.0.cache = Some(cached);
        if cached.is_stored() || cached == Cached::Failed {
            self.0.boot = None;
        }
        self
    }

    fn aged(mut self, seconds: u32) -> Self {
        self.0.age_s = Some(seconds);
        self
    }

    fn wrong(mut self, class: ErrorClass) -> Self {
        self.0.error = Some(class);
        self
    }
}

fn page(client: u32, at: u64) -> Op {
    op(Step::Get, client, at)
}

#[test]
fn hits_are_counted_out_of_what_could_be_kept() {
    use Cached::{Failed, Hit, Miss, Pass, Revalidated, Stale};
    let story = behind_a_cache().does([
        page(1, 1_500).via(Miss),
        page(1, 1_600).via(Hit).aged(90),
        page(1, 1_700).via(Hit),
        page(1, 1_800).via(Revalidated),
        page(1, 1_900).via(Stale).aged(7),
        page(1, 2_000).via(Stale).aged(3),
        look(1, 2_100).via(Pass),
        look(1, 2_200).via(Failed).wrong(ErrorClass::ServerError),
        // A server may have pages of which no cache says anything.
        look(1, 2_300),
    ]);
    let tally = story.trial().cache.unwrap();
    assert_eq!((tally.hits(), tally.look_ups()), (4, 6));
    assert_eq!(tally.oldest_stale_s, Some(7));
    assert_eq!(tally.replies.values().sum::<u64>(), 8);
    assert_eq!(tally.another_users, 0);
    // The same without a cache in the plan tells of none.
    assert_eq!(Story::faulted().does([page(1, 1_500)]).trial().cache, None);
}

#[test]
fn what_the_cache_had_stored_or_did_not_answer_is_the_caches() {
    use ErrorClass::{ServerError, WrongAnswer, WrongIdentity};
    let attribution = behind_a_cache()
        .does([
            page(1, 1_500).via(Cached::Hit),
            page(1, 1_600).via(Cached::Revalidated),
            page(1, 1_700).via(Cached::Miss),
            look(1, 1_800).via(Cached::Hit).wrong(WrongIdentity),
            look(1, 1_900).via(Cached::Stale).wrong(WrongAnswer),
            look(1, 2_000).via(Cached::Failed).wrong(ServerError),
            look(1, 2_100).unanswered(2_150),
            look(1, 2_200).via(Cached::Pass).wrong(ServerError),
        ])
        .trial()
        .attribution;
    let served: Vec<_> = attribution.served.into_iter().collect();
    assert_eq!(
        served,
        [(Some(Node::Replica(0)), 1), (Some(Node::Cache), 2)]
    );
    let failed: Vec<_> = attribution.failed.into_iter().collect();
    assert_eq!(failed, [(Culprit::Cache, 3), (Culprit::Replica, 2)]);
}

#[test]
fn another_users_content_counts_whenever_it_was_shown_and_only_from_the_cache() {
    let shown = |op: Op, cached| {
        let op = op.via(cached).wrong(ErrorClass::WrongIdentity);
        let story = behind_a_cache().serves(BASELINE, FAULT, 10).does([op]);
        let trial = story.trial();
        (trial.cache.unwrap().another_users, trial.findings)
    };
    let told = ["the cache served 1 reply with another user's content"];
    // In the warm-up, in the load, in the final look.
    for op in [look(1, 600), look(1, 1_500), finds(1, 0)] {
        for cached in [Cached::Hit, Cached::Stale, Cached::Revalidated] {
            let (count, findings) = shown(op.clone(), cached);
            assert_eq!(count, 1);
            assert!(findings.contains(&told[0].to_owned()), "{findings:?}");
        }
    }
    // What the server said is the server's fault.
    assert_eq!(shown(look(1, 1_500), Cached::Pass).0, 0);
}

#[test]
fn an_older_state_that_the_cache_serves_is_a_stale_read() {
    let checks = |value: u64| {
        let story = behind_a_cache().serves(BASELINE, FAULT, 10).does([
            login(1, 1_000).value(0),
            act(1, 1_100).value(1),
            look(1, 1_150).value(1).via(Cached::Miss),
            act(1, 1_200).value(2),
            look(1, 1_300).value(value).via(Cached::Hit),
            finds(1, 2),
        ]);
        story.trial().writes.stale_reads
    };
    assert_eq!(checks(1), 1);
    assert_eq!(checks(2), 0);
}

#[test]
fn what_a_cache_shows_at_last_says_nothing_of_the_server() {
    let story = |looks: Vec<Op>| {
        let story = behind_a_cache().serves(BASELINE, FAULT, 10);
        let trial = story
            .does([login(1, 1_000).value(0), act(1, 1_100).value(1)])
            .does(looks)
            .trial();
        (trial.sessions, trial.writes)
    };
    // An old page of the cache, then the server itself: nothing is lost.
    let later = |mut op: Op| {
        op.0.finished = ms(READ_BACK + 9);
        op
    };
    let (sessions, writes) = story(vec![finds(1, 0).via(Cached::Hit), later(finds(1, 1))]);
    assert_eq!((sessions.survived, writes.kept, writes.lost), (1, 1, 0));
    // Another user's page is the worst there is, whatever the server says then; of the writes it says nothing.
    let anothers = finds(1, 0)
        .via(Cached::Hit)
        .wrong(ErrorClass::WrongIdentity);
    let (sessions, writes) = story(vec![anothers, later(finds(1, 1))]);
    assert_eq!((sessions.wrong_identity, sessions.acknowledged), (1, 1));
    assert_eq!((writes.acknowledged, writes.lost), (0, 0));
    // The server's own wrong word takes the writes along.
    let own = finds(1, 0)
        .via(Cached::Pass)
        .wrong(ErrorClass::WrongIdentity);
    assert_eq!(story(vec![own]).1.lost, 1);
}

#[test]
fn while_every_replica_is_down_what_counts_is_who_was_answered() {
    let down = |story: Story| {
        let story = story.does([
            page(1, FAULT - 5).via(Cached::Hit),
            page(1, CUT + 5).via(Cached::Hit),
            page(1, CUT + 10).via(Cached::Stale),
            look(1, CUT + 20)
                .via(Cached::Failed)
                .wrong(ErrorClass::ServerError),
            page(1, SETTLED).via(Cached::Hit),
        ]);
        story.trial().cache.unwrap().while_down
    };
    let found = down(behind_a_cache()).unwrap();
    assert_eq!(
        (found.scheduled, found.correct, found.from_cache),
        (3, 2, 2)
    );
    // One of two is not all of them.
    let mut two = behind_a_cache().planned(|plan| plan.arms[0].replicas = 2);
    let second = Event {
        at: ms(500),
        trial: Some(TrialId(0)),
        kind: EventKind::TargetExecuted {
            node: Node::Replica(1),
            incarnation: Incarnation(0),
            pid: 1,
            requested_us: ms(499),
            launched_us: None,
        },
    };
    two.events.insert(1, second);
    assert_eq!(down(two), None);
}
