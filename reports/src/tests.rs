//! Reports of invented runs, as a whole.

use std::collections::BTreeSet;

use comeback_analysis::measure::{Dot, Ending};
use comeback_analysis::summary::{
    CacheSummary, ErrorRate, Status, Summary, WhileDownSummary, windows_over,
};
use comeback_model::plan::DiskModel;
use comeback_model::plan::fault::Effect;
use comeback_model::units::Span;
use sha2::{Digest, Sha256};

use crate::arms::RunView;
use crate::draw::{Align, Drawing, Ink, Point, Shape, Style, text};
use crate::fake::{self, Fake};
use crate::format::{lost_of, percent};
use crate::table::Table;
use crate::{Artifact, Logs, RenderError, chart_files, charts, comparison, look, page, render};

type Made = Result<(), RenderError>;

fn fakes() -> [(&'static str, Fake); 7] {
    [
        ("rich", fake::rich()),
        ("many", fake::many()),
        ("single", fake::single()),
        ("never", fake::never()),
        ("stateless", fake::stateless()),
        ("empty", fake::empty()),
        ("replicas", fake::replicas()),
    ]
}

fn artifacts(fake: &Fake) -> Result<Vec<Artifact>, RenderError> {
    render(&fake.analysis, &fake.verdict, &fake.summary, &Logs::new())
}

fn text_of<'a>(artifacts: &'a [Artifact], path: &str) -> &'a str {
    let artifact = artifacts.iter().find(|artifact| artifact.path == path);
    let bytes = artifact.map_or(&b""[..], |artifact| &artifact.bytes);
    std::str::from_utf8(bytes).expect("a text")
}

fn has_several_outages(fake: &Fake) -> bool {
    let mut arms = fake.analysis.arms.iter().zip(&fake.summary.arms);
    arms.any(|(arm, summary)| {
        let outages = arm.faulted().filter(|trial| trial.outage.is_some());
        summary.status == Status::Measured && outages.count() > 1
    })
}

#[test]
fn a_report_has_every_file_and_none_is_empty() -> Made {
    for (name, fake) in fakes() {
        let artifacts = artifacts(&fake)?;
        let paths: Vec<&str> = artifacts
            .iter()
            .map(|artifact| artifact.path.as_str())
            .collect();
        let of_replicas = match name {
            "replicas" => &["who-served", "who-failed", "continuity", "goodput"][..],
            _ => &[],
        };
        let charts = [
            "lost-sessions",
            "lost-writes",
            "error-rate",
            "errors-over-time",
            "timeline",
            "latency",
        ];
        let charts = charts.into_iter();
        let charts = charts
            .chain(of_replicas.iter().copied())
            .chain(["recovery-time"])
            .chain(has_several_outages(&fake).then_some("recovery-ecdf"))
            .chain(["recovery-chain"]);
        let charts = charts.flat_map(|chart| {
            ["svg", "png", "csv"].map(|format| format!("charts/{chart}.{format}"))
        });
        let documents = ["summary.json", "report.md", "report.html"].map(str::to_owned);
        assert_eq!(
            paths,
            documents.into_iter().chain(charts).collect::<Vec<_>>(),
            "{name}"
        );
        for artifact in &artifacts {
            // Of figures there may be none.
            let least = if artifact.path.ends_with(".csv") {
                50
            } else {
                500
            };
            assert!(artifact.bytes.len() > least, "{name}: {}", artifact.path);
            if artifact.path.ends_with(".png") {
                assert!(
                    artifact.bytes.starts_with(b"\x89PNG\r\n"),
                    "{}",
                    artifact.path
                );
            }
        }
    }
    Ok(())
}

#[test]
fn a_power_loss_is_told_with_its_disk_and_not_said_to_be_untested() -> Made {
    let mut fake = fake::rich();
    fake.analysis.header.plan.faults[0].needs.disk = Some(DiskModel::Strict);
    let artifacts = artifacts(&fake)?;
    for path in ["report.html", "report.md"] {
        let text = text_of(&artifacts, path);
        for wrong in ["page cache", "power loss is not tested", "process kill;"] {
            assert!(!text.contains(wrong), "{path}: {wrong}");
        }
        assert!(text.contains("a disk of the model strict"), "{path}");
        assert!(text.contains("over 1 power cut"), "{path}");
    }
    Ok(())
}

