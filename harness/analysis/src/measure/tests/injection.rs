//! How a fault was done: at once or one after the other, by stopping or by standing still, and to whom.

use comeback_model::plan::fault::{Effect, Ending, HoldsBack};
use comeback_model::plan::{Aim, External, IdentifiedBy};
use comeback_model::units::Span;

use super::nodes::{before_a_killed_store, behind_a_balancer, boot_of};
use super::*;
use crate::measure::Time;

fn requested(replica: u32) -> EventKind {
    EventKind::FaultRequested {
        fault: FaultId::FIRST,
        node: Node::Replica(replica),
        begun: "SIGKILL sent".to_owned(),
    }
}

impl Story {
    /// As [`Story::event`], at its place in time.
    pub(super) fn meanwhile(self, at: u64, kind: EventKind) -> Self {
        let mut story = self.event(at, kind);
        story.events.sort_by_key(|event| event.at);
        story
    }

    /// By external.kill, begun at [`FAULT`].
    pub(super) fn ended_by_command(self) -> Self {
        self.planned(|plan| {
            plan.faults[0].effect = Effect::Ends(Ending::BySignal);
            plan.arms[0].target.external = Some(External {
                by: IdentifiedBy::Port,
                port: 8_080,
                restart: None,
                kill: Some(vec!["end-it".to_owned()]),
            });
        })
    }

    fn with_effect(self, effect: Effect) -> Self {
        self.planned(|plan| plan.faults[0].effect = effect)
    }
}

#[test]
fn a_login_is_at_stake_that_came_right_before_the_fault_and_whose_session_stood_at_it() {
    let at_stake = |story: Story, more: &[Op]| {
        let operations = [login(0, 500)].into_iter().chain(more.iter().cloned());
        let logins = story.does(operations).trial().logins_at_stake;
        logins.map(|logins| logins.count)
    };
    let killed = |more: &[Op]| at_stake(Story::faulted(), more);
    assert_eq!(killed(&[]), Some(0));
    assert_eq!(killed(&[login(1, FAULT - 202)]), Some(0));
    assert_eq!(
        killed(&[login(1, FAULT - 201), login(2, FAULT - 1)]),
        Some(2)
    );
    // It was in flight, refused, or left again.
    assert_eq!(killed(&[login(1, FAULT - 1).finished(FAULT + 1)]), Some(0));
    assert_eq!(
        killed(&[login(1, FAULT - 9).rejected(ErrorClass::ServerError)]),
        Some(0)
    );
    let left = |at| killed(&[login(1, FAULT - 9), logout(1, at)]);
    assert_eq!((left(FAULT - 2), left(FAULT + 200)), (Some(0), Some(1)));
    // At each replica that is replaced, and at none that only stands still.
    let late = [login(1, FAULT - 9)];
    let with = |effect| at_stake(Story::faulted().with_effect(effect), &late);
    assert_eq!(with(Effect::Replaces), Some(1));
    assert_eq!(with(Effect::StandsStill(Span::from_ms(9))), None);
    assert_eq!(at_stake(Story::control(), &late), None);
    assert_eq!(Story::faulted().trial().logins_at_stake, None);
    // A command ends the server at T0.
    let login = [login(1, FAULT - 1).finished(FAULT + 1)];
    assert_eq!(
        at_stake(Story::faulted().ended_by_command(), &login),
        Some(1)
    );
}

/// A server that stores what it acknowledges some 100 ms later has stored a login that is older: the age is told.
#[test]
fn the_age_of_the_youngest_login_at_the_fault_is_known() {
    let youngest = |more: &[Op]| {
        let operations = [login(0, 500)].into_iter().chain(more.iter().cloned());
        let story = Story::faulted().does(operations);
        story.trial().logins_at_stake.unwrap().youngest
    };
    assert_eq!(
        youngest(&[login(1, FAULT - 901), login(2, FAULT - 251)]),
        Some(Span::from_ms(250))
    );
    // Who has left again is none of them.
    assert_eq!(
        youngest(&[
            login(1, FAULT - 901),
            login(2, FAULT - 9),
            logout(2, FAULT - 2)
        ]),
        Some(Span::from_ms(900))
    );
}

