//! Rooms, between homeserver and endpoint: an event is handed in together with what its room is like, which has to be asked for.
//! Until that is known the events of a room wait, in their order; nobody else's do.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use securecall_contact::{MatrixId, RoomId};
use securecall_matrix::{
    Account, CallEvent, EventProtection, Membership, RoomError, RoomEvent, RoomEventContent,
    RoomFacts, RoomInvite,
};
use securecall_session::{InboundRoomEvent, RoomFacts as KnownFacts};
use tokio::task::JoinSet;
use web_time::Instant;

use super::room_requests::as_known;
use crate::clock;

/// Rooms that are remembered at most. The sync tells what changes in them, but for which members are no people.
const MAX_KNOWN: usize = 64;
const KNOWN_FOR: Duration = Duration::from_secs(600);
/// Rooms that are asked about at once. Each question is some requests to our own homeserver.
const MAX_ASKED: usize = 8;
/// Events of a room that wait for what it is like, and their bytes.
const MAX_HELD: usize = 32;
const MAX_HELD_BYTES: usize = 256 * 1024;
/// Who has come lately, at most.
const MAX_CAME: usize = 32;
/// How often a room is asked about that changes while it is.
const MAX_QUESTIONS: u32 = 3;
/// Invitations that are accepted at once.
const MAX_JOINS: usize = 4;

/// What a call may begin with. Of matrix-dart-sdk, candidates come before the invite.
const BEGINNINGS: [&str; 2] = ["m.call.invite", "m.call.candidates"];

/// What is known of rooms, and what waits for more.
#[derive(Default)]
pub(super) struct Rooms {
    known: HashMap<RoomId, (KnownFacts, Instant)>,
    /// In the order in which they came to be known.
    order: VecDeque<RoomId>,
    asked: HashMap<RoomId, Asked>,
    questions: JoinSet<(RoomId, Result<RoomFacts, RoomError>)>,
    /// The rooms of two that calls were placed in.
    direct: HashMap<MatrixId, RoomId>,
    /// Who has come lately, and where: what is found out about a room may be older.
    came: VecDeque<(RoomId, MatrixId)>,
    joins: JoinSet<()>,
}

/// A room that is asked about.
#[derive(Default)]
struct Asked {
    held: Vec<Held>,
    bytes: usize,
    questions: u32,
    /// It has changed since it was asked about.
    is_stale: bool,
}

struct Held {
    event: RoomEvent,
    since: Instant,
}

/// Something for the endpoint.
pub(super) enum RoomInput {
    /// An event of a call.
    Call {
        room: RoomId,
        facts: KnownFacts,
        sender: MatrixId,
        call: CallEvent,
        age: Option<Duration>,
    },
    /// Somebody has come.
    Joined(RoomId, MatrixId),
    /// Somebody is there no more.
    Left(RoomId, MatrixId),
}

impl RoomInput {
    /// An event of a call, as the endpoint takes it.
    pub(super) fn as_event(&self) -> Option<InboundRoomEvent<'_>> {
        let Self::Call {
            room,
            facts,
            sender,
            call,
            age,
        } = self
        else {
            return None;
        };
        Some(InboundRoomEvent {
            room,
            facts: *facts,
            sender,
            event_type: &call.event_type,
            content: &call.content,
            age: *age,
            is_encrypted: !matches!(call.protection, EventProtection::None),
        })
    }
}

impl Rooms {
    /// Takes an event. `has_call`: there is a call in its room. Gives what the endpoint may have now.
    pub(super) fn take(
        &mut self,
        account: &Account,
        event: RoomEvent,
        has_call: bool,
    ) -> Vec<RoomInput> {
        let now = clock::now();
        if let Some(asked) = self.asked.get_mut(&event.room) {
            asked.hold(event, now);
            return Vec::new();
        }
        let room = event.room.clone();
        let RoomEventContent::Call(call) = &event.content else {
            return self.apply(event, now, now).into_iter().collect();
        };
        if self.facts(&room, now).is_some() {
            return self.apply(event, now, now).into_iter().collect();
        }
        if !BEGINNINGS.contains(&call.event_type.as_str()) && !has_call {
            // Of somebody else's call, or of one that this device never heard of.
            tracing::debug!(event_type = call.event_type, "an event of no call of ours");
            return Vec::new();
        }
        if self.asked.len() >= MAX_ASKED {
            tracing::warn!("calls in too many rooms at once: one is not taken");
            return Vec::new();
        }
        let mut asked = Asked::default();
        asked.hold(event, now);
        asked.questions = 1;
        self.asked.insert(room.clone(), asked);
        self.ask(account, room);
        Vec::new()
    }

    /// We are in this room no more.
    pub(super) fn left(&mut self, room: &RoomId) {
        self.forget(room);
        self.asked.remove(room);
        self.direct.retain(|_, it| it != room);
    }

    /// Something in this room may have changed.
    pub(super) fn forget(&mut self, room: &RoomId) {
        self.known.remove(room);
        self.order.retain(|it| it != room);
        if let Some(asked) = self.asked.get_mut(room) {
            asked.is_stale = true;
        }
    }

    /// Remembers a room in which a call is about to be placed.
    pub(super) fn know(&mut self, room: RoomId, facts: KnownFacts) {
        self.forget(&room);
        if self.known.len() >= MAX_KNOWN
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        self.order.push_back(room.clone());
        self.known.insert(room, (facts, clock::now()));
    }

