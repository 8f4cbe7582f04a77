//! ICE restarts: only the caller makes offers, each with a number, and a description whose fingerprint is another than the
//! call's is refused.

use std::time::Duration;

use securecall_signaling::{Description, DescriptionKind};
use web_time::Instant;

use crate::budget::Budget;
use crate::fingerprint::Fingerprint;
use crate::output::MediaCommand;

/// How long the media engine may take to answer a restart offer; after that it found the offer unusable and will not.
const RESTART_ANSWER: Duration = Duration::from_secs(4);

/// Restart offers that are taken in one go, and how long until one more is: each has the media engine look for a path anew, and its
/// answer goes over the homeserver. A caller that moves makes two or three; what it makes of one that is not taken is the next.
const OFFER_BURST: u32 = 8;
const OFFER_INTERVAL: Duration = Duration::from_secs(1);

/// How long an offer of ours may wait for its answer before one of the peer's counts for more, whoever is polite.
const UNANSWERED: Duration = Duration::from_secs(10);

/// The descriptions exchanged within a call.
pub(super) struct Restarts {
    /// Of the peer's first description, and so of each later one.
    remote_fingerprint: Option<Fingerprint>,
    side: Side,
}

enum Side {
    Caller {
        /// Number of the newest offer.
        newest: u32,
        /// Its answer has come.
        answered: bool,
    },
    /// Both make offers, none has a number, and where two cross the polite one drops its own (perfect negotiation).
    Either {
        polite: bool,
        ours: Ours,
        /// The offer that the media engine is answering, and since when.
        answering: Option<Instant>,
        /// The next one, which waits until that is answered.
        next_offer: Option<String>,
        /// How many offers are still taken.
        budget: Budget,
    },
    Callee {
        /// Number of the newest offer taken.
        newest: u32,
        /// The offer that the media engine is answering, and since when.
        answering: Option<(u32, Instant)>,
        /// The next one, which waits until that is answered.
        next_offer: Option<String>,
        /// How many offers are still taken.
        budget: Budget,
    },
}

/// How far an offer of ours is, where offers have no numbers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ours {
    None,
    /// The media engine makes it.
    BeingMade,
    /// The peer has it, since then.
    Said(Instant),
}

impl Ours {
    /// Whether it stands in the way of one of the peer's.
    fn is_pending(self, now: Instant) -> bool {
        match self {
            Self::None => false,
            Self::BeingMade => true,
            Self::Said(since) => now < since + UNANSWERED,
        }
    }
}

/// What to do with an answer of the media engine.
pub(super) enum Answered {
    /// Say it, as the answer to the offer of this number.
    Say(u32),
    /// Another offer has come meanwhile.
    Order(MediaCommand),
}

impl Restarts {
    pub(super) const fn of_caller() -> Self {
        Self {
            remote_fingerprint: None,
            side: Side::Caller {
                newest: 0,
                answered: true,
            },
        }
    }

    pub(super) const fn of_callee(remote_fingerprint: Fingerprint) -> Self {
        Self {
            remote_fingerprint: Some(remote_fingerprint),
            side: Side::Callee {
                newest: 0,
                answering: None,
                next_offer: None,
                budget: Budget::new(OFFER_BURST, OFFER_INTERVAL),
            },
        }
    }

    /// Of a call in which both make offers.
    pub(super) const fn of_either(polite: bool, remote_fingerprint: Option<Fingerprint>) -> Self {
        Self {
            remote_fingerprint,
            side: Side::Either {
                polite,
                ours: Ours::None,
                answering: None,
                next_offer: None,
                budget: Budget::new(OFFER_BURST, OFFER_INTERVAL),
            },
        }
    }

    /// The answer is taken: its fingerprint is the call's.
    pub(super) const fn take_answer(&mut self, fingerprint: Option<Fingerprint>) {
        self.remote_fingerprint = fingerprint;
    }

    /// The media engine is asked for an offer.
    pub(super) const fn begins_offer(&mut self) {
        if let Side::Either { ours, .. } = &mut self.side {
            *ours = Ours::BeingMade;
        }
    }

    /// An offer of ours is made: gives its number, unless it is dropped for one of the peer's.
    pub(super) fn number_offer(&mut self, now: Instant) -> Option<u32> {
        match &mut self.side {
            Side::Either { ours, .. } => {
                let is_wanted = *ours == Ours::BeingMade;
                is_wanted.then(|| {
                    *ours = Ours::Said(now);
                    0
                })
            }
            Side::Caller { newest, answered } => {
                *newest = newest.saturating_add(1);
                *answered = false;
                Some(*newest)
            }
            Side::Callee { .. } => None,
        }
    }

    /// An offer of ours has no answer yet.
    pub(super) const fn wait_for_answer(&self) -> bool {
        match self.side {
            Side::Caller { answered, .. } => !answered,
            Side::Either { ours, .. } => !matches!(ours, Ours::None),
            Side::Callee { .. } => false,
        }
    }

