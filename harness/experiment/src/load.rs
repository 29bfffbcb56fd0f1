//! The settings of the load: their keys, their flags, and how they become part of a plan. The defaults are those of
//! [`Load::of`].

use comeback_model::plan::{Arrivals, Calibration, Load, Open, Retry, Workload};
use comeback_model::units::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[cfg(feature = "flags")]
use super::choice::{parser, whole};
use super::scalar::RatePart;

/// The users' load.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "flags", derive(clap::Args), command(next_help_heading = "Load and trials"))]
#[serde(deny_unknown_fields)]
#[rustfmt::skip] // A line for each flag.
pub struct LoadPart {
    /// Users at a time, each with a session and a connection. Default: 50.
    #[cfg_attr(feature = "flags", arg(long, value_name = "N", value_parser = whole, help = "Sessions (or clients) at a time, each on a connection"))]
    pub sessions: Option<u32>,
    /// Operations per second of all users together, or `"auto"`: before the first trial it is measured how much the server bears, and
    /// half of that is offered, from 5 to 200. With several arms, the slowest decides. Sessions, time-out and horizon are fitted, too, where
    /// they are not given. Default: `"auto"`; 200 for a shard, for external servers, and for the reference servers.
    #[cfg_attr(feature = "flags", arg(long, value_name = "R", help = "Operations per second of all sessions, or auto", long_help = "Operations per second of all sessions together, or auto: it is measured before the first trial how much the server bears, and half of that is offered, from 5 to 200. Sessions, time-out and horizon are fitted, too, where they are not given [default: auto; 200 for a shard, an external or a reference server]"))]
    pub rate: Option<RatePart>,
    /// How the operations are spread over time: like independent users (`poisson`) or evenly (`constant`). Default: `poisson`.
    #[cfg_attr(feature = "flags", arg(long, value_parser = parser::<Arrivals>(), hide_short_help = true, help = "How the operations are spread over time [default: poisson]"))]
    pub arrivals: Option<Arrivals>,
    /// How long an operation may take, and how late it may start. Default: 2s.
    #[cfg_attr(feature = "flags", arg(long, value_name = "TIME", hide_short_help = true, help = "How long an operation may take [default: 2s]", long_help = "How long an operation may take, and how late it may start [default: 2s]"))]
    pub timeout: Option<Span>,
    /// A correct reply within this time counts as available. Default: the time-out.
    #[cfg_attr(feature = "flags", arg(skip))]
    pub objective: Option<Span>,
    /// Whether users keep their connection from one operation to the next. Default: true.
    #[cfg_attr(feature = "flags", arg(long = "no-keep-alive", num_args = 0, default_missing_value = "false", hide_short_help = true, help = "Open a new connection for each operation"))]
    pub keep_alive: Option<bool>,
    /// How clients retry failed operations. Default: not at all.
    #[cfg_attr(feature = "flags", arg(skip))]
    pub retry: Option<RetryPart>,
    /// How often each session is read after the recovery, at most. Default: 8.
    #[cfg_attr(feature = "flags", arg(long, value_name = "N", value_parser = whole, hide_short_help = true, help = "How often each session is read after the recovery, at most [default: 8]"))]
    pub looks: Option<u32>,
    /// Threads that drive the load. Default: 1.
    #[cfg_attr(feature = "flags", arg(skip))]
    pub workers: Option<u32>,
    /// The share of the planned operations that must be sent before the fault. Below it the trial is void. Default: 0.9.
    #[cfg_attr(feature = "flags", arg(skip))]
    pub floor: Option<f64>,
}

impl LoadPart {
    /// This part with everything that `over` sets put over it.
    #[must_use]
    pub fn overridden_by(self, over: Self) -> Self {
        Self {
            sessions: over.sessions.or(self.sessions),
            rate: over.rate.or(self.rate),
            arrivals: over.arrivals.or(self.arrivals),
            timeout: over.timeout.or(self.timeout),
            objective: over.objective.or(self.objective),
            keep_alive: over.keep_alive.or(self.keep_alive),
            retry: over.retry.or(self.retry),
            looks: over.looks.or(self.looks),
            workers: over.workers.or(self.workers),
            floor: over.floor.or(self.floor),
        }
    }

    /// Whether it sets nothing. The schema has no default for such a part.
    pub(super) fn says_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Where its rate comes from; `open` says what else the experiment leaves open.
    pub(super) fn to_calibration(&self, open: Open) -> Calibration {
        match self.rate {
            Some(RatePart::Auto) => Calibration::Wanted(Open {
                sessions: self.sessions.is_none(),
                timeout: self.timeout.is_none(),
                ..open
            }),
            Some(RatePart::PerSecond(_)) | None => Calibration::Given,
        }
    }

