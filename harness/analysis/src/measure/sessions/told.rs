//! A session that lost something, in words: in a sentence for the first loss of a storm, and as a story for the reader of a
//! failed run. Called by the ledger.

use comeback_model::ids::SessionId;
use comeback_model::operation::{Operation, Step};
use comeback_model::units::Elapsed;

use super::{Session, Shown, Written};
use crate::measure::facts::Facts;
use crate::measure::fate::{Fate, Refusal, refusal};
use crate::measure::words::counted;

/// How many lost writes are named by their numbers.
const NAMED: usize = 5;

impl Session<'_> {
    /// What it lost by the fault, in words: what was acknowledged, and what was read back.
    pub(in crate::measure) fn counterexample(&self, facts: &Facts, fate: Fate) -> Option<String> {
        let login = self.login?;
        let SessionId { client, generation } = login.session();
        let name = format!("the session {generation} of user {}", client.0);
        let acknowledged = self.written.acknowledged_in_it();
        let sent = facts.fault();
        let before_the_kill = |at: Elapsed| match sent.filter(|sent| *sent >= at) {
            Some(sent) => format!("{:.2} ms before the kill", sent.ms_after(at)),
            None => "in the moment of the kill".to_owned(),
        };
        match fate {
            Fate::Refused(refusal) => Some(format!(
                "{name} was acknowledged and is {}{}, with {} of this cycle",
                match refusal {
                    Refusal::Rejected => "refused",
                    Refusal::Recreated => "answered as if the user were not logged in",
                    Refusal::WrongIdentity => "answered as another user's",
                },
                self.first_refused(sent),
                counted(acknowledged, "acknowledged write")
            )),
            Fate::Broken => Some(format!(
                "{name} was acknowledged, and the server fails at every look at it, with {} of this cycle",
                counted(acknowledged, "acknowledged write")
            )),
            Fate::Known { balance, .. } if balance.is_older => {
                let last = self.written.last_before().map(before_the_kill);
                let last = last.map_or_else(String::new, |last| format!(", the last {last}"));
                let oldest = balance.oldest_lost.map(before_the_kill);
                let oldest = oldest.map_or_else(
                    || {
                        "what was there when the cycle began is older now, or lacks a write"
                            .to_owned()
                    },
                    |oldest| format!("the oldest lost one was acknowledged {oldest}"),
                );
                let (lost, of) = match balance.lost.checked_sub(acknowledged) {
                    // Some are of the cycles before.
                    Some(1..) => (
                        counted(balance.lost, "write"),
                        format!(", beside {}", counted(acknowledged, "acknowledged write")),
                    ),
                    Some(0) | None => (
                        balance.lost.to_string(),
                        format!(" of {}", counted(acknowledged, "acknowledged write")),
                    ),
                };
                Some(format!(
                    "{name} lost {lost}{of} of this cycle{last}; {oldest}; {}",
                    self.shown_at_last()
                ))
            }
            Fate::Known { .. } | Fate::Flapping | Fate::Undecided => None,
        }
    }

    /// When its user was first told, as part of a sentence.
    fn first_refused(&self, kill: Option<Elapsed>) -> String {
        let told = self.refused.map(|(operation, _)| operation.finished);
        let told = told.or(self.looks.first()).zip(kill);
        told.filter(|(told, kill)| told >= kill)
            .map_or_else(String::new, |(told, kill)| {
                format!(", first {:.1} ms after the kill", told.ms_after(kill))
            })
    }

    /// What the last look shows, beside what it must show.
    fn read_back(&self) -> ReadBack {
        let look = self.last_look().map(|look| (look.shown, look.at_login));
        match (look, &self.written) {
            (Some((Shown::Counter(now), at_login)), Written::Counted(_)) => {
                let base = match at_login {
                    Some(Shown::Counter(base)) => base,
                    Some(Shown::Own(_)) | None => 0,
                };
                let least = base.saturating_add(self.written.acknowledged());
                ReadBack::Counter { base, least, now }
            }
            (Some((Shown::Own(found), _)), _) => ReadBack::Lacks(self.written.missing_in(found)),
            _ => ReadBack::Nothing,
        }
    }

    /// What the cycle began with, what it must be at least, and what was read back.
    fn shown_at_last(&self) -> String {
        match self.read_back() {
            ReadBack::Counter { base, least, now } => format!(
                "the counter was {base} when the cycle began, must be at least {least} with all acknowledged writes of the cycle, and was read back as {now}"
            ),
            ReadBack::Lacks(missing) => format!("write {} was not read back", named(&missing)),
            ReadBack::Nothing => "nothing of it was read back".to_owned(),
        }
    }

    /// What its user met, a sentence each: who it is, what was acknowledged, when the fault came, and what was seen afterwards.
    /// Nothing unless it lost something by the fault.
    pub(in crate::measure) fn story(&self, facts: &Facts, fate: Fate) -> Vec<String> {
        let seen = match fate {
            Fate::Refused(how) => self.refusal_told(facts, how),
            Fate::Broken => Some(
                "Every look at it after the fault failed, while the server answered others."
                    .to_owned(),
            ),
            Fate::Known { balance, .. } if balance.is_older => Some(self.read_back_told()),
            Fate::Known { .. } | Fate::Flapping | Fate::Undecided => None,
        };
        let (Some(login), Some(fault), Some(seen)) = (self.login, facts.fault(), seen) else {
            return Vec::new();
        };
        let SessionId { client, generation } = login.session();
        let the_fault = match facts.faults().nth(1) {
            Some(_) => "the first fault",
            None => "the fault",
        };
        let before = |at: Elapsed| match fault >= at {
            true => format!("{} before {the_fault}", lasted(fault.ms_after(at))),
            false => format!("after {the_fault} was sent"),
        };
        let last = self.written.last_before().map(before);
        let wrote = match last {
            Some(last) => format!(
                "It had {}, the last one {last}.",
                counted(self.written.acknowledged_before(), "acknowledged write")
            ),
            None => "It had no acknowledged write.".to_owned(),
        };
        let came = facts.baseline().filter(|from| *from <= fault).map_or_else(
            || format!("Then {the_fault} was sent."),
            |from| {
                format!(
                    "Then {the_fault} was sent, {} into the load.",
                    lasted(fault.ms_after(from))
                )
            },
        );
        let back = facts.recovered().filter(|back| *back >= fault).map(|back| {
            format!(
                "The service was back {} later.",
                lasted(back.ms_after(fault))
            )
        });
        let name = format!("Session {generation} of user {}", client.0);
        let began = format!(
            "{name}: its login was acknowledged {}.",
            before(login.finished)
        );
        [began, wrote, came]
            .into_iter()
            .chain(back)
            .chain([seen])
            .collect()
    }

    /// How its user was told that it is gone, or another's.
    fn refusal_told(&self, facts: &Facts, how: Refusal) -> Option<String> {
        let of_look = || {
            self.looks
                .find(|look| look.error.and_then(refusal) == Some(how))
        };
        let told: &Operation = self.refused.map(|(told, _)| told).or_else(of_look)?;
        let after = facts.fault().filter(|fault| *fault <= told.finished);
        let after = after.map_or_else(String::new, |fault| {
            format!(
                ", {} after the fault,",
                lasted(told.finished.ms_after(fault))
            )
        });
        let status = told
            .status
            .map_or_else(String::new, |status| format!(" (status {status})"));
        let step = match told.step {
            Step::Login => "login",
            Step::Act => "act",
            Step::Check => "check",
            Step::Logout => "logout",
            Step::Get => "request",
            Step::ReadBack => "final look",
        };
        let answered = match how {
            Refusal::Rejected => "was a refusal",
            Refusal::Recreated => "was one to somebody who is not logged in",
            Refusal::WrongIdentity => "showed another user's content",
        };
        Some(format!(
            "The reply to its {step}{after} {answered}{status}."
        ))
    }

    /// What was read back of it, and what should have been.
    fn read_back_told(&self) -> String {
        match self.read_back() {
            ReadBack::Counter { base, least, now } => format!(
                "Its counter was {base} at the login and must be at least {least} with all acknowledged writes; it was \
                 read back as {now}."
            ),
            ReadBack::Lacks(missing) => {
                let more = match missing.len().saturating_sub(NAMED) {
                    0 => String::new(),
                    more => format!(" and {more} more"),
                };
                let noun = match missing.len() {
                    1 => "write",
                    _ => "writes",
                };
                format!(
                    "Of its acknowledged writes, {noun} {}{more} could not be read back.",
                    named(&missing)
                )
            }
            ReadBack::Nothing => "Nothing of it could be read back.".to_owned(),
        }
    }
}

/// What the last look at a session shows, beside what it must show.
enum ReadBack {
    /// What its counter was at the login, or when the cycle began; what it must be at least, with all acknowledged writes since; and
    /// what it is.
    Counter { base: u64, least: u64, now: u64 },
    /// The acknowledged writes that are not there, by their numbers.
    Lacks(Vec<u32>),
    /// It was not known.
    Nothing,
}

/// The first numbers of these writes.
fn named(writes: &[u32]) -> String {
    let writes: Vec<String> = writes.iter().take(NAMED).map(u32::to_string).collect();
    writes.join(", ")
}

/// A time in ms, as people say it.
fn lasted(ms: f64) -> String {
    match ms < 1_000.0 {
        true => format!("{ms:.1} ms"),
        false => format!("{:.2} s", ms / 1_000.0),
    }
}
