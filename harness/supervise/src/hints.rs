//! Possible reasons why a target does not come up, from its processes and sockets.

use std::net::SocketAddr;
use std::path::Path;

use comeback_model::event::Exit;

use super::ownership::{is_reached_by_loopback, listening_addresses};
use super::process::Process;
use super::unix_sockets;
use comeback_model::endpoint::Endpoint;

/// The hint for a server that gets a listening socket and binds the port itself.
const HELD: &str = "its listening socket is held by the harness and passed to it as descriptor 3 (LISTEN_FDS, \
    LISTEN_PID): a server that binds the port itself finds it in use, so let it take the passed one, or remove listener = \"held\"";

/// After an early exit: a server that puts itself into the background ends at once and lives on elsewhere.
pub fn after_exit(process: &Process, exit: Exit) -> Option<String> {
    if process.is_held() && exit != Exit::Status(0) {
        return Some(HELD.to_owned());
    }
    let pids: Vec<_> = process.members().iter().map(|member| member.pid).collect();
    (exit == Exit::Status(0) && !pids.is_empty()).then(|| {
        format!(
            "it left {pids:?} running, so it seems to put itself into the background: start it in the \
             foreground"
        )
    })
}

/// When it is not reached: what its sockets tell.
pub fn from_sockets(process: &Process, endpoint: &Endpoint) -> Option<String> {
    if process.is_held() {
        return Some(HELD.to_owned());
    }
    if let Some(path) = &endpoint.socket {
        return from_path(path);
    }
    let pids: Vec<_> = process.members().iter().map(|member| member.pid).collect();
    from_addresses(&listening_addresses(&pids).ok()?, endpoint.port)
}

fn from_path(path: &Path) -> Option<String> {
    if !unix_sockets::listening_at(path).ok()?.is_empty() {
        return None;
    }
    let shown = path.display();
    Some(if path.exists() {
        format!(
            "{shown} is there, but nobody listens on it: a server that was killed leaves its socket's file, \
             and must remove it before it binds again"
        )
    } else {
        format!("nothing listens on {shown}: does the command name the same path?")
    })
}

fn from_addresses(addresses: &[SocketAddr], port: u16) -> Option<String> {
    let is_right = |address: &SocketAddr| address.port() == port;
    let listed = || {
        let texts: Vec<_> = addresses.iter().map(SocketAddr::to_string).collect();
        texts.join(", ")
    };
    if addresses.is_empty() {
        return Some("it listens on no TCP port".to_owned());
    }
    if !addresses.iter().any(is_right) {
        return Some(format!(
            "it listens on {}, expected port {port}: does the command use {{port}}?",
            listed()
        ));
    }
    let is_reached =
        |address: &SocketAddr| is_right(address) && is_reached_by_loopback(address.ip());
    (!addresses.iter().any(is_reached)).then(|| {
        format!(
            "it listens on {} and is asked on 127.0.0.1:{port}: let it listen there",
            listed()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sockets_tell_what_is_wrong() {
        let hint = |addresses: &[&str]| {
            let addresses: Vec<_> = addresses
                .iter()
                .map(|text| text.parse().expect(text))
                .collect();
            from_addresses(&addresses, 34567)
        };
        assert_eq!(hint(&[]).as_deref(), Some("it listens on no TCP port"));
        assert_eq!(
            hint(&["127.0.0.1:8080"]).as_deref(),
            Some("it listens on 127.0.0.1:8080, expected port 34567: does the command use {port}?")
        );
        assert!(hint(&["[::1]:34567"]).is_some_and(|hint| hint.contains("let it listen there")));
        assert_eq!(hint(&["0.0.0.0:34567", "127.0.0.1:9"]), None);
    }
}
