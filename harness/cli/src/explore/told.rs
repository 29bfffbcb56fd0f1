//! What is told of the run and its disks: the calls and acknowledgements around a cut, and the acknowledgements that came before what
//! was written for them was durable. Pure.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use comeback_disk::explore::{Early, Request, Spoken, early};
use comeback_disk::record::Record;
use comeback_engine::{Acknowledged, Work};

use super::document::{self, Around, Durability, EarlyReplies};

/// So many files are named that were not durable.
const FILES: usize = 3;

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

/// The run that was recorded, in numbers.
pub(super) fn work((record, work): (&Record, &Work)) -> document::Work {
    let acknowledged = &work.acknowledged;
    let logins = acknowledged.iter().filter(|one| one.write == 0).count();
    let is_late = |at: Duration| record.full_at().is_some_and(|full| at > full);
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
    if of.0.full_at().is_some() {
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

/// Acknowledgements that came before what was written for them was durable, by what was asked for: the login, or an act. Only those are
/// looked at during which no other request was under way: what is written meanwhile is theirs, or the server's own.
///
/// # Errors
/// If the calls do not fit together.
pub(super) fn durability(
    (record, work): (&Record, &Work),
    [login, act]: &[String; 2],
) -> io::Result<Durability> {
    let (alone, overlapping) = alone(record, &work.acknowledged);
    let requests: Vec<Request> = alone
        .iter()
        .map(|one| Request {
            begun: one.begun,
            answered: one.at,
        })
        .collect();
    let mut found: BTreeMap<&str, Vec<(&Acknowledged, Early)>> = BTreeMap::new();
    let name = |one: &Acknowledged| match one.write {
        0 => login.as_str(),
        _ => act.as_str(),
    };
    for (one, early) in alone.iter().zip(early(record, &requests)?) {
        if let Some(early) = early {
            found.entry(name(one)).or_default().push((one, early));
        }
    }
    let early = found.into_iter().map(|(request, all)| EarlyReplies {
        acknowledgements: all.len(),
        of: alone.iter().filter(|one| name(one) == request).count(),
        files: files(&all),
        around: all.first().map_or_else(Vec::new, |(one, early)| {
            around(&early.calls, Some(one.at), work)
        }),
        request: request.to_owned(),
    });
    Ok(Durability {
        early: early.collect(),
        acknowledgements: alone.len(),
        overlapping,
    })
}

/// The acknowledgements during whose requests no other was under way, and how many others there are. None came after the record was
/// full.
fn alone<'w>(record: &Record, all: &'w [Acknowledged]) -> (Vec<&'w Acknowledged>, usize) {
    let is_on_record = |one: &&Acknowledged| record.full_at().is_none_or(|full| one.at < full);
    let on_record: Vec<&Acknowledged> = all.iter().filter(is_on_record).collect();
    let overlaps = |one: &Acknowledged, other: &Acknowledged| {
        (one.user, one.write) != (other.user, other.write)
            && other.begun <= one.at
            && one.begun <= other.at
    };
    let is_alone = |one: &&Acknowledged| !all.iter().any(|other| overlaps(one, other));
    let alone: Vec<&Acknowledged> = on_record.iter().copied().filter(is_alone).collect();
    let overlapping = on_record.len() - alone.len();
    (alone, overlapping)
}

/// The files that were not durable most often, each with how often that was where there are several.
fn files(all: &[(&Acknowledged, Early)]) -> Vec<String> {
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    for file in all.iter().flat_map(|(_, early)| &early.files) {
        *times.entry(file).or_default() += 1;
    }
    let mut files: Vec<(&str, usize)> = times.into_iter().collect();
    files.sort_by_key(|(_, times)| usize::MAX - times);
    let more = files.len().saturating_sub(FILES);
    files.truncate(FILES);
    let mut named: Vec<String> = files
        .into_iter()
        .map(|(file, times)| format!("{file} ({times})"))
        .collect();
    if more > 0 {
        named.push(format!("{more} more"));
    }
    named
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use comeback_disk::record::{Access, Call, Ended, Noted};
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
            begun: at(us - 5),
            at: at(us),
            user: 0,
            write,
        });
        let work = Work {
            record: PathBuf::new(),
            ready: at(5),
            acknowledged: acknowledged.to_vec(),
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

    #[test]
    fn early_acknowledgements_are_counted_by_request_and_only_where_no_other_was_under_way() {
        let place = |name: &str| comeback_disk::record::Place {
            folder: 1,
            name: name.into(),
        };
        let (mut record, mut work) = ran(Ended::Whole);
        let access = record.root;
        let made = comeback_disk::record::Made::File;
        let calls = [
            (10, Call::Make(place("log"), made, access)),
            (11, Call::Write(2, 0, b"a".to_vec())),
            (12, Call::Sync(2, false)),
            (22, Call::Write(2, 1, b"b".to_vec())),
            (32, Call::Write(2, 2, b"c".to_vec())),
            (38, Call::Sync(2, false)),
            (42, Call::Write(2, 3, b"d".to_vec())),
        ];
        record.calls = calls
            .into_iter()
            .map(|(us, call)| Noted { at: at(us), call })
            .collect();
        let replies = [
            (9, 15, 0, 0),
            (20, 25, 0, 1),
            (30, 39, 0, 2),
            // Two at a time.
            (41, 45, 0, 3),
            (44, 50, 1, 0),
        ];
        work.acknowledged = replies
            .map(|(begun, us, user, write)| Acknowledged {
                begun: at(begun),
                at: at(us),
                user,
                write,
            })
            .to_vec();
        let names = ["POST /login", "POST /visit"].map(str::to_owned);
        let found = durability((&record, &work), &names).expect("it fits together");
        assert_eq!((found.acknowledgements, found.overlapping), (3, 2));
        let [early] = found.early.as_slice() else {
            panic!("{found:?}");
        };
        assert_eq!(early.request, "POST /visit");
        assert_eq!((early.acknowledgements, early.of), (1, 2));
        assert_eq!(early.files, ["log (1)"]);
        let around: Vec<&str> = early.around.iter().map(|one| one.what.as_str()).collect();
        assert_eq!(
            around,
            [
                "write of 1 byte to log at 1",
                "acknowledged: write 1 of user 0"
            ]
        );
    }
}
