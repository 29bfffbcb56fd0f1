//! Everything about a plan that can be known to be wrong before something is started.

use std::fmt;

use super::{Call, Plan, ReadyProbe, Workload};
use crate::units::Span;

/// A plan that cannot be carried out as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanError {
    /// Which part of the plan, in the words of the command line.
    pub field: &'static str,
    /// What is wrong, and the mend.
    pub problem: String,
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.problem)
    }
}

impl std::error::Error for PlanError {}

/// Bounds of what one machine can drive; beyond them figures would be about the generator.
const MAX_CLIENTS: u32 = 15_000;
const MAX_RATE: f64 = 100_000.0;
/// The longest path a Unix socket can have: the kernel's `sun_path`, less its final zero.
const SOCKET_PATH_MAX: usize = 107;
/// Beyond this a schedule, which is drawn as a whole, would be no document any more.
const MAX_TRIALS: u32 = 100_000;

impl Plan {
    /// Checks everything that can be known before something is started.
    ///
    /// # Errors
    /// The first part that cannot be carried out, with the mend.
    pub fn validate(&self) -> Result<(), PlanError> {
        let wrong = |field, problem: &str| {
            Err(PlanError {
                field,
                problem: problem.to_owned(),
            })
        };
        if self.arms.is_empty() {
            return wrong("arms", "there is nothing to run: name at least one");
        }
        for (index, arm) in self.arms.iter().enumerate() {
            if self.arms[..index]
                .iter()
                .any(|other| other.name == arm.name)
            {
                return wrong("arms", &format!("'{}' is named twice", arm.name));
            }
            if arm
                .target
                .command
                .first()
                .is_none_or(|program| program.is_empty())
            {
                return wrong("command", "it is empty: give a program to start");
            }
            if let Some(socket) = &arm.target.socket {
                let placeholders = ["{data}", "{port}", "{replica}"];
                let known = placeholders
                    .iter()
                    .fold(socket.clone(), |path, name| path.replace(name, ""));
                if socket.is_empty() || known.len() > SOCKET_PATH_MAX {
                    let problem = format!("must be a path of 1 to {SOCKET_PATH_MAX} bytes");
                    return wrong("socket", &problem);
                }
            }
        }
        self.validate_texts()?;
        self.validate_baselines()?;
        if self.trials == 0 {
            return wrong("trials", "at least one trial is needed");
        }
        if self.extend_to.max(self.controls) > MAX_TRIALS {
            return wrong("trials", &format!("at most {MAX_TRIALS} are supported"));
        }
        if self.extend_to < self.trials {
            return wrong("extend-to", "must be at least the number of trials");
        }
        let load = &self.load;
        if load.clients == 0 || load.clients > MAX_CLIENTS {
            return wrong("sessions", &format!("must be from 1 to {MAX_CLIENTS}"));
        }
        if !(load.rate > 0.0 && load.rate <= MAX_RATE) {
            return wrong(
                "rate",
                &format!("must be above 0 and at most {MAX_RATE} per second"),
            );
        }
        if load.timeout == Span::ZERO {
            return wrong("timeout", "must be longer than 0s");
        }
        if load.workers == 0 || load.workers > load.clients {
            return wrong(
                "workers",
                "must be at least 1 and at most the number of sessions",
            );
        }
        if let Workload::Sessions(flow) = &load.workload
            && flow.mix.act + flow.mix.check == 0
        {
            return wrong("mix", "act and check cannot both be 0");
        }
        let windows = &self.windows;
        if windows.window == Span::ZERO || windows.baseline.as_us() < 2 * windows.window.as_us() {
            return wrong("baseline", "must hold at least two windows");
        }
        if windows.settle < windows.steady_for || windows.steady_for < windows.window {
            return wrong(
                "settle",
                "must be at least as long as the time the service must stay steady",
            );
        }
        if windows.horizon == Span::ZERO {
            return wrong("horizon", "must be longer than 0s");
        }
        for arm in &self.arms {
            if arm.target.ready.within == Span::ZERO {
                return wrong("ready-within", "must be longer than 0s");
            }
            if arm.target.restart_after >= windows.horizon {
                return wrong(
                    "horizon",
                    "must be longer than the pause before the restart",
                );
            }
        }
        Ok(())
    }
}

impl Plan {
    /// What an arm is compared with must be there, and be measured for its own sake.
    fn validate_baselines(&self) -> Result<(), PlanError> {
        for arm in &self.arms {
            let Some(name) = &arm.baseline else {
                continue;
            };
            let problem = match self.arms.iter().find(|other| other.name == *name) {
                None => format!(
                    "'{name}', the baseline of '{}', is no arm of this run",
                    arm.name
                ),
                Some(base) if base.name == arm.name => {
                    format!("'{name}' cannot be its own baseline")
                }
                Some(base) if base.baseline.is_some() => format!(
                    "'{name}' is the baseline of '{}' and has one itself: compare both with the same arm",
                    arm.name
                ),
                Some(_) => continue,
            };
            return Err(PlanError {
                field: "baseline",
                problem,
            });
        }
        Ok(())
    }

