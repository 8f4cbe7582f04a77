//! Calls whose path or homeserver fails.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use securecall_driver::{
    AnswerPolicy, CallEvent, Client, ClientConfig, EndReason, Event, MissedReason, Reach,
};
use securecall_interop::{Synapse, SynapseOptions, UdpForwarder};

use crate::{
    people::{
        InCall, PATIENCE, Person, connected, direct, ended, incoming, log, placed, synapse,
        wait_for,
    },
    tone::median_amplitude,
};

/// The forwarders in front of one client's sockets: all that its peer ever learns of where it is.
#[derive(Clone, Default)]
struct Paths(Arc<Mutex<Vec<UdpForwarder>>>);

impl Paths {
    fn lead_to(config: &mut ClientConfig) -> Self {
        let paths = Self::default();
        let forwarders = paths.clone();
        config.network.candidate_map = Some(Arc::new(move |base| {
            let forwarder = UdpForwarder::in_front_of(base).unwrap();
            let address = forwarder.address();
            forwarders.0.lock().unwrap().push(forwarder);
            address
        }));
        paths
    }

    fn cut(&self) {
        self.0.lock().unwrap().iter().for_each(UdpForwarder::cut);
    }

    fn heal(&self) {
        self.0.lock().unwrap().iter().for_each(UdpForwarder::heal);
    }

    fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    fn packets(&self) -> u64 {
        self.0
            .lock()
            .unwrap()
            .iter()
            .map(|it| it.forwarded() + it.dropped())
            .sum()
    }
}

async fn in_call_over_paths(homeserver: &Synapse) -> (InCall, [Paths; 2]) {
    let (caller, callee) = (Person::new(homeserver).await, Person::new(homeserver).await);
    let (mut calling, mut called) = (caller.config(440), callee.config(1000));
    let paths = [Paths::lead_to(&mut calling), Paths::lead_to(&mut called)];
    (
        InCall::between(caller, callee, [calling, called]).await,
        paths,
    )
}

async fn reconnecting(client: &mut Client) {
    wait_for(client, |event| {
        matches!(event, Event::Call(CallEvent::Reconnecting { .. })).then_some(())
    })
    .await;
}

async fn reconnected(client: &mut Client) {
    wait_for(client, |event| {
        matches!(event, Event::Call(CallEvent::Reconnected { .. })).then_some(())
    })
    .await;
}

