//! A plan and its schedule in words.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use comeback_model::ids::Node;
use comeback_model::plan::fault::{Effect, On};
use comeback_model::plan::{
    Arm, Arrivals, Body, Calibration, Call, Chaos, External, Fault, Listener, Plan, ReadyProbe,
    Request, Retry, SessionFlow, Storm, Workload,
};
use comeback_model::schedule::{PlannedInjection, PlannedTrial, Schedule};
use comeback_model::units::Span;

use comeback_supervise::output::printable;

use crate::table::{room, wrapped};

/// Columns of the labels on the left side: at least, and at most.
const LABEL: (usize, usize) = (12, 32);
/// Only the beginning of a longer schedule is shown. `--json` prints all of it.
const TRIALS_SHOWN: usize = 40;

/// A page in which every line has a label and a text.
struct Page {
    text: String,
    label: usize,
}

impl Page {
    fn new(plan: &Plan) -> Self {
        let names = plan.arms.iter().map(|arm| arm.name.chars().count() + 2);
        Self {
            text: String::new(),
            label: names.max().unwrap_or(0).clamp(LABEL.0, LABEL.1),
        }
    }

    fn heading(&mut self, text: &str) {
        // Writing to a string does not fail.
        let _ = writeln!(self.text, "\n{text}");
    }

    fn line(&mut self, label: &str, text: &str) {
        let (label, width) = (printable(label), self.label);
        // What goes on stands a little further in than what begins.
        let indent = width + 4;
        let text = wrapped(&printable(text), indent as u16);
        let begin = text.lines().next().unwrap_or_default();
        let has_room = width + 2 + begin.chars().count() <= usize::from(room());
        let _ = match has_room || label.is_empty() {
            true => writeln!(self.text, "  {label:width$}{text}"),
            // A first word that is longer than the line has one of its own.
            false => writeln!(self.text, "  {label}\n{:indent$}{text}", ""),
        };
    }
}

/// The whole page.
pub(super) fn explain(plan: &Plan, schedule: &Schedule, seed_was_said: bool) -> String {
    let mut page = Page::new(plan);
    let seconds = schedule.least_length(plan).as_secs().ceil();
    let title = format!(
        "{}: {} trials, at least {}, seed {}{}",
        printable(&plan.name),
        schedule.trials.len(),
        duration(seconds),
        schedule.seed.0,
        if seed_was_said {
            ""
        } else {
            " (drawn now; without --seed each run draws its own)"
        }
    );
    let _ = writeln!(page.text, "{}", wrapped(&title, 4));
    page.heading("Servers");
    for arm in &plan.arms {
        tell_arm(&mut page, arm);
    }
    page.heading("Load");
    tell_load(&mut page, plan);
    if let Some(storm) = plan.storm {
        page.heading("Storm");
        tell_storm(&mut page, plan, storm);
    }
    page.heading("Each trial");
    tell_trial(&mut page, plan);
    page.heading("Gates");
    if plan.gates.is_empty() {
        page.line("none", "the run is measured; it can neither pass nor fail");
    }
    for gate in &plan.gates {
        let sees = comeback_analysis::verdict::sees_with(gate, plan.trials);
        page.line("", &format!("{gate} ({sees})"));
    }
    page.heading("Schedule: the moment of each fault, from the start of the load");
    for trial in schedule.trials.iter().take(TRIALS_SHOWN) {
        tell_planned(&mut page, plan, trial);
    }
    if let Some(more) = schedule.trials.len().checked_sub(TRIALS_SHOWN + 1) {
        page.line("…", &format!("{} more: see --json", more + 1));
    }
    if plan.replacements > 0 {
        page.line(
            "void trials",
            &format!(
                "up to {} of each arm that the harness or the machine made void are replaced at the end",
                plan.replacements
            ),
        );
    }
    page.text.trim_end().to_owned()
}

fn tell_storm(page: &mut Page, plan: &Plan, storm: Storm) {
    let (kills, controls) = (plan.trials, plan.controls);
    page.line(
        "kills",
        &format!("{kills}, one in each trial, behind {controls} trials without a fault"),
    );
    page.line(
        "one life",
        "all trials share the data folder, the port and the users' sessions; the server is stopped between two of them",
    );
    page.line(
        "ends",
        match storm.until_failure {
            true => "with the first kill that took something",
            false => "with the last kill, or when the server does not come back",
        },
    );
}

