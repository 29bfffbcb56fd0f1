//! The shared cache in front of real servers and of fake ones: what is stored, for whom, for how long, and what a
//! run sees of it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::print_stderr, reason = "a test says when it is skipped")]

#[path = "cache/experiment.rs"]
mod experiment;
#[path = "cache/outside.rs"]
mod outside;
#[path = "balance/parts.rs"]
#[allow(dead_code, reason = "the balancer's tests use the rest")]
mod parts;
mod support;

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use nix::sys::signal::Signal;
use parts::{Fake, Process, Reply, free_port};

/// A cache that listens.
fn start(to: u16, flags: &str) -> Process {
    let port = free_port();
    let words = format!("cache --port {port} --to 127.0.0.1:{to} {flags}");
    Process::listening(port, &words)
}

/// Why the reply is what it is, without the seconds.
fn told(reply: &Reply) -> String {
    let all = reply.headers("cache-status").last().unwrap_or_default();
    let words = all.split("; ").skip(1);
    let words: Vec<&str> = words.filter(|word| !word.starts_with("ttl=")).collect();
    words.join("; ")
}

fn text(reply: &Reply) -> String {
    String::from_utf8(reply.body.clone()).unwrap()
}

/// A server whose replies have these headers, and the number of the request as their body.
fn counting(headers: &'static str) -> Fake {
    let count = AtomicUsize::new(0);
    Fake::start(move |stream| {
        let body = count.fetch_add(1, Ordering::Relaxed).to_string();
        let reply = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n{headers}\r\n{body}",
            body.len()
        );
        stream.write_all(reply.as_bytes()).is_ok()
    })
}

const STORED: &str = "fwd=uri-miss; fwd-status=200; stored";
const PASSED: &str = "fwd=uri-miss; fwd-status=200";

/// What the second of two requests is told, whose replies have these headers.
fn second(headers: &'static str, requests: [&str; 2]) -> String {
    let origin = counting(headers);
    let cache = start(origin.port, "");
    let [first, second] = requests.map(|line| match line {
        "" => cache.get("/"),
        line => cache.ask("GET", "/", &[line], ""),
    });
    assert_eq!(
        (first.status, text(&first).as_str()),
        (200, "0"),
        "{first:?}"
    );
    assert_eq!(second.status, 200);
    let expected = if told(&second) == "hit" { "0" } else { "1" };
    assert_eq!(
        text(&second),
        expected,
        "{headers:?} {requests:?}: {second:?}"
    );
    told(&second)
}

#[test]
fn what_a_reply_says_decides_whether_others_get_it() {
    for (headers, expected) in [
        ("cache-control: max-age=60\r\n", "hit"),
        ("cache-control: public, max-age=60\r\n", "hit"),
        ("cache-control: private, max-age=60\r\n", PASSED),
        ("Cache-Control: Private\r\n", PASSED),
        ("cache-control: NO-STORE\r\n", PASSED),
        ("cache-control: max-age=60, no-store\r\n", PASSED),
        // Nobody said for how long, and nothing to guess it from.
        ("", PASSED),
        // A tenth of the time since it was changed (RFC 9111, section 4.2.2).
        ("last-modified: Thu, 01 Jan 2015 00:00:00 GMT\r\n", "hit"),
        ("cache-control: s-maxage=60, max-age=0\r\n", "hit"),
        ("cache-control: s-maxage=0, max-age=60\r\n", PASSED),
        ("expires: Thu, 01 Jan 2015 00:00:00 GMT\r\n", PASSED),
        // A cookie is somebody's.
        ("cache-control: max-age=60\r\nset-cookie: a=1\r\n", PASSED),
        (
            "cache-control: max-age=60\r\nset-cookie: a=1\r\netag: \"x\"\r\n",
            PASSED,
        ),
        (
            "cache-control: public, max-age=60\r\nset-cookie: a=1\r\n",
            PASSED,
        ),
        ("cache-control: max-age=60\r\nvary: *\r\n", PASSED),
    ] {
        assert_eq!(second(headers, ["", ""]), expected, "{headers:?}");
    }
}

