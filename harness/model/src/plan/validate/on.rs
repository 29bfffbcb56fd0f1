//! Whether the event that a fault waits for can come.

use crate::ids::FaultId;
use crate::plan::error::{Field, PlanError, invalid};
use crate::plan::fault::{Nth, On, OnEvent, ordinal};
use crate::plan::{Arm, Plan, Wire, Workload};
use crate::units::Span;

impl Plan {
    /// Whether the event that a fault waits for can come, and in time.
    pub(super) fn validate_on(&self, id: FaultId, on: &On) -> Result<(), PlanError> {
        let name = on.event.name();
        match &on.event {
            OnEvent::Acknowledgement(nth) | OnEvent::Sent(nth) => {
                self.validate_count(id, (name, *nth, on.comes_within))
            }
            OnEvent::Log(_) => Ok(()),
            OnEvent::Start(_) if id == FaultId::FIRST => invalid(
                Field::FaultOn(id),
                "nothing is started again before the first fault: name a fault that ends the node before this one",
            ),
            OnEvent::Start(into) if *into >= on.comes_within => invalid(
                Field::FaultOn(id),
                format!(
                    "the fault comes {into} after a start, and is waited for no longer than {}: raise comes_within",
                    on.comes_within
                ),
            ),
            OnEvent::Start(_) => Ok(()),
        }
    }

    fn validate_count(
        &self,
        id: FaultId,
        (name, nth, within): (&str, Nth, Span),
    ) -> Result<(), PlanError> {
        let share = match &self.load.workload {
            Workload::Sessions(flow) => flow.share_of_acts(),
            Workload::Stateless(_) => None,
        };
        let Some(share) = share else {
            return invalid(
                Field::FaultOn(id),
                format!(
                    "'{name}' counts writes, and the load has none: only users with a [session] write, by act"
                ),
            );
        };
        let is_http2 = |arm: &Arm| arm.target.protocol.spec().wire == Wire::Http2;
        if name == "sent" && self.arms.iter().any(is_http2) {
            return invalid(
                Field::FaultOn(id),
                "HTTP/2 does not tell when the last byte of a request was sent: use http or https, or another event",
            );
        }
        // A storm writes as fast as it can, and a rate that is to be measured is not known yet.
        if self.storm.is_some() || self.calibration.is_wanted() {
            return Ok(());
        }
        let per_s = self.load.rate * share;
        let takes_s = f64::from(nth.most) / per_s;
        match takes_s < within.as_secs() {
            true => Ok(()),
            false => invalid(
                Field::FaultNth(id),
                format!(
                    "the load writes {per_s:.1} times a second, so that the {} write takes {takes_s:.1} s, and is waited for {within} \
                     only: raise the rate or comes_within, or lower nth",
                    ordinal(nth.most)
                ),
            ),
        }
    }
}
