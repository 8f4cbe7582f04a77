//! Homeservers that meet each other: what they need for it, and two of them.

use std::{fs, io, path::Path, thread};

use crate::{
    homeserver::{Homeserver, HomeserverError, HomeserverKind},
    homeserver_config::{FederationOptions, HomeserverOptions, TurnServers},
    pem::pem,
    port::free_port,
};

/// Two homeservers that know each other, and nobody else. Each is `localhost:port`, where it takes others' connections over TLS.
#[derive(Debug)]
pub struct Federation {
    servers: [Box<dyn Homeserver>; 2],
}

impl Federation {
    /// Starts two homeservers and waits until both answer.
    ///
    /// # Errors
    ///
    /// When one cannot be installed or built, or does not start.
    pub fn start(kinds: [HomeserverKind; 2]) -> Result<Self, HomeserverError> {
        Self::with_turn(kinds, None)
    }

    /// The same, and both name these TURN servers.
    ///
    /// # Errors
    ///
    /// When one cannot be installed or built, or does not start.
    pub fn with_turn(
        kinds: [HomeserverKind; 2],
        turn: Option<&TurnServers>,
    ) -> Result<Self, HomeserverError> {
        let ports = [free_port()?, free_port()?];
        let names = ports.map(|port| format!("localhost:{port}"));
        let [first, second] = kinds;
        let options = |index: usize| HomeserverOptions {
            server_name: names.get(index).cloned().unwrap_or_default(),
            turn: turn.cloned(),
            federation: ports.get(index).map(|port| FederationOptions {
                port: *port,
                servers: names.to_vec(),
            }),
            ..HomeserverOptions::default()
        };
        // Most of a start is waiting.
        let (first, second) = thread::scope(|scope| {
            let first = scope.spawn(|| first.start(options(0)));
            let second = second.start(options(1));
            (first.join(), second)
        });
        let first = first.map_err(|_| io::Error::other("the start of a homeserver panicked"))?;
        Ok(Self {
            servers: [first?, second?],
        })
    }

    /// Both.
    #[must_use]
    pub fn servers(&self) -> [&dyn Homeserver; 2] {
        self.servers.each_ref().map(|server| &**server)
    }

    /// Both, to stop them or start them again.
    pub fn servers_mut(&mut self) -> &mut [Box<dyn Homeserver>; 2] {
        &mut self.servers
    }
}

/// A certificate for `localhost` that nobody vouches for.
pub(crate) struct Certificate {
    certificate: String,
    key: String,
}

impl Certificate {
    pub(crate) fn new() -> io::Result<Self> {
        let pair = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])
            .map_err(io::Error::other)?;
        Ok(Self {
            certificate: pem("CERTIFICATE", pair.cert.der()),
            key: pem("PRIVATE KEY", &pair.signing_key.serialize_der()),
        })
    }

    /// Writes `tls.crt` and `tls.key`.
    pub(crate) fn write_to(&self, directory: &Path) -> io::Result<()> {
        fs::write(directory.join("tls.crt"), &self.certificate)?;
        fs::write(directory.join("tls.key"), &self.key)
    }
}

/// What a server signs with: servers that meet must not have the same.
pub(crate) fn signing_seed() -> io::Result<[u8; 32]> {
    let mut seed = [0; 32];
    rustls::crypto::aws_lc_rs::default_provider()
        .secure_random
        .fill(&mut seed)
        .map_err(|_| io::Error::other("no randomness"))?;
    Ok(seed)
}
