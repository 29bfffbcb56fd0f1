//! Faults without an engine: somebody says yes to each call, and notes what was asked, and when.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use comeback_host::clock::Clock;
use comeback_model::event::Exit;
use comeback_model::ids::{FaultId, Node};
use comeback_model::plan::fault::{Catalogue, DEFAULT_KIND, Fault, Said};
use comeback_model::plan::{Reach, Signal, Stop};
use comeback_model::schedule::Draws;
use comeback_model::units::{Elapsed, Span};
use rustix::process::{Pid, kill_process_group};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{Call, FaultError, Faults, Injection, Looked, NodeCall, Target, load};

const NODES: [Node; 2] = [Node::Replica(0), Node::Replica(1)];

/// What was asked of which node, and when.
pub(crate) type Asked = (&'static str, Node, Elapsed);

fn ms(ms: u64) -> Elapsed {
    Elapsed::from_us(ms * 1_000)
}

/// A process that waits for a line of input.
pub(crate) struct Waiting {
    child: Child,
    /// Where it is said to listen.
    pub(crate) port: Option<u16>,
}

impl Waiting {
    pub(crate) fn start() -> Self {
        Self::run("read go")
    }

    /// Runs a script, which waits where it says `read`. It ends with this value.
    pub(crate) fn run(script: &str) -> Self {
        let mut command = Command::new("bash");
        command.args(["-c", script]).process_group(0);
        command.stdin(Stdio::piped());
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Self {
            child: child.unwrap(),
            port: None,
        }
    }

    /// Gives it a line.
    pub(crate) fn go_on(&mut self) {
        self.child
            .stdin
            .as_mut()
            .unwrap()
            .write_all(b"go\n")
            .unwrap();
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let group = Pid::from_raw(self.pid()).unwrap();
        kill_process_group(group, rustix::process::Signal::KILL).unwrap();
        self.child.wait().unwrap();
    }
}

impl Target for Waiting {
    fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    fn each_process(&self, call: &mut dyn FnMut(i32) -> io::Result<()>) -> io::Result<()> {
        call(self.pid())
    }

    fn label(&self) -> String {
        format!("test-{}", self.pid())
    }

    fn data(&self) -> &Path {
        Path::new("/")
    }

    fn port(&self) -> Option<u16> {
        self.port
    }

    fn draws(&self) -> Draws {
        Draws::new(0)
    }
}

/// Says yes to each call.
async fn answer_all(
    clock: Clock,
    mut calls: mpsc::UnboundedReceiver<(FaultId, Call)>,
) -> Vec<Asked> {
    let mut asked = Vec::new();
    while let Some((fault, call)) = calls.recv().await {
        assert_eq!(fault, FaultId(1));
        let now = clock.now();
        match call {
            Call::Signal(to, answer) => {
                asked.extend(to.nodes.into_iter().map(|node| ("signal", node, now)));
                let _ = answer.send(Ok(Vec::new()));
            }
            Call::Node(node, call) => asked.push((say_yes(call, now), node, now)),
            Call::Drain(node, _, answer) => {
                asked.push(("drain", node, now));
                let _ = answer.send(Ok(()));
            }
            Call::Undrain(node, answer) => {
                asked.push(("undrain", node, now));
                let _ = answer.send(Ok(()));
            }
            Call::Start(node, _, answer) => {
                asked.push(("start", node, now));
                let _ = answer.send(Ok(()));
            }
            Call::AwaitReturn(node, answer) => {
                asked.push(("await return", node, now));
                let _ = answer.send(Ok(node != Node::Replica(1)));
            }
            Call::Watch(node, _) => asked.push(("watch", node, now)),
        }
    }
    asked
}

fn say_yes(call: NodeCall, now: Elapsed) -> &'static str {
    match call {
        NodeCall::AwaitEnd(_, answer) => {
            let _ = answer.send(Ok(()));
            "await end"
        }
        NodeCall::TakeNewcomers(answer) => {
            let _ = answer.send(Ok(false));
            "scan"
        }
        NodeCall::KillRest(answer) => {
            let _ = answer.send(Ok(Vec::new()));
            "kill rest"
        }
        NodeCall::LookAt(answer) => {
            let killed = Exit::Signal(Signal::Kill.number());
            let _ = answer.send(Ok(Looked {
                pid: 1,
                exit: Some(killed),
                not_ended: None,
            }));
            "look at"
        }
        NodeCall::ConfirmEnd(_, answer) => {
            let _ = answer.send(Ok(now));
            "confirm end"
        }
        NodeCall::Pause(_, answer) => {
            let _ = answer.send(Ok(()));
            "pause"
        }
        NodeCall::ConfirmStill(_, answer) => {
            let _ = answer.send(Ok(Some(now)));
            "confirm still"
        }
        NodeCall::Resume(_, answer) => {
            let _ = answer.send(Ok(()));
            "resume"
        }
        NodeCall::Act(_, _, answer) => {
            let _ = answer.send(Ok(()));
            "act"
        }
        NodeCall::Undo(_, answer) => {
            let _ = answer.send(Ok(()));
            "undo"
        }
        NodeCall::HowToStop(answer) => {
            let stop = Stop {
                signal: Signal::Term,
                grace: Span::from_secs(1),
            };
            let _ = answer.send(Ok(stop));
            "how to stop"
        }
    }
}

