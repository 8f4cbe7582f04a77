//! What becomes of orders to the task of a call, and of what it has to say, where many wait.

use securecall_session::{CallId, MediaCommand, MediaEvent};

use super::MediaOutput;
use crate::event::Event;
use crate::queue::{Queued, Rule};

/// Control messages that wait for a task at most. They are sent again until they are acknowledged, so one more is as good as lost on
/// the way.
const MAX_CONTROL: usize = 64;
/// Words on devices that wait for the client at most.
const MAX_DEVICE_NEWS: usize = 16;

/// An order to the task of a call.
pub(super) enum Order {
    Command(MediaCommand),
    Control(Vec<u8>),
}

/// What orders can stand in for each other.
#[derive(PartialEq, Eq)]
pub(super) enum OrderKind {
    Control,
    Mute,
}

impl Queued for Order {
    type Kind = OrderKind;

    fn rule(&self) -> Rule<OrderKind> {
        match self {
            Self::Control(_) => Rule::AtMost(MAX_CONTROL, OrderKind::Control),
            Self::Command(MediaCommand::SetMuted(_)) => Rule::Latest(OrderKind::Mute),
            // Epochs and the end are never lost: an epoch comes every 10 s, a restart every 4 s, the others once in a call.
            Self::Command(_) => Rule::Keep,
        }
    }
}

/// What outputs of a call can stand in for each other.
#[derive(PartialEq, Eq)]
pub(crate) enum OutputKind {
    Control,
    AuthenticatedPacket,
    PeerMute,
    Stats,
    Levels,
    DeviceNews,
}

impl Queued for (CallId, MediaOutput) {
    type Kind = (CallId, OutputKind);

    fn rule(&self) -> Rule<Self::Kind> {
        let (call, output) = self;
        let call = *call;
        match output {
            MediaOutput::Control(_) => Rule::AtMost(MAX_CONTROL, (call, OutputKind::Control)),
            MediaOutput::Event(MediaEvent::AuthenticatedPacket) => {
                Rule::AtMost(1, (call, OutputKind::AuthenticatedPacket))
            }
            MediaOutput::Event(MediaEvent::PeerMuted(_)) => {
                Rule::Latest((call, OutputKind::PeerMute))
            }
            // Each answers an order, or comes once in a call.
            MediaOutput::Event(_) | MediaOutput::Closed => Rule::Keep,
            MediaOutput::Told(event) => match **event {
                Event::Stats { .. } => Rule::Latest((call, OutputKind::Stats)),
                Event::Levels { .. } => Rule::Latest((call, OutputKind::Levels)),
                Event::AudioStarted { .. } => Rule::Keep,
                _ => Rule::AtMost(MAX_DEVICE_NEWS, (call, OutputKind::DeviceNews)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::queue;

    #[tokio::test]
    async fn a_task_that_is_held_up_finds_the_last_mute_some_control_messages_and_every_other_order()
     {
        let (sender, mut receiver) = queue();
        for round in 0..1000_u32 {
            sender.send(Order::Control(vec![0; 300]));
            sender.send(Order::Command(MediaCommand::SetMuted(round % 2 == 0)));
        }
        sender.send(Order::Command(MediaCommand::StopAudio));
        sender.send(Order::Command(MediaCommand::Close));
        drop(sender);
        let (mut control, mut commands) = (0, Vec::new());
        while let Some(order) = receiver.next().await {
            match order {
                Order::Control(_) => control += 1,
                Order::Command(command) => commands.push(format!("{command:?}")),
            }
        }
        assert_eq!(control, MAX_CONTROL);
        assert_eq!(commands, ["SetMuted(false)", "StopAudio", "Close"]);
    }

    #[tokio::test]
    async fn a_client_that_is_held_up_finds_no_more_of_one_call_than_there_is_room_for() {
        let (sender, mut receiver) = queue();
        let call = CallId::from_random([1; 16]);
        for round in 0..1000_u32 {
            for output in [
                MediaOutput::Control(vec![0; 300]),
                MediaOutput::Event(MediaEvent::AuthenticatedPacket),
                MediaOutput::Event(MediaEvent::PeerMuted(round % 2 == 0)),
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
        assert_eq!(outputs.len(), MAX_CONTROL + 4);
        let [.., muted, closed, last] = &outputs[..] else {
            panic!("{outputs:?}");
        };
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
