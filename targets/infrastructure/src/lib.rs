//! Programs that stand beside a server.
//!
//! A line belongs here if it balances or caches requests, puts HAProxy or nginx in that place, starts a PostgreSQL
//! server, disturbs connections to a node, or records requests. Each runs as a process of its own, which the program's commands `balance`, `cache`,
//! `cluster` and `fault-proxy` start; only the recorder lives in the process of its command. This crate knows no trials, plans or journals; of the model it has the orders of a fault to its proxy.

pub mod balancer;
pub mod cache;
pub mod fault_proxy;
mod orders;
pub mod postgres;
pub mod recorder;
mod relay;
