//! Events to a room.

use std::{collections::BTreeSet, time::Duration};

use ruma::{
    OwnedUserId,
    api::client::{message::send_message_event, redact::redact_event},
    events::MessageLikeEventType,
    serde::Raw,
};
use securecall_contact::{EventId, MatrixId, RoomId};
use serde_json::value::RawValue;
use tokio::time::timeout;
use tracing::info;

use super::{
    error::{RoomError, code},
    ids::{AsRuma as _, event_id},
    raw_event::MAX_TRANSACTION,
    send_queue::{Ticket, Urgency},
};
use crate::{Account, ServerError, patience::patiently, user_id::user_id};

/// The longest content of an event, in bytes of JSON before it is encrypted. A whole event has 64 KiB at most, and Megolm
/// makes four bytes of three. <https://spec.matrix.org/v1.16/client-server-api/#size-limits>
pub const MAX_ROOM_CONTENT: usize = 44 * 1024;

/// Longest type of an event, in bytes.
const MAX_TYPE: usize = 255;

/// After this long nobody waits for the event any more. Synapse lets an account send ten at once, and then one in five
/// seconds.
const SEND_TIMEOUT: Duration = Duration::from_secs(90);

/// Waited if the homeserver does not say how long, and never less.
const DEFAULT_PAUSE: Duration = Duration::from_secs(1);
const SHORTEST_PAUSE: Duration = Duration::from_millis(250);

/// What is longer is for the caller to decide.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

const ENCRYPTED: &str = "m.room.encrypted";

/// An event to be sent.
#[derive(Clone, Copy, Debug)]
pub struct RoomMessage<'a> {
    /// Where.
    pub room: &'a RoomId,
    /// Who the call is with: in an encrypted room the key goes to this account's devices, and to our own.
    pub peer: &'a MatrixId,
    /// Its type, as in `m.call.invite`.
    pub event_type: &'a str,
    /// Its content: a JSON object of at most [`MAX_ROOM_CONTENT`] bytes.
    pub content: &'a str,
    /// What tells it from all others of this device: the same event sent again has the same, and arrives once. 1 to 255
    /// visible ASCII characters.
    pub transaction: &'a str,
}

impl RoomMessage<'_> {
    fn check(&self) -> Result<Box<RawValue>, RoomError> {
        let is_name = |text: &str, most: usize| {
            (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
        };
        let bad = |reason| RoomError::BadEvent { reason };
        if !is_name(self.event_type, MAX_TYPE) {
            return Err(bad("its type is none"));
        }
        if !is_name(self.transaction, MAX_TRANSACTION) {
            return Err(bad("its transaction ID is none"));
        }
        if self.content.len() > MAX_ROOM_CONTENT {
            return Err(bad("it is too long"));
        }
        let content: &RawValue = serde_json::from_str(self.content)
            .map_err(|_| bad("its content is not a JSON object"))?;
        match content.get().starts_with('{') {
            true => Ok(content.to_owned()),
            false => Err(bad("its content is not a JSON object")),
        }
    }

    /// Another phone rings, or a line is held, until these are there.
    fn urgency(&self) -> Urgency {
        match self.event_type {
            "m.call.hangup" | "m.call.reject" => Urgency::End,
            _ => Urgency::SetUp,
        }
    }
}

impl Account {
    /// Makes a room ready for a call: asks for the devices of both, and if it is encrypted sends them its key. Clients
    /// look at a call's events once, when they come: a key that comes after them is a missed call.
    ///
    /// # Errors
    ///
    /// When the homeserver cannot be asked, or does not take the key.
    pub async fn prepare_room(&self, room: &RoomId, peer: &MatrixId) -> Result<(), RoomError> {
        if !self.is_encrypted_now(room).await? {
            return Ok(());
        }
        let users = self.recipients(peer)?;
        self.look_for_devices(room, peer, &users).await?;
        let share = || {
            self.olm()
                .share_and_encrypt(self.client(), room, &users, None)
        };
        patiently(share).await?;
        Ok(())
    }

