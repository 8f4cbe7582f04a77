//! What the 1:1 calls of a group call say, from device to device.

use ruma::{
    TransactionId, UserId,
    api::client::to_device::send_event_to_device,
    events::{AnyToDeviceEventContent, ToDeviceEventType},
    serde::Raw,
    to_device::DeviceIdOrAllDevices,
};
use securecall_contact::{DeviceId, MatrixId};
use serde_json::{Value, value::to_raw_value};

use crate::{
    Account, MAX_ROOM_CONTENT, SendError, ServerError, patience::patiently, to_device::is_call_type,
};

/// How an event goes from device to device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallProtection {
    /// Encrypted by Olm, for that device.
    Olm,
    /// In clear: both homeservers can read and change it.
    InClear,
}

impl Account {
    /// Sends an event of a call to a device. `event_type` begins with `m.call.`, `content` is a JSON object of at most
    /// [`MAX_ROOM_CONTENT`] bytes.
    ///
    /// # Errors
    ///
    /// When it did not go out, within a bounded time. What is encrypted does not go out in clear instead.
    pub async fn send_call_event(
        &self,
        user: &MatrixId,
        device_id: &DeviceId,
        event_type: &str,
        content: &str,
        protection: CallProtection,
    ) -> Result<(), SendError> {
        if !is_call_type(event_type) || content.len() > MAX_ROOM_CONTENT {
            return Err(SendError::BadContent);
        }
        self.send_event(user, device_id, event_type, content, protection)
            .await
    }

    /// The homeserver takes it for a device that there may not be.
    pub(crate) async fn deliver_in_clear(
        &self,
        user: &UserId,
        device: &ruma::DeviceId,
        event_type: &str,
        content: &Value,
    ) -> Result<(), ServerError> {
        let content = to_raw_value(content).map_err(|error| ServerError::Internal {
            reason: error.to_string(),
        })?;
        let content = Raw::<AnyToDeviceEventContent>::from_json(content);
        let device = DeviceIdOrAllDevices::DeviceId(device.to_owned());
        let request = send_event_to_device::v3::Request::new_raw(
            ToDeviceEventType::from(event_type),
            TransactionId::new(),
            [(user.to_owned(), [(device, content)].into())].into(),
        );
        // The transaction ID stays the same, so that it arrives once.
        let send = || async {
            let answer = self.client().send(request.clone()).await;
            let answer = answer.map_err(|error| ServerError::from_http(&error));
            answer.map(drop)
        };
        patiently(send).await
    }
}
