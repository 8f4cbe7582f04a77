//! The events: their fields as JSON, and what a plain line says of them. `docs/cli.md` is their contract.

mod group;
mod parts;
mod room_call;
mod standard_call;
mod words;

pub(crate) use self::group::{GroupEvent, IncomingGroup, LegEvent, left_reason_words, with_words};
pub(crate) use self::parts::{Peer, Previous, SettingSource, Stats};
pub(crate) use self::room_call::{
    IN_CLEAR_WORDS, ROOM_KEEPS_WORDS, RoomCallEvent, group_reason_words, member_in_clear_words,
    sealed_instead_words,
};
pub(crate) use self::standard_call::{NO_SIGN_WORDS, inviting_words};
pub(crate) use self::words::{
    missed_words, reason_words, refused_words, tier_words, words_for_calls_of_others,
};

use securecall_contact::{NameLabel, SecureCallId};
use securecall_profile::contact_book::Finding;
use securecall_profile::{Contact, Requirement};
use serde::Serialize;

use self::standard_call::standard_words;
use self::words::{
    ended, held_words, incoming, left_out, muted_words, new_identity, route_words, setting_words,
};
use super::queue::{LeftOut, Weight};
use crate::error::Failure;
use crate::harmless::{Line, Printable};
use crate::qr_text::QrText;
use crate::secret::Secret;

/// Something that scripts and people are told. Fields are only added, never changed.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Event {
    /// The identity.
    Identity {
        id: String,
        /// From `id new` only.
        #[serde(skip_serializing_if = "Option::is_none")]
        phrase: Option<Secret>,
    },
    /// The account of this profile.
    Account {
        matrix_id: String,
        device_id: String,
        homeserver: String,
    },
    /// What others are shown of this account.
    PublicProfile {
        matrix_id: String,
        display_name: Option<String>,
        /// Where the picture is, as `mxc://server/id`.
        avatar: Option<String>,
    },
    /// One contact.
    Contact {
        name: String,
        id: Option<String>,
        matrix_id: String,
        link: Option<String>,
        verified: bool,
        /// They do not ring, and are not called.
        blocked: bool,
        /// What calls with them must be like, if anything is said.
        require: Option<&'static str>,
        /// How it was before, where adding it has changed somebody known.
        previous: Option<Previous>,
    },
    /// Somebody who is no contact, and whether they are blocked.
    Person {
        id: Option<String>,
        matrix_id: String,
        blocked: bool,
    },
    /// How many contacts there are; printed by `contact list` when there are none.
    Contacts { count: usize },
    /// One setting, and who says so.
    Setting {
        key: &'static str,
        /// Null where there is none, and of a secret where nobody has asked for it.
        value: Option<Secret>,
        source: SettingSource,
        /// Not shown but by `config get`.
        secret: bool,
        about: &'static str,
        /// People have asked for the value alone.
        #[serde(skip)]
        alone: bool,
    },
    /// Our own contact link.
    Link {
        deep_link: String,
        https: String,
        text: String,
        /// With `--qr`.
        #[serde(skip_serializing_if = "Option::is_none")]
        qr: Option<QrText>,
    },
    /// Who opens `securecall:` links on this desktop.
    Handler { installed: bool, path: String },
    /// What came of one check of `doctor`.
    Check {
        name: &'static str,
        /// Null where it could not be checked.
        ok: Option<bool>,
        /// The kind of error, where it is not ok.
        kind: Option<&'static str>,
        /// The STUN or TURN server that was checked, if one was.
        server: Option<Line>,
        message: Line,
        help: Option<Line>,
        /// How long it took; null where nothing was tried.
        ms: Option<u64>,
        /// How late a sound card that was checked is.
        latency_ms: Option<f64>,
        /// Its own samples a second.
        sample_rate: Option<u32>,
    },
    /// A completion script.
    Completions { script: String },
    /// The manual page.
    Manual { roff: String },

    /// A call placed now will arrive.
    Ready { matrix_id: String, startup_ms: u64 },
    /// Our call is on its way.
    Dialing {
        call_id: String,
        peer: Peer,
        tier: &'static str,
        startup_ms: u64,
    },
    /// A call comes in.
    Incoming {
        call_id: String,
        peer: Peer,
        tier: &'static str,
        answered: bool,
        /// The group call that it is to, if it is to one.
        #[serde(flatten)]
        group: Option<IncomingGroup>,
    },
    /// The peer was invited to a room, and has to come before it can ring.
    Inviting { call_id: String, peer: Peer },
    /// Nobody has answered so far, and nothing says whether it rings.
    NoSignOfRinging { call_id: String },
    /// Our call rings at the peer.
    Ringing { call_id: String },
    /// Both called each other: our call gave way to theirs.
    Replaced { call_id: String, by: String },
    /// Path up, peer proven, a frame of the peer opened.
    Connected {
        call_id: String,
        tier: &'static str,
        route: &'static str,
        setup_ms: u64,
        /// Null in tier `matrix`, which has no keys to compare.
        safety_words: Option<Vec<String>>,
        peer: Peer,
        /// Who runs the relays of GhostNet that carry the call; null on another route.
        entry: Option<String>,
        exit: Option<String>,
    },
    /// The first sample of the peer was played.
    FirstAudio { call_id: String, setup_ms: u64 },
    /// Microphone and speaker run.
    AudioStarted {
        call_id: String,
        microphone_at_unix_us: u64,
        speaker_at_unix_us: u64,
    },
    /// How the call is doing.
    Stats(Stats),
    /// Somebody muted or unmuted.
    Muted {
        /// Null in a group call in which nobody else is yet.
        call_id: Option<String>,
        muted: bool,
        by: &'static str,
    },
    /// The call was put on hold or resumed.
    Held {
        call_id: String,
        held: bool,
        by: &'static str,
    },
    /// Whose relays of GhostNet carry the call.
    Relays {
        call_id: String,
        entry: String,
        exit: String,
    },
    /// The path of the call is of another kind.
    RouteChanged {
        call_id: String,
        route: &'static str,
    },
    /// Nothing was heard from the peer for 3 s.
    Reconnecting { call_id: String },
    /// The peer is heard again.
    Reconnected { call_id: String },
    /// Another device of ours took the call.
    AnsweredElsewhere { call_id: String },
    /// The call is over.
    Ended {
        call_id: String,
        reason: &'static str,
        duration_ms: u64,
        /// What the words are chosen by.
        #[serde(skip)]
        tier: &'static str,
    },
    /// Somebody called and was not answered.
    Missed {
        call_id: String,
        peer: Peer,
        why: &'static str,
        calls: u32,
    },
    /// A call was refused without ringing.
    Refused {
        call_id: String,
        peer: Peer,
        why: &'static str,
        calls: u32,
    },
    /// Events were not read in time, and were left out.
    LeftOut { events: u64, stats: u64 },
    /// The homeserver cannot be reached; trying on.
    Offline,
    /// The homeserver is reached again.
    Online,
    /// Something the user should know.
    Notice { message: Line },
    /// Something did not work.
    Error {
        kind: &'static str,
        message: Line,
        help: Option<Line>,
    },

    /// Something happened to a group call.
    #[serde(untagged)]
    Group(GroupEvent),
    /// Something happened to the group call of a room.
    #[serde(untagged)]
    RoomCall(RoomCallEvent),
    /// Something happened to a leg of one.
    #[serde(untagged)]
    Leg(Box<LegEvent>),
}