#[test]
fn a_fault_that_ends_nothing_is_not_said_to_have_ended_a_process() -> Made {
    let lasts = Span::from_secs(1);
    for (effect, t0) in [
        (Effect::StandsStill(lasts), "seen to stand still"),
        (Effect::Degrades(lasts), "the conditions were as before"),
    ] {
        let mut fake = fake::rich();
        fake.analysis.header.plan.faults[0].effect = effect;
        let artifacts = artifacts(&fake)?;
        for path in ["report.html", "report.md"] {
            let text = text_of(&artifacts, path);
            for wrong in [
                "confirmed to have ended",
                "takes the process",
                "exit of the old process",
            ] {
                assert!(!text.contains(wrong), "{effect:?}, {path}: {wrong}");
            }
        }
        let page = text_of(&artifacts, "report.html");
        assert!(
            page.contains("takes no memory from the server") && page.contains(t0),
            "{effect:?}"
        );
        // From a kill to a reply there is nothing, where nothing was killed.
        let is_drawn = artifacts
            .iter()
            .any(|one| one.path == "charts/recovery-time.svg");
        assert_eq!(is_drawn, effect == Effect::StandsStill(lasts));
    }
    Ok(())
}

#[test]
fn the_same_run_gives_the_same_bytes() -> Made {
    let fake = fake::single();
    assert_eq!(artifacts(&fake)?, artifacts(&fake)?);
    Ok(())
}

#[test]
fn drawings_are_well_formed_and_hold_no_impossible_number() -> Made {
    for (name, fake) in fakes() {
        for artifact in artifacts(&fake)? {
            let Some(svg) = artifact.path.strip_suffix(".svg") else {
                continue;
            };
            let text = std::str::from_utf8(&artifact.bytes).expect("SVG is text");
            assert!(text.starts_with("<svg width=\"960\""), "{name}: {svg}");
            well_formed(text).unwrap_or_else(|problem| panic!("{name}: {svg}: {problem}"));
            for word in ["NaN", "inf", "-2147483648", "2147483647"] {
                let values = text
                    .match_indices(word)
                    .filter(|(at, _)| inside_tag(text, *at));
                assert_eq!(values.count(), 0, "{name}: {svg}: {word}");
            }
        }
    }
    Ok(())
}

fn inside_tag(text: &str, at: usize) -> bool {
    text[..at].rfind('<') > text[..at].rfind('>')
}

/// A check of what our own writer can get wrong: tags that do not pair up, and stray markup characters.
fn well_formed(text: &str) -> Result<(), String> {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        stray(&rest[..start])?;
        let end = rest[start..].find('>').ok_or("a tag does not end")? + start;
        let tag = &rest[start + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            let opened = open.pop();
            if opened != Some(name) {
                return Err(format!("</{name}> ends {opened:?}"));
            }
        } else if !tag.ends_with('/') {
            open.push(tag.split(' ').next().unwrap_or(tag));
        }
        if tag.matches('"').count() % 2 == 1 {
            return Err(format!("quotes do not pair up in <{tag}>"));
        }
    }
    stray(rest)?;
    if open.is_empty() {
        Ok(())
    } else {
        Err(format!("{open:?} do not end"))
    }
}

fn stray(text: &str) -> Result<(), String> {
    for (at, _) in text.match_indices('&') {
        let end = text[at..].find(';').ok_or("an & stands alone")?;
        if end > 6 {
            return Err(format!("an & stands alone: {}", &text[at..at + end]));
        }
    }
    let forbidden = text.chars().find(|c| c.is_control() && *c != '\n');
    forbidden.map_or(Ok(()), |c| Err(format!("forbidden character {c:?}")))
}

#[test]
fn words_neither_overlap_nor_leave_the_drawing() -> Made {
    text::register()?;
    for (name, fake) in fakes() {
        let run = RunView::new(&fake.analysis, &fake.summary)?;
        for chart in charts::of(&run) {
            // The last one is a column of a journal: 85 mm, with words of 8 pt.
            let column = charts::Sheet::new(376.0);
            for width in [charts::WIDE, charts::NARROW, column] {
                let drawing = charts::with_footer((chart.draw)(&run, width), &run);
                legible(&drawing).unwrap_or_else(|problem| {
                    panic!("{name}: {} at {}: {problem}", chart.name, width.width)
                });
            }
        }
    }
    Ok(())
}

