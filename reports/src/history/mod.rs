//! Many runs side by side: a sentence for each arm of a list, and the page of a trend with its charts.

use comeback_analysis::history::PastArm;
use comeback_analysis::summary::{SessionCounts, Status, WriteCounts};

use crate::format::{TimeStyle, printable};
use crate::table::{sessions, writes};

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
