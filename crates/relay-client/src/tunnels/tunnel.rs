//! One tunnel: opened and kept by a task of its own.

use std::convert::Infallible;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use h3::client::RequestStream;
use h3_quinn::BidiStream;
use quinn::{Connection, Endpoint, TokioRuntime, VarInt};
use securecall_relay::masque::Target;
use securecall_relay::{HopRole, TunnelFailure, TunnelFailureKind, TunnelId, TunnelPath};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::flow_sender::FlowSender;
use super::flow_socket::FlowSocket;
use super::flows::FlowEntry;
use super::inbox::Inbox;
use super::news::{News, TunnelNews};
use super::outer::{Connected, Outer};
use super::relay_connection::{Flow, RelayConnection, read_stream, why_failed};
use super::transport::{NEEDED_WIDTH, endpoint_config};
use super::{liveness, requests};
use crate::TlsTrust;

/// How long the path to the entry may take to show that it is wide enough: some round trips, each probe thrice.
const WIDTH_TIMEOUT: Duration = Duration::from_secs(3);
/// How often that is looked at. quinn does not tell.
const WIDTH_TICK: Duration = Duration::from_millis(2);
/// How long the last packet to the exit, and what comes back, may take. Nobody waits for it.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(2);
/// H3_NO_ERROR.
const NO_ERROR: VarInt = VarInt::from_u32(0x100);

/// Why there is no tunnel, or none any more. It cannot end well: whoever wants no tunnel drops it.
type End = Result<Infallible, TunnelFailure>;

/// What a tunnel is made of.
pub(super) struct Tunnel {
    pub(super) id: TunnelId,
    pub(super) path: TunnelPath,
    pub(super) trust: Option<TlsTrust>,
    /// Whether the exit may have bound addresses of a private network.
    pub(super) private: bool,
    pub(super) outer: Arc<Outer>,
    /// What sends datagrams of the bound flow, once there is one.
    pub(super) sender: Arc<OnceLock<FlowSender>>,
    pub(super) inbox: Arc<Inbox>,
}

/// The endpoint of the inner connection, and the flow that it goes through.
struct Inner {
    endpoint: Endpoint,
    stream: RequestStream<BidiStream<Bytes>, Bytes>,
    /// Datagrams of the flow come for as long as it is kept.
    _received: FlowEntry,
}

impl Tunnel {
    /// Opens the tunnel and keeps it until it fails, or `closing` is dropped on the other side.
    pub(super) async fn run(
        self,
        mut capsules: mpsc::Receiver<Vec<u8>>,
        closing: oneshot::Receiver<Infallible>,
    ) {
        let mut inner = None;
        tokio::select! {
            Err(failure) = self.live(&mut capsules, &mut inner) => {
                tracing::debug!(?failure, "a tunnel has failed");
                self.tell(News::Closed(failure));
            }
            _ = closing => {}
        }
        // The exit gives back at once what it has bound for us. For so long the flow to it is kept, and the outer connection.
        if let Some(inner) = inner {
            inner.endpoint.close(NO_ERROR, b"");
            let _ = timeout(FAREWELL_TIMEOUT, inner.endpoint.wait_idle()).await;
        }
    }

    async fn live(&self, capsules: &mut mpsc::Receiver<Vec<u8>>, inner: &mut Option<Inner>) -> End {
        let entry = self.outer.connected(&self.path.entry, self.trust.as_ref());
        let entry = entry.await.map_err(at_entry)?;
        tokio::select! {
            biased;
            kind = entry.died() => Err(at_entry(kind)),
            end = self.through(entry, capsules, inner) => end,
        }
    }

