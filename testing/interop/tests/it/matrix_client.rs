//! As much of a Matrix client as it takes to see that a homeserver works.

use std::cell::Cell;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use securecall_interop::Homeserver;
use serde_json::{Value, json};

/// The status code and the body of the answer.
pub(crate) fn request(
    server: &dyn Homeserver,
    (method, path): (&str, &str),
    token: Option<&str>,
    body: &Value,
) -> (u16, Value) {
    let body = match body {
        Value::Null => String::new(),
        body => body.to_string(),
    };
    let authorization = token.map_or_else(String::new, |token| {
        format!("Authorization: Bearer {token}\r\n")
    });
    // To HTTP/1.0 there are no answers in chunks.
    let request = format!(
        "{method} {path} HTTP/1.0\r\nHost: x\r\n{authorization}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(server.address()).unwrap();
    // In one piece: a server that does not wait for the body resets the connection when that comes.
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let code = head.split(' ').nth(1).unwrap().parse().unwrap();
    let body = serde_json::from_str(body).unwrap_or_else(|_| panic!("{path}: {answer}"));
    (code, body)
}

/// Asks for an account.
pub(crate) fn register(server: &dyn Homeserver, name: &str) -> (u16, Value) {
    let auth = json!({"type": "m.login.dummy"});
    let user = json!({"username": name, "password": "secret password", "auth": auth});
    request(server, ("POST", "/_matrix/client/v3/register"), None, &user)
}

/// Somebody with an account.
pub(crate) struct Client<'a> {
    server: &'a dyn Homeserver,
    pub(crate) matrix_id: String,
    pub(crate) device_id: String,
    token: String,
    since: Cell<Option<String>>,
    sent: Cell<u32>,
}

impl<'a> Client<'a> {
    pub(crate) fn new(server: &'a dyn Homeserver, name: &str) -> Self {
        let (code, told) = register(server, name);
        assert_eq!(code, 200, "{told}");
        let field = |name: &str| told[name].as_str().unwrap().to_owned();
        let client = Self {
            server,
            matrix_id: field("user_id"),
            device_id: field("device_id"),
            token: field("access_token"),
            since: Cell::default(),
            sent: Cell::default(),
        };
        client.sync();
        client
    }

    /// Sends a message to a device, whose ID its owner knows.
    pub(crate) fn send_to_device(&self, other: &Self, text: &str) {
        let path = format!("sendToDevice/test.hello/{}", self.next_number());
        let content = json!({"text": text});
        let body =
            json!({"messages": {other.matrix_id.as_str(): {other.device_id.as_str(): content}}});
        self.ask("PUT", &path, &body);
    }

    /// Waits for a message to the device from somebody; gives what it says.
    pub(crate) fn message_from(&self, other: &Self) -> String {
        self.sync_until(|answer| {
            let events = answer["to_device"]["events"].as_array()?;
            let event = events
                .iter()
                .find(|event| event["sender"] == other.matrix_id.as_str())?;
            Some(event["content"]["text"].as_str().unwrap().to_owned())
        })
    }

    /// Makes a room to which one other is invited.
    pub(crate) fn make_room(&self, other: &Self) -> String {
        let body = json!({"preset": "private_chat", "invite": [other.matrix_id]});
        let answer = self.ask("POST", "createRoom", &body);
        answer["room_id"].as_str().unwrap().to_owned()
    }

    /// Waits for the invitation, and joins.
    pub(crate) fn join(&self, room: &str) {
        self.sync_until(|answer| answer["rooms"]["invite"].get(room).cloned());
        self.ask("POST", &format!("rooms/{room}/join"), &json!({}));
    }

    pub(crate) fn say(&self, room: &str, text: &str) {
        let path = format!("rooms/{room}/send/m.room.message/{}", self.next_number());
        self.ask("PUT", &path, &json!({"msgtype": "m.text", "body": text}));
    }

    /// Waits for a message in a room from somebody; gives what it says.
    pub(crate) fn heard_from(&self, room: &str, other: &Self) -> String {
        self.sync_until(|answer| {
            let events = answer["rooms"]["join"][room]["timeline"]["events"].as_array()?;
            let event = events.iter().find(|event| {
                event["type"] == "m.room.message" && event["sender"] == other.matrix_id.as_str()
            })?;
            Some(event["content"]["body"].as_str().unwrap().to_owned())
        })
    }

    fn sync_until<T>(&self, found: impl Fn(&Value) -> Option<T>) -> T {
        for _ in 0..60 {
            if let Some(found) = found(&self.sync()) {
                return found;
            }
        }
        panic!("{} was told nothing", self.matrix_id);
    }

    /// What is new.
    pub(crate) fn sync(&self) -> Value {
        let path = match self.since.take() {
            Some(since) => format!("sync?timeout=2000&since={since}"),
            None => "sync?timeout=0".to_owned(),
        };
        let answer = self.ask("GET", &path, &Value::Null);
        let next = answer["next_batch"].as_str().unwrap().to_owned();
        self.since.set(Some(next));
        answer
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let (code, answer) = self.try_to(method, path, body);
        assert_eq!(code, 200, "{path}: {answer}");
        answer
    }

    /// Asks for what may be refused; gives the status code and the answer.
    pub(crate) fn try_to(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        self.ask_at(method, &format!("/_matrix/client/v3/{path}"), body)
    }

    /// The same at any path.
    pub(crate) fn ask_at(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        request(self.server, (method, path), Some(&self.token), body)
    }

    fn next_number(&self) -> u32 {
        self.sent.set(self.sent.get() + 1);
        self.sent.get()
    }
}
