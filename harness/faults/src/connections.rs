//! `connections`: connections to a node are slow, cut or refused, by a proxy of our own in front of it.
//!
//! The proxy stands there in every trial of a plan that has such a fault, and does nothing until it is told to. Here is what it is
//! told, and what of its counters shows the effect. Its behaviour is that of Toxiproxy's toxics of these names.

use std::io::{self, BufRead, BufReader, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::time::Duration;

use comeback_host::program;
use comeback_model::plan::fault::{Effect, FaultWords, HoldsBack, Needs, Reach};
use comeback_model::toxics::{Answer, Counts, Cut, Direction, Order, Size, Toxics};
use comeback_model::units::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::act::{Act, ActError, Target};
use crate::degrade::{self, degrade, for_how_long};
use crate::injection::{FaultError, Injection};
use crate::kind::{Kind, Unavailable};

/// How long the proxy may take to answer, on a busy machine.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);
/// The step of the proxy's timer.
const TIMER: Span = Span::from_ms(1);

/// Connections that are slow, cut or refused.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Connections {
    /// How much later bytes arrive, each way. Default: not at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    delay: Option<Span>,
    /// How much the delay varies up and down, drawn for each piece of data. Default: not at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    jitter: Option<Span>,
    /// How many bytes a second pass in one connection, each way, such as `10KB`. Default: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    bandwidth: Option<Size>,
    /// Of `delay`, `bandwidth` and `slow_close`: for bytes in which direction, `to` the node, `from` it, or `both`. Default: both.
    direction: Direction,
    /// How much later the end of a connection is passed on. Default: not at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    slow_close: Option<Span>,
    /// After how many bytes of replies a connection is cut, such as `1KB`, counted from the begin of the fault. Default: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    cut_after: Option<Size>,
    /// Of `cut_after`: how it is cut, by a `reset`, or by a `close` as if the node had ended it. Default: reset.
    cut: Cut,
    /// Whether new connections are reset. Open ones go on. Default: false.
    refuse: bool,
    /// How many of the next new connections are reset. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    fail_first: Option<u32>,
    /// How many of the connections are met, in percent, drawn by the run's seed for each connection (the toxicity). Default: 100.
    percent: u8,
    /// How long it holds as a fault. A surrounding has no end.
    #[serde(skip_serializing_if = "Option::is_none")]
    lasts: Option<Span>,
}

impl Default for Connections {
    fn default() -> Self {
        Self {
            delay: None,
            jitter: None,
            bandwidth: None,
            direction: Direction::Both,
            slow_close: None,
            cut_after: None,
            cut: Cut::Reset,
            refuse: false,
            fail_first: None,
            percent: 100,
            lasts: None,
        }
    }
}

impl Kind for Connections {
    const NAME: &'static str = "connections";
    const ABOUT: &'static str =
        "Connections to a node are slow, cut or refused, by a proxy in front of it.";
    const EVIDENCE: &'static str = "The proxy says what holds, at first and when it is undone. As a fault each of its effects must have been met, as the proxy's counters say.";
    const SURROUNDS: bool = true;

    fn probe() -> Result<(), Unavailable> {
        match program::find() {
            Some(_) => Ok(()),
            None => Err(Unavailable {
                reason: "the proxy is the program comeback, which is not in PATH".to_owned(),
                mend: "install it, or set COMEBACK_PROGRAM to its path",
            }),
        }
    }

