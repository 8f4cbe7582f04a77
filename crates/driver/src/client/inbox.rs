//! Where messages of the homeserver come from, also before there is a first sync.

use std::pin::Pin;

use securecall_matrix::{Inbox, Incoming, StartError};

use crate::event::Event;
use crate::event_queue::MAX_WAITING;
use crate::queue::Sender;

/// Where messages come from, as far as there has been a first sync.
pub(super) enum MaybeInbox {
    Starting(Pin<Box<dyn Future<Output = Result<Inbox, StartError>> + Send>>),
    Open(Inbox),
    Closed,
}

/// What comes from there.
pub(super) enum FromInbox {
    Incoming(Incoming),
    Started(Inbox),
    Failed(StartError),
    Ended,
}

impl MaybeInbox {
    /// Waits for the next thing. Nothing is lost if the wait is cut short.
    async fn next(&mut self) -> FromInbox {
        match self {
            Self::Starting(starting) => match starting.await {
                Ok(inbox) => FromInbox::Started(inbox),
                Err(error) => FromInbox::Failed(error),
            },
            Self::Open(inbox) => inbox
                .next()
                .await
                .map_or(FromInbox::Ended, FromInbox::Incoming),
            Self::Closed => std::future::pending().await,
        }
    }
}

/// The next message of the homeserver, once the program has read enough of what happened.
pub(super) async fn next_incoming(events: &Sender<Event>, inbox: &mut MaybeInbox) -> FromInbox {
    events.until_fewer_than(MAX_WAITING).await;
    inbox.next().await
}
