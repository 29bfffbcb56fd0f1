//! `token-v2`: as `token`, a version later: its cookies have another format, and those of the former are not taken.
//!
//! The key is the same, so that a signature of the former is a good one: what parts the two is how they read what was
//! signed. Neither keeps anything of a session, and yet clients notice when one replaces the other.

use crate::error::ServeError;
use crate::launch::Launch;
use crate::token::{Issuer, load_key};

pub(crate) fn start(launch: Launch) -> Result<(), ServeError> {
    let key = load_key(launch.data())?;
    let issuer = Issuer {
        version: "v2.",
        ..Issuer::new(key)
    };
    launch.serve(issuer.into_app())
}