#[test]
fn a_login_at_a_replica_that_was_not_faulted_is_not_at_stake() {
    let by = |replica: u32| {
        let mut login = login(0, FAULT - 9);
        login.0.replica = Some(replica);
        login.0.boot = None;
        let logins = behind_a_balancer().does([login]).trial().logins_at_stake;
        logins.map(|logins| logins.count)
    };
    assert_eq!((by(0), by(1)), (Some(1), Some(0)));
}

#[test]
fn how_far_apart_the_injections_were_is_told_and_too_far_is_a_finding() {
    let apart = |distance| {
        let story = behind_a_balancer().meanwhile(FAULT + distance, requested(1));
        let trial = story.trial();
        (trial.chain.spread, trial.findings)
    };
    assert_eq!(behind_a_balancer().trial().chain.spread, None);
    assert_eq!(apart(10), (Some(10.0), Vec::new()));
    let (spread, findings) = apart(11);
    assert_eq!(spread, Some(11.0));
    assert!(
        findings[0].starts_with("11.0 ms lay between"),
        "{findings:?}"
    );
    let rolled = behind_a_balancer()
        .with_effect(Effect::Replaces)
        .meanwhile(FAULT + 900, requested(1));
    let findings = rolled.trial().findings;
    let is_spread = |finding: &String| finding.contains("lay between");
    assert!(
        !findings.iter().any(is_spread),
        "one after the other is the point"
    );
}

fn confirmed(took_kill: Vec<i32>) -> EventKind {
    EventKind::FaultConfirmed {
        evidence: String::new(),
        fault: FaultId::FIRST,
        node: Node::default(),
        took_kill,
        left: Vec::new(),
        alive_us: None,
    }
}

#[test]
fn times_after_an_end_that_was_seen_from_outside_count_from_when_the_server_was_surely_there() {
    let chain = |alive: Option<u64>| {
        let mut seen = confirmed(Vec::new());
        if let EventKind::FaultConfirmed { alive_us, .. } = &mut seen {
            *alive_us = alive.map(|ms| Elapsed::from_us(ms * 1_000));
        }
        let trial = Story::faulted().meanwhile(CUT, seen).trial();
        (trial.chain.killed, trial.chain.ready, trial.outage)
    };
    let Some(Time::At { ms, error_ms }) = chain(None).1 else {
        panic!("it is back");
    };
    let (killed, ready, outage) = chain(Some(CUT - 1));
    let longer = Time::At {
        ms: ms + 1.0,
        error_ms: error_ms + 1.0,
    };
    assert_eq!((killed, ready), (Some(-1.0), Some(longer)));
    // That begins with the fault, which is known.
    let of = |outage: Option<Time>| match outage {
        Some(Time::At { ms, .. }) => ms,
        other => panic!("{other:?}"),
    };
    assert_eq!(of(outage), of(chain(None).2));
}

#[test]
fn the_effect_is_complete_when_the_last_of_those_addressed_has_ended() {
    let killed = |story: Story| story.trial().chain.killed;
    assert_eq!(killed(Story::faulted()), Some(-2.0));
    let late = Story::faulted().meanwhile(CUT + 5, confirmed(Vec::new()));
    assert_eq!(
        killed(late),
        Some(-7.0),
        "T0 is the last exit, not the leader's"
    );
}

#[test]
fn the_effect_of_a_power_loss_is_complete_when_the_disk_has_dropped_all() {
    let acted = |completes| EventKind::FaultActed {
        fault: FaultId::FIRST,
        node: Node::default(),
        evidence: String::new(),
        completes,
    };
    let killed = |completes| {
        let story = Story::faulted().meanwhile(CUT + 4, acted(completes));
        story.trial().chain.killed
    };
    assert_eq!((killed(false), killed(true)), (Some(-2.0), Some(-6.0)));
}

#[test]
fn a_stop_that_took_sigkill_is_told_with_those_it_took() {
    let told = "did not end in its time of grace, and was killed: processes 12, 13 took SIGKILL";
    for effect in [Effect::Ends(Ending::AsAsked), Effect::Replaces] {
        let story = Story::faulted().with_effect(effect);
        let findings = story
            .meanwhile(CUT, confirmed(vec![12, 13]))
            .trial()
            .findings;
        let matching = findings.iter().filter(|finding| finding.ends_with(told));
        assert_eq!(matching.count(), 1, "{findings:?}");
    }
}

