//! What is told of a failure: what the server lacks, and the calls and acknowledgements around the cut. Pure.

use std::time::Duration;

use comeback_disk::explore::Spoken;
use comeback_disk::record::{Ended, Record};
use comeback_engine::Work;

use super::document::{self, Around};

/// The calls, and the acknowledgements between them.
pub(super) fn around(calls: &[Spoken], moment: Option<Duration>, work: &Work) -> Vec<Around> {
    let (Some(first), Some(last)) = (calls.first(), calls.last()) else {
        return Vec::new();
    };
    let is_near = |at: Duration| first.at <= at && at <= last.at.max(moment.unwrap_or(at));
    let acknowledged = work
        .acknowledged
        .iter()
        .filter(|one| is_near(one.at))
        .map(|one| {
            let what = match one.write {
                0 => format!("acknowledged: the login of user {}", one.user),
                write => format!("acknowledged: write {write} of user {}", one.user),
            };
            (one.at, what, moment.is_some_and(|moment| one.at > moment))
        });
    let calls = calls
        .iter()
        .map(|call| (call.at, call.text.clone(), call.is_after));
    let mut all: Vec<(Duration, String, bool)> = calls.chain(acknowledged).collect();
    all.sort_by_key(|(at, _, is_after)| (*is_after, *at));
    let since = |at: Duration| at.as_secs_f64() - work.ready.as_secs_f64();
    all.into_iter()
        .map(|(at, what, after_cut)| Around {
            at_ms: (since(at) * 1e6).round() / 1e3,
            what,
            after_cut,
        })
        .collect()
}

/// The moment from which on calls are not on record.
pub(super) const fn full_at(record: &Record) -> Option<Duration> {
    match record.ended {
        Ended::Whole => None,
        Ended::Full(at) => Some(at),
    }
}

/// The run that was recorded, in numbers.
pub(super) fn work((record, work): (&Record, &Work)) -> document::Work {
    let acknowledged = &work.acknowledged;
    let logins = acknowledged.iter().filter(|one| one.write == 0).count();
    let is_late = |at: Duration| full_at(record).is_some_and(|full| at > full);
    document::Work {
        calls: record.calls.len(),
        logins,
        writes: acknowledged.len() - logins,
        after_record: acknowledged.iter().filter(|one| is_late(one.at)).count(),
    }
}

/// What weakens the result.
pub(super) fn remarks(of: (&Record, &Work)) -> Vec<String> {
    let mut remarks = Vec::new();
    if let Some(problem) = of.1.problems.first() {
        let users = of.1.problems.len();
        remarks.push(format!(
            "{users} users gave up in the run without a fault; the first: {problem}"
        ));
    }
    if full_at(of.0).is_some() {
        let mut remark =
            "the record of the disk was full before the run was over: ask for fewer --acts"
                .to_owned();
        match work(of).after_record {
            0 => {}
            late => remark.push_str(&format!(
                " ({late} acknowledgements came after that, and are asked for on no disk)"
            )),
        }
        remarks.push(remark);
    }
    remarks
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use comeback_disk::record::{Access, Call, Noted};
    use comeback_engine::Acknowledged;
    use comeback_model::plan::DiskModel;

    use super::*;

    const fn at(us: u64) -> Duration {
        Duration::from_micros(us)
    }

    fn ran(ended: Ended) -> (Record, Work) {
        let access = Access {
            mode: 0o700,
            uid: 0,
            gid: 0,
        };
        let call = Noted {
            at: at(10),
            call: Call::Sync(1, false),
        };
        let record = Record {
            rule: DiskModel::Ext4,
            root: access,
            calls: vec![call],
            ended,
        };
        let acknowledged = [(20, 0), (30, 1), (40, 2)].map(|(us, write)| Acknowledged {
            at: at(us),
            user: 0,
            write,
        });
        let work = Work {
            record: PathBuf::new(),
            ready: at(5),
            acknowledged: acknowledged.to_vec(),
            first_acts: vec![(0, at(25))],
            problems: Vec::new(),
        };
        (record, work)
    }

    #[test]
    fn acknowledgements_after_the_end_of_a_full_record_are_told() {
        let (record, done) = ran(Ended::Full(at(30)));
        let told = work((&record, &done));
        assert_eq!((told.logins, told.writes, told.after_record), (1, 2, 1));
        let remarks = remarks((&record, &done));
        assert_eq!(remarks.len(), 1);
        assert!(remarks[0].contains("1 acknowledgements came after that"));
        let (record, done) = ran(Ended::Whole);
        assert_eq!(work((&record, &done)).after_record, 0);
        assert!(super::remarks((&record, &done)).is_empty());
    }

    #[test]
    fn an_acknowledgement_stands_on_the_side_of_the_cut_on_which_it_counts() {
        let (_, work) = ran(Ended::Whole);
        let call = |us, is_after| Spoken {
            at: at(us),
            text: format!("call at {us}"),
            is_after,
        };
        let calls = [call(10, false), call(30, true), call(50, true)];
        // One at the very moment of the next call had been received before it was noted.
        let told = around(&calls, Some(at(30)), &work);
        let told: Vec<(&str, bool)> = told
            .iter()
            .map(|one| (one.what.as_str(), one.after_cut))
            .collect();
        assert_eq!(
            told,
            [
                ("call at 10", false),
                ("acknowledged: the login of user 0", false),
                ("acknowledged: write 1 of user 0", false),
                ("call at 30", true),
                ("acknowledged: write 2 of user 0", true),
                ("call at 50", true),
            ]
        );
    }
}
