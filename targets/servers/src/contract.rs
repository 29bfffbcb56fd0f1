//! The HTTP contract all servers share, over a [`Store`] that holds the sessions.
//!
//! Nothing here knows where the state lives. The token servers, whose state is the cookie itself, have routes of their
//! own in `token`, made of the same answers.
//!
//! A visit may carry an `Idempotency-Key`. A session counts one visit for each key, and answers the others with what it
//! is now; it knows all its keys as long as it lives. A visit without a key is always counted.

use std::future::Future;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{AppendHeaders, IntoResponse, Response};
use axum::routing::{Router, get, post};
use axum_extra::extract::cookie::CookieJar;
use cookie::{Cookie, SameSite};
use serde::{Deserialize, Serialize};

use crate::error::{ServeError, StoreError};
use crate::page::pages;
use crate::session::{Key, Session, SessionId, User};

/// The cookie that carries a session id, or a token.
pub(crate) const COOKIE: &str = "session";

/// The header that names a visit.
const KEY: &str = "idempotency-key";

/// A place where sessions live.
///
/// An `Ok` is an acknowledgement: what it means for the change to be kept is what tells the servers apart.
/// `Ok(None)` says that there is no such session.
pub(crate) trait Store: Send + Sync + 'static {
    /// Begins a new session with a counter of its own.
    fn login(
        &self,
        user: User,
    ) -> impl Future<Output = Result<(SessionId, Session), StoreError>> + Send;

    /// Adds one to the session's counter, unless it did so before for a visit with this key. The key is kept as the
    /// counter is, and in the same step.
    fn visit(
        &self,
        id: SessionId,
        key: Option<Key>,
    ) -> impl Future<Output = Result<Option<Session>, StoreError>> + Send;

    /// Reads the session.
    fn me(&self, id: SessionId)
    -> impl Future<Output = Result<Option<Session>, StoreError>> + Send;

    /// Ends the session.
    fn logout(
        &self,
        id: SessionId,
    ) -> impl Future<Output = Result<Option<Session>, StoreError>> + Send;

    /// Stores what is not stored yet; called once, after the drain.
    fn close(&self) -> Result<(), ServeError> {
        Ok(())
    }
}

/// The routes of a server, and what is left to do when it ends.
pub(crate) struct App {
    pub(crate) router: Router,
    pub(crate) close: Box<dyn FnOnce() -> Result<(), ServeError> + Send>,
}

impl App {
    /// An app whose end needs no work.
    pub(crate) fn stateless(router: Router) -> Self {
        Self {
            router: router.merge(health()).merge(pages()),
            close: Box::new(|| Ok(())),
        }
    }

    /// The full contract over a store.
    pub(crate) fn over<S: Store>(store: S) -> Self {
        let routes = Router::new()
            .route("/login", post(login::<S>))
            .route("/visit", post(visit::<S>))
            .route("/me", get(me::<S>))
            .route("/logout", post(logout::<S>));
        Self::with_routes(store, routes)
    }

    /// Routes of a target's own over a store.
    pub(crate) fn with_routes<S: Store>(store: S, routes: Router<Arc<S>>) -> Self {
        let store = Arc::new(store);
        let router = routes.with_state(Arc::clone(&store));
        let router = router.merge(health()).merge(pages());
        Self {
            router,
            close: Box::new(move || store.close()),
        }
    }

    /// Puts a layer around all routes.
    pub(crate) fn map(self, change: impl FnOnce(Router) -> Router) -> Self {
        Self {
            router: change(self.router),
            close: self.close,
        }
    }
}

/// A good answer, which hands out or changes a cookie if there is a reason to.
pub(crate) struct Answer {
    pub(crate) session: Session,
    pub(crate) cookie: Option<Cookie<'static>>,
}

impl Answer {
    pub(crate) fn plain(session: Session) -> Self {
        Self {
            session,
            cookie: None,
        }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let cookie = self
            .cookie
            .map(|cookie| AppendHeaders([("set-cookie", cookie.to_string())]));
        (cookie, Json(self.session)).into_response()
    }
}

