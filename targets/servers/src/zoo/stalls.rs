//! `stalls`: a memory server that handles one request at a time and takes 20 ms for each: 50 requests a second at best.
//!
//! Must be exposed under a higher rate by latency counted from the intended time, which grows without end; latency
//! counted from the sending hides it.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use tokio::sync::Mutex;

use crate::contract::App;
use crate::error::ServeError;
use crate::launch::Launch;
use crate::memory::Memory;

const SERVICE_TIME: Duration = Duration::from_millis(20);

pub(crate) fn start(launch: Launch) -> Result<(), ServeError> {
    let turn = Arc::new(Mutex::new(()));
    let queue = from_fn(move |request: Request, next: Next| {
        let turn = Arc::clone(&turn);
        async move {
            let _turn = turn.lock().await;
            tokio::time::sleep(SERVICE_TIME).await;
            next.run(request).await
        }
    });
    launch.serve(App::over(Memory::default()).map(|router| router.layer(queue)))
}