    /// Sends an event, encrypted where the room is. Waits as long as the homeserver asks for, up to a bound; what ends a
    /// call goes before everything else that waits.
    ///
    /// In a room that was not [prepared](Self::prepare_room), the first event is slower. Devices that have come since are
    /// not looked for, unless somebody has come to the room as well.
    ///
    /// # Errors
    ///
    /// When it did not go out. Sending it again with the same transaction ID does no harm.
    pub async fn send_to_room(&self, message: RoomMessage<'_>) -> Result<EventId, RoomError> {
        let content = message.check()?;
        let ticket = self.enter(message.urgency())?;
        let sending = self.send_in_turn(&ticket, message, &content);
        let sent = timeout(SEND_TIMEOUT, sending).await;
        let sent = sent.unwrap_or_else(|_| Err(ServerError::TimedOut.into()));
        drop(ticket);
        match sent {
            Err(RoomError::Forbidden { message: words }) => {
                Err(self.why_forbidden(message.room, words).await)
            }
            other => other,
        }
    }

    /// Asks the homeserver to remove what is in an event of ours. Others may have it all the same, and the homeserver keeps
    /// it for a while.
    ///
    /// # Errors
    ///
    /// When it is not asked, or says no.
    pub async fn redact(&self, room: &RoomId, event: &EventId) -> Result<(), RoomError> {
        // The same every time: an event is redacted once.
        let transaction = format!("redact{}", event.as_str().trim_start_matches('$'));
        let request = redact_event::v3::Request::new(
            room.as_ruma().to_owned(),
            event_id(event).ok_or(RoomError::NotFound)?.to_owned(),
            transaction.into(),
        );
        let ticket = self.enter(Urgency::TidyUp)?;
        let redacting = self.in_turn(&ticket, || async {
            let answer = self.client().send(request.clone()).await;
            let answer = answer.map_err(|error| ServerError::from_http(&error));
            answer.map(drop)
        });
        let redacted = timeout(SEND_TIMEOUT, redacting).await;
        let redacted = redacted.unwrap_or(Err(ServerError::TimedOut));
        drop(ticket);
        match redacted.map_err(RoomError::from_server) {
            Err(RoomError::Forbidden { message }) => Err(self.why_forbidden(room, message).await),
            other => other,
        }
    }

    async fn send_in_turn(
        &self,
        ticket: &Ticket<'_>,
        message: RoomMessage<'_>,
        content: &RawValue,
    ) -> Result<EventId, RoomError> {
        let request = if self.is_encrypted_now(message.room).await? {
            let users = self.recipients(message.peer)?;
            let memory = self.syncer().room_memory();
            if !memory.is_prepared(message.room, message.peer) {
                self.look_for_devices(message.room, message.peer, &users)
                    .await?;
            }
            let event = Some((message.event_type, content));
            // In turn too: sessions count their messages, and the first may have to wait.
            let encrypt = || {
                let olm = self.olm();
                olm.share_and_encrypt(self.client(), message.room, &users, event)
            };
            let encrypted = self.in_turn(ticket, encrypt).await?;
            request(message, ENCRYPTED, encrypted.as_deref().unwrap_or(content))
        } else {
            request(message, message.event_type, content)
        };
        let send = || async {
            let answer = self.client().send(request.clone()).await;
            answer.map_err(|error| ServerError::from_http(&error))
        };
        let answer = self.in_turn(ticket, send).await;
        let answer = answer.map_err(RoomError::from_server)?;
        Ok(answer.event_id.as_str().parse().map_err(|_| {
            let reason = "the event has no usable ID".to_owned();
            ServerError::Misbehaves { reason }
        })?)
    }

    /// Makes a request when it is its turn, and again when the homeserver has asked for a pause and had it.
    async fn in_turn<T, F>(
        &self,
        ticket: &Ticket<'_>,
        request: impl Fn() -> F,
    ) -> Result<T, ServerError>
    where
        F: Future<Output = Result<T, ServerError>>,
    {
        loop {
            let turn = ticket.turn().await;
            match request().await {
                Err(ServerError::TooManyRequests { retry_after })
                    if retry_after.unwrap_or_default() <= LONGEST_PAUSE =>
                {
                    let pause = retry_after.unwrap_or(DEFAULT_PAUSE).max(SHORTEST_PAUSE);
                    info!(?pause, "the homeserver asks to wait before the next event");
                    // Before the turn ends: nobody else is to try.
                    self.send_queue().pause(pause);
                    drop(turn);
                }
                other => return other,
            }
        }
    }

