//! What the 1:1 calls of a group call say, from device to device.

use securecall_contact::{DeviceId, DeviceIdError};
use serde_json::Value;

use super::{GroupCallId, GroupIdError, MessageId, SessionId};
use crate::wire::room::fields::{Fields, required, unexpected};
use crate::wire::room::read::{object, reader, signal_of};
use crate::wire::room::{RoomSignal, RoomSignalError};

/// One event of a 1:1 call within a group call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSignal {
    /// Where it belongs.
    pub route: Route,
    /// What is said.
    pub signal: RoomSignal,
}

/// To which group call, and from which run of a device to which, an event belongs. All of it is only what the sender says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The group call (`conf_id`).
    pub group_call_id: GroupCallId,
    /// The device that sends it. MSC3401 has it in the invite only; matrix-js-sdk wants it in each, and sends it in each.
    pub device_id: Option<DeviceId>,
    /// The run of it (`sender_session_id`), in the same way.
    pub from_session: Option<SessionId>,
    /// The run that it is for (`dest_session_id`): another one knows nothing of the call.
    pub to_session: SessionId,
    /// Its place among all that the device says of this call, from 0. Whoever does not count is read in the order it comes.
    pub sequence_number: Option<u32>,
}

/// Why an event of a group call is not read. It is as if it had not come.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupSignalError {
    /// Something that every event of a call has.
    #[error(transparent)]
    Signal(#[from] RoomSignalError),
    /// An ID of a group call or of a session that is none.
    #[error("'{field}': {reason}")]
    Id {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        reason: GroupIdError,
    },
    /// A device ID that is none.
    #[error("'device_id': {0}")]
    Device(DeviceIdError),
}

impl GroupSignal {
    /// Reads the content of an event from device to device, decrypted if it was encrypted. `None`: the event is none of a 1:1 call
    /// within a group call.
    ///
    /// # Errors
    /// [`GroupSignalError`] says what was wrong with one.
    pub fn parse(event_type: &str, content: &[u8]) -> Result<Option<Self>, GroupSignalError> {
        let Some(read_content) = reader(event_type) else {
            return Ok(None);
        };
        let map = object(content)?;
        let fields = Fields::of(&map);
        if fields.optional_text("conf_id")?.is_none() {
            return Ok(None);
        }
        let signal = signal_of(read_content, fields)?;
        let route = Route::read(fields)?;
        Ok(Some(Self { route, signal }))
    }

    /// The type and the content of the event, for one device. Every field is there on each event: matrix-js-sdk drops those
    /// without.
    pub fn to_event(&self, message_id: MessageId) -> (&'static str, Value) {
        let (event_type, mut content) = self.signal.to_event();
        let Route {
            group_call_id,
            device_id,
            from_session,
            to_session,
            sequence_number,
        } = &self.route;
        content["conf_id"] = group_call_id.as_str().into();
        content["dest_session_id"] = to_session.as_str().into();
        content["org.matrix.msgid"] = message_id.to_string().into();
        let optional = [
            ("device_id", device_id.as_ref().map(|it| it.as_str().into())),
            (
                "sender_session_id",
                from_session.as_ref().map(|it| it.as_str().into()),
            ),
            ("seq", sequence_number.map(Value::from)),
        ];
        for (key, value) in optional {
            if let Some(value) = value {
                content[key] = value;
            }
        }
        (event_type, content)
    }
}

impl Route {
    fn read(fields: Fields<'_>) -> Result<Self, GroupSignalError> {
        let session = |field: &'static str| {
            let text = fields.optional_text(field)?;
            text.map(|text| SessionId::parse(text).map_err(id_error(field)))
                .transpose()
        };
        let device_id = fields.optional_text("device_id")?;
        Ok(Self {
            group_call_id: GroupCallId::parse(fields.text("conf_id")?)
                .map_err(id_error("conf_id"))?,
            device_id: device_id
                .map(|text| text.parse().map_err(GroupSignalError::Device))
                .transpose()?,
            from_session: session("sender_session_id")?,
            to_session: required("dest_session_id", session("dest_session_id")?)?,
            sequence_number: sequence_number(fields)?,
        })
    }
}

fn id_error(field: &'static str) -> impl Fn(GroupIdError) -> GroupSignalError {
    move |reason| GroupSignalError::Id { field, reason }
}

fn sequence_number(fields: Fields<'_>) -> Result<Option<u32>, RoomSignalError> {
    const FIELD: &str = "seq";
    fields
        .optional_number(FIELD)?
        .map(|number| u32::try_from(number).map_err(|_| unexpected(FIELD, "a small number")))
        .transpose()
}
