//! Delivery to one device: every message is repeated until it is acknowledged, within bounds (`docs/protocol/signaling.md`).

use std::time::Duration;

use web_time::Instant;

use super::sealed_box::{BoxKind, SealedBox};
use crate::output::RequestError;
use crate::requests::MessageName;

/// The most sends of one message to a device over Matrix, for each may leave a row on a server.
pub(crate) const MAX_MATRIX_SENDS: u8 = 3;
/// When to send again over Matrix; doubles.
const MATRIX_RETRY: Duration = Duration::from_secs(4);
/// When to try again if the homeserver could not be reached; doubles.
const UNREACHABLE_RETRY: Duration = Duration::from_secs(1);
const UNREACHABLE_RETRY_MAX: Duration = Duration::from_secs(8);
/// When to send again on the data channel; doubles.
const DATA_CHANNEL_RETRY: Duration = Duration::from_millis(250);
const DATA_CHANNEL_RETRY_MAX: Duration = Duration::from_secs(2);
/// What is sent again only when the device asks: not within the life of a call that is over.
const WHEN_ASKED: Duration = Duration::from_secs(10 * 60);
/// When a hang-up that the data channel did not deliver goes over Matrix.
const HANGUP_FALLBACK: Duration = Duration::from_secs(1);

/// Which ways may be used now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ways {
    pub(crate) matrix: bool,
    pub(crate) data_channel: bool,
}

/// A message whose time has come.
pub(crate) enum Transmit {
    Matrix(MessageName, SealedBox),
    DataChannel(Vec<u8>),
}

struct Undelivered {
    name: MessageName,
    message: SealedBox,
    /// May go over Matrix even while the data channel works.
    matrix_too: bool,
    matrix_sends: u8,
    matrix_failures: u8,
    in_flight: bool,
    matrix_at: Instant,
    data_channel_at: Instant,
    data_channel_interval: Duration,
}

/// The messages to one device that were not acknowledged yet.
#[derive(Default)]
pub(crate) struct Delivery {
    undelivered: Vec<Undelivered>,
    only_when_asked: bool,
}

impl Delivery {
    /// Takes a message on.
    pub(crate) fn push(&mut self, now: Instant, name: MessageName, message: SealedBox) {
        self.undelivered.push(Undelivered {
            name,
            message,
            matrix_too: false,
            matrix_sends: 0,
            matrix_failures: 0,
            in_flight: false,
            matrix_at: now,
            data_channel_at: now,
            data_channel_interval: DATA_CHANNEL_RETRY,
        });
    }

    /// Takes a hang-up on: if the data channel does not deliver it in a second, it goes over Matrix as well.
    pub(crate) fn push_hangup(
        &mut self,
        now: Instant,
        name: MessageName,
        message: SealedBox,
        ways: Ways,
    ) {
        self.push(now, name, message);
        if let Some(hangup) = self.undelivered.last_mut() {
            hangup.matrix_too = true;
            if ways.data_channel && !ways.matrix {
                hangup.matrix_at = now + HANGUP_FALLBACK;
            }
        }
    }

    /// Takes a message on that goes over Matrix at once, whatever the data channel does.
    pub(crate) fn push_over_both(&mut self, now: Instant, name: MessageName, message: SealedBox) {
        self.push(now, name, message);
        if let Some(message) = self.undelivered.last_mut() {
            message.matrix_too = true;
        }
    }

    /// The device has it. Returns whether it was waited for.
    pub(crate) fn acknowledge(&mut self, name: MessageName) -> bool {
        let before = self.undelivered.len();
        self.undelivered.retain(|it| it.name != name);
        self.undelivered.len() < before
    }

    /// From now on a message goes once, and again only when the device asks.
    pub(crate) fn repeat_only_when_asked(&mut self) {
        self.only_when_asked = true;
    }

