//! What goes to the room, or to one device of it: one event after the other, so that they come in this order; the last word before all
//! that waits; and, when the call is over, the redactions of what was sent to the timeline.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use securecall_contact::{EventId, MatrixId, RoomId};
use securecall_signaling::group_room::Envelope;
use securecall_signaling::wire::group_room::MessageId;
use securecall_signaling::wire::room::RoomSignal;
use web_time::Instant;

use crate::call_handle::CallHandle;
use crate::io::Io;
use crate::output::{Output, Request, RoomRequestError};
use crate::requests::Waiting;

/// How long the last word stays before our events are redacted. A device that syncs has it by then; one that comes later finds
/// neither the invite nor the hangup, and does not ring.
const REDACT_AFTER: Duration = Duration::from_secs(2);
/// How long to wait after a limit was exceeded, where the homeserver does not say: Synapse gives one message back in 5 s.
const LIMIT_PAUSE: Duration = Duration::from_secs(5);
/// The bounds of what the homeserver may say.
const SHORTEST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// The first pause after a request that failed; each is twice the one before.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_RETRY_PAUSE: Duration = Duration::from_secs(8);
/// How often one event is tried, the first time included.
const MAX_TRIES: u32 = 10;

pub(super) const INVITE: &str = "m.call.invite";
pub(super) const ANSWER: &str = "m.call.answer";

/// Names one letter of a call's outbox.
pub(crate) type LetterNumber = u32;

enum Matter {
    Event(RoomSignal),
    /// The same, as it was sent the first time, and is again.
    Written {
        event_type: &'static str,
        content: String,
    },
    Redaction(EventId),
}

struct Letter {
    number: LetterNumber,
    matter: Matter,
    is_last_word: bool,
    tries: u32,
    /// A try failed in a way that leaves open whether the homeserver has it.
    may_have_arrived: bool,
}

impl Letter {
    fn is(&self, wanted: &str) -> bool {
        self.matter.event_type() == Some(wanted)
    }
}

impl Matter {
    const fn event_type(&self) -> Option<&'static str> {
        match self {
            Self::Event(signal) => Some(signal.content.event_type()),
            Self::Written { event_type, .. } => Some(event_type),
            Self::Redaction(_) => None,
        }
    }
}

/// Where the events of a call go.
pub(crate) enum Way {
    /// Into the timeline of a room, where all devices of the peer see them.
    Timeline {
        room: RoomId,
        /// Begins the transaction IDs: nobody else's, and of no other call.
        transactions: String,
    },
    /// To one device: the call is a leg of a group call in a room.
    Device {
        /// Counts them.
        envelope: Box<Envelope>,
        in_clear: bool,
    },
}

impl Way {
    /// An event as it is sent, now and again.
    fn write(&mut self, io: &mut Io<'_>, signal: RoomSignal) -> Matter {
        let (event_type, content) = match self {
            Self::Timeline { .. } => signal.to_event(),
            Self::Device { envelope, .. } => {
                let mut bytes = [0; 16];
                io.rng.fill_bytes(&mut bytes);
                let message_id = MessageId::from_random(bytes);
                envelope.address(signal).signal.to_event(message_id)
            }
        };
        Matter::Written {
            event_type,
            content: content.to_string(),
        }
    }
}

/// What goes to the peer of one call.
pub(super) struct Outbox {
    call: CallHandle,
    way: Way,
    /// The account that the call is with.
    peer: MatrixId,
    last: LetterNumber,
    waiting: VecDeque<Letter>,
    /// One, or two if the last word does not wait for it.
    under_way: Vec<Letter>,
    /// Until when the homeserver is left alone.
    not_before: Option<Instant>,
    /// The types that the homeserver has taken.
    taken: BTreeSet<&'static str>,
    /// Events of ours that are not redacted.
    sent: Vec<EventId>,
    /// The call is over, and from when on our events are redacted.
    redact_at: Option<Instant>,
    /// The room is closed to us.
    forbidden: bool,
}

