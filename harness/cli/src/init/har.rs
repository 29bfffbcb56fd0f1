//! HAR files, as browsers export them (HTTP Archive 1.2). Pure.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::curl::split_url;
use super::recorded::{Body, Exchange, Reply, Unusable, is_method};
use comeback_model::plan::is_token;

#[derive(Deserialize)]
struct Har {
    log: Log,
}

#[derive(Deserialize)]
struct Log {
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    request: Request,
    response: Response,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    method: String,
    url: String,
    #[serde(default)]
    headers: Vec<Pair>,
    #[serde(default)]
    cookies: Vec<Pair>,
    post_data: Option<PostData>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PostData {
    #[serde(default)]
    mime_type: String,
    text: Option<String>,
    #[serde(default)]
    params: Vec<Pair>,
}

#[derive(Deserialize)]
struct Response {
    status: u16,
    #[serde(default)]
    headers: Vec<Pair>,
    #[serde(default)]
    cookies: Vec<Pair>,
    #[serde(default)]
    content: Content,
}

#[derive(Default, Deserialize)]
struct Content {
    text: Option<String>,
    encoding: Option<String>,
}

#[derive(Deserialize)]
struct Pair {
    name: String,
    #[serde(default)]
    value: String,
}

/// Reads the requests and replies of a HAR file.
///
/// # Errors
/// If it is none, or has no requests.
pub(super) fn parse(text: &str) -> Result<Vec<Exchange>, Unusable> {
    const EXPORT: &str = "open the browser's network tab, use the page, and choose \"Export HAR\"";
    // Some tools begin it with a byte order mark.
    let har: Har = serde_json::from_str(text.trim_start_matches('\u{feff}')).map_err(|error| {
        let what = match error.is_data() {
            true => "it is not a HAR file",
            false => "it is not JSON",
        };
        Unusable::new(format!("{what}: {error}: {EXPORT}"))
    })?;
    if har.log.entries.is_empty() {
        return Err(Unusable::new(format!(
            "it has no requests: log.entries is empty: {EXPORT}"
        )));
    }
    let entries = har.log.entries.into_iter();
    let exchanges: Vec<Exchange> = entries.filter_map(exchange).collect();
    match exchanges.is_empty() {
        false => Ok(exchanges),
        true => Err(Unusable::new(format!(
            "none of its requests is one of HTTP: {EXPORT}"
        ))),
    }
}

/// One request; none if it went elsewhere than over HTTP, such as `data:` and `chrome-extension:`.
fn exchange(entry: Entry) -> Option<Exchange> {
    let Entry { request, response } = entry;
    let (host, path) = split_url(&request.url).ok()?;
    if !is_method(&request.method) {
        return None;
    }
    let lower = |pairs: Vec<Pair>| -> Vec<(String, String)> {
        let pairs = pairs.into_iter();
        let named = pairs.map(|pair| (pair.name.to_ascii_lowercase(), pair.value));
        // HTTP/2 has names with a colon for parts of the first line.
        named.filter(|(name, _)| is_token(name)).collect()
    };
    let (mut headers, answered) = (lower(request.headers), lower(response.headers));
    headers.retain(|(name, _)| name != "cookie");
    let sets = match set_by(&answered) {
        none if none.is_empty() => pairs_of(response.cookies),
        sets => sets,
    };
    let reply = Reply::new(response.status, answered, text_of(response.content));
    Some(Exchange {
        method: request.method,
        host,
        path,
        headers,
        cookies: pairs_of(request.cookies),
        body: request.post_data.and_then(body),
        follows: true,
        sets,
        // A request that was aborted has the status 0.
        reply: (reply.status > 0).then_some(reply),
    })
}

fn pairs_of(pairs: Vec<Pair>) -> Vec<(String, String)> {
    let pairs = pairs.into_iter();
    pairs.map(|pair| (pair.name, pair.value)).collect()
}

/// The cookies that a reply sets and does not delete. Some browsers put several headers into one, line by line.
pub(super) fn set_by(headers: &[(String, String)]) -> Vec<(String, String)> {
    let headers = headers.iter().filter(|(name, _)| name == "set-cookie");
    let lines = headers.flat_map(|(_, value)| value.lines());
    let pairs = lines.filter_map(|line| line.split(';').next()?.split_once('='));
    let pairs = pairs.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()));
    pairs
        .filter(|(_, value)| !value.is_empty() && value != "\"\"")
        .collect()
}

