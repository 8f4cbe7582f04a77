//! Tokens, from the issuer of a lab to a relay.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;

use securecall_ghostnet::IssuerName;
use securecall_ghostnet::token::{
    Challenge, IssuerDirectory, Purchase, Token, TokenKey, TokenResponse, read_www_authenticate,
};
use securecall_interop::{Daemon, free_address};
use securecall_randomness::SystemRandomness;

use crate::client::Client;
use crate::daemon::{Lab, command, lab_with, restrict};

struct Issuer {
    daemon: Daemon,
    address: SocketAddr,
}

impl Issuer {
    fn start(lab: &Lab) -> Self {
        let address = free_address().unwrap();
        let daemon = Daemon::start(
            command()
                .args(["--json", "issuer", "--name", "issuer.test", "--key"])
                .arg(lab.path("issuer.pem"))
                .args(["--listen", &address.to_string()]),
        );
        let daemon = daemon.unwrap();
        Self { daemon, address }
    }

    /// The lines of settings that make a relay take its tokens.
    fn settings(&self) -> String {
        let told = self.daemon.ready();
        format!(
            "[[access.issuers]]\nname = \"issuer.test\"\nkey = {}\nnot_after = {}\n",
            told["token_key"], told["not_after"]
        )
    }

    fn http(&self, head: &str, body: &[u8]) -> (u16, Vec<u8>) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let length = body.len();
        let head = format!("{head}\r\nhost: x\r\ncontent-length: {length}\r\n\r\n");
        stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
        let status = std::str::from_utf8(&answer[9..12]).unwrap();
        (status.parse().unwrap(), answer.split_off(end + 4))
    }

    fn key(&self) -> TokenKey {
        let (status, json) = self.http(
            "GET /.well-known/private-token-issuer-directory HTTP/1.1",
            b"",
        );
        assert_eq!(status, 200);
        let directory = IssuerDirectory::from_json(&json).unwrap();
        assert_eq!(directory.request_uri, "/token-request");
        directory.keys[0].key.clone()
    }

    fn sell(&self, name: &str) -> Token {
        let challenge = Challenge::of_issuer(IssuerName::parse(name).unwrap());
        let (purchase, request) =
            Purchase::new(&self.key(), &challenge, &mut SystemRandomness).unwrap();
        let (status, response) = self.http(
            "POST /token-request HTTP/1.1\r\ncontent-type: application/private-token-request",
            &request.to_bytes(),
        );
        assert_eq!(status, 200);
        let response = TokenResponse::from_bytes(&response).unwrap();
        purchase.finish(&response).unwrap()
    }
}

/// A lab whose relay takes tokens, and nothing else unless it is said.
fn lab_of(limits: &str) -> (Lab, Issuer) {
    let lab = lab_with(limits);
    let issuer = Issuer::start(&lab);
    let settings = std::fs::read_to_string(lab.settings()).unwrap();
    let settings = settings.replace("[access]\nsecret_file = \"secret\"\n", &issuer.settings());
    std::fs::write(lab.settings(), settings).unwrap();
    (lab, issuer)
}

#[tokio::test]
async fn a_token_is_good_once() {
    let (lab, issuer) = lab_of("");
    let daemon = lab.start();
    let mut client = Client::connect(daemon.address()).await;
    let token = issuer.sell("issuer.test");
    let shown = token.authorization();
    assert_eq!(client.bind_by(&shown).await.status(), 200);
    assert_eq!(client.bind_by(&shown).await.status(), 401);
    let mut other = Client::connect(daemon.address()).await;
    assert_eq!(other.bind_by(&shown).await.status(), 401);
    assert_eq!(daemon.figure("tokens_replayed_total"), 2);
    assert_eq!(daemon.figure("tokens_remembered"), 1);
    // Not even when keys are read anew.
    assert!(daemon.reload().await);
    let next = issuer.sell("issuer.test");
    assert_eq!(other.bind_by(&next.authorization()).await.status(), 200);
    assert_eq!(other.bind_by(&shown).await.status(), 401);
}

#[tokio::test]
async fn a_token_is_good_once_whenever_the_relay_was_started() {
    let (lab, issuer) = lab_of("");
    let file = lab.path("spent-tokens");
    let daemon = lab.start();
    let token = issuer.sell("issuer.test");
    let mut client = Client::connect(daemon.address()).await;
    assert_eq!(client.bind_by(&token.authorization()).await.status(), 200);
    client.quic.close(0_u8.into(), b"");
    let (_, lab) = daemon.terminated();
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let written = std::fs::read(&file).unwrap();
    let shown = token.as_bytes();
    // Neither its nonce nor its signature: no eight bytes of it but the name of the key.
    let without_key = [&shown[..66], &shown[98..]];
    for part in without_key {
        for piece in part.windows(8) {
            assert!(!written.windows(8).any(|bytes| bytes == piece));
        }
    }

    let daemon = lab.start();
    let mut client = Client::connect(daemon.address()).await;
    assert_eq!(client.bind_by(&token.authorization()).await.status(), 401);
    assert_eq!(daemon.figure("tokens_remembered"), 1);
    let next = issuer.sell("issuer.test").authorization();
    assert_eq!(client.bind_by(&next).await.status(), 200);
    client.quic.close(0_u8.into(), b"");
    let (_, lab) = daemon.terminated();

    // What cannot be read is not taken for nothing.
    std::fs::write(&file, &written[..written.len() - 1]).unwrap();
    let refused = command()
        .args(["run", "--config"])
        .arg(lab.settings())
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(3));
    let told = String::from_utf8_lossy(&refused.stderr);
    assert!(
        told.contains("spent-tokens") && told.contains("move it away"),
        "{told}"
    );
}

