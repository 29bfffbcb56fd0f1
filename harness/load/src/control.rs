//! Requests beside the load: readiness checks, and requests of a full HTTP client.
//!
//! Nothing here is measured. So a well-kept client library sends these requests. The load and the recovery probe write their
//! own bytes.

use std::fmt;
use std::io;
use std::time::Duration;

use comeback_model::endpoint::Endpoint;
use comeback_model::ids::BootId;
use comeback_model::plan::{Dialect, ReadyProbe};
use comeback_session::wire::commands;
use reqwest::{Client, redirect, retry};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpStream, UnixStream};

use super::{check_support, connection, tls};

/// How much of an answer is read; a server should not see its answer cut off where that can be helped.
const BODY_MAX: usize = 64 * 1024;

/// What one question saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// The target is up, and calls itself this if it says so.
    Up(Option<BootId>),
    /// It answered, and not as one that is up.
    Answered {
        /// The observation.
        what: String,
        /// The status of HTTP.
        status: Option<u16>,
    },
    /// It did not answer, with the observation.
    Not(String),
    /// There was no answer in time.
    NothingInTime,
}

/// The question whether a target is up, in its own protocol. Each time it is asked on a connection of its own.
///
/// A protocol of commands knows no paths: its dialect says which command asks, and how a server that is up answers. A server
/// that first wants a password does not give that answer: its probe is `tcp` or a line of its output.
#[derive(Debug)]
pub struct Question {
    endpoint: Endpoint,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Http(HttpAsker),
    Ping(Dialect),
    Connect,
}

impl Question {
    /// The question that a target's readiness asks; none where a line of its output answers it. `boot_header` names the
    /// header with its boot id.
    ///
    /// # Errors
    /// If TLS or the client cannot be set up.
    pub fn new(
        probe: &ReadyProbe,
        endpoint: &Endpoint,
        boot_header: Option<&str>,
    ) -> io::Result<Option<Self>> {
        let kind = match probe {
            ReadyProbe::Http(path) => match endpoint.protocol.dialect() {
                Some(dialect) => Kind::Ping(dialect),
                None => Kind::Http(HttpAsker::new(endpoint, path, boot_header)?),
            },
            ReadyProbe::Tcp => Kind::Connect,
            ReadyProbe::Log(_) => return Ok(None),
        };
        Ok(Some(Self {
            endpoint: endpoint.clone(),
            kind,
        }))
    }

    /// Whether an answer says more than that somebody listens.
    pub const fn is_health_check(&self) -> bool {
        match self.kind {
            Kind::Http(_) | Kind::Ping(_) => true,
            Kind::Connect => false,
        }
    }

    /// Whether an answer may name the process that gave it.
    pub const fn tells_boot(&self) -> bool {
        matches!(&self.kind, Kind::Http(asker) if asker.boot_header.is_some())
    }

    /// Asks once.
    pub async fn ask(&self, within: Duration) -> Seen {
        match &self.kind {
            Kind::Http(asker) => asker.ask(within).await,
            Kind::Ping(dialect) => ping(&self.endpoint, *dialect, within).await,
            Kind::Connect => connect(&self.endpoint, within).await,
        }
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoint = &self.endpoint;
        match &self.kind {
            Kind::Http(asker) => write!(f, "GET {} on {endpoint}", asker.path),
            Kind::Ping(dialect) => write!(f, "{} on {endpoint}", dialect.spec().ping),
            Kind::Connect => write!(f, "a connection to {endpoint}"),
        }
    }
}

async fn connect(endpoint: &Endpoint, within: Duration) -> Seen {
    let connecting = async {
        match &endpoint.socket {
            None => TcpStream::connect(endpoint.tcp_address()).await.map(drop),
            Some(path) => UnixStream::connect(path).await.map(drop),
        }
    };
    match tokio::time::timeout(within, connecting).await {
        Ok(Ok(())) => Seen::Up(None),
        Ok(Err(error)) => Seen::Not(error.to_string()),
        Err(_) => Seen::NothingInTime,
    }
}

/// The longest line of an answer that is looked at.
const PONG_MAX: u64 = 256;

