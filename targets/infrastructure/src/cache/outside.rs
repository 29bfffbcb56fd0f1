//! nginx in the builtin cache's place, with a configuration that says the same as near as nginx comes.
//!
//! What differs: nginx asks the server again only with the validators that it keeps itself, adds no `Age`, looks HEAD
//! up as GET, and stores nothing that sets a cookie. It does not say whether it stored a reply: `stored` is inferred from
//! the rules that it goes by.

use std::path::Path;

use super::Options;
use super::rules::StaleIfError;
use crate::balancer::outside::{self, OutsideError, Prepared, Program};

/// Writes nginx's configuration into `folder`, which is made where it is missing.
///
/// # Errors
/// If it cannot do what is asked, is not installed, or the folder cannot be written.
pub fn prepare(
    options: &Options,
    drain_given: bool,
    folder: &Path,
) -> Result<Prepared, OutsideError> {
    if drain_given {
        let what = "--drain works only with the builtin cache, for SIGTERM ends nginx at once: remove it, or use --with builtin";
        return Err(OutsideError::Unsupported(what.to_owned()));
    }
    if let Some(StaleIfError::For(_)) = options.stale_if_error {
        let what = "nginx supports only --stale-if-error always: for a limit, let the replies say `stale-if-error=SECONDS`";
        return Err(OutsideError::Unsupported(what.to_owned()));
    }
    let as_root = rustix::process::geteuid().is_root();
    outside::install(Program::Nginx, configuration(options, as_root), folder)
}

/// Whether a reply is stored, by what nginx goes by: `; stored` or nothing.
fn stored(options: &Options) -> String {
    match options.ignore_private {
        Some(_) => r#"
    map $upstream_status $stored {
        default "";
        200 "; stored";
    }"#
        .to_owned(),
        None => r#"
    map $upstream_http_expires $by_expires {
        default "; stored";
        "" "";
    }
    map $upstream_http_cache_control $by_control {
        default $by_expires;
        "~*(private|no-store|no-cache)" "";
        "~*(s-maxage|max-age)=0*[1-9]" "; stored";
        "~*(s-maxage|max-age)=" "";
    }
    map $upstream_http_vary $by_vary {
        default $by_control;
        "*" "";
    }
    map $upstream_http_set_cookie $stored {
        default "";
        "" $by_vary;
    }"#
        .to_owned(),
    }
}

fn configuration(options: &Options, as_root: bool) -> String {
    let mut rules = String::new();
    if options.stale_if_error.is_some() {
        rules.push_str(
            "            proxy_cache_use_stale error timeout invalid_header http_500 http_502 http_503 http_504;\n",
        );
    }
    if let Some(time) = options.ignore_private {
        rules.push_str("            # Wrong on purpose.\n");
        rules.push_str(
            "            proxy_ignore_headers Cache-Control Expires Set-Cookie X-Accel-Expires;\n",
        );
        rules.push_str(&format!(
            "            proxy_cache_valid 200 {}s;\n",
            time.as_secs()
        ));
    }
    format!(
        r#"{head}    proxy_cache_path pages levels=1:2 keys_zone=pages:8m max_size={memory} inactive=1h use_temp_path=off;
{stored}
    map $upstream_cache_status $told {{
        default "fwd=method; fwd-status=$upstream_status";
        HIT "hit";
        STALE "hit; detail=stale";
        UPDATING "hit; detail=stale";
        REVALIDATED "fwd=stale; fwd-status=304";
        MISS "fwd=uri-miss; fwd-status=$upstream_status$stored";
        EXPIRED "fwd=stale; fwd-status=$upstream_status$stored";
        BYPASS "fwd=bypass; fwd-status=$upstream_status";
    }}
    upstream origin {{
        server {to} max_fails=0;
        keepalive 256;
        keepalive_requests 1000000000;
    }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://origin;
{passing}            proxy_next_upstream off;
            proxy_cache pages;
            proxy_cache_key $http_host$request_uri;
            proxy_cache_revalidate on;
            # What a user proves to be with this is not for others; nginx would not mind.
            proxy_cache_bypass $http_authorization;
            proxy_no_cache $http_authorization;
{rules}            add_header Cache-Status "nginx; $told" always;
            error_page 502 @failed;
            error_page 504 @late;
        }}
        # Only nginx's own errors come here: replies of the server are not intercepted.
        location @failed {{
            default_type text/plain;
            add_header Cache-Status "nginx; detail=error" always;
            return 502 "cache: the server did not reply\n";
        }}
        location @late {{
            default_type text/plain;
            add_header Cache-Status "nginx; detail=timeout" always;
            return 504 "cache: the server did not reply in time\n";
        }}
    }}
}}
"#,
        head = outside::nginx::head(as_root),
        passing = outside::nginx::passing(options.timeout),
        stored = stored(options),
        memory = options.memory,
        to = options.to,
        port = options.port,
    )
}
