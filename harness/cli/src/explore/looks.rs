//! What several looks at one disk come to. One that failed may be chance, or this machine's doing: only what fails alike twice counts,
//! and the server must come back on a disk that is known to be good in between. Of a server that is known to fail at random more is
//! asked.

use comeback_engine::{Took, Verification, Verified};
use comeback_load::probe::Missing;

/// After so many looks without a result nothing is said of a disk.
const MOST_LOOKS: usize = 4;
/// So many more looks must fail where the server fails at random.
const MORE_LOOKS: usize = 5;

/// What is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// The disk.
    First,
    /// A fresh copy of it, with more time.
    Again,
    /// The disk at the end of the run, on which all must be there, with more time.
    Good,
}

/// What the looks came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Looked {
    /// All is there.
    Whole,
    /// All is there, but only when there was more time.
    Slow,
    /// It failed twice alike: the latest of these.
    Failed(Verification),
    /// Nothing can be said.
    Unclear(Unclear, String),
}

/// Why nothing can be said of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Unclear {
    /// Somebody who never logged in was answered like a user.
    AnonymousKnown,
    /// It failed once, and was whole when it was tried again.
    Once,
    /// It failed each time in another way.
    Changing,
    /// It failed twice alike, and then not each time.
    Random,
    /// The good disk failed right after it, too.
    GoodFailed,
    /// The server could not be started, or not be asked.
    NotTried,
}

impl Unclear {
    /// Whether it shows that the server fails at random, or that this machine makes it fail.
    pub(super) const fn is_by_chance(self) -> bool {
        match self {
            Self::Once | Self::Changing | Self::Random | Self::GoodFailed => true,
            Self::AnonymousKnown | Self::NotTried => false,
        }
    }

    /// What happened on such disks, behind "on 2 disks".
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::AnonymousKnown => {
                "a check by somebody who never logged in was answered like a user's"
            }
            Self::Once => "the server failed once, and came back whole when it was tried again",
            Self::Changing => "the server failed each time in another way",
            Self::Random => {
                "the server failed twice in the same way, and not each time after that: it fails at random"
            }
            Self::GoodFailed => {
                "the server failed, and right after that on the disk at the end of the run, too"
            }
            Self::NotTried => "the server could not be tried",
        }
    }
}

/// How a look failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    /// The server says so itself: something is missing.
    Lost,
    /// It ended.
    Ended,
    /// It was not up in time, or did not answer as it should in time.
    Late,
}

/// A look that failed.
struct Failed {
    failure: Failure,
    verified: Verified,
    /// The server had come up.
    is_up: bool,
    problem: String,
    allowed: Took,
}

impl Failed {
    /// Whether it was late, and a server that took so long cannot have been in time then. Else it hung, and need not have come back
    /// however long it was waited for.
    fn needed(&self, took: Took) -> bool {
        let allowed = self.allowed;
        let is_longer = match self.is_up {
            true => took.looks > allowed.looks || took.reply > allowed.reply,
            false => took.start > allowed.start,
        };
        self.failure == Failure::Late && is_longer
    }
}

