//! `network`: packets to and from a node's port are lost, or answered by a reset, by rules of the kernel (nftables).
//!
//! Each node has a table of its own, for its port of 127.0.0.1 alone. No process stands between client and server: what the
//! rules do not touch goes as before. Which packets are touched the kernel draws, not the run's seed.

use std::io;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use comeback_host::program;
use comeback_host::undo::Undo;
use comeback_model::plan::fault::{Effect, FaultWords, Reach};
use comeback_model::units::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::act::{Act, ActError, Target};
use crate::degrade::{self, degrade, for_how_long};
use crate::injection::{FaultError, Injection};
use crate::kind::{Kind, Unavailable};

/// Packets that do not arrive.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Network {
    /// What happens: packets are lost (`drop`), or whatever clients send is answered by a reset (`reset`), which also refuses new
    /// connections. Default: drop.
    how: How,
    /// How many of these packets it happens to, in percent. Default: 100.
    percent: u8,
    /// Of `drop`: packets in which direction, `to` the node, `from` it, or `both`. Default: both.
    direction: Direction,
    /// How long it holds as a fault. A surrounding has no end.
    #[serde(skip_serializing_if = "Option::is_none")]
    lasts: Option<Span>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum How {
    Drop,
    Reset,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Direction {
    Both,
    To,
    From,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            how: How::Drop,
            percent: 100,
            direction: Direction::Both,
            lasts: None,
        }
    }
}

impl Kind for Network {
    const NAME: &'static str = "network";
    const ABOUT: &'static str =
        "Packets to and from a node's port are lost, or answered by a reset.";
    const EVIDENCE: &'static str = "The kernel lists the rules, at first and when they are removed. As a fault they must have met a packet, as their counter says.";
    const SURROUNDS: bool = true;

    fn probe() -> Result<(), Unavailable> {
        let rules = Self::default().rules("comeback-probe", 1);
        nft(&["--check", "--file", "-"], &rules).map_err(|error| Unavailable {
            reason: format!("the kernel takes no rules by nft: {error}"),
            mend: "install the package nftables, and run with the capability CAP_NET_ADMIN",
        })?;
        Ok(())
    }

    fn check(&self) -> Result<(), (&'static str, &'static str)> {
        match self {
            Self { percent, .. } if !(1..=100).contains(percent) => {
                Err(("percent", "it must be 1 to 100 percent of the packets"))
            }
            Self { how, direction, .. } if *how != How::Drop && *direction != Direction::Both => {
                Err((
                    "direction",
                    "only lost packets have a direction: remove it, or write how = \"drop\"",
                ))
            }
            Self { lasts, .. } => degrade::check(*lasts),
        }
    }

    fn effect(&self) -> Effect {
        degrade::effect(self.lasts)
    }

    fn words(&self, _: Reach) -> FaultWords {
        let lasts = for_how_long(self.lasts);
        let share = match self.percent {
            100 => "all".to_owned(),
            percent => format!("{percent}% of the"),
        };
        let what = match (self.how, self.direction) {
            (How::Drop, Direction::Both) => format!("{share} packets lost"),
            (How::Drop, Direction::To) => format!("{share} packets to it lost"),
            (How::Drop, Direction::From) => format!("{share} packets from it lost"),
            (How::Reset, _) => format!("{share} packets answered by a reset"),
        };
        FaultWords {
            short: "network fault".to_owned(),
            noun: format!("a network fault, {what}{lasts}"),
            done: format!("a network fault: {what}{lasts}"),
            begun: what.clone(),
            explained: format!("at the port of the faulted nodes, {what}{lasts}"),
        }
    }

    async fn inject(&self, on: &Injection) -> Result<(), FaultError> {
        let rules = || Rules {
            fault: *self,
            is_to_be_met: self.lasts.is_some(),
        };
        degrade(on, self.lasts, rules).await
    }
}

impl Network {
    /// What nft reads: the table of a node, in the place of one that is there.
    fn rules(&self, table: &str, port: u16) -> String {
        let drawn = match self.percent {
            100 => String::new(),
            percent => format!("numgen random mod 100 < {percent} "),
        };
        let (to, from) = (
            "meta l4proto { tcp, udp } th dport",
            "meta l4proto { tcp, udp } th sport",
        );
        let (filters, verdict): (Vec<String>, &str) = match (self.how, self.direction) {
            (How::Drop, Direction::To) => (vec![format!("{to} {port}")], "drop"),
            (How::Drop, Direction::From) => (vec![format!("{from} {port}")], "drop"),
            (How::Drop, Direction::Both) => (
                vec![format!("{to} {port}"), format!("{from} {port}")],
                "drop",
            ),
            (How::Reset, _) => (vec![format!("tcp dport {port}")], "reject with tcp reset"),
        };
        let mut text = format!(
            "add table inet {table}\n\
             delete table inet {table}\n\
             add table inet {table}\n\
             add counter inet {table} met\n\
             add chain inet {table} arriving {{ type filter hook input priority mangle; policy accept; }}\n"
        );
        for filter in filters {
            text.push_str(&format!(
                "add rule inet {table} arriving iifname lo {filter} {drawn}counter name met {verdict}\n"
            ));
        }
        text
    }
}

