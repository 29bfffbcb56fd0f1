//! The results of claims: a table for the terminal, and pages.

mod chart;
mod page;

use comeback_model::claims::{ClaimRow, Claims};

use crate::draw::{paint, text as fonts};
use crate::format::printable;
use crate::html::first_up;
use crate::markdown::text;
use crate::table::Table;
use crate::{Artifact, RenderError, artifact};

/// The rows side by side, as plain strings.
pub fn claims_table(claims: &Claims) -> Table {
    let headers = ["", "claim", "it", "figures", "because"];
    let row = |row: &ClaimRow| {
        vec![
            row.number.to_string(),
            printable(&row.claim),
            row.ruling.name().to_owned(),
            printable(&row.figure),
            printable(&row.because),
        ]
    };
    Table {
        headers: headers.map(str::to_owned).to_vec(),
        rows: claims.rows.iter().map(row).collect(),
    }
}

/// Every file of claims: `claims.json`, `claims.md`, `claims.html` (which needs no other file) and each chart as
/// `charts/claim-N.svg`.
///
/// # Errors
/// If a library fails.
pub fn claims(claims: &Claims) -> Result<Vec<Artifact>, RenderError> {
    fonts::register()?;
    let mut json = serde_json::to_vec_pretty(claims)?;
    json.push(b'\n');
    let mut artifacts = vec![artifact("claims.json", json)];
    let mut charts = Vec::new();
    for row in &claims.rows {
        let chart = chart::draw(&row.chart);
        let svg = chart.as_ref().map(paint::svg).transpose()?;
        if let Some(svg) = &svg {
            artifacts.push(artifact(&chart_of(row), svg.clone().into_bytes()));
        }
        charts.push(svg);
    }
    let page = page::render(claims, &charts)?;
    artifacts.push(artifact("claims.html", page.into_bytes()));
    artifacts.push(artifact("claims.md", markdown(claims).into_bytes()));
    Ok(artifacts)
}

/// Where a row's chart is, from the document's folder.
fn chart_of(row: &ClaimRow) -> String {
    format!("charts/claim-{}.svg", row.number)
}

/// The rows as Markdown, each with what would change it and the command that repeats it.
fn markdown(claims: &Claims) -> String {
    let mut out = format!(
        "# Claims\n\n{} Seed {}.\n\n",
        page::summary(claims),
        claims.seed
    );
    out.push_str("| | claim | here it | since |\n|---|---|---|---|\n");
    for row in &claims.rows {
        let (claim, because) = (text(&row.claim), text(&row.because));
        let (number, ruling) = (row.number, row.ruling.name());
        out.push_str(&format!(
            "| {number} | {claim} | **{ruling}** | {because} |\n"
        ));
    }
    for row in &claims.rows {
        out.push_str(&format!(
            "\n## {}. {}\n\n**It {}**: {}.\n\n",
            row.number,
            text(&row.claim),
            said(row),
            text(&row.because),
        ));
        if !row.chart.bars.is_empty() {
            let (axis, file) = (text(&row.chart.axis), chart_of(row));
            out.push_str(&format!("![{axis}]({file})\n\n"));
        }
        out.push_str(&format!(
            "{}.\n\nOtherwise with {}.\n\n```console\n$ {}\n```\n",
            text(&first_up(&row.figure)),
            text(&row.otherwise),
            row.command,
        ));
    }
    out
}

fn said(row: &ClaimRow) -> &'static str {
    use comeback_model::claims::Ruling;
    match row.ruling {
        Ruling::Holds => "holds",
        Ruling::HoldsInPart => "holds in part",
        Ruling::Refuted => "is refuted",
        Ruling::Inconclusive => "is left open by this run",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use comeback_model::claims::{Bar, Chart, Ruling, SCHEMA};
    use comeback_model::journal::Machine;

    use super::*;

    fn claims() -> Claims {
        let row = |number, ruling| ClaimRow {
            number,
            claim: "It | is <so>".to_owned(),
            ruling,
            figure: "25 % (23 % to 28 %)".to_owned(),
            chart: Chart {
                axis: "requests, <%>".to_owned(),
                end: Some(100.0),
                bars: vec![Bar {
                    label: "token & co".to_owned(),
                    value: 25.0,
                    low: Some(23.0),
                    high: Some(28.0),
                }],
            },
            because: "of this".to_owned(),
            otherwise: "another server".to_owned(),
            command: "comeback compare token --seed 1".to_owned(),
            run: "runs/claim-5".to_owned(),
            details: vec!["claim-5/report.html".to_owned()],
        };
        Claims {
            schema: SCHEMA.to_owned(),
            seed: 1,
            quick: true,
            started: "2026-11-25T12:00:00Z".to_owned(),
            machine: Machine::default(),
            rows: vec![row(5, Ruling::HoldsInPart), row(6, Ruling::Refuted)],
        }
    }

    fn file(name: &str) -> String {
        let files = super::claims(&claims()).unwrap();
        let file = files.into_iter().find(|file| file.path == name).unwrap();
        String::from_utf8(file.bytes).unwrap()
    }

    #[test]
    fn the_page_shows_every_row_with_its_chart_and_needs_no_other_file() {
        let page = file("claims.html");
        assert!(page.contains("Of 2 claims 1 holds in part, 1 is refuted."));
        for part in [
            "<article id=\"claim-5\">",
            "<article id=\"claim-6\">",
            "<strong>It is refuted:</strong> of this.",
            ">comeback compare token --seed 1</pre>",
            "href=\"claim-5&#x2f;report.html\"",
            "aria-label=\"requests, &lt;%&gt;: token &amp; co 25\"",
        ] {
            assert!(page.contains(part), "{part} in {page}");
        }
        // Nothing foreign is markup, and nothing is loaded.
        assert!(!page.contains("It | is <so>"));
        assert!(!page.contains("src="));
        assert_eq!(page.matches("<svg ").count(), 2);
        assert_eq!(file("charts/claim-6.svg").matches("<svg ").count(), 1);
    }

    #[test]
    fn without_rows_there_is_a_page_that_says_so() {
        let none = Claims {
            rows: Vec::new(),
            ..claims()
        };
        let files = super::claims(&none).unwrap();
        let page = String::from_utf8(files[1].bytes.clone()).unwrap();
        assert!(page.contains("No claim was measured."), "{page}");
    }

    #[test]
    fn every_row_says_its_ruling_its_figures_and_how_to_repeat_it() {
        let page = file("claims.md");
        assert!(page.contains("**It holds in part**: of this."), "{page}");
        assert!(page.contains("**It is refuted**"), "{page}");
        assert!(page.contains("$ comeback compare token --seed 1"), "{page}");
        // Nothing foreign is markup.
        assert!(!page.contains("It | is <so>"), "{page}");
        assert!(page.contains("](charts/claim-6.svg)"), "{page}");
        let table = claims_table(&claims());
        assert_eq!(table.rows[0][2], "holds in part");
        assert!(
            table
                .rows
                .iter()
                .all(|row| row.len() == table.headers.len())
        );
    }
}
