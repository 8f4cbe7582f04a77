//! Keeps the list of STUN and TURN servers: what the configuration names and what the homeserver does, resolved, and asked for
//! anew before credentials expire.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use securecall_matrix::{Account, TurnCredentials};
use securecall_media::Reach;
use securecall_relay::{ServerLink, TurnServer};
use securecall_relay_client::MAX_ADDRESSES;
use tokio::sync::{Notify, oneshot, watch};
use web_time::Instant;

use crate::clock;
use crate::config::{ServerSources, Servers};
use crate::named_server::{NamedServer, OWN_TTL, UnusableUri, named_servers};

/// Asked again so soon where the homeserver or a name service did not answer.
const RETRY: Duration = Duration::from_secs(30);
/// A homeserver whose credentials are refused is asked for others at once, and then so much later each time: from the first to the
/// second figure, doubling.
const REFUSAL_WAIT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// Refusals this far apart have nothing to do with each other.
const REFUSALS_FORGOTTEN: Duration = Duration::from_secs(300);
/// The most servers that are used, at all addresses they have.
const MAX_SERVERS: usize = 16;

/// Reasons to look for servers before it is time.
#[derive(Debug, Default)]
pub(crate) struct LookAgain {
    /// Another network has other names for servers, or is the first that leads to them.
    pub(crate) elsewhere: Notify,
    /// The same for the relays of GhostNet.
    pub(crate) elsewhere_for_relays: Notify,
    /// A server does not take the user name any more that the homeserver has made for us.
    pub(crate) refused: Notify,
}

/// Refused credentials for which others were asked for.
#[derive(Debug, Default)]
struct Refusals {
    /// When that was the last time, and how long it is not done again.
    last: Option<(Instant, Duration)>,
}

impl Refusals {
    fn note(&mut self, now: Instant) {
        let wait = match self.last {
            Some((at, wait)) if now < at + REFUSALS_FORGOTTEN => (wait * 2).min(REFUSAL_WAIT.1),
            _ => REFUSAL_WAIT.0,
        };
        self.last = Some((now, wait));
    }

    /// From when on others may be asked for because of one more.
    fn next_at(&self) -> Option<Instant> {
        self.last.map(|(at, wait)| at + wait)
    }
}

/// Keeps the list for one client.
pub(crate) struct ServerKeeper {
    account: Account,
    sources: ServerSources,
    reach: Reach,
    known: watch::Sender<Servers>,
    /// What the homeserver said last, and until when that is good.
    offered: Option<(TurnCredentials, Instant)>,
    refusals: Refusals,
}

impl ServerKeeper {
    pub(crate) fn new(
        account: Account,
        sources: ServerSources,
        reach: Reach,
        known: watch::Sender<Servers>,
    ) -> Self {
        Self {
            account,
            sources,
            reach,
            known,
            offered: None,
            refusals: Refusals::default(),
        }
    }

