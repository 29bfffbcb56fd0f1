//! Servers that Debian's packages bring, beside those of our own: what holds of a protocol holds of them, too.

use std::fmt::Write;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use comeback_model::plan::{Arm, Readiness, ReadyProbe, Signal, Stop, Target};
use comeback_model::units::Span;
use comeback_servers::protocols::{PASSWORD, dns as zone, ftp};

/// A name server.
pub(super) const UNBOUND: &str = "unbound";
/// An FTP server.
pub(super) const VSFTPD: &str = "vsftpd";
/// A Telnet server, of which inetd starts one for each connection.
pub(super) const TELNETD: &str = "telnetd";

/// What telnetd starts in place of login(1), which would want a real user and its password: the same few commands as
/// our own server, in a real shell on a real terminal.
const LOGIN: &str = r#"#!/bin/sh
printf 'login: '; read -r name || exit
stty -echo
printf 'Password: '; read -r word || exit
stty echo
printf '\n'
[ "$word" = PASSWORD ] || { echo 'Login incorrect'; exit; }
n=0
while printf '$ ' && read -r line; do
    case $line in
        count) n=$((n + 1)); echo $n ;;
        *) eval "$line" ;;
    esac
done
"#;

/// A server that a package brings, reached over TCP.
#[derive(Clone, Copy, Debug)]
pub struct Packaged {
    /// The name it is chosen by.
    pub name: &'static str,
    /// What it is, in one line.
    pub about: &'static str,
    /// Its program and arguments, with `{data}` for its data folder.
    pub command: &'static [&'static str],
    /// The line of its output that says it listens, where a connection made only to see that would be in the way.
    pub ready: Option<&'static str>,
    /// Whether nobody but root can start it, since it changes into another user.
    pub needs_root: bool,
}

impl Packaged {
    /// The server as an arm, with nothing beside it.
    pub fn arm(&self) -> Arm {
        let line = self.ready.map(|line| ReadyProbe::Log(line.to_owned()));
        let is_able = !self.needs_root || rustix::process::geteuid().is_root();
        let target = Target {
            ready: Readiness {
                probe: line.unwrap_or(ReadyProbe::Tcp),
                within: Span::from_secs(10),
            },
            // It has nothing to store when it ends, and some take a second to go.
            stop: Stop {
                signal: Signal::Kill,
                grace: Span::from_secs(5),
            },
            ..Target::of(self.command.iter().copied())
        };
        Arm {
            skip: (!is_able).then(|| format!("only root can start {}", self.name)),
            ..Arm::alone(self.name.to_owned(), self.about.to_owned(), target)
        }
    }
}

const ALL: [Packaged; 3] = [
    Packaged {
        name: UNBOUND,
        about: "Debian's name server unbound",
        command: &["unbound", "-d", "-c", "{data}/unbound.conf"],
        ready: None,
        needs_root: false,
    },
    Packaged {
        name: VSFTPD,
        about: "Debian's FTP server vsftpd",
        command: &["vsftpd", "{data}/vsftpd.conf"],
        ready: None,
        needs_root: true,
    },
    Packaged {
        name: TELNETD,
        about: "Debian's inetutils-telnetd behind inetutils-inetd",
        command: &[
            "inetutils-inetd",
            "--debug",
            "--rate=100000",
            "--pidfile={data}/inetd.pid",
            "{data}/inetd.conf",
        ],
        // It takes nobody for a second after a connection has ended.
        ready: Some("registered"),
        needs_root: true,
    },
];

/// The server of this name, if it is one of Debian's.
pub fn find(name: &str) -> Option<&'static Packaged> {
    ALL.iter().find(|server| server.name == name)
}

/// Writes what a server of Debian's wants to find when it starts; nothing for another.
pub(crate) fn furnish(name: &str, data: &Path, port: u16) -> io::Result<()> {
    let data = std::path::absolute(data)?;
    match name {
        UNBOUND => fs::write(data.join("unbound.conf"), unbound(&data, port)),
        VSFTPD => {
            fs::create_dir_all(data.join("empty"))?;
            fs::write(data.join("vsftpd.conf"), vsftpd(&data, port))
        }
        TELNETD => {
            let login = data.join("login");
            fs::write(&login, LOGIN.replace("PASSWORD", PASSWORD))?;
            fs::set_permissions(&login, Permissions::from_mode(0o755))?;
            let line = format!(
                "127.0.0.1:{port} stream tcp nowait root /usr/sbin/telnetd telnetd -h -E {}\n",
                login.display()
            );
            fs::write(data.join("inetd.conf"), line)
        }
        _ => Ok(()),
    }
}

/// Our own zone, and nothing that asks another server.
fn unbound(data: &Path, port: u16) -> String {
    let mut text = format!(
        "server:\n  interface: 127.0.0.1@{port}\n  do-ip6: no\n  do-daemonize: no\n  directory: \"{}\"\n  chroot: \"\"\n  \
         username: \"\"\n  pidfile: \"\"\n  use-syslog: no\n  num-threads: 1\n  module-config: \"iterator\"\n  \
         incoming-num-tcp: 100\n  local-zone: \"{}\" static\n",
        data.display(),
        zone::ZONE
    );
    for host in 1..=zone::HOSTS {
        let address = zone::address_of(host);
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "  local-data: \"host-{host}.{} 300 IN A {address}\"",
            zone::ZONE
        );
    }
    text.push_str("remote-control:\n  control-enable: no\n");
    text
}

/// Anybody may log in, store and fetch below the data folder, on this machine. It tries but nine ports for a data connection,
/// which may all be in TIME_WAIT where outgoing connections have had them.
fn vsftpd(data: &Path, port: u16) -> String {
    let (data, ports) = (data.display(), ftp::DATA_PORTS);
    let (lowest, highest) = (ports.start(), ports.end());
    format!(
        "listen=YES\nlisten_ipv6=NO\nbackground=NO\nlisten_address=127.0.0.1\nlisten_port={port}\n\
         pasv_address=127.0.0.1\npasv_min_port={lowest}\npasv_max_port={highest}\nanonymous_enable=YES\nanon_root={data}\nwrite_enable=YES\nanon_upload_enable=YES\n\
         anon_other_write_enable=YES\nanon_world_readable_only=NO\nanon_umask=022\nsecure_chroot_dir={data}/empty\n\
         seccomp_sandbox=NO\nxferlog_enable=NO\n"
    )
}