/// The rules for one node.
#[derive(Debug)]
struct Rules {
    fault: Network,
    /// Whether they have to meet a packet while they hold.
    is_to_be_met: bool,
}

fn table_of(on: &dyn Target) -> String {
    let label = on.label();
    let plain = |sign: char| match sign.is_ascii_alphanumeric() {
        true => sign,
        false => '_',
    };
    format!("comeback_{}", label.chars().map(plain).collect::<String>())
}

impl Rules {
    /// How many packets the rules of a node have met.
    fn met(on: &dyn Target) -> Result<u64, ActError> {
        let table = table_of(on);
        let listed = nft(&["list", "counter", "inet", &table, "met"], "");
        let listed = listed.map_err(|error| {
            ActError::Missed(format!("the kernel does not list the rules: {error}"))
        })?;
        let text = String::from_utf8_lossy(&listed.stdout);
        let mut words = text
            .split_whitespace()
            .skip_while(|word| *word != "packets");
        let count = words.nth(1).and_then(|count| count.parse().ok());
        count.ok_or_else(|| ActError::Missed(format!("nft lists no count: {text}")))
    }
}

impl Act for Rules {
    fn lease(&self, on: &dyn Target) -> io::Result<Option<Undo>> {
        let (nft, table) = (the_program()?, table_of(on));
        let nft = nft.display();
        // Whoever may not list it has not made it.
        Undo::new(&format!(
            "! {nft} list table inet {table} 2>/dev/null || {nft} delete table inet {table}"
        ))
        .map(Some)
    }

    fn apply(&mut self, on: &dyn Target) -> Result<(), ActError> {
        let port = on.port().ok_or_else(|| {
            ActError::Missed("it listens on a Unix socket, which has no packets".to_owned())
        })?;
        let rules = self.fault.rules(&table_of(on), port);
        nft(&["--file", "-"], &rules)?;
        Ok(())
    }

    fn confirm(&self, on: &dyn Target) -> Result<String, ActError> {
        let (met, table) = (Self::met(on)?, table_of(on));
        Ok(format!("nft lists the table {table}; it met {met} packets"))
    }

    fn conclude(&self, on: &dyn Target) -> Result<String, ActError> {
        match Self::met(on)? {
            0 if self.is_to_be_met => Err(ActError::Missed(
                "its rules met no packet, because nobody sent one while it held: let it hold longer, or raise the load".to_owned(),
            )),
            _ => self.confirm(on),
        }
    }

    fn undo(&mut self, on: &dyn Target) -> io::Result<()> {
        let table = table_of(on);
        nft(&["delete", "table", "inet", &table], "").map(drop)
    }
}

/// Where the program is.
fn the_program() -> io::Result<PathBuf> {
    program::of_system("nft").ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::NotFound,
            "there is no program nft: install the package nftables",
        )
    })
}

