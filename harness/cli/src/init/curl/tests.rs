//! curl commands as they are copied and typed.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use serde_json::json;

use super::*;

fn one(text: &str) -> Exchange {
    let mut exchanges = parse(text).unwrap_or_else(|wrong| panic!("{text}: {wrong}"));
    assert_eq!(exchanges.len(), 1, "{text}");
    exchanges.remove(0)
}

fn form(fields: &[(&str, &str)]) -> Option<Body> {
    let fields = fields.iter();
    let owned = fields.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Some(Body::Form(owned.collect()))
}

#[test]
fn a_command_that_a_browser_copied_is_read() {
    let exchange = one("curl 'http://localhost:8000/login?next=%2F' \\
  -H 'Accept: text/html' \\
  -H 'Content-Type: application/x-www-form-urlencoded' \\
  -b 'csrftoken=abc; theme=dark' \\
  --data-raw $'csrfmiddlewaretoken=abc&username=al&password=it\\'s%21' \\
  --compressed");
    assert_eq!(exchange.line(), "POST /login?next=%2F");
    assert_eq!(exchange.host, "localhost:8000");
    assert_eq!(
        exchange.cookies,
        [("csrftoken", "abc"), ("theme", "dark")].map(|(a, b)| (a.to_owned(), b.to_owned()))
    );
    let fields = [
        ("csrfmiddlewaretoken", "abc"),
        ("username", "al"),
        ("password", "it's!"),
    ];
    assert_eq!(exchange.body, form(&fields));
}

#[test]
fn commands_that_people_write_are_read() {
    for (text, line, body) in [
        ("curl localhost:1/a", "GET /a", None),
        (
            "curl -sSXPUT -da=1 localhost:1",
            "PUT /",
            form(&[("a", "1")]),
        ),
        (
            "curl -d a=1 -d b=2 http://h/",
            "POST /",
            form(&[("a", "1"), ("b", "2")]),
        ),
        (
            "curl -G -d a=1 --data-urlencode 'b=x y' http://h/s",
            "GET /s?a=1&b=x+y",
            None,
        ),
        (
            "curl --data-urlencode 'b=x&y' http://h/",
            "POST /",
            form(&[("b", "x&y")]),
        ),
        (
            "curl --json '{\"a\":1}' $BASE/x",
            "POST /x",
            Some(Body::Json(json!({"a": 1}))),
        ),
        (
            "curl -d '{\"a\":1}' \"${BASE}/x\"",
            "POST /x",
            Some(Body::Json(json!({"a": 1}))),
        ),
        (
            "curl -H 'Content-Type: text/plain' -d hi http://h/",
            "POST /",
            Some(Body::Text("hi".to_owned())),
        ),
        (
            "curl --url http://h/ -o /dev/null -w '%{http_code}'",
            "GET /",
            None,
        ),
    ] {
        let exchange = one(text);
        assert_eq!(
            (exchange.line().as_str(), exchange.body),
            (line, body),
            "{text}"
        );
    }
    let basic = one("curl -u al:secret http://h/");
    assert_eq!(basic.header("authorization"), Some("Basic YWw6c2VjcmV0"));
    let both = parse("curl http://h/a --next -d b=1 http://h/b").unwrap();
    assert_eq!(both.len(), 2);
}

#[test]
fn variables_that_the_script_sets_are_filled_in() {
    let script =
        "API=http://h:1/api\nexport TOKEN=abc\ncurl \"$API/a\" -H \"a: ${TOKEN}-$OTHER $\"";
    let exchange = one(script);
    assert_eq!(
        (exchange.host.as_str(), exchange.path.as_str()),
        ("h:1", "/api/a")
    );
    assert_eq!(exchange.header("a"), Some("abc-$OTHER $"));
}

#[test]
fn what_cannot_be_taken_over_is_refused_by_its_line() {
    for (text, told) in [
        ("curl --frobnicate http://h/", "--frobnicate is not known"),
        ("curl -F file=@a http://h/", "multipart"),
        ("curl -T a http://h/", "sends a file"),
        ("curl -d @a http://h/", "reads a file"),
        ("curl --data-urlencode a@b http://h/", "reads a file"),
        ("curl -X", "-X needs a value"),
        ("curl -X POST", "has no URL"),
        ("curl http://h/a http://h/b", "a command for each"),
        ("curl -H broken http://h/", "is no header"),
        ("curl -H 'a b: c' http://h/", "not the name of a header"),
        ("curl -X M-SEARCH http://h/", "not a method"),
        ("curl ftp://h/a", "not a URL of HTTP"),
        ("curl http://[/", "is not a URL"),
    ] {
        let wrong = parse(&format!("\n{text}")).unwrap_err();
        assert_eq!(wrong.line, Some(2), "{text}");
        assert!(wrong.problem.contains(told), "{text}: {wrong}");
    }
    let wrong = parse("echo hello").unwrap_err();
    assert!(wrong.problem.contains("no curl command"), "{wrong}");
}
