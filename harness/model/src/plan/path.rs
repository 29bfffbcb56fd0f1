//! Paths of requests.

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
