//! Does what a probe says, until it has found out what it wants to know.

use securecall_relay::Inbound;
use securecall_relay::probe::{Probe, ProbeOutput};
use securecall_relay_client::{Streams, TlsTrust};

use super::sockets::ProbeSockets;
use crate::clock;

/// Runs a probe to its end. How long that takes is the probe's own affair: each has an end, whatever servers do.
pub(super) async fn run<P: Probe>(
    mut probe: P,
    sockets: &ProbeSockets,
    trust: Option<TlsTrust>,
) -> P::Outcome {
    let mut streams = Streams::new(trust);
    loop {
        // All that it wants is done before anything is waited for, which may be the answer to it.
        let deadline = match probe.poll_output() {
            ProbeOutput::Transmit(datagram) => {
                sockets.send(&datagram).await;
                continue;
            }
            ProbeOutput::Open(stream, target) => {
                streams.open(stream, target);
                continue;
            }
            ProbeOutput::Write(stream, bytes, urgency) => {
                streams.write(stream, bytes, urgency);
                continue;
            }
            ProbeOutput::Close(stream) => {
                streams.close(stream);
                continue;
            }
            ProbeOutput::Finished(outcome) => return outcome,
            ProbeOutput::Timeout(deadline) => deadline,
        };
        tokio::select! {
            datagram = sockets.receive() => probe.handle_datagram(
                clock::now(),
                Inbound {
                    source: datagram.source,
                    destination: datagram.destination,
                    contents: &datagram.contents,
                },
            ),
            news = streams.next() => probe.handle_stream(clock::now(), news.stream, news.event()),
            () = clock::sleep_until(Some(deadline)) => probe.handle_timeout(clock::now()),
        }
    }
}
