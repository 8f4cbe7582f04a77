//! Packets that wait for their turn.

/// Frames that can wait at once: 1.28 s. Older ones make room.
pub(super) const SPAN: i64 = 64;

#[derive(Debug, Default, Clone)]
struct Slot {
    /// The frame that was last received into this slot.
    index: Option<i64>,
    waiting: bool,
    payload: Vec<u8>,
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

    /// Whether the frame came already, as far back as is remembered.
    pub(super) fn has_seen(&self, index: i64) -> bool {
        self.slots[slot(index)].index == Some(index)
    }

    /// Remembers a frame that came too late to be kept.
    pub(super) fn mark_seen(&mut self, index: i64) {
        let slot = &mut self.slots[slot(index)];
        if !slot.waiting && slot.index.is_none_or(|seen| seen < index) {
            slot.index = Some(index);
        }
    }

    /// Keeps a frame. The caller sees to it that all waiting frames lie within [`SPAN`].
    pub(super) fn insert(&mut self, index: i64, payload: &[u8]) {
        let slot = &mut self.slots[slot(index)];
        slot.index = Some(index);
        slot.waiting = true;
        slot.payload.clear();
        slot.payload.extend_from_slice(payload);
    }

    /// The payload of a waiting frame.
    pub(super) fn peek(&self, index: i64) -> Option<&[u8]> {
        let slot = &self.slots[slot(index)];
        (slot.waiting && slot.index == Some(index)).then_some(slot.payload.as_slice())
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

    fn waiting(&self) -> impl Iterator<Item = i64> + '_ {
        self.slots
            .iter()
            .filter(|slot| slot.waiting)
            .filter_map(|slot| slot.index)
    }
}

fn slot(index: i64) -> usize {
    index.rem_euclid(SPAN) as usize
}
