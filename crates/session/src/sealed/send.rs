//! What is said at the same time goes out as one sealed message per device.

use securecall_contact::DeviceId;
use securecall_crypto::Encrypted;
use securecall_signaling::{
    Bundle, Content, Description, Hex32, MAX_CONTENTS, MAX_SDP, PartyId, Role, Version,
};

use zeroize::Zeroizing;

use super::Sealed;
use super::delivery::{Transmit, Ways};
use super::party::{Link, Party, RatchetSession};
use super::sealed_box::{BoxKind, DATA_CHANNEL_STEP, MATRIX_STEP, SealedBox};
use crate::contract::Situation;
use crate::io::Io;
use crate::output::{Output, Request};
use crate::requests::{MessageName, Waiting};

/// What a bundle holds besides its contents, at most: names, 64 acknowledgements, the words nonce.
const AROUND_CONTENTS: usize = 3 * 1024;
/// The longest SDP of ours as JSON, where line ends take twice their size.
const MAX_SDP_JSON: usize = 12 * 1024;
/// The most messages that wait for a device before more contents are held back.
const MAX_UNDELIVERED: usize = 48;

impl Sealed {
    /// Seals what is to be said.
    pub(crate) fn speak(&mut self, io: &mut Io<'_>, situation: &Situation) {
        let batching = situation.candidates_until.is_some();
        let ids: Vec<PartyId> = self.parties.keys().cloned().collect();
        for id in ids {
            let Some(mut party) = self.parties.remove(&id) else {
                continue;
            };
            let waits = batching && party.waits_for_candidates();
            match party.link {
                Link::AwaitingMessage2(_) | Link::Gone => party.pending.clear(),
                Link::Received(_) if waits || party.pending.is_empty() => {}
                Link::Received(_) => {
                    self.write_message_2(io, &mut party);
                    self.speak_to(io, situation, &id, &mut party);
                }
                Link::Open(_) if waits => {}
                Link::Open(_) => self.speak_to(io, situation, &id, &mut party),
            }
            self.parties.insert(id, party);
        }
    }

    /// Sends what has come due to all devices.
    pub(crate) fn transmit(&mut self, io: &mut Io<'_>, situation: &Situation) {
        let parties = self.parties.iter();
        let ids: Vec<(PartyId, DeviceId)> = parties
            .map(|(id, party)| (id.clone(), party.device_id.clone()))
            .collect();
        for (id, device_id) in ids {
            let ways = self.ways(situation, &id);
            while let Some(transmit) = self
                .parties
                .get_mut(&id)
                .and_then(|party| party.delivery.poll(io.now, ways))
            {
                match transmit {
                    Transmit::DataChannel(bytes) => {
                        io.outputs.push_back(Output::Control(self.call, bytes));
                    }
                    Transmit::Matrix(name, message) => {
                        let waiting = Waiting::Message {
                            call: self.call,
                            party: id.clone(),
                            name,
                        };
                        self.request_send(io, waiting, &device_id, &message);
                    }
                }
            }
        }
    }

    fn request_send(
        &self,
        io: &mut Io<'_>,
        waiting: Waiting,
        device_id: &DeviceId,
        message: &SealedBox,
    ) {
        let id = io.requests.add(waiting);
        io.outputs.push_back(Output::Request(Request::Send {
            id,
            user: self.matrix_id.clone(),
            device_id: device_id.clone(),
            content: message.to_signal(self.id),
        }));
    }

    /// A bundle of contents as padded JSON.
    pub(super) fn bundle(
        &self,
        io: &Io<'_>,
        kind: BoxKind,
        step: usize,
        bundle: Contents,
    ) -> Zeroizing<Vec<u8>> {
        let bundle = Bundle {
            version: Version::V1,
            call_id: self.id.to_string(),
            party_id: io.own.party(),
            contents: bundle.contents,
            acknowledges: bundle.acknowledges,
            wants_acknowledgement: bundle.wants_acknowledgement,
        };
        let mut json = Zeroizing::new(bundle.to_json());
        kind.pad(&mut json, step);
        json
    }

    /// Message 2 says that it rings, that we are busy, that the clocks differ, or brings the answer. Everything else follows in ratchet messages.
    fn write_message_2(&self, io: &mut Io<'_>, party: &mut Party) {
        let Link::Received(received) = std::mem::replace(&mut party.link, Link::Gone) else {
            return;
        };
        let (mut contents, later): (Vec<_>, Vec<_>) = std::mem::take(&mut party.pending)
            .into_iter()
            .partition(Content::fits_message_2);
        // Something waits that only a ratchet message may hold, a reject say. None is read before
        // message 2, which then says the least it can.
        if contents.is_empty() {
            contents.push(Content::Ringing);
        }
        let rest = contents.split_off(amount_that_fits(&contents, BoxKind::Message2));
        party.pending = rest.into_iter().chain(later).collect();
        let contents = Contents {
            contents,
            acknowledges: Vec::new(),
            wants_acknowledgement: true,
        };
        let payload = self.bundle(io, BoxKind::Message2, MATRIX_STEP, contents);
        let (established, sealed) = received.write_message_2(&mut io.rng, &payload);
        party.link = Link::Open(RatchetSession::new(Role::Callee, established));
        party.delivery.push(
            io.now,
            MessageName::Message2,
            SealedBox {
                kind: BoxKind::Message2,
                sealed,
            },
        );
    }

