//! Headers that a proxy must not pass on as they are (RFC 9110, section 7.6.1; RFC 9112).

use http::header::{
    CONNECTION, CONTENT_LENGTH, COOKIE, HOST, HeaderMap, HeaderName, HeaderValue, TE,
    TRANSFER_ENCODING, UPGRADE,
};
use http::uri::{PathAndQuery, Uri};
use http::{Version, request};

/// They are about one connection, and end with it.
const HOP_BY_HOP: [HeaderName; 5] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TE,
    UPGRADE,
];

/// Takes out what is about the connection: the known names, and those that `Connection` lists.
pub(crate) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .filter_map(|name| name.trim().parse().ok())
        // Without these the message would be another one.
        .filter(|name| *name != HOST && *name != CONTENT_LENGTH && *name != COOKIE)
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
    if headers.remove(TRANSFER_ENCODING).is_some() {
        // A message with both has no length that two readers agree on.
        headers.remove(CONTENT_LENGTH);
    }
}

/// Why a request cannot be passed on.
pub(crate) type Unfit = &'static str;

/// Makes a request one from the balancer to a replica: HTTP/1.1, target in origin form, a host, nothing about the
/// client's connection.
pub(crate) fn prepare_request(parts: &mut request::Parts) -> Result<(), Unfit> {
    if parts.method == http::Method::CONNECT {
        return Err("CONNECT is not served: the balancer is no tunnel");
    }
    let named = parts.uri.authority().map(|name| name.as_str().to_owned());
    if let Some(name) = named {
        // A target in absolute form overrules the header (RFC 9112, section 3.2.2).
        let value = HeaderValue::from_str(&name).map_err(|_| "the target names no host")?;
        parts.headers.insert(HOST, value);
    }
    match (parts.headers.get_all(HOST).iter().count(), parts.version) {
        (1, _) => {}
        (0, Version::HTTP_10) => {
            parts.headers.insert(HOST, HeaderValue::from_static(""));
        }
        (0, _) => return Err("an HTTP/1.1 request must have a Host header"),
        _ => return Err("a request must have exactly one Host header"),
    }
    let path = parts
        .uri
        .path_and_query()
        .cloned()
        .unwrap_or_else(|| PathAndQuery::from_static("/"));
    parts.uri = Uri::from(path);
    parts.version = Version::HTTP_11;
    remove_hop_by_hop(&mut parts.headers);
    Ok(())
}

/// The value of a cookie, which is taken out of the headers.
pub(crate) fn take_cookie(headers: &mut HeaderMap, name: &str) -> Option<String> {
    let is_ours = |pair: &str| pair.split_once('=').is_some_and(|(key, _)| key == name);
    let mut found = None;
    let mut kept = Vec::new();
    for value in headers.get_all(COOKIE) {
        let Ok(text) = value.to_str() else {
            kept.push(value.clone());
            continue;
        };
        let pairs = text.split(';').map(str::trim);
        let (ours, others): (Vec<&str>, Vec<&str>) = pairs.partition(|pair| is_ours(pair));
        if ours.is_empty() {
            kept.push(value.clone());
            continue;
        }
        let value = ours[0].split_once('=').map(|(_, value)| value.to_owned());
        found = found.or(value);
        if let (false, Ok(rest)) = (others.is_empty(), others.join("; ").parse()) {
            kept.push(rest);
        }
    }
    if found.is_some() {
        headers.remove(COOKIE);
        for value in kept {
            headers.append(COOKIE, value);
        }
    }
    found
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use http::Request;

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn what_is_about_the_connection_stays_behind() {
        let mut found = headers(&[
            ("connection", "close, X-Mine"),
            ("connection", "host, content-length"),
            ("x-mine", "1"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("upgrade", "websocket"),
            ("host", "a"),
            ("content-length", "3"),
            ("x-other", "2"),
        ]);
        remove_hop_by_hop(&mut found);
        let expected = headers(&[("host", "a"), ("content-length", "3"), ("x-other", "2")]);
        assert_eq!(found, expected);
    }

    #[test]
    fn a_length_beside_a_transfer_coding_is_dropped() {
        let mut found = headers(&[("transfer-encoding", "chunked"), ("content-length", "3")]);
        remove_hop_by_hop(&mut found);
        assert!(found.is_empty());
    }

    fn prepared(request: request::Builder) -> Result<request::Parts, Unfit> {
        let mut parts = request.body(()).unwrap().into_parts().0;
        prepare_request(&mut parts).map(|()| parts)
    }

    #[test]
    fn a_target_in_absolute_form_names_the_host() {
        let request = Request::get("http://b:80/x?y=1").header("host", "a");
        let parts = prepared(request).unwrap();
        assert_eq!(parts.uri, "/x?y=1");
        assert_eq!(parts.headers["host"], "b:80");
    }

    #[test]
    fn a_request_without_a_host_or_with_two_is_refused() {
        assert!(prepared(Request::get("/")).is_err());
        let two = Request::get("/").header("host", "a").header("host", "b");
        assert!(prepared(two).is_err());
        let old = prepared(Request::get("/").version(Version::HTTP_10)).unwrap();
        assert_eq!(old.version, Version::HTTP_11);
        assert!(old.headers.contains_key("host"));
    }

    #[test]
    fn the_balancers_cookie_is_taken_and_the_others_stay() {
        let mut found = headers(&[("cookie", "a=1; lb=r2; b=2"), ("cookie", "c=3")]);
        assert_eq!(take_cookie(&mut found, "lb").as_deref(), Some("r2"));
        assert_eq!(found, headers(&[("cookie", "a=1; b=2"), ("cookie", "c=3")]));
        assert_eq!(take_cookie(&mut found, "lb"), None);
        let mut only = headers(&[("cookie", "lb=r1")]);
        assert_eq!(take_cookie(&mut only, "lb").as_deref(), Some("r1"));
        assert!(only.is_empty());
    }
}
