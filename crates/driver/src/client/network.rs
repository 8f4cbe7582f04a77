//! The network of this machine changes: who is told, and in which order.

use super::event_loop::Loop;

impl Loop {
    pub(super) fn handle_network_change(&mut self) {
        let now = self.networks.borrow_and_update().clone();
        let before = std::mem::replace(&mut self.connected_by, now.clone());
        // The account first: what calls want said because of the change must not be asked over a connection that is dead.
        if now.slept == before.slept {
            self.account.network_changed(&now.gone_since(&before));
        } else {
            self.account.distrust_connections();
        }
        if now != before {
            tracing::info!(addresses = now.addresses.len(), "the network has changed");
            // Another network has other names for servers, or is the first that leads to them.
            self.look_for_servers.elsewhere.notify_one();
            self.look_for_servers.elsewhere_for_relays.notify_one();
        }
        for media in self.media.values() {
            // Also where the addresses are the same: one that could not be bound in its first moment may be ready now.
            media.network_changed(now.clone());
        }
    }
}