fn tell_arm(page: &mut Page, arm: &Arm) {
    let target = &arm.target;
    let told = match &target.external {
        Some(external) => external.to_string(),
        None => command(&target.command),
    };
    page.line(&arm.name, &told);
    if arm.about != target.told() {
        page.line("", &arm.about);
    }
    let probe = match &target.ready.probe {
        ReadyProbe::Http(path) => format!("GET {path} is answered with a 2xx"),
        ReadyProbe::Tcp => "it accepts a connection".to_owned(),
        ReadyProbe::Log(text) => format!("a line of its output contains '{text}'"),
    };
    page.line(
        "",
        &format!("up when {probe}, within {}", target.ready.within),
    );
    let pause = match target.restart_after {
        Span::ZERO => "at once".to_owned(),
        pause => format!("after {pause}"),
    };
    match &target.external {
        Some(external) => tell_external(page, external, &pause),
        None => page.line(
            "",
            &format!(
                "restarted {pause}; stopped at the end by {}, after {} by SIGKILL",
                target.stop.signal, target.stop.grace
            ),
        ),
    }
    let is_supervised = target
        .external
        .as_ref()
        .is_some_and(|external| external.restart.is_none());
    if target.attempts.most > 1 && !is_supervised {
        page.line(
            "",
            &format!(
                "if it ends before it is ready: up to {} starts, the second after {}, each further pause twice as long",
                target.attempts.most, target.attempts.backoff
            ),
        );
    }
    if target.listener == Listener::Held {
        page.line(
            "",
            "the harness holds its listening socket and passes it to each start: connections wait meanwhile",
        );
    }
    if !target.environment.is_empty() {
        let names: Vec<&str> = target.environment.keys().map(String::as_str).collect();
        page.line("", &format!("environment: {}", names.join(", ")));
    }
    tell_beside(page, arm);
    if let Some(retry) = &arm.retry {
        page.line("", &retried(retry));
    }
    if let Some(baseline) = &arm.baseline {
        page.line("", &format!("compared with {baseline}"));
    }
    if let Some(reason) = &arm.skip {
        page.line("", &format!("skipped: {reason}"));
    }
}

/// A command whose paths are as short as this machine's folders say.
fn command(words: &[String]) -> String {
    let words = words.iter().map(|word| without_detours(word));
    words.collect::<Vec<_>>().join(" ")
}

/// An absolute path without `..`. The folders are looked up, for one of them may be a link. One that does not exist stays as it is.
fn without_detours(word: &str) -> String {
    let detour = Path::new(word)
        .is_absolute()
        .then(|| word.rsplit_once("/../"));
    let Some((folder, rest)) = detour.flatten() else {
        return word.to_owned();
    };
    match fs::canonicalize(format!("{folder}/..")) {
        Ok(folder) => folder.join(rest).display().to_string(),
        Err(_) => word.to_owned(),
    }
}

/// What stands beside the server: its replicas, and the nodes that they and the clients connect to.
fn tell_beside(page: &mut Page, arm: &Arm) {
    if arm.replicas > 1 {
        let nodes = (0..arm.replicas).map(|number| Node::Replica(number).to_string());
        let nodes: Vec<String> = nodes.collect();
        page.line(
            "",
            &format!("{} replicas: {}", arm.replicas, nodes.join(", ")),
        );
    }
    let beside = [
        ("balancer in front of them", &arm.balancer),
        ("cache in front", &arm.cache),
        ("store that the replicas share", &arm.store),
    ];
    for (what, node) in beside {
        if let Some(node) = node {
            page.line("", &format!("{what}: {}", command(&node.command)));
        }
    }
}

/// A server that somebody else starts.
fn tell_external(page: &mut Page, external: &External, pause: &str) {
    let again = match &external.restart {
        None => "restarted by its own supervisor".to_owned(),
        Some(words) => format!("restarted {pause} by: {}", words.join(" ")),
    };
    if let Some(words) = &external.kill {
        page.line("", &format!("ended by: {}", words.join(" ")));
    }
    if external.remote().is_some() {
        page.line(
            "",
            "no process of it is seen: it has ended (T0) when the connections that are held to it were closed and a new one was refused; \
             times contain how late that may have been seen",
        );
    }
    page.line(
        "",
        &format!("{again}; never stopped by Comeback, and left running at the end"),
    );
    page.line(
        "",
        "all trials share its life and its data: each has users of its own, whose names no other trial has, and what \
         earlier trials left in the server stays there. So the trials are not independent: intervals may be too narrow",
    );
}

