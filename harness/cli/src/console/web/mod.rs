//! A run over HTTP while it goes on: a page for a browser (`--serve`), and OpenMetrics text (`--metrics`).
//!
//! ```text
//! journal's thread ── events, operations ─▶ board ◀── looks at it ── this thread ─▶ a browser, Prometheus
//! ```
//! It has a thread of its own, and looks at what the journal has written. So neither the engine nor the load waits for it. It answers
//! this machine alone.

mod guard;
mod metrics;
mod pages;
mod snapshot;
mod stream;

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, StatusCode};
use axum::middleware;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use tokio::sync::watch;

use super::board::Watched;
use pages::Pages;

/// How long an open page has to load the report before the program ends.
const FOR_REPORT: Duration = Duration::from_secs(5);
/// How long replies that are on their way have when the program ends.
const FOR_REPLIES: Duration = Duration::from_secs(2);

/// Where it is to listen. Each address is of this machine alone.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Addresses {
    /// For the page.
    pub(crate) page: Option<SocketAddr>,
    /// For the metrics.
    pub(crate) metrics: Option<SocketAddr>,
}

/// It cannot listen at an address.
#[derive(Debug)]
pub(crate) struct CannotListen {
    flag: &'static str,
    address: SocketAddr,
    cause: io::Error,
}

impl fmt::Display for CannotListen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            flag,
            address,
            cause,
        } = self;
        write!(
            f,
            "{flag}: cannot listen on {address}: {cause}: name another port, or 0 for a free one"
        )
    }
}

impl std::error::Error for CannotListen {}

/// How far the run is.
#[derive(Clone, Debug)]
enum Stage {
    /// The trials have not begun.
    Preparing,
    /// They go on.
    Running(Arc<Watched>),
    /// They are over; the report is being made.
    Judging(Arc<Watched>),
    /// The report is in this file.
    Reported(Arc<Watched>, Arc<Path>),
    /// The program ends.
    Over,
}

/// What the handlers share.
#[derive(Clone, Debug)]
struct Shared {
    stage: watch::Receiver<Stage>,
    pages: Arc<Pages>,
}

/// Answers until it is dropped.
#[derive(Debug)]
pub(crate) struct Web {
    stage: watch::Sender<Stage>,
    pages: Arc<Pages>,
    /// The page's address and that of the metrics, as far as they were asked for.
    urls: Vec<String>,
    thread: Option<JoinHandle<()>>,
}

impl Web {
    /// Listens there. `None` if nothing was asked for.
    ///
    /// # Errors
    /// If an address is taken or is not there.
    pub(crate) fn open(addresses: Addresses) -> Result<Option<Self>, CannotListen> {
        let (stage, looked) = watch::channel(Stage::Preparing);
        let pages = Arc::new(Pages::default());
        let shared = Shared {
            stage: looked,
            pages: Arc::clone(&pages),
        };
        let (mut urls, mut services) = (Vec::new(), Vec::new());
        if let Some(asked) = addresses.page {
            let (listener, address) = listen("--serve", asked)?;
            urls.push(format!("live page: http://{address}/"));
            services.push((listener, page_routes(shared.clone())));
        }
        if let Some(asked) = addresses.metrics {
            let (listener, address) = listen("--metrics", asked)?;
            urls.push(format!("metrics: http://{address}/metrics"));
            services.push((listener, metrics_routes(shared.clone())));
        }
        let Some(asked) = addresses.page.or(addresses.metrics) else {
            return Ok(None);
        };
        let refuse = |cause| CannotListen {
            flag: if addresses.page.is_some() {
                "--serve"
            } else {
                "--metrics"
            },
            address: asked,
            cause,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(refuse)?;
        let thread = std::thread::Builder::new()
            .name("web".to_owned())
            .spawn(move || runtime.block_on(answer(services, shared.stage)))
            .map_err(refuse)?;
        Ok(Some(Self {
            stage,
            pages,
            urls,
            thread: Some(thread),
        }))
    }

    /// Where it listens, in words.
    pub(crate) fn urls(&self) -> &[String] {
        &self.urls
    }

    /// The trials begin; they are seen on this board.
    pub(super) fn begin(&self, board: &Arc<Watched>) {
        self.stage.send_replace(Stage::Running(Arc::clone(board)));
    }

    /// The trials are over.
    pub(crate) fn end_trials(&self) {
        self.stage.send_if_modified(|stage| {
            let Stage::Running(board) = stage else {
                return false;
            };
            *stage = Stage::Judging(Arc::clone(board));
            true
        });
    }

    /// The report is in this file: each open page loads it. Returns when they have it, or after some seconds.
    pub(crate) fn show_report(&self, file: &Path) {
        let is_there = self.stage.send_if_modified(|stage| {
            let (Stage::Running(board) | Stage::Judging(board)) = stage else {
                return false;
            };
            *stage = Stage::Reported(Arc::clone(board), file.into());
            true
        });
        if !is_there {
            return;
        }
        self.pages.wait_until_served(FOR_REPORT);
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.stage.send_replace(Stage::Over);
        if let Some(thread) = self.thread.take() {
            // If it panicked, that was told.
            let _ = thread.join();
        }
    }
}

fn listen(
    flag: &'static str,
    address: SocketAddr,
) -> Result<(TcpListener, SocketAddr), CannotListen> {
    let bound = TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    });
    bound.map_err(|cause| CannotListen {
        flag,
        address,
        cause,
    })
}

