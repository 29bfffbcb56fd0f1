//! The claims with procedures of their own, each with journals for every way it can come out.

use super::super::*;
use crate::table::{Claim, Experiment};
use comeback_model::operation::ErrorClass;

/// What a test journal holds.
struct Journal(Vec<Fact>);

impl Journal {
    fn new() -> Self {
        Self(Vec::new())
    }

    /// So many of 1000 were right.
    fn share(self, arm: &str, what: What, right: u64) -> Self {
        self.share_at(arm, what, 1, right)
    }

    fn share_at(mut self, arm: &str, what: What, at: u64, right: u64) -> Self {
        self.0.push(Fact::share(arm, what, at, (right, 1_000)));
        self
    }

    /// All is well with these where nothing is done to them.
    fn well(self, arms: &[&str]) -> Self {
        let all = arms.iter();
        all.fold(self, |journal, arm| {
            journal.share(arm, What::Control, 1_000)
        })
    }

    fn values(mut self, arm: &str, what: What, values: &[(u64, f64)]) -> Self {
        let facts = values.iter();
        self.0
            .extend(facts.map(|(at, value)| Fact::value(arm, what, *at, *value)));
        self
    }

    /// A rise of so much for each, looked at five times.
    fn rise(self, arm: &str, what: What, slope: f64) -> Self {
        let values = [0, 1_000, 2_000, 3_000, 4_000].map(|at| (at, 5e6 + slope * at as f64));
        self.values(arm, what, &values)
    }

    fn missing(mut self, arm: &str, why: &str) -> Self {
        self.0.push(Fact::missing(arm, why.to_owned()));
        self
    }

    /// What a run leaves, and what is read back from it.
    fn read(self) -> Findings {
        let heading = Heading {
            comeback_facts: VERSION,
            claim: 1,
            seed: 1,
            amount: Amount {
                rounds: 4,
                each: 1_000,
            },
            started: "2026-11-25T00:00:00Z".to_owned(),
            machine: None,
        };
        let facts = self.0;
        let text = Findings { heading, facts }.to_text().unwrap();
        Findings::parse(&text).unwrap()
    }

    #[track_caller]
    fn check(self, number: u32, ruling: Ruling, because: &str) {
        let Experiment::Own(inquiry) = Claim::find(number).unwrap().experiment else {
            panic!("claim {number} has no procedure of its own");
        };
        let found = inquiry.rule(&self.read());
        assert_eq!(found.ruling, ruling, "{found:?}");
        assert!(found.because.contains(because), "{found:?}");
        let is_open = ruling == Ruling::Inconclusive;
        assert_eq!(found.chart.bars.is_empty(), is_open, "{found:?}");
    }
}

#[test]
fn a_request_is_complete_in_itself_or_not() {
    const ARMS: [&str; 4] = ["token", "token-newkey", "memory", "redis"];
    let replayed = |right: [u64; 4]| {
        let rights = ARMS.into_iter().zip(right);
        rights.fold(Journal::new().well(&ARMS), |journal, (arm, right)| {
            // Any server answers a login.
            journal
                .share_at(arm, What::Replayed, 0, 1_000)
                .share(arm, What::Replayed, right)
        })
    };
    replayed([1_000, 0, 0, 1_000]).check(1, Ruling::HoldsInPart, "shared store");
    replayed([1_000, 0, 0, 0]).check(1, Ruling::Holds, "nothing else");
    replayed([600, 0, 0, 1_000]).check(1, Ruling::Refuted, "something else was needed");
    replayed([1_000, 0, 400, 1_000]).check(1, Ruling::Refuted, "another's memory");
    let mut journal = replayed([1_000, 0, 0, 1_000]);
    journal.0.retain(|fact| fact.what != What::Control);
    journal.check(1, Ruling::Inconclusive, "token has 0 tries that count");
    replayed([1_000, 0, 0, 1_000])
        .share("memory", What::Control, 0)
        .check(1, Ruling::Inconclusive, "where nothing was done to it");
    Journal::new().missing("token", "it did not come up").check(
        1,
        Ruling::Inconclusive,
        "did not come up",
    );
}

