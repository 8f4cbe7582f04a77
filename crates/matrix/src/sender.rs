//! Sealed messages on their way out.

use std::time::Duration;

use ruma::UserId;
use securecall_contact::{DeviceId, MatrixId};
use serde_json::Value;
use tokio::time::timeout;

use crate::{
    Account, CallProtection, SIGNAL_EVENT_TYPE, ServerError, olm::EncryptError,
    patience::patiently, user_id::user_id,
};

/// After this long the caller had better try again, with a new Olm message. A homeserver that asks us to wait a little is
/// waited for.
const SEND_TIMEOUT: Duration = Duration::from_secs(15);

/// Why a message did not go out.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The content is not a JSON object, or longer than an event can be, or its type is none.
    #[error("the content is not a JSON object, or too long")]
    BadContent,
    /// No such device is known, not even after asking for it.
    #[error("{user} has no device {device_id}")]
    UnknownDevice {
        /// Whose device.
        user: MatrixId,
        /// The device that is not there.
        device_id: DeviceId,
    },
    /// There is no Olm session with the device, and the homeserver gave out no one-time key to make one with.
    #[error("the homeserver has no one-time key of device {device_id}")]
    NoOneTimeKey {
        /// The device that has none left.
        device_id: DeviceId,
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
        device_id: &DeviceId,
        content: &str,
    ) -> Result<(), SendError> {
        let olm = CallProtection::Olm;
        self.send_event(user, device_id, SIGNAL_EVENT_TYPE, content, olm)
            .await
    }

    pub(crate) async fn send_event(
        &self,
        user: &MatrixId,
        device_id: &DeviceId,
        event_type: &str,
        content: &str,
        protection: CallProtection,
    ) -> Result<(), SendError> {
        let content = content_object(content).ok_or(SendError::BadContent)?;
        let unknown = || SendError::UnknownDevice {
            user: user.clone(),
            device_id: device_id.clone(),
        };
        let user_id = user_id(user).ok_or_else(unknown)?;
        let device = device_id.as_str().into();
        let sending = async {
            match protection {
                CallProtection::Olm => self.deliver(&user_id, device, event_type, &content).await,
                CallProtection::InClear => {
                    let sent = self.deliver_in_clear(&user_id, device, event_type, &content);
                    Ok(sent.await?)
                }
            }
        };
        match timeout(SEND_TIMEOUT, sending).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(NotSent::UnknownDevice)) => Err(unknown()),
            Ok(Err(NotSent::NoOneTimeKey)) => Err(SendError::NoOneTimeKey {
                device_id: device_id.clone(),
            }),
            Ok(Err(NotSent::Server(error))) => Err(error.into()),
            Err(_) => Err(ServerError::TimedOut.into()),
        }
    }

    async fn deliver(
        &self,
        user: &UserId,
        device: &ruma::DeviceId,
        event_type: &str,
        content: &Value,
    ) -> Result<(), NotSent> {
        if self.olm().device(user, device).await?.is_none() {
            // As for the reply to a stranger.
            self.query_keys(user).await?;
        }
        let encrypt = || self.olm().encrypt(user, device, event_type, content);
        let request = match encrypt().await {
            Err(EncryptError::NoSession) => {
                // Asked for anew by every send: the homeserver may have had a bad moment.
                patiently(|| self.olm().claim(self.client(), user, device)).await?;
                encrypt().await
            }
            other => other,
        };
        let request = request.map_err(|error| match error {
            EncryptError::UnknownDevice => NotSent::UnknownDevice,
            EncryptError::NoSession => NotSent::NoOneTimeKey,
            EncryptError::Failed(error) => NotSent::Server(error),
        })?;
        // The transaction ID stays the same, so that it arrives once.
        let send = || async {
            let answer = self.client().send(request.clone()).await;
            answer
                .map(drop)
                .map_err(|error| ServerError::from_http(&error))
        };
        Ok(patiently(send).await?)
    }
}

enum NotSent {
    UnknownDevice,
    NoOneTimeKey,
    Server(ServerError),
}

impl From<ServerError> for NotSent {
    fn from(error: ServerError) -> Self {
        Self::Server(error)
    }
}

fn content_object(content: &str) -> Option<Value> {
    let content: Value = serde_json::from_str(content).ok()?;
    content.is_object().then_some(content)
}
