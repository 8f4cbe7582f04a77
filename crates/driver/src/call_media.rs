//! The media of one call: one task that joins the connection to the peer with microphone and speaker.
//!
//! It begins with the endpoint's first order for the call, which never comes before the user has accepted it.

mod first_tick;
#[cfg(test)]
mod packets;
mod queues;

use std::time::Duration;

use securecall_audio_device::{AudioDevices, AudioSpec, DeviceWish};
use securecall_crypto::Direction;
use securecall_media::TICK_SAMPLES;
use securecall_session::{
    CallHandle, MediaCommand, MediaEvent, MediaFailure, NamedCall, Protection,
};
use tokio::sync::watch;
use web_time::Instant;

use self::first_tick::{Begin, FirstTick};
use self::queues::Order;
use crate::audio_engine::{AudioEngine, Captured, Wanted, micros};
use crate::clock;
use crate::config::{Network, Servers};
use crate::event::Event;
use crate::media_output::{MediaOutput, MediaOutputs};
use crate::network_watch::NetworkState;
use crate::peer_connection::{PeerConnection, overcome};
use crate::queue::{Receiver, Sender, queue};

/// The media of one call, running in a task of its own. Dropping it ends the task.
#[derive(Debug)]
pub(crate) struct CallMedia {
    orders: Sender<Order>,
}

impl CallMedia {
    /// Starts the task. `devices` were opened before; without them they are opened now.
    pub(crate) fn spawn(
        call: NamedCall,
        audio: AudioSpec,
        devices: Option<AudioDevices>,
        network: Network,
        servers: &watch::Receiver<Servers>,
        levels: bool,
        outputs: Sender<(CallHandle, MediaOutput)>,
    ) -> Self {
        let (sender, orders) = queue();
        let outputs = MediaOutputs::of(call, outputs);
        let task = Task {
            peer: PeerConnection::new(outputs.clone(), network, servers),
            audio: AudioEngine::new(clock::now(), outputs.clone(), audio, devices),
            outputs,
            levels,
            first_tick: FirstTick::default(),
            muted: false,
            held: false,
            closing: false,
        };
        tokio::spawn(task.run(orders));
        Self { orders: sender }
    }

    /// Gives an order of the endpoint.
    pub(crate) fn order(&self, command: MediaCommand) {
        self.orders.send(Order::Command(command));
    }

    /// Tells how this machine is connected from now on.
    pub(crate) fn network_changed(&self, state: NetworkState) {
        self.orders.send(Order::Network(state));
    }

    /// Puts another device in the place of one.
    pub(crate) fn exchange(&self, wish: DeviceWish) {
        self.orders.send(Order::Exchange(wish));
    }

    /// Sends one message on the data channel.
    pub(crate) fn control(&self, bytes: Vec<u8>) {
        self.orders.send(Order::Control(bytes));
    }
}

struct Task {
    peer: PeerConnection,
    audio: AudioEngine,
    outputs: MediaOutputs,
    /// Whether levels are wanted.
    levels: bool,
    first_tick: FirstTick,
    muted: bool,
    /// This side holds the call.
    held: bool,
    closing: bool,
}

impl Task {
    async fn run(mut self, mut orders: Receiver<Order>) {
        loop {
            self.drain();
            if self.closing {
                break;
            }
            let wake = [
                self.peer.next_wake(),
                self.audio.next_wake(),
                self.first_tick.next_wake(clock::now()),
            ];
            // Orders first, so that the end of a call waits for nothing; datagrams last, so that
            // nobody on the network can keep ticks from their turn.
            tokio::select! {
                biased;
                order = orders.next() => match order {
                    Some(Order::Command(command)) => self.carry_out(command),
                    Some(Order::Exchange(wish)) => self.audio.exchange(wish),
                    Some(Order::Control(bytes)) => self.peer.send_control(clock::now(), &bytes),
                    Some(Order::Network(state)) => self.peer.network_changed(clock::now(), &state),
                    // The client is gone.
                    None => break,
                },
                () = clock::sleep_until(wake.into_iter().flatten().min()) => self.handle_timeout(),
                opened = self.audio.opened() => if let Err(why) = opened {
                    self.fail_here(why);
                },
                arrival = self.peer.receive() => {
                    self.peer.handle_arrival(clock::now(), &arrival);
                }
            }
        }
        self.finish().await;
    }