#[test]
fn a_crash_where_a_stop_was_asked_for_is_told() {
    let ended_by = |signal: i32, effect: Effect| {
        let mut story = Story::faulted().with_effect(effect);
        for event in &mut story.events {
            if let EventKind::TargetExited { exit, .. } = &mut event.kind {
                *exit = Exit::Signal(signal);
            }
        }
        story.trial().findings
    };
    let told = "was ended by signal 11 (SIGSEGV) where it was told to stop: it crashed, by the stop or right before it";
    let is_told = |findings: &[String]| findings.iter().any(|finding| finding.ends_with(told));
    let findings = ended_by(11, Effect::Ends(Ending::AsAsked));
    assert!(is_told(&findings), "{findings:?}");
    assert!(!is_told(&ended_by(15, Effect::Ends(Ending::AsAsked))));
    assert!(!is_told(&ended_by(11, Effect::Ends(Ending::BySignal))));
}

#[test]
fn a_survivor_is_named_with_its_command() {
    let left = vec![comeback_model::event::Survivor {
        pid: 123,
        command: "python3 worker.py".to_owned(),
    }];
    let confirmed = EventKind::FaultConfirmed {
        evidence: String::new(),
        fault: FaultId::FIRST,
        node: Node::default(),
        took_kill: Vec::new(),
        left,
        alive_us: None,
    };
    let trial = Story::faulted()
        .meanwhile(CUT, confirmed)
        .event(
            3_100,
            EventKind::SurvivorsFound {
                fault: FaultId::FIRST,
                pids: vec![123],
            },
        )
        .trial();
    assert_eq!(
        trial.findings,
        ["process 123 (python3 worker.py) of the old server outlived the fault"]
    );
}

#[test]
fn what_was_in_flight_at_an_injection_is_told_by_its_end() {
    let over = |client, from: u64, to: u64| {
        let mut look = look(client, from).finished(to);
        look.0.sent = Some(ms(from));
        look
    };
    let story = behind_a_balancer()
        .with_effect(Effect::Replaces)
        .meanwhile(
            FAULT - 100,
            EventKind::DrainBegun {
                fault: FaultId::FIRST,
                node: Node::Replica(0),
            },
        )
        .does([
            over(1, FAULT - 101, FAULT - 99),
            over(2, FAULT - 101, FAULT - 99).failed(ErrorClass::Reset, None),
            // Over before, begun after, and between the drain and the signal to the same replica.
            over(3, FAULT - 105, FAULT - 100),
            over(4, FAULT - 99, FAULT + 1),
        ]);
    let trial = story.trial();
    assert_eq!(
        trial.chain.killed,
        Some(-((CUT - FAULT + 100) as f64)),
        "K is when the drain began"
    );
    let failed: u64 = trial.in_flight.failed.values().sum();
    assert_eq!((trial.in_flight.scheduled, failed), (2, 1));
}

#[test]
fn sessions_begun_while_others_were_being_faulted_did_not_stand_at_the_fault() {
    let trial = behind_a_balancer()
        .with_effect(Effect::Replaces)
        .meanwhile(
            FAULT - 100,
            EventKind::DrainBegun {
                fault: FaultId::FIRST,
                node: Node::Replica(0),
            },
        )
        .does([
            login(0, 500),
            meets(0, ErrorClass::SessionRejected),
            login(1, 500),
            finds(1, 0),
            // What became of it is not known.
            login(2, 500),
            meets(2, ErrorClass::Reset),
            login(3, FAULT - 50),
            meets(3, ErrorClass::SessionRejected),
        ])
        .trial();
    let sessions = trial.sessions;
    assert_eq!(
        (sessions.acknowledged, sessions.lost, sessions.undecided),
        (4, 2, 1)
    );
    let faulted = crate::measure::FaultedSessions { known: 2, lost: 1 };
    assert_eq!(trial.faulted, faulted);
}

#[test]
fn one_that_was_not_faulted_and_is_another_process_is_collateral_damage() {
    let seen = |node, boot| {
        let kind = EventKind::TargetSeen { node, boot };
        behind_a_balancer()
            .meanwhile(STOPPED, kind)
            .trial()
            .findings
    };
    assert_eq!(seen(Node::Replica(1), boot_of(1)), [""; 0]);
    let findings = seen(Node::Replica(1), BootId::from_header(b"somebody"));
    assert!(
        findings[0].starts_with("collateral damage: replica 1 was not faulted"),
        "{findings:?}"
    );
}

