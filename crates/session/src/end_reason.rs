//! Why a call ended: one closed list, each reason tied to one exit code.

use std::fmt;

/// Why a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EndReason {
    /// This side hung up a connected call.
    LocalHangup,
    /// The peer hung up a connected call.
    RemoteHangup,
    /// This side gave up before the call was connected.
    Cancelled,
    /// The caller gave up before the call was connected.
    CallerCancelled,
    /// Another device of ours took the call (or declined it).
    AnsweredElsewhere,
    /// This side declined the call.
    LocalReject,
    /// The peer declined the call.
    Declined,
    /// Every device of the peer that could take the call is in another one.
    Busy,
    /// The clocks of the two machines differ so much that the peer's devices do not ring.
    ClocksDiffer,
    /// It rang, but nobody answered within the lifetime of the call.
    NoAnswer,
    /// No device of the peer acknowledged the call.
    Unreachable,
    /// There is no such user, no SecureCall device, or the homeserver hides devices from strangers (MSC4263).
    Unknown,
    /// The peer was invited to a room for the call, and did not come.
    NotJoined,
    /// The peer's DTLS fingerprint is not the one of its sealed SDP, or the SDP does not have exactly one.
    FingerprintMismatch,
    /// The peer revealed another words nonce than the one it committed to.
    WordsMismatch,
    /// No network path between the two devices was ever found.
    IceFailed,
    /// The network path died and did not come back.
    IceTimeout,
    /// The media keys could not be renewed for too long.
    RekeyTimeout,
    /// The homeserver could not be asked for the peer's devices.
    HomeserverUnreachable,
    /// The homeserver took none of the call's messages.
    HomeserverRefused,
    /// The media engine of this machine failed.
    MediaFailed,
    /// The media engine of the peer's machine failed.
    PeerMediaFailed,
    /// The peer broke the protocol.
    PeerMisbehaved,
}

/// The classes of exit codes of the command line: whose turn it is to do something about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExitClass {
    /// 0: it did what was asked.
    Done,
    /// 3: refused for security.
    Security,
    /// 4: the peer.
    Peer,
    /// 5: network or server.
    Network,
    /// 6: this machine.
    Machine,
}

impl ExitClass {
    /// What a process returns to its shell.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Security => 3,
            Self::Peer => 4,
            Self::Network => 5,
            Self::Machine => 6,
        }
    }
}

impl EndReason {
    /// Every reason there is.
    pub const ALL: [Self; 23] = [
        Self::LocalHangup,
        Self::RemoteHangup,
        Self::Cancelled,
        Self::CallerCancelled,
        Self::AnsweredElsewhere,
        Self::LocalReject,
        Self::Declined,
        Self::Busy,
        Self::ClocksDiffer,
        Self::NoAnswer,
        Self::Unreachable,
        Self::Unknown,
        Self::NotJoined,
        Self::FingerprintMismatch,
        Self::WordsMismatch,
        Self::IceFailed,
        Self::IceTimeout,
        Self::RekeyTimeout,
        Self::HomeserverUnreachable,
        Self::HomeserverRefused,
        Self::MediaFailed,
        Self::PeerMediaFailed,
        Self::PeerMisbehaved,
    ];

    /// The word for it in events and scripts; part of the contract of the command line.
    pub const fn as_str(self) -> &'static str {
        self.describe().0
    }

    /// Whose turn it is to do something about it.
    pub const fn exit_class(self) -> ExitClass {
        self.describe().1
    }

    /// The exit code of a command whose call ended so.
    pub const fn exit_code(self) -> u8 {
        self.exit_class().code()
    }

    /// The one place that says what each reason means to the outside.
    const fn describe(self) -> (&'static str, ExitClass) {
        match self {
            Self::LocalHangup => ("local_hangup", ExitClass::Done),
            Self::RemoteHangup => ("remote_hangup", ExitClass::Done),
            Self::Cancelled => ("cancelled", ExitClass::Done),
            Self::CallerCancelled => ("caller_cancelled", ExitClass::Peer),
            Self::AnsweredElsewhere => ("answered_elsewhere", ExitClass::Done),
            Self::LocalReject => ("local_reject", ExitClass::Done),
            Self::Declined => ("declined", ExitClass::Peer),
            Self::Busy => ("busy", ExitClass::Peer),
            Self::ClocksDiffer => ("clocks_differ", ExitClass::Peer),
            Self::NoAnswer => ("no_answer", ExitClass::Peer),
            Self::Unreachable => ("unreachable", ExitClass::Peer),
            Self::Unknown => ("unknown", ExitClass::Peer),
            Self::NotJoined => ("not_joined", ExitClass::Peer),
            Self::FingerprintMismatch => ("fingerprint_mismatch", ExitClass::Security),
            Self::WordsMismatch => ("words_mismatch", ExitClass::Security),
            Self::IceFailed => ("ice_failed", ExitClass::Network),
            Self::IceTimeout => ("ice_timeout", ExitClass::Network),
            Self::RekeyTimeout => ("rekey_timeout", ExitClass::Network),
            Self::HomeserverUnreachable => ("homeserver_unreachable", ExitClass::Network),
            Self::HomeserverRefused => ("homeserver_refused", ExitClass::Network),
            Self::MediaFailed => ("media_failed", ExitClass::Machine),
            Self::PeerMediaFailed => ("peer_media_failed", ExitClass::Peer),
            Self::PeerMisbehaved => ("peer_misbehaved", ExitClass::Security),
        }
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_reason_has_its_own_snake_case_name() {
        let names: BTreeSet<_> = EndReason::ALL
            .iter()
            .map(|reason| reason.as_str())
            .collect();
        assert_eq!(names.len(), EndReason::ALL.len());
        for name in names {
            assert!(
                name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
                "{name}"
            );
        }
    }

    #[test]
    fn the_contract_of_the_command_line_holds() {
        assert_eq!(EndReason::LocalHangup.exit_code(), 0);
        assert_eq!(EndReason::RemoteHangup.exit_code(), 0);
        assert_eq!(EndReason::FingerprintMismatch.exit_code(), 3);
        for reason in [
            EndReason::Declined,
            EndReason::Busy,
            EndReason::NoAnswer,
            EndReason::Unreachable,
            EndReason::Unknown,
        ] {
            assert_eq!(reason.exit_code(), 4, "{reason}");
        }
        assert_eq!(EndReason::IceTimeout.exit_code(), 5);
        assert_eq!(EndReason::RekeyTimeout.exit_code(), 5);
        assert_eq!(EndReason::MediaFailed.exit_code(), 6);
    }
}
