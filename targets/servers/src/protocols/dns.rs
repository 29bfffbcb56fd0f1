//! `dns`: an authoritative name server for one small zone, over UDP and TCP on one port.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use hickory_server::Server;
use hickory_server::net::runtime::TokioRuntimeProvider;
use hickory_server::proto::rr::rdata::{A, NS, SOA, TXT};
use hickory_server::proto::rr::{Name, RData, Record};
use hickory_server::store::in_memory::InMemoryZoneHandler;
use hickory_server::zone_handler::{AxfrPolicy, Catalog, ZoneType};
use tokio::net::{TcpListener, UdpSocket};

use crate::error::ServeError;
use crate::launch::{Launch, Stop, bind_udp};

/// The zone.
pub const ZONE: &str = "example.test.";

/// How many hosts the zone has: `host-1` to `host-20`.
pub const HOSTS: u8 = 20;

/// The text at the zone's own name.
pub const TEXT: &str = "a zone for tests";

/// How long an answer may be kept, in seconds.
const TTL: u32 = 300;

/// A connection without a query for so long is closed.
const IDLE_MAX: Duration = Duration::from_secs(10);

/// Answers that may wait to be sent on a connection.
const WAITING_MAX: usize = 32;

/// The address of a host of the zone, from those that are for documentation.
pub const fn address_of(host: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 0, 2, host)
}

pub(crate) fn start(launch: Launch) -> Result<(), ServeError> {
    let catalog = catalog().map_err(|reason| ServeError::System {
        action: "make the zone",
        source: std::io::Error::other(reason),
    })?;
    launch.run_on(listen, |sockets, stop| serve(catalog, sockets, stop))
}

/// UDP first: who waits for the TCP port finds both.
fn listen(launch: &mut Launch) -> Result<(UdpSocket, TcpListener), ServeError> {
    let passed = launch.passed_address()?;
    let socket = bind_udp(passed.unwrap_or(launch.address()))?;
    Ok((socket, launch.listen()?))
}

async fn serve(catalog: Catalog, (socket, listener): (UdpSocket, TcpListener), stop: Stop) {
    let mut server = Server::new(catalog);
    server.register_socket(socket);
    server.register_listener(listener, IDLE_MAX, WAITING_MAX);
    tokio::select! {
        () = stop => {}
        // Only when a socket is lost.
        _ = server.block_until_done() => {}
    }
    // Closes at once; an answer from memory is never under way for long.
    let _ = server.shutdown_gracefully().await;
}

fn catalog() -> Result<Catalog, String> {
    let origin = name(ZONE)?;
    let serial = 1;
    let mut zone = InMemoryZoneHandler::<TokioRuntimeProvider>::empty(
        origin.clone(),
        ZoneType::Primary,
        AxfrPolicy::Deny,
    );
    for record in records(&origin)? {
        zone.upsert_mut(record, serial);
    }
    let mut catalog = Catalog::new();
    catalog.upsert(origin.into(), vec![Arc::new(zone)]);
    Ok(catalog)
}

fn records(origin: &Name) -> Result<Vec<Record>, String> {
    let server = name("ns.example.test.")?;
    let (mail, hour) = (name("hostmaster.example.test.")?, 3_600);
    let soa = SOA::new(server.clone(), mail, 1, hour, hour, 24 * hour, TTL);
    let of_zone = |data| Record::from_rdata(origin.clone(), TTL, data);
    let mut records = vec![
        of_zone(RData::SOA(soa)),
        of_zone(RData::NS(NS(server.clone()))),
        of_zone(RData::TXT(TXT::new(vec![TEXT.to_owned()]))),
        Record::from_rdata(server, TTL, RData::A(A(Ipv4Addr::LOCALHOST))),
    ];
    for host in 1..=HOSTS {
        let data = RData::A(A(address_of(host)));
        let host = name(&format!("host-{host}.{ZONE}"))?;
        records.push(Record::from_rdata(host, TTL, data));
    }
    Ok(records)
}

fn name(text: &str) -> Result<Name, String> {
    Name::from_ascii(text).map_err(|error| error.to_string())
}
