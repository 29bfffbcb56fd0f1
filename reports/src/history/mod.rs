//! Many runs side by side: a sentence for each arm of a list, and the page of a trend with its charts.

mod changes;
#[cfg(feature = "charts")]
mod chart;
#[cfg(feature = "charts")]
mod page;
#[cfg(all(test, feature = "charts"))]
mod tests;

#[cfg(feature = "charts")]
use comeback_analysis::history::History;
use comeback_analysis::history::PastArm;
use comeback_analysis::summary::{SessionCounts, Status, WriteCounts};

use crate::format::{TimeStyle, printable};
use crate::table::{sessions, writes};
#[cfg(feature = "charts")]
use crate::{
    Artifact, RenderError, artifact, charts,
    draw::paint::{self, Resolution},
    draw::text,
    html::PageChart,
    palette::Theme,
};

pub use changes::changes;

/// What an arm of a stored run came to, in one sentence.
pub fn past_arm(arm: &PastArm) -> String {
    let name = printable(&arm.name);
    if arm.status == Status::Skipped {
        let reason = arm.reason.as_deref().unwrap_or("no trial counts");
        return format!("{name}: {}", printable(reason));
    }
    let sessions = sessions(&arm.sessions, arm.session_loss).plain();
    let writes = writes(&arm.writes, &arm.sessions, arm.write_loss).plain();
    let mut parts = Vec::new();
    // A workload without sessions has none to lose.
    if arm.sessions != SessionCounts::default() || arm.writes != WriteCounts::default() {
        parts.push(format!("sessions lost {sessions}"));
        parts.push(format!("writes lost {writes}"));
    }
    if arm.outage_ms.n > 0 {
        let style = TimeStyle::after_fault(None);
        parts.push(format!("outage {}", style.both(&arm.outage_ms)));
    }
    format!("{name}: {}", parts.join("; "))
}

/// Every file of a trend: `trend.html` (which needs no other file), `trend.json`, and each chart as `charts/NAME.svg` and
/// `charts/NAME.png`.
///
/// # Errors
/// If a library fails.
#[cfg(feature = "charts")]
pub fn trend(history: &History) -> Result<Vec<Artifact>, RenderError> {
    text::register()?;
    let runs = chart::judged(history);
    let mut json = serde_json::to_vec_pretty(history)?;
    json.push(b'\n');
    let (mut figures, mut pictures) = (Vec::new(), Vec::new());
    for subject in chart::SUBJECTS.iter().filter(|one| one.applies(&runs)) {
        let wide = subject.draw(&runs, charts::WIDE);
        let narrow = subject.draw(&runs, charts::NARROW);
        figures.push(PageChart {
            name: subject.name,
            wide: paint::svg_in_page(&wide)?,
            narrow: paint::svg_in_page(&narrow)?,
            caption: subject.caption.to_owned(),
            live: None,
        });
        let path = |ending: &str| format!("charts/{}.{ending}", subject.name);
        pictures.push(artifact(&path("svg"), paint::svg(&wide)?.into_bytes()));
        pictures.push(artifact(
            &path("png"),
            paint::png(&wide, Theme::Light, Resolution::USUAL)?,
        ));
    }
    let page = page::render(history, &figures)?;
    let mut artifacts = vec![
        artifact("trend.html", page.into_bytes()),
        artifact("trend.json", json),
    ];
    artifacts.extend(pictures);
    Ok(artifacts)
}
