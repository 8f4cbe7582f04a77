//! Which relays calls take, and what is remembered of it.

use std::collections::BTreeSet;
use std::sync::Mutex;

use securecall_ghostnet::directory::{Directory, DirectorySigningKey, Reach as Addresses};
use securecall_ghostnet::token::{Challenge, IssuerKey, Purchase};
use securecall_ghostnet::{IssuerName, UnixTime};
use securecall_media::Reach;
use securecall_randomness::SystemRandomness;
use securecall_relay::{
    HopRole, TunnelEvent, TunnelFailure, TunnelFailureKind, TunnelId, TunnelOrder, TunnelPath,
};

use super::call_paths::now;
use super::remembered::Remembered;
use super::*;

const ISSUER: &str = "issuer.example.org";

/// What a profile would keep; it may refuse to.
#[derive(Debug, Default)]
struct Memory {
    stored: Mutex<Vec<Vec<u8>>>,
    is_full: bool,
}

impl GhostNetMemory for Memory {
    fn load(&self) -> Option<Zeroizing<Vec<u8>>> {
        self.stored
            .lock()
            .unwrap()
            .last()
            .cloned()
            .map(Zeroizing::new)
    }

    fn store(&self, bytes: &[u8]) -> bool {
        self.stored.lock().unwrap().push(bytes.to_vec());
        !self.is_full
    }
}

/// Who signs the list, and who sells tokens, if any are wanted.
struct World {
    signer: DirectorySigningKey,
    issuer: Option<IssuerKey>,
}

impl World {
    fn new(takes_tokens: bool) -> Self {
        Self {
            signer: DirectorySigningKey::generate(&mut SystemRandomness),
            issuer: takes_tokens.then(|| IssuerKey::generate(&mut SystemRandomness).unwrap()),
        }
    }

    /// A list of so many relays, each of an operator of its own, that is good for so many seconds.
    fn list(&self, relays: u8, serial: u64, seconds: u64) -> Vec<u8> {
        let now = now().as_secs();
        let (issuers, of_relay) = match &self.issuer {
            Some(issuer) => (
                format!(
                    r#"{{"name":"{ISSUER}","token_key":"{}","not_before":{},"not_after":{}}}"#,
                    issuer.public().to_base64url(),
                    now - 60,
                    now + 100_000
                ),
                format!("\"{ISSUER}\""),
            ),
            None => (String::new(), String::new()),
        };
        let relays: Vec<String> = (1..=relays)
            .map(|n| {
                format!(
                    r#"{{"name":"relay{n}.example","addresses":["127.0.0.1:{n}"],"role":"both","operator":"Operator {n}","spki":"{}","issuers":[{of_relay}]}}"#,
                    pin(n)
                )
            })
            .collect();
        let payload = format!(
            r#"{{"version":1,"serial":{serial},"not_before":{},"not_after":{},"issuers":[{issuers}],"relays":[{}]}}"#,
            now - 60,
            now + seconds,
            relays.join(",")
        );
        Directory::sign(payload.as_bytes(), &self.signer, Addresses::Lab).unwrap()
    }

    fn known(&self, remembered: Remembered, at: UnixTime) -> Known {
        let secret = SharedSecret::new("a-secret-of-a-small-circle-0123456789").unwrap();
        let secret = Some(Arc::new(secret));
        Known::new(
            Reach::ThisMachine,
            self.signer.public(),
            secret,
            remembered,
            at,
        )
    }

    fn buy(&self, known: &mut Known, count: usize) {
        let issuer = self.issuer.as_ref().unwrap();
        let challenge = Challenge::of_issuer(IssuerName::parse(ISSUER).unwrap());
        for _ in 0..count {
            let (purchase, request) =
                Purchase::new(issuer.public(), &challenge, &mut SystemRandomness).unwrap();
            let response = issuer.issue(&request).unwrap();
            let token = purchase.finish(&response).unwrap();
            known.stock.put(token, now().plus(100_000));
        }
    }
}

/// A number as a pin, in base64.
fn pin(number: u8) -> String {
    let letter = char::from(b'A' + number);
    format!("{}=", letter.to_string().repeat(42) + "A")
}

fn with_memory(known: Known, memory: &Arc<Memory>) -> GhostNet {
    GhostNet(Arc::new(Shared {
        known: Mutex::new(known),
        memory: Arc::clone(memory) as Arc<dyn GhostNetMemory>,
        carried: AtomicUsize::new(0),
        spent: Notify::new(),
    }))
}

/// So many relays that take no tokens, of which nothing is remembered.
fn of_relays(relays: u8) -> GhostNet {
    let world = World::new(false);
    let mut known = world.known(Remembered::default(), now());
    known.take_file(world.list(relays, 1, 1000), now()).unwrap();
    with_memory(known, &Arc::default())
}

