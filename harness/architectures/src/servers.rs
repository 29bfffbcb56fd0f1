//! Reference servers by their names, and which of them a plan starts.

use std::path::Path;

use comeback_model::plan::{self, Plan};
use comeback_servers::Target;

use crate::ArchitectureError;

/// A reference server by its name.
///
/// # Errors
/// If there is none of that name.
pub fn find(name: &str) -> Result<&'static Target, ArchitectureError> {
    comeback_servers::find(name).ok_or_else(|| ArchitectureError::UnknownServer {
        name: name.to_owned(),
        nearest: nearest(name),
    })
}

/// Refuses what does not speak HTTP, for a command whose load does.
///
/// # Errors
/// If the server speaks another protocol.
pub fn check_http(server: &'static Target) -> Result<(), ArchitectureError> {
    match server.protocol.speaks_http() {
        true => Ok(()),
        false => Err(ArchitectureError::NotHttp(server)),
    }
}

/// Refuses a plan that starts a reference server which does not speak HTTP.
///
/// # Errors
/// If one of the plan's servers speaks another protocol.
pub fn check_plan(plan: &Plan) -> Result<(), ArchitectureError> {
    for arm in &plan.arms {
        let servers = [Some(&arm.target), arm.next.as_ref()];
        for server in servers.into_iter().flatten().filter_map(reference) {
            check_http(server)?;
        }
    }
    Ok(())
}

/// The reference server that is started, if it is one.
fn reference(started: &plan::Target) -> Option<&'static Target> {
    let [program, verb, name, ..] = started.command.as_slice() else {
        return None;
    };
    let is_ours = program == "{comeback}" || Path::new(program).ends_with("comeback");
    (is_ours && verb == "serve")
        .then(|| comeback_servers::find(name))
        .flatten()
}

fn nearest(name: &str) -> Option<&'static str> {
    comeback_servers::all()
        .iter()
        .map(|target| (strsim::damerau_levenshtein(name, target.name), target.name))
        .filter(|(edits, other)| *edits <= 1 + other.len() / 4)
        .min()
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_met_with_the_nearest_name() {
        assert_eq!(nearest("memmory"), Some("memory"));
        assert_eq!(nearest("sqllite"), Some("sqlite"));
        assert_eq!(nearest("postgresql-cluster"), None);
    }
}
