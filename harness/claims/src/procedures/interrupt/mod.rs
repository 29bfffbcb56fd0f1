//! The server is killed while a request of an exchange is under way, and started again; that request alone is sent again
//! on a new connection, and the exchange goes on from there. It finishes when all of that comes out right.
//!
//! The request has been sent, and its reply is not read: it is interrupted. For each place in the exchange, and each time
//! with new processes, several clients are interrupted by one kill.

mod http;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use crate::rulings::{Fact, What};
use comeback_engine::EngineError;
use comeback_model::operation::ErrorClass;
use comeback_model::plan::Arm;
use comeback_servers::protocols::{PASSWORD, dns as zone};
use futures_util::StreamExt;
use futures_util::future::{join_all, try_join_all};
use futures_util::stream;

use self::http::Http;
use super::context::{ClaimContext, Deployment, Server, Trouble};
use super::packaged;
use crate::procedures::clients::dns::{Dns, Question};
use crate::procedures::clients::ftp::{Account, Ftp};
use crate::procedures::clients::telnet::{self, Telnet, Typed};
use crate::procedures::clients::udp::Udp;
use crate::procedures::clients::{Exchange, Told};
use crate::procedures::user::Users;

/// The folder that FTP clients go to.
const FOLDER: &str = "inbox";

/// Who logs in: a name that servers take without knowing anybody.
const USER: &str = "anonymous";

/// Datagrams, and questions to a name server, of an exchange.
const MANY: usize = 6;

/// Connections that are begun at once: inetd has room for ten.
const AT_ONCE: usize = 8;

pub(crate) async fn run(context: &ClaimContext, arm: &Arm) -> Result<(), Trouble> {
    match arm.name.as_str() {
        "udp-echo" => {
            interrupt(context, arm, |port, number| {
                Ok(Udp::new(port, format!("u{number}"), MANY))
            })
            .await
        }
        "dns" | packaged::UNBOUND => {
            interrupt(context, arm, |port, number| {
                // Each client has ids of its own.
                let first_id = (number * MANY as u32) as u16;
                Ok(Dns::new(port, first_id, questions(number)))
            })
            .await
        }
        "ftp" | packaged::VSFTPD => {
            interrupt(context, arm, |port, number| {
                let account = Account {
                    user: USER,
                    password: PASSWORD,
                    folder: FOLDER,
                };
                Ok(Ftp::new(port, account, number))
            })
            .await
        }
        "telnet" | packaged::TELNETD => {
            interrupt(context, arm, |port, number| {
                Ok(Telnet::new(port, typed(number)))
            })
            .await
        }
        _ => {
            interrupt(context, arm, |port, number| {
                Ok(Http::new(port, Users::of(port)?.user(number)))
            })
            .await
        }
    }
}

/// Questions for hosts in an order that differs from client to client; the last goes over TCP.
fn questions(number: u32) -> Vec<Question> {
    let hosts = u32::from(zone::HOSTS);
    (0..MANY as u32)
        .map(|place| {
            let host = 1 + ((number + place) % hosts) as u8;
            Question {
                name: format!("host-{host}.{}", zone::ZONE),
                address: zone::address_of(host),
                over_tcp: place as usize == MANY - 1,
            }
        })
        .collect()
}

/// A login, and commands whose answers follow from what was typed before.
fn typed(number: u32) -> Vec<Typed> {
    let line = |line: &str, shown: Option<&str>, prompt| Typed {
        line: line.to_owned(),
        shown: shown.map(str::to_owned),
        prompt,
    };
    let prompt = telnet::COMMAND;
    vec![
        line(&format!("u{number}"), None, telnet::PASSWORD),
        line(PASSWORD, None, prompt),
        line("cd /usr/share", None, prompt),
        line("count", Some("1"), prompt),
        line("count", Some("2"), prompt),
        line("pwd", Some("/usr/share"), prompt),
    ]
}

