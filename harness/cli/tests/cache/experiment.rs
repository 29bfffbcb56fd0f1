//! What a run sees of a cache: how often it had the reply, whose content it served, and what it was good for while
//! there was no server. By the experiment files that people are given.

use std::path::{Path, PathBuf};

use comeback_analysis::summary::{ArmSummary, CacheSummary, Culprit};
use comeback_model::operation::Cached;

use crate::support::{self, Run, arm};

fn experiment(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../experiments")
        .join(name)
}

/// Runs an experiment, as small as it can be.
fn run(file: &Path) -> Run {
    let file = file.to_str().unwrap();
    support::run(&[
        "run",
        file,
        "--out",
        "out",
        "--quiet",
        "--trials",
        "1",
        "--sessions",
        "30",
        "--rate",
        "100",
        "--seed",
        "3",
    ])
}

fn cache(arm: &ArmSummary) -> &CacheSummary {
    arm.cache.as_ref().unwrap()
}

fn count(arm: &ArmSummary, cached: Cached) -> u64 {
    cache(arm).replies.get(&cached).copied().unwrap_or(0)
}

#[test]
fn a_cache_answers_for_a_dead_server_as_long_as_it_may() {
    let run = run(&experiment("cache.toml"));
    let has_nginx = crate::outside::has_nginx();
    // Without nginx its arm is skipped, and the run inconclusive.
    if !support::ended_with(&run, if has_nginx { 0 } else { 3 }) {
        return;
    }
    let summary = run.summary();
    let alone = arm(&summary, "no-cache");
    assert!(alone.cache.is_none());
    assert!(
        alone.errors.during.rate.unwrap() > 0.9,
        "{:?}",
        alone.errors.during
    );
    let stale = ["builtin-stale", "nginx-stale"];
    for name in ["builtin"].into_iter().chain(stale) {
        if name.starts_with("nginx") && !has_nginx {
            continue;
        }
        let arm = arm(&summary, name);
        let (sessions, writes) = (&arm.sessions, &arm.writes);
        assert_eq!((sessions.lost, writes.lost), (0, 0), "{name}");
        let cache = cache(arm);
        assert!(
            cache.hits > 0 && cache.look_ups > cache.hits,
            "{name}: {cache:?}"
        );
        assert_eq!(
            cache.hit_rate,
            Some(cache.hits as f64 / cache.look_ups as f64)
        );
        assert_eq!(cache.another_users, 0, "{name}");
        let down = cache.while_down.unwrap();
        assert!(
            down.from_cache > 0 && down.correct < down.scheduled,
            "{name}: {down:?}"
        );
        let may = stale.contains(&name);
        assert_eq!(count(arm, Cached::Stale) > 0, may, "{name}: {cache:?}");
        let attribution = arm.attribution.as_ref().unwrap();
        let (served, failed) = (&attribution.served, &attribution.failed);
        assert!(
            served["cache"] > 0 && served["replica-0"] > 0,
            "{name}: {served:?}"
        );
        // The cache says that the server did not reply to it.
        assert!(failed[&Culprit::Replica] > 0, "{name}: {failed:?}");
        assert!(!failed.contains_key(&Culprit::Cache), "{name}: {failed:?}");
    }
    // Of the outage, 1,200 ms, fresh pages cover a second at most.
    let covered = |name| {
        let down = cache(arm(&summary, name)).while_down.unwrap();
        down.correct as f64 / down.scheduled as f64
    };
    assert!(covered("builtin-stale") > covered("builtin"));
}

#[test]
fn another_users_page_from_a_cache_fails_the_run_and_a_right_one_shows_none() {
    let run = run(&experiment("cache-users.toml"));
    if !support::ended_with(&run, 1) {
        return;
    }
    let summary = run.summary();
    let right = cache(arm(&summary, "right"));
    assert_eq!(right.another_users, 0, "{right:?}");
    assert!(right.hits > 0, "{right:?}");
    let has_nginx = crate::outside::has_nginx();
    for name in ["public-me", "careless", "public-me-nginx", "careless-nginx"] {
        if name.ends_with("nginx") && !has_nginx {
            continue;
        }
        let arm = arm(&summary, name);
        let anothers = cache(arm).another_users;
        assert!(anothers > 0, "{name}: {:?}", arm.cache);
        let reason = format!("{name}: the cache served another user's content, {anothers} time");
        let told = summary.reasons.iter().any(|told| told.starts_with(&reason));
        assert!(told, "{name}: {:?}", summary.reasons);
        assert!(
            arm.sessions.wrong_identity > 0,
            "{name}: {:?}",
            arm.sessions
        );
        assert!(
            arm.attribution.as_ref().unwrap().failed[&Culprit::Cache] > 0,
            "{name}"
        );
    }
    assert!(
        !summary.reasons.iter().any(|told| told.starts_with("right")),
        "{:?}",
        summary.reasons
    );
    // The final look is through the cache, too.
    let rows = std::fs::read_to_string(run.out().join("operations.csv")).unwrap();
    let shown = |step: &str| {
        rows.lines().any(|row| {
            row.contains(step) && row.contains("wrong_identity") && row.contains(",hit,")
        })
    };
    assert!(shown(",check,") && shown(",read_back,"));
}

