//! What a connection may have us hold of its streams.
//!
//! h3 0.0.8 reads a frame as a whole before it looks at it, and reading gives the peer credit for more: a HEADERS or SETTINGS frame
//! that says to be a gigabyte long would be collected, whatever the windows of QUIC. So each byte that h3 reads is taken from a budget
//! of the connection, and what has been dealt with is given back. Who uses it up is cut off.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use h3::error::Code;
use h3::quic::{self, ConnectionErrorIncoming, StreamErrorIncoming, StreamId, WriteBuf};

/// What a connection may send beyond what is given back: settings, QPACK, and the fields of requests.
const BUDGET: i64 = 24 * 1024;

/// What a request may cost that was accepted: its fields have been read.
const PER_REQUEST: i64 = 4 * 1024;

/// Bytes that may still be read.
#[derive(Clone, Debug)]
pub(crate) struct Budget(Arc<AtomicI64>);

impl Budget {
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicI64::new(BUDGET)))
    }

    /// Bytes of capsules have been dealt with.
    pub(crate) fn give_back(&self, bytes: usize) {
        self.0
            .fetch_add(i64::try_from(bytes).unwrap_or(0), Ordering::Relaxed);
    }

    /// A request has been accepted, and paid for.
    pub(crate) fn request_accepted(&self) {
        self.0.fetch_add(PER_REQUEST, Ordering::Relaxed);
    }

    /// Whether it was used up.
    pub(crate) fn is_spent(&self) -> bool {
        self.0.load(Ordering::Relaxed) < 0
    }

    fn take(&self, bytes: usize) -> bool {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.0.fetch_sub(bytes, Ordering::Relaxed) >= bytes
    }
}

/// A connection whose streams are counted.
pub(crate) struct Counted<T> {
    inner: T,
    budget: Budget,
    /// While a read is pending, h3-quinn has no stream to speak of, and panics where it is asked for it.
    is_reading: bool,
    id: Option<StreamId>,
}

impl<T> Counted<T> {
    fn of(inner: T, budget: Budget) -> Self {
        Self {
            inner,
            budget,
            is_reading: false,
            id: None,
        }
    }
}

impl Counted<h3_quinn::Connection> {
    pub(crate) fn connection(connection: quinn::Connection, budget: Budget) -> Self {
        Self::of(h3_quinn::Connection::new(connection), budget)
    }
}

impl<B: Buf> quic::Connection<B> for Counted<h3_quinn::Connection> {
    type RecvStream = Counted<h3_quinn::RecvStream>;
    type OpenStreams = Counted<h3_quinn::OpenStreams>;

    fn poll_accept_recv(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::RecvStream, ConnectionErrorIncoming>> {
        let stream = ready!(quic::Connection::<B>::poll_accept_recv(&mut self.inner, cx))?;
        Poll::Ready(Ok(Counted::of(stream, self.budget.clone())))
    }

    fn poll_accept_bidi(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::BidiStream, ConnectionErrorIncoming>> {
        let stream = ready!(quic::Connection::<B>::poll_accept_bidi(&mut self.inner, cx))?;
        Poll::Ready(Ok(Counted::of(stream, self.budget.clone())))
    }

    fn opener(&self) -> Self::OpenStreams {
        Counted::of(
            quic::Connection::<B>::opener(&self.inner),
            self.budget.clone(),
        )
    }
}

macro_rules! open_streams {
    ($inner:ty) => {
        impl<B: Buf> quic::OpenStreams<B> for Counted<$inner> {
            type BidiStream = Counted<h3_quinn::BidiStream<B>>;
            type SendStream = h3_quinn::SendStream<B>;

            fn poll_open_bidi(
                &mut self,
                cx: &mut Context<'_>,
            ) -> Poll<Result<Self::BidiStream, StreamErrorIncoming>> {
                let stream = ready!(quic::OpenStreams::<B>::poll_open_bidi(&mut self.inner, cx))?;
                Poll::Ready(Ok(Counted::of(stream, self.budget.clone())))
            }

            fn poll_open_send(
                &mut self,
                cx: &mut Context<'_>,
            ) -> Poll<Result<Self::SendStream, StreamErrorIncoming>> {
                quic::OpenStreams::<B>::poll_open_send(&mut self.inner, cx)
            }

            fn close(&mut self, code: Code, reason: &[u8]) {
                quic::OpenStreams::<B>::close(&mut self.inner, code, reason);
            }
        }
    };
}

open_streams!(h3_quinn::Connection);
open_streams!(h3_quinn::OpenStreams);

impl<T: quic::RecvStream<Buf = Bytes>> quic::RecvStream for Counted<T> {
    type Buf = Bytes;

    fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        if !self.is_reading {
            self.id = Some(self.inner.recv_id());
        }
        self.is_reading = true;
        let data = ready!(self.inner.poll_data(cx));
        self.is_reading = false;
        if let Ok(Some(bytes)) = &data
            && !self.budget.take(bytes.len())
        {
            return Poll::Ready(Err(StreamErrorIncoming::ConnectionErrorIncoming {
                connection_error: ConnectionErrorIncoming::InternalError(
                    "more than a relay reads".to_owned(),
                ),
            }));
        }
        Poll::Ready(data)
    }

    fn stop_sending(&mut self, code: u64) {
        // Dropped, the stream is stopped all the same.
        if !self.is_reading {
            self.inner.stop_sending(code);
        }
    }

    fn recv_id(&self) -> StreamId {
        match self.id {
            Some(id) => id,
            None => self.inner.recv_id(),
        }
    }
}

impl<B: Buf> quic::SendStream<B> for Counted<h3_quinn::BidiStream<B>> {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.inner.poll_ready(cx)
    }

    fn send_data<D: Into<WriteBuf<B>>>(&mut self, data: D) -> Result<(), StreamErrorIncoming> {
        self.inner.send_data(data)
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.inner.poll_finish(cx)
    }

    fn reset(&mut self, code: u64) {
        self.inner.reset(code);
    }

    fn send_id(&self) -> StreamId {
        self.inner.send_id()
    }
}
