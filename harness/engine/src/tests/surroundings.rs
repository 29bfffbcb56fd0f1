//! Surroundings: what holds from before the warm-up to the stop, on every start.

use comeback_host::undo::Undo;
use comeback_model::event::{Event, EventKind, Phase};
use comeback_model::ids::FaultId;
use comeback_model::plan::Aim;
use comeback_model::units::{Elapsed, Span};
use serde_json::json;

use super::mock::Acts;
use super::scenario::*;

/// The first place behind one fault.
const SURROUNDING: FaultId = FaultId(1);

fn limited() -> Scenario {
    one_replica().with_surrounding("descriptor_limit", &json!({ "open": 16 }), Aim::AllReplicas)
}

fn applied(told: &Told) -> Vec<Elapsed> {
    let applied = told.events.iter().filter_map(|event| match &event.kind {
        EventKind::SurroundingApplied {
            fault,
            node: REPLICA_0,
            evidence,
        } => {
            assert_eq!(*fault, SURROUNDING);
            assert_eq!(evidence, "the mock says so");
            Some(event.at)
        }
        _ => None,
    });
    applied.collect()
}

fn removed(told: &Told) -> Vec<Elapsed> {
    let is_removed = |event: &&Event| {
        matches!(
            event.kind,
            EventKind::SurroundingRemoved {
                fault: SURROUNDING,
                ..
            }
        )
    };
    let removed = told.events.iter().filter(is_removed);
    removed.map(|event| event.at).collect()
}

#[tokio::test(start_paused = true)]
async fn a_surrounding_holds_on_every_start_from_before_the_warm_up_until_the_stop() {
    let told = limited().run().await;
    let applied = applied(&told);
    assert_eq!(applied.len(), 2);
    assert!(applied[0] <= told.entered(Phase::WarmUp)[0]);
    assert_eq!(applied[1], told.starts(REPLICA_0)[1].0);
    let removed = removed(&told);
    assert_eq!(removed, told.entered(Phase::Stop));
    assert!(told.all_missed().is_empty());
    assert_eq!(told.recoveries().len(), 1);
    assert_eq!(told.deeds("apply replica-0").len(), 2);
    assert_eq!(told.deeds("undo replica-0").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_surrounding_holds_in_a_control_trial_too() {
    let told = limited().control().run().await;
    assert_eq!(applied(&told).len(), 1);
    assert_eq!(removed(&told).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_surrounding_that_takes_no_effect_is_missed_before_the_load() {
    let told = limited()
        .node(REPLICA_0, |its| its.acts = Acts::Miss)
        .run()
        .await;
    assert_eq!(told.all_missed(), [(1, "it has no effect")]);
    assert_eq!(applied(&told), []);
    assert!(told.entered(Phase::WarmUp).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_start_that_ended_before_it_was_limited_misses_nothing() {
    let told = limited()
        .node(REPLICA_0, |its| its.exits = vec![(1, Span::ZERO, exit(1))])
        .run()
        .await;
    assert_eq!(applied(&told).len(), 1);
    assert!(told.all_missed().is_empty(), "{:?}", told.all_missed());
}

#[tokio::test(start_paused = true)]
async fn a_surrounding_that_ended_before_it_is_undone_is_missed_at_the_end() {
    let told = limited()
        .node(REPLICA_0, |its| its.acts = Acts::Wear)
        .run()
        .await;
    let missed = "a limit of 16 descriptors did not hold for replica-0: it has no effect any more";
    assert_eq!(told.all_missed(), [(1, missed)]);
    assert_eq!((applied(&told).len(), removed(&told).len()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn what_the_system_refuses_to_do_or_to_undo_ends_the_run() {
    for (acts, done) in [(Acts::Fail, 0), (Acts::Stay, 2)] {
        let told = limited().node(REPLICA_0, |its| its.acts = acts).run().await;
        assert!(told.finished.is_err(), "{acts:?}: {:?}", told.finished);
        assert_eq!((applied(&told).len(), removed(&told).len()), (done, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_undone_on_the_machine_ends_the_run_and_says_how_to_undo_it() {
    let mut scenario = limited();
    scenario.mock.stays = Undo::new("rmdir '/sys/a group'").ok();
    let told = scenario.run().await;
    let error = told.finished.as_ref().expect_err("it is left").to_string();
    assert!(error.contains("`rmdir '/sys/a group'`"), "{error}");
    let order = ["kill all", "undo all"].map(|deed| told.deeds(deed));
    assert!(order[0].len() == 1 && order[0] <= order[1], "{order:?}");
}
