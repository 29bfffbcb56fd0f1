//! The controls that frame an exploration: on a disk that has all, all must be there, and on one that cannot have it, it must be
//! missing. Pure: which disks those are, and what a look at them says.

use std::time::Duration;

use comeback_disk::record::Record;
use comeback_engine::{Verified, Work};
use comeback_load::probe::Missing;

use super::looks::problem;

/// Whether a look at a disk without these users' writes saw that they are missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Teeth {
    /// It did.
    Bites,
    /// It did not see it of this user.
    Blind(u32),
    /// It says nothing.
    Mute(String),
}

/// What a look at a disk says that holds nothing of what these users wrote.
pub(super) fn teeth(verified: &Verified, writers: &[u32]) -> Teeth {
    let Some(first) = writers.first() else {
        return Teeth::Mute("nobody wrote".to_owned());
    };
    match verified {
        Verified::Whole | Verified::Anybody => Teeth::Blind(*first),
        Verified::Missing(_, missing) => {
            let found = |user: &&u32| missing.iter().all(|one| one.user != **user);
            if let Some(user) = writers.iter().find(found) {
                return Teeth::Blind(*user);
            }
            let of_writers = missing.iter().filter(|one| writers.contains(&one.user));
            let unanswered = of_writers.into_iter().find(|one| !one.is_answered);
            unanswered.map_or(Teeth::Bites, |one| Teeth::Mute(one.problem.clone()))
        }
        Verified::NotBack(_) | Verified::NotServed(_) | Verified::Unclear(_) => {
            Teeth::Mute(problem(verified))
        }
    }
}

/// The users of whom a write was acknowledged before this moment.
pub(super) fn writers(work: &Work, moment: Option<Duration>) -> Vec<u32> {
    let writes = work.acknowledged.iter().filter(|one| one.write > 0);
    let is_before = |at: Duration| moment.is_none_or(|moment| at <= moment);
    let mut writers: Vec<u32> = writes
        .filter(|one| is_before(one.at))
        .map(|one| one.user)
        .collect();
    writers.sort_unstable();
    writers.dedup();
    writers
}

/// The last of these users who began to write, and the last call that was noted before.
pub(super) fn before_first_write(
    record: &Record,
    work: &Work,
    writers: &[u32],
) -> Option<(u32, usize)> {
    let first_acts = work.acknowledged.iter().filter(|one| one.write == 1);
    let of_writers = first_acts.filter(|one| writers.contains(&one.user));
    let last = of_writers.max_by_key(|one| one.begun)?;
    let calls = record.calls.partition_point(|noted| noted.at < last.begun);
    Some((last.user, calls.checked_sub(1)?))
}

/// A user who misses something, and the last call that was noted before it was acknowledged: if it is missing after that call, too, it
/// was acknowledged before its bytes were handed over. What is missing later only may have been cut off since.
pub(super) fn at_acknowledgement(
    record: &Record,
    work: &Work,
    missing: &[Missing],
) -> Option<(u32, usize)> {
    missing
        .iter()
        .filter(|one| one.is_answered)
        .find_map(|one| {
            let mut all = work.acknowledged.iter();
            let last = all.find(|known| known.user == one.user && known.write == one.writes)?;
            let calls = record.calls.partition_point(|noted| noted.at < last.at);
            Some((one.user, calls.checked_sub(1)?))
        })
}

