//! One HTTP/3 connection to a relay.

use std::future::{pending, poll_fn};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use h3::ConnectionState as _;
use h3::client::{RequestStream, SendRequest};
use h3::error::StreamError;
use h3_quinn::{BidiStream, OpenStreams};
use http::{HeaderMap, Request, StatusCode};
use quinn::{ClientConfig, ConnectError, Connection, ConnectionError, Endpoint, VarInt};
use securecall_relay::{Hop, HopRole, TunnelFailureKind};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::flow_sender::FlowSender;
use super::flows::{FlowEntry, Flows};
use super::relay_tls::RelayTls;
use super::requests;
use super::transport::transport_config;
use crate::TlsTrust;

/// How long each step may take: a round trip, twice repeated by QUIC (after one second and two more) should it get lost.
const STEP_TIMEOUT: Duration = Duration::from_secs(5);
/// The largest header of an answer. Ours have five fields.
const MAX_ANSWER: u64 = 8 * 1024;
/// H3_NO_ERROR.
const NO_ERROR: VarInt = VarInt::from_u32(0x100);
/// CONNECTION_REFUSED (RFC 9000 section 20.1).
const CONNECTION_REFUSED: u64 = 0x2;

/// A connection to a relay. When it is dropped, it is closed.
pub(super) struct RelayConnection {
    pub(super) quic: Connection,
    flows: Arc<Flows>,
    requests: SendRequest<OpenStreams, Bytes>,
    tasks: [AbortHandle; 2],
}

/// A flow that the relay has accepted.
pub(super) struct Flow {
    pub(super) stream: RequestStream<BidiStream<Bytes>, Bytes>,
    pub(super) entry: FlowEntry,
    pub(super) sender: FlowSender,
    /// The fields of the answer.
    pub(super) fields: HeaderMap,
}

impl RelayConnection {
    /// Connects to a relay through an endpoint, and learns that it takes CONNECT-UDP.
    pub(super) async fn open(
        endpoint: &Endpoint,
        hop: &Hop,
        role: HopRole,
        trust: Option<&TlsTrust>,
    ) -> Result<Self, TunnelFailureKind> {
        let quic = connect(endpoint, hop, role, trust).await?;
        let built = h3::client::builder()
            .max_field_section_size(MAX_ANSWER)
            .send_grease(false)
            .enable_datagram(true)
            .enable_extended_connect(true)
            .build(h3_quinn::Connection::new(quic.clone()))
            .await;
        let (mut http, requests) = built.map_err(|_| why_lost(&quic))?;
        let (settled, mut is_settled) = watch::channel(false);
        // Aborted with the connection.
        let drive = tokio::spawn(async move {
            poll_fn(|cx| {
                let closed = http.poll_close(cx);
                let settings = http.settings();
                // Nothing may be asked before they are there (RFC 9220 section 3, RFC 9297 section 2.1.1).
                if settings.enable_extended_connect() && settings.enable_datagram() {
                    settled.send_replace(true);
                }
                closed
            })
            .await;
            // When h3 is dropped it closes the connection, and whoever asks why it is closed would learn no more than that.
            drop(settled);
            pending::<()>().await;
            drop(http);
        });
        let flows = Arc::new(Flows::default());
        let read = tokio::spawn(Arc::clone(&flows).read(quic.clone()));
        let connection = Self {
            quic,
            flows,
            requests,
            tasks: [drive.abort_handle(), read.abort_handle()],
        };
        let settled = timeout(STEP_TIMEOUT, is_settled.wait_for(|settled| *settled)).await;
        match settled {
            Ok(Ok(_)) if connection.quic.max_datagram_size().is_some() => Ok(connection),
            // It is there, but knows nothing of datagrams or CONNECT-UDP.
            Err(_) | Ok(Ok(_)) => Err(TunnelFailureKind::Protocol),
            Ok(Err(_)) => Err(why_lost(&connection.quic)),
        }
    }

    /// Asks for a flow.
    pub(super) async fn ask(&self, request: Request<()>) -> Result<Flow, TunnelFailureKind> {
        let answered = timeout(STEP_TIMEOUT, self.ask_and_wait(request)).await;
        answered.map_err(|_| TunnelFailureKind::Silent)?
    }