#[test]
fn what_a_request_says_decides_whether_it_gets_what_is_stored() {
    let fresh = "cache-control: max-age=60\r\n";
    let varied = "cache-control: max-age=60\r\nvary: accept-language\r\n";
    let public = "cache-control: public, max-age=60\r\n";
    let basic = "authorization: Basic YTpi";
    for (headers, requests, expected) in [
        (
            fresh,
            ["", "cache-control: no-cache"],
            "fwd=request; fwd-status=200; stored",
        ),
        (
            fresh,
            ["", "cache-control: max-age=0"],
            "fwd=request; fwd-status=200; stored",
        ),
        (fresh, ["cache-control: no-store", ""], STORED),
        (
            varied,
            ["accept-language: de", "accept-language: de"],
            "hit",
        ),
        (
            varied,
            ["accept-language: de", "accept-language: fr"],
            "fwd=vary-miss; fwd-status=200; stored",
        ),
        (
            varied,
            ["accept-language: de", ""],
            "fwd=vary-miss; fwd-status=200; stored",
        ),
        // Who proves who he is gets a reply of his own, unless the server says that it is everybody's.
        (fresh, [basic, basic], PASSED),
        (fresh, [basic, ""], STORED),
        (public, [basic, ""], "hit"),
        // Cookies say nothing, as the RFC has it: the server has to.
        (fresh, ["cookie: session=1", "cookie: session=2"], "hit"),
    ] {
        assert_eq!(
            second(headers, requests),
            expected,
            "{headers:?} {requests:?}"
        );
    }
}

#[test]
fn each_variant_is_kept() {
    let origin = counting("cache-control: max-age=60\r\nvary: accept-language\r\n");
    let cache = start(origin.port, "");
    let ask = |language: &str| {
        let reply = cache.ask("GET", "/", &[&format!("accept-language: {language}")], "");
        text(&reply)
    };
    assert_eq!(["de", "fr", "de", "fr"].map(ask), ["0", "1", "0", "1"]);
}

#[test]
fn a_stored_reply_tells_its_age_and_keeps_its_headers() {
    let origin = counting(
        "cache-control: max-age=60\r\nage: 7\r\nlink: </a>\r\nlink: </b>\r\nx-boot-id: one\r\n",
    );
    let cache = start(origin.port, "");
    cache.get("/");
    let hit = cache.get("/");
    assert_eq!(told(&hit), "hit");
    let age: u64 = hit.header("age").unwrap().parse().unwrap();
    assert!((7..20).contains(&age), "{hit:?}");
    assert_eq!(hit.headers("link").collect::<Vec<_>>(), ["</a>", "</b>"]);
    assert_eq!(hit.header("x-boot-id"), Some("one"));
    assert_eq!(hit.headers("age").count(), 1);
}

#[test]
fn only_get_is_looked_up_and_a_change_makes_what_is_stored_worthless() {
    let origin = counting("cache-control: max-age=60\r\n");
    let cache = start(origin.port, "");
    assert_eq!(told(&cache.get("/a")), STORED);
    assert_eq!(told(&cache.get("/b")), STORED);
    assert_eq!(
        told(&cache.ask("POST", "/a", &[], "x")),
        "fwd=method; fwd-status=200"
    );
    assert_eq!(told(&cache.get("/a")), STORED);
    assert_eq!(told(&cache.get("/b")), "hit");
    assert_eq!(
        told(&cache.ask("OPTIONS", "/b", &[], "")),
        "fwd=method; fwd-status=200"
    );
    assert_eq!(told(&cache.get("/b")), "hit");
    assert_eq!(told(&cache.get("/b?c")), STORED);
    let other = cache.send("GET /b HTTP/1.1\r\nhost: other\r\nconnection: close\r\n\r\n");
    assert_eq!(told(&other), STORED, "another host's page is another page");
}

#[test]
fn what_is_stale_is_asked_for_with_its_validators_and_served_again() {
    let server = Process::serve("token");
    let cache = start(server.port, "");
    let page = "/page/1?max-age=0";
    let first = cache.get(page);
    assert_eq!(told(&first), STORED);
    let renewed = cache.get(page);
    assert_eq!(told(&renewed), "fwd=stale; fwd-status=304");
    assert_eq!((renewed.status, &renewed.body), (200, &first.body));
    let page = "/page/1?max-age=600";
    assert_eq!(told(&cache.get(page)), STORED);
    assert_eq!(told(&cache.get(page)), "hit");
    // A client that has it is told so by the cache.
    let known = cache.ask("GET", page, &["if-none-match: \"page-1\""], "");
    assert_eq!((known.status, known.body.len()), (304, 0), "{known:?}");
}

