//! Each claim, with evidence for every way it can come out.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod own;

use super::evidence::lost;
use super::*;
use crate::table::{CLAIMS, Claim, Experiment};
use comeback_analysis::summary::CacheSummary;

fn arm(name: &str, replicas: u32) -> Evidence {
    Evidence {
        name: name.to_owned(),
        run: 0,
        replicas,
        missing: None,
        faults: 6,
        requests: (1_000, 1_000),
        goodput: Some(1_000.0),
        lost_undisturbed: 0,
        sessions: (600, 0),
        undecided: 0,
        since: (9_000, 0),
        unsent: 0,
        ready_ms: Some(5.0),
        steady_ms: Some(50.0),
        area_s: Some(0.006),
        cache: None,
        violations: Vec::new(),
        lines: None,
    }
}

/// Sessions are found by chance.
fn scattered(name: &str, replicas: u32) -> Evidence {
    Evidence {
        requests: (1_200, 1_200 / u64::from(replicas)),
        sessions: (600, 590),
        ..arm(name, replicas)
    }
}

fn losing(name: &str, lost: u64) -> Evidence {
    losing_in(0, name, lost)
}

/// In another of the claim's comparisons.
fn losing_in(run: usize, name: &str, lost: u64) -> Evidence {
    Evidence {
        run,
        sessions: (600, lost),
        ..arm(name, 3)
    }
}

#[track_caller]
fn check(number: u32, evidence: &[Evidence], ruling: Ruling, because: &str) {
    let Experiment::Compare(comparison) = Claim::find(number).unwrap().experiment else {
        panic!("claim {number} is not judged by a comparison");
    };
    // As a run leaves it, and as it is read back.
    let journal = Evidence::to_text(evidence).unwrap();
    let found = comparison.rule(&Evidence::parse(&journal).unwrap());
    assert_eq!(found.ruling, ruling, "{found:?}");
    assert!(found.because.contains(because), "{found:?}");
}

/// A store that was killed, with all sessions.
fn store_killed() -> Evidence {
    losing_in(1, "redis", 600)
}

/// Three numbers of replicas of each.
fn sweep(of: [fn(&str, u32) -> Evidence; 3], names: [&str; 3]) -> Vec<Evidence> {
    let arms = of.into_iter().zip(names);
    arms.flat_map(|(make, name)| [1, 2, 4].map(|replicas| make(name, replicas)))
        .collect()
}

/// With a cache in front that answers this share of what it may.
fn cached(name: &str, hits: u64, another_users: u64) -> Evidence {
    Evidence {
        cache: Some(CacheSummary {
            look_ups: 1_000,
            hits,
            another_users,
            ..CacheSummary::default()
        }),
        ..arm(name, 2)
    }
}

#[test]
fn what_is_answered_is_easy_to_cache_or_not() {
    let all = |token: Evidence| [token, cached("sticky", 950, 0), cached("redis", 940, 0)];
    let typical = all(cached("token", 960, 0));
    check(7, &typical, Ruling::HoldsInPart, "the same for all");
    let [_, _, shared] = typical.clone();
    let few = [cached("token", 960, 0), cached("sticky", 500, 0), shared];
    check(7, &few, Ruling::HoldsInPart, "the same for all");
    let rest = [cached("sticky", 500, 0), cached("redis", 480, 0)];
    let [memory, shared] = rest;
    check(
        7,
        &[cached("token", 960, 0), memory, shared],
        Ruling::Holds,
        "more of what",
    );
    check(
        7,
        &all(cached("token", 960, 3)),
        Ruling::Refuted,
        "3 replies",
    );
    check(7, &all(cached("token", 0, 0)), Ruling::Refuted, "not one");
    check(7, &all(arm("token", 2)), Ruling::Inconclusive, "fewer than");
}

