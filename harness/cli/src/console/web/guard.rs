//! Who may ask: a page or a program of this machine that knows the address. A page of the web whose name was made to mean this machine
//! (DNS rebinding) asks for that name, and is refused.

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Answers only those that ask for an address of this machine.
pub(super) async fn only_this_machine(request: Request, next: Next) -> Response {
    let named = request.uri().authority().cloned().or_else(|| {
        let host = request.headers().get(HOST)?.to_str().ok()?;
        host.parse().ok()
    });
    match named.is_some_and(|named| is_of_this_machine(&named)) {
        true => next.run(request).await,
        false => {
            let told = "the request names another host: ask for 127.0.0.1 or localhost\n";
            (StatusCode::FORBIDDEN, told).into_response()
        }
    }
}

fn is_of_this_machine(named: &Authority) -> bool {
    let host = named.host();
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    let is_loopback = literal.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    is_loopback || host.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_answered() {
        for (named, expected) in [
            ("127.0.0.1:9464", true),
            ("127.0.0.2", true),
            ("localhost:80", true),
            ("LOCALHOST", true),
            ("[::1]:9464", true),
            ("rebound.example:9464", false),
            ("127.0.0.1.example", false),
            ("localhost.example", false),
            ("192.0.2.1:9464", false),
            ("0.0.0.0:9464", false),
        ] {
            let is = named.parse().is_ok_and(|named| is_of_this_machine(&named));
            assert_eq!(is, expected, "{named}");
        }
    }
}
