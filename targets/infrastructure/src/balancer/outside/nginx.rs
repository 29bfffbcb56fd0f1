//! The configuration of nginx, the open-source one.
//!
//! It has neither active checks nor sticky cookies. A replica with `fall` failures in a row, be it refused, broken or
//! too slow, gets no requests for a second; then a client's request is the check. When all replicas are out, all are
//! tried again at once.
//!
//! A master and one worker, as in production: a single process (`master_process off`) can neither end gracefully nor read
//! its configuration anew. SIGKILL must go to the process group, as comeback's do: killing the master alone leaves the
//! worker with the port, and the balancer would not be dead. A replica is drained by writing `down` behind it in the
//! configuration and SIGHUP.

use std::ffi::OsString;
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use super::super::{Options, Policy};
use super::Given;

/// What nginx is started with: its folder stands in for every compiled-in path, and messages go to stderr from the
/// first on.
pub(super) fn arguments(folder: &Path, path: &Path) -> Vec<OsString> {
    vec![
        "-p".into(),
        folder.into(),
        "-e".into(),
        "stderr".into(),
        "-c".into(),
        path.into(),
    ]
}

/// Settings that nginx does not support.
pub(super) fn unsupported(options: &Options, given: Given) -> Option<String> {
    let instead = "; use --with builtin or --with haproxy";
    if options.policy == Policy::Sticky {
        return Some(format!(
            "nginx has no sticky cookies (its commercial edition does){instead}, or --policy source-hash"
        ));
    }
    if given.control {
        return Some(format!("nginx has no control socket{instead}"));
    }
    given.checks.then(|| {
        format!(
            "nginx has no active checks (its commercial edition does), so that --check, --check-timeout, --every \
             and --rise mean nothing to it{instead}, or leave them out: --fall is its max_fails"
        )
    })
}

pub(super) fn configuration(options: &Options, as_root: bool) -> String {
    let mut servers = String::new();
    let mut indexes = String::new();
    for (index, address) in options.to.iter().enumerate() {
        // Writing to a string does not fail. The smallest time out of service that nginx knows is a second.
        let _ = writeln!(
            servers,
            "        server {address} max_fails={} fail_timeout=1s;",
            options.fall
        );
        // After a retry the list has several; the last is who answered.
        let escaped = address.to_string().replace('.', "\\.");
        let _ = writeln!(indexes, "        \"~(^|[ ,]){escaped}$\" {index};");
    }
    let policy = match options.policy {
        Policy::RoundRobin | Policy::Sticky => "",
        Policy::LeastConnections => "        least_conn;\n",
        Policy::Random => "        random two least_conn;\n",
        Policy::SourceHash => "        hash $source consistent;\n",
    };
    let retry = match options.retry {
        0 => "off;".to_owned(),
        times => format!(
            "error;\n            proxy_next_upstream_tries {};",
            times + 1
        ),
    };
    format!(
        r#"{head}    # The client: the first forwarded address, else its address and port.
    map $http_x_forwarded_for $source {{
        default "$remote_addr:$remote_port";
        "~^ *(?<first>[^, ]+)" $first;
    }}
    map $upstream_addr $replica {{
        default "";
{indexes}    }}
    map $upstream_connect_time $broken {{
        default reset;
        "~-$" refused;
    }}
    # Without a live replica the address is the group's name.
    map $upstream_addr $why {{
        default $broken;
        "~replicas$" none-up;
    }}
    upstream replicas {{
{policy}{servers}        keepalive 256;
        keepalive_requests 1000000000;
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://replicas;
{passing}            proxy_request_buffering off;
            proxy_buffering off;
            proxy_next_upstream {retry}
            proxy_hide_header x-replica;
            proxy_hide_header x-balancer-error;
            proxy_hide_header x-failed-replica;
            add_header x-replica $replica always;
            error_page 502 @failed;
            error_page 504 @late;
        }}
        # Only nginx's own errors come here: replies of replicas are not intercepted.
        location @failed {{
            default_type text/plain;
            add_header x-balancer-error $why always;
            add_header x-failed-replica $replica always;
            return 502 "balancer: $why\n";
        }}
        location @late {{
            default_type text/plain;
            add_header x-balancer-error timeout always;
            add_header x-failed-replica $replica always;
            return 504 "balancer: timeout\n";
        }}
    }}
}}
"#,
        head = head(as_root),
        passing = passing(options.timeout),
        port = options.port,
    )
}

/// The begin of a configuration, up to the content of `http`.
pub(crate) fn head(as_root: bool) -> String {
    let user = if as_root { "user root;\n" } else { "" };
    format!(
        r#"daemon off;
worker_processes 1;
{user}pid nginx.pid;
error_log stderr warn;
events {{
    worker_connections 4096;
}}
http {{
    access_log off;
    client_body_temp_path client_body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    client_max_body_size 0;
"#
    )
}

/// How requests are passed on, within this time.
pub(crate) fn passing(timeout: Duration) -> String {
    let ms = format!("{}ms", timeout.as_millis().max(1));
    format!(
        r#"            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Connection "";
            proxy_connect_timeout {ms};
            proxy_read_timeout {ms};
            proxy_send_timeout {ms};
"#
    )
}
