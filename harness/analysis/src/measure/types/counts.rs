//! What is counted of a run, and stands in the summary as it is counted here.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Further trials, declared before the run for the case that the others do not suffice to judge it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Extension {
    /// How many, of all arms together.
    pub trials: u32,
    /// The void trials that they replace, one each. Empty if they are additional.
    #[serde(default)]
    pub replaces: Vec<u32>,
    /// The reason: gates that could not be judged without them, or the reasons of the void trials.
    pub reasons: Vec<String>,
}

/// Who failed an operation.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Culprit {
    /// The load generator: it could not start it in time.
    Client,
    /// The balancer: it answered by itself, or broke the connection.
    Balancer,
    /// The cache: it served what it should not have, or broke the connection.
    Cache,
    /// The server.
    Replica,
    /// What the replicas share: they said that they could not, while it was down.
    Store,
}

/// A figure for the time before, during and after the fault.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Windowed<T> {
    /// Finished before the fault was sent.
    pub before: T,
    /// In flight at, or scheduled between, the fault and the first correct reply of the new process.
    pub during: T,
    /// Scheduled after that reply.
    pub after: T,
}

/// The session ledger: each acknowledged session ends as exactly one of survived, rejected, recreated,
/// broken, reset, wrong_identity, undecided; lost = rejected + recreated + broken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SessionCounts {
    /// Login acknowledged before the fault, and not logged out.
    pub acknowledged: u64,
    /// Known afterwards, with a state not older than acknowledged.
    pub survived: u64,
    /// Rejected, re-created or broken.
    pub lost: u64,
    /// Definitely not known any more.
    pub rejected: u64,
    /// Answered as if the user were not logged in, with a new session.
    pub recreated: u64,
    /// The server failed at every final look at it (5xx, cut replies, time-outs), and answered others meanwhile.
    #[serde(default)]
    pub broken: u64,
    /// Of `survived` and `reset`: sessions that an earlier final look did not find, or found with an older state.
    #[serde(default)]
    pub known_later: u64,
    /// Known, but with a state older than acknowledged.
    pub reset: u64,
    /// Now names another user.
    pub wrong_identity: u64,
    /// Names another user, and was begun after the fault, or logged out, or at a login that never succeeded: a fault hands
    /// sessions to others that way, too. Not part of `acknowledged`.
    #[serde(default)]
    pub wrong_identity_later: u64,
    /// Of `logged_out`: sessions that are honoured afterwards.
    pub zombie: u64,
    /// Logged out after the fault, and honoured nevertheless; no evidence that a logout outlives the fault.
    #[serde(default)]
    pub zombie_later: u64,
    /// Of `zombie`, in a control trial: logged out so shortly before the look that no logout before a fault is as young at its own.
    #[serde(skip)]
    pub zombie_recent: u64,
    /// Logged out before the fault for certain, and no look at it got a definite answer.
    #[serde(skip)]
    pub logged_out_unseen: u64,
    /// No definite answer.
    pub undecided: u64,
    /// Login or logout in flight at the fault; not part of `acknowledged`.
    pub ambiguous: u64,
    /// Logged out before the fault for certain, and looked at afterwards with a definite answer; not part of
    /// `acknowledged`. Without any, nothing is known of zombies.
    pub logged_out: u64,
    /// Sessions that are lost if their acknowledgement was whole: a reply without a length, which the fault may have cut off.
    /// In no other count. Absent if 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lost_doubted: u64,
    /// Sessions that are reset if such a reply was whole. Absent if 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reset_doubted: u64,
    /// Sessions that are honoured after their logout if such a reply was whole. Absent if 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub zombie_doubted: u64,
}

/// Whether a count is left out.
#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
pub(crate) const fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl WriteCounts {
    /// Acknowledged ones of which it can be seen whether they are there.
    pub const fn verifiable(&self) -> u64 {
        self.acknowledged.saturating_sub(self.unverifiable)
    }
}

impl SessionCounts {
    /// Sessions that are gone, set back or honoured too long if replies were whole that a fault may have cut off.
    pub const fn doubted(&self) -> u64 {
        self.lost_doubted
            .saturating_add(self.reset_doubted)
            .saturating_add(self.zombie_doubted)
    }

    /// Sessions that name another user, whenever they were begun.
    pub const fn name_another(&self) -> u64 {
        self.wrong_identity
            .saturating_add(self.wrong_identity_later)
    }

    /// Logged-out sessions that are honoured, whenever their logout was.
    pub const fn honoured_logouts(&self) -> u64 {
        self.zombie.saturating_add(self.zombie_later)
    }
}

/// The write ledger: kept + lost = acknowledged, for the sessions that could be read back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WriteCounts {
    /// Acknowledged before the fault.
    pub acknowledged: u64,
    /// Found again, or not known to be absent: `unverifiable` ones are among them.
    pub kept: u64,
    /// Absent, also because their session is lost.
    pub lost: u64,
    /// Applied more often than acknowledged or possibly sent.
    pub duplicated: u64,
    /// Rejected or never sent, yet present.
    pub phantom: u64,
    /// May or may not have been applied.
    pub indeterminate: u64,
    /// Lost ones that are older than a kept one of their session. 0 with a counter, which cannot show them.
    pub holes: u64,
    /// Checks of the load that lacked a write which had been acknowledged, and which was there at last.
    pub stale_reads: u64,
    /// Acknowledged writes of sessions whose counter shows more than was ever sent: a loss among them cannot be seen.
    /// 0 where writes carry values of their own.
    #[serde(default)]
    pub unverifiable: u64,
    /// Acknowledged writes of sessions that had ended before the fault: their users had logged out, or may have, or had been refused.
    /// No look shows whether they are there, so they are in no other count. Absent if 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unverified: u64,
    /// Writes that are lost if their acknowledgement was whole: a reply without a length, which the fault may have cut off.
    /// In no other count. Absent if 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lost_doubted: u64,
}
