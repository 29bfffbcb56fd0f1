//! What passed a recorder as a HAR file (HTTP Archive 1.2), and what of it nobody can read. Pure.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use comeback_infrastructure::recorder::{Answered, Kept, Recorded, Recording};
use serde_json::{Value, json};

/// The text of the file; `address` is the recorder's.
pub(super) fn text(recording: &Recording, address: &str) -> String {
    let entries = recording.requests.iter();
    let entries: Vec<Value> = entries.map(|one| entry(one, address)).collect();
    let creator = json!({"name": "comeback", "version": env!("CARGO_PKG_VERSION")});
    json!({"log": {"version": "1.2", "creator": creator, "entries": entries}}).to_string()
}

fn entry(recorded: &Recorded, address: &str) -> Value {
    let sent = of(&recorded.headers, "cookie");
    let cookies = sent.flat_map(|line| line.split(';'));
    let cookies: Vec<(String, String)> = cookies
        .filter_map(|pair| pair.trim().split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let query = recorded.path.split_once('?').map_or("", |(_, query)| query);
    let query: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect();
    let mut request = json!({
        "method": recorded.method, "url": format!("http://{address}{}", recorded.path), "httpVersion": "HTTP/1.1",
        "headers": pairs(&recorded.headers), "cookies": pairs(&cookies), "queryString": pairs(&query),
        "headersSize": -1, "bodySize": recorded.body.passed,
    });
    if let Ok(text) = std::str::from_utf8(&recorded.body.bytes)
        && !text.is_empty()
    {
        let kind = of(&recorded.headers, "content-type").next();
        request["postData"] = json!({"mimeType": kind.unwrap_or_default(), "text": text});
    }
    let took = recorded.reply.as_ref().and_then(|reply| reply.took);
    let ms = took.map_or(-1.0, |took| took.as_secs_f64() * 1000.0);
    let at = jiff::Timestamp::try_from(recorded.at).unwrap_or_default();
    json!({
        "startedDateTime": at.to_string(), "time": ms.max(0.0), "cache": {},
        "timings": {"send": -1, "wait": ms, "receive": -1},
        "request": request, "response": response(recorded.reply.as_ref()),
    })
}

/// A request without a reply has the status 0, as in those of browsers.
fn response(reply: Option<&Answered>) -> Value {
    let none = Answered::default();
    let reply = reply.unwrap_or(&none);
    let kind = of(&reply.headers, "content-type")
        .next()
        .unwrap_or_default();
    let mut content = json!({"size": reply.body.passed, "mimeType": kind});
    match std::str::from_utf8(&reply.body.bytes) {
        _ if !is_kept(reply) => {}
        Ok(text) => content["text"] = json!(text),
        Err(_) => {
            content["text"] = json!(STANDARD.encode(&reply.body.bytes));
            content["encoding"] = json!("base64");
        }
    }
    if reply.body.is_cut() {
        content["comment"] = json!("not all of it was kept");
    }
    let location = of(&reply.headers, "location").next().unwrap_or_default();
    json!({
        "status": reply.status, "statusText": "", "httpVersion": "HTTP/1.1", "headers": pairs(&reply.headers),
        "cookies": [], "content": content, "redirectURL": location, "headersSize": -1, "bodySize": reply.body.passed,
    })
}

/// Whether something of the body is there, if it has one.
fn is_kept(reply: &Answered) -> bool {
    reply.body.passed == 0 || !reply.body.bytes.is_empty()
}

fn of<'h>(headers: &'h [(String, String)], wanted: &str) -> impl Iterator<Item = &'h str> {
    let of = headers.iter().filter(move |(name, _)| name == wanted);
    of.map(|(_, value)| value.as_str())
}

fn pairs(pairs: &[(String, String)]) -> Vec<Value> {
    let pairs = pairs.iter();
    pairs
        .map(|(name, value)| json!({"name": name, "value": value}))
        .collect()
}

/// What passed and cannot be read, with what to do; `port` is the server's own.
pub(super) fn not_understood(recording: &Recording, port: u16) -> Vec<String> {
    let mut lines = Vec::new();
    let mut note = |count: u64, what: &str| {
        if count > 0 {
            lines.push(format!("{count} {what}"));
        }
    };
    note(
        recording.websockets,
        "WebSockets were refused: they are not recorded, and the file has none",
    );
    note(
        recording.not_kept,
        "requests were not kept, since only the first 10000 are: record a shorter session",
    );
    let mut met: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for one in &recording.requests {
        for what in oddities(one, port) {
            let place = one.path.split('?').next().unwrap_or_default();
            let line = format!("{} {place}", one.method);
            let places = met.entry(what).or_default();
            if !places.contains(&line) {
                places.push(line);
            }
        }
    }
    lines.extend(met.into_iter().map(|(what, places)| {
        let more = match places.len() {
            0..=3 => String::new(),
            count => format!(" and {} more", count - 3),
        };
        let first: Vec<&str> = places.iter().take(3).map(String::as_str).collect();
        format!("{}{more}: {what}", first.join(", "))
    }));
    lines
}