    fn check(&self) -> Result<(), (&'static str, &'static str)> {
        // A shorter one is less than the proxy's timer can tell.
        let is_none = |span: Option<Span>| span.is_some_and(|span| span <= TIMER);
        let is_nothing = |size: Option<Size>| size.is_some_and(|size| size.bytes() == 0);
        let is_slow = self.delay.is_some() || self.bandwidth.is_some() || self.slow_close.is_some();
        if is_none(self.delay) {
            return Err(("delay", "it must be longer than 1ms, such as 100ms"));
        }
        if self
            .jitter
            .is_some_and(|jitter| Some(jitter + TIMER) >= self.delay)
        {
            return Err((
                "jitter",
                "the delay less the jitter must be longer than 1ms, for every byte is to be late: lower the jitter, or raise the delay",
            ));
        }
        if is_nothing(self.bandwidth) {
            return Err((
                "bandwidth",
                "it must be at least 1B a second, such as 100kB",
            ));
        }
        if is_none(self.slow_close) {
            return Err(("slow_close", "it must be longer than 1ms, such as 100ms"));
        }
        if is_nothing(self.cut_after) {
            return Err((
                "cut_after",
                "it must be at least 1B, the part of a reply that comes before the cut",
            ));
        }
        if self.cut != Cut::Reset && self.cut_after.is_none() {
            return Err((
                "cut",
                "it says how cut_after cuts: add cut_after, or remove it",
            ));
        }
        if self.direction != Direction::Both && !is_slow {
            return Err((
                "direction",
                "only delay, bandwidth and slow_close have a direction: remove it, or add one of them",
            ));
        }
        if self.fail_first == Some(0) {
            return Err(("fail_first", "it must be at least 1 connection"));
        }
        if self.fail_first.is_some() && self.refuse {
            return Err((
                "fail_first",
                "refuse resets all new connections already: remove one of the two",
            ));
        }
        if !(1..=100).contains(&self.percent) {
            return Err(("percent", "it must be 1 to 100 percent of the connections"));
        }
        // The final looks are made while a surrounding holds: a session that the proxy kept from them would count as lost.
        let cutting = [
            ("cut_after", self.cut_after.is_some()),
            ("refuse", self.refuse),
            ("fail_first", self.fail_first.is_some()),
        ];
        let mut cutting = cutting.into_iter().filter(|(_, is_said)| *is_said);
        if let (None, Some((key, _))) = (self.lasts, cutting.next()) {
            return Err((
                key,
                "as a surrounding it would break the connections of the final looks, too: move it to [[fault]], and say how long it lasts",
            ));
        }
        if !(is_slow || self.cut_after.is_some() || self.refuse || self.fail_first.is_some()) {
            return Err((
                "kind",
                "it does nothing: say delay, bandwidth, slow_close, cut_after, refuse or fail_first",
            ));
        }
        degrade::check(self.lasts)
    }

    fn effect(&self) -> Effect {
        degrade::effect(self.lasts)
    }

    fn needs(&self) -> Needs {
        Needs {
            proxy: true,
            ..Needs::default()
        }
    }

    fn holds_back(&self) -> HoldsBack {
        let late = match (self.bandwidth, self.delay) {
            (None, None) => Some(Span::ZERO),
            (None, Some(delay)) => Some(delay + self.jitter.unwrap_or(Span::ZERO) + TIMER),
            // What comes before it in the same connection has its time, too.
            (Some(_), _) => None,
        };
        let towards = |way| match self.direction {
            Direction::Both => late,
            own if own == way => late,
            Direction::To | Direction::From => Some(Span::ZERO),
        };
        // No request ends with its connection.
        let ends = self.slow_close.filter(|_| self.direction != Direction::To);
        // What was sent may have been reset by the proxy, and have reached no node.
        let resets = self.refuse || self.fail_first.is_some();
        HoldsBack {
            to: towards(Direction::To).filter(|_| !resets),
            from: towards(Direction::From),
            ends: ends.map_or(Span::ZERO, |late| late + TIMER),
            closes: self.cut_after.is_some() && self.cut == Cut::Close,
            cuts: self.cut_after.is_some(),
        }
    }

    fn words(&self, _: Reach) -> FaultWords {
        let (what, lasts) = (self.what(), for_how_long(self.lasts));
        FaultWords {
            short: "connection fault".to_owned(),
            noun: format!("a connection fault, {what}{lasts}"),
            done: format!("a connection fault: {what}{lasts}"),
            begun: what.clone(),
            explained: format!("in front of the faulted nodes, {what}{lasts}"),
        }
    }

    async fn inject(&self, on: &Injection) -> Result<(), FaultError> {
        let disturbance = || Disturbance {
            toxics: self.toxics(),
            is_to_be_met: self.lasts.is_some(),
            before: Counts::default(),
        };
        degrade(on, self.lasts, disturbance).await
    }
}

impl Connections {
    fn toxics(&self) -> Toxics {
        let or_none = |span: Option<Span>| span.unwrap_or(Span::ZERO);
        Toxics {
            delay: or_none(self.delay),
            jitter: or_none(self.jitter),
            bandwidth: self.bandwidth,
            direction: self.direction,
            slow_close: or_none(self.slow_close),
            cut_after: self.cut_after,
            cut: self.cut,
            refuse: self.refuse,
            fail_first: self.fail_first.unwrap_or(0),
            percent: self.percent,
        }
    }

