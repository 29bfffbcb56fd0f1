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
    /// The proxy in front of it, where a fault needs one.
    pub(super) proxy: Option<ProxyPlace>,
    /// Its listening socket, where the harness holds that through all of its starts.
    pub(super) listener: Option<OwnedFd>,
}

/// Where the proxy in front of a node is.
#[derive(Debug)]
pub(super) struct ProxyPlace {
    /// Where clients and other nodes connect, in the place of the node's own port.
    pub(super) port: u16,
    /// The abstract name of the Unix socket that takes its orders; nothing else on this machine has it.
    pub(super) control: String,
}

/// The nodes that a proxy stands in front of.
#[derive(Debug)]
pub(super) struct Proxied {
    pub(super) nodes: Vec<Node>,
    /// The begin of the names of their sockets: no other trial on this machine has it.
    pub(super) names: String,
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
        proxied: &Proxied,
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
            let another = |taken: Option<u16>| {
                another_port(&slots, taken, processes)
                    .map_err(|cause| PlacementError::Engine(EngineError::Port(cause)))
            };
            let port = match &arm.target_of(node).external {
                Some(external) => external.port,
                None => another(None)?,
            };
            let proxy = match proxied.nodes.contains(&node) {
                true => Some(ProxyPlace {
                    port: another(Some(port))?,
                    control: format!("{}-{node}", proxied.names),
                }),
                false => None,
            };
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
                proxy,
                listener,
            });
        }
        let ports = |wanted: fn(Node) -> bool| {
            let slots = slots.iter().filter(move |slot| wanted(slot.node));
            slots.map(Slot::reached_port)
        };
        let shared = match nodes.as_slice() {
            [_] => None,
            _ => Some(make_shared(folder)?),
        };
        let origin = slots.iter().find(|slot| slot.node == arm.origin());
        let addresses = Addresses {
            shared,
            origin: origin.map(Slot::reached_port),
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

    /// Where a node itself listens: for whoever looks at the node.
    pub(super) fn endpoint(&self, node: Node) -> &Endpoint {
        &self.slot(node).endpoint
    }

    /// Where clients and other nodes reach it: at the proxy in front of it, where one is.
    pub(super) fn reached(&self, node: Node) -> Endpoint {
        let slot = self.slot(node);
        Endpoint {
            port: slot.reached_port(),
            ..slot.endpoint.clone()
        }
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

impl Slot {
    fn reached_port(&self) -> u16 {
        let proxy = self.proxy.as_ref();
        proxy.map_or(self.endpoint.port, |proxy| proxy.port)
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
fn another_port(slots: &[Slot], taken: Option<u16>, processes: &impl Processes) -> io::Result<u16> {
    let is_taken = |port| {
        let has_it = |slot: &Slot| slot.endpoint.port == port || slot.reached_port() == port;
        taken == Some(port) || slots.iter().any(has_it)
    };
    loop {
        let port = processes.free_port()?;
        if !is_taken(port) {
            return Ok(port);
        }
    }
}
