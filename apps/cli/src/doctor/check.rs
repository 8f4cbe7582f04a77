//! What came of one check.

use std::time::Duration;

use securecall_audio_device::CardFigures;

use super::names::Name;
use crate::error::Failure;
use crate::exit_code::ExitCode;
use crate::harmless::Line;
use crate::output::Event;

/// What came of one check.
#[derive(Debug)]
pub(crate) struct Check {
    pub(crate) name: Name,
    pub(crate) outcome: Outcome,
    /// Among those of the same name, from 0.
    pub(crate) place: usize,
    /// The STUN or TURN server that was checked.
    server: Option<Line>,
    took: Option<Duration>,
    /// The sound card that was checked.
    card: Option<CardFigures>,
}

/// How it is.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// As it should be.
    Good {
        message: Line,
        /// What could be better, and how.
        hint: Option<Line>,
    },
    /// Not as it should be.
    Bad(Failure),
    /// It could not be checked: what is in the way is said by another check, or is nobody's fault.
    NotChecked { why: Line },
}

impl Check {
    /// All is well.
    pub(crate) fn good(name: Name, message: impl Into<Line>) -> Self {
        let message = message.into();
        Self::new(
            name,
            Outcome::Good {
                message,
                hint: None,
            },
        )
    }

    /// Something is wrong.
    pub(crate) fn bad(name: Name, failure: impl Into<Failure>) -> Self {
        Self::new(name, Outcome::Bad(failure.into()))
    }

    /// It could not be checked.
    pub(crate) fn not_checked(name: Name, why: impl Into<Line>) -> Self {
        Self::new(name, Outcome::NotChecked { why: why.into() })
    }

    fn new(name: Name, outcome: Outcome) -> Self {
        Self {
            name,
            outcome,
            place: 0,
            server: None,
            took: None,
            card: None,
        }
    }

    /// The same of what is well, with what could be better.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<Line>) -> Self {
        if let Outcome::Good { hint: place, .. } = &mut self.outcome {
            *place = Some(hint.into());
        }
        self
    }

    /// The same, of a STUN or TURN server.
    #[must_use]
    pub(crate) fn of_server(mut self, server: impl Into<Line>) -> Self {
        self.server = Some(server.into());
        self
    }

    /// The same, to be told at this place among those of its name.
    #[must_use]
    pub(crate) fn at(mut self, place: usize) -> Self {
        self.place = place;
        self
    }

    /// The same, of a sound card.
    #[must_use]
    pub(crate) fn of_card(mut self, card: Option<CardFigures>) -> Self {
        self.card = card;
        self
    }

    /// The same, with how long it took.
    #[must_use]
    pub(crate) fn took(mut self, took: Duration) -> Self {
        self.took = Some(took);
        self
    }

    /// What the command's exit code would be if there was nothing but this.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match &self.outcome {
            Outcome::Bad(failure) => failure.kind.exit_code(),
            Outcome::Good { .. } | Outcome::NotChecked { .. } => ExitCode::Done,
        }
    }

    /// Whether both could not be checked, for the same reason.
    pub(crate) fn is_left_as(&self, other: &Self) -> bool {
        match (&self.outcome, &other.outcome) {
            (Outcome::NotChecked { why: one }, Outcome::NotChecked { why: other_why }) => {
                one == other_why && self.server == other.server
            }
            _ => false,
        }
    }

    /// Message and help, for a person.
    pub(crate) fn words(&self) -> (String, Option<&Line>) {
        let (message, help) = match &self.outcome {
            Outcome::Good { message, hint } => (message.to_string(), hint.as_ref()),
            Outcome::Bad(failure) => (failure.message.to_string(), failure.help.as_ref()),
            Outcome::NotChecked { why } => (format!("not checked: {why}"), None),
        };
        match &self.server {
            Some(server) => (format!("{server}: {message}"), help),
            None => (message, help),
        }
    }

    /// The same for scripts.
    pub(crate) fn event(&self) -> Event {
        let (ok, kind, message, help) = match &self.outcome {
            Outcome::Good { message, hint } => (Some(true), None, message, hint.as_ref()),
            Outcome::Bad(failure) => (
                Some(false),
                Some(failure.kind.name()),
                &failure.message,
                failure.help.as_ref(),
            ),
            Outcome::NotChecked { why } => (None, None, why, None),
        };
        Event::Check {
            name: self.name.as_str(),
            ok,
            kind,
            server: self.server.clone(),
            message: message.clone(),
            help: help.cloned(),
            ms: self
                .took
                .map(|took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX)),
            latency_ms: self
                .card
                .and_then(|card| card.latency_ms)
                .map(|ms| (ms * 10.0).round() / 10.0),
            sample_rate: self.card.map(|card| card.sample_rate),
        }
    }
}