fn retried(retry: &Retry) -> String {
    let key = match retry.idempotency_key {
        true => ", acts with an idempotency key",
        false => "",
    };
    let limit = retry
        .try_timeout
        .map_or_else(String::new, |limit| format!(", each try at most {limit}"));
    format!(
        "failed operations are tried again up to {} times, first after {}{limit}{key}",
        retry.times, retry.backoff
    )
}

fn tell_load(page: &mut Page, plan: &Plan) {
    let load = &plan.load;
    let arrivals = match load.arrivals {
        Arrivals::Poisson => "like independent users (Poisson)",
        Arrivals::Constant => "evenly spaced",
    };
    page.line(
        "users",
        &match load.keep_alive {
            true => format!("{}, each with a connection", load.clients),
            false => format!("{}, with a connection for each operation", load.clients),
        },
    );
    page.line(
        "rate",
        &match &plan.calibration {
            Calibration::Wanted(_) => format!(
                "measured before the first trial: half of what the server bears is offered, {arrivals}"
            ),
            Calibration::Given | Calibration::Done(_) => {
                format!("{} operations per second in all, {arrivals}", load.rate)
            }
        },
    );
    if let Calibration::Done(calibrated) = &plan.calibration {
        page.line("calibration", &calibrated.to_string());
    }
    page.line(
        "time-out",
        &format!("{} from the intended time", load.timeout),
    );
    if let Some(objective) = load.objective {
        page.line("objective", &format!("{objective}, for the availability"));
    }
    match &load.workload {
        Workload::Stateless(request) => page.line("operation", &written(request)),
        Workload::Sessions(flow) => {
            let times = match load.looks {
                1 => "once".to_owned(),
                looks => format!("up to {looks} times"),
            };
            page.line(
                "final look",
                &format!("each session is read {times}, in random order, until each is known with all its writes"),
            );
            tell_flow(page, flow);
        }
    }
}

fn tell_flow(page: &mut Page, flow: &SessionFlow) {
    page.line("login", &written(&flow.login));
    page.line("act", &written(&flow.act));
    page.line("check", &written(&flow.check));
    if let Some(logout) = &flow.logout {
        page.line("logout", &written(logout));
    }
    if let Some(browse) = &flow.browse {
        page.line("browse", &written(browse));
    }
    for (name, request) in &flow.more {
        page.line(name, &written(request));
    }
    if let Some(value) = &flow.value {
        page.line("value", &value.to_string());
    }
    match &flow.identity {
        Some(identity) => page.line("identity", &format!("{} = {}", identity.at, identity.name)),
        None => page.line(
            "identity",
            "not given: only a new cookie shows that the server began a session anew",
        ),
    }
    let mix = flow.mix;
    let browse = match flow.browse {
        Some(_) => format!(" : browse {}", mix.browse),
        None => String::new(),
    };
    page.line(
        "mix",
        &format!(
            "act {} : check {} : logout {}{browse}",
            mix.act, mix.check, mix.logout
        ),
    );
}

fn written(request: &Request) -> String {
    let line = match &request.call {
        Call::Command(command) => command.words.join(" "),
        Call::Http {
            method, path, body, ..
        } => {
            let body = match body {
                None => String::new(),
                Some(Body::Json(text) | Body::Text(text)) => format!(" {text}"),
                Some(Body::Form(fields)) => {
                    let fields = fields.iter().map(|(name, value)| format!("{name}={value}"));
                    format!(" {}", fields.collect::<Vec<_>>().join("&"))
                }
            };
            format!("{method} {path}{body}")
        }
    };
    let before = match request.before.as_slice() {
        [] => String::new(),
        names => format!(" (after {})", names.join(", ")),
    };
    let follow = match request.follow {
        0 => String::new(),
        most => format!(" (follows up to {most} redirects)"),
    };
    format!("{line}{before}{follow}")
}