    /// The device asks for it again, by repeating what it answers. Counts as a send like any other.
    pub(crate) fn repeat(&mut self, now: Instant, name: MessageName) {
        for it in self.undelivered.iter_mut().filter(|it| it.name == name) {
            it.matrix_at = it.matrix_at.min(now);
        }
    }

    /// The way is free again: send everything now.
    pub(crate) fn repeat_all(&mut self, now: Instant) {
        for it in &mut self.undelivered {
            it.data_channel_at = it.data_channel_at.min(now);
            it.data_channel_interval = DATA_CHANNEL_RETRY;
        }
    }

    /// The next message whose time has come. Over Matrix a message waits for the response before it is sent again.
    pub(crate) fn poll(&mut self, now: Instant, ways: Ways) -> Option<Transmit> {
        for it in &mut self.undelivered {
            if ways.data_channel && it.message.kind == BoxKind::Ratchet && it.data_channel_at <= now
            {
                it.data_channel_at = now + it.data_channel_interval;
                it.data_channel_interval =
                    (it.data_channel_interval * 2).min(DATA_CHANNEL_RETRY_MAX);
                return Some(Transmit::DataChannel(it.message.sealed.clone()));
            }
            if it.may_go_over_matrix(ways) && it.matrix_at <= now {
                it.in_flight = true;
                it.matrix_sends += 1;
                return Some(Transmit::Matrix(it.name, it.message.clone()));
            }
        }
        None
    }

    /// The homeserver's word on a send.
    pub(crate) fn handle_response(
        &mut self,
        now: Instant,
        name: MessageName,
        result: Result<(), RequestError>,
    ) {
        let Some(it) = self.undelivered.iter_mut().find(|it| it.name == name) else {
            return;
        };
        it.in_flight = false;
        it.matrix_at = now
            + match result {
                _ if self.only_when_asked => WHEN_ASKED,
                Ok(()) | Err(RequestError::Failed | RequestError::NotFound) => {
                    MATRIX_RETRY * (1 << u32::from(it.matrix_sends.saturating_sub(1)))
                }
                Err(RequestError::Unreachable) => {
                    // Nothing left this machine, so it does not count.
                    it.matrix_sends = it.matrix_sends.saturating_sub(1);
                    it.matrix_failures = it.matrix_failures.saturating_add(1).min(4);
                    (UNREACHABLE_RETRY * (1 << (it.matrix_failures - 1))).min(UNREACHABLE_RETRY_MAX)
                }
            };
    }

    /// When the next message is due, on the ways that there are.
    pub(crate) fn poll_timeout(&self, ways: Ways) -> Option<Instant> {
        let due = |it: &Undelivered| {
            let data_channel = (ways.data_channel && it.message.kind == BoxKind::Ratchet)
                .then_some(it.data_channel_at);
            let matrix = it.may_go_over_matrix(ways).then_some(it.matrix_at);
            data_channel.into_iter().chain(matrix).min()
        };
        self.undelivered.iter().filter_map(due).min()
    }

    /// Whether there is a message that will still be sent, or whose send is not through.
    pub(crate) fn is_busy(&self, ways: Ways) -> bool {
        self.undelivered.iter().any(|it| {
            let waits = self.only_when_asked && it.matrix_sends > 0;
            it.in_flight || (it.may_go_over_matrix(ways) && !waits)
        })
    }

    /// Whether a message is here only for the case that the device asks for it.
    pub(crate) fn waits_to_be_asked(&self) -> bool {
        self.only_when_asked && !self.undelivered.is_empty()
    }

    /// Messages that nobody has acknowledged.
    pub(crate) fn len(&self) -> usize {
        self.undelivered.len()
    }

    /// Gives up everything but this.
    pub(crate) fn keep_only(&mut self, name: MessageName) {
        self.undelivered.retain(|it| it.name == name);
    }

    pub(crate) fn clear(&mut self) {
        self.undelivered.clear();
    }
}

