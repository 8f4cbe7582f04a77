//! What of this machine's addresses is handed over to be sealed and told to the peer.

use std::net::IpAddr;

use securecall_interop::network::{self, Host, Nat, Segment};
use securecall_interop::{Coturn, CoturnUsers};
use securecall_relay::{Credentials, ServerLink, TurnServer};
use zeroize::Zeroizing;

use super::*;

const USER: &str = "ada";
const PASSWORD: &str = "secret";

/// A home of both versions of IP, and a server outside that is one for STUN and for TURN.
struct World {
    _network: network::Network,
    coturn: Coturn,
    home: Segment,
    host: Host,
}

impl World {
    fn new() -> Self {
        let network = network::Network::new().unwrap();
        let internet = network.internet();
        let server = internet.host("turn").unwrap();
        let ipv6 = server.ipv6_address().unwrap();
        let settings = ["listening-ip", "relay-ip"].map(|name| format!("{name}={ipv6}"));
        let users = CoturnUsers::Static {
            username: USER.to_owned(),
            password: PASSWORD.to_owned(),
        };
        let coturn = Coturn::start_at(server, users, &settings.each_ref().map(|line| &**line));
        let nat = Nat::port_restricted().with_ipv6();
        let home = internet.nat("home", nat).unwrap();
        Self {
            coturn: coturn.unwrap(),
            host: home.host("host").unwrap(),
            home,
            _network: network,
        }
    }

    fn servers(&self) -> Servers {
        let credentials = Credentials::new(USER, Zeroizing::new(PASSWORD.to_owned()));
        Servers {
            stun: vec![self.coturn.address()],
            turn: vec![TurnServer {
                address: self.coturn.address(),
                link: ServerLink::Udp,
                credentials: credentials.unwrap(),
            }],
            ..Servers::default()
        }
    }

    /// Where this machine is: inside, by IPv6, and outside.
    fn addresses(&self) -> Vec<IpAddr> {
        let mut addresses = self.host.addresses();
        addresses.push(self.home.outside_address().unwrap().into());
        addresses
    }

    /// All descriptions and candidates of both ends of a call between two programs at the host, restarted once.
    fn handed_over(&self, route: Route) -> Vec<String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let servers = self.servers();
        let call = async {
            let [mut caller, mut callee] = [End::new(&servers), End::new(&servers)];
            let now = clock::now();
            caller
                .peer
                .create_offer(now, Tier::SecureCall, route)
                .unwrap();
            let offer = caller.next_description().await;
            callee
                .peer
                .accept_offer(now, Tier::SecureCall, &offer, route)
                .unwrap();
            let answer = callee.next_description().await;
            caller.peer.set_answer(now, &answer).unwrap();
            for end in [&mut caller, &mut callee] {
                end.gather().await;
            }
            let now = clock::now();
            caller.peer.create_restart_offer(now).unwrap();
            let offer = caller.next_description().await;
            callee.peer.accept_restart_offer(now, &offer).unwrap();
            callee.next_description().await;
            [caller.told, callee.told].concat()
        };
        self.host.enter(move || runtime.block_on(call)).unwrap()
    }
}

/// One end of a call, and what it has said so far.
struct End {
    peer: PeerConnection,
    outputs: Outputs,
    told: Vec<String>,
}

impl End {
    fn new(servers: &Servers) -> Self {
        let (sender, outputs) = queue();
        let call = NamedCall {
            handle: CallHandles::default().issue(),
            id: WireCallId::parse("call").unwrap(),
        };
        let network = Network::default();
        let servers = watch::channel(servers.clone()).1;
        Self {
            peer: PeerConnection::new(MediaOutputs::of(call, sender), network, &servers),
            outputs,
            told: Vec::new(),
        }
    }

    async fn next_description(&mut self) -> String {
        loop {
            match self.outputs.next().await.unwrap().1 {
                MediaOutput::Event(
                    MediaEvent::LocalOffer { sdp }
                    | MediaEvent::LocalAnswer { sdp }
                    | MediaEvent::RestartOffer { sdp }
                    | MediaEvent::RestartAnswer { sdp },
                ) => {
                    self.told.push(sdp.clone());
                    return sdp;
                }
                MediaOutput::Event(MediaEvent::LocalCandidates { candidates, .. }) => {
                    self.told.extend(candidates);
                }
                _ => {}
            }
        }
    }

    /// Until everything that there is has been found: the addresses at the relay come last.
    async fn gather(&mut self) {
        self.peer.gather(clock::now()).unwrap();
        let mut relays = 0;
        while relays == 0 {
            let wake = self.peer.next_wake().unwrap_or_else(clock::now);
            tokio::select! {
                output = self.outputs.next() => {
                    if let MediaOutput::Event(MediaEvent::LocalCandidates { candidates, .. }) = output.unwrap().1 {
                        relays += candidates.iter().filter(|line| line.contains(" typ relay")).count();
                        self.told.extend(candidates);
                    }
                }
                arrival = self.peer.receive() => self.peer.handle_arrival(clock::now(), &arrival),
                () = tokio::time::sleep_until(tokio::time::Instant::from_std(wake)) => {
                    self.peer.handle_timeout(clock::now(), || [None; 2]);
                    self.peer.drain();
                }
            }
        }
    }
}

/// Which of the addresses are said.
fn said(texts: &[String], addresses: &[IpAddr]) -> Vec<bool> {
    let is_said = |address: &IpAddr| {
        let address = address.to_string();
        let mut words = texts.iter().flat_map(|text| text.split_whitespace());
        words.any(|word| word == address)
    };
    addresses.iter().map(is_said).collect()
}

#[test]
fn by_relay_the_peer_is_told_the_address_there_and_none_of_this_machine() {
    let world = World::new();
    let addresses = world.addresses();
    let by_relay = world.handed_over(Route::Relay);
    assert_eq!(said(&by_relay, &addresses), [false; 3], "{by_relay:#?}");
    let relay = [world.coturn.address().ip()];
    assert_eq!(said(&by_relay, &relay), [true]);
    // So it would have been seen.
    let direct = world.handed_over(Route::Direct);
    assert_eq!(said(&direct, &addresses), [true; 3], "{direct:#?}");
}