#[tokio::test]
async fn what_is_asked_for_can_be_bought_and_nothing_else_is_taken() {
    let (lab, issuer) = lab_of("");
    let stranger = lab_with("");
    let stranger = Issuer::start(&stranger);
    let daemon = lab.start();
    let mut client = Client::connect(daemon.address()).await;
    let refused = client.bind_by("PrivateToken token=\"AAAA\"").await;
    assert_eq!(refused.status(), 401);
    let offers = read_www_authenticate(refused.field("www-authenticate")).unwrap();
    let issuer_name = IssuerName::parse("issuer.test").unwrap();
    assert_eq!(offers[0].challenge, Challenge::of_issuer(issuer_name));
    assert_eq!(offers[0].token_key, Some(issuer.key()));

    let of_stranger = stranger.sell("issuer.test");
    let for_other_name = issuer.sell("other.test");
    let mut bytes = issuer.sell("issuer.test").as_bytes().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    let forged = Token::from_bytes(&bytes).unwrap();
    for token in [of_stranger, for_other_name, forged] {
        let answer = client.bind_by(&token.authorization()).await;
        assert_eq!(answer.status(), 401);
    }
    // Whoever has bought a good one has it still after a refusal for another reason.
    let good = issuer.sell("issuer.test");
    let path = securecall_relay::masque::Target::Address("198.51.100.7:9".parse().unwrap()).path();
    let fields = [("authorization", good.authorization())];
    let fields: Vec<_> = fields.iter().map(|(n, v)| (*n, v.as_str())).collect();
    assert_eq!(client.ask(&path, &fields).await.status(), 403);
    assert_eq!(client.bind_by(&good.authorization()).await.status(), 200);
}

#[tokio::test]
async fn a_relay_that_can_remember_no_more_tokens_takes_none() {
    let (lab, issuer) = lab_of("spent_tokens = 1");
    let daemon = lab.start();
    let mut client = Client::connect(daemon.address()).await;
    let sold = || issuer.sell("issuer.test").authorization();
    assert_eq!(client.bind_by(&sold()).await.status(), 200);
    assert_eq!(client.bind_by(&sold()).await.status(), 503);
}

#[tokio::test]
async fn tokens_of_a_key_whose_time_is_over_are_not_taken() {
    let (lab, issuer) = lab_of("");
    let settings = std::fs::read_to_string(lab.settings()).unwrap();
    let not_after = format!("not_after = {}", issuer.daemon.ready()["not_after"]);
    std::fs::write(
        lab.settings(),
        settings.replace(&not_after, "not_after = 1000"),
    )
    .unwrap();
    let checked = command()
        .args(["check", "--config"])
        .arg(lab.settings())
        .output()
        .unwrap();
    let told = String::from_utf8(checked.stdout).unwrap();
    assert!(told.contains("no key of an issuer is valid now"), "{told}");
    let daemon = lab.start();
    let mut client = Client::connect(daemon.address()).await;
    let sold = issuer.sell("issuer.test");
    assert_eq!(client.bind_by(&sold.authorization()).await.status(), 401);
}

#[test]
fn the_issuer_keeps_its_key_and_refuses_what_is_no_request() {
    let lab = lab_with("");
    let first = Issuer::start(&lab);
    let key = lab.path("issuer.pem");
    let mode = std::fs::metadata(&key).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let told = first.daemon.ready()["token_key"].clone();
    for (status, head, body) in [
        (404, "GET / HTTP/1.1", &b""[..]),
        (404, "POST / HTTP/1.1", b""),
        (415, "POST /token-request HTTP/1.1", b""),
        (
            400,
            "POST /token-request HTTP/1.1\r\ncontent-type: application/private-token-request",
            b"short",
        ),
        (
            422,
            "POST /token-request HTTP/1.1\r\ncontent-type: application/private-token-request",
            &[&[0, 2, 0][..], &[0xff; 256]].concat(),
        ),
        (400, "POST /token-request", b""),
    ] {
        assert_eq!(first.http(head, body).0, status, "{head}");
    }
    drop(first);
    assert_eq!(Issuer::start(&lab).daemon.ready()["token_key"], told);
    std::fs::write(&key, "no key").unwrap();
    restrict(&key);
    let refused = command()
        .args(["issuer", "--key"])
        .arg(&key)
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(2));
    let open = command()
        .args(["issuer", "--listen", "0.0.0.0:0", "--key"])
        .arg(lab.path("other.pem"))
        .output()
        .unwrap();
    assert_eq!(open.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&open.stderr).contains("loopback"));
    assert!(!lab.path("other.pem").exists());
}
