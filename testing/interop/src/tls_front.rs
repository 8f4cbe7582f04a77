//! An `https` door in front of a plain HTTP server, with a certificate that nobody vouches for.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use rustls::{
    HandshakeKind, ServerConfig, ServerConnection, SupportedProtocolVersion,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};

use crate::pem::pem;

/// How long a connection with nothing to do sleeps between two looks.
const IDLE: Duration = Duration::from_millis(1);

/// Takes TLS connections, for `localhost` and 127.0.0.1 unless told otherwise, and carries what is in them to a plain server.
#[derive(Debug)]
pub struct TlsFront {
    address: SocketAddr,
    certificate_pem: String,
    is_over: Arc<AtomicBool>,
    handshakes: Handshakes,
}

/// How the connections so far have begun.
type Handshakes = Arc<Mutex<Vec<HandshakeKind>>>;

impl TlsFront {
    /// Opens a door to `server`, with a fresh self-signed certificate.
    ///
    /// # Errors
    ///
    /// When no socket or no certificate can be had.
    pub fn start(server: SocketAddr) -> io::Result<Self> {
        Self::with_names(server, &["localhost", "127.0.0.1"])
    }

    /// The same with a certificate for other names.
    ///
    /// # Errors
    ///
    /// When no socket or no certificate can be had.
    pub fn with_names(server: SocketAddr, names: &[&str]) -> io::Result<Self> {
        Self::start_at((Ipv4Addr::LOCALHOST, 0).into(), server, names)
    }

    /// The same at an address of one's own choice. Whoever starts it in a [`Host`](crate::network::Host) has it there, and
    /// there it looks for the server.
    ///
    /// # Errors
    ///
    /// When the socket, or a certificate, is not to be had.
    pub fn start_at(at: SocketAddr, server: SocketAddr, names: &[&str]) -> io::Result<Self> {
        Self::open(at, server, names, &[], rustls::DEFAULT_VERSIONS)
    }

    /// Opens a door for those who speak TLS 1.2 (RFC 5246), and none newer.
    ///
    /// # Errors
    ///
    /// When no socket or no certificate can be had.
    pub fn tls12(server: SocketAddr) -> io::Result<Self> {
        Self::open(
            (Ipv4Addr::LOCALHOST, 0).into(),
            server,
            &["localhost", "127.0.0.1"],
            &[],
            &[&rustls::version::TLS12],
        )
    }

    /// Opens a door to a server that speaks HTTP/2 (RFC 9113), and says so.
    ///
    /// # Errors
    ///
    /// When no socket or no certificate can be had.
    pub fn http2(server: SocketAddr) -> io::Result<Self> {
        Self::open(
            (Ipv4Addr::LOCALHOST, 0).into(),
            server,
            &["localhost"],
            &[b"h2"],
            rustls::DEFAULT_VERSIONS,
        )
    }

    fn open(
        at: SocketAddr,
        server: SocketAddr,
        names: &[&str],
        protocols: &[&[u8]],
        versions: &[&'static SupportedProtocolVersion],
    ) -> io::Result<Self> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let signed = rcgen::generate_simple_self_signed(names).map_err(io::Error::other)?;
        let key =
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signed.signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .and_then(|builder| {
                builder
                    .with_no_client_auth()
                    .with_single_cert(vec![signed.cert.der().clone()], key)
            })
            .map_err(io::Error::other)?;
        // Both ways that TLS 1.2 has of going on with an earlier session: by its number, and by a ticket.
        config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().map_err(io::Error::other)?;
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();

        let listener = TcpListener::bind(at)?;
        let address = listener.local_addr()?;
        let is_over = Arc::new(AtomicBool::new(false));
        let handshakes = Handshakes::default();
        let (config, over, done) = (
            Arc::new(config),
            Arc::clone(&is_over),
            Arc::clone(&handshakes),
        );
        thread::Builder::new()
            .name("tls-front".to_owned())
            .spawn(move || accept(&listener, server, &config, &over, &done))?;
        Ok(Self {
            address,
            certificate_pem: pem("CERTIFICATE", signed.cert.der()),
            is_over,
            handshakes,
        })
    }

    /// How many connections have come up so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        lock(&self.handshakes).len()
    }

    /// How many of them went on with an earlier session.
    #[must_use]
    pub fn resumed(&self) -> usize {
        let handshakes = lock(&self.handshakes);
        let resumed = |kind: &&HandshakeKind| **kind == HandshakeKind::Resumed;
        handshakes.iter().filter(resumed).count()
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `https://localhost:port`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    /// The certificate, for a client that is to believe it.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        // Wakes the listener, which then sees that it is over.
        let _ = TcpStream::connect(self.address);
    }
}

fn accept(
    listener: &TcpListener,
    server: SocketAddr,
    config: &Arc<ServerConfig>,
    over: &Arc<AtomicBool>,
    done: &Handshakes,
) {
    for client in listener.incoming() {
        if over.load(Ordering::SeqCst) {
            return;
        }
        let (config, over, done) = (Arc::clone(config), Arc::clone(over), Arc::clone(done));
        let Ok(client) = client else {
            continue;
        };
        // A connection that fails is the client's to notice.
        thread::spawn(move || carry(client, server, config, &over, &done));
    }
}

fn carry(
    mut client: TcpStream,
    server: SocketAddr,
    config: Arc<ServerConfig>,
    over: &AtomicBool,
    done: &Handshakes,
) -> io::Result<()> {
    let mut tls = ServerConnection::new(config).map_err(io::Error::other)?;
    let mut plain = TcpStream::connect(server)?;
    for stream in [&client, &plain] {
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
    }
    let mut to_server = Vec::new();
    let mut buffer = [0; 16_384];
    let mut is_noted = false;
    while !over.load(Ordering::SeqCst) {
        if let (false, false, Some(kind)) = (is_noted, tls.is_handshaking(), tls.handshake_kind()) {
            lock(done).push(kind);
            is_noted = true;
        }
        let mut busy = false;
        match unless_blocked(tls.read_tls(&mut client))? {
            Some(0) => return Ok(()),
            Some(_) => {
                busy = true;
                let outcome = tls.process_new_packets();
                if let Err(error) = outcome {
                    // The alert tells the client what is wrong.
                    let _ = tls.write_tls(&mut client);
                    return Err(io::Error::other(error));
                }
            }
            None => {}
        }
        while let Some(length @ 1..) = unless_blocked(tls.reader().read(&mut buffer))? {
            to_server.extend_from_slice(buffer.get(..length).unwrap_or_default());
        }
        if !to_server.is_empty()
            && let Some(length) = unless_blocked(plain.write(&to_server))?
        {
            to_server.drain(..length);
            busy = true;
        }
        match unless_blocked(plain.read(&mut buffer))? {
            Some(0) => {
                tls.send_close_notify();
                let _ = tls.write_tls(&mut client);
                return Ok(());
            }
            Some(length) => {
                tls.writer()
                    .write_all(buffer.get(..length).unwrap_or_default())?;
                busy = true;
            }
            None => {}
        }
        while tls.wants_write() && unless_blocked(tls.write_tls(&mut client))?.is_some() {
            busy = true;
        }
        if !busy {
            thread::sleep(IDLE);
        }
    }
    Ok(())
}

/// `None` where there is nothing to read, or no room to write, just now.
fn unless_blocked(outcome: io::Result<usize>) -> io::Result<Option<usize>> {
    match outcome {
        Ok(length) => Ok(Some(length)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

fn lock(handshakes: &Handshakes) -> MutexGuard<'_, Vec<HandshakeKind>> {
    handshakes.lock().unwrap_or_else(PoisonError::into_inner)
}
