//! By what a universe names its users and devices.

/// Names a device in a universe.
pub type DeviceId = usize;

/// Names a user in a universe.
pub type UserId = usize;