#[test]
fn a_304_about_something_else_is_not_taken_for_a_yes() {
    let wrong = AtomicBool::new(false);
    let origin = Fake::start(move |stream| {
        let reply = match wrong.swap(true, Ordering::Relaxed) {
            false => {
                "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncache-control: no-cache\r\netag: \"a\"\r\n\r\nold"
            }
            true => "HTTP/1.1 304 Not Modified\r\netag: \"b\"\r\n\r\n",
        };
        stream.write_all(reply.as_bytes()).is_ok()
    });
    let cache = start(origin.port, "");
    assert_eq!(text(&cache.get("/")), "old");
    let odd = cache.get("/");
    assert_eq!((odd.status, odd.body.len()), (304, 0), "{odd:?}");
    let heads = origin.heads();
    assert_eq!(heads.len(), 3, "{heads:?}");
    assert!(
        heads[1].contains("if-none-match: \"a\"") && !heads[2].contains("if-none-match"),
        "{heads:?}"
    );
}

#[test]
fn a_dead_servers_stale_page_is_served_only_where_that_is_allowed() {
    for (flags, page, expected) in [
        ("", "/page/1?max-age=0", "fwd=stale; detail=refused"),
        (
            "",
            "/page/1?max-age=0&stale-if-error=60",
            "hit; detail=origin-error",
        ),
        (
            "--stale-if-error 60s",
            "/page/1?max-age=0",
            "hit; detail=origin-error",
        ),
        (
            "--stale-if-error always",
            "/page/1?max-age=0",
            "hit; detail=origin-error",
        ),
        (
            "--stale-if-error 60s",
            "/page/1?max-age=0&stale-if-error=0",
            "fwd=stale; detail=refused",
        ),
        ("", "/page/1?max-age=60", "hit"),
        (
            "--stale-if-error 60s",
            "/me",
            "fwd=uri-miss; detail=refused",
        ),
    ] {
        let mut server = Process::serve("token");
        let cache = start(server.port, flags);
        let before = cache.get(page);
        server.end(Signal::SIGKILL);
        let after = cache.get(page);
        assert_eq!(told(&after), expected, "{flags} {page}: {after:?}");
        if expected.starts_with("hit") {
            assert_eq!(
                (after.status, &after.body),
                (200, &before.body),
                "{after:?}"
            );
        } else {
            assert_eq!(after.status, 502, "{after:?}");
        }
        server.restart();
        assert!([200, 401].contains(&cache.get(page).status));
    }
}

#[test]
fn a_server_that_says_that_it_failed_is_covered_for_too_and_a_clear_no_is_passed_on() {
    for (status, covered) in [("503 Down", true), ("500 Oops", true), ("404 Gone", false)] {
        let failing = Arc::new(AtomicBool::new(false));
        let fails = Arc::clone(&failing);
        let origin = Fake::start(move |stream| {
            let reply = match fails.load(Ordering::Relaxed) {
                false => "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncache-control: max-age=0, stale-if-error=60\r\netag: \"a\"\r\n\r\nok".to_owned(),
                true => format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n"),
            };
            stream.write_all(reply.as_bytes()).is_ok()
        });
        let cache = start(origin.port, "");
        cache.get("/");
        failing.store(true, Ordering::Relaxed);
        let reply = cache.get("/");
        assert_eq!(reply.status == 200, covered, "{reply:?}");
        assert_eq!(
            told(&reply) == "hit; detail=origin-error",
            covered,
            "{reply:?}"
        );
    }
}

#[test]
fn what_forbids_it_is_never_served_stale() {
    for forbids in [
        "must-revalidate",
        "proxy-revalidate",
        "no-cache",
        "s-maxage=0",
    ] {
        let first = AtomicBool::new(true);
        let origin = Fake::start(move |stream| {
            let reply = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncache-control: max-age=0, stale-if-error=60, {forbids}\r\netag: \"a\"\r\n\r\nok"
            );
            first.swap(false, Ordering::Relaxed) && stream.write_all(reply.as_bytes()).is_ok()
        });
        let cache = start(origin.port, "--stale-if-error always");
        assert_eq!(told(&cache.get("/")), STORED, "{forbids}");
        let reply = cache.get("/");
        assert_eq!(
            (reply.status, told(&reply).as_str()),
            (502, "fwd=stale; detail=reset"),
            "{forbids}"
        );
    }
}

