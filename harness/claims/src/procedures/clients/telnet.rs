//! Lines typed into a terminal, and what must stand there before the next one is asked for.

use comeback_model::operation::ErrorClass;
use libmudtelnet::Parser;
use libmudtelnet::events::TelnetEvents;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Exchange, Told, connect_tcp, in_time, must, open};

/// Asks for a name.
pub(crate) const LOGIN: &str = "login: ";
/// Asks for a password.
pub(crate) const PASSWORD: &str = "Password: ";
/// Asks for a command.
pub(crate) const COMMAND: &str = "$ ";

/// More is not read while a prompt is waited for.
const SCREEN_MAX: usize = 64 * 1024;

/// A line that is typed, and what must follow.
#[derive(Clone, Debug)]
pub(crate) struct Typed {
    pub(crate) line: String,
    /// The line that is shown, if one is.
    pub(crate) shown: Option<String>,
    /// The prompt after it.
    pub(crate) prompt: &'static str,
}

/// A client that wants no options: a terminal that shows what it is sent.
pub(crate) struct Telnet {
    port: u16,
    lines: Vec<Typed>,
    terminal: Option<Terminal>,
}

struct Terminal {
    stream: TcpStream,
    parser: Parser,
    screen: Vec<u8>,
}

impl Telnet {
    pub(crate) fn new(port: u16, lines: Vec<Typed>) -> Self {
        Self {
            port,
            lines,
            terminal: None,
        }
    }
}

impl Exchange for Telnet {
    fn requests(&self) -> usize {
        self.lines.len()
    }

    async fn connect(&mut self) -> Told {
        let mut terminal = Terminal {
            stream: connect_tcp(self.port).await?,
            parser: Parser::new(),
            screen: Vec::new(),
        };
        let (_, prompt) = in_time(terminal.read_to_prompt()).await?;
        self.terminal = Some(terminal);
        must(prompt == LOGIN)
    }

    async fn send(&mut self, place: usize) -> Told {
        let terminal = open(&mut self.terminal)?;
        terminal.screen.clear();
        let TelnetEvents::DataSend(bytes) = terminal.parser.send_text(&self.lines[place].line)
        else {
            return Err(ErrorClass::HarnessError);
        };
        in_time(terminal.stream.write_all(&bytes)).await
    }

    async fn receive(&mut self, place: usize) -> Told {
        let typed = &self.lines[place];
        let terminal = open(&mut self.terminal)?;
        let (text, prompt) = in_time(terminal.read_to_prompt()).await?;
        must(prompt == typed.prompt && shown(&text, &typed.line) == typed.shown)
    }
}

/// What stands there between a line and the prompt. Some servers show what is typed, others do not.
fn shown(text: &str, typed: &str) -> Option<String> {
    let mut lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    if lines.first() == Some(&typed) {
        lines.remove(0);
    }
    (!lines.is_empty()).then(|| lines.join("\n"))
}

impl Terminal {
    /// Reads until any prompt stands there: the text before it, and which it is.
    async fn read_to_prompt(&mut self) -> std::io::Result<(String, &'static str)> {
        loop {
            let text = String::from_utf8_lossy(&self.screen).replace(['\r', '\0'], "");
            for prompt in [LOGIN, PASSWORD, COMMAND] {
                if let Some(before) = text.strip_suffix(prompt) {
                    return Ok((before.to_owned(), prompt));
                }
            }
            if self.screen.len() > SCREEN_MAX {
                return Err(std::io::ErrorKind::InvalidData.into());
            }
            let mut buffer = [0; 4_096];
            let length = self.stream.read(&mut buffer).await?;
            if length == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            self.take(&buffer[..length]).await?;
        }
    }

    /// Keeps the text, and sends what the protocol answers by itself.
    async fn take(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        for event in self.parser.receive(bytes) {
            match event {
                TelnetEvents::DataSend(bytes) => self.stream.write_all(&bytes).await?,
                TelnetEvents::DataReceive(bytes) => self.screen.extend_from_slice(&bytes),
                TelnetEvents::IAC(_)
                | TelnetEvents::Negotiation(_)
                | TelnetEvents::Subnegotiation(_)
                | TelnetEvents::DecompressImmediate(_) => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_shown_back_is_not_what_the_server_says() {
        let said = |text| shown(text, "count");
        assert_eq!(said("1\n"), Some("1".to_owned()));
        assert_eq!(said("count\n1\n"), Some("1".to_owned()));
        assert_eq!(said("count\n"), None);
        assert_eq!(said("\n"), None);
        assert_eq!(said("not found\n1\n"), Some("not found\n1".to_owned()));
    }
}
