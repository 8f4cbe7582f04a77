//! Both relays, one within the other, as a call has them.

use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, Connection, Endpoint, EndpointConfig, TokioRuntime, UdpPoller};
use securecall_relay::masque::{context, varint};
use tokio::sync::mpsc::{Receiver, channel};

use crate::client::{Answer, Client, receive};
use crate::daemon::{Daemon, lab, lab_with, tokio_udp};

/// A UDP socket through an entry.
struct Tunnel {
    outer: Connection,
    prefix: Vec<u8>,
    exit: SocketAddr,
    incoming: Mutex<Receiver<Vec<u8>>>,
}

impl Tunnel {
    fn endpoint(outer: &Connection, answer: &Answer, exit: SocketAddr) -> Endpoint {
        let (tell, incoming) = channel(64);
        let reader = outer.clone();
        tokio::spawn(async move {
            while let Ok(datagram) = reader.read_datagram().await {
                let (_, rest) = varint::read(&datagram).unwrap();
                let payload = context::udp_payload(rest).unwrap().to_vec();
                if tell.send(payload).await.is_err() {
                    break;
                }
            }
        });
        let tunnel = Self {
            outer: outer.clone(),
            prefix: answer.datagram(&[0]).to_vec(),
            exit,
            incoming: Mutex::new(incoming),
        };
        Endpoint::new_with_abstract_socket(
            EndpointConfig::default(),
            None,
            Arc::new(tunnel),
            Arc::new(TokioRuntime),
        )
        .unwrap()
    }
}

impl fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tunnel")
    }
}

#[derive(Debug)]
struct Always;

impl UdpPoller for Always {
    fn poll_writable(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncUdpSocket for Tunnel {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Always)
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let datagram = [&self.prefix, transmit.contents].concat();
        let _ = self.outer.send_datagram(datagram.into());
        Ok(())
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let Some(packet) = ready!(self.incoming.lock().unwrap().poll_recv(cx)) else {
            return Poll::Pending;
        };
        buffers[0][..packet.len()].copy_from_slice(&packet);
        meta[0] = RecvMeta {
            addr: self.exit,
            len: packet.len(),
            stride: packet.len(),
            ecn: None,
            dst_ip: None,
        };
        Poll::Ready(Ok(1))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(([127, 0, 0, 1], 1).into())
    }

    fn may_fragment(&self) -> bool {
        false
    }
}

#[tokio::test]
async fn a_call_goes_through_both_and_neither_knows_both_ends() {
    let exit = lab_with("");
    exit.write("exit", "", "addresses = [\"127.0.0.1\"]", "");
    let exit = exit.start();
    let entry = lab(exit.address());
    let relays = format!("relays = [\"{}\"]", exit.address());
    entry.write("entry", &relays, "", "");
    let entry = entry.start();
    call(&entry, &exit).await;
    // The handshake's packets of 1200 bytes fit into the outer connection's datagrams, both ways: none was lost.
    assert_eq!(entry.figure("dropped_total{reason=\"not_sent\"}"), 0);
}

/// As in a demonstration on one machine: an address says nothing of who is a relay.
#[tokio::test]
async fn relays_of_both_roles_at_one_address_carry_a_call() {
    let exit = lab_with("");
    let entry = lab(exit.address);
    let relays = format!("relays = [\"{}\"]", entry.address);
    exit.write("both", &relays, "addresses = [\"127.0.0.1\"]", "");
    let (exit, entry) = (exit.start(), entry.start());
    call(&entry, &exit).await;
    call(&exit, &entry).await;
}

async fn call(entry: &Daemon, exit: &Daemon) {
    let mut outer = Client::connect(entry.address()).await;
    let answer = outer.forward(exit.address()).await;
    assert_eq!(answer.status(), 200);
    let endpoint = Tunnel::endpoint(&outer.quic, &answer, exit.address());
    let mut inner = Client::connect_by(endpoint, exit.address()).await;
    let bound = inner.bound().await;
    let peer = tokio_udp().await;
    let before = exit.figure("packets_total{from=\"client\"}");
    for _ in 0..100 {
        bound.send(peer.local_addr().unwrap(), &[1; 101]);
        let (frame, from) = receive(&peer).await;
        assert_eq!((frame.len(), from), (101, bound.public));
        peer.send_to(&[2; 101], from).await.unwrap();
        assert_eq!(bound.receive().await.1, [2; 101]);
    }
    // A packet is counted behind its sending.
    exit.figure_becomes("packets_total{from=\"client\"}", |after| {
        after == before + 100
    })
    .await;
    // From within, so that both relays are told: nothing of this call is counted in the next one.
    inner.quic.close(0_u8.into(), b"");
    exit.figure_becomes("flows{role=\"exit\"}", |count| count == 0)
        .await;
    outer.quic.close(0_u8.into(), b"");
    entry
        .figure_becomes("flows{role=\"entry\"}", |count| count == 0)
        .await;
}
