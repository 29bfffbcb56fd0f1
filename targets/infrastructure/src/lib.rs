//! Programs that stand beside a server.
//!
//! A line belongs here if it balances or caches requests, puts HAProxy or nginx in that place, or starts a PostgreSQL
//! server. Each runs as a process of its own, which the program's commands `balance`, `cache` and `cluster` start.
//! This crate knows no trials, plans or journals.

pub mod balancer;
pub mod cache;
pub mod postgres;
