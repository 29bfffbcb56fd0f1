//! Who sends a request.

/// A user, as far as templates speak of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    /// Its number, `{{ session }}`.
    pub number: u32,
    /// How often it has logged in before, `{{ login }}`.
    pub login: u32,
    /// What its random numbers are drawn from.
    pub seed: u64,
}

/// The value that write `number` of a user's session carries: no other write of the run has it.
pub(super) fn write_token(user: User, number: u32) -> String {
    format!("w{}-{}-{number}", user.number, user.login)
}
