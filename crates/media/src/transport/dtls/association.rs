//! Which library does the handshake: dimpl, but for peers who speak DTLS 1.2 alone and begin it.
//!
//! dimpl has both versions and takes certificates of ECDSA alone. OpenSSL takes those of RSA too and has DTLS 1.2 alone. Browsers
//! speak 1.3 and have ECDSA; GStreamer's `webrtcbin` has RSA, and OpenSSL, so 1.2. As a server we hear the peer's hello before we
//! say anything: one that offers 1.3 is dimpl's, any other OpenSSL's. It is dimpl that reads the hello and says which it is, for it
//! does so anyway, strictly and in bounds; only the datagrams are kept meanwhile.

use std::collections::VecDeque;

use dimpl::Dtls;
use str0m::crypto::dtls::{DtlsCert, DtlsImplError, DtlsOutput, ProtocolVersion};
use tracing::{debug, warn};
use web_time::Instant;

use super::{dimpl_end::DimplEnd, openssl_server::OpenSslServer, records};

/// The most datagrams of a first hello: a large one takes two, and each may come several times.
const MAX_HELLOS: usize = 16;

/// A DTLS association, or the attempt at one.
pub(super) struct Association {
    library: Library,
    /// There until the peer's first hello was read, where it is open which library it is for.
    undecided: Option<Undecided>,
}

enum Library {
    Dimpl(DimplEnd),
    OpenSsl(Box<OpenSslServer>),
}

struct Undecided {
    certificate: DtlsCert,
    /// Datagrams with parts of hellos, oldest first.
    hellos: VecDeque<Vec<u8>>,
    now: Instant,
}

impl Association {
    /// One that only dimpl is for.
    pub(super) fn of_dimpl(dtls: Dtls, now: Instant) -> Self {
        Self {
            library: Library::Dimpl(DimplEnd::new(dtls, now)),
            undecided: None,
        }
    }

    /// One that is for dimpl if we begin, or the peer offers 1.3. `dtls` takes either version.
    pub(super) fn of_either(dtls: Dtls, certificate: DtlsCert, now: Instant) -> Self {
        Self {
            undecided: Some(Undecided {
                certificate,
                hellos: VecDeque::new(),
                now,
            }),
            ..Self::of_dimpl(dtls, now)
        }
    }

    pub(super) fn set_active(&mut self, active: bool) {
        if let Library::Dimpl(dtls) = &mut self.library {
            dtls.set_active(active);
        }
        if active {
            self.undecided = None;
        }
    }

    pub(super) fn handle_packet(&mut self, packet: &[u8]) -> Result<(), DtlsImplError> {
        let dtls = match &mut self.library {
            Library::Dimpl(dtls) => dtls,
            Library::OpenSsl(server) => {
                server.handle_packet(packet);
                return Ok(());
            }
        };
        if let Some(undecided) = &mut self.undecided {
            // dimpl would keep some of the rest until it has no room for a hello.
            if !records::has_hello(packet) {
                return Ok(());
            }
            undecided.keep(packet);
        }
        let handled = dtls.handle_packet(packet);
        let version = dtls.protocol_version();
        if version.is_none() {
            return handled;
        }
        match self.undecided.take() {
            Some(undecided) if version == Some(ProtocolVersion::DTLS1_2) => {
                match undecided.into_server() {
                    Ok(server) => self.library = Library::OpenSsl(Box::new(server)),
                    // What dimpl can do, it still does.
                    Err(error) => warn!(%error, "OpenSSL cannot be used"),
                }
                Ok(())
            }
            _ => handled,
        }
    }

    pub(super) fn poll_output<'a>(&mut self, buffer: &'a mut [u8]) -> DtlsOutput<'a> {
        match &mut self.library {
            Library::Dimpl(dtls) => dtls.poll_output(buffer),
            Library::OpenSsl(server) => server.poll_output(buffer),
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsImplError> {
        if let Some(undecided) = &mut self.undecided {
            undecided.now = now;
        }
        match &mut self.library {
            Library::Dimpl(dtls) => dtls.handle_timeout(now),
            Library::OpenSsl(server) => server.handle_timeout(now),
        }
    }

    pub(super) fn send_application_data(&mut self, data: &[u8]) -> Result<usize, DtlsImplError> {
        match &mut self.library {
            Library::Dimpl(dtls) => dtls.send_application_data(data),
            Library::OpenSsl(server) => Ok(server.send_application_data(data)),
        }
    }

    pub(super) fn close(&mut self) -> Result<(), DtlsImplError> {
        match &mut self.library {
            Library::Dimpl(dtls) => dtls.close(),
            Library::OpenSsl(server) => {
                server.close();
                Ok(())
            }
        }
    }

    pub(super) fn is_active(&self) -> bool {
        match &self.library {
            Library::Dimpl(dtls) => dtls.is_active(),
            Library::OpenSsl(_) => false,
        }
    }

    pub(super) fn protocol_version(&self) -> Option<ProtocolVersion> {
        match &self.library {
            Library::Dimpl(dtls) => dtls.protocol_version(),
            Library::OpenSsl(_) => Some(ProtocolVersion::DTLS1_2),
        }
    }

    pub(super) fn is_closing(&self) -> bool {
        match &self.library {
            Library::Dimpl(dtls) => dtls.is_closing(),
            Library::OpenSsl(server) => server.has_said_goodbye(),
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        match &self.library {
            Library::Dimpl(dtls) => dtls.is_closed(),
            Library::OpenSsl(server) => server.is_closed(),
        }
    }

    /// The peer's part of the handshake was refused, and there is no going on.
    pub(super) fn is_broken(&self) -> bool {
        match &self.library {
            Library::Dimpl(dtls) => dtls.is_broken(),
            Library::OpenSsl(server) => server.is_broken(),
        }
    }

    /// Whether records that need no key are looked at before the library sees them.
    pub(super) fn sorts_records(&self) -> bool {
        matches!(self.library, Library::OpenSsl(_))
    }
}

impl Undecided {
    fn keep(&mut self, packet: &[u8]) {
        if self.hellos.len() == MAX_HELLOS {
            self.hellos.pop_front();
        }
        self.hellos.push_back(packet.to_vec());
    }

    fn into_server(self) -> Result<OpenSslServer, openssl::error::ErrorStack> {
        debug!("the peer has DTLS 1.2 alone");
        let mut server = OpenSslServer::new(&self.certificate, self.now)?;
        for hello in &self.hellos {
            server.handle_packet(hello);
        }
        Ok(server)
    }
}
