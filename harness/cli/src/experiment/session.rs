//! The session on the command line: its keys as flags, and how many redirects its steps follow.

use comeback_experiment::document::SessionPart;

/// The description of a session.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Session")]
pub(crate) struct SessionArgs {
    #[command(flatten)]
    part: Option<SessionPart>,
    /// How many redirects --login, --act, --logout and --get follow
    ///
    /// The last reply counts. --check follows none: servers redirect users whom they do not know.
    #[arg(long, value_name = "N", default_value_t = 0, hide_short_help = true)]
    pub(crate) follow: u32,
}

impl SessionArgs {
    /// The description, if there is one.
    pub(crate) fn to_part(&self) -> Option<SessionPart> {
        let mut part = self.part.clone()?;
        let steps = [&mut part.login, &mut part.act].into_iter();
        for step in steps.chain(part.logout.as_mut()) {
            step.follow = self.follow;
        }
        Some(part)
    }
}
