//! Opening microphone and speaker, which may wait for a sound server, a pipe or a disk.

use securecall_audio_device::{
    AudioDevices, AudioSpec, DeviceWish, NewDevice, OpenError, open_device, open_devices,
};
use tokio::task::JoinHandle;

/// Opens the devices on a thread that may wait.
pub(crate) async fn open_devices_aside(audio: &AudioSpec) -> Result<AudioDevices, OpenError> {
    match begin_to_open(audio).await {
        Ok(opened) => opened,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        // The runtime is being shut down: nobody will see what this gives.
        Err(_) => std::future::pending().await,
    }
}

/// Begins to open the devices on a thread that may wait. What nobody takes is closed again.
pub(crate) fn begin_to_open(audio: &AudioSpec) -> JoinHandle<Result<AudioDevices, OpenError>> {
    let audio = audio.clone();
    tokio::task::spawn_blocking(move || open_devices(&audio))
}

/// Begins to open one device that is to take the place of another.
pub(crate) fn begin_to_open_one(
    audio: &AudioSpec,
    wish: DeviceWish,
) -> JoinHandle<Result<NewDevice, OpenError>> {
    let audio = audio.clone();
    tokio::task::spawn_blocking(move || open_device(&audio, &wish))
}
