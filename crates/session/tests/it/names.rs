//! The names in events and scripts (`docs/cli.md`): they are only added to, never changed.

use securecall_session::{MissedReason, PathRoute, RefusedReason, Tier};

#[test]
fn every_reason_tier_and_kind_of_path_has_the_name_that_is_written_down() {
    let missed = [
        MissedReason::ClocksDiffer,
        MissedReason::NotAnswered,
        MissedReason::CallerCancelled,
        MissedReason::Busy,
        MissedReason::StorageFailed,
    ];
    assert_eq!(
        missed.map(MissedReason::as_str),
        [
            "clocks_differ",
            "not_answered",
            "caller_cancelled",
            "busy",
            "storage_failed"
        ]
    );
    let refused = [
        RefusedReason::IdentityMismatch,
        RefusedReason::NoRelay,
        RefusedReason::ReplayMemoryFull,
        RefusedReason::TierTooLow,
        RefusedReason::RingPolicy,
        RefusedReason::Blocked,
    ];
    assert_eq!(
        refused.map(RefusedReason::as_str),
        [
            "identity_mismatch",
            "no_relay",
            "replay_memory_full",
            "tier_too_low",
            "ring_policy",
            "blocked"
        ]
    );
    let tiers = [Tier::Matrix, Tier::SecureCall];
    assert_eq!(tiers.map(Tier::as_str), ["matrix", "securecall"]);
    let routes = [PathRoute::Direct, PathRoute::Relay, PathRoute::GhostNet];
    assert_eq!(
        routes.map(PathRoute::as_str),
        ["direct", "relay", "ghostnet"]
    );
}
