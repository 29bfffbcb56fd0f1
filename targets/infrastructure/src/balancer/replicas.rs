//! The replicas: who is up, who is being drained, and what was seen of each.
//!
//! Two kinds of observation decide. *Active* checks eject after `fall` bad ones in a row and return after `rise` good
//! ones. *Passively* a refused connection ejects at once, and `fall` connections in a row that broke during a request
//! do. An observation that began before the replica's last ejection or return is of another time, and is ignored.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::log::{Event, Log};
use super::pool::Pool;

/// How many observations in a row it takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Thresholds {
    pub(super) fall: u32,
    pub(super) rise: u32,
}

/// One server behind the balancer.
pub(super) struct Replica {
    /// Its place in `--to`.
    pub(super) index: usize,
    pub(super) address: SocketAddr,
    /// Connections to it that wait for a request.
    pub(super) pool: Pool,
    in_flight: AtomicUsize,
    standing: Mutex<Standing>,
    thresholds: Thresholds,
    log: Arc<Log>,
}

#[derive(Debug)]
struct Standing {
    up: bool,
    draining: bool,
    /// When `up` last changed.
    since: Instant,
    /// Checks in a row that speak against it while it is up, or for it while it is down.
    checks: u32,
    /// Requests in a row whose connection broke.
    broken: u32,
}

/// A request that a replica is busy with; ends when dropped.
pub(super) struct Busy(pub(super) Arc<Replica>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Replica {
    /// A replica is taken to be up until something else is seen.
    pub(super) fn new(
        index: usize,
        address: SocketAddr,
        thresholds: Thresholds,
        log: Arc<Log>,
    ) -> Self {
        Self {
            index,
            address,
            pool: Pool::default(),
            in_flight: AtomicUsize::new(0),
            standing: Mutex::new(Standing {
                up: true,
                draining: false,
                since: Instant::now(),
                checks: 0,
                broken: 0,
            }),
            thresholds,
            log,
        }
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it may get a request.
    pub(super) fn is_open(&self) -> bool {
        let standing = self.standing();
        standing.up && !standing.draining
    }

    pub(super) fn is_up(&self) -> bool {
        self.standing().up
    }

    pub(super) fn is_draining(&self) -> bool {
        self.standing().draining
    }

    /// Requests sent to it whose replies have not been passed on to their end.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Counts a request until the guard is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> Busy {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        Busy(Arc::clone(self))
    }

    /// A request's connection was refused.
    pub(super) fn tell_refused(&self, begun: Instant) {
        let mut standing = self.standing();
        if standing.up && begun >= standing.since {
            self.eject(&mut standing, "refused");
        }
    }

    /// A request's connection broke before its reply was complete.
    pub(super) fn tell_reset(&self, begun: Instant) {
        let mut standing = self.standing();
        if !standing.up || begun < standing.since {
            return;
        }
        standing.broken += 1;
        if standing.broken >= self.thresholds.fall {
            self.eject(&mut standing, "reset");
        }
    }

    /// A reply began.
    pub(super) fn tell_answered(&self) {
        self.standing().broken = 0;
    }

    /// The result of an active check; `Err` has the problem.
    pub(super) fn tell_check(&self, begun: Instant, found: Result<(), String>) {
        let mut standing = self.standing();
        if begun < standing.since {
            return;
        }
        match (standing.up, found) {
            (true, Ok(())) | (false, Err(_)) => standing.checks = 0,
            (true, Err(why)) => {
                standing.checks += 1;
                if standing.checks >= self.thresholds.fall {
                    self.eject(&mut standing, &format!("check: {why}"));
                }
            }
            (false, Ok(())) => {
                standing.checks += 1;
                if standing.checks >= self.thresholds.rise {
                    standing.change(true);
                    self.log.write(&Event::Returned {
                        replica: self.address,
                        index: self.index,
                    });
                }
            }
        }
    }

    fn eject(&self, standing: &mut Standing, why: &str) {
        standing.change(false);
        self.pool.clear();
        self.log.write(&Event::Ejected {
            replica: self.address,
            index: self.index,
            why,
        });
    }

    /// Withholds requests from it, or no longer; those in flight go on.
    pub(super) fn set_draining(&self, draining: bool) {
        let mut standing = self.standing();
        if standing.draining == draining {
            return;
        }
        standing.draining = draining;
        let (replica, index) = (self.address, self.index);
        if draining {
            self.pool.clear();
            self.log.write(&Event::ReplicaDraining { replica, index });
        } else {
            self.log.write(&Event::ReplicaUndrained { replica, index });
        }
    }
}

impl Standing {
    fn change(&mut self, up: bool) {
        self.up = up;
        self.since = Instant::now();
        self.checks = 0;
        self.broken = 0;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn replica(fall: u32, rise: u32) -> (Replica, Arc<Mutex<Vec<String>>>) {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&lines);
        let log = Log::new(Box::new(move |line| {
            kept.lock().unwrap().push(line.to_owned());
        }));
        let address = "127.0.0.1:4001".parse().unwrap();
        let thresholds = Thresholds { fall, rise };
        (Replica::new(0, address, thresholds, Arc::new(log)), lines)
    }

    #[test]
    fn a_refused_connection_ejects_at_once_and_good_checks_bring_it_back() {
        let (replica, lines) = replica(3, 2);
        replica.tell_refused(Instant::now());
        assert!(!replica.is_open());
        replica.tell_check(Instant::now(), Ok(()));
        assert!(!replica.is_open());
        replica.tell_check(Instant::now(), Err("status 500".to_owned()));
        replica.tell_check(Instant::now(), Ok(()));
        assert!(!replica.is_open(), "the good checks were not in a row");
        replica.tell_check(Instant::now(), Ok(()));
        assert!(replica.is_open());
        let lines = lines.lock().unwrap();
        assert_eq!(lines.len(), 2);
        assert!(
            lines[0].contains(r#""event":"ejected","replica":"127.0.0.1:4001""#),
            "{lines:?}"
        );
        assert!(lines[0].contains(r#""why":"refused""#), "{lines:?}");
        assert!(lines[1].contains(r#""event":"returned""#), "{lines:?}");
    }

    #[test]
    fn resets_eject_only_when_enough_came_in_a_row() {
        let (replica, _) = replica(2, 1);
        replica.tell_reset(Instant::now());
        replica.tell_answered();
        replica.tell_reset(Instant::now());
        assert!(replica.is_open());
        replica.tell_reset(Instant::now());
        assert!(!replica.is_open());
    }

    #[test]
    fn what_began_before_the_last_change_is_ignored() {
        let (replica, lines) = replica(1, 1);
        let early = Instant::now();
        replica.tell_refused(Instant::now());
        replica.tell_check(early, Ok(()));
        assert!(!replica.is_open(), "a check of the old process returned it");
        replica.tell_check(Instant::now(), Ok(()));
        replica.tell_reset(early);
        replica.tell_refused(early);
        replica.tell_check(early, Err("refused".to_owned()));
        assert!(replica.is_open(), "the old process ejected the new one");
        assert_eq!(lines.lock().unwrap().len(), 2);
    }

    #[test]
    fn a_drained_replica_is_not_open_though_up() {
        let (replica, _) = replica(1, 1);
        replica.set_draining(true);
        assert!(replica.is_up() && !replica.is_open());
        replica.set_draining(false);
        assert!(replica.is_open());
    }
}