impl Outbox {
    pub(super) const fn new(call: CallHandle, way: Way, peer: MatrixId) -> Self {
        Self {
            call,
            way,
            peer,
            last: 0,
            waiting: VecDeque::new(),
            under_way: Vec::new(),
            not_before: None,
            taken: BTreeSet::new(),
            sent: Vec::new(),
            redact_at: None,
            forbidden: false,
        }
    }

    /// Has an event sent after those that wait.
    pub(super) fn push(&mut self, signal: RoomSignal) {
        self.add(Matter::Event(signal), false);
    }

    /// Has it sent in place of those of its type that still wait: only the newest counts.
    pub(super) fn push_newest(&mut self, signal: RoomSignal) {
        let event_type = signal.content.event_type();
        // What was tried may be there, and must be tried again under its own transaction.
        self.waiting.retain(|it| !it.is(event_type) || it.tries > 0);
        self.push(signal);
    }

    /// The call is over: what waits is not said any more, only this.
    pub(super) fn close(&mut self, now: Instant, last_word: Option<RoomSignal>) {
        self.waiting.clear();
        self.redact_at = Some(if last_word.is_some() {
            now + REDACT_AFTER
        } else {
            now
        });
        if let Some(signal) = last_word {
            self.add(Matter::Event(signal), true);
        }
    }

    /// The homeserver's word on a letter. Returns whether the call cannot go on.
    pub(super) fn handle_response(
        &mut self,
        now: Instant,
        number: LetterNumber,
        result: Result<Option<EventId>, RoomRequestError>,
    ) -> bool {
        let Some(index) = self.under_way.iter().position(|it| it.number == number) else {
            return false;
        };
        let letter = self.under_way.swap_remove(index);
        match result {
            Ok(event) => {
                self.not_before = None;
                if let Some(event_type) = letter.matter.event_type() {
                    self.taken.insert(event_type);
                    self.sent.extend(event);
                }
                false
            }
            Err(error) => self.failed(now, letter, error),
        }
    }

    /// Hands over what may go now.
    pub(super) fn transmit(&mut self, io: &mut Io<'_>) {
        self.begin_to_redact(io.now);
        while let Some(mut letter) = self.take_due(io.now) {
            letter.matter = match letter.matter {
                Matter::Event(signal) => self.way.write(io, signal),
                written => written,
            };
            if let Some(request) = self.request(io, &letter) {
                io.outputs.push_back(Output::Request(request));
            }
            self.under_way.push(letter);
        }
    }

    fn request(&self, io: &mut Io<'_>, letter: &Letter) -> Option<Request> {
        let (call, number) = (self.call, letter.number);
        let in_timeline = Waiting::Room {
            call,
            letter: number,
        };
        Some(match (&self.way, &letter.matter) {
            (
                Way::Timeline { room, transactions },
                Matter::Written {
                    event_type,
                    content,
                },
            ) => Request::SendToRoom {
                id: io.requests.add(in_timeline),
                room: room.clone(),
                user: self.peer.clone(),
                event_type,
                content: content.clone(),
                transaction: format!("{transactions}-{number}"),
            },
            (Way::Timeline { room, transactions }, Matter::Redaction(event)) => Request::Redact {
                id: io.requests.add(in_timeline),
                room: room.clone(),
                event: event.clone(),
                transaction: format!("{transactions}-{number}"),
            },
            (
                Way::Device { envelope, in_clear },
                Matter::Written {
                    event_type,
                    content,
                },
            ) => Request::SendToDevice {
                id: io.requests.add(Waiting::ToDevice {
                    call,
                    letter: number,
                }),
                user: self.peer.clone(),
                device_id: envelope.device_id().clone(),
                event_type,
                content: content.clone(),
                in_clear: *in_clear,
            },
            // No event of a device can be redacted, and each is written before it is sent.
            (Way::Device { .. }, Matter::Redaction(_)) | (_, Matter::Event(_)) => return None,
        })
    }

