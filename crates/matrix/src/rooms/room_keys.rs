//! Megolm: the key of a room goes to the devices of two people, and opens what others send in it.
//!
//! Whom a key goes to is what the caller says, not the room's list of members, which the homeserver could lengthen: the
//! one whom the call is with, and our own other devices.

use std::{collections::BTreeSet, time::Duration};

use matrix_sdk_common::deserialized_responses::{
    DecryptedRoomEvent, VerificationLevel, VerificationState,
};
use matrix_sdk_crypto::{
    CollectStrategy, DecryptionSettings, EncryptionSettings, MegolmError, OlmMachine,
    SetRoomSettingsError, TrustRequirement, store::types::RoomSettings,
    types::events::room::encrypted::EncryptedEvent, vodozemac::megolm::DecryptionError,
};
use ruma::{
    OwnedUserId, UserId,
    api::client::to_device::send_event_to_device,
    events::{AnyMessageLikeEventContent, room::history_visibility::HistoryVisibility},
    serde::Raw,
};
use securecall_contact::{DeviceId, RoomId};
use serde::Deserialize;
use serde_json::value::RawValue;
use tracing::debug;

use super::{event::RoomRefusal, ids::AsRuma as _};
use crate::{ServerError, client::Client, olm::Olm, server_error::chain};

/// A key is used for so many events, and so long: a call or two. What is opened with it then is little.
const ROTATION_MESSAGES: u64 = 100;
const ROTATION_PERIOD: Duration = Duration::from_secs(24 * 3_600);

/// What came of decrypting an event.
#[derive(Debug)]
pub(super) enum Opened {
    Plain(Plain),
    /// Its key is not there, or begins later.
    NoKey,
    Refused(RoomRefusal),
}

/// A decrypted event.
#[derive(Debug)]
pub(super) struct Plain {
    pub(super) event_type: String,
    pub(super) content: String,
    pub(super) device: Option<DeviceId>,
}

impl Olm {
    /// Decrypts an event of a room.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub(super) async fn open_room_event(
        &self,
        event: &Raw<EncryptedEvent>,
        room: &RoomId,
    ) -> Result<Opened, ServerError> {
        let settings = DecryptionSettings {
            // Devices are not cross-signed by everybody; the tier promises no more than the homeserver's word.
            sender_device_trust_requirement: TrustRequirement::Untrusted,
        };
        let machine = self.machine().await;
        let opened = Box::pin(machine.decrypt_room_event(event, room.as_ruma(), &settings)).await;
        Ok(match opened {
            Ok(opened) => read_opened(&opened),
            Err(MegolmError::Store(error)) => return Err(ServerError::store(&error)),
            Err(
                MegolmError::MissingRoomKey(_)
                | MegolmError::Decryption(DecryptionError::UnknownMessageIndex(..)),
            ) => Opened::NoKey,
            Err(error) => {
                debug!(%error, "an event cannot be decrypted");
                Opened::Refused(RoomRefusal::Undecryptable)
            }
        })
    }

    /// Takes down that a room is encrypted. It stays so: Matrix has no way back, and a homeserver that says otherwise lies.
    pub(super) async fn remember_encrypted(&self, room: &RoomId) -> Result<(), ServerError> {
        let machine = self.machine().await;
        let settings = RoomSettings::default();
        match machine.set_room_settings(room.as_ruma(), &settings).await {
            // It is remembered already, whatever else is.
            Ok(()) | Err(SetRoomSettingsError::EncryptionDowngrade) => Ok(()),
            Err(SetRoomSettingsError::Store(error)) => Err(ServerError::store(&error)),
            Err(error) => Err(ServerError::Internal {
                reason: chain(&error),
            }),
        }
    }

    /// Whether a room has ever been seen to be encrypted.
    pub(super) async fn is_known_encrypted(&self, room: &RoomId) -> Result<bool, ServerError> {
        let machine = self.machine().await;
        let settings = machine.room_settings(room.as_ruma()).await;
        Ok(settings
            .map_err(|error| ServerError::store(&error))?
            .is_some())
    }

    /// Sends the room's key to those devices of these users that have not had it, and encrypts a content, if there is one.
    ///
    /// # Errors
    ///
    /// When a key did not go out; then nothing is encrypted.
    pub(super) async fn share_and_encrypt(
        &self,
        client: &Client,
        room: &RoomId,
        users: &BTreeSet<OwnedUserId>,
        event: Option<(&str, &RawValue)>,
    ) -> Result<Option<Box<RawValue>>, ServerError> {
        // One at a time, and not while the store is tidied up, which makes another machine: what is sent is marked in the
        // machine that it came from.
        let _alone = self.lock_room_keys().await;
        let users: Vec<&UserId> = users.iter().map(AsRef::as_ref).collect();
        self.claim_missing(client, &users).await?;
        let requests = {
            let machine = self.machine().await;
            let users = users.iter().copied();
            let shared = machine.share_room_key(room.as_ruma(), users, settings());
            let shared = Box::pin(shared).await;
            shared.map_err(|error| ServerError::from_olm(&error))?
        };
        if !requests.is_empty() {
            self.note_recipients(&users).await?;
        }
        for request in requests {
            let send = send_event_to_device::v3::Request::new_raw(
                request.event_type.clone(),
                request.txn_id.clone(),
                request.messages.clone(),
            );
            let answer = client.send(send).await;
            let answer = answer.map_err(|error| ServerError::from_http(&error))?;
            let machine = self.machine().await;
            let marked = machine.mark_request_as_sent(&request.txn_id, &answer).await;
            marked.map_err(|error| ServerError::from_olm(&error))?;
        }
        let Some((event_type, content)) = event else {
            return Ok(None);
        };
        let machine = self.machine().await;
        encrypt(&machine, room, event_type, content).await.map(Some)
    }

    /// Their Olm sessions are no strangers' from now on.
    async fn note_recipients(&self, users: &[&UserId]) -> Result<(), ServerError> {
        for user in users {
            let devices = self.devices(user).await?;
            for key in devices.devices().filter_map(|it| it.curve25519_key()) {
                self.note_use(key.to_base64());
            }
        }
        Ok(())
    }

    async fn claim_missing(&self, client: &Client, users: &[&UserId]) -> Result<(), ServerError> {
        let missing = {
            let machine = self.machine().await;
            Box::pin(machine.get_missing_sessions(users.iter().copied())).await
        };
        match missing.map_err(|error| ServerError::store(&error))? {
            Some((id, request)) => self.send_claim(client, &id, request).await,
            None => Ok(()),
        }
    }
}

