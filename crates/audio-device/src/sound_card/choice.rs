//! Which card is meant, and whether it is there.

use cpal::traits::{DeviceTrait, HostTrait};

use super::format::{Format, Role};
use super::quiet_alsa::keep_terminal_clean;
use crate::fault::OpenError;

/// At most so many names in an error.
const MAX_NAMES: usize = 12;
/// And so many to choose from.
const MAX_CHOICES: usize = 64;

/// What ALSA lists beside sound devices: silence, and its converters.
const NO_DEVICES: [&str; 7] = [
    "null",
    "lavrate",
    "samplerate",
    "speexrate",
    "speex",
    "upmix",
    "vdownmix",
];

/// Which device a stream is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) role: Role,
    /// The default one of its role without.
    pub(super) name: Option<String>,
}

impl Choice {
    pub(super) fn device(&self, host: &cpal::Host) -> Option<cpal::Device> {
        match (self.role, &self.name) {
            (_, None) => self.default_device(host),
            (Role::Microphone, Some(name)) => named(host.input_devices(), name),
            (Role::Speaker, Some(name)) => named(host.output_devices(), name),
        }
    }

    /// The default device of its role, whatever its name.
    pub(super) fn default_device(&self, host: &cpal::Host) -> Option<cpal::Device> {
        match self.role {
            Role::Microphone => host.default_input_device(),
            Role::Speaker => host.default_output_device(),
        }
    }

    /// What it is called in words for people: `default microphone`, `microphone "USB Headset"`.
    pub(super) fn words(&self) -> String {
        let role = self.role.name();
        match &self.name {
            None => format!("default {role}"),
            Some(name) => format!("{role} {name:?}"),
        }
    }

    /// Looks for the device without starting it.
    pub(super) fn check(&self) -> Result<(), OpenError> {
        keep_terminal_clean();
        let host = cpal::default_host();
        let role = self.role.name();
        let missing = || match &self.name {
            None => OpenError::NoDevice {
                role,
                available: names(&host),
            },
            Some(name) => OpenError::UnknownDevice {
                name: name.clone(),
                available: names(&host),
            },
        };
        let device = self.device(&host).ok_or_else(missing)?;
        match Format::choose(&device, self.role, 10) {
            Ok(_) => Ok(()),
            Err(error) if is_absent(error.kind()) => Err(missing()),
            // A card that only one can have: a tone of ours may still have it, and it is opened again until it works.
            Err(error)
                if error.kind() == cpal::ErrorKind::DeviceBusy && self.role == Role::Speaker =>
            {
                Ok(())
            }
            Err(error) => Err(OpenError::DeviceUnusable {
                role,
                device: device.to_string(),
                detail: error.to_string(),
            }),
        }
    }
}

/// The device of this name, as an error lists it, or with this identifier of the operating system.
fn named(
    devices: Result<impl Iterator<Item = cpal::Device>, cpal::Error>,
    name: &str,
) -> Option<cpal::Device> {
    let is_it = |device: &cpal::Device| {
        device.to_string() == name || device.id().is_ok_and(|id| id.id() == name)
    };
    devices.ok()?.find(is_it)
}

/// ALSA has a default device even where there is no card: it only fails when it is asked.
fn is_absent(kind: cpal::ErrorKind) -> bool {
    use cpal::ErrorKind::{
        DeviceNotAvailable, HostUnavailable, UnsupportedConfig, UnsupportedOperation,
    };
    matches!(
        kind,
        DeviceNotAvailable | HostUnavailable | UnsupportedConfig | UnsupportedOperation
    )
}

fn names(host: &cpal::Host) -> Vec<String> {
    names_of(host.devices(), MAX_NAMES)
}

/// What the microphones are called that the system knows.
pub(crate) fn microphone_names() -> Vec<String> {
    keep_terminal_clean();
    names_of(cpal::default_host().input_devices(), MAX_CHOICES)
}

/// The same of speakers.
pub(crate) fn speaker_names() -> Vec<String> {
    keep_terminal_clean();
    names_of(cpal::default_host().output_devices(), MAX_CHOICES)
}

fn names_of(
    devices: Result<impl Iterator<Item = cpal::Device>, cpal::Error>,
    at_most: usize,
) -> Vec<String> {
    let Ok(devices) = devices else {
        return Vec::new();
    };
    let is_none = |device: &cpal::Device| device.id().is_ok_and(|id| NO_DEVICES.contains(&id.id()));
    let mut names: Vec<String> = devices
        .filter(|device| !is_none(device))
        .map(|device| device.to_string())
        .collect();
    names.dedup();
    names.truncate(at_most);
    names
}
