//! What may stand in the head of a request: paths, and names of headers.

use super::error::{Field, PlanError, invalid};

/// A path is sent as it stands: what is not visible ASCII would end the request line, or spoil it.
pub(super) fn validate_path(field: Field, path: &str) -> Result<(), PlanError> {
    let is_template = path.contains("{{") || path.contains("{%");
    let is_sound = path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic());
    if is_sound || is_template {
        return Ok(());
    }
    invalid(
        field,
        format!(
            "{path:?} is not a path: it must begin with /, and spaces and letters beyond ASCII must be written \
             as %20 and the like"
        ),
    )
}

/// Whether a text can be the name of a header or a method (RFC 9110, section 5.6.2).
pub fn is_token(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_part)
}
