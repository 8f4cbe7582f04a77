//! A TURN server that lies: a real one, and before it somebody who knows the password and changes what it says.

mod streams;
mod stun;

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use self::stun::{ALLOCATE, Message, REFRESH};

/// How often a waiting thread looks whether it should end.
const WAKE: Duration = Duration::from_millis(100);
/// How often a port is looked for that is free for UDP and for TCP.
const TRIES: usize = 20;
/// More than any UDP datagram holds.
const MAX_DATAGRAM: usize = 65_536;
/// A datagram or a message longer than any that a client would read, and near the longest there can be.
const ENORMOUS: usize = 60_000;

/// What the server does instead of what it should.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Lie {
    /// Nothing: it is honest.
    #[default]
    None,
    /// It takes all and says nothing.
    Silence,
    /// It grants this address, which is not the one it has.
    RelayedAddress(SocketAddr),
    /// It refuses every request with this code, and carries nothing.
    Refusal(u16),
    /// It refuses to keep an address, with this code, and carries nothing from peers until another one is asked for.
    RefusedRefresh(u16),
    /// These user names have expired: it refuses whatever they ask for, and carries nothing until so many others have asked for an
    /// address.
    Expired {
        /// The names.
        names: BTreeSet<Vec<u8>>,
        /// How many others.
        others: usize,
        /// Those who have asked so far.
        fresh: BTreeSet<Vec<u8>>,
    },
    /// It calls every nonce stale.
    StaleNonce,
    /// It asks for the password of another realm with each answer.
    OtherRealms,
    /// It sends us on to this server.
    Redirect(SocketAddr),
    /// Bytes without sense in place of answers.
    Garbage,
    /// Answers of 60,000 bytes.
    Enormous,
    /// The first bytes of an answer, one a second, and never the last. A datagram has one byte.
    SlowLoris,
    /// With each packet it brings others: of a host that was not let through, of a channel that was not bound, and bytes
    /// without sense, and broken DTLS, as if they were of the peer.
    ForgedPeers,
}

/// Who its clients are.
#[derive(Clone, Debug)]
pub struct TurnUser {
    /// The user name.
    pub username: String,
    /// The password.
    pub password: String,
    /// The realm of the server behind it.
    pub realm: String,
}

/// A TURN server on the loopback interface, over UDP and TCP on one port. It ends when this value is dropped.
#[derive(Debug)]
pub struct LyingTurn {
    address: SocketAddr,
    liar: Arc<Liar>,
}

/// What all its threads know.
#[derive(Debug)]
struct Liar {
    upstream: SocketAddr,
    key: [u8; 16],
    lie: Mutex<Lie>,
    heard: Mutex<Vec<Vec<u8>>>,
    is_over: AtomicBool,
}

/// What becomes of a message of a client.
enum Fate {
    /// The real server gets it.
    Forwarded,
    /// It goes no further, and this is answered.
    Answered(Vec<u8>),
    /// It goes no further.
    Dropped,
}

impl LyingTurn {
    /// Opens one in front of a real server.
    ///
    /// # Errors
    ///
    /// When no socket can be had.
    pub fn start(upstream: SocketAddr, user: &TurnUser, lie: Lie) -> io::Result<Self> {
        let TurnUser {
            username,
            password,
            realm,
        } = user;
        let (udp, tcp) = at_one_port()?;
        udp.set_read_timeout(Some(WAKE))?;
        let address = udp.local_addr()?;
        let liar = Arc::new(Liar {
            upstream,
            key: stun::key(username, realm, password),
            lie: Mutex::new(lie),
            heard: Mutex::default(),
            is_over: AtomicBool::new(false),
        });
        let (of_udp, of_tcp) = (Arc::clone(&liar), Arc::clone(&liar));
        thread::spawn(move || of_udp.serve_datagrams(&udp));
        thread::spawn(move || streams::serve(&of_tcp, &tcp));
        Ok(Self { address, liar })
    }

    /// Where it listens, for UDP and TCP.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on it lies so.
    pub fn lie(&self, lie: Lie) {
        *self.liar.lie() = lie;
    }

    /// From now on all user names have expired that were used so far, and nothing is carried before so many others are. Gives them.
    pub fn expire_names(&self, others: usize) -> BTreeSet<Vec<u8>> {
        let names = self.names();
        self.lie(Lie::Expired {
            names: names.clone(),
            others,
            fresh: BTreeSet::new(),
        });
        names
    }

