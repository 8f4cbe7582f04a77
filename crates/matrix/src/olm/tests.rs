//! Strangers who write to our device, and what is left of them in the store.

use matrix_sdk_crypto::vodozemac::{
    Curve25519PublicKey,
    olm::{Account, OlmMessage, Session, SessionConfig},
};
use ruma::CanonicalJsonValue;
use rusqlite::Connection;
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::{AccountStore, SIGNAL_EVENT_TYPE, StoreKey};

const VICTIM: &str = "@victim:homeserver.test";

struct Victim {
    olm: Olm,
    store: AccountStore,
    identity_keys: matrix_sdk_crypto::types::DeviceKeys,
    fallback_key: Curve25519PublicKey,
    _directory: TempDir,
}

/// A device that nobody has ever heard of, and its sessions with the victim.
struct Stranger {
    user: String,
    account: Account,
    sessions: Vec<Session>,
}

impl Victim {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = AccountStore::new(directory.path(), StoreKey::new([7; 32]));
        let database = store.open().await.unwrap();
        let upkeep = StoreUpkeep::new(store.clone(), VICTIM);
        let olm = Olm::open(
            database,
            upkeep,
            VICTIM.try_into().unwrap(),
            "VICTIM".into(),
        );
        let olm = olm.await.unwrap();
        // A server that knows fallback keys, and has none of ours.
        let first = SyncAnswer {
            unused_fallback_keys: Some(Vec::new()),
            ..SyncAnswer::default()
        };
        olm.receive(first).await.unwrap();
        let requests = olm.machine.read().await.outgoing_requests().await.unwrap();
        let upload = requests.iter().find_map(|request| match request.request() {
            AnyOutgoingRequest::KeysUpload(upload) => Some(upload.clone()),
            _ => None,
        });
        let upload = upload.unwrap();
        let fallback = upload.fallback_keys.values().next().unwrap();
        let fallback: serde_json::Value = serde_json::from_str(fallback.json().get()).unwrap();
        let machine = olm.machine.read().await;
        let user: &UserId = VICTIM.try_into().unwrap();
        let own = machine.get_device(user, "VICTIM".into(), None).await;
        let identity_keys = own.unwrap().unwrap().as_device_keys().clone();
        drop(machine);
        Self {
            olm,
            store,
            identity_keys,
            fallback_key: Curve25519PublicKey::from_base64(fallback["key"].as_str().unwrap())
                .unwrap(),
            _directory: directory,
        }
    }

    async fn receive(&self, events: Vec<ToDevice>) -> usize {
        let answer = SyncAnswer {
            events,
            ..SyncAnswer::default()
        };
        self.olm.receive(answer).await.unwrap().incoming.len()
    }

    fn count(&self, what: &str) -> u32 {
        let database = Connection::open(self.store.database_path()).unwrap();
        let sql = format!("SELECT count(*) FROM {what}");
        database.query_row(&sql, (), |row| row.get(0)).unwrap()
    }

    fn size(&self) -> u64 {
        let database = Connection::open(self.store.database_path()).unwrap();
        let pages: u64 = database
            .query_row("PRAGMA page_count", (), |row| row.get(0))
            .unwrap();
        pages * 4096
    }
}

impl Stranger {
    fn new(number: usize) -> Self {
        Self {
            user: format!("@stranger{number}:homeserver.test"),
            account: Account::new(),
            sessions: Vec::new(),
        }
    }

    fn begin(&mut self, victim: &Victim) {
        let key = victim.identity_keys.curve25519_key().unwrap();
        let session = self.account.create_outbound_session(
            SessionConfig::version_1(),
            key,
            victim.fallback_key,
        );
        self.sessions.push(session.unwrap());
    }

    /// What tells a device that has never heard of us who we are (MSC4147): signed by ourselves.
    fn device_keys(&self) -> serde_json::Value {
        let mut keys = json!({
            "user_id": self.user,
            "device_id": "STRANGER",
            "algorithms": ["m.olm.v1.curve25519-aes-sha2"],
            "keys": {
                "curve25519:STRANGER": self.account.curve25519_key().to_base64(),
                "ed25519:STRANGER": self.account.ed25519_key().to_base64(),
            },
        });
        let signed = CanonicalJsonValue::try_from(keys.clone()).unwrap();
        let signature = self.account.sign(signed.to_string()).to_base64();
        keys["signatures"] = json!({&self.user: {"ed25519:STRANGER": signature}});
        keys
    }

    /// A message in the latest session; the first of it if nobody has answered.
    fn write(&mut self, victim: &Victim) -> ToDevice {
        self.write_of_type(victim, SIGNAL_EVENT_TYPE, &json!({"a": 1}))
    }

    fn write_of_type(
        &mut self,
        victim: &Victim,
        event_type: &str,
        content: &serde_json::Value,
    ) -> ToDevice {
        let payload = json!({
            "type": event_type,
            "sender": self.user,
            "recipient": VICTIM,
            "keys": {"ed25519": self.account.ed25519_key().to_base64()},
            "recipient_keys": {"ed25519": victim.identity_keys.ed25519_key().unwrap().to_base64()},
            "sender_device_keys": self.device_keys(),
            "content": content,
        });
        let message = self
            .sessions
            .last_mut()
            .unwrap()
            .encrypt(payload.to_string());
        let (kind, body) = match message.unwrap() {
            OlmMessage::PreKey(message) => (0, message.to_base64()),
            OlmMessage::Normal(message) => (1, message.to_base64()),
        };
        let key = victim.identity_keys.curve25519_key().unwrap().to_base64();
        let event = json!({
            "type": "m.room.encrypted",
            "sender": self.user,
            "content": {
                "algorithm": "m.olm.v1.curve25519-aes-sha2",
                "sender_key": self.account.curve25519_key().to_base64(),
                "ciphertext": {key: {"type": kind, "body": body}},
            },
        });
        ToDevice::read(event.to_string().as_bytes(), false).unwrap()
    }
}

