//! What happens: answers of the homeserver, messages, media events, time.

use std::collections::VecDeque;

use rand_core::CryptoRng;
use securecall_contact::Device;
use web_time::Instant;

use super::Endpoint;
use super::arrived::Awaits;
use super::reports::Why;
use super::sealed_calls::Found;
use crate::call_handle::CallHandle;
use crate::event::MissedReason;
use crate::media_event::MediaEvent;
use crate::output::{
    InboundSignal, NotPersisted, Output, RequestError, RequestId, RoomRequestError,
};
use crate::requests::Waiting;
use crate::sealed::sealed_box::{BoxKind, SealedBox};
use crate::signal_refused::SignalRefused;

impl Endpoint {
    /// The answer to a [`Request::QueryDevices`](crate::Request::QueryDevices).
    pub fn handle_devices(
        &mut self,
        now: Instant,
        rng: &mut impl CryptoRng,
        id: RequestId,
        result: Result<Vec<Device>, RequestError>,
    ) {
        if let Some(Waiting::Devices(call)) = self.requests.open.get(&id) {
            let call = *call;
            self.requests.open.remove(&id);
            self.with_call(now, rng, call, |it, io| {
                it.handle_devices(io, result);
            });
        }
    }

    /// The answer to a [`Request::Send`](crate::Request::Send) or a [`Request::SendToDevice`](crate::Request::SendToDevice).
    pub fn handle_response(
        &mut self,
        now: Instant,
        rng: &mut impl CryptoRng,
        id: RequestId,
        result: Result<(), RequestError>,
    ) {
        match self.requests.open.remove(&id) {
            Some(Waiting::Message { call, party, name }) => {
                self.with_call(now, rng, call, |it, io| {
                    it.handle_response(io, &party, name, result);
                });
            }
            Some(Waiting::ToDevice { call, letter }) => {
                let result = result.map(|()| None).map_err(RoomRequestError::from);
                self.with_call(now, rng, call, |it, io| {
                    it.handle_room_response(io, letter, result);
                });
            }
            // What was answered as something else than it is: the answer is still to come.
            Some(
                waiting @ (Waiting::Devices(_)
                | Waiting::Room { .. }
                | Waiting::Search { .. }
                | Waiting::Membership { .. }
                | Waiting::GroupCall(..)),
            ) => {
                self.requests.open.insert(id, waiting);
            }
            Some(Waiting::Acknowledgement) | None => {}
        }
    }

    /// An Olm event of ours. `wallclock_ms` is our clock, in milliseconds since the Unix epoch.
    ///
    /// # Errors
    /// [`SignalRefused`] says why it was refused; nothing has changed then. To be logged, not shown.
    pub fn handle_signal(
        &mut self,
        now: Instant,
        wallclock_ms: u64,
        rng: &mut impl CryptoRng,
        signal: InboundSignal<'_>,
    ) -> Result<(), SignalRefused> {
        self.tell_wallclock(now, wallclock_ms);
        let (id, message) =
            SealedBox::from_signal(signal.content).map_err(SignalRefused::Signal)?;
        let call = match (self.sealed_calls.find(id, signal.sender), message.kind) {
            (Found::Call(call), _) => call,
            (Found::OfSomebodyElse, _) => return Err(SignalRefused::UnknownDevice),
            (Found::Nothing, BoxKind::Message1) => {
                return self.admit(now, wallclock_ms, rng, &signal, id, &message.sealed);
            }
            (Found::Nothing, BoxKind::Message2 | BoxKind::Ratchet) => {
                return Err(SignalRefused::UnknownCall);
            }
        };
        let handled = self.with_call(now, rng, call, |it, io| {
            it.handle_box(io, &signal.sender_olm_key, &message)
        });
        handled.unwrap_or(Err(SignalRefused::UnknownCall))
    }

    /// A whole sync response was handed in: what arrived with it may ring as soon as the disk has it.
    pub fn handle_sync_complete(&mut self, now: Instant, rng: &mut impl CryptoRng) {
        for arrived in &mut self.arrived {
            if arrived.awaits == Awaits::SyncEnd {
                arrived.awaits = Awaits::Turn;
            }
        }
        self.ring_in_rooms(now, rng);
        self.persist(now, rng);
    }

    /// What became of the last [`Output::Persist`]. An invite that is not on disk does not ring, for it could do so again after a restart: it is a
    /// missed call. One that the user has answered by calling the same person goes on: it does not ring either way.
    pub fn handle_persisted(
        &mut self,
        now: Instant,
        rng: &mut impl CryptoRng,
        result: Result<(), NotPersisted>,
    ) {
        if !std::mem::take(&mut self.persisting) {
            return;
        }
        // What the disk did not take is to be in the next write, whoever that is for.
        self.unsaved |= result.is_err();
        let (written, waiting): (VecDeque<_>, _) = std::mem::take(&mut self.arrived)
            .into_iter()
            .partition(|it| it.awaits == Awaits::Disk);
        self.arrived = waiting;
        for arrived in written {
            if result.is_ok() || arrived.is_promised() {
                self.ring(now, rng, arrived);
            } else {
                let why = Why::Missed(MissedReason::StorageFailed);
                self.report(now, arrived.call, arrived.peer, why);
            }
        }
        // These came during the write, which does not hold them.
        if self.arrived.iter().any(|it| it.awaits == Awaits::Turn) {
            self.persist(now, rng);
        }
    }

    /// Has the replay memory written, one write after the other, if there is anything new in it.
    fn persist(&mut self, now: Instant, rng: &mut impl CryptoRng) {
        if self.persisting {
            return;
        }
        for arrived in &mut self.arrived {
            if arrived.awaits == Awaits::Turn {
                arrived.awaits = Awaits::Disk;
            }
        }
        self.persisting = true;
        if std::mem::take(&mut self.unsaved) {
            let bytes = self.replay_memory.to_bytes();
            self.outputs.push_back(Output::Persist(bytes));
        } else {
            self.handle_persisted(now, rng, Ok(()));
        }
    }

    /// A message on the data channel of a call.
    ///
    /// # Errors
    /// [`SignalRefused`] says why it was refused; nothing has changed then. To be logged, not shown.
    pub fn handle_control(
        &mut self,
        now: Instant,
        rng: &mut impl CryptoRng,
        call: CallHandle,
        message: &[u8],
    ) -> Result<(), SignalRefused> {
        let handled = self.with_call(now, rng, call, |it, io| it.handle_control(io, message));
        handled.unwrap_or(Err(SignalRefused::UnknownCall))
    }

    /// Something happened in the media engine of a call.
    pub fn handle_media(
        &mut self,
        now: Instant,
        rng: &mut impl CryptoRng,
        call: CallHandle,
        event: MediaEvent,
    ) {
        self.with_call(now, rng, call, |it, io| {
            it.handle_media(io, event);
        });
    }

    /// The time that [`Output::Timeout`](crate::Output::Timeout) named has come. Harmless at any other time.
    pub fn handle_timeout(&mut self, now: Instant, rng: &mut impl CryptoRng) {
        let due: Vec<_> = self
            .calls
            .iter()
            .filter(|(_, it)| it.poll_timeout().is_some_and(|at| at <= now))
            .map(|(call, _)| *call)
            .collect();
        for call in due {
            self.with_call(now, rng, call, |it, io| it.handle_timeout(io));
        }
        self.end_glare(now, rng);
        self.handle_search_timeout(now);
        self.handle_group_room_timeout(now);
        self.handle_conference_timeout(now, rng);
        let reports = self.reports.handle_timeout(now);
        self.outputs.extend(reports.into_iter().map(Output::Event));
    }
}
