//! What becomes of orders to the task of a conversation where many wait.

use securecall_audio_device::DeviceWish;
use securecall_session::{CallHandle, MediaCommand, MediaEvent, MediaFailure, NamedCall};

use super::LegSettings;
use crate::media_output::{MAX_CONTROL, MediaOutputs};
use crate::network_watch::NetworkState;
use crate::queue::{Queued, Rule};

/// An order to the task of a conversation, for one of its calls.
pub(super) struct Order {
    pub(super) call: CallHandle,
    pub(super) what: What,
}

pub(super) enum What {
    /// The call is one more of the conversation.
    Join(Joining),
    Command(MediaCommand),
    Control(Vec<u8>),
    /// The user wants another device.
    Exchange(DeviceWish),
    /// The peer is to be heard so loud.
    Volume(f32),
    /// This machine is connected so from now on.
    Network(NetworkState),
}

/// A call that is to be one more of a conversation. If it is not, because that has ended meanwhile or has no room, the call is told
/// so when this is dropped.
pub(super) struct Joining(Option<Box<(NamedCall, LegSettings)>>);

impl Joining {
    pub(super) fn new(call: NamedCall, settings: LegSettings) -> Self {
        Self(Some(Box::new((call, settings))))
    }

    /// What the call is made of.
    pub(super) fn accept(mut self) -> Option<(NamedCall, LegSettings)> {
        self.0.take().map(|joining| *joining)
    }
}

impl Drop for Joining {
    fn drop(&mut self) {
        if let Some((call, settings)) = self.0.take().map(|joining| *joining) {
            let outputs = MediaOutputs::of(call, settings.outputs);
            outputs.event(MediaEvent::Failed {
                reason: MediaFailure::Local,
            });
            outputs.closed();
        }
    }
}

/// What orders can stand in for each other.
#[derive(PartialEq, Eq)]
pub(super) enum OrderKind {
    Control,
    Mute,
    Volume,
    Network,
}

impl Queued for Order {
    type Kind = (CallHandle, OrderKind);

    fn rule(&self) -> Rule<Self::Kind> {
        match self.what {
            What::Control(_) => Rule::AtMost(MAX_CONTROL, (self.call, OrderKind::Control)),
            What::Command(MediaCommand::SetMuted(_)) => Rule::Latest((self.call, OrderKind::Mute)),
            What::Volume(_) => Rule::Latest((self.call, OrderKind::Volume)),
            What::Network(_) => Rule::Latest((self.call, OrderKind::Network)),
            // Epochs and the end are never lost: an epoch comes every 10 s, a restart every 4 s, the others once in a call.
            What::Join(..) | What::Command(_) | What::Exchange(_) => Rule::Keep,
        }
    }
}

#[cfg(test)]
mod tests {
    use securecall_session::CallHandles;

    use super::*;
    use crate::queue::queue;

    #[tokio::test]
    async fn a_task_that_is_held_up_finds_the_last_mute_some_control_messages_and_every_other_order()
     {
        let (sender, mut receiver) = queue();
        let mut handles = CallHandles::default();
        let calls = [handles.issue(), handles.issue()];
        let send = |call, what| sender.send(Order { call, what });
        for round in 0..1000_u32 {
            for call in calls {
                send(call, What::Control(vec![0; 300]));
                let muted = round % 2 == 0;
                send(call, What::Command(MediaCommand::SetMuted(muted)));
                send(call, What::Volume(round as f32));
            }
        }
        for slept in 0..1000 {
            let state = NetworkState {
                slept,
                ..NetworkState::default()
            };
            for call in calls {
                send(call, What::Network(state.clone()));
            }
        }
        for call in calls {
            send(call, What::Command(MediaCommand::StopAudio));
            send(call, What::Command(MediaCommand::Close));
        }
        drop(sender);
        // Each call has what it would have alone.
        let mut found = calls.map(|_| (0, Vec::new()));
        while let Some(Order { call, what }) = receiver.next().await {
            let (control, others) = &mut found[usize::from(call == calls[1])];
            match what {
                What::Control(_) => *control += 1,
                What::Network(state) => others.push(format!("Network({})", state.slept)),
                What::Volume(gain) => others.push(format!("Volume({gain})")),
                What::Exchange(_) | What::Join(..) => panic!("nobody wants that"),
                What::Command(command) => others.push(format!("{command:?}")),
            }
        }
        for (control, others) in found {
            assert_eq!(control, MAX_CONTROL);
            let expected = [
                "SetMuted(false)",
                "Volume(999)",
                "Network(999)",
                "StopAudio",
                "Close",
            ];
            assert_eq!(others, expected);
        }
    }
}
