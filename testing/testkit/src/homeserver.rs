//! The homeserver: it sees and does whatever a homeserver can.

use std::collections::BTreeMap;
use std::time::Duration;

use securecall_contact::{Device, MatrixId, OlmKey};
use securecall_session::RequestError;

use crate::indices::DeviceId;

/// One to-device message on its way, as the homeserver that also broke Olm would see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Who really sent it.
    pub from: DeviceId,
    /// Who the receiver is told has sent it.
    pub sender: MatrixId,
    /// The Olm key the receiver is told it came from.
    pub sender_olm_key: OlmKey,
    /// Where it goes.
    pub to: DeviceId,
    /// The content: version, call ID and sealed box.
    pub content: String,
}

impl Envelope {
    /// What kind of box it holds: 1 and 2 are handshake messages, 3 is a ratchet message.
    pub fn kind(&self) -> u8 {
        let text = self
            .content
            .split("\"box\":\"")
            .nth(1)
            .and_then(|rest| rest.get(..4))
            .unwrap_or("AAAA");
        data_encoding::BASE64URL_NOPAD
            .decode(text.as_bytes())
            .ok()
            .and_then(|bytes| bytes.first().copied())
            .unwrap_or(0)
    }

    /// The handshake or ratchet message in the box.
    ///
    /// # Panics
    ///
    /// If there is no box, or it is damaged.
    pub fn sealed(&self) -> Vec<u8> {
        let text = self.content.split("\"box\":\"").nth(1).expect("a box");
        let text = text.split('"').next().expect("an end of the box");
        let bytes = data_encoding::BASE64URL_NOPAD
            .decode(text.as_bytes())
            .expect("base64url");
        let length = usize::from(u16::from_be_bytes([bytes[1], bytes[2]]));
        bytes[3..3 + length].to_vec()
    }
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It arrives as it should.
    Deliver,
    /// It never arrives.
    Drop,
    /// It arrives later, so perhaps after others.
    Delay(Duration),
    /// It arrives, and once more later.
    Duplicate(Duration),
}

/// Decides what becomes of a message, and may change it.
pub type Script = Box<dyn FnMut(&mut Envelope) -> Fate>;
/// Decides which devices of a user are shown.
pub type DeviceScript = Box<dyn FnMut(&MatrixId, &mut Vec<Device>)>;

/// A homeserver that carries messages between devices as a script says: none is real.
pub struct Homeserver {
    /// How long a message takes from client to homeserver, or back.
    pub hop: Duration,
    /// What becomes of messages.
    pub script: Script,
    /// Which devices are shown.
    pub device_script: DeviceScript,
    /// Fails every request, if set.
    pub fails: Option<RequestError>,
    /// How often a device asked for a message to be sent, whether that worked or not.
    pub send_requests: usize,
    /// Every message that was sent, in order.
    pub sent: Vec<Envelope>,
    /// The Matrix IDs and what devices they have.
    pub(crate) devices: BTreeMap<String, Vec<(DeviceId, Device)>>,
}

impl Homeserver {
    pub(crate) fn new() -> Self {
        Self {
            hop: Duration::from_millis(30),
            script: Box::new(|_| Fate::Deliver),
            device_script: Box::new(|_, _| {}),
            fails: None,
            send_requests: 0,
            sent: Vec::new(),
            devices: BTreeMap::new(),
        }
    }

    /// Drops, delays or changes messages from now on.
    pub fn set_script(&mut self, script: impl FnMut(&mut Envelope) -> Fate + 'static) {
        self.script = Box::new(script);
    }

    /// An honest homeserver again.
    pub fn behave(&mut self) {
        self.set_script(|_| Fate::Deliver);
        self.device_script = Box::new(|_, _| {});
        self.fails = None;
    }

    pub(crate) fn devices_of(&mut self, user: &MatrixId) -> Vec<Device> {
        let devices = self.devices.get(user.as_str());
        let mut devices: Vec<_> = devices
            .into_iter()
            .flatten()
            .map(|(_, device)| device.clone())
            .collect();
        (self.device_script)(user, &mut devices);
        devices
    }

    pub(crate) fn find(
        &self,
        user: &MatrixId,
        device_id: &securecall_contact::DeviceId,
    ) -> Option<DeviceId> {
        let devices = self.devices.get(user.as_str())?;
        devices
            .iter()
            .find(|(_, device)| device.device_id == *device_id)
            .map(|(id, _)| *id)
    }
}
