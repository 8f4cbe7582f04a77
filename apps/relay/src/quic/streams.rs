//! The streams of a connection, as h3 wants them.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use h3::error::Code;
use h3::quic::{self, ConnectionErrorIncoming, StreamErrorIncoming, WriteBuf};
use quinn_proto::{ConnectionError, Dir, FinishError, ReadError, StreamId, VarInt, WriteError};

use super::connection::{Connection, For, State};
use crate::stream_budget::Budget;

/// All of them.
#[derive(Clone)]
pub(crate) struct Streams {
    connection: Arc<Connection>,
    budget: Budget,
    /// There is a control stream. Those of QPACK are for a dynamic table, which neither side of ours has, and may be left out then
    /// (RFC 9204 section 4.2): each would take half a kilobyte.
    has_control: bool,
}

/// What a client writes.
pub(crate) struct ReceiveStream {
    connection: Arc<Connection>,
    budget: Budget,
    id: StreamId,
    /// All has been read.
    is_over: bool,
}

/// What we write.
pub(crate) struct SendStream<B: Buf> {
    connection: Arc<Connection>,
    id: StreamId,
    /// In a place of its own: most times there is nothing, and it is large.
    writing: Option<Box<WriteBuf<B>>>,
}

/// A request.
pub(crate) struct BidiStream<B: Buf> {
    send: SendStream<B>,
    receive: ReceiveStream,
}

impl Streams {
    pub(crate) fn new(connection: Arc<Connection>, budget: Budget) -> Self {
        Self {
            connection,
            budget,
            has_control: false,
        }
    }

    fn poll_accept(
        &self,
        dir: Dir,
        cx: &Context<'_>,
    ) -> Poll<Result<StreamId, ConnectionErrorIncoming>> {
        let mut state = self.connection.lock();
        if let Some(id) = state.engine.streams().accept(dir) {
            // Others may be opened for it.
            self.connection.schedule_locked(&mut state);
            return Poll::Ready(Ok(id));
        }
        match &state.error {
            Some(error) => Poll::Ready(Err(incoming(error))),
            None => state.wait(For::Opened(dir), cx),
        }
    }

    fn poll_open(&self, dir: Dir, cx: &Context<'_>) -> Poll<Result<StreamId, StreamErrorIncoming>> {
        let mut state = self.connection.lock();
        if let Some(error) = &state.error {
            return Poll::Ready(Err(lost(error)));
        }
        match state.engine.streams().open(dir) {
            Some(id) => Poll::Ready(Ok(id)),
            None => state.wait(For::Available(dir), cx),
        }
    }

    fn receive(&self, id: StreamId) -> ReceiveStream {
        ReceiveStream {
            connection: self.connection.clone(),
            budget: self.budget.clone(),
            id,
            is_over: false,
        }
    }

    fn send<B: Buf>(&self, id: StreamId) -> SendStream<B> {
        SendStream {
            connection: self.connection.clone(),
            id,
            writing: None,
        }
    }

    fn both<B: Buf>(&self, id: StreamId) -> BidiStream<B> {
        BidiStream {
            send: self.send(id),
            receive: self.receive(id),
        }
    }
}

impl<B: Buf> quic::Connection<B> for Streams {
    type RecvStream = ReceiveStream;
    type OpenStreams = Self;