#[test]
fn a_replica_stopped_with_requests_left_or_by_force_is_a_finding() {
    let problem = Some("3 requests were in flight after 10s".to_owned());
    let node = Node::Replica(0);
    let story = behind_a_balancer().with_effect(Effect::Replaces).meanwhile(
        FAULT,
        EventKind::Drained {
            fault: FaultId::FIRST,
            node,
            problem,
        },
    );
    let findings = story.trial().findings;
    assert_eq!(
        findings,
        [
            "replica 0 did not end in its time of grace, and was killed",
            "replica 0 was stopped although it was not drained: 3 requests were in flight after 10s"
        ]
    );
}

#[test]
fn after_a_pause_the_same_process_may_answer_and_the_recovery_begins_with_its_going_on() {
    let paused = Story::killed()
        .with_effect(Effect::StandsStill(Span::from_ms(500)))
        .without(|kind| matches!(kind, EventKind::TargetExited { .. }))
        .event(
            CUT,
            EventKind::TargetPaused {
                evidence: String::new(),
                fault: FaultId::FIRST,
                node: Node::default(),
            },
        )
        .event(
            CUT + 500,
            EventKind::TargetResumed {
                fault: FaultId::FIRST,
                node: Node::default(),
            },
        )
        .event(CUT + 503, returned(Node::default(), old_boot()))
        .event(
            CUT + 503,
            EventKind::FirstCorrect {
                fault: FaultId::FIRST,
                last_failed_us: Some(ms(CUT + 490)),
                evidence: Evidence::BootId(old_boot()),
                unowned: None,
                probes: 3,
            },
        )
        .enters(CUT + 503, Phase::Settle)
        .ends();
    let late = act(1, CUT + 510).value(1).finished(CUT + 512);
    let trial = paused
        .does([login(1, 1_000).value(0), late.by(0), finds(1, 1).by(0)])
        .trial();
    assert_eq!(trial.chain.exit, None);
    let at = |ms, error_ms| Some(Time::At { ms, error_ms });
    assert_eq!(trial.chain.executed, at(500.0, 0.0));
    assert_eq!(trial.chain.ready, at(503.0, 3.0));
    assert_eq!(trial.sessions.lost, 0);
    assert_eq!(trial.void, None);
}

#[test]
fn the_writes_that_a_kill_met_are_those_sent_and_unanswered_and_those_just_acknowledged() {
    let trial = Story::faulted()
        .does([
            act(1, FAULT - 5).finished(FAULT + 1),
            act(2, FAULT - 5).finished(FAULT),
            act(3, FAULT - 5).finished(FAULT - 2),
            act(4, FAULT + 1).finished(FAULT + 2),
            look(5, FAULT - 5).finished(FAULT + 1),
        ])
        .trial();
    let met = trial.met.unwrap();
    assert_eq!((met.in_flight, met.at_stake), (1, 2));
    // What the server did not take was no write: a request before its own broke, or it was refused.
    let refused = act(1, FAULT - 5).rejected(ErrorClass::ClientError);
    let before_its_own = act(2, FAULT - 5).rejected(ErrorClass::Reset);
    let none = [refused, before_its_own].map(|act| act.finished(FAULT + 1));
    let met = Story::faulted().does(none).trial().met.unwrap();
    assert_eq!((met.in_flight, met.at_stake), (0, 0));
    assert_eq!(trial.in_flight.scheduled, 2);
    assert_eq!(Story::control().trial().met, None);
    let paused = Story::faulted().with_effect(Effect::StandsStill(Span::from_secs(1)));
    assert_eq!(paused.trial().met, None);
}

