//! What the homeserver brings: signals, and how the connection is doing.

use std::{collections::VecDeque, sync::Arc};

use securecall_contact::{DeviceId, MatrixId, OlmKey, RoomId};
use tokio::sync::{Semaphore, mpsc};

use crate::{GroupRoomEvent, RoomNews, ServerError};

/// What may wait here unread, in number and in bytes. A reader who is slower than that slows the sync down, and nothing
/// is lost.
const CAPACITY: usize = 256;
const CAPACITY_BYTES: usize = 1024 * 1024;

/// What a message takes besides its content.
const OVERHEAD: usize = 512;

/// Something that came from the homeserver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A sealed message.
    Signal {
        /// Who sent it. The homeserver's word, bound to the Olm key by nothing but the handshake.
        sender: MatrixId,
        /// The Olm key it was encrypted with.
        sender_olm_key: OlmKey,
        /// The event's content: a JSON object, as it was sent but for the order of its fields.
        content: String,
    },
    /// A message of our type that was not encrypted. It has been thrown away.
    PlainTextRefused {
        /// Who is said to have sent it.
        sender: MatrixId,
    },
    /// Something that has happened in rooms; only after [`start_with_rooms`](crate::Account::start_with_rooms).
    Room(RoomNews),
    /// A state event of a group call; only of rooms that are [followed](crate::Account::follow_group_room), as all of group calls.
    GroupRoom(GroupRoomEvent),
    /// A user has come to such a room, or is not in it any more.
    GroupRoomMembership {
        /// Which room.
        room: RoomId,
        /// Who.
        user: MatrixId,
        /// Whether they have joined it.
        is_in_room: bool,
    },
    /// There was more in such a room than is kept of one answer: its [state](crate::Account::group_room_state) says how things
    /// stand. A homeserver can say so in each of its answers; how often it is asked is the reader's affair.
    GroupRoomGap {
        /// Which room.
        room: RoomId,
    },
    /// An event of a call, from device to device.
    CallEvent {
        /// Who sent it. Encrypted, as whoever encrypted it says; else by the homeserver's word.
        sender: MatrixId,
        /// The sender's device that encrypted it by Olm, as the homeserver has its keys; `None`: it came in clear.
        proven: Option<DeviceId>,
        /// Its type, `m.call.…`: at most 255 visible ASCII characters.
        event_type: String,
        /// Its content: a JSON object.
        content: String,
    },
    /// All signals of one sync response are through, and all that it brought of rooms.
    SyncComplete,
    /// Nothing comes in: the homeserver does not answer, or the account's store fails. We keep trying.
    Offline(ServerError),
    /// It works again.
    Online,
    /// The session is over, and with it the sync.
    SessionEnded,
}

impl Incoming {
    fn size(&self) -> usize {
        match self {
            Self::Signal { content, .. } => content.len() + OVERHEAD,
            Self::Room(news) => news.size() + OVERHEAD,
            Self::GroupRoom(event) => event.content.len() + OVERHEAD,
            Self::CallEvent { content, .. } => content.len() + OVERHEAD,
            _ => OVERHEAD,
        }
    }
}

/// The reading end of a sync. It runs until [`Account::drain`](crate::Account::drain), or until the account is dropped.
#[derive(Debug)]
pub struct Inbox {
    /// What came while the sync was starting.
    early: VecDeque<Incoming>,
    incoming: mpsc::Receiver<Incoming>,
    /// The bytes that may still come.
    room: Arc<Semaphore>,
}

impl Inbox {
    /// Waits for the next thing; `None` once the sync has ended. Nothing is lost if the wait is cut short.
    pub async fn next(&mut self) -> Option<Incoming> {
        if let Some(incoming) = self.early.pop_front() {
            return Some(incoming);
        }
        let incoming = self.incoming.recv().await?;
        self.room.add_permits(incoming.size());
        Some(incoming)
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        // Whoever waits for room waits in vain.
        self.room.close();
    }
}

/// The writing end.
#[derive(Debug)]
pub(crate) struct InboxSender {
    incoming: mpsc::Sender<Incoming>,
    room: Arc<Semaphore>,
}

impl InboxSender {
    /// Waits until there is room. Nobody may be reading any more: then nobody misses it.
    pub(crate) async fn send(&self, incoming: Incoming) {
        let size = u32::try_from(incoming.size()).unwrap_or(u32::MAX);
        let Ok(room) = self.room.acquire_many(size).await else {
            return;
        };
        if self.incoming.send(incoming).await.is_ok() {
            // Given back when it is read.
            room.forget();
        }
    }

    pub(crate) async fn send_all(&self, incoming: Vec<Incoming>) {
        for incoming in incoming {
            self.send(incoming).await;
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.incoming.is_closed()
    }
}

/// An inbox in which something is already.
pub(crate) fn inbox(early: Vec<Incoming>) -> (InboxSender, Inbox) {
    let (sender, incoming) = mpsc::channel(CAPACITY);
    let room = Arc::new(Semaphore::new(CAPACITY_BYTES));
    let sender = InboxSender {
        incoming: sender,
        room: Arc::clone(&room),
    };
    let inbox = Inbox {
        early: early.into(),
        incoming,
        room,
    };
    (sender, inbox)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::to_device::MAX_CONTENT;

    fn signal(length: usize) -> Incoming {
        Incoming::Signal {
            sender: "@somebody:homeserver.test".parse().unwrap(),
            sender_olm_key: OlmKey::from_bytes([0; 32]),
            content: "x".repeat(length),
        }
    }

    /// How many messages of this length can be sent before somebody has to read.
    fn room_for(length: usize) -> usize {
        let (sender, _inbox) = inbox(Vec::new());
        (0..)
            .take_while(|_| sender.send(signal(length)).now_or_never().is_some())
            .count()
    }

    #[test]
    fn what_waits_is_bounded_in_number_and_in_bytes() {
        assert_eq!(room_for(0), CAPACITY);
        // Messages of which as many would fit if they took no more than their content.
        assert!(room_for(CAPACITY_BYTES / CAPACITY) < CAPACITY);
        let large = room_for(MAX_CONTENT);
        assert!(
            large * MAX_CONTENT <= CAPACITY_BYTES && large > 20,
            "{large}"
        );
    }

    #[test]
    fn reading_makes_room_again() {
        let (sender, mut inbox) = inbox(vec![Incoming::Online]);
        let first = inbox.next().now_or_never().flatten();
        assert_eq!(first, Some(Incoming::Online));
        for _ in 0..10 * CAPACITY_BYTES / MAX_CONTENT {
            assert!(sender.send(signal(MAX_CONTENT)).now_or_never().is_some());
            assert!(inbox.next().now_or_never().flatten().is_some());
        }
        drop(sender);
        assert_eq!(inbox.next().now_or_never(), Some(None));
    }

    #[test]
    fn nobody_waits_for_a_reader_who_is_gone() {
        let (sender, inbox) = inbox(Vec::new());
        while sender.send(signal(MAX_CONTENT)).now_or_never().is_some() {}
        drop(inbox);
        assert!(sender.is_closed());
        assert!(sender.send(signal(MAX_CONTENT)).now_or_never().is_some());
    }
}
