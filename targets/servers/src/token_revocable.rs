//! `token-revocable`: as `token`, but a logout is one: the server keeps a list of the tokens that were taken back.
//!
//! The list is what makes it stateful after all: each logout adds a line, in memory and to a file, for good, since these
//! tokens do not expire. The line is written before the logout is acknowledged, so that it outlives the process; it is not
//! synced, so that it need not outlive the machine. Replicas that share the folder learn of each other's logouts when they
//! are started again.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRef, State};
use axum::routing::{Router, get, post};
use axum_extra::extract::cookie::{Key, SignedCookieJar};

use crate::contract::{App, COOKIE, Refusal, parse_login, removal_cookie, session_cookie};
use crate::error::{ServeError, StoreError};
use crate::launch::Launch;
use crate::session::{Session, SessionId, User};
use crate::token::{Answer, load_key};
use crate::writer::lock;

const LIST_FILE: &str = "revoked.ids";

pub(crate) fn start(launch: Launch) -> Result<(), ServeError> {
    let issuer = Issuer {
        key: load_key(launch.data())?,
        revoked: Arc::new(Mutex::new(Revoked::load(launch.data())?)),
    };
    let routes = Router::new()
        .route("/login", post(login))
        .route("/visit", post(visit))
        .route("/me", get(me))
        .route("/logout", post(logout));
    launch.serve(App::stateless(routes.with_state(issuer)))
}

/// The tokens that were taken back.
struct Revoked {
    ids: HashSet<u128>,
    file: File,
}

impl Revoked {
    fn load(data: &Path) -> Result<Self, ServeError> {
        let path = data.join(LIST_FILE);
        let open = || -> io::Result<Self> {
            let mut options = OpenOptions::new();
            let file = options.read(true).append(true).create(true).open(&path)?;
            let mut ids = HashSet::new();
            for line in BufReader::new(&file).lines() {
                // A line that was torn off by a crash belongs to a logout that was not acknowledged.
                ids.extend(SessionId::parse(&line?).map(|id| id.0));
            }
            Ok(Self { ids, file })
        };
        open().map_err(ServeError::file("read", &path))
    }

    fn add(&mut self, id: SessionId) -> io::Result<()> {
        self.file.write_all(format!("{id}\n").as_bytes())?;
        self.ids.insert(id.0);
        Ok(())
    }
}

#[derive(Clone)]
struct Issuer {
    key: Key,
    revoked: Arc<Mutex<Revoked>>,
}

impl FromRef<Issuer> for Key {
    fn from_ref(issuer: &Issuer) -> Self {
        issuer.key.clone()
    }
}

async fn login(jar: SignedCookieJar, body: Bytes) -> Answer {
    let session = Session::new(parse_login(&body)?);
    Ok((issue(jar, SessionId::random()?, &session), Json(session)))
}

async fn visit(State(issuer): State<Issuer>, jar: SignedCookieJar) -> Answer {
    let (id, mut session) = read(&issuer, &jar)?;
    session.visits += 1;
    Ok((issue(jar, id, &session), Json(session)))
}

async fn me(State(issuer): State<Issuer>, jar: SignedCookieJar) -> Result<Json<Session>, Refusal> {
    read(&issuer, &jar).map(|(_, session)| Json(session))
}

async fn logout(State(issuer): State<Issuer>, jar: SignedCookieJar) -> Answer {
    let (id, session) = read(&issuer, &jar)?;
    let added = lock(&issuer.revoked).add(id);
    added.map_err(StoreError::because("the logout could not be kept"))?;
    Ok((jar.remove(removal_cookie()), Json(session)))
}

fn issue(jar: SignedCookieJar, id: SessionId, session: &Session) -> SignedCookieJar {
    let (visits, user) = (session.visits, session.user.as_str());
    jar.add(session_cookie(format!("{id}.{visits}.{user}")))
}

/// The session in a token, unless that was taken back.
fn read(issuer: &Issuer, jar: &SignedCookieJar) -> Result<(SessionId, Session), Refusal> {
    let (id, session) = parse(jar).ok_or(Refusal::NoSession)?;
    match lock(&issuer.revoked).ids.contains(&id.0) {
        true => Err(Refusal::NoSession),
        false => Ok((id, session)),
    }
}

fn parse(jar: &SignedCookieJar) -> Option<(SessionId, Session)> {
    let cookie = jar.get(COOKIE)?;
    let mut parts = cookie.value().splitn(3, '.');
    let id = SessionId::parse(parts.next()?)?;
    let visits = parts.next()?.parse().ok()?;
    let user = User::parse(parts.next()?)?;
    Some((id, Session { user, visits }))
}
