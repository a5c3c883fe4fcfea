//! DeleteNetwork: forget it, give its claim back, and take away what only it used.

use tracing::warn;

use super::parents::Root;
use super::{Attachment, Driver, DriverError, Network};
use crate::failpoint;
use crate::kernel::{Kernel, KernelError, Link, LinkKind};
use crate::model::ids::NetworkId;
use crate::store::Removed;

impl<K: Kernel> Driver<K> {
    /// Deletes a network. An unknown id is a success: the engine has forgotten it, whatever is answered.
    ///
    /// # Errors
    /// When the record or a device of ours cannot be removed: the network is gone all the same, because no engine asks
    /// twice, and what is left is tried again later.
    pub async fn delete_network(&self, id: &NetworkId) -> Result<(), DriverError> {
        // Before any gate of the network: an endpoint's gate comes first (see gates.rs).
        self.forget_endpoints_of(id).await;
        failpoint::reached("delete_network.endpoints_removed");
        let _change = self.begin_change().await;
        let _alone = self.network_gates.enter(id).await;
        let removed = self.store.remove_network(id).await;
        failpoint::reached("delete_network.record_removed");
        match &removed {
            Ok(Removed::Nothing) => {}
            Ok(_) => self.tidiness.network_is_gone(id),
            Err(_) => self.tidiness.keep_for_removal(id.clone()),
        }
        let mut outcome = removed.map(|_| ()).map_err(DriverError::from);
        if let Some((_, network)) = self.networks.remove(id) {
            outcome = self.release(&network).await.map_err(DriverError::from).and(outcome);
            self.tidiness.may_go_on();
        }
        outcome
    }

    /// Gives a network's claim back, and removes the devices that only it used.
    async fn release(&self, network: &Network) -> Result<(), KernelError> {
        let id = &network.record.id;
        let Some(claim) = network.claim() else {
            // What it had before it waited is not known any more.
            self.tidiness.is_untidy();
            return Ok(());
        };
        let _gate = self.parent_gates.enter(&claim.root).await;
        self.parents.release(&claim, id);
        failpoint::reached("delete_network.released");
        let Some(attachment) = network.attachment() else {
            self.tidiness.is_untidy();
            return Ok(());
        };
        self.remove_unused(id, attachment).await.inspect_err(|_| self.tidiness.is_untidy())
    }

    /// Removes the devices of an attachment that are ours and in nobody's use, from the innermost out. The caller
    /// holds the gate of the root.
    pub(super) async fn remove_unused(
        &self,
        network: &NetworkId,
        mut attachment: Attachment,
    ) -> Result<(), KernelError> {
        let is_ours = |link: &Link| {
            link.group == self.settings.link_group
                && matches!(link.kind, LinkKind::Vlan { .. } | LinkKind::Dummy)
        };
        let mut index = Some(attachment.index);
        while let Some(current) = index {
            let at_root = attachment.id.tags.is_empty();
            let root_is_foreign = at_root && matches!(attachment.id.root, Root::Device(_));
            if root_is_foreign || self.parents.in_use(&attachment.id) {
                break;
            }
            let Some(link) = self.kernel.link_by_index(current).await? else {
                // It was removed behind our back; one that was made anew has another index.
                self.tidiness.is_untidy();
                break;
            };
            if !is_ours(&link) || !self.remove_if_free(network, &link).await? {
                break;
            }
            index = link.lower;
            if attachment.id.tags.pop().is_none() {
                break;
            }
        }
        Ok(())
    }

    /// Endpoints that the engine left behind with the network.
    async fn forget_endpoints_of(&self, network: &NetworkId) {
        for id in self.endpoints.of_network(network) {
            if let Err(error) = self.delete_endpoint(&id).await {
                warn!(%error, endpoint = id.short(), "an endpoint of a removed network is left behind");
            }
        }
    }
}