/// What is kept of each login: of the token, the revocable one, and all that are stateful.
fn kept(token: f64, revocable: f64, stateful: f64) -> Journal {
    let arms = [
        ("token", token),
        ("token-revocable", revocable),
        ("memory", stateful),
        ("journal", stateful),
        ("redis", stateful),
    ];
    arms.into_iter()
        .fold(Journal::new(), |journal, (arm, slope)| {
            journal
                .well(&[arm])
                .rise(arm, What::MemoryOfRequests, 1.0)
                .rise(arm, What::Memory, 1.0 + slope)
                .rise(arm, What::Disk, 0.0)
        })
}

#[test]
fn a_stateful_server_needs_storage_or_not() {
    kept(0.0, 60.0, 200.0).check(2, Ruling::HoldsInPart, "taken back");
    kept(0.0, 0.0, 200.0).check(2, Ruling::Holds, "every server that knows");
    kept(80.0, 60.0, 200.0).check(2, Ruling::Refuted, "the stateless server grew");
    kept(0.0, 60.0, 1.0).check(2, Ruling::Refuted, "did not grow");
    let mut once = kept(0.0, 60.0, 200.0);
    once.0
        .retain(|fact| fact.what != What::Memory || fact.at < 2_000);
    once.check(2, Ruling::Inconclusive, "looked at 2 times");
    let mut unchecked = kept(0.0, 60.0, 200.0);
    unchecked
        .0
        .retain(|fact| fact.what != What::MemoryOfRequests);
    unchecked.check(2, Ruling::Inconclusive, "lacks a figure");
}

#[test]
fn growth_by_doubling_is_growth() {
    let doubling = [
        (0, 0.0),
        (1_000, 0.0),
        (2_000, 0.0),
        (3_000, 9e5),
        (4_000, 9e5),
    ];
    let mut journal = kept(0.0, 60.0, 200.0);
    journal
        .0
        .retain(|fact| fact.arm != "memory" || fact.what != What::Memory);
    journal
        .values("memory", What::Memory, &doubling)
        .check(2, Ruling::HoldsInPart, "taken back");
}

#[test]
fn order_matters_or_not() {
    const ARMS: [&str; 4] = ["token", "token-counter", "memory", "redis"];
    let same = |right: [u64; 4]| {
        let rights = ARMS.into_iter().zip(right);
        rights.fold(Journal::new().well(&ARMS), |journal, (arm, right)| {
            journal.share(arm, What::Reordered, right)
        })
    };
    same([1_000, 60, 60, 60]).check(4, Ruling::HoldsInPart, "counts by itself");
    same([1_000, 1_000, 60, 60]).check(4, Ruling::Holds, "carries all of it");
    same([900, 60, 60, 60]).check(4, Ruling::Refuted, "when their order changed");
    same([1_000, 60, 1_000, 60]).check(4, Ruling::Refuted, "in any order, too");
    Journal::new().share("token", What::Reordered, 1_000).check(
        4,
        Ruling::Inconclusive,
        "token has 0 tries that count",
    );
}

