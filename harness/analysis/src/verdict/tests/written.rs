//! How a gate is written.

use std::collections::BTreeSet;

use comeback_model::gate::METRICS;

use super::*;

#[track_caller]
fn check_refused(text: &str, said: &str) {
    let error = Gate::try_from(text.to_owned()).expect_err(text).to_string();
    assert!(
        error.starts_with(&format!("'{text}' is not a gate: ")),
        "{error}"
    );
    assert!(error.contains(said), "{error}");
}

const COUNTS: [&str; 10] = [
    "lost_sessions",
    "reset_sessions",
    "wrong_identity",
    "zombie_sessions",
    "lost_writes",
    "duplicated_writes",
    "phantom_writes",
    "unrecovered",
    "in_flight_failed",
    "drain_failed",
];
const RATES: [&str; 6] = [
    "availability",
    "journey_goodput",
    "error_rate.before",
    "error_rate.during",
    "error_rate.after",
    "control.error_rate",
];
const LATENCIES: [&str; 6] = [
    "latency.before.p50",
    "latency.before.p99",
    "latency.during.p50",
    "latency.during.p99",
    "latency.after.p50",
    "latency.after.p99",
];
const TIMES: [&str; 10] = [
    "time_to_detect",
    "time_to_restart",
    "time_to_listen",
    "time_to_ready",
    "outage",
    "client_outage",
    "blind_time",
    "time_to_steady",
    "longest_gap",
    "outage_area",
];

/// Every metric with a bound of its kind.
fn demands() -> Vec<(String, &'static str)> {
    let counts = COUNTS.map(|name| (name.to_owned(), "0"));
    let rates = RATES.map(|name| (name.to_owned(), "0.1%"));
    let times = TIMES
        .iter()
        .flat_map(|name| ["median", "p95", "max"].map(|stat| (format!("{name}.{stat}"), "250ms")));
    let latencies = LATENCIES.map(|name| (name.to_owned(), "250ms"));
    let figures = times.chain(latencies);
    counts.into_iter().chain(rates).chain(figures).collect()
}

#[test]
fn the_metrics_that_are_tested_are_all_there_are() {
    let tested: BTreeSet<String> = demands().into_iter().map(|(metric, _)| metric).collect();
    let known = METRICS.map(|(name, _)| name.to_owned());
    assert_eq!(tested, BTreeSet::from(known));
}

#[test]
fn every_metric_is_read_with_every_relation_and_written_as_it_was() {
    for (metric, bound) in demands() {
        for relation in ["<", "<=", "==", ">=", ">"] {
            let text = format!("{metric} {relation} {bound}");
            assert_eq!(gate(&text).to_string(), text);
        }
    }
}

#[test]
fn a_misspelt_metric_is_refused_with_the_nearest() {
    for (text, nearest) in [
        ("lost_session == 0", "lost_sessions"),
        ("Unrecovered == 0", "unrecovered"),
        ("time_to_raedy.median < 2s", "time_to_ready.median"),
        ("latency.before.p90 < 2ms", "latency.before.p50"),
        ("avialability >= 99%", "availability"),
    ] {
        check_refused(text, &format!("did you mean {nearest}?"));
    }
}

#[test]
fn an_unknown_metric_is_refused_with_all_there_are() {
    for (metric, _) in demands() {
        check_refused("throughput == 0", &metric);
    }
    check_refused(
        " == 0",
        "is not a metric; there are lost_sessions, reset_sessions",
    );
}

#[test]
fn half_a_metric_is_refused_with_its_other_halves() {
    check_refused(
        "time_to_ready < 2s",
        "write time_to_ready.median, time_to_ready.p95, time_to_ready.max",
    );
    check_refused(
        "latency.before < 2s",
        "write latency.before.p50, latency.before.p99",
    );
}

#[test]
fn an_unknown_relation_is_refused_with_all_there_are() {
    for text in [
        "",
        "lost_sessions",
        "lost_sessions 0",
        "lost_sessions = 0",
        "lost_sessions != 0",
    ] {
        check_refused(text, "one of < <= == >= >");
    }
    check_refused("lost_sessions =< 0", "'lost_sessions =' is not a metric");
    check_refused("lost_sessions === 0", "'= 0' is not a bound");
    check_refused(
        "lost_sessions < 1 <= 2",
        "'lost_sessions < 1' is not a metric",
    );
}

#[test]
fn a_time_without_a_unit_or_with_another_is_refused_with_the_mend() {
    for bound in ["2", "2 parsecs", "2%", "", "-1s", "inf"] {
        check_refused(
            &format!("time_to_ready.median < {bound}"),
            "such as 250ms, 2s or 1m",
        );
        check_refused(
            &format!("outage_area.max < {bound}"),
            "such as 250ms, 2s or 1m",
        );
    }
}

#[test]
fn a_count_that_cannot_be_counted_is_refused() {
    for bound in ["", "none", "-1", "1.5", "0.1%", "2s", "inf", "NaN"] {
        check_refused(
            &format!("lost_writes <= {bound}"),
            "write a count such as 0",
        );
    }
}

#[test]
fn a_share_beyond_everything_is_refused() {
    for bound in [
        "", "5", "1.001", "101%", "-1%", "1%%", "2s", "inf", "NaN", "NaN%",
    ] {
        check_refused(
            &format!("error_rate.after <= {bound}"),
            "write a share such as 0.001 or 0.1%",
        );
    }
    for bound in ["0", "1", "0%", "100%", "0.001", "0.1 %"] {
        gate(&format!("error_rate.after <= {bound}"));
    }
}

#[test]
fn spaces_mean_nothing() {
    for text in ["lost_sessions==1", "  lost_sessions  ==  1  "] {
        check_gate(&[faulted()], text, Outcome::Fail, "0 of 3");
    }
}

#[test]
fn a_gate_is_stored_as_its_text() {
    for text in [
        "time_to_ready.median < 2s",
        "error_rate.after<=0.1%",
        " unrecovered == 0 ",
    ] {
        let stored = serde_json::to_string(&gate(text)).unwrap();
        assert_eq!(stored, format!("\"{text}\""));
        assert_eq!(serde_json::from_str::<Gate>(&stored).unwrap(), gate(text));
    }
    let error = serde_json::from_str::<Gate>("\"lost == 0\"").unwrap_err();
    assert!(
        error.to_string().contains("'lost' is not a metric"),
        "{error}"
    );
}
