//! Challenges of enrolment. None is kept: what a challenge says is in its own name, with a seal of this server.
//!
//! So a flood of them costs no memory, and of several servers that share a secret any takes what another has asked. That each is
//! answered once is the repository's to see to.

use std::fmt;
use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use securecall_contact::ServerName;
use securecall_contact::enrolment::{ChallengeId, EnrolmentChallenge, Refusal};
use securecall_crypto::EnrolmentKeyPair;
use securecall_ghostnet::UnixTime;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

const TIME: usize = 8;
const RANDOM: usize = 16;
const TAG: usize = 16;
const LENGTH: usize = TIME + RANDOM + TAG;

const TAG_LABEL: &[u8] = b"securecall-server challenge tag\0";
const KEY_LABEL: &[u8] = b"securecall-server challenge key\0";

/// Makes and takes them.
pub(crate) struct Challenges {
    secret: Zeroizing<String>,
    server_name: ServerName,
    lifetime: Duration,
}

/// One that may be answered.
pub(crate) struct OpenChallenge {
    not_after: UnixTime,
    tag: [u8; TAG],
    pub(crate) key: EnrolmentKeyPair,
}

impl Challenges {
    pub(crate) fn new(
        secret: Zeroizing<String>,
        server_name: ServerName,
        lifetime: Duration,
    ) -> Self {
        Self {
            secret,
            server_name,
            lifetime,
        }
    }

    /// A new one. `random` is used for nothing else.
    pub(crate) fn ask(&self, now: UnixTime, random: [u8; RANDOM]) -> EnrolmentChallenge {
        let not_after = now.plus(self.lifetime.as_secs());
        let mut id = not_after.as_secs().to_be_bytes().to_vec();
        id.extend(random);
        id.extend(self.tag(&id));
        let key = self.key(&id).public();
        EnrolmentChallenge {
            #[expect(clippy::expect_used, reason = "40 bytes are between 16 and 128")]
            id: ChallengeId::from_bytes(id).expect("its length is one"),
            key,
            server_name: self.server_name.clone(),
        }
    }

    /// One that this server, or one with the same secret, has asked, and that has not expired.
    pub(crate) fn open(&self, now: UnixTime, id: &ChallengeId) -> Result<OpenChallenge, Refusal> {
        let id: &[u8; LENGTH] = id
            .as_bytes()
            .try_into()
            .map_err(|_| Refusal::ChallengeOver)?;
        let (stated, tag) = id.split_at(TIME + RANDOM);
        let right = self.tag(stated);
        if !bool::from(right.as_slice().ct_eq(tag)) {
            return Err(Refusal::ChallengeOver);
        }
        let mut time = [0; TIME];
        time.copy_from_slice(&id[..TIME]);
        let not_after = UnixTime::from_secs(u64::from_be_bytes(time));
        if not_after <= now {
            return Err(Refusal::ChallengeOver);
        }
        Ok(OpenChallenge {
            not_after,
            tag: right,
            key: self.key(id),
        })
    }

    fn tag(&self, stated: &[u8]) -> [u8; TAG] {
        let whole = self.hmac(&[
            TAG_LABEL,
            self.server_name.as_str().as_bytes(),
            b"\0",
            stated,
        ]);
        let mut tag = [0; TAG];
        tag.copy_from_slice(&whole[..TAG]);
        tag
    }

    /// As fresh as the challenge: nobody without the secret could have known it.
    fn key(&self, id: &[u8]) -> EnrolmentKeyPair {
        EnrolmentKeyPair::from_bytes(&self.hmac(&[KEY_LABEL, id]))
    }

    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    fn hmac(&self, parts: &[&[u8]]) -> Zeroizing<[u8; 32]> {
        let mut hmac =
            Hmac::<Sha256>::new_from_slice(self.secret.as_bytes()).expect("any length will do");
        for part in parts {
            hmac.update(part);
        }
        Zeroizing::new(hmac.finalize().into_bytes().into())
    }
}

impl OpenChallenge {
    /// What tells it from all others.
    pub(crate) const fn tag(&self) -> &[u8; TAG] {
        &self.tag
    }

    /// When it expires.
    pub(crate) const fn not_after(&self) -> UnixTime {
        self.not_after
    }
}

impl fmt::Debug for OpenChallenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenChallenge")
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime::from_secs(1_795_000_000);

    pub(crate) fn challenges(secret: &str, server_name: &str) -> Challenges {
        Challenges::new(
            Zeroizing::new(secret.to_owned()),
            server_name.parse().unwrap(),
            Duration::from_secs(120),
        )
    }

    #[test]
    fn a_challenge_is_open_for_its_time_and_at_its_server() {
        let here = challenges("secret", "example.org");
        let asked = here.ask(NOW, [7; 16]);
        let open = here.open(NOW, &asked.id).unwrap();
        assert_eq!(open.key.public(), asked.key);
        assert_eq!(open.not_after(), NOW.plus(120));
        assert!(here.open(NOW.plus(119), &asked.id).is_ok());
        let over = |challenges: &Challenges, now| {
            let opened = challenges.open(now, &asked.id);
            assert_eq!(opened.unwrap_err(), Refusal::ChallengeOver);
        };
        over(&here, NOW.plus(120));
        over(&challenges("another", "example.org"), NOW);
        over(&challenges("secret", "example.net"), NOW);
    }

    #[test]
    fn no_bit_of_a_challenge_can_be_changed() {
        let here = challenges("secret", "example.org");
        let id = here.ask(NOW, [7; 16]).id;
        for bit in 0..8 * LENGTH {
            let mut bytes = id.as_bytes().to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let forged = ChallengeId::from_bytes(bytes).unwrap();
            assert!(here.open(NOW, &forged).is_err(), "bit {bit}");
        }
        for length in [16, LENGTH - 1, LENGTH + 1, 128] {
            let forged = ChallengeId::from_bytes(vec![0; length]).unwrap();
            assert!(here.open(NOW, &forged).is_err());
        }
    }

    #[test]
    fn each_challenge_has_a_key_of_its_own() {
        let here = challenges("secret", "example.org");
        let (one, other) = (here.ask(NOW, [1; 16]), here.ask(NOW, [2; 16]));
        assert_ne!(one.key, other.key);
        assert_ne!(one.id, other.id);
    }
}
