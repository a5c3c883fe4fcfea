//! Removes links of ours that no record wants: what a daemon that died, or a kernel that refused, left behind.
//!
//! A call that could not clean up after itself says so ([`Tidiness::is_untidy`]); the next call that changes networks
//! sweeps first, and [`Driver::tend`] does when no call comes. A sweep is alone: it waits until no network is being
//! made or removed, because a device that is being made has no record yet.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, RwLock, RwLockReadGuard};
use tracing::{info, warn};

use super::Driver;
use super::attach::remove;
use crate::kernel::{Kernel, KernelError, Link, LinkIndex, LinkKind};
use crate::model::ids::NetworkId;

/// How long after a failure the background sweep waits: doubled each time up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Whether something may have been left behind, and who may sweep.
#[derive(Debug, Default)]
pub(super) struct Tidiness {
    untidy: AtomicBool,
    /// Some record could not be read: a device that seems unwanted may be that network's.
    blind: AtomicBool,
    wake: Notify,
    /// Read by calls that make or remove devices, written by a sweep.
    changes: RwLock<()>,
}

impl Tidiness {
    /// Something may have been left behind.
    pub(super) fn is_untidy(&self) {
        self.untidy.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    /// Not every network is known.
    pub(super) fn is_blind(&self) {
        self.blind.store(true, Ordering::Release);
    }
}

impl<K: Kernel> Driver<K> {
    /// To be held by a call that makes or removes devices. Sweeps first if something was left behind.
    pub(super) async fn begin_change(&self) -> RwLockReadGuard<'_, ()> {
        if self.tidiness.untidy.load(Ordering::Acquire) {
            self.sweep().await;
        }
        self.tidiness.changes.read().await
    }

    /// Sweeps in the background whenever something was left behind. Never ends.
    pub async fn tend(&self) {
        loop {
            self.tidiness.wake.notified().await;
            let mut pause = FIRST_PAUSE;
            while self.tidiness.untidy.load(Ordering::Acquire) {
                tokio::time::sleep(pause).await;
                self.sweep().await;
                pause = LONGEST_PAUSE.min(pause * 2);
            }
        }
    }

    /// Sweeps once.
    pub(super) async fn sweep(&self) {
        let _alone = self.tidiness.changes.write().await;
        self.tidiness.untidy.store(false, Ordering::Release);
        if let Err(error) = self.try_sweep().await {
            warn!(%error, "leftover links could not be swept; it is tried again");
            self.tidiness.is_untidy();
        }
    }

    async fn try_sweep(&self) -> Result<(), KernelError> {
        let links = self.kernel.links().await?;
        let ours: Vec<&Link> = links.iter().filter(|link| link.group == self.settings.link_group).collect();
        let has_endpoint = |link: &Link| link.name.parse().is_ok_and(|name| self.endpoints.has_link(&name));
        for link in ours.iter().filter(|link| link.is_child() && !has_endpoint(link)) {
            info!(link = link.name, "a container's link without an endpoint is removed");
            remove(&self.kernel, link.index).await?;
        }
        // While some network's attachment is not known, any device may be that network's, with containers on it.
        let all_known = self.networks.iter().all(|network| network.attachment().is_some());
        if !all_known || self.tidiness.blind.load(Ordering::Acquire) {
            return Ok(());
        }
        let wanted = self.wanted_devices(&links);
        let is_device = |link: &Link| matches!(link.kind, LinkKind::Vlan { .. } | LinkKind::Dummy);
        let mut unwanted: Vec<_> =
            ours.into_iter().filter(|link| is_device(link) && !wanted.contains(&link.index)).collect();
        // A device on another was made after it and has the higher index: the upper go first.
        unwanted.sort_by_key(|link| std::cmp::Reverse(link.index));
        for link in unwanted {
            self.remove_if_free(&NetworkId::of_nobody(), link).await?;
        }
        Ok(())
    }

    /// Removes a device of ours; where something of others stands on it, it is left and given up. Says whether it was
    /// removed.
    pub(super) async fn remove_if_free(
        &self,
        network: &NetworkId,
        device: &Link,
    ) -> Result<bool, KernelError> {
        if let Some(what) = self.prober(network).foreign_on(&self.kernel, device).await? {
            warn!(device = device.name, "{what}: the device is left, and no longer trunkline's");
            self.kernel.set_group(device.index, 0).await?;
            return Ok(false);
        }
        remove(&self.kernel, device.index).await?;
        info!(device = device.name, "device without users removed");
        Ok(true)
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
