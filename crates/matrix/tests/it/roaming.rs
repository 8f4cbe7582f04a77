//! A device that changes networks, or whose NAT forgets it, at a real homeserver behind a router.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use securecall_interop::{
    TlsFront,
    network::{Host, Nat, Network},
};
use securecall_matrix::{Homeserver, Inbox, SendError};
use tokio::{
    runtime::{Handle, Runtime},
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::timeout,
};

use crate::people::{Person, fresh_name, next_signal, signal, synapse};

/// Longer than anything takes that is done at once, on a machine with much to do; shorter than it takes to find out that a
/// connection is dead.
const SOON: Duration = Duration::from_secs(10);

/// An internet with the homeserver in it, by https.
struct World {
    network: Network,
    _front: TlsFront,
    homeserver: Homeserver,
    line: Arc<Line>,
    requests: UnboundedReceiver<String>,
}

/// What lies between the door in the internet and the homeserver.
struct Line {
    is_mute: AtomicBool,
    seen: UnboundedSender<String>,
}

impl World {
    fn new() -> Self {
        let network = Network::new().unwrap();
        let server = network.internet().host("homeserver").unwrap();
        let inside = server.enter(|| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
        let inside = inside.unwrap().unwrap();
        let (at, behind) = (server.address(), inside.local_addr().unwrap());
        let name = at.to_string();
        let front = server.enter(|| TlsFront::start_at((at, 443).into(), behind, &[&name]));
        let front = front.unwrap().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let ca_file = directory.path().join("ca.pem");
        fs::write(&ca_file, front.certificate_pem()).unwrap();
        let homeserver = Homeserver::new(&format!("https://{at}"))
            .unwrap()
            .with_ca_file(&ca_file)
            .unwrap();
        let (seen, requests) = unbounded_channel();
        let line = Arc::new(Line {
            is_mute: AtomicBool::new(false),
            seen,
        });
        let shared = Arc::clone(&line);
        thread::spawn(move || shared.carry(&inside, synapse().address()));
        Self {
            network,
            _front: front,
            homeserver,
            line,
            requests,
        }
    }

    /// Waits for a request with this in its first line, and gives that line.
    async fn request(&mut self, what: &str) -> String {
        loop {
            let line = self.requests.recv().await.unwrap();
            if line.contains(what) {
                return line;
            }
        }
    }

    /// The requests like this that have come and were not waited for.
    fn requests_so_far(&mut self, what: &str) -> Vec<String> {
        let mut lines = Vec::new();
        while let Ok(line) = self.requests.try_recv() {
            if line.contains(what) {
                lines.push(line);
            }
        }
        lines
    }
}

impl Line {
    /// Carries connections that come in a namespace to a server outside it.
    fn carry(self: &Arc<Self>, listener: &TcpListener, to: SocketAddr) {
        for client in listener.incoming().map_while(Result::ok) {
            let server = TcpStream::connect(to).unwrap();
            let ends = (client.try_clone().unwrap(), server.try_clone().unwrap());
            let (to_server, to_client) = (Arc::clone(self), Arc::clone(self));
            thread::spawn(move || to_server.carry_requests(client, server));
            thread::spawn(move || to_client.carry_answers(ends.1, ends.0));
        }
    }

    fn carry_requests(&self, client: TcpStream, server: TcpStream) -> io::Result<()> {
        carry_pieces(client, server, |piece| {
            // Each request of ours is written at once.
            let line = piece.split(|byte| *byte == b'\r').next();
            let line = String::from_utf8_lossy(line.unwrap_or_default());
            if line.ends_with("HTTP/1.1") {
                // A test that has ended looks at nothing.
                let _ = self.seen.send(line.into_owned());
            }
            true
        })
    }

