//! What was found, in words.

use comeback_analysis::verdict::Outcome;
use comeback_engine::Verified;
use comeback_supervise::output::printable;

use super::document::{Coverage, Document, Failure, Lacks};
use crate::color::{self, ColorChoice};
use crate::{print, say};

/// What a server did on a disk: in a line, and the last lines of its output.
pub(super) fn problem(verified: &Verified) -> (String, Vec<String>) {
    match verified {
        Verified::Whole => ("all is there".to_owned(), Vec::new()),
        Verified::Anybody => ("anybody is answered like a user".to_owned(), Vec::new()),
        Verified::NotBack(problem, tail) => (problem.clone(), tail.clone()),
        Verified::NotServed(problem) => (
            format!("it came up, and serves no new user: {problem}"),
            Vec::new(),
        ),
        Verified::Missing(_, missing) => {
            let more = match missing.len() {
                0 | 1 => String::new(),
                2 => "; and one more user".to_owned(),
                users => format!("; and {} more users", users - 1),
            };
            let first = missing.first().map_or_else(String::new, |one| {
                let writes = match one.writes {
                    0 => "a login".to_owned(),
                    1 => "a login and 1 write".to_owned(),
                    writes => format!("a login and {writes} writes"),
                };
                format!("user {}, {writes} acknowledged: {}", one.user, one.problem)
            });
            (format!("{first}{more}"), Vec::new())
        }
    }
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
    if coverage.states_unsteady > 0 {
        let unsteady = coverage.states_unsteady;
        return (
            Outcome::Inconclusive,
            format!("{unsteady} of {looked} disks failed once, and not a second time"),
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
        say(&format!(
            "     {:>10.3} ms  {}",
            around.at_ms,
            printable(&around.what)
        ));
    }
    if !was_cut && !failure.around.is_empty() {
        print("     ------------- the power is cut -------------");
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
