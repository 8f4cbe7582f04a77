//! Events of calls whose Olm session is of a device that is not known yet: who calls first is asked for.
//!
//! Beside the sync, which does not wait for it: the homeserver may have to ask another one.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use securecall_contact::MatrixId;
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};
use tracing::debug;

use crate::{
    client::Client, inbox::InboxSender, olm::Olm, to_device::OpenedCall, user_id::user_id,
};

/// Users whose devices are to be asked for, and events of each that wait for that.
const MAX_USERS: usize = 16;
const MAX_EVENTS_OF_USER: usize = 16;

/// Longer than a homeserver that asks another one usually takes. The event is of no use to anybody then.
const PATIENCE: Duration = Duration::from_secs(15);

/// The pause after a question that told nothing new: whoever makes us ask does not make us ask without end.
const PAUSE: Duration = Duration::from_secs(1);

/// What waits. One user after the other, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Unproven {
    waiting: Mutex<VecDeque<(MatrixId, Vec<OpenedCall>)>>,
    some: Notify,
}

impl Unproven {
    pub(crate) fn push(&self, event: OpenedCall) {
        let mut waiting = self.lock();
        let users = waiting.len();
        match waiting.iter_mut().find(|(user, _)| *user == event.sender) {
            Some((_, events)) if events.len() < MAX_EVENTS_OF_USER => events.push(event),
            None if users < MAX_USERS => {
                waiting.push_back((event.sender.clone(), vec![event]));
            }
            _ => debug!("ignored an event of a call: too many wait for their devices"),
        }
        self.some.notify_one();
    }

    /// Asks for devices, one user at a time, and passes on what is proven then. Does not end.
    pub(crate) async fn prove(&self, client: &Client, olm: &Olm, inbox: &InboxSender) {
        loop {
            let next = self.lock().pop_front();
            let Some((user, events)) = next else {
                self.some.notified().await;
                continue;
            };
            let Some(user) = user_id(&user) else { continue };
            let asked = timeout(PATIENCE, olm.query(client, &user)).await;
            debug!(?asked, "asked for the devices of who calls");
            let mut is_new = false;
            for event in events {
                match olm.prove(event).await {
                    Ok(Ok(incoming)) => {
                        is_new = true;
                        inbox.send(incoming).await;
                    }
                    Ok(Err(_)) => debug!("ignored an event of a call: nobody has such a device"),
                    Err(error) => debug!(%error, "ignored an event of a call"),
                }
            }
            if !is_new {
                sleep(PAUSE).await;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(MatrixId, Vec<OpenedCall>)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