impl From<LeftOut> for Event {
    fn from(left_out: LeftOut) -> Self {
        Self::LeftOut {
            events: left_out.events,
            stats: left_out.figures,
        }
    }
}

impl From<&Failure> for Event {
    fn from(failure: &Failure) -> Self {
        Self::Error {
            kind: failure.kind.name(),
            message: failure.message.clone(),
            help: failure.help.clone(),
        }
    }
}

impl Event {
    /// A contact as it is now.
    pub(crate) fn contact(contact: &Contact, blocked: bool) -> Self {
        Self::Contact {
            name: contact.name.clone(),
            id: contact.id.as_ref().map(SecureCallId::to_string),
            matrix_id: contact.matrix_id.to_string(),
            link: contact
                .link()
                .map(|link| link.with_name(NameLabel::new(&contact.name)).to_string()),
            verified: contact.verified,
            blocked,
            require: contact.require.map(Requirement::as_str),
            previous: None,
        }
    }

    /// A contact that was added, as it is now and as it was.
    pub(crate) fn found(finding: &Finding, blocked: bool) -> Self {
        let mut event = Self::contact(&finding.after(), blocked);
        if let (Self::Contact { previous, .. }, Some(before)) = (&mut event, finding.before())
            && finding.change().is_some()
        {
            *previous = Some(Previous {
                name: before.name.clone(),
                id: before.id.as_ref().map(SecureCallId::to_string),
                matrix_id: before.matrix_id.to_string(),
            });
        }
        event
    }

