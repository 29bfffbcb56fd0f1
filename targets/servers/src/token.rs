//! `token`: the session lives with the client, in a signed cookie that holds the user and the counter.
//!
//! The server keeps one thing, the signing key, in a file. Nothing can be revoked: a logout asks the client to forget
//! its cookie, and a client that keeps it stays logged in. A client that sends an old cookie goes back in time.
//! So an `Idempotency-Key` has no work to do here: a visit that is sent again with the cookie it had is the same visit.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRef, State};
use axum::routing::{Router, get, post};
use axum_extra::extract::cookie::{Key, SignedCookieJar};

use crate::contract::{App, COOKIE, Refusal, parse_login, removal_cookie, session_cookie};
use crate::error::ServeError;
use crate::folder::Folder;
use crate::launch::Launch;
use crate::session::{Session, User, random_bytes};

const KEY_FILE: &str = "signing.key";
const KEY_LENGTH: usize = 64;

pub(crate) fn start(launch: Launch) -> Result<(), ServeError> {
    let key = load_key(launch.data())?;
    launch.serve(app(key))
}

/// The contract over signed cookies.
pub(crate) fn app(key: Key) -> App {
    Issuer::new(key).into_app()
}

/// The effect of a visit on the counter.
pub(crate) struct Count {
    /// The count in the new cookie.
    pub(crate) stored: u64,
    /// The count in the answer.
    pub(crate) answered: u64,
}

/// Who makes cookies, and takes none but its own.
#[derive(Clone)]
pub(crate) struct Issuer {
    /// The key of the signature.
    pub(crate) key: Key,
    /// The prefix of each; others are refused.
    pub(crate) version: &'static str,
    /// The effect of a visit.
    pub(crate) count: Arc<dyn Fn(u64) -> Count + Send + Sync>,
}

impl Issuer {
    /// Cookies of the first version, whose counter goes up by one.
    pub(crate) fn new(key: Key) -> Self {
        Self {
            key,
            version: "",
            count: Arc::new(|visits| Count {
                stored: visits + 1,
                answered: visits + 1,
            }),
        }
    }

    /// The contract over them.
    pub(crate) fn into_app(self) -> App {
        let routes = Router::new()
            .route("/login", post(login))
            .route("/visit", post(visit))
            .route("/me", get(me))
            .route("/logout", post(logout));
        App::stateless(routes.with_state(self))
    }

    fn issue(&self, jar: SignedCookieJar, session: &Session) -> SignedCookieJar {
        let Session { user, visits } = session;
        let user = user.as_str();
        jar.add(session_cookie(format!("{}{visits}.{user}", self.version)))
    }

    fn read(&self, jar: &SignedCookieJar) -> Result<Session, Refusal> {
        self.parse(jar).ok_or(Refusal::NoSession)
    }

    fn parse(&self, jar: &SignedCookieJar) -> Option<Session> {
        let cookie = jar.get(COOKIE)?;
        let content = cookie.value().strip_prefix(self.version)?;
        let (visits, user) = content.split_once('.')?;
        Some(Session {
            user: User::parse(user)?,
            visits: visits.parse().ok()?,
        })
    }
}

impl FromRef<Issuer> for Key {
    fn from_ref(issuer: &Issuer) -> Self {
        issuer.key.clone()
    }
}

/// A session, and the cookie that goes with it.
pub(crate) type Answer = Result<(SignedCookieJar, Json<Session>), Refusal>;

async fn login(State(issuer): State<Issuer>, jar: SignedCookieJar, body: Bytes) -> Answer {
    let session = Session::new(parse_login(&body)?);
    Ok((issuer.issue(jar, &session), Json(session)))
}

async fn visit(State(issuer): State<Issuer>, jar: SignedCookieJar) -> Answer {
    let Session { user, visits } = issuer.read(&jar)?;
    let Count { stored, answered } = (issuer.count)(visits);
    let session = |visits| Session {
        user: user.clone(),
        visits,
    };
    Ok((issuer.issue(jar, &session(stored)), Json(session(answered))))
}

async fn me(State(issuer): State<Issuer>, jar: SignedCookieJar) -> Result<Json<Session>, Refusal> {
    issuer.read(&jar).map(Json)
}

async fn logout(State(issuer): State<Issuer>, jar: SignedCookieJar) -> Answer {
    let session = issuer.read(&jar)?;
    Ok((jar.remove(removal_cookie()), Json(session)))
}

/// A key that no other process has.
pub(crate) fn new_key() -> Result<Key, ServeError> {
    random_key().map(|bytes| Key::from(&bytes))
}

fn random_key() -> Result<[u8; KEY_LENGTH], ServeError> {
    random_bytes().map_err(ServeError::Store)
}

/// The key from the data folder, made there once. Replicas that share the folder share the key.
pub(crate) fn load_key(data: &Path) -> Result<Key, ServeError> {
    if let Some(key) = read_key(data)? {
        return Ok(key);
    }
    // Two replicas may start at once: the second must take the first one's key, not replace it.
    let folder = Folder::open_in_turn(data)?;
    if let Some(key) = read_key(data)? {
        return Ok(key);
    }
    let bytes = random_key()?;
    folder
        .replace(KEY_FILE, &bytes)
        .map_err(ServeError::file("write", &folder.file(KEY_FILE)))?;
    Ok(Key::from(&bytes))
}

fn read_key(data: &Path) -> Result<Option<Key>, ServeError> {
    let path = data.join(KEY_FILE);
    match fs::read(&path) {
        Ok(bytes) if bytes.len() == KEY_LENGTH => Ok(Some(Key::from(&bytes))),
        Ok(bytes) => {
            let reason = format!(
                "a key has {KEY_LENGTH} bytes, and this one has {}",
                bytes.len()
            );
            Err(ServeError::Corrupt {
                path,
                offset: 0,
                reason,
            })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ServeError::file("read", &path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_made_once() {
        let data = tempfile::tempdir().unwrap();
        let first = load_key(data.path()).unwrap();
        let second = load_key(data.path()).unwrap();
        assert_eq!(first.master(), second.master());
    }

    #[test]
    fn a_short_key_stops_the_start() {
        let data = tempfile::tempdir().unwrap();
        fs::write(data.path().join(KEY_FILE), b"short").unwrap();
        let error = load_key(data.path()).unwrap_err().to_string();
        assert!(
            error.ends_with("a key has 64 bytes, and this one has 5"),
            "{error}"
        );
    }
}