/// Looks until it is known what is on a disk.
///
/// # Errors
/// With those of a look.
pub(super) fn weigh<E>(mut look: impl FnMut(Ask) -> Result<Verification, E>) -> Result<Looked, E> {
    let mut failed: Vec<Failed> = Vec::new();
    let mut not_tried = None;
    for turn in 0..MOST_LOOKS {
        let ask = match turn {
            0 => Ask::First,
            _ => Ask::Again,
        };
        let Verification {
            verified,
            took,
            allowed,
        } = look(ask)?;
        let problem = problem(&verified);
        match &verified {
            Verified::Whole => return Ok(whole_after(&failed, took)),
            Verified::Anybody => return Ok(Looked::Unclear(Unclear::AnonymousKnown, problem)),
            _ => {}
        }
        let Some(failure) = failure_of(&verified) else {
            not_tried = Some(problem);
            continue;
        };
        let is_known = failed
            .last()
            .is_some_and(|last| are_alike(&last.verified, &verified));
        if is_known {
            return Ok(Looked::Failed(Verification {
                verified,
                took,
                allowed,
            }));
        }
        failed.push(Failed {
            failure,
            is_up: !matches!(verified, Verified::NotBack(_)),
            problem,
            verified,
            allowed,
        });
        // Something other than the disk may be the reason, and the server may say what is not so.
        let good = look(Ask::Good)?.verified;
        if good != Verified::Whole {
            return Ok(Looked::Unclear(Unclear::GoodFailed, self::problem(&good)));
        }
    }
    Ok(match (failed.pop(), not_tried) {
        (Some(last), None) => Looked::Unclear(Unclear::Changing, last.problem),
        (_, Some(problem)) => Looked::Unclear(Unclear::NotTried, problem),
        (None, None) => Looked::Unclear(Unclear::NotTried, String::new()),
    })
}

/// Looks several times more at a disk that failed so, of a server that is known to fail at random. `None` if it fails so each time, and
/// the good disk does not.
///
/// # Errors
/// With those of a look.
pub(super) fn doubt<E>(
    failed: &Verified,
    mut look: impl FnMut(Ask) -> Result<Verification, E>,
) -> Result<Option<(Unclear, String)>, E> {
    for _ in 0..MORE_LOOKS {
        let good = look(Ask::Good)?.verified;
        if good != Verified::Whole {
            return Ok(Some((Unclear::GoodFailed, problem(&good))));
        }
        let again = look(Ask::Again)?.verified;
        if !are_alike(failed, &again) {
            return Ok(Some((Unclear::Random, problem(failed))));
        }
    }
    Ok(None)
}

/// Whether the server itself says that something is missing.
pub(super) fn is_a_loss(verified: &Verified) -> bool {
    failure_of(verified) == Some(Failure::Lost)
}

/// What a loss comes to when the server was given as long as ever to read its files.
pub(super) fn settled(lost: &Verification, again: Verification) -> Looked {
    match &again.verified {
        // It was there later than it was asked for before.
        Verified::Whole if again.took.looks > lost.took.looks => Looked::Slow,
        Verified::Anybody => Looked::Unclear(Unclear::AnonymousKnown, problem(&again.verified)),
        Verified::Unclear(_) => Looked::Unclear(Unclear::NotTried, problem(&again.verified)),
        verified if are_alike(&lost.verified, verified) => Looked::Failed(again),
        _ => Looked::Unclear(Unclear::Random, problem(&lost.verified)),
    }
}

/// How a look failed; `None` if it did not, or tells nothing.
fn failure_of(verified: &Verified) -> Option<Failure> {
    match verified {
        Verified::Missing(_, missing) => match missing.iter().any(|one| one.is_answered) {
            true => Some(Failure::Lost),
            false => Some(Failure::Late),
        },
        Verified::NotBack(not_back) if !not_back.is_late => Some(Failure::Ended),
        Verified::NotBack(_) | Verified::NotServed(_) => Some(Failure::Late),
        Verified::Whole | Verified::Anybody | Verified::Unclear(_) => None,
    }
}

/// Whether two looks failed in the same way, and to the same user.
fn are_alike(one: &Verified, other: &Verified) -> bool {
    let failures = [failure_of(one), failure_of(other)];
    let is_shared = match (one, other) {
        (Verified::Missing(_, some), Verified::Missing(_, others)) => {
            let lost = |missing: &Missing, by_others: &Missing| {
                missing.user == by_others.user && missing.is_answered == by_others.is_answered
            };
            some.iter()
                .any(|one| others.iter().any(|other| lost(one, other)))
        }
        // Nobody is served.
        _ => true,
    };
    failures[0].is_some() && failures[0] == failures[1] && is_shared
}

