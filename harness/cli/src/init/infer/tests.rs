//! Recordings as tools write them, and the flows that follow from them.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use serde_json::{Value, json};

use super::super::recorded::{Said, Sifted};
use super::super::{curl, har};
use super::*;

fn of_curl(script: &str) -> Flow {
    let sifted = Sifted::sift(curl::parse(script).unwrap());
    infer(&sifted.kept, None, &Said::default()).unwrap()
}

fn of_har(entries: &[Value]) -> Flow {
    let text = json!({"log": {"version": "1.2", "entries": entries}}).to_string();
    let sifted = Sifted::sift(har::parse(&text).unwrap());
    infer(&sifted.kept, None, &Said::default()).unwrap()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<Value> {
    let pairs = pairs.iter();
    pairs
        .map(|(name, value)| json!({"name": name, "value": value}))
        .collect()
}

/// An entry as Chromium writes it; `cookies` were sent.
fn entry(
    request: &str,
    cookies: &[(&str, &str)],
    body: Option<(&str, &str)>,
    (status, headers, page): (u16, &[(&str, &str)], &str),
) -> Value {
    let (method, path) = request.split_once(' ').unwrap();
    let mut sent = pairs(&[
        ("Host", "127.0.0.1:8000"),
        (
            "User-Agent",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/142.0.0.0",
        ),
        ("Sec-Fetch-Mode", "navigate"),
        ("Referer", "http://127.0.0.1:8000/"),
    ]);
    let mut asked = json!({
        "method": method, "url": format!("http://127.0.0.1:8000{path}"), "httpVersion": "HTTP/1.1",
        "queryString": [], "cookies": pairs(cookies), "headersSize": 500, "bodySize": 0,
    });
    if let Some((kind, text)) = body {
        sent.extend(pairs(&[("Content-Type", kind)]));
        asked["postData"] = json!({"mimeType": kind, "text": text});
    }
    asked["headers"] = json!(sent);
    json!({
        "_resourceType": "document", "startedDateTime": "2026-11-02T10:00:00.000Z", "time": 3.2,
        "request": asked, "cache": {}, "timings": {"send": 0, "wait": 3, "receive": 0},
        "response": {
            "status": status, "statusText": "", "httpVersion": "HTTP/1.1", "headers": pairs(headers), "cookies": [],
            "content": {"size": page.len(), "mimeType": "text/html", "text": page}, "redirectURL": "",
        },
    })
}

const FORM: &str = "application/x-www-form-urlencoded";

fn hidden(token: &str) -> String {
    format!(
        r#"<form method="post"><input type="hidden" name="csrfmiddlewaretoken" value="{token}"><input name="username"></form>"#
    )
}

fn page(user: &str, visits: u32, token: &str) -> String {
    format!(
        "<h1>Shop 24</h1><p>You are {user}, visits: {visits}</p>{}",
        hidden(token)
    )
}

/// A login to Django with a password: each page has another mask of the token, and the login renews it.
fn django() -> Vec<Value> {
    let before = [("csrftoken", "C0OKIE1")];
    let after = [("csrftoken", "C0OKIE2"), ("sessionid", "s3ss10n")];
    let login = "csrfmiddlewaretoken=MASK1abc&username=alice&password=wonder";
    vec![
        entry(
            "GET /",
            &[],
            None,
            (302, &[("Location", "/login/?next=/")], ""),
        ),
        entry(
            "GET /login/?next=/",
            &[],
            None,
            (
                200,
                &[("Set-Cookie", "csrftoken=C0OKIE1; Path=/; SameSite=Lax")],
                &hidden("MASK1abc"),
            ),
        ),
        entry(
            "GET /static/shop.css",
            &before,
            None,
            (200, &[("Content-Type", "text/css")], "h1 {}"),
        ),
        entry(
            "POST /login/?next=/",
            &before,
            Some((FORM, login)),
            (
                302,
                &[
                    ("Location", "/"),
                    (
                        "Set-Cookie",
                        "csrftoken=C0OKIE2; Path=/\nsessionid=s3ss10n; HttpOnly; Path=/",
                    ),
                ],
                "",
            ),
        ),
        entry(
            "GET /",
            &after,
            None,
            (200, &[], &page("alice", 0, "MASK2def")),
        ),
        entry(
            "POST /visit/",
            &after,
            Some((FORM, "csrfmiddlewaretoken=MASK2def")),
            (302, &[("Location", "/")], ""),
        ),
        entry(
            "GET /",
            &after,
            None,
            (200, &[], &page("alice", 1, "MASK3ghi")),
        ),
        entry(
            "POST /visit/",
            &after,
            Some((FORM, "csrfmiddlewaretoken=MASK3ghi")),
            (302, &[("Location", "/")], ""),
        ),
        entry(
            "GET /",
            &after,
            None,
            (200, &[], &page("alice", 2, "MASK4jkl")),
        ),
        entry(
            "POST /logout/",
            &after,
            Some((FORM, "csrfmiddlewaretoken=MASK4jkl")),
            (302, &[("Location", "/login/")], ""),
        ),
        entry(
            "GET /login/",
            &before,
            None,
            (200, &[], &hidden("MASK5mno")),
        ),
    ]
}

#[test]
fn a_login_to_django_is_inferred_with_its_tokens_from_a_har_file() {
    let flow = of_har(&django());
    let text = flow.text();
    for part in [
        "value = \"regex:visits: ([0-9]+)\"",
        "identity = { at = \"regex:You are ([0-9A-Za-z_]+)\", name = \"alice\" }",
        "logged_out_page = { headers = { location = \"/login/\" } }",
        "[session.step.page]\nrequest = \"GET /login/?next=/\"\ncapture = { csrf = 'regex:name=\"csrfmiddlewaretoken\" value=\"([^\"]+)' }",
        "[session.login]\nbefore = [\"page\"]\nrequest = \"POST /login/?next=/\"\nform = { csrfmiddlewaretoken = \"{{ csrf }}\", \
         username = \"alice\", password = { value = \"wonder\", secret = true } }\nfollow = 1\ncapture = { csrf = ",
        "[session.act]\nrequest = \"POST /visit/\"\nform = { csrfmiddlewaretoken = \"{{ csrf }}\" }\nfollow = 1\n",
        "[session.check]\nrequest = \"GET /\"\n",
        // The page that showed the logout's token came after the act.
        "[session.logout]\nbefore = [\"page2\"]\nrequest = \"POST /logout/\"\n",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert_eq!(flow.open, [""; 0], "{text}");
    assert!(!text.contains("MASK"), "{text}");
}

#[test]
fn with_users_of_its_own_each_session_has_its_name() {
    let text = json!({"log": {"entries": django()}}).to_string();
    let sifted = Sifted::sift(har::parse(&text).unwrap());
    assert_eq!(sifted.files, 1);
    let text = infer(&sifted.kept, Some(false), &Said::default())
        .unwrap()
        .text();
    assert!(text.contains("username = \"u{{ session }}\""), "{text}");
    assert!(text.contains("name = \"u{{ session }}\" }"), "{text}");
}

#[test]
fn a_bearer_token_is_captured_from_the_login_of_an_api() {
    let json = "application/json";
    let bearer = |mut entry: Value| {
        let token = json!({"name": "Authorization", "value": "Bearer eyJhbGci.eyJzdWIi.c2ln"});
        entry["request"]["headers"]
            .as_array_mut()
            .unwrap()
            .push(token);
        entry
    };
    let show = |items: &[&str]| {
        json!({"owner": {"email": "al@example.org"}, "items": items.iter().map(|item| json!({"id": 7, "title": item})).collect::<Vec<_>>()}).to_string()
    };
    let flow = of_har(&[
        entry("OPTIONS /api/login", &[], None, (204, &[], "")),
        entry(
            "POST /api/login",
            &[],
            Some((json, r#"{"email":"al@example.org","password":"p"}"#)),
            (
                200,
                &[],
                r#"{"data": {"access_token": "eyJhbGci.eyJzdWIi.c2ln", "expires": 3600}}"#,
            ),
        ),
        bearer(entry("GET /api/todos", &[], None, (200, &[], &show(&[])))),
        bearer(entry(
            "POST /api/todos",
            &[],
            Some((json, r#"{"title":"buy milk","due":null}"#)),
            (201, &[], r#"{"id": 7}"#),
        )),
        bearer(entry(
            "GET /api/todos",
            &[],
            None,
            (200, &[], &show(&["buy milk"])),
        )),
    ]);
    let text = flow.text();
    for part in [
        "value = \"$.items[*].title\"\nwrites = \"list\"\nidentity = { at = \"/owner/email\", name = \"al@example.org\" }",
        "capture = { token = \"/data/access_token\" }",
        "[session.act]\nrequest = \"POST /api/todos\"\nheaders = { authorization = \"Bearer {{ token }}\" }\n",
        "{{ write }}",
        "[session.check]\nrequest = \"GET /api/todos\"\nheaders = { authorization = \"Bearer {{ token }}\" }\n",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(!text.contains("eyJ"), "{text}");
}

#[test]
fn a_session_by_cookie_with_a_counter_is_inferred_with_its_own_users() {
    let json = "application/json";
    let sid = [("sid", "0a1b2c")];
    let me = |visits: u32| {
        json!({"user": "al", "visits": visits, "time": 1_700_000_000 + visits}).to_string()
    };
    let flow = of_har(&[
        entry(
            "POST /login",
            &[],
            Some((json, r#"{"user":"al"}"#)),
            (200, &[("set-cookie", "sid=0a1b2c; Path=/")], &me(0)),
        ),
        entry("GET /me", &sid, None, (200, &[], &me(0))),
        entry("POST /visit", &sid, None, (200, &[], &me(1))),
        entry("GET /me", &sid, None, (200, &[], &me(1))),
        entry("POST /logout", &sid, None, (200, &[], "")),
    ]);
    let text = flow.text();
    for part in [
        "value = \"/visits\"\nidentity = { at = \"/user\", name = \"u{{ session }}\" }",
        "json = { user = \"u{{ session }}\" }",
        "[session.logout]\nrequest = \"POST /logout\"\n",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(!text.contains("sid"), "{text}");
    let told = flow.tell();
    assert!(
        told.iter()
            .any(|line| line.contains("/visits: it was 0, 1 after 0, 1 acts")),
        "{told:?}"
    );
    assert!(
        told.iter().all(|line| line.chars().count() <= 80),
        "{told:?}"
    );
}

#[test]
fn commands_without_replies_give_a_flow_whose_guesses_are_told() {
    let flow = of_curl(
        "curl 'http://localhost:8000/login' -H 'Accept: text/html'
curl 'http://localhost:8000/login' -b 'csrftoken=c00kie' --data-raw 'csrfmiddlewaretoken=m45k&user=al'
curl 'http://localhost:8000/visit' -X POST -H 'X-CSRFToken: c00kie' -b 'csrftoken=c00kie; sessionid=s'
curl 'http://localhost:8000/me' -b 'csrftoken=c00kie; sessionid=s'",
    );
    let text = flow.text();
    for part in [
        "# not inferred: where GET /login shows csrfmiddlewaretoken",
        "# value = \"/visits\"",
        "csrf = 'regex:name=\"csrfmiddlewaretoken\" value=\"([^\"]+)'",
        "cookie:csrftoken",
        "headers = { x-csrftoken = \"{{ csrf2 }}\" }",
        "form = { csrfmiddlewaretoken = \"{{ csrf }}\", user = \"u{{ session }}\" }\nfollow = 1",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(
        text.lines()
            .filter(|line| line.starts_with("# not"))
            .all(|line| line.len() <= 80),
        "{text}"
    );
    let flow = of_curl(
        "curl --json '{\"user\":\"al\"}' $API/auth
curl -H \"Authorization: Bearer $TOKEN\" -X POST $API/n/{{x}}
curl -H \"Authorization: Bearer $TOKEN\" $API/n",
    );
    let text = flow.text();
    assert!(text.contains("capture = { token = \"/token\" }"), "{text}");
    assert!(
        text.contains("/n/{{ '{{' }}x}}") || text.contains("%7B%7Bx%7D%7D"),
        "{text}"
    );
    assert!(!text.contains("$TOKEN"), "{text}");
}

#[test]
fn a_pattern_for_a_number_does_not_quote_the_users_name() {
    let sid = [("sid", "0a1b2c")];
    let page = |count: u32| format!("<p>alice count {count}</p>");
    let flow = of_har(&[
        entry(
            "POST /login",
            &[],
            Some((FORM, "user=alice")),
            (200, &[("Set-Cookie", "sid=0a1b2c")], ""),
        ),
        entry("GET /", &sid, None, (200, &[], &page(0))),
        entry("POST /act", &sid, None, (200, &[], "")),
        entry("GET /", &sid, None, (200, &[], &page(1))),
    ]);
    assert_eq!(flow.value.as_deref(), Some("regex:count ([0-9]+)"));
}

#[test]
fn one_number_that_may_be_chance_is_open() {
    let sid = [("sid", "0a1b2c")];
    let page = r#"{"page": 1, "visits": 1}"#;
    let flow = of_har(&[
        entry(
            "POST /login",
            &[],
            Some((FORM, "user=al")),
            (200, &[("Set-Cookie", "sid=0a1b2c")], ""),
        ),
        entry("POST /visit", &sid, None, (200, &[], "")),
        entry("GET /me", &sid, None, (200, &[], page)),
    ]);
    assert_eq!(flow.value.as_deref(), Some("/visits"));
    assert!(
        flow.open
            .concat()
            .contains("whether /visits counts the acts"),
        "{:?}",
        flow.open
    );
}

#[test]
fn a_token_of_another_form_is_taken_from_the_field_of_its_name() {
    let mut entries = django();
    // The page that the act's form was on is not in the recording.
    entries[5]["request"]["postData"]["text"] = json!("csrfmiddlewaretoken=MASK9xyz");
    let text = of_har(&entries).text();
    assert!(!text.contains("MASK9xyz"), "{text}");
}

#[test]
fn a_recording_without_cookies_says_so() {
    let sifted = |entries: &[Value]| of_har(entries).open.concat();
    let login = |headers: &[(&str, &str)]| {
        [entry(
            "POST /login",
            &[],
            Some((FORM, "user=alice")),
            (200, headers, "hello"),
        )]
    };
    assert!(sifted(&login(&[])).contains("with sensitive data"));
    assert!(!sifted(&login(&[("Set-Cookie", "sid=1")])).contains("with sensitive data"));
}

#[test]
fn without_a_login_the_requests_are_named_with_what_to_do() {
    let sifted = Sifted::sift(curl::parse("curl localhost/a\ncurl -X POST localhost/b").unwrap());
    let wrong = infer(&sifted.kept, None, &Said::default()).unwrap_err();
    assert!(wrong.problem.contains("GET /a, POST /b"), "{wrong}");
    assert!(
        wrong.problem.contains("from before the login on"),
        "{wrong}"
    );
}

#[test]
fn a_login_alone_gives_a_file_that_says_what_is_missing() {
    let text = of_curl("curl -u al:pw -X POST localhost/login").text();
    for part in [
        "(act)",
        "(check)",
        "mix = { act = 0, check = 100 }",
        "authorization = { value = \"Basic YWw6cHc=\", secret = true }",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[test]
fn a_text_that_looks_like_a_template_stays_what_it_is() {
    assert_eq!(literal("a {{ b }} {% c"), "a {{ '{{' }} b }} {{ '{%' }} c");
    assert_eq!(literal("a{"), "a{{ '{' }}");
    assert_eq!(literal("{\"a\": 1}"), "{\"a\": 1}");
}