/// Waits until a client has opened more frames than it had.
async fn hears_more(client: &mut Client) {
    let received = |event: &Event| match event {
        Event::Stats { stats, .. } => Some(stats.frames_received),
        _ => None,
    };
    let before = wait_for(client, received).await;
    wait_for(client, |event| received(event).filter(|now| *now > before)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_is_cut_and_comes_back_brings_the_call_back() {
    let (mut call, paths) = in_call_over_paths(synapse()).await;
    paths.iter().for_each(Paths::cut);
    tokio::join!(
        reconnecting(&mut call.calling),
        reconnecting(&mut call.called)
    );
    tokio::time::sleep(Duration::from_secs(2)).await;
    paths.iter().for_each(Paths::heal);
    tokio::join!(
        reconnected(&mut call.calling),
        reconnected(&mut call.called)
    );
    tokio::join!(hears_more(&mut call.calling), hears_more(&mut call.called));
    call.calling
        .handle()
        .hangup(call.call.handle)
        .await
        .unwrap();
    assert_eq!(ended(&mut call.called).await, EndReason::RemoteHangup);
    call.calling.stop().await;
    call.called.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_is_cut_for_good_ends_the_call() {
    let (mut call, paths) = in_call_over_paths(synapse()).await;
    paths.iter().for_each(Paths::cut);
    tokio::join!(
        reconnecting(&mut call.calling),
        reconnecting(&mut call.called)
    );
    let reasons = tokio::join!(ended(&mut call.calling), ended(&mut call.called));
    assert_eq!(reasons, (EndReason::IceTimeout, EndReason::IceTimeout));
    call.calling.stop().await;
    call.called.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_goes_on_without_its_homeserver() {
    log();
    let mut homeserver = Synapse::start(SynapseOptions::default()).unwrap();
    let (caller, callee) = (
        Person::new(&homeserver).await,
        Person::new(&homeserver).await,
    );
    let configs = [caller.config(440), callee.config(1000)];
    let mut call = InCall::between(caller, callee, configs).await;
    homeserver.kill().unwrap();
    wait_for(&mut call.calling, |event| {
        matches!(event, Event::Offline(_)).then_some(())
    })
    .await;
    tokio::join!(hears_more(&mut call.calling), hears_more(&mut call.called));
    call.called
        .handle()
        .hangup(call.callees_call.handle)
        .await
        .unwrap();
    assert_eq!(ended(&mut call.calling).await, EndReason::RemoteHangup);
    assert_eq!(ended(&mut call.called).await, EndReason::LocalHangup);
    call.calling.stop().await;
    call.called.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_goes_on_when_its_devices_are_signed_out() {
    let (caller, callee) = (Person::new(synapse()).await, Person::new(synapse()).await);
    let configs = [caller.config(440), callee.config(1000)];
    let mut call = InCall::between(caller, callee, configs).await;
    call.caller.sign_out_elsewhere().await;
    call.callee.sign_out_elsewhere().await;
    tokio::join!(signed_out(&mut call.calling), signed_out(&mut call.called));
    tokio::join!(hears_more(&mut call.calling), hears_more(&mut call.called));
    call.called
        .handle()
        .hangup(call.callees_call.handle)
        .await
        .unwrap();
    assert_eq!(ended(&mut call.calling).await, EndReason::RemoteHangup);
    assert_eq!(ended(&mut call.called).await, EndReason::LocalHangup);
    call.calling.stop().await;
    call.called.stop().await;
}

async fn signed_out(client: &mut Client) {
    wait_for(client, |event| match event {
        Event::SessionEnded => Some(()),
        Event::Call(CallEvent::Ended { reason, .. }) => panic!("the call has ended: {reason:?}"),
        _ => None,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_without_path_and_homeserver_leaves_whole_recordings() {
    log();
    let mut homeserver = Synapse::start(SynapseOptions::default()).unwrap();
    let (mut call, paths) = in_call_over_paths(&homeserver).await;
    tokio::join!(hears_more(&mut call.calling), hears_more(&mut call.called));
    homeserver.kill().unwrap();
    paths.iter().for_each(Paths::cut);
    tokio::join!(call.calling.stop(), call.called.stop());
    for (person, tone) in [(&call.caller, 1000.0), (&call.callee, 440.0)] {
        let amplitude = median_amplitude(&person.recording(), tone);
        assert!(amplitude > 0.1, "{amplitude}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_rings_sends_no_packet_and_gathers_nothing() {
    let (caller, callee) = (Person::new(synapse()).await, Person::new(synapse()).await);
    let (mut calling, mut called) = (caller.config(440), callee.config(1000));
    called.answer = AnswerPolicy::Ask;
    let [to_caller, to_callee] = [Paths::lead_to(&mut calling), Paths::lead_to(&mut called)];
    let (mut calling, mut called, call) = placed(&caller, &callee, [calling, called]).await;
    wait_for(&mut calling, |event| {
        matches!(event, Event::Call(CallEvent::Ringing { .. })).then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!((to_callee.count(), to_caller.packets()), (0, 0));

    let rings = incoming(&mut called).await;
    assert_eq!(rings.id, call.id);
    called.handle().answer(rings.handle).await.unwrap();
    tokio::join!(connected(&mut calling), connected(&mut called));
    assert!(to_callee.count() > 0 && to_caller.packets() + to_callee.packets() > 0);
    calling.stop().await;
    called.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_on_this_machine_is_not_tried_unless_that_is_asked_for_by_name() {
    let (caller, callee) = (Person::new(synapse()).await, Person::new(synapse()).await);
    let (mut calling, mut called) = (caller.config(440), callee.config(1000));
    calling.network.reach = Reach::OtherMachines;
    let [to_caller, to_callee] = [Paths::lead_to(&mut calling), Paths::lead_to(&mut called)];
    let (calling, called, _) = placed(&caller, &callee, [calling, called]).await;
    // The callee knows the caller's address, and tries it again and again.
    let is_tried = async {
        while to_caller.packets() < 10 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, is_tried)
        .await
        .expect("the callee tries the caller's address");
    assert_eq!(to_callee.packets(), 0, "it was neither tried nor answered");
    calling.stop().await;
    called.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_disk_does_not_take_does_not_ring_until_it_takes_it() {
    let (caller, callee) = (Person::new(synapse()).await, Person::new(synapse()).await);
    let mut asked = callee.config(1000);
    asked.answer = AnswerPolicy::Ask;
    // The folder of the memory is gone.
    let folder = callee.folder.path().join("gone");
    asked.replay_memory = folder.join("replay");
    let (mut calling, mut called, call) =
        placed(&caller, &callee, [caller.config(440), asked]).await;
    let told = wait_for(&mut called, |event| match event {
        Event::ReplayMemoryFailed(error) => Some(error.to_string()),
        Event::Call(CallEvent::Incoming { .. }) => panic!("it rang"),
        _ => None,
    });
    assert!(told.await.contains("gone"));
    let missed = wait_for(&mut called, |event| match event {
        Event::Call(CallEvent::Missed { call, why, .. }) => Some((call.id.clone(), *why)),
        Event::Call(CallEvent::Incoming { .. }) => panic!("it rang"),
        _ => None,
    });
    assert_eq!(missed.await, (call.id, MissedReason::StorageFailed));
    calling.handle().hangup(call.handle).await.unwrap();
    assert_eq!(ended(&mut calling).await, EndReason::Cancelled);

    std::fs::create_dir(&folder).unwrap();
    let again = calling
        .handle()
        .call(callee.as_callee(), direct())
        .await
        .unwrap();
    assert_eq!(incoming(&mut called).await.id, again.id);
    calling.stop().await;
    called.stop().await;
    // Behind a restart it is remembered: the file is whole, and a client takes it.
    assert!(std::fs::read(folder.join("replay")).unwrap().len() > 16);
}