    fn poll_accept_recv(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<ReceiveStream, ConnectionErrorIncoming>> {
        let id = ready!(self.poll_accept(Dir::Uni, cx))?;
        Poll::Ready(Ok(self.receive(id)))
    }

    fn poll_accept_bidi(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<BidiStream<B>, ConnectionErrorIncoming>> {
        let id = ready!(self.poll_accept(Dir::Bi, cx))?;
        Poll::Ready(Ok(self.both(id)))
    }

    fn opener(&self) -> Self {
        self.clone()
    }
}

impl<B: Buf> quic::OpenStreams<B> for Streams {
    type BidiStream = BidiStream<B>;
    type SendStream = SendStream<B>;

    fn poll_open_bidi(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<BidiStream<B>, StreamErrorIncoming>> {
        let id = ready!(self.poll_open(Dir::Bi, cx))?;
        Poll::Ready(Ok(self.both(id)))
    }

    fn poll_open_send(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<SendStream<B>, StreamErrorIncoming>> {
        if self.has_control {
            let error = "a relay opens no other stream".into();
            return Poll::Ready(Err(StreamErrorIncoming::Unknown(error)));
        }
        let id = ready!(self.poll_open(Dir::Uni, cx))?;
        self.has_control = true;
        Poll::Ready(Ok(self.send(id)))
    }

    fn close(&mut self, code: Code, _reason: &[u8]) {
        self.connection.close(varint(code.value()));
    }
}

impl quic::RecvStream for ReceiveStream {
    type Buf = Bytes;

    fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        if self.is_over {
            return Poll::Ready(Ok(None));
        }
        let mut state = self.connection.lock();
        let mut stream = state.engine.recv_stream(self.id);
        let mut chunks = match stream.read(true) {
            Ok(chunks) => chunks,
            Err(error) => {
                self.is_over = true;
                return Poll::Ready(Err(StreamErrorIncoming::Unknown(Box::new(error))));
            }
        };
        let read = chunks.next(usize::MAX);
        if chunks.finalize().should_transmit() {
            self.connection.schedule_locked(&mut state);
        }
        match read {
            Ok(Some(chunk)) if self.budget.take(chunk.bytes.len()) => {
                Poll::Ready(Ok(Some(chunk.bytes)))
            }
            Ok(Some(_)) => Poll::Ready(Err(StreamErrorIncoming::ConnectionErrorIncoming {
                connection_error: ConnectionErrorIncoming::InternalError(
                    "more than a relay reads".to_owned(),
                ),
            })),
            Ok(None) => {
                self.is_over = true;
                Poll::Ready(Ok(None))
            }
            Err(ReadError::Reset(code)) => {
                self.is_over = true;
                Poll::Ready(Err(StreamErrorIncoming::StreamTerminated {
                    error_code: code.into_inner(),
                }))
            }
            Err(ReadError::Blocked) => match &state.error {
                Some(error) => Poll::Ready(Err(lost(error))),
                None => state.wait(For::Readable(self.id), cx),
            },
        }
    }

    fn stop_sending(&mut self, code: u64) {
        let mut state = self.connection.lock();
        stop(&self.connection, &mut state, self.id, varint(code));
    }

    fn recv_id(&self) -> quic::StreamId {
        name(self.id)
    }
}

impl Drop for ReceiveStream {
    fn drop(&mut self) {
        let mut state = self.connection.lock();
        state.forget(For::Readable(self.id));
        if !self.is_over {
            stop(&self.connection, &mut state, self.id, VarInt::from_u32(0));
        }
    }
}

fn stop(connection: &Arc<Connection>, state: &mut State, id: StreamId, code: VarInt) {
    // Fails for one that is stopped already, or over.
    if state.error.is_none() && state.engine.recv_stream(id).stop(code).is_ok() {
        connection.schedule_locked(state);
    }
}

impl<B: Buf> quic::SendStream<B> for SendStream<B> {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        let Some(writing) = &mut self.writing else {
            return Poll::Ready(Ok(()));
        };
        let mut state = self.connection.lock();
        while writing.has_remaining() {
            if let Some(error) = &state.error {
                return Poll::Ready(Err(lost(error)));
            }
            match state.engine.send_stream(self.id).write(writing.chunk()) {
                Ok(written) => {
                    writing.advance(written);
                    self.connection.schedule_locked(&mut state);
                }
                Err(WriteError::Blocked) => return state.wait(For::Writable(self.id), cx),
                Err(WriteError::Stopped(code)) => {
                    return Poll::Ready(Err(StreamErrorIncoming::StreamTerminated {
                        error_code: code.into_inner(),
                    }));
                }
                Err(error @ WriteError::ClosedStream) => {
                    return Poll::Ready(Err(StreamErrorIncoming::Unknown(Box::new(error))));
                }
            }
        }
        self.writing = None;
        Poll::Ready(Ok(()))
    }

    fn send_data<D: Into<WriteBuf<B>>>(&mut self, data: D) -> Result<(), StreamErrorIncoming> {
        if self.writing.is_some() {
            return Err(StreamErrorIncoming::ConnectionErrorIncoming {
                connection_error: ConnectionErrorIncoming::InternalError(
                    "more is written before all was".to_owned(),
                ),
            });
        }
        self.writing = Some(Box::new(data.into()));
        Ok(())
    }

    fn poll_finish(&mut self, _: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        let mut state = self.connection.lock();
        let finished = state.engine.send_stream(self.id).finish();
        self.connection.schedule_locked(&mut state);
        Poll::Ready(finished.map_err(|error| StreamErrorIncoming::Unknown(Box::new(error))))
    }

    fn reset(&mut self, code: u64) {
        let mut state = self.connection.lock();
        // Fails for one that is over.
        if state
            .engine
            .send_stream(self.id)
            .reset(varint(code))
            .is_ok()
        {
            self.connection.schedule_locked(&mut state);
        }
    }

    fn send_id(&self) -> quic::StreamId {
        name(self.id)
    }
}

impl<B: Buf> Drop for SendStream<B> {
    fn drop(&mut self) {
        let mut state = self.connection.lock();
        state.forget(For::Writable(self.id));
        if state.error.is_some() {
            return;
        }
        let mut stream = state.engine.send_stream(self.id);
        let is_changed = match stream.finish() {
            Ok(()) => true,
            Err(FinishError::Stopped(code)) => stream.reset(code).is_ok(),
            // Over before.
            Err(FinishError::ClosedStream) => false,
        };
        if is_changed {
            self.connection.schedule_locked(&mut state);
        }
    }
}

impl<B: Buf> quic::RecvStream for BidiStream<B> {
    type Buf = Bytes;

    fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        self.receive.poll_data(cx)
    }

    fn stop_sending(&mut self, code: u64) {
        self.receive.stop_sending(code);
    }

    fn recv_id(&self) -> quic::StreamId {
        self.receive.recv_id()
    }
}

impl<B: Buf> quic::SendStream<B> for BidiStream<B> {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.send.poll_ready(cx)
    }

