//! What every input brings along.

use std::collections::VecDeque;

use rand_core::CryptoRng;
use securecall_contact::{Device, MatrixId};
use securecall_crypto::IdentityKeyPair;
use securecall_signaling::PartyId;
use web_time::Instant;

use crate::event::Event;
use crate::output::Output;
use crate::requests::Requests;

/// What peers know this endpoint by.
pub(crate) struct Own {
    pub(crate) identity: IdentityKeyPair,
    pub(crate) matrix_id: MatrixId,
    pub(crate) device: Device,
}

impl Own {
    /// What this device is called in its calls.
    pub(crate) fn party(&self) -> PartyId {
        PartyId::from(&self.device.device_id)
    }
}

pub(crate) struct Io<'a> {
    pub(crate) now: Instant,
    pub(crate) rng: &'a mut dyn CryptoRng,
    pub(crate) own: &'a Own,
    pub(crate) outputs: &'a mut VecDeque<Output>,
    pub(crate) requests: &'a mut Requests,
}

impl Io<'_> {
    pub(crate) fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }
}
