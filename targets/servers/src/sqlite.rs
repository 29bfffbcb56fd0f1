//! `sqlite`: sessions in an SQLite database with a write-ahead log, `synchronous=FULL`, acknowledged after the commit.
//!
//! One thread writes, many changes to a transaction; reads go through a connection of their own and see what is
//! committed. A failed transaction is rolled back whole, and the next one is tried.

use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params};

use crate::contract::{App, Store};
use crate::error::{ServeError, StoreError};
use crate::launch::Launch;
use crate::session::{Key, Session, SessionId, User};
use crate::writer::{Change, Ledger, Outcome, Writer, lock};

const FILE: &str = "sessions.sqlite";

/// Long enough for a checkpoint of another process; the server itself never locks its own reads out.
const BUSY_MAX: Duration = Duration::from_secs(1);

const CREATE: &str = "CREATE TABLE IF NOT EXISTS sessions \
    (id BLOB PRIMARY KEY, user TEXT NOT NULL, visits INTEGER NOT NULL) WITHOUT ROWID, STRICT; \
    CREATE TABLE IF NOT EXISTS keys \
    (session BLOB, key TEXT, PRIMARY KEY (session, key)) WITHOUT ROWID, STRICT";
const LOGIN: &str =
    "INSERT INTO sessions (id, user, visits) VALUES (?1, ?2, 0) RETURNING user, visits";
const VISIT: &str = "UPDATE sessions SET visits = visits + 1 WHERE id = ?1 RETURNING user, visits";
/// Keeps the key of a visit, if there is a session and it does not have it.
const TAKE_KEY: &str = "INSERT INTO keys (session, key) SELECT id, ?2 FROM sessions WHERE id = ?1 \
    ON CONFLICT DO NOTHING";
const ME: &str = "SELECT user, visits FROM sessions WHERE id = ?1";
const LOGOUT: &str = "DELETE FROM sessions WHERE id = ?1 RETURNING user, visits";

const FORGET_KEYS: &str = "DELETE FROM keys WHERE session = ?1";

pub(crate) fn start(launch: Launch) -> Result<(), ServeError> {
    let store = Sqlite::open(launch.data())?;
    launch.serve(App::over(store))
}

struct Sqlite {
    writer: Writer,
    reader: Mutex<Connection>,
}

impl Sqlite {
    fn open(data: &Path) -> Result<Self, ServeError> {
        let path = data.join(FILE);
        let writer = connect(&path).map_err(ServeError::database("open the database"))?;
        writer
            .execute_batch(CREATE)
            .map_err(ServeError::database("create the tables"))?;
        let reader =
            connect(&path).map_err(ServeError::database("open the database for reading"))?;
        Ok(Self {
            writer: Writer::start(Database(writer))?,
            reader: Mutex::new(reader),
        })
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_MAX)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(connection)
}

impl Store for Sqlite {
    async fn login(&self, user: User) -> Result<(SessionId, Session), StoreError> {
        let id = SessionId::random()?;
        let session = self.writer.apply(Change::Login(id, user)).await?;
        session
            .map(|session| (id, session))
            .ok_or_else(|| StoreError::new("the new session is not there"))
    }

    async fn visit(&self, id: SessionId, key: Option<Key>) -> Result<Option<Session>, StoreError> {
        self.writer.apply(Change::Visit(id, key)).await
    }

    async fn me(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        // Some 10 µs out of the page cache: not worth a thread of its own.
        let reader = lock(&self.reader);
        reader
            .prepare(ME)
            .and_then(|mut query| query.query_row([id_bytes(id)], to_session).optional())
            .map_err(StoreError::because("the session could not be read"))
    }

    async fn logout(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        self.writer.apply(Change::Logout(id)).await
    }

    fn close(&self) -> Result<(), ServeError> {
        self.writer.close()
    }
}

struct Database(Connection);

impl Ledger for Database {
    fn commit(&mut self, changes: &[Change]) -> Result<Vec<Outcome>, StoreError> {
        let mut committed = || -> rusqlite::Result<_> {
            let transaction = self
                .0
                .transaction_with_behavior(TransactionBehavior::Immediate)?;
            let outcomes = changes
                .iter()
                .map(|change| apply(&transaction, change))
                .collect::<Result<_, _>>()?;
            transaction.commit()?;
            Ok(outcomes)
        };
        committed().map_err(StoreError::because("the change could not be stored"))
    }
}

fn apply(transaction: &Transaction<'_>, change: &Change) -> rusqlite::Result<Outcome> {
    match change {
        Change::Login(id, user) => transaction
            .prepare(LOGIN)?
            .query_row(params![id_bytes(*id), user.as_str()], to_session)
            .optional(),
        Change::Visit(id, key) => {
            let is_new = match key {
                Some(key) => {
                    let parameters = params![id_bytes(*id), key.as_str()];
                    transaction.prepare(TAKE_KEY)?.execute(parameters)? == 1
                }
                None => true,
            };
            transaction
                .prepare(if is_new { VISIT } else { ME })?
                .query_row([id_bytes(*id)], to_session)
                .optional()
        }
        Change::Logout(id) => {
            transaction.prepare(FORGET_KEYS)?.execute([id_bytes(*id)])?;
            transaction
                .prepare(LOGOUT)?
                .query_row([id_bytes(*id)], to_session)
                .optional()
        }
    }
}

fn id_bytes(id: SessionId) -> [u8; 16] {
    id.0.to_be_bytes()
}

fn to_session(row: &Row<'_>) -> rusqlite::Result<Session> {
    use rusqlite::types::Type;
    let user: String = row.get(0)?;
    let visits: i64 = row.get(1)?;
    let unfit = |column, kind, error: Box<dyn std::error::Error + Send + Sync>| {
        rusqlite::Error::FromSqlConversionFailure(column, kind, error)
    };
    Ok(Session {
        user: User::try_from(user).map_err(|error| unfit(0, Type::Text, error.into()))?,
        visits: u64::try_from(visits).map_err(|error| unfit(1, Type::Integer, error.into()))?,
    })
}