#[test]
fn a_command_in_place_of_a_signal_meets_what_is_under_way_when_the_server_ends_or_stops_to_serve() {
    let met = |acts: &[Op]| {
        let story = Story::faulted().ended_by_command();
        let met = story.does(acts.to_vec()).trial().met.unwrap();
        assert!(met.by_command);
        (met.in_flight, met.tested)
    };
    assert_eq!(met(&[act(1, FAULT - 5).finished(CUT + 1)]), (1, 1));
    assert_eq!(met(&[act(1, CUT - 1).finished(CUT + 1)]), (1, 1));
    assert_eq!(met(&[act(1, CUT + 1).finished(CUT + 2)]), (0, 0));
    // It was under way when the command was begun, and answered before the server ended: what the server had it drained.
    let answered = || act(1, FAULT - 5).finished(FAULT + 1);
    let beside = look(2, FAULT - 1).finished(FAULT + 3);
    let turned_away = look(3, FAULT + 2).failed(ErrorClass::ServerError, Some(503));
    assert_eq!(
        met(&[answered(), beside.clone(), turned_away.finished(FAULT + 3)]),
        (1, 1)
    );
    // It served on, and was ended later.
    let later = look(4, FAULT + 2).finished(CUT);
    assert_eq!(met(&[answered(), beside, later]), (0, 0));
    // It was over, or sent, before the command and after its begin.
    assert_eq!(met(&[act(1, FAULT - 5).finished(FAULT)]), (0, 0));
    assert_eq!(met(&[act(1, FAULT + 1).finished(FAULT + 2)]), (0, 0));
}

#[test]
fn a_restart_that_waited_for_the_kill_command_is_told() {
    let finding = |requested: u64, has_restart: bool| {
        let story = Story::faulted().ended_by_command().planned(|plan| {
            let external = plan.arms[0].target.external.as_mut().unwrap();
            external.restart = has_restart.then(|| vec!["start-it".to_owned()]);
        });
        let mut story = story;
        for event in &mut story.events {
            if let EventKind::TargetExecuted {
                incarnation: Incarnation(1),
                requested_us,
                ..
            } = &mut event.kind
            {
                *requested_us = ms(CUT + requested);
                event.at = ms(CUT + requested + 1);
            }
        }
        let told = story.trial().findings.into_iter();
        told.filter(|finding| finding.contains("the restart command was begun"))
            .collect::<Vec<_>>()
    };
    let told = finding(40, true);
    assert!(
        told.len() == 1 && told[0].contains("begun 40 ms late"),
        "{told:?}"
    );
    assert!(finding(5, true).is_empty());
    assert!(finding(40, false).is_empty());
}

#[test]
fn what_was_in_flight_at_a_command_is_what_is_under_way_from_its_begin_until_the_server_ends() {
    let at_the_begin = act(1, FAULT - 1).finished(FAULT + 1);
    let meanwhile = act(3, FAULT + 1).failed(ErrorClass::ServerError, Some(503));
    let meanwhile = meanwhile.finished(FAULT + 2);
    let at_the_end = act(2, CUT - 1).unanswered(CUT);
    let in_flight = |story: Story| {
        let all = [at_the_begin.clone(), meanwhile.clone(), at_the_end.clone()];
        let story = story.does(all);
        let in_flight = story.trial().in_flight;
        (in_flight.failures(), in_flight.scheduled)
    };
    assert_eq!(in_flight(Story::faulted().ended_by_command()), (2, 3));
    assert_eq!(in_flight(Story::faulted()), (0, 1));
    // A pause beside it has a moment of its own.
    let pause = Effect::StandsStill(Span::from_ms(1));
    let paused = Story::faulted().ended_by_command().with_effect(pause);
    assert_eq!(in_flight(paused), (0, 1));
}

#[test]
fn a_write_that_another_replica_answered_was_not_met_by_a_kill() {
    let met = |act: Op| {
        let trial = behind_a_balancer().does([act.finished(FAULT + 1)]).trial();
        trial.met.map(|met| (met.in_flight, met.at_stake))
    };
    let write = || act(2, FAULT - 5);
    assert_eq!(met(write().by(1)), Some((0, 0)));
    assert_eq!(met(write().by(0)), Some((1, 1)));
    assert_eq!(met(write().in_vain(0)), Some((1, 1)));
    // It names nobody, or was tried at another one first.
    assert_eq!(met(write().failed(ErrorClass::Reset, None)), Some((1, 1)));
    let mut again = write().by(1);
    again.0.tries = 2;
    assert_eq!(met(again), Some((1, 1)));
}