/// Of two exit codes the worse: a fault of this program, then what concerns security, this machine, network and servers,
/// the peer, and what is only missing yet.
pub(crate) fn worse(one: ExitCode, other: ExitCode) -> ExitCode {
    let rank = |code: ExitCode| match code {
        ExitCode::Done => 0,
        ExitCode::Usage => 1,
        ExitCode::Peer => 2,
        ExitCode::Network => 3,
        ExitCode::Machine => 4,
        ExitCode::Security => 5,
        ExitCode::Bug => 6,
        ExitCode::Signal(_) => 7,
    };
    if rank(other) > rank(one) { other } else { one }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn the_worst_counts_and_what_was_not_checked_does_not() {
        let bad = |kind| Check::bad(Name::Login, Failure::new(kind, "x")).exit_code();
        let all = [
            Check::good(Name::Login, "x").hint("y").exit_code(),
            Check::not_checked(Name::Login, "x").exit_code(),
        ];
        assert_eq!(all, [ExitCode::Done; 2]);
        let worst = |kinds: &[ErrorKind]| {
            let codes = kinds.iter().map(|kind| bad(*kind));
            codes.fold(ExitCode::Done, worse)
        };
        use ErrorKind::{AudioUnavailable, Bug, HomeserverFault, KeyMismatch, NoAccount};
        assert_eq!(worst(&[NoAccount]), ExitCode::Usage);
        assert_eq!(worst(&[HomeserverFault, NoAccount]), ExitCode::Network);
        assert_eq!(
            worst(&[HomeserverFault, AudioUnavailable]),
            ExitCode::Machine
        );
        assert_eq!(
            worst(&[AudioUnavailable, KeyMismatch, HomeserverFault]),
            ExitCode::Security
        );
        assert_eq!(worst(&[Bug, KeyMismatch]), ExitCode::Bug);
    }

    #[test]
    fn what_was_not_checked_is_neither_well_nor_wrong() {
        let json = |check: &Check| serde_json::to_value(check.event()).unwrap();
        let event = json(&Check::not_checked(
            Name::Clock,
            "the homeserver is out of reach",
        ));
        assert!(event["ok"].is_null() && event["kind"].is_null() && event["ms"].is_null());
        let good = Check::good(Name::Relay, "works").of_server("turn:a:1");
        let event = json(&good.took(Duration::from_micros(1999)));
        assert_eq!((&event["ok"], &event["ms"]), (&true.into(), &1.into()));
        assert_eq!(event["server"], "turn:a:1");
        assert!(event["latency_ms"].is_null() && event["sample_rate"].is_null());
        let card = CardFigures {
            sample_rate: 44_100,
            latency_ms: Some(12.345),
            period_ms: 10.0,
            buffer_ms: 10,
            glitches: 0,
        };
        let event = json(&Check::good(Name::Speaker, "works").of_card(Some(card)));
        assert_eq!(event["latency_ms"], 12.3);
        assert_eq!(event["sample_rate"], 44_100);
        let bad = Check::bad(
            Name::Login,
            Failure::new(ErrorKind::SignedOut, "no").help("do"),
        );
        let event = json(&bad);
        assert_eq!(
            (&event["ok"], &event["kind"]),
            (&false.into(), &"signed_out".into())
        );
        assert_eq!(event["help"], "do");
    }
}
