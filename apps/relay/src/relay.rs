//! What all connections of a relay share.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use securecall_daemon::Failure;
use securecall_ghostnet::UnixTime;
use tokio::sync::watch;

use crate::access::Access;
use crate::capacity::Capacity;
use crate::config::{Config, ExitConfig, Limits};
use crate::directory_file::ReadDirectory;
use crate::figures::Figures;
use crate::own_addresses::OwnAddresses;
use crate::tls::Identity;
use crate::transport::{Nesting, ServerConfigs};

/// One relay.
pub(crate) struct Relay {
    pub(crate) limits: Limits,
    pub(crate) exit: Option<ExitConfig>,
    pub(crate) capacity: Arc<Capacity>,
    pub(crate) figures: Figures,
    pub(crate) own: OwnAddresses,
    loaded: RwLock<Arc<Loaded>>,
    draining: watch::Sender<Option<Instant>>,
}

/// What is read anew on SIGHUP. Flows go on with what they were opened by.
pub(crate) struct Loaded {
    pub(crate) servers: ServerConfigs,
    /// Where an entry forwards to. `None` for a relay that is no entry.
    pub(crate) exits: Option<HashSet<SocketAddr>>,
    pub(crate) directory: Option<ReadDirectory>,
    pub(crate) access: Access,
    is_exit: bool,
    is_lab: bool,
}

impl Loaded {
    /// Reads all that the settings name.
    pub(crate) fn read(config: &Config, previous: Option<&Self>) -> Result<Self, Failure> {
        let identity = Identity::load(&config.certificate, &config.key)?;
        let last = previous.and_then(|previous| previous.directory.as_ref());
        let directory = config
            .directory
            .as_ref()
            .map(|named| ReadDirectory::load(config, named, last.map(|last| &last.mark)))
            .transpose()?;
        let exits = config.entry.as_ref().map(|entry| {
            let listed = directory.iter().flat_map(|directory| &directory.exits);
            listed.chain(&entry.relays).copied().collect()
        });
        let keys = directory.iter().flat_map(|directory| &directory.keys);
        let keys = keys.chain(&config.issuers).cloned();
        Ok(Self {
            servers: ServerConfigs::new(&identity, config.limits.flows_per_connection)?,
            access: Access::load(config, keys, previous.map(|previous| &previous.access))?,
            exits,
            directory,
            is_exit: config.exit.is_some(),
            is_lab: config.lab,
        })
    }

    /// Whether a client comes from within a tunnel: from a relay of the directory, or wherever from if there is nothing here to
    /// begin a tunnel with.
    pub(crate) fn nesting(&self, from: IpAddr) -> Nesting {
        let is_inner = match &self.exits {
            _ if !self.is_exit => false,
            None => true,
            Some(relays) => {
                let from = from.to_canonical();
                relays.iter().any(|relay| relay.ip() == from)
            }
        };
        match (is_inner, self.exits.is_some() && self.is_lab) {
            (true, true) => Nesting::Unknown,
            (true, false) => Nesting::Inner,
            (false, _) => Nesting::Outer,
        }
    }
}

impl Relay {
    pub(crate) fn new(config: Config, loaded: Loaded) -> Arc<Self> {
        let lent = config.exit.iter().flat_map(|exit| &exit.addresses);
        let lent = lent.flat_map(|address| [address.bind, address.public]);
        let listening = config.listen.iter().map(SocketAddr::ip);
        // In a lab everything is on one machine.
        let own = if config.lab {
            OwnAddresses::default()
        } else {
            OwnAddresses::new(lent.chain(listening))
        };
        Arc::new(Self {
            limits: config.limits,
            exit: config.exit,
            capacity: Capacity::new(config.limits),
            figures: Figures::default(),
            own,
            loaded: RwLock::new(Arc::new(loaded)),
            draining: watch::Sender::new(None),
        })
    }

    pub(crate) fn loaded(&self) -> Arc<Loaded> {
        self.loaded
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn replace(&self, loaded: Loaded) {
        *self.loaded.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(loaded);
    }

    /// Brings those figures up to date that are counted elsewhere.
    pub(crate) fn access_figures(&self) {
        let loaded = self.loaded();
        let remembered = loaded.access.tokens_remembered();
        self.figures.tokens_remembered.set(remembered);
        let not_after = loaded.directory.as_ref().map(|read| read.not_after);
        let not_after = not_after.map_or(0, UnixTime::as_secs);
        self.figures.directory_not_after.set(not_after);
    }

    /// No new flows from now on; those there are end at the deadline.
    pub(crate) fn drain(&self, deadline: Instant) {
        self.draining.send_replace(Some(deadline));
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.borrow().is_some()
    }

    pub(crate) fn draining(&self) -> watch::Receiver<Option<Instant>> {
        self.draining.subscribe()
    }
}
