//! The balancer's headers about the replica of a reply. `comeback balance` documents their names. The configurations that it
//! generates for HAProxy and nginx send the same ones.

/// Which replica gave a reply.
const REPLICA: &str = "x-replica";
/// That a reply is the balancer's own, and why.
const ERROR: &str = "x-balancer-error";
/// Which replica an error of the balancer is about.
const FAILED: &str = "x-failed-replica";

/// The balancer's headers about the origin of a reply. Empty without a balancer or without its headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Relayed {
    /// The replica that gave the reply.
    pub by: Option<u32>,
    /// The replica that a request was sent to in vain, so that the reply is the balancer's own.
    pub failed: Option<u32>,
}

impl Relayed {
    /// Nothing is said.
    pub const NOBODY: Self = Self {
        by: None,
        failed: None,
    };
}

/// The headers as they come, in any order.
#[derive(Clone, Copy, Debug, Default)]
pub struct RelayReader {
    replica: Option<u32>,
    failed: Option<u32>,
    blamed: bool,
}

impl RelayReader {
    /// Takes a header.
    pub fn take(&mut self, name: &str, value: &[u8]) {
        if name.eq_ignore_ascii_case(REPLICA) {
            self.replica = number(value);
        } else if name.eq_ignore_ascii_case(FAILED) {
            self.failed = number(value);
        } else if name.eq_ignore_ascii_case(ERROR) {
            // Failures of the balancer or the client are not attributed to the replica.
            self.blamed = matches!(value, b"refused" | b"reset" | b"timeout" | b"malformed");
        }
    }

    /// Combines them.
    pub fn read(self) -> Relayed {
        match self.failed.filter(|_| self.blamed) {
            Some(failed) => Relayed {
                by: None,
                failed: Some(failed),
            },
            None => Relayed {
                by: self.replica,
                failed: None,
            },
        }
    }
}

/// A number in plain digits.
fn number(value: &[u8]) -> Option<u32> {
    let is_plain = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(value).ok().filter(|_| is_plain)?;
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(headers: &[(&str, &str)], by: Option<u32>, failed: Option<u32>) {
        for turned in [false, true] {
            let mut reader = RelayReader::default();
            let mut headers = headers.to_vec();
            if turned {
                headers.reverse();
            }
            for (name, value) in headers {
                reader.take(name, value.as_bytes());
            }
            assert_eq!(reader.read(), Relayed { by, failed });
        }
    }

    #[test]
    fn a_reply_is_a_replicas_or_about_one_that_failed() {
        check(&[], None, None);
        check(&[("X-Replica", "2")], Some(2), None);
        let refused = ("x-balancer-error", "refused");
        check(&[refused, ("X-Failed-Replica", "1")], None, Some(1));
        // nginx says both, for the replica it tried.
        let both = [refused, ("x-failed-replica", "1"), ("x-replica", "1")];
        check(&both, None, Some(1));
    }

    #[test]
    fn nobody_is_blamed_for_what_the_balancer_or_the_client_did() {
        for word in ["local", "client", "none-up", "some other word"] {
            let error = ("x-balancer-error", word);
            check(&[error, ("x-failed-replica", "1")], None, None);
        }
        // Without the balancer's word the other header may be anybody's.
        check(&[("x-failed-replica", "1")], None, None);
    }

    #[test]
    fn what_is_no_number_names_no_replica() {
        for value in ["", "+1", "-1", "one", "4294967296", "1 ", "0x1"] {
            check(&[("x-replica", value)], None, None);
        }
    }
}
