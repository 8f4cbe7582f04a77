//! Why something is not done, or not heard.

/// Why a call is not joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoinRefused {
    /// It is over, or there never was one.
    #[error("the room has no such call")]
    NoSuchCall,
    /// A newer one counts.
    #[error("another call of the room counts")]
    AnotherCounts,
    /// Its sound goes over a server.
    #[error("the call goes over a media server")]
    MediaServer,
    /// One at a time.
    #[error("we are in a call of this room")]
    AlreadyIn,
}

/// Why an event from device to device is not taken. It is as if it had not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignalRefused {
    /// We are in no call, or in another one.
    #[error("it is for a group call that we are not in")]
    AnotherCall,
    /// It is for an earlier run of this device.
    #[error("it is for another session")]
    AnotherSession,
    /// It came in clear, and the user does not allow that.
    #[error("it is not encrypted")]
    InClear,
    /// It says neither by its encryption nor in words which device sent it.
    #[error("no device sent it")]
    NoDevice,
    /// It says that another device sent it than the one that did.
    #[error("another device sent it")]
    AnotherDevice,
    /// Our own, as the homeserver gives it back.
    #[error("this device sent it")]
    Ours,
    /// From somebody who is only called by sealed calls.
    #[error("the sender is called by sealed calls only")]
    SealedOnly,
    /// It is for us to call that device.
    #[error("it is for us to call")]
    OutOfTurn,
    /// Of a call that is over.
    #[error("the call is over")]
    Over,
    /// From a device that is not in the call, and there is no room to wait until it is.
    #[error("the sender is not in the call")]
    NotIn,
}