impl Undelivered {
    fn may_go_over_matrix(&self, ways: Ways) -> bool {
        (ways.matrix || self.matrix_too) && !self.in_flight && self.matrix_sends < MAX_MATRIX_SENDS
    }
}

#[cfg(test)]
mod tests {
    use securecall_crypto::MessageId;

    use super::*;

    const DATA_CHANNEL: Ways = Ways {
        matrix: false,
        data_channel: true,
    };
    const BOTH: Ways = Ways {
        matrix: true,
        data_channel: true,
    };

    fn start() -> Instant {
        #[expect(
            clippy::disallowed_methods,
            reason = "virtual time needs an origin, and any will do"
        )]
        Instant::now()
    }

    fn name(number: u32) -> MessageName {
        MessageName::Ratchet(MessageId { step: 1, number })
    }

    fn message() -> SealedBox {
        SealedBox {
            kind: BoxKind::Ratchet,
            sealed: vec![5; 100],
        }
    }

    /// How many sends over Matrix and on the data channel are due.
    fn due(delivery: &mut Delivery, now: Instant, ways: Ways) -> (usize, usize) {
        let mut sends = (0, 0);
        while let Some(transmit) = delivery.poll(now, ways) {
            match transmit {
                Transmit::Matrix(..) => sends.0 += 1,
                Transmit::DataChannel(_) => sends.1 += 1,
            }
        }
        sends
    }

    #[test]
    fn a_hang_up_goes_over_matrix_at_once_unless_the_data_channel_may_deliver_it() {
        let start = start();
        let mut delivery = Delivery::default();
        delivery.push_hangup(start, name(0), message(), DATA_CHANNEL);
        assert_eq!(due(&mut delivery, start, DATA_CHANNEL), (0, 1));
        assert_eq!(
            delivery.poll_timeout(DATA_CHANNEL),
            Some(start + DATA_CHANNEL_RETRY)
        );
        let almost = start + HANGUP_FALLBACK - Duration::from_millis(1);
        assert_eq!(due(&mut delivery, almost, DATA_CHANNEL).0, 0);
        assert_eq!(
            due(&mut delivery, start + HANGUP_FALLBACK, DATA_CHANNEL).0,
            1
        );

        let mut delivery = Delivery::default();
        delivery.push_hangup(start, name(0), message(), BOTH);
        assert_eq!(due(&mut delivery, start, BOTH), (1, 1));
    }

    #[test]
    fn an_acknowledgement_counts_for_the_message_it_names_and_once() {
        let start = start();
        let mut delivery = Delivery::default();
        for number in 0..2 {
            delivery.push(start, name(number), message());
        }
        assert!(!delivery.acknowledge(name(7)));
        assert!(delivery.acknowledge(name(0)));
        assert!(!delivery.acknowledge(name(0)));
        assert_eq!(delivery.len(), 1);
    }

    #[test]
    fn when_the_way_is_free_again_everything_is_sent_and_soon_again() {
        let mut now = start();
        let mut delivery = Delivery::default();
        delivery.push(now, name(0), message());
        let mut waits = Vec::new();
        for _ in 0..6 {
            assert_eq!(due(&mut delivery, now, DATA_CHANNEL), (0, 1));
            let next = delivery.poll_timeout(DATA_CHANNEL).unwrap();
            waits.push((next - now).as_millis());
            now = next;
        }
        assert_eq!(waits, [250, 500, 1_000, 2_000, 2_000, 2_000]);
        due(&mut delivery, now, DATA_CHANNEL);
        now += Duration::from_millis(1);
        assert_eq!(due(&mut delivery, now, DATA_CHANNEL), (0, 0));
        delivery.repeat_all(now);
        assert_eq!(due(&mut delivery, now, DATA_CHANNEL), (0, 1));
        assert_eq!(
            delivery.poll_timeout(DATA_CHANNEL),
            Some(now + DATA_CHANNEL_RETRY)
        );
    }
}
