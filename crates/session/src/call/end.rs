//! What is known of the end of a call.

use crate::EndReason;
use crate::call_handle::NamedCall;

/// What is known of the end of a call, before and after it.
#[derive(Default)]
pub(super) struct End {
    /// A reason that the signaling machine does not know of.
    pub(super) cause: Option<EndReason>,
    pub(super) replaced_by: Option<NamedCall>,
    /// It was the peer who hung up: it closes the transport first.
    pub(super) peer_hung_up: bool,
    /// It was this side.
    pub(super) hung_up_here: bool,
    /// It has waited long enough for everything.
    pub(super) forgotten: bool,
    /// The caller was told why this device does not ring, and nothing else ever happened.
    pub(super) was_turned_away: bool,
}
