//! Devices that write to us and are not known yet: they are asked for before their events are opened.
//!
//! The library opens nothing of a device whose keys it does not know and that does not send them along (MSC4147), and the
//! Olm message is used up by that. matrix-js-sdk 36.2 does not, and whoever is called first has had no reason to ask.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use ruma::OwnedUserId;
use tokio::{
    task::JoinSet,
    time::{Instant, timeout},
};
use tracing::debug;

use crate::{client::Client, olm::Olm, to_device::ToDevice};

/// Users that are asked for because of one answer.
const MAX_USERS: usize = 8;

/// The sync waits for them. Devices of those whom we share a room with our homeserver knows, and answers at once.
const PATIENCE: Duration = Duration::from_secs(3);

/// Nobody is asked for again so soon, of so many who were asked for: whoever makes us ask does not stop the sync.
const ASKED_FOR: Duration = Duration::from_secs(20);
const MAX_ASKED: usize = 64;

/// Who was asked for, the latest last.
#[derive(Debug, Default)]
pub(crate) struct Senders(Mutex<VecDeque<(OwnedUserId, Instant)>>);

impl Senders {
    /// Asks for the devices of those whose events cannot be opened without. Whatever comes of it.
    pub(crate) async fn ask(&self, client: &Client, olm: &Arc<Olm>, events: &[ToDevice]) {
        let mut seen = BTreeSet::new();
        let mut asking = JoinSet::new();
        for (user, key) in events.iter().filter_map(ToDevice::sender_key) {
            if asking.len() == MAX_USERS {
                break;
            }
            let is_new = seen.insert((user.clone(), key));
            let is_known = async || matches!(olm.device_of(&user, &key).await, Ok(Some(_)));
            if is_new && !is_known().await && self.may_ask(&user, Instant::now()) {
                let (client, olm) = (client.clone(), Arc::clone(olm));
                asking.spawn(async move { olm.query(&client, &user).await });
            }
        }
        let answered = async {
            while let Some(asked) = asking.join_next().await {
                debug!(?asked, "asked for the devices of who calls");
            }
        };
        if timeout(PATIENCE, answered).await.is_err() {
            debug!("nothing is known of who calls");
        }
    }

    fn may_ask(&self, user: &OwnedUserId, now: Instant) -> bool {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        asked.retain(|(_, at)| now.saturating_duration_since(*at) < ASKED_FOR);
        if asked.iter().any(|(other, _)| other == user) || asked.len() == MAX_ASKED {
            return false;
        }
        asked.push_back((user.clone(), now));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_asked_for_again_so_soon_nor_many_at_once() {
        let senders = Senders::default();
        let start = Instant::now();
        let user = |number: usize| OwnedUserId::try_from(format!("@{number}:b.test")).unwrap();
        for number in 0..MAX_ASKED {
            assert!(senders.may_ask(&user(number), start));
            assert!(!senders.may_ask(&user(number), start));
        }
        assert!(!senders.may_ask(&user(MAX_ASKED), start));
        let later = start + ASKED_FOR;
        assert!(senders.may_ask(&user(MAX_ASKED), later));
        assert!(senders.may_ask(&user(0), later));
    }
}