    fn carry_out(&mut self, command: MediaCommand) {
        let now = clock::now();
        let peer = &mut self.peer;
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
            MediaCommand::StartAudio { protection } => return self.start_audio(protection),
            MediaCommand::UseSendEpoch { epoch, seed } => {
                return peer.use_send_epoch(now, epoch, seed);
            }
            MediaCommand::AddReceiveEpoch { epoch, seed } => {
                return peer.add_receive_epoch(epoch, seed);
            }
            MediaCommand::OpenMicrophone => return self.audio.open_microphone(),
            MediaCommand::SetMuted(muted) => {
                self.muted = muted;
                return self.follow_mute();
            }
            MediaCommand::SetHeld { held, offer } => {
                self.held = held;
                self.follow_mute();
                if !offer {
                    return;
                }
                self.peer.create_hold_offer(now, held).or_else(overcome)
            }
            MediaCommand::StopAudio => {
                peer.stop_voice();
                return self.audio.stop();
            }
            MediaCommand::Close => {
                self.closing = true;
                return;
            }
        };
        if let Err(error) = done {
            self.peer.fail(&error);
        }
    }

    /// Nothing of the microphone is sent while it is muted, or the call held.
    fn follow_mute(&mut self) {
        let silent = self.muted || self.held;
        self.peer.set_muted(silent);
        self.audio.set_muted(silent);
    }

    fn start_audio(&mut self, protection: Protection) {
        let wanted = match &protection {
            Protection::Sealed { direction, .. } => {
                if *direction == Direction::CallerToCallee {
                    self.first_tick.follow();
                }
                Wanted::Frames
            }
            Protection::Transport => Wanted::Samples,
        };
        if let Err(error) = self.peer.start_voice(protection) {
            return self.fail_here(error.to_string());
        }
        if let Err(error) = self.audio.start(wanted) {
            self.fail_here(error.to_string());
        }
    }

    /// Something on this machine makes the call impossible.
    fn fail_here(&self, why: String) {
        self.outputs.notice(why);
        self.outputs.event(MediaEvent::Failed {
            reason: MediaFailure::Local,
        });
    }

    fn handle_timeout(&mut self) {
        let now = clock::now();
        self.peer
            .handle_timeout(now, || self.audio.card_latencies());
        self.audio.handle_timeout(now);
        while let Some(late) = self.audio.take_due_tick(now) {
            self.tick(now, late);
            self.drain();
        }
    }

    /// Joins both for 10 ms. `late` is how long ago they were due.
    fn tick(&mut self, now: Instant, late: Duration) {
        let due_us = clock::unix_us().saturating_sub(micros(late));
        // With one peer, what is heard of all is what is heard of that one.
        let mut heard = [0.0; TICK_SAMPLES];
        self.peer.set_effort(self.audio.effort());
        self.peer.playback(now, &mut heard);
        if self.held {
            heard.fill(0.0);
        }
        // One encoder serves all peers; of several the most cautious wish would count.
        if let Some(wish) = self.peer.wish() {
            self.audio.follow(wish);
        }
        match self.audio.tick(due_us, &heard) {
            Some(Captured::Frame(frame)) => self.peer.send_frame(now, frame),
            Some(Captured::Samples(samples)) => self.peer.send_samples(now, &samples),
            None => {}
        }
        // After the frame, so that nothing holds it up.
        self.audio.tell();
        self.peer.tell_voice(now);
        self.tell_levels();
    }

    fn tell_levels(&self) {
        if self.levels
            && self.audio.tells_levels()
            && let Some(input) = self.audio.level().or_else(|| self.peer.own_level())
            && let Some(output) = self.peer.level()
        {
            self.outputs.tell(|call| Event::Levels {
                call: call.handle,
                input,
                output,
            });
        }
    }

    /// Carries out what the transport wants. Ticks begin when there is a path and whatever else they need.
    fn drain(&mut self) {
        self.peer.drain();
        while self.peer.is_path_up() && self.audio.may_tick() {
            let now = clock::now();
            match self.first_tick.begin(now, self.peer.heard_at()) {
                Begin::TickAt(at) => self.audio.start_ticks(at),
                Begin::Greet => self.greet(now),
                Begin::Wait => break,
            }
        }
    }

    /// A frame of silence, by which the peer knows that we are there.
    fn greet(&mut self, now: Instant) {
        if let Some(frame) = self.audio.silence() {
            self.peer.send_frame(now, frame);
        }
        self.peer.drain();
        self.first_tick.greeted();
    }

    /// The last things: goodbye to the peer's transport, recordings, sockets.
    async fn finish(mut self) {
        self.peer.close(clock::now());
        self.peer.stop_voice();
        self.audio.finish().await;
        self.outputs.closed();
    }
}
