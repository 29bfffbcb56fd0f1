//! Retries by clients, on the command line.

use comeback_model::units::Span;

use comeback_experiment::Document;
use comeback_experiment::document::RetryPart;

/// How clients retry operations.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Load and trials")]
pub(super) struct RetryArgs {
    /// How often clients retry an operation that was refused, reset, not answered in time, or answered with a 5xx
    /// [default: 0]
    #[arg(long, value_name = "N", hide_short_help = true)]
    retry: Option<u32>,
    /// Wait before the first retry; doubles with each retry [default: 10ms]
    #[arg(long, value_name = "TIME", requires = "retry", hide_short_help = true)]
    retry_backoff: Option<Span>,
    /// How long one try may take [default: as long as the operation]
    #[arg(long, value_name = "TIME", requires = "retry", hide_short_help = true)]
    try_timeout: Option<Span>,
    /// Send an Idempotency-Key with each act, the same in all its tries
    #[arg(long, requires = "retry", hide_short_help = true)]
    idempotency_key: bool,
}

impl RetryArgs {
    /// Overrides the document by the flags that were given.
    pub(super) fn apply_to(&self, document: &mut Document) {
        let Some(times) = self.retry else {
            return;
        };
        let file = document.load.retry.take();
        let file = file.as_ref();
        document.load.retry = Some(RetryPart {
            times,
            backoff: self.retry_backoff.or(file.and_then(|part| part.backoff)),
            try_timeout: self.try_timeout.or(file.and_then(|part| part.try_timeout)),
            idempotency_key: self.idempotency_key || file.is_some_and(|part| part.idempotency_key),
        });
        for arm in &mut document.arm {
            arm.retry = None;
        }
    }
}
