//! The proxies in front of nodes: processes of a trial beside its nodes, that no fault ends and that are no nodes.
//!
//! What looks at a node itself goes past its proxy: readiness, health, the recovery probe, the owner of the listening socket. What
//! clients and other nodes are told is the proxy's port ([`super::placement::Placement::reached`]). A proxy that ends by itself
//! voids the trial.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use comeback_model::ids::{Incarnation, Node};
use comeback_model::plan::{Readiness, ReadyProbe, Signal, Stop, Target};
use comeback_model::units::Span;

use super::EngineError;
use super::context::{Early, Trial, aborted};
use super::placement::ProxyPlace;
use super::seams::{Process, Seams};
use super::words::{called, start_failed};
use crate::endpoint::Endpoint;
use crate::supervise::process::Launch;

/// What a proxy prints when it listens.
const LISTENS: &str = "listens on ";
/// A proxy has nothing to load before it listens; a busy machine may take its time.
const READY_WITHIN: Span = Span::from_secs(10);
/// It ends at once when it is asked to.
const GRACE: Span = Span::from_secs(2);
/// The start by whose number a proxy is told from all starts of its node. None of them comes after it, so that a proxy is no old
/// process of any.
const BESIDE: Incarnation = Incarnation(u32::MAX);

/// The running proxies.
#[derive(Debug)]
pub(super) struct Proxies<P>(Vec<P>);

impl<P> Default for Proxies<P> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<P: Process> Proxies<P> {
    pub(super) fn push(&mut self, proxy: P) {
        self.0.push(proxy);
    }

    /// Why the trial cannot go on: one has ended. Pending for good while none does.
    pub(super) async fn next_end(&mut self) -> Early {
        type Ending<'a> = Pin<Box<dyn Future<Output = Early> + 'a>>;
        let ends = self.0.iter_mut().map(|proxy| {
            let ending: Ending<'_> = Box::pin(async move {
                let node = called(proxy.node());
                match proxy.next_end().await {
                    Ok(_) => aborted(format!("the proxy in front of {node} ended by itself")),
                    Err(cause) => EngineError::Process(cause).into(),
                }
            });
            ending
        });
        let mut ends: Vec<Ending<'_>> = ends.collect();
        poll_fn(|context| {
            for end in &mut ends {
                if let Poll::Ready(early) = end.as_mut().poll(context) {
                    return Poll::Ready(early);
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Stops them.
    pub(super) async fn stop(&mut self) -> Result<(), EngineError> {
        for proxy in &mut self.0 {
            proxy.stop(&stop()).await.map_err(EngineError::Process)?;
            proxy.clear_group().await.map_err(EngineError::Process)?;
        }
        self.0.clear();
        Ok(())
    }
}

/// Starts the proxy in front of a node, where there is to be one, and waits until it listens.
pub(super) async fn start<S: Seams>(
    trial: &Trial<'_, S>,
    node: Node,
) -> Result<Option<S::Process>, Early> {
    let slot = trial.placement.slot(node);
    let Some(place) = &slot.proxy else {
        return Ok(None);
    };
    let target = target(place, slot.endpoint.port);
    let failed = |error: &_| Early::Target(start_failed(node, Incarnation(0), error));
    let launch = Launch {
        target: &target,
        port: place.port,
        data: &slot.data,
        node,
        addresses: trial.placement.addresses(),
        trial: trial.planned.id,
        incarnation: BESIDE,
        tag: &trial.site.tag,
        log: trial.log_of_proxy(node),
        clock: trial.site.clock,
        listener: None,
    };
    let mut process = trial.seams.start(launch).map_err(|error| failed(&error))?;
    let endpoint = Endpoint::at(place.port);
    let ready = trial
        .seams
        .wait_until_ready(&mut process, &target.ready, &endpoint, None);
    ready.await.map_err(|error| {
        let node = called(node);
        aborted(format!(
            "the proxy in front of {node} did not start: {error}"
        ))
    })?;
    Ok(Some(process))
}

/// The program of a proxy.
fn target(place: &ProxyPlace, to: u16) -> Target {
    let to = to.to_string();
    let words = [
        "{comeback}",
        "fault-proxy",
        "--port",
        "{port}",
        "--to",
        &to,
        "--control",
        &place.control,
    ];
    Target {
        ready: Readiness {
            probe: ReadyProbe::Log(LISTENS.to_owned()),
            within: READY_WITHIN,
        },
        stop: stop(),
        ..Target::of(words)
    }
}

const fn stop() -> Stop {
    Stop {
        signal: Signal::Term,
        grace: GRACE,
    }
}
