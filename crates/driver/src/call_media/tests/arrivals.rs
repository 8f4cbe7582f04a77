//! What has come by the time of a tick.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

use securecall_audio_device::open_devices;

use super::*;
use crate::peer_connection::DATAGRAM_BURST;

/// A call with a socket, and where that is.
async fn gathered(world: &mut World) -> (Task, SocketAddr) {
    let audio = audio(MicrophoneSpec::Null);
    let devices = open_devices(&audio).unwrap();
    let leg = Leg::new(world.call(), world.settings());
    let call = leg.call();
    let mut task = Task::new(leg, audio, Some(devices), false, LastEffort::default());
    task.carry_out(call, offer(None));
    task.carry_out(call, MediaCommand::Gather);
    task.drain();
    loop {
        let (_, output) = world.outputs.next().await.unwrap();
        if let MediaOutput::Event(MediaEvent::LocalCandidates { candidates, .. }) = output
            && let Some(candidate) = candidates.first()
        {
            let port = candidate.split(' ').nth(5).unwrap().parse().unwrap();
            return (task, (Ipv4Addr::LOCALHOST, port).into());
        }
    }
}

/// Takes what is there, one by one; how many datagrams it was.
async fn left(task: &mut Task) -> usize {
    let mut left = 0;
    loop {
        tokio::select! {
            biased;
            _ = task.legs.receive() => left += 1,
            () = std::future::ready(()) => return left,
        }
    }
}

#[tokio::test]
async fn what_has_come_is_taken_before_a_tick_and_a_flood_does_not_keep_it_waiting() {
    let mut world = World::new();
    let (mut task, address) = gathered(&mut world).await;
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    let most = MAX_BEFORE_A_TICK * DATAGRAM_BURST;
    for (sent, expected) in [(0, 0), (3, 0), (most + 5, 5)] {
        for _ in 0..sent {
            stranger.send_to(b"what is this?", address).unwrap();
        }
        // It was due before: the runtime has not looked at its sockets.
        task.do_what_is_due(false).await;
        assert_eq!(left(&mut task).await, expected, "of {sent}");
    }
}
