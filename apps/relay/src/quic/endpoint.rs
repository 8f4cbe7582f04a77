//! One socket and all its connections.

use std::io;
use std::net::UdpSocket;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::BytesMut;
use quinn_proto::{
    ConnectionEvent, ConnectionHandle, DatagramEvent, EcnCodepoint, EndpointConfig, EndpointEvent,
    Incoming, ServerConfig, VarInt,
};
use quinn_udp::{RecvMeta, Transmit};
use tokio::sync::Notify;
use tokio::time::sleep_until;

use super::connection::Connection;
use super::schedule::Schedule;
use crate::clock;
use crate::packet_socket::{PacketSocket, QUIC_BUFFERS};

/// Packets after which others get a turn.
const TURN: u32 = 64;

/// A socket on which QUIC is spoken.
#[derive(Clone)]
pub(crate) struct Endpoint(Arc<Shared>);

/// What an endpoint and its connections share. Who holds a connection's lock may take either of these, not the other way round.
pub(super) struct Shared {
    socket: PacketSocket,
    table: Mutex<Table>,
    schedule: Mutex<Schedule>,
    /// There is something on the schedule.
    scheduled: Notify,
    /// The last connection has gone.
    idle: Notify,
    #[cfg(test)]
    is_full: std::sync::atomic::AtomicBool,
}

/// Who a packet is for.
struct Table {
    engine: quinn_proto::Endpoint,
    /// By handle.
    connections: Vec<Option<Arc<Connection>>>,
    open: usize,
    is_closed: bool,
}

impl Endpoint {
    /// QUIC at a socket that is bound.
    pub(crate) fn new(socket: UdpSocket, config: Arc<ServerConfig>) -> io::Result<Self> {
        let socket = PacketSocket::of(socket)?;
        let engine = quinn_proto::Endpoint::new(
            Arc::new(EndpointConfig::default()),
            Some(config),
            !socket.may_fragment(),
            None,
        );
        Ok(Self(Arc::new(Shared {
            socket,
            table: Mutex::new(Table {
                engine,
                connections: Vec::new(),
                open: 0,
                is_closed: false,
            }),
            schedule: Mutex::default(),
            scheduled: Notify::new(),
            idle: Notify::new(),
            #[cfg(test)]
            is_full: false.into(),
        })))
    }

    /// Reads packets until the socket fails, and asks about everybody who wants to be let in. Each must be accepted, refused, asked
    /// to come again, or ignored.
    pub(crate) async fn receive(&self, mut admit: impl FnMut(Incoming)) {
        let driver = self.clone();
        let driver = tokio::spawn(async move { driver.drive().await });
        let mut answer = Vec::new();
        let mut turn = 0;
        while self.0.socket.readable().await.is_ok() {
            let now = clock::now();
            let socket = &self.0.socket;
            let received = socket.receive_with_meta::<QUIC_BUFFERS>(|meta, packet| {
                turn += 1;
                self.handle(now, meta, packet, &mut answer, &mut admit);
            });
            if received.is_err() {
                break;
            }
            if turn >= TURN {
                turn = 0;
                tokio::task::yield_now().await;
            }
        }
        driver.abort();
    }

    fn handle(
        &self,
        now: Instant,
        meta: &RecvMeta,
        packet: &[u8],
        answer: &mut Vec<u8>,
        admit: &mut impl FnMut(Incoming),
    ) {
        let ecn = meta.ecn.and_then(|ecn| EcnCodepoint::from_bits(ecn as u8));
        let (event, connection) = {
            let mut table = self.0.table();
            let packet = BytesMut::from(packet);
            let event = table
                .engine
                .handle(now, meta.addr, meta.dst_ip, ecn, packet, answer);
            let connection = match &event {
                Some(DatagramEvent::ConnectionEvent(handle, _)) => table.get(*handle),
                _ => None,
            };
            (event, connection)
        };
        match event {
            Some(DatagramEvent::ConnectionEvent(_, event)) => {
                if let Some(connection) = connection {
                    connection.handle(now, event);
                }
            }
            Some(DatagramEvent::NewConnection(incoming)) => {
                if self.0.table().is_closed {
                    self.ignore(incoming);
                } else {
                    admit(incoming);
                }
            }
            Some(DatagramEvent::Response(transmit)) => self.0.respond(&transmit, answer),
            None => {}
        }
        answer.clear();
    }

    /// Lets somebody in. `None`: the first packet was no good.
    pub(crate) fn accept(
        &self,
        incoming: Incoming,
        config: Arc<ServerConfig>,
    ) -> Option<Arc<Connection>> {
        let mut answer = Vec::new();
        let accepted = {
            let mut table = self.0.table();
            let accepted = table
                .engine
                .accept(incoming, clock::now(), &mut answer, Some(config));
            accepted.map(|(handle, engine)| {
                let connection = Connection::new(self.0.clone(), handle, engine);
                table.insert(handle, connection.clone());
                connection
            })
        };
        match accepted {
            Ok(connection) => {
                connection.schedule();
                Some(connection)
            }
            Err(error) => {
                if let Some(transmit) = error.response {
                    self.0.respond(&transmit, &answer);
                }
                None
            }
        }
    }

    /// Has somebody prove its address.
    pub(crate) fn retry(&self, incoming: Incoming) {
        let mut answer = Vec::new();
        let transmit = {
            let mut table = self.0.table();
            match table.engine.retry(incoming, &mut answer) {
                Ok(transmit) => transmit,
                // An address that was proven is not asked again.
                Err(error) => table.engine.refuse(error.into_incoming(), &mut answer),
            }
        };
        self.0.respond(&transmit, &answer);
    }

