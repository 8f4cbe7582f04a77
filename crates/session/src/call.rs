//! One call of this device, whatever its tier: the signaling machine, orders for the media engine, the path, the end. What it
//! says reaches the peer through its [`Carrier`].
//!
//! ```text
//!  user, endpoint: accept, reject, hang_up, give_way, set_muted ─▶ ┌──────┐
//!  homeserver: handle_devices, handle_box, handle_response ──────▶ │ Call │ ─▶ events, media orders
//!  media: handle_media; data channel: handle_control ────────────▶ └──┬───┘
//!  time: handle_timeout                                 say, speak …  │ ▲ Heard
//!                                                                     ▼ │
//!                                                               ┌─────────┐
//!                                                               │ Carrier │ ─▶ requests, control messages
//!                                                               └─────────┘
//! ```
//!
//! Every input ends in [`Call::flush`]: outputs of the signaling machine become contents to be said, contents that are said at
//! the same time become one message per device, and messages whose time has come become outputs.

mod begin;
mod begin_in_room;
mod carrier;
mod connection;
mod end;
mod ending;
mod hearing;
mod leg;
mod media;
mod media_events;
mod restarts;
mod room_events;
mod timer;

use securecall_contact::{Device, OlmKey};
use securecall_crypto::IdentityKey;
use securecall_signaling::{CallId, CallMachine, CallOutput, Content, Deadlines, PartyId, Role};
use web_time::Instant;

pub(crate) use self::begin::{Dial, Invited, Reception};
pub(crate) use self::begin_in_room::{Placing, RoomLeg, new_call_id};
use self::carrier::Carrier;
use self::connection::Connection;
use self::end::End;
use self::leg::LegSide;
pub(crate) use self::leg::{LegNews, LegOrder, Shares};
use self::media::{Media, Transport};
use self::restarts::Restarts;
use self::timer::{CANDIDATE_BATCH, TRICKLE_PAUSE, Timer};
use crate::EndReason;
use crate::call_handle::{CallHandle, NamedCall};
use crate::config::Route;
use crate::contract::Situation;
use crate::event::{Event, Peer};
use crate::io::Io;
use crate::media_event::MediaEvent;
use crate::output::{MediaCommand, Output, RequestError};
use crate::requests::MessageName;
use crate::sealed::sealed_box::SealedBox;
use crate::signal_refused::SignalRefused;

pub(crate) struct Call {
    pub(crate) name: NamedCall,
    pub(crate) peer: Peer,
    pub(crate) route: Route,
    machine: CallMachine,
    carrier: Carrier,
    deadlines: Deadlines<Timer>,
    connection: Connection,
    media: Media,
    restarts: Restarts,
    end: End,
    leg: LegSide,
    /// The route that the user has asked for, if they have.
    pub(crate) asked: Option<Route>,
    /// The call whose microphone and speaker it uses, if it is a leg of the same conference.
    beside: Option<CallHandle>,
}

impl Call {
    /// The user declines. Returns whether the call was waiting for that.
    pub(crate) fn reject(&mut self, io: &mut Io<'_>) -> bool {
        let rejected = self.machine.reject().is_ok();
        self.flush(io);
        rejected
    }

    /// The caller's device calls anew, so it knows nothing of this call any more: over, and there is nobody to tell.
    pub(crate) fn caller_forgot_it(&mut self, io: &mut Io<'_>) {
        self.machine.caller_is_gone();
        self.carrier.drop_all();
        self.flush(io);
    }

    /// Mutes or unmutes our microphone. The frames tell the peer: a message would be seen on the network.
    pub(crate) fn set_muted(&mut self, io: &mut Io<'_>, muted: bool) {
        if self.machine.is_over() || !self.media.set_muted(muted) {
            return;
        }
        if self.media.is_open() {
            self.order(io, MediaCommand::SetMuted(muted));
        }
        self.carrier.set_muted(muted);
        io.event(Event::Muted {
            call: self.name.clone(),
            local: true,
            muted,
        });
        self.flush(io);
    }

