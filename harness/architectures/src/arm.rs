//! One reference server as an arm.

use comeback_experiment::document::{
    ArmPart, DeployPart, ReadyPart, StoreKind, StorePart, TargetPart, Words,
};
use comeback_experiment::{Document, Origin, Problem, resolve};
use comeback_model::plan::Arm;
use comeback_model::plan::fault::Catalogue;
use comeback_servers::Target;

/// The header that changes with each start of a reference server.
const BOOT_HEADER: &str = "x-boot-id";
/// The path that each of them that speaks HTTP answers when it is up.
pub(crate) const HEALTH: &str = "/health";

/// A server that takes part in a comparison, and its arm.
pub(crate) struct Candidate {
    pub(crate) server: &'static Target,
    pub(crate) arm: ArmPart,
}

impl Candidate {
    /// A server with its data to itself.
    pub(crate) fn alone(server: &'static Target) -> Self {
        Self::with(server, "{data}")
    }

    /// A server among others of its kind: those with a key share it, as replicas do.
    pub(crate) fn sharing(server: &'static Target) -> Self {
        Self::with(server, data_of_replicas(server))
    }

    fn with(server: &'static Target, data: &str) -> Self {
        let speaks_http = server.protocol.speaks_http();
        let target = TargetPart {
            command: Some(command(server, data)),
            ready: Some(ReadyPart {
                http: speaks_http.then(|| HEALTH.to_owned()),
                tcp: (!speaks_http).then_some(true),
                ..ReadyPart::default()
            }),
            boot_header: speaks_http.then(|| BOOT_HEADER.to_owned()),
            ..TargetPart::default()
        };
        let arm = ArmPart {
            name: server.name.to_owned(),
            about: Some(server.summary.to_owned()),
            store: server.store.map(|kind| {
                store(match kind {
                    comeback_servers::StoreKind::Redis => StoreKind::Redis,
                    comeback_servers::StoreKind::Postgres => StoreKind::Postgres,
                })
            }),
            target,
            ..ArmPart::default()
        };
        Self { server, arm }
    }
}

/// What replaces a server by this one.
pub(crate) fn deployment(server: &'static Target) -> DeployPart {
    DeployPart {
        command: Some(command(server, data_of_replicas(server))),
        ..DeployPart::default()
    }
}

/// A store that is known by its kind.
pub(crate) fn store(kind: StoreKind) -> StorePart {
    StorePart {
        kind: Some(kind),
        ..StorePart::default()
    }
}

const fn data_of_replicas(server: &Target) -> &'static str {
    match server.shares {
        true => "{shared}",
        false => "{data}",
    }
}

fn command(server: &Target, data: &str) -> Words {
    let mut words = vec![
        "{comeback}",
        "serve",
        server.name,
        "--port",
        "{port}",
        "--data",
        data,
    ];
    if server.store.is_some() {
        words.extend(["--store", "127.0.0.1:{store}"]);
    }
    Words(words.into_iter().map(str::to_owned).collect())
}

/// One server among others of its kind, as a plan has it.
///
/// # Errors
/// If it cannot be an arm, with the reasons.
pub fn replica(server: &'static Target, catalogue: &dyn Catalogue) -> Result<Arm, Vec<Problem>> {
    let document = Document {
        name: Some(server.name.to_owned()),
        arm: vec![Candidate::sharing(server).arm],
        ..Document::default()
    };
    let mut plan = resolve(&document, &Origin::default(), catalogue)?.plan;
    Ok(plan.arms.remove(0))
}
