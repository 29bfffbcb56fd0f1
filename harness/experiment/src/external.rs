//! A server that something else starts: its keys, and how they become part of a plan.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use comeback_model::plan::{External, IdentifiedBy};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fill::fill_here;
use super::problem::PartProblem;
use super::scalar::Words;

/// A server that something else starts: systemd, supervisord, runit, a shell loop, or a person.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExternalPart {
    /// The file that holds its process id. The server must have written it again by the time it listens again. Default: its process is
    /// found by the port.
    pub pid_file: Option<String>,
    /// The unit of systemd that it is, such as `shop.service`: its process is the unit's main process. Its own `Restart=` starts it again,
    /// or `restart = ["systemctl", "restart", "shop.service"]`.
    pub systemd_unit: Option<String>,
    /// The port of 127.0.0.1 that it listens on. Its process is the one that listens there, unless `pid_file` or `systemd_unit` names it.
    pub port: Option<u16>,
    /// The same as `port`, as an address such as `127.0.0.1:8080`. An IPv4 or IPv6 address of another machine, such as `10.0.0.5:8080` or
    /// `[fd00::5]:8080`, needs `--allow-remote` on the command line and the command `kill`. No process is seen there: the server is known
    /// by its address alone, and its end by its connections.
    pub address: Option<String>,
    /// Program and arguments that start it again after a fault, without a shell. Default: its own supervisor does.
    pub restart: Option<Words>,
    /// Program and arguments that end it, without a shell, in place of the signal of a kill. T0 is when its process is seen to be gone.
    /// Default: SIGKILL is sent to it. A server on another machine needs this, such as `["ssh", "HOST", "pkill", "-KILL", "shop"]`.
    pub kill: Option<Words>,
}

impl ExternalPart {
    pub(super) fn to_external(&self, here: Option<&Path>) -> Result<External, PartProblem> {
        let invalid = |part: Option<&'static str>, what: String| {
            let at = std::iter::once("external").chain(part).collect();
            Err((at, what))
        };
        let of_address = match &self.address {
            None => None,
            Some(address) => match port_of(address) {
                Ok((host, port)) => Some((host, port)),
                Err(what) => return invalid(Some("address"), what),
            },
        };
        let (remote, of_address) = (
            of_address.and_then(|(remote, _)| remote),
            of_address.map(|(_, port)| port),
        );
        let port = match (self.port, of_address) {
            (Some(port), Some(other)) if port != other => {
                return invalid(
                    Some("address"),
                    format!("its port is {other}, but port = {port}: remove one of the two keys"),
                );
            }
            (port, other) => port.or(other),
        };
        let named = match (&self.pid_file, &self.systemd_unit) {
            (Some(_), Some(_)) => {
                let what = "pid_file and systemd_unit both name its process: write one of the two";
                return invalid(Some("systemd_unit"), what.to_owned());
            }
            (None, Some(unit)) if unit.is_empty() || unit.starts_with('-') => {
                let what = format!(
                    "{unit:?} is not the name of a unit: write it as systemctl shows it, such as \"shop.service\""
                );
                return invalid(Some("systemd_unit"), what);
            }
            (pid_file, unit) => pid_file.as_ref().or(unit.as_ref()),
        };
        if let (Some(address), Some(_)) = (remote, named) {
            let what = format!(
                "{address} is another machine, where no process is seen from here: the server is known by its address alone. Remove \
                 pid_file and systemd_unit, or run Comeback on that machine"
            );
            return invalid(Some("address"), what);
        }
        let port = match (port, named) {
            (Some(0), _) => {
                return invalid(
                    Some("port"),
                    "a server listens on a port from 1 to 65535".to_owned(),
                );
            }
            (Some(port), _) => port,
            (None, Some(_)) => {
                let what =
                    "where does it listen? Add address, such as address = \"127.0.0.1:8080\"";
                return invalid(None, what.to_owned());
            }
            (None, None) => {
                let what = "how is its process found? Write port = 8080 (the process that listens there), or, with the port, systemd_unit = \"app.service\" \
                            or pid_file = \"/run/app.pid\"";
                return invalid(None, what.to_owned());
            }
        };
        let fill = |part: &'static str, text: &str| {
            fill_here(text, here).map_err(|what| (vec!["external", part], what))
        };
        let by = match (&self.pid_file, &self.systemd_unit) {
            (None, None) => remote.map_or(IdentifiedBy::Port, IdentifiedBy::Address),
            (None, Some(unit)) => IdentifiedBy::Unit(unit.clone()),
            (Some(path), _) => match PathBuf::from(fill("pid_file", path)?) {
                path if path.is_absolute() => IdentifiedBy::PidFile(path),
                path => {
                    let what = format!(
                        "{} is relative: write an absolute path, or {{here}}/{} for one beside the experiment file",
                        path.display(),
                        path.display()
                    );
                    return invalid(Some("pid_file"), what);
                }
            },
        };
        let command = |key: &'static str, words: &Option<Words>, otherwise: &str| match words {
            Some(Words(words)) if words.first().is_none_or(String::is_empty) => Err((
                vec!["external", key],
                format!("it is empty: name a program, or remove the key, and {otherwise}"),
            )),
            Some(Words(words)) => {
                let words = words.iter().map(|word| fill(key, word));
                Ok(Some(words.collect::<Result<Vec<_>, _>>()?))
            }
            None => Ok(None),
        };
        Ok(External {
            by,
            port,
            restart: command("restart", &self.restart, "its supervisor restarts it")?,
            kill: command("kill", &self.kill, "SIGKILL ends it")?,
        })
    }
}

