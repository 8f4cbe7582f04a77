//! The network changes under a call: each person's client runs in a network namespace of its own.

use std::process::Command;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use securecall_driver::{
    CallEvent, CallOptions, Client, ClientConfig, EndReason, Event, Handle, NamedCall, PathRoute,
    Reach, Servers,
};
use securecall_interop::network::{Host, Nat, Network};
use securecall_interop::{Coturn, CoturnUsers};
use securecall_matrix::Account;
use securecall_relay::{Credentials, ServerLink, TurnServer};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use web_time::Instant;
use zeroize::Zeroizing;

use crate::people::{Person, by_relay, direct, synapse};

/// No step takes longer, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long sound may be away on a machine that others use, too.
const BOUND: Duration = Duration::from_secs(6);
/// Levels are told so often.
const LEVELS_APART: Duration = Duration::from_millis(100);
/// The tone of the other side has a level of 0.18.
const HEARD: f32 = 0.05;
/// So many frames must be heard before the next thing happens: those of two seconds.
const CALM: u64 = 100;

/// Somebody at a host. The runtime's threads are inside it, and with them all sockets.
struct Place {
    host: Arc<Host>,
    runtime: Runtime,
    person: Option<Person>,
    /// What has happened so far, as far as it was looked at, and when.
    events: Vec<(Instant, Event)>,
    running: Option<Running>,
}

/// A client whose events are read as they come.
struct Running {
    handle: Handle,
    events: mpsc::Receiver<(Instant, Event)>,
    stop: oneshot::Sender<()>,
    reader: JoinHandle<()>,
}

impl Running {
    async fn start(config: ClientConfig, account: Account) -> Self {
        let mut client = Client::start(config, account).await.unwrap();
        let handle = client.handle();
        let (told, events) = mpsc::channel();
        let (stop, mut stopped) = oneshot::channel();
        let reader = tokio::spawn(async move {
            loop {
                tokio::select! {
                    event = client.next_event() => {
                        let Some(event) = event else { break };
                        // Whoever has failed listens no more.
                        let _ = told.send((now(), event));
                    }
                    _ = &mut stopped => break,
                }
            }
            client.stop().await;
        });
        Self {
            handle,
            events,
            stop,
            reader,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // The account's store wants the runtime it was opened in.
        let _inside = self.runtime.enter();
        self.person = None;
    }
}

impl Place {
    fn new(host: Host) -> Self {
        // The homeserver is reached on this host's own loopback interface: that goes nowhere, whatever happens to the others.
        let homeserver = synapse().address();
        host.forward(homeserver, homeserver).unwrap();
        let runtime = host
            .enter(|| {
                let mut builder = tokio::runtime::Builder::new_multi_thread();
                builder.worker_threads(2).enable_all().build().unwrap()
            })
            .unwrap();
        let person =
            runtime.block_on(async { tokio::spawn(Person::new(synapse())).await.unwrap() });
        Self {
            host: Arc::new(host),
            runtime,
            person: Some(person),
            events: Vec::new(),
            running: None,
        }
    }

    fn start(&mut self, options: &CallOptions, servers: &Servers) {
        let person = self.person.as_ref().unwrap();
        let mut config: ClientConfig = person.config(440);
        config.network.bind = Vec::new();
        config.network.reach = Reach::OtherMachines;
        config.network.servers = servers.clone();
        config.inbound = options.clone();
        config.levels = true;
        let account = person.account.clone();
        let started = async { tokio::spawn(Running::start(config, account)).await.unwrap() };
        self.running = Some(self.runtime.block_on(started));
    }

    fn stop(&mut self) {
        let running = self.running.take().unwrap();
        let _ = running.stop.send(());
        self.runtime.block_on(running.reader).unwrap();
    }

    fn handle(&self) -> Handle {
        self.running.as_ref().unwrap().handle.clone()
    }

    /// Looks at what happens until something fits.
    fn until<T>(&mut self, mut fits: impl FnMut(Instant, &Event) -> Option<T>) -> T {
        let running = self.running.as_ref().unwrap();
        loop {
            let Ok((at, event)) = running.events.recv_timeout(PATIENCE) else {
                panic!("it never came; there was {:#?}", self.events);
            };
            let found = fits(at, &event);
            if let Event::Call(CallEvent::Ended { reason, .. }) = &event {
                assert!(
                    found.is_some(),
                    "the call ended: {reason:?}; {:#?}",
                    self.events
                );
            }
            self.events.push((at, event));
            if let Some(found) = found {
                return found;
            }
        }
    }

