//! What the endpoint knows of a peer, so that it is told what is news, and not more often than it
//! cares for.

use std::time::Duration;

use securecall_media::AUTHENTICATED_INTERVAL;
use web_time::Instant;

/// The peer's mute and unmute are told at most this often, whatever its frames say.
const MUTE_INTERVAL: Duration = Duration::from_millis(250);

/// What was told. Each question is answered with whether to tell, and is then taken as told.
#[derive(Default)]
pub(super) struct Told {
    first_frame: bool,
    first_audio: bool,
    authenticated_at: Option<Instant>,
    /// Whether the peer was last told to be muted, and when that was.
    peer_mute: Option<(bool, Instant)>,
}

impl Told {
    /// A frame of the peer opened.
    pub(super) fn first_frame(&mut self) -> bool {
        !std::mem::replace(&mut self.first_frame, true)
    }

    /// A sample of the peer was played.
    pub(super) fn first_audio(&mut self) -> bool {
        !std::mem::replace(&mut self.first_audio, true)
    }

    /// A packet of the peer was authenticated, end to end.
    pub(super) fn authenticated(&mut self, now: Instant) -> bool {
        let is_due = self
            .authenticated_at
            .is_none_or(|at| now.saturating_duration_since(at) >= AUTHENTICATED_INTERVAL);
        if is_due {
            self.authenticated_at = Some(now);
        }
        is_due
    }

    /// The next packet is news, however soon it comes.
    pub(super) const fn forget_authenticated(&mut self) {
        self.authenticated_at = None;
    }

    /// The peer's newest frame says whether it is muted.
    pub(super) fn peer_mute(&mut self, now: Instant, muted: bool) -> bool {
        let (told, recently) = self.peer_mute.map_or((false, false), |(told, at)| {
            (told, now.saturating_duration_since(at) < MUTE_INTERVAL)
        });
        let is_due = muted != told && !recently;
        if is_due {
            self.peer_mute = Some((muted, now));
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often something is told that is asked each 10 ms, for a second.
    fn told_in_a_second(mut ask: impl FnMut(Instant) -> bool) -> usize {
        let start = crate::clock::now();
        let instants = (0..100).map(|tick| start + Duration::from_millis(10) * tick);
        instants.filter(|now| ask(*now)).count()
    }

    #[test]
    fn what_happens_once_is_told_once() {
        let mut told = Told::default();
        assert_eq!(told_in_a_second(|_| told.first_frame()), 1);
        assert_eq!(told_in_a_second(|_| told.first_audio()), 1);
    }

    #[test]
    fn packets_are_told_four_times_a_second() {
        let mut told = Told::default();
        assert_eq!(told_in_a_second(|now| told.authenticated(now)), 4);
    }

    #[test]
    fn the_first_packet_of_a_path_that_was_lost_is_told_at_once() {
        let (now, mut told) = (crate::clock::now(), Told::default());
        assert!(told.authenticated(now) && !told.authenticated(now));
        told.forget_authenticated();
        assert!(told.authenticated(now));
    }

    #[test]
    fn mute_is_told_when_it_changes_and_four_times_a_second_at_most() {
        let mut told = Told::default();
        assert_eq!(told_in_a_second(|now| told.peer_mute(now, false)), 0);
        assert_eq!(told_in_a_second(|now| told.peer_mute(now, true)), 1);
        let mut told = Told::default();
        let mut muted = false;
        let toggle = |now| {
            muted = !muted;
            told.peer_mute(now, muted)
        };
        assert_eq!(told_in_a_second(toggle), 4);
    }
}
