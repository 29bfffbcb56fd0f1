//! What earlier runs left behind: processes whose harness is gone.

use std::collections::BTreeMap;
use std::io;

use super::members::Member;
use super::proc;
use super::tag::{RUN_VARIABLE, RunTag};

/// The processes of a run whose harness is no longer alive.
#[derive(Clone, Debug)]
pub struct Abandoned {
    /// The run; its `kill_all` ends them.
    pub tag: RunTag,
    /// Its processes, and whatever descends from them.
    pub members: Vec<Member>,
}

/// Finds the processes of runs whose harness is no longer alive.
///
/// The warden ends these by itself moments after its harness; what is found later outlived the warden too.
/// A server that overwrote its environment cannot be known any more.
///
/// # Errors
/// When `/proc` cannot be listed.
pub fn find_abandoned() -> io::Result<Vec<Abandoned>> {
    let mut tags = BTreeMap::new();
    for stat in proc::all()? {
        let Ok(environment) = proc::environment(stat.pid) else {
            continue;
        };
        let tag = proc::variable(&environment, RUN_VARIABLE).and_then(|text| text.parse().ok());
        if let Some(tag) = tag.filter(|tag: &RunTag| !tag.harness_is_alive()) {
            tags.entry(tag.to_string()).or_insert(tag);
        }
    }
    let abandoned = tags.into_values().map(|tag| Abandoned {
        members: tag.members(),
        tag,
    });
    Ok(abandoned
        .filter(|found| !found.members.is_empty())
        .collect())
}
