//! Somebody with an ordinary account, whose address says nothing of a key, as any Matrix client makes one.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Stdio;

use securecall_interop::{Homeserver, WebServer};
use serde_json::{Value, json};

use crate::command::{Machine, end};
use crate::talker::{Talker, homeserver};

const PASSWORD: &str = "a password of their own";

/// An account, as another app of its owner uses it.
pub(crate) struct OrdinaryAccount {
    pub(crate) matrix_id: String,
    access_token: String,
    /// Of its homeserver.
    address: SocketAddr,
}

/// An account that this program has logged in to, with an identity of which nobody is told.
pub(crate) struct Ordinary {
    pub(crate) machine: Machine,
    pub(crate) account: OrdinaryAccount,
}

impl OrdinaryAccount {
    /// A new one at [`homeserver`]. `unique` is to be nobody else's.
    pub(crate) fn new(name: &str, unique: &str) -> Self {
        Self::of(homeserver(), name, unique)
    }

    /// A new one at a homeserver that lets everybody in.
    pub(crate) fn of(homeserver: &dyn Homeserver, name: &str, unique: &str) -> Self {
        let address = homeserver.address();
        let user = format!("{name}_{unique}");
        let register = json!({
            "username": user,
            "password": PASSWORD,
            "auth": { "type": "m.login.dummy" },
        });
        let registered = ask(address, "POST", "register", None, &register);
        let field = |name: &str| registered[name].as_str().unwrap().to_owned();
        Self {
            matrix_id: field("user_id"),
            access_token: field("access_token"),
            address,
        }
    }

    /// Asks the homeserver; gives its answer.
    pub(crate) fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        ask(self.address, method, path, Some(&self.access_token), body)
    }

    /// Makes a room in plain text that is said to be for two, and invites the other to it; gives its ID.
    pub(crate) fn create_direct_room(&self, invitee: &str) -> String {
        let room = json!({
            "preset": "trusted_private_chat",
            "is_direct": true,
            "invite": [invitee],
        });
        let created = self.ask("POST", "createRoom", &room);
        created["room_id"].as_str().unwrap().to_owned()
    }

    /// The room that this account is invited to, or will be.
    pub(crate) fn invitation(&self) -> String {
        let mut path = "sync?timeout=30000".to_owned();
        loop {
            let synced = self.ask("GET", &path, &Value::Null);
            if let Some(rooms) = synced["rooms"]["invite"].as_object() {
                assert_eq!(rooms.len(), 1, "{synced}");
                return rooms.keys().next().unwrap().clone();
            }
            let since = synced["next_batch"].as_str().unwrap();
            path = format!("sync?timeout=30000&since={since}");
        }
    }

    /// Does something with a room: `join`, `leave`.
    pub(crate) fn in_room(&self, room: &str, what: &str) {
        self.ask(
            "POST",
            &format!("rooms/{}/{what}", escaped(room)),
            &json!({}),
        );
    }

    /// The state of a room that the account is in.
    pub(crate) fn state_of(&self, room: &str) -> Vec<Value> {
        let state = self.ask(
            "GET",
            &format!("rooms/{}/state", escaped(room)),
            &Value::Null,
        );
        state.as_array().unwrap().clone()
    }

    /// Gives a room that the account is in an alias at its homeserver.
    pub(crate) fn give_alias(&self, room: &str, name: &str) -> String {
        let server = self.matrix_id.split_once(':').unwrap().1;
        let path = format!("directory/room/%23{name}%3A{server}");
        self.ask("PUT", &path, &json!({"room_id": room}));
        format!("#{name}:{server}")
    }

    /// The events of calls, or encrypted ones that may be, of all rooms that the account is in, the newest first.
    pub(crate) fn events_of_calls(&self) -> Vec<Value> {
        let rooms = self.ask("GET", "joined_rooms", &Value::Null);
        let rooms = rooms["joined_rooms"].as_array().unwrap().iter();
        let events = rooms.flat_map(|room| {
            let room = escaped(room.as_str().unwrap());
            let path = format!("rooms/{room}/messages?dir=b&limit=100");
            let answer = self.ask("GET", &path, &Value::Null);
            answer["chunk"].as_array().unwrap().clone()
        });
        let is_of_call = |event: &Value| {
            let kind = event["type"].as_str().unwrap();
            kind.starts_with("m.call.") || kind == "m.room.encrypted"
        };
        events.filter(is_of_call).collect()
    }
}

impl Ordinary {
    /// A new user of [`homeserver`].
    pub(crate) fn new(name: &str) -> Self {
        Self::of(homeserver(), name)
    }

    /// A new user of a homeserver that lets everybody in.
    pub(crate) fn of(homeserver: &dyn Homeserver, name: &str) -> Self {
        let (machine, id) = Machine::with_identity();
        Self::logged_in(machine, OrdinaryAccount::of(homeserver, name, &id[..16]))
    }

    /// A new user of [`homeserver`], who reaches it by this front.
    pub(crate) fn behind(front: &WebServer, name: &str) -> Self {
        let (machine, id) = Machine::with_identity();
        let mut account = OrdinaryAccount::new(name, &id[..16]);
        account.address = front.address();
        Self::logged_in(machine, account)
    }

    /// Another device of the same account.
    pub(crate) fn another_device(&self) -> Self {
        let (machine, _) = Machine::with_identity();
        let OrdinaryAccount {
            matrix_id,
            access_token,
            address,
        } = &self.account;
        let account = OrdinaryAccount {
            matrix_id: matrix_id.clone(),
            access_token: access_token.clone(),
            address: *address,
        };
        Self::logged_in(machine, account)
    }

    fn logged_in(machine: Machine, account: OrdinaryAccount) -> Self {
        let url = format!("http://{}", account.address);
        let mut login = machine.command(&[
            "--json",
            "login",
            "--homeserver",
            &url,
            "--user",
            &account.matrix_id,
        ]);
        login
            .env("SECURECALL_PASSWORD", PASSWORD)
            .stdin(Stdio::null());
        let logged_in = end(&mut login);
        assert_eq!(logged_in.code, 0, "{logged_in:?}");
        Self { machine, account }
    }

    /// Runs `call` or `listen` with a tone for a voice. Strangers need no relay.
    pub(crate) fn talk(&self, arguments: &[&str], tone: &str) -> Talker {
        let audio = ["--mic", tone, "--speaker", "null", "--route", "direct"];
        self.start(&[arguments, &audio].concat())
    }

    /// Runs a command whose events the test follows.
    pub(crate) fn start(&self, arguments: &[&str]) -> Talker {
        Talker::start(self.machine.command(&[&["--json"], arguments].concat()))
    }
}

/// One request of the client-server API over plain HTTP; 1.0, so that the answer comes in one piece.
fn ask(
    address: SocketAddr,
    method: &str,
    path: &str,
    access_token: Option<&str>,
    body: &Value,
) -> Value {
    let body = match body {
        Value::Null => String::new(),
        body => body.to_string(),
    };
    let token = access_token.map(|token| format!("Authorization: Bearer {token}\r\n"));
    let token = token.unwrap_or_default();
    let request = format!(
        "{method} /_matrix/client/v3/{path} HTTP/1.0\r\nHost: localhost\r\n{token}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(address).unwrap();
    // In one piece: a server that does not wait for the body resets the connection when that comes.
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(
        head.split_whitespace().nth(1) == Some("200"),
        "{path}: {answer}"
    );
    serde_json::from_str(body).unwrap()
}

/// An ID of a room as a part of a path.
pub(crate) fn escaped(room: &str) -> String {
    room.replace('!', "%21").replace(':', "%3A")
}