fn failure(hop: HopRole) -> Option<TunnelFailure> {
    Some(TunnelFailure {
        hop,
        kind: TunnelFailureKind::Silent,
    })
}

#[test]
fn a_relay_that_fails_is_left_and_the_entry_stays_where_the_exit_does() {
    let world = World::new(false);
    let mut known = world.known(Remembered::default(), now());
    assert_eq!(known.is_ready(now()), Err(NoRelay::NoDirectory));
    known.take_file(world.list(4, 1, 1000), now()).unwrap();
    let memory = Arc::new(Memory::default());
    let ghostnet = with_memory(known, &memory);
    assert_eq!(ghostnet.is_ready(), Ok(()));
    let mut paths = ghostnet.paths();
    let first = paths.next(None).unwrap();
    assert_ne!(first.entry.name, first.exit.name);
    assert!(
        first
            .entry
            .authorization
            .as_ref()
            .unwrap()
            .starts_with("Bearer ")
    );
    let second = paths.next(failure(HopRole::Exit)).unwrap();
    assert_eq!(second.entry.name, first.entry.name);
    assert_ne!(second.exit.name, first.exit.name);
    let third = paths.next(failure(HopRole::Entry)).unwrap();
    assert_ne!(third.entry.name, first.entry.name);
    // Another call begins with the entry that is kept.
    let other = ghostnet.paths().next(None).unwrap();
    assert_eq!(other.entry.name, first.entry.name);
    // And so does another process.
    let remembered = Remembered::from_bytes(&memory.load().unwrap()).unwrap();
    let mut again = world.known(remembered, now());
    let nobody = BTreeSet::new();
    let chosen = again.choose(&nobody, &nobody, now(), &mut SystemRandomness, true);
    assert_eq!(chosen.unwrap().path.entry.name, first.entry.name);
}

#[test]
fn an_entry_behind_which_one_exit_after_the_other_fails_is_left() {
    let ghostnet = of_relays(6);
    let mut paths = ghostnet.paths();
    let first = paths.next(None).unwrap();
    // Exits that have worked before they failed say nothing against it.
    for number in 0..3 {
        let carriers = paths.carriers();
        let tunnel = TunnelId(number);
        carriers.ordered(&open(tunnel, &first));
        carriers.happened(tunnel, &TunnelEvent::Opened { public: &[] });
        let next = paths.next(failure(HopRole::Exit)).unwrap();
        assert_eq!(next.entry.name, first.entry.name);
    }
    let left = paths.next(failure(HopRole::Exit)).unwrap();
    assert_ne!(left.entry.name, first.entry.name);
    // The other has its two as well.
    let next = paths.next(failure(HopRole::Exit)).unwrap();
    assert_eq!(next.entry.name, left.entry.name);
    let next = paths.next(failure(HopRole::Exit)).unwrap();
    assert_ne!(next.entry.name, left.entry.name);
}

#[test]
fn candidates_that_are_gathered_once_more_say_nothing_against_an_entry() {
    let ghostnet = of_relays(6);
    let mut paths = ghostnet.paths();
    let carriers = paths.carriers();
    let first = paths.next(None).unwrap();
    carriers.ordered(&open(TunnelId(1), &first));
    carriers.happened(TunnelId(1), &TunnelEvent::Opened { public: &[] });
    // After one that works, and then after one that takes long: together they are no two exits that fail.
    for _ in 0..2 {
        assert_eq!(paths.next(None).unwrap().entry.name, first.entry.name);
    }
    assert_ne!(paths.next(None).unwrap().entry.name, first.entry.name);
}

fn open(tunnel: TunnelId, path: &TunnelPath) -> TunnelOrder {
    TunnelOrder::Open {
        tunnel,
        path: Box::new(path.clone()),
    }
}

/// Where one takes long there is another beside it, and the first may be there first after all.
#[test]
fn whose_relays_carry_a_call_is_said_of_the_tunnel_that_is_there() {
    let ghostnet = of_relays(6);
    let mut paths = ghostnet.paths();
    let carriers = paths.carriers();
    let mut shown = Vec::new();
    // After a failure of the exit, so that it is another one in any case.
    for (number, after) in [(0, None), (1, failure(HopRole::Exit))] {
        let path = paths.next(after).unwrap();
        carriers.ordered(&open(TunnelId(number), &path));
        shown.push(carriers.operators().unwrap());
    }
    assert_ne!(shown[0], shown[1]);
    carriers.happened(TunnelId(0), &TunnelEvent::Opened { public: &[] });
    carriers.ordered(&TunnelOrder::Close(TunnelId(1)));
    assert_eq!(carriers.operators(), Some(shown[0].clone()));
    let path = paths.next(failure(HopRole::Exit)).unwrap();
    carriers.ordered(&open(TunnelId(2), &path));
    assert_eq!(
        carriers.operators(),
        Some(shown[0].clone()),
        "as long as it is there"
    );
    carriers.happened(TunnelId(2), &TunnelEvent::Opened { public: &[] });
    assert_ne!(carriers.operators(), Some(shown[0].clone()));
}

