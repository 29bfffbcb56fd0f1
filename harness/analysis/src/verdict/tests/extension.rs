//! How far a run is extended, and what looking again and again costs.

use comeback_statistics::median_interval;

use super::*;

fn ready(times: &[u64]) -> Vec<Told> {
    times.iter().map(|ms| faulted().ready(Some(*ms))).collect()
}

#[test]
fn only_a_lack_of_trials_extends_a_run() {
    let gates = ["time_to_ready.median < 2s", "lost_sessions == 0"];
    let wanted = |trials: &[Told]| verdict(trials, &gates).rounds_wanted(trials.len() as u32);
    assert_eq!(wanted(&ready(&[50; 2])), Some(4), "a median needs six");
    assert_eq!(
        wanted(&ready(&[50; 5])),
        Some(3),
        "half as many as there are"
    );
    assert_eq!(wanted(&ready(&[50; 6])), None, "it passes");
    let lost = [faulted().with(&[Fate::Lost])];
    assert_eq!(wanted(&lost), None, "it fails, whatever follows");
    let mut open = ready(&[50; 2]);
    open[0].fates = vec![Fate::Undecided, Fate::Finds(1)];
    assert_eq!(wanted(&open), None, "no trial decides a session of another");
    let mut void = ready(&[50; 2]);
    void[0].landed = false;
    assert_eq!(wanted(&void), None, "a trial does not count");
    let mut interrupted = journal(&[ready(&[50; 2]), vec![control()]].concat());
    interrupted.events.pop();
    assert_eq!(verdict_on(&interrupted, &gates).rounds_wanted(2), None);
}

/// The trials at which a median's gate is asked that never can be told.
fn looks(from: u32, to: u32) -> Vec<u32> {
    let straddling = Verdict {
        outcome: Outcome::Inconclusive,
        headline: String::new(),
        reasons: vec!["open".to_owned()],
        checks: vec![crate::verdict::Check {
            arm: String::new(),
            gate: String::new(),
            outcome: Outcome::Inconclusive,
            detail: None,
            more_trials: Some(1),
            sharpness: None,
        }],
        baseline: None,
    };
    std::iter::successors(Some(from), |&trials| {
        let wanted = straddling.rounds_wanted(trials).unwrap();
        (trials < to).then(|| to.min(trials + wanted))
    })
    .collect()
}

/// The chance that a gate on a median breaks though the median lies just at its bound: then each trial lies
/// above or below by the toss of a coin, and the gate breaks once the interval has none below.
fn false_alarms(looks: &[u32]) -> f64 {
    // By how many trials lie below, the chance that nothing was decided yet.
    let mut open = vec![1.0];
    let mut broken = 0.0;
    let mut trials = 0;
    for &look in looks {
        for _ in trials..look {
            let mut next = vec![0.0; open.len() + 1];
            for (below, chance) in open.iter().enumerate() {
                next[below] += chance / 2.0;
                next[below + 1] += chance / 2.0;
            }
            open = next;
        }
        trials = look;
        let ranks: Vec<f64> = (0..trials).map(f64::from).collect();
        let interval = median_interval(&ranks).unwrap();
        for (below, chance) in open.iter_mut().enumerate() {
            let below = below as f64;
            if below <= interval.low {
                broken += std::mem::take(chance);
            } else if f64::from(trials) - below <= interval.low {
                *chance = 0.0;
            }
        }
    }
    broken
}

/// The figures of METHOD.md §5.
#[test]
fn few_looks_keep_false_alarms_few() {
    assert_eq!(looks(6, 20), [6, 9, 14, 20]);
    assert_eq!(looks(6, 60), [6, 9, 14, 21, 32, 48, 60]);
    let every: Vec<u32> = (6..=60).collect();
    for (looks, expected) in [
        (looks(6, 6), 0.016),
        (looks(6, 20), 0.042),
        (looks(6, 60), 0.054),
        (every, 0.093),
    ] {
        let alarms = false_alarms(&looks);
        assert!((alarms - expected).abs() < 5e-4, "{looks:?}: {alarms}");
    }
}