/// A look that took so long found all there, after these that failed.
fn whole_after(failed: &[Failed], took: Took) -> Looked {
    let mut other = failed.iter().filter(|one| !one.needed(took));
    match (failed.is_empty(), other.next()) {
        (true, _) => Looked::Whole,
        (false, None) => Looked::Slow,
        (false, Some(one)) => Looked::Unclear(Unclear::Once, one.problem.clone()),
    }
}

/// What a server did on a disk, in a line.
pub(super) fn problem(verified: &Verified) -> String {
    match verified {
        Verified::Whole => "all is there".to_owned(),
        Verified::Anybody => "anybody is answered like a user".to_owned(),
        Verified::NotBack(not_back) => not_back.problem.clone(),
        Verified::NotServed(problem) => {
            format!("it came up, and serves no new user: {problem}")
        }
        Verified::Missing(_, missing) => {
            let more = match missing.len() {
                0 | 1 => String::new(),
                2 => "; and one more user".to_owned(),
                users => format!("; and {} more users", users - 1),
            };
            // What the server said itself tells more than that it said nothing.
            let answered = missing.iter().find(|one| one.is_answered);
            let first = answered.or(missing.first());
            let first = first.map_or_else(String::new, |one| {
                let writes = match one.writes {
                    0 => "a login".to_owned(),
                    1 => "a login and 1 write".to_owned(),
                    writes => format!("a login and {writes} writes"),
                };
                format!("user {}, {writes} acknowledged: {}", one.user, one.problem)
            });
            format!("{first}{more}")
        }
        Verified::Unclear(problem) => problem.clone(),
    }
}

#[cfg(test)]
mod tests {
    use comeback_engine::NotBack;
    use comeback_model::units::Span;

    use super::*;

    fn missing(is_answered: bool) -> Verified {
        missing_of(&[3], is_answered)
    }

    fn missing_of(users: &[u32], is_answered: bool) -> Verified {
        let missing = users.iter().map(|user| Missing {
            user: *user,
            writes: 2,
            problem: "check: wrong value".to_owned(),
            is_answered,
        });
        Verified::Missing(1, missing.collect())
    }

    fn not_back(is_late: bool) -> Verified {
        Verified::NotBack(NotBack {
            problem: format!("not back, late: {is_late}"),
            tail: Vec::new(),
            is_late,
        })
    }

    fn unclear() -> Verified {
        Verified::Unclear("no port".to_owned())
    }

    const fn took(start: u64, looks: u64, reply: u64) -> Took {
        Took {
            start: Span::from_ms(start),
            looks: Span::from_ms(looks),
            reply: Span::from_ms(reply),
        }
    }

    /// A look that was quick.
    fn quick(verified: Verified) -> Verification {
        slow(verified, took(100, 50, 5))
    }

    /// A look that took so long. The first one would not have been given as much as 5 s, 3 s and 2 s.
    fn slow(verified: Verified, took_so: Took) -> Verification {
        Verification {
            verified,
            took: took_so,
            allowed: took(5_000, 3_000, 2_000),
        }
    }

    /// What these looks come to, one after the other, and what was looked at.
    fn of(looks: Vec<Verified>) -> (Looked, Vec<Ask>) {
        of_tries(looks.into_iter().map(quick).collect())
    }

    fn of_tries(looks: Vec<Verification>) -> (Looked, Vec<Ask>) {
        let mut asked = Vec::new();
        let mut looks = looks.into_iter();
        let looked = weigh(|ask| {
            asked.push(ask);
            looks.next().ok_or("it is not asked that often")
        });
        assert_eq!(looks.next(), None, "{asked:?}");
        (looked.expect("there are enough"), asked)
    }

    #[test]
    fn a_disk_on_which_all_is_there_is_looked_at_once() {
        assert_eq!(of(vec![Verified::Whole]), (Looked::Whole, vec![Ask::First]));
    }

