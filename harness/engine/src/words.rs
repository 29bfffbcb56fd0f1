//! What nodes are called, and what is said of one that could not be started.

use comeback_model::event::EventKind;
use comeback_model::ids::{Incarnation, Node};

use crate::supervise::process::StartError;

/// A node in a sentence: "replica-0", "the store".
pub(super) fn called(node: Node) -> String {
    match node {
        Node::Replica(_) => node.to_string(),
        Node::Store | Node::Balancer | Node::Cache => format!("the {node}"),
    }
}

/// What to record of a target that could not be started at all.
pub(super) fn start_failed(node: Node, incarnation: Incarnation, error: &StartError) -> EventKind {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    EventKind::TargetStartFailed {
        node,
        incarnation,
        problem: text,
        tail: Vec::new(),
        port_taken_by: None,
    }
}