    /// Holds the call, or resumes it: neither side hears the other meanwhile. The peer is told by an offer, where it can be; sealed
    /// frames go on at their pace, and say that we are muted. Returns whether there is a call to hold.
    pub(crate) fn set_held(&mut self, io: &mut Io<'_>, held: bool) -> bool {
        if self.machine.is_over() || !self.connection.is_connected() {
            return false;
        }
        if !self.media.set_held_here(held) {
            return true;
        }
        let offer = self.carrier.room().is_some() && self.makes_offers();
        if offer {
            self.restarts.begins_offer();
        }
        self.order(io, MediaCommand::SetHeld { held, offer });
        io.event(Event::Held {
            call: self.name.clone(),
            local: true,
            held,
        });
        self.flush(io);
        true
    }

    /// The user muted the call before there was anything to mute, and was told so.
    fn begin_muted(&mut self, io: &mut Io<'_>) {
        self.media.set_muted(true);
        self.order(io, MediaCommand::SetMuted(true));
        self.carrier.set_muted(true);
    }

    /// What the homeserver answered to the query for the peer's devices (caller).
    pub(crate) fn handle_devices(
        &mut self,
        io: &mut Io<'_>,
        result: Result<Vec<Device>, RequestError>,
    ) {
        self.carrier.handle_devices(io, result);
        self.hear(io);
        self.invite(io);
        self.flush(io);
    }

    /// A sealed box that came over Matrix from the device with this Olm key.
    pub(crate) fn handle_box(
        &mut self,
        io: &mut Io<'_>,
        olm_key: &OlmKey,
        message: &SealedBox,
    ) -> Result<(), SignalRefused> {
        let situation = self.situation();
        let result = self.carrier.handle_box(io, &situation, olm_key, message);
        self.hear(io);
        self.flush(io);
        result
    }

    /// A message that came on the data channel, from whoever is at its other end.
    pub(crate) fn handle_control(
        &mut self,
        io: &mut Io<'_>,
        message: &[u8],
    ) -> Result<(), SignalRefused> {
        let situation = self.situation();
        let result = self.carrier.handle_control(io, &situation, message);
        self.hear(io);
        // Anybody can repeat a message: only a new one says that the peer is there. If what we send leads nowhere, that is still so.
        if result == Ok(true) && !self.connection.is_lost() {
            self.packet_came(io);
        }
        self.flush(io);
        result.map(drop)
    }

    /// The homeserver's word on a message.
    pub(crate) fn handle_response(
        &mut self,
        io: &mut Io<'_>,
        party: &PartyId,
        name: MessageName,
        result: Result<(), RequestError>,
    ) {
        self.carrier.handle_response(io.now, party, name, result);
        self.flush(io);
    }

    /// Something happened in the media engine.
    pub(crate) fn handle_media(&mut self, io: &mut Io<'_>, event: MediaEvent) {
        match self.media.transport {
            Transport::Open => self.media_event(io, event),
            Transport::Draining if event == MediaEvent::DataChannelClosed => self.close_media(io),
            Transport::Draining | Transport::Untouched | Transport::Closed => {}
        }
        self.flush(io);
    }

    /// Acts on every deadline that has passed, the earliest first, wherever it stands.
    pub(crate) fn handle_timeout(&mut self, io: &mut Io<'_>) {
        self.machine.handle_timeout(io.now);
        loop {
            let carriers = self.carrier.next_deadline().filter(|at| *at <= io.now);
            let is_earlier = |at| self.deadlines.next().is_none_or(|own| at <= own);
            if carriers.is_some_and(is_earlier) {
                let situation = self.situation();
                self.carrier.handle_deadline(io.now, &situation);
                self.hear(io);
            } else if let Some(timer) = self.deadlines.take_expired(io.now) {
                tracing::trace!(call = %self.name, ?timer, "woke up");
                self.handle_timer(io, timer);
            } else {
                break;
            }
        }
        self.flush(io);
    }

