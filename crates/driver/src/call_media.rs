//! The media of a conversation: one task that joins the connections to its peers with microphone and speaker.
//!
//! A call has a conversation of its own, or is a leg of a conference and shares one with the others: then it has its connection,
//! its keys and its end for itself, and with the others microphone, speaker and encoder. What is heard of all is mixed.
//!
//! It begins with the endpoint's first order for the call, which never comes before the user has accepted it.

mod first_tick;
mod leg;
mod legs;
#[cfg(test)]
mod packets;
mod queues;
#[cfg(test)]
mod several;
#[cfg(test)]
mod tests;

use securecall_audio_device::{AudioDevices, AudioSpec, DeviceWish};
use securecall_media::TICK_SAMPLES;
use securecall_session::{CallHandle, MediaCommand, NamedCall, Protection, Tier};
use tokio::runtime::Handle;
use tokio::sync::watch;
use web_time::Instant;

use self::first_tick::Begin;
use self::leg::Leg;
use self::legs::{Legs, MAX_LEGS};
use self::queues::{Joining, Order, What};
use crate::audio_engine::{AudioEngine, Device, Wanted, micros};
use crate::clock::{self, Alarm};
use crate::config::{Network, Servers};
use crate::media_output::MediaOutput;
use crate::network_watch::NetworkState;
use crate::peer_connection::overcome;
use crate::peer_connection::voice::SendEpoch;
use crate::queue::{Receiver, Sender, queue};
use crate::voice_effort::LastEffort;
use crate::voice_thread;

/// What a call's connection is made of.
pub(crate) struct LegSettings {
    pub(crate) network: Network,
    pub(crate) servers: watch::Receiver<Servers>,
    pub(crate) outputs: Sender<(CallHandle, MediaOutput)>,
    /// What streams and tunnels to relays live in. The conversation has ticks to keep, and may end before they have.
    pub(crate) runtime: Handle,
}

/// The media of one call. The task ends when those of all calls of its conversation are dropped.
#[derive(Debug)]
pub(crate) struct CallMedia {
    call: CallHandle,
    orders: Sender<Order>,
}

impl CallMedia {
    /// Starts a conversation. `devices` were opened before; without them they are opened now.
    pub(crate) fn spawn(
        call: NamedCall,
        settings: LegSettings,
        audio: AudioSpec,
        devices: Option<AudioDevices>,
        levels: bool,
        last_effort: LastEffort,
    ) -> Self {
        let (orders, receiver) = queue();
        let leg = Leg::new(call, settings);
        let call = leg.call();
        let task = Task::new(leg, audio, devices, levels, last_effort);
        voice_thread::spawn(task.run(receiver));
        Self { call, orders }
    }

    /// One more call in the conversation of this one.
    pub(crate) fn join(&self, call: NamedCall, settings: LegSettings) -> Self {
        let joined = Self {
            call: call.handle,
            orders: self.orders.clone(),
        };
        joined.send(What::Join(Joining::new(call, settings)));
        joined
    }

    /// Gives an order of the endpoint.
    pub(crate) fn order(&self, command: MediaCommand) {
        self.send(What::Command(command));
    }

    /// Tells how this machine is connected from now on.
    pub(crate) fn network_changed(&self, state: NetworkState) {
        self.send(What::Network(state));
    }

    /// Puts another device in the place of one.
    pub(crate) fn exchange(&self, wish: DeviceWish) {
        self.send(What::Exchange(wish));
    }

    /// Lets the peer be heard so loud: 1 for as it comes.
    pub(crate) fn set_volume(&self, gain: f32) {
        self.send(What::Volume(gain));
    }

    /// Sends one message on the data channel.
    pub(crate) fn control(&self, bytes: Vec<u8>) {
        self.send(What::Control(bytes));
    }

    fn send(&self, what: What) {
        let call = self.call;
        self.orders.send(Order { call, what });
    }
}

