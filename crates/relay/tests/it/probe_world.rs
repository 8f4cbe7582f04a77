//! A probe and its network, on virtual time.

use std::time::Duration;

use securecall_relay::probe::{Probe, ProbeOutput};
use securecall_relay::{Datagram, Inbound, StreamId, StreamTarget};
use web_time::Instant;

use crate::network::{DELAY, start};

/// What becomes of a packet on its way: one that arrives, another, or none.
pub(crate) trait Carrier {
    /// A packet leaves a host; gives what arrives at the probe's sockets later.
    fn carry(&mut self, now: Instant, packet: Datagram) -> Vec<Datagram>;
}

/// A probe and its network.
pub(crate) struct World<P, C> {
    pub(crate) now: Instant,
    pub(crate) probe: P,
    pub(crate) carrier: C,
    in_flight: Vec<(Instant, Datagram)>,
    /// Everything that left.
    pub(crate) sent: Vec<Datagram>,
    pub(crate) opened: Vec<(StreamId, StreamTarget)>,
    pub(crate) closed: Vec<StreamId>,
}

impl<P: Probe, C: Carrier> World<P, C> {
    pub(crate) fn new(probe: P, carrier: C) -> Self {
        Self {
            now: start(),
            probe,
            carrier,
            in_flight: Vec::new(),
            sent: Vec::new(),
            opened: Vec::new(),
            closed: Vec::new(),
        }
    }

    /// Runs the probe to its end, which must come within this time. Gives what it found, and after how long.
    pub(crate) fn run(&mut self, within: Duration) -> (P::Outcome, Duration) {
        let mut wakeups = 0;
        loop {
            let deadline = loop {
                match self.probe.poll_output() {
                    ProbeOutput::Transmit(datagram) => {
                        self.sent.push(datagram.clone());
                        for arriving in self.carrier.carry(self.now, datagram) {
                            self.in_flight.push((self.now + 2 * DELAY, arriving));
                        }
                    }
                    ProbeOutput::Open(stream, target) => self.opened.push((stream, target)),
                    ProbeOutput::Write(..) => {}
                    ProbeOutput::Close(stream) => self.closed.push(stream),
                    ProbeOutput::Finished(outcome) => {
                        return (outcome, self.now.duration_since(start()));
                    }
                    ProbeOutput::Timeout(deadline) => break deadline,
                }
            };
            let arrival = self.in_flight.iter().map(|(at, _)| *at).min();
            self.now = self
                .now
                .max(arrival.map_or(deadline, |at| at.min(deadline)));
            assert!(self.now <= start() + within, "it does not come to an end");
            wakeups += 1;
            assert!(wakeups < 10_000, "it asks to be woken for ever");
            self.deliver();
            if deadline <= self.now {
                self.probe.handle_timeout(self.now);
            }
        }
    }

    fn deliver(&mut self) {
        let now = self.now;
        let (due, later): (Vec<_>, Vec<_>) = std::mem::take(&mut self.in_flight)
            .into_iter()
            .partition(|(at, _)| *at <= now);
        self.in_flight = later;
        for (_, packet) in due {
            let inbound = Inbound {
                source: packet.source,
                destination: packet.destination,
                contents: &packet.contents,
            };
            self.probe.handle_datagram(now, inbound);
        }
    }
}