    /// The earliest deadline of all that the call is made of.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let of_carrier = self.carrier.poll_timeout(&self.situation());
        let own = self.deadlines.next();
        let all = [
            of_carrier,
            self.carrier.next_deadline(),
            self.machine.poll_timeout(),
            own,
        ];
        all.into_iter().flatten().min()
    }

    /// Nothing more will happen here, so nothing need be kept.
    pub(crate) fn is_finished(&self) -> bool {
        let is_done = || self.is_quiet() && !self.carrier.may_hear_more();
        self.machine.is_over() && (self.end.forgotten || is_done())
    }

    /// The call is over and everybody who can be told was told.
    pub(crate) fn is_quiet(&self) -> bool {
        self.is_silent() && self.carrier.is_quiet(&self.situation())
    }

    /// This side gave the call up before any device that was invited has said a word. One may be about to ring, and hears of the end only in
    /// answer to that.
    pub(crate) fn may_ring_unaware(&self) -> bool {
        self.end.hung_up_here && !self.end.forgotten && self.carrier.awaits_every_first_word()
    }

    pub(crate) const fn handle(&self) -> CallHandle {
        self.name.handle
    }

    /// The ID on the wire of a sealed call, by which glare is decided.
    pub(crate) const fn sealed_id(&self) -> Option<CallId> {
        self.carrier.sealed_id()
    }

    pub(crate) const fn is_over(&self) -> bool {
        self.machine.is_over()
    }

    pub(crate) const fn is_ringing_here(&self) -> bool {
        self.machine.is_ringing_here()
    }

    /// Our call, that nobody has answered yet: it may have to give way (glare).
    pub(crate) const fn is_unanswered_call_of_ours(&self) -> bool {
        matches!(self.machine.role(), Role::Caller) && !self.machine.is_answered()
    }

    /// Whether the call is with this identity.
    pub(crate) fn is_with(&self, identity: &IdentityKey) -> bool {
        self.carrier.is_with(identity)
    }

    /// It rings here, this device of the peer is the one that calls, and it began to before `sent_at` by its own clock.
    pub(crate) fn rings_here_from(&self, olm_key: &OlmKey, sent_at: u64) -> bool {
        self.machine.is_ringing_here() && self.carrier.is_placed_by(olm_key, sent_at)
    }

    /// There is a transport that must be closed.
    pub(crate) const fn has_media(&self) -> bool {
        self.media.has_transport()
    }

    /// The caller was told why this device does not ring, and nothing else ever happened.
    pub(crate) const fn was_turned_away(&self) -> bool {
        self.end.was_turned_away
    }

    /// Turns what happened into outputs. The last thing every input does.
    fn flush(&mut self, io: &mut Io<'_>) {
        // What the machine decided comes first: all below asks it whether the call is answered, or over, and what it wants said
        // is to go out with the rest.
        self.drain_machine(io);
        // Who answers a call that rang has keys since message 2. The media engine takes its orders in turn, and the next step may
        // order the microphone, which is for audio that runs.
        self.start_audio(io);
        // After the audio, as said, and after the machine, for a call that has just ended is not connected.
        self.check_connected(io);
        // The last contents, before anything is sealed: they are to travel in the messages made next, so that few are sent.
        if !self.machine.is_over() {
            self.offer_candidates(io.now);
        }
        // All that is to be said now is known: it becomes one message per device.
        let situation = self.situation();
        self.carrier.speak(io, &situation);
        // Once more, for who answers at once: message 2 was written in the step before, and with it come the keys. The frames of
        // the peer may come as soon as the answer has left, in the next.
        self.start_audio(io);
        // After the sealing, so that what is new leaves without waiting for another input.
        self.carrier.transmit(io, &situation);
        // At the very end: only what has been handed over, and is not waited for, needs no key any more.
        self.let_go();
    }

    /// Candidates travel with whatever is said. Alone they go at once, but the next ones after a pause: what the first server
    /// finds is what a path needs most often, and by the end of the pause there may be one. An end before there is any is none of
    /// them: sources that take their time have been given up, and what they find after all must not wait.
    fn offer_candidates(&mut self, now: Instant) {
        let alone = !self.carrier.has_contents();
        let waits = self.deadlines.is_set(Timer::CandidateBatch)
            || (alone && self.deadlines.is_set(Timer::TricklePause));
        if waits {
            return;
        }
        let (candidates, complete) = self.media.local_candidates();
        self.carrier.offer_candidates(candidates, complete);
        if alone && !candidates.is_empty() && self.carrier.has_contents() {
            self.deadlines.set(Timer::TricklePause, now + TRICKLE_PAUSE);
        }
    }

    fn drain_machine(&mut self, io: &mut Io<'_>) {
        while let Some(output) = self.machine.poll_output() {
            match output {
                CallOutput::Send { party, content } => self.carrier.say(&party, content),
                CallOutput::Ringing => io.event(Event::Ringing {
                    call: self.name.clone(),
                }),
                CallOutput::Answered { party, sdp } => self.take_answer(io, &party, sdp),
                CallOutput::Candidates(lines) => {
                    if let Some(command) = self.media.take_remote_candidates(lines) {
                        self.order(io, command);
                    }
                }
                CallOutput::Ended(end) => self.finish(io, end),
            }
        }
    }

    fn handle_timer(&mut self, io: &mut Io<'_>, timer: Timer) {
        match timer {
            Timer::CandidateBatch | Timer::TricklePause => {}
            Timer::NoSign if self.machine.is_answered() => {}
            Timer::NoSign => io.event(Event::NoSignOfRinging {
                call: self.name.clone(),
            }),
            Timer::PathDead => {
                self.path_dies(io);
                if self.machine.role() == Role::Caller {
                    self.restart(io);
                }
            }
            Timer::PathLost => self.end_because(EndReason::IceTimeout),
            Timer::RestartAgain => {
                if self.connection.needs_restart() {
                    if self.restarts.wait_for_answer() {
                        self.connection.restart_is_late();
                    }
                    self.restart(io);
                }
            }
            Timer::RestartPlease => self.ask_for_restart(io),
            Timer::CloseTransport => self.close_media(io),
            Timer::Forget => self.end.forgotten = true,
        }
    }

    /// Invites the peer's devices, once they and our offer are both there.
    fn invite(&mut self, io: &mut Io<'_>) {
        let situation = self.situation();
        self.carrier.invite(io, &situation);
        self.hear(io);
    }

    /// Looks for our addresses, once for all devices.
    fn gather(&mut self, io: &mut Io<'_>) {
        self.deadlines
            .set(Timer::CandidateBatch, io.now + CANDIDATE_BATCH);
        self.order(io, MediaCommand::Gather);
    }

    /// The answer that is taken: the call is with this device from now on.
    fn take_answer(&mut self, io: &mut Io<'_>, from: &PartyId, sdp: String) {
        self.restarts.take_answer(self.carrier.fingerprint(&sdp));
        self.carrier.answered(from);
        self.order(io, MediaCommand::SetAnswer { sdp });
        self.media.answer_made = true;
        // Here and not in `flush`: the peer's candidates are the machine's next output, and with them the first frames may come.
        self.start_audio(io);
    }

    /// Gives the media engine what protects the frames once there is an answer: frames flow as soon as there is a path.
    fn start_audio(&mut self, io: &mut Io<'_>) {
        if !self.media.answer_made || !self.machine.is_answered() {
            return;
        }
        let selected = self.machine.selected();
        let command = selected.and_then(|party| self.carrier.protection(party));
        if let Some(command) = command {
            self.order(io, command);
        }
    }

    /// Connected: the path is up, a frame of the peer opened, and the words are known. In a room the path is all there is.
    ///
    /// A forged message 1 gets as far as an answer, and no further: a frame opens only if its sender took part in the handshake, and a callee
    /// knows the words only from a ratchet message that opened.
    fn check_connected(&mut self, io: &mut Io<'_>) {
        if !self.carrier.is_peer_proven() || !self.machine.is_answered() {
            return;
        }
        let connected = self.connection.connect(io.now, &mut self.deadlines);
        let Some((route, setup)) = connected else {
            return;
        };
        self.machine.connected();
        io.event(Event::Connected {
            call: self.name.clone(),
            peer: self.peer.clone(),
            tier: self.carrier.tier(),
            route,
            safety_words: self.carrier.safety_words(),
            setup,
        });
        // Not before: until here it is not proven who would hear it.
        self.order(io, MediaCommand::OpenMicrophone);
        if self.media.is_muted() {
            self.order(io, MediaCommand::SetMuted(true));
        }
        // Frames come before the call counts as connected, so what they said of it was kept till
        // now, and that they were heard as well.
        if self.media.is_peer_muted() {
            self.tell_peer_muted(io);
        }
        self.tell_first_audio(io);
        self.carrier.connected(io.now);
        self.leg.connected();
    }

    /// Tells that the peer was heard for the first time, unless it was not, or that was told.
    fn tell_first_audio(&mut self, io: &mut Io<'_>) {
        if let Some(setup) = self.media.tells_first_audio() {
            io.event(Event::FirstAudio {
                call: self.name.clone(),
                setup,
            });
        }
    }

    fn tell_peer_muted(&self, io: &mut Io<'_>) {
        io.event(Event::Muted {
            call: self.name.clone(),
            local: false,
            muted: self.media.is_peer_muted(),
        });
    }

    /// The media engine has heard the peer.
    fn peer_was_heard(&mut self, io: &mut Io<'_>) {
        self.connection.is_found();
        self.packet_came(io);
    }

    /// A packet of the peer was authenticated.
    fn packet_came(&mut self, io: &mut Io<'_>) {
        self.connection.packet_came(io.now);
        if !self.machine.is_over() && self.connection.lives(io.now, &mut self.deadlines) {
            io.event(Event::Reconnected {
                call: self.name.clone(),
            });
            self.leg.tell(LegNews::Heard);
            if let Some(party) = self.machine.selected() {
                self.carrier.path_is_back(io.now, party);
            }
        }
    }

    fn path_dies(&mut self, io: &mut Io<'_>) {
        let role = self.machine.role();
        self.connection.dies(io.now, role, &mut self.deadlines);
        io.event(Event::Reconnecting {
            call: self.name.clone(),
        });
        let since = self.connection.last_heard().unwrap_or(io.now);
        self.leg.tell(LegNews::Silent { since });
    }

    /// The media engine knows that the path is dead: nobody waits until it has been silent for long enough.
    fn path_lost(&mut self, io: &mut Io<'_>) {
        if !self.connection.is_connected() || self.machine.is_over() {
            return;
        }
        if !self.connection.is_dead() {
            self.path_dies(io);
        }
        self.connection.is_lost_now();
        // The addresses that there are now are all that counts.
        self.deadlines.clear(Timer::TricklePause);
        match self.machine.role() {
            Role::Caller => {
                // One that is under way names addresses that are gone, or lacks those that have come.
                self.connection.restart_is_void(&mut self.deadlines);
                self.restart(io);
            }
            Role::Callee => self.ask_for_restart(io),
        }
    }

    /// Makes a restart offer unless one is under way, or this side makes none.
    fn restart(&mut self, io: &mut Io<'_>) {
        let begins =
            self.makes_offers() && self.connection.begins_restart(io.now, &mut self.deadlines);
        if begins {
            self.restarts.begins_offer();
            self.order(io, MediaCommand::CreateRestartOffer);
        }
    }

    /// The callee's part: it asks the caller, or makes the offer itself where both may. That it does so a little later keeps the two
    /// from crossing.
    fn ask_for_restart(&mut self, io: &mut Io<'_>) {
        if self.makes_offers() {
            self.restart(io);
        } else if let Some(party) = self.machine.selected() {
            self.carrier.say_once(party, Content::RestartPlease);
        }
    }

    fn makes_offers(&self) -> bool {
        let role = self.machine.role();
        self.carrier.makes_offers(role, self.machine.selected())
    }

    fn order(&self, io: &mut Io<'_>, command: MediaCommand) {
        io.outputs.push_back(Output::Media(self.handle(), command));
    }

    fn situation(&self) -> Situation {
        Situation {
            over: self.machine.is_over(),
            selected: self.machine.selected().cloned(),
            data_channel: self.media.has_transport() && self.connection.has_data_channel(),
            path_dead: self.connection.is_dead(),
            path_silent: self.connection.is_silent(),
            candidates_until: self.deadlines.at(Timer::CandidateBatch),
        }
    }

    /// The call is over, and so is its transport.
    fn is_silent(&self) -> bool {
        self.machine.is_over() && !self.media.has_transport()
    }
}