/// The call in whose conversation the one that is ordered so takes part.
pub(crate) const fn beside(command: &MediaCommand) -> Option<CallHandle> {
    match command {
        MediaCommand::CreateOffer { beside, .. } | MediaCommand::AcceptOffer { beside, .. } => {
            *beside
        }
        _ => None,
    }
}

/// Whether it begins a call whose voice is Opus for certain, and that has no path for some time: there is time to measure.
const fn begins_sealed(command: &MediaCommand) -> bool {
    matches!(
        command,
        MediaCommand::CreateOffer {
            tier: Tier::SecureCall,
            ..
        } | MediaCommand::AcceptOffer {
            tier: Tier::SecureCall,
            ..
        }
    )
}

/// Arrivals taken before a tick, each with a burst of what is behind it: twice as many as there may be peers, and no more, so that nobody
/// on the network can keep ticks from their turn.
const MAX_BEFORE_A_TICK: usize = 2 * MAX_LEGS;

struct Task {
    legs: Legs,
    audio: AudioEngine,
    alarm: Alarm,
    /// Whether levels are wanted.
    levels: bool,
    /// Nobody hears us.
    muted: bool,
}

impl Task {
    fn new(
        first: Leg,
        audio: AudioSpec,
        devices: Option<AudioDevices>,
        levels: bool,
        last_effort: LastEffort,
    ) -> Self {
        let outputs = first.outputs.clone();
        Self {
            audio: AudioEngine::new(clock::now(), outputs, audio, devices, last_effort),
            legs: Legs::of(first),
            alarm: Alarm::default(),
            levels,
            muted: false,
        }
    }

    async fn run(mut self, mut orders: Receiver<Order>) {
        loop {
            self.drain();
            if self.legs.is_empty() {
                break;
            }
            let wakes = [self.legs.next_wake(clock::now()), self.audio.next_wake()];
            let wake = wakes.into_iter().flatten().min();
            let then = wake.and_then(|wake| self.audio.tick_after(wake));
            // Orders first, so that the end of a call waits for nothing; datagrams last, so that
            // nobody on the network can keep ticks from their turn.
            tokio::select! {
                biased;
                order = orders.next() => match order {
                    Some(order) => self.take_order(order).await,
                    // The client is gone.
                    None => break,
                },
                has_waited = self.alarm.sleep_until(wake, then) => {
                    self.do_what_is_due(has_waited).await;
                }
                opened = self.audio.opened() => if let Err(why) = opened {
                    self.fail_all(&why);
                },
                (leg, arrival) = self.legs.receive() => {
                    let now = clock::now();
                    leg.peer.handle_arrival(now, &arrival);
                    if let Some(due) = self.audio.take_tick_behind(now) {
                        let due_us = clock::unix_us() + micros(due.saturating_duration_since(now));
                        self.play(due, due_us);
                    }
                }
            }
        }
        self.finish().await;
    }

    /// Takes what has come by now, so that no tick goes without a frame that is here: a machine that is busy comes to both late.
    async fn take_arrivals(&mut self) {
        for _ in 0..MAX_BEFORE_A_TICK {
            tokio::select! {
                biased;
                (leg, arrival) = self.legs.receive() => {
                    leg.peer.handle_arrival(clock::now(), &arrival);
                }
                () = std::future::ready(()) => break,
            }
        }
    }

    async fn take_order(&mut self, Order { call, what }: Order) {
        let now = clock::now();
        let what = match what {
            What::Join(joining) => return self.legs.join(joining),
            What::Exchange(wish) => return self.audio.exchange(wish),
            what => what,
        };
        // An order for a call that is over.
        let Some(leg) = self.legs.get_mut(call) else {
            return;
        };
        match what {
            What::Command(MediaCommand::Close) => self.close(call).await,
            What::Command(command) => self.carry_out(call, command),
            What::Control(bytes) => leg.peer.send_control(now, &bytes),
            What::Network(state) => leg.peer.network_changed(now, &state),
            What::Volume(gain) => leg.volume.set(gain),
            What::Join(..) | What::Exchange(_) => {}
        }
    }