fn tell_trial(page: &mut Page, plan: &Plan) {
    let windows = &plan.windows;
    page.line(
        "start",
        match plan.is_external() {
            false => "the server starts, every user logs in, the load begins",
            true => "the server is found, every user logs in, the load begins",
        },
    );
    for surrounding in &plan.surroundings {
        let what = &surrounding.words.explained;
        page.line(
            "throughout",
            &format!("{what}, from here on and in trials without a fault, too"),
        );
    }
    for lossy in &plan.faults {
        if let Some(disk) = lossy.needs.disk {
            let what = &lossy.words.short;
            page.line(
                "throughout",
                &format!(
                    "the data of the nodes that a {what} may hit lies on a disk that forgets ({disk}), in trials without a \
                     fault, too"
                ),
            );
        }
    }
    page.line(&windows.warm_up.to_string(), "warm-up, not measured");
    page.line(
        &windows.baseline.to_string(),
        "baseline; everything after is compared with it",
    );
    match &plan.chaos {
        Some(chaos) => tell_choices(page, plan, chaos),
        None => tell_faults(page, plan),
    }
    page.line(
        &format!("≤ {}", windows.horizon),
        match (&plan.chaos, plan.first_fault().effect) {
            (Some(_), _) => {
                "recovery from each of them, until the first correct reply after it; of a new process where the fault ended the old one"
            }
            (None, Effect::StandsStill(_)) => "recovery, until the first correct reply after SIGCONT",
            (None, Effect::Degrades(_)) => {
                "recovery, until the first correct reply after the fault's end"
            }
            (None, Effect::Ends(_) | Effect::Replaces | Effect::Surrounds) => {
                "recovery, until the first correct reply of the new process"
            }
        },
    );
    page.line(
        &windows.settle.to_string(),
        &format!(
            "settling; steady is {} as good as the baseline, in windows of {}",
            windows.steady_for, windows.window
        ),
    );
    page.line(
        "end",
        match plan.is_external() {
            false => "the load stops, every session is read back, the server stops",
            true => "the load stops, every session is read back, the server runs on",
        },
    );
}

/// The faults that each trial has.
fn tell_faults(page: &mut Page, plan: &Plan) {
    let first = plan.first_fault();
    page.line(
        &format!("≤ {}", first.jitter),
        &format!(
            "then {}, at a moment drawn uniformly{}; its effect must be seen within {}",
            first.words.explained,
            waited_for(first),
            first.lands_within
        ),
    );
    for further in plan.faults.iter().skip(1) {
        let spread = match further.jitter {
            Span::ZERO => String::new(),
            spread => format!(" and up to {spread}"),
        };
        let (length, since) = match further.quiet {
            None => (further.after, "the moment of the first"),
            Some(quiet) => (quiet, "the recovery from all before it"),
        };
        page.line(
            &format!("+ {length}"),
            &format!(
                "{}, {length}{spread} after {since}{}; its effect must be seen within {}",
                further.words.explained,
                waited_for(further),
                further.lands_within
            ),
        );
    }
}

/// The faults from which those of each trial are drawn.
fn tell_choices(page: &mut Page, plan: &Plan, chaos: &Chaos) {
    let first = plan.first_fault();
    let span = chaos.span.map_or_else(String::new, |span| {
        format!(", fewer where those would take longer than {span} without the recoveries")
    });
    let faults = match chaos.faults {
        1 => "a fault, drawn by the seed".to_owned(),
        faults => format!("{faults} faults one after the other, drawn by the seed{span}"),
    };
    page.line(
        &format!("≤ {}", first.jitter),
        &format!("then {faults}; the first at a moment drawn uniformly"),
    );
    if chaos.faults > 1 {
        let quiet = first.quiet.unwrap_or(Span::ZERO);
        page.line(
            &format!("+ {quiet}"),
            &format!(
                "and up to {} more between the recovery from one and the next; where one is not recovered from, no other comes",
                first.jitter
            ),
        );
    }
    let total: u64 = chaos.weights.iter().map(|weight| u64::from(*weight)).sum();
    for (choice, weight) in plan.faults.iter().zip(&chaos.weights) {
        page.line(
            &format!("{weight} of {total}"),
            &format!(
                "{}{}; its effect must be seen within {}",
                choice.words.explained,
                waited_for(choice),
                choice.lands_within
            ),
        );
    }
}

