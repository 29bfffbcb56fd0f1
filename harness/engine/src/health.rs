//! The target's own health check, asked during the whole load, to compare it with clients' failures (METHOD, *Blind time*).
//!
//! It has a thread of its own, so that neither the engine nor the load waits for it, and none of its requests is one of
//! the load's. One request at a time, each on a connection of its own: a server that serves one client after another
//! would never get rid of one that stays.

use std::io;
use std::time::Duration;

use comeback_model::event::EventKind;
use comeback_model::ids::Node;
use comeback_model::plan::{Arm, Call, Command, Plan, ReadyProbe, Request, Workload};
use comeback_model::units::Elapsed;
use futures_util::future::join_all;
use tokio::sync::oneshot;

use super::EngineError;
use super::context::Trial;
use super::seams::{Book, Checkup};
use super::watch::Watch;
use crate::load::control::{Question, Seen};

/// Between two questions, for each node: with several they are asked more seldom, so that it stays 50 a second.
const EVERY: Duration = Duration::from_millis(20);
/// An answer that takes longer says that the target is not ready.
const WITHIN: Duration = Duration::from_secs(1);

/// The health checks of a trial while they are asked.
pub(super) type HealthWatch = Watch<oneshot::Sender<()>>;

/// One node's check and its answers.
struct Checked {
    node: Node,
    check: Question,
    polls: u64,
    says: Option<bool>,
    last: Option<Elapsed>,
}

/// The checks of all replicas, unless the load asks for the same, or what clients see is a proxy's doing, which none of them meets.
pub(super) fn checkups<S>(trial: &Trial<'_, S>) -> Vec<Checkup> {
    if !trial.plan.proxied(trial.arm).is_empty() {
        return Vec::new();
    }
    let nodes = trial
        .placement
        .nodes()
        .filter(|node| is_watched(trial, *node));
    nodes
        .map(|node| Checkup {
            node,
            probe: trial.arm.target_of(node).ready.probe.clone(),
            endpoint: trial.placement.endpoint(node).clone(),
        })
        .collect()
}

/// Begins to ask those that declare a health check.
pub(super) fn watch(checkups: Vec<Checkup>, book: Book) -> Result<HealthWatch, EngineError> {
    let mut checked = Vec::new();
    for Checkup {
        node,
        probe,
        endpoint,
    } in checkups
    {
        let check = Question::new(&probe, &endpoint, None);
        let check = check.map_err(EngineError::Setup)?;
        let check = check.filter(Question::is_health_check);
        checked.extend(check.map(|check| Checked {
            node,
            check,
            polls: 0,
            says: None,
            last: None,
        }));
    }
    if checked.is_empty() {
        return Ok(Watch::NONE);
    }
    let (stop, stopped) = oneshot::channel();
    Watch::begin("health", stop, move || {
        // Without a runtime nothing is asked, and the journal says nothing of it.
        let _ = ask_all(&book, &mut checked, stopped);
    })
}

fn is_watched<S>(trial: &Trial<'_, S>, node: Node) -> bool {
    matches!(node, Node::Replica(_)) && !is_the_load(trial.plan, trial.arm)
}

/// Whether the load asks only for the health check.
fn is_the_load(plan: &Plan, arm: &Arm) -> bool {
    let ReadyProbe::Http(checked) = &arm.target.ready.probe else {
        return false;
    };
    let is_it = |request: &Request| match &request.call {
        Call::Http { method, path, .. } => method == "GET" && path == checked,
        Call::Command(Command { dialect, words }) => {
            let ping = dialect.spec().ping;
            matches!(words.as_slice(), [word] if word.eq_ignore_ascii_case(ping))
        }
    };
    match &plan.load.workload {
        Workload::Stateless(request) => is_it(request),
        Workload::Sessions(flow) => is_it(&flow.check) || is_it(&flow.login),
    }
}

fn ask_all(book: &Book, checked: &mut [Checked], stopped: oneshot::Receiver<()>) -> io::Result<()> {
    let every = EVERY * u32::try_from(checked.len()).unwrap_or(u32::MAX);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let asking = join_all(checked.iter_mut().map(|one| one.ask(book, every)));
        tokio::select! {
            biased;
            _ = stopped => {}
            _ = asking => {}
        }
    });
    for Checked {
        node, polls, last, ..
    } in checked
    {
        book.record(
            book.clock.now(),
            EventKind::HealthWatched {
                node: *node,
                polls: *polls,
                interval_us: every.as_micros() as u64,
                last_us: *last,
            },
        );
    }
    Ok(())
}

impl Checked {
    /// Asks for good, and tells when it says something else.
    async fn ask(&mut self, book: &Book, every: Duration) {
        loop {
            let next = tokio::time::Instant::now() + every;
            let ready = matches!(self.check.ask(WITHIN).await, Seen::Up(_));
            let at = book.clock.now();
            self.polls += 1;
            if self.says != Some(ready) {
                let (node, last_us) = (self.node, self.last);
                book.record(
                    at,
                    EventKind::HealthChanged {
                        node,
                        ready,
                        last_us,
                    },
                );
            }
            (self.says, self.last) = (Some(ready), Some(at));
            tokio::time::sleep_until(next).await;
        }
    }
}
