//! The notification on the desktop, with answer and decline where it has buttons.
//!
//! By the [Desktop Notifications Specification](https://specifications.freedesktop.org/notification-spec/latest/), over the
//! session bus. Without a bus, or without a service on it, there is none. What the screen says of a call is said anyway.

use securecall_contact::display_line;
use securecall_driver::{CallHandle, IncomingConference, Peer, Tier};
use tokio::sync::mpsc;

/// What a person pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pressed {
    Answer,
    Decline,
}

/// What a call that rings is to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Us alone.
    SecureCall,
    /// Us alone, in a standard Matrix call.
    Matrix,
    /// A group call of so many people, the caller and ourselves among them, as the caller says.
    Group(usize),
}

impl Kind {
    pub(super) fn of(tier: Tier, conference: Option<&IncomingConference>) -> Self {
        match (tier, conference) {
            (_, Some(asked)) => Self::Group(asked.members.len() + 2),
            (Tier::SecureCall, None) => Self::SecureCall,
            (Tier::Matrix, None) => Self::Matrix,
        }
    }
}

/// Notifications that somebody has pressed and nobody has heard of yet: one of a call that rings, and none of another.
const QUEUE: usize = 4;

/// The notifications of a run: at most one at a time.
#[derive(Debug)]
pub(super) struct Notifications {
    wanted: bool,
    pressed: mpsc::Receiver<(CallHandle, Pressed)>,
    #[cfg_attr(
        not(target_os = "linux"),
        expect(dead_code, reason = "nothing shows one")
    )]
    sender: mpsc::Sender<(CallHandle, Pressed)>,
    #[cfg(target_os = "linux")]
    shown: Option<service::Shown>,
}

impl Notifications {
    pub(super) fn new(wanted: bool) -> Self {
        let (sender, pressed) = mpsc::channel(QUEUE);
        Self {
            #[cfg(target_os = "linux")]
            wanted: wanted && service::has_session_bus(),
            #[cfg(not(target_os = "linux"))]
            wanted,
            pressed,
            sender,
            #[cfg(target_os = "linux")]
            shown: None,
        }
    }

    /// Says who calls.
    pub(super) fn show(&mut self, call: CallHandle, peer: &Peer, kind: Kind) {
        #[cfg(target_os = "linux")]
        if self.wanted {
            self.shown = Some(service::Shown::new(
                call,
                words(peer, kind),
                self.sender.clone(),
            ));
        }
        #[cfg(not(target_os = "linux"))]
        let _ = (self.wanted, call, words(peer, kind));
    }

    /// Takes away what is shown.
    pub(super) fn close(&mut self) {
        #[cfg(target_os = "linux")]
        if let Some(shown) = &mut self.shown {
            shown.close();
        }
    }

    /// Takes away what is shown, and waits a moment until it is gone.
    pub(super) async fn finish(&mut self) {
        #[cfg(target_os = "linux")]
        if let Some(shown) = self.shown.take() {
            shown.gone().await;
        }
    }

    /// What the person presses, and for which call.
    pub(super) async fn pressed(&mut self) -> (CallHandle, Pressed) {
        match self.pressed.recv().await {
            Some(pressed) => pressed,
            // Never: a sender is kept beside it.
            None => std::future::pending().await,
        }
    }
}

/// The longest text of a notification, in characters: more than a name and an ID.
const MAX_CHARACTERS: usize = 200;

/// Who calls. A stranger is an ID and nothing that they chose themselves: a Matrix ID can look like anybody's. Where no key is known
/// there is nothing else, and it is said first what kind of call that is. Of a group call the others are a number: their names fill a
/// screen, and who they are nobody has proven.
fn words(peer: &Peer, kind: Kind) -> String {
    let who = match &peer.name {
        Some(name) if peer.new_address => format!("{name}, from a new address: {}", peer.matrix_id),
        Some(name) => name.clone(),
        None => match peer.id {
            Some(id) => format!("A stranger: {id}"),
            None => format!("A stranger: {}", peer.matrix_id),
        },
    };
    let who = match kind {
        Kind::SecureCall => who,
        Kind::Matrix => format!("Standard Matrix call: {who}"),
        Kind::Group(people) => format!("Group call of {people} people: {who}"),
    };
    display_line(&who, MAX_CHARACTERS)
}

/// The same for a service that reads markup.
#[cfg_attr(
    not(any(target_os = "linux", test)),
    expect(dead_code, reason = "nothing shows one")
)]
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(target_os = "linux")]
mod service {
    use std::collections::HashMap;
    use std::env;
    use std::time::Duration;

