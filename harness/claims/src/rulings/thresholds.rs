//! Where a claim's rulings part, each with its reason: the one table of them.

/// From this share of requests or sessions on it was all of them: one in a thousand may meet a replica that ends.
pub(super) const ALL: f64 = 0.999;

/// A share this near to 1/n is that of requests that are spread evenly over n replicas: that logins and what follows a
/// rejection are requests, too, moves it a little.
pub(super) const NEAR: f64 = 0.06;

/// A share of fewer requests says nothing.
pub(super) const REQUESTS: u64 = 200;

/// Fewer crashes cannot show that nothing is lost: with five a loss in up to 45 % of crashes is not excluded. Six are tried,
/// so that one trial may not count.
pub(super) const CRASHES: u32 = 5;

/// Of more sessions whose fate is not known, or operations that the clients did not begin in time, nothing follows. One in
/// a hundred is usual: a logout that a dead server never answered leaves open what ended the session.
pub(super) const UNKNOWN: f64 = 0.05;

/// A server with its state on disk or in a store is ready as fast as one without when it takes at most this many times as
/// long.
pub(super) const AS_FAST: f64 = 2.0;

/// Goodput with the most replicas keeps up with that of one when it is at least this share of it.
pub(super) const KEEPS_UP: f64 = 0.9;

/// Up to this share of requests or sessions it was none of them: a client may send one before it learns that its session
/// is gone.
pub(super) const NONE: f64 = 0.01;

/// A server that keeps at most so many bytes for each login keeps nothing of it: the shortest name of a client that
/// cannot be guessed has 16 (128 bits), and memory comes in pages, so that a little noise is left.
pub(super) const FLAT: f64 = 16.0;

/// Quicker means at least a tenth quicker, in every round that the interval of the median spans: less is not noticed.
pub(super) const QUICKER: f64 = 1.1;

/// Where a server does nothing but answer, and another reaches this share of its goodput, the client is the limit.
pub(super) const CLIENT_LIMIT: f64 = 0.9;

/// An idle client is lighter when it takes at most this share of another's memory: the buffers of its connection are no
/// more alike than that from one run to the next.
pub(super) const LIGHTER: f64 = 0.95;
