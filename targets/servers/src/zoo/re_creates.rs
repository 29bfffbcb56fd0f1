//! `re-creates`: a memory server that never says 401 to a visit or a look: who has no session gets a new one, as
//! `guest`, with a 200.
//!
//! Must be exposed as lost sessions, by the name and the counter; a harness that looks at the status alone sees nothing.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::{Router, get, post};
use axum_extra::extract::cookie::CookieJar;

use crate::contract::{
    Answer, App, Refusal, Store, login, logout, parse_key, session_cookie, session_id,
};
use crate::error::{ServeError, StoreError};
use crate::launch::Launch;
use crate::memory::Memory;
use crate::session::{Session, SessionId, User};

pub(crate) fn start(launch: Launch) -> Result<(), ServeError> {
    let routes = Router::new()
        .route("/login", post(login::<Memory>))
        .route("/visit", post(visit))
        .route("/me", get(me))
        .route("/logout", post(logout::<Memory>));
    launch.serve(App::with_routes(Memory::default(), routes))
}

async fn visit(
    State(memory): State<Arc<Memory>>,
    headers: HeaderMap,
    jar: CookieJar,
) -> Result<Answer, Refusal> {
    let key = parse_key(&headers)?;
    if let Some(id) = session_id(&jar)
        && let Some(session) = memory.visit(id, key.clone()).await?
    {
        return Ok(Answer::plain(session));
    }
    let id = welcome_guest(&memory).await?;
    answer_guest(id, memory.visit(id, key).await?)
}

async fn me(State(memory): State<Arc<Memory>>, jar: CookieJar) -> Result<Answer, Refusal> {
    if let Some(id) = session_id(&jar)
        && let Some(session) = memory.me(id).await?
    {
        return Ok(Answer::plain(session));
    }
    let id = welcome_guest(&memory).await?;
    answer_guest(id, memory.me(id).await?)
}

async fn welcome_guest(memory: &Memory) -> Result<SessionId, StoreError> {
    let guest = User::parse("guest").ok_or_else(|| StoreError::new("guest is no user"))?;
    memory.login(guest).await.map(|(id, _)| id)
}

fn answer_guest(id: SessionId, session: Option<Session>) -> Result<Answer, Refusal> {
    let session = session.ok_or(Refusal::NoSession)?;
    Ok(Answer {
        session,
        cookie: Some(session_cookie(id.to_string())),
    })
}