    /// How much is lost with it where somebody reads too slowly. What strangers or the peer can make at will is a remark.
    pub(crate) const fn weight(&self) -> Weight {
        match self {
            Self::Stats(_) => Weight::Figures,
            Self::Group(event) => event.weight(),
            Self::RoomCall(event) => event.weight(),
            Self::Leg(event) => event.weight(),
            Self::Muted { .. }
            | Self::Held { .. }
            | Self::Missed { .. }
            | Self::Refused { .. }
            | Self::LeftOut { .. }
            | Self::Offline
            | Self::Online
            | Self::Notice { .. }
            | Self::Error { .. } => Weight::Remark,
            Self::Identity { .. }
            | Self::Account { .. }
            | Self::PublicProfile { .. }
            | Self::Contact { .. }
            | Self::Person { .. }
            | Self::Contacts { .. }
            | Self::Setting { .. }
            | Self::Link { .. }
            | Self::Handler { .. }
            | Self::Check { .. }
            | Self::Completions { .. }
            | Self::Manual { .. }
            | Self::Ready { .. }
            | Self::Dialing { .. }
            | Self::Incoming { .. }
            | Self::Inviting { .. }
            | Self::NoSignOfRinging { .. }
            | Self::Ringing { .. }
            | Self::Replaced { .. }
            | Self::Connected { .. }
            | Self::FirstAudio { .. }
            | Self::AudioStarted { .. }
            | Self::Relays { .. }
            | Self::RouteChanged { .. }
            | Self::Reconnecting { .. }
            | Self::Reconnected { .. }
            | Self::AnsweredElsewhere { .. }
            | Self::Ended { .. } => Weight::Outcome,
        }
    }

    /// Whether a field of it says with whom the call is.
    const fn names_peer(&self) -> bool {
        matches!(
            self,
            Self::Dialing { .. }
                | Self::Incoming { .. }
                | Self::Inviting { .. }
                | Self::Connected { .. }
                | Self::Missed { .. }
                | Self::Refused { .. }
        )
    }

    /// The event as plain lines; `None` where a person need not be told.
    pub(crate) fn plain(&self, terminal: bool) -> Option<Printable> {
        let mut printable = Printable::text(&self.words(terminal)?);
        if let Self::Link { qr: Some(qr), .. } = self {
            printable.push("\n\n");
            qr.print(&mut printable);
        }
        Some(printable)
    }

