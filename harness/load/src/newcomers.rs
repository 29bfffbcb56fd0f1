//! Newcomers: users who log in right before a fault, where hardly anybody else does. A server may acknowledge a login before it has
//! stored it. The worker has them log in.

use comeback_model::plan::{Load, Mix, Workload};
use comeback_model::schedule::clients_of;
use comeback_model::units::{Elapsed, Span};

/// So long before the planned fault one newcomer each logs in, in ms: a server may acknowledge a login before it has stored it.
const AHEAD_MS: [u64; 3] = [200, 100, 40];
/// Where users log out, too, there are newcomers if fewer logins a second than this are to be expected: three within the last 200 ms.
const ENOUGH_LOGINS: f64 = 15.0;
/// A fault may come later than planned: it waits for a write, an event, or a command. Meanwhile a newcomer each logs in so long after
/// the one before.
const APART: Span = Span::from_ms(100);
/// So many do at the most, all within 20 s. They are no part of the load that was asked for.
const AT_MOST: u64 = 200;

/// Whether too few logins would come right before the fault otherwise: nobody logs out, or few do.
pub(super) fn are_needed(load: &Load) -> bool {
    let Workload::Sessions(flow) = &load.workload else {
        return false;
    };
    let Mix {
        act,
        check,
        logout,
        browse,
    } = flow.mix;
    let all: f64 = [act, check, logout, browse].map(f64::from).iter().sum();
    let logins = match flow.logout {
        Some(_) if logout > 0 => load.rate * f64::from(logout) / all,
        Some(_) | None => 0.0,
    };
    logins < ENOUGH_LOGINS
}

/// When the newcomers among a worker's clients come, in ms before the fault. Of few clients there are not too many, whatever the number
/// of workers; and each worker has a client who does what the schedule has for them until then.
pub(super) fn of_worker(load: &Load, index: u32) -> Vec<u64> {
    let most = AHEAD_MS.len().min(load.clients as usize / 4);
    let turns = (1..).take(AHEAD_MS.len());
    let able = turns
        .flat_map(|turn| (0..load.workers).filter(move |worker| clients_of(load, *worker) > turn));
    let in_turns = able.zip(AHEAD_MS).take(most);
    let own = in_turns.filter(|(worker, _)| *worker == index);
    own.map(|(_, ahead)| ahead).collect()
}

/// When a newcomer logs in who does so that long before the planned fault.
pub(super) fn before(fault: Elapsed, ahead_ms: u64) -> Elapsed {
    let ahead = Span::from_ms(ahead_ms).as_us();
    Elapsed::from_us(fault.as_us().saturating_sub(ahead))
}

/// When newcomers log in while the fault that was planned for that moment has not come. They go on from the last one before it.
pub(super) fn while_waited_for(fault: Elapsed) -> impl Iterator<Item = Elapsed> {
    let [.., last] = AHEAD_MS;
    (1..=AT_MOST).map(move |nth| {
        let after = Span::from_us(APART.as_us() * nth);
        before(fault, last) + after
    })
}

#[cfg(test)]
mod tests {
    use comeback_model::plan::{Request, SessionFlow};

    use super::*;

    #[test]
    fn there_are_as_many_newcomers_whatever_the_number_of_workers() {
        let load = Load::of(Workload::Stateless(Box::new(Request::new("GET", "/"))));
        let of = |clients, workers| {
            let load = Load {
                clients,
                workers,
                ..load.clone()
            };
            let all: Vec<Vec<u64>> = (0..workers).map(|index| of_worker(&load, index)).collect();
            for (own, index) in all.iter().zip(0..) {
                assert!(own.len() < clients_of(&load, index) as usize, "{all:?}");
            }
            all
        };
        assert_eq!(of(100, 1), [[200, 100, 40]]);
        assert_eq!(of(100, 2), [vec![200, 40], vec![100]]);
        assert_eq!(of(100, 4), [vec![200], vec![100], vec![40], vec![]]);
        assert_eq!(of(8, 2), [[200], [100]]);
        assert_eq!(of(3, 1), [vec![0; 0]]);
        // A worker's only client does what the schedule has for it from the beginning on.
        assert_eq!(of(12, 11).concat(), [200]);
        assert!(of(12, 12).concat().is_empty());
    }

    #[test]
    fn newcomers_come_where_hardly_anybody_logs_in_anew() {
        let needs = |rate, logout| {
            let mut flow = SessionFlow::reference();
            (flow.mix.act, flow.mix.check, flow.mix.browse) = (50, 49, 0);
            flow.mix.logout = logout;
            are_needed(&Load {
                rate,
                ..Load::of(Workload::Sessions(Box::new(flow)))
            })
        };
        assert!(needs(1_000.0, 0));
        // A hundredth of them logins.
        assert!(needs(1_000.0, 1));
        assert!(needs(1_499.0, 1));
        assert!(!needs(1_500.0, 1));
        assert!(!needs(200.0, 15));
        let page = Request::new("GET", "/");
        assert!(!are_needed(&Load::of(Workload::Stateless(Box::new(page)))));
    }

    #[test]
    fn newcomers_go_on_logging_in_while_the_fault_is_waited_for_and_not_for_ever() {
        let fault = Elapsed::from_us(5_000_000);
        let moments: Vec<u64> = while_waited_for(fault)
            .map(|at| at.as_us() / 1_000)
            .collect();
        assert_eq!(moments[..3], [5_060, 5_160, 5_260]);
        assert_eq!(moments.len(), 200);
    }
}
