//! Exchanges with the servers of this project, and with servers that answer wrongly, each in its own way.

use std::net::SocketAddr;
use std::time::Duration;

use comeback_model::operation::ErrorClass;
use comeback_servers::protocols::{PASSWORD, dns as zone};
use comeback_servers::{ServeOptions, find, serve_with};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};
use tokio::sync::oneshot;

use super::dns::{Dns, Question};
use super::ftp::{Account, Ftp};
use super::telnet::{self, Telnet, Typed};
use super::udp::Udp;
use super::*;

/// Has an exchange with a server of this project that runs in this process.
async fn with_server<E: Exchange>(name: &str, client: impl FnOnce(u16) -> E) -> Vec<Told> {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("inbox")).expect("a folder in it");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (stop, stopped) = oneshot::channel::<()>();
    let options = ServeOptions {
        port: 0,
        data: folder.path().to_owned(),
        store: None,
        store_within: comeback_servers::STORE_WITHIN,
    };
    let target = find(name).expect("it is there");
    let server = std::thread::spawn(move || {
        serve_with(target, &options, listener, async move {
            let _ = stopped.await;
        })
    });
    let mut client = client(port);
    // A UDP port may not be bound yet; what is sent there is refused by the system.
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while ["udp-echo", "dns"].contains(&name)
        && client.connect().await.is_ok()
        && client.ask(0).await == Err(ErrorClass::Refused)
    {
        assert!(std::time::Instant::now() < deadline, "it is not bound");
    }
    let told = run(&mut client).await;
    drop(client);
    stop.send(()).expect("it runs");
    server.join().expect("no panic").expect("it ends well");
    told
}

/// The connection's outcome, then those of all requests.
async fn run<E: Exchange>(client: &mut E) -> Vec<Told> {
    let mut told = vec![client.connect().await];
    for place in 0..client.requests() {
        told.push(client.ask(place).await);
    }
    told
}

fn questions() -> Vec<Question> {
    let question = |host, over_tcp| Question {
        name: format!("host-{host}.{}", zone::ZONE),
        address: zone::address_of(host),
        over_tcp,
    };
    vec![question(1, false), question(20, true), question(3, false)]
}

fn account() -> Account {
    Account {
        user: "ann",
        password: PASSWORD,
        folder: "inbox",
    }
}

fn typed() -> Vec<Typed> {
    let line = |line: &str, shown: Option<&str>, prompt| Typed {
        line: line.to_owned(),
        shown: shown.map(str::to_owned),
        prompt,
    };
    vec![
        line("ann", None, telnet::PASSWORD),
        line(PASSWORD, None, telnet::COMMAND),
        line("count", Some("1"), telnet::COMMAND),
        line("count", Some("2"), telnet::COMMAND),
    ]
}

#[tokio::test]
async fn exchanges_with_our_own_servers_come_out_right() {
    let udp = with_server("udp-echo", |port| Udp::new(port, "u".to_owned(), 5)).await;
    assert_eq!(udp, vec![Ok(()); 6]);
    let dns = with_server("dns", |port| Dns::new(port, 7, questions())).await;
    assert_eq!(dns, vec![Ok(()); 4]);
    let ftp = with_server("ftp", |port| Ftp::new(port, account(), 1)).await;
    assert_eq!(ftp, vec![Ok(()); 9]);
    let telnet = with_server("telnet", |port| Telnet::new(port, typed())).await;
    assert_eq!(telnet, vec![Ok(()); 5]);
}

#[tokio::test]
async fn an_address_that_is_not_asked_for_is_a_wrong_answer() {
    let mut asked = questions();
    asked[0].address = zone::address_of(2);
    asked[1].name = format!("nobody.{}", zone::ZONE);
    asked[2].name = "host-3.example.org.".to_owned();
    let told = with_server("dns", |port| Dns::new(port, 7, asked)).await;
    let wrong = [
        ErrorClass::WrongAnswer,
        ErrorClass::WrongAnswer,
        ErrorClass::ClientError,
    ];
    assert_eq!(told[1..], wrong.map(Err));
}

#[tokio::test]
async fn a_request_out_of_its_session_is_refused_or_wrong() {
    let ftp = with_server("ftp", |port| Ftp::new(port, account(), 1));
    let mut stranger = account();
    stranger.password = "wrong";
    let refused = with_server("ftp", |port| Ftp::new(port, stranger, 1));
    let (known, refused) = tokio::join!(ftp, refused);
    assert_eq!(known[2], Ok(()));
    assert!(
        refused[2..]
            .iter()
            .all(|told| *told == Err(ErrorClass::SessionRejected)),
        "{refused:?}"
    );
    let mut counted = typed();
    counted[3].shown = Some("3".to_owned());
    // The count alone, typed at the prompt for a name.
    counted.remove(0);
    let told = with_server("telnet", |port| Telnet::new(port, counted)).await;
    assert!(
        told[1..]
            .iter()
            .all(|told| *told == Err(ErrorClass::WrongAnswer)),
        "{told:?}"
    );
}

