//! The control connection: a command is a line, a reply begins with three digits and may have several lines (RFC 959).

use comeback_model::operation::ErrorClass;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::super::{Told, in_time};

/// A longer reply is none.
const REPLY_MAX: u64 = 16 * 1024;

pub(super) struct Control(BufReader<TcpStream>);

impl Control {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self(BufReader::new(stream))
    }

    pub(super) async fn send(&mut self, line: &str) -> Told {
        in_time(self.0.write_all(format!("{line}\r\n").as_bytes())).await
    }

    /// Takes a reply, and says what its last line says after the code.
    ///
    /// # Errors
    /// If it has another code: a client that is not logged in is told 530, or 503 where the name is not known yet.
    pub(super) async fn expect(&mut self, wanted: u16) -> Result<String, ErrorClass> {
        let (code, text) = in_time(self.read()).await?;
        match code {
            code if code == wanted => Ok(text),
            530 | 503 => Err(ErrorClass::SessionRejected),
            400..500 => Err(ErrorClass::ServerError),
            500..600 => Err(ErrorClass::ClientError),
            _ => Err(ErrorClass::WrongAnswer),
        }
    }

    async fn read(&mut self) -> std::io::Result<(u16, String)> {
        let malformed = || std::io::Error::from(std::io::ErrorKind::InvalidData);
        let mut first = None;
        loop {
            let mut line = String::new();
            let mut bounded = (&mut self.0).take(REPLY_MAX);
            if bounded.read_line(&mut line).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            let line = line.trim_end();
            let code = line.get(..3).and_then(|code| code.parse::<u16>().ok());
            let is_last = line.as_bytes().get(3).is_none_or(|byte| *byte == b' ');
            match (first, code) {
                (None, None) => return Err(malformed()),
                (None, Some(code)) if !is_last => first = Some(code),
                (None, Some(code)) => return Ok((code, rest(line))),
                (Some(first), Some(code)) if code == first && is_last => {
                    return Ok((code, rest(line)));
                }
                (Some(_), _) => {}
            }
        }
    }
}

fn rest(line: &str) -> String {
    line.get(4..).unwrap_or_default().to_owned()
}

/// The port in `Entering Passive Mode (127,0,0,1,200,17)`; none where the address is not this machine's own.
pub(super) fn port_in(said: &str) -> Option<u16> {
    let (_, inner) = said.split_once('(')?;
    let (inner, _) = inner.split_once(')')?;
    let numbers = inner.split(',').map(|number| number.trim().parse::<u8>());
    let numbers: Vec<u8> = numbers.collect::<Result<_, _>>().ok()?;
    match numbers[..] {
        [127, 0, 0, 1, high, low] => Some(u16::from_be_bytes([high, low])),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::port_in;

    #[test]
    fn a_data_connection_stays_on_this_machine() {
        assert_eq!(port_in("Entering Passive Mode (127,0,0,1,1,2)."), Some(258));
        assert_eq!(port_in("Entering Passive Mode (10,0,0,1,1,2)"), None);
        assert_eq!(port_in("Entering Passive Mode (127,0,0,1,1,999)"), None);
        assert_eq!(port_in("no"), None);
    }
}