#[test]
fn the_interval_that_a_chart_draws_is_the_one_of_the_summary() -> Made {
    text::register()?;
    let mut seen = 0;
    for (name, fake) in fakes() {
        let run = RunView::new(&fake.analysis, &fake.summary)?;
        let charts = charts::of(&run).filter(|chart| chart.name == "lost-sessions");
        let drawn: Vec<Drawing> = charts
            .map(|chart| (chart.draw)(&run, charts::WIDE))
            .collect();
        for arm in run.arms.iter().filter(|arm| arm.silence.is_none()) {
            let known = arm.summary.session_loss;
            let (Some(low), Some(high)) = (known.low, known.high) else {
                continue;
            };
            let told = format!("95 % interval {} to {}", percent(low), percent(high));
            let tells =
                |shape: &Shape| matches!(shape, Shape::Text { text, .. } if text.contains(&told));
            let is_told = drawn.iter().any(|drawing| drawing.shapes.iter().any(tells));
            assert!(is_told, "{name}: {told}");
            seen += 1;
        }
    }
    assert!(seen > 0);
    Ok(())
}

/// All words of a chart, one after the other.
fn words_of(fake: &Fake, name: &str) -> Result<Vec<String>, RenderError> {
    text::register()?;
    let run = RunView::new(&fake.analysis, &fake.summary)?;
    let charts = charts::of(&run).filter(|chart| chart.name == name);
    let shapes = charts.flat_map(|chart| (chart.draw)(&run, charts::WIDE).shapes);
    let words = shapes.filter_map(|shape| match shape {
        Shape::Text { text, .. } => Some(text),
        _ => None,
    });
    Ok(words.collect())
}

#[test]
fn errors_by_phase_are_those_of_the_summary_and_nothing_asked_is_no_share() -> Made {
    let mut fake = fake::rich();
    let arm = &mut fake.summary.arms[0];
    arm.errors.before = ErrorRate::default();
    arm.errors.during = ErrorRate {
        scheduled: 1_000,
        failed: 940,
        rate: Some(0.94),
        trials: 7,
        low: Some(0.9),
        high: Some(0.97),
        ..ErrorRate::default()
    };
    arm.errors.after = ErrorRate {
        scheduled: 11,
        failed: 11,
        rate: Some(1.0),
        trials: 8,
        ..ErrorRate::default()
    };
    let words = words_of(&fake, "error-rate")?;
    let at = words.iter().position(|text| text == "token").unwrap_or(0);
    assert_eq!(
        words[at + 1..at + 8],
        [
            "8 trials",
            "control: none failed",
            "nothing was asked",
            "94 % [90 %, 97 %]",
            "940 of 1,000, in 7 trials",
            "all failed",
            "11 of 11",
        ]
    );
    // Three of its eight trials never came back, and so have nothing after it.
    let after = words.iter().any(|text| text == "60 of 7,000, in 5 trials");
    assert!(after, "{words:?}");
    Ok(())
}

