//! Names for things: one type for each, so that a client is never taken for a trial.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The number all randomness of a run follows from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seed(pub u64);

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A trial: one start of a target, and the faults of the plan or none. Trials are numbered in the order they run.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct TrialId(pub u32);

/// An arm, by its place in the plan.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct ArmId(pub u32);

/// A simulated user, by number; it holds one session at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientId(pub u32);

/// A session: the `generation`-th one of its client within a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId {
    /// Whose session it is.
    pub client: ClientId,
    /// How many sessions this client had before, in this trial.
    pub generation: u32,
}

/// A process of a trial by its part: one of the server's replicas, what stands in front of them, what they share.
/// Written `replica-0`, `balancer`, `store`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Node {
    /// What all replicas share; started first, stopped last.
    Store,
    /// One of the server's replicas, from 0.
    Replica(u32),
    /// The balancer in front of the replicas.
    Balancer,
    /// The cache in front of the balancer or the server.
    Cache,
}

impl Default for Node {
    /// A single server is this one.
    fn default() -> Self {
        Self::Replica(0)
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store => f.write_str("store"),
            Self::Replica(number) => write!(f, "replica-{number}"),
            Self::Balancer => f.write_str("balancer"),
            Self::Cache => f.write_str("cache"),
        }
    }
}

impl FromStr for Node {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let replica = || text.strip_prefix("replica-")?.parse().ok();
        match text {
            "store" => Ok(Self::Store),
            "balancer" => Ok(Self::Balancer),
            "cache" => Ok(Self::Cache),
            _ => replica()
                .map(Self::Replica)
                .ok_or_else(|| format!("'{text}' is no part of a topology")),
        }
    }
}

impl From<Node> for String {
    fn from(node: Node) -> Self {
        node.to_string()
    }
}

impl TryFrom<String> for Node {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// Which start of a node within its trial: 0 is the first, 1 the first restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Incarnation(pub u32);

/// A fault of a plan, by its place: those that come and go first, behind them its surroundings.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct FaultId(pub u32);

impl FaultId {
    /// The fault that a trial begins with; the only one where there are not several.
    pub const FIRST: Self = Self(0);

    /// Its place in the plan.
    pub const fn place(self) -> usize {
        self.0 as usize
    }
}

/// The answering process: a 64-bit digest of the server's boot header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BootId(u64);

impl BootId {
    /// The digest (64-bit FNV-1a) of a boot id header's value.
    pub fn from_header(value: &[u8]) -> Self {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for byte in value {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        Self(hash)
    }
}

impl fmt::Display for BootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for BootId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(text, 16).map(Self)
    }
}

impl Serialize for BootId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for BootId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
