//! Where each node of a trial is: its port, folder and held listener, known before any is started.

use std::cell::Cell;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use comeback_model::ids::{Incarnation, Node};
use comeback_model::plan::{Arm, Listener, Target};

use super::EngineError;
use super::seams::Processes;
use crate::endpoint::Endpoint;
use comeback_faults::Disk;

use crate::supervise::process::{Addresses, StartError, resolve_endpoint};

/// Where each node is, known before any is started.
#[derive(Debug)]
pub(super) struct Placement {
    list: Vec<Slot>,
    addresses: Addresses,
}

/// Where a node is.
#[derive(Debug)]
pub(super) struct Slot {
    node: Node,
    pub(super) endpoint: Endpoint,
    pub(super) data: PathBuf,
    /// The disk that this lies on, where a fault needs one that forgets.
    pub(super) disk: Option<Box<dyn Disk>>,
    /// Its latest start.
    pub(super) start: Cell<u32>,
    /// Whether its next start, and its latest since, is of the version that a deploy brought.
    pub(super) is_deployed: Cell<bool>,
    /// Its listening socket, where the harness holds that through all of its starts.
    pub(super) listener: Option<OwnedFd>,
}

/// The reason why a node cannot be placed.
pub(super) enum PlacementError {
    /// The target is the reason.
    Target(Node, StartError),
    /// The harness is.
    Engine(EngineError),
}

impl Placement {
    /// Finds a port and makes a data folder for every node. A server that is alone has the trial's own folder.
    pub(super) fn prepare(
        arm: &Arm,
        folder: &Path,
        processes: &impl Processes,
        lay_disk: impl Fn(Node, &Path) -> Result<Option<Box<dyn Disk>>, EngineError>,
    ) -> Result<Self, PlacementError> {
        let nodes: Vec<Node> = arm.nodes().collect();
        let mut slots: Vec<Slot> = Vec::with_capacity(nodes.len());
        for node in nodes.iter().copied() {
            let data = match nodes.as_slice() {
                [_] => folder.to_owned(),
                _ => folder.join(node.to_string()),
            };
            std::fs::create_dir_all(&data).map_err(|cause| {
                PlacementError::Engine(EngineError::folder("create", &data, cause))
            })?;
            let port = another_port(&slots, processes)
                .map_err(|cause| PlacementError::Engine(EngineError::Port(cause)))?;
            let endpoint = resolve_endpoint(arm.target_of(node), port, &data, node)
                .map_err(|error| PlacementError::Target(node, error))?;
            let listener = listener_of(arm.target_of(node), &endpoint, processes)
                .map_err(|error| PlacementError::Target(node, error))?;
            slots.push(Slot {
                node,
                endpoint,
                disk: lay_disk(node, &data).map_err(PlacementError::Engine)?,
                data,
                start: Cell::new(0),
                is_deployed: Cell::new(false),
                listener,
            });
        }
        let ports = |wanted: fn(Node) -> bool| {
            let slots = slots.iter().filter(move |slot| wanted(slot.node));
            slots.map(|slot| slot.endpoint.port)
        };
        let shared = match nodes.as_slice() {
            [_] => None,
            _ => Some(make_shared(folder)?),
        };
        let origin = slots.iter().find(|slot| slot.node == arm.origin());
        let addresses = Addresses {
            shared,
            origin: origin.map(|slot| slot.endpoint.port),
            store: ports(|node| node == Node::Store).next(),
            replicas: ports(|node| matches!(node, Node::Replica(_))).collect(),
        };
        Ok(Self {
            list: slots,
            addresses,
        })
    }

    /// Every node, in the order they are started.
    pub(super) fn nodes(&self) -> impl DoubleEndedIterator<Item = Node> {
        self.list.iter().map(|slot| slot.node)
    }

    /// Where a node is reached.
    pub(super) fn endpoint(&self, node: Node) -> &Endpoint {
        &self.slot(node).endpoint
    }

    /// The port and the data folder of a node.
    pub(super) fn place(&self, node: Node) -> (u16, &Path) {
        let slot = self.slot(node);
        (slot.endpoint.port, &slot.data)
    }

    /// The latest start of a node.
    pub(super) fn start(&self, node: Node) -> Incarnation {
        Incarnation(self.slot(node).start.get())
    }

    /// The addresses that nodes know of each other.
    pub(super) const fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    pub(super) fn slot(&self, node: Node) -> &Slot {
        let slot = self.list.iter().find(|slot| slot.node == node);
        // Only nodes of the arm are asked for, and each has a slot.
        slot.unwrap_or(&self.list[0])
    }

    /// Whether the server is all there is.
    pub(super) const fn is_alone(&self) -> bool {
        self.list.len() == 1
    }
}

fn listener_of(
    target: &Target,
    endpoint: &Endpoint,
    processes: &impl Processes,
) -> Result<Option<OwnedFd>, StartError> {
    match target.listener {
        Listener::Own => Ok(None),
        Listener::Held => {
            let held = processes
                .hold(endpoint)
                .map_err(|cause| StartError::Listener {
                    endpoint: endpoint.clone(),
                    cause,
                });
            held.map(Some)
        }
    }
}

fn make_shared(folder: &Path) -> Result<PathBuf, PlacementError> {
    let shared = std::path::absolute(folder.join("shared"));
    let made = shared.and_then(|shared| std::fs::create_dir_all(&shared).map(|()| shared));
    made.map_err(|cause| {
        PlacementError::Engine(EngineError::folder("create", &folder.join("shared"), cause))
    })
}

/// A port that is none of these: none of them is listened on yet.
fn another_port(slots: &[Slot], processes: &impl Processes) -> io::Result<u16> {
    loop {
        let port = processes.free_port()?;
        if slots.iter().all(|slot| slot.endpoint.port != port) {
            return Ok(port);
        }
    }
}
