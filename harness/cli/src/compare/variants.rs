//! What one server is compared in: who holds its listening socket, and who tries again what failed.

use comeback_core::plan::{Arm, Listener, Retry};
use comeback_core::units::Span;

use crate::CliError;
use crate::options::ListenerArg;

/// Each server takes part once for each way.
#[derive(Debug, clap::Args)]
pub(super) struct VariantArgs {
    /// Who holds the listening socket of the servers: themselves (own), or the harness while they are dead (held), so
    /// that connections wait instead of being refused; with `own,held` each server takes part twice, as NAME and
    /// NAME-held
    #[arg(long, value_enum, value_delimiter = ',', default_value = "own")]
    listener: Vec<ListenerArg>,
    /// Who tries again what failed: nobody (none), the clients (client), the clients with an idempotency key
    /// (client-key), or, with --topology, the balancer (balancer); with several each server takes part once for each
    #[arg(
        long,
        value_name = "WHO",
        value_enum,
        value_delimiter = ',',
        default_value = "none"
    )]
    retry_by: Vec<RetryArg>,
    /// How often it is tried again at most
    #[arg(long, value_name = "N", default_value_t = 2)]
    retry: u32,
    /// Wait before a client's first repetition, which doubles with each
    #[arg(long, value_name = "TIME", default_value = "10ms")]
    retry_backoff: Span,
    /// How long a client's try may take [default: as long as the operation]
    #[arg(long, value_name = "TIME")]
    try_timeout: Option<Span>,
    /// Pause between the confirmed exit and the restart of whatever is struck [default: 0s]
    #[arg(long, value_name = "TIME")]
    restart_after: Option<Span>,
}

/// Who tries again what failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum RetryArg {
    /// Nobody
    None,
    /// The clients
    Client,
    /// The clients, whose acts carry an Idempotency-Key
    ClientKey,
    /// The balancer, where nothing had been sent, or it is a GET
    Balancer,
}

impl VariantArgs {
    /// Every server in every variant, those of one server beside each other.
    pub(super) fn of(&self, servers: Vec<Arm>) -> Result<Vec<Arm>, CliError> {
        let mut arms = Vec::new();
        for mut server in servers {
            if let Some(pause) = self.restart_after {
                pause_all(&mut server, pause);
            }
            for listener in &self.listener {
                for retry_by in &self.retry_by {
                    let arm = held_by(server.clone(), *listener);
                    arms.push(self.retried_by(arm, *retry_by)?);
                }
            }
        }
        Ok(arms)
    }

    fn retried_by(&self, arm: Arm, who: RetryArg) -> Result<Arm, CliError> {
        let times = self.retry;
        let by_client = |idempotency_key| Retry {
            times,
            backoff: self.retry_backoff,
            try_timeout: self.try_timeout,
            idempotency_key,
        };
        let client = |arm: Arm, key| Arm {
            retry: Some(by_client(key)),
            ..arm
        };
        Ok(match who {
            RetryArg::None => arm,
            RetryArg::Client => client(called(arm, "-retry", "clients try again"), false),
            RetryArg::ClientKey => {
                let about = "clients try again with an idempotency key";
                client(called(arm, "-retry-key", about), true)
            }
            RetryArg::Balancer => {
                let mut arm = called(arm, "-balancer-retry", "the balancer tries again");
                let Some(balancer) = &mut arm.balancer else {
                    let what = "--retry-by balancer: there is none without --topology";
                    return Err(CliError::Usage(what.to_owned()));
                };
                let words = ["--retry".to_owned(), times.to_string()];
                balancer.command.extend(words);
                arm
            }
        })
    }
}

fn held_by(arm: Arm, listener: ListenerArg) -> Arm {
    match listener {
        ListenerArg::Own => arm,
        ListenerArg::Held => {
            let mut arm = called(arm, "-held", "the listening socket is held");
            for server in [Some(&mut arm.target), arm.next.as_mut()] {
                server
                    .into_iter()
                    .for_each(|server| server.listener = Listener::Held);
            }
            arm
        }
    }
}

/// The same under a name of its own.
fn called(mut arm: Arm, suffix: &str, about: &str) -> Arm {
    arm.name.push_str(suffix);
    if let Some(family) = &mut arm.family {
        family.push_str(suffix);
    }
    arm.about.push_str("; ");
    arm.about.push_str(about);
    arm
}

fn pause_all(arm: &mut Arm, pause: Span) {
    arm.target.restart_after = pause;
    let others = [&mut arm.balancer, &mut arm.cache, &mut arm.store];
    for other in others.into_iter().flatten() {
        other.restart_after = pause;
    }
}