fn planned(kind: &str, parameters: &Value) -> Result<Fault, String> {
    let parameters = parameters.as_object().cloned().unwrap_or_default();
    let planned = Faults.plan(kind, &parameters, Said::default());
    planned.map_err(|invalid| format!("{:?}: {}", invalid.field, invalid.problem))
}

pub(crate) async fn asked_by(
    kind: &str,
    parameters: &Value,
) -> (Vec<Asked>, Result<(), FaultError>) {
    let clock = Clock::start();
    let (hands, calls) = mpsc::unbounded_channel();
    let within = Span::from_secs(1);
    let on = Injection::new(
        (FaultId(1), NODES.to_vec()),
        Reach::Group,
        within,
        (clock, hands),
    );
    let fault = load(&planned(kind, parameters).unwrap()).unwrap();
    let fault = async move { fault.inject(&on).await };
    tokio::join!(answer_all(clock, calls), fault)
}

pub(crate) fn asked_of(asked: &[Asked], wanted: &str) -> Vec<(Node, Elapsed)> {
    let asked = asked.iter().filter(|(what, _, _)| *what == wanted);
    asked.map(|(_, node, at)| (*node, *at)).collect()
}

#[tokio::test(start_paused = true)]
async fn all_nodes_go_on_when_the_pause_is_over() {
    let (asked, ended) = asked_by("pause", &json!({ "lasts": "2s" })).await;
    ended.unwrap();
    let both = |at| NODES.map(|node| (node, at));
    assert_eq!(asked_of(&asked, "pause"), both(ms(0)));
    assert_eq!(asked_of(&asked, "resume"), both(ms(2_000)));
}