    fn enter(&self, urgency: Urgency) -> Result<Ticket<'_>, RoomError> {
        let ticket = self.send_queue().enter(urgency);
        ticket.map_err(|_| RoomError::QueueFull)
    }

    /// Asked once; after that the sync tells of a change.
    async fn is_encrypted_now(&self, room: &RoomId) -> Result<bool, RoomError> {
        let is_known_plain = self.syncer().room_memory().is_plain(room)
            && !self.olm().is_known_encrypted(room).await?;
        match is_known_plain {
            true => Ok(false),
            false => match self.is_room_encrypted(room).await {
                Err(RoomError::Forbidden { .. }) => Err(RoomError::NotMember),
                other => other,
            },
        }
    }

    /// A device that is not known gets no key.
    async fn look_for_devices(
        &self,
        room: &RoomId,
        peer: &MatrixId,
        users: &BTreeSet<OwnedUserId>,
    ) -> Result<(), ServerError> {
        // A call waits for it, so nobody waits for the other.
        let (peer_asked, own_asked) = tokio::join!(
            self.query_keys_of(users.iter().nth(0)),
            self.query_keys_of(users.iter().nth(1)),
        );
        peer_asked?;
        own_asked?;
        self.syncer().room_memory().note_prepared(room, peer);
        Ok(())
    }

    async fn query_keys_of(&self, user: Option<&OwnedUserId>) -> Result<(), ServerError> {
        match user {
            Some(user) => self.query_keys(user).await,
            None => Ok(()),
        }
    }

    /// Whose devices get the key of a room.
    fn recipients(&self, peer: &MatrixId) -> Result<BTreeSet<OwnedUserId>, RoomError> {
        let peer_id = user_id(peer).ok_or_else(|| RoomError::BadMatrixId(peer.to_string()))?;
        Ok([peer_id, self.user_id().to_owned()].into())
    }

    /// Whether a homeserver said no because we are not in the room.
    async fn why_forbidden(&self, room: &RoomId, message: String) -> RoomError {
        let own = self.user_id().as_str().to_owned();
        match self.room_state(room, "m.room.member", &own).await {
            Ok(Some(member)) if member["membership"] == "join" => RoomError::Forbidden { message },
            Ok(_) | Err(RoomError::Forbidden { .. }) => RoomError::NotMember,
            Err(RoomError::Server(error)) if code(&error).is_none() => RoomError::Server(error),
            Err(_) => RoomError::Forbidden { message },
        }
    }
}

fn request(
    message: RoomMessage<'_>,
    event_type: &str,
    content: &RawValue,
) -> send_message_event::v3::Request {
    send_message_event::v3::Request::new_raw(
        message.room.as_ruma().to_owned(),
        message.transaction.into(),
        MessageLikeEventType::from(event_type),
        Raw::from_json(content.to_owned()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(event_type: &str, content: &str, transaction: &str) -> Result<(), RoomError> {
        let (room, peer) = ("!a".parse().unwrap(), "@a:b.test".parse().unwrap());
        let message = RoomMessage {
            room: &room,
            peer: &peer,
            event_type,
            content,
            transaction,
        };
        message.check().map(drop)
    }

    #[test]
    fn what_is_no_event_is_refused_before_anybody_is_asked() {
        let fits = format!(r#"{{"a":"{}"}}"#, "x".repeat(MAX_ROOM_CONTENT - 8));
        assert!(check("m.call.invite", "{}", "1").is_ok());
        assert!(check("m.call.invite", &fits, "1").is_ok());
        let long = format!("{fits} ");
        let name = "x".repeat(256);
        for (event_type, content, transaction) in [
            ("", "{}", "1"),
            ("m.call invite", "{}", "1"),
            (&name, "{}", "1"),
            ("m.call.invite", "[]", "1"),
            ("m.call.invite", "{", "1"),
            ("m.call.invite", "{}{}", "1"),
            ("m.call.invite", &long, "1"),
            ("m.call.invite", "{}", ""),
            ("m.call.invite", "{}", "é"),
            ("m.call.invite", "{}", &name),
        ] {
            let outcome = check(event_type, content, transaction);
            assert!(
                matches!(outcome, Err(RoomError::BadEvent { .. })),
                "{event_type} {content:.20}"
            );
        }
    }
}
