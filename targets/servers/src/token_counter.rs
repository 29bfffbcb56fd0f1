//! `token-counter`: the login is with the client, in a signed cookie that holds the user; the counter is in the process.
//!
//! This is what most "stateless" services are: who you are is in the request, what you did is not. Tokens outlive the
//! process, and the counters do not: after a restart every user is known, with nothing done.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRef, State};
use axum::http::HeaderMap;
use axum::routing::{Router, get, post};
use axum_extra::extract::cookie::{Key, SignedCookieJar};

use crate::contract::{
    App, COOKIE, Refusal, parse_key, parse_login, removal_cookie, session_cookie,
};
use crate::error::ServeError;
use crate::launch::Launch;
use crate::session::{Kept, Session, User};
use crate::token::{Answer, load_key};
use crate::writer::lock;

pub(crate) fn start(launch: Launch) -> Result<(), ServeError> {
    let key = load_key(launch.data())?;
    let routes = Router::new()
        .route("/login", post(login))
        .route("/visit", post(visit))
        .route("/me", get(me))
        .route("/logout", post(logout));
    launch.serve(App::stateless(routes.with_state(Counters {
        key,
        of: Arc::default(),
    })))
}

#[derive(Clone)]
struct Counters {
    key: Key,
    of: Arc<Mutex<HashMap<User, Kept>>>,
}

impl Counters {
    /// Does something with what is kept of a user; it is made where there is nothing.
    fn with<T>(&self, user: User, work: impl FnOnce(&mut Kept) -> T) -> T {
        let mut all = lock(&self.of);
        let kept = all.entry(user.clone());
        work(kept.or_insert_with(|| Kept::new(Session::new(user))))
    }
}

impl FromRef<Counters> for Key {
    fn from_ref(counters: &Counters) -> Self {
        counters.key.clone()
    }
}

async fn login(State(counters): State<Counters>, jar: SignedCookieJar, body: Bytes) -> Answer {
    let user = parse_login(&body)?;
    let jar = jar.add(session_cookie(user.as_str().to_owned()));
    let session = counters.with(user, |kept| {
        *kept = Kept::new(Session::new(kept.session.user.clone()));
        kept.session.clone()
    });
    Ok((jar, Json(session)))
}

async fn visit(
    State(counters): State<Counters>,
    headers: HeaderMap,
    jar: SignedCookieJar,
) -> Result<Json<Session>, Refusal> {
    let key = parse_key(&headers)?;
    let user = read(&jar).ok_or(Refusal::NoSession)?;
    Ok(Json(counters.with(user, |kept| {
        kept.visit(key);
        kept.session.clone()
    })))
}

async fn me(
    State(counters): State<Counters>,
    jar: SignedCookieJar,
) -> Result<Json<Session>, Refusal> {
    let user = read(&jar).ok_or(Refusal::NoSession)?;
    Ok(Json(counters.with(user, |kept| kept.session.clone())))
}

async fn logout(State(counters): State<Counters>, jar: SignedCookieJar) -> Answer {
    let user = read(&jar).ok_or(Refusal::NoSession)?;
    let session = counters.with(user, |kept| kept.session.clone());
    Ok((jar.remove(removal_cookie()), Json(session)))
}

fn read(jar: &SignedCookieJar) -> Option<User> {
    User::parse(jar.get(COOKIE)?.value())
}