#[test]
fn an_older_state_of_the_same_user_is_stale_and_no_other_users_content() {
    let text = std::fs::read_to_string(experiment("cache-users.toml")).unwrap();
    let (common, _) = text.split_once("[[arm]]").unwrap();
    let common = common.replace("GET /me", "GET /me?user={{ session }}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("stale.toml");
    let text = format!(
        "{common}\n[cache]\nignore_private = \"60s\"\n\n[[arm]]\nname = \"stale\"\ntarget.command = [\"{{comeback}}\", \
         \"serve\", \"token\", \"--port\", \"{{port}}\", \"--data\", \"{{data}}\"]\n"
    );
    std::fs::write(&file, text).unwrap();
    let run = run(&file);
    if !support::was_measured(&run) {
        return;
    }
    let summary = run.summary();
    let arm = arm(&summary, "stale");
    assert_eq!(cache(arm).another_users, 0, "{:?}", arm.cache);
    assert!(arm.writes.stale_reads > 0, "{:?}", arm.writes);
    let wrong = &arm.errors.before.by_class;
    assert!(wrong["wrong_answer"] > 0.0, "{wrong:?}");
    // The server has it all: the last look goes around the cache.
    let (sessions, writes) = (&arm.sessions, &arm.writes);
    assert_eq!(
        (sessions.lost, sessions.reset, writes.lost),
        (0, 0, 0),
        "{sessions:?}"
    );
    assert!(writes.kept > 0);
}

#[test]
fn a_killed_cache_is_started_again_and_answers_for_nobody_meanwhile() {
    let run = support::run(&[
        "compare",
        "--topology",
        "token",
        "--replicas",
        "2",
        "--cache",
        "builtin",
        "--fault-target",
        "cache",
        "--quick",
        "--trials",
        "1",
        "--seed",
        "4",
        "--sessions",
        "30",
        "--rate",
        "100",
        "--quiet",
        "--out",
        "out",
    ]);
    if !support::ended_with(&run, 0) {
        return;
    }
    let summary = run.summary();
    let arm = arm(&summary, "token");
    assert!(
        cache(arm).hits > 0 && cache(arm).while_down.is_none(),
        "{:?}",
        arm.cache
    );
    let failed = &arm.attribution.as_ref().unwrap().failed;
    let others = [Culprit::Replica, Culprit::Balancer];
    assert!(
        failed.contains_key(&Culprit::Cache)
            && others.iter().all(|other| !failed.contains_key(other)),
        "{failed:?}"
    );
    let events = run.events();
    let again: Vec<&str> = events
        .iter()
        .filter(|event| {
            event["kind"]["type"] == "target_executed" && event["kind"]["incarnation"] == 1
        })
        .map(|event| event["kind"]["node"].as_str().unwrap())
        .collect();
    assert_eq!(again, ["cache"]);
}

#[test]
fn what_a_cache_cannot_be_is_refused_by_its_line() {
    let text = std::fs::read_to_string(experiment("cache.toml")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wrong.toml");
    for (from, to, told) in [
        (
            "kind = \"nginx\", stale_if_error = \"always\"",
            "kind = \"nginx\", stale_if_error = \"5s\"",
            "supports only",
        ),
        (
            "kind = \"builtin\", stale_if_error = \"60s\"",
            "kind = \"builtin\", stale_if_error = \"soon\"",
            "or write \"always\"",
        ),
        (
            "kind = \"builtin\", stale_if_error = \"60s\"",
            "kind = \"builtin\", ignore_private = \"1ms\"",
            "at least 1s",
        ),
        (
            "kind = \"builtin\", stale_if_error = \"60s\"",
            "command = [\"x\", \"{port}\"], stale_if_error = \"1s\"",
            "write them into the command",
        ),
        (
            "kind = \"builtin\", stale_if_error = \"60s\"",
            "kind = \"builtin\", command = [\"x\", \"{port}\"]",
            "not both",
        ),
        ("kind = \"nginx\"", "kind = \"varnish\"", "varnish"),
        ("replicas:all", "cache", "there is no [cache]"),
        (
            "boot_header = ",
            "protocol = \"h2c\"\nboot_header = ",
            "asks the server in HTTP/1.1",
        ),
        (
            "[session.browse]\nrequest",
            "[session.step.page]\nrequest",
            "there is no page to browse",
        ),
        ("browse = 50", "browse = 5000000", "more than 1000000"),
        ("random % 4 }}?", "visits }}?", "visits"),
    ] {
        assert!(text.contains(from), "{from}");
        std::fs::write(&file, text.replacen(from, to, 1)).unwrap();
        let run = support::run(&["validate", file.to_str().unwrap()]);
        assert_eq!(run.code(), 2, "{to}: {}", run.printed());
        assert!(run.printed().contains(told), "{to}: {}", run.printed());
    }
}

#[test]
fn an_arm_whose_cache_is_not_installed_is_skipped_and_says_how_to_install_it() {
    let text = std::fs::read_to_string(experiment("cache.toml")).unwrap();
    let (common, arms) = text.split_once("[[arm]]").unwrap();
    let nginx = arms.rsplit_once("[[arm]]").unwrap().1;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("alone.toml"),
        format!("{common}[[arm]]{nginx}"),
    )
    .unwrap();
    let words = ["run", "alone.toml", "--out", "out"];
    let mut command = support::command(folder.path(), &words);
    let output = command.env("PATH", "/nowhere").output().unwrap();
    let said = support::said(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    let reason = "nginx-stale: cache: nginx is not installed: apt-get install nginx-light";
    assert!(said.contains(reason), "{said}");
}
