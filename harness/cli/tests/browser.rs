//! The HTML pages in a real browser: they fit a phone, follow the dark mode, need nothing from outside and complain of nothing. What
//! moves in a report does so by mouse and by keyboard, and all of it is there without a script. axe-core finds nothing serious, and a
//! report looks as its stored pictures do.

#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::print_stderr, reason = "a test tells how much pictures differ")]

#[path = "support/chromium.rs"]
mod chromium;
#[path = "support/pages.rs"]
mod pages;
#[path = "support/stored.rs"]
#[allow(dead_code, reason = "each test file uses its part")]
mod stored;
mod support;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use chromium::{LAPTOP, Page, Screen, has_browser};
use pages::Eye;
use serde_json::{Value, json};
use support::run;
use tempfile::TempDir;

/// The narrowest common phone.
const PHONE: Screen = Screen {
    width: 380,
    dark: false,
};

/// What a person would see of a page.
const SEEN: &str = r#"(() => {
  const root = document.documentElement;
  const is_shown = one => one.getBoundingClientRect().width > 0;
  const shown = name => [...document.querySelectorAll(name)].filter(is_shown).length;
  return {
    width: root.scrollWidth,
    charts: shown("figure svg"),
    live: shown(".plot"),
    rows: document.querySelectorAll("table tr").length,
    background: getComputedStyle(document.body).backgroundColor,
    outside: performance.getEntriesByType("resource").length,
  };
})()"#;

/// How much of a page there should be.
struct Expected {
    charts: u64,
    /// Plots to zoom into.
    live: u64,
    rows: u64,
}

/// Sees that a page is no wider than a phone, follows the dark mode, loads nothing, and shows so much; and that nobody is kept out of it.
fn check(file: &Path, expected: &Expected) {
    let mut page = Page::of(file, PHONE);
    let mut backgrounds = Vec::new();
    for dark in [false, true] {
        page.show(Screen { dark, ..PHONE });
        page.wait_until_drawn();
        let seen = page.see(SEEN);
        let width = seen["width"].as_u64().unwrap();
        assert!(
            (1..=u64::from(PHONE.width)).contains(&width),
            "wider than the phone: {seen}"
        );
        assert_eq!(seen["charts"], expected.charts, "{seen}");
        assert_eq!(seen["live"], expected.live, "{seen}");
        assert!(seen["rows"].as_u64().unwrap() >= expected.rows, "{seen}");
        assert_eq!(seen["outside"], 0, "{seen}");
        backgrounds.push(seen["background"].clone());
    }
    assert_ne!(backgrounds[0], backgrounds[1]);
    assert_eq!(page.complaints(), [""; 0]);
    assert_no_barriers(file);
}

/// Sees that axe-core finds nothing serious in a page, wide and narrow, light and dark.
fn assert_no_barriers(file: &Path) {
    for width in [PHONE.width, LAPTOP.width] {
        for dark in [false, true] {
            let screen = Screen { width, dark };
            let mut page = Page::of(file, screen);
            assert_eq!(pages::barriers(&mut page), [""; 0], "{screen:?}");
        }
    }
}