    /// A call is placed in a room of two.
    pub(super) fn found(&mut self, user: &MatrixId, room: &RoomId, facts: KnownFacts) {
        if self.direct.len() >= MAX_KNOWN {
            self.direct.clear();
        }
        self.direct.insert(user.clone(), room.clone());
        self.know(room.clone(), facts);
    }

    /// The room of two with somebody, as far as it is known to be one still.
    pub(super) fn direct(&self, user: &MatrixId) -> Option<(RoomId, KnownFacts)> {
        let room = self.direct.get(user)?;
        Some((room.clone(), self.facts(room, clock::now())?))
    }

    /// Whether somebody has come to a room lately.
    pub(super) fn has_come(&self, room: &RoomId, user: &MatrixId) -> bool {
        self.came.iter().any(|(of, who)| of == room && who == user)
    }

    /// Accepts an invitation, elsewhere.
    pub(super) fn join(&mut self, account: &Account, invite: RoomInvite) {
        while self.joins.try_join_next().is_some() {}
        if self.joins.len() >= MAX_JOINS {
            tracing::warn!("too many invitations to rooms at once: one is left as it is");
            return;
        }
        let account = account.clone();
        self.joins.spawn(async move {
            if let Err(error) = account.join(&invite).await {
                tracing::info!(%error, "an invitation to a room was not accepted");
            }
        });
    }

    /// The next answer: what the endpoint may have because of it. For ever while nothing is asked. Nothing is lost if the wait is
    /// cut short.
    pub(super) async fn next(&mut self, account: &Account) -> Vec<RoomInput> {
        let joined = match self.questions.join_next().await {
            Some(joined) => joined,
            None => std::future::pending().await,
        };
        match joined {
            Ok((room, answer)) => self.answered(account, room, answer),
            Err(error) => {
                tracing::error!(%error, "a question about a room failed inside");
                Vec::new()
            }
        }
    }

    fn answered(
        &mut self,
        account: &Account,
        room: RoomId,
        answer: Result<RoomFacts, RoomError>,
    ) -> Vec<RoomInput> {
        let Some(mut asked) = self.asked.remove(&room) else {
            return Vec::new();
        };
        let facts = match answer {
            Ok(facts) => as_known(&facts),
            Err(error) => {
                tracing::info!(%error, "what a room is like is not known: its calls are not taken");
                return Vec::new();
            }
        };
        if asked.is_stale && asked.questions < MAX_QUESTIONS {
            asked.is_stale = false;
            asked.questions += 1;
            self.asked.insert(room.clone(), asked);
            self.ask(account, room);
            return Vec::new();
        }
        self.know(room, facts);
        let now = clock::now();
        let held = asked.held.into_iter();
        let inputs = held.filter_map(|held| self.apply_known(held.event, facts, held.since, now));
        inputs.collect()
    }

    /// What has changed since counts for the next events, which is why these keep to what was asked last.
    fn apply_known(
        &mut self,
        event: RoomEvent,
        facts: KnownFacts,
        since: Instant,
        now: Instant,
    ) -> Option<RoomInput> {
        let RoomEvent {
            room,
            sender,
            age,
            content,
            ..
        } = event;
        match content {
            RoomEventContent::Call(call) => Some(RoomInput::Call {
                room,
                facts,
                sender,
                call,
                age: age.map(|age| age + now.saturating_duration_since(since)),
            }),
            RoomEventContent::Member { user, membership } => {
                self.forget(&room);
                match membership {
                    Membership::Joined => {
                        if self.came.len() >= MAX_CAME {
                            self.came.pop_front();
                        }
                        self.came.push_back((room.clone(), user.clone()));
                        Some(RoomInput::Joined(room, user))
                    }
                    Membership::Left => {
                        self.came.retain(|(of, who)| *of != room || *who != user);
                        Some(RoomInput::Left(room, user))
                    }
                    Membership::Invited => None,
                }
            }
            RoomEventContent::Encrypted | RoomEventContent::JoinRule(_) => {
                self.forget(&room);
                None
            }
        }
    }

    fn apply(&mut self, event: RoomEvent, since: Instant, now: Instant) -> Option<RoomInput> {
        // Only calls need them.
        let facts = self.facts(&event.room, now).unwrap_or(KnownFacts {
            joined_members: usize::MAX,
            is_public: true,
            is_encrypted: true,
        });
        self.apply_known(event, facts, since, now)
    }

    fn facts(&self, room: &RoomId, now: Instant) -> Option<KnownFacts> {
        let (facts, at) = self.known.get(room)?;
        (now.saturating_duration_since(*at) < KNOWN_FOR).then_some(*facts)
    }

    fn ask(&mut self, account: &Account, room: RoomId) {
        let account = account.clone();
        self.questions.spawn(async move {
            let facts = account.room_facts(&room).await;
            (room, facts)
        });
    }
}

impl Asked {
    fn hold(&mut self, event: RoomEvent, since: Instant) {
        match &event.content {
            RoomEventContent::Call(call) => self.bytes += call.content.len(),
            _ => self.is_stale = true,
        }
        if self.held.len() >= MAX_HELD || self.bytes > MAX_HELD_BYTES {
            tracing::warn!("too much happens in a room whose call is not taken yet");
            return;
        }
        self.held.push(Held { event, since });
    }
}
