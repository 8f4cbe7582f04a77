//! Keeps the list of relays and a stock of tokens, for one client.

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use securecall_ghostnet::IssuerName;
use securecall_matrix::Account;
use securecall_media::Reach;
use securecall_relay_client::{Https, TlsTrust};
use tokio::sync::{Notify, oneshot, watch};
use zeroize::Zeroizing;

use super::call_paths::now;
use super::known::Known;
use super::token_shop::TokenShop;
use super::{DirectoryPlace, GhostNet, GhostNetSources, Shared, list};
use crate::clock;
use crate::config::Servers;
use crate::server_keeper::LookAgain;

/// How often the list is read anew.
const REFRESH: Duration = Duration::from_secs(6 * 3600);
/// Read again so soon where that failed: from the first to the second figure, doubling.
const RETRY: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(30 * 60));

/// Keeps what a client knows of GhostNet.
pub(crate) struct Keeper {
    ghostnet: GhostNet,
    directory: DirectoryPlace,
    reach: Reach,
    https: Option<Https>,
    account: Account,
    servers: watch::Sender<Servers>,
    retry: Duration,
}

impl Keeper {
    /// Begins with what is remembered, which is known at once.
    pub(crate) fn new(
        sources: &GhostNetSources,
        trust: Option<&TlsTrust>,
        reach: Reach,
        account: Account,
        servers: watch::Sender<Servers>,
    ) -> Self {
        let known = Known::of(sources, reach, now());
        let ghostnet = GhostNet(Arc::new(Shared {
            known: Mutex::new(known),
            memory: Arc::clone(&sources.memory),
            carried: AtomicUsize::new(0),
            spent: Notify::new(),
        }));
        servers.send_modify(|servers| servers.ghostnet = Some(ghostnet.clone()));
        let https = trust.map(Https::new).transpose();
        let https = https.inspect_err(|error| tracing::warn!(%error, "no relay can be looked for"));
        Self {
            ghostnet,
            directory: sources.directory.clone(),
            reach,
            https: https.unwrap_or_default(),
            account,
            servers,
            retry: RETRY.0,
        }
    }

    /// Keeps it until nobody wants to know any more. Says when it has looked for the first time.
    pub(crate) async fn run(mut self, looked: oneshot::Sender<()>, again: Arc<LookAgain>) {
        let shared = Arc::clone(&self.ghostnet.0);
        let mut until = clock::now() + self.look().await;
        // Whoever waited may have lost patience.
        let _ = looked.send(());
        loop {
            // So that whoever waits for relays looks again.
            self.servers.send_modify(|_| {});
            tokio::select! {
                () = clock::sleep_until(Some(until)) => until = clock::now() + self.look().await,
                () = again.elsewhere_for_relays.notified() => {
                    self.retry = RETRY.0;
                    until = clock::now() + self.look().await;
                }
                // The list is not read for it: whoever keeps that need not learn of calls.
                () = shared.spent.notified() => {
                    if !self.buy().await {
                        until = until.min(clock::now() + self.retry);
                    }
                }
                () = self.servers.closed() => return,
            }
        }
    }

    /// Reads the list, and buys tokens if there are few. Gives how long that is good for.
    async fn look(&mut self) -> Duration {
        let listed = self.read_directory().await;
        let bought = self.buy().await;
        if listed && bought {
            self.retry = RETRY.0;
            return REFRESH;
        }
        let wait = self.retry;
        self.retry = (self.retry * 2).min(RETRY.1);
        wait
    }

    /// Whether the list that is known is the newest there is.
    async fn read_directory(&self) -> bool {
        let file = match list::fetch(&self.directory, self.https.as_ref()).await {
            Ok(file) => file,
            Err(error) => {
                tracing::warn!(%error, "the list of relays is not there");
                return false;
            }
        };
        let mut known = self.ghostnet.known();
        match known.take_file(file, now()) {
            Ok(()) => {
                self.ghostnet.remember(&known);
                true
            }
            Err(error) => {
                tracing::warn!(%error, "the list of relays is refused");
                false
            }
        }
    }

    /// Buys tokens of every issuer that relays of the list take, where there are few. Gives whether there are enough then.
    async fn buy(&self) -> bool {
        let wanted = self.ghostnet.tokens_wanted(now());
        let mut enough = true;
        for (key, count) in wanted {
            let Some(https) = &self.https else {
                return false;
            };
            let is_trial = self.reach == Reach::ThisMachine;
            let open_id = self.open_id_for(&key.issuer).await;
            let open_id = open_id.as_ref().map(|token| token.as_str());
            let shop = match TokenShop::find(https, &key, open_id, is_trial).await {
                Ok(shop) => shop,
                Err(error) => {
                    tracing::warn!(%error, "no tokens can be bought");
                    enough = false;
                    continue;
                }
            };
            for _ in 0..count {
                match shop.buy().await {
                    Ok(token) => {
                        let until = key.validity.not_after();
                        self.ghostnet.known().stock.put(token, until);
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a token could not be bought");
                        enough = false;
                        break;
                    }
                }
            }
            let known = self.ghostnet.known();
            self.ghostnet.remember(&known);
        }
        enough
    }

    /// What shows an issuer who asks, if it is the one of our own server: no other is told.
    async fn open_id_for(&self, issuer: &IssuerName) -> Option<Zeroizing<String>> {
        match self.account.own_issuer().await {
            Ok(Some(own)) if own == issuer.as_str() => {}
            Ok(_) => return None,
            Err(error) => {
                tracing::warn!(%error, "whose issuer it is cannot be asked");
                return None;
            }
        }
        let token = self.account.open_id_token().await;
        let token = token.inspect_err(|error| tracing::warn!(%error, "no token shows who asks"));
        token.ok()
    }
}
