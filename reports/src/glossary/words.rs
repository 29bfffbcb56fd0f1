//! The tables of words, in the order of the list. A new word is one entry. The words of columns stand
//! between them, and their meanings at the columns.

use comeback_model::plan::fault::Effect;

use super::{Meaning, Word};
use crate::arms::RunView;
use crate::format::{NOT_SEEN, span};

/// A word that means the same in every run: the term, its other forms in the report, and its meaning.
const fn word(term: &'static str, forms: &'static [&'static str], meaning: &'static str) -> Word {
    let meaning = Meaning::Always(meaning);
    Word {
        term,
        forms,
        meaning,
    }
}

/// A word that occurs where this holds of the run.
const fn word_of(
    occurs: fn(&RunView<'_>) -> bool,
    term: &'static str,
    forms: &'static [&'static str],
    meaning: &'static str,
) -> Word {
    let meaning = Meaning::Where(occurs, meaning);
    Word {
        term,
        forms,
        meaning,
    }
}

pub(super) static FIRST: &[Word] = &[
    word(
        "trial",
        &["trials"],
        "One start of a server and at most one crash. Everything is counted over trials, because sessions in one crash \
         live or die together.",
    ),
    word(
        "void",
        &["does not count", "void trial", "trial void", "trials void"],
        "A trial that counts for nothing: the server failed before the fault, the fault was not seen to have its effect, or too \
         little of the load was sent. Void trials that were not replaced make the run inconclusive.",
    ),
    word(
        "control",
        &["control trial", "control trials", "the control"],
        "The same server under the same load without a crash. Failures there have another cause.",
    ),
    word(
        "fault",
        &["the fault", "landed"],
        "What was done to the server. A fault has landed if its effect was seen; sending it is not enough.",
    ),
    Word {
        term: "T0",
        forms: &[],
        meaning: Meaning::Told(|run| {
            let meaning = match run.effect() {
                None => {
                    "The moment when the effect of a fault was confirmed: the exit of the old process, that every process stood still, or \
                     that the conditions were as before."
                }
                Some(Effect::StandsStill(_)) => {
                    "The moment when every process was seen to stand still."
                }
                Some(Effect::Degrades(_)) => {
                    "The moment when the conditions were as before the fault."
                }
                Some(Effect::Ends(_) | Effect::Replaces | Effect::Surrounds) => {
                    "The moment when the exit of the old process was confirmed, not when the signal was sent."
                }
            };
            meaning.to_owned()
        }),
    },
    word(
        "acknowledged",
        &["acknowledged sessions", "acknowledged writes"],
        "A correct reply said that it took effect.",
    ),
    word(
        "lost session",
        &["sessions lost", "lost sessions"],
        "Its login was acknowledged before the crash. At every look after recovery, the server rejects it, treats its user as \
         not logged in, or fails for this session while it answers others (broken). A session whose user logs in again stays \
         lost. Logins in flight at the crash are ambiguous and do not count. A session without a definite answer is undecided.",
    ),
    word(
        "lost write",
        &["writes lost", "lost writes"],
        "An acknowledged change that is absent afterwards, also because its session is gone. A request without an answer may \
         or may not have been applied, and is never counted as lost.",
    ),
    word(
        "undecided",
        &[],
        "Its fate is unknown: there was no definite answer, or the answers contradicted each other. It counts neither as kept \
         nor as lost.",
    ),
    word(
        "reset",
        &[],
        "Of a session: known afterwards, but older than what was acknowledged. Of an operation: the connection broke after the \
         request, or part of it, had left.",
    ),
    word(
        "zombie",
        &[],
        "A session that is honoured after its logout. A signed cookie cannot be revoked without state.",
    ),
    word(
        "wrong identity",
        &[],
        "The session names another user. That is always a failure.",
    ),
    word(
        "duplicated",
        &[],
        "A write that was applied more than once.",
    ),
    word(
        "phantom",
        &[],
        "A write that is there though it was rejected, or never sent.",
    ),
    word(
        "unverifiable",
        &[],
        "A write whose fate is unknown, because the counter shows more than it should and may hide a loss.",
    ),
    word(
        "unverified",
        &[],
        "A write that was acknowledged in a session that had ended before the fault. No look at the session shows whether it is there.",
    ),
    word(
        "doubted",
        &[],
        "Lost (reset, honoured after the logout) if the reply that acknowledged it was whole: it had no length, and the fault \
         may have cut it off. It counts neither as kept nor as lost, and a gate that it could break is inconclusive.",
    ),
    word(
        "indeterminate",
        &[],
        "It may have taken effect or not: the connection broke, or the time ran out, after bytes had left.",
    ),
    word(
        "ambiguous",
        &[],
        "Its login or logout was in flight at the fault. Such a session leaves the count.",
    ),
    word(
        "rejected",
        &["session rejected"],
        "The server does not know the session any more, and says so.",
    ),
    word(
        "re-created",
        &["session recreated"],
        "The server answers as if the user were not logged in, and begins a new session.",
    ),
    word(
        "broken",
        &[],
        "The server fails for this session at every look, while it answers others.",
    ),
    word(
        "refused",
        &[],
        "The connection was refused before a byte was sent. The operation did not take effect.",
    ),
    word(
        "response timeout",
        &["connect timeout"],
        "No complete reply, or no connection, in time.",
    ),
    word(
        "server error",
        &[],
        "A reply with a status of 5xx. The operation may have taken effect.",
    ),
    word(
        "client error",
        &[],
        "A reply with a status of 3xx or 4xx that is not about the session.",
    ),
    word(
        "wrong answer",
        &[],
        "A reply that contradicts what was acknowledged before.",
    ),
    word("malformed", &[], "It is no reply in the server's protocol."),
    word(
        "unsent",
        &[],
        "The operation could not start within its time-out after it was due. It failed.",
    ),
    word(
        "in flight",
        &["writes in flight", "met a write"],
        "Sent, and not yet answered at the moment of the fault. A kill that meets no such write proves nothing about losses.",
    ),
    Word {
        term: "ready",
        forms: &["ready, median", "first correct reply", "time to ready"],
        meaning: Meaning::Told(|run| {
            let meaning = match run.takes_memory() {
                true => {
                    "The first correct reply that provably comes from the new process, on a fresh connection, if the load after \
                     it is served to its end. An accepted connection is not enough, and neither is one good reply."
                }
                false => {
                    "The first correct reply after the fault is over, on a fresh connection, if the load after it is served to \
                     its end. One good reply is not enough."
                }
            };
            meaning.to_owned()
        }),
    },
    word(
        "outage",
        &["clients' outage", "outage, median"],
        "The time from the moment the fault was sent to ready. The clients' outage is the time from the last correct reply \
         before the fault to the first one after it.",
    ),
    Word {
        term: "steady",
        forms: &["steady, median", "time to steady"],
        meaning: Meaning::Told(|run| {
            let windows = &run.analysis.header.plan.windows;
            format!(
                "From here until the end of the load, and for at least {}, goodput, errors and the median latency stay within \
                 the band of the baseline, in windows of {} or of 20 operations. {}",
                span(windows.steady_for),
                span(windows.window),
                false_rate(run)
            )
        }),
    },
];

/// Those that stand behind the words of the columns.
pub(super) static FURTHER: &[Word] = &[
    word_of(
        |run| run.takes_memory(),
        "kill to exit",
        &[],
        "The time from the signal to the confirmed exit of the old process, T0.",
    ),
    word(
        "executed",
        &["time to restart"],
        "The new program was executed: the time from T0.",
    ),
    word(
        "accepted",
        &["time to listen"],
        "The first connection that the new process accepted: the time from T0. It is no recovery yet.",
    ),
    word(
        "known by",
        &["boot id", "socket owner"],
        "Why the reply is known to come from the new process: it names its own start (boot id), or the new process owns the \
         listening socket.",
    ),
    word(
        "back for good",
        &["not back for good", "metastable"],
        "Ready, and the load after it is served to its end. A service whose processes are up but do not serve the load is \
         metastable.",
    ),
    word(
        "latency",
        &[],
        "The time from the moment an operation was due to its reply. A failed operation is infinitely slow, so that failing fast \
         improves nothing.",
    ),
    word(
        "goodput",
        &[],
        "Correct operations per second, counted at the time they were due.",
    ),
    word(
        "baseline",
        &[],
        "The load before the fault, after the warm-up. The load after it is compared with this.",
    ),
    word(
        "[low, high]",
        &["interval", "95\u{a0}% interval"],
        "An interval of at least 95 % for the median from order statistics; with fewer than six trials there is none (n too \
         small).",
    ),
    word(
        "≤ … of crashes",
        &[],
        "Nothing was lost in n trials; at 95 % confidence up to 1 − 0.05^(1/n) of crashes may still lose something.",
    ),
    Word {
        term: NOT_SEEN,
        forms: &[],
        meaning: Meaning::Told(|run| {
            let windows = &run.analysis.header.plan.windows;
            format!(
                "The service was not steady by the end of the trial's load, {} after it was ready.",
                span(windows.settle)
            )
        }),
    },
    Word {
        term: "> …",
        forms: &["horizon"],
        meaning: Meaning::Told(|run| {
            format!(
                "It did not happen within the horizon of {}. Such trials are kept and rank above all others.",
                span(run.horizon())
            )
        }),
    },
    word(
        "inconclusive",
        &[],
        "The evidence does not suffice for a verdict. It is never a pass.",
    ),
    word_of(
        |run| run.analysis.header.plan.count_of_faults() > 1,
        "sent",
        &["sent, median"],
        "The moment when a fault was sent: the time from the first fault of the trial.",
    ),
    word_of(
        has_nodes,
        "available",
        &["each replica", "when faulted"],
        "The share of operations that were answered correctly, of all that were due.",
    ),
    word_of(
        has_nodes,
        "down",
        &["partly down", "all down"],
        "From the confirmed exit of a replica to its own first correct reply. Partly: at least one. All: every replica at once.",
    ),
    word_of(
        has_nodes,
        "balancer",
        &["balancer: detects, returns", "detects", "returns"],
        "It detects with the last request that it sends to a faulted replica, and returns with the first one that it sends there \
         after the replica is back.",
    ),
    word_of(
        has_nodes,
        "continuity",
        &["sessions' requests kept"],
        "The share of requests within a session that were answered correctly, as the session they belong to.",
    ),
    word_of(
        has_storm,
        "storm",
        &["kills"],
        "Many kills of one server, which keeps its data from one to the next.",
    ),
    word_of(
        has_storm,
        "with a loss",
        &["share, 95\u{a0}%"],
        "Kills after which a session or write that was acknowledged before was gone for certain. The share is of all kills that \
         lost something, or met a write and are decided.",
    ),
    word_of(
        has_storm,
        "killed while idle",
        &[],
        "Kills of the server when no load is on it, at the end of a trial.",
    ),
    word_of(
        has_storm,
        "verified",
        &["verified after each kill"],
        "Sessions and acknowledged writes whose fate was seen, summed over the kills.",
    ),
];

fn has_nodes(run: &RunView<'_>) -> bool {
    run.summary.arms.iter().any(|arm| arm.nodes.is_some())
}

fn has_storm(run: &RunView<'_>) -> bool {
    run.summary.arms.iter().any(|arm| arm.storm.is_some())
}

/// How often the rule for steady errs, by the control trials.
fn false_rate(run: &RunView<'_>) -> String {
    let (mut late, mut controls) = (0, 0);
    for arm in &run.summary.arms {
        late += arm.steady_false_rate.late;
        controls += arm.steady_false_rate.controls;
    }
    match controls {
        0 => "No control trial shows how often this rule is wrong.".to_owned(),
        controls => format!(
            "Applied to the trials without a crash, the same rule was wrong in {late} of {controls}."
        ),
    }
}