/// A UDP server that answers each datagram with what `answer` makes of it.
async fn answering(answer: impl Fn(&[u8]) -> Vec<u8> + Send + 'static) -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    let port = socket.local_addr().expect("an address").port();
    tokio::spawn(async move {
        let mut buffer = [0; 4_096];
        while let Ok((length, client)) = socket.recv_from(&mut buffer).await {
            let _ = socket.send_to(&answer(&buffer[..length]), client).await;
        }
    });
    port
}

#[tokio::test]
async fn an_echo_that_changes_a_byte_is_a_wrong_answer() {
    let port = answering(|datagram| {
        let mut datagram = datagram.to_vec();
        if let Some(last) = datagram.last_mut().filter(|last| **last == b'x') {
            *last = b'y';
        }
        datagram
    })
    .await;
    let told = run(&mut Udp::new(port, "u".to_owned(), 3)).await;
    let wrong = Err(ErrorClass::WrongAnswer);
    assert_eq!(told, [Ok(()), Ok(()), wrong, wrong]);
    // One of another client's, or of another place.
    let port = answering(|_| b"v 0 ".to_vec()).await;
    assert_eq!(run(&mut Udp::new(port, "u".to_owned(), 1)).await[1], wrong);
}

#[tokio::test]
async fn an_answer_to_another_question_is_wrong_and_noise_is_malformed() {
    // What is asked comes back, with the bit that makes it an answer and no address in it.
    let port = answering(|query| {
        let mut answer = query.to_vec();
        answer[2] |= 0x80;
        answer
    })
    .await;
    let mut client = Dns::new(port, 7, questions());
    client.connect().await.expect("a socket");
    assert_eq!(client.ask(0).await, Err(ErrorClass::WrongAnswer));
    let port = answering(|_| b"noise".to_vec()).await;
    let mut client = Dns::new(port, 7, questions());
    client.connect().await.expect("a socket");
    assert_eq!(client.ask(0).await, Err(ErrorClass::Malformed));
}

/// An FTP server that says yes to everything and sends these bytes for every file.
async fn obliging(file: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let file = file.clone();
            tokio::spawn(async move { oblige(stream, &file).await });
        }
    });
    address
}

async fn oblige(stream: TcpStream, file: &[u8]) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let data = TcpListener::bind("127.0.0.1:0").await?;
    let [high, low] = data.local_addr()?.port().to_be_bytes();
    stream.write_all(b"220 hello\r\n").await?;
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 0 {
        let reply = match line.get(..4).unwrap_or_default() {
            "USER" => "331 go on",
            "PASS" => "230-welcome\r\n230 in",
            "TYPE" => "200 so be it",
            "CWD " => "250 there",
            "REST" => "350 there",
            "PWD\r" => "257 \"/elsewhere\"",
            "PASV" => &format!("227 at (127,0,0,1,{high},{low})"),
            _ => "150 now",
        };
        stream.write_all(format!("{reply}\r\n").as_bytes()).await?;
        if reply.starts_with("150") {
            let (mut transfer, _) = data.accept().await?;
            if line.starts_with("RETR") {
                transfer.write_all(file).await?;
                transfer.shutdown().await?;
            } else {
                transfer.read_to_end(&mut Vec::new()).await?;
            }
            stream.write_all(b"226 done\r\n").await?;
        }
        line.clear();
    }
    Ok(())
}

#[tokio::test]
async fn a_file_that_is_another_or_shorter_is_found_out() {
    let another = obliging(vec![7; ftp::FILE]).await;
    let told = run(&mut Ftp::new(another.port(), account(), 1)).await;
    let (ok, wrong) = (Ok(()), Err(ErrorClass::WrongAnswer));
    assert_eq!(told, [ok, ok, ok, ok, ok, ok, wrong, wrong, wrong]);
    // It ends before the half that is waited for.
    let shorter = obliging(vec![7; 100]).await;
    let told = run(&mut Ftp::new(shorter.port(), account(), 1)).await;
    assert_eq!(told[6], Err(ErrorClass::Reset));
}

#[tokio::test]
async fn a_file_that_was_not_resumed_has_kept_nothing() {
    // It forgets where to go on, and sends all of a file from its start: some bytes are there twice.
    let forgetful = obliging(vec![7; ftp::FILE]).await;
    let mut client = Ftp::new(forgetful.port(), account(), 1);
    client.connect().await.expect("a connection");
    for place in 0..5 {
        client.ask(place).await.expect("it says yes");
    }
    client.send(5).await.expect("half of it");
    assert_eq!(client.resume(5).await, Some((0, ftp::FILE as u64)));
    assert_eq!(client.resume(4).await, None);
}

#[tokio::test]
async fn nobody_there_is_refused() {
    // Bound, so that nobody gets the port, and nobody listens there.
    let socket = TcpSocket::new_v4().expect("a socket");
    let any = "127.0.0.1:0".parse().expect("an address");
    socket.bind(any).expect("a port");
    let port = socket.local_addr().expect("an address").port();
    let refused = Err(ErrorClass::Refused);
    assert_eq!(Telnet::new(port, typed()).connect().await, refused);
    assert_eq!(Ftp::new(port, account(), 1).connect().await, refused);
    let mut udp = Udp::new(port, "u".to_owned(), 1);
    udp.connect().await.expect("a socket of its own");
    assert_eq!(udp.ask(0).await, refused);
}