/// Four faults, with what failed in each.
fn matrix(name: &str, failed: &[&'static str]) -> Vec<Evidence> {
    let run = Evidence {
        violations: failed.iter().map(|name| (*name).to_owned()).collect(),
        lines: Some(100),
        ..arm(name, 2)
    };
    vec![run; 4]
}

#[test]
fn a_stateless_design_is_simple_or_not() {
    let all = |token: &[&'static str], memory: &[&'static str], shared: &[&'static str]| {
        let arms = [
            matrix("token", token),
            matrix("sticky", memory),
            matrix("redis", shared),
        ];
        arms.concat()
    };
    let zombie = ["logged-out sessions honoured"];
    let lost = ["sessions lost", "writes lost"];
    check(
        11,
        &all(&zombie, &lost, &[]),
        Ruling::HoldsInPart,
        "others wrote",
    );
    check(
        11,
        &all(&[], &lost, &zombie),
        Ruling::Holds,
        "without state",
    );
    check(
        11,
        &all(&zombie, &[], &lost),
        Ruling::HoldsInPart,
        "not than with sessions",
    );
    check(11, &all(&lost, &zombie, &[]), Ruling::Refuted, "no fewer");
    let one = [arm("token", 2), arm("sticky", 2), arm("redis", 2)];
    check(11, &one, Ruling::Inconclusive, "1 kinds of fault");
}

#[test]
fn any_server_serves_any_request_or_not() {
    let names = ["token", "round-robin", "redis"];
    let typical = sweep([arm, scattered, arm], names);
    check(5, &typical, Ruling::HoldsInPart, "shared store");
    check(
        5,
        &sweep([arm, scattered, scattered], names),
        Ruling::Holds,
        "only the one",
    );
    check(
        5,
        &sweep([scattered, scattered, arm], names),
        Ruling::Refuted,
        "even with",
    );
    check(
        5,
        &sweep([arm, arm, arm], names),
        Ruling::Refuted,
        "memory were served",
    );
    let mut uneven = typical.clone();
    uneven[4].requests = (1_000, 700);
    check(5, &uneven, Ruling::HoldsInPart, "not spread evenly");
}

#[test]
fn a_stateful_service_scales_out_or_not() {
    let names = ["round-robin", "sticky", "redis"];
    let beside = |of, names| [sweep(of, names), vec![store_killed()]].concat();
    let typical = beside([scattered, arm, arm], names);
    check(6, &typical, Ruling::HoldsInPart, "sticky or a shared store");
    check(6, &typical, Ruling::HoldsInPart, "those of all replicas");
    let mut persistent = typical.clone();
    persistent[9].sessions = (600, 0);
    let told = "a killed store takes none with it";
    check(6, &persistent, Ruling::HoldsInPart, told);
    check(
        6,
        &beside([scattered, scattered, scattered], names),
        Ruling::Holds,
        "neither",
    );
    check(
        6,
        &beside([arm, arm, arm], names),
        Ruling::Refuted,
        "were known",
    );
    // Sessions are found, but the goodput is not kept.
    let mut slow = typical.clone();
    slow[5].goodput = Some(100.0);
    slow[8].goodput = Some(100.0);
    check(6, &slow, Ruling::Holds, "neither");
}

#[test]
fn servers_are_exchanged_unnoticed_or_not() {
    let all = |token, memory, shared, reformatted| {
        [
            losing("token", token),
            losing("sticky", memory),
            losing("redis", shared),
            losing_in(1, "token", reformatted),
        ]
    };
    check(10, &all(0, 600, 30, 0), Ruling::Holds, "notice");
    check(10, &all(0, 600, 0, 0), Ruling::HoldsInPart, "shared store");
    check(
        10,
        &all(0, 600, 30, 600),
        Ruling::HoldsInPart,
        "another format",
    );
    check(10, &all(3, 600, 0, 600), Ruling::Refuted, "token noticed");
    check(10, &all(0, 300, 30, 0), Ruling::HoldsInPart, "a part of");
    check(10, &all(0, 6, 0, 600), Ruling::Refuted, "outlived");
    let mut broken = all(0, 600, 0, 600);
    broken[0].since = (9_000, 90);
    check(10, &broken, Ruling::Refuted, "token noticed");
    check(10, &all(0, 600, 0, 0)[..3], Ruling::Inconclusive, "no arm");
}

/// What a crash does to each: as it is where all that is said of them is so.
struct Crash {
    token: u64,
    new_key: u64,
    memory: u64,
    journal: (u64, f64),
    shared: (u64, f64),
    sticky: u64,
    store: u64,
}

impl Crash {
    const AS_TOLD: Self = Self {
        token: 0,
        new_key: 0,
        memory: 600,
        journal: (0, 60.0),
        shared: (0, 60.0),
        sticky: 600,
        store: 600,
    };

    fn evidence(&self) -> [Evidence; 7] {
        let ready = |(lost, ready_ms): (u64, f64), name| Evidence {
            ready_ms: Some(ready_ms),
            ..losing(name, lost)
        };
        [
            losing("token", self.token),
            losing("token-newkey", self.new_key),
            losing("memory", self.memory),
            ready(self.journal, "journal"),
            ready(self.shared, "redis"),
            losing_in(1, "sticky", self.sticky),
            losing_in(2, "redis", self.store),
        ]
    }

    #[track_caller]
    fn check(&self, ruling: Ruling, because: &str) {
        check(12, &self.evidence(), ruling, because);
    }
}

#[test]
fn a_restart_is_easy_or_not() {
    let told = || Crash::AS_TOLD;
    told().check(Ruling::Holds, "slow to come back");
    let in_part = |crash: Crash, because| crash.check(Ruling::HoldsInPart, because);
    let new_key = 600;
    in_part(Crash { new_key, ..told() }, "new key at each start");
    let journal = (0, 6.0);
    in_part(Crash { journal, ..told() }, "syncs each change");
    let shared = (0, 6.0);
    in_part(Crash { shared, ..told() }, "until the store itself");
    let persistent = Crash {
        shared,
        store: 0,
        ..told()
    };
    in_part(persistent, "not even when the store");
    // How many replicas there are is another question.
    let sticky = 200;
    Crash { sticky, ..told() }.check(Ruling::Holds, "slow to come back");
    Crash { token: 1, ..told() }.check(Ruling::Refuted, "lost sessions");
    Crash {
        memory: 0,
        ..told()
    }
    .check(Ruling::Refuted, "outlived");
}

#[test]
fn what_was_not_measured_decides_nothing() {
    let names = ["token", "round-robin", "redis"];
    let typical = sweep([arm, scattered, arm], names);
    let spoilt = |spoil: fn(&mut Evidence)| {
        let mut evidence = typical.clone();
        spoil(&mut evidence[7]);
        evidence
    };
    let skipped = spoilt(|arm| arm.missing = Some("redis-server is not installed".to_owned()));
    check(5, &skipped, Ruling::Inconclusive, "not installed");
    let uncontrolled = spoilt(|arm| arm.requests = (0, 0));
    check(5, &uncontrolled, Ruling::Inconclusive, "are needed");
    check(5, &typical[..6], Ruling::Inconclusive, "no arm 'redis'");
    let mut few = sweep([scattered, arm, arm], ["round-robin", "sticky", "redis"]);
    few[4].faults = 4;
    check(6, &few, Ruling::Inconclusive, "5 are needed");
    let no_store = sweep([scattered, arm, arm], ["round-robin", "sticky", "redis"]);
    check(6, &no_store, Ruling::Inconclusive, "no arm 'redis'");
    let mut dead = Crash::AS_TOLD.evidence();
    dead[3].ready_ms = None;
    check(12, &dead, Ruling::Inconclusive, "not ready again");
    let crash = Crash::AS_TOLD.evidence();
    check(12, &crash[..5], Ruling::Inconclusive, "no arm 'sticky'");
    check(12, &crash[..6], Ruling::Inconclusive, "no arm 'redis'");
}

/// Each of what spoils one arm of an experiment that is else as usual.
#[test]
fn what_is_not_known_or_not_the_faults_doing_decides_nothing() {
    let exchanged = [
        losing("token", 0),
        losing("sticky", 600),
        losing("redis", 0),
        losing_in(1, "token", 600),
    ];
    let crashed = Crash::AS_TOLD.evidence();
    let scaled = sweep([scattered, arm, arm], ["round-robin", "sticky", "redis"]);
    let scaled = [scaled, vec![store_killed()]].concat();
    let faults = ["token", "sticky", "redis"].map(|name| matrix(name, &[]));
    let experiments: [(u32, &[Evidence], &[usize]); 4] = [
        (10, &exchanged, &[0, 1, 2, 3]),
        (12, &crashed, &[0, 1, 2, 3, 4, 5, 6]),
        (6, &scaled, &[9]),
        (11, &faults.concat(), &[0, 7, 11]),
    ];
    type Spoil = fn(&mut Evidence);
    let spoilers: [(Spoil, &str); 5] = [
        (
            |arm| arm.undecided = 32,
            "the fate of 32 sessions is unknown",
        ),
        (
            |arm| arm.unsent = 474,
            "474 operations were not begun in time",
        ),
        (|arm| arm.requests.1 = 990, "in its trials without a fault"),
        (
            |arm| arm.lost_undisturbed = 1,
            "lost 1 sessions in its trials",
        ),
        (|arm| arm.faults = 4, "4 faults that count"),
    ];
    for (number, evidence, places) in experiments {
        for place in places {
            for (spoil, told) in spoilers {
                let mut evidence = evidence.to_vec();
                spoil(&mut evidence[*place]);
                check(number, &evidence, Ruling::Inconclusive, told);
            }
        }
    }
    // A few are not known in most runs.
    let mut few = exchanged;
    few[0].undecided = 31;
    few[0].unsent = 473;
    check(10, &few, Ruling::HoldsInPart, "another format");
}

#[test]
fn each_number_is_one_claim() {
    let numbers: Vec<u32> = CLAIMS.iter().map(|claim| claim.number).collect();
    assert!(
        numbers.windows(2).all(|pair| pair[0] < pair[1]),
        "{numbers:?}"
    );
    assert!(Claim::find(0).is_none());
}

#[test]
fn a_share_comes_with_its_interval_and_none_lost_with_its_bound() {
    assert_eq!(percent_of(300, 1_200), "25 % (23 % to 28 %)");
    assert_eq!(percent_of(100_000, 100_000), "100 %");
    assert_eq!(lost(&losing("x", 0)), "0 of 600 (≤ 39 % of faults)");
    assert_eq!(lost(&losing("x", 30)), "30 of 600");
}