fn oddities(one: &Recorded, port: u16) -> Vec<&'static str> {
    const CUT: &str = "not all of a body was kept, since it is larger than 1 MiB: what its rest shows is not found";
    let mut found = Vec::new();
    let is_text = |kept: &Kept| std::str::from_utf8(&kept.bytes).is_ok();
    if one.body.is_cut() {
        found.push(CUT);
    } else if !is_text(&one.body) {
        found.push("its body is no text, and an experiment cannot send it: the file leaves it out");
    }
    let Some(reply) = &one.reply else {
        found.push("the server gave no reply");
        return found;
    };
    if !reply.body.bytes.is_empty() {
        let mut encodings = of(&reply.headers, "content-encoding");
        if encodings.any(|encoding| !encoding.eq_ignore_ascii_case("identity")) {
            found.push(
                "the reply is compressed though none was asked for: switch compression off while you record, or nothing is found in it",
            );
        }
        if reply.body.is_cut() {
            found.push(CUT);
        }
        if reply.took.is_none() {
            found.push("the reply did not end while it was recorded");
        }
        let page = String::from_utf8_lossy(&reply.body.bytes);
        let own = ["127.0.0.1", "localhost"].map(|name| format!("http://{name}:{port}/"));
        if own.iter().any(|own| page.contains(own.as_str())) {
            found.push(
                "the page leads to the server's own port, past the recorder: such requests are missing",
            );
        }
    }
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use std::time::{Duration, SystemTime};

    use super::*;

    fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn kept(bytes: &[u8], passed: u64) -> Kept {
        let bytes = bytes.to_vec();
        Kept { bytes, passed }
    }

    fn login() -> Recorded {
        Recorded {
            at: SystemTime::UNIX_EPOCH,
            method: "POST".to_owned(),
            path: "/login?next=%2F".to_owned(),
            headers: owned(&[
                ("cookie", "csrf=a=b; sid=1"),
                ("content-type", "application/x-www-form-urlencoded"),
            ]),
            body: kept(b"user=al", 7),
            reply: Some(Answered {
                status: 302,
                headers: owned(&[("location", "/"), ("set-cookie", "sid=2; Path=/")]),
                body: kept(b"moved", 5),
                took: Some(Duration::from_micros(12_500)),
            }),
        }
    }

    #[test]
    fn an_entry_has_what_a_har_file_demands() {
        let requests = vec![login()];
        let recording = Recording {
            requests,
            ..Recording::default()
        };
        let har: Value = serde_json::from_str(&text(&recording, "127.0.0.1:9000")).unwrap();
        let entry = &har["log"]["entries"][0];
        assert_eq!(entry["startedDateTime"], "1970-01-01T00:00:00Z");
        assert_eq!(entry["time"], 12.5);
        let request = &entry["request"];
        assert_eq!(request["url"], "http://127.0.0.1:9000/login?next=%2F");
        assert_eq!(
            request["queryString"][0],
            json!({"name": "next", "value": "/"})
        );
        assert_eq!(
            request["cookies"][0],
            json!({"name": "csrf", "value": "a=b"})
        );
        assert_eq!(request["postData"]["text"], "user=al");
        let response = &entry["response"];
        assert_eq!(
            (&response["status"], &response["redirectURL"]),
            (&json!(302), &json!("/"))
        );
        assert_eq!(response["content"]["text"], "moved");
        assert!(not_understood(&recording, 4000).is_empty());
    }

    #[test]
    fn what_cannot_be_read_is_told_once_for_each_place() {
        let mut zipped = login();
        let reply = zipped.reply.as_mut().unwrap();
        reply.headers.extend(owned(&[("content-encoding", "gzip")]));
        reply.body = kept(b"\x1f\x8b", 2);
        let mut stream = login();
        stream.path = "/events".to_owned();
        let reply = stream.reply.as_mut().unwrap();
        (reply.took, reply.body) = (
            None,
            kept(b"<a href=\"http://localhost:4000/x\">", 5_000_000),
        );
        let mut silent = login();
        (silent.reply, silent.body) = (None, kept(b"\xff", 1));
        let recording = Recording {
            requests: vec![zipped.clone(), zipped, stream, silent],
            not_kept: 3,
            websockets: 2,
        };
        let lines = not_understood(&recording, 4000).join("\n");
        for told in [
            "2 WebSockets were refused",
            "3 requests were not kept",
            "POST /login: the reply is compressed",
            "POST /events: not all of a body was kept",
            "POST /events: the reply did not end",
            "POST /events: the page leads to the server's own port",
            "POST /login: the server gave no reply",
            "POST /login: its body is no text",
        ] {
            assert!(lines.contains(told), "{told}\n{lines}");
        }
        assert_eq!(lines.lines().count(), 8, "{lines}");
        let har = text(&recording, "a:1");
        assert!(har.contains("\"encoding\":\"base64\""), "{har}");
        assert!(har.contains("\"status\":0"), "{har}");
    }
}
