//! What goes from end to end of sealed legs, by way of the homeserver and beside it.

use securecall_contact::{SecureCallId, ServerName};
use securecall_session::InboundSignal;

use super::*;

/// What is sent to a device, and nobody else can read.
#[derive(Clone, Debug)]
pub(in super::super) struct SealedSent {
    pub(in super::super) from: usize,
    pub(in super::super) to: MatrixId,
    pub(in super::super) to_device: DeviceId,
    pub(in super::super) content: String,
}

impl Ours {
    /// The leg is told of, before anything else of it.
    pub(super) fn note_leg(&mut self, event: &Event) {
        if let Event::Conference {
            event: ConferenceEvent::Leg { call, .. },
            ..
        } = event
        {
            self.sealed.insert(call.handle, call.id.to_string());
        }
    }
}

impl World {
    pub(in super::super) fn next_identity(&self) -> IdentityKeyPair {
        let index = self.ours.len() + self.pages.len();
        let seed = u8::try_from(index).unwrap() + 1;
        IdentityKeyPair::from_seed(&IdentitySeed::from_bytes([seed; 32]))
    }

    /// A device of ours of a user whose address holds their key.
    pub(in super::super) fn add_sealed(&mut self) -> usize {
        self.add_sealed_with(Contacts::default())
    }

    pub(in super::super) fn add_sealed_with(&mut self, contacts: Contacts) -> usize {
        let identity = self.next_identity();
        self.add_device(address(&identity), identity, contacts)
    }

    pub(super) fn tell_devices(&mut self, who: usize, id: RequestId, user: &MatrixId) {
        let of_user = self.ours.values().filter(|it| it.user == *user);
        let devices = of_user.map(|it| Device {
            device_id: it.device_id.clone(),
            olm_key: it.olm_key,
        });
        let devices = devices.collect();
        self.with(who, |endpoint, now, rng| {
            endpoint.handle_devices(now, rng, id, Ok(devices));
        });
    }

    /// The homeserver has taken it.
    pub(super) fn post_sealed(&mut self, sent: &SealedSent) {
        self.sealed_sent.push(sent.clone());
        for _ in 0..self.copies() {
            let at = self.soon();
            self.later(at, Happening::Sealed(sent.clone()));
        }
    }

    pub(super) fn deliver_sealed(&mut self, sent: &SealedSent) {
        let is_it = |it: &Ours| it.user == sent.to && it.device_id == sent.to_device && !it.crashed;
        let to = self.ours.iter().find(|(_, it)| is_it(it));
        if let Some(to) = to.map(|(who, _)| *who) {
            self.hand_in_sealed(to, sent.from, &sent.content);
        }
    }

    /// What came encrypted by Olm from a device of ours, in a sync response of its own.
    pub(in super::super) fn hand_in_sealed(&mut self, to: usize, from: usize, content: &str) {
        let (sender, sender_olm_key) = (self.ours[&from].user.clone(), self.ours[&from].olm_key);
        let wallclock = self.wallclock(to);
        let refused = self.with(to, |endpoint, now, rng| {
            let signal = InboundSignal {
                sender: &sender,
                sender_olm_key,
                content,
            };
            let handled = endpoint.handle_signal(now, wallclock, rng, signal);
            endpoint.handle_sync_complete(now, rng);
            handled.err()
        });
        self.ours.get_mut(&to).unwrap().refused.extend(refused);
    }

    /// A message goes over the data channel.
    pub(super) fn control(&mut self, who: usize, call: CallHandle, bytes: Vec<u8>) {
        let ours = &self.ours[&who];
        let (Some(other), Some(id)) = (ours.remotes.get(&call), ours.sealed.get(&call)) else {
            return;
        };
        let (other, id) = (*other, id.clone());
        if !self.is_cut(who, call) {
            let at = self.now + Duration::from_millis(20);
            self.later(at, Happening::Control(other, id, bytes));
        }
    }

    pub(super) fn deliver_control(&mut self, who: usize, id: &str, bytes: &[u8]) {
        let Some(call) = self.sealed_leg(who, id) else {
            return;
        };
        let refused = self.with(who, |endpoint, now, rng| {
            endpoint.handle_control(now, rng, call, bytes).err()
        });
        self.ours.get_mut(&who).unwrap().refused.extend(refused);
    }

    fn sealed_leg(&self, who: usize, id: &str) -> Option<CallHandle> {
        let ours = self.ours.get(&who)?;
        let mut legs = ours.sealed.iter().rev();
        let leg = legs.find(|(call, it)| *it == id && ours.open.contains(call))?;
        Some(*leg.0)
    }

    /// Frames have keys at this end. Once they do at both, each hears the other.
    pub(super) fn keyed(&mut self, who: usize, call: CallHandle) {
        let ours = self.ours.get_mut(&who).unwrap();
        ours.keyed.insert(call);
        let (other, id) = (ours.remotes.get(&call).copied(), ours.sealed[&call].clone());
        let Some(other) = other else {
            return;
        };
        let there = self.sealed_leg(other, &id);
        let Some(there) = there.filter(|it| self.ours[&other].keyed.contains(it)) else {
            return;
        };
        for (who, call) in [(who, call), (other, there)] {
            let route = PathRoute::Direct;
            let events = [
                MediaEvent::PathUp { route },
                MediaEvent::DataChannelOpen,
                MediaEvent::FirstFrameOpened,
                MediaEvent::FirstAudioPlayed,
            ];
            for (event, millis) in events.into_iter().zip([100, 120, 140, 160]) {
                let at = self.now + Duration::from_millis(millis);
                self.later(at, Happening::Media(who, call, event));
            }
            self.later(self.now + SECOND, Happening::Packet(who, call));
        }
    }
}

/// Where somebody is called whose address holds their key.
pub(in super::super) fn address(identity: &IdentityKeyPair) -> MatrixId {
    let server: ServerName = "example.org".parse().unwrap();
    MatrixId::of_securecall_id(&SecureCallId::new(&identity.public()), &server)
}