/// How long the looks at early disks must lie back until a look at the latest one tells of no expired session: a user's last
/// request was so much later than the login at the most.
pub(super) fn ages_by(work: &Work) -> Duration {
    let last = work.acknowledged.iter().map(|one| one.at).max();
    last.map_or(Duration::ZERO, |last| last.saturating_sub(work.ready))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use comeback_disk::record::{Access, Call, Ended, Noted};
    use comeback_engine::{Acknowledged, NotBack};
    use comeback_model::plan::DiskModel;

    use super::*;

    const fn at(us: u64) -> Duration {
        Duration::from_micros(us)
    }

    fn missing(users: &[(u32, bool)]) -> Verified {
        let missing = users.iter().map(|(user, is_answered)| Missing {
            user: *user,
            writes: 1,
            problem: format!("user {user} is unknown"),
            is_answered: *is_answered,
        });
        Verified::Missing(0, missing.collect())
    }

    fn work() -> Work {
        let acknowledged = [
            (950, 1_000, 0, 0),
            (950, 1_100, 1, 0),
            (1_500, 2_000, 0, 1),
            (8_000, 9_000, 1, 1),
        ];
        let acknowledged = acknowledged.map(|(begun, us, user, write)| Acknowledged {
            begun: at(begun),
            at: at(us),
            user,
            write,
        });
        Work {
            record: PathBuf::new(),
            ready: at(900),
            acknowledged: acknowledged.to_vec(),
            problems: Vec::new(),
        }
    }

    #[test]
    fn a_check_that_shows_a_write_on_a_disk_without_it_is_blind() {
        assert_eq!(teeth(&Verified::Whole, &[0, 1]), Teeth::Blind(0));
        assert_eq!(teeth(&Verified::Anybody, &[1]), Teeth::Blind(1));
        // One user's session may be elsewhere than the others'.
        assert_eq!(teeth(&missing(&[(0, true)]), &[0, 1]), Teeth::Blind(1));
        let all = missing(&[(0, true), (1, true)]);
        assert_eq!(teeth(&all, &[0, 1]), Teeth::Bites);
        // Who wrote nothing may be known by what the user carries.
        assert_eq!(teeth(&all, &[1]), Teeth::Bites);
    }

    #[test]
    fn a_check_without_an_answer_sees_nothing() {
        let all = missing(&[(0, true), (1, false)]);
        assert_eq!(
            teeth(&all, &[0, 1]),
            Teeth::Mute("user 1 is unknown".to_owned())
        );
        let not_back = Verified::NotBack(NotBack {
            problem: "it ended".to_owned(),
            tail: Vec::new(),
            is_late: false,
        });
        assert_eq!(teeth(&not_back, &[0]), Teeth::Mute("it ended".to_owned()));
        assert!(matches!(teeth(&all, &[]), Teeth::Mute(_)));
    }

    #[test]
    fn only_what_was_acknowledged_before_the_record_ended_is_asked_for() {
        assert_eq!(writers(&work(), None), [0, 1]);
        assert_eq!(writers(&work(), Some(at(8_999))), [0]);
        assert!(writers(&work(), Some(at(1_999))).is_empty());
    }

    #[test]
    fn a_disk_from_before_a_first_write_ends_with_the_last_call_before_it_was_begun() {
        let access = Access {
            mode: 0o700,
            uid: 0,
            gid: 0,
        };
        let calls = [800, 1_400, 7_999, 8_000].map(|us| Noted {
            at: at(us),
            call: Call::Sync(1, false),
        });
        let record = Record {
            rule: DiskModel::Ext4,
            root: access,
            calls: calls.to_vec(),
            ended: Ended::Whole,
        };
        let before = |writers: &[u32]| before_first_write(&record, &work(), writers);
        assert_eq!(before(&[0, 1]), Some((1, 2)));
        assert_eq!(before(&[0]), Some((0, 1)));
        assert_eq!(before(&[]), None);
    }

    #[test]
    fn an_early_acknowledgement_is_looked_for_where_it_came() {
        let access = Access {
            mode: 0o700,
            uid: 0,
            gid: 0,
        };
        // The second user's first write is acknowledged at 9 ms.
        let calls = [800, 8_999, 9_000, 9_500].map(|us| Noted {
            at: at(us),
            call: Call::Sync(1, false),
        });
        let record = Record {
            rule: DiskModel::Ext4,
            root: access,
            calls: calls.to_vec(),
            ended: Ended::Whole,
        };
        let of = |users: &[(u32, bool)]| match missing(users) {
            Verified::Missing(_, missing) => at_acknowledgement(&record, &work(), &missing),
            _ => None,
        };
        assert_eq!(of(&[(1, true)]), Some((1, 1)));
        assert_eq!(of(&[(0, false), (1, true)]), Some((1, 1)));
        // Nothing is known of who was not answered.
        assert_eq!(of(&[(1, false)]), None);
    }

    #[test]
    fn sessions_are_older_at_the_last_control_than_at_any_look() {
        assert_eq!(ages_by(&work()), at(8_100));
    }
}
