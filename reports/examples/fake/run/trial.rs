//! Invented trials.

use std::collections::BTreeMap;

use comeback_analysis::measure::{
    ArmAnalysis, BlindTime, Chain, Doing, Dot, Ending, ErrorTally, FaultedSessions,
    JourneyOperations, Journeys, Return, Spoils, Time, TimelineWindow, TrialAnalysis, Void,
};
use comeback_analysis::summary::{SessionCounts, Windowed, WriteCounts};
use comeback_model::event::Evidence;
use comeback_model::ids::{ArmId, BootId, TrialId};
use comeback_model::operation::ErrorClass;
use comeback_model::plan::Plan;

use super::{PLAIN, Spec};

/// From 0 to 1, different for each trial, the same each time.
fn noise(trial: u32, salt: u32) -> f64 {
    (f64::from(trial * 7 + salt * 13 + 1) * 0.618_033_988_749_895).fract()
}

pub(super) fn arm(place: usize, spec: &Spec, plan: &Plan, next: &mut u32) -> ArmAnalysis {
    let mut trials = Vec::new();
    if spec.skipped.is_none() {
        for index in 0..spec.trials {
            trials.push(trial(spec, plan, index, *next));
            *next += 1;
        }
        let mut control = trial(&PLAIN, plan, 0, *next);
        control.control = true;
        control.errors.before = tally(2_400, u64::from(spec.never));
        control.false_time_to_steady = Some(Time::At {
            ms: 0.0,
            error_ms: 0.0,
        });
        control.chain = Chain::default();
        control.returned = None;
        (control.outage, control.client_outage) = (None, None);
        control.blind_time = Some(BlindTime::default());
        (control.outage_area_s, control.outage_area_slow_s) = (None, None);
        control.timeline.clear();
        control.dots.clear();
        control.journeys = Some(journeys(control.sessions.acknowledged, 0, 0.0));
        trials.push(control);
        let mut void = trial(spec, plan, 0, *next + 1);
        void.void = Some(Void::new(
            Spoils::Times,
            Doing::Servers,
            "the load missed its floor: 71 % of 90 % sent",
        ));
        trials.push(void);
        *next += 2;
    }
    ArmAnalysis {
        id: ArmId(place as u32),
        name: spec.name.to_owned(),
        about: spec.about.to_owned(),
        skipped: spec.skipped.map(str::to_owned),
        trials,
        storm: None,
        choices: Vec::new(),
    }
}

fn trial(spec: &Spec, plan: &Plan, index: u32, id: u32) -> TrialAnalysis {
    let never = index >= spec.trials - spec.never.min(spec.trials);
    let ready = spec.ready * (0.85 + 0.4 * noise(index, 1));
    let acknowledged = 190 + (20.0 * noise(index, 2)) as u64;
    let lost = |share: f64, of: u64| {
        (of as f64 * (share * (0.4 + 1.2 * noise(index, 3))).min(1.0)).round() as u64
    };
    let of = |share: f64, of: u64| if share >= 1.0 { of } else { lost(share, of) };
    let (lost_sessions, lost_writes) = (
        of(spec.lost.0, acknowledged),
        of(spec.lost.1, acknowledged * 9),
    );
    let at = |ms: f64, error_ms: f64| {
        Some(if never {
            Time::Beyond { ms: 30_000.0 }
        } else {
            Time::At { ms, error_ms }
        })
    };
    let down = if never { 30_000.0 } else { ready };
    TrialAnalysis {
        id: TrialId(id),
        landed: true,
        chain: Chain {
            spread: None,
            killed: Some(-0.8 - noise(index, 4)),
            exit: None,
            launched: None,
            executed: Some(Time::At {
                ms: 2.0 + noise(index, 5),
                error_ms: 1.1,
            }),
            listening: at(ready * 0.7, 0.5),
            ready: at(ready, 1.9),
            evidence: (!never).then(|| Evidence::BootId(BootId::from_header(b"boot"))),
        },
        returned: (!never).then_some(Return::ForGood),
        sessions: SessionCounts {
            acknowledged,
            survived: acknowledged - lost_sessions,
            lost: lost_sessions,
            rejected: lost_sessions,
            ambiguous: u64::from(index % 2),
            undecided: if never && index + 1 == spec.trials {
                11
            } else {
                0
            },
            ..SessionCounts::default()
        },
        faulted: FaultedSessions {
            known: acknowledged,
            lost: lost_sessions,
        },
        writes: WriteCounts {
            acknowledged: acknowledged * 9,
            kept: acknowledged * 9 - lost_writes,
            lost: lost_writes,
            indeterminate: 3,
            ..WriteCounts::default()
        },
        journeys: Some(journeys(acknowledged, lost_sessions, down)),
        errors: Windowed {
            before: tally(1_000, 0),
            during: tally((down / 5.0) as u64 + 1, (down / 5.3) as u64),
            // Where it never came back, nothing is asked after the outage.
            after: if never { tally(0, 0) } else { tally(1_400, 12) },
        },
        timeline: timeline(plan, down, index),
        dots: dots(down, index),
        time_to_detect: Some(0.3),
        time_to_steady: at(ready + 1_900.0 + 300.0 * noise(index, 6), 100.0),
        longest_gap_ms: (!never).then_some(ready + 4.0),
        outage_area_s: Some(down / 1_000.0 + 0.1),
        outage_area_slow_s: Some(0.1),
        outage: at(ready + 0.8 + noise(index, 4), 1.9),
        client_outage: at(ready + 2.0 + noise(index, 4), 0.0),
        blind_time: Some(BlindTime {
            ms: (ready / 10.0).round(),
            error_ms: 24.0,
        }),
        findings: spec.finding.map(str::to_owned).into_iter().collect(),
        ..TrialAnalysis::default()
    }
}

