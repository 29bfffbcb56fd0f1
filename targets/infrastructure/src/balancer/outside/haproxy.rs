//! The configuration of HAProxy (2.6 or newer).
//!
//! The control socket speaks HAProxy's own language: `set server replicas/1 state maint` drains a replica of its sticky
//! clients too, `… state ready` brings it back. HAProxy takes 97 bytes of the socket's path, so that it works in the
//! socket's folder, and the configuration has the name alone.
//!
//! Beyond the checks, a refused connection ejects at once (`observe layer4`). Connections that break after a request was
//! sent are not counted, as HAProxy counts those with `layer7` only, and there every 5xx as well.

use std::ffi::OsString;
use std::fmt::Write;
use std::path::Path;

use super::super::{Options, Policy};

/// Clients may be idle as long as they like; HAProxy wants a number.
const CLIENT_IDLE: &str = "1h";

/// More clients than any load of this project has; without a number HAProxy reserves memory for as many as the system
/// allows.
const CONNECTIONS: u32 = 4096;

/// In the foreground; quiet about everything but alerts and the log.
pub(super) fn arguments(path: &Path) -> Vec<OsString> {
    vec!["-db".into(), "-f".into(), path.into()]
}

pub(super) fn configuration(options: &Options) -> String {
    let ms = |time: std::time::Duration| format!("{}ms", time.as_millis().max(1));
    let timeout = ms(options.timeout);
    let mut text = format!(
        "global
    nbthread 1
    maxconn {CONNECTIONS}
    log stdout format iso local0 notice
{control}
defaults
    mode http
    log global
    timeout connect {timeout}
    timeout server {timeout}
    timeout queue {timeout}
    timeout client {CLIENT_IDLE}
    timeout check {check}
    http-reuse safe

frontend clients
    bind 127.0.0.1:{port}
    default_backend replicas

backend replicas
",
        check = ms(options.check_timeout),
        control = options
            .control
            .as_ref()
            .and_then(|path| path.file_name())
            .map_or_else(String::new, |name| format!(
                "    stats socket unix@{} mode 600 level admin\n",
                name.display()
            )),
        port = options.port,
    );
    let mut say = |line: &str| {
        text.push_str("    ");
        text.push_str(line);
        text.push('\n');
    };
    say(match options.policy {
        Policy::RoundRobin | Policy::Sticky => "balance roundrobin",
        Policy::LeastConnections => "balance leastconn",
        Policy::Random => "balance random(2)",
        Policy::SourceHash => "balance hash var(txn.source)",
    });
    if options.policy == Policy::SourceHash {
        say("hash-type consistent");
        say("http-request set-var(txn.port) src_port");
        say("http-request set-var(txn.source) src,concat(:,txn.port)");
        say(
            "http-request set-var(txn.source) req.hdr(x-forwarded-for,1) if { req.hdr(x-forwarded-for) -m found }",
        );
    }
    if options.policy == Policy::Sticky {
        say(&format!(
            "cookie {} insert indirect nocache httponly",
            options.cookie
        ));
    }
    say(&format!("retries {}", options.retry));
    if options.retry > 0 {
        say("option redispatch 1");
        say("retry-on conn-failure empty-response");
        // METH_GET is GET or HEAD.
        say("http-request disable-l7-retry if !METH_GET");
    }
    if let Some(path) = &options.check {
        say("option httpchk");
        say(&format!(
            "http-check send meth GET uri {path} ver HTTP/1.1 hdr host localhost"
        ));
        say("http-check expect rstatus ^2");
    }
    // HAProxy's own replies lack the header, for these rules are about those of servers.
    for name in ["x-balancer-error", "x-failed-replica"] {
        say(&format!("http-response del-header {name}"));
    }
    say("http-response set-header x-replica %s");
    for (name, condition) in [
        ("none-up", "{ status 503 } { nbsrv(replicas) 0 }"),
        ("refused", "{ status 503 } { nbsrv(replicas) gt 0 }"),
        ("reset", "{ status 502 }"),
        ("timeout", "{ status 504 }"),
    ] {
        say(&format!(
            "http-after-response set-header x-balancer-error {name} if {condition} !{{ res.hdr(x-replica) -m found }}"
        ));
    }
    say(
        "http-after-response set-header x-failed-replica %s if { res.hdr(x-balancer-error) -m found } !{ res.hdr(x-balancer-error) none-up }",
    );
    say(&format!(
        "default-server check inter {} fall {} rise {} observe layer4 error-limit 1 on-error mark-down",
        ms(options.every),
        options.fall,
        options.rise,
    ));
    for (index, address) in options.to.iter().enumerate() {
        let cookie = match options.policy {
            Policy::Sticky => format!(" cookie r{index}"),
            _ => String::new(),
        };
        // Writing to a string does not fail.
        let _ = writeln!(text, "    server {index} {address}{cookie}");
    }
    text
}
