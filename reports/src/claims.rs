//! What was found of claims: a table for the terminal, and a page.

use comeback_core::claims::{ClaimRow, Claims};

use crate::format::printable;
use crate::markdown::text;
use crate::table::Table;

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

/// The rows as Markdown, each with what would change it and the command that repeats it.
pub fn claims_markdown(claims: &Claims) -> String {
    let mut out = format!("# Claims\n\nSeed {}.\n\n", claims.seed);
    out.push_str("| | claim | it |\n|---|---|---|\n");
    for row in &claims.rows {
        let (claim, ruling) = (text(&row.claim), row.ruling.name());
        out.push_str(&format!("| {} | {claim} | **{ruling}** |\n", row.number));
    }
    for row in &claims.rows {
        out.push_str(&format!(
            "\n## {}. {}\n\n**It {}**: {}.\n\n{}.\n\nOtherwise with {}.\n\n```console\n$ {}\n```\n",
            row.number,
            text(&row.claim),
            said(row),
            text(&row.because),
            text(&row.figure),
            text(&row.otherwise),
            row.command,
        ));
    }
    out
}

fn said(row: &ClaimRow) -> &'static str {
    use comeback_core::claims::Ruling;
    match row.ruling {
        Ruling::Holds => "holds",
        Ruling::HoldsInPart => "holds in part",
        Ruling::Refuted => "is refuted",
        Ruling::Inconclusive => "cannot be told from this run",
    }
}

#[cfg(test)]
mod tests {
    use comeback_core::claims::{Bar, Chart, Ruling, SCHEMA};

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
        };
        Claims {
            schema: SCHEMA.to_owned(),
            seed: 1,
            rows: vec![row(5, Ruling::HoldsInPart), row(6, Ruling::Refuted)],
        }
    }

    #[test]
    fn every_row_says_its_ruling_its_figures_and_how_to_repeat_it() {
        let page = claims_markdown(&claims());
        assert!(page.contains("**It holds in part**: of this."), "{page}");
        assert!(page.contains("**It is refuted**"), "{page}");
        assert!(page.contains("$ comeback compare token --seed 1"), "{page}");
        // Nothing foreign is markup.
        assert!(!page.contains("It | is <so>"), "{page}");
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
