//! Clients that talk to a server as somebody would who types.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use comeback_servers::protocols::PASSWORD;

/// Longer than any answer takes.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// The telnet program, with somebody who types.
pub(crate) struct Terminal {
    pub(crate) child: Child,
    shown: String,
}

impl Terminal {
    pub(crate) fn open(address: SocketAddr) -> Self {
        // It has no time-out of its own.
        let child = Command::new("timeout")
            .args(["20", "telnet"])
            .args([address.ip().to_string(), address.port().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            child,
            shown: String::new(),
        }
    }

    pub(crate) fn wait_for(&mut self, prompt: &str) {
        let output = self.child.stdout.as_mut().unwrap();
        while !self.shown.ends_with(prompt) {
            let mut byte = [0];
            let length = output.read(&mut byte).unwrap();
            assert_eq!(length, 1, "no {prompt:?} after {:?}", self.shown);
            if byte[0] != b'\r' {
                self.shown.push(char::from(byte[0]));
            }
        }
    }

    pub(crate) fn type_line(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }
}

/// An FTP control connection.
pub(crate) struct Control(TcpStream);

impl Control {
    pub(crate) fn log_in(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(ANSWER_MAX)).unwrap();
        let mut control = Self(stream);
        control.expect("220");
        control.say("USER ann");
        control.expect("331");
        control.say(&format!("PASS {PASSWORD}"));
        control.expect("230");
        control
    }

    pub(crate) fn say(&mut self, line: &str) {
        self.0.write_all(format!("{line}\r\n").as_bytes()).unwrap();
    }

    pub(crate) fn expect(&mut self, code: &str) -> String {
        let mut line = Vec::new();
        while !line.ends_with(b"\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte).unwrap();
            line.push(byte[0]);
        }
        let line = String::from_utf8(line).unwrap();
        assert!(line.starts_with(code), "{line} is no {code}");
        line
    }

    pub(crate) fn passive(&mut self) -> TcpStream {
        self.say("PASV");
        let line = self.expect("227");
        let numbers: Vec<u16> = line[line.find('(').unwrap() + 1..line.find(')').unwrap()]
            .split(',')
            .map(|number| number.parse().unwrap())
            .collect();
        assert_eq!(numbers[..4], [127, 0, 0, 1], "{line}");
        TcpStream::connect(("127.0.0.1", numbers[4] * 256 + numbers[5])).unwrap()
    }
}