    fn words(&self, terminal: bool) -> Option<String> {
        Some(match self {
            Self::Identity { id, phrase: None } => id.clone(),
            Self::Identity {
                id,
                phrase: Some(phrase),
            } => new_identity(id, phrase.expose(), terminal),
            Self::Account { matrix_id, .. } => matrix_id.clone(),
            Self::PublicProfile {
                matrix_id,
                display_name,
                avatar,
            } => {
                let name = display_name.as_deref().unwrap_or("-");
                let avatar = avatar.as_deref().unwrap_or("-");
                format!("{matrix_id}\t{name}\t{avatar}")
            }
            Self::Contact {
                name,
                id,
                matrix_id,
                verified,
                blocked,
                require,
                ..
            } => {
                let key = match (id, verified) {
                    (None, _) => "no key",
                    (Some(_), false) => "not verified",
                    (Some(_), true) => "verified",
                };
                let id = id.as_deref().unwrap_or("-");
                let blocked = if *blocked { "\tblocked" } else { "" };
                let require = require.map_or_else(String::new, |it| format!("\trequires {it}"));
                format!("{name}\t{matrix_id}\t{id}\t{key}{blocked}{require}")
            }
            Self::Person {
                id,
                matrix_id,
                blocked,
            } => {
                let id = id.as_deref().unwrap_or("-");
                let blocked = if *blocked { "blocked" } else { "not blocked" };
                format!("-\t{matrix_id}\t{id}\tno contact\t{blocked}")
            }
            Self::Setting {
                value, alone: true, ..
            } => value.as_ref()?.expose().to_owned(),
            Self::Setting {
                key,
                value,
                source,
                about,
                alone: false,
                ..
            } => setting_words(key, value.as_ref(), *source, about, terminal),
            // `doctor` paints its lines itself.
            Self::Check { .. }
            | Self::Contacts { .. }
            | Self::Stats(_)
            | Self::AudioStarted { .. } => return None,
            Self::Link { text, .. } => text.clone(),
            Self::Handler {
                installed: true, ..
            } => "links that start with securecall: are opened by SecureCall now".to_owned(),
            Self::Handler {
                installed: false, ..
            } => "links that start with securecall: are no longer opened by SecureCall".to_owned(),
            Self::Completions { script } => script.trim_end().to_owned(),
            Self::Manual { roff } => roff.trim_end().to_owned(),
            Self::Ready { matrix_id, .. } => format!("ready, waiting for calls to {matrix_id}"),
            Self::Dialing { peer, tier, .. } => {
                format!("calling {}{}", peer.shown(), standard_words(tier))
            }
            Self::Incoming {
                peer,
                answered,
                tier,
                group,
                ..
            } => {
                let group = group.as_ref();
                let group = group.map_or_else(String::new, |group| format!(" {}", group.words()));
                format!(
                    "{}{group}{}",
                    incoming(peer, *answered),
                    standard_words(tier)
                )
            }
            Self::Inviting { peer, .. } => inviting_words(&peer.shown()),
            Self::NoSignOfRinging { .. } => NO_SIGN_WORDS.to_owned(),
            Self::Ringing { .. } => "ringing".to_owned(),
            Self::Replaced { .. } => "both called at once: taking their call".to_owned(),
            Self::Connected {
                tier,
                route,
                setup_ms,
                safety_words,
                peer,
                entry,
                exit,
                ..
            } => {
                let relays = match (entry, exit) {
                    (Some(entry), Some(exit)) => format!(" ({entry}, {exit})"),
                    _ => String::new(),
                };
                let words = safety_words.as_ref().map(|words| words.join(" "));
                format!(
                    "connected with {} in {setup_ms} ms, {}, {route}{relays}{}",
                    peer.shown(),
                    tier_words(tier),
                    words.map_or_else(String::new, |words| format!("\nsafety words: {words}"))
                )
            }
            Self::FirstAudio { setup_ms, .. } => format!("first audio after {setup_ms} ms"),
            Self::Muted { muted, by, .. } => muted_words(*muted, by).to_owned(),
            Self::Held { held, by, .. } => held_words(*held, by).to_owned(),
            Self::Relays { entry, exit, .. } => {
                format!("relays: {entry} sees you, and {exit} sees the other; neither sees both")
            }
            Self::RouteChanged { route, .. } => format!("the call goes {} now", route_words(route)),
            Self::Reconnecting { .. } => "connection lost, reconnecting".to_owned(),
            Self::Reconnected { .. } => "connected again".to_owned(),
            Self::AnsweredElsewhere { .. } => "taken on another device of yours".to_owned(),
            Self::Ended {
                reason,
                duration_ms,
                tier,
                ..
            } => ended(reason, tier, *duration_ms),
            Self::Missed {
                peer, why, calls, ..
            } => missed_words(&peer.shown(), why, *calls),
            Self::Refused {
                peer, why, calls, ..
            } => refused_words(&peer.shown(), why, *calls),
            Self::LeftOut { events, .. } => left_out(*events),
            Self::Offline => "homeserver out of reach, trying on".to_owned(),
            Self::Online => "homeserver reached again".to_owned(),
            Self::Notice { message } => message.to_string(),
            Self::Group(event) => return event.words(),
            Self::RoomCall(event) => event.words(),
            Self::Leg(event) => return event.words(terminal),
            // People read it on standard error.
            Self::Error { .. } => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use securecall_driver::EndReason;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn every_end_reason_has_words_and_is_in_the_manual_with_its_code() {
        let manual = include_str!("../../../../docs/cli.md");
        for reason in EndReason::ALL {
            for tier in ["securecall", "matrix"] {
                assert_ne!(reason_words(reason.as_str(), tier), reason.as_str());
            }
            let row = format!("| `{reason}` | {} |", reason.exit_code());
            assert!(manual.contains(&row), "docs/cli.md lacks: {row}");
        }
    }

    #[test]
    fn an_event_is_an_object_with_its_name() {
        let event = serde_json::to_value(Event::Identity {
            id: "x".to_owned(),
            phrase: None,
        })
        .unwrap();
        assert_eq!(event, json!({"event": "identity", "id": "x"}));
        let stats = serde_json::to_value(Event::Stats(Stats::default())).unwrap();
        assert_eq!(stats["event"], "stats");
        assert_eq!(stats["rtt_ms"], Value::Null);
        assert_eq!(
            serde_json::to_value(Event::Offline).unwrap(),
            json!({"event": "offline"})
        );
    }

    #[test]
    fn a_phrase_is_numbered_on_a_terminal_and_one_line_elsewhere() {
        let phrase = ["abandon"; 24].join(" ");
        let event = Event::Identity {
            id: "x".to_owned(),
            phrase: Some(phrase.clone().into()),
        };
        assert_eq!(event.words(false).unwrap(), format!("x\n{phrase}"));
        let shown = event.words(true).unwrap();
        assert!(
            shown.contains(" 1 abandon") && shown.contains("24 abandon"),
            "{shown}"
        );
    }

    #[test]
    fn a_stranger_is_shown_by_the_whole_id() {
        let mut peer = Peer {
            id: Some("i".repeat(56)),
            matrix_id: None,
            name: None,
            new_address: false,
            verified: false,
            device_id: None,
        };
        assert_eq!(peer.shown(), "i".repeat(56));
        peer.name = Some("Ada".to_owned());
        assert_eq!(peer.shown(), "Ada");
        peer.new_address = true;
        assert_eq!(peer.shown(), "Ada (from a new address)");
    }
}