#[tokio::test]
async fn ten_thousand_messages_of_a_thousand_strangers_leave_little() {
    let victim = Victim::new().await;
    let mut contact = Stranger::new(1_000_000);
    contact.begin(&victim);
    victim.receive(vec![contact.write(&victim)]).await;
    // Our answer is what tells a contact from others.
    victim
        .olm
        .note_use(contact.account.curve25519_key().to_base64());

    let (mut sessions, mut hashes, mut size) = (0, 0, 0);
    let mut strangers: Vec<Stranger> = (0..1_000).map(Stranger::new).collect();
    for stranger in &mut strangers {
        stranger.begin(&victim);
        let messages = (0..10).map(|_| stranger.write(&victim)).collect();
        // Each is opened, so each leaves all that a message can leave.
        assert_eq!(victim.receive(messages).await, 10);
        sessions = sessions.max(victim.count("session"));
        hashes = hashes.max(victim.count("olm_hash"));
        size = size.max(victim.size());
    }
    // No tidying up that anybody has asked for: it happens by itself, after every 256 messages.
    assert!(sessions <= 1 + 512 + 256, "{sessions} sessions");
    assert!(
        (1024..=1024 + 256 + 10).contains(&hashes),
        "{hashes} hashes"
    );
    assert!(size < 2 * 1024 * 1024, "{size} bytes");
    victim.olm.tidy().await.unwrap();
    assert_eq!(victim.count("session"), 1 + 512);
    assert_eq!(victim.count("olm_hash"), 1024);

    // The contact's session is still what it was, and so is the newest of the strangers'.
    assert_eq!(victim.receive(vec![contact.write(&victim)]).await, 1);
    let newest = strangers.last_mut().unwrap().write(&victim);
    assert_eq!(victim.receive(vec![newest]).await, 1);
}

#[tokio::test]
async fn one_device_keeps_its_newest_sessions() {
    let victim = Victim::new().await;
    let mut stranger = Stranger::new(1);
    for _ in 0..20 {
        stranger.begin(&victim);
        victim.receive(vec![stranger.write(&victim)]).await;
    }
    assert_eq!(victim.count("session"), 20);
    victim.olm.tidy().await.unwrap();
    assert_eq!(victim.count("session"), 8);
}

#[tokio::test]
async fn whoever_we_have_written_to_in_a_call_is_kept_until_it_is_over() {
    let victim = Victim::new().await;
    let mut peer = Stranger::new(1);
    for _ in 0..20 {
        peer.begin(&victim);
        victim.receive(vec![peer.write(&victim)]).await;
    }
    victim
        .olm
        .note_use(peer.account.curve25519_key().to_base64());
    victim.olm.tidy().await.unwrap();
    assert_eq!(victim.count("session"), 20);
    victim.olm.unpin();
    victim.olm.tidy().await.unwrap();
    assert_eq!(victim.count("session"), 8);
    assert_eq!(victim.count("securecall_peer"), 1);
}

#[tokio::test]
async fn of_rooms_the_keys_are_kept_and_nothing_else() {
    let victim = Victim::new().await;
    let mut stranger = Stranger::new(1);
    stranger.begin(&victim);
    let withheld = json!({
        "algorithm": "m.megolm.v1.aes-sha2",
        "code": "m.unverified",
        "reason": "x",
        "room_id": "!room:homeserver.test",
        "session_id": "abc",
        "sender_key": stranger.account.curve25519_key().to_base64(),
    });
    let event = stranger.write_of_type(&victim, "m.room_key.withheld", &withheld);
    assert_eq!(victim.receive(vec![event]).await, 0);
    assert_eq!(victim.count("direct_withheld_info"), 1);
    let database = Connection::open(victim.store.database_path()).unwrap();
    database
        .execute_batch(
            "INSERT INTO inbound_group_session (session_id, room_id, backed_up, data) VALUES (x'01', x'02', 0, x'03');
             INSERT INTO secrets_inbox (secret_name, secret) VALUES (x'01', x'02');",
        )
        .unwrap();
    victim.olm.tidy().await.unwrap();
    for (table, left) in [
        ("inbound_group_session", 1),
        ("direct_withheld_info", 0),
        ("secrets_inbox", 0),
    ] {
        assert_eq!(victim.count(table), left, "{table}");
    }
}

#[tokio::test]
async fn a_session_goes_on_after_tidying_up_and_our_device_stays() {
    let victim = Victim::new().await;
    let key = victim.olm.identity_key().await;
    let mut stranger = Stranger::new(1);
    stranger.begin(&victim);
    for _ in 0..5 {
        let event = stranger.write(&victim);
        assert_eq!(victim.receive(vec![event]).await, 1);
        victim.olm.tidy().await.unwrap();
        assert_eq!(victim.olm.identity_key().await, key);
    }
    assert_eq!(victim.count("session"), 1);
    let user: &UserId = VICTIM.try_into().unwrap();
    let own = victim.olm.device(user, "VICTIM".into()).await.unwrap();
    assert!(own.is_some());
}
