//! What a sync brings of rooms, on its way into the inbox: decrypted, checked, in order.

use std::time::Duration;

use matrix_sdk_crypto::store::types::RoomKeyInfo;
use ruma::OwnedUserId;
use tokio::time::Instant;
use tracing::debug;

use super::{
    answer::{Refused, RoomsAnswer},
    event::{EventProtection, Origin, RoomEvent, RoomEventContent, RoomNews, RoomRefusal},
    late_keys::{LateKeys, Waiting},
    raw_event::{RawBody, RawEvent, read_call},
    replays::{Place, Replays},
    room_keys::Opened,
    room_memory::RoomMemory,
};
use crate::{Incoming, ServerError, olm::Olm};

/// What must be known of earlier syncs to make sense of the next.
#[derive(Debug)]
pub(crate) struct Timeline {
    own: OwnedUserId,
    late: LateKeys,
    replays: Replays,
}

impl Timeline {
    pub(crate) fn new(own: OwnedUserId) -> Self {
        Self {
            own,
            late: LateKeys::default(),
            replays: Replays::default(),
        }
    }

    /// Takes what one answer has brought, whose keys are in `olm` already. `at_most` says how long its events have been at the
    /// homeserver at most, which stands for the age of those that have none; `None`: nobody knows.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub(crate) async fn receive(
        &mut self,
        now: Instant,
        answer: RoomsAnswer,
        at_most: Option<Duration>,
        keys: &[RoomKeyInfo],
        olm: &Olm,
        memory: &RoomMemory,
    ) -> Result<Vec<Incoming>, ServerError> {
        let mut refused = answer.refused;
        let mut news: Vec<RoomNews> = answer.invites.into_iter().map(RoomNews::Invited).collect();
        // What waited for a key is older than what comes now.
        for key in keys {
            for waiting in self.late.take(key.room_id.as_str(), &key.session_id) {
                news.extend(self.open(now, waiting, olm, &mut refused).await?);
            }
        }
        for mut event in answer.events {
            // Dendrite tells of none, and Synapse not always of another server's.
            event.age = event.age.or(at_most);
            news.extend(self.read(now, event, olm, memory, &mut refused).await?);
        }
        note_times(
            &mut refused,
            RoomRefusal::Undecryptable,
            self.late.expire(now),
        );
        news.extend(answer.gaps.into_iter().map(RoomNews::Gap));
        for room in answer.left {
            memory.forget(&room);
            news.push(RoomNews::Left(room));
        }
        let counts = refused.into_counts();
        news.extend(counts.map(|(reason, count)| RoomNews::Refused { reason, count }));
        Ok(news.into_iter().map(Incoming::Room).collect())
    }

    async fn read(
        &mut self,
        now: Instant,
        event: RawEvent,
        olm: &Olm,
        memory: &RoomMemory,
        refused: &mut Refused,
    ) -> Result<Option<RoomNews>, ServerError> {
        let RawEvent {
            room,
            event_id,
            sender,
            age,
            transaction,
            body,
        } = event;
        let content = match body {
            RawBody::Plain(content) => content,
            RawBody::Encrypted(sealed) => {
                let waiting = Waiting {
                    room,
                    event_id,
                    sender,
                    age,
                    transaction,
                    sealed,
                    since: now,
                };
                return self.open(now, waiting, olm, refused).await;
            }
        };
        match content {
            // Whatever the homeserver says of it later.
            RoomEventContent::Encrypted => olm.remember_encrypted(&room).await?,
            RoomEventContent::Member { .. } => memory.forget(&room),
            _ => {}
        }
        let origin = self.origin(&sender, transaction);
        Ok(Some(RoomNews::Event(Box::new(RoomEvent {
            room,
            event_id,
            sender,
            age,
            origin,
            content,
        }))))
    }

    /// Decrypts an event; lets it wait, if its key is not there.
    async fn open(
        &mut self,
        now: Instant,
        waiting: Waiting,
        olm: &Olm,
        refused: &mut Refused,
    ) -> Result<Option<RoomNews>, ServerError> {
        let opened = olm.open_room_event(&waiting.sealed.event, &waiting.room);
        let plain = match opened.await? {
            Opened::Plain(plain) => plain,
            Opened::NoKey => {
                let gone = self.late.push(waiting);
                note_times(refused, RoomRefusal::Undecryptable, gone);
                return Ok(None);
            }
            Opened::Refused(reason) => {
                refused.note(reason);
                return Ok(None);
            }
        };
        let protection = EventProtection::Megolm {
            device: plain.device,
        };
        let call = match read_call(&plain.event_type, &plain.content, protection) {
            Ok(Some(call)) => call,
            // A message of a chat: none of our business.
            Ok(None) => return Ok(None),
            Err(reason) => {
                refused.note(reason);
                return Ok(None);
            }
        };
        let place = Place {
            session_id: waiting.sealed.session_id,
            message_index: waiting.sealed.message_index,
        };
        if !self.replays.admit(place, &waiting.event_id) {
            debug!("refused an event: it repeats an earlier one");
            refused.note(RoomRefusal::Repeated);
            return Ok(None);
        }
        let waited = now.saturating_duration_since(waiting.since);
        let origin = self.origin(&waiting.sender, waiting.transaction);
        Ok(Some(RoomNews::Event(Box::new(RoomEvent {
            room: waiting.room,
            event_id: waiting.event_id,
            sender: waiting.sender,
            age: waiting.age.map(|age| age + waited),
            origin,
            content: RoomEventContent::Call(call),
        }))))
    }

    /// A transaction ID on somebody else's event is a lie, and means nothing.
    fn origin(&self, sender: &securecall_contact::MatrixId, transaction: Option<String>) -> Origin {
        match transaction {
            _ if sender.as_str() != self.own.as_str() => Origin::Other,
            Some(transaction) => Origin::Echo { transaction },
            None => Origin::OwnAccount,
        }
    }
}

fn note_times(refused: &mut Refused, reason: RoomRefusal, times: usize) {
    for _ in 0..times {
        refused.note(reason);
    }
}