    fn carry_answers(&self, server: TcpStream, client: TcpStream) -> io::Result<()> {
        carry_pieces(server, client, |_| !self.is_mute.load(Ordering::SeqCst))
    }
}

fn carry_pieces(
    mut from: TcpStream,
    mut to: TcpStream,
    mut is_let_through: impl FnMut(&[u8]) -> bool,
) -> io::Result<()> {
    let mut buffer = [0; 16_384];
    loop {
        let piece = match from.read(&mut buffer)? {
            0 => return to.shutdown(Shutdown::Write),
            length => &buffer[..length],
        };
        if is_let_through(piece) {
            to.write_all(piece)?;
        }
    }
}

/// Runs a test in a host; what it gets to spawn tasks with is outside.
fn at<F: Future<Output = ()>>(host: &Host, test: impl FnOnce(Handle) -> F + Send) {
    let outside = Runtime::new().unwrap();
    let handle = outside.handle().clone();
    host.enter(|| Runtime::new().unwrap().block_on(test(handle)))
        .unwrap();
}

/// Somebody who stays where they are, on the homeserver's own machine.
struct Friend {
    outside: Handle,
    person: Arc<Person>,
}

impl Friend {
    async fn new(outside: Handle) -> Self {
        let person = outside.spawn(Person::new(synapse())).await.unwrap();
        Self {
            outside,
            person: Arc::new(person),
        }
    }

