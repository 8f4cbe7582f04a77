//! Relay tokens and TURN credentials: for users of the homeserver, who are known, and for nobody else.

use std::net::SocketAddr;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use securecall_ghostnet::IssuerName;
use securecall_ghostnet::token::{Challenge, IssuerDirectory, Purchase, TokenKey, TokenResponse};
use securecall_interop::WebServer;

use crate::client::{Answer, Person, get, post, say};
use crate::process::{DOMAIN, Lab, Server, obeys_operators, obliging};

const REQUEST: &str = "content-type: application/private-token-request\r\n";

/// An issuer, as settings and buyers know it.
pub(crate) struct LabIssuer {
    pub(crate) settings: String,
    key: TokenKey,
}

/// Makes a key, and settings that sell so many a day.
pub(crate) fn issuer_settings(lab: &Lab, per_day: u32) -> LabIssuer {
    let file = lab.path("issuer.pem");
    let made = lab.told(&["issuer-key", file.to_str().unwrap()]);
    // As systemd gives it to the server: beside a copy of the settings, in another folder.
    assert_eq!(made[0]["file"], "issuer.pem");
    LabIssuer {
        settings: format!(
            "[issuer]\nname = \"{DOMAIN}\"\nkeys = [{{ file = \"issuer.pem\", not_after = 4000000000 }}]\nper_account_per_day = {per_day}\n"
        ),
        key: TokenKey::from_base64url(made[0]["token_key"].as_str().unwrap()).unwrap(),
    }
}

/// A token that is wanted, and the request for it.
pub(crate) fn purchase(issuer: &LabIssuer) -> (Purchase, Vec<u8>) {
    let challenge = Challenge::of_issuer(IssuerName::parse(DOMAIN).unwrap());
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let (purchase, request) = Purchase::new(&issuer.key, &challenge, &mut rng).unwrap();
    (purchase, request.to_bytes())
}

/// Buys a token; one that was sold is looked at.
pub(crate) fn buy(issuer: &LabIssuer, server: SocketAddr, open_id: Option<&str>) -> u16 {
    let (purchase, request) = purchase(issuer);
    let authorization = open_id.map_or_else(String::new, |token| {
        format!("authorization: Bearer {token}\r\n")
    });
    let headers = format!("{REQUEST}{authorization}");
    let answer = post(server, "/token-request", &headers, &request);
    if answer.status == 200 {
        let response = TokenResponse::from_bytes(&answer.body).unwrap();
        purchase.finish(&response).unwrap();
        assert_eq!(
            answer.header("content-type"),
            Some("application/private-token-response")
        );
    }
    answer.status
}

