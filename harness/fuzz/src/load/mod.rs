//! The pure rooms of the load.

pub(crate) mod connection;
pub(crate) mod flow;
pub(crate) mod wire;
