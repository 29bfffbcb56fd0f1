//! Faults with a quiet time: each comes in the calm after the recovery from those before it, or not at all.

use comeback_analysis::measure::Time;
use comeback_model::event::{Exit, ExitCause, Phase};
use comeback_model::ids::FaultId;
use comeback_model::plan::Aim;
use comeback_model::units::Span;
use serde_json::json;

use super::scenario::*;

const QUIET: Span = Span::from_ms(700);

/// Killed three times, each time in the calm after the recovery.
fn killed_thrice() -> Scenario {
    let again = |scenario: Scenario| scenario.then_in_calm(QUIET, "kill", Aim::Replica(0));
    again(again(one_replica()))
}

/// Which faults were sent.
fn sent(told: &Told) -> Vec<u32> {
    let causes = told.exits(REPLICA_0).into_iter().map(|(_, cause)| cause);
    let injected = causes.filter_map(|cause| match cause {
        ExitCause::Injected(FaultId(fault)) => Some(fault),
        _ => None,
    });
    injected.collect()
}

#[tokio::test(start_paused = true)]
async fn a_quiet_time_counts_from_the_recovery_however_long_that_takes() {
    for takes in [100, 900] {
        let told = killed_thrice()
            .node(REPLICA_0, |its| {
                its.serves_after = Some(Span::from_ms(takes));
            })
            .run()
            .await;
        assert_eq!(sent(&told), [0, 1, 2]);
        let exits = told.exits(REPLICA_0);
        let back = told.recoveries();
        assert_eq!(back.len(), 3);
        for place in [1, 2] {
            let calm = exits[place].0.since(back[place - 1].1);
            assert!(calm >= QUIET && calm < QUIET + Span::from_ms(20), "{calm}");
        }
        let phases = told.phases();
        assert!(phases.is_sorted(), "{phases:?}");
        assert!(told.entered(Phase::Settle) >= vec![back[2].1]);
        assert!(phases.contains(&Phase::ReadBack));
    }
}

#[tokio::test(start_paused = true)]
async fn a_quiet_time_counts_from_the_last_recovery_of_all_before() {
    let told = two_replicas()
        .with_balancer()
        .node(REPLICA_0, |its| {
            its.serves_after = Some(Span::from_ms(800));
        })
        .then(Span::from_ms(20), "kill", &json!({}), Aim::Replica(1))
        .then_in_calm(QUIET, "kill", Aim::Replica(1))
        .run()
        .await;
    let last = told.recoveries().iter().map(|(_, at)| *at).min();
    let slowest = told.recoveries()[..2].iter().map(|(_, at)| *at).max();
    assert!(last < slowest);
    let again = told.exits(REPLICA_1)[1].0;
    assert!(slowest.is_some_and(|slowest| again >= slowest + QUIET));
}

#[tokio::test(start_paused = true)]
async fn where_a_fault_is_not_recovered_from_no_other_comes_and_the_trial_counts_as_unrecovered() {
    let told = killed_thrice()
        .node(REPLICA_0, |its| its.serves_after = None)
        .run()
        .await;
    assert_eq!(sent(&told), [0]);
    assert!(told.all_missed().is_empty());
    assert!(!told.phases().contains(&Phase::Settle));
    let trial = told.analyzed();
    let void = trial.void.as_ref().map(|void| void.reason.as_str());
    assert!(
        void.is_none_or(|why| !why.contains("did not land")),
        "{void:?}"
    );
    assert!(!trial.landed);
    assert!(matches!(trial.chain.ready, Some(Time::Beyond { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_fault_that_misses_in_the_calm_ends_the_trial_and_what_comes_after_is_not_sent() {
    // It ends by itself when it is back from the first kill.
    let told = killed_thrice()
        .node(REPLICA_0, |its| {
            let exit = Exit::Status(1);
            its.exits.push((1, Span::from_ms(300), exit));
        })
        .run()
        .await;
    assert_eq!(sent(&told), [0]);
    assert_eq!(told.all_missed().len(), 1);
    assert_eq!(told.all_missed()[0].0, 1);
    assert!(!told.phases().contains(&Phase::Settle));
}

#[tokio::test(start_paused = true)]
async fn a_trial_without_a_fault_is_as_long_as_the_quiet_times_of_one_with() {
    let told = killed_thrice().control().run().await;
    assert!(
        told.exits(REPLICA_0)
            .iter()
            .all(|(_, cause)| *cause == ExitCause::Stopped)
    );
    let (fault, stopped) = (told.entered(Phase::Fault)[0], told.entered(Phase::Stop)[0]);
    assert!(stopped.since(fault) >= Span::from_ms(2 * 700 + 100));
}

/// Newcomers are those whose logins the first fault may take that ends something, be it in a calm.
#[tokio::test(start_paused = true)]
async fn newcomers_come_before_the_first_fault_that_may_take_their_logins() {
    let before = |told: &Told| told.deeds("newcomers have come before");
    let paused = || one_replica().fault("pause", &json!({ "lasts": "50ms" }), Aim::Replica(0));
    let told = killed_thrice().run().await;
    let [planned] = before(&told)[..] else {
        panic!("{:?}", before(&told));
    };
    let (killed, _) = told.exits(REPLICA_0)[0];
    assert!(planned <= killed && killed < planned + Span::from_ms(20));
    let told = paused()
        .then_in_calm(QUIET, "kill", Aim::Replica(0))
        .run()
        .await;
    let [planned] = before(&told)[..] else {
        panic!("{:?}", before(&told));
    };
    let (killed, _) = told.exits(REPLICA_0)[0];
    assert!(
        planned <= killed && killed < planned + Span::from_ms(20),
        "{planned:?} {killed:?}"
    );
    // Where nothing ends, they come before the first fault.
    let told = paused().run().await;
    let injected = told.entered(Phase::Fault)[0];
    assert_eq!(before(&told), [injected]);
}
