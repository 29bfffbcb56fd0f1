//! Nodes that end by a signal: it is sent to all of them in one go, each end is seen as it happens, and nothing else is
//! signalled.

use comeback_model::event::Exit;
use comeback_model::ids::Node;
use comeback_model::plan::Signal;
use comeback_model::units::Span;
use futures_util::future::join_all;
use tokio::time::{Instant, timeout_at};

use crate::injection::{Ended, FaultError, Injection, Looked};

/// How long the others may take to end after the process that was started, where the signal is neither a kill nor a
/// stop: what it ends is gone by then, and what is there does not heed it.
const OTHERS_TAKE: Span = Span::from_ms(500);

/// How a node is ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ending {
    pub(crate) signal: Signal,
    /// A stop, as a service manager does it: how long they may take before they are killed.
    pub(crate) grace: Option<Span>,
}

/// A node of which the end is waited for.
struct Waited {
    node: Node,
    ending: Ending,
    /// It ended by itself before the signal could be sent.
    is_by_itself: bool,
    /// The deadline for its own end.
    until: Instant,
    /// Until when the rest of it is waited for, once that was begun.
    rest_until: Option<Instant>,
    took_kill: Vec<i32>,
    is_over: bool,
}

/// Stops these nodes at once, as the plan says how each is stopped, and as a service manager does it. Nodes that are faulted
/// together are stopped by the same signal.
pub(crate) async fn stop_all(on: &Injection, nodes: &[Node]) -> Result<(), FaultError> {
    let mut endings = Vec::with_capacity(nodes.len());
    let mut sent = Signal::Term;
    for node in nodes {
        let stop = on.how_to_stop(*node).await?;
        let signal = stop.signal;
        let grace = (signal != Signal::Kill).then_some(stop.grace);
        endings.push((*node, Ending { signal, grace }));
        sent = signal;
    }
    end_all(on, &endings, sent).await
}

/// Kills all nodes of a fault at once.
pub(crate) async fn kill_all(on: &Injection) -> Result<(), FaultError> {
    let signal = Signal::Kill;
    let ending = Ending {
        signal,
        grace: None,
    };
    let endings: Vec<_> = on.nodes().iter().map(|node| (*node, ending)).collect();
    end_all(on, &endings, signal).await
}

/// Ends these nodes, and puts on record that they have ended.
///
/// All ends are waited for before anything else is looked at: a look at `/proc` takes milliseconds, and the end of another
/// node would be seen late by so much.
pub(crate) async fn end_all(
    on: &Injection,
    nodes: &[(Node, Ending)],
    signal: Signal,
) -> Result<(), FaultError> {
    let addressed: Vec<Node> = nodes.iter().map(|(node, _)| *node).collect();
    let by_themselves = on.signal(&addressed, signal).await?;
    let now = Instant::now();
    let waits = nodes.iter().map(|(node, ending)| {
        let is_by_itself = by_themselves.contains(node);
        let within = ending.grace.filter(|_| !is_by_itself);
        Waited {
            node: *node,
            ending: *ending,
            is_by_itself,
            until: now + within.unwrap_or(on.confirm_within()).into(),
            rest_until: None,
            took_kill: Vec::new(),
            is_over: false,
        }
    });
    let mut waits: Vec<Waited> = waits.collect();
    loop {
        let left = waits.iter_mut().filter(|one| !one.is_over);
        let ended = join_all(left.map(|one| one.wait(on))).await;
        ended.into_iter().collect::<Result<Vec<()>, _>>()?;
        let mut has_newcomers = false;
        for one in waits.iter_mut().filter(|one| !one.is_over) {
            one.is_over = !on.newcomers(one.node).await?;
            has_newcomers |= !one.is_over;
        }
        if !has_newcomers {
            break;
        }
    }
    for one in waits {
        one.confirm(on).await?;
    }
    Ok(())
}

impl Waited {
    /// Waits for the ends of all that is known of it, as long as they may take.
    async fn wait(&mut self, on: &Injection) -> Result<(), FaultError> {
        let (node, until) = (self.node, self.until);
        if self.is_by_itself {
            // How it ends is told if it does so in time.
            self.is_over = true;
            let ended = timeout_at(until, on.ended(node, Ended::Leader)).await;
            return ended.unwrap_or(Ok(()));
        }
        let rest_until = match (self.rest_until, self.ending.grace) {
            (Some(until), _) => until,
            (None, Some(_)) => {
                if let Ok(ended) = timeout_at(until, on.ended(node, Ended::All)).await {
                    return ended;
                }
                self.took_kill = on.kill_rest(node).await?;
                Instant::now() + on.confirm_within().into()
            }
            (None, None) if self.ending.signal == Signal::Kill => until,
            (None, None) => {
                // Whether it ended in time is seen when that is confirmed.
                if let Ok(ended) = timeout_at(until, on.ended(node, Ended::Leader)).await {
                    ended?;
                }
                Instant::now() + OTHERS_TAKE.into()
            }
        };
        self.rest_until = Some(rest_until);
        // Who is there when it takes longer is seen then.
        match timeout_at(rest_until, on.ended(node, Ended::All)).await {
            Ok(ended) => ended,
            Err(_late) => {
                self.is_over = true;
                Ok(())
            }
        }
    }

    /// Puts on record that it has ended, by this signal and no other.
    async fn confirm(self, on: &Injection) -> Result<(), FaultError> {
        let signal = self.ending.signal;
        let means = on.means(signal);
        let missed = |problem| Err(FaultError::Missed(problem));
        let Looked {
            pid,
            exit,
            not_ended,
        } = on.look_at(self.node).await?;
        if let (None, Some(why)) = (exit, not_ended) {
            return missed(format!(
                "the end of the server was not seen within {} after {means}: {why}",
                on.confirm_within()
            ));
        }
        match (pid, exit) {
            (pid, None) if self.is_by_itself => missed(format!(
                "process {pid} was about to end by itself when {means} was to be sent to it"
            )),
            (_, Some(exit)) if self.is_by_itself || exit == Exit::Unseen => {
                missed(format!("the process {exit} before {means} reached it"))
            }
            (pid, None) => missed(format!(
                "process {pid} was still running {} after {means}",
                on.confirm_within()
            )),
            (_, Some(exit))
                if signal == Signal::Kill && !exit.is_kill() && exit != Exit::AfterCommand =>
            {
                missed(format!("the process {exit} before SIGKILL reached it"))
            }
            (_, Some(_)) => on.confirm_end(self.node, self.took_kill).await.map(drop),
        }
    }
}