fn settings() -> EncryptionSettings {
    EncryptionSettings {
        rotation_period: ROTATION_PERIOD,
        rotation_period_msgs: ROTATION_MESSAGES,
        // Keys are never given on to those who come later.
        history_visibility: HistoryVisibility::Joined,
        sharing_strategy: CollectStrategy::AllDevices,
        ..EncryptionSettings::default()
    }
}

/// Only right after the key was shared: the library ends the program where there is none.
async fn encrypt(
    machine: &OlmMachine,
    room: &RoomId,
    event_type: &str,
    content: &RawValue,
) -> Result<Box<RawValue>, ServerError> {
    let content: Raw<AnyMessageLikeEventContent> = Raw::from_json(content.to_owned());
    let encrypted = machine.encrypt_room_event_raw(room.as_ruma(), event_type, &content);
    match Box::pin(encrypted).await {
        Ok(encrypted) => Ok(encrypted.content.into_json()),
        Err(MegolmError::Store(error)) => Err(ServerError::store(&error)),
        Err(error) => Err(ServerError::Internal {
            reason: chain(&error),
        }),
    }
}

fn read_opened(opened: &DecryptedRoomEvent) -> Opened {
    #[derive(Deserialize)]
    struct Event<'a> {
        r#type: String,
        sender: String,
        #[serde(borrow)]
        content: &'a RawValue,
    }
    let info = &opened.encryption_info;
    let mismatch = VerificationState::Unverified(VerificationLevel::MismatchedSender);
    let Ok(event) = serde_json::from_str::<Event<'_>>(opened.event.json().get()) else {
        return Opened::Refused(RoomRefusal::Malformed);
    };
    // A device of another user can have made the key that this sender is said to have used.
    if info.verification_state == mismatch || info.sender.as_str() != event.sender {
        return Opened::Refused(RoomRefusal::OtherSender);
    }
    let device = info.sender_device.as_ref();
    Opened::Plain(Plain {
        event_type: event.r#type,
        content: event.content.get().to_owned(),
        device: device.and_then(|device| device.as_str().parse().ok()),
    })
}