    /// Seals the pending contents and acknowledgements, if there are any, as one ratchet message.
    fn speak_to(&self, io: &mut Io<'_>, situation: &Situation, id: &PartyId, party: &mut Party) {
        let due = party.acknowledge_at.is_some_and(|at| at <= io.now);
        // Every message is kept until it is acknowledged, so contents wait when too many are. What
        // we owe goes all the same: if both ends held that back, neither would get on.
        let held_back = party.pending.is_empty() || party.delivery.len() >= MAX_UNDELIVERED;
        if held_back && !due {
            return;
        }
        let ways = self.ways(situation, id);
        let over_matrix = party.acknowledge_over_matrix && (ways.matrix || situation.over);
        let amount = if held_back {
            0
        } else {
            amount_that_fits(&party.pending, BoxKind::Ratchet)
        };
        // A peer of an older version reads nothing of a message with a roster, so that nothing else may be in it.
        let amount = amount_beside_rosters(&party.pending[..amount]);
        let mut contents: Vec<Content> = party.pending.drain(..amount).collect();
        let is_roster = matches!(contents[..], [Content::Roster(_)]);
        let is_hangup = contents
            .iter()
            .any(|content| matches!(content, Content::Hangup { .. }));
        // By an address that is new the path may be found, and it is the one thing that cannot wait until the path counts as dead.
        let finds_path = situation.path_silent
            && contents
                .iter()
                .any(|content| matches!(content, Content::Candidates { .. }));
        let mut wants_acknowledgement = !contents.is_empty();
        if let (Some(nonce), false) = (&party.nonce, party.nonce_sent) {
            let nonce = Hex32(*nonce.as_bytes());
            contents.insert(0, Content::WordsNonce { nonce });
            party.nonce_sent = true;
            // Without it there are no words, so it must arrive, even with an acknowledgement alone. A call that is over needs none.
            wants_acknowledgement |= !situation.over;
        }
        let acknowledges = if is_roster {
            Vec::new()
        } else {
            party.take_acknowledgements()
        };
        let contents = Contents {
            contents,
            acknowledges,
            wants_acknowledgement,
        };
        let step = if ways.data_channel && !ways.matrix && !finds_path {
            DATA_CHANNEL_STEP
        } else {
            MATRIX_STEP
        };
        let payload = self.bundle(io, BoxKind::Ratchet, step, contents);
        let Some(session) = party.ratchet_session() else {
            return;
        };
        let Encrypted {
            id: message,
            bytes,
            media_seed,
        } = session.ratchet.encrypt(&mut io.rng, &payload);
        // Not used yet: the peer cannot open frames of this epoch before it has this message.
        if let Some((epoch, seed)) = media_seed {
            session.epochs.stepped(epoch, seed);
        }
        let name = MessageName::Ratchet(message);
        let message = SealedBox {
            kind: BoxKind::Ratchet,
            sealed: bytes,
        };
        if is_hangup {
            party.delivery.push_hangup(io.now, name, message, ways);
        } else if finds_path {
            party.delivery.push_over_both(io.now, name, message);
        } else if wants_acknowledgement {
            party.delivery.push(io.now, name, message);
        } else {
            self.send_once(
                io,
                &party.device_id,
                message,
                Ways {
                    matrix: !ways.data_channel || over_matrix,
                    data_channel: ways.data_channel,
                },
            );
        }
        // At once, in a message of its own: nothing else may come to wake us.
        let owes = party.acknowledge_at.is_some_and(|at| at <= io.now);
        if !party.pending.is_empty() || (is_roster && owes) {
            self.speak_to(io, situation, id, party);
        }
    }

    /// An acknowledgement alone is not repeated: the peer repeats its message instead.
    fn send_once(&self, io: &mut Io<'_>, to: &DeviceId, message: SealedBox, ways: Ways) {
        if ways.matrix {
            self.request_send(io, Waiting::Acknowledgement, to, &message);
        }
        if ways.data_channel {
            io.outputs
                .push_back(Output::Control(self.call, message.sealed));
        }
    }
}

/// How many of the contents go into one message, by number and by bytes. Each of ours fits alone.
fn amount_that_fits(contents: &[Content], kind: BoxKind) -> usize {
    let mut room = kind.room() - AROUND_CONTENTS;
    let fits = |content: &&Content| {
        let left = room.checked_sub(content.json_len() + 1);
        room = left.unwrap_or(0);
        left.is_some()
    };
    // Room for the words nonce.
    let contents = contents.iter().take(MAX_CONTENTS - 1);
    contents.take_while(fits).count()
}