/// Journeys of a dozen operations each.
fn journeys(all: u64, lost: u64, down: f64) -> Journeys {
    let torn = (lost + (down / 20.0) as u64).min(all);
    Journeys {
        all,
        torn,
        undecided: 0,
        operations: Windowed {
            before: JourneyOperations {
                scheduled: 12 * all,
                torn: 12 * torn,
                undecided: 0,
            },
            ..Windowed::default()
        },
    }
}

pub(super) fn tally(scheduled: u64, refused: u64) -> ErrorTally {
    let mut failed = BTreeMap::new();
    if refused > 0 {
        failed.insert(ErrorClass::Refused, refused - refused / 5);
        failed.insert(ErrorClass::Reset, refused / 5);
    }
    ErrorTally { scheduled, failed }
}

/// A service that takes a millisecond or two, is away for a while, and catches up afterwards.
fn dots(down: f64, index: u32) -> Vec<Dot> {
    let end = if down < 30_000.0 {
        down + 5_000.0
    } else {
        30_000.0
    };
    let count = ((end + 3_000.0) / 12.0) as u32;
    let dot = |place: u32| {
        // Unlike neighbours: the other noise makes stripes of so many.
        let noise = |salt: u64| {
            let mixed = (u64::from(index) << 40 | u64::from(place) << 8 | salt)
                .wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            f64::from((mixed >> 40) as u32) / f64::from(1_u32 << 24)
        };
        let at = -3_000.0 + 12.0 * (f64::from(place) + noise(1));
        let is_rare = noise(2) > 0.99;
        let (took, ending) = if (0.0..down).contains(&at) {
            match place % 24 {
                0..12 => (0.25 + 0.2 * noise(3), Ending::Cut),
                12..18 => (1_000.0, Ending::TimedOut),
                18..21 => (2_000.0, Ending::Unsent),
                _ => (0.9 + noise(3), Ending::Failed),
            }
        } else {
            let late = if (down..down + 400.0).contains(&at) {
                12.0
            } else {
                1.0
            };
            let rare = if is_rare { 40.0 * noise(4) + 1.0 } else { 1.0 };
            let usual = 0.8 * (1.6 * noise(5) * noise(6)).exp();
            (usual * late * rare, Ending::Correct)
        };
        Dot {
            at_ms: at as f32,
            took_ms: took as f32,
            ending,
        }
    };
    (0..count).map(dot).collect()
}

fn timeline(plan: &Plan, down: f64, index: u32) -> Vec<TimelineWindow> {
    let length = plan.windows.window.as_ms();
    let (from, to) = (
        -3_000.0,
        if down < 30_000.0 {
            down + 5_000.0
        } else {
            30_000.0
        },
    );
    let count = ((to - from) / length) as u32;
    (0..count)
        .map(|window| {
            let start_ms = from + f64::from(window) * length;
            let scheduled = (length / 5.0 + 6.0 * (noise(index * 1_000 + window, 8) - 0.5)).round();
            let overlap = ((start_ms + length).min(down) - start_ms.max(0.0)).max(0.0) / length;
            let late = if start_ms > down && start_ms < down + 500.0 {
                0.15
            } else {
                0.0
            };
            let failed = (scheduled * (overlap + late).min(1.0)).round();
            TimelineWindow {
                start_ms,
                length_ms: length,
                errors: tally(scheduled as u64, failed as u64),
                attribution: Default::default(),
                p50_ms: Some(1.0),
                p99_ms: Some(4.0),
            }
        })
        .collect()
}