#[test]
fn a_peak_stays_in_a_cloud_of_any_size_and_the_page_stays_small() -> Made {
    text::register()?;
    let mut fake = fake::single();
    let peak = Dot {
        at_ms: 2_000.0,
        took_ms: 7_000.0,
        ending: Ending::Correct,
    };
    let many = (0..300_000_u32).map(|place| Dot {
        at_ms: (place % 1_999) as f32 * 2.0 - 1_000.0,
        took_ms: 0.5 + (place % 997) as f32 * 0.9,
        ending: Ending::ALL[place as usize % 5],
    });
    fake.analysis.arms[0].trials[0].dots = many.chain([peak]).collect();
    let run = RunView::new(&fake.analysis, &fake.summary)?;
    let mut sizes = 0;
    for width in [charts::WIDE, charts::NARROW] {
        let charts = charts::of(&run).filter(|chart| chart.name == "latency");
        for chart in charts {
            let drawing = (chart.draw)(&run, width);
            // The legend shows three of each kind.
            let clouds = drawing.shapes.iter().filter_map(|shape| match shape {
                Shape::Strokes { lines, paint, .. } if lines.len() > 3 => Some((paint.ink, lines)),
                _ => None,
            });
            let correct = clouds.filter(|(ink, _)| *ink == Ink::Measure);
            let mut tops: Vec<f64> = correct
                .flat_map(|(_, lines)| lines.iter().map(|(from, _)| from.1))
                .collect();
            tops.sort_by(f64::total_cmp);
            // Nothing else is nearly as slow.
            assert!(tops[0] + 15.0 < tops[1], "{:?}", &tops[..3]);
            sizes += crate::draw::paint::svg(&drawing)?.len();
        }
    }
    assert!((10_000..300_000).contains(&sizes), "{sizes} bytes");
    Ok(())
}

#[test]
fn each_ending_has_its_mark_and_an_arm_without_operations_says_so() -> Made {
    let words = words_of(&fake::rich(), "latency")?;
    for name in [
        "correct",
        "failed reply",
        "refused or reset",
        "timed out",
        "not sent in time",
    ] {
        assert!(words.iter().any(|text| text == name), "{name}: {words:?}");
    }
    let mut fake = fake::single();
    let trials = fake.analysis.arms[0].trials.iter_mut();
    trials.for_each(|trial| trial.dots.clear());
    let words = words_of(&fake, "latency")?;
    assert!(words.iter().any(|text| text == "no operation was recorded"));
    Ok(())
}

fn legible(drawing: &Drawing) -> Result<(), String> {
    let mut seen: Vec<(Point, Point, &str)> = Vec::new();
    for shape in &drawing.shapes {
        let Shape::Text { at, text, style } = shape else {
            continue;
        };
        let width = style.width(text);
        let left = match style.align {
            Align::Left => at.0,
            Align::Centre => at.0 - width / 2.0,
            Align::Right => at.0 - width,
        };
        // The height of a line with small and capital letters.
        let (from, to) = (
            (left, at.1 - style.size * 0.45),
            (left + width, at.1 + style.size * 0.45),
        );
        let inside =
            from.0 >= 0.0 && from.1 >= 0.0 && to.0 <= drawing.width && to.1 <= drawing.height;
        if !inside {
            return Err(format!("{text:?} leaves the drawing"));
        }
        for (other_from, other_to, other) in &seen {
            let apart = from.0 >= other_to.0
                || to.0 <= other_from.0
                || from.1 >= other_to.1
                || to.1 <= other_from.1;
            if !apart {
                return Err(format!("{text:?} overlaps {other:?}"));
            }
        }
        seen.push((from, to, text));
    }
    Ok(())
}

#[test]
fn words_that_overlap_are_noticed() {
    text::register().expect("the font is embedded");
    let mut drawing = Drawing::new(200.0, "");
    drawing.height = 50.0;
    drawing.text((10.0, 20.0), "one above", Style::LABEL);
    drawing.text((10.0, 38.0), "the other", Style::LABEL);
    assert_eq!(legible(&drawing), Ok(()));
    drawing.text((60.0, 25.0), "between", Style::LABEL);
    assert!(legible(&drawing).is_err());
}

#[test]
fn foreign_text_is_shown_and_not_obeyed() -> Made {
    let artifacts = artifacts(&fake::rich())?;
    for path in ["report.html", "report.md", "charts/lost-sessions.svg"] {
        let text = text_of(&artifacts, path);
        // The page has scripts of its own: its data and its code.
        let own = if path == "report.html" { 2 } else { 0 };
        assert_eq!(text.matches("<script").count(), own, "{path}");
        assert_eq!(text.matches("</script").count(), own, "{path}");
        assert!(!text.contains('\u{1b}'), "{path}");
        assert!(text.contains("&lt;script&gt;alert"), "{path}");
    }
    Ok(())
}

