//! Which route a call takes.

use crate::command::CallError;
use crate::config::Route;

/// The route of a call with somebody: what was asked for, else direct for contacts and relay for everybody else.
pub(super) fn choose_route(
    asked: Option<Route>,
    is_contact: bool,
    relay_available: bool,
) -> Result<Route, CallError> {
    match (asked, is_contact) {
        (Some(Route::Direct), _) | (None, true) => Ok(Route::Direct),
        (Some(Route::Relay), _) if !relay_available => Err(CallError::RelayUnavailable),
        (None, false) if !relay_available => Err(CallError::NoRelay),
        (Some(Route::Relay), _) | (None, false) => Ok(Route::Relay),
    }
}
