//! The conference that this device is in.

use rand_core::CryptoRng;
use web_time::Instant;

use super::Endpoint;
use crate::call_handle::CallHandle;
use crate::command::{Callee, CommandError};
use crate::config::CallOptions;
use crate::group::{ConferenceHandle, GroupError, NamedConference};

impl Endpoint {
    /// Calls several people into one conference.
    ///
    /// # Errors
    /// [`GroupError`]; nobody was called then.
    pub fn call_group(
        &mut self,
        _now: Instant,
        _wallclock_ms: u64,
        _rng: &mut impl CryptoRng,
        _callees: Vec<Callee>,
        _options: &CallOptions,
    ) -> Result<NamedConference, GroupError> {
        Err(GroupError::NotThere)
    }

    /// Calls somebody into a call that is connected: it becomes a conference, or is a leg of one.
    ///
    /// # Errors
    /// [`GroupError`]; nobody was called then.
    pub fn add(
        &mut self,
        _now: Instant,
        _wallclock_ms: u64,
        _rng: &mut impl CryptoRng,
        _in_call: CallHandle,
        _callee: Callee,
        _options: &CallOptions,
    ) -> Result<NamedConference, GroupError> {
        Err(GroupError::NotThere)
    }

    /// Leaves a conference: ends all its legs.
    ///
    /// # Errors
    /// [`CommandError::NoSuchConference`] if this device is not in it.
    pub fn leave(
        &mut self,
        _now: Instant,
        _rng: &mut impl CryptoRng,
        _conference: ConferenceHandle,
    ) -> Result<(), CommandError> {
        Err(CommandError::NoSuchConference)
    }
}
