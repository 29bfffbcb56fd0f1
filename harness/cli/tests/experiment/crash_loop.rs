//! Crash loops of real processes: what a start leaves that was cut short is what the next one finds.

use super::{SHOP, faults_told, run_shop};
use crate::support::{self, Run};

/// A server that writes a file while it starts, for 600 ms; `found` is what it does where an earlier start has left one.
fn starts_slowly(found: &str, fault: &str) -> Run {
    let (head, rest) = SHOP.split_once("command = [").unwrap();
    let (_, tail) = rest.split_once("]\n").unwrap();
    let script = format!(
        "test -e {{data}}/half && {found}; touch {{data}}/half; sleep 0.6; rm {{data}}/half; \
         exec {{comeback}} serve journal --port {{port}} --data {{data}}"
    );
    let text = format!("{head}command = [\"sh\", \"-c\", \"{script}\"]\n{tail}");
    let text = text.replace("[[fault]]", &format!("[[fault]]\n{fault}"));
    run_shop(
        &text.replace("[windows]", "[windows]\nhorizon = \"4s\""),
        &[],
    )
}

const LOOP: &str = "kind = \"crash_loop\"\nkills = 2\ninto_start = \"400ms\"";

#[test]
fn a_server_that_does_not_start_after_a_start_that_was_cut_short_fails() {
    let run = starts_slowly("exit 1", LOOP);
    if !support::ended_with(&run, 1) {
        return;
    }
    assert!(run.printed().contains("unrecovered"), "{}", run.printed());
    // One kill meets no start, and shows nothing.
    let once = starts_slowly("exit 1", "kind = \"kill\"");
    support::ended_with(&once, 0);
}

#[test]
fn a_server_that_starts_whatever_it_finds_passes_and_each_start_is_told() {
    let run = starts_slowly("rm {data}/half", LOOP);
    if !support::ended_with(&run, 0) {
        return;
    }
    // A trial that is void is replaced, and told once more.
    assert!(faults_told(&run, "fault_confirmed").len() >= 2);
}