#[test]
fn the_client_carries_everything_or_not() {
    let weighing = |token: f64, memory: f64, wire: [f64; 2]| {
        let arms = [("token", token, wire[0]), ("memory", memory, wire[1])];
        arms.into_iter()
            .fold(Journal::new(), |journal, (arm, slope, request)| {
                journal
                    .well(&[arm])
                    .rise(arm, What::MemoryOfRequests, 0.0)
                    .rise(arm, What::Memory, slope)
                    .rise(arm, What::Disk, 0.0)
                    .values(arm, What::RequestBytes, &[(0, request), (1, request)])
                    .values(arm, What::PlainRequestBytes, &[(0, 60.0)])
                    .values(arm, What::ReplyBytes, &[(0, 200.0)])
            })
    };
    // 160 bytes for each client against 40 for each request.
    weighing(0.0, 160.0, [150.0, 110.0]).check(8, Ruling::Holds, "after 4 requests");
    weighing(0.0, 160.0, [110.0, 110.0]).check(8, Ruling::HoldsInPart, "no more than");
    weighing(40.0, 160.0, [150.0, 110.0]).check(8, Ruling::Refuted, "kept something");
    weighing(0.0, 0.0, [150.0, 110.0]).check(8, Ruling::Refuted, "kept nothing");
    Journal::new().check(8, Ruling::Inconclusive, "token has 0 tries that count");
}

#[test]
fn a_server_is_bound_to_its_sessions_or_not() {
    const ARMS: [&str; 4] = ["token", "token-newkey", "memory", "redis"];
    let taken = |right: [u64; 4]| {
        let rights = ARMS.into_iter().zip(right);
        let journal = rights.fold(Journal::new().well(&ARMS), |journal, (arm, right)| {
            journal
                .share(arm, What::Accepted, right)
                .share(arm, What::Kept, right)
        });
        journal.values("token", What::DrainMs, &[(0, 3.0), (1, 4.0)])
    };
    taken([1_000, 0, 0, 1_000]).check(9, Ruling::HoldsInPart, "come and go as freely");
    taken([1_000, 1_000, 0, 0]).check(9, Ruling::Holds, "only a replica without state");
    taken([0, 0, 0, 1_000]).check(9, Ruling::Refuted, "did not take");
    taken([1_000, 0, 500, 1_000]).check(9, Ruling::Refuted, "took each other's");
    let mut unchecked = taken([1_000, 0, 0, 1_000]);
    unchecked.0.retain(|fact| fact.what != What::Control);
    unchecked.check(9, Ruling::Inconclusive, "0 tries that count");
}

/// Goodput of token, memory, buffered, journal, redis and the server that does nothing.
fn race(goodput: [f64; 6]) -> Journal {
    let arms = ["token", "memory", "buffered", "journal", "redis", "trivial"];
    let runs = arms.into_iter().zip(goodput);
    runs.fold(Journal::new().well(&arms), |journal, (arm, goodput)| {
        let rounds: Vec<(u64, f64)> = (0..6)
            .map(|round| (round, goodput * (1.0 + 0.01 * (round % 2) as f64)))
            .collect();
        journal
            .values(arm, What::Goodput, &rounds)
            .values(arm, What::P50Ms, &[(0, 0.2)])
            .values(arm, What::P99Ms, &[(0, 0.9)])
    })
}

#[test]
fn stateless_is_quicker_or_not() {
    let others = [10e3, 4e3, 8e3, 40e3];
    let with =
        |token: f64, memory: f64| race([token, memory, others[0], others[1], others[2], others[3]]);
    with(12e3, 13e3).check(13, Ruling::HoldsInPart, "but not than memory");
    with(12e3, 10e3).check(13, Ruling::Holds, "every server");
    with(4e3, 13e3).check(13, Ruling::Refuted, "no server");
    with(39e3, 41e3).check(13, Ruling::Inconclusive, "the client was the limit");
    let mut few = with(12e3, 13e3);
    few.0
        .retain(|fact| fact.at < 3 || fact.what == What::Control);
    few.check(13, Ruling::Inconclusive, "too few for an interval");
    // Once twice as quick and once half as quick as the others: nobody knows.
    let mut wild = with(12e3, 13e3);
    wild.0
        .retain(|fact| fact.arm != "token" || fact.what != What::Goodput);
    let rounds = [6e3, 24e3, 7e3, 25e3, 6e3, 26e3];
    let rounds: Vec<(u64, f64)> = (0..).zip(rounds).collect();
    wild.values("token", What::Goodput, &rounds)
        .check(13, Ruling::Inconclusive, "do not agree");
}