    /// Asks, and gives status and fields of the answer, whatever it is.
    pub(super) async fn look(
        &self,
        request: Request<()>,
    ) -> Result<(StatusCode, HeaderMap), TunnelFailureKind> {
        let failed = |error| why_failed(&self.quic, &error);
        let answered = timeout(STEP_TIMEOUT, async {
            let mut requests = self.requests.clone();
            let mut stream = requests.send_request(request).await.map_err(failed)?;
            stream.recv_response().await.map_err(failed)
        });
        let answer = answered.await.map_err(|_| TunnelFailureKind::Silent)??;
        Ok((answer.status(), answer.into_parts().0.headers))
    }

    async fn ask_and_wait(&self, request: Request<()>) -> Result<Flow, TunnelFailureKind> {
        let failed = |error| why_failed(&self.quic, &error);
        let mut stream = self
            .requests
            .clone()
            .send_request(request)
            .await
            .map_err(failed)?;
        let id =
            VarInt::from_u64(stream.id().into_inner()).map_err(|_| TunnelFailureKind::Protocol)?;
        let entry = self.flows.add(id);
        let answer = stream.recv_response().await.map_err(failed)?;
        requests::accepted(answer.status())?;
        entry.queue.accepted();
        Ok(Flow {
            stream,
            entry,
            sender: FlowSender::new(self.quic.clone(), id),
            fields: answer.into_parts().0.headers,
        })
    }
}

impl Drop for RelayConnection {
    fn drop(&mut self) {
        self.quic.close(NO_ERROR, b"");
        for task in &self.tasks {
            task.abort();
        }
    }
}

async fn connect(
    endpoint: &Endpoint,
    hop: &Hop,
    role: HopRole,
    trust: Option<&TlsTrust>,
) -> Result<Connection, TunnelFailureKind> {
    // Without anybody to trust, nobody can prove anything.
    let tls = RelayTls::new(hop.proof, trust).ok_or(TunnelFailureKind::WrongCertificate)?;
    let mut config = ClientConfig::new(Arc::clone(&tls.config) as _);
    config.transport_config(transport_config(role));
    let connecting = endpoint
        .connect_with(config, hop.address, &hop.name)
        .map_err(|error| match error {
            // It is no name that anybody could prove.
            ConnectError::InvalidServerName(_) => TunnelFailureKind::WrongCertificate,
            _ => TunnelFailureKind::Silent,
        })?;
    match timeout(STEP_TIMEOUT, connecting).await {
        Ok(Ok(quic)) => Ok(quic),
        Ok(Err(_)) if tls.was_refused() => Err(TunnelFailureKind::WrongCertificate),
        Ok(Err(error)) => Err(kind_of(&error)),
        Err(_) => Err(TunnelFailureKind::Silent),
    }
}

/// The next bytes of a request's stream; an error when there are no more.
pub(super) async fn read_stream<S: h3::quic::RecvStream>(
    stream: &mut RequestStream<S, Bytes>,
    quic: &Connection,
) -> Result<Vec<u8>, TunnelFailureKind> {
    match stream.recv_data().await {
        Ok(Some(mut bytes)) => Ok(bytes.copy_to_bytes(bytes.remaining()).into()),
        Ok(None) => Err(TunnelFailureKind::Ended),
        Err(error) => Err(why_failed(quic, &error)),
    }
}

/// Why something about a stream failed.
pub(super) fn why_failed(quic: &Connection, error: &StreamError) -> TunnelFailureKind {
    match (quic.close_reason(), error) {
        (Some(error), _) => kind_of(&error),
        (None, StreamError::RemoteTerminate { .. }) => TunnelFailureKind::Ended,
        // The rules were broken: its connection is about to be closed by h3.
        (None, _) => TunnelFailureKind::Protocol,
    }
}

fn why_lost(quic: &Connection) -> TunnelFailureKind {
    quic.close_reason()
        .map_or(TunnelFailureKind::Protocol, |error| kind_of(&error))
}

/// What the end of a connection means.
pub(super) fn kind_of(error: &ConnectionError) -> TunnelFailureKind {
    match error {
        ConnectionError::TimedOut => TunnelFailureKind::Silent,
        ConnectionError::ApplicationClosed(_) | ConnectionError::Reset => TunnelFailureKind::Ended,
        ConnectionError::ConnectionClosed(close)
            if u64::from(close.error_code) == CONNECTION_REFUSED =>
        {
            TunnelFailureKind::Busy
        }
        // We close a connection ourselves, in h3, when it breaks the rules.
        ConnectionError::ConnectionClosed(_)
        | ConnectionError::VersionMismatch
        | ConnectionError::TransportError(_)
        | ConnectionError::LocallyClosed
        | ConnectionError::CidsExhausted => TunnelFailureKind::Protocol,
    }
}
