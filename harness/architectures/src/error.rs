//! Why something cannot be compared.

use std::fmt;

use comeback_servers::Target;

/// Why something cannot be compared, in the words of the command line.
#[derive(Debug)]
pub enum ArchitectureError {
    /// There is no reference server of this name.
    UnknownServer {
        /// The name.
        name: String,
        /// The nearest name that there is.
        nearest: Option<&'static str>,
    },
    /// The server speaks no HTTP, and the load does.
    NotHttp(&'static Target),
    /// There is no architecture of this name.
    UnknownArchitecture {
        /// The name.
        name: String,
        /// The names that there are.
        known: Vec<&'static str>,
    },
    /// A fault of the store is for architectures with one.
    NoStore(String),
    /// A fault of the cache needs one.
    NoCache,
    /// A balancer that tries again needs to be there.
    NoBalancer,
    /// Who tries again does so at least once.
    NoRepetition,
    /// A number of replicas is named twice.
    SameReplicas(u32),
    /// The deployed server keeps its state elsewhere than the one that it replaces.
    OtherStore {
        /// The deployed server.
        deployed: String,
        /// The arm whose server it replaces.
        arm: String,
    },
}

impl fmt::Display for ArchitectureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownServer { name, nearest } => {
                write!(f, "there is no reference server '{name}'")?;
                if let Some(nearest) = nearest {
                    write!(f, "; did you mean '{nearest}'?")?;
                }
                f.write_str(" (`comeback targets --all` lists them)")
            }
            Self::NotHttp(server) => write!(
                f,
                "{} speaks {}, and the load of `run` and `compare` speaks HTTP: `comeback serve {}` starts it for \
                 other clients",
                server.name,
                server.protocol.name(),
                server.name
            ),
            Self::UnknownArchitecture { name, known } => write!(
                f,
                "there is no architecture '{name}'; the architectures are {}",
                known.join(", ")
            ),
            Self::NoStore(name) => write!(f, "--fault-target store: '{name}' has no store: leave it out of the comparison, or remove the flag"),
            Self::NoCache => f.write_str(
                "--fault-target cache: there is no cache; add --cache builtin or --cache nginx",
            ),
            Self::NoBalancer => {
                f.write_str("--retry-by balancer: there is no balancer without --topology: add --topology, or remove the flag")
            }
            Self::NoRepetition => f.write_str("--retry 0: --retry-by needs at least one retry: raise --retry, or remove --retry-by"),
            Self::SameReplicas(number) => write!(f, "--replicas: {number} is given twice: name each number once"),
            Self::OtherStore { deployed, arm } => {
                write!(
                    f,
                    "--deploy {deployed}: it does not use the store of '{arm}': deploy a server that does"
                )
            }
        }
    }
}

impl std::error::Error for ArchitectureError {}