    /// `data 200ms (±50ms) late each way, at most 10KB a second each way`
    fn what(&self) -> String {
        let way = match self.direction {
            Direction::Both => "each way",
            Direction::To => "to it",
            Direction::From => "from it",
        };
        let varies = self
            .jitter
            .map_or_else(String::new, |jitter| format!(" (±{jitter})"));
        let how = match self.cut {
            Cut::Reset => "reset",
            Cut::Close => "closed",
        };
        let parts = [
            self.delay
                .map(|delay| format!("data {delay}{varies} late {way}")),
            self.bandwidth
                .map(|rate| format!("at most {rate} a second {way}")),
            self.slow_close
                .map(|late| format!("ends of connections {late} late")),
            self.cut_after
                .map(|after| format!("connections {how} after {after} of replies")),
            self.refuse.then(|| "new connections reset".to_owned()),
            self.fail_first
                .map(|count| format!("the next {count} new connections reset")),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        match self.percent {
            100 => parts.join(", "),
            percent => format!("{} for {percent}% of the connections", parts.join(", ")),
        }
    }
}

/// What the proxy of one node is told.
#[derive(Debug)]
struct Disturbance {
    toxics: Toxics,
    /// Whether each effect has to be met while it holds.
    is_to_be_met: bool,
    /// The counters when it began.
    before: Counts,
}

impl Disturbance {
    /// Its name, and what its draws follow from: the same for the same seed, trial, fault and node.
    fn name(on: &dyn Target) -> (String, u64) {
        let seed = on.draws().below(u64::MAX);
        (format!("{seed:016x}"), seed)
    }

    /// What the proxy says of it.
    fn state(&self, on: &dyn Target) -> Result<Counts, ActError> {
        let (name, _) = Self::name(on);
        match tell(on, &Order::Count { name })? {
            (Some(toxics), counts) if toxics == self.toxics => Ok(counts),
            _ => Err(ActError::Missed(
                "the proxy says that it has not taken effect".to_owned(),
            )),
        }
    }

