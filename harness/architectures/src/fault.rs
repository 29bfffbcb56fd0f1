//! The fault of a comparison.

use comeback_experiment::document::{AimPart, FaultPart};
use comeback_model::plan::Aim;
use comeback_model::plan::fault::Parameters;
use comeback_model::units::Span;

use crate::arm::{Candidate, deployment};
use crate::{ArchitectureError, servers};

/// What is done to the servers of a comparison.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ComparisonFault {
    /// The kind of fault, by its name; by default that of every experiment.
    pub kind: Option<String>,
    /// Which nodes it is for; by default any replica, or all of them where they are restarted in turn.
    pub target: Option<Aim>,
    /// What its kind is told beside the following.
    pub parameters: Parameters,
    /// How long a pause lasts; the default is that of every experiment.
    pub lasts: Option<Span>,
    /// Whether replicas are stopped without telling the balancer first.
    pub without_drain: bool,
    /// The server that a deploy starts in place of each replica, by its name.
    pub deploy: Option<String>,
}

/// The nodes that the fault of a comparison may be for, their names and what they are.
pub const TARGETS: [(Aim, &str, &str); 5] = [
    (
        Aim::AnyReplica,
        "replica",
        "One replica, drawn for each trial",
    ),
    (Aim::AllReplicas, "replicas", "All replicas at once"),
    (Aim::Balancer, "balancer", "The balancer"),
    (Aim::Cache, "cache", "The cache"),
    (
        Aim::Store,
        "store",
        "The store; only architectures with one take part",
    ),
];

/// What the target is called at the command line.
pub(crate) fn name_of(target: Aim) -> Option<&'static str> {
    let row = TARGETS.iter().find(|(one, _, _)| *one == target);
    row.map(|(_, name, _)| *name)
}

impl ComparisonFault {
    /// The part of a document, when the load runs undisturbed for `at` before.
    pub(crate) fn to_part(&self, at: Span) -> FaultPart {
        FaultPart {
            kind: self.kind.clone(),
            target: self.target.map(AimPart),
            parameters: self.parameters(),
            at: Some(at),
            // The flush period of the `buffered` server, so that the kill falls anywhere within it.
            spread: Some(Span::from_ms(500)),
            ..FaultPart::default()
        }
    }

    /// What its kind is told.
    pub fn parameters(&self) -> Parameters {
        let lasts = self
            .lasts
            .map(|lasts| ("lasts".to_owned(), lasts.to_string().into()));
        let drain = self
            .without_drain
            .then(|| ("drain".to_owned(), false.into()));
        let said = self.parameters.clone().into_iter();
        said.chain(lasts).chain(drain).collect()
    }

    /// Tells each server what replaces it, if anything does.
    pub(crate) fn replace(&self, candidates: &mut [Candidate]) -> Result<(), ArchitectureError> {
        let Some(name) = &self.deploy else {
            return Ok(());
        };
        let next = servers::find(name)?;
        for Candidate { server, arm } in candidates {
            if next.store.is_some() && next.store != server.store {
                return Err(ArchitectureError::OtherStore {
                    deployed: name.clone(),
                    arm: arm.name.clone(),
                });
            }
            arm.deploy = Some(deployment(next));
        }
        Ok(())
    }
}
