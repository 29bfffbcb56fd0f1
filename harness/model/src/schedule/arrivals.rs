//! The load of a trial: which client is to do what, and when.

use super::draws::Draws;
use crate::ids::{ClientId, Seed};
use crate::operation::Step;
use crate::plan::{Arrivals, Load, Workload};
use crate::units::Span;

/// One operation the schedule wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// When, after the start of the load.
    pub at: Span,
    /// By whom.
    pub client: ClientId,
    /// What; a client without a session logs in instead.
    pub step: Step,
}

/// The endless stream of arrivals for one worker of a trial.
///
/// Worker k serves the clients whose number is k modulo the number of workers, at its share of the rate:
/// the sum of independent Poisson streams is a Poisson stream, so the whole is what the plan asked for.
#[derive(Debug)]
pub struct ArrivalStream {
    draws: Draws,
    arrivals: Arrivals,
    mean_gap_us: f64,
    next_us: f64,
    worker: u32,
    workers: u32,
    clients: u64,
    choices: Choices,
}

#[derive(Debug)]
enum Choices {
    Stateless,
    Mix {
        act: u64,
        check: u64,
        logout: u64,
        total: u64,
    },
}

impl ArrivalStream {
    /// The stream of worker `worker` (from 0) of a trial.
    pub fn new(load: &Load, trial_seed: Seed, worker: u32) -> Self {
        let clients = clients_of(load, worker);
        let mean_gap_us = 1e6 / (load.rate * f64::from(clients) / f64::from(load.clients));
        let choices = match &load.workload {
            Workload::Stateless(_) => Choices::Stateless,
            Workload::Sessions(flow) => {
                let (act, check) = (u64::from(flow.mix.act), u64::from(flow.mix.check));
                let logout = match flow.logout {
                    Some(_) => u64::from(flow.mix.logout),
                    None => 0,
                };
                let browse = match flow.browse {
                    Some(_) => u64::from(flow.mix.browse),
                    None => 0,
                };
                Choices::Mix {
                    act,
                    check,
                    logout,
                    total: act + check + logout + browse,
                }
            }
        };
        // Evenly spaced streams of several workers must not fall on the same instants.
        let offset = mean_gap_us * f64::from(worker) / f64::from(load.workers);
        Self {
            draws: Draws::new(trial_seed.0 ^ (u64::from(worker) << 32)),
            arrivals: load.arrivals,
            mean_gap_us,
            next_us: offset,
            worker,
            workers: load.workers,
            clients: u64::from(clients),
            choices,
        }
    }
}

/// How many clients a worker serves.
pub const fn clients_of(load: &Load, worker: u32) -> u32 {
    (load.clients + load.workers - 1 - worker) / load.workers
}

impl Iterator for ArrivalStream {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        self.next_us += match self.arrivals {
            Arrivals::Constant => self.mean_gap_us,
            Arrivals::Poisson => -self.mean_gap_us * self.draws.unit().ln(),
        };
        let client = self.draws.below(self.clients) as u32 * self.workers + self.worker;
        let step = match self.choices {
            Choices::Stateless => Step::Get,
            Choices::Mix {
                act,
                check,
                logout,
                total,
            } => {
                let draw = self.draws.below(total);
                if draw < act {
                    Step::Act
                } else if draw < act + check {
                    Step::Check
                } else if draw < act + check + logout {
                    Step::Logout
                } else {
                    Step::Get
                }
            }
        };
        Some(Arrival {
            at: Span::from_us(self.next_us as u64),
            client: ClientId(client),
            step,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::plan::test_plan;

    fn stream(load: &Load, seed: u64, worker: u32, count: usize) -> Vec<Arrival> {
        ArrivalStream::new(load, Seed(seed), worker)
            .take(count)
            .collect()
    }

    proptest! {
        #[test]
        fn each_worker_serves_its_own_clients_at_its_share_of_the_rate(
            seed: u64, clients in 1u32..50, workers in 1u32..4, poisson: bool,
        ) {
            let workers = workers.min(clients);
            let mut load = Load { clients, workers, rate: 1_000.0, ..test_plan().load };
            load.arrivals = if poisson { Arrivals::Poisson } else { Arrivals::Constant };
            let mut total = 0;
            for worker in 0..workers {
                total += clients_of(&load, worker);
                let drawn = stream(&load, seed, worker, 4_000);
                prop_assert!(drawn.iter().all(|a| a.client.0 < clients && a.client.0 % workers == worker));
                prop_assert!(drawn.is_sorted_by_key(|a| a.at));
                let seconds = drawn[3_999].at.as_secs();
                let wanted = 4_000.0 / (1_000.0 * f64::from(clients_of(&load, worker)) / f64::from(clients));
                // 4,000 exponential gaps: standard deviation 1.6 %, so 10 % is beyond six of them.
                prop_assert!((seconds / wanted - 1.0).abs() < 0.1, "{} against {}", seconds, wanted);
            }
            prop_assert_eq!(total, clients);
        }
    }
}
