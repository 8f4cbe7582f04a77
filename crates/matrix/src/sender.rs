//! Sealed messages on their way out.

use std::time::Duration;

use matrix_sdk::encryption::identities::Device;
use matrix_sdk_base::crypto::CollectStrategy;
use ruma::{DeviceId, UserId, events::AnyToDeviceEventContent, serde::Raw};
use securecall_contact::MatrixId;
use serde_json::value::RawValue;
use tokio::time::timeout;

use crate::{Account, SIGNAL_EVENT_TYPE, ServerError, peer_device::user_id};

/// After this long the caller had better try again, with a new Olm message.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a message did not go out.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The content is not a JSON object.
    #[error("the content is not a JSON object")]
    BadContent,
    /// No such device is known, not even after asking for it.
    #[error("{user} has no device {device_id}")]
    UnknownDevice {
        /// Whose device.
        user: MatrixId,
        /// Which device.
        device_id: String,
    },
    /// There is no Olm session with the device and none could be made, or its server did not take the message.
    #[error("the message to device {device_id} could not be delivered to the homeserver")]
    NotDelivered {
        /// Which device.
        device_id: String,
    },
    /// The homeserver did not take it.
    #[error(transparent)]
    Server(#[from] ServerError),
}

impl Account {
    /// Encrypts `content` (a JSON object) for one device and hands it to the homeserver.
    ///
    /// Claims a one-time key if there is no Olm session with that device yet. Sending the same content again makes a new
    /// Olm message, which also mends a session that the other side has lost.
    ///
    /// # Errors
    ///
    /// When it did not go out, within a bounded time.
    pub async fn send(
        &self,
        user: &MatrixId,
        device_id: &str,
        content: &str,
    ) -> Result<(), SendError> {
        let content = content_object(content).ok_or(SendError::BadContent)?;
        let unknown = || SendError::UnknownDevice {
            user: user.clone(),
            device_id: device_id.to_owned(),
        };
        let user_id = user_id(user).ok_or_else(unknown)?;
        let device = self
            .device(&user_id, device_id.into())
            .await?
            .ok_or_else(unknown)?;

        let encryption = self.client().encryption();
        let sending = encryption.encrypt_and_send_raw_to_device(
            vec![&device],
            SIGNAL_EVENT_TYPE,
            content,
            CollectStrategy::AllDevices,
        );
        match timeout(SEND_TIMEOUT, sending).await {
            Ok(Ok(failures)) if failures.is_empty() => Ok(()),
            Ok(Ok(_)) => Err(SendError::NotDelivered {
                device_id: device_id.to_owned(),
            }),
            Ok(Err(error)) => Err(ServerError::from_sdk(&error).into()),
            Err(_) => Err(ServerError::TimedOut.into()),
        }
    }

    /// The device as the store knows it; asks the homeserver if it does not, as for the reply to a stranger.
    async fn device(
        &self,
        user: &UserId,
        device_id: &DeviceId,
    ) -> Result<Option<Device>, ServerError> {
        if let Some(device) = self.known_device(user, device_id).await? {
            return Ok(Some(device));
        }
        self.query_keys(user).await?;
        self.known_device(user, device_id).await
    }

    async fn known_device(
        &self,
        user: &UserId,
        device_id: &DeviceId,
    ) -> Result<Option<Device>, ServerError> {
        let device = self.client().encryption().get_device(user, device_id).await;
        device.map_err(|error| ServerError::store(&error))
    }
}

fn content_object(content: &str) -> Option<Raw<AnyToDeviceEventContent>> {
    let raw: Box<RawValue> = serde_json::from_str(content).ok()?;
    raw.get().starts_with('{').then(|| Raw::from_json(raw))
}
