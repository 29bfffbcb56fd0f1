//! What a storm came to: the kills of an arm, those that met a write, and those that took something (METHOD, *Storms*).

use comeback_statistics::{first_event_at, wilson, zero_event_upper_bound};

use super::{ArmAnalysis, IdleKill, Return, TrialAnalysis};

/// The kills of a storm.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StormTally {
    /// Kills whose effect was confirmed.
    pub kills: u64,
    /// Those of them that met a write: sent and unanswered, or just acknowledged.
    pub met: u64,
    /// Kills after which something that was acknowledged was gone for certain.
    pub with_loss: u64,
    /// Kills of which it is not known whether they took something.
    pub undecided: u64,
    /// Kills that the share is of: those that took something, and those that met a write and are decided.
    pub counted: u64,
    /// Sessions that began right before a kill: logins that were at stake at it.
    pub logins: u64,
    /// The first loss ended the storm: the last of the kills that are counted took something, and no other.
    pub ends_with_loss: bool,
    /// Kills after which the server did not come back for good.
    pub unrecovered: u64,
    /// Looks at sessions that told what became of each, over all kills; one session counts after each kill.
    pub sessions: u64,
    /// Acknowledged writes of which was seen what became, over all kills.
    pub writes: u64,
    /// How long all trials with a kill took, in seconds.
    pub seconds: f64,
    /// Kills of the idle server, at the end of a cycle, of which the next one shows what they took.
    pub idle: u64,
    /// Those of them after which something that the last look had shown was gone, or after which the server did not start.
    pub idle_with_loss: u64,
    /// The first loss: after how many kills, in which trial, and what.
    pub first: Option<(u64, u32, String)>,
}

impl StormTally {
    /// The share of the counted kills that took something, with its 95 % interval: Wilson's; where nothing was lost the exact upper
    /// bound; and where the sample ended with its only loss the exact interval of a number of tries until the first success.
    pub fn share(&self) -> Option<(f64, f64, f64)> {
        let n = self.counted;
        let share = (n > 0).then(|| self.with_loss as f64 / n as f64)?;
        match self.with_loss {
            0 => Some((share, 0.0, zero_event_upper_bound(n)?)),
            1 if self.ends_with_loss => {
                let (low, high) = first_event_at(n)?;
                Some((share, low, high))
            }
            lost => wilson(lost, n).map(|interval| (share, interval.low, interval.high)),
        }
    }

    /// Kills per second, from the start of the server to its stop.
    pub fn per_second(&self) -> Option<f64> {
        (self.seconds > 0.0).then(|| self.kills as f64 / self.seconds)
    }
}

impl ArmAnalysis {
    /// What the kills of a storm came to; absent in any other run.
    pub fn storm_tally(&self) -> Option<StormTally> {
        let storm = self.storm?;
        let mut tally = StormTally::default();
        let kills = self.trials.iter();
        for trial in kills.filter(|trial| !trial.control) {
            if let Some(kill) = trial.idle_kill.filter(IdleKill::is_seen) {
                tally.idle += 1;
                tally.idle_with_loss += u64::from(kill.took_something());
                if kill.took_something() {
                    tally.note_first(trial);
                }
            }
            if trial.landed {
                tally.add(trial);
            }
        }
        tally.ends_with_loss &= storm.until_failure && tally.with_loss == 1;
        Some(tally)
    }
}

impl StormTally {
    fn add(&mut self, trial: &TrialAnalysis) {
        let (sessions, writes) = (&trial.sessions, &trial.writes);
        let is_void = trial.void.is_some() && !trial.is_spoiled_for_times();
        let lost = match is_void {
            true => 0,
            false => sessions.lost + sessions.reset + sessions.name_another() + writes.lost,
        };
        let is_back = matches!(trial.returned, Some(Return::ForGood));
        let doubted = sessions.doubted().saturating_add(writes.lost_doubted);
        let is_open = sessions.undecided > 0 || writes.unverifiable > 0 || doubted > 0;
        let is_unknown = is_open || sessions.acknowledged == 0 || trial.void.is_some();
        let is_undecided = lost == 0 && (is_unknown || !is_back);
        let has_met = trial.met.is_some_and(|met| met.at_stake > 0);
        self.kills += 1;
        self.met += u64::from(has_met);
        self.with_loss += u64::from(lost > 0);
        self.undecided += u64::from(is_undecided);
        if lost > 0 || has_met && !is_undecided {
            self.counted += 1;
            self.ends_with_loss = lost > 0;
        }
        self.logins += trial.logins_at_stake.map_or(0, |logins| logins.count);
        self.unrecovered += u64::from(!is_back);
        self.sessions += sessions.acknowledged.saturating_sub(sessions.undecided);
        self.writes += writes.verifiable();
        self.seconds += trial.took_ms.unwrap_or(0.0) / 1_000.0;
        if lost > 0 {
            self.note_first(trial);
        }
    }

    fn note_first(&mut self, trial: &TrialAnalysis) {
        if self.first.is_none() {
            let what = trial.counterexample.clone();
            let what = what.unwrap_or_else(|| "something that was acknowledged is gone".to_owned());
            self.first = Some((self.kills, trial.id.0, what));
        }
    }
}