/// An answer that is not good.
#[derive(Debug)]
pub(crate) enum Refusal {
    BadBody(serde_json::Error),
    BadKey,
    NoSession,
    NotStored(StoreError),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::NotStored(error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, error) = match self {
            Self::BadBody(error) => (
                StatusCode::BAD_REQUEST,
                format!("this is not a login: {error}"),
            ),
            Self::BadKey => (StatusCode::BAD_REQUEST, NO_KEY.to_owned()),
            Self::NoSession => (StatusCode::UNAUTHORIZED, "no such session".to_owned()),
            Self::NotStored(error) => (status_of(&error), describe(&error)),
        };
        (status, Json(Problem { error })).into_response()
    }
}

const NO_KEY: &str = "this is not an Idempotency-Key: write one key of 1 to 64 visible ASCII characters without quotes and backslashes, in double quotes or not";

/// An unavailable store is never reported as a lost session: the client must try again, not log in.
fn status_of(error: &StoreError) -> StatusCode {
    match error.is_away() {
        true => StatusCode::SERVICE_UNAVAILABLE,
        false => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn describe(error: &StoreError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// The body of an answer that is not good.
#[derive(Serialize)]
pub(crate) struct Problem {
    pub(crate) error: String,
}

#[derive(Deserialize)]
struct Login {
    user: User,
}

/// Reads the body of a login.
pub(crate) fn parse_login(body: &[u8]) -> Result<User, Refusal> {
    let login: Login = serde_json::from_slice(body).map_err(Refusal::BadBody)?;
    Ok(login.user)
}

pub(crate) async fn login<S: Store>(
    State(store): State<Arc<S>>,
    body: Bytes,
) -> Result<Answer, Refusal> {
    let (id, session) = store.login(parse_login(&body)?).await?;
    Ok(Answer {
        session,
        cookie: Some(session_cookie(id.to_string())),
    })
}

async fn visit<S: Store>(
    State(store): State<Arc<S>>,
    headers: HeaderMap,
    jar: CookieJar,
) -> Result<Answer, Refusal> {
    let key = parse_key(&headers)?;
    let id = session_id(&jar).ok_or(Refusal::NoSession)?;
    store
        .visit(id, key)
        .await?
        .map(Answer::plain)
        .ok_or(Refusal::NoSession)
}

async fn me<S: Store>(State(store): State<Arc<S>>, jar: CookieJar) -> Result<Answer, Refusal> {
    let id = session_id(&jar).ok_or(Refusal::NoSession)?;
    store
        .me(id)
        .await?
        .map(Answer::plain)
        .ok_or(Refusal::NoSession)
}

pub(crate) async fn logout<S: Store>(
    State(store): State<Arc<S>>,
    jar: CookieJar,
) -> Result<Answer, Refusal> {
    let id = session_id(&jar).ok_or(Refusal::NoSession)?;
    let session = store.logout(id).await?.ok_or(Refusal::NoSession)?;
    Ok(Answer {
        session,
        cookie: Some(removal_cookie()),
    })
}

/// The key of a visit, if it has one. An invalid key is refused, because the client relies on it.
pub(crate) fn parse_key(headers: &HeaderMap) -> Result<Option<Key>, Refusal> {
    let mut values = headers.get_all(KEY).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => Key::parse_header(value.as_bytes())
            .map(Some)
            .ok_or(Refusal::BadKey),
        (Some(_), Some(_)) => Err(Refusal::BadKey),
    }
}

/// The session id in the request's cookies.
pub(crate) fn session_id(jar: &CookieJar) -> Option<SessionId> {
    SessionId::parse(jar.get(COOKIE)?.value())
}

/// The cookie that a login hands out.
pub(crate) fn session_cookie(value: String) -> Cookie<'static> {
    Cookie::build((COOKIE, value))
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .build()
}

/// The cookie that makes a client forget its session.
pub(crate) fn removal_cookie() -> Cookie<'static> {
    let mut cookie = session_cookie(String::new());
    cookie.set_max_age(cookie::time::Duration::ZERO);
    cookie
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
}

/// Says that this process serves, and asks no store: a balancer that ejects every replica because the store that they
/// share is away answers in their place, and hides what failed.
fn health() -> Router {
    Router::new().route("/health", get(|| async { Json(Health { status: "ok" }) }))
}
