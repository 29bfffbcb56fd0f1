//! Which replica gets a request.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use http::HeaderMap;

use super::headers;
use super::replicas::Replica;

/// How requests are spread over the replicas that are up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// In turn.
    RoundRobin,
    /// The one with the fewest requests in flight; among equals, in turn.
    LeastConnections,
    /// Of two drawn at random, the one with fewer requests in flight.
    Random,
    /// By who asks: the first address in `X-Forwarded-For`, else the client's address *and port*.
    ///
    /// On one machine every client has the same address, so the port stands for the client: all requests of a
    /// connection go to one replica. By rendezvous hashing an ejected replica's clients are spread over the others,
    /// no other client moves, and they move back when it returns.
    SourceHash,
    /// By a cookie that names the replica of the first reply; without one, in turn. When that replica is down the
    /// request goes elsewhere and the cookie is replaced: the client stays there when the replica returns.
    Sticky,
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RoundRobin => "round-robin",
            Self::LeastConnections => "least-connections",
            Self::Random => "random",
            Self::SourceHash => "source-hash",
            Self::Sticky => "sticky",
        })
    }
}

/// How a request names its replica.
#[derive(Debug, Default)]
pub(super) struct Visitor {
    source: u64,
    /// The replica its cookie names.
    pub(super) cookie: Option<usize>,
}

/// Chooses replicas.
pub(super) struct Chooser {
    policy: Policy,
    /// The name of the sticky cookie.
    cookie: String,
    turn: AtomicUsize,
    random: Random,
}

impl Chooser {
    pub(super) fn new(policy: Policy, cookie: String, seed: u64) -> Self {
        Self {
            policy,
            cookie,
            turn: AtomicUsize::new(0),
            random: Random(AtomicU64::new(seed)),
        }
    }

    /// The part of a request that the policy needs; our own cookie is taken out.
    pub(super) fn meet(&self, client: SocketAddr, headers: &mut HeaderMap) -> Visitor {
        match self.policy {
            Policy::RoundRobin | Policy::LeastConnections | Policy::Random => Visitor::default(),
            Policy::SourceHash => Visitor {
                source: source(client, headers),
                cookie: None,
            },
            Policy::Sticky => Visitor {
                source: 0,
                cookie: headers::take_cookie(headers, &self.cookie)
                    .and_then(|value| value.strip_prefix('r')?.parse().ok()),
            },
        }
    }

    /// A replica that is open and was not tried before; none when there is none.
    pub(super) fn choose<'a>(
        &self,
        replicas: &'a [Arc<Replica>],
        visitor: &Visitor,
        tried: &[usize],
    ) -> Option<&'a Arc<Replica>> {
        let open: Vec<&Arc<Replica>> = replicas
            .iter()
            .filter(|replica| replica.is_open() && !tried.contains(&replica.index))
            .collect();
        if open.is_empty() {
            return None;
        }
        let turn = || self.turn.fetch_add(1, Ordering::Relaxed) % open.len();
        match self.policy {
            Policy::RoundRobin => Some(open[turn()]),
            Policy::LeastConnections => {
                let (before, from) = open.split_at(turn());
                from.iter()
                    .chain(before)
                    .min_by_key(|replica| replica.in_flight())
                    .copied()
            }
            Policy::Random => {
                let first = open[self.random.below(open.len())];
                let second = open[self.random.below(open.len())];
                let fewer = second.in_flight() < first.in_flight();
                Some(if fewer { second } else { first })
            }
            Policy::SourceHash => open
                .iter()
                .max_by_key(|replica| mix(visitor.source ^ mix(replica.index as u64)))
                .copied(),
            Policy::Sticky => open
                .iter()
                .find(|replica| Some(replica.index) == visitor.cookie)
                .copied()
                .or_else(|| Some(open[turn()])),
        }
    }

    /// The cookie that a reply of this replica must set.
    pub(super) fn cookie_for(&self, replica: usize, visitor: &Visitor) -> Option<String> {
        (self.policy == Policy::Sticky && visitor.cookie != Some(replica))
            .then(|| format!("{}=r{replica}; Path=/; HttpOnly; SameSite=Lax", self.cookie))
    }
}

/// Who asks, as one number.
fn source(client: SocketAddr, headers: &HeaderMap) -> u64 {
    let forwarded = headers
        .get("x-forwarded-for")
        .and_then(|value| value.to_str().ok())
        .and_then(|list| list.split(',').next())
        .map(str::trim)
        .filter(|first| !first.is_empty());
    match forwarded {
        Some(first) => fnv(first.as_bytes()),
        None => fnv(client.to_string().as_bytes()),
    }
}

/// FNV-1a, 64 bits.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// SplitMix64's odd constant.
const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// `SplitMix64`'s output function (Steele, Lea and Flood 2014).
const fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(GAMMA);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// `SplitMix64`.
struct Random(AtomicU64);