    /// Through the entry to the exit.
    async fn through(
        &self,
        entry: &Connected,
        capsules: &mut mpsc::Receiver<Vec<u8>>,
        inner: &mut Option<Inner>,
    ) -> End {
        let exit = self.path.exit.address;
        let request = requests::connect_udp(&self.path.entry, Target::Address(exit));
        let request = request.ok_or(at_entry(TunnelFailureKind::Unauthorized))?;
        let Flow {
            stream,
            entry: received,
            sender,
            ..
        } = entry.relay.ask(request).await.map_err(at_entry)?;
        become_wide(&entry.relay.quic).await.map_err(at_entry)?;

        let socket = FlowSocket {
            exit,
            sender,
            received: Arc::clone(&received.queue),
        };
        let endpoint = Endpoint::new_with_abstract_socket(
            endpoint_config(),
            None,
            Arc::new(socket),
            Arc::new(TokioRuntime),
        );
        let endpoint = endpoint.map_err(|_| at_exit(TunnelFailureKind::Silent))?;
        let inner = inner.insert(Inner {
            endpoint: endpoint.clone(),
            stream,
            _received: received,
        });
        let end_of_flow = async {
            loop {
                // Capsules of the entry: there is none that we know (RFC 9298 section 3.4).
                if let Err(kind) = read_stream(&mut inner.stream, &entry.relay.quic).await {
                    return kind;
                }
            }
        };
        tokio::select! {
            kind = end_of_flow => Err(at_entry(kind)),
            Err(kind) = self.bound(&endpoint, capsules) => Err(at_exit(kind)),
        }
    }

    /// The connection to the exit, and the bound flow in it.
    async fn bound(
        &self,
        endpoint: &Endpoint,
        capsules: &mut mpsc::Receiver<Vec<u8>>,
    ) -> Result<Infallible, TunnelFailureKind> {
        let hop = &self.path.exit;
        let exit = RelayConnection::open(endpoint, hop, HopRole::Exit, self.trust.as_ref()).await?;
        let request = requests::connect_udp(hop, Target::Any);
        let flow = exit
            .ask(request.ok_or(TunnelFailureKind::Unauthorized)?)
            .await?;
        let public = requests::public_addresses(&flow.fields, self.private)?;
        // Nobody else sets it.
        let _ = self.sender.set(flow.sender);
        self.tell(News::Opened { public });

        let (send, receive) = flow.stream.split();
        Err(tokio::select! {
            kind = liveness::exit(&exit.quic, || self.outer.carries()) => kind,
            kind = write(send, capsules, &exit.quic) => kind,
            kind = self.read(receive, &exit.quic) => kind,
            never = async {
                loop {
                    let datagram = flow.entry.queue.next().await;
                    self.inbox.push_datagram(self.id, datagram.into());
                }
            } => never,
        })
    }

    async fn read<S: h3::quic::RecvStream>(
        &self,
        mut stream: RequestStream<S, Bytes>,
        quic: &Connection,
    ) -> TunnelFailureKind {
        loop {
            match read_stream(&mut stream, quic).await {
                Ok(bytes) => self.inbox.push_capsules(self.id, bytes).await,
                Err(kind) => return kind,
            }
        }
    }

    fn tell(&self, event: News) {
        let tunnel = self.id;
        self.inbox.push(TunnelNews { tunnel, event });
    }
}

async fn write<S: h3::quic::SendStream<Bytes>>(
    mut stream: RequestStream<S, Bytes>,
    capsules: &mut mpsc::Receiver<Vec<u8>>,
    quic: &Connection,
) -> TunnelFailureKind {
    while let Some(bytes) = capsules.recv().await {
        if let Err(error) = stream.send_data(bytes.into()).await {
            return why_failed(quic, &error);
        }
    }
    // Nobody wants the tunnel any more, and whoever runs it learns that elsewhere.
    std::future::pending().await
}

/// Waits until the path to the entry is known to take an Initial of the inner connection. It usually is when the entry has answered.
pub(super) async fn become_wide(quic: &Connection) -> Result<(), TunnelFailureKind> {
    let is_wide = || {
        quic.max_datagram_size()
            .is_some_and(|size| size >= NEEDED_WIDTH)
    };
    let mut ticks = interval(WIDTH_TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let wide = async {
        while !is_wide() {
            ticks.tick().await;
        }
    };
    timeout(WIDTH_TIMEOUT, wide)
        .await
        .map_err(|_| TunnelFailureKind::PathTooNarrow)
}

fn at_entry(kind: TunnelFailureKind) -> TunnelFailure {
    let hop = HopRole::Entry;
    TunnelFailure { hop, kind }
}

fn at_exit(kind: TunnelFailureKind) -> TunnelFailure {
    let hop = HopRole::Exit;
    TunnelFailure { hop, kind }
}
