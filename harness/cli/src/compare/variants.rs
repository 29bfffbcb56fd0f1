//! Variants of each server: who holds its listening socket, and who retries failed requests.

use comeback_architectures::{RetryBy, Variants};
use comeback_model::plan::Listener;
use comeback_model::units::Span;

use crate::choice::choice;

/// Each server takes part once for each variant.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Variants")]
pub(super) struct VariantArgs {
    /// Who holds the listening socket: the server, or the harness
    ///
    /// With `held`, connections wait while the server is dead. With `own,held`, each server takes part twice, as NAME and
    /// NAME-held.
    #[arg(long, value_parser = choice::<Listener>(), value_delimiter = ',', default_value = "own", hide_short_help = true)]
    listener: Vec<Listener>,
    /// Who retries failed requests
    ///
    /// Nobody (none), the clients (client), the clients with an idempotency key (client-key) or, with --topology, the balancer
    /// (balancer). With several, each server takes part once for each.
    #[arg(
        long,
        value_name = "WHO",
        value_parser = choice::<RetryBy>(),
        value_delimiter = ',',
        default_value = "none",
        hide_short_help = true
    )]
    retry_by: Vec<RetryBy>,
    /// The most retries of one operation
    #[arg(long, value_name = "N", default_value_t = 2, hide_short_help = true)]
    retry: u32,
    /// Wait before a client's first retry; doubles with each retry
    #[arg(
        long,
        value_name = "TIME",
        default_value = "10ms",
        hide_short_help = true
    )]
    retry_backoff: Span,
    /// How long one try of a client may take [default: as long as the operation]
    #[arg(long, value_name = "TIME", hide_short_help = true)]
    try_timeout: Option<Span>,
    /// Pause between the confirmed exit and the restart of the faulted node [default: 0s]
    #[arg(long, value_name = "TIME", hide_short_help = true)]
    restart_after: Option<Span>,
}

impl VariantArgs {
    /// The variants that each server takes part in.
    pub(super) fn to_variants(&self) -> Variants {
        Variants {
            listener: self.listener.clone(),
            retry_by: self.retry_by.clone(),
            times: self.retry,
            backoff: self.retry_backoff,
            try_timeout: self.try_timeout,
            restart_after: self.restart_after,
        }
    }
}