    /// Looks for servers until nobody wants to know of them any more, and before its time when there is a reason to look
    /// `again`. Says when it has looked for the first time.
    pub(crate) async fn run(mut self, looked: oneshot::Sender<()>, again: Arc<LookAgain>) {
        let mut looked = Some(looked);
        loop {
            let wait = self.look().await;
            // Whoever waited may have lost patience.
            let _ = looked.take().map(|looked| looked.send(()));
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = again.elsewhere.notified() => {}
                () = self.told_of_refusal(&again.refused) => self.refusals.note(clock::now()),
                () = self.known.closed() => return,
            }
        }
    }

    /// Waits for a refusal, and as long as it takes not to ask without end. A look for another reason is an answer to it, too.
    async fn told_of_refusal(&self, refused: &Notify) {
        refused.notified().await;
        if let Some(admitted_at) = self.refusals.next_at() {
            clock::sleep_until(Some(admitted_at)).await;
        }
    }

    /// Makes the list anew. Gives how long it is good for.
    async fn look(&mut self) -> Duration {
        let (mut named, good_for) = self.named().await;
        named.truncate(MAX_SERVERS);
        let mut servers = Servers {
            trust: self.sources.trust.clone(),
            ..Servers::default()
        };
        let mut complete = true;
        let mut found = Vec::new();
        for server in &named {
            match server.addresses(self.reach).await {
                Ok(addresses) => found.push((server, addresses)),
                Err(error) => {
                    // Those that have addresses can be used meanwhile.
                    complete = false;
                    tracing::info!(host = %server.uri.host, %error, "a server for calls has no address");
                }
            }
        }
        add_in_turn(&mut servers, &found);
        tracing::debug!(
            stun = servers.stun.len(),
            turn = servers.turn.len(),
            "servers for calls"
        );
        self.known.send_modify(|known| {
            // What another keeper keeps.
            servers.ghostnet = known.ghostnet.take();
            *known = servers;
        });
        if complete {
            good_for
        } else {
            good_for.min(RETRY)
        }
    }

    async fn named(&mut self) -> (Vec<NamedServer>, Duration) {
        let good_for = match self.sources.homeserver {
            true => self.ask_homeserver().await,
            false => OWN_TTL / 2,
        };
        let offered = self.offered.as_ref().map(|(offered, _)| offered);
        let (named, unusable) = named_servers(&self.sources, offered);
        for UnusableUri { error, .. } in unusable {
            tracing::info!(%error, "the homeserver names a TURN server that cannot be used");
        }
        (named, good_for)
    }

    /// Gives how long the answer is good for. Without one, what was said before counts as long as it was said to: a homeserver
    /// that is out of reach for a moment is no reason to do without its relays.
    async fn ask_homeserver(&mut self) -> Duration {
        let now = clock::now();
        match self.account.turn_credentials().await {
            Ok(offered) => {
                let ttl = offered.as_ref().map_or(OWN_TTL, |offered| offered.ttl);
                self.offered = offered.map(|offered| (offered, now + ttl));
                ttl / 2
            }
            Err(error) => {
                tracing::info!(%error, "the homeserver does not say which TURN servers it has");
                self.offered.take_if(|(_, until)| *until <= now);
                RETRY
            }
        }
    }
}

/// Those who use the list may not have room for all. So each server has its turn with its first address, and then each with its
/// next, which is of the other family where there is one: the last server may be the only one that gets through.
fn add_in_turn(servers: &mut Servers, found: &[(&NamedServer, Vec<SocketAddr>)]) {
    for index in 0..MAX_ADDRESSES {
        for (server, addresses) in found {
            if let Some(address) = addresses.get(index) {
                add(servers, server, *address);
            }
        }
    }
}

fn add(servers: &mut Servers, server: &NamedServer, address: SocketAddr) {
    let link = server.link();
    // Every TURN server says how it sees us, too, but over UDP alone.
    if matches!(link, None | Some(ServerLink::Udp)) && !servers.stun.contains(&address) {
        servers.stun.push(address);
    }
    if let (Some(link), Some(credentials)) = (link, server.credentials()) {
        servers.turn.push(TurnServer {
            address,
            link,
            credentials,
        });
    }
}

#[cfg(test)]
mod tests {
    use securecall_interop::{Synapse, SynapseOptions, TurnServers};
    use securecall_matrix::{AccountStore, Homeserver, Registration, StoreKey};

    use super::*;