#[test]
fn half_a_reply_is_neither_stored_nor_ended_in_order() {
    let origin = Fake::says(
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\ncache-control: max-age=60\r\n\r\nhalf",
        false,
    );
    let cache = start(origin.port, "");
    for _ in 0..2 {
        let reply = cache.get("/");
        assert!(reply.broken.is_some(), "{reply:?}");
        assert_eq!(told(&reply), STORED);
    }
    // One that ends with its connection may be half of what it should be.
    let origin = Fake::says(
        "HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\n\r\nmaybe",
        false,
    );
    let cache = start(origin.port, "");
    assert_eq!([(); 2].map(|()| told(&cache.get("/"))), [PASSED, PASSED]);
}

#[test]
fn memory_is_bounded_and_what_was_not_asked_for_the_longest_goes_first() {
    let body: &'static str = "x".repeat(60 * 1024).leak();
    let reply = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\ncache-control: max-age=60\r\n\r\n{body}",
        body.len()
    );
    let reply: &'static str = reply.leak();
    let origin = Fake::says(reply, true);
    let cache = start(origin.port, "--memory 1");
    let ask = |number: usize| told(&cache.get(&format!("/{number}")));
    // Of 1 MiB; sixteen fit.
    for number in 0..10 {
        assert_eq!(ask(number), STORED);
    }
    assert_eq!(ask(0), "hit");
    for number in 10..25 {
        assert_eq!(ask(number), STORED);
    }
    assert_eq!(ask(0), "hit");
    assert_eq!(ask(24), "hit");
    assert_eq!(ask(1), STORED);
    // One that would take more than its share is passed on.
    let large: &'static str = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\ncache-control: max-age=60\r\n\r\n{}",
        4 * body.len(),
        body.repeat(4)
    )
    .leak();
    let origin = Fake::says(large, true);
    let cache = start(origin.port, "--memory 1");
    assert_eq!(told(&cache.get("/")), PASSED);
    let again = cache.get("/");
    assert_eq!(
        (told(&again).as_str(), again.body.len()),
        (PASSED, 4 * body.len())
    );
}

/// The page that a user gets after another one has looked at his own.
fn page_after_anothers(cache: &Process) -> (String, String) {
    let login = |user: &str| {
        let body = format!(r#"{{"user":"{user}"}}"#);
        let reply = cache.ask("POST", "/login", &["content-type: application/json"], &body);
        assert_eq!(reply.status, 200, "{reply:?}");
        format!("cookie: {}", reply.cookies().join("; "))
    };
    let [ann, bob] = ["ann", "bob"].map(login);
    let own = cache.ask("GET", "/me", &[&ann], "");
    assert_eq!(text(&own), r#"{"user":"ann","visits":0}"#);
    let other = cache.ask("GET", "/me", &[&bob], "");
    (text(&other), told(&other))
}

const ANNS: &str = r#"{"user":"ann","visits":0}"#;
const BOBS: &str = r#"{"user":"bob","visits":0}"#;

#[test]
fn users_see_each_others_page_only_where_server_or_cache_is_wrong() {
    for (server, flags, page, told) in [
        ("memory", "", BOBS, PASSED),
        ("public-me", "", ANNS, "hit"),
        ("memory", "--ignore-private 60s", ANNS, "hit"),
    ] {
        let server = Process::serve(server);
        let cache = start(server.port, flags);
        assert_eq!(
            page_after_anothers(&cache),
            (page.to_owned(), told.to_owned())
        );
    }
}

#[test]
fn a_slow_server_is_given_up_after_the_time_out() {
    let origin = Fake::start(|_| {
        std::thread::sleep(Duration::from_secs(60));
        false
    });
    let cache = start(origin.port, "--timeout 50ms");
    let reply = cache.get("/");
    assert_eq!(
        (reply.status, told(&reply).as_str()),
        (504, "fwd=uri-miss; detail=timeout")
    );
}