/// How long the event of a fault is waited for, if it waits for one.
fn waited_for(fault: &Fault) -> String {
    let words = |on: &On| {
        let within = on.comes_within;
        format!(" from which on its event is waited for, {within} at most")
    };
    fault.on.as_ref().map_or_else(String::new, words)
}

/// The moment of a fault in a trial: from when on, and which event it waits for.
fn moment(fault: &Fault, trial: &PlannedTrial, planned: &PlannedInjection, at_s: f64) -> String {
    let Some(on) = &fault.on else {
        return match planned.in_calm {
            true => format!("{at_s:.3} s after recovery"),
            false => format!("at {at_s:.3} s"),
        };
    };
    let event = on.event.drawn(|nth| trial.nth(planned.fault, nth));
    match planned.in_calm {
        true => format!("{event} {at_s:.3} s after recovery"),
        false => format!("{event} after {at_s:.3} s"),
    }
}

/// The nodes that a fault is for, where an arm has several: a single server needs no name.
fn addressees(plan: &Plan, trial: &PlannedTrial, nodes: &[Node]) -> String {
    let arm = plan.arms.get(trial.arm.0 as usize);
    if arm.is_none_or(|arm| arm.nodes().count() < 2) || nodes.is_empty() {
        return String::new();
    }
    let names: Vec<String> = nodes.iter().map(Node::to_string).collect();
    format!(" for {}", names.join(", "))
}

fn tell_planned(page: &mut Page, plan: &Plan, trial: &PlannedTrial) {
    let name = plan
        .arms
        .get(trial.arm.0 as usize)
        .map_or("?", |arm| arm.name.as_str());
    let begun = plan.windows.warm_up + plan.windows.baseline;
    let injected = trial.faults.iter().filter_map(|planned| {
        let fault = plan.fault(planned.fault)?;
        let at = match planned.in_calm {
            true => planned.after,
            false => begun + planned.after,
        };
        let moment = moment(fault, trial, planned, at.as_secs());
        let to = addressees(plan, trial, &planned.nodes);
        Some(format!("{}{to} {moment}", fault.words.noun))
    });
    let mut what = match trial.is_control() {
        true => "no fault (control)".to_owned(),
        false => injected.collect::<Vec<_>>().join(", "),
    };
    for planned in &trial.surroundings {
        let to = addressees(plan, trial, &planned.nodes);
        if let Some(surrounding) = plan.fault(planned.fault).filter(|_| !to.is_empty()) {
            let noun = &surrounding.words.noun;
            what.push_str(&format!("; throughout {noun}{to}"));
        }
    }
    page.line(&format!("trial {}", trial.id.0), &format!("{name}  {what}"));
}

fn duration(seconds: f64) -> String {
    let whole = seconds as u64;
    match (whole / 3_600, whole / 60 % 60, whole % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn a_path_is_shown_without_detours() {
        let folder = tempfile::tempdir().unwrap();
        let folder = fs::canonicalize(folder.path()).unwrap();
        fs::create_dir_all(folder.join("one/two")).unwrap();
        fs::create_dir_all(folder.join("far/away")).unwrap();
        std::os::unix::fs::symlink(folder.join("far/away"), folder.join("one/link")).unwrap();
        let shown = |word: &str| without_detours(&format!("{}/{word}", folder.display()));
        let is = |word: &str| format!("{}/{word}", folder.display());
        assert_eq!(shown("one/two/../../target/shop"), is("target/shop"));
        // The folder above what a link leads to is not the one above the link.
        assert_eq!(shown("one/link/../shop"), is("far/shop"));
        for same in ["one/two/shop", "none/../shop"] {
            assert_eq!(shown(same), is(same));
        }
        for same in ["../shop", "{data}/../x", "--port"] {
            assert_eq!(without_detours(same), same);
        }
    }

    #[test]
    fn a_word_that_has_no_room_beside_its_label_has_a_line_of_its_own() {
        let mut page = Page {
            text: String::new(),
            label: LABEL.0,
        };
        let path = format!("/{}", "a-long-folder/".repeat(8));
        page.line("shop", &format!("{path} --port"));
        assert_eq!(
            page.text,
            format!("  shop\n{0:16}{path}\n{0:16}--port\n", "")
        );
    }
}
