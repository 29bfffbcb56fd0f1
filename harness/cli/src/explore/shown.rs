//! What was found, in words.

use std::collections::BTreeMap;

use comeback_analysis::verdict::Outcome;
use comeback_supervise::output::printable;

use super::document::{Around, Coverage, Document, Durability, Failure, Lacks};
use super::looks::Unclear;
use crate::color::{self, ColorChoice};
use crate::{print, say};

/// What weakens the result of the looks.
pub(super) fn remarks(
    coverage: &Coverage,
    unclear: &BTreeMap<Unclear, (usize, String)>,
) -> Vec<String> {
    let disks = |disks: usize| match disks {
        1 => "1 disk".to_owned(),
        disks => format!("{disks} disks"),
    };
    let mut remarks: Vec<String> = unclear
        .iter()
        .map(|(why, (states, problem))| {
            let first = match problem.is_empty() {
                true => String::new(),
                false => format!("; the first time: {problem}"),
            };
            format!("unclear: on {} {}{first}", disks(*states), why.words())
        })
        .collect();
    if coverage.states_slow > 0 {
        remarks.push(format!(
            "on {} the server came back whole, but needed more time than usual: the machine is busy, or it is slow there",
            disks(coverage.states_slow)
        ));
    }
    if coverage.is_stopped {
        remarks.push(
            "not all disks were looked at: the server did not come back on the disk at the end of the run any more"
                .to_owned(),
        );
    }
    remarks
}

/// The verdict, and why.
pub(super) fn judged(document: &Document) -> (Outcome, String) {
    let disk = document.disk;
    let Some(coverage) = &document.coverage else {
        return (Outcome::Inconclusive, "nothing was looked at".to_owned());
    };
    let looked = coverage.prefix_states_verified + coverage.reorderings_verified;
    if coverage.states_failed > 0 {
        let failed = coverage.states_failed;
        let what = "the server does not come back whole";
        return (
            Outcome::Fail,
            format!(
                "on {failed} of {looked} disks that a power cut could leave, {what} (disk: {disk})"
            ),
        );
    }
    if coverage.states_unclear > 0 {
        let unclear = coverage.states_unclear;
        return (
            Outcome::Inconclusive,
            format!(
                "on {unclear} of {looked} disks it is unclear whether the server comes back whole: the notes say why"
            ),
        );
    }
    if looked == 0 {
        return (
            Outcome::Inconclusive,
            "no disk was looked at: raise --states".to_owned(),
        );
    }
    if coverage.is_cut {
        return (
            Outcome::Inconclusive,
            "the record of the disk was full before the run was over: ask for fewer --acts"
                .to_owned(),
        );
    }
    if coverage.users_gave_up > 0 {
        let users = coverage.users_gave_up;
        return (
            Outcome::Inconclusive,
            format!(
                "{users} users gave up in the run without a fault, so that less was written than asked for"
            ),
        );
    }
    (
        Outcome::Pass,
        format!(
            "the server came back with all that was acknowledged on each of {looked} disks that a power cut could leave \
             (disk: {disk})"
        ),
    )
}

/// Prints it for people.
pub(super) fn show(document: &Document) {
    let word = color::outcome(document.verdict, ColorChoice::Auto.wants_color());
    say(&format!(
        "verdict: {word}: {}",
        printable(&document.headline)
    ));
    for (number, failure) in (1..).zip(&document.failures) {
        show_failure(number, failure);
    }
    for remark in &document.remarks {
        say(&format!("  note: {}", printable(remark)));
    }
    if let Some(durability) = &document.durability {
        show_durability(durability);
    }
    if let Some(coverage) = &document.coverage {
        say(&covered(coverage));
    }
    if let Some(work) = &document.work {
        say(&format!(
            "{} calls, {} logins and {} writes acknowledged; seed {}",
            work.calls, work.logins, work.writes, document.seed
        ));
    }
}

fn show_failure(number: usize, failure: &Failure) {
    let disks = match failure.states {
        1 => "1 disk".to_owned(),
        states => format!("{states} disks"),
    };
    say(&format!(
        "  {number}. {} ({disks})",
        printable(&failure.reason)
    ));
    say(&format!("     {}", printable(&failure.problem)));
    for line in &failure.output {
        say(&format!("     | {}", printable(line)));
    }
    say(match failure.lacks {
        Lacks::Sync => {
            "     A sync is missing: with all that was written by then, nothing is lacking."
        }
        Lacks::Write => {
            "     A write is missing: it was acknowledged before its bytes were handed to the system."
        }
        Lacks::More => {
            "     Even with all that was written by then something is lacking: a kill at this point shows it, too."
        }
        Lacks::Unknown => "     What is missing is not known.",
    });
    if let Some(how) = failure.by_itself {
        say(&format!("     On the first such disk {how}."));
    }
    let mut was_cut = false;
    for around in &failure.around {
        if around.after_cut && !was_cut {
            print("     ------------- the power is cut -------------");
            was_cut = true;
        }
        show_around(around);
    }
    if !was_cut && !failure.around.is_empty() {
        print("     ------------- the power is cut -------------");
    }
}