    /// The user names that clients have asked for an address with.
    pub fn names(&self) -> BTreeSet<Vec<u8>> {
        let heard = self.liar.heard();
        let asked = heard.iter().filter_map(|bytes| Message::read(bytes));
        asked
            .filter(|message| message.is_request(Some(ALLOCATE)))
            .filter_map(|message| message.username().map(<[u8]>::to_vec))
            .collect()
    }

    /// Everything that clients have said to it so far.
    pub fn heard(&self) -> Vec<Vec<u8>> {
        self.liar.heard().clone()
    }
}

/// Both sockets at one port, which another process may have taken for the one of them.
fn at_one_port() -> io::Result<(UdpSocket, TcpListener)> {
    let mut last = None;
    for _ in 0..TRIES {
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        match TcpListener::bind(udp.local_addr()?) {
            Ok(tcp) => return Ok((udp, tcp)),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| io::ErrorKind::AddrInUse.into()))
}

impl Drop for LyingTurn {
    fn drop(&mut self) {
        self.liar.is_over.store(true, Ordering::SeqCst);
        // Wakes the listener, which then sees that it is over.
        let _ = TcpStream::connect(self.address);
    }
}

impl Liar {
    fn lie(&self) -> MutexGuard<'_, Lie> {
        self.lie.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn heard(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    fn serve_datagrams(self: &Arc<Self>, socket: &UdpSocket) {
        let mut clients: HashMap<SocketAddr, UdpSocket> = HashMap::new();
        let mut buffer = vec![0; MAX_DATAGRAM];
        while !self.is_over() {
            let Ok((len, client)) = socket.recv_from(&mut buffer) else {
                continue;
            };
            match self.hear_client(&buffer[..len]) {
                Fate::Forwarded => {
                    if !clients.contains_key(&client)
                        && let Ok(way) = self.way_of(socket, client)
                    {
                        clients.insert(client, way);
                    }
                    if let Some(way) = clients.get(&client) {
                        let _ = way.send(&buffer[..len]);
                    }
                }
                Fate::Answered(answer) => {
                    let _ = socket.send_to(&answer, client);
                }
                Fate::Dropped => {}
            }
        }
    }

    /// A socket for one client, whose answers go back to it.
    fn way_of(self: &Arc<Self>, socket: &UdpSocket, client: SocketAddr) -> io::Result<UdpSocket> {
        let way = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        way.connect(self.upstream)?;
        way.set_read_timeout(Some(WAKE))?;
        let (back, front, liar) = (way.try_clone()?, socket.try_clone()?, Arc::clone(self));
        thread::spawn(move || {
            let mut buffer = vec![0; MAX_DATAGRAM];
            while !liar.is_over() {
                let Ok(len) = back.recv(&mut buffer) else {
                    continue;
                };
                for datagram in liar.hear_server(&buffer[..len]) {
                    let _ = front.send_to(&datagram, client);
                }
            }
        });
        Ok(way)
    }

    /// What becomes of what a client says.
    fn hear_client(&self, bytes: &[u8]) -> Fate {
        self.heard().push(bytes.to_vec());
        let lie = self.lie().clone();
        let request = Message::read(bytes).filter(|message| message.is_request(None));
        let Some(request) = request else {
            return match lie {
                Lie::None | Lie::RelayedAddress(_) | Lie::ForgedPeers => Fate::Forwarded,
                Lie::Expired { others, fresh, .. } if fresh.len() >= others => Fate::Forwarded,
                _ => Fate::Dropped,
            };
        };
        // Nobody proves anything before being asked to.
        let is_asked_to_prove = request.is_authenticated();
        match lie {
            Lie::None | Lie::RelayedAddress(_) | Lie::ForgedPeers => Fate::Forwarded,
            Lie::Silence => Fate::Dropped,
            Lie::Garbage => Fate::Answered(garbage(bytes.len())),
            Lie::Enormous => Fate::Answered(enormous(bytes)),
            Lie::SlowLoris => Fate::Answered(vec![0x01]),
            Lie::RefusedRefresh(code) if request.is_request(Some(REFRESH)) => {
                Fate::Answered(request.refused(code).signed(&self.key))
            }
            Lie::RefusedRefresh(_) => {
                if request.is_request(Some(ALLOCATE)) {
                    *self.lie() = Lie::None;
                }
                Fate::Forwarded
            }
            Lie::Expired { names, .. } => self.hear_with_name(&request, &names),
            Lie::OtherRealms => {
                let realm = format!("realm-{}.example", self.heard().len());
                let challenge = request.refused(if is_asked_to_prove { 438 } else { 401 });
                Fate::Answered(challenge.with_challenge(&realm, "a nonce").bytes())
            }
            Lie::StaleNonce | Lie::Redirect(_) | Lie::Refusal(_) if !is_asked_to_prove => {
                Fate::Forwarded
            }
            Lie::StaleNonce => {
                let stale = request
                    .refused(438)
                    .with_challenge("example.org", "another");
                Fate::Answered(stale.bytes())
            }
            Lie::Redirect(server) => {
                let redirect = request.refused(300).with_alternate_server(server);
                Fate::Answered(redirect.signed(&self.key))
            }
            Lie::Refusal(code) => Fate::Answered(request.refused(code).signed(&self.key)),
        }
    }

    /// What becomes of a request where these names have expired.
    fn hear_with_name(&self, request: &Message, expired: &BTreeSet<Vec<u8>>) -> Fate {
        let Some(name) = request.username() else {
            return Fate::Forwarded;
        };
        if expired.contains(name) {
            // As coturn says it, without a proof of its own.
            let refused = request
                .refused(401)
                .with_challenge("example.org", "a nonce");
            return Fate::Answered(refused.bytes());
        }
        if request.is_request(Some(ALLOCATE))
            && let Lie::Expired { fresh, .. } = &mut *self.lie()
        {
            fresh.insert(name.to_vec());
        }
        Fate::Forwarded
    }

    /// What a client gets in place of what the real server says.
    fn hear_server(&self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let lie = self.lie().clone();
        let message = Message::read(bytes);
        match (lie, message) {
            (Lie::RelayedAddress(address), Some(message)) if message.is_grant_of(ALLOCATE) => {
                vec![message.with_relayed_address(address).signed(&self.key)]
            }
            (Lie::Silence | Lie::RefusedRefresh(_) | Lie::Refusal(_), message)
                if !message.as_ref().is_some_and(Message::is_answer) =>
            {
                Vec::new()
            }
            (Lie::Expired { others, fresh, .. }, message)
                if fresh.len() < others && !message.as_ref().is_some_and(Message::is_answer) =>
            {
                Vec::new()
            }
            (Lie::ForgedPeers, message) => {
                let mut all = forged(message.as_ref());
                all.push(bytes.to_vec());
                all
            }
            _ => vec![bytes.to_vec()],
        }
    }
}

/// What a server brings that has no business to, and what the peer never sent.
fn forged(message: Option<&Message>) -> Vec<Vec<u8>> {
    // A handshake record of DTLS 1.2 with a body that is none, and a plain alert that ends all.
    let broken_dtls: [&[u8]; 2] = [
        b"\x16\xfe\xfd\0\0\0\0\0\0\0\x09\0\x10 a broken record",
        b"\x15\xfe\xfd\0\0\0\0\0\0\0\x08\0\x02\x02\x28",
    ];
    let stranger = SocketAddr::from(([198, 51, 100, 66], 7000));
    let mut all = vec![
        Message::packet_of(stranger, b"of a stranger").bytes(),
        b"\x4f\xff\0\x08unbound!".to_vec(),
    ];
    if let Some(peer) = message.and_then(Message::peer) {
        for contents in broken_dtls {
            all.push(Message::packet_of(peer, contents).bytes());
        }
        all.push(Message::packet_of(peer, &garbage(90)).bytes());
    } else if message.is_none() {
        // The first channel of a client, whatever peer that is.
        for contents in broken_dtls {
            all.push(on_first_channel(contents));
        }
        all.push(on_first_channel(&[&b"\x80\x6f"[..], &garbage(90)].concat()));
    }
    all
}

fn on_first_channel(contents: &[u8]) -> Vec<u8> {
    let length = contents.len() as u16;
    let mut bytes = [&[0x40, 0][..], &length.to_be_bytes(), contents].concat();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// Bytes without sense, the same each time.
fn garbage(len: usize) -> Vec<u8> {
    (0..len)
        .map(|index| (index * 167 + len * 31) as u8)
        .collect()
}

/// The answer to a request, with an attribute that is longer than any client reads.
fn enormous(request: &[u8]) -> Vec<u8> {
    let mut answer = vec![0; ENORMOUS];
    let head = request.len().min(20);
    answer[..head].copy_from_slice(&request[..head]);
    // A success, whose lengths are right.
    answer[0] |= 0x01;
    answer[2..4].copy_from_slice(&((ENORMOUS - 20) as u16).to_be_bytes());
    answer[20..24].copy_from_slice(&[0x80, 0x22, 0, 0]);
    answer[22..24].copy_from_slice(&((ENORMOUS - 24) as u16).to_be_bytes());
    answer
}