    use futures_util::StreamExt as _;
    use securecall_driver::CallHandle;
    use tokio::sync::{mpsc, oneshot};
    use tokio::task::JoinHandle;
    use tokio::time::timeout;
    use zbus::zvariant::Value;
    use zbus::{Connection, Message, Proxy};

    use super::{Pressed, escaped};

    const NAME: &str = "org.freedesktop.Notifications";
    const PATH: &str = "/org/freedesktop/Notifications";

    /// A service that does not answer within 5 s will not be in time for a call.
    const PATIENCE: Duration = Duration::from_secs(5);

    /// How long the end of the program waits for a notification to go away.
    const GONE_WITHIN: Duration = Duration::from_secs(1);

    /// It stays as long as it rings.
    const URGENCY_CRITICAL: u8 = 2;
    const NEVER_EXPIRES: i32 = 0;

    /// The keys of the buttons.
    const ANSWER: &str = "answer";
    const DECLINE: &str = "decline";

    /// Whether this process belongs to a desktop session. Without these, the library would look in the usual places for a bus,
    /// which may be somebody else's session: that of whoever used `su`.
    pub(super) fn has_session_bus() -> bool {
        let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
        is_set("DBUS_SESSION_BUS_ADDRESS") || is_set("XDG_RUNTIME_DIR")
    }

    /// A notification that is on its way, or there. Dropping it takes it away.
    #[derive(Debug)]
    pub(super) struct Shown {
        close: Option<oneshot::Sender<()>>,
        task: JoinHandle<()>,
    }

    impl Shown {
        pub(super) fn new(
            call: CallHandle,
            who: String,
            pressed: mpsc::Sender<(CallHandle, Pressed)>,
        ) -> Self {
            let (close, closed) = oneshot::channel();
            let task = tokio::spawn(async move {
                if let Err(error) = show(call, &who, closed, &pressed).await {
                    tracing::debug!(%error, "no notification on the desktop");
                }
            });
            Self {
                close: Some(close),
                task,
            }
        }

        pub(super) fn close(&mut self) {
            self.close = None;
        }

        pub(super) async fn gone(mut self) {
            self.close();
            let _ = timeout(GONE_WITHIN, &mut self.task).await;
        }
    }

    /// Shows who calls until something is pressed, which it tells, somebody closes it, or it is to be closed.
    async fn show(
        call: CallHandle,
        who: &str,
        mut closed: oneshot::Receiver<()>,
        told: &mpsc::Sender<(CallHandle, Pressed)>,
    ) -> zbus::Result<()> {
        let (service, has_buttons, has_markup) = tokio::select! {
            _ = &mut closed => return Ok(()),
            found = within_patience(find()) => found?,
        };
        // Before it is shown, so that nothing that is pressed is missed. Only the service's own signals count.
        let mut pressed = within_patience(service.receive_signal("ActionInvoked")).await?;
        let mut dismissed = within_patience(service.receive_signal("NotificationClosed")).await?;
        let body = if has_markup {
            escaped(who)
        } else {
            who.to_owned()
        };
        let buttons: &[&str] = if has_buttons {
            &[ANSWER, "Answer", DECLINE, "Decline"]
        } else {
            &[]
        };
        let hints = HashMap::from([
            ("urgency", Value::from(URGENCY_CRITICAL)),
            ("category", Value::from("call.incoming")),
            // No history of the desktop keeps who called.
            ("transient", Value::from(true)),
            // What rings is for `--ring` to say.
            ("suppress-sound", Value::from(true)),
        ]);
        let arguments = (
            "SecureCall",
            0_u32,
            "call-start",
            "Incoming call",
            body.as_str(),
            buttons,
            hints,
            NEVER_EXPIRES,
        );
        // Not given up when it is to be closed meanwhile: without its number it could not be taken away.
        let number: u32 = within_patience(service.call("Notify", &arguments)).await?;
        let press = loop {
            tokio::select! {
                _ = &mut closed => break None,
                Some(signal) = pressed.next() => {
                    if let Some(press) = action_of(&signal, number) {
                        break Some(press);
                    }
                }
                Some(signal) = dismissed.next() => {
                    if is_about(&signal, number) {
                        return Ok(());
                    }
                }
            }
        };
        if let Some(press) = press {
            // Nobody hears it when the run has ended.
            let _ = told.send((call, press)).await;
        }
        // Most services have closed one of which a button was pressed, and some say that it is gone.
        within_patience(service.call("CloseNotification", &number)).await
    }

