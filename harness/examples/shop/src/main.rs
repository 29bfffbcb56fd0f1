//! A shop that counts its customers' visits: `shop PORT FOLDER`.
//!
//! It writes a session's state down before it answers, and reads it back at its start. The kernel has what was written,
//! so it outlives the process; without `sync_data` it would not outlive the machine.

use std::collections::HashMap;
use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router, extract::State};
use serde_json::{Value, json};

/// What is known of a session.
#[derive(Clone)]
struct Session {
    user: String,
    visits: u64,
}

struct Shop {
    sessions: HashMap<String, Session>,
    /// A line for each change: `ID VISITS USER`.
    file: File,
}

impl Shop {
    fn open(folder: &Path) -> io::Result<Self> {
        let path = folder.join("sessions");
        let mut options = OpenOptions::new();
        let file = options.create(true).append(true).open(&path)?;
        let mut sessions = HashMap::new();
        for line in fs::read_to_string(&path)?.split_inclusive('\n') {
            // Half a line was never acknowledged.
            let whole = line.strip_suffix('\n').unwrap_or_default();
            let mut words = whole.splitn(3, ' ');
            if let (Some(id), Some(Ok(visits)), Some(user)) =
                (words.next(), words.next().map(str::parse), words.next())
            {
                let user = user.to_owned();
                sessions.insert(id.to_owned(), Session { user, visits });
            }
        }
        Ok(Self { sessions, file })
    }

    fn save(&mut self, id: &str, session: &Session) -> io::Result<()> {
        let line = format!("{id} {} {}\n", session.visits, session.user);
        self.file.write_all(line.as_bytes())?;
        self.sessions.insert(id.to_owned(), session.clone());
        Ok(())
    }
}

type Shared = State<Arc<Mutex<Shop>>>;
/// A status, and what it is about.
type Refusal = (StatusCode, String);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let (Some(port), Some(folder)) = (words.next(), words.next()) else {
        return Err("usage: shop PORT FOLDER".into());
    };
    let shop = Shop::open(Path::new(&folder))?;
    let router = Router::new()
        .route("/login", post(login))
        .route("/visit", post(visit))
        .route("/me", get(me))
        .with_state(Arc::new(Mutex::new(shop)));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port.parse()?)).await?;
    axum::serve(listener, router).await?;
    Ok(())
}

async fn login(State(shop): Shared, Json(body): Json<Value>) -> Result<Response, Refusal> {
    let user = body["user"]
        .as_str()
        .ok_or((StatusCode::BAD_REQUEST, "say which user".to_owned()))?;
    let user = user.replace('\n', " ");
    let id = draw_id().map_err(broken)?;
    let session = Session { user, visits: 0 };
    lock(&shop).save(&id, &session).map_err(broken)?;
    Ok((
        [(header::SET_COOKIE, format!("id={id}; HttpOnly"))],
        show(&session),
    )
        .into_response())
}

async fn visit(State(shop): Shared, headers: HeaderMap) -> Result<Json<Value>, Refusal> {
    let mut shop = lock(&shop);
    let (id, mut session) = find(&shop, &headers)?;
    session.visits += 1;
    shop.save(&id, &session).map_err(broken)?;
    Ok(show(&session))
}

async fn me(State(shop): Shared, headers: HeaderMap) -> Result<Json<Value>, Refusal> {
    let (_, session) = find(&lock(&shop), &headers)?;
    Ok(show(&session))
}

fn show(session: &Session) -> Json<Value> {
    Json(json!({ "user": session.user, "visits": session.visits }))
}

fn find(shop: &Shop, headers: &HeaderMap) -> Result<(String, Session), Refusal> {
    let cookie = headers
        .get(header::COOKIE)
        .and_then(|value| value.to_str().ok());
    let id = cookie.and_then(|cookie| cookie.split("; ").find_map(|pair| pair.strip_prefix("id=")));
    let known = id.and_then(|id| Some((id.to_owned(), shop.sessions.get(id)?.clone())));
    known.ok_or((StatusCode::UNAUTHORIZED, "log in first".to_owned()))
}

fn draw_id() -> io::Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(format!("{:032x}", u128::from_ne_bytes(bytes)))
}

fn broken(error: io::Error) -> Refusal {
    (StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
}

fn lock(shop: &Mutex<Shop>) -> MutexGuard<'_, Shop> {
    shop.lock().unwrap_or_else(PoisonError::into_inner)
}
