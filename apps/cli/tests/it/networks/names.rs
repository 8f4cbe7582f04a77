//! Names that lead to hosts of a network made for a test, and authorities that vouch for them there.

use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::Command;

use securecall_interop::network::nat64_address;
use tempfile::TempDir;

use crate::command::hand_on;

/// Gives a program a file of names of its own, and one that says whom to ask for others; then becomes that program.
const WITH_NAMES: &str =
    r#"mount --bind "$0" /etc/hosts && mount --bind "$1" /etc/resolv.conf && shift && exec "$@""#;

/// What programs know that are run with it.
pub(super) struct Names {
    directory: TempDir,
    lines: String,
    /// The only authorities that this machine trusts, as far as these programs see.
    authorities: Option<PathBuf>,
}

impl Names {
    pub(super) fn new() -> Self {
        let names = Self {
            directory: tempfile::tempdir().unwrap(),
            lines: String::new(),
            authorities: None,
        };
        for file in [names.file(), names.services()] {
            fs::write(file, "").unwrap();
        }
        names
    }

    /// From now on this name service is asked for all others, also by programs that run: systems write such a file anew in each
    /// network.
    pub(super) fn ask(&self, service: IpAddr) {
        fs::write(self.services(), format!("nameserver {service}\n")).unwrap();
    }

    /// The same, to which other names can be added.
    pub(super) fn copied(&self) -> Self {
        let copy = Self {
            lines: self.lines.clone(),
            ..Self::new()
        };
        fs::write(copy.file(), &copy.lines).unwrap();
        copy
    }

    /// From now on this name leads there.
    pub(super) fn add(&mut self, name: &str, addresses: &[IpAddr]) {
        for address in addresses {
            self.lines.push_str(&format!("{address} {name}\n"));
        }
        fs::write(self.file(), &self.lines).unwrap();
    }

    /// From now on this certificate counts, and no other.
    pub(super) fn trust(&mut self, certificate_pem: &str) {
        let authorities = self.directory.path().join("authorities.pem");
        fs::write(&authorities, certificate_pem).unwrap();
        self.authorities = Some(authorities);
    }

    /// The same program, which knows all of it.
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
            .args([self.file(), self.services()]);
        hand_on(program, &mut command);
        if let Some(authorities) = &self.authorities {
            command.env("SSL_CERT_FILE", authorities);
        }
        command
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("hosts")
    }

    fn services(&self) -> PathBuf {
        self.directory.path().join("resolv.conf")
    }
}

/// What name services say of a server with IPv4 only: its address, and in networks that translate the one by which it is found
/// there (DNS64, RFC 6147). Who has no way to one of them takes the other.
pub(super) fn ipv4_and_translated(address: IpAddr) -> Vec<IpAddr> {
    let IpAddr::V4(ipv4) = address else {
        panic!("{address} is no IPv4 address");
    };
    vec![address, nat64_address(ipv4).into()]
}
