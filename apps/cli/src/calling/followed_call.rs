//! The call that a run is about: the first one, until it ends.

use std::time::{Duration, Instant};

use securecall_contact::SecureCallId;
use securecall_driver::{CallEvent, CallHandle, EndReason, Tier};

/// What is known of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Current {
    pub(super) call: CallHandle,
    /// The key proven at the other end.
    pub(super) peer: Option<SecureCallId>,
    pub(super) was_connected: bool,
    /// Which protection it has.
    pub(super) tier: Tier,
    /// Of the timer of `--duration`; `None` again once that has hung up.
    connected_at: Option<Instant>,
}

/// Keeps up with calls, one at a time: while there is one, others are none of the run's business.
#[derive(Debug, Default)]
pub(super) struct FollowedCall {
    current: Option<Current>,
    any_connected: bool,
    any_standard: bool,
}

impl FollowedCall {
    /// Takes in what happened. Gives how the call has ended, if it has.
    pub(super) fn follow(&mut self, now: Instant, event: &CallEvent) -> Option<EndReason> {
        match event {
            CallEvent::Dialing { call, tier, .. } | CallEvent::Incoming { call, tier, .. }
                if self.current.is_none() =>
            {
                self.current = Some(Current {
                    call: call.handle,
                    peer: None,
                    was_connected: false,
                    tier: *tier,
                    connected_at: None,
                });
                self.any_standard |= *tier == Tier::Matrix;
            }
            CallEvent::Replaced { call, by } => {
                self.with_current(call.handle, |current| current.call = by.handle);
            }
            CallEvent::Connected { call, peer, .. } => {
                self.connected(now, call.handle, peer.id);
            }
            CallEvent::Ended { call, reason, .. } if self.is(call.handle) => {
                self.current = None;
                return Some(*reason);
            }
            _ => {}
        }
        None
    }

    /// The call, if there is one.
    pub(super) const fn current(&self) -> Option<Current> {
        self.current
    }

    /// Whether it is this one.
    pub(super) fn is(&self, call: CallHandle) -> bool {
        self.current.is_some_and(|current| current.call == call)
    }

    /// Whether the call was connected; where there is none any more, whether any was.
    pub(super) fn was_connected(&self) -> bool {
        self.current
            .map_or(self.any_connected, |current| current.was_connected)
    }

    /// Whether any call was of tier `matrix`.
    pub(super) const fn was_any_standard(&self) -> bool {
        self.any_standard
    }

    /// When the call has lasted so long.
    pub(super) fn deadline(&self, duration: Option<f64>) -> Option<Instant> {
        let connected_at = self.current?.connected_at?;
        Some(connected_at + Duration::from_secs_f64(duration?))
    }

    /// The call that has lasted long enough. Once: the timer must not fire again while the call is being ended.
    pub(super) fn take_overdue(&mut self) -> Option<CallHandle> {
        let current = self.current.as_mut()?;
        current.connected_at = None;
        Some(current.call)
    }

    fn connected(&mut self, now: Instant, call: CallHandle, peer: Option<SecureCallId>) {
        self.any_connected = true;
        self.with_current(call, |current| {
            current.peer = peer;
            current.was_connected = true;
            current.connected_at = Some(now);
        });
    }

    fn with_current(&mut self, call: CallHandle, change: impl FnOnce(&mut Current)) {
        if let Some(current) = self.current.as_mut().filter(|current| current.call == call) {
            change(current);
        }
    }
}

#[cfg(test)]
mod tests {
    use securecall_crypto::IdentityKey;
    use securecall_driver::{CallHandles, NamedCall, Peer, WireCallId};

    use super::*;

    fn named(number: usize) -> NamedCall {
        let mut handles = CallHandles::default();
        let mut handles = std::iter::repeat_with(|| handles.issue());
        NamedCall {
            handle: handles.nth(number).unwrap(),
            id: WireCallId::parse(&number.to_string()).unwrap(),
        }
    }

    fn call(number: usize) -> CallHandle {
        named(number).handle
    }

    fn peer() -> Peer {
        Peer {
            id: Some(SecureCallId::new(
                &IdentityKey::from_bytes([7; 32]).unwrap(),
            )),
            matrix_id: "@ada:example.org".parse().unwrap(),
            name: None,
            new_address: false,
        }
    }

    fn dialing(number: usize) -> CallEvent {
        CallEvent::Dialing {
            call: named(number),
            peer: peer(),
            tier: Tier::SecureCall,
        }
    }

    fn ended(number: usize) -> CallEvent {
        CallEvent::Ended {
            call: named(number),
            reason: EndReason::RemoteHangup,
            connected_for: None,
        }
    }

    #[expect(clippy::disallowed_methods, reason = "any time will do")]
    fn now() -> Instant {
        Instant::now()
    }

    #[test]
    fn a_second_call_is_not_followed_while_there_is_one() {
        let mut followed = FollowedCall::default();
        for event in [dialing(1), dialing(2), ended(2)] {
            assert_eq!(followed.follow(now(), &event), None);
        }
        assert!(followed.is(call(1)));
        let reason = followed.follow(now(), &ended(1));
        assert_eq!(reason, Some(EndReason::RemoteHangup));
        assert_eq!(followed.current(), None);
        followed.follow(now(), &dialing(2));
        assert!(followed.is(call(2)));
    }

    #[test]
    fn a_call_that_was_replaced_is_followed_as_the_one_in_its_place() {
        let mut followed = FollowedCall::default();
        followed.follow(now(), &dialing(1));
        let replaced = CallEvent::Replaced {
            call: named(1),
            by: named(2),
        };
        followed.follow(now(), &replaced);
        assert_eq!(followed.follow(now(), &ended(1)), None);
        assert!(followed.follow(now(), &ended(2)).is_some());
    }

    #[test]
    fn the_time_runs_from_the_connection_and_is_over_once() {
        let mut followed = FollowedCall::default();
        followed.follow(now(), &dialing(1));
        assert_eq!(followed.deadline(Some(5.0)), None);
        let at = now();
        followed.connected(at, call(1), peer().id);
        assert!(followed.was_connected());
        assert_eq!(followed.deadline(None), None);
        let over = at + Duration::from_secs(5);
        assert_eq!(followed.deadline(Some(5.0)), Some(over));
        assert_eq!(followed.take_overdue(), Some(call(1)));
        assert_eq!(followed.deadline(Some(5.0)), None);
        followed.follow(at, &ended(1));
        assert!(followed.was_connected());
    }
}