    /// The service, and whether it has buttons and reads markup.
    async fn find() -> zbus::Result<(Proxy<'static>, bool, bool)> {
        let connection = Connection::session().await?;
        let service = Proxy::new(&connection, NAME, PATH, NAME).await?;
        let capabilities: Vec<String> = service.call("GetCapabilities", &()).await?;
        let has = |name: &str| capabilities.iter().any(|capability| capability == name);
        Ok((service, has("actions"), has("body-markup")))
    }

    async fn within_patience<T>(answer: impl Future<Output = zbus::Result<T>>) -> zbus::Result<T> {
        timeout(PATIENCE, answer).await.unwrap_or_else(|_| {
            Err(zbus::Error::Failure(
                "the service does not answer".to_owned(),
            ))
        })
    }

    /// Which button of the notification with this number was pressed.
    fn action_of(signal: &Message, number: u32) -> Option<Pressed> {
        let body = signal.body();
        let (of, action): (u32, &str) = body.deserialize().ok()?;
        match action {
            _ if of != number => None,
            ANSWER => Some(Pressed::Answer),
            DECLINE => Some(Pressed::Decline),
            _ => None,
        }
    }

    fn is_about(signal: &Message, number: u32) -> bool {
        let body = signal.body();
        body.deserialize::<(u32, u32)>()
            .is_ok_and(|(of, _)| of == number)
    }
}

#[cfg(test)]
mod tests {
    use securecall_contact::{MatrixId, SecureCallId};
    use securecall_crypto::IdentityKey;

    use super::*;

    fn peer(name: Option<&str>, new_address: bool) -> Peer {
        let matrix_id: MatrixId = "@your-bank:example.org".parse().unwrap();
        Peer {
            id: Some(SecureCallId::new(
                &IdentityKey::from_bytes([7; 32]).unwrap(),
            )),
            matrix_id,
            name: name.map(str::to_owned),
            new_address,
            device_id: None,
        }
    }

    #[test]
    fn a_stranger_is_an_id_and_nothing_that_they_chose() {
        let stranger = peer(None, false);
        assert_eq!(
            words(&stranger, Kind::SecureCall),
            format!("A stranger: {}", stranger.id.unwrap())
        );
        assert_eq!(words(&peer(Some("Ada"), false), Kind::SecureCall), "Ada");
        assert_eq!(
            words(&peer(Some("Ada"), true), Kind::SecureCall),
            "Ada, from a new address: @your-bank:example.org"
        );
    }

    #[test]
    fn a_standard_call_is_said_to_be_one_before_anything_else() {
        let mut caller = peer(Some("Ada"), false);
        caller.id = None;
        assert_eq!(words(&caller, Kind::Matrix), "Standard Matrix call: Ada");
        caller.name = None;
        assert_eq!(
            words(&caller, Kind::Matrix),
            "Standard Matrix call: A stranger: @your-bank:example.org"
        );
    }

    #[test]
    fn a_group_call_says_who_asks_and_how_many_are_asked_whatever_they_are_called() {
        let asked = |count: u8| IncomingConference {
            conference: crate::sample_calls::conference(1),
            members: vec![peer(Some("Bo"), false); count.into()],
        };
        let kind = Kind::of(Tier::SecureCall, Some(&asked(2)));
        let ada = peer(Some("Ada"), false);
        assert_eq!(words(&ada, kind), "Group call of 4 people: Ada");
        let stranger = words(&peer(None, false), kind);
        assert!(stranger.starts_with("Group call of 4 people: A stranger: "));
        let long = words(&peer(Some(&"x".repeat(10_000)), false), kind);
        assert!(long.starts_with("Group call of 4 people: x"));
        assert_eq!(long.chars().count(), MAX_CHARACTERS);
    }

    #[test]
    fn names_cannot_break_out_of_their_line_or_fill_the_desktop() {
        assert_eq!(
            words(&peer(Some("Ada\nBank\u{1b}[2J"), false), Kind::SecureCall),
            "Ada Bank [2J"
        );
        let long = "x".repeat(10_000);
        let shown = words(&peer(Some(&long), false), Kind::SecureCall);
        assert_eq!(shown.chars().count(), MAX_CHARACTERS);
    }

    #[test]
    fn markup_is_text() {
        assert_eq!(
            escaped("<a href='x'>\"Bank\" & Co</a>"),
            "&lt;a href=&apos;x&apos;&gt;&quot;Bank&quot; &amp; Co&lt;/a&gt;"
        );
    }
}