/// The way back from a plan.
impl From<&External> for ExternalPart {
    fn from(external: &External) -> Self {
        let External {
            by,
            port,
            restart,
            kill,
        } = external;
        let (pid_file, systemd_unit, address) = match by {
            IdentifiedBy::Port => (None, None, None),
            IdentifiedBy::PidFile(path) => (Some(path.to_string_lossy().into_owned()), None, None),
            IdentifiedBy::Unit(unit) => (None, Some(unit.clone()), None),
            IdentifiedBy::Address(_) => (None, None, Some(external.address().to_string())),
        };
        Self {
            pid_file,
            systemd_unit,
            port: address.is_none().then_some(*port),
            address,
            restart: restart.clone().map(Words),
            kill: kill.clone().map(Words),
        }
    }
}

/// The port of an address, and the address itself if it is none of this machine.
fn port_of(address: &str) -> Result<(Option<IpAddr>, u16), String> {
    let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
    let Ok(port) = port.parse() else {
        return Err(format!(
            "{address:?} has no port: write 127.0.0.1 and a port, such as 127.0.0.1:8080, or of another machine 10.0.0.5:8080 or [fd00::5]:8080"
        ));
    };
    if host == "localhost" {
        return Ok((None, port));
    }
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let literal = match bare {
        Some(bare) => bare.parse().map(IpAddr::V6).ok(),
        None => host.parse().map(IpAddr::V4).ok(),
    };
    let Some(literal) = literal.map(|literal: IpAddr| literal.to_canonical()) else {
        return Err(format!(
            "{host:?} is no address: write an IPv4 address, or an IPv6 address in brackets, such as 10.0.0.5:8080 or [fd00::5]:8080; a \
             name may lead to another server at each look"
        ));
    };
    if literal == Ipv4Addr::LOCALHOST {
        return Ok((None, port));
    }
    let what = match literal {
        _ if literal.is_loopback() => {
            "is this machine's own, and the only address of this machine at which a server is found is 127.0.0.1: have the server listen \
             there (or on 0.0.0.0), and write that"
        }
        _ if literal.is_unspecified() => {
            "stands for every address of a machine: write one at which the server is reached, such as 127.0.0.1"
        }
        _ if literal.is_multicast() || literal == Ipv4Addr::BROADCAST => {
            "is the address of many machines: write that of one server"
        }
        IpAddr::V6(v6) if v6.is_unicast_link_local() => {
            "leads nowhere without the name of an interface: write another address of that machine"
        }
        _ => return Ok((Some(literal), port)),
    };
    Err(format!("{host} {what}"))
}
