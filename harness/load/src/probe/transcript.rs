//! What is kept of requests and replies where a flow is tried out.

use comeback_model::operation::Step;
use comeback_model::units::Span;

/// Headers that a transcript has in any case.
pub(super) const SHOWN: [&str; 2] = ["content-type", "location"];

/// A request, and what came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The step it belongs to.
    pub step: Step,
    /// What was sent, in its wire form.
    pub request: Vec<u8>,
    /// The reply; nothing where none came.
    pub reply: Option<Replied>,
    /// From the request to the reply's end, or until it was given up.
    pub took: Span,
}

/// A reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replied {
    /// The status.
    pub status: u16,
    /// The headers that are looked at, where it leads, its content's type and the cookies it sets.
    pub headers: Vec<(String, String)>,
    /// The body, or its beginning.
    pub body: Vec<u8>,
}

impl Replied {
    /// Where it redirects to, without the query, which may hold anything.
    pub(super) fn leads_to(&self) -> Option<&str> {
        let mut headers = self.headers.iter();
        let (_, location) = headers.find(|(name, _)| name == "location")?;
        location.split('?').next()
    }
}
