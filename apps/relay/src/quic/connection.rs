//! One connection.

use std::cell::RefCell;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::Bytes;
use quinn_proto::{
    ConnectionError, ConnectionEvent, ConnectionHandle, Dir, Event, SendDatagramError, StreamEvent,
    StreamId, Transmit, VarInt,
};

use super::endpoint::Shared;
use crate::clock;

thread_local! {
    /// Where packets are made. Each is sent before the next, so one for each thread is enough, whatever the number of connections.
    static PACKET: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Who gets the datagrams of a connection.
pub(crate) trait ReceivesDatagrams: Send + Sync {
    fn handle_datagram(&self, datagram: &[u8]);
}

/// A connection of a client.
pub(crate) struct Connection {
    shared: Arc<Shared>,
    handle: ConnectionHandle,
    /// Once there is somebody.
    receiver: OnceLock<Weak<dyn ReceivesDatagrams>>,
    state: Mutex<State>,
}

pub(super) struct State {
    pub(super) engine: quinn_proto::Connection,
    /// Why it is over.
    pub(super) error: Option<ConnectionError>,
    is_connected: bool,
    /// It is on the schedule already.
    is_dirty: bool,
    /// The time for which it is on the schedule. May be earlier than it need be, never later.
    armed: Option<Instant>,
    /// A packet that the socket had no room for.
    held: Option<Held>,
    /// Who waits for what; a few at most.
    waiting: Vec<(For, Waker)>,
}

struct Held {
    transmit: Transmit,
    contents: Box<[u8]>,
}

/// What somebody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum For {
    Connected,
    /// A stream that the client opens.
    Opened(Dir),
    /// That we may open one.
    Available(Dir),
    Readable(StreamId),
    Writable(StreamId),
}

impl Connection {
    pub(super) fn new(
        shared: Arc<Shared>,
        handle: ConnectionHandle,
        engine: quinn_proto::Connection,
    ) -> Arc<Self> {
        Arc::new(Self {
            shared,
            handle,
            receiver: OnceLock::new(),
            state: Mutex::new(State {
                engine,
                error: None,
                is_connected: false,
                is_dirty: false,
                armed: None,
                held: None,
                waiting: Vec::new(),
            }),
        })
    }

    /// Waits until the client has shown that it is there. `false`: it will not be any more.
    pub(crate) async fn connected(&self) -> bool {
        std::future::poll_fn(|cx| {
            let mut state = self.lock();
            match (&state.error, state.is_connected) {
                (Some(_), _) => Poll::Ready(false),
                (None, true) => Poll::Ready(true),
                (None, false) => state.wait(For::Connected, cx),
            }
        })
        .await
    }

    pub(crate) fn is_over(&self) -> bool {
        self.lock().error.is_some()
    }

    /// Who gets datagrams from now on, and those that have waited. Only the first counts.
    pub(crate) fn set_receiver(&self, receiver: Weak<dyn ReceivesDatagrams>) {
        if self.receiver.set(receiver).is_ok() {
            self.hand_out();
        }
    }

    /// Puts a datagram behind those that wait for [`Self::flush`]; the oldest are dropped where there are too many.
    pub(crate) fn queue_datagram(&self, datagram: Bytes) -> Result<(), NotQueued> {
        let mut state = self.lock();
        if state.error.is_some() {
            return Err(NotQueued::Lost);
        }
        let queued = state.engine.datagrams().send(datagram, true);
        queued.map_err(|error| match error {
            SendDatagramError::UnsupportedByPeer | SendDatagramError::Disabled => {
                NotQueued::Unsupported
            }
            SendDatagramError::TooLarge | SendDatagramError::Blocked(_) => NotQueued::Lost,
        })
    }

    /// Sends what can be sent.
    pub(crate) fn flush(self: &Arc<Self>) {
        self.drive(&mut self.lock(), clock::now());
    }

    /// Ends it. What it was ended for first is what counts.
    pub(crate) fn close(self: &Arc<Self>, code: VarInt) {
        let mut state = self.lock();
        if state.error.is_some() {
            return;
        }
        let now = clock::now();
        state.engine.close(now, code, Bytes::new());
        state.end(ConnectionError::LocallyClosed);
        self.drive(&mut state, now);
    }

    /// A packet has come.
    pub(super) fn handle(self: &Arc<Self>, now: Instant, event: ConnectionEvent) {
        let have_come = {
            let mut state = self.lock();
            state.engine.handle_event(event);
            self.drive(&mut state, now)
        };
        if have_come {
            self.hand_out();
        }
    }

    /// The schedule has come to it.
    pub(super) fn handle_timeout(self: &Arc<Self>, now: Instant, due: Instant) {
        let mut state = self.lock();
        // Another connection may have had this handle.
        if state.armed != Some(due) {
            return;
        }
        state.armed = None;
        if state.engine.poll_timeout().is_some_and(|due| due <= now) {
            state.engine.handle_timeout(now);
        }
        self.drive(&mut state, now);
    }

    /// Has it looked at soon, when all that is about to be written has been.
    pub(super) fn schedule(self: &Arc<Self>) {
        self.schedule_locked(&mut self.lock());
    }

    pub(super) fn schedule_locked(self: &Arc<Self>, state: &mut State) {
        if !state.is_dirty {
            state.is_dirty = true;
            self.shared.dirty(self.clone());
        }
    }