#[test]
fn the_page_needs_nothing_else() -> Made {
    let fake = fake::replicas();
    let charts = charts::of(&RunView::new(&fake.analysis, &fake.summary)?).count();
    let artifacts = artifacts(&fake)?;
    let page = text_of(&artifacts, "report.html");
    // uPlot's code names its own home.
    let uplot = include_str!("../assets/uplot/uPlot.iife.min.js");
    assert!(page.contains(uplot) && page.contains("Copyright (c) 2022 Leon Sorokin"));
    let page = page.replace(uplot, "");
    let page = page.replace("http://www.w3.org/2000/svg", "");
    for word in ["http://", "https://", "src=", "<link", "@import", "url("] {
        assert!(!page.contains(word), "{word}");
    }
    assert_eq!(page.matches("<svg ").count(), 2 * charts);
    Ok(())
}

#[test]
fn a_page_has_nothing_inline_that_its_policy_does_not_name() -> Made {
    let run = |text: &str| page::policy("", Some(text));
    for (name, fake) in fakes() {
        let artifacts = artifacts(&fake)?;
        let page = text_of(&artifacts, "report.html");
        let policy = page
            .split("content=\"")
            .find(|part| part.starts_with("default-src"));
        let policy = policy.and_then(|part| part.split("\">").next());
        let policy = policy.expect("a policy");
        for part in ["<script>", "<style>"] {
            let text = page
                .split(part)
                .nth(1)
                .and_then(|rest| rest.split("</").next());
            let hash = run(text.expect("there is one"));
            let hash = hash
                .split("'sha256-")
                .nth(1)
                .and_then(|rest| rest.split('\'').next());
            assert!(
                policy.contains(hash.expect("a hash")),
                "{name}: {part} {policy}"
            );
        }
        for word in [" style=\"", " onclick=", " onload=", "javascript:"] {
            assert!(!page.contains(word), "{name}: {word}");
        }
    }
    Ok(())
}

#[test]
fn a_control_whose_users_wrote_and_logged_out_is_clean() {
    let mut fake = fake::single();
    for arm in &mut fake.summary.arms {
        arm.control.writes.unverified = 7;
    }
    let table = comparison(&fake.summary);
    let shown = table
        .rows
        .iter()
        .flatten()
        .any(|cell| cell.contains("unverified"));
    assert!(!shown, "{:?}", table.rows);
}

#[test]
fn a_page_of_a_thousand_trials_is_small_and_each_dot_leads_to_its_trial() -> Made {
    let artifacts = artifacts(&fake::thousand())?;
    let page = text_of(&artifacts, "report.html");
    assert!(page.len() < 3_000_000, "{} bytes", page.len());
    let rows: BTreeSet<&str> = page
        .split(" id=\"trial-")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    assert!(rows.len() >= 1_000, "{} trials", rows.len());
    let links: BTreeSet<&str> = page
        .split("<a href=\"#trial-")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    assert!(links.len() >= 1_000, "{} links", links.len());
    assert_eq!(links.difference(&rows).next(), None);
    Ok(())
}

#[test]
fn the_script_has_the_figures_of_the_drawing() -> Made {
    text::register()?;
    let fake = fake::rich();
    let run = RunView::new(&fake.analysis, &fake.summary)?;
    let timeline = charts::of(&run).find(|chart| chart.name == "timeline");
    let live = timeline.and_then(|chart| (chart.live)(&run));
    let live = serde_json::to_value(live.expect("there is a timeline"))?;
    let measured = run.arms.iter().filter(|arm| arm.silence.is_none());
    let panels = live["panels"].as_array().expect("panels");
    assert_eq!(panels.len(), measured.clone().count());
    for (panel, arm) in panels.iter().zip(measured) {
        assert_eq!(panel["name"], arm.name);
        let windows = windows_over(arm.crashes());
        for (told, window) in panel["windows"]
            .as_array()
            .expect("windows")
            .iter()
            .zip(windows)
        {
            let told: Vec<f64> = serde_json::from_value(told.clone())?;
            let (correct, failed) = (window.goodput, window.failures);
            let figures = [
                window.from,
                window.to,
                correct.median,
                correct.least,
                correct.most,
                failed.median,
                failed.least,
                failed.most,
            ];
            let same = told
                .iter()
                .zip(figures)
                .all(|(told, figure)| (told - figure).abs() < 0.000_6);
            assert!(same && told.len() == figures.len(), "{told:?}, {figures:?}");
        }
        let ready = arm.summary.outage_ms.median;
        assert_eq!(panel["ready"].as_f64().is_some(), ready.is_some());
    }
    Ok(())
}

