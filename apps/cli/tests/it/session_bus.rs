//! A session bus of its own with a notification service on it, as a desktop has them.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use tempfile::TempDir;
use zbus::zvariant::OwnedValue;
use zbus::{Connection, block_on, connection, interface};

const NAME: &str = "org.freedesktop.Notifications";
const PATH: &str = "/org/freedesktop/Notifications";

/// How long the test waits for something that will not come.
const PATIENCE: Duration = Duration::from_secs(120);

/// Lets everybody who may connect talk to everybody.
const CONFIGURATION: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path=SOCKET</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
    <allow own="*"/>
  </policy>
</busconfig>
"#;

/// A `dbus-daemon`. It ends with this.
pub(crate) struct SessionBus {
    daemon: Child,
    pub(crate) address: String,
    _directory: TempDir,
}

impl SessionBus {
    pub(crate) fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("bus");
        let configuration = directory.path().join("bus.conf");
        let text = CONFIGURATION.replace("SOCKET", socket.to_str().unwrap());
        fs::write(&configuration, text).unwrap();
        let mut daemon = Command::new("dbus-daemon")
            .arg(format!("--config-file={}", configuration.display()))
            .args(["--nofork", "--nopidfile", "--print-address=1"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut address = String::new();
        let mut printed = BufReader::new(daemon.stdout.take().unwrap());
        printed.read_line(&mut address).unwrap();
        Self {
            daemon,
            address: address.trim().to_owned(),
            _directory: directory,
        }
    }

    /// Another program on the bus.
    pub(crate) fn connect(&self) -> Connection {
        let builder = connection::Builder::address(self.address.as_str()).unwrap();
        block_on(builder.build()).unwrap()
    }
}

impl Drop for SessionBus {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

/// What the service is asked for.
#[derive(Debug)]
pub(crate) enum Asked {
    Notify(Notification),
    Close(u32),
}

/// What somebody wants to be shown.
#[derive(Debug)]
pub(crate) struct Notification {
    pub(crate) number: u32,
    pub(crate) summary: String,
    pub(crate) body: String,
    pub(crate) actions: Vec<String>,
    pub(crate) hints: HashMap<String, OwnedValue>,
}

/// A notification service with these capabilities.
pub(crate) struct Desktop {
    connection: Connection,
    asked: Receiver<Asked>,
}

impl Desktop {
    pub(crate) fn on(bus: &SessionBus, capabilities: &'static [&'static str]) -> Self {
        let (sender, asked) = mpsc::channel();
        let service = Service {
            capabilities,
            asked: sender,
            // Not the first of the day.
            last: 40,
        };
        let builder = connection::Builder::address(bus.address.as_str()).unwrap();
        let builder = builder.serve_at(PATH, service).unwrap().name(NAME).unwrap();
        Self {
            connection: block_on(builder.build()).unwrap(),
            asked,
        }
    }

    /// The next thing that is asked for.
    #[track_caller]
    pub(crate) fn next(&self) -> Asked {
        self.asked.recv_timeout(PATIENCE).unwrap()
    }

    /// The next notification.
    #[track_caller]
    pub(crate) fn shown(&self) -> Notification {
        match self.next() {
            Asked::Notify(notification) => notification,
            Asked::Close(number) => panic!("{number} is closed"),
        }
    }

    /// What has been asked for and not been looked at.
    pub(crate) fn rest(&self) -> Vec<Asked> {
        self.asked.try_iter().collect()
    }

    /// Presses a button.
    pub(crate) fn press(&self, number: u32, action: &str) {
        press_as(&self.connection, number, action);
    }

    /// Sweeps a notification away.
    pub(crate) fn dismiss(&self, number: u32) {
        const BY_THE_USER: u32 = 2;
        let closed = &(number, BY_THE_USER);
        let sent =
            self.connection
                .emit_signal(None::<&str>, PATH, NAME, "NotificationClosed", closed);
        block_on(sent).unwrap();
    }
}

/// Says that a button was pressed, as whoever holds the connection.
pub(crate) fn press_as(connection: &Connection, number: u32, action: &str) {
    block_on(async {
        let signal = &(number, action);
        connection
            .emit_signal(None::<&str>, PATH, NAME, "ActionInvoked", signal)
            .await
            .unwrap();
        // The bus takes messages in order: when it answers, it has passed the signal on.
        let bus = zbus::fdo::DBusProxy::new(connection).await.unwrap();
        bus.get_id().await.unwrap();
    });
}

struct Service {
    capabilities: &'static [&'static str],
    asked: Sender<Asked>,
    last: u32,
}

#[interface(name = "org.freedesktop.Notifications")]
impl Service {
    fn get_capabilities(&self) -> Vec<String> {
        self.capabilities.iter().map(ToString::to_string).collect()
    }

    #[expect(clippy::too_many_arguments, reason = "so it is specified")]
    fn notify(
        &mut self,
        _app_name: &str,
        _replaces_id: u32,
        _app_icon: &str,
        summary: String,
        body: String,
        actions: Vec<String>,
        hints: HashMap<String, OwnedValue>,
        _expire_timeout: i32,
    ) -> u32 {
        self.last += 1;
        let _ = self.asked.send(Asked::Notify(Notification {
            number: self.last,
            summary,
            body,
            actions,
            hints,
        }));
        self.last
    }

    fn close_notification(&self, id: u32) {
        let _ = self.asked.send(Asked::Close(id));
    }
}