    #[test]
    fn a_loss_that_the_server_tells_twice_is_one() {
        let (looked, asked) = of(vec![missing(true), Verified::Whole, missing(true)]);
        assert_eq!(looked, Looked::Failed(quick(missing(true))));
        assert_eq!(asked, [Ask::First, Ask::Good, Ask::Again]);
        let (looked, _) = of(vec![missing(true), Verified::Whole, Verified::Whole]);
        assert!(
            matches!(&looked, Looked::Unclear(Unclear::Once, problem) if problem.contains("user 3")),
            "{looked:?}"
        );
    }

    #[test]
    fn a_server_that_is_not_back_must_fail_again_after_a_good_disk_did_not() {
        for failed in [
            not_back(false),
            not_back(true),
            Verified::NotServed("503".to_owned()),
            missing(false),
            missing(true),
        ] {
            let (looked, asked) = of(vec![failed.clone(), Verified::Whole, failed.clone()]);
            assert_eq!(looked, Looked::Failed(quick(failed.clone())));
            assert_eq!(asked, [Ask::First, Ask::Good, Ask::Again]);
            // Where the good one fails as well, this machine may be the reason.
            let (looked, _) = of(vec![failed.clone(), not_back(true)]);
            let unclear = Looked::Unclear(Unclear::GoodFailed, "not back, late: true".to_owned());
            assert_eq!(looked, unclear);
        }
    }

    #[test]
    fn a_server_that_only_needed_more_time_lost_nothing() {
        for (late, needed) in [
            (not_back(true), took(5_001, 50, 5)),
            (missing(false), took(100, 3_001, 5)),
            (missing(false), took(100, 2_500, 2_001)),
            (
                Verified::NotServed("503".to_owned()),
                took(100, 2_500, 2_001),
            ),
        ] {
            let again = slow(Verified::Whole, needed);
            let (looked, _) = of_tries(vec![quick(late), quick(Verified::Whole), again]);
            assert_eq!(looked, Looked::Slow);
        }
        // One that ended did not only need time.
        let again = slow(Verified::Whole, took(9_000, 9_000, 9_000));
        let looks = vec![quick(not_back(false)), quick(Verified::Whole), again];
        let (looked, _) = of_tries(looks);
        assert!(
            matches!(looked, Looked::Unclear(Unclear::Once, _)),
            "{looked:?}"
        );
    }

    #[test]
    fn a_server_that_hung_once_and_needed_no_more_time_then_is_unclear() {
        for (late, needed) in [
            (not_back(true), took(5_000, 50, 5)),
            // What was slow is not what was missed.
            (not_back(true), took(100, 9_000, 9_000)),
            (missing(false), took(9_000, 3_000, 2_000)),
        ] {
            let again = slow(Verified::Whole, needed);
            let looks = vec![quick(late.clone()), quick(Verified::Whole), again];
            let (looked, _) = of_tries(looks);
            let unclear = Looked::Unclear(Unclear::Once, problem(&late));
            assert_eq!(looked, unclear);
        }
    }

    #[test]
    fn a_loss_that_was_told_once_is_not_forgotten_for_a_late_answer() {
        let looks = vec![
            missing(true),
            Verified::Whole,
            missing(false),
            Verified::Whole,
            Verified::Whole,
        ];
        let (looked, asked) = of(looks);
        assert!(
            matches!(looked, Looked::Unclear(Unclear::Once, _)),
            "{looked:?}"
        );
        let good = Ask::Good;
        assert_eq!(asked, [Ask::First, good, Ask::Again, good, Ask::Again]);
    }

    #[test]
    fn what_fails_each_time_in_another_way_is_unclear() {
        let looks = vec![
            missing(true),
            Verified::Whole,
            not_back(false),
            Verified::Whole,
            missing(true),
            Verified::Whole,
            not_back(true),
            Verified::Whole,
        ];
        let (looked, _) = of(looks);
        assert!(
            matches!(looked, Looked::Unclear(Unclear::Changing, _)),
            "{looked:?}"
        );
    }

