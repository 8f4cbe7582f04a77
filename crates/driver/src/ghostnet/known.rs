//! What is known of relays, entries and tokens.

use std::collections::BTreeSet;
use std::sync::Arc;

use rand_core::CryptoRng;
use securecall_ghostnet::choice::{Guards, NoRelay, choose_exit, tunnel_path};
use securecall_ghostnet::directory::{
    Directory, DirectoryError, DirectoryKey, DirectoryMark, Families, Reach, Relay,
};
use securecall_ghostnet::token::{SharedSecret, TokenKeyId, TokenStock};
use securecall_ghostnet::{HostName, UnixTime};
use securecall_media::Reach as MediaReach;
use securecall_randomness::SystemRandomness;
use securecall_relay::TunnelPath;
use zeroize::Zeroizing;

use super::GhostNetSources;
use super::remembered::Remembered;
use crate::host_addresses;

/// What is known.
pub(super) struct Known {
    /// Where the other end of a call may be, and so a relay.
    pub(super) reach: MediaReach,
    pub(super) key: DirectoryKey,
    pub(super) secret: Option<Arc<SharedSecret>>,
    pub(super) directory: Option<Directory>,
    pub(super) guards: Guards,
    pub(super) stock: TokenStock,
    pub(super) mark: Option<DirectoryMark>,
    file: Vec<u8>,
    /// Why the last directory was not taken; `None` once one was.
    refused: Option<DirectoryError>,
}

/// A path, and whose relays it leads through.
pub(super) struct Chosen {
    pub(super) path: TunnelPath,
    pub(super) entry: HostName,
    pub(super) exit: HostName,
    pub(super) operators: [String; 2],
}

impl Known {
    /// What the sources remember.
    pub(super) fn of(sources: &GhostNetSources, reach: MediaReach, now: UnixTime) -> Self {
        let remembered = sources.memory.load();
        let remembered = remembered.and_then(|bytes| Remembered::from_bytes(&bytes));
        Self::new(
            reach,
            sources.key,
            sources.secret.clone(),
            remembered.unwrap_or_default(),
            now,
        )
    }

    /// What was remembered.
    pub(super) fn new(
        reach: MediaReach,
        key: DirectoryKey,
        secret: Option<Arc<SharedSecret>>,
        remembered: Remembered,
        now: UnixTime,
    ) -> Self {
        let mut known = Self {
            reach,
            key,
            secret,
            directory: None,
            guards: remembered.guards(),
            stock: remembered.stock(),
            mark: remembered.mark,
            file: Vec::new(),
            refused: None,
        };
        if !remembered.file.is_empty() {
            // One that is out of date is not used, and stays known by its mark.
            let _ = known.take_file(remembered.file, now);
        }
        known
    }

    /// What outlives the process.
    pub(super) fn remembered(&self) -> Remembered {
        Remembered {
            guards: self.guards.to_bytes(),
            stock: self.stock.to_bytes(),
            mark: self.mark,
            file: self.file.clone(),
        }
    }

    /// Takes a directory, if it is good and no older than the last.
    pub(super) fn take_file(&mut self, file: Vec<u8>, now: UnixTime) -> Result<(), DirectoryError> {
        let reach = match self.reach {
            MediaReach::ThisMachine => Reach::Lab,
            MediaReach::OtherMachines => Reach::Internet,
        };
        match Directory::read(&file, &[self.key], self.mark.as_ref(), reach, now) {
            Ok((directory, mark)) => {
                self.directory = Some(directory);
                self.mark = Some(mark);
                self.file = file;
                self.refused = None;
                Ok(())
            }
            Err(error) => {
                self.refused = Some(error.clone());
                Err(error)
            }
        }
    }

    /// The directory, as long as it is valid.
    fn valid(&self, now: UnixTime) -> Result<&Directory, NoRelay> {
        let directory = self.directory.as_ref().ok_or(match &self.refused {
            Some(DirectoryError::Expired(at)) => NoRelay::Expired(*at),
            Some(DirectoryError::NotYetValid(at)) => NoRelay::NotYetValid(*at),
            _ => NoRelay::NoDirectory,
        })?;
        if directory.validity.contains(now) {
            Ok(directory)
        } else {
            Err(NoRelay::Expired(directory.validity.not_after()))
        }
    }

