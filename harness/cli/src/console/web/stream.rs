//! The events that a page listens to (server-sent events): a moment of the run twice a second, and at last that the report is there.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, Sse};
use futures_util::stream::{Stream, unfold};
use serde::Serialize;
use tokio::sync::watch;

use super::pages::Seat;
use super::snapshot::Snapshot;
use super::{Shared, Stage};

/// How often a page is told.
const TICK: Duration = Duration::from_millis(500);

/// What a page is told twice a second.
#[derive(Serialize)]
struct Moment {
    /// `preparing`, `running` or `judging`.
    stage: &'static str,
    /// Absent before the trials.
    run: Option<Snapshot>,
}

struct Listener {
    stage: watch::Receiver<Stage>,
    seat: Seat,
    is_first: bool,
}

/// The events for one page.
pub(super) async fn events(
    State(shared): State<Shared>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let listener = Listener {
        stage: shared.stage,
        seat: shared.pages.seat(),
        is_first: true,
    };
    let events = unfold(listener, |mut listener| async move {
        let event = listener.next().await?;
        Some((Ok(event), listener))
    });
    Sse::new(events)
}

impl Listener {
    async fn next(&mut self) -> Option<Event> {
        if self.seat.is_told() {
            return None;
        }
        if !std::mem::take(&mut self.is_first) {
            tokio::select! {
                () = tokio::time::sleep(TICK) => {}
                changed = self.stage.changed() => changed.ok()?,
            }
        }
        let stage = self.stage.borrow_and_update().clone();
        let moment = match stage {
            Stage::Over => return None,
            Stage::Reported(..) => {
                self.seat.send_for_report();
                return Some(Event::default().event("report").data("/report"));
            }
            Stage::Preparing => Moment {
                stage: "preparing",
                run: None,
            },
            Stage::Running(board) => Moment {
                stage: "running",
                run: Some(board.look(Snapshot::of)),
            },
            Stage::Judging(board) => Moment {
                stage: "judging",
                run: Some(board.look(Snapshot::of)),
            },
        };
        Event::default().event("moment").json_data(moment).ok()
    }
}
