//! `postgres`: sessions in a table of a PostgreSQL server, the keys of their visits in another; nothing in the process.
//!
//! Each statement is a transaction of its own, acknowledged after its commit. A few connections are kept; one that is
//! known to be closed, or on which anything failed, is replaced and never handed out again. Nothing is sent twice,
//! since a statement whose answer is missing may have been committed.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, Error, NoTls, Row, Statement};

use crate::contract::{App, Store};
use crate::error::{ServeError, StoreError};
use crate::launch::Launch;
use crate::session::{Key, Session, SessionId, User};
use crate::shared::{Driver, in_time};
use crate::writer::lock;

/// Connections of one process: commits of several sessions share a sync of the log, and many replicas together stay
/// below the 100 that PostgreSQL takes.
const CONNECTIONS: usize = 8;

/// Two that make the tables at the same time would meet in the catalogue, so they take turns.
const CREATE: &str = "SELECT pg_advisory_xact_lock(24067); \
    CREATE TABLE IF NOT EXISTS sessions (id bytea PRIMARY KEY, name text NOT NULL, visits bigint NOT NULL); \
    CREATE TABLE IF NOT EXISTS keys (session bytea REFERENCES sessions ON DELETE CASCADE, key text, \
    PRIMARY KEY (session, key))";
const LOGIN: &str =
    "INSERT INTO sessions (id, name, visits) VALUES ($1, $2, 0) RETURNING name, visits";
const VISIT: &str = "UPDATE sessions SET visits = visits + 1 WHERE id = $1 RETURNING name, visits";
/// The session is locked before its key is looked for: of two visits with one key the second waits for the first, and a
/// logout comes before both or after.
const VISIT_ONCE: &str = "\
    WITH locked AS MATERIALIZED (SELECT id FROM sessions WHERE id = $1 FOR UPDATE), \
    new AS (INSERT INTO keys (session, key) SELECT id, $2 FROM locked ON CONFLICT DO NOTHING RETURNING key) \
    UPDATE sessions SET visits = visits + (SELECT count(*) FROM new) WHERE id = $1 RETURNING name, visits";
const ME: &str = "SELECT name, visits FROM sessions WHERE id = $1";
const LOGOUT: &str = "DELETE FROM sessions WHERE id = $1 RETURNING name, visits";

pub(crate) fn start(launch: Launch) -> Result<(), ServeError> {
    let store = Postgres {
        config: config(launch.store()?),
        within: launch.store_within(),
        turns: Semaphore::new(CONNECTIONS),
        idle: Mutex::new(Vec::new()),
    };
    launch.serve(App::over(store))
}

fn config(address: SocketAddr) -> Config {
    let mut config = Config::new();
    config
        .hostaddr(address.ip())
        .port(address.port())
        .user("postgres")
        .dbname("postgres")
        .application_name("comeback");
    config
}

/// The way to the server: as many connections as there are requests under way, up to a few.
struct Postgres {
    config: Config,
    within: Duration,
    turns: Semaphore,
    idle: Mutex<Vec<Connection>>,
}

impl Postgres {
    /// Runs a statement on a session. The request that meets a failure is not repeated; its connection is closed.
    async fn run(
        &self,
        statement: impl FnOnce(&Statements) -> &Statement,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<Session>, StoreError> {
        in_time(Instant::now() + self.within, async {
            let _turn = self
                .turns
                .acquire()
                .await
                .map_err(StoreError::because("the connections are closed"))?;
            let connection = match self.take_idle() {
                Some(connection) => connection,
                None => Connection::open(&self.config).await?,
            };
            let statement = statement(&connection.statements);
            let row = connection
                .client
                .query_opt(statement, parameters)
                .await
                .map_err(StoreError::because("PostgreSQL did not execute a command"))?;
            lock(&self.idle).push(connection);
            row.map(|row| to_session(&row)).transpose()
        })
        .await
    }

    /// A connection that waits and is not known to be closed; those that are go.
    fn take_idle(&self) -> Option<Connection> {
        let mut idle = lock(&self.idle);
        idle.retain(|connection| !connection.is_closed());
        idle.pop()
    }
}

/// A connection, what is prepared on it, and the task that reads and writes it.
struct Connection {
    client: Client,
    statements: Statements,
    driver: Driver,
}

struct Statements {
    login: Statement,
    visit: Statement,
    visit_once: Statement,
    me: Statement,
    logout: Statement,
}

impl Connection {
    async fn open(config: &Config) -> Result<Self, StoreError> {
        let (client, connection) = config
            .connect(NoTls)
            .await
            .map_err(StoreError::because("PostgreSQL cannot be reached"))?;
        let driver = Driver::spawn(async move {
            // Requests that wait for an answer on it fail as well.
            let _ = connection.await;
        });
        let statements = prepare(&client).await.map_err(StoreError::because(
            "PostgreSQL could not prepare the tables",
        ))?;
        Ok(Self {
            client,
            statements,
            driver,
        })
    }

    fn is_closed(&self) -> bool {
        self.client.is_closed() || self.driver.has_ended()
    }
}

async fn prepare(client: &Client) -> Result<Statements, Error> {
    client.batch_execute(CREATE).await?;
    let (login, visit, visit_once, me, logout) = tokio::try_join!(
        client.prepare(LOGIN),
        client.prepare(VISIT),
        client.prepare(VISIT_ONCE),
        client.prepare(ME),
        client.prepare(LOGOUT),
    )?;
    Ok(Statements {
        login,
        visit,
        visit_once,
        me,
        logout,
    })
}

fn id_bytes(id: SessionId) -> Vec<u8> {
    id.0.to_be_bytes().to_vec()
}

fn to_session(row: &Row) -> Result<Session, StoreError> {
    let read = || -> Result<(String, i64), Error> { Ok((row.try_get(0)?, row.try_get(1)?)) };
    let (user, visits) = read().map_err(StoreError::because(
        "PostgreSQL holds another table of the same name",
    ))?;
    let user =
        User::try_from(user).map_err(|_| StoreError::new("PostgreSQL holds no user's name"))?;
    let visits = u64::try_from(visits)
        .map_err(StoreError::because("PostgreSQL holds a negative counter"))?;
    Ok(Session { user, visits })
}

impl Store for Postgres {
    async fn login(&self, user: User) -> Result<(SessionId, Session), StoreError> {
        let id = SessionId::random()?;
        let session = self
            .run(|prepared| &prepared.login, &[&id_bytes(id), &user.as_str()])
            .await?;
        session
            .map(|session| (id, session))
            .ok_or_else(|| StoreError::new("the new session is not there"))
    }

    async fn visit(&self, id: SessionId, key: Option<Key>) -> Result<Option<Session>, StoreError> {
        let id = id_bytes(id);
        match key {
            Some(key) => {
                let parameters: [&(dyn ToSql + Sync); 2] = [&id, &key.as_str()];
                self.run(|prepared| &prepared.visit_once, &parameters).await
            }
            None => self.run(|prepared| &prepared.visit, &[&id]).await,
        }
    }

    async fn me(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        self.run(|prepared| &prepared.me, &[&id_bytes(id)]).await
    }

    async fn logout(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        self.run(|prepared| &prepared.logout, &[&id_bytes(id)])
            .await
    }
}