fn show_around(around: &Around) {
    say(&format!(
        "     {:>10.3} ms  {}",
        around.at_ms,
        printable(&around.what)
    ));
}

/// Early acknowledgements: a lint, which says nothing where there are none.
fn show_durability(durability: &Durability) {
    for early in &durability.early {
        say(&format!(
            "lint: {} of {} acknowledgements of {} came before what had been written since their request was durable: {}",
            early.acknowledgements,
            early.of,
            printable(&early.request),
            printable(&early.files.join(", "))
        ));
        early.around.iter().for_each(show_around);
    }
    if !durability.early.is_empty() {
        say(
            "     This is no part of the verdict: what was not durable may be of no use, or in another file, too.",
        );
    }
}

/// `412 of 412 points, as 96 of 96 different disks; 40 of about 10^5 reorderings; 12.0 disks a second`.
fn covered(coverage: &Coverage) -> String {
    let Coverage {
        points,
        points_before_ready,
        prefix_states,
        prefix_states_verified,
        reorderings_log10,
        reorderings_verified,
        took_s,
        is_cut,
        ..
    } = coverage;
    let reorderings = match reorderings_log10 {
        None => "; nothing could be written in another order".to_owned(),
        Some(power) if *power < 4.0 => format!(
            "; {reorderings_verified} of about {:.0} reorderings",
            10_f64.powf(*power)
        ),
        Some(power) => format!("; {reorderings_verified} of about 10^{power:.0} reorderings"),
    };
    let before = match points_before_ready {
        0 => String::new(),
        before => format!("; not the {before} points before the server was up"),
    };
    let cut = if *is_cut {
        "; not what came after the record was full"
    } else {
        ""
    };
    let looked = prefix_states_verified + reorderings_verified;
    let speed = looked as f64 / took_s.max(0.001);
    format!(
        "coverage: {points} points between calls, {prefix_states_verified} of {prefix_states} different disks at them\
         {reorderings}{before}{cut}; {speed:.1} disks a second"
    )
}

#[cfg(test)]
mod tests {
    use comeback_model::plan::fault::DiskModel;

    use super::*;

    fn judged_as(coverage: Coverage) -> Outcome {
        let document = Document {
            schema: super::super::document::SCHEMA,
            verdict: Outcome::Inconclusive,
            headline: String::new(),
            disk: DiskModel::Ext4,
            seed: 1,
            work: None,
            coverage: Some(coverage),
            failures: Vec::new(),
            remarks: Vec::new(),
            durability: None,
        };
        judged(&document).0
    }

    #[test]
    fn an_unclear_disk_neither_passes_nor_fails() {
        let looked = || Coverage {
            prefix_states_verified: 9,
            ..Coverage::default()
        };
        assert_eq!(judged_as(looked()), Outcome::Pass);
        let slow = Coverage {
            states_slow: 1,
            ..looked()
        };
        assert_eq!(judged_as(slow), Outcome::Pass);
        let unclear = || Coverage {
            states_unclear: 1,
            ..looked()
        };
        assert_eq!(judged_as(unclear()), Outcome::Inconclusive);
        // What failed on another disk failed there all the same.
        let failed = Coverage {
            states_failed: 1,
            ..unclear()
        };
        assert_eq!(judged_as(failed), Outcome::Fail);
        let cut = Coverage {
            is_cut: true,
            ..looked()
        };
        assert_eq!(judged_as(cut), Outcome::Inconclusive);
    }

    #[test]
    fn what_is_unclear_is_told_as_it_happened() {
        let unclear = BTreeMap::from([
            (Unclear::AnonymousKnown, (2, String::new())),
            (Unclear::Once, (1, "user 3 is unknown".to_owned())),
        ]);
        let coverage = Coverage {
            states_slow: 3,
            ..Coverage::default()
        };
        let told = remarks(&coverage, &unclear);
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(told[0].contains("on 2 disks a check by somebody who never logged in"));
        assert!(!told[0].contains("failed"), "{told:?}");
        assert!(told[1].contains("on 1 disk the server failed once, and came back whole"));
        assert!(told[1].ends_with("user 3 is unknown"));
        assert!(told[2].contains("3 disks"));
    }
}
