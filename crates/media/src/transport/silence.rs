//! When the peer has been silent for so long that its path is tried anew, long before it counts as dead.

use std::time::Duration;

use web_time::Instant;

use super::event::SelectedPair;

/// How long the peer of a profile may be silent at least, before that is more than the network's jitter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    least: Duration,
    most: Duration,
}

impl Patience {
    /// With a peer that sends a frame every 20 ms, muted or not: fifteen are missing.
    pub(super) const STEADY: Self = Self {
        least: Duration::from_millis(300),
        most: Duration::from_secs(1),
    };
    /// With a peer that need not send anything while nobody speaks. It answers our checks, which are a second apart.
    pub(super) const QUIET: Self = Self {
        least: Duration::from_millis(1500),
        most: Duration::from_secs(3),
    };
}

/// How often a path is tried anew in one go, and how long until it may be once more. Whoever is silent again and again has us send
/// checks to whatever addresses it has named.
const TRIALS: u32 = 4;
const TRIAL_APART: Duration = Duration::from_secs(10);
/// For so long it is remembered how long a pause was that ended by itself.
const REMEMBERED: Duration = Duration::from_secs(60);

/// What is known of the peer's pauses.
pub(super) struct Silence {
    patience: Patience,
    /// How long a pause may be at the moment.
    allowed: Duration,
    /// When a pause last said so.
    allowed_at: Option<Instant>,
    heard_at: Option<Instant>,
    /// Over which pair it was heard.
    heard_over: Option<SelectedPair>,
    /// It has been silent for too long, and that was noticed.
    noticed: bool,
    /// Something that explains the pause has changed meanwhile: an address of either side.
    explained: bool,
    /// Until when the trials made so far count against the next.
    spent_until: Option<Instant>,
}

impl Silence {
    /// Nobody is waited for until the peer was heard.
    pub(super) const fn new(patience: Patience) -> Self {
        Self {
            patience,
            allowed: patience.least,
            allowed_at: None,
            heard_at: None,
            heard_over: None,
            noticed: false,
            explained: false,
            spent_until: None,
        }
    }

    /// The peer was heard.
    pub(super) fn heard(&mut self, now: Instant, pair: SelectedPair) {
        let has_moved = self.heard_over.replace(pair) != Some(pair);
        let pause = self
            .heard_at
            .replace(now)
            .map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        let was_noticed = std::mem::take(&mut self.noticed);
        let is_explained = std::mem::take(&mut self.explained);
        let of_network = !(was_noticed && (is_explained || has_moved));
        let is_outdated = |at: Instant| now.saturating_duration_since(at) > REMEMBERED;
        if of_network && pause * 2 > self.allowed {
            // Twice what this network has done by itself, so that it is not taken for dead whenever it does so again.
            self.allowed = (pause * 2).min(self.patience.most);
            self.allowed_at = Some(now);
        } else if of_network && pause * 3 > self.allowed {
            // It still does so.
            self.allowed_at = Some(now);
        } else if self.allowed_at.is_some_and(is_outdated) {
            self.allowed = self.patience.least;
            self.allowed_at = None;
        }
    }

    /// An address of either side has changed.
    pub(super) const fn explain(&mut self) {
        self.explained = self.noticed;
    }

    /// When the silence is too long; `None` once that was noticed.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let at = self.heard_at.filter(|_| !self.noticed)?;
        Some(at + self.allowed)
    }

    /// Whether the silence has become too long just now, and the path may be tried anew for it.
    pub(super) fn begins(&mut self, now: Instant) -> bool {
        if self.deadline().is_none_or(|at| now < at) {
            return false;
        }
        self.noticed = true;
        let cost = |trials: u32| TRIAL_APART * trials;
        let spent = self
            .spent_until
            .map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        let may_try = spent + cost(1) <= cost(TRIALS);
        if may_try {
            self.spent_until = Some(now + spent + cost(1));
        }
        may_try
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn pair(remote: u16) -> SelectedPair {
        let [local, remote] = [1, remote].map(|port| SocketAddr::from(([192, 0, 2, 1], port)));
        SelectedPair { local, remote }
    }

    /// A peer that is heard for the first time.
    fn heard() -> (Silence, Instant) {
        #[expect(clippy::disallowed_methods, reason = "any time will do")]
        let now = Instant::now();
        let mut silence = Silence::new(Patience::STEADY);
        assert_eq!(silence.deadline(), None);
        silence.heard(now, pair(1));
        (silence, now)
    }

    /// It pauses for so long. Gives how long the next pause may be.
    fn after_pause(silence: &mut Silence, now: &mut Instant, pause: Duration, over: u16) -> u128 {
        silence.begins(*now + pause);
        *now += pause;
        silence.heard(*now, pair(over));
        (silence.deadline().unwrap() - *now).as_millis()
    }

    #[test]
    fn a_pause_may_be_twice_as_long_as_one_that_ended_by_itself_for_a_minute_after_the_last() {
        let (mut silence, mut now) = heard();
        for (pause, allowed) in [(20, 300), (200, 400), (20, 400), (700, 1000), (400, 1000)] {
            let next = after_pause(&mut silence, &mut now, pause * MS, 1);
            assert_eq!(next, allowed, "{pause} ms");
        }
        for _ in 0..60 * 50 {
            assert_eq!(after_pause(&mut silence, &mut now, 20 * MS, 1), 1000);
        }
        assert_eq!(after_pause(&mut silence, &mut now, 20 * MS, 1), 300);
    }

    #[test]
    fn what_a_change_of_addresses_explains_says_nothing_of_the_network() {
        let (mut silence, mut now) = heard();
        // The peer is heard over another pair than before.
        assert_eq!(after_pause(&mut silence, &mut now, 700 * MS, 2), 300);
        assert!(silence.begins(now + 700 * MS));
        silence.explain();
        silence.heard(now + 700 * MS, pair(2));
        now += 700 * MS;
        assert_eq!(silence.deadline(), Some(now + 300 * MS));
        // One that came before the silence explains nothing.
        silence.explain();
        assert_eq!(after_pause(&mut silence, &mut now, 450 * MS, 2), 900);
    }

    #[test]
    fn a_silence_is_noticed_once_and_four_in_one_go_have_the_path_tried() {
        let (mut silence, now) = heard();
        assert!(!silence.begins(now + 299 * MS));
        assert!(silence.begins(now + 300 * MS) && !silence.begins(now + 5000 * MS));
        let begins = (1..=100_u32).filter(|number| {
            let at = now + *number * 2000 * MS;
            silence.heard(at, pair(1));
            silence.begins(at + 1900 * MS)
        });
        // Of 200 s: what is left of the first four, and one in ten seconds.
        let begins = begins.count();
        assert!((22..=24).contains(&begins), "{begins}");
    }
}