/// How many of these go into one message: a roster goes alone.
fn amount_beside_rosters(contents: &[Content]) -> usize {
    let is_roster = |content: &Content| matches!(content, Content::Roster(_));
    match contents.iter().position(is_roster) {
        Some(0) => 1,
        Some(before) => before,
        None => contents.len(),
    }
}

/// Whether an SDP of ours is one that a peer takes.
pub(crate) fn can_be_sent(sdp: &str) -> bool {
    let json = Content::Answer {
        answer: Description::answer(sdp),
    };
    sdp.len() <= MAX_SDP && json.json_len() <= MAX_SDP_JSON
}

/// What a bundle is made of.
pub(super) struct Contents {
    pub(super) contents: Vec<Content>,
    pub(super) acknowledges: Vec<securecall_signaling::Acknowledgement>,
    pub(super) wants_acknowledgement: bool,
}

#[cfg(test)]
mod tests {
    use securecall_contact::{MatrixId, SecureCallId};
    use securecall_crypto::IdentityKey;
    use securecall_signaling::{
        Acknowledgement, ConferenceId, ConferenceInvite, Invite, MAX_ACKNOWLEDGEMENTS, MAX_MEMBERS,
        Membership, MembershipState, PartyId, Person, Roster,
    };

    use super::*;

    #[test]
    fn what_stands_around_the_contents_fits_into_its_room_at_its_longest() {
        let bundle = Bundle {
            version: Version::V1,
            call_id: "f".repeat(32),
            // Two bytes each in JSON.
            party_id: PartyId::parse(&"\\".repeat(PartyId::MAX_LEN)).unwrap(),
            contents: vec![Content::WordsNonce {
                nonce: Hex32([0xff; 32]),
            }],
            acknowledges: vec![Acknowledgement(u32::MAX, u32::MAX); MAX_ACKNOWLEDGEMENTS],
            wants_acknowledgement: false,
        };
        assert!(bundle.to_json().len() <= AROUND_CONTENTS);
    }

    #[test]
    fn an_invite_and_a_roster_of_the_longest_people_fit_into_one_message() {
        // Two bytes each in JSON.
        let people = || longest_people(0..MAX_MEMBERS);
        let invite = Content::Invite(Invite {
            offer: Description::offer("\n".repeat(MAX_SDP_JSON / 2)),
            lifetime: u32::MAX,
            sent_at: u64::MAX,
            words_commitment: Hex32([0xff; 32]),
            conference: Some(ConferenceInvite {
                conference_id: ConferenceId::from_random([0xff; 16]),
                rings: false,
                members: people().collect(),
            }),
        });
        let roster = Content::Roster(Roster {
            conference_id: ConferenceId::from_random([0xff; 16]),
            number: u32::MAX,
            members: people()
                .map(|person| Membership {
                    brought_by: Some(person.id()),
                    person,
                    state: MembershipState::Connected,
                })
                .collect(),
        });
        // Message 1 acknowledges nothing, so what stands around its one content is short.
        let around = 2 * PartyId::MAX_LEN + 256;
        assert!(invite.json_len() + around <= BoxKind::Message1.room());
        assert_eq!(amount_that_fits(&[roster], BoxKind::Ratchet), 1);
    }

    #[test]
    fn an_invite_of_seven_with_addresses_as_they_are_has_the_size_of_any_other() {
        let server = "matrix.server-of-some.example.org".parse().unwrap();
        let people = longest_people(0..MAX_MEMBERS - 1).map(|person| {
            let address = MatrixId::of_securecall_id(&person.id(), &server);
            Person::new(person.id(), address).unwrap()
        });
        let conference = ConferenceInvite {
            conference_id: ConferenceId::from_random([0xff; 16]),
            rings: false,
            members: people.collect(),
        };
        let invite = |conference| {
            Content::Invite(Invite {
                // As long as ours are (`docs/protocol/signaling.md`).
                offer: Description::offer("x".repeat(1024)),
                lifetime: 90_000,
                sent_at: 1_800_000_000_000,
                words_commitment: Hex32([0xff; 32]),
                conference,
            })
        };
        let size = |content: &Content| {
            let mut json = vec![b' '; content.json_len() + 160];
            BoxKind::Message1.pad(&mut json, MATRIX_STEP);
            json.len()
        };
        assert_eq!(size(&invite(Some(conference))), size(&invite(None)));
    }

    fn longest_people(numbers: std::ops::Range<usize>) -> impl Iterator<Item = Person> {
        numbers.map(|number| {
            let mut key = [0; 32];
            key[0] = 100 + u8::try_from(number).unwrap();
            let id = SecureCallId::new(&IdentityKey::from_bytes(key).unwrap());
            let localpart = "\"".repeat(MatrixId::MAX_LENGTH - "@:a.b".len());
            let matrix_id = format!("@{localpart}:a.b").parse().unwrap();
            Person::new(id, matrix_id).unwrap()
        })
    }
}
