//! The HTML report in a real browser: it fits a phone, follows the dark mode, and needs nothing from outside.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test may panic, and says when it is skipped"
)]

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

fn is_installed() -> bool {
    let version = Command::new(BROWSER)
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    version.is_ok_and(|status| status.success())
}

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

#[test]
fn the_report_fits_a_phone_in_light_and_dark_and_loads_nothing() {
    if !is_installed() {
        let why =
            format!("skipped: {BROWSER} is not installed (`cargo xtask install` installs it)");
        assert!(std::env::var_os("CI").is_none(), "{why}");
        eprintln!("{why}");
        return;
    }
    let run = run(&[
        "compare", "memory", "token", "--quick", "--trials", "1", "--out", "out", "--quiet",
    ]);
    let report = std::fs::read_to_string(run.out().join("report.html")).unwrap();
    let [light, dark] = ["1", "0"].map(|scheme| look(run.folder.path(), &report, scheme));
    for seen in [&light, &dark] {
        let width = seen["width"].as_u64().unwrap();
        assert!(
            (1..=PHONE_PX).contains(&width),
            "wider than the phone: {seen}"
        );
        assert_eq!(seen["charts"], 5, "{seen}");
        assert!(seen["rows"].as_u64().unwrap() > 2, "{seen}");
        assert_eq!(seen["outside"], 0, "{seen}");
    }
    assert_ne!(light["background"], dark["background"]);
}
