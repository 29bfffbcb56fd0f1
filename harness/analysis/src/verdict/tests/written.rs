//! How a gate is written.

use std::collections::BTreeSet;

use comeback_model::gate::{METRICS, Unit};

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

/// Every metric with a bound of its kind.
fn demands() -> impl Iterator<Item = (&'static str, &'static str)> {
    METRICS.into_iter().map(|(name, metric)| {
        let bound = match metric.unit() {
            Unit::Count => "0",
            Unit::Share => "0.1%",
            Unit::Ms | Unit::Seconds => "250ms",
        };
        (name, bound)
    })
}

#[test]
fn no_two_metrics_have_one_name() {
    let names: BTreeSet<&str> = demands().map(|(name, _)| name).collect();
    assert_eq!(names.len(), METRICS.len());
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
        check_refused("throughput == 0", metric);
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
    for text in ["", "lost_sessions", "lost_sessions 0", "lost_sessions != 0"] {
        check_refused(text, "one of < <= == >= >");
    }
    check_refused("lost_sessions = 0", "did you mean 'lost_sessions == 0'?");
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
