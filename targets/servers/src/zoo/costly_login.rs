//! `costly-login`: a memory server that checks passwords for 40 ms each, one after the other.
//!
//! A crash takes all sessions, and all users log in again at once: they wait in line for seconds, though the server was soon
//! there. Must be exposed as a time to steady far beyond the time to ready.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use tokio::sync::Mutex;

use crate::contract::App;
use crate::error::ServeError;
use crate::launch::Launch;
use crate::memory::Memory;

const CHECK: Duration = Duration::from_millis(40);

pub(crate) fn start(launch: Launch) -> Result<(), ServeError> {
    let turn = Arc::new(Mutex::new(()));
    let check = from_fn(move |request: Request, next: Next| {
        let turn = Arc::clone(&turn);
        async move {
            if request.uri().path() == "/login" {
                let _turn = turn.lock().await;
                tokio::time::sleep(CHECK).await;
            }
            next.run(request).await
        }
    });
    launch.serve(App::over(Memory::default()).map(|router| router.layer(check)))
}
