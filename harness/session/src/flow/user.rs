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

/// Which numbers the users of a run have.
#[derive(Clone, Copy, Debug)]
pub struct Users {
    /// The first one's number.
    pub first: u32,
    /// So many clients count up from it.
    pub clients: u32,
    /// So many users of probes count down from the largest number less the first one's.
    pub probes: u32,
}

impl Users {
    pub(super) const fn have(self, number: u32) -> bool {
        let is_clients = number.wrapping_sub(self.first) < self.clients;
        is_clients || (u32::MAX - number).wrapping_sub(self.first) < self.probes
    }
}

/// The value that write `number` of a user's session carries: no other write of the run has it.
pub(super) fn write_token(user: User, number: u32) -> String {
    format!("w{}-{}-{number}", user.number, user.login)
}