    /// It is looked at.
    pub(super) fn clean(self: &Arc<Self>, now: Instant) {
        let have_come = {
            let mut state = self.lock();
            state.is_dirty = false;
            self.drive(&mut state, now)
        };
        if have_come {
            self.hand_out();
        }
    }

    /// There is room in the socket again.
    pub(super) fn release(self: &Arc<Self>, now: Instant) {
        let mut state = self.lock();
        if let Some(Held { transmit, contents }) = state.held.take() {
            self.transmit(&mut state, &transmit, &contents);
        }
        self.drive(&mut state, now);
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does all that is to be done after anything has happened. Tells whether datagrams have come.
    fn drive(self: &Arc<Self>, state: &mut State, now: Instant) -> bool {
        let mut have_come = false;
        loop {
            self.transmit_all(state, now);
            while let Some(event) = state.engine.poll() {
                have_come |= matches!(event, Event::DatagramReceived);
                state.tell(event);
            }
            let mut is_answered = false;
            while let Some(event) = state.engine.poll_endpoint_events() {
                if let Some(answer) = self.shared.handle_event(self.handle, event) {
                    state.engine.handle_event(answer);
                    is_answered = true;
                }
            }
            // An answer is something to send.
            if !is_answered {
                break;
            }
        }
        self.arm(state);
        have_come
    }

    fn arm(&self, state: &mut State) {
        let due = state.engine.poll_timeout();
        match (due, state.armed) {
            // Most times get later with each packet: looked at in time, they are put off then, once for many packets.
            (Some(due), Some(armed)) if armed <= due => {}
            (Some(due), before) => {
                state.armed = Some(due);
                self.shared.arm(self.handle, before, due);
            }
            (None, before) => {
                state.armed = None;
                if before.is_some() {
                    self.shared.disarm(self.handle, before);
                }
            }
        }
    }

    fn transmit_all(self: &Arc<Self>, state: &mut State, now: Instant) {
        PACKET.with_borrow_mut(|packet| {
            while state.held.is_none() {
                packet.clear();
                let Some(transmit) = state.engine.poll_transmit(now, 1, packet) else {
                    break;
                };
                self.transmit(state, &transmit, &packet[..transmit.size]);
            }
        });
    }

    fn transmit(self: &Arc<Self>, state: &mut State, transmit: &Transmit, contents: &[u8]) {
        match self.shared.transmit(transmit, contents) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let transmit = Transmit {
                    destination: transmit.destination,
                    ecn: transmit.ecn,
                    size: transmit.size,
                    segment_size: transmit.segment_size,
                    src_ip: transmit.src_ip,
                };
                let contents = contents.into();
                state.held = Some(Held { transmit, contents });
                self.shared.hold(self.clone());
            }
            // What the system refuses is lost, as it might be on its way.
            Ok(()) | Err(_) => {}
        }
    }

    fn hand_out(&self) {
        let Some(receiver) = self.receiver.get().and_then(Weak::upgrade) else {
            return;
        };
        loop {
            // Not held while a datagram is on its way: what comes back may want it.
            let datagram = self.lock().engine.datagrams().recv();
            let Some(datagram) = datagram else {
                return;
            };
            receiver.handle_datagram(&datagram);
        }
    }
}

impl State {
    /// Waits. For each thing there is one who waits, the last.
    pub(super) fn wait<T>(&mut self, what: For, cx: &Context<'_>) -> Poll<T> {
        let known = self.waiting.iter_mut().find(|(other, _)| *other == what);
        match known {
            Some((_, waker)) => waker.clone_from(cx.waker()),
            None => self.waiting.push((what, cx.waker().clone())),
        }
        Poll::Pending
    }

    /// Nobody waits for it any more.
    pub(super) fn forget(&mut self, what: For) {
        self.waiting.retain(|(other, _)| *other != what);
    }

    fn wake(&mut self, what: For) {
        let found = self.waiting.iter().position(|(other, _)| *other == what);
        if let Some(found) = found {
            self.waiting.swap_remove(found).1.wake();
        }
    }

    fn end(&mut self, error: ConnectionError) {
        self.error = Some(error);
        for (_, waker) in self.waiting.drain(..) {
            waker.wake();
        }
    }

    fn tell(&mut self, event: Event) {
        match event {
            Event::Connected => {
                self.is_connected = true;
                self.wake(For::Connected);
            }
            Event::ConnectionLost { reason } => self.end(reason),
            Event::Stream(StreamEvent::Opened { dir }) => self.wake(For::Opened(dir)),
            Event::Stream(StreamEvent::Available { dir }) => self.wake(For::Available(dir)),
            Event::Stream(StreamEvent::Readable { id }) => self.wake(For::Readable(id)),
            Event::Stream(StreamEvent::Writable { id } | StreamEvent::Stopped { id, .. }) => {
                self.wake(For::Writable(id));
            }
            Event::Stream(StreamEvent::Finished { .. })
            | Event::HandshakeDataReady
            | Event::DatagramReceived
            | Event::DatagramsUnblocked => {}
        }
    }
}

/// Why a datagram was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotQueued {
    /// It is too large for the path, or nobody is there any more.
    Lost,
    /// The client takes no datagrams.
    Unsupported,
}