/// Answers until the program ends.
async fn answer(services: Vec<(TcpListener, Router)>, stage: watch::Receiver<Stage>) {
    let served = services.into_iter().map(|(listener, routes)| {
        let over = until_over(stage.clone());
        async move {
            // It never ends by itself, and what it cannot accept it tries again.
            if let Ok(listener) = tokio::net::TcpListener::from_std(listener) {
                let _ = axum::serve(listener, routes)
                    .with_graceful_shutdown(over)
                    .await;
            }
        }
    });
    let all = futures_util::future::join_all(served);
    let too_late = async {
        until_over(stage).await;
        tokio::time::sleep(FOR_REPLIES).await;
    };
    tokio::select! {
        _ = all => {}
        () = too_late => {}
    }
}

async fn until_over(mut stage: watch::Receiver<Stage>) {
    // It fails if the sender is gone: then it is over, too.
    let _ = stage.wait_for(|stage| matches!(stage, Stage::Over)).await;
}

fn metrics_routes(shared: Shared) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .layer(middleware::from_fn(guard::only_this_machine))
        .with_state(shared)
}

fn page_routes(shared: Shared) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/events", get(stream::events))
        .route("/report", get(report))
        .layer(middleware::from_fn(guard::only_this_machine))
        .with_state(shared)
}

async fn metrics(State(shared): State<Shared>) -> Response {
    let stage = shared.stage.borrow().clone();
    let text = match stage {
        Stage::Running(board) | Stage::Judging(board) | Stage::Reported(board, _) => {
            board.look(metrics::text_of)
        }
        Stage::Preparing | Stage::Over => metrics::nothing(),
    };
    ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response()
}

/// What every page says to the browser: keep nothing, and believe its type.
const HEADERS: [(HeaderName, &str); 2] = [
    (CACHE_CONTROL, "no-store"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
];

async fn page() -> Response {
    let Ok(page) = comeback_reports::live_page() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let policy = [(CONTENT_SECURITY_POLICY, page.policy)];
    (HEADERS, policy, Html(page.html)).into_response()
}

async fn report(State(shared): State<Shared>) -> Response {
    let stage = shared.stage.borrow().clone();
    let Stage::Reported(_, file) = stage else {
        return (StatusCode::NOT_FOUND, "the report is not there yet\n").into_response();
    };
    let response = match tokio::task::spawn_blocking(move || std::fs::read(&file)).await {
        Ok(Ok(bytes)) => (HEADERS, Html(bytes)).into_response(),
        _ => (StatusCode::NOT_FOUND, "the report cannot be read\n").into_response(),
    };
    shared.pages.serve();
    response
}

#[cfg(test)]
mod tests;
