//! Recovery: the target is started again, and probed until its new process answers correctly.

use comeback_core::event::EventKind;
use comeback_core::ids::{BootId, Incarnation};
use comeback_core::units::{Elapsed, Span};

use super::EngineError;
use super::trial::{Early, Trial, aborted};
use crate::load::probe::{Probe, ProbeError, ProbeSetup, Recovered, Seen};
use crate::supervise::ownership;
use crate::supervise::process::Process;

/// The fault landed.
pub(super) struct Fallen {
    /// T0: the exit was confirmed.
    pub(super) at: Elapsed,
}

/// Starts the target again and waits for its first correct reply; whether there was one in time.
pub(super) async fn run(
    trial: &Trial<'_>,
    process: &mut Process,
    fallen: Fallen,
    boot: Option<BootId>,
) -> Result<bool, Early> {
    let target = &trial.arm.target;
    if target.restart_after > Span::ZERO {
        let at = trial.site.clock.instant(fallen.at + target.restart_after);
        tokio::time::sleep_until(at.into()).await;
    }
    let incarnation = Incarnation(process.incarnation().0 + 1);
    *process = trial.launch(incarnation).map_err(Early::Target)?;
    let probe = Probe::new(ProbeSetup {
        load: &trial.plan.load,
        endpoint: &trial.endpoint,
        boot_header: target.boot_header.as_deref(),
        old_boot: boot,
        since: fallen.at,
        clock: trial.site.clock,
    })
    .map_err(EngineError::Probe)?;
    let watched = watch(trial, process, &probe, fallen.at).await?;
    let seen = probe.seen();
    let survivors = trial.site.tag.members_before(trial.planned.id, incarnation);
    if !survivors.is_empty() {
        trial.record(EventKind::SurvivorsFound { pids: survivors });
    }
    let recovered = match watched {
        Some(Recovered { at, evidence }) => {
            record_accept(trial, &seen);
            let kind = EventKind::FirstCorrect {
                last_failed_us: seen.last_failed,
                evidence,
                probes: seen.probes,
            };
            trial
                .site
                .recorder
                .event_at(at, Some(trial.planned.id), kind);
            true
        }
        None => {
            // Nobody answered: who accepted is known only by who holds the port.
            if owner_of(trial, incarnation).is_ok() {
                record_accept(trial, &seen);
            }
            trial.record(EventKind::NotRecovered {
                last_failure: seen.last_failure.clone().unwrap_or_default(),
                probes: seen.probes,
            });
            false
        }
    };
    Ok(recovered)
}

/// Probes until the horizon, and records it when the new process ends meanwhile. The horizon is waited
/// for even then: a process that detached itself may still come up.
async fn watch(
    trial: &Trial<'_>,
    process: &mut Process,
    probe: &Probe<'_>,
    since: Elapsed,
) -> Result<Option<Recovered>, Early> {
    let horizon = trial.site.clock.instant(since + trial.plan.windows.horizon);
    let incarnation = process.incarnation();
    let probing = probe.run(|| owner_of(trial, incarnation));
    let probing = tokio::time::timeout_at(horizon.into(), probing);
    match trial.alongside(process, probing).await? {
        Ok(Ok(recovered)) => Ok(Some(recovered)),
        Ok(Err(ProbeError::Harness(cause))) => Err(EngineError::Probe(cause).into()),
        Ok(Err(ProbeError::Unattributable(reason))) => Err(aborted(reason)),
        Err(_) => Ok(None),
    }
}

/// The process of this incarnation that holds the listening socket, or why it is not (only) that.
pub(super) fn owner_of(trial: &Trial<'_>, incarnation: Incarnation) -> Result<i32, String> {
    let endpoint = &trial.endpoint;
    let owners = ownership::listeners(endpoint, &trial.site.tag)
        .map_err(|error| format!("the owner of {endpoint} is unknown: {error}"))?;
    let own = |owner: &&ownership::Owner| {
        owner.trial == Some(trial.planned.id) && owner.incarnation == Some(incarnation)
    };
    if let Some(other) = owners.iter().find(|owner| !own(owner)) {
        return Err(format!(
            "{endpoint} is held by process {}, not a new one",
            other.pid
        ));
    }
    match owners.first() {
        Some(owner) => Ok(owner.pid),
        None => Err(format!("nobody holds {endpoint}")),
    }
}

fn record_accept(trial: &Trial<'_>, seen: &Seen) {
    if let Some(accepted) = seen.accepted {
        let kind = EventKind::FirstAccept {
            last_failed_us: accepted.last_failed,
        };
        trial
            .site
            .recorder
            .event_at(accepted.at, Some(trial.planned.id), kind);
    }
}
