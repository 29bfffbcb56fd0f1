//! `late-listener`: a token server that is ready and then sleeps exactly 300 ms before it binds.
//!
//! Must be exposed by the time to ready: 300 ms more than `token`, with every connection refused meanwhile.

use std::time::Duration;

use crate::error::ServeError;
use crate::launch::Launch;
use crate::token;

const LATE_BY: Duration = Duration::from_millis(300);

pub(crate) fn start(launch: Launch) -> Result<(), ServeError> {
    let key = token::load_key(launch.data())?;
    std::thread::sleep(LATE_BY);
    launch.serve(token::app(key))
}