#[test]
fn the_report_fits_a_phone_in_light_and_dark_and_loads_nothing() {
    if !has_browser() || !pages::has_packages() {
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
    let expected = Expected {
        charts: 7,
        live: 2,
        rows: 3,
    };
    check(&run.out().join("report.html"), &expected);
}

#[test]
fn the_page_of_claims_fits_a_phone_in_light_and_dark_and_loads_nothing() {
    let has_redis = || support::has("redis-server", &["redis-server", "--version"]);
    if !has_browser() || !has_redis() || !pages::has_packages() {
        return;
    }
    let run = run(&[
        "claims", "1", "4", "9", "--quick", "--out", "out", "--quiet",
    ]);
    let expected = Expected {
        charts: 3,
        live: 0,
        rows: 4,
    };
    check(&run.out().join("claims.html"), &expected);
}

/// The report of a stored run, whose header was changed before.
struct Report {
    folder: TempDir,
}

impl Report {
    fn new(change: impl FnOnce(&mut Value)) -> Self {
        Self::with(change, |_| ())
    }

    /// The same, with what else is put into the folder.
    fn with(change: impl FnOnce(&mut Value), put: impl FnOnce(&Path)) -> Self {
        let stored = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/journals/compare");
        let folder = stored::copy(&stored);
        stored::edit(folder.path(), change);
        put(folder.path());
        let made = support::command(folder.path(), &["report", "."])
            .output()
            .unwrap();
        assert!(
            made.status
                .code()
                .is_some_and(|code| code != 2 && code != 4),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        Self { folder }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("report.html")
    }
}

#[test]
fn the_timeline_tells_exact_values_zooms_and_hides_what_is_not_asked_for() {
    if !has_browser() {
        return;
    }
    let report = Report::new(|_| ());
    let mut page = Page::of(&report.file(), LAPTOP);
    let plots = page
        .see("document.querySelectorAll('.plot').length")
        .as_u64()
        .unwrap();
    assert!(plots > 1, "{plots} plots");
    let static_ones = "document.querySelectorAll('#timeline svg').length > 0 && \
        [...document.querySelectorAll('#timeline svg')].every(svg => svg.getBoundingClientRect().width === 0)";
    assert_eq!(page.see(static_ones), true);

    // The figures below the mouse are those that came with the page, in all plots at once.
    let data = page.see("JSON.parse(document.querySelector('script.series').textContent)");
    let readings = "[...document.querySelectorAll('.reading')].map(one => one.textContent)";
    let before = page.see(readings);
    let [left, top, width, height] = page.place(".plot .u-over");
    let middle = top + height / 2.0;
    page.mouse("mouseMoved", (left + width * 0.9, middle), "none");
    page.wait_until_drawn();
    let told = page.see(readings);
    for (place, panel) in data["panels"].as_array().unwrap().iter().enumerate() {
        let told = told[place].as_str().unwrap();
        let windows = panel["windows"].as_array().unwrap();
        let from = |window: &Value| plain(window[0].as_f64().unwrap());
        let window = windows
            .iter()
            .find(|one| told.starts_with(&format!("{} to ", from(one))));
        let Some(window) = window else {
            // An arm that was observed for less long has nothing to say there.
            assert_eq!(before[place], *told);
            continue;
        };
        for figure in [&window[2], &window[5]] {
            let figure = format!(" {}/s", plain(figure.as_f64().unwrap()));
            assert!(told.contains(&figure), "{figure} in {told}");
        }
    }
    assert_ne!(told[0], before[0]);

    // Dragging zooms all plots; two clicks show all of the time again.
    let picture = |page: &mut Page, place: u64| {
        page.see(&format!(
            "document.querySelectorAll('.plot canvas')[{place}].toDataURL()"
        ))
    };
    let is_whole = "[...document.querySelectorAll('.group button')].at(-1).disabled";
    assert_eq!(page.see(is_whole), true);
    let last = plots - 1;
    let whole = picture(&mut page, last);
    page.mouse("mousePressed", (left + width * 0.2, middle), "left");
    page.mouse("mouseMoved", (left + width * 0.4, middle), "left");
    page.mouse("mouseReleased", (left + width * 0.4, middle), "left");
    page.wait_until_drawn();
    assert_eq!(page.see(is_whole), false);
    assert_ne!(picture(&mut page, last), whole);
    for clicks in [1, 2] {
        for kind in ["mousePressed", "mouseReleased"] {
            let click = json!({
                "type": kind, "x": left + width * 0.5, "y": middle, "button": "left", "clickCount": clicks,
            });
            page.call("Input.dispatchMouseEvent", click);
        }
    }
    page.wait_until_drawn();
    assert_eq!(page.see(is_whole), true);
    assert_eq!(picture(&mut page, last), whole);

    // By keyboard: read values, zoom, and back.
    page.see("document.querySelector('.plot').focus()");
    page.press("ArrowRight");
    let at_fault = page.see(readings);
    page.press("ArrowRight");
    let next = page.see(readings);
    assert_ne!(at_fault[0], next[0]);
    page.press("+");
    assert_eq!(page.see(is_whole), false);
    page.press("0");
    assert_eq!(page.see(is_whole), true);

    // A box that is not ticked takes its curve, or its arm.
    page.see("document.activeElement.blur()");
    page.wait_until_drawn();
    page.click(".toggle input");
    assert_ne!(picture(&mut page, last), whole);
    page.click(".toggle input");
    assert_eq!(picture(&mut page, last), whole);
    let shown = "[...document.querySelectorAll('.plot')].filter(one => one.getBoundingClientRect().width > 0).length";
    page.click("[aria-label=Arms] input");
    assert_eq!(page.see(shown), last);
    assert_eq!(page.complaints(), [""; 0]);
}

/// As the page writes numbers.
fn plain(figure: f64) -> String {
    let text = format!("{:.3}", figure.abs());
    let text = text.trim_end_matches('0').trim_end_matches('.').to_owned();
    assert!(
        figure.abs() < 1_000.0,
        "{figure} would be written with a comma"
    );
    format!("{}{text}", if figure < 0.0 { "−" } else { "" })
}

#[test]
fn the_comparison_sorts_by_keyboard_and_back() {
    if !has_browser() {
        return;
    }
    let report = Report::new(|_| ());
    let mut page = Page::of(&report.file(), LAPTOP);
    let keys = |column: usize| {
        format!(
            "[...document.querySelectorAll('.comparison tbody tr')].map(row => Number(row.cells[{column}].dataset.key))"
        )
    };
    let names =
        "[...document.querySelectorAll('.comparison tbody th')].map(one => one.dataset.key)";
    let planned = page.see(names);
    let figures = |page: &mut Page| -> Vec<f64> {
        let keys = page.see(&keys(1));
        keys.as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_f64)
            .collect()
    };
    let mut sorted = figures(&mut page);
    sorted.sort_by(f64::total_cmp);
    assert!(sorted.first() < sorted.last(), "{sorted:?}");
    page.see("document.querySelectorAll('.comparison .term')[0].focus()");
    page.press("Tab");
    let state = "document.activeElement.closest('th').getAttribute('aria-sort')";
    assert_eq!(page.see(state), "none");
    page.press("Enter");
    assert_eq!(
        (page.see(state), figures(&mut page)),
        (json!("ascending"), sorted.clone())
    );
    page.press("Enter");
    sorted.reverse();
    assert_eq!(
        (page.see(state), figures(&mut page)),
        (json!("descending"), sorted)
    );
    page.press("Enter");
    assert_eq!(
        (page.see(state), page.see(names)),
        (json!("none"), planned.clone())
    );
    page.click(".comparison th:first-child .sort");
    let mut by_name: Vec<String> = serde_json::from_value(planned).unwrap();
    by_name.sort();
    assert_eq!(page.see(names), json!(by_name));
    assert_eq!(page.complaints(), [""; 0]);
}

#[test]
fn a_dot_opens_its_trial_and_so_does_a_link_that_was_shared() {
    if !has_browser() {
        return;
    }
    let report = Report::new(|_| ());
    let mut page = Page::of(&report.file(), LAPTOP);
    let trial = page.see(
        "(() => { const dot = document.querySelector('#recovery-time .wide a'); dot.id = 'dot'; return dot.getAttribute('href'); })()",
    );
    let fold = format!(
        "document.querySelector('{}').closest('details.trial')",
        trial.as_str().unwrap()
    );
    let open = &format!("{fold}.open");
    assert_eq!(page.see(open), false);
    page.click("#dot");
    let focused = "'#' + document.activeElement.id";
    assert_eq!(
        (page.see(open), page.see(focused)),
        (json!(true), trial.clone())
    );
    assert_eq!(page.see("location.hash"), trial);
    // Again, after it was closed and left.
    page.see(&format!("{fold}.open = false"));
    page.click("#dot");
    assert_eq!(
        (page.see(open), page.see(focused)),
        (json!(true), trial.clone())
    );

    let mut page = Page::new(LAPTOP);
    page.open(&report.file(), trial.as_str().unwrap());
    assert_eq!((page.see(open), page.see(focused)), (json!(true), trial));
    assert_eq!(page.complaints(), [""; 0]);
}

#[test]
fn an_opened_trial_shows_its_phases_its_sessions_and_what_was_in_flight() {
    if !has_browser() {
        return;
    }
    let report = Report::new(|_| ());
    for scripts in [true, false] {
        let mut page = Page::new(PHONE);
        if !scripts {
            page.without_scripts();
        }
        page.open(&report.file(), "#trial-0");
        let seen = page.see(
            "(() => { const trial = document.querySelector('#trial-0'); const shown = name => [...trial.querySelectorAll(name)]\
             .filter(one => one.getBoundingClientRect().height > 0).length; return { figures: shown('dl dt'), phases: \
             shown('.phases'), sessions: shown('.strip li'), lost: shown('.strip .bad'), met: shown('.trials tbody tr'), \
             width: document.documentElement.scrollWidth }; })()",
        );
        for part in ["figures", "phases", "sessions"] {
            assert!(seen[part].as_u64() > Some(0), "{part}: {seen}");
        }
        assert!(seen["width"].as_u64() <= Some(PHONE.width.into()), "{seen}");
        assert_eq!(page.complaints(), [""; 0]);
    }
}

#[test]
fn the_search_shows_the_lines_of_logs_that_have_its_words_and_hides_other_trials() {
    if !has_browser() {
        return;
    }
    const HOSTILE: &str = "</pre><img src=x onerror=\"window.ran=1\"> \u{1b}[31mred";
    let report = Report::with(
        |_| (),
        |folder| {
            let logs = folder.join("logs");
            std::fs::create_dir(&logs).unwrap();
            let text = format!("started\nPANIC: no disk\n{HOSTILE}\n");
            std::fs::write(logs.join("trial-000-memory-0.log"), text).unwrap();
            std::fs::write(logs.join("trial-001-memory-0.log"), "started\n").unwrap();
        },
    );
    let mut page = Page::of(&report.file(), LAPTOP);
    assert_eq!(page.see("document.querySelectorAll('pre.log').length"), 2);
    assert_eq!(page.see("typeof window.ran"), "undefined");
    page.see("document.querySelector('#search').focus()");
    for letter in "panic".chars() {
        page.press(&letter.to_string());
    }
    let shown = "[...document.querySelectorAll('pre.log')].filter(one => one.getBoundingClientRect().height > 0).map(one => one.textContent)";
    assert_eq!(page.see(shown), json!(["PANIC: no disk"]));
    assert_eq!(
        page.see("document.querySelector('.search output').textContent"),
        "1 line"
    );
    let trials =
        "[...document.querySelectorAll('details.trial')].filter(one => !one.hidden).length";
    assert_eq!(page.see(trials), 1);
    page.see("(() => { const search = document.querySelector('#search'); search.value = ''; search.dispatchEvent(new Event('input')); })()");
    let whole = page.see("document.querySelector('pre.log').textContent");
    assert!(
        whole
            .as_str()
            .unwrap()
            .starts_with("started\nPANIC: no disk\n</pre><img"),
        "{whole}"
    );
    assert!(page.see(trials).as_u64() > Some(1));
    assert_eq!(page.complaints(), [""; 0]);
}

#[test]
fn nobody_is_kept_out_of_a_trend() {
    if !has_browser() || !pages::has_packages() {
        return;
    }
    let [first, second] = ["2026-11-26T10:00:00Z", "2026-11-27T10:00:00Z"]
        .map(|started| Report::new(|header| header["started"] = json!(started)));
    let work = tempfile::tempdir().unwrap();
    let folders = [&first, &second].map(|report| report.folder.path().to_str().unwrap());
    let made = support::command(
        work.path(),
        &["report", folders[0], folders[1], "--out", "trend"],
    )
    .output()
    .unwrap();
    assert!(made.status.success(), "{}", support::said(&made));
    assert_no_barriers(&work.path().join("trend/trend.html"));
}

/// The share of pixels that may differ to the eye. Fonts are pinned, and the same browser draws the same picture twice. What is left
/// are the numbers at the axes of the live plots, in the machine's own font, and how another version of the browser smooths letters.
const DIFFERENT_MOST: f64 = 0.001_5;

/// The screens that a report is pictured on.
const SCREENS: [u32; 3] = [380, 800, 1_280];

/// A report as it is shown on a screen, with one of its trials open.
fn pictured(report: &Report, screen: Screen, change: &str) -> Vec<u8> {
    let mut page = Page::of(&report.file(), screen);
    pages::pin_fonts(&mut page);
    page.see("document.querySelector('details.trial').open = true");
    page.see(&format!("{change}; 0"));
    page.wait_until_drawn();
    pages::pictured(&mut page, screen)
}

#[test]
fn a_report_looks_as_its_stored_pictures_do() {
    if !has_browser() || !pages::has_packages() {
        return;
    }
    let report = Report::new(|_| ());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/pages");
    let mut eye = Eye::new();
    let is_stored_anew = std::env::var_os("COMEBACK_STORE_PAGES").is_some();
    for width in SCREENS {
        for dark in [false, true] {
            let picture = pictured(&report, Screen { width, dark }, "");
            let scheme = if dark { "dark" } else { "light" };
            let stored = folder.join(format!("report-{width}-{scheme}.webp"));
            if is_stored_anew {
                std::fs::create_dir_all(&folder).unwrap();
                std::fs::write(&stored, &picture).unwrap();
                continue;
            }
            let known = std::fs::read(&stored).unwrap();
            let distance = eye.distance(&known, &picture);
            eprintln!(
                "{}: {:.3} % of pixels differ",
                stored.display(),
                100.0 * distance
            );
            if distance > DIFFERENT_MOST {
                let seen = std::env::temp_dir().join(format!("report-{width}-{scheme}-seen.webp"));
                std::fs::write(&seen, &picture).unwrap();
                panic!(
                    "{:.2} % of {} differ from {}: look at both. COMEBACK_STORE_PAGES=1 stores it anew",
                    100.0 * distance,
                    stored.display(),
                    seen.display()
                );
            }
        }
    }
}

#[test]
fn a_changed_colour_and_a_moved_block_are_a_difference_to_the_eye_and_nothing_is_none() {
    if !has_browser() || !pages::has_packages() {
        return;
    }
    let report = Report::new(|_| ());
    let screen = Screen {
        width: SCREENS[1],
        dark: false,
    };
    let picture = pictured(&report, screen, "");
    let mut eye = Eye::new();
    let mut distance = |change| eye.distance(&picture, &pictured(&report, screen, change));
    let none = distance("");
    assert!(none < DIFFERENT_MOST, "{none}");
    for change in [
        "document.documentElement.style.setProperty('--muted', '#C00')",
        "document.querySelector('.verdict').style.background = '#FDD'",
        "document.querySelector('h2').style.marginTop = '6rem'",
        "document.querySelector('#timeline').style.marginLeft = '2rem'",
        "document.querySelector('.findings').hidden = true",
    ] {
        let distance = distance(change);
        eprintln!("{:.3} % by {change}", 100.0 * distance);
        assert!(distance > DIFFERENT_MOST, "{change}: {distance}");
    }
}

#[test]
fn words_are_explained_by_keyboard_and_without_a_script() {
    if !has_browser() {
        return;
    }
    let report = Report::new(|_| ());
    for scripts in [true, false] {
        let mut page = Page::new(PHONE);
        if !scripts {
            page.without_scripts();
        }
        page.open(&report.file(), "");
        let open = "document.querySelector('#word-lost-session').matches(':popover-open')";
        assert_eq!(page.see(open), false);
        page.see("document.querySelector('.comparison .term').focus()");
        page.press("Enter");
        assert_eq!(page.see(open), true);
        let is_inside = "(() => { const { x, right, y, bottom } = document.querySelector('#word-lost-session').getBoundingClientRect(); \
            return x >= 0 && right <= innerWidth && y >= 0 && bottom <= innerHeight; })()";
        assert_eq!(page.see(is_inside), true);
        page.press("Escape");
        assert_eq!(page.see(open), false);
        assert_eq!(page.complaints(), [""; 0]);
    }
}

#[test]
fn without_a_script_the_page_is_whole() {
    if !has_browser() {
        return;
    }
    let report = Report::new(|_| ());
    let mut page = Page::new(LAPTOP);
    page.without_scripts();
    page.open(&report.file(), "#trial-1");
    let seen = page.see(SEEN);
    assert_eq!(
        (&seen["charts"], &seen["live"]),
        (&json!(8), &json!(0)),
        "{seen}"
    );
    assert_eq!(page.see("document.querySelectorAll('.sort').length"), 0);
    // The browser itself unfolds what a link leads to.
    assert_eq!(
        page.see("document.querySelector('#trial-1').getBoundingClientRect().height > 0"),
        true
    );
    assert_eq!(page.complaints(), [""; 0]);
}

#[test]
fn hostile_names_are_text_and_no_foreign_script_runs() {
    if !has_browser() {
        return;
    }
    const HOSTILE: &str =
        "</script><img src=x onerror=\"window.ran='name'\"><script>window.ran='name'</script>";
    let report = Report::new(|header| {
        header["plan"]["name"] = json!(HOSTILE);
        header["plan"]["arms"][0]["name"] = json!(HOSTILE);
        header["plan"]["arms"][0]["about"] = json!(HOSTILE);
    });
    let mut page = Page::of(&report.file(), LAPTOP);
    assert_eq!(
        page.see("document.querySelector('h1').textContent"),
        HOSTILE
    );
    assert_eq!(
        page.see("document.querySelector('.comparison tbody th').dataset.key"),
        HOSTILE
    );
    assert_eq!(
        page.see("document.querySelector('.panel h4').textContent"),
        HOSTILE
    );
    assert_eq!(page.see("document.images.length"), 0);
    assert_eq!(page.see("typeof window.ran"), "undefined");
    assert_eq!(page.complaints(), [""; 0]);
    // Were one of these names markup after all, the policy would stop it.
    for attempt in [
        "document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.ran=1\">')",
        "document.body.append(Object.assign(document.createElement('script'), { textContent: 'window.ran = 1' }))",
    ] {
        page.see(&format!("{attempt}, 0"));
        assert_eq!(page.see("typeof window.ran"), "undefined");
        let complaints = page.complaints();
        assert!(
            complaints
                .iter()
                .any(|one| one.contains("Content Security Policy")),
            "{attempt}: {complaints:?}"
        );
    }
}

/// Waits in the page until this is so, looking whenever it changes.
fn until(page: &mut Page, expression: &str) {
    page.see(&format!(
        "new Promise(done => {{ const look = () => {{ if ({expression}) {{ watch.disconnect(); done(0); }} }}; \
         const watch = new MutationObserver(look); \
         watch.observe(document, {{ subtree: true, childList: true, characterData: true, attributes: true }}); look(); }})"
    ));
}

#[test]
fn a_run_is_seen_in_the_browser_while_it_goes_on_and_its_report_when_it_ends() {
    if !has_browser() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let words = [
        "compare", "memory", "token", "--quick", "--trials", "2", "--rate", "100", "--out", "out",
        "--serve", "--quiet",
    ];
    let mut run = support::command(folder.path(), &words)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(run.stderr.take().unwrap()).lines();
    let line = lines.next().unwrap().unwrap();
    let url = line.strip_prefix("live page: ").expect(&line);
    let mut page = Page::new(PHONE);
    page.visit(url);
    let number = "Number(document.getElementById('trial').textContent.split(' ')[1])";
    until(&mut page, &format!("{number} >= 2"));
    let before = page.see(number).as_u64();
    until(&mut page, "document.querySelector('#landed time')");
    let seen = page.see(
        "({ width: document.documentElement.scrollWidth, plots: document.querySelectorAll('.chart canvas').length, \
           phases: document.querySelectorAll('#phases li').length, now: document.querySelectorAll('[aria-current=step]').length, \
           title: document.title })",
    );
    assert!(
        seen["width"].as_u64() <= Some(u64::from(PHONE.width)),
        "{seen}"
    );
    assert_eq!(
        (&seen["plots"], &seen["phases"], &seen["now"]),
        (&json!(2), &json!(9), &json!(1)),
        "{seen}"
    );
    until(&mut page, &format!("{number} > {}", before.unwrap()));
    // By itself the page opens the report.
    page.wait_for("Page.loadEventFired");
    assert_eq!(page.see("location.pathname"), "/report");
    assert!(
        page.see("document.querySelectorAll('.comparison tbody tr').length")
            .as_u64()
            >= Some(2)
    );
    let rest: Vec<String> = lines.map_while(Result::ok).collect();
    assert_eq!(run.wait().unwrap().code(), Some(0), "{rest:?}");
    assert_eq!(page.complaints(), [""; 0]);
}
