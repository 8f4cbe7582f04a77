//! What becomes of orders to the task of a call where many wait.

use securecall_audio_device::DeviceWish;
use securecall_session::MediaCommand;

use crate::media_output::MAX_CONTROL;
use crate::network_watch::NetworkState;
use crate::queue::{Queued, Rule};

/// An order to the task of a call.
pub(super) enum Order {
    Command(MediaCommand),
    Control(Vec<u8>),
    /// The user wants another device.
    Exchange(DeviceWish),
    /// This machine is connected so from now on.
    Network(NetworkState),
}

/// What orders can stand in for each other.
#[derive(PartialEq, Eq)]
pub(super) enum OrderKind {
    Control,
    Mute,
    Network,
}

impl Queued for Order {
    type Kind = OrderKind;

    fn rule(&self) -> Rule<OrderKind> {
        match self {
            Self::Control(_) => Rule::AtMost(MAX_CONTROL, OrderKind::Control),
            Self::Command(MediaCommand::SetMuted(_)) => Rule::Latest(OrderKind::Mute),
            Self::Network(_) => Rule::Latest(OrderKind::Network),
            // Epochs and the end are never lost: an epoch comes every 10 s, a restart every 4 s, the others once in a call.
            Self::Command(_) | Self::Exchange(_) => Rule::Keep,
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
        for slept in 0..1000 {
            sender.send(Order::Network(NetworkState {
                slept,
                ..NetworkState::default()
            }));
        }
        sender.send(Order::Command(MediaCommand::StopAudio));
        sender.send(Order::Command(MediaCommand::Close));
        drop(sender);
        let (mut control, mut commands, mut networks) = (0, Vec::new(), Vec::new());
        while let Some(order) = receiver.next().await {
            match order {
                Order::Control(_) => control += 1,
                Order::Network(state) => networks.push(state.slept),
                Order::Exchange(_) => panic!("nobody wants another device"),
                Order::Command(command) => commands.push(format!("{command:?}")),
            }
        }
        assert_eq!((control, networks), (MAX_CONTROL, vec![999]));
        assert_eq!(commands, ["SetMuted(false)", "StopAudio", "Close"]);
    }
}
