//! What the media of a call has to say, and what becomes of it where much of it waits.

use securecall_audio_device::DeviceFault;
use securecall_session::{CallHandle, MediaEvent, NamedCall};

use crate::event::Event;
use crate::queue::{Queued, Rule, Sender};

/// Control messages that wait at most, in either direction. They are sent again until they are
/// acknowledged, so one more is as good as lost on the way.
pub(crate) const MAX_CONTROL: usize = 64;
/// Words on devices that wait for the client at most.
const MAX_DEVICE_NEWS: usize = 16;

/// What the media of a call has to say.
#[derive(Debug)]
pub(crate) enum MediaOutput {
    /// For the endpoint.
    Event(MediaEvent),
    /// A message came on the data channel.
    Control(Vec<u8>),
    /// A TURN server takes the user name no more that the homeserver has made for us.
    CredentialsRefused,
    /// For the program.
    Told(Box<Event>),
    /// Everything is let go of; the last output.
    Closed,
}

/// The way to the client for all that one call's media is made of.
#[derive(Clone, Debug)]
pub(crate) struct MediaOutputs {
    call: NamedCall,
    sender: Sender<(CallHandle, MediaOutput)>,
}

impl MediaOutputs {
    /// The outputs of this call.
    pub(crate) fn of(call: NamedCall, sender: Sender<(CallHandle, MediaOutput)>) -> Self {
        Self { call, sender }
    }

    /// Tells the endpoint.
    pub(crate) fn event(&self, event: MediaEvent) {
        self.send(MediaOutput::Event(event));
    }

    /// Hands over a message of the data channel.
    pub(crate) fn control(&self, bytes: Vec<u8>) {
        self.send(MediaOutput::Control(bytes));
    }

    /// Others are to be asked for.
    pub(crate) fn credentials_refused(&self) {
        self.send(MediaOutput::CredentialsRefused);
    }

    /// Tells the program, about this call.
    pub(crate) fn tell(&self, event: impl FnOnce(&NamedCall) -> Event) {
        self.send(MediaOutput::Told(Box::new(event(&self.call))));
    }

    /// Tells the user what is to be known about a device.
    pub(crate) fn notice(&self, text: String) {
        self.tell(|call| Event::Notice {
            call: call.handle,
            text,
        });
    }

    /// Tells the program that a device failed.
    pub(crate) fn fault(&self, fault: DeviceFault) {
        self.tell(|call| Event::Device {
            call: call.handle,
            fault,
        });
    }

    /// The last words.
    pub(crate) fn closed(&self) {
        self.send(MediaOutput::Closed);
    }

    fn send(&self, output: MediaOutput) {
        self.sender.send((self.call.handle, output));
    }
}

/// What outputs of a call can stand in for each other.
#[derive(PartialEq, Eq)]
pub(crate) enum OutputKind {
    Control,
    AuthenticatedPacket,
    CredentialsRefused,
    PeerMute,
    Stats,
    Levels,
    Speaking,
    DeviceNews,
}

impl Queued for (CallHandle, MediaOutput) {
    type Kind = (CallHandle, OutputKind);

    fn rule(&self) -> Rule<Self::Kind> {
        let (call, output) = self;
        let call = *call;
        match output {
            MediaOutput::Control(_) => Rule::AtMost(MAX_CONTROL, (call, OutputKind::Control)),
            MediaOutput::Event(MediaEvent::AuthenticatedPacket) => {
                Rule::AtMost(1, (call, OutputKind::AuthenticatedPacket))
            }
            MediaOutput::CredentialsRefused => {
                Rule::AtMost(1, (call, OutputKind::CredentialsRefused))
            }
            MediaOutput::Event(MediaEvent::PeerMuted(_)) => {
                Rule::Latest((call, OutputKind::PeerMute))
            }
            // Each answers an order, or comes once in a call.
            MediaOutput::Event(_) | MediaOutput::Closed => Rule::Keep,
            MediaOutput::Told(event) => match **event {
                Event::Stats { .. } => Rule::Latest((call, OutputKind::Stats)),
                Event::Levels { .. } => Rule::Latest((call, OutputKind::Levels)),
                Event::Speaking { .. } => Rule::Latest((call, OutputKind::Speaking)),
                Event::AudioStarted { .. } => Rule::Keep,
                _ => Rule::AtMost(MAX_DEVICE_NEWS, (call, OutputKind::DeviceNews)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use securecall_session::CallHandles;

    use super::*;
    use crate::queue::queue;

    #[tokio::test]
    async fn a_client_that_is_held_up_finds_no_more_of_one_call_than_there_is_room_for() {
        let (sender, mut receiver) = queue();
        let call = CallHandles::default().issue();
        for round in 0..1000_u32 {
            for output in [
                MediaOutput::Control(vec![0; 300]),
                MediaOutput::Event(MediaEvent::AuthenticatedPacket),
                MediaOutput::Event(MediaEvent::PeerMuted(round % 2 == 0)),
                MediaOutput::Told(Box::new(Event::Speaking {
                    call,
                    speaking: round % 2 == 0,
                })),
            ] {
                sender.send((call, output));
            }
        }
        sender.send((call, MediaOutput::Event(MediaEvent::DataChannelClosed)));
        sender.send((call, MediaOutput::Closed));
        drop(sender);
        let mut outputs = Vec::new();
        while let Some((_, output)) = receiver.next().await {
            outputs.push(output);
        }
        assert_eq!(outputs.len(), MAX_CONTROL + 5);
        let [.., muted, told, closed, last] = &outputs[..] else {
            panic!("{outputs:?}");
        };
        let MediaOutput::Told(told) = told else {
            panic!("{told:?}");
        };
        let silent = Event::Speaking {
            call,
            speaking: false,
        };
        assert_eq!(format!("{told:?}"), format!("{silent:?}"));
        assert!(matches!(
            muted,
            MediaOutput::Event(MediaEvent::PeerMuted(false))
        ));
        assert!(matches!(
            closed,
            MediaOutput::Event(MediaEvent::DataChannelClosed)
        ));
        assert!(matches!(last, MediaOutput::Closed));
    }
}
