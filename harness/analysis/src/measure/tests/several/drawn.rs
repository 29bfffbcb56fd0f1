//! Trials whose faults are drawn: each is asked for those that were drawn for it, and for no others.

use comeback_model::plan::Chaos;

use super::*;

/// The kill in the second place of a trial with two choices.
const NEXT: FaultId = FaultId(2);

/// Two places, and a kill in each of them; the other choice is never drawn.
fn drawn(story: Story) -> Story {
    story.with_a_second_fault("again").planned(|plan| {
        plan.chaos = Some(Chaos {
            faults: 2,
            weights: vec![1, 0],
            span: None,
        });
    })
}

/// Killed, and back.
fn killed_once() -> Story {
    drawn(Story::new(false))
        .kills(FIRST, ONLY, (FAULT, CUT), 0)
        .starts(ONLY, 1, EXECUTED)
        .comes_back(FIRST, ONLY, RECOVERED, new_boot())
        .does([look(99, 2_000)])
}

fn killed_twice() -> Story {
    killed_once()
        .kills(NEXT, ONLY, (AGAIN, CUT_AGAIN), 1)
        .starts(ONLY, 2, AGAIN + 10)
        .comes_back(NEXT, ONLY, BACK_AGAIN, third_boot())
        .enters(BACK_AGAIN, Phase::Settle)
        .ends()
}

/// The trial of this story, to which the schedule gives this number.
fn trial_with(number: u32, story: &Story) -> TrialAnalysis {
    let mut journal = story.journal();
    let trials = &mut journal.header.schedule.trials;
    trials.retain(|trial| !trial.is_control());
    trials.truncate(1);
    trials[0].id = TrialId(number);
    analyze(&journal).arms.remove(0).trials.remove(0)
}

fn understood(story: &Story) -> TrialAnalysis {
    trial_with(0, story)
}

#[test]
fn a_trial_has_the_faults_that_were_drawn_for_it_by_their_places_and_no_others() {
    let trial = understood(&killed_twice());
    assert_eq!(trial.void, None);
    assert!(trial.landed);
    let names: Vec<_> = trial
        .faults
        .iter()
        .map(|fault| fault.name.as_str())
        .collect();
    assert_eq!(names, ["kill 1", "kill 2"]);
    // For both it is the same choice.
    let choices: Vec<_> = trial
        .faults
        .iter()
        .map(|fault| fault.choice.clone())
        .collect();
    assert_eq!(choices, vec![(FaultId(0), "kill".to_owned()); 2]);
    assert_eq!(trial.faults[1].sent_ms, Some((AGAIN - FAULT) as f64));
}

#[test]
fn each_choice_has_the_chance_that_a_trial_has_it() {
    let of = |story: &Story| story.analysis().arms.remove(0).choices;
    let told = |story: &Story| {
        let choices = of(story).into_iter();
        choices
            .map(|choice| (choice.id, choice.name, choice.drawn))
            .collect::<Vec<_>>()
    };
    let weighted = killed_twice().planned(|plan| {
        plan.chaos.as_mut().unwrap().weights = vec![1, 3];
    });
    // In neither of two places: 0.75 * 0.75, and 0.25 * 0.25.
    let expected = [("kill", 0.4375), ("again", 0.9375)];
    let expected = (0..).zip(expected).map(|(id, (name, drawn))| {
        let name = name.to_owned();
        (FaultId(id), name, Some(drawn))
    });
    assert_eq!(told(&weighted), expected.collect::<Vec<_>>());
    // Nothing is drawn: each trial was to have both. Of a single one nobody asks.
    let list = Story::new(false).with_a_second_fault("again");
    let drawn: Vec<_> = of(&list).into_iter().map(|choice| choice.drawn).collect();
    assert_eq!(drawn, [None, None]);
    assert_eq!(of(&Story::new(false)), []);
}

#[test]
fn choices_of_the_same_kind_are_told_apart() {
    let story = killed_twice().planned(|plan| plan.faults[1].kind = "kill".to_owned());
    let trial = understood(&story);
    let names: Vec<_> = trial
        .faults
        .iter()
        .map(|fault| fault.name.as_str())
        .collect();
    assert_eq!(names, ["kill 1 (choice 1)", "kill 2 (choice 1)"]);
    assert_eq!(trial.faults[1].choice.1, "kill (choice 1)");
}

#[test]
fn a_drawn_fault_of_which_there_is_no_word_voids_its_trial() {
    let trial = understood(&killed_once().enters(RECOVERED, Phase::Settle).ends());
    assert!(!trial.landed);
    assert_eq!(
        trial.void.map(|void| void.reason).as_deref(),
        Some("the fault 'kill 2' did not land: no exit of the target was seen")
    );
    // One that missed, too, whatever the first one showed.
    let reason = "it ran on".to_owned();
    let fault = NEXT;
    let missed = EventKind::FaultMissed { fault, reason };
    let trial = understood(&killed_once().event(AGAIN, missed).ends());
    assert_eq!(
        trial.void.map(|void| void.reason).as_deref(),
        Some("the fault 'kill 2' did not land: it ran on")
    );
}

#[test]
fn a_trial_for_which_nothing_is_known_to_be_drawn_is_void() {
    let trial = trial_with(9, &killed_twice());
    assert!(!trial.landed);
    let void = trial.void.map(|void| void.reason);
    assert!(
        void.as_deref()
            .is_some_and(|why| why.contains("names no fault")),
        "{void:?}"
    );
}

#[test]
fn what_was_drawn_and_never_sent_since_the_service_was_not_back_voids_nothing() {
    let story = drawn(Story::new(false))
        .kills(FIRST, ONLY, (FAULT, CUT), 0)
        .starts(ONLY, 1, EXECUTED)
        .gives_up_on(FIRST, STOPPED)
        .ends()
        .does([look(1, 2_000)]);
    let trial = understood(&story);
    assert_eq!(trial.void, None);
    assert!(matches!(trial.chain.ready, Some(Time::Beyond { .. })));
    assert!(!trial.landed);
}
