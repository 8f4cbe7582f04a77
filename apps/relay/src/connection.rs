//! One connection of a client: requests, and the datagrams of all its flows.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use h3::error::Code;
use h3::server::{RequestResolver, RequestStream};
use http::Response;
use quinn_proto::VarInt;
use securecall_daemon::figures::Figure;
use securecall_relay::masque::varint;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, sleep_until, timeout};

use crate::access::Entitlement;
use crate::capacity::{ConnectionPlace, FlowPlace};
use crate::clock;
use crate::exit::ExitFlow;
use crate::figures::Figures;
use crate::flow::{Flow, Way};
use crate::limits::{FlowRate, Rate};
use crate::packet_socket::PacketSocket;
use crate::quic::{BidiStream, Connection, ReceivesDatagrams, Streams};
use crate::relay::Relay;
use crate::request::{self, Asked, Refusal};
use crate::stream_budget::Budget;

/// How long a client may take for the fields of a request, or to read an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a connection without a flow is kept.
const WITHOUT_FLOW: Duration = Duration::from_secs(15);

/// The largest section of fields that is read, counted as RFC 9114 section 4.2.2 does. A token takes 600 bytes.
const MAX_FIELDS: u64 = 4 * 1024;

/// Requests that may be refused until the connection is closed.
const MAX_REFUSED: u32 = 16;

/// Capsules that a client may write: a few for each pair that ICE tries.
const CAPSULE_RATE: Rate = Rate {
    per_second: 100,
    burst: 400,
};
const CAPSULE_BYTES: Rate = Rate {
    per_second: 8 * 1024,
    burst: 32 * 1024,
};

type Stream = RequestStream<BidiStream<Bytes>, Bytes>;
type Http = h3::server::Connection<Streams, Bytes>;
type Resolver = RequestResolver<Streams, Bytes>;

/// What the tasks of a connection share.
struct Shared {
    relay: Arc<Relay>,
    connection: Arc<Connection>,
    budget: Budget,
    flows: Mutex<Vec<Arc<Flow>>>,
    /// Flows that there are or are about to be.
    claimed: AtomicU32,
    refused: AtomicU32,
}

/// A connection on which the settings of this relay are on their way.
pub(crate) struct Greeted {
    shared: Arc<Shared>,
    /// In a place of its own: a task has room for it several times, else.
    h3: Box<Http>,
}

/// Says what this relay does. Nothing needs to have come from the client for that but its first packet.
pub(crate) async fn greet(relay: Arc<Relay>, connection: Arc<Connection>) -> Option<Greeted> {
    let budget = Budget::new();
    let streams = Streams::new(connection.clone(), budget.clone());
    let mut builder = h3::server::builder();
    builder
        .max_field_section_size(MAX_FIELDS)
        .enable_extended_connect(true)
        .enable_datagram(true)
        .send_grease(false);
    let h3 = Box::new(builder.build::<_, Bytes>(streams).await.ok()?);
    let shared = Arc::new(Shared {
        relay,
        connection,
        budget,
        flows: Mutex::default(),
        claimed: AtomicU32::new(0),
        refused: AtomicU32::new(0),
    });
    Some(Greeted { shared, h3 })
}

/// Serves a client until it goes, or has to.
pub(crate) async fn serve(greeted: Greeted, place: ConnectionPlace) {
    let Greeted { shared, h3 } = greeted;
    let figures = &shared.relay.figures;
    let counted = figures.connections.guard();
    let receiver = Arc::downgrade(&shared);
    shared.connection.set_receiver(receiver);
    serve_requests(&shared, h3, &place).await;
    if shared.budget.is_spent() {
        figures.greedy_connections.one();
    }
    shared.connection.close(code(Code::H3_NO_ERROR));
    drop(counted);
    drop(place);
}

async fn serve_requests(shared: &Arc<Shared>, mut h3: Box<Http>, place: &ConnectionPlace) {
    let mut requests = JoinSet::new();
    loop {
        tokio::select! {
            accepted = h3.accept() => match accepted {
                Ok(Some(resolver)) => {
                    let shared = shared.clone();
                    requests.spawn(async move { shared.handle(resolver).await });
                }
                Ok(None) | Err(_) => break,
            },
            Some(handled) = requests.join_next() => if let Ok(Some(opened)) = handled {
                place.has_paid();
                // Another task, which has room for no more than a flow needs: to read and answer a request takes more.
                let shared = shared.clone();
                requests.spawn(async move {
                    shared.run(opened).await;
                    None
                });
            },
            () = async { Box::pin(sleep(WITHOUT_FLOW)).await }, if requests.is_empty() => break,
        }
        if shared.refused.load(Ordering::Relaxed) >= MAX_REFUSED || shared.budget.is_spent() {
            break;
        }
    }
    // What h3 would say when it is dropped is said before, with the reason.
    let reason = if shared.budget.is_spent() {
        Code::H3_EXCESSIVE_LOAD
    } else {
        Code::H3_NO_ERROR
    };
    shared.connection.close(code(reason));
}