async fn interrupt<E: Exchange>(
    context: &ClaimContext,
    arm: &Arm,
    client: impl Fn(u16, u32) -> Result<E, EngineError>,
) -> Result<(), Trouble> {
    let clients = |server: &Server| -> Result<Vec<E>, EngineError> {
        let numbers = 0..context.amount.each;
        numbers.map(|number| client(server.port, number)).collect()
    };
    for _ in 0..context.amount.rounds {
        let (deployment, server) = open(context, arm).await?;
        let mut undisturbed = clients(&server)?;
        let requests = undisturbed.first().map_or(0, E::requests);
        let right = run_all(&mut undisturbed).await;
        let asked = (requests * undisturbed.len()) as u64;
        context.tell(&Fact::share(&arm.name, What::Control, 0, (right, asked)))?;
        // Their connections go first, so that the server has nothing to wait for.
        drop(undisturbed);
        deployment.close(server).await?;
        for place in 0..requests {
            let (deployment, server) = open(context, arm).await?;
            let mut clients = clients(&server)?;
            begin(&mut clients, place)
                .await
                .map_err(|class| unable(place, class))?;
            let server = deployment.kill_and_restart(server).await?;
            finish(context, arm, &mut clients, place).await?;
            drop(clients);
            deployment.close(server).await?;
        }
    }
    Ok(())
}

/// A fresh server, with a folder that clients may write to.
async fn open<'a>(
    context: &'a ClaimContext,
    arm: &'a Arm,
) -> Result<(Deployment<'a>, Server), Trouble> {
    let mut deployment = context.deployment(arm).await?;
    let server = deployment.open().await?;
    let folder = server.data.join(FOLDER);
    fs::create_dir(&folder)?;
    // Servers that are started by root serve files as somebody else.
    fs::set_permissions(&folder, Permissions::from_mode(0o777))?;
    Ok((deployment, server))
}

/// Every client has its whole exchange; how many requests came out right.
async fn run_all<E: Exchange>(clients: &mut [E]) -> u64 {
    let connected = connect(clients).await;
    let run = async |(client, connected): (&mut E, Told)| {
        let mut right = 0;
        if connected.is_ok() {
            for place in 0..client.requests() {
                right += u64::from(client.ask(place).await.is_ok());
            }
        }
        right
    };
    let all = clients.iter_mut().zip(connected);
    join_all(all.map(run)).await.into_iter().sum()
}

/// Every client comes to a place of its exchange. When all are there, each sends the request that stands there.
async fn begin<E: Exchange>(clients: &mut [E], place: usize) -> Told {
    connect(clients).await.into_iter().collect::<Told>()?;
    let come = async |client: &mut E| {
        for earlier in 0..place {
            client.ask(earlier).await?;
        }
        Ok(())
    };
    try_join_all(clients.iter_mut().map(come)).await?;
    let send = async |client: &mut E| client.send(place).await;
    try_join_all(clients.iter_mut().map(send)).await.map(drop)
}

/// Every client begins a new connection, a few at once: a server may have no room for more that it has not taken yet, and
/// one that found none would try again a second later. The rest of an exchange is done side by side.
async fn connect<E: Exchange>(clients: &mut [E]) -> Vec<Told> {
    let all = clients
        .iter_mut()
        .map(async |client| client.connect().await);
    stream::iter(all).buffered(AT_ONCE).collect().await
}

/// Every client sends its interrupted request again, and goes on from there.
async fn finish<E: Exchange>(
    context: &ClaimContext,
    arm: &Arm,
    clients: &mut [E],
    place: usize,
) -> Result<(), Trouble> {
    let connected = connect(clients).await;
    let all = clients.iter_mut().zip(connected);
    let finished = join_all(all.map(|(client, connected)| go_on(client, connected, place))).await;
    let resumed = join_all(clients.iter_mut().map(|client| client.resume(place))).await;
    let resumed = resumed.into_iter().flatten();
    let (kept, whole) = resumed.fold((0, 0), |sum, (had, all)| (sum.0 + had, sum.1 + all));
    let at = place as u64;
    context.tell(&Fact::outcomes(&arm.name, What::Finished, at, &finished))?;
    if whole > 0 {
        context.tell(&Fact::share(&arm.name, What::Resumed, at, (kept, whole)))?;
    }
    Ok(())
}

async fn go_on<E: Exchange>(client: &mut E, connected: Told, place: usize) -> Told {
    connected?;
    for place in place..client.requests() {
        client.ask(place).await?;
    }
    Ok(())
}

fn unable(place: usize, class: ErrorClass) -> Trouble {
    Trouble::Server(format!(
        "before any fault, no exchange came to its request {}: {}",
        place + 1,
        class.label()
    ))
}
