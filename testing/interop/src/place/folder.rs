//! The folder that `init` fills.

use std::{
    fs, io,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

use super::error::PlaceError;
use crate::{pem::pem, port::free_port};

/// The domain of every place of a test.
pub const DOMAIN: &str = "place.test";

/// A place of `securecall-server init --lab`: all its files are in one folder, which goes with this value.
#[derive(Debug)]
pub struct Place {
    server_program: PathBuf,
    folder: TempDir,
    homeserver_port: u16,
    server_port: u16,
}

impl Place {
    /// What `init` of this `securecall-server` makes of these options.
    ///
    /// # Errors
    ///
    /// When it refuses.
    pub fn new(server_program: &Path, options: &[&str]) -> Result<Self, PlaceError> {
        let place = Self {
            server_program: server_program.to_owned(),
            folder: tempfile::Builder::new()
                .prefix("securecall-place-")
                .tempdir()?,
            homeserver_port: free_port()?,
            server_port: free_port()?,
        };
        succeeded("init", &place.init(options)?)?;
        fs::create_dir(place.path("state"))?;
        Ok(place)
    }

    /// Runs `init` with these options on top.
    ///
    /// # Errors
    ///
    /// When the program is not there.
    pub fn init(&self, options: &[&str]) -> io::Result<Output> {
        self.command(&["init", "--domain", DOMAIN, "--lab"])
            .args(["--homeserver-port", &self.homeserver_port.to_string()])
            .args(["--server-port", &self.server_port.to_string()])
            .args(options)
            .output()
    }

    /// The program with this place's settings.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.command_with("server.toml", arguments)
    }

    /// The same with another file of settings.
    pub(super) fn command_with(&self, settings: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.server_program);
        command
            .args(arguments)
            .arg("--config")
            .arg(self.path(settings))
            .stdin(Stdio::null());
        command
    }

    /// Runs it to its end, and gives what it has found: a value for each line.
    ///
    /// # Errors
    ///
    /// When it fails.
    pub fn told(&self, arguments: &[&str]) -> Result<Vec<Value>, PlaceError> {
        let output = self.command(arguments).arg("--json").output()?;
        succeeded(&arguments.join(" "), &output)?;
        let text = String::from_utf8_lossy(&output.stdout);
        let lines = text.lines().map(serde_json::from_str);
        Ok(lines.collect::<Result<_, _>>().map_err(io::Error::other)?)
    }

    /// The place of a file.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What is in a file.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn read(&self, name: &str) -> io::Result<String> {
        fs::read_to_string(self.path(name))
    }

    /// A file's text with these changes.
    ///
    /// # Errors
    ///
    /// When there is nothing to be changed, so that a change is not lost when the file becomes another.
    pub fn changed(&self, name: &str, changes: &[(&str, &str)]) -> Result<String, PlaceError> {
        let mut text = self.read(name)?;
        for (from, to) in changes {
            if !text.contains(from) {
                return Err(PlaceError::Settings {
                    file: name.to_owned(),
                    wanted: (*from).to_owned(),
                });
            }
            text = text.replace(from, to);
        }
        Ok(text)
    }

    /// Changes a file so.
    ///
    /// # Errors
    ///
    /// As [`changed`](Self::changed).
    pub fn change(&self, name: &str, changes: &[(&str, &str)]) -> Result<(), PlaceError> {
        Ok(fs::write(self.path(name), self.changed(name, changes)?)?)
    }

    /// Where the homeserver listens.
    #[must_use]
    pub fn homeserver(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.homeserver_port).into()
    }

    /// Where `securecall-server` listens.
    #[must_use]
    pub fn server(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.server_port).into()
    }

    /// Writes certificates for these names, which nobody vouches for, where the settings have those of coturn and nginx.
    ///
    /// # Errors
    ///
    /// When none can be made.
    pub fn certify(&self, names: &[&str]) -> Result<(), PlaceError> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let pair = rcgen::generate_simple_self_signed(names)?;
        let certificate = pem("CERTIFICATE", pair.cert.der());
        let key = pem("PRIVATE KEY", &pair.signing_key.serialize_der());
        self.put_certificates(&certificate, &key)
    }

    pub(super) fn put_certificates(&self, certificate: &str, key: &str) -> Result<(), PlaceError> {
        let folder = self.path("certificates");
        fs::create_dir_all(&folder)?;
        for (name, text) in [
            ("turn.crt", certificate),
            ("fullchain.pem", certificate),
            ("turn.key", key),
            ("privkey.pem", key),
        ] {
            fs::write(folder.join(name), text)?;
        }
        Ok(())
    }
}

fn succeeded(command: &str, output: &Output) -> Result<(), PlaceError> {
    if output.status.success() {
        return Ok(());
    }
    let streams = [&output.stdout, &output.stderr].map(|stream| String::from_utf8_lossy(stream));
    Err(PlaceError::Refused {
        command: command.to_owned(),
        said: streams.concat(),
    })
}