#[test]
fn an_early_acknowledgement_is_seen_the_surer_the_sooner_the_kill_follows_it() {
    let written = |us: u64| {
        let mut write = act(1, FAULT - 1);
        write.0.finished = Elapsed::from_us(FAULT * 1_000 - us);
        write.0.sent = Some(Elapsed::from_us(FAULT * 1_000 - us - 200));
        write
    };
    let after = |us: u64| {
        let trial = Story::faulted().does([written(us)]).trial();
        trial.met.unwrap().early_ack_seen
    };
    // It was acknowledged at some time within the 200 µs that it took.
    assert!((after(0) - 0.5).abs() < 1e-9, "{}", after(0));
    assert!((after(50) - 0.25).abs() < 1e-9, "{}", after(50));
    // Or within the last 20 µs of them: before, the client had looked and found nothing.
    let aimed = |us: u64| EventKind::FaultAimed {
        fault: FaultId::FIRST,
        mark: Some(comeback_model::event::Mark::Reply),
        waited_us: 1,
        after_us: Some(us),
        quiet_us: Some(us + 20),
        met: None,
    };
    let heard = |us: u64| {
        let story = Story::faulted().meanwhile(FAULT, aimed(us));
        let trial = story.does([written(us)]).trial();
        let met = trial.met.unwrap();
        assert_eq!(met.aimed_after_us, Some(us));
        met.early_ack_seen
    };
    assert!((heard(10) - 1.0).abs() < 1e-9, "{}", heard(10));
    assert!((heard(90) - 0.5).abs() < 1e-9, "{}", heard(90));
    // Else by chance: one acknowledgement in the two seconds before.
    assert!((0.0..0.001).contains(&after(500)), "{}", after(500));
}

#[test]
fn what_fails_between_the_signal_to_stop_and_the_end_is_told_of_a_stop_only() {
    let story = Story::faulted().does([
        act(1, FAULT - 5).unanswered(FAULT + 1),
        act(2, FAULT + 1).unanswered(CUT + 1),
        act(3, FAULT + 1).finished(FAULT + 2),
        act(4, CUT + 1).unanswered(CUT + 2),
    ]);
    let of = |trial: TrialAnalysis| (trial.draining.scheduled, trial.draining.failures());
    let stop = story.clone().with_effect(Effect::Ends(Ending::AsAsked));
    assert_eq!(of(stop.trial()), (3, 2));
    assert_eq!(of(story.trial()), (0, 0));
}

impl Story {
    /// A proxy in front of these nodes holds this back for the whole of the trial.
    pub(super) fn behind_a_proxy(self, aim: Aim, holds_back: HoldsBack) -> Self {
        self.planned(|plan| {
            let mut surrounding = plan.faults[0].clone();
            surrounding.aim = aim;
            surrounding.effect = Effect::Surrounds;
            surrounding.needs.proxy = true;
            surrounding.holds_back = holds_back;
            plan.surroundings.push(surrounding);
        })
    }
}

fn held(to: Option<u64>, from: Option<u64>) -> HoldsBack {
    let span = |ms: Option<u64>| ms.map(Span::from_ms);
    HoldsBack {
        to: span(to),
        from: span(from),
        ..HoldsBack::NOTHING
    }
}

#[test]
fn a_write_that_may_only_have_waited_in_a_proxy_was_not_met_by_the_kill_of_the_server_behind_it() {
    let of = |story: Story, act: Op| {
        let met = story.does([act]).trial().met.unwrap();
        (met.in_flight, met.at_stake, met.held_back)
    };
    let met = |to, from, act: Op| {
        let story = Story::faulted().behind_a_proxy(Aim::AllReplicas, held(to, from));
        let (in_flight, at_stake, held_back) = of(story, act);
        assert_eq!(
            (in_flight, held_back),
            (at_stake, (to, from) != (Some(0), Some(0)))
        );
        in_flight
    };
    let late = || act(1, FAULT - 99).finished(FAULT + 301);
    let in_time = || act(1, FAULT - 100).finished(FAULT + 301);
    assert_eq!(met(Some(0), Some(0), late()), 1);
    assert_eq!(met(Some(100), Some(0), late()), 0);
    assert_eq!(met(Some(100), Some(0), in_time()), 1);
    assert_eq!(met(None, Some(0), in_time()), 0);
    // The reply may have been on its way back: unless there was none.
    assert_eq!(met(Some(100), Some(300), in_time()), 1);
    assert_eq!(met(Some(100), Some(301), in_time()), 0);
    assert_eq!(met(Some(0), None, in_time()), 0);
    let unanswered = act(1, FAULT - 100).unanswered(FAULT + 301);
    assert_eq!(met(Some(100), Some(301), unanswered.clone()), 1);
    // The proxy may have cut it off itself, after it had held the reply back.
    let cuts = |from| {
        let cuts = HoldsBack {
            cuts: true,
            ..held(Some(100), Some(from))
        };
        let story = Story::faulted().behind_a_proxy(Aim::AllReplicas, cuts);
        of(story, unanswered.clone()).0
    };
    assert_eq!((cuts(301), cuts(300)), (0, 1));
    // Who gave up may have done so while the reply was on its way back.
    let gave_up = || {
        let mut act = act(1, FAULT - 1_000).unanswered(FAULT + 1_000);
        act.0.error = Some(ErrorClass::ResponseTimeout);
        act
    };
    assert_eq!(met(Some(0), Some(3_000), gave_up()), 0);
    assert_eq!(met(Some(0), None, gave_up()), 0);
    assert_eq!(met(Some(0), Some(999), gave_up()), 1);
    // Just acknowledged is only what was sent just now.
    assert_eq!(met(Some(0), Some(1), act(1, FAULT - 5).finished(FAULT)), 0);
    // What is slow behind the server keeps the write in the server.
    for (aim, in_flight) in [(Aim::Store, 1), (Aim::Balancer, 0), (Aim::Cache, 0)] {
        let story = Story::faulted().behind_a_proxy(aim, held(None, None));
        assert_eq!(of(story, in_time()).0, in_flight, "{aim:?}");
    }
}