    fn carry_out(&mut self, call: CallHandle, command: MediaCommand) {
        let now = clock::now();
        let ceiling = self.legs.shared_size();
        let Some(leg) = self.legs.get_mut(call) else {
            return;
        };
        let peer = &mut leg.peer;
        let begins_sealed = begins_sealed(&command);
        let done = match command {
            MediaCommand::CreateOffer {
                tier,
                route,
                beside: _,
            } => peer.create_offer(now, tier, route),
            MediaCommand::AcceptOffer {
                tier,
                sdp,
                route,
                beside: _,
            } => peer.accept_offer(now, tier, &sdp, route),
            MediaCommand::SetAnswer { sdp } => peer.set_answer(now, &sdp),
            MediaCommand::Gather => peer.gather(now),
            MediaCommand::AddRemoteCandidates(candidates) => {
                peer.add_remote_candidates(now, &candidates)
            }
            MediaCommand::CreateRestartOffer => peer.create_restart_offer(now).or_else(overcome),
            MediaCommand::AcceptRestartOffer { sdp } => {
                peer.accept_restart_offer(now, &sdp).or_else(overcome)
            }
            MediaCommand::SetRestartAnswer { sdp } => peer.set_answer(now, &sdp).or_else(overcome),
            MediaCommand::StartAudio { protection } => return self.start_audio(call, protection),
            MediaCommand::UseSendEpoch { epoch, seed } => {
                let begun = SendEpoch {
                    epoch,
                    seed,
                    ceiling,
                };
                return peer.use_send_epoch(now, begun);
            }
            MediaCommand::AddReceiveEpoch { epoch, seed } => {
                return peer.add_receive_epoch(epoch, seed);
            }
            MediaCommand::OpenMicrophone => {
                leg.microphone_open = true;
                return self.follow_microphone();
            }
            MediaCommand::SetMuted(muted) => {
                // Whoever mutes is heard by nobody, whichever call it was said of.
                self.muted = muted;
                return self.follow_microphone();
            }
            MediaCommand::SetHeld { held, offer } => {
                leg.held = held;
                let done = match offer {
                    true => leg.peer.create_hold_offer(now, held).or_else(overcome),
                    false => Ok(()),
                };
                self.follow_microphone();
                done
            }
            MediaCommand::StopAudio => return self.stop_audio(call),
            MediaCommand::Close => return,
        };
        if let Err(error) = done
            && let Some(leg) = self.legs.get_mut(call)
        {
            leg.peer.fail(&error);
        }
        if begins_sealed {
            // After the description, so that nothing holds it up.
            self.audio.measure_effort();
        }
    }

    /// The microphone runs for those who may hear it. Nothing of it is sent while it is muted, or every call held.
    fn follow_microphone(&mut self) {
        let hearers = self.legs.hearers();
        self.audio.set_microphone_open(hearers.any);
        self.audio.set_muted(self.muted || hearers.all_held);
        for leg in self.legs.iter_mut() {
            leg.peer.set_muted(self.muted || leg.held);
        }
    }

    fn start_audio(&mut self, call: CallHandle, protection: Protection) {
        let Some(leg) = self.legs.get_mut(call) else {
            return;
        };
        let wanted = match &protection {
            Protection::Sealed { .. } => Wanted::Frames,
            Protection::Transport => Wanted::Samples,
        };
        if let Err(error) = leg.start_voice(protection) {
            return leg.fail_here(error.to_string());
        }
        if leg.peer.codes_opus() {
            self.audio.measure_effort();
        }
        if let Err(error) = self.audio.start(wanted) {
            return leg.fail_here(error.to_string());
        }
        self.follow_microphone();
    }

    /// One call is over for the user: microphone and speaker go on for others.
    fn stop_audio(&mut self, call: CallHandle) {
        if let Some(leg) = self.legs.get_mut(call) {
            leg.stop_voice();
        }
        if self.legs.iter().all(Leg::is_over) {
            return self.audio.stop();
        }
        self.follow_microphone();
        self.follow_names();
    }

