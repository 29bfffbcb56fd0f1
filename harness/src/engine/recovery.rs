//! Recovery: the target is started again, and probed until its new process answers correctly.

use comeback_core::event::{EventKind, ExitCause};
use comeback_core::ids::{BootId, Incarnation};
use comeback_core::units::{Elapsed, Span};

use super::EngineError;
use super::trial::{Early, Trial};
use crate::load::probe::{Probe, ProbeSetup, Recovered, Seen};
use crate::supervise::ownership;
use crate::supervise::process::Process;

/// The fault landed.
pub(super) struct Fallen {
    /// T0: the exit was confirmed.
    pub(super) at: Elapsed,
}

/// How the watch over a recovery ended.
enum Watched {
    Recovered(Recovered),
    HorizonReached,
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
    let old_boots: Vec<BootId> = boot.into_iter().collect();
    let mut probe = Probe::new(ProbeSetup {
        load: &trial.plan.load,
        port: trial.port,
        boot_header: target.boot_header.as_deref(),
        old_boots: &old_boots,
        since: fallen.at,
        clock: trial.site.clock,
    })
    .map_err(EngineError::Timer)?;
    let watched = watch(trial, process, &mut probe, fallen.at).await?;
    let seen = probe.seen();
    record_accept(trial, seen);
    let survivors = trial.site.tag.members_before(trial.planned.id, incarnation);
    if !survivors.is_empty() {
        trial.record(EventKind::SurvivorsFound { pids: survivors });
    }
    let recovered = match watched {
        Watched::Recovered(Recovered { at, evidence }) => {
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
        Watched::HorizonReached => {
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
    probe: &mut Probe<'_>,
    since: Elapsed,
) -> Result<Watched, EngineError> {
    let horizon = trial.site.clock.instant(since + trial.plan.windows.horizon);
    let incarnation = process.incarnation();
    let mut probing = std::pin::pin!(probe.run(|| owner_of(trial, incarnation)));
    let mut horizon = std::pin::pin!(tokio::time::sleep_until(horizon.into()));
    loop {
        tokio::select! {
            biased;
            recovered = &mut probing => {
                return recovered.map(Watched::Recovered).map_err(EngineError::Timer);
            }
            exited = process.exited(), if process.is_running() => {
                let (exit, at) = exited.map_err(EngineError::Process)?;
                trial.record_exit(process, (exit, at), ExitCause::Unasked);
            }
            () = &mut horizon => return Ok(Watched::HorizonReached),
        }
    }
}

/// The process of this incarnation that holds the listening socket, or why it is not (only) that.
fn owner_of(trial: &Trial<'_>, incarnation: Incarnation) -> Result<i32, String> {
    let owners = ownership::listeners(trial.port, &trial.site.tag)
        .map_err(|error| format!("the owner of port {} is unknown: {error}", trial.port))?;
    let own = |owner: &&ownership::Owner| {
        owner.trial == Some(trial.planned.id) && owner.incarnation == Some(incarnation)
    };
    if let Some(other) = owners.iter().find(|owner| !own(owner)) {
        return Err(format!(
            "port {} is held by process {}, not a new one",
            trial.port, other.pid
        ));
    }
    match owners.first() {
        Some(owner) => Ok(owner.pid),
        None => Err(format!("nobody holds port {}", trial.port)),
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