    /// The effects that it has, each with what was counted of it since it began, and how much is enough.
    fn effects(&self, now: &Counts) -> Vec<(&'static str, u64, u64)> {
        let (toxics, before) = (&self.toxics, &self.before);
        let effects = [
            (
                !toxics.delay.is_zero(),
                "bytes delayed",
                now.bytes_delayed - before.bytes_delayed,
                1,
            ),
            (
                toxics.bandwidth.is_some(),
                "bytes held back by the bandwidth",
                now.bytes_held - before.bytes_held,
                1,
            ),
            (
                !toxics.slow_close.is_zero(),
                "ends of connections delayed",
                now.closes_delayed - before.closes_delayed,
                1,
            ),
            (
                toxics.cut_after.is_some(),
                "connections cut",
                now.cut - before.cut,
                1,
            ),
            (
                toxics.refuse,
                "new connections reset",
                now.refused - before.refused,
                1,
            ),
            (
                toxics.fail_first > 0,
                "new connections reset",
                now.failed - before.failed,
                u64::from(toxics.fail_first),
            ),
        ];
        let has = effects.into_iter().filter(|(is_there, ..)| *is_there);
        has.map(|(_, what, count, enough)| (what, count, enough))
            .collect()
    }
}

/// `of 7 connections met: 4200 bytes delayed, 2 connections cut`
fn in_words(met: u64, effects: &[(&'static str, u64, u64)]) -> String {
    let effects = effects.iter();
    let counted = effects.map(|(what, count, _)| format!("{count} {what}"));
    let counted: Vec<String> = counted.collect();
    format!("of {met} connections met: {}", counted.join(", "))
}

impl Act for Disturbance {
    fn apply(&mut self, on: &dyn Target) -> Result<(), ActError> {
        let (name, seed) = Self::name(on);
        let toxics = self.toxics;
        (_, self.before) = tell(on, &Order::On { name, seed, toxics })?;
        Ok(())
    }

    fn confirm(&self, on: &dyn Target) -> Result<String, ActError> {
        let counts = self.state(on)?;
        let effects = self.effects(&counts);
        Ok(format!(
            "the proxy says that it holds; {}",
            in_words(counts.met - self.before.met, &effects)
        ))
    }

    fn conclude(&self, on: &dyn Target) -> Result<String, ActError> {
        let counts = self.state(on)?;
        let effects = self.effects(&counts);
        let counted = in_words(counts.met - self.before.met, &effects);
        let mut unmet = effects.iter().filter(|(_, count, enough)| count < enough);
        match unmet.next() {
            Some((what, count, enough)) if self.is_to_be_met => Err(ActError::Missed(format!(
                "it did not have its full effect: {count} {what} while it held, and at least {enough} are needed ({counted})"
            ))),
            _ => Ok(format!("the proxy says that it held; {counted}")),
        }
    }

    fn undo(&mut self, on: &dyn Target) -> io::Result<()> {
        let (name, _) = Self::name(on);
        match tell(on, &Order::Off { name }) {
            Ok(_) => Ok(()),
            Err(ActError::Failed(error)) => Err(error),
            Err(ActError::Missed(problem)) => Err(io::Error::other(problem)),
        }
    }
}

/// Gives the proxy of a node an order; what holds by its name now, and what was counted.
fn tell(on: &dyn Target, order: &Order) -> Result<(Option<Toxics>, Counts), ActError> {
    let proxy = on.proxy().ok_or_else(|| {
        ActError::Missed("no proxy stands in front of it: it listens on a Unix socket".to_owned())
    })?;
    match ask(proxy, order) {
        Ok(Answer::State { toxics, counts }) => Ok((toxics, counts)),
        Ok(Answer::Refused(problem)) => Err(ActError::Failed(io::Error::other(problem))),
        Err(error) => {
            let problem = format!("the proxy in front of it does not answer: {error}");
            Err(ActError::Failed(io::Error::new(error.kind(), problem)))
        }
    }
}

fn ask(proxy: &str, order: &Order) -> io::Result<Answer> {
    let mut stream = UnixStream::connect_addr(&SocketAddr::from_abstract_name(proxy)?)?;
    stream.set_read_timeout(Some(ANSWERS_WITHIN))?;
    stream.set_write_timeout(Some(ANSWERS_WITHIN))?;
    let mut line = serde_json::to_string(order)?;
    line.push('\n');
    stream.write_all(line.as_bytes())?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    Ok(serde_json::from_str(&answer)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::Waiting;

    fn slow() -> Connections {
        Connections {
            delay: Some(Span::from_ms(200)),
            lasts: Some(Span::from_secs(1)),
            ..Connections::default()
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let nothing = Size::from_bytes(0);
        let lasts = Some(Span::from_secs(1));
        for (field, fault) in [
            (
                "kind",
                Connections {
                    lasts,
                    ..Connections::default()
                },
            ),
            (
                "delay",
                Connections {
                    delay: Some(TIMER),
                    ..slow()
                },
            ),
            (
                "jitter",
                Connections {
                    jitter: Some(Span::from_ms(199)),
                    ..slow()
                },
            ),
            (
                "jitter",
                Connections {
                    jitter: lasts,
                    delay: None,
                    refuse: true,
                    ..slow()
                },
            ),
            (
                "bandwidth",
                Connections {
                    bandwidth: Some(nothing),
                    ..slow()
                },
            ),
            (
                "slow_close",
                Connections {
                    slow_close: Some(TIMER),
                    ..slow()
                },
            ),
            (
                "cut_after",
                Connections {
                    cut_after: Some(nothing),
                    ..slow()
                },
            ),
            (
                "cut",
                Connections {
                    cut: Cut::Close,
                    ..slow()
                },
            ),
            (
                "direction",
                Connections {
                    delay: None,
                    refuse: true,
                    direction: Direction::To,
                    ..slow()
                },
            ),
            (
                "fail_first",
                Connections {
                    fail_first: Some(0),
                    ..slow()
                },
            ),
            (
                "fail_first",
                Connections {
                    fail_first: Some(1),
                    refuse: true,
                    ..slow()
                },
            ),
            (
                "refuse",
                Connections {
                    refuse: true,
                    lasts: None,
                    ..slow()
                },
            ),
            (
                "fail_first",
                Connections {
                    fail_first: Some(1),
                    lasts: None,
                    ..slow()
                },
            ),
            (
                "cut_after",
                Connections {
                    cut_after: Some(Size::from_bytes(1)),
                    lasts: None,
                    ..slow()
                },
            ),
            (
                "percent",
                Connections {
                    percent: 0,
                    ..slow()
                },
            ),
            (
                "percent",
                Connections {
                    percent: 101,
                    ..slow()
                },
            ),
            (
                "lasts",
                Connections {
                    lasts: Some(Span::ZERO),
                    ..slow()
                },
            ),
        ] {
            assert_eq!(
                fault.check().expect_err("it is wrong").0,
                field,
                "{fault:?}"
            );
        }
        assert_eq!(slow().check(), Ok(()));
        let surrounding = Connections {
            jitter: Some(Span::from_ms(198)),
            slow_close: Some(Span::from_ms(2)),
            lasts: None,
            ..slow()
        };
        assert_eq!(surrounding.check(), Ok(()));
    }

    #[test]
    fn the_plan_says_for_how_long_it_holds_back_what_is_on_its_way() {
        let held = |fault: Connections| (fault.holds_back().to, fault.holds_back().from);
        let (none, ms) = (Some(Span::ZERO), |ms| Some(Span::from_ms(ms)));
        // The proxy's timer goes by the millisecond.
        assert_eq!(held(slow()), (ms(201), ms(201)));
        let jitter = Connections {
            jitter: ms(50),
            direction: Direction::To,
            ..slow()
        };
        assert_eq!(held(jitter), (ms(251), none));
        let narrow = Connections {
            bandwidth: Some(Size::from_bytes(1)),
            direction: Direction::From,
            ..slow()
        };
        assert_eq!(held(narrow), (none, None));
        let closes_late = |direction| {
            let fault = Connections {
                delay: None,
                slow_close: ms(500),
                direction,
                ..slow()
            };
            let held = fault.holds_back();
            (held.to, held.from, held.until_close().from)
        };
        assert_eq!(closes_late(Direction::Both), (none, none, ms(501)));
        assert_eq!(closes_late(Direction::From), (none, none, ms(501)));
        assert_eq!(closes_late(Direction::To), (none, none, none));
        let refuses = Connections {
            delay: None,
            refuse: true,
            ..slow()
        };
        assert_eq!(held(refuses), (None, none));
        let fails = Connections {
            delay: None,
            fail_first: Some(1),
            ..slow()
        };
        assert_eq!(held(fails), (None, none));
        let cuts = Connections {
            delay: None,
            cut_after: Some(Size::from_bytes(1)),
            ..slow()
        };
        assert_eq!(held(cuts), (none, none));
        assert!(!cuts.holds_back().closes && cuts.holds_back().cuts);
        let closes = Connections {
            cut: Cut::Close,
            ..cuts
        };
        assert!(closes.holds_back().closes);
    }

    #[test]
    fn people_are_told_the_whole_of_it() {
        let fault = Connections {
            jitter: Some(Span::from_ms(50)),
            bandwidth: Some(Size::from_bytes(10_000)),
            direction: Direction::From,
            percent: 20,
            ..slow()
        };
        let words = fault.words(Reach::Group);
        assert_eq!(
            words.done,
            "a connection fault: data 200ms (±50ms) late from it, at most 10KB a second from it for 20% of the connections for 1s"
        );
    }

    #[test]
    fn each_effect_has_to_be_met_and_each_failure_that_was_asked_for() {
        let toxics = Connections {
            fail_first: Some(3),
            ..slow()
        };
        let disturbance = Disturbance {
            toxics: toxics.toxics(),
            is_to_be_met: true,
            before: Counts {
                bytes_delayed: 5,
                ..Counts::default()
            },
        };
        let unmet = |bytes_delayed, failed| {
            let counts = Counts {
                bytes_delayed,
                failed,
                ..Counts::default()
            };
            let effects = disturbance.effects(&counts).into_iter();
            let unmet = effects.filter(|(_, count, enough)| count < enough);
            unmet.map(|(what, ..)| what).collect::<Vec<_>>()
        };
        assert_eq!(unmet(5, 3), ["bytes delayed"]);
        assert_eq!(unmet(6, 2), ["new connections reset"]);
        assert_eq!(unmet(6, 3), [""; 0]);
    }

    #[test]
    fn where_no_proxy_stands_the_fault_misses() {
        let mut disturbance = Disturbance {
            toxics: slow().toxics(),
            is_to_be_met: true,
            before: Counts::default(),
        };
        let missed = disturbance.apply(&Waiting::start());
        assert!(matches!(missed, Err(ActError::Missed(_))), "{missed:?}");
    }
}