    /// Devices speak in the name of a call that is not over.
    fn follow_names(&mut self) {
        if let Some(leg) = self.legs.iter().find(|leg| !leg.is_over()) {
            self.audio.speak_for(leg.outputs.clone());
        }
    }

    /// Something on this machine makes every call impossible.
    fn fail_all(&self, why: &str) {
        for leg in self.legs.iter() {
            leg.fail_here(why.to_owned());
        }
    }

    /// What waits for the clock, ticks among it. Where that had not to be waited for, the runtime has not looked at the sockets since
    /// what was done before.
    async fn do_what_is_due(&mut self, has_waited: bool) {
        if !has_waited {
            tokio::task::yield_now().await;
        }
        self.take_arrivals().await;
        self.handle_timeout(clock::now());
    }

    fn handle_timeout(&mut self, now: Instant) {
        for leg in self.legs.iter_mut() {
            leg.peer.handle_timeout(now, || self.audio.card_latencies());
        }
        self.audio.handle_timeout(now);
        while let Some((device, late)) = self.audio.take_due_tick(now) {
            let due_us = clock::unix_us().saturating_sub(micros(late));
            match device {
                // What is heard when follows from when it was due, however late we are.
                Device::Speaker => self.play(now.checked_sub(late).unwrap_or(now), due_us),
                Device::Microphone => {
                    self.capture(now, due_us);
                    self.drain();
                }
            }
        }
    }

    /// Lets 10 ms be heard, due at `due`.
    fn play(&mut self, due: Instant, due_us: u64) {
        let mut heard = [0.0; TICK_SAMPLES];
        self.legs.playback(due, self.audio.effort(), &mut heard);
        self.audio.play(due_us, &heard, self.legs.spare());
    }

    /// Sends all what was heard in the last 10 ms.
    fn capture(&mut self, now: Instant, due_us: u64) {
        if let Some(wish) = self.legs.wish() {
            self.audio.follow(wish);
        }
        let silence_too = self.legs.needs_silence();
        if let Some(captured) = self.audio.capture(due_us, silence_too) {
            self.legs.send(now, &captured);
        }
        // After the frame, so that nothing holds it up.
        self.audio.tell();
        for leg in self.legs.iter_mut() {
            leg.tell_voice(now);
        }
        if self.levels && self.audio.tells_levels() {
            let input = self.audio.level();
            self.legs.iter().for_each(|leg| leg.tell_levels(input));
        }
    }

    /// Carries out what the transports want. Ticks begin when there is a path and whatever else they need.
    fn drain(&mut self) {
        for leg in self.legs.iter_mut() {
            leg.peer.drain();
        }
        while self.audio.may_tick()
            && let Some(leg) = self.legs.iter_mut().find(|leg| leg.may_tick())
        {
            let now = clock::now();
            match leg.first_tick.begin(now, leg.peer.heard_at()) {
                Begin::TickAt(at) => self.audio.start_ticks(at),
                Begin::Greet => {
                    // A frame of silence, by which the peer knows that we are there.
                    if let Some(frame) = self.audio.silence() {
                        leg.peer.send_frame(now, frame);
                    }
                    leg.peer.drain();
                    leg.first_tick.greeted();
                }
                Begin::Wait => break,
            }
        }
    }

    /// The last things of one call: goodbye to the peer's transport, sockets. With the last one recordings.
    async fn close(&mut self, call: CallHandle) {
        let Some(mut leg) = self.legs.take(call) else {
            return;
        };
        leg.peer.close(clock::now());
        leg.stop_voice();
        if self.legs.is_empty() {
            self.audio.finish().await;
        } else {
            self.follow_microphone();
            self.follow_names();
        }
        leg.outputs.closed();
    }

    /// Nobody is there any more, or the client is gone.
    async fn finish(mut self) {
        while let Some(call) = self.legs.first() {
            self.close(call).await;
        }
    }
}
