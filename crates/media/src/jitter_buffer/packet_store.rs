//! Packets that wait for their turn.

/// Frames that can wait at once: 1.28 s. Older ones make room.
pub(super) const SPAN: i64 = 64;

#[derive(Debug, Default, Clone)]
struct Slot {
    /// The frame that was last received into this slot.
    index: Option<i64>,
    /// Its own packet came, not only a copy of it in another.
    original: bool,
    waiting: bool,
    payload: Vec<u8>,
    /// Of how many frames before it the packet carries copies.
    reach: usize,
    /// How many frames after it the packet was that brought its copy.
    copied_after: Option<usize>,
}

/// A ring of payloads by frame index, and a memory of what came before: its size never changes.
#[derive(Debug)]
pub(super) struct PacketStore {
    slots: Vec<Slot>,
}

impl PacketStore {
    pub(super) fn new() -> Self {
        Self {
            slots: vec![Slot::default(); SPAN as usize],
        }
    }

    /// Whether the frame's own packet came already, as far back as is remembered.
    pub(super) fn has_seen(&self, index: i64) -> bool {
        self.seen(index).is_some()
    }

    /// Whether the frame waits, or has waited, whatever brought it.
    pub(super) fn has_had(&self, index: i64) -> bool {
        self.slots[slot(index)].index == Some(index)
    }

    /// Remembers a frame that came too late to be kept.
    pub(super) fn mark_seen(&mut self, index: i64, reach: usize) {
        let slot = &mut self.slots[slot(index)];
        if !slot.waiting && slot.index.is_none_or(|seen| seen <= index) {
            slot.begin(index);
            slot.original = true;
            slot.reach = reach;
        }
    }

    /// Keeps a frame. The caller sees to it that all waiting frames lie within [`SPAN`].
    pub(super) fn insert(&mut self, index: i64, payload: &[u8], reach: usize) {
        let slot = &mut self.slots[slot(index)];
        slot.begin(index);
        slot.original = true;
        slot.reach = reach;
        slot.keep(payload);
    }

    /// Keeps the copy of a frame that a packet brought which came so many frames after it.
    pub(super) fn insert_copy(&mut self, index: i64, payload: &[u8], after: usize) {
        let slot = &mut self.slots[slot(index)];
        slot.begin(index);
        slot.copied_after = Some(after);
        slot.keep(payload);
    }

    /// The payload of a waiting frame.
    pub(super) fn peek(&self, index: i64) -> Option<&[u8]> {
        let slot = &self.slots[slot(index)];
        (slot.waiting && slot.index == Some(index)).then_some(slot.payload.as_slice())
    }

    /// The nearest waiting packet that can restore the frame, and by how many frames it comes after it.
    pub(super) fn restorer(&self, index: i64) -> Option<(&[u8], usize)> {
        (1..SPAN as usize).find_map(|after| {
            let later = index + after as i64;
            let payload = self.peek(later)?;
            (self.seen(later)?.reach >= after).then_some((payload, after))
        })
    }

    /// By how many frames after it, up to `most`, what could restore the frame came.
    pub(super) fn restorable_after(&self, index: i64, most: usize) -> Option<usize> {
        let slot = &self.slots[slot(index)];
        let copied = slot.copied_after.filter(|_| slot.index == Some(index));
        (1..=most).find(|after| {
            let later = self.seen(index + *after as i64);
            copied == Some(*after) || later.is_some_and(|later| later.reach >= *after)
        })
    }

    /// Lets a frame go; true if it was waiting.
    pub(super) fn release(&mut self, index: i64) -> bool {
        let slot = &mut self.slots[slot(index)];
        slot.index == Some(index) && std::mem::take(&mut slot.waiting)
    }

    /// Lets go of everything before `index`; how many frames were waiting there.
    pub(super) fn release_before(&mut self, index: i64) -> u64 {
        let mut released = 0;
        for slot in &mut self.slots {
            if slot.waiting && slot.index.is_some_and(|waiting| waiting < index) {
                slot.waiting = false;
                released += 1;
            }
        }
        released
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        for slot in &mut self.slots {
            slot.index = None;
            slot.waiting = false;
        }
    }

    /// The first waiting frame.
    pub(super) fn first(&self) -> Option<i64> {
        self.waiting().min()
    }

    /// The first waiting frame from `index` on.
    pub(super) fn first_from(&self, index: i64) -> Option<i64> {
        self.waiting().filter(|waiting| *waiting >= index).min()
    }

    /// The last waiting frame.
    pub(super) fn last(&self) -> Option<i64> {
        self.waiting().max()
    }

    /// How many frames wait.
    pub(super) fn len(&self) -> usize {
        self.waiting().count()
    }

    fn seen(&self, index: i64) -> Option<&Slot> {
        let slot = &self.slots[slot(index)];
        (slot.original && slot.index == Some(index)).then_some(slot)
    }

    fn waiting(&self) -> impl Iterator<Item = i64> + '_ {
        self.slots
            .iter()
            .filter(|slot| slot.waiting)
            .filter_map(|slot| slot.index)
    }
}

impl Slot {
    /// Makes the slot that of `index`, and keeps what is known of it if it is that already.
    fn begin(&mut self, index: i64) {
        if self.index != Some(index) {
            self.index = Some(index);
            self.original = false;
            self.reach = 0;
            self.copied_after = None;
        }
    }

    fn keep(&mut self, payload: &[u8]) {
        self.waiting = true;
        self.payload.clear();
        self.payload.extend_from_slice(payload);
    }
}

fn slot(index: i64) -> usize {
    index.rem_euclid(SPAN) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_packet_that_reaches_far_enough_restores_each_of_a_run() {
        let mut store = PacketStore::new();
        assert!(store.restorer(9).is_none());
        // 10 to 12 are lost; 13 reaches 2 back, 14 none, 15 and 16 four.
        for (index, reach) in [(13, 2), (14, 0), (15, 4), (16, 4)] {
            store.insert(index, &[index as u8], reach);
        }
        let restorer = |index| {
            store
                .restorer(index)
                .map(|(payload, after)| (payload[0], after))
        };
        assert_eq!(
            restorer(10),
            None,
            "16 is five frames later than 11, and 15 than 10"
        );
        assert_eq!(restorer(11), Some((13, 2)));
        assert_eq!(restorer(12), Some((13, 1)));
        assert_eq!(store.restorable_after(12, 1), Some(1));
        assert_eq!(
            (store.restorable_after(11, 1), store.restorable_after(11, 2)),
            (None, Some(2))
        );
        store.insert(17, &[17], 50);
        assert_eq!(store.restorer(10), Some(([17].as_slice(), 7)));
    }

    #[test]
    fn what_waits_no_more_is_remembered_but_restores_nothing() {
        let mut store = PacketStore::new();
        store.insert(5, &[5], 3);
        store.insert_copy(3, &[3], 2);
        assert!(store.release(5) && !store.release(5));
        assert!(store.restorer(4).is_none() && store.has_seen(5));
        assert_eq!(store.restorable_after(4, 3), Some(1));
        assert!(!store.has_seen(3) && store.has_had(3));
        assert_eq!(store.restorable_after(3, 3), Some(2));
        store.mark_seen(3, 0);
        assert!(!store.has_seen(3), "it waits");
        store.release(3);
        store.mark_seen(3, 0);
        assert!(store.has_seen(3));
    }
}
