//! nginx in the builtin cache's place.

use nix::sys::signal::Signal;

use crate::parts::{Process, wait_for};
use crate::{ANNS, BOBS, page_after_anothers, told};

/// Whether the program is there; in CI its absence is a failure.
pub(crate) fn has_nginx() -> bool {
    crate::support::has("nginx", &["nginx", "-v"])
}

const NGINX: &str = "--with nginx --data data";

#[test]
fn nginx_says_the_same_of_what_it_serves() {
    if !has_nginx() {
        return;
    }
    let mut server = Process::serve("memory");
    let mut cache = crate::start(server.port, NGINX);
    assert!(
        cache.printed().contains("proxy_cache_path"),
        "{}",
        cache.printed()
    );
    let page = "/page/1?max-age=1";
    let first = cache.get(page);
    assert_eq!(told(&first), "fwd=uri-miss; fwd-status=200; stored");
    let long = "/page/1?max-age=600";
    cache.get(long);
    assert_eq!(told(&cache.get(long)), "hit");
    let renewed = wait_for("its going stale", || {
        let reply = cache.get(page);
        (told(&reply) != "hit").then_some(reply)
    });
    assert_eq!(told(&renewed), "fwd=stale; fwd-status=304");
    assert_eq!((renewed.status, &renewed.body), (200, &first.body));
    assert_eq!(told(&cache.get("/health")), "fwd=uri-miss; fwd-status=200");
    assert_eq!(
        told(&cache.ask("POST", "/visit", &[], "")),
        "fwd=method; fwd-status=401"
    );
    let allowed = "/page/2?max-age=1&stale-if-error=60";
    assert_eq!(
        told(&cache.get(allowed)),
        "fwd=uri-miss; fwd-status=200; stored"
    );
    server.end(Signal::SIGKILL);
    let stale = wait_for("its going stale", || {
        let reply = cache.get(allowed);
        (told(&reply) != "hit").then_some(reply)
    });
    assert_eq!(
        (stale.status, told(&stale).as_str()),
        (200, "hit; detail=stale")
    );
    let refused = cache.get("/page/3");
    assert_eq!(
        (refused.status, told(&refused).as_str()),
        (502, "detail=error")
    );
    cache.end(Signal::SIGTERM);
}

#[test]
fn nginx_serves_stale_pages_of_a_dead_server_when_it_is_told_to() {
    if !has_nginx() {
        return;
    }
    for (flags, status) in [("", 502), ("--stale-if-error always", 200)] {
        let mut server = Process::serve("token");
        let cache = crate::start(server.port, &format!("{NGINX} {flags}"));
        let page = "/page/1?max-age=1";
        cache.get(page);
        server.end(Signal::SIGKILL);
        let after = wait_for("its going stale", || {
            let reply = cache.get(page);
            (told(&reply) != "hit").then_some(reply)
        });
        assert_eq!(after.status, status, "{after:?}");
    }
}

#[test]
fn nginx_shows_users_each_others_page_only_where_server_or_configuration_is_wrong() {
    if !has_nginx() {
        return;
    }
    for (server, flags, page, told) in [
        ("memory", "", BOBS, "fwd=uri-miss; fwd-status=200"),
        ("public-me", "", ANNS, "hit"),
        ("memory", "--ignore-private 60s", ANNS, "hit"),
    ] {
        let server = Process::serve(server);
        let cache = crate::start(server.port, &format!("{NGINX} {flags}"));
        assert_eq!(
            page_after_anothers(&cache),
            (page.to_owned(), told.to_owned()),
            "{flags}"
        );
    }
}

#[test]
fn what_nginx_cannot_do_is_refused() {
    for (flags, told) in [
        ("--with nginx", "needs --data"),
        ("--with nginx --data d --stale-if-error 5s", "supports only"),
        (
            "--with nginx --data d --drain 5s",
            "--drain works only with the builtin cache",
        ),
        ("--ignore-private 1ms", "at least 1s"),
        ("--stale-if-error soon", "or write always"),
        ("--memory 0", "0 is not in"),
        ("--timeout 0s", "too short"),
    ] {
        let mut words = vec!["cache", "--port", "9", "--to", "127.0.0.1:10"];
        words.extend(flags.split(' '));
        let run = crate::support::run(&words);
        assert_eq!(run.code(), 2, "{flags}: {}", run.printed());
        assert!(run.printed().contains(told), "{flags}: {}", run.printed());
    }
    let itself = crate::support::run(&["cache", "--port", "9", "--to", "127.0.0.1:9"]);
    assert_eq!(itself.code(), 2);
    assert!(itself.printed().contains("is the cache itself"));
}