    /// Tells somebody that there is no room.
    pub(crate) fn refuse(&self, incoming: Incoming) {
        let mut answer = Vec::new();
        let transmit = self.0.table().engine.refuse(incoming, &mut answer);
        self.0.respond(&transmit, &answer);
    }

    /// Tells somebody nothing.
    pub(crate) fn ignore(&self, incoming: Incoming) {
        self.0.table().engine.ignore(incoming);
    }

    /// How connections are accepted from now on.
    pub(crate) fn set_server_config(&self, config: Arc<ServerConfig>) {
        self.0.table().engine.set_server_config(Some(config));
    }

    /// Ends all connections, and lets nobody in any more.
    pub(crate) fn close(&self, code: VarInt) {
        let connections: Vec<_> = {
            let mut table = self.0.table();
            table.is_closed = true;
            table.connections.iter().flatten().cloned().collect()
        };
        for connection in connections {
            connection.close(code);
        }
    }

    /// Waits until the last packets of the last connection have been seen off.
    pub(crate) async fn wait_idle(&self) {
        loop {
            let idle = self.0.idle.notified();
            if self.0.table().open == 0 {
                return;
            }
            idle.await;
        }
    }

    /// Does what is on the schedule, when it is due.
    async fn drive(&self) {
        let shared = &*self.0;
        loop {
            let now = clock::now();
            let (dirty, due) = {
                let mut schedule = shared.schedule();
                (schedule.take_dirty(), schedule.take_due(now))
            };
            for connection in dirty {
                connection.clean(now);
            }
            for (due, handle) in due {
                let connection = shared.table().get(handle);
                if let Some(connection) = connection {
                    connection.handle_timeout(now, due);
                }
            }
            let (next, holds_any) = {
                let schedule = shared.schedule();
                (schedule.next(), schedule.holds_any())
            };
            let timer = async {
                match next {
                    Some(next) => sleep_until(next.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = shared.scheduled.notified() => {}
                () = timer => {}
                _ = shared.socket.writable(), if holds_any => {
                    let held = shared.schedule().take_held();
                    for connection in held {
                        connection.release(now);
                    }
                    // If there was none after all, not again before everybody else.
                    tokio::task::yield_now().await;
                }
            }
        }
    }
}

#[cfg(test)]
impl Endpoint {
    /// Connections that have not gone yet.
    pub(super) fn open(&self) -> usize {
        self.0.table().open
    }

    pub(super) fn has_no_timers(&self) -> bool {
        self.0.schedule().next().is_none()
    }

    /// As if the socket had no room.
    pub(super) fn fill(&self, is_full: bool) {
        let is_full_now = &self.0.is_full;
        is_full_now.store(is_full, std::sync::atomic::Ordering::Relaxed);
    }

    pub(super) fn address(&self) -> std::net::SocketAddr {
        let port = self.0.socket.port().unwrap();
        (std::net::Ipv4Addr::LOCALHOST, port).into()
    }
}

impl Shared {
    /// Sends a packet of a connection.
    pub(super) fn transmit(
        &self,
        transmit: &quinn_proto::Transmit,
        contents: &[u8],
    ) -> io::Result<()> {
        #[cfg(test)]
        if self.is_full.load(std::sync::atomic::Ordering::Relaxed) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.socket.transmit(&Transmit {
            destination: transmit.destination,
            ecn: transmit
                .ecn
                .and_then(|ecn| quinn_udp::EcnCodepoint::from_bits(ecn as u8)),
            contents,
            segment_size: transmit.segment_size,
            src_ip: transmit.src_ip,
        })
    }

    /// An answer to nobody that is known. What finds no room is lost: whoever it is asks again.
    fn respond(&self, transmit: &quinn_proto::Transmit, answer: &[u8]) {
        let _ = self.transmit(transmit, &answer[..transmit.size]);
    }

    /// What a connection has to say to its endpoint. Gives the answer, if there is one.
    pub(super) fn handle_event(
        &self,
        handle: ConnectionHandle,
        event: EndpointEvent,
    ) -> Option<ConnectionEvent> {
        let mut table = self.table();
        let is_drained = event.is_drained();
        let answer = table.engine.handle_event(handle, event);
        if is_drained {
            table.remove(handle);
            if table.open == 0 {
                self.idle.notify_waiters();
            }
        }
        answer
    }

    /// Has a connection looked at soon.
    pub(super) fn dirty(&self, connection: Arc<Connection>) {
        self.schedule().dirty(connection);
        self.scheduled.notify_one();
    }

    /// Has a connection looked at when there is room in the socket.
    pub(super) fn hold(&self, connection: Arc<Connection>) {
        self.schedule().hold(connection);
        self.scheduled.notify_one();
    }

    pub(super) fn arm(&self, handle: ConnectionHandle, before: Option<Instant>, due: Instant) {
        if self.schedule().arm(handle, before, due) {
            self.scheduled.notify_one();
        }
    }

    pub(super) fn disarm(&self, handle: ConnectionHandle, before: Option<Instant>) {
        self.schedule().disarm(handle, before);
    }

    fn schedule(&self) -> MutexGuard<'_, Schedule> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn get(&self, handle: ConnectionHandle) -> Option<Arc<Connection>> {
        self.connections.get(handle.0)?.clone()
    }

    fn insert(&mut self, handle: ConnectionHandle, connection: Arc<Connection>) {
        if self.connections.len() <= handle.0 {
            self.connections.resize(handle.0 + 1, None);
        }
        self.connections[handle.0] = Some(connection);
        self.open += 1;
    }

    fn remove(&mut self, handle: ConnectionHandle) {
        let place = self.connections.get_mut(handle.0);
        if place.and_then(Option::take).is_some() {
            self.open -= 1;
        }
    }
}