#[test]
fn secrets_of_the_environment_stay_out() -> Made {
    for artifact in artifacts(&fake::rich())? {
        let text = String::from_utf8_lossy(&artifact.bytes);
        assert!(!text.contains("hunter2"), "{}", artifact.path);
    }
    Ok(())
}

#[test]
fn a_skipped_arm_and_a_run_without_trials_say_so_everywhere() -> Made {
    let empty = artifacts(&fake::empty())?;
    for artifact in empty.iter().filter(|artifact| {
        ![".png", ".csv"]
            .iter()
            .any(|it| artifact.path.ends_with(it))
    }) {
        let text = String::from_utf8_lossy(&artifact.bytes).replace('\u{a0}', " ");
        if artifact.path != "summary.json" {
            assert!(
                text.contains("skipped: redis-server is not installed"),
                "{}",
                artifact.path
            );
            assert!(
                text.contains(
                    "no trial counts: 1 of 1 trial does not count: the load missed its floor"
                ),
                "{}",
                artifact.path
            );
        }
    }
    assert!(text_of(&empty, "report.html").contains("This run is incomplete."));
    Ok(())
}

#[test]
fn halves_of_different_runs_are_refused() {
    let (one, other) = (fake::rich(), fake::single());
    let mixed = render(&one.analysis, &one.verdict, &other.summary, &Logs::new());
    assert!(matches!(mixed, Err(RenderError::Mismatch)));
}

#[test]
fn the_summary_is_read_back_as_it_was() -> Made {
    let fake = fake::rich();
    let artifacts = artifacts(&fake)?;
    let read: Summary = serde_json::from_str(text_of(&artifacts, "summary.json"))?;
    assert_eq!(read.arms.len(), fake.summary.arms.len());
    assert_eq!(read.arms[5].time_to_ready_ms.censored, 3);
    Ok(())
}

/// Every chart of invented runs, by its hash, and two of them whole: what changes one of them changes a picture that somebody has
/// looked at. `ARCHITECTURE.md` says how they are stored anew.
#[test]
fn charts_and_their_figures_are_the_stored_ones_byte_for_byte() -> Made {
    let mut hashes = Vec::new();
    for (name, fake) in fakes() {
        for artifact in artifacts(&fake)? {
            let is_text = artifact.path.ends_with(".svg") || artifact.path.ends_with(".csv");
            if !is_text {
                continue;
            }
            let hash = Sha256::digest(&artifact.bytes);
            let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
            hashes.push(format!("{} {name}/{}", &hash[..16], artifact.path));
        }
    }
    insta::assert_snapshot!("charts", hashes.join("\n"));
    let rich = artifacts(&fake::rich())?;
    for chart in ["recovery-time", "errors-over-time"] {
        let svg = text_of(&rich, &format!("charts/{chart}.svg"));
        insta::assert_snapshot!(format!("{chart}.svg"), svg);
    }
    Ok(())
}

#[test]
fn a_look_gives_a_chart_its_size_its_colours_and_no_title() -> Made {
    let fake = fake::rich();
    let look = look::Look {
        formats: vec![look::Picture::Svg],
        size: "180mmx240mm".parse().ok(),
        font_size: Some(7.0),
        theme: crate::Theme::Dark,
        titled: false,
    };
    let files = chart_files(&fake.analysis, &fake.summary, &look)?;
    let svg = text_of(&files, "recovery-time.svg");
    assert!(
        svg.starts_with("<svg width=\"180mm\" height=\"240mm\""),
        "{svg:.200}"
    );
    // The ground of a dark page and not that of a light one.
    assert!(svg.contains("#17191C") && !svg.contains("#FEFEFE"));
    assert!(!svg.contains("How long the service was away"));
    assert!(svg.contains("seed 20240607") && svg.contains("n = 1 to 8 trials per arm"));
    let flat = look::Look {
        size: "180mmx30mm".parse().ok(),
        ..look
    };
    let refused = chart_files(&fake.analysis, &fake.summary, &flat);
    assert!(
        matches!(refused, Err(RenderError::NoRoom { .. })),
        "{refused:?}"
    );
    Ok(())
}

