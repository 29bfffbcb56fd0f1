//! `token-newkey`: as `token`, but the signing key is made again at each start, so that no cookie outlives the process.

use crate::error::ServeError;
use crate::launch::Launch;
use crate::token::{app, new_key};

pub(crate) fn start(launch: Launch) -> Result<(), ServeError> {
    launch.serve(app(new_key()?))
}
