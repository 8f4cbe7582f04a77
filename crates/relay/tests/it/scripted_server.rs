//! A TURN server that says what a test wants it to.

use std::net::SocketAddr;

use securecall_relay::stun::{
    AttributeType, Class, IntegrityAlgorithm, IntegrityKey, Message, MessageBuilder, Method,
};
use securecall_relay::{Credentials, Datagram, ServerLink, TurnFailure, TurnServer, TurnSource};
use web_time::Instant;
use zeroize::Zeroizing;

use crate::network::{Network, Server, address, ids};

pub(crate) const LISTEN: &str = "198.51.100.8:3478";
pub(crate) const SOCKET: &str = "10.0.0.2:5000";
pub(crate) const PEER: &str = "203.0.113.9:7000";

pub(crate) fn credentials(username: &str, password: &str) -> Credentials {
    Credentials::new(username, Zeroizing::new(password.to_owned())).unwrap()
}

/// A server that knows Ada, over datagrams.
pub(crate) fn server_at(text: &str) -> TurnServer {
    TurnServer {
        address: address(text),
        link: ServerLink::Udp,
        credentials: credentials("ada", "secret"),
    }
}

pub(crate) fn key() -> IntegrityKey {
    IntegrityKey::long_term(IntegrityAlgorithm::Md5, "ada", "example.org", "secret")
}

/// What it says to a request.
pub(crate) type Script = Box<dyn FnMut(&Message<'_>) -> Option<Vec<u8>>>;

/// A server that first asks for a password, as all do, and then follows a script.
pub(crate) struct Scripted {
    pub(crate) listen: SocketAddr,
    pub(crate) script: Script,
}

impl Scripted {
    pub(crate) fn new(
        listen: &str,
        script: impl FnMut(&Message<'_>) -> Option<Vec<u8>> + 'static,
    ) -> Self {
        Self {
            listen: address(listen),
            script: Box::new(script),
        }
    }

    /// Grants whatever it is asked for.
    pub(crate) fn granting(listen: &str) -> Self {
        Self::new(listen, |request| {
            Some(grant(request).integrity(&key()).finish())
        })
    }

    /// Grants addresses, and then takes the name no more: as servers say it that end names at their time.
    pub(crate) fn keeping_none(listen: &str) -> Self {
        Self::new(listen, |request| {
            Some(match request.method() {
                Method::Allocate => grant(request).integrity(&key()).finish(),
                _ => challenge(request, 401),
            })
        })
    }

    pub(crate) fn answer(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let message = Message::parse(bytes).ok()?;
        if message.class() != Class::Request {
            return None;
        }
        if message.attribute(AttributeType::USERNAME).is_none() {
            return Some(challenge(&message, 401));
        }
        assert!(message.is_authentic(&key()), "{message:?}");
        (self.script)(&message)
    }
}

impl Server for Scripted {
    fn owns(&self, address: SocketAddr) -> bool {
        address == self.listen
    }

    fn handle(&mut self, _now: Instant, packet: Datagram) -> Vec<Datagram> {
        let answer = self.answer(&packet.contents);
        answer
            .map(|contents| Datagram {
                source: self.listen,
                destination: packet.source,
                contents,
            })
            .into_iter()
            .collect()
    }
}

pub(crate) fn challenge(request: &Message<'_>, code: u16) -> Vec<u8> {
    refusal(request, code)
        .attribute(AttributeType::REALM, b"example.org")
        .attribute(AttributeType::NONCE, b"a nonce")
        .finish()
}

pub(crate) fn refusal(request: &Message<'_>, code: u16) -> MessageBuilder {
    let value = [0, 0, (code / 100) as u8, (code % 100) as u8];
    MessageBuilder::new(Class::Error, request.method(), request.transaction())
        .attribute(AttributeType::ERROR_CODE, &value)
}

pub(crate) fn grant(request: &Message<'_>) -> MessageBuilder {
    let granted = MessageBuilder::new(Class::Success, request.method(), request.transaction());
    match request.method() {
        Method::Allocate => granted
            .xor_address(
                AttributeType::XOR_RELAYED_ADDRESS,
                address("198.51.100.8:50000"),
            )
            .number(AttributeType::LIFETIME, 600),
        Method::Refresh => granted.number(AttributeType::LIFETIME, 600),
        _ => granted,
    }
}

/// A source that has asked this server, which is at [`LISTEN`], for an address, from [`SOCKET`].
pub(crate) fn network(server: Scripted) -> Network<TurnSource> {
    let source = TurnSource::new([server_at(LISTEN)], ids(2));
    let mut network = Network::new(source).with_server("turn", server);
    network.gather(&[SOCKET]);
    network
}

/// Why servers gave it none.
pub(crate) fn failures(network: &Network<TurnSource>) -> Vec<TurnFailure> {
    let failures = network.source.failures();
    failures.map(|(_, _, failure)| failure.clone()).collect()
}
