//! The devices of any user.

use std::time::Duration;

use ruma::UserId;
use securecall_contact::{Device, MatrixId, OlmKey};
use tokio::time::timeout;
use tracing::debug;

use crate::{Account, ServerError, patience::patiently, user_id::user_id};

/// A query that has to go to another server may wait for that one, and ours may want us to wait.
const QUERY_TIMEOUT: Duration = Duration::from_secs(30);

/// Why a user's devices are not known.
#[derive(Debug, thiserror::Error)]
pub enum DevicesError {
    /// The Matrix ID is none that this homeserver could know.
    #[error("{0} is not a usable Matrix ID")]
    BadMatrixId(String),
    /// The homeserver did not answer the question.
    #[error(transparent)]
    Server(#[from] ServerError),
}

impl Account {
    /// Asks the homeserver, now, which devices `user` has that take Olm messages. Without a shared room nobody would tell us of a change.
    ///
    /// A device whose ID or key is none is left out.
    ///
    /// An empty answer has three possible reasons, which look the same from here: no such user, no device with keys, or
    /// a homeserver that hides devices from strangers (MSC4263).
    ///
    /// # Errors
    ///
    /// When the homeserver cannot be asked.
    pub async fn devices_of(&self, user: &MatrixId) -> Result<Vec<Device>, DevicesError> {
        let user_id = user_id(user).ok_or_else(|| DevicesError::BadMatrixId(user.to_string()))?;
        self.query_keys(&user_id).await?;
        let devices = self.olm().devices(&user_id).await?;
        Ok(devices
            .devices()
            .filter(|device| !device.is_deleted())
            .filter_map(|device| usable(&device))
            .collect())
    }

    pub(crate) async fn query_keys(&self, user_id: &UserId) -> Result<(), ServerError> {
        let query = || self.olm().query(self.client(), user_id);
        match timeout(QUERY_TIMEOUT, patiently(query)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(ServerError::TimedOut),
        }
    }
}

/// A device as the rest of the program knows it. The library takes any text for the ID of one.
fn usable(device: &matrix_sdk_crypto::Device) -> Option<Device> {
    let id = device.device_id().as_str().parse();
    let device_id = id
        .inspect_err(|error| debug!(%error, "left out a device: its ID is none"))
        .ok()?;
    Some(Device {
        device_id,
        olm_key: OlmKey::from_bytes(device.curve25519_key()?.to_bytes()),
    })
}