#[test]
fn stateless_is_easy_on_the_internet_or_not() {
    let bearing = |token: (f64, f64, u64), memory: (f64, f64, u64)| {
        let arms = [("token", token), ("memory", memory), ("redis", memory)];
        arms.into_iter()
            .fold(Journal::new(), |journal, (arm, (idle, request, after))| {
                journal
                    .well(&[arm])
                    .rise(arm, What::IdleMemory, idle)
                    .values(arm, What::RequestBytes, &[(0, request)])
                    .values(arm, What::ReplyBytes, &[(0, 200.0)])
                    .share(arm, What::AfterIdle, after)
            })
    };
    let typical = bearing((22_200.0, 160.0, 1_000), (22_400.0, 110.0, 1_000));
    typical.check(14, Ruling::Refuted, "its connection does");
    bearing((2_000.0, 160.0, 1_000), (4_000.0, 110.0, 1_000)).check(
        14,
        Ruling::HoldsInPart,
        "each request weighs more, and a session in memory outlives",
    );
    bearing((2_000.0, 110.0, 1_000), (4_000.0, 110.0, 0)).check(14, Ruling::Holds, "only its");
    bearing((2_000.0, 110.0, 500), (4_000.0, 110.0, 0)).check(14, Ruling::Refuted, "did not");
    Journal::new().check(14, Ruling::Inconclusive, "token has 0 tries that count");
}

/// Servers of six protocols and kinds, and how many of 1000 exchanges finished that were interrupted after their first
/// request.
fn interrupted(finished: [(&str, u64); 6]) -> Journal {
    finished
        .into_iter()
        .fold(Journal::new(), |journal, (arm, right)| {
            journal
                .well(&[arm])
                .share_at(arm, What::Finished, 0, 1_000)
                .share(arm, What::Finished, right)
        })
        .share_at("ftp", What::Resumed, 5, 0)
}

#[test]
fn protocols_are_stateless_and_stateful_as_told_or_not() {
    let all = |token, memory, udp, dns, ftp, telnet| {
        interrupted([
            ("token", token),
            ("memory", memory),
            ("udp-echo", udp),
            ("dns", dns),
            ("ftp", ftp),
            ("telnet", telnet),
        ])
    };
    let ideal = || all(1_000, 1_000, 1_000, 1_000, 0, 0);
    ideal().check(3, Ruling::Holds, "the interrupted request alone");
    let of_memory = || all(1_000, 0, 1_000, 1_000, 0, 0);
    of_memory().check(3, Ruling::HoldsInPart, "the application has");
    let resuming = ideal().share_at("ftp", What::Resumed, 5, 500);
    resuming.check(3, Ruling::HoldsInPart, "goes on in the midst of a file");
    for (udp, dns, told) in [(700, 1_000, "over UDP"), (1_000, 0, "over DNS")] {
        all(1_000, 0, udp, dns, 0, 0).check(3, Ruling::Refuted, told);
    }
    all(900, 0, 1_000, 1_000, 0, 0).check(3, Ruling::Refuted, "over HTTP");
    all(1_000, 0, 1_000, 1_000, 300, 1_000).check(3, Ruling::Refuted, "over FTP, Telnet");
}