    /// Sends, and gives the time until it has come in.
    async fn is_heard_by(
        &self,
        traveller: &Arc<Person>,
        inbox: &mut Inbox,
        said: &str,
    ) -> Duration {
        let (friend, to) = (Arc::clone(&self.person), Arc::clone(traveller));
        let content = said.to_owned();
        let began = now();
        self.outside
            .spawn(async move { friend.send_to(&to, &content).await })
            .await
            .unwrap();
        assert_eq!(next_signal(inbox).await, signal(&self.person, said));
        began.elapsed()
    }
}

#[expect(clippy::disallowed_methods, reason = "how long it took is printed")]
fn now() -> Instant {
    Instant::now()
}

async fn traveller(world: &World) -> (Arc<Person>, Inbox) {
    let person = Person::at(&world.homeserver, &fresh_name()).await;
    let inbox = person.account.start().await.unwrap();
    (Arc::new(person), inbox)
}

#[test]
fn an_idle_listener_that_has_moved_hears_at_once() {
    let world = World::new();
    let home = world.network.internet().nat("home", Nat::port_restricted());
    let home = home.unwrap();
    let host = world.network.internet().host("traveller").unwrap();
    at(&host, async |outside| {
        let friend = Friend::new(outside).await;
        let (traveller, mut inbox) = traveller(&world).await;
        friend
            .is_heard_by(&traveller, &mut inbox, r#"{"at":"first"}"#)
            .await;

        let moves: [(&str, &dyn Fn(), bool); 3] = [
            ("home", &|| host.move_to(&home).unwrap(), true),
            (
                "another address",
                &|| host.change_addresses().unwrap(),
                true,
            ),
            // As if only the way out had changed.
            (
                "abroad",
                &|| host.move_to(&world.network.internet()).unwrap(),
                false,
            ),
        ];
        for (place, go, tells_of_addresses) in moves {
            let left = host.addresses();
            go();
            let gone = if tells_of_addresses { &left[..] } else { &[] };
            traveller.account.network_changed(gone);
            let said = format!(r#"{{"at":"{place}"}}"#);
            let heard = friend.is_heard_by(&traveller, &mut inbox, &said);
            let after = timeout(SOON, heard).await.unwrap();
            println!("{place}: heard after {after:?}");
        }
    });
}

#[test]
fn a_listener_without_any_network_for_a_while_hears_when_there_is_one_again() {
    let world = World::new();
    let host = world.network.internet().host("traveller").unwrap();
    at(&host, async |outside| {
        let friend = Friend::new(outside).await;
        let (traveller, mut inbox) = traveller(&world).await;
        let left = host.addresses();
        let mut flush = Command::new("ip");
        flush.args(["address", "flush", "dev", "eth0"]);
        host.run(&mut flush).unwrap();
        traveller.account.network_changed(&left);
        // Long enough for attempts to fail, and not long enough to be told.
        tokio::time::sleep(Duration::from_secs(2)).await;
        host.change_addresses().unwrap();
        traveller.account.network_changed(&[]);
        let heard = friend.is_heard_by(&traveller, &mut inbox, r#"{"at":"last"}"#);
        let after = timeout(SOON, heard).await.unwrap();
        println!("heard after {after:?}");
    });
}

#[test]
fn a_request_in_flight_during_a_move_is_answered_after_it() {
    let mut world = World::new();
    let home = world.network.internet().nat("home", Nat::port_restricted());
    let home = home.unwrap();
    let host = world.network.internet().host("traveller").unwrap();
    at(&host, async |outside| {
        let friend = Friend::new(outside).await;
        let (traveller, mut inbox) = traveller(&world).await;
        friend
            .is_heard_by(&traveller, &mut inbox, r#"{"hello":true}"#)
            .await;
        let (friend_id, friends_device) = (
            friend.person.account.matrix_id(),
            &friend.person.account.own_device().device_id,
        );
        traveller.account.devices_of(friend_id).await.unwrap();
        let mut friends_inbox = {
            let person = Arc::clone(&friend.person);
            let starting = friend
                .outside
                .spawn(async move { person.account.start().await });
            starting.await.unwrap().unwrap()
        };

        world.line.is_mute.store(true, Ordering::SeqCst);
        let mut sending = Box::pin(traveller.account.send(
            friend_id,
            friends_device,
            r#"{"on":1}"#,
        ));
        let first = tokio::select! {
            line = world.request("/sendToDevice/") => line,
            outcome = &mut sending => panic!("{outcome:?}"),
        };
        let left = host.addresses();
        host.move_to(&home).unwrap();
        world.line.is_mute.store(false, Ordering::SeqCst);
        let moved = now();
        traveller.account.network_changed(&left);
        sending.await.unwrap();
        println!("sent {:?} after the move", moved.elapsed());
        // The homeserver has it twice, and knows by the transaction ID that it is the same.
        assert_eq!(world.requests_so_far("/sendToDevice/"), [first]);
        traveller
            .account
            .send(friend_id, friends_device, r#"{"on":2}"#)
            .await
            .unwrap();
        for said in [r#"{"on":1}"#, r#"{"on":2}"#] {
            assert_eq!(
                next_signal(&mut friends_inbox).await,
                signal(&traveller, said)
            );
        }
    });
}

/// Nobody tells of it, and to the system the address is as good as before.
#[test]
fn a_connection_that_a_nat_has_forgotten_is_found_dead_and_a_message_of_a_call_does_not_wait_for_that()
 {
    let mut world = World::new();
    let home = world.network.internet().nat("home", Nat::port_restricted());
    let home = home.unwrap();
    let host = home.host("traveller").unwrap();
    at(&host, async |outside| {
        let friend = Friend::new(outside).await;
        let (traveller, mut inbox) = traveller(&world).await;
        friend
            .is_heard_by(&traveller, &mut inbox, r#"{"hello":true}"#)
            .await;
        let friend_id = friend.person.account.matrix_id();
        traveller.account.devices_of(friend_id).await.unwrap();
        let send = async |said: &str| -> Result<(), SendError> {
            let device = &friend.person.account.own_device().device_id;
            traveller.account.send(friend_id, device, said).await
        };
        send(r#"{"before":true}"#).await.unwrap();

        // Idle: found by TCP, after 19 s. The poll that hangs would end after 45 s, and the system's own figures are hours.
        world.requests_so_far("");
        home.forget_mappings().unwrap();
        let heard = friend.is_heard_by(&traveller, &mut inbox, r#"{"idle":true}"#);
        let after = timeout(Duration::from_secs(27), heard).await.unwrap();
        println!("idle: heard after {after:?}");
        // Other connections of that age were not tried first, nor was there anything wrong with the homeserver.
        let mut polls = world.requests_so_far("/sync");
        assert!(
            !polls.iter().any(|it| it.contains("timeout=0")),
            "{polls:?}"
        );

        // In a call: the message is not given up before it is out. The poll after the one that was made anew has begun, so that it
        // goes by another connection.
        while polls.len() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
            polls.extend(world.requests_so_far("/sync"));
        }
        send(r#"{"kept":true}"#).await.unwrap();
        world.requests_so_far("");
        home.forget_mappings().unwrap();
        let began = now();
        send(r#"{"after":true}"#).await.unwrap();
        println!("in a call: sent after {:?}", began.elapsed());
        assert_eq!(world.requests_so_far("/sendToDevice/").len(), 1);
        let heard = friend.is_heard_by(&traveller, &mut inbox, r#"{"renewed":true}"#);
        let after = timeout(SOON, heard).await.unwrap();
        println!("after it: heard after {after:?}");
    });
}
