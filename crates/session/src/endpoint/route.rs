//! Which route a call takes.

use crate::command::CallError;
use crate::config::{RelaysAvailable, Route};

/// The route of a call with somebody: what was asked for, else direct for contacts, and for everybody else GhostNet where it can
/// be had, or a relay. No route stands in for another that was asked for.
pub(super) fn choose_route(
    asked: Option<Route>,
    is_contact: bool,
    available: RelaysAvailable,
) -> Result<Route, CallError> {
    match (asked, is_contact) {
        (Some(Route::Direct), _) | (None, true) => Ok(Route::Direct),
        (Some(Route::Relay), _) if available.turn => Ok(Route::Relay),
        (Some(Route::Relay), _) => Err(CallError::RelayUnavailable),
        (Some(Route::GhostNet), _) if available.ghostnet => Ok(Route::GhostNet),
        (Some(Route::GhostNet), _) => Err(CallError::GhostNetUnavailable),
        (None, false) if available.ghostnet => Ok(Route::GhostNet),
        (None, false) if available.turn => Ok(Route::Relay),
        (None, false) => Err(CallError::NoRelay),
    }
}