fn knows(homeserver: &WebServer, token: &str, user: &str) {
    homeserver.answer(
        &format!("access_token={token} "),
        "200 OK",
        &format!(r#"{{"sub":"{user}"}}"#),
    );
}

fn lab(per_day: u32) -> (WebServer, LabIssuer, Server) {
    let homeserver = obliging();
    homeserver.answer(
        "/openid/userinfo",
        "401 Unauthorized",
        r#"{"errcode":"M_UNKNOWN_TOKEN"}"#,
    );
    knows(&homeserver, "alice", &format!("@alice:{DOMAIN}"));
    let lab = Lab::new(homeserver.address(), "");
    let issuer = issuer_settings(&lab, per_day);
    lab.secret("turn_secret", "north of somewhere");
    let settings = std::fs::read_to_string(lab.settings()).unwrap();
    std::fs::write(
        lab.settings(),
        format!(
            "{settings}{}[turn]\nuris = [\"turns:turn.test:5349?transport=tcp\"]\nsecret_file = \"turn_secret\"\n[limits]\nper_network_per_minute = 10000\n",
            issuer.settings
        ),
    )
    .unwrap();
    (homeserver, issuer, lab.start())
}

#[test]
fn a_user_buys_so_many_a_day_and_the_homeserver_is_asked_once() {
    let (homeserver, issuer, server) = lab(3);
    let address = server.address();
    for status in [200, 200, 200, 429, 429] {
        assert_eq!(buy(&issuer, address, Some("alice")), status);
    }
    let asked = homeserver.requests();
    let asked = asked.iter().filter(|it| it.line.contains("userinfo"));
    assert_eq!(asked.count(), 1);
    // Whoever it is, the table does not say.
    let kept = std::fs::read(server.lab.path("server.db-wal")).unwrap_or_default();
    assert!(!kept.windows(5).any(|it| it == b"alice"));
    assert_eq!(server.figure("tokens_total{outcome=\"issued\"}"), 3);
}

#[test]
fn nobody_else_buys() {
    let (homeserver, issuer, server) = lab(3);
    let address = server.address();
    knows(&homeserver, "elsewhere", "@alice:elsewhere.test");
    knows(&homeserver, "nobody", "alice");
    knows(&homeserver, "twice", &format!("@alice:{DOMAIN}:8448"));
    for token in [
        None,
        Some("unknown"),
        Some("elsewhere"),
        Some("nobody"),
        Some("twice"),
        Some(""),
        Some(&"a".repeat(2_000)),
    ] {
        assert_eq!(buy(&issuer, address, token), 401, "{token:?}");
    }
    // What cannot be a token is not asked about.
    let asked = homeserver.requests();
    let asked = asked.iter().filter(|it| it.line.contains("userinfo"));
    assert_eq!(asked.count(), 4);
    homeserver.answer("access_token=down ", "502 Bad Gateway", "");
    assert_eq!(buy(&issuer, address, Some("down")), 503);
    let authorization = "authorization: Bearer alice\r\n";
    let wrong = |headers: &str, body: &[u8]| post(address, "/token-request", headers, body).status;
    let (_, right) = purchase(&issuer);
    assert_eq!(wrong(authorization, &right), 415);
    assert_eq!(wrong(&format!("{REQUEST}{authorization}"), b"x"), 422);
    // For another key: nothing is signed.
    let mut bytes = vec![0, 2, 0];
    bytes.extend([0; 256]);
    let status = wrong(&format!("{REQUEST}{authorization}"), &bytes);
    assert_eq!(status, 422);
}

#[test]
fn who_was_shut_out_buys_nothing_with_a_token_that_the_homeserver_still_knows() {
    let (homeserver, issuer, server) = lab(3);
    let person = Person::new(1);
    knows(&homeserver, "theirs", person.matrix_id().as_str());
    assert_eq!(buy(&issuer, server.address(), Some("theirs")), 200);
    obeys_operators(&homeserver);
    let who = person.id().to_string();
    server.lab.told(&["user", "disable", &who]);
    assert_eq!(buy(&issuer, server.address(), Some("theirs")), 401);
}

#[test]
fn the_issuer_says_which_keys_it_has() {
    let (_homeserver, issuer, server) = lab(3);
    let answer = get(
        server.address(),
        "/.well-known/private-token-issuer-directory",
    );
    assert_eq!(
        answer.header("content-type"),
        Some("application/private-token-issuer-directory")
    );
    let directory = IssuerDirectory::from_json(&answer.body).unwrap();
    assert_eq!(directory.request_uri, "/token-request");
    assert_eq!(directory.keys.len(), 1);
    assert_eq!(directory.keys[0].key, issuer.key);
    let document = get(server.address(), "/.well-known/securecall/server.json").json();
    assert_eq!(document["issuer"], DOMAIN);
    assert_eq!(document["turn"], "/_securecall/v1/turn");
}

#[test]
fn turn_credentials_name_nobody() {
    let (_homeserver, _issuer, server) = lab(3);
    let ask = |headers: &str| post(server.address(), "/_securecall/v1/turn", headers, b"");
    assert_eq!(ask("").status, 401);
    let given = |answer: Answer| {
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        answer.json()
    };
    let one = given(ask("authorization: Bearer alice\r\n"));
    let other = given(ask("authorization: Bearer alice\r\n"));
    let user = one["username"].as_str().unwrap();
    assert!(!user.contains("alice"), "{user}");
    assert_ne!(one["username"], other["username"]);
    assert_eq!(one["ttl"], 3600);
    assert_eq!(one["uris"][0], "turns:turn.test:5349?transport=tcp");
}

#[test]
fn matrix_clients_get_the_same_where_they_ask_their_homeserver() {
    let (homeserver, issuer, server) = lab(3);
    let path = "/_matrix/client/v3/voip/turnServer";
    let ask = |token: &str| {
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: {DOMAIN}\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\r\n"
        );
        say(server.address(), request.as_bytes())
    };
    homeserver.answer(
        "/account/whoami",
        "401 Unauthorized",
        r#"{"errcode":"M_UNKNOWN_TOKEN"}"#,
    );
    // Known as an OpenID token, and as nothing else.
    assert_eq!(buy(&issuer, server.address(), Some("alice")), 200);
    assert_eq!(ask("alice").status, 401);
    let user = format!(r#"{{"user_id":"@alice:{DOMAIN}","device_id":"D"}}"#);
    homeserver.answer("/account/whoami", "200 OK", &user);
    let answer = ask("syt_alice");
    // Element is a page.
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    let credentials = answer.json();
    assert!(!credentials["username"].as_str().unwrap().contains("alice"));
    assert_eq!(credentials["uris"][0], "turns:turn.test:5349?transport=tcp");
    // And the other way round: it buys nothing.
    assert_eq!(buy(&issuer, server.address(), Some("syt_alice")), 401);
    homeserver.answer(
        "/account/whoami",
        "200 OK",
        r#"{"user_id":"@alice:elsewhere.test"}"#,
    );
    assert_eq!(ask("other").status, 401);
}