impl Random {
    /// A number below `bound`, which is small: the bias is below bound / 2⁶⁴.
    fn below(&self, bound: usize) -> usize {
        let drawn = mix(self.0.fetch_add(GAMMA, Ordering::Relaxed));
        usize::try_from(drawn % bound as u64).unwrap_or(0)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::super::log::Log;
    use super::super::replicas::{Busy, Thresholds};
    use super::*;
    use std::time::Instant;

    fn replicas(count: usize) -> Vec<Arc<Replica>> {
        let log = Arc::new(Log::new(Box::new(|_| ())));
        let thresholds = Thresholds { fall: 1, rise: 1 };
        (0..count)
            .map(|index| {
                let address = SocketAddr::from(([127, 0, 0, 1], 4001));
                Arc::new(Replica::new(index, address, thresholds, Arc::clone(&log)))
            })
            .collect()
    }

    fn chooser(policy: Policy) -> Chooser {
        Chooser::new(policy, "c".to_owned(), 7)
    }

    fn counts(chooser: &Chooser, replicas: &[Arc<Replica>], times: usize) -> Vec<usize> {
        let mut counts = vec![0; replicas.len()];
        for _ in 0..times {
            let chosen = chooser.choose(replicas, &Visitor::default(), &[]);
            counts[chosen.unwrap().index] += 1;
        }
        counts
    }

    fn from(client: &str, forwarded: Option<&str>) -> Visitor {
        let mut headers = HeaderMap::new();
        if let Some(value) = forwarded {
            headers.insert("x-forwarded-for", value.parse().unwrap());
        }
        chooser(Policy::SourceHash).meet(client.parse().unwrap(), &mut headers)
    }

    #[test]
    fn round_robin_stays_even_when_a_replica_is_down() {
        let replicas = replicas(3);
        let chooser = chooser(Policy::RoundRobin);
        assert_eq!(counts(&chooser, &replicas, 30), [10, 10, 10]);
        replicas[1].tell_refused(Instant::now());
        assert_eq!(counts(&chooser, &replicas, 30), [15, 0, 15]);
    }

    #[test]
    fn least_connections_avoids_the_busy_and_takes_turns_among_the_idle() {
        let replicas = replicas(3);
        let chooser = chooser(Policy::LeastConnections);
        assert_eq!(counts(&chooser, &replicas, 30), [10, 10, 10]);
        let _busy: Busy = replicas[0].begin();
        let counts = counts(&chooser, &replicas, 30);
        assert_eq!((counts[0], counts[1] + counts[2]), (0, 30));
    }

    #[test]
    fn random_is_spread_and_prefers_the_idle_of_two() {
        let replicas = replicas(2);
        let chooser = chooser(Policy::Random);
        let idle = counts(&chooser, &replicas, 1000);
        assert!((440..=560).contains(&idle[0]), "{idle:?}");
        let _busy = replicas[0].begin();
        // Both draws must be the busy one: a quarter.
        let busy = counts(&chooser, &replicas, 1000);
        assert!((200..=300).contains(&busy[0]), "{busy:?}");
    }

    #[test]
    fn a_source_keeps_its_replica_and_only_the_ejected_ones_move() {
        let replicas = replicas(3);
        let chooser = chooser(Policy::SourceHash);
        let place = |number: usize| {
            let visitor = from(&format!("127.0.0.1:{}", 1000 + number), None);
            chooser.choose(&replicas, &visitor, &[]).unwrap().index
        };
        let before: Vec<usize> = (0..300).map(place).collect();
        for index in 0..3 {
            let share = before.iter().filter(|place| **place == index).count();
            assert!((70..=130).contains(&share), "{index}: {share}");
        }
        replicas[1].tell_refused(Instant::now());
        for (number, before) in before.iter().enumerate() {
            let after = place(number);
            assert!(after != 1 && (*before == 1 || after == *before));
        }
    }

    #[test]
    fn the_first_forwarded_address_is_the_source_whatever_the_connection() {
        let source = |client, forwarded| from(client, forwarded).source;
        assert_eq!(
            source("127.0.0.1:1", Some("10.0.0.9, 10.0.0.1")),
            source("127.0.0.1:2", Some(" 10.0.0.9"))
        );
        assert_ne!(source("127.0.0.1:1", None), source("127.0.0.1:2", None));
        assert_eq!(source("127.0.0.1:1", Some("")), source("127.0.0.1:1", None));
    }

    #[test]
    fn a_cookie_holds_until_its_replica_is_down_and_is_then_replaced_for_good() {
        let replicas = replicas(3);
        let chooser = chooser(Policy::Sticky);
        let meet = |cookie: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("cookie", cookie.parse().unwrap());
            chooser.meet("127.0.0.1:1".parse().unwrap(), &mut headers)
        };
        let held = meet("a=b; c=r2");
        for _ in 0..5 {
            assert_eq!(chooser.choose(&replicas, &held, &[]).unwrap().index, 2);
        }
        assert_eq!(chooser.cookie_for(2, &held), None);
        replicas[2].tell_refused(Instant::now());
        let other = chooser.choose(&replicas, &held, &[]).unwrap().index;
        let set = chooser.cookie_for(other, &held).unwrap();
        assert!(set.starts_with(&format!("c=r{other}; ")), "{set}");
        replicas[2].tell_check(Instant::now(), Ok(()));
        let moved = meet(&format!("c=r{other}"));
        assert_eq!(chooser.choose(&replicas, &moved, &[]).unwrap().index, other);
        for strange in ["c=r9", "c=2", "c=", "c=r-1", "d=r2"] {
            let visitor = meet(strange);
            assert!(chooser.choose(&replicas, &visitor, &[]).is_some());
            assert!(chooser.cookie_for(0, &visitor).is_some(), "{strange}");
        }
    }

    #[test]
    fn who_was_tried_is_not_chosen_again() {
        let replicas = replicas(2);
        let chooser = chooser(Policy::RoundRobin);
        let visitor = Visitor::default();
        for _ in 0..4 {
            assert_eq!(chooser.choose(&replicas, &visitor, &[0]).unwrap().index, 1);
        }
        assert!(chooser.choose(&replicas, &visitor, &[0, 1]).is_none());
    }
}