    #[test]
    fn each_server_has_its_turn_with_its_first_address() {
        let offered = TurnCredentials {
            username: "1790000000:@ada:example.org".to_owned(),
            password: "made".to_owned().into(),
            uris: vec![
                "turn:turn.example.org".to_owned(),
                "turns:turn.example.org:443".to_owned(),
            ],
            ttl: OWN_TTL,
        };
        let (named, _) = named_servers(&ServerSources::default(), Some(&offered));
        let found: Vec<(&NamedServer, Vec<SocketAddr>)> = named
            .iter()
            .map(|server| {
                let port = server.uri.port;
                let v4 = SocketAddr::from(([192, 0, 2, 1], port));
                (
                    server,
                    vec![v4, format!("[2001:db8::1]:{port}").parse().unwrap()],
                )
            })
            .collect();
        let mut servers = Servers::default();
        add_in_turn(&mut servers, &found);
        let asked: Vec<String> = servers
            .turn
            .iter()
            .map(|server| server.address.to_string())
            .collect();
        assert_eq!(
            asked,
            [
                "192.0.2.1:3478",
                "192.0.2.1:443",
                "[2001:db8::1]:3478",
                "[2001:db8::1]:443"
            ]
        );
        // A server that is named again is asked once how it sees us.
        add_in_turn(&mut servers, &found);
        assert_eq!(servers.stun.len(), 2);
    }

    #[test]
    fn a_homeserver_whose_credentials_are_always_refused_is_asked_less_and_less_often() {
        let begun = clock::now();
        let mut refusals = Refusals::default();
        assert_eq!(refusals.next_at(), None);
        let (mut now, mut looks) = (begun, 0);
        while now < begun + Duration::from_secs(3600) {
            refusals.note(now);
            looks += 1;
            now = refusals.next_at().unwrap();
        }
        assert!((60..70).contains(&looks), "{looks}");
        // One that comes much later is answered as if it were the first.
        now += REFUSALS_FORGOTTEN;
        refusals.note(now);
        assert_eq!(refusals.next_at(), Some(now + REFUSAL_WAIT.0));
    }

    #[tokio::test]
    async fn relays_of_a_homeserver_that_is_out_of_reach_for_a_moment_stay_known() {
        let mut synapse = Synapse::start(SynapseOptions {
            turn: Some(TurnServers {
                uris: vec!["turn:127.0.0.1".to_owned()],
                shared_secret: "secret".to_owned(),
                ttl_seconds: 3600,
            }),
            ..SynapseOptions::default()
        })
        .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let store = AccountStore::new(folder.path().join("account"), StoreKey::new([7; 32]));
        let homeserver = Homeserver::new(&synapse.base_url()).unwrap();
        let registration = Registration {
            localpart: "ada",
            password: "a password of nobody",
            token: None,
        };
        let account = Account::register(&homeserver, &store, registration)
            .await
            .unwrap();
        let sources = ServerSources {
            homeserver: true,
            ..ServerSources::default()
        };
        let (known, servers) = watch::channel(Servers::default());
        let mut keeper = ServerKeeper::new(account, sources, Reach::ThisMachine, known);
        assert_eq!(keeper.look().await, Duration::from_secs(1800));
        assert_eq!(servers.borrow().turn.len(), 1);
        synapse.stop().unwrap();
        assert_eq!(keeper.look().await, RETRY);
        assert_eq!(servers.borrow().turn.len(), 1);
        // But not for longer than they are good for.
        if let Some((_, until)) = &mut keeper.offered {
            *until = clock::now();
        }
        assert_eq!(keeper.look().await, RETRY);
        assert_eq!(servers.borrow().turn.len(), 0);

        // Another network may lead to it: nobody waits for the time to be over.
        let (tell, looked) = oneshot::channel();
        let again = Arc::new(LookAgain::default());
        let mut servers = servers;
        tokio::spawn(keeper.run(tell, Arc::clone(&again)));
        looked.await.unwrap();
        synapse.restart().unwrap();
        servers.mark_unchanged();
        again.elsewhere.notify_one();
        let found = servers.wait_for(|servers| servers.turn.len() == 1);
        // Less than it waits of itself.
        tokio::time::timeout(RETRY / 2, found)
            .await
            .unwrap()
            .unwrap();

        // And a server may not take what has half an hour to go.
        again.refused.notify_one();
        tokio::time::timeout(RETRY / 2, servers.changed())
            .await
            .unwrap()
            .unwrap();
    }
}