    /// An answer of ours is made.
    pub(super) fn answer_made(&mut self, now: Instant) -> Option<Answered> {
        if let Side::Either {
            answering,
            next_offer,
            ..
        } = &mut self.side
        {
            answering.take()?;
            return match next_offer.take() {
                Some(sdp) => {
                    *answering = Some(now);
                    Some(Answered::Order(MediaCommand::AcceptRestartOffer { sdp }))
                }
                None => Some(Answered::Say(0)),
            };
        }
        let Side::Callee {
            answering,
            next_offer,
            ..
        } = &mut self.side
        else {
            return None;
        };
        let (number, _) = answering.take()?;
        match next_offer.take() {
            // The caller waits for the answer to its newest offer only.
            Some(offer) => self.accept_offer(now, offer).map(Answered::Order),
            None => Some(Answered::Say(number)),
        }
    }

    /// A description of the peer within the call.
    pub(super) fn take_description(
        &mut self,
        now: Instant,
        description: &Description,
        fingerprint: Option<Fingerprint>,
        number: u32,
    ) -> Taken {
        // First: what is refused must not use up its number.
        if fingerprint.is_none() || fingerprint != self.remote_fingerprint {
            return Taken::Refused("another fingerprint");
        }
        let sdp = description.sdp.clone();
        match (&mut self.side, description.kind) {
            (Side::Either { .. }, DescriptionKind::Offer) => self.take_either_offer(now, sdp),
            (Side::Either { ours, .. }, DescriptionKind::Answer)
                if matches!(ours, Ours::Said(_)) =>
            {
                *ours = Ours::None;
                Taken::Answer(MediaCommand::SetRestartAnswer { sdp })
            }
            (Side::Callee { newest, budget, .. }, DescriptionKind::Offer) if number > *newest => {
                if !budget.take(now) {
                    return Taken::Refused("too many restarts");
                }
                *newest = number;
                Taken::Offer(self.accept_offer(now, sdp))
            }
            (Side::Caller { newest, answered }, DescriptionKind::Answer) if number == *newest => {
                *answered = true;
                Taken::Answer(MediaCommand::SetRestartAnswer { sdp })
            }
            _ => Taken::Refused("out of turn"),
        }
    }

    /// An offer that crosses ours: the polite side drops its own, the other one theirs.
    fn take_either_offer(&mut self, now: Instant, sdp: String) -> Taken {
        let Side::Either {
            polite,
            ours,
            answering,
            next_offer,
            budget,
        } = &mut self.side
        else {
            return Taken::Refused("out of turn");
        };
        if ours.is_pending(now) && !*polite {
            return Taken::Refused("it crosses ours");
        }
        if !budget.take(now) {
            return Taken::Refused("too many offers");
        }
        *ours = Ours::None;
        if answering.is_some_and(|since| now < since + RESTART_ANSWER) {
            // The peer waits for the answer to its newest offer only.
            *next_offer = Some(sdp);
            return Taken::Offer(None);
        }
        *answering = Some(now);
        *next_offer = None;
        Taken::Offer(Some(MediaCommand::AcceptRestartOffer { sdp }))
    }

    /// One offer at a time: nothing but the order says which one an answer belongs to.
    fn accept_offer(&mut self, now: Instant, sdp: String) -> Option<MediaCommand> {
        let Side::Callee {
            newest,
            answering,
            next_offer,
            ..
        } = &mut self.side
        else {
            return None;
        };
        if answering.is_some_and(|(_, since)| now < since + RESTART_ANSWER) {
            *next_offer = Some(sdp);
            return None;
        }
        *answering = Some((*newest, now));
        *next_offer = None;
        Some(MediaCommand::AcceptRestartOffer { sdp })
    }

    /// Call and transport are over.
    pub(super) fn let_go(&mut self) {
        self.remote_fingerprint = None;
        if let Side::Either {
            answering,
            next_offer,
            ..
        } = &mut self.side
        {
            *answering = None;
            *next_offer = None;
        }
        if let Side::Callee {
            newest: _,
            answering,
            next_offer,
            budget: _,
        } = &mut self.side
        {
            *answering = None;
            *next_offer = None;
        }
    }
}

/// What became of a description of the peer.
pub(super) enum Taken {
    /// An offer, and what to order now, unless it has to wait.
    Offer(Option<MediaCommand>),
    Answer(MediaCommand),
    /// For the log.
    Refused(&'static str),
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_offer_waits_four_seconds_for_the_answer_to_the_one_before_and_no_longer() {
        #[expect(
            clippy::disallowed_methods,
            reason = "virtual time needs an origin, and any will do"
        )]
        let start = Instant::now();
        let sdp = format!("a=fingerprint:sha-256 {}\r\n", ["AB"; 32].join(":"));
        let fingerprint = Fingerprint::of(&sdp).unwrap();
        for (after, waits) in [(0, true), (3_999, true), (4_000, false)] {
            let mut restarts = Restarts::of_callee(fingerprint);
            let mut offer = |number, at| {
                let description = Description::offer(sdp.clone());
                restarts.take_description(at, &description, Some(fingerprint), number)
            };
            assert!(matches!(offer(1, start), Taken::Offer(Some(_))));
            let Taken::Offer(order) = offer(2, start + Duration::from_millis(after)) else {
                panic!("the offer was refused");
            };
            assert_eq!(order.is_none(), waits, "{after} ms");
        }
    }
}