    /// Whether there are two relays for a call, and what they ask for.
    pub(super) fn is_ready(&mut self, now: UnixTime) -> Result<(), NoRelay> {
        let nobody = BTreeSet::new();
        self.choose(&nobody, &nobody, now, &mut SystemRandomness, false)
            .map(drop)
    }

    /// Two relays for a call, with what they ask for. `spends` says whether tokens are taken out of stock for it; then whoever asks
    /// remembers that before the path is used.
    pub(super) fn choose(
        &mut self,
        failed_entries: &BTreeSet<HostName>,
        failed_exits: &BTreeSet<HostName>,
        now: UnixTime,
        rng: &mut (impl CryptoRng + ?Sized),
        spends: bool,
    ) -> Result<Chosen, NoRelay> {
        self.valid(now)?;
        let Some(directory) = self.directory.take() else {
            return Err(NoRelay::NoDirectory);
        };
        let chosen = self.choose_in(&directory, failed_entries, failed_exits, now, rng, spends);
        self.directory = Some(directory);
        chosen
    }

    fn choose_in(
        &mut self,
        directory: &Directory,
        failed_entries: &BTreeSet<HostName>,
        failed_exits: &BTreeSet<HostName>,
        now: UnixTime,
        rng: &mut (impl CryptoRng + ?Sized),
        spends: bool,
    ) -> Result<Chosen, NoRelay> {
        let ours = families(self.reach);
        let entry = self
            .guards
            .entry(directory, ours, failed_entries, now, rng)?;
        let exit = choose_exit(directory, entry, Families::BOTH, failed_exits, rng)?;
        let paid = if spends {
            [
                self.pay(directory, entry, now)?,
                self.pay(directory, exit, now)?,
            ]
        } else {
            let [at_entry, at_exit] = [entry, exit].map(|relay| self.keys(directory, relay, now));
            let shared = usize::from(at_entry == at_exit);
            let has = |keys: &[TokenKeyId], wanted: usize| {
                let count = keys.iter().map(|key| self.stock.count(*key, now));
                keys.is_empty() || count.sum::<usize>() >= wanted
            };
            if !has(&at_entry, 1) || !has(&at_exit, 1 + shared) {
                return Err(NoRelay::NoTokens);
            }
            [None, None]
        };
        let [at_entry, at_exit] = paid;
        Ok(Chosen {
            path: tunnel_path((entry, at_entry), (exit, at_exit), ours)?,
            entry: entry.name.clone(),
            exit: exit.name.clone(),
            operators: [&entry.operator, &exit.operator].map(|it| it.as_str().to_owned()),
        })
    }

    /// The keys whose tokens a relay takes now.
    fn keys(&self, directory: &Directory, relay: &Relay, now: UnixTime) -> Vec<TokenKeyId> {
        let keys = directory.keys_of(relay);
        let valid = keys.filter(|accepted| accepted.validity.contains(now));
        valid.map(|accepted| accepted.key.id()).collect()
    }

    /// What a relay asks for: a token, or the secret where it takes none.
    fn pay(
        &mut self,
        directory: &Directory,
        relay: &Relay,
        now: UnixTime,
    ) -> Result<Option<Zeroizing<String>>, NoRelay> {
        if relay.issuers.is_empty() {
            return Ok(self.secret.as_ref().map(|secret| secret.authorization()));
        }
        let keys = self.keys(directory, relay, now);
        let token = self.stock.take(&keys, now).ok_or(NoRelay::NoTokens)?;
        Ok(Some(token.authorization()))
    }
}

/// Which families of addresses this machine has.
pub(super) fn families(reach: MediaReach) -> Families {
    let addresses = host_addresses::all(reach);
    Families {
        v4: addresses.iter().any(|address| address.is_ipv4()),
        v6: addresses.iter().any(|address| address.is_ipv6()),
    }
}
