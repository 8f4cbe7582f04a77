//! Which encrypted events have been opened: a homeserver can send one again, under another name and as new as it likes.

use std::collections::{HashMap, VecDeque};

use securecall_contact::EventId;

/// Events of calls that are remembered. A call has some twenty; what is older than the last fifty calls rings nobody.
const CAPACITY: usize = 1_024;

/// A place in a Megolm session, which one event has.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) session_id: String,
    pub(super) message_index: u32,
}

/// The events that were opened last.
#[derive(Debug, Default)]
pub(super) struct Replays {
    events: HashMap<Place, EventId>,
    order: VecDeque<Place>,
}

impl Replays {
    /// Whether this place belongs to this event: it is remembered as its, or was nobody's until now.
    pub(super) fn admit(&mut self, place: Place, event: &EventId) -> bool {
        if let Some(known) = self.events.get(&place) {
            return known == event;
        }
        if self.order.len() == CAPACITY
            && let Some(oldest) = self.order.pop_front()
        {
            self.events.remove(&oldest);
        }
        self.order.push_back(place.clone());
        self.events.insert(place, event.clone());
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(message_index: u32) -> Place {
        Place {
            session_id: "session".to_owned(),
            message_index,
        }
    }

    #[test]
    fn a_place_belongs_to_the_first_event_that_had_it() {
        let (first, second): (EventId, EventId) = ("$1".parse().unwrap(), "$2".parse().unwrap());
        let mut replays = Replays::default();
        assert!(replays.admit(place(0), &first));
        // Handed out twice, as after a sync that was not answered.
        assert!(replays.admit(place(0), &first));
        assert!(!replays.admit(place(0), &second));
        assert!(replays.admit(place(1), &second));
        let other = Place {
            session_id: "other".to_owned(),
            message_index: 0,
        };
        assert!(replays.admit(other, &second));
    }

    #[test]
    fn the_memory_is_bounded_and_the_oldest_goes() {
        let (first, second): (EventId, EventId) = ("$1".parse().unwrap(), "$2".parse().unwrap());
        let mut replays = Replays::default();
        for index in 0..=u32::try_from(CAPACITY).unwrap() {
            assert!(replays.admit(place(index), &first));
        }
        assert_eq!(
            (replays.events.len(), replays.order.len()),
            (CAPACITY, CAPACITY)
        );
        assert!(!replays.admit(place(1), &second));
        assert!(replays.admit(place(0), &second));
    }
}
