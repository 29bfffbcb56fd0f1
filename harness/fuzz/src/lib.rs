//! What the fuzz targets hold true, for any bytes.
//!
//! The rooms that read those bytes are the harness's own: links to its sources, so that neither its servers
//! nor its clients have to be built once more to fuzz what is pure.

#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "the linked rooms have more in them than is looked at here"
)]

pub mod checks;
mod experiment;
mod load;