    fn send_data<D: Into<WriteBuf<B>>>(&mut self, data: D) -> Result<(), StreamErrorIncoming> {
        self.send.send_data(data)
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.send.poll_finish(cx)
    }

    fn reset(&mut self, code: u64) {
        self.send.reset(code);
    }

    fn send_id(&self) -> quic::StreamId {
        self.send.send_id()
    }
}

/// The same number, as h3 has it.
fn name(id: StreamId) -> quic::StreamId {
    match quic::StreamId::try_from(VarInt::from(id).into_inner()) {
        Ok(id) => id,
        Err(_) => unreachable!("both are of 62 bits"),
    }
}

fn varint(code: u64) -> VarInt {
    VarInt::from_u64(code).unwrap_or(VarInt::MAX)
}

fn lost(error: &ConnectionError) -> StreamErrorIncoming {
    StreamErrorIncoming::ConnectionErrorIncoming {
        connection_error: incoming(error),
    }
}

fn incoming(error: &ConnectionError) -> ConnectionErrorIncoming {
    match error {
        ConnectionError::ApplicationClosed(close) => ConnectionErrorIncoming::ApplicationClose {
            error_code: close.error_code.into_inner(),
        },
        ConnectionError::TimedOut => ConnectionErrorIncoming::Timeout,
        other => ConnectionErrorIncoming::Undefined(Arc::new(other.clone())),
    }
}