/// Calls nft with these words, and this as its input.
fn nft(words: &[&str], input: &str) -> io::Result<Output> {
    let mut command = Command::new(the_program()?);
    command.args(words).stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let written = child
        .stdin
        .take()
        .map(|mut stdin| stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let first = said.lines().next().unwrap_or("it says nothing");
        return Err(io::Error::other(format!("nft: {first}")));
    }
    written.transpose()?;
    Ok(output)
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::time::Duration;

    use super::*;
    use crate::tests::Waiting;

    /// How long a connection may take that nobody hinders, on a busy machine.
    const PATIENCE: Duration = Duration::from_secs(20);

    fn fault(how: How, percent: u8) -> Network {
        let lasts = Some(Span::from_secs(1));
        Network {
            how,
            percent,
            lasts,
            ..Network::default()
        }
    }

    fn rules(fault: Network) -> Rules {
        Rules {
            fault,
            is_to_be_met: true,
        }
    }

    fn connect(port: u16, within: Duration) -> io::Result<TcpStream> {
        TcpStream::connect_timeout(&SocketAddr::from(([127, 0, 0, 1], port)), within)
    }

    /// Carries out what is written down, however a test ends: rules that stay would hit whoever gets the port next.
    struct Removes(Undo);

    impl Removes {
        fn of(rules: &Rules, target: &Waiting) -> Self {
            let undo = rules.lease(target).expect("it is one line");
            Self(undo.expect("there is something"))
        }
    }

    impl Drop for Removes {
        fn drop(&mut self) {
            let removed = self.0.run();
            assert!(removed.is_ok() || std::thread::panicking(), "{removed:?}");
        }
    }

    /// A fault at the port of a real listener that nobody has asked for anything: what a new connection meets while it holds.
    fn meets(how: How, within: Duration) -> Option<io::ErrorKind> {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
        let port = listener.local_addr().expect("it listens").port();
        let mut target = Waiting::start();
        target.port = Some(port);
        let mut rules = rules(fault(how, 100));
        let removes = Removes::of(&rules, &target);
        rules.apply(&target).expect("it may");
        rules.confirm(&target).expect("it is listed");
        let problem = rules
            .conclude(&target)
            .expect_err("nobody has sent anything");
        assert!(
            format!("{problem:?}").contains("met no packet"),
            "{problem:?}"
        );
        let met = connect(port, within).err().map(|error| error.kind());
        rules.conclude(&target).expect("it met a packet");
        rules.undo(&target).expect("it may");
        assert!(matches!(rules.confirm(&target), Err(ActError::Missed(_))));
        connect(port, PATIENCE).expect("nothing hinders it any more");
        // What is written down removes what the harness could not, and does nothing where there is nothing.
        rules.apply(&target).expect("it may");
        removes.0.run().expect("it is removed");
        assert!(matches!(rules.confirm(&target), Err(ActError::Missed(_))));
        met
    }

    #[test]
    fn packets_are_lost_and_connections_refused_while_it_holds() {
        if Network::probe().is_err() {
            return;
        }
        let lost = meets(How::Drop, Duration::from_millis(300));
        assert_eq!(lost, Some(io::ErrorKind::TimedOut));
        let refused = meets(How::Reset, PATIENCE);
        assert_eq!(refused, Some(io::ErrorKind::ConnectionRefused));
    }

    #[test]
    fn an_open_connection_is_reset() {
        if Network::probe().is_err() {
            return;
        }
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
        let port = listener.local_addr().expect("it listens").port();
        let mut target = Waiting::start();
        target.port = Some(port);
        let mut open = connect(port, PATIENCE).expect("nothing hinders it");
        let mut rules = rules(fault(How::Reset, 100));
        let _removes = Removes::of(&rules, &target);
        rules.apply(&target).expect("it may");
        open.write_all(b"a").expect("the kernel takes it");
        open.set_read_timeout(Some(PATIENCE)).expect("it may");
        let met = io::Read::read(&mut open, &mut [0]).expect_err("it is reset");
        assert_eq!(met.kind(), io::ErrorKind::ConnectionReset);
        rules.undo(&target).expect("it may");
    }

    #[test]
    fn a_socket_that_is_no_port_has_no_packets_to_lose() {
        let target = Waiting::start();
        let missed = rules(fault(How::Drop, 100)).apply(&target);
        assert!(matches!(missed, Err(ActError::Missed(_))), "{missed:?}");
    }

    #[test]
    fn rules_are_for_one_port_of_the_loopback_interface() {
        let lost = fault(How::Drop, 30).rules("t", 80);
        let rules: Vec<&str> = lost
            .lines()
            .filter(|line| line.starts_with("add rule"))
            .collect();
        assert_eq!(rules.len(), 2);
        for (rule, side) in rules.iter().zip(["dport", "sport"]) {
            assert!(rule.contains(&format!(
                "iifname lo meta l4proto {{ tcp, udp }} th {side} 80 "
            )));
            assert!(
                rule.ends_with("numgen random mod 100 < 30 counter name met drop"),
                "{rule}"
            );
        }
        let reset = fault(How::Reset, 100).rules("t", 80);
        let rule = "iifname lo tcp dport 80 counter name met reject with tcp reset\n";
        assert!(reset.ends_with(rule), "{reset}");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (fault, field) in [
            (fault(How::Drop, 0), "percent"),
            (fault(How::Drop, 101), "percent"),
            (
                Network {
                    direction: Direction::To,
                    ..fault(How::Reset, 100)
                },
                "direction",
            ),
        ] {
            assert_eq!(fault.check().expect_err("it is wrong").0, field);
        }
    }
}