    #[test]
    fn another_user_who_lost_something_is_not_the_same_failure() {
        let two = |users: &[u32]| {
            let looks = vec![
                missing_of(&[3, 4], true),
                Verified::Whole,
                missing_of(users, true),
            ];
            let mut looks = looks.into_iter().map(quick);
            weigh(|_| Ok::<_, ()>(looks.next().unwrap_or_else(|| quick(Verified::Whole))))
        };
        assert!(matches!(two(&[4, 5]), Ok(Looked::Failed(_))));
        let chance = two(&[5]);
        assert!(
            matches!(chance, Ok(Looked::Unclear(Unclear::Once, _))),
            "{chance:?}"
        );
    }

    #[test]
    fn what_is_there_only_after_a_while_is_no_loss() {
        let lost = slow(missing(true), took(100, 600, 5));
        let of = |verified, looks| settled(&lost, slow(verified, took(100, looks, 5)));
        assert_eq!(of(Verified::Whole, 601), Looked::Slow);
        // It was there at once: that it was missing was chance.
        let chance = of(Verified::Whole, 50);
        assert!(
            matches!(chance, Looked::Unclear(Unclear::Random, _)),
            "{chance:?}"
        );
        assert!(matches!(of(missing(true), 9_000), Looked::Failed(_)));
        let other = of(missing_of(&[1], true), 9_000);
        assert!(
            matches!(other, Looked::Unclear(Unclear::Random, _)),
            "{other:?}"
        );
    }

    #[test]
    fn of_a_server_that_fails_at_random_a_disk_must_fail_each_time() {
        let looks = |looks: Vec<Verified>| {
            let mut asked = Vec::new();
            let mut looks = looks.into_iter();
            let doubted = doubt(&missing(true), |ask| {
                asked.push(ask);
                looks.next().map(quick).ok_or("it is not asked that often")
            });
            assert_eq!(looks.next(), None, "{asked:?}");
            (doubted.map(|found| found.map(|(why, _)| why)), asked)
        };
        let pair = || [Verified::Whole, missing(true)];
        let each_time: Vec<Verified> = (0..MORE_LOOKS).flat_map(|_| pair()).collect();
        let (doubted, asked) = looks(each_time.clone());
        assert_eq!(doubted, Ok(None));
        assert_eq!(asked, [Ask::Good, Ask::Again].repeat(MORE_LOOKS));
        for other in [Verified::Whole, not_back(false), missing_of(&[1], true)] {
            let mut but_once = each_time.clone();
            but_once.pop();
            but_once.push(other);
            assert_eq!(looks(but_once).0, Ok(Some(Unclear::Random)));
        }
        let good_failed = vec![Verified::Whole, missing(true), missing(true)];
        assert_eq!(looks(good_failed).0, Ok(Some(Unclear::GoodFailed)));
    }

    #[test]
    fn a_start_that_failed_for_another_reason_is_tried_again_and_never_a_loss() {
        let (looked, _) = of(vec![unclear(), Verified::Whole]);
        assert_eq!(looked, Looked::Whole);
        let (looked, _) = of(vec![unclear(); MOST_LOOKS]);
        let not_tried = Looked::Unclear(Unclear::NotTried, "no port".to_owned());
        assert_eq!(looked, not_tried);
        // A single failure beside it is none that comes again.
        let looks = vec![
            missing(true),
            Verified::Whole,
            unclear(),
            unclear(),
            unclear(),
        ];
        assert_eq!(of(looks).0, not_tried);
        let (looked, _) = of(vec![
            unclear(),
            missing(true),
            Verified::Whole,
            missing(true),
        ]);
        assert_eq!(looked, Looked::Failed(quick(missing(true))));
    }

    #[test]
    fn an_anonymous_check_that_is_known_says_nothing_of_a_disk() {
        let (looked, _) = of(vec![Verified::Anybody]);
        assert!(
            matches!(looked, Looked::Unclear(Unclear::AnonymousKnown, _)),
            "{looked:?}"
        );
    }
}
