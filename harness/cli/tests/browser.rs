//! The HTML report in a real browser: it fits a phone, follows the dark mode, and needs nothing from outside.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use support::run;

const BROWSER: &str = "chromium";
/// The narrowest common phone.
const PHONE_PX: u64 = 380;

/// Loads the report in a frame as wide as a phone and reads back what a person would see of it.
const PAGE: &str = r#"<!doctype html><body><iframe id="phone" style="border:0;height:900px"></iframe>
<pre id="seen"></pre><script>
const frame = document.getElementById("phone");
frame.style.width = WIDTH + "px";
frame.onload = () => {
  const inner = frame.contentDocument, root = inner.documentElement;
  const shown = [...inner.querySelectorAll("svg")].filter(svg => svg.getBoundingClientRect().width > 0);
  document.getElementById("seen").textContent = JSON.stringify({
    width: root.scrollWidth,
    charts: shown.length,
    rows: inner.querySelectorAll("table tr").length,
    background: frame.contentWindow.getComputedStyle(inner.body).backgroundColor,
    outside: frame.contentWindow.performance.getEntriesByType("resource").length,
  });
};
frame.srcdoc = REPORT;
</script>"#;

fn look(folder: &Path, report: &str, scheme: &str) -> Value {
    // A script's text must not hold the end of a script.
    let report = serde_json::to_string(report).unwrap().replace("</", "<\\/");
    let page = PAGE
        .replace("WIDTH", &PHONE_PX.to_string())
        .replace("REPORT", &report);
    std::fs::write(folder.join("page.html"), page).unwrap();
    let output = Command::new(BROWSER)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-sync",
        ])
        .args([
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-quic",
        ])
        .arg(format!(
            "--user-data-dir={}",
            folder.join("profile").display()
        ))
        .arg(format!("--blink-settings=preferredColorScheme={scheme}"))
        .args(["--virtual-time-budget=10000", "--dump-dom"])
        .arg(format!("file://{}", folder.join("page.html").display()))
        .stderr(Stdio::null())
        .output()
        .unwrap();
    let dom = String::from_utf8(output.stdout).unwrap();
    let seen = dom
        .split("<pre id=\"seen\">")
        .nth(1)
        .unwrap()
        .split("</pre>")
        .next()
        .unwrap();
    serde_json::from_str(seen).unwrap_or_else(|_| panic!("the page did not load: {seen}"))
}

/// Whether the browser is there; where it is not the test is skipped, which in CI is a failure.
fn has_browser() -> bool {
    support::has(BROWSER, &[BROWSER, "--version"])
}

/// Sees that a page is no wider than a phone, follows the dark mode, loads nothing, and shows so many charts and rows.
fn check(folder: &Path, page: &str, charts: u64, rows: u64) {
    let [light, dark] = ["1", "0"].map(|scheme| look(folder, page, scheme));
    for seen in [&light, &dark] {
        let width = seen["width"].as_u64().unwrap();
        assert!(
            (1..=PHONE_PX).contains(&width),
            "wider than the phone: {seen}"
        );
        assert_eq!(seen["charts"], charts, "{seen}");
        assert!(seen["rows"].as_u64().unwrap() >= rows, "{seen}");
        assert_eq!(seen["outside"], 0, "{seen}");
    }
    assert_ne!(light["background"], dark["background"]);
}

#[test]
fn the_report_fits_a_phone_in_light_and_dark_and_loads_nothing() {
    if !has_browser() {
        return;
    }
    let run = run(&[
        "compare",
        "memory",
        "token",
        "--quick",
        "--trials",
        "1",
        "--sessions",
        "30",
        "--rate",
        "100",
        "--out",
        "out",
        "--quiet",
    ]);
    if !support::ended_with(&run, 0) {
        return;
    }
    let report = std::fs::read_to_string(run.out().join("report.html")).unwrap();
    check(run.folder.path(), &report, 7, 3);
}

#[test]
fn the_page_of_claims_fits_a_phone_in_light_and_dark_and_loads_nothing() {
    if !has_browser() || !support::has("redis-server", &["redis-server", "--version"]) {
        return;
    }
    let run = run(&[
        "claims", "1", "4", "9", "--quick", "--out", "out", "--quiet",
    ]);
    let page = std::fs::read_to_string(run.out().join("claims.html")).unwrap();
    check(run.folder.path(), &page, 3, 4);
}
