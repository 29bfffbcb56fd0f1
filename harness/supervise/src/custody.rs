//! Everything that a run holds from its start to its end, so that nothing outlives it: the folder for the files of its servers,
//! its record on disk, its warden, and its control group.

use std::io;
use std::path::Path;

use super::cgroup::Cgroup;
use super::lease::{self, Lease};
use super::process::adopt_orphans;
use super::scratch;
use super::tag::RunTag;
use super::warden::{Warden, put_away};

/// Whose program the harness lives in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// Its own: it takes in the orphans of its targets, is in the run's control group, and its warden is the program
    /// again.
    Program,
    /// Somebody else's, such as a test: that has children of its own, so nothing about the process as a whole is
    /// touched, and the warden is a shell.
    Guest,
}

/// Holds a run. Dropping it ends the remaining processes of the run, and waits for that.
#[derive(Debug)]
#[must_use = "without it nothing undoes a run whose harness is killed"]
pub struct Custody {
    warden: Option<Warden>,
    tag: RunTag,
    is_inside: bool,
}

impl Custody {
    /// Takes a run into custody: makes its scratch folder, which must not be there yet.
    ///
    /// # Errors
    /// If the folder cannot be made or the warden not be started. A record or a control group that cannot be made is
    /// gone without.
    pub fn begin(host: Host, tag: &RunTag, scratch: &Path) -> io::Result<Self> {
        let scratch = std::path::absolute(scratch)?;
        scratch::create(&scratch, tag.as_str())?;
        let starts_nothing = tag.roster().starts_nothing();
        let group = match starts_nothing {
            true => None,
            false => Cgroup::create(tag.as_str()),
        };
        let lease = Lease::new(
            tag.as_str(),
            &scratch,
            group.as_ref(),
            host == Host::Program,
        )?;
        tag.roster().take_lease(&lease);
        let record = lease.write().ok().map(|(file, path)| {
            tag.roster().keep((file, path.clone()));
            path
        });
        let warden = match host {
            Host::Program if starts_nothing => Warden::start(tag, &scratch),
            Host::Program => adopt_orphans().and_then(|()| Warden::start(tag, &scratch)),
            Host::Guest => Warden::start_in_shell(tag, &scratch),
        };
        let warden = warden.inspect_err(|_| {
            tag.roster().disconnect();
            if put_away(tag, &scratch) {
                record.iter().for_each(|path| lease::remove(path));
            }
        })?;
        let mut custody = Self {
            // It is not in the group that it kills.
            warden: Some(warden),
            tag: tag.clone(),
            is_inside: false,
        };
        if let Some(group) = group {
            custody.is_inside = host == Host::Program && group.enter().is_ok();
            tag.roster().hold_in(group, custody.is_inside);
        }
        Ok(custody)
    }

    /// Ends the rest of the run. No process is left, and no scratch folder unless something in it cannot be removed.
    ///
    /// # Errors
    /// If the warden cannot be waited for, or takes more than 20 seconds.
    pub fn end(mut self) -> io::Result<()> {
        self.close()
    }

    fn close(&mut self) -> io::Result<()> {
        if self.is_inside {
            self.is_inside = false;
            if let Some(group) = self.tag.roster().cgroup() {
                // The group cannot be removed then; its warden still spares this process.
                let _ = group.leave();
            }
        }
        let ended = self.warden.take().map_or(Ok(()), Warden::dismiss);
        self.tag.roster().forget_cgroup();
        ended
    }
}

impl Drop for Custody {
    fn drop(&mut self) {
        // There is no caller left for the error.
        let _ = self.close();
    }
}
