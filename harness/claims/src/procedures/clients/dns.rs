//! Questions to a name server, over UDP or TCP.

use std::io;
use std::net::Ipv4Addr;

use comeback_model::operation::ErrorClass;
use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{Name, RData, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

use super::{Exchange, Told, class_of, connect_tcp, in_time, must, open};

/// More than any of these answers has.
const ANSWER_MAX: usize = 4_096;

/// A question for the address of a name, and its one right answer.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) name: String,
    pub(crate) address: Ipv4Addr,
    pub(crate) over_tcp: bool,
}

/// A client of a name server, without a cache.
pub(crate) struct Dns {
    port: u16,
    /// The id of its first question; each has its own.
    first_id: u16,
    questions: Vec<Question>,
    link: Option<Link>,
}

struct Link {
    udp: UdpSocket,
    /// Made for a question that goes over TCP.
    tcp: Option<TcpStream>,
}

impl Dns {
    pub(crate) fn new(port: u16, first_id: u16, questions: Vec<Question>) -> Self {
        Self {
            port,
            first_id,
            questions,
            link: None,
        }
    }

    fn id(&self, place: usize) -> u16 {
        self.first_id.wrapping_add(place as u16)
    }

    fn query(&self, place: usize) -> Result<Query, ErrorClass> {
        let name = Name::from_ascii(&self.questions[place].name);
        let name = name.map_err(|_| ErrorClass::HarnessError)?;
        Ok(Query::query(name, RecordType::A))
    }

    fn is_right(&self, place: usize, bytes: &[u8]) -> Told {
        let answer = Message::from_vec(bytes).map_err(|_| ErrorClass::Malformed)?;
        let about = &answer.metadata;
        let wanted = RData::A(A(self.questions[place].address));
        let said: Vec<&RData> = answer.answers.iter().map(|record| &record.data).collect();
        match about.response_code {
            ResponseCode::ServFail => Err(ErrorClass::ServerError),
            ResponseCode::Refused | ResponseCode::FormErr => Err(ErrorClass::ClientError),
            code => must(
                code == ResponseCode::NoError
                    && about.id == self.id(place)
                    && about.message_type == MessageType::Response
                    && answer.queries == [self.query(place)?]
                    && said == [&wanted],
            ),
        }
    }
}

impl Exchange for Dns {
    fn requests(&self) -> usize {
        self.questions.len()
    }

    async fn connect(&mut self) -> Told {
        let bound = async {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            socket.connect((Ipv4Addr::LOCALHOST, self.port)).await?;
            Ok(socket)
        };
        let udp = in_time(bound).await?;
        self.link = Some(Link { udp, tcp: None });
        Ok(())
    }

    async fn send(&mut self, place: usize) -> Told {
        let mut message = Message::new(self.id(place), MessageType::Query, OpCode::Query);
        message.add_query(self.query(place)?);
        let bytes = message.to_vec().map_err(|_| ErrorClass::HarnessError)?;
        let link = open(&mut self.link)?;
        if !self.questions[place].over_tcp {
            let sent = link.udp.send(&bytes).await;
            return sent.map(drop).map_err(|error| class_of(&error));
        }
        let mut stream = connect_tcp(self.port).await?;
        let length = u16::try_from(bytes.len()).map_err(|_| ErrorClass::HarnessError)?;
        let framed = [&length.to_be_bytes()[..], &bytes].concat();
        in_time(stream.write_all(&framed)).await?;
        link.tcp = Some(stream);
        Ok(())
    }

    async fn receive(&mut self, place: usize) -> Told {
        let over_tcp = self.questions[place].over_tcp;
        let link = open(&mut self.link)?;
        let bytes = if over_tcp {
            let stream = open(&mut link.tcp)?;
            in_time(read_framed(stream)).await?
        } else {
            let mut buffer = vec![0; ANSWER_MAX];
            let length = in_time(link.udp.recv(&mut buffer)).await?;
            buffer.truncate(length);
            buffer
        };
        self.is_right(place, &bytes)
    }
}

async fn read_framed(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let length = stream.read_u16().await?;
    let mut bytes = vec![0; usize::from(length)];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}
