//! A homeserver that is reached through the network, by https and under a name, so that its connections break as others do.

use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use securecall_interop::TlsFront;
use securecall_interop::network::{Host, Network};
use tempfile::TempDir;

use crate::command::{Machine, end, text};
use crate::talker::{User, homeserver};

const NAME: &str = "matrix.example.org";

/// Gives a program a file of names of its own, then becomes that program.
const WITH_NAMES: &str = r#"mount --bind "$0" /etc/hosts && exec "$@""#;

/// The homeserver of all tests, with a door in an internet: by IPv4 and by IPv6.
pub(super) struct Homeserver {
    _front: TlsFront,
    _directory: TempDir,
    names: PathBuf,
    authority: PathBuf,
}

impl Homeserver {
    pub(super) fn start(network: &Network) -> Self {
        let host = network.internet().host("homeserver").unwrap();
        let inside = (Ipv4Addr::LOCALHOST, 0).into();
        let behind = host.forward(inside, homeserver().address()).unwrap();
        let everywhere = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), 443);
        let front = host.enter(|| TlsFront::start_at(everywhere, behind, &[NAME]));
        let front = front.unwrap().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let [names, authority] = ["hosts", "ca.pem"].map(|name| directory.path().join(name));
        let lines = host.addresses();
        let lines = lines.iter().map(|address| format!("{address} {NAME}\n"));
        fs::write(&names, lines.collect::<String>()).unwrap();
        fs::write(&authority, front.certificate_pem()).unwrap();
        Self {
            _front: front,
            _directory: directory,
            names,
            authority,
        }
    }

    /// The same program, to which the name means this homeserver.
    pub(super) fn known_to(&self, program: &Command) -> Command {
        let mut command = Command::new("unshare");
        command
            .args([
                "--mount",
                "--propagation",
                "private",
                "sh",
                "-c",
                WITH_NAMES,
            ])
            .arg(&self.names)
            .arg(program.get_program())
            .args(program.get_args());
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
    }

    /// A new user of it, whose machine is there.
    pub(super) fn user(&self, host: &Host) -> User {
        User::registered_by(|machine: &Machine| {
            let url = format!("https://{NAME}");
            let register = ["--json", "register", "--homeserver", &url];
            let authority = ["--ca-file", text(&self.authority)];
            let program = machine.command(&[&register[..], &authority].concat());
            let mut command = self.known_to(&program);
            let ended = host.enter(|| end(command.stdin(Stdio::null()))).unwrap();
            assert_eq!(ended.code, 0, "{ended:?}");
            ended.events().remove(0)
        })
    }
}
