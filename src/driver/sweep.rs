//! Removes links of ours that no record wants: what a daemon that died left between two steps.

use std::collections::HashSet;

use tracing::{info, warn};

use super::Driver;
use super::attach::remove;
use crate::kernel::{Kernel, KernelError, Link, LinkIndex, LinkKind};
use crate::model::ids::NetworkId;

impl<K: Kernel> Driver<K> {
    /// Sweeps. Devices are left alone unless `sweep_devices`: while some network's attachment is not known, any of
    /// them may be that network's, with containers on it.
    pub(super) async fn sweep(&self, sweep_devices: bool) {
        if let Err(error) = self.try_sweep(sweep_devices).await {
            warn!(%error, "leftover links could not be swept");
        }
    }

    async fn try_sweep(&self, sweep_devices: bool) -> Result<(), KernelError> {
        let links = self.kernel.links().await?;
        let ours: Vec<&Link> = links.iter().filter(|link| link.group == self.settings.link_group).collect();
        let has_endpoint = |link: &Link| link.name.parse().is_ok_and(|name| self.endpoints.has_link(&name));
        for link in ours.iter().filter(|link| link.is_child() && !has_endpoint(link)) {
            info!(link = link.name, "a container's link without an endpoint is removed");
            remove(&self.kernel, link.index).await?;
        }
        if !sweep_devices {
            return Ok(());
        }
        let wanted = self.wanted_devices(&links);
        let is_device = |link: &Link| matches!(link.kind, LinkKind::Vlan { .. } | LinkKind::Dummy);
        let mut unwanted: Vec<_> =
            ours.into_iter().filter(|link| is_device(link) && !wanted.contains(&link.index)).collect();
        // A device on another was made after it and has the higher index: the upper go first.
        unwanted.sort_by_key(|link| std::cmp::Reverse(link.index));
        for link in unwanted {
            self.sweep_device(link).await?;
        }
        Ok(())
    }

    async fn sweep_device(&self, link: &Link) -> Result<(), KernelError> {
        let prober = self.prober(&sweeper());
        if let Some(what) = prober.foreign_on(&self.kernel, link).await? {
            warn!(device = link.name, "{what}: the device is left, and no longer trunkline's");
            return self.kernel.set_group(link.index, 0).await;
        }
        info!(device = link.name, "a device without a network is removed");
        remove(&self.kernel, link.index).await
    }

    /// The attachments of all networks and what they stand on.
    fn wanted_devices(&self, links: &[Link]) -> HashSet<LinkIndex> {
        let mut wanted = HashSet::new();
        for network in &self.networks {
            let mut next = network.attachment().map(|attachment| attachment.index);
            while let Some(index) = next.filter(|index| wanted.insert(*index)) {
                next = links.iter().find(|link| link.index == index).and_then(|link| link.lower);
            }
        }
        wanted
    }
}

/// Whose name the sweep's probes carry: no network's.
fn sweeper() -> NetworkId {
    NetworkId::of_nobody()
}
