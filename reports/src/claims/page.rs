//! The results of claims as one self-contained page.

use comeback_model::claims::{ClaimRow, Claims, Ruling};
use minijinja::context;
use minijinja::value::Serde;
use serde::Serialize;

use super::said;
use crate::RenderError;
use crate::format::count;
use crate::html;
use crate::page::{self, Charts};

static TEMPLATE: &str = include_str!("../../templates/claims.html");
static STYLE: &str = include_str!("../../templates/claims.css");

/// A row as the page shows it.
#[derive(Serialize)]
struct Shown<'a> {
    number: u32,
    claim: &'a str,
    /// For the style.
    tone: &'static str,
    ruling: &'static str,
    said: &'static str,
    because: &'a str,
    figure: &'a str,
    otherwise: &'a str,
    chart: Option<&'a str>,
    command: &'a str,
    details: &'a [String],
}

/// The page; each row with its chart as SVG, where it has one.
///
/// # Errors
/// If the template cannot be filled in.
pub(super) fn render(claims: &Claims, charts: &[Option<String>]) -> Result<String, RenderError> {
    let rows: Vec<Shown<'_>> = claims
        .rows
        .iter()
        .zip(charts)
        .map(|(row, chart)| show(row, chart.as_deref()))
        .collect();
    let style = page::style(STYLE, Charts::Drawn);
    let mut environment = html::environment()?;
    environment.add_template("claims.html", TEMPLATE)?;
    let page = environment.get_template("claims.html")?.render(context! {
        rows => Serde(rows),
        summary => summary(claims),
        seed => claims.seed,
        started => &claims.started,
        quick => claims.quick,
        machine => Serde(&claims.machine),
        memory => count(claims.machine.memory_mib),
        policy => page::policy(&style, None),
        style => style,
    })?;
    Ok(page)
}

fn show<'a>(row: &'a ClaimRow, chart: Option<&'a str>) -> Shown<'a> {
    Shown {
        number: row.number,
        claim: &row.claim,
        tone: match row.ruling {
            Ruling::Holds => "holds",
            Ruling::HoldsInPart => "part",
            Ruling::Refuted => "refuted",
            Ruling::Inconclusive => "open",
        },
        ruling: row.ruling.name(),
        said: said(row),
        because: &row.because,
        figure: &row.figure,
        otherwise: &row.otherwise,
        chart,
        command: &row.command,
        details: &row.details,
    }
}

/// `Of 14 claims 2 hold, 11 hold in part, 1 is refuted.`
pub(super) fn summary(claims: &Claims) -> String {
    let of = |ruling| {
        claims
            .rows
            .iter()
            .filter(|row| row.ruling == ruling)
            .count()
    };
    let verb = |count: usize, one: &str, many: &str| match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        _ => Some(format!("{count} {many}")),
    };
    let parts = [
        verb(of(Ruling::Holds), "holds", "hold"),
        verb(of(Ruling::HoldsInPart), "holds in part", "hold in part"),
        verb(of(Ruling::Refuted), "is refuted", "are refuted"),
        verb(
            of(Ruling::Inconclusive),
            "is left open by this run",
            "is left open by this run",
        ),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    let things = match claims.rows.len() {
        0 => return "No claim was measured.".to_owned(),
        1 => "Of 1 claim".to_owned(),
        count => format!("Of {count} claims"),
    };
    format!("{things} {}.", parts.join(", "))
}
