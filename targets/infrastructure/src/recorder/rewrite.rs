//! Names in a reply that would lead a client past the recorder, or that it would not take. Pure.

/// How a server names itself on this machine.
const LOCAL: [&str; 4] = ["127.0.0.1", "localhost", "[::1]", "0.0.0.0"];

/// A redirect that leads to the recorder in place of the server's own port; none if it stays as it is.
pub(super) fn location(location: &str, port: u16, host: &str) -> Option<String> {
    let (scheme, rest) = match location.strip_prefix("//") {
        Some(rest) => ("//", rest),
        None => {
            let (scheme, rest) = location.split_at_checked("http://".len())?;
            let is_http = scheme.eq_ignore_ascii_case("http://");
            is_http.then_some(("http://", rest))?
        }
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let (name, number) = authority.rsplit_once(':')?;
    let is_own = LOCAL.iter().any(|own| own.eq_ignore_ascii_case(name));
    let is_named = is_own && number.parse() == Ok(port) && !host.is_empty();
    is_named.then(|| format!("{scheme}{host}{path}"))
}

/// A cookie without a `Domain` that the client would refuse, since it asked another host; none if it stays as it is.
pub(super) fn cookie(cookie: &str, host: &str) -> Option<String> {
    let host = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let host = host.to_ascii_lowercase();
    let is_refused = |attribute: &str| {
        let Some((name, domain)) = attribute.split_once('=') else {
            return false;
        };
        let domain = domain.trim().trim_start_matches('.').to_ascii_lowercase();
        let fits = host == domain || host.ends_with(&format!(".{domain}"));
        name.trim().eq_ignore_ascii_case("domain") && !domain.is_empty() && !fits
    };
    // The pair itself comes first, whatever its name.
    let mut parts = cookie.split(';');
    let pair = parts.next()?;
    let (refused, kept): (Vec<&str>, Vec<&str>) = parts.partition(|part| is_refused(part));
    let all = std::iter::once(pair).chain(kept);
    (!refused.is_empty()).then(|| all.collect::<Vec<_>>().join(";"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_to_the_servers_own_port_leads_to_the_recorder() {
        let at = |text: &str| location(text, 4000, "localhost:9000");
        for own in ["127.0.0.1", "localhost", "LocalHost", "[::1]", "0.0.0.0"] {
            let led = at(&format!("http://{own}:4000/a?b=http://127.0.0.1:4000/"));
            let expected = "http://localhost:9000/a?b=http://127.0.0.1:4000/";
            assert_eq!(led.as_deref(), Some(expected), "{own}");
        }
        assert_eq!(
            at("HTTP://127.0.0.1:4000").as_deref(),
            Some("http://localhost:9000")
        );
        assert_eq!(
            at("//127.0.0.1:4000/x").as_deref(),
            Some("//localhost:9000/x")
        );
        for other in [
            "/a",
            "a?next=http://127.0.0.1:4000/",
            "http://127.0.0.1:4001/",
            "http://127.0.0.1/",
            "https://127.0.0.1:4000/",
            "http://example.org:4000/",
            "",
            "é://127.0.0.1:4000/",
        ] {
            assert_eq!(at(other), None, "{other}");
        }
    }

    #[test]
    fn only_a_domain_that_the_client_did_not_ask_is_taken_out_of_a_cookie() {
        let refused = cookie(
            "domain=1; Path=/; Domain=.example.org; HttpOnly",
            "127.0.0.1:80",
        );
        assert_eq!(refused.as_deref(), Some("domain=1; Path=/; HttpOnly"));
        for (text, host) in [
            ("a=b; Path=/", "127.0.0.1:80"),
            ("a=b; Domain=127.0.0.1", "127.0.0.1:80"),
            ("a=b; domain=.localhost", "shop.LocalHost:80"),
            ("a=b; domain=", "localhost"),
            ("domain=example.org", "localhost"),
        ] {
            assert_eq!(cookie(text, host), None, "{text}");
        }
    }
}