    pub(super) fn to_load(&self, workload: Workload) -> Load {
        let usual = Load::of(workload);
        Load {
            clients: self.sessions.unwrap_or(usual.clients),
            rate: match self.rate {
                Some(RatePart::PerSecond(rate)) => rate,
                Some(RatePart::Auto) | None => usual.rate,
            },
            arrivals: self.arrivals.unwrap_or(usual.arrivals),
            timeout: self.timeout.unwrap_or(usual.timeout),
            objective: self.objective,
            keep_alive: self.keep_alive.unwrap_or(usual.keep_alive),
            looks: self.looks.unwrap_or(usual.looks),
            workers: self.workers.unwrap_or(usual.workers),
            floor: self.floor.unwrap_or(usual.floor),
            workload: usual.workload,
        }
    }
}

/// How clients retry an operation that was refused, reset, not answered in time, or answered with a 5xx. All tries share the
/// operation's time-out and count as one operation. A logout is not retried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RetryPart {
    /// The most retries after the first try, from 0 to 10.
    pub times: u32,
    /// The wait before the first retry. It doubles with each retry. Default: 10ms.
    pub backoff: Option<Span>,
    /// How long one try may take. Default: as long as the whole operation.
    pub try_timeout: Option<Span>,
    /// Whether an act carries an `Idempotency-Key` header, the same in all its tries. Default: false.
    #[serde(default)]
    pub idempotency_key: bool,
}

/// The way back from a plan. What clients retry is a setting of each arm.
impl From<(&Load, &Calibration)> for LoadPart {
    fn from((load, calibration): (&Load, &Calibration)) -> Self {
        let Load {
            workload: _,
            clients,
            rate,
            arrivals,
            timeout,
            objective,
            keep_alive,
            looks,
            workers,
            floor,
        } = load;
        Self {
            sessions: Some(*clients),
            rate: Some(match calibration.is_wanted() {
                true => RatePart::Auto,
                false => RatePart::PerSecond(*rate),
            }),
            arrivals: Some(*arrivals),
            timeout: Some(*timeout),
            objective: *objective,
            keep_alive: Some(*keep_alive),
            retry: None,
            looks: Some(*looks),
            workers: Some(*workers),
            floor: Some(*floor),
        }
    }
}

impl From<&Retry> for RetryPart {
    fn from(retry: &Retry) -> Self {
        let Retry {
            times,
            backoff,
            try_timeout,
            idempotency_key,
        } = retry;
        Self {
            times: *times,
            backoff: Some(*backoff),
            try_timeout: *try_timeout,
            idempotency_key: *idempotency_key,
        }
    }
}

impl RetryPart {
    /// What clients do; nothing where they do not try again.
    pub(super) fn to_retry(&self) -> Option<Retry> {
        (self.times > 0).then(|| Retry {
            times: self.times,
            backoff: self.backoff.unwrap_or(Span::from_ms(10)),
            try_timeout: self.try_timeout,
            idempotency_key: self.idempotency_key,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use comeback_model::plan::Request;

    #[test]
    fn a_load_that_was_resolved_is_written_as_it_was_said() {
        let said = "sessions = 7\nrate = 12\narrivals = \"constant\"\ntimeout = \"1s\"\nobjective = \"200ms\"\n\
                    keep_alive = false\nlooks = 3\nworkers = 2\nfloor = 0.5\n";
        for said in [
            said.to_owned(),
            said.replace("12", "12.5"),
            said.replace("12", "\"auto\""),
        ] {
            let part: LoadPart = toml::from_str(&said).expect("every setting");
            let load = part.to_load(Workload::Stateless(Box::new(Request::new("GET", "/"))));
            let back = LoadPart::from((&load, &part.to_calibration(Open::default())));
            assert_eq!(back, part);
            assert_eq!(toml::to_string(&back), Ok(said));
        }
        let retry: RetryPart =
            toml::from_str("times = 2\nbackoff = \"5ms\"\nidempotency_key = true")
                .expect("a retry");
        assert_eq!(retry.to_retry().as_ref().map(RetryPart::from), Some(retry));
    }

    #[test]
    fn each_setting_that_is_given_overrides_and_no_other_does() {
        let given: LoadPart = toml::from_str(
            "sessions = 7\nrate = 12.5\narrivals = \"constant\"\ntimeout = \"1s\"\nobjective = \"200ms\"\n\
             keep_alive = false\nretry = { times = 2 }\nlooks = 3\nworkers = 2\nfloor = 0.5",
        )
        .expect("every setting");
        let load = LoadPart::default().overridden_by(given.clone());
        assert_eq!(load, given);
        assert_eq!(load.overridden_by(LoadPart::default()), given);
    }
}
