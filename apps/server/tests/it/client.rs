//! A client of enrolment, of the same parts as the real one, that can be told to misbehave.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use securecall_contact::enrolment::{
    AccountPassword, EnrolmentAnswer, EnrolmentChallenge, EnrolmentOutcome, EnrolmentRequest,
    EnrolmentStatement, Refusal,
};
use securecall_contact::{MatrixId, SecureCallId};
use securecall_crypto::{EnrolmentProof, IdentityKeyPair, IdentitySeed};

use crate::process::DOMAIN;

/// What clients' passwords are derived for, as the settings of all labs have it.
pub(crate) const HOST: &str = "matrix.homeserver.test";

const ENROLMENT: &str = "/_securecall/v1/enrolment";

/// An answer of HTTP.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

/// Says these bytes, and reads all that comes.
pub(crate) fn say(address: SocketAddr, bytes: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    // Who is refused early may be hung up on while still talking.
    let _ = stream.write_all(bytes);
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all);
    let end = all.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("no answer: {:?}", String::from_utf8_lossy(&all)));
    let head = String::from_utf8(all[..end].to_vec()).unwrap();
    Answer {
        status: head[9..12].parse().unwrap(),
        head,
        body: all[end + 4..].to_vec(),
    }
}

pub(crate) fn get(address: SocketAddr, path: &str) -> Answer {
    say(
        address,
        format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes(),
    )
}

/// Posts with more header lines, each ended by `\r\n`.
pub(crate) fn post(address: SocketAddr, path: &str, headers: &str, body: &[u8]) -> Answer {
    let mut request = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n",
        body.len()
    )
    .into_bytes();
    request.extend(body);
    say(address, &request)
}

/// Somebody with an identity.
pub(crate) struct Person {
    pub(crate) identity: IdentityKeyPair,
    pub(crate) password: AccountPassword,
    pub(crate) invitation: Option<String>,
    /// Whose request the proxy says it is.
    pub(crate) from: Option<String>,
}

impl Person {
    pub(crate) fn new(number: u64) -> Self {
        let seed = IdentitySeed::generate(&mut ChaCha20Rng::seed_from_u64(number));
        Self {
            identity: IdentityKeyPair::from_seed(&seed),
            password: seed.account_password(HOST).parse().unwrap(),
            invitation: None,
            // One network each, unless a test says otherwise.
            from: Some(format!("198.51.{}.{}", number / 250 % 250, number % 250)),
        }
    }

    pub(crate) fn matrix_id(&self) -> MatrixId {
        MatrixId::of_securecall_id(&self.id(), &DOMAIN.parse().unwrap())
    }

    pub(crate) fn id(&self) -> SecureCallId {
        SecureCallId::new(&self.identity.public())
    }

    fn headers(&self) -> String {
        let from = self.from.as_ref();
        from.map_or_else(String::new, |from| format!("x-forwarded-for: {from}\r\n"))
    }

    pub(crate) fn challenge(&self, server: SocketAddr) -> EnrolmentChallenge {
        let path = format!("{ENROLMENT}/challenge");
        let answer = post(server, &path, &self.headers(), b"{}");
        assert_eq!(answer.status, 200, "{answer:?}");
        EnrolmentChallenge::from_json(&answer.body).unwrap()
    }

    /// The proof of a statement of these parts.
    pub(crate) fn prove(
        &self,
        challenge: &EnrolmentChallenge,
        host: &str,
        matrix_id: &MatrixId,
    ) -> EnrolmentProof {
        let statement = EnrolmentStatement {
            challenge: &challenge.id,
            host,
            matrix_id,
            password: &self.password,
        };
        self.identity
            .prove_enrolment(&challenge.key, &statement.to_bytes())
            .unwrap()
    }

    /// A right request.
    pub(crate) fn request(&self, challenge: &EnrolmentChallenge) -> EnrolmentRequest {
        let matrix_id = self.matrix_id();
        EnrolmentRequest {
            challenge: challenge.id.clone(),
            proof: self.prove(challenge, HOST, &matrix_id),
            matrix_id,
            password: self.password.clone(),
            invitation: self.invitation.as_ref().map(|code| code.parse().unwrap()),
        }
    }

    /// Sends it.
    pub(crate) fn send(
        &self,
        server: SocketAddr,
        request: &EnrolmentRequest,
    ) -> Result<EnrolmentOutcome, Refusal> {
        let answer = self.send_bytes(server, &request.to_json());
        let said =
            EnrolmentAnswer::from_json(&answer.body).unwrap_or_else(|_| panic!("{answer:?}"));
        assert_eq!(answer.status, said.status());
        match said {
            EnrolmentAnswer::Outcome(outcome) => Ok(outcome),
            EnrolmentAnswer::Refused(refusal) => Err(refusal),
        }
    }

    pub(crate) fn send_bytes(&self, server: SocketAddr, bytes: &[u8]) -> Answer {
        post(server, ENROLMENT, &self.headers(), bytes)
    }

    /// All of it, as a client does.
    pub(crate) fn enroll(&self, server: SocketAddr) -> Result<EnrolmentOutcome, Refusal> {
        let challenge = self.challenge(server);
        self.send(server, &self.request(&challenge))
    }
}