impl Drop for Shared {
    fn drop(&mut self) {
        // Nobody is there any more who would.
        self.connection.close(code(Code::H3_NO_ERROR));
    }
}

impl ReceivesDatagrams for Shared {
    /// Gives a datagram to its flow. Of a flow that is not open, or not yet, it is dropped (RFC 9297 section 2.1).
    fn handle_datagram(&self, datagram: &[u8]) {
        let Some((id, rest)) = varint::read(datagram) else {
            self.relay.figures.dropped_malformed.one();
            return;
        };
        let flow = {
            let flows = self.flows();
            let mut flows = flows.iter();
            flows.find(|flow| flow.quarter_stream_id() == id).cloned()
        };
        match flow {
            Some(flow) => flow.handle_datagram(rest),
            None => self.relay.figures.dropped_no_flow.one(),
        }
    }
}

impl Shared {
    /// Reads a request. Gives the flow that it opens, unless it is refused.
    async fn handle(self: Arc<Self>, resolver: Resolver) -> Option<Box<Opened>> {
        let resolved = timeout(PATIENCE, resolver.resolve_request()).await;
        let Ok(Ok((request, mut stream))) = resolved else {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return None;
        };
        match self.open(&request, &stream) {
            Ok(decided) => {
                self.budget.request_accepted();
                Some(Box::new(Opened { decided, stream }))
            }
            Err(refusal) => {
                tracing::debug!(status = refusal.status().as_u16(), "a request is refused");
                refusal.figure(&self.relay.figures).one();
                self.refused.fetch_add(1, Ordering::Relaxed);
                let challenges = self.relay.loaded().access.challenges();
                let answer = async {
                    let _ = stream.send_response(refusal.response(&challenges)).await;
                    let _ = stream.finish().await;
                };
                let _ = timeout(PATIENCE, answer).await;
                stream.stop_sending(Code::H3_NO_ERROR);
                None
            }
        }
    }

    /// Decides, cheapest and most telling first: nobody without a token learns where this relay sends to. The token is spent
    /// last, when nothing else stands in the way.
    fn open(
        self: &Arc<Self>,
        request: &http::Request<()>,
        stream: &Stream,
    ) -> Result<Decided, Refusal> {
        let relay = &self.relay;
        let asked = request::read(request)?;
        if relay.is_draining() {
            return Err(Refusal::Draining);
        }
        let loaded = relay.loaded();
        let shown = request::authorization(request).ok_or(Refusal::Unauthorized)?;
        let entitlement = loaded.access.entitlement(shown)?;
        let claim = self.claim().ok_or(Refusal::TooManyFlows)?;
        let place = relay.capacity.flow().ok_or(Refusal::Full)?;
        let stream_id = stream.id().into_inner();
        let (way, response) = match asked {
            Asked::Forward(target) => {
                let exits = loaded.exits.as_ref();
                if !exits.is_some_and(|exits| exits.contains(&target)) {
                    return Err(Refusal::TargetNotAllowed);
                }
                self.spend(&loaded.access, entitlement)?;
                let socket = PacketSocket::connected_to(target).map_err(|_| Refusal::NoSocket)?;
                (Way::Entry(socket), request::forwarding())
            }
            Asked::Bind => {
                let exit = relay.exit.as_ref().ok_or(Refusal::TargetNotAllowed)?;
                self.spend(&loaded.access, entitlement)?;
                let bound = ExitFlow::bind(exit, &exit.admission, &relay.own)
                    .map_err(|_| Refusal::NoSocket)?;
                let response = request::bound(&bound.public_addresses());
                (Way::Exit(bound), response)
            }
        };
        let flow = Flow::new(relay.clone(), self.connection.clone(), stream_id, way);
        Ok(Decided {
            flow: Arc::new(flow),
            response,
            _place: place,
            _claim: claim,
        })
    }

    fn spend(
        &self,
        access: &crate::access::Access,
        entitlement: Entitlement,
    ) -> Result<(), Refusal> {
        Ok(access.spend(entitlement, &self.relay.figures)?)
    }

    fn claim(self: &Arc<Self>) -> Option<Claim> {
        let claimed = self.claimed.fetch_add(1, Ordering::Relaxed);
        let claim = Claim(self.clone());
        (claimed < self.relay.limits.flows_per_connection).then_some(claim)
    }

