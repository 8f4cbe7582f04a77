//! The events that wait for the program to read them.
//!
//! A program that reads slowly holds up no call. It misses figures, and of what changes to and fro it learns how it is now. While it is
//! [`MAX_WAITING`] behind, the client takes nothing from the homeserver's inbox: there is nobody to ring for.

use securecall_session::{CallHandle, Event as CallEvent};

use crate::event::Event;
use crate::queue::{Queued, Rule};

/// So many figures wait: whoever is so late does not miss more.
const FIGURES: usize = 256;
/// So much of what devices have to say waits.
const DEVICE_NEWS: usize = 64;
/// While so many events wait, no messages are taken from the homeserver.
pub(crate) const MAX_WAITING: usize = 1024;

/// What events can stand in for each other.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Figures,
    DeviceNews,
    PlainText,
    /// Whether the homeserver is reached.
    Line,
    /// Whether one end of a call is muted.
    Mute {
        call: CallHandle,
        local: bool,
    },
    /// Whether the peer is heard.
    Path(CallHandle),
    /// Which way a call goes.
    Route(CallHandle),
    /// Whose relays carry a call.
    Relays(CallHandle),
    /// Whether the peer speaks.
    Speaking(CallHandle),
}

impl Queued for Event {
    type Kind = Kind;

    fn rule(&self) -> Rule<Kind> {
        match self {
            Self::Stats { .. } | Self::Levels { .. } => Rule::AtMost(FIGURES, Kind::Figures),
            Self::Device { .. } | Self::DeviceRefused { .. } | Self::Notice { .. } => {
                Rule::AtMost(DEVICE_NEWS, Kind::DeviceNews)
            }
            Self::PlainTextRefused => Rule::AtMost(1, Kind::PlainText),
            Self::Offline(_) | Self::Online => Rule::Latest(Kind::Line),
            Self::Call(CallEvent::Muted { call, local, .. }) => Rule::Latest(Kind::Mute {
                call: call.handle,
                local: *local,
            }),
            Self::Call(CallEvent::Reconnecting { call } | CallEvent::Reconnected { call }) => {
                Rule::Latest(Kind::Path(call.handle))
            }
            Self::Call(CallEvent::RouteChanged { call, .. }) => {
                Rule::Latest(Kind::Route(call.handle))
            }
            Self::Speaking { call, .. } => Rule::Latest(Kind::Speaking(*call)),
            Self::Carried { call, .. } => Rule::Latest(Kind::Relays(call.handle)),
            Self::Call(_)
            | Self::Ready
            | Self::AudioStarted { .. }
            | Self::ReplayMemoryFailed(_)
            | Self::SessionEnded
            | Self::NoRandomness(_) => Rule::Keep,
        }
    }
}

#[cfg(test)]
mod tests {
    use securecall_session::{CallHandles, NamedCall, WireCallId};

    use super::*;
    use crate::event::CallStats;
    use crate::queue::queue;

    #[tokio::test]
    async fn a_reader_who_stalls_misses_figures_and_learns_how_everything_is_now() {
        let (sender, mut receiver) = queue();
        let call = || NamedCall {
            handle: CallHandles::default().issue(),
            id: WireCallId::parse("call").unwrap(),
        };
        for round in 0..10 * FIGURES {
            sender.send(Event::Stats {
                call: call(),
                stats: CallStats::default(),
            });
            sender.send(Event::Levels {
                call: call().handle,
                input: 0.0,
                output: 0.0,
            });
            sender.send(Event::Speaking {
                call: call().handle,
                speaking: round % 2 == 0,
            });
            sender.send(Event::Online);
            sender.send(Event::Call(CallEvent::Muted {
                call: call(),
                local: false,
                muted: round % 2 == 0,
            }));
            sender.send(Event::Call(CallEvent::Reconnecting { call: call() }));
            sender.send(Event::Call(CallEvent::Reconnected { call: call() }));
            sender.send(Event::PlainTextRefused);
        }
        sender.send(Event::Call(CallEvent::Ringing { call: call() }));
        sender.send(Event::Call(CallEvent::Ringing { call: call() }));
        drop(sender);
        let (mut figures, mut others) = (0, Vec::new());
        while let Some(event) = receiver.next().await {
            match event {
                Event::Stats { .. } | Event::Levels { .. } => figures += 1,
                other => others.push(format!("{other:?}")),
            }
        }
        assert_eq!(figures, FIGURES);
        // One word each on plain text, line, mute, voice and path; what happened once each time is told each time.
        assert_eq!(others.len(), 7, "{others:?}");
        assert!(others.iter().any(|event| event.contains("speaking: false")));
        assert!(others.iter().any(|event| event.contains("muted: false")));
        assert!(others.iter().any(|event| event.contains("Reconnected")));
    }
}
