//! Names that lead to hosts of a network, and authorities that vouch for them there.

use std::{
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use super::NetworkError;
use crate::hand_on;

/// Gives a program a file of names of its own, and one that says whom to ask for others; then becomes that program.
const WITH_NAMES: &str =
    r#"mount --bind "$0" /etc/hosts && mount --bind "$1" /etc/resolv.conf && shift && exec "$@""#;

/// What programs know that are run with it.
#[derive(Debug)]
pub struct Names {
    directory: TempDir,
    lines: String,
    /// The only authorities that this machine trusts, as far as these programs see.
    authorities: Option<PathBuf>,
}

impl Names {
    /// No name at all.
    ///
    /// # Errors
    ///
    /// When files cannot be written, as with all that changes them.
    pub fn new() -> Result<Self, NetworkError> {
        let directory = tempfile::tempdir().map_err(NetworkError::io("a directory for names"))?;
        let names = Self {
            directory,
            lines: String::new(),
            authorities: None,
        };
        for file in [names.file(), names.services()] {
            write(&file, "")?;
        }
        Ok(names)
    }

    /// From now on this name service is asked for all others, also by programs that run: systems write such a file anew in each
    /// network.
    ///
    /// # Errors
    ///
    /// As with [`new`](Self::new).
    pub fn ask(&self, service: IpAddr) -> Result<(), NetworkError> {
        write(&self.services(), &format!("nameserver {service}\n"))
    }

    /// The same names, to which others can be added.
    ///
    /// # Errors
    ///
    /// As with [`new`](Self::new).
    pub fn copied(&self) -> Result<Self, NetworkError> {
        let copy = Self {
            lines: self.lines.clone(),
            ..Self::new()?
        };
        write(&copy.file(), &copy.lines)?;
        Ok(copy)
    }

    /// From now on this name leads there.
    ///
    /// # Errors
    ///
    /// As with [`new`](Self::new).
    pub fn add(&mut self, name: &str, addresses: &[IpAddr]) -> Result<(), NetworkError> {
        for address in addresses {
            self.lines.push_str(&format!("{address} {name}\n"));
        }
        write(&self.file(), &self.lines)
    }

    /// From now on this certificate counts, and no other.
    ///
    /// # Errors
    ///
    /// As with [`new`](Self::new).
    pub fn trust(&mut self, certificate_pem: &str) -> Result<(), NetworkError> {
        let authorities = self.directory.path().join("authorities.pem");
        write(&authorities, certificate_pem)?;
        self.authorities = Some(authorities);
        Ok(())
    }

    /// The same program, which knows all of it, as long as this value lives.
    #[must_use]
    pub fn known_to(&self, program: &Command) -> Command {
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

fn write(file: &Path, text: &str) -> Result<(), NetworkError> {
    fs::write(file, text).map_err(NetworkError::io(file.display().to_string()))
}
