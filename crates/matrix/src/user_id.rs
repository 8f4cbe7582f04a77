//! Between our Matrix IDs and the library's. Each side takes some that the other does not.

use ruma::{OwnedUserId, UserId};
use securecall_contact::MatrixId;

/// `None` for what the library takes for no user ID.
pub(crate) fn user_id(user: &MatrixId) -> Option<OwnedUserId> {
    UserId::parse(user.as_str()).ok()
}

/// `None` for what is no Matrix ID of ours, such as one with characters that harm a display.
pub(crate) fn matrix_id(user_id: &OwnedUserId) -> Option<MatrixId> {
    user_id.as_str().parse().ok()
}