    fn until_connected(&mut self) -> NamedCall {
        self.until(|_, event| match event {
            Event::Call(CallEvent::Connected { call, .. }) => Some(call.clone()),
            _ => None,
        })
    }

    /// Waits until this many more frames were heard.
    fn hears(&mut self, more: u64) {
        let mut first = None;
        self.until(|_, event| match event {
            Event::Stats { stats, .. } => {
                let first = *first.get_or_insert(stats.frames_received);
                (stats.frames_received >= first + more).then_some(())
            }
            _ => None,
        });
    }

    fn count(&self, wanted: impl Fn(&CallEvent) -> bool) -> usize {
        let calls = self.events.iter().filter_map(|(_, event)| match event {
            Event::Call(event) => Some(event),
            _ => None,
        });
        calls.filter(|event| wanted(event)).count()
    }
}

/// Changes something at a host.
fn run(host: &Host, ip: &[&str]) {
    let output = host.run(Command::new("ip").args(ip)).unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[expect(
    clippy::disallowed_methods,
    reason = "what real networks do takes real time"
)]
fn now() -> Instant {
    Instant::now()
}

/// Two people in a call.
struct InCall {
    caller: Place,
    callee: Place,
    call: NamedCall,
}

impl InCall {
    fn between(caller: Host, callee: Host) -> Self {
        Self::with(caller, callee, &direct(), &Servers::default())
    }

    fn with(caller: Host, callee: Host, options: &CallOptions, servers: &Servers) -> Self {
        let [mut caller, mut callee] = [caller, callee].map(Place::new);
        callee.start(options, servers);
        caller.start(options, servers);
        let handle = caller.handle();
        let callee_is = callee.person.as_ref().unwrap().as_callee();
        let placed = caller
            .runtime
            .block_on(handle.call(callee_is, options.clone()));
        let call = placed.unwrap();
        callee.until_connected();
        caller.until_connected();
        let mut this = Self {
            caller,
            callee,
            call,
        };
        this.calm();
        this
    }

    /// Nothing happens for a while, and both hear each other.
    fn calm(&mut self) {
        for place in [&mut self.caller, &mut self.callee] {
            place.hears(CALM);
        }
    }

    /// Something happens to the network. Both hear each other again; prints and bounds how long they did not.
    fn through(&mut self, what: &str, change: impl FnOnce(&mut Self)) {
        let before = [&self.caller, &self.callee].map(|place| place.events.len());
        let began = now();
        change(self);
        let changing = now() - began;
        for (place, seen) in [&mut self.caller, &mut self.callee].into_iter().zip(before) {
            let mut heard = 0;
            place.until(|at, event| {
                let is_after = at > began + changing + Duration::from_secs(1);
                heard = match event {
                    Event::Levels { output, .. } if is_after && *output > HEARD => heard + 1,
                    Event::Levels { .. } => 0,
                    _ => heard,
                };
                (heard == 10).then_some(())
            });
            let after = place.events[seen..].iter();
            let after: Vec<_> = after.filter(|(at, _)| *at > began).collect();
            let silent =
                |event: &Event| matches!(event, Event::Levels { output, .. } if *output <= HEARD);
            let silent = after.iter().filter(|(_, event)| silent(event)).count();
            let silent = LEVELS_APART * u32::try_from(silent).unwrap();
            let times: Vec<_> = after
                .iter()
                .filter_map(|(at, event)| match event {
                    Event::Call(CallEvent::Reconnecting { .. }) => Some((at, "reconnecting")),
                    Event::Call(CallEvent::Reconnected { .. }) => Some((at, "reconnected")),
                    _ => None,
                })
                .map(|(at, what)| format!("{what} after {} ms", (*at - began).as_millis()))
                .collect();
            println!("{what}: silent for {} ms, {times:?}", silent.as_millis());
            assert!(silent < changing + BOUND, "{silent:?}");
        }
    }

    /// The same without a restart. A machine that stands still for longer than until a path counts as dead (3 s) proves nothing, so
    /// there is another try, and a third: what needs a restart does so each time.
    fn through_without_restart(&mut self, what: &str, mut change: impl FnMut()) {
        let goes_on = (0..3).any(|_| {
            self.calm();
            let before = self.restarts();
            self.through(what, |_| change());
            self.calm();
            self.restarts() == before
        });
        assert!(goes_on, "restarted three times: {what}");
    }

    /// How often either has said that the path is dead, as far as it was looked at.
    fn restarts(&self) -> usize {
        let reconnecting = |event: &CallEvent| matches!(event, CallEvent::Reconnecting { .. });
        self.caller.count(reconnecting) + self.callee.count(reconnecting)
    }

    fn hang_up(mut self) {
        let handle = self.caller.handle();
        let hung_up = self
            .caller
            .runtime
            .block_on(handle.hangup(self.call.handle));
        hung_up.unwrap();
        let ended = |_, event: &Event| match event {
            Event::Call(CallEvent::Ended { reason, .. }) => Some(*reason),
            _ => None,
        };
        assert_eq!(self.callee.until(ended), EndReason::RemoteHangup);
        assert_eq!(self.caller.until(ended), EndReason::LocalHangup);
        for place in [&mut self.caller, &mut self.callee] {
            place.stop();
        }
    }
}

fn hosts(network: &Network) -> [Host; 2] {
    ["ada", "ben"].map(|name| network.internet().host(name).unwrap())
}

#[test]
fn a_call_goes_on_when_either_side_or_both_move_to_other_addresses() {
    let network = Network::new().unwrap();
    let [ada, ben] = hosts(&network);
    let mut call = InCall::between(ada, ben);
    call.through("the caller moves", |call| {
        call.caller.host.change_addresses().unwrap();
    });
    call.through("the callee moves", |call| {
        call.callee.host.change_addresses().unwrap();
    });
    call.through("both move", |call| {
        for place in [&call.caller, &call.callee] {
            place.host.change_addresses().unwrap();
        }
    });
    call.hang_up();
}

#[test]
fn a_call_goes_on_from_one_interface_to_another() {
    let network = Network::new().unwrap();
    let [ada, ben] = hosts(&network);
    let mut call = InCall::between(ada, ben);
    for side in ["the caller", "the callee"] {
        let place = |call: &InCall| match side {
            "the caller" => Arc::clone(&call.caller.host),
            _ => Arc::clone(&call.callee.host),
        };
        let host = place(&call);
        // Else Linux takes all addresses of a network with the first.
        let setting = "echo 1 > /proc/sys/net/ipv4/conf/eth0/promote_secondaries";
        let set = host.run(Command::new("sh").args(["-c", setting])).unwrap();
        assert!(set.status.success(), "{set:?}");
        let old = host.addresses();
        call.through(&format!("another address joins {side}"), |_| {
            host.add_address().unwrap();
        });
        call.calm();
        call.through(&format!("{side} loses the ones before"), |_| {
            for address in &old {
                let length = if address.is_ipv4() { 24 } else { 64 };
                run(
                    &host,
                    &["addr", "del", &format!("{address}/{length}"), "dev", "eth0"],
                );
            }
        });
    }
    call.hang_up();
}

#[test]
fn a_network_that_is_away_for_8_s_is_waited_for() {
    let network = Network::new().unwrap();
    let [ada, ben] = hosts(&network);
    let mut call = InCall::between(ada, ben);
    for callee in [false, true] {
        call.through("8 s without any network", |call| {
            let place = if callee {
                &mut call.callee
            } else {
                &mut call.caller
            };
            run(
                &place.host,
                &["addr", "flush", "dev", "eth0", "scope", "global"],
            );
            // Levels come all the time, and some wait since before.
            let away_until = now() + Duration::from_secs(8);
            place.until(|at, _| (at >= away_until).then_some(()));
            place.host.change_addresses().unwrap();
        });
    }
    let reconnecting = |event: &CallEvent| matches!(event, CallEvent::Reconnecting { .. });
    for place in [&call.caller, &call.callee] {
        assert!(place.count(reconnecting) >= 2);
    }
    call.hang_up();
}

#[test]
fn a_call_goes_on_from_ipv4_to_a_network_that_has_ipv6_alone_and_back() {
    let network = Network::new().unwrap();
    let [ada, ben] = hosts(&network);
    let v6 = ada.ipv6_address().unwrap();
    let gone = format!("{v6}/64");
    run(&ada, &["addr", "del", &gone, "dev", "eth0"]);
    let mut call = InCall::between(ada, ben);
    call.through("IPv6 in place of IPv4", |call| {
        let ada = &call.caller.host;
        run(ada, &["-4", "addr", "flush", "dev", "eth0"]);
        run(ada, &["addr", "add", &gone, "dev", "eth0", "nodad"]);
    });
    call.through("IPv4 in place of IPv6", |call| {
        let ada = &call.caller.host;
        run(ada, &["-6", "addr", "flush", "dev", "eth0"]);
        ada.add_address().unwrap();
    });
    call.hang_up();
}

#[test]
fn a_nat_that_forgets_its_mappings_needs_no_restart() {
    let network = Network::new().unwrap();
    let internet = network.internet();
    let home = internet.nat("home", Nat::port_restricted()).unwrap();
    let ada = home.host("ada").unwrap();
    let ben = internet.host("ben").unwrap();
    let mut call = InCall::between(ada, ben);
    call.through_without_restart("the NAT forgets", || home.forget_mappings().unwrap());
    call.through_without_restart("the NAT has another address", || {
        home.change_outside_address().unwrap();
    });
    call.hang_up();
}

/// Both go by relay alone, over these links, and move.
fn by_relay_alone(links: &[ServerLink]) {
    let network = Network::new().unwrap();
    let internet = network.internet();
    let users = CoturnUsers::Static {
        username: "ada".to_owned(),
        password: "secret".to_owned(),
    };
    let coturn = Coturn::start_at(internet.host("turn").unwrap(), users, &[]).unwrap();
    let server = |link: &ServerLink| TurnServer {
        address: coturn.address(),
        link: link.clone(),
        credentials: Credentials::new("ada", Zeroizing::new("secret".to_owned())).unwrap(),
    };
    let servers = Servers {
        turn: links.iter().map(server).collect(),
        ..Servers::default()
    };
    let home = internet.nat("home", Nat::port_restricted()).unwrap();
    let cafe = internet.nat("cafe", Nat::symmetric()).unwrap();
    let ada = home.host("ada").unwrap();
    let ben = internet.host("ben").unwrap();
    let mut call = InCall::with(ada, ben, &by_relay(), &servers);
    call.through("from home to the café, by relay", |call| {
        call.caller.host.move_to(&cafe).unwrap();
    });
    call.through("the callee changes its address, by relay", |call| {
        call.callee.host.change_addresses().unwrap();
    });
    let direct = |event: &CallEvent| {
        matches!(
            event,
            CallEvent::RouteChanged {
                route: PathRoute::Direct,
                ..
            } | CallEvent::Connected {
                route: PathRoute::Direct,
                ..
            }
        )
    };
    assert_eq!(call.caller.count(direct) + call.callee.count(direct), 0);
    call.hang_up();
}

#[test]
fn who_moves_behind_a_nat_and_goes_by_relay_alone_stays_with_the_relay() {
    by_relay_alone(&[ServerLink::Udp, ServerLink::Tcp]);
}

#[test]
fn who_moves_and_goes_by_relay_in_a_stream_opens_another_stream() {
    by_relay_alone(&[ServerLink::Tcp]);
}

#[test]
fn who_moves_between_networks_behind_nats_keeps_the_call() {
    let network = Network::new().unwrap();
    let internet = network.internet();
    let stun = Arc::new(
        Coturn::start_at(
            internet.host("turn").unwrap(),
            CoturnUsers::Static {
                username: "ada".to_owned(),
                password: "secret".to_owned(),
            },
            &[],
        )
        .unwrap(),
    );
    let servers = Servers {
        stun: vec![stun.address()],
        ..Servers::default()
    };
    let [home, cafe, office] = ["home", "cafe", "office"]
        .map(|label| internet.nat(label, Nat::port_restricted()).unwrap());
    let ada = home.host("ada").unwrap();
    let ben = office.host("ben").unwrap();
    let mut call = InCall::with(ada, ben, &direct(), &servers);
    call.through("the caller goes from home to the café", |call| {
        call.caller.host.move_to(&cafe).unwrap();
    });
    call.through("the callee goes from the office to the café", |call| {
        call.callee.host.move_to(&cafe).unwrap();
    });
    call.hang_up();
}