#[test]
fn the_figures_beside_a_chart_are_those_that_it_tells() -> Made {
    let fake = fake::rich();
    let artifacts = artifacts(&fake)?;
    let csv = text_of(&artifacts, "charts/recovery-time.csv");
    let arm = &fake.summary.arms[0];
    let times = &arm.outage_ms;
    let (Some(median), Some(low), Some(high)) = (times.median, times.low, times.high) else {
        panic!("{times:?}");
    };
    let row = format!("{},median,,,,,{median},{low},{high},ms", arm.name);
    assert!(csv.lines().any(|line| line == row), "{row}: {csv}");
    let crashes = csv
        .lines()
        .filter(|line| line.starts_with("token,one crash,"));
    assert_eq!(crashes.count(), arm.trials as usize);
    Ok(())
}

#[test]
fn markdown_says_what_the_page_says() -> Made {
    insta::assert_snapshot!(
        "report.md",
        text_of(&artifacts(&fake::rich())?, "report.md")
    );
    Ok(())
}

#[test]
fn the_comparison_is_a_table_of_plain_strings() {
    let table = comparison(&fake::rich().summary);
    assert!(
        table
            .rows
            .iter()
            .all(|row| row.len() == table.headers.len())
    );
    let lines: Vec<String> = std::iter::once(&table.headers)
        .chain(&table.rows)
        .map(|row| row.join(" │ "))
        .collect();
    insta::assert_snapshot!("comparison", lines.join("\n"));
}

#[test]
fn a_cache_has_a_column_only_where_there_is_one() {
    let mut summary = fake::rich().summary;
    let last = |row: &[String]| row.last().cloned().unwrap_or_default();
    let has_column = |table: &Table| last(&table.headers) == "cache hits";
    assert!(!has_column(&comparison(&summary)));
    let mut cache = CacheSummary {
        look_ups: 1_200,
        hits: 900,
        hit_rate: Some(0.75),
        while_down: Some(WhileDownSummary {
            scheduled: 8,
            correct: 2,
            from_cache: 2,
            availability: Some(0.25),
        }),
        ..CacheSummary::default()
    };
    let told = |summary: &Summary| {
        let table = comparison(summary);
        assert!(has_column(&table));
        let cells = table.rows.iter().map(|row| last(row));
        cells.take(2).collect::<Vec<_>>()
    };
    summary.arms[0].cache = Some(cache.clone());
    assert_eq!(told(&summary), ["75 % (900 / 1,200)", "–"]);
    cache.another_users = 1_003;
    summary.arms[1].cache = Some(cache);
    let bad = "75 % (900 / 1,200); another user's content 1,003 ×";
    assert_eq!(told(&summary), ["75 % (900 / 1,200)", bad]);
    summary.arms[0].cache = Some(CacheSummary::default());
    assert_eq!(told(&summary), ["nothing to keep", bad]);
}

#[test]
fn what_a_cache_did_stands_in_the_report_and_its_worst_at_the_top() -> Made {
    let mut fake = fake::rich();
    fake.summary.arms[0].cache = Some(CacheSummary {
        look_ups: 1_200,
        hits: 900,
        hit_rate: Some(0.75),
        another_users: 1,
        oldest_stale_s: Some(3),
        while_down: Some(WhileDownSummary {
            scheduled: 8,
            correct: 2,
            from_cache: 1,
            availability: Some(0.25),
        }),
        ..CacheSummary::default()
    });
    let made = artifacts(&fake)?;
    let text = text_of(&made, "report.md");
    for sentence in [
        "cache hits 75 % (900 / 1,200)",
        "the cache served another user's content, 1 time; back",
        "the oldest stale reply that it served was 3 s old",
        "available while every replica was down 25 % (2 / 8), 1 from the cache",
    ] {
        assert!(text.contains(sentence), "{sentence}: {text}");
    }
    Ok(())
}