#[test]
fn a_write_that_takes_several_round_trips_to_a_slow_store_is_not_known_to_be_in_it() {
    let met = |holds_back| {
        let story = before_a_killed_store().behind_a_proxy(Aim::Store, holds_back);
        let write = act(1, FAULT - 300).unanswered(FAULT + 500);
        story.does([write]).trial().met.unwrap().in_flight
    };
    assert_eq!(met(HoldsBack::NOTHING), 1);
    assert_eq!(met(held(Some(200), Some(200))), 0);
    assert_eq!(met(held(Some(0), Some(200))), 0);
}

#[test]
fn a_reply_that_ends_with_its_connection_is_held_back_by_a_late_end() {
    let late_end = HoldsBack {
        ends: Span::from_ms(501),
        ..HoldsBack::NOTHING
    };
    let of = |unframed: bool, finished: u64| {
        let mut write = act(1, FAULT - 5).finished(finished);
        write.0.unframed = unframed;
        let story = Story::faulted().behind_a_proxy(Aim::AllReplicas, late_end);
        let met = story.does([write]).trial().met.unwrap();
        (met.in_flight, met.held_back)
    };
    assert_eq!(of(true, FAULT + 501), (0, true));
    assert_eq!(of(true, FAULT + 502), (1, true));
    // One with a length is whole before.
    assert_eq!(of(false, FAULT + 1), (1, false));
    let lost = |unframed| {
        let mut write = act(0, 1_500);
        write.0.unframed = unframed;
        let story = Story::faulted().does([login(0, 500), write, finds(0, 0)]);
        let trial = story.behind_a_proxy(Aim::AllReplicas, late_end).trial();
        (trial.writes.lost, trial.loss_window_ms.is_some())
    };
    assert_eq!((lost(true), lost(false)), ((1, false), (1, true)));
}

#[test]
fn a_connection_fault_holds_back_while_it_lasts_and_no_longer() {
    let met_until = |over: u64, aim: Aim, holds_back: HoldsBack, write: Op| {
        let story = Story::faulted().with_a_second_fault("connections");
        let (fault, node) = (FaultId(1), Node::default());
        let trial = story
            .planned(|plan| {
                plan.faults[1].effect = Effect::Degrades(Span::from_ms(1));
                plan.faults[1].aim = aim;
                plan.faults[1].holds_back = holds_back;
            })
            .meanwhile(
                FAULT - 500,
                EventKind::FaultRequested {
                    fault,
                    node,
                    begun: String::new(),
                },
            )
            .meanwhile(
                over,
                EventKind::TargetRestored {
                    fault,
                    node,
                    evidence: String::new(),
                },
            )
            .does([write])
            .trial();
        trial.met.unwrap().in_flight
    };
    let slow_until = |over| {
        let write = act(1, FAULT - 5).finished(FAULT + 1);
        met_until(over, Aim::AnyReplica, held(None, None), write)
    };
    assert_eq!(slow_until(FAULT + 500), 0);
    assert_eq!(slow_until(FAULT - 100), 1);
    // A proxy that resets new connections may have reset it before it reached the node behind.
    let reset = || act(1, FAULT - 5).unanswered(FAULT + 1);
    let resets = held(None, Some(0));
    assert_eq!(met_until(FAULT + 500, Aim::Balancer, resets, reset()), 0);
    assert_eq!(met_until(FAULT - 100, Aim::Balancer, resets, reset()), 1);
}