    /// When to call [`Outbox::transmit`].
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let waits = !self.waiting.is_empty() && self.under_way.is_empty();
        let next = self.not_before.filter(|_| waits);
        let redactions = self.redact_at.filter(|_| !self.sent.is_empty());
        next.into_iter().chain(redactions).min()
    }

    /// The homeserver has taken an event of this type.
    pub(super) fn has_taken(&self, event_type: &str) -> bool {
        self.taken.contains(event_type)
    }

    pub(super) fn has_taken_some(&self) -> bool {
        !self.taken.is_empty()
    }

    /// An event of this type may be in the room.
    pub(super) fn may_be_there(&self, event_type: &str) -> bool {
        let may_have_arrived = |it: &Letter| it.is(event_type) && it.may_have_arrived;
        self.has_taken(event_type)
            || self.under_way.iter().any(|it| it.is(event_type))
            || self.waiting.iter().any(may_have_arrived)
    }

    /// Nothing more will be sent.
    pub(super) fn is_empty(&self) -> bool {
        let redacted = self.redact_at.is_none() || self.sent.is_empty();
        self.waiting.is_empty() && self.under_way.is_empty() && redacted
    }

    fn add(&mut self, matter: Matter, is_last_word: bool) {
        if self.forbidden {
            return;
        }
        self.last += 1;
        self.waiting.push_back(Letter {
            number: self.last,
            matter,
            is_last_word,
            tries: 0,
            may_have_arrived: false,
        });
    }

    fn take_due(&mut self, now: Instant) -> Option<Letter> {
        let next = self.waiting.front()?;
        // The last word waits for the invite only: before it, it would end nothing, and the peer would ring on.
        let overtakes = next.is_last_word && self.under_way.iter().all(|it| !it.is(INVITE));
        let is_free = self.under_way.is_empty() || overtakes;
        // And it is tried in spite of a limit, once.
        let urgent = next.is_last_word && next.tries == 0;
        let is_due = urgent || self.not_before.is_none_or(|at| at <= now);
        if !is_free || !is_due {
            return None;
        }
        let mut letter = self.waiting.pop_front()?;
        letter.tries += 1;
        Some(letter)
    }

    fn failed(&mut self, now: Instant, mut letter: Letter, error: RoomRequestError) -> bool {
        letter.may_have_arrived |= error == RoomRequestError::Failed;
        let is_over = self.redact_at.is_some();
        let is_redaction = matches!(letter.matter, Matter::Redaction(_));
        let pause = match error {
            RoomRequestError::Forbidden | RoomRequestError::NotFound if is_redaction => {
                return false;
            }
            RoomRequestError::Forbidden | RoomRequestError::NotFound => {
                self.forbidden = true;
                self.waiting.clear();
                self.sent.clear();
                return !is_over;
            }
            RoomRequestError::LimitExceeded { retry_after } => retry_after
                .unwrap_or(LIMIT_PAUSE)
                .clamp(SHORTEST_PAUSE, LONGEST_PAUSE),
            RoomRequestError::Unreachable
            | RoomRequestError::PeerUnreachable
            | RoomRequestError::NoRoom
            | RoomRequestError::Failed => {
                let doublings = letter.tries.saturating_sub(1).min(8);
                (RETRY_PAUSE * 2_u32.pow(doublings)).min(LONGEST_RETRY_PAUSE)
            }
        };
        self.not_before = Some(now + pause);
        if is_over && !letter.is_last_word && !is_redaction {
            // It is not said any more. Where the invite has certainly not arrived, there is nobody to tell that it is over.
            if letter.is(INVITE) && !letter.may_have_arrived {
                self.waiting.clear();
            }
        } else if letter.tries < MAX_TRIES {
            self.waiting.push_front(letter);
        }
        false
    }

    /// Everything else comes first: the peer must learn that the call is over.
    fn begin_to_redact(&mut self, now: Instant) {
        if self.redact_at.is_none_or(|at| at > now) {
            return;
        }
        for event in std::mem::take(&mut self.sent) {
            self.add(Matter::Redaction(event), false);
        }
    }
}
