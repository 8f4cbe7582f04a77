//! What a peer connection opens and tells while it gathers.

#[cfg(target_os = "linux")]
mod handed_over;

use std::net::{IpAddr, Ipv4Addr};

use securecall_session::{CallHandle, CallHandles, NamedCall, Route, WireCallId};

use super::*;
use crate::media_output::MediaOutput;
use crate::queue::{Receiver, queue};

type Outputs = Receiver<(CallHandle, MediaOutput)>;

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A connection that has made its offer, and what it says.
fn offered(route: Route) -> (PeerConnection, Outputs) {
    let (sender, receiver) = queue();
    let call = NamedCall {
        handle: CallHandles::default().issue(),
        id: WireCallId::parse("call").unwrap(),
    };
    let outputs = MediaOutputs::of(call, sender);
    let network = Network {
        bind: vec![LOCALHOST],
        reach: securecall_media::Reach::ThisMachine,
        ..Network::default()
    };
    let mut peer = PeerConnection::new(outputs, network, &watch::channel(Servers::default()).1);
    peer.create_offer(clock::now(), route).unwrap();
    (peer, receiver)
}

/// What it said after its offer: how many candidates each time, whether that was all, and notices.
async fn told(peer: PeerConnection, mut outputs: Outputs) -> (Vec<(usize, bool)>, usize) {
    drop(peer);
    let (mut candidates, mut notices) = (Vec::new(), 0);
    while let Some((_, output)) = outputs.next().await {
        match output {
            MediaOutput::Event(MediaEvent::LocalCandidates {
                candidates: lines,
                complete,
            }) => candidates.push((lines.len(), complete)),
            MediaOutput::Told(event) if matches!(*event, Event::Notice { .. }) => notices += 1,
            MediaOutput::Event(MediaEvent::LocalOffer { .. } | MediaEvent::RestartOffer { .. }) => {
            }
            other => panic!("{other:?}"),
        }
    }
    (candidates, notices)
}

#[tokio::test]
async fn what_the_network_lost_is_not_called_a_fault_of_this_machine() {
    for (error, expected) in [
        (TransportError::HandshakeTimedOut, MediaFailure::NoPath),
        (TransportError::Engine(String::new()), MediaFailure::Local),
    ] {
        let (mut peer, mut outputs) = offered(Route::Direct);
        peer.fail(&error);
        drop(peer);
        let mut failures = Vec::new();
        while let Some((_, output)) = outputs.next().await {
            if let MediaOutput::Event(MediaEvent::Failed { reason }) = output {
                failures.push(reason);
            }
        }
        assert_eq!(failures, [expected], "{error}");
    }
}

#[tokio::test]
async fn host_candidates_are_told_at_once_with_the_end_of_them() {
    let (mut peer, outputs) = offered(Route::Direct);
    assert_eq!(peer.sockets.bases(), []);
    peer.gather(clock::now()).unwrap();
    assert_eq!(peer.sockets.bases().len(), 1);
    // Nothing is waited for.
    assert_eq!(peer.gathering.deadline(), None);
    // Nothing was said that was not news.
    peer.take_candidates(clock::now()).unwrap();
    assert_eq!(told(peer, outputs).await, (vec![(1, true)], 0));
}

#[tokio::test]
async fn a_later_gathering_without_a_new_address_is_no_lack_of_one() {
    let (mut peer, outputs) = offered(Route::Direct);
    peer.gather(clock::now()).unwrap();
    peer.gather(clock::now()).unwrap();
    let expected = vec![(1, true), (0, true)];
    assert_eq!(told(peer, outputs).await, (expected, 0));
}

#[tokio::test]
async fn where_only_a_relay_may_be_used_and_none_is_there_no_socket_is_opened() {
    let (mut peer, outputs) = offered(Route::Relay);
    peer.gather(clock::now()).unwrap();
    assert_eq!(peer.sockets.bases(), []);
    assert_eq!(told(peer, outputs).await, (vec![(0, true)], 1));
}