#[test]
fn what_exchanges_met_that_did_not_finish_stands_beside_their_share() {
    let mut journal = interrupted([
        ("token", 1_000),
        ("memory", 0),
        ("udp-echo", 1_000),
        ("dns", 1_000),
        ("ftp", 0),
        ("telnet", 0),
    ]);
    let done = [
        vec![Err(ErrorClass::ClientError); 3],
        vec![Err(ErrorClass::WrongAnswer); 2],
        vec![Ok(()); 5],
    ]
    .concat();
    for place in [1, 2] {
        let fact = Fact::outcomes("ftp", What::Finished, place, &done);
        assert_eq!(
            fact.found,
            Observation::Share {
                tried: 10,
                right: 5
            }
        );
        journal.0.push(fact);
    }
    let Experiment::Own(inquiry) = Claim::find(3).unwrap().experiment else {
        panic!("it has a procedure of its own");
    };
    let text = journal.read().to_text().unwrap();
    let found = Findings::parse(&text).unwrap();
    let classes = found.failed("ftp", What::Finished, |place| place > 0);
    let expected = [(ErrorClass::ClientError, 6), (ErrorClass::WrongAnswer, 4)];
    assert_eq!(classes.into_iter().collect::<Vec<_>>(), expected);
    let figure = inquiry.rule(&found).figure;
    assert!(
        figure.contains("(failed: client error 6, wrong answer 4), Telnet"),
        "{figure}"
    );
}

#[test]
fn other_peoples_servers_count_where_they_are_there() {
    let typical = || {
        interrupted([
            ("token", 1_000),
            ("memory", 0),
            ("udp-echo", 1_000),
            ("dns", 1_000),
            ("ftp", 0),
            ("telnet", 0),
        ])
    };
    let with = |arm, right| {
        typical()
            .well(&[arm])
            .share_at(arm, What::Finished, 0, 1_000)
            .share(arm, What::Finished, right)
    };
    with("unbound", 1_000).check(3, Ruling::HoldsInPart, "the application has");
    with("unbound", 0).check(3, Ruling::Refuted, "over DNS (unbound)");
    with("vsftpd", 1_000).check(3, Ruling::Refuted, "over FTP (vsftpd)");
    with("telnetd", 1_000).check(3, Ruling::Refuted, "over Telnet (telnetd)");
    let absent = typical().missing("telnetd", "telnetd is not installed");
    absent.check(3, Ruling::HoldsInPart, "the application has");
    // Nobody takes silence for a figure.
    let Experiment::Own(inquiry) = Claim::find(3).unwrap().experiment else {
        panic!("it has a procedure of its own");
    };
    let figure = inquiry.rule(&typical().read()).figure;
    assert!(
        figure.contains("Telnet (telnetd) not measured: it was not tried"),
        "{figure}"
    );
}

#[test]
fn protocols_are_not_judged_without_their_controls() {
    let arms = ["token", "memory", "udp-echo", "dns", "ftp", "telnet"];
    for arm in arms {
        let typical = || {
            interrupted(arms.map(|arm| {
                let is_stateless = ["token", "udp-echo", "dns"].contains(&arm);
                (arm, if is_stateless { 1_000 } else { 0 })
            }))
        };
        let mut journal = typical();
        let is_control = |fact: &Fact| fact.arm == arm && fact.what == What::Control;
        journal.0.retain(|fact| !is_control(fact));
        journal.check(
            3,
            Ruling::Inconclusive,
            &format!("{arm} has 0 tries that count"),
        );
        typical().share(arm, What::Control, 0).check(
            3,
            Ruling::Inconclusive,
            "where nothing was done to it",
        );
        // The first request needs nothing before it: who cannot even send that again proves nothing.
        typical().share_at(arm, What::Finished, 0, 0).check(
            3,
            Ruling::Inconclusive,
            "interrupted at their first request",
        );
    }
}

#[test]
fn a_damaged_journal_names_its_line() {
    let text = Journal::new().well(&["token"]).read().to_text().unwrap();
    let error = |text: &str| Findings::parse(text).unwrap_err().to_string();
    assert!(error("").starts_with("line 1: the file is empty"));
    assert!(error(&format!("{text}{{}}\n")).starts_with("line 3: missing field `arm`"));
    let other = text.replace("\"comeback_facts\":1", "\"comeback_facts\":2");
    assert_eq!(
        error(&other),
        "line 1: it has version 2, and this program reads version 1: measure the claim again"
    );
}
