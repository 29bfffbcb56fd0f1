//! What the status of a reply says by its class. Replies of every protocol are translated into such a status.

/// Whether the request was done: 2xx.
pub const fn is_success(status: u16) -> bool {
    matches!(status, 200..300)
}

/// Whether the reply leads elsewhere: 3xx.
pub const fn is_redirect(status: u16) -> bool {
    matches!(status, 300..400)
}

/// Whether the request was refused, or could not be done: 4xx and beyond.
pub const fn is_error(status: u16) -> bool {
    status >= 400
}