/// Whether a server speaks this dialect and is up, and does not only happen to listen.
pub async fn speaks(endpoint: &Endpoint, dialect: Dialect, within: Duration) -> bool {
    matches!(ping(endpoint, dialect, within).await, Seen::Up(_))
}

async fn ping(endpoint: &Endpoint, dialect: Dialect, within: Duration) -> Seen {
    let request = commands::ping(dialect);
    let asking = async {
        match &endpoint.socket {
            None => first_line(TcpStream::connect(endpoint.tcp_address()).await?, &request).await,
            Some(path) => first_line(UnixStream::connect(path).await?, &request).await,
        }
    };
    match tokio::time::timeout(within, asking).await {
        Ok(Ok(answer)) if answer == dialect.spec().pong => Seen::Up(None),
        Ok(Ok(answer)) => Seen::Answered {
            what: format!("it answered '{}'", answer.escape_default()),
            status: None,
        },
        Ok(Err(error)) => Seen::Not(error.to_string()),
        Err(_) => Seen::NothingInTime,
    }
}

/// The first line of the answer.
async fn first_line(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    request: &[u8],
) -> io::Result<String> {
    stream.write_all(request).await?;
    let mut line = String::new();
    BufReader::new(stream.take(PONG_MAX))
        .read_line(&mut line)
        .await?;
    Ok(line.trim_end().to_owned())
}

/// A full client for an endpoint that speaks HTTP, each request on a connection of its own, and what its URLs
/// begin with. It follows no redirect and tries nothing twice.
///
/// # Errors
/// If TLS or the client cannot be set up.
pub fn client_of(endpoint: &Endpoint) -> io::Result<(Client, String)> {
    check_support(endpoint.protocol)?;
    let client = Client::builder()
        .no_proxy()
        .pool_max_idle_per_host(0)
        .redirect(redirect::Policy::none())
        .retry(retry::never());
    let client = tls::encrypt_client(client, endpoint.protocol)?;
    let mut client = connection::speak(endpoint.protocol.spec().wire, client);
    if let Some(path) = &endpoint.socket {
        client = client.unix_socket(path.as_path());
    }
    let client = client.build().map_err(io::Error::other)?;
    let scheme = if endpoint.is_encrypted() {
        "https"
    } else {
        "http"
    };
    Ok((client, format!("{scheme}://{}", endpoint.tcp_address())))
}

/// Asks over HTTP, each time on a connection of its own.
#[derive(Debug)]
struct HttpAsker {
    client: Client,
    path: String,
    url: String,
    boot_header: Option<String>,
}

impl HttpAsker {
    fn new(endpoint: &Endpoint, path: &str, boot_header: Option<&str>) -> io::Result<Self> {
        let (client, base) = client_of(endpoint)?;
        let slash = if path.starts_with('/') { "" } else { "/" };
        Ok(Self {
            client,
            path: path.to_owned(),
            url: format!("{base}{slash}{path}"),
            boot_header: boot_header.map(str::to_owned),
        })
    }

    async fn ask(&self, within: Duration) -> Seen {
        let sent = self.client.get(&self.url).timeout(within).send();
        let mut response = match sent.await {
            Ok(response) => response,
            Err(error) if error.is_timeout() => return Seen::NothingInTime,
            Err(error) => return Seen::Not(root_cause(&error)),
        };
        if !response.status().is_success() {
            return Seen::Answered {
                what: format!("it answered {}", response.status()),
                status: Some(response.status().as_u16()),
            };
        }
        let boot = self.boot_header.as_deref().and_then(|name| {
            let value = response.headers().get(name)?;
            Some(BootId::from_header(value.as_bytes()))
        });
        let mut read = 0;
        while read <= BODY_MAX {
            match response.chunk().await {
                Ok(Some(chunk)) => read += chunk.len(),
                Ok(None) => break,
                Err(error) if error.is_timeout() => return Seen::NothingInTime,
                Err(error) => {
                    let cause = root_cause(&error);
                    return Seen::Not(format!("its answer broke off: {cause}"));
                }
            }
        }
        Seen::Up(boot)
    }
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