#[test]
fn behind_a_proxy_that_no_reply_had_come_says_nothing_of_when_it_was_sent() {
    let mut write = act(1, FAULT - 1);
    write.0.finished = Elapsed::from_us(FAULT * 1_000 - 10);
    write.0.sent = Some(Elapsed::from_us(FAULT * 1_000 - 210));
    let aimed = EventKind::FaultAimed {
        fault: FaultId::FIRST,
        mark: Some(comeback_model::event::Mark::Reply),
        waited_us: 1,
        after_us: Some(10),
        quiet_us: Some(30),
        met: None,
    };
    let story = Story::faulted().meanwhile(FAULT, aimed).does([write]);
    let seen = |story: Story| story.trial().met.unwrap().early_ack_seen;
    assert!((seen(story.clone()) - 1.0).abs() < 1e-9);
    let behind = |held| story.clone().behind_a_proxy(Aim::AllReplicas, held);
    let proxied = seen(behind(HoldsBack::NOTHING));
    assert!((proxied - 90.0 / 200.0).abs() < 1e-9, "{proxied}");
    assert!(seen(behind(held(Some(0), Some(1)))).abs() < 1e-9);
}

#[test]
fn behind_a_proxy_what_is_sent_after_the_signal_to_stop_is_not_held_against_the_server() {
    let story = Story::faulted().with_effect(Effect::Ends(Ending::AsAsked));
    let story = story.does([
        act(1, FAULT - 5).unanswered(FAULT + 1),
        act(2, FAULT + 1).unanswered(CUT + 1),
    ]);
    let of = |story: Story| story.trial().draining.failures();
    assert_eq!(of(story.clone()), 2);
    let other = story.clone().behind_a_proxy(Aim::Store, HoldsBack::NOTHING);
    assert_eq!(of(other), 2);
    let own = story.behind_a_proxy(Aim::AllReplicas, HoldsBack::NOTHING);
    assert_eq!(of(own), 1);
}

#[test]
fn a_request_that_may_not_have_reached_a_server_that_is_told_to_stop_is_not_held_against_it() {
    let story = Story::faulted().does([
        act(1, FAULT - 5).unanswered(FAULT + 1),
        act(2, FAULT - 200).unanswered(FAULT + 1),
    ]);
    let of = |story: Story, aim: Aim, to: Option<u64>| {
        let trial = story.behind_a_proxy(aim, held(to, Some(0))).trial();
        (trial.draining.failures(), trial.in_flight.failures())
    };
    let stop = story.clone().with_effect(Effect::Ends(Ending::AsAsked));
    let of_stop = |aim, to| of(stop.clone(), aim, to);
    assert_eq!(of_stop(Aim::AllReplicas, Some(0)), (2, 2));
    assert_eq!(of_stop(Aim::AllReplicas, Some(200)), (1, 1));
    assert_eq!(of_stop(Aim::AllReplicas, Some(201)), (0, 0));
    assert_eq!(of_stop(Aim::AllReplicas, None), (0, 0));
    assert_eq!(of_stop(Aim::Store, Some(201)), (2, 2));
    // A killed one answers nobody, wherever the requests were.
    assert_eq!(of(story, Aim::AllReplicas, Some(201)).1, 2);
}

#[test]
fn where_replies_were_held_back_nobody_knows_how_old_the_oldest_lost_write_was() {
    let story = Story::faulted().does([login(0, 500), act(0, 1_500), finds(0, 0)]);
    let window = |story: Story| {
        let trial = story.trial();
        assert_eq!(trial.writes.lost, 1);
        trial.loss_window_ms
    };
    assert_eq!(window(story.clone()), Some((CUT - 1_501) as f64));
    let behind = |held| story.clone().behind_a_proxy(Aim::AllReplicas, held);
    assert!(window(behind(held(Some(50), Some(0)))).is_some());
    assert_eq!(window(behind(held(Some(0), Some(50)))), None);
    assert_eq!(window(behind(held(None, None))), None);
}