    /// Answers, and carries packets until the flow is over.
    ///
    /// A task has room for all that it may ever wait for at a time, as long as it lives. So what is large is elsewhere: what was opened in
    /// one place, and what takes a moment in another that is given back.
    async fn run(&self, mut opened: Box<Opened>) {
        let Opened { decided, stream } = &mut *opened;
        let flow = decided.flow.clone();
        let figures = &self.relay.figures;
        let (flows, total) = flow.figures(figures);
        total.one();
        let counted = flows.guard();
        // Before the answer: a datagram may come right behind it.
        self.flows().push(flow.clone());
        let response = std::mem::take(&mut decided.response);
        let answer = Box::pin(timeout(PATIENCE, stream.send_response(response)));
        let end = match answer.await {
            Ok(Ok(())) => self.carry(&flow, stream).await,
            _ => FlowEnd::Gone,
        };
        self.flows().retain(|other| !Arc::ptr_eq(other, &flow));
        tracing::debug!(?end, "a flow has ended");
        match end {
            FlowEnd::Over => {
                let _ = Box::pin(timeout(PATIENCE, stream.finish())).await;
            }
            FlowEnd::Gone => {}
            FlowEnd::Aborted(code) => stream.stop_stream(code),
        }
        stream.stop_sending(Code::H3_NO_ERROR);
        // In this order: where the figure says that a flow is over, its place is free.
        drop((opened, counted));
    }

    async fn carry(&self, flow: &Arc<Flow>, stream: &mut Stream) -> FlowEnd {
        let lifetime = sleep(self.relay.limits.flow.lifetime);
        let mut draining = self.relay.draining();
        let drained = async {
            match draining.wait_for(Option::is_some).await.map(|value| *value) {
                Ok(Some(deadline)) => sleep_until(deadline.into()).await,
                // Without a relay there is nothing to wait for.
                _ => std::future::pending().await,
            }
        };
        // A task of its own: in this one each packet would have the stream and two clocks looked at as well.
        let inward = flow.clone();
        let inward = Background::spawn(async move { inward.carry_inward().await });
        tokio::select! {
            () = inward.ended() => FlowEnd::Aborted(Code::H3_INTERNAL_ERROR),
            end = self.exchange_capsules(flow, stream) => end,
            () = flow.aborted() => FlowEnd::Aborted(Code::H3_DATAGRAM_ERROR),
            () = lifetime => FlowEnd::Over,
            () = drained => FlowEnd::Over,
        }
    }

    async fn exchange_capsules(&self, flow: &Flow, stream: &mut Stream) -> FlowEnd {
        let mut rate = FlowRate::new(clock::now(), CAPSULE_RATE, CAPSULE_BYTES);
        loop {
            match stream.recv_data().await {
                Ok(Some(mut data)) => {
                    let bytes = data.copy_to_bytes(data.remaining());
                    self.budget.give_back(bytes.len());
                    if !rate.allows(clock::now(), bytes.len()) {
                        return FlowEnd::Aborted(Code::H3_EXCESSIVE_LOAD);
                    }
                    if !flow.handle_capsules(&bytes) {
                        return FlowEnd::Aborted(Code::H3_DATAGRAM_ERROR);
                    }
                }
                Ok(None) => return FlowEnd::Over,
                Err(_) => return FlowEnd::Gone,
            }
            if let Some(capsules) = flow.poll_capsules() {
                let sent = Box::pin(timeout(PATIENCE, stream.send_data(capsules))).await;
                if !matches!(sent, Ok(Ok(()))) {
                    return FlowEnd::Gone;
                }
            }
        }
    }

    fn flows(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Flow>>> {
        self.flows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A flow that is about to begin, and the stream of its request.
struct Opened {
    decided: Decided,
    stream: Stream,
}

/// A flow that is about to begin.
struct Decided {
    flow: Arc<Flow>,
    response: Response<()>,
    _place: FlowPlace,
    _claim: Claim,
}

/// One flow of a connection's share.
struct Claim(Arc<Shared>);

impl Drop for Claim {
    fn drop(&mut self) {
        self.0.claimed.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A task that ends with this value.
struct Background(JoinHandle<()>);

impl Background {
    fn spawn(task: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(task))
    }

    /// Waits until it has ended by itself.
    async fn ended(mut self) {
        let _ = (&mut self.0).await;
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// How a flow ended.
#[derive(Clone, Copy, Debug)]
enum FlowEnd {
    /// As it should.
    Over,
    /// The client is gone.
    Gone,
    /// The client did what must not be done, or the system failed.
    Aborted(Code),
}

impl Flow {
    fn figures<'a>(&self, figures: &'a Figures) -> (&'a Figure, &'a Figure) {
        if self.is_entry() {
            (&figures.entry_flows, &figures.entry_opened)
        } else {
            (&figures.exit_flows, &figures.exit_opened)
        }
    }
}

fn code(code: Code) -> VarInt {
    VarInt::from_u64(code.value()).unwrap_or(VarInt::MAX)
}
