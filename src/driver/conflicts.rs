//! Two containers that cannot both be: one MAC twice on one parent, or two on a passthru parent.
//!
//! The kernel would find both out, but late (when the engine brings the interface up) and in no words. Only endpoints
//! that really hold something count: an engine that was killed never deletes its endpoints, and its containers must be
//! able to start again.

use super::{Attachment, Driver, DriverError, Network};
use crate::kernel::{Kernel, KernelError, link_named};
use crate::model::endpoint::EndpointRecord;
use crate::model::ids::EndpointId;
use crate::model::mode::Mode;

impl<K: Kernel> Driver<K> {
    /// Whether an endpoint can be on its network beside those that are there.
    ///
    /// # Errors
    /// [`DriverError::MacInUse`] or [`DriverError::PassthruTaken`], naming the holder.
    pub(super) async fn check_conflicts(
        &self,
        network: &Network,
        endpoint: &EndpointRecord,
    ) -> Result<(), DriverError> {
        let Some(attachment) = network.attachment() else { return Ok(()) };
        let parent = attachment.name;
        if network.record.spec.mode.is_exclusive() {
            for holder in self.endpoints.of_network(&network.record.id) {
                let Some(holder) = self.endpoints.get(&holder).filter(|holder| holder.id != endpoint.id)
                else {
                    continue;
                };
                if self.holds_its_link(&holder).await? {
                    return Err(DriverError::PassthruTaken { parent, holder: holder.id });
                }
            }
        }
        let Some(mac) = endpoint.mac else { return Ok(()) };
        for holder in self.endpoints.with_mac(mac) {
            let other = self.network(&holder.network).ok().and_then(|network| network.attachment());
            let same_parent = other.is_some_and(|other| other.id == attachment.id);
            if holder.id != endpoint.id && same_parent && self.holds_its_link(&holder).await? {
                return Err(DriverError::MacInUse {
                    mac,
                    parent,
                    holder: holder.id,
                    network: holder.network,
                });
            }
        }
        Ok(())
    }

    /// Whether the first ipvlan child on a parent would change the mode of ipvlan children that others have put there
    /// since the network was created: the mode belongs to the parent's port (`ipvlan_link_new`,
    /// drivers/net/ipvlan/ipvlan_main.c).
    ///
    /// # Errors
    /// [`super::ParentError::Foreign`] when it would.
    pub(super) async fn check_port_is_ours(
        &self,
        network: &Network,
        attachment: &Attachment,
        endpoint: &EndpointId,
    ) -> Result<(), DriverError> {
        let mode = network.record.spec.mode;
        let on_it = || self.parents.networks(&attachment.id);
        if !matches!(mode, Mode::Ipvlan { .. })
            || on_it().iter().any(|network| self.endpoints.has_joined(network, endpoint))
        {
            return Ok(());
        }
        match self.kernel.link_by_index(attachment.index).await? {
            Some(parent) => self
                .prober(&network.record.id)
                .check_free(&self.kernel, &parent, mode)
                .await
                .map_err(DriverError::from),
            // It is made again when the child is.
            None => Ok(()),
        }
    }

    /// Whether an endpoint's link exists, in the host or in its container.
    async fn holds_its_link(&self, endpoint: &EndpointRecord) -> Result<bool, KernelError> {
        let Some(sandbox) = &endpoint.sandbox else { return Ok(false) };
        if self.endpoints.has_left(&endpoint.id) {
            return Ok(false);
        }
        Ok(self.kernel.has_namespace(sandbox).await
            || link_named(&self.kernel, &endpoint.link).await?.is_some())
    }
}