fn body(data: PostData) -> Option<Body> {
    let text = match (data.text, data.params.is_empty()) {
        (Some(text), _) if !text.is_empty() => text,
        (_, false) => {
            let mut form = form_urlencoded::Serializer::new(String::new());
            for pair in &data.params {
                form.append_pair(&pair.name, &pair.value);
            }
            form.finish()
        }
        _ => return None,
    };
    Some(Body::read(text, Some(&data.mime_type)))
}

fn text_of(content: Content) -> Option<String> {
    let text = content.text?;
    match content.encoding.as_deref() {
        Some("base64") => String::from_utf8(STANDARD.decode(text).ok()?).ok(),
        _ => Some(text),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn an_entry_is_read_as_a_browser_writes_it() {
        let text = r##"{"log": {"version": "1.2", "creator": {"name": "WebInspector", "version": "537.36"}, "pages": [], "entries": [
          {"_resourceType": "document", "startedDateTime": "2026-11-02T10:00:00.000Z", "time": 12.5, "request": {
             "method": "POST", "url": "http://127.0.0.1:8000/login?next=/", "httpVersion": "HTTP/1.1",
             "headers": [{"name": "Cookie", "value": "csrftoken=abc"}, {"name": "Content-Type", "value": "application/x-www-form-urlencoded"}],
             "queryString": [], "cookies": [{"name": "csrftoken", "value": "abc", "path": "", "expires": "1969-12-31T23:59:59.000Z"}],
             "headersSize": 600, "bodySize": 30,
             "postData": {"mimeType": "application/x-www-form-urlencoded", "text": "user=al&csrf=abc", "params": [{"name": "user", "value": "al"}]}},
           "response": {"status": 302, "statusText": "Found", "httpVersion": "HTTP/1.1",
             "headers": [{"name": "Location", "value": "/"}, {"name": "Set-Cookie", "value": "sessionid=s1; HttpOnly; Path=/\ncsrftoken=def; Path=/"}],
             "cookies": [], "content": {"size": 4, "mimeType": "text/html", "text": "bG9n", "encoding": "base64"}, "redirectURL": "/"},
           "cache": {}, "timings": {}},
          {"request": {"method": "GET", "url": "data:image/png;base64,AA"}, "response": {"status": 200}}]}}"##;
        let exchanges = parse(text).unwrap();
        assert_eq!(exchanges.len(), 1);
        let one = &exchanges[0];
        assert_eq!(one.line(), "POST /login?next=/");
        assert_eq!(one.leads_to().as_deref(), Some("/"));
        assert_eq!(one.page(), Some("log"));
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            one.sets,
            [pair("sessionid", "s1"), pair("csrftoken", "def")]
        );
        assert_eq!(one.cookies, [pair("csrftoken", "abc")]);
        assert_eq!(
            one.body,
            Some(Body::Form(vec![pair("user", "al"), pair("csrf", "abc")]))
        );
        assert_eq!(one.header("cookie"), None);
    }

    #[test]
    fn what_is_no_har_file_is_refused_with_what_to_do() {
        for (text, told) in [
            (
                "<html>",
                "it is not JSON: expected value at line 1 column 1",
            ),
            ("", "it is not JSON"),
            ("{}", "it is not a HAR file: missing field `log`"),
            (r#"{"log": {"entries": []}}"#, "it has no requests"),
            (
                r#"{"log": {"entries": [{"request": {"method": "GET", "url": "data:,"}, "response": {"status": 200}}]}}"#,
                "none of its requests",
            ),
        ] {
            let wrong = parse(text).unwrap_err();
            assert!(wrong.problem.contains(told), "{text}: {wrong}");
            assert!(wrong.problem.contains("Export HAR"), "{text}: {wrong}");
        }
    }
}