    /// Texts that become names of files, or part of a request line or header.
    fn validate_texts(&self) -> Result<(), PlanError> {
        let wrong = |field, problem: String| Err(PlanError { field, problem });
        let names = self.arms.iter().map(|arm| ("arms", &arm.name));
        for (field, name) in std::iter::once(("name", &self.name)).chain(names) {
            if name.is_empty() || name.contains('/') || name.contains(char::is_control) {
                return wrong(field, format!("{name:?} cannot be a file's name"));
            }
        }
        for arm in &self.arms {
            let target = &arm.target;
            if let Some(name) = &target.boot_header
                && !is_token(name)
            {
                return wrong(
                    "boot-header",
                    format!("{name:?} is not the name of a header"),
                );
            }
            if let ReadyProbe::Http(path) = &target.ready.probe {
                validate_path("ready", path)?;
            }
        }
        if let Workload::Stateless(request) = &self.load.workload
            && let Call::Http { path, .. } = &request.call
        {
            validate_path("get", path)?;
        }
        Ok(())
    }
}

/// A path is sent as it stands: what is not visible ASCII would end the request line, or spoil it.
fn validate_path(field: &'static str, path: &str) -> Result<(), PlanError> {
    let is_template = path.contains("{{") || path.contains("{%");
    let is_sound = path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic());
    if is_sound || is_template {
        return Ok(());
    }
    Err(PlanError {
        field,
        problem: format!(
            "{path:?} is not a path: it must begin with /, and spaces and letters beyond ASCII must be written \
             as %20 and the like"
        ),
    })
}

/// RFC 9110, section 5.6.2.
fn is_token(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_part)
}

#[cfg(test)]
mod tests {
    use super::super::{Request, test_plan};
    use super::*;

    fn asks(plan: &mut Plan, path: &str) {
        plan.load.workload = Workload::Stateless(Box::new(Request::new("GET", path)));
    }

    #[test]
    fn a_template_of_a_path_may_hold_spaces() {
        let mut plan = test_plan();
        asks(&mut plan, "/items/{{ session }}");
        assert_eq!(plan.validate(), Ok(()));
    }

    #[test]
    fn what_cannot_be_carried_out_is_refused_by_the_name_of_its_flag() {
        type Spoil = fn(&mut Plan);
        let cases: [(&str, Spoil); 25] = [
            ("name", |plan| plan.name = "a\u{1b}[31m".to_owned()),
            ("arms", |plan| plan.arms[1].name = "v1/v2".to_owned()),
            ("trials", |plan| plan.extend_to = u32::MAX),
            ("baseline", |plan| {
                plan.arms[0].baseline = Some("third".to_owned());
            }),
            ("baseline", |plan| {
                plan.arms[0].baseline = Some("first".to_owned());
            }),
            ("baseline", |plan| {
                plan.arms[0].baseline = Some("second".to_owned());
                plan.arms[1].baseline = Some("first".to_owned());
            }),
            ("ready-within", |plan| {
                plan.arms[0].target.ready.within = Span::ZERO;
            }),
            ("boot-header", |plan| {
                plan.arms[0].target.boot_header = Some("x y".to_owned());
            }),
            ("ready", |plan| {
                plan.arms[0].target.ready.probe = ReadyProbe::Http("/ü".to_owned());
            }),
            ("get", |plan| asks(plan, "/a HTTP/1.1\r\nX: y")),
            ("get", |plan| asks(plan, "health")),
            ("arms", |plan| plan.arms.clear()),
            ("arms", |plan| plan.arms[1].name = "first".to_owned()),
            ("command", |plan| plan.arms[0].target.command.clear()),
            ("socket", |plan| {
                plan.arms[0].target.socket = Some(String::new());
            }),
            ("socket", |plan| {
                plan.arms[0].target.socket = Some(format!("{{data}}/{}", "x".repeat(107)));
            }),
            ("trials", |plan| plan.trials = 0),
            ("sessions", |plan| plan.load.clients = 0),
            ("rate", |plan| plan.load.rate = f64::NAN),
            ("timeout", |plan| plan.load.timeout = Span::ZERO),
            ("workers", |plan| plan.load.workers = 11),
            ("baseline", |plan| {
                plan.windows.baseline = plan.windows.window
            }),
            ("settle", |plan| plan.windows.settle = Span::from_ms(10)),
            ("horizon", |plan| plan.windows.horizon = Span::ZERO),
            ("horizon", |plan| {
                plan.arms[1].target.restart_after = plan.windows.horizon;
            }),
        ];
        assert_eq!(test_plan().validate(), Ok(()));
        for (field, spoil) in cases {
            let mut plan = test_plan();
            spoil(&mut plan);
            assert_eq!(plan.validate().expect_err(field).field, field);
        }
    }
}
