//! Common to servers that keep their sessions in another server: how long they wait for it, and who
//! drives their connections.

use std::future::Future;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use crate::error::StoreError;

/// How long a request may wait for the store, a new connection included: longer than a healthy one ever takes, and
/// short enough that its clients hear that it is away before they give up.
pub const STORE_WITHIN: Duration = Duration::from_secs(1);

/// Waits for the store until then. Whatever goes wrong, the store is away: what it holds is not known.
pub(crate) async fn in_time<T>(
    deadline: Instant,
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let done = timeout_at(deadline, work)
        .await
        .unwrap_or_else(|_| Err(StoreError::new("the store did not answer in time")));
    done.map_err(StoreError::away)
}

/// The task that reads and writes a connection; ends with the value.
pub(crate) struct Driver(JoinHandle<()>);

impl Driver {
    pub(crate) fn spawn(work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(work))
    }

    /// Whether the connection is known to be broken.
    pub(crate) fn has_ended(&self) -> bool {
        self.0.is_finished()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}