#[tokio::test(start_paused = true)]
async fn a_kill_waits_for_every_end_before_it_looks_at_any_node() {
    let (asked, ended) = asked_by("kill", &json!({})).await;
    ended.unwrap();
    let order: Vec<&str> = asked.iter().map(|(what, _, _)| *what).collect();
    assert_eq!(
        order,
        [
            "signal",
            "signal",
            "await end",
            "await end",
            "scan",
            "scan",
            "look at",
            "confirm end",
            "look at",
            "confirm end"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_crash_loop_starts_all_nodes_again_after_each_kill_but_the_last() {
    let parameters = json!({ "kills": 3, "into_start": "20ms" });
    let (asked, ended) = asked_by("crash_loop", &parameters).await;
    ended.unwrap();
    let both = |at| NODES.map(|node| (node, ms(at)));
    assert_eq!(asked_of(&asked, "start"), [both(0), both(20)].concat());
    // Whoever answers says of each start that it has ended by itself.
    assert_eq!(asked_of(&asked, "signal"), both(0));
}

#[tokio::test(start_paused = true)]
async fn a_rolling_restart_ends_with_the_first_replica_that_does_not_come_back() {
    let (asked, ended) = asked_by("rolling_restart", &json!({ "drain": "1s" })).await;
    ended.unwrap();
    let of = |wanted| {
        let nodes = asked_of(&asked, wanted).into_iter();
        nodes.map(|(node, _)| node).collect::<Vec<_>>()
    };
    assert_eq!(of("drain"), NODES);
    assert_eq!(of("start"), NODES);
    // The second one did not come back.
    assert_eq!(of("undrain"), [NODES[0]]);
}

#[tokio::test(start_paused = true)]
async fn a_fault_whose_trial_is_over_is_abandoned() {
    let (hands, calls) = mpsc::unbounded_channel();
    drop(calls);
    let within = Span::from_secs(1);
    let hands = (Clock::start(), hands);
    let on = Injection::new((FaultId(1), NODES.to_vec()), Reach::Group, within, hands);
    let kill = load(&planned("kill", &json!({})).unwrap()).unwrap();
    let ended = kill.inject(&on).await;
    assert_eq!(ended, Err(FaultError::Abandoned));
}

#[test]
fn a_fault_of_an_older_journal_is_the_one_that_is_planned_today() {
    for (action, kind, parameters) in [
        (json!({ "signal": "KILL" }), "kill", json!({})),
        (json!({ "signal": "TERM" }), "terminate", json!({})),
        (json!({ "signal": "ABRT" }), "abort", json!({})),
        (json!({ "signal": "SEGV" }), "segfault", json!({})),
        (
            json!({ "signal": "HUP" }),
            "signal",
            json!({ "signal": "HUP" }),
        ),
        (json!({ "pause": "2s" }), "pause", json!({ "lasts": "2s" })),
        (
            json!({ "roll": { "drain": "10s", "deploy": false } }),
            "rolling_restart",
            json!({}),
        ),
        (
            json!({ "roll": { "drain": null, "deploy": true } }),
            "deploy",
            json!({ "drain": false }),
        ),
    ] {
        let rolls = action.get("roll").is_some();
        let aim = if rolls { "all_replicas" } else { "any_replica" };
        let stored = json!({
            "aim": aim, "action": action, "jitter": "250ms", "lands_within": "5s",
        });
        let stored: Fault = serde_json::from_value(stored).unwrap();
        let planned = planned(kind, &parameters).unwrap();
        assert_eq!(stored, planned);
        // And it stays the same when it is stored as today.
        let again = serde_json::to_value(&planned).unwrap();
        assert_eq!(serde_json::from_value::<Fault>(again).unwrap(), planned);
    }
}

#[test]
fn the_default_kind_is_the_first_of_the_catalogue() {
    let kinds = Faults.kinds();
    assert_eq!(kinds.first().map(|kind| kind.name), Some(DEFAULT_KIND));
}

#[test]
fn a_signal_that_has_a_kind_of_its_own_is_planned_as_that_kind() {
    let by_signal = planned("signal", &json!({ "signal": "KILL" })).unwrap();
    assert_eq!(by_signal, planned("kill", &json!({})).unwrap());
}

#[test]
fn what_a_fault_cannot_have_is_said_with_its_field() {
    for (kind, parameters, told) in [
        (
            "kil",
            json!({}),
            "Some(\"kind\"): there is no fault 'kil' (did you mean 'kill'?)",
        ),
        (
            "kill",
            json!({ "lasts": "1s" }),
            "Some(\"lasts\"): only these kinds of faults have this key: pause, descriptor_limit, ",
        ),
        (
            "pause",
            json!({ "lasts": "0s" }),
            "Some(\"lasts\"): a pause needs a length, such as 1s",
        ),
        (
            "deploy",
            json!({ "drain": true }),
            "Some(\"drain\"): say how long it may take",
        ),
        ("signal", json!({}), "None: missing field `signal`"),
    ] {
        let problem = planned(kind, &parameters).unwrap_err();
        assert!(problem.starts_with(told), "{problem}");
    }
}

#[test]
fn every_kind_says_what_it_does_what_proves_it_and_what_each_parameter_means() {
    let list = crate::list();
    assert_eq!(list[0].info.name, "kill");
    for kind in &list {
        assert!(!kind.info.about.is_empty() && !kind.evidence.is_empty());
        for (name, about) in &kind.parameters {
            assert!(!about.is_empty(), "{name} of {}", kind.info.name);
        }
        // Not every machine lets each kind work.
        if let Err(unavailable) = &kind.works {
            assert!(!unavailable.reason.is_empty() && !unavailable.mend.is_empty());
        }
    }
    let limit = list.iter().find(|kind| kind.info.surrounds).unwrap();
    let names: Vec<&str> = limit.parameters.iter().map(|(name, _)| &name[..]).collect();
    assert_eq!(names, ["lasts", "open"]);
}