#[test]
fn where_all_have_failed_it_begins_anew_for_it_may_be_our_own_network() {
    let ghostnet = of_relays(2);
    let mut paths = ghostnet.paths();
    let first = paths.next(None).unwrap();
    for hop in [
        HopRole::Exit,
        HopRole::Exit,
        HopRole::Entry,
        HopRole::Entry,
        HopRole::Entry,
    ] {
        assert!(paths.next(failure(hop)).is_some(), "{hop:?}");
    }
    assert!([&first.entry.name, &first.exit.name].contains(&&"relay1.example".to_owned()));
}

#[test]
fn each_token_is_taken_once_and_not_used_before_that_is_on_the_disk() {
    let world = World::new(true);
    let mut known = world.known(Remembered::default(), now());
    known.take_file(world.list(2, 1, 1000), now()).unwrap();
    assert_eq!(known.is_ready(now()), Err(NoRelay::NoTokens));
    world.buy(&mut known, 1);
    assert_eq!(
        known.is_ready(now()),
        Err(NoRelay::NoTokens),
        "two are needed"
    );
    world.buy(&mut known, 3);
    assert_eq!(known.is_ready(now()), Ok(()));
    let memory = Arc::new(Memory::default());
    let ghostnet = with_memory(known, &memory);
    let mut paths = ghostnet.paths();
    let mut shown = BTreeSet::new();
    for left in [2, 0] {
        let path = paths.next(None).unwrap();
        for hop in [path.entry, path.exit] {
            let token = hop.authorization.unwrap();
            assert!(token.starts_with("PrivateToken "));
            assert!(shown.insert(token.to_string()), "no token twice");
        }
        let remembered = Remembered::from_bytes(&memory.load().unwrap()).unwrap();
        let key = world.issuer.as_ref().unwrap().public().id();
        assert_eq!(remembered.stock().count(key, now()), left);
    }
    assert!(paths.next(None).is_none());

    let mut known = world.known(Remembered::default(), now());
    known.take_file(world.list(2, 1, 1000), now()).unwrap();
    world.buy(&mut known, 2);
    let full = Arc::new(Memory {
        is_full: true,
        ..Memory::default()
    });
    assert!(with_memory(known, &full).paths().next(None).is_none());
}

#[tokio::test]
async fn tokens_are_bought_after_calls_that_have_spent_some_and_after_no_others() {
    let ghostnet = of_relays(2);
    let is_told = async || {
        tokio::select! {
            biased;
            () = ghostnet.0.spent.notified() => true,
            () = std::future::ready(()) => false,
        }
    };
    drop(ghostnet.paths());
    assert!(!is_told().await);
    let mut paths = ghostnet.paths();
    paths.next(None).unwrap();
    assert!(!is_told().await);
    drop(paths);
    assert!(is_told().await);
}

#[test]
fn nothing_is_bought_during_a_call() {
    let world = World::new(true);
    let mut known = world.known(Remembered::default(), now());
    known.take_file(world.list(2, 1, 1000), now()).unwrap();
    world.buy(&mut known, 4);
    let ghostnet = with_memory(known, &Arc::default());
    let is_wanted = || !ghostnet.tokens_wanted(now()).is_empty();
    assert!(is_wanted());
    let mut paths = ghostnet.paths();
    assert!(is_wanted(), "it takes another route so far");
    assert!(paths.next(None).is_some() && paths.next(None).is_some());
    assert!(!is_wanted());
    drop(paths);
    assert!(is_wanted());
}

#[test]
fn a_list_is_used_while_it_is_valid_and_no_older_one_follows_it() {
    let world = World::new(false);
    let mut known = world.known(Remembered::default(), now());
    known.take_file(world.list(2, 7, 1000), now()).unwrap();
    assert!(known.take_file(world.list(3, 6, 1000), now()).is_err());
    assert!(
        known
            .take_file(World::new(false).list(2, 8, 1000), now())
            .is_err()
    );
    assert_eq!(known.is_ready(now()), Ok(()));
    let later = now().plus(1000);
    assert!(matches!(known.is_ready(later), Err(NoRelay::Expired(_))));
    // What was read last is remembered, also by another process that starts too late for it.
    let bytes = known.remembered().to_bytes();
    let remembered = || Remembered::from_bytes(&bytes).unwrap();
    assert_eq!(world.known(remembered(), now()).is_ready(now()), Ok(()));
    let mut late = world.known(remembered(), later);
    assert!(matches!(late.is_ready(later), Err(NoRelay::Expired(_))));
    assert!(late.take_file(world.list(2, 6, 5000), later).is_err());
}
