//! What is wrong with a plan.

use std::fmt;

/// A plan that cannot be carried out as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanError {
    /// Which part of the plan, in the words of the command line.
    pub field: &'static str,
    /// Which arm it is about, by its place, where it is about one.
    pub arm: Option<usize>,
    /// What is wrong, and the mend.
    pub problem: String,
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.problem)
    }
}

impl std::error::Error for PlanError {}

/// That this part of the plan cannot be so.
pub(super) fn wrong(field: &'static str, problem: impl Into<String>) -> Result<(), PlanError> {
    Err(PlanError {
        field,
        arm: None,
        problem: problem.into(),
    })
}