#[test]
fn nothing_is_said_to_be_kept_beside_sessions_that_are_undecided() -> Made {
    for (undecided, lost) in [(100, 0), (1, 0), (40, 3)] {
        let mut fake = fake::single();
        let arm = &mut fake.summary.arms[0];
        arm.sessions = comeback_analysis::summary::SessionCounts {
            acknowledged: 100,
            survived: 100 - undecided - lost,
            rejected: lost,
            lost,
            undecided,
            ..Default::default()
        };
        arm.writes = comeback_analysis::summary::WriteCounts {
            acknowledged: 100 - undecided,
            kept: 100 - undecided,
            ..Default::default()
        };
        let artifacts = artifacts(&fake)?;
        let rows = comparison(&fake.summary).rows;
        let page = [text_of(&artifacts, "report.md"), &rows[0].join(" ")].join("\n");
        for phrase in ["lost none", "kept all", "none of 100"] {
            assert!(
                !page.contains(phrase),
                "{undecided} undecided: {phrase}: {page}"
            );
        }
        let first = format!("{undecided} undecided of 100 acknowledged sessions");
        assert!(page.contains(&first), "{page}");
        // A bound on what is not excluded stands beside what is known.
        assert!(!rows[0][1].contains("of crashes"), "{rows:?}");
    }
    Ok(())
}

#[test]
fn what_is_doubted_stands_beside_each_count_of_losses_and_nothing_is_said_to_be_kept() -> Made {
    let mut fake = fake::single();
    let arm = &mut fake.summary.arms[0];
    arm.sessions = comeback_analysis::summary::SessionCounts {
        acknowledged: 100,
        survived: 100,
        lost_doubted: 3,
        zombie_doubted: 2,
        ..Default::default()
    };
    arm.writes = comeback_analysis::summary::WriteCounts {
        acknowledged: 300,
        kept: 300,
        lost_doubted: 7,
        ..Default::default()
    };
    let trial = &mut fake.analysis.arms[0].trials;
    let trial = trial
        .iter_mut()
        .find(|trial| !trial.control)
        .expect("one with a fault");
    (trial.sessions.lost, trial.sessions.lost_doubted) = (0, 3);
    let row = lost_of(0, 3, trial.sessions.acknowledged);
    assert!(row.ends_with("(+3 doubted)"), "{row}");
    let made = artifacts(&fake)?;
    let rows = comparison(&fake.summary).rows;
    assert_eq!(rows[0][1], "none for certain; 3 doubted, 2 doubted zombie");
    assert_eq!(rows[0][2], "none for certain; 7 doubted");
    let (text, page) = (text_of(&made, "report.md"), text_of(&made, "report.html"));
    for phrase in ["lost none of 100", "kept all", "all 300"] {
        assert!(!text.contains(phrase), "{phrase}: {text}");
    }
    let said = "lost none for certain of 100 acknowledged sessions and none for certain of 300 acknowledged writes";
    assert!(text.contains(said), "{text}");
    assert!(page.contains("(+3 doubted)"), "the row of its trial");
    // The charts of losses draw no bound, and nothing as kept.
    assert!(page.contains("nothing lost for certain"));
    assert!(!page.contains("of crashes is not excluded"));
    Ok(())
}

#[test]
fn writes_that_cannot_be_verified_are_not_said_to_be_kept() -> Made {
    for lost in [0, 7] {
        let mut fake = fake::single();
        fake.summary.arms[0].writes = comeback_analysis::summary::WriteCounts {
            acknowledged: 300,
            kept: 300 - lost,
            lost,
            duplicated: 5,
            unverifiable: 20,
            ..Default::default()
        };
        let artifacts = artifacts(&fake)?;
        let rows = comparison(&fake.summary).rows;
        let page = [text_of(&artifacts, "report.md"), &rows[0].join(" ")].join("\n");
        for phrase in ["all 300", "none of 300", "0 / 300"] {
            assert!(!page.contains(phrase), "{phrase}: {page}");
        }
        let said = match lost {
            0 => "none for certain of 300 acknowledged writes",
            _ => "7 for certain of 300 acknowledged writes",
        };
        assert!(page.contains(said), "{page}");
        assert!(page.contains("20 unverifiable"), "{page}");
    }
    Ok(())
}
