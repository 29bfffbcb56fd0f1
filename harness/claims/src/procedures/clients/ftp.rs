//! Files sent and fetched, in passive mode.
//!
//! A transfer is one request here: the data connection is asked for anew with each, which is kind to the protocol, since
//! its port is known of the control connection, too. Of the bytes of a transfer the half goes when it is sent.

mod control;

use comeback_model::operation::ErrorClass;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Exchange, Told, connect_tcp, in_time, must, open};
use control::Control;

/// The bytes of the file.
pub(crate) const FILE: usize = 64 * 1024;

/// Where the fetch of a part begins.
const PART: usize = FILE / 4;

/// A request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    User,
    Password,
    Binary,
    Folder,
    Store,
    Fetch,
    FetchPart,
    Where,
}

/// The requests of an exchange, in their order.
pub(crate) const REQUESTS: [Request; 8] = [
    Request::User,
    Request::Password,
    Request::Binary,
    Request::Folder,
    Request::Store,
    Request::Fetch,
    Request::FetchPart,
    Request::Where,
];

/// Who logs in, and where to.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) user: &'static str,
    pub(crate) password: &'static str,
    /// A folder that is there, below the first one.
    pub(crate) folder: &'static str,
}

/// A client with a file of its own.
pub(crate) struct Ftp {
    port: u16,
    account: Account,
    number: u32,
    control: Option<Control>,
    transfer: Option<TcpStream>,
    /// What has arrived of the file that is fetched.
    fetched: Vec<u8>,
}

impl Ftp {
    pub(crate) fn new(port: u16, account: Account, number: u32) -> Self {
        Self {
            port,
            account,
            number,
            control: None,
            transfer: None,
            fetched: Vec::new(),
        }
    }

    /// No two clients' files are alike, nor two parts of one.
    fn content(&self) -> Vec<u8> {
        let bytes =
            (0..FILE as u32).map(|at| (at.wrapping_mul(31) ^ (at >> 8) ^ self.number) as u8);
        bytes.collect()
    }

    fn file(&self) -> String {
        format!("file-{}", self.number)
    }

    /// Sends a command and takes its reply.
    async fn command(&mut self, line: &str, code: u16) -> Result<String, ErrorClass> {
        let control = open(&mut self.control)?;
        control.send(line).await?;
        control.expect(code).await
    }

    /// Begins a transfer, the data connection first.
    async fn begin(&mut self, command: &str) -> Told {
        let said = self.command("PASV", 227).await?;
        let port = control::port_in(&said).ok_or(ErrorClass::Malformed)?;
        self.transfer = Some(connect_tcp(port).await?);
        self.command(command, 150).await.map(drop)
    }

    /// Asks for the file from a byte on, and takes as many bytes more.
    async fn begin_fetch(&mut self, from: usize, take: usize) -> Told {
        if from > 0 {
            self.command(&format!("REST {from}"), 350).await?;
        }
        self.begin(&format!("RETR {}", self.file())).await?;
        // From here on the reply is on its way, and what was known of the file is not enough any more.
        self.fetched.truncate(from);
        let mut part = vec![0; take];
        let stream = open(&mut self.transfer)?;
        in_time(stream.read_exact(&mut part)).await?;
        self.fetched.extend_from_slice(&part);
        Ok(())
    }

    async fn end_fetch(&mut self, from: usize) -> Told {
        let mut stream = self.transfer.take().ok_or(ErrorClass::HarnessError)?;
        in_time(stream.read_to_end(&mut self.fetched)).await?;
        open(&mut self.control)?.expect(226).await?;
        let content = self.content();
        must(self.fetched.get(from..) == content.get(from..))
    }

    /// Logs in anew, and goes on with the file where it stopped: how many of its bytes were there already.
    async fn log_in_and_go_on(&mut self) -> Result<usize, ErrorClass> {
        let had = self.fetched.len();
        self.connect().await?;
        for (request, place) in REQUESTS.into_iter().zip(0..) {
            match request {
                Request::Store | Request::Fetch | Request::FetchPart | Request::Where => {}
                Request::User | Request::Password | Request::Binary | Request::Folder => {
                    self.ask(place).await?;
                }
            }
        }
        self.begin_fetch(had, 0).await?;
        self.end_fetch(0).await?;
        Ok(had)
    }
}

impl Exchange for Ftp {
    fn requests(&self) -> usize {
        REQUESTS.len()
    }

    async fn connect(&mut self) -> Told {
        self.transfer = None;
        let mut control = Control::new(connect_tcp(self.port).await?);
        control.expect(220).await?;
        self.control = Some(control);
        Ok(())
    }

    async fn send(&mut self, place: usize) -> Told {
        let Account {
            user,
            password,
            folder,
        } = self.account;
        let line = match REQUESTS[place] {
            Request::User => format!("USER {user}"),
            Request::Password => format!("PASS {password}"),
            Request::Binary => "TYPE I".to_owned(),
            Request::Folder => format!("CWD {folder}"),
            Request::Where => "PWD".to_owned(),
            Request::Store => {
                self.begin(&format!("STOR {}", self.file())).await?;
                let content = self.content();
                let stream = open(&mut self.transfer)?;
                return in_time(stream.write_all(&content[..FILE / 2])).await;
            }
            Request::Fetch => return self.begin_fetch(0, FILE / 2).await,
            // What is there of the file is not looked at: the part is fetched for itself.
            Request::FetchPart => {
                self.fetched = vec![0; PART];
                return self.begin_fetch(PART, (FILE - PART) / 2).await;
            }
        };
        open(&mut self.control)?.send(&line).await
    }

    async fn receive(&mut self, place: usize) -> Told {
        let code = match REQUESTS[place] {
            Request::User => 331,
            Request::Password => 230,
            Request::Binary => 200,
            Request::Folder => 250,
            Request::Where => {
                let said = open(&mut self.control)?.expect(257).await?;
                return must(said.contains(&format!("\"/{}\"", self.account.folder)));
            }
            Request::Store => {
                let content = self.content();
                let mut stream = self.transfer.take().ok_or(ErrorClass::HarnessError)?;
                in_time(stream.write_all(&content[FILE / 2..])).await?;
                in_time(stream.shutdown()).await?;
                drop(stream);
                226
            }
            Request::Fetch => return self.end_fetch(0).await,
            Request::FetchPart => return self.end_fetch(PART).await,
        };
        open(&mut self.control)?.expect(code).await.map(drop)
    }

    async fn resume(&mut self, place: usize) -> Option<(u64, u64)> {
        if REQUESTS[place] != Request::Fetch {
            return None;
        }
        // What does not come out right has kept nothing.
        let had = self.log_in_and_go_on().await.unwrap_or_default();
        Some((had as u64, FILE as u64))
    }
}
