//! A storm on the command line.

use comeback_experiment::Document;

/// Kill after kill on the same data.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Fault")]
pub(super) struct StormArgs {
    /// Kill again and again (see --kills, --until-failure)
    ///
    /// Kill, recover, verify and kill again on the same data, as fast as the server comes back, to find losses of one kill in a thousand. All cycles share the data folder, the port and the users' sessions. Kills are
    /// placed inside writes. After three of four of them the recovered server is killed again while it is idle; after the others it is stopped as usual. Five cycles without a kill come first. The load before a kill lasts
    /// some milliseconds: a storm does not show what a kill does to a job that runs every minute.
    #[arg(long, conflicts_with_all = ["trials", "extend_to", "replacements"], hide_short_help = true)]
    storm: bool,
    /// Kills of the storm [default: 1000]
    #[arg(long, value_name = "N", hide_short_help = true)]
    kills: Option<u32>,
    /// End the storm with the first kill that took something
    #[arg(long, hide_short_help = true)]
    until_failure: bool,
}

impl StormArgs {
    /// Puts it into the document; the problem, if there is no storm that the flags are about.
    pub(super) fn apply_to(&self, document: &mut Document) -> Result<(), String> {
        if self.storm {
            document.storm.get_or_insert_default();
        }
        match &mut document.storm {
            Some(storm) => {
                storm.kills = self.kills.or(storm.kills);
                if self.until_failure {
                    storm.until_failure = Some(true);
                }
                Ok(())
            }
            None if self.kills.is_some() => Err(
                "--kills: only a storm has a number of kills: add --storm, or use --trials"
                    .to_owned(),
            ),
            None if self.until_failure => Err(
                "--until-failure: only a storm ends with its first loss: add --storm".to_owned(),
            ),
            None => Ok(()),
        }
    }
}
