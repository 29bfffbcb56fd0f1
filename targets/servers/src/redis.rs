//! `redis`: sessions in a Redis server, each a hash of user and counter; nothing in the process.
//!
//! A change is one script, which Redis runs as a whole: a visit never makes a session anew that is gone, and is counted
//! in the same step in which its key is kept, in a set beside the hash. Nothing is
//! sent twice, since a request whose answer is missing may have been carried out.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Cmd, FromRedisValue, RedisConnectionInfo, RedisError, RedisResult,
};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::contract::{App, Store};
use crate::error::{ServeError, StoreError};
use crate::launch::Launch;
use crate::session::{Key, Session, SessionId, User};
use crate::shared::{Driver, in_time};

const LOGIN: &str = "\
redis.call('HSET', KEYS[1], 'user', ARGV[1], 'visits', 0)
return {ARGV[1], 0}";
const VISIT: &str = "\
local user = redis.call('HGET', KEYS[1], 'user')
if not user then return false end
if ARGV[1] and redis.call('SADD', KEYS[2], ARGV[1]) == 0 then
    return {user, tonumber(redis.call('HGET', KEYS[1], 'visits'))}
end
return {user, redis.call('HINCRBY', KEYS[1], 'visits', 1)}";
const ME: &str = "\
local found = redis.call('HMGET', KEYS[1], 'user', 'visits')
if not found[1] then return false end
return {found[1], tonumber(found[2])}";
const LOGOUT: &str = "\
local found = redis.call('HMGET', KEYS[1], 'user', 'visits')
if not found[1] then return false end
redis.call('DEL', KEYS[1], KEYS[2])
return {found[1], tonumber(found[2])}";

pub(crate) fn start(launch: Launch) -> Result<(), ServeError> {
    start_with(launch, Dead::Replaced)
}

/// The end of a connection that was closed, or on which a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dead {
    /// The next request makes a new one.
    Replaced,
    /// It is used for ever. Only the zoo does this.
    Kept,
}

/// Also for `stale-pool`.
pub(crate) fn start_with(launch: Launch, dead: Dead) -> Result<(), ServeError> {
    let store = Redis {
        dead,
        address: launch.store()?,
        within: launch.store_within(),
        connection: Mutex::new(None),
    };
    launch.serve(App::over(store))
}

/// The way to the server: one connection, on which requests stand in line.
struct Redis {
    dead: Dead,
    address: SocketAddr,
    within: Duration,
    /// Made by the first request that finds none, or a broken one.
    connection: Mutex<Option<Arc<Connection>>>,
}

impl Redis {
    /// Runs a script on a session. The request that meets a failure is not repeated; the next one gets a connection
    /// of its own.
    async fn run(
        &self,
        script: &str,
        id: SessionId,
        argument: Option<&str>,
    ) -> Result<Option<Session>, StoreError> {
        let mut command = redis::cmd("EVAL");
        // By the braces both are in the same slot of a cluster.
        let (session, keys) = (format!("session:{id}"), format!("keys:{{session:{id}}}"));
        command.arg(script).arg(2).arg(session).arg(keys);
        command.arg(argument);
        let deadline = Instant::now() + self.within;
        let connection = in_time(deadline, self.connection()).await?;
        let answer = in_time(deadline, connection.ask(&command)).await;
        if answer.is_err() && self.dead == Dead::Replaced {
            self.discard(&connection).await;
        }
        answer
    }

    /// The connection, made again if there is none or its end is known.
    async fn connection(&self) -> Result<Arc<Connection>, StoreError> {
        let mut place = self.connection.lock().await;
        let is_good = |old: &&Arc<Connection>| self.dead == Dead::Kept || !old.driver.has_ended();
        if let Some(connection) = place.as_ref().filter(is_good) {
            return Ok(Arc::clone(connection));
        }
        let connection = Arc::new(Connection::open(self.address).await?);
        *place = Some(Arc::clone(&connection));
        Ok(connection)
    }

    /// Requests that wait for an answer on it keep it until they have one.
    async fn discard(&self, broken: &Arc<Connection>) {
        let mut place = self.connection.lock().await;
        if place
            .as_ref()
            .is_some_and(|current| Arc::ptr_eq(current, broken))
        {
            *place = None;
        }
    }
}

/// A connection, and the task that reads and writes it.
struct Connection {
    handle: MultiplexedConnection,
    driver: Driver,
}

impl Connection {
    async fn open(address: SocketAddr) -> Result<Self, StoreError> {
        let stream = TcpStream::connect(address)
            .await
            .map_err(StoreError::because("Redis cannot be reached"))?;
        // Fails only on a connection that is already dead.
        let _ = stream.set_nodelay(true);
        let info = RedisConnectionInfo::default();
        // How long an answer may take is the request's business.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None);
        let (handle, driver) = MultiplexedConnection::new_with_config(&info, stream, config)
            .await
            .map_err(StoreError::because("Redis did not answer the greeting"))?;
        Ok(Self {
            handle,
            driver: Driver::spawn(driver),
        })
    }

    async fn ask(&self, command: &Cmd) -> Result<Option<Session>, StoreError> {
        let answer = self.handle.clone().send_packed_command(command).await;
        let read = |value| -> RedisResult<Option<(String, u64)>> {
            FromRedisValue::from_redis_value(value).map_err(RedisError::from)
        };
        let found = answer
            .and_then(read)
            .map_err(StoreError::because("Redis did not execute a command"))?;
        found.map(into_session).transpose()
    }
}

fn into_session((user, visits): (String, u64)) -> Result<Session, StoreError> {
    let user = User::try_from(user).map_err(|_| StoreError::new("Redis holds no user's name"))?;
    Ok(Session { user, visits })
}

impl Store for Redis {
    async fn login(&self, user: User) -> Result<(SessionId, Session), StoreError> {
        let id = SessionId::random()?;
        let session = self.run(LOGIN, id, Some(user.as_str())).await?;
        session
            .map(|session| (id, session))
            .ok_or_else(|| StoreError::new("the new session is not there"))
    }

    async fn visit(&self, id: SessionId, key: Option<Key>) -> Result<Option<Session>, StoreError> {
        self.run(VISIT, id, key.as_ref().map(Key::as_str)).await
    }

    async fn me(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        self.run(ME, id, None).await
    }

    async fn logout(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        self.run(LOGOUT, id, None).await
    }
}
