//! Removes links of ours that no record wants: what a daemon that died, or a kernel that refused, left behind.
//!
//! A call that could not clean up after itself says so ([`Tidiness::is_untidy`]); the next call that changes networks
//! sweeps first, and [`Driver::tend`] does when no call comes. A sweep is alone: it waits until no network is being
//! made or removed, because a device that is being made has no record yet.

use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, RwLock, RwLockReadGuard};
use tracing::{info, warn};

use super::Driver;
use super::attach::remove;
use super::occupancy::Stands;
use crate::failpoint;
use crate::kernel::{Kernel, KernelError, Link, LinkIndex, LinkKind};
use crate::model::ids::{EndpointId, NetworkId};
use crate::model::status::UnreadableRecord;

/// How long after a failure the background sweep waits: doubled each time up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Whether something may have been left behind, and who may sweep.
#[derive(Debug, Default)]
pub(super) struct Tidiness {
    untidy: AtomicBool,
    /// Devices were passed over because not every network is on its parent.
    postponed: AtomicBool,
    /// Records that could not be read. A device that seems unwanted may be such a network's.
    unreadable_networks: Mutex<Vec<UnreadableRecord>>,
    unreadable_endpoints: Mutex<Vec<UnreadableRecord>>,
    /// Records of deleted networks that the disk did not let go.
    undeleted: Mutex<HashSet<NetworkId>>,
    wake: Notify,
    /// Read by calls that make or remove devices, written by a sweep.
    changes: RwLock<()>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_record_of(record: &UnreadableRecord, id: &str) -> bool {
    let name = Path::new(&record.path).file_name();
    name.is_some_and(|name| name.to_string_lossy().starts_with(&format!("{id}.json")))
}

impl Tidiness {
    /// Something may have been left behind.
    pub(super) fn is_untidy(&self) {
        self.untidy.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    /// A network is on its parent now, or gone: what was passed over can be looked at.
    pub(super) fn may_go_on(&self) {
        if self.postponed.swap(false, Ordering::AcqRel) {
            self.is_untidy();
        }
    }

    /// The networks and endpoints that are not known because their records cannot be read.
    pub(super) fn set_unreadable(&self, networks: Vec<UnreadableRecord>, endpoints: Vec<UnreadableRecord>) {
        *locked(&self.unreadable_networks) = networks;
        *locked(&self.unreadable_endpoints) = endpoints;
    }

    /// A network was deleted: whatever its record was, it is no more.
    pub(super) fn network_is_gone(&self, id: &NetworkId) {
        locked(&self.unreadable_networks).retain(|record| !is_record_of(record, id.as_str()));
        self.may_go_on();
    }

    /// The same of an endpoint.
    pub(super) fn endpoint_is_gone(&self, id: &EndpointId) {
        locked(&self.unreadable_endpoints).retain(|record| !is_record_of(record, id.as_str()));
    }

    /// All records that cannot be read.
    pub(super) fn unreadable(&self) -> Vec<UnreadableRecord> {
        [&self.unreadable_networks, &self.unreadable_endpoints]
            .iter()
            .flat_map(|list| locked(list).clone())
            .collect()
    }

    /// The record of a deleted network is still on the disk.
    pub(super) fn keep_for_removal(&self, id: NetworkId) {
        locked(&self.undeleted).insert(id);
        self.is_untidy();
    }

    fn undeleted(&self) -> Vec<NetworkId> {
        locked(&self.undeleted).iter().cloned().collect()
    }

    fn was_deleted(&self, id: &NetworkId) {
        locked(&self.undeleted).remove(id);
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
                self.remove_records().await;
                self.sweep().await;
                pause = LONGEST_PAUSE.min(pause * 2);
            }
        }
    }

    /// Removes the records that could not be removed when their networks were deleted.
    async fn remove_records(&self) {
        for id in self.tidiness.undeleted() {
            match self.store.remove_network(&id).await {
                Ok(_) => self.tidiness.was_deleted(&id),
                Err(error) => {
                    warn!(%error, network = id.short(), "the record of a deleted network is still there")
                }
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
        if !self.tidiness.undeleted().is_empty() {
            self.tidiness.is_untidy();
        }
    }

    /// Whether every network is on its parent, so that a device that none wants is nobody's.
    fn is_all_known(&self) -> bool {
        locked(&self.tidiness.unreadable_networks).is_empty()
            && self.networks.iter().all(|network| !network.is_waiting())
    }

    async fn try_sweep(&self) -> Result<(), KernelError> {
        let links = self.kernel.links().await?;
        let ours: Vec<&Link> = links.iter().filter(|link| link.group == self.settings.link_group).collect();
        let has_endpoint = |link: &Link| link.name.parse().is_ok_and(|name| self.endpoints.has_link(&name));
        // One that cannot be removed does not keep the others.
        let mut outcome = Ok(());
        for link in ours.iter().filter(|link| link.is_child() && !has_endpoint(link)) {
            info!(link = link.name, "a container's link without an endpoint is removed");
            outcome = remove(&self.kernel, link.index).await.and(outcome);
            failpoint::reached("sweep.child_removed");
        }
        let wanted = self.wanted_devices(&links);
        let is_device = |link: &Link| matches!(link.kind, LinkKind::Vlan { .. } | LinkKind::Dummy);
        let mut unwanted: Vec<_> =
            ours.into_iter().filter(|link| is_device(link) && !wanted.contains(&link.index)).collect();
        if !unwanted.is_empty() && !self.is_all_known() {
            self.tidiness.postponed.store(true, Ordering::Release);
            return outcome;
        }
        // A device on another was made after it and has the higher index: the upper go first.
        unwanted.sort_by_key(|link| std::cmp::Reverse(link.index));
        for link in unwanted {
            outcome = self.remove_if_free(&NetworkId::of_nobody(), link).await.map(|_| ()).and(outcome);
        }
        outcome
    }

    /// Removes a device of ours by its index; one that is gone, or not ours any more, is left.
    pub(super) async fn remove_device(
        &self,
        network: &NetworkId,
        index: LinkIndex,
    ) -> Result<(), KernelError> {
        match self.kernel.link_by_index(index).await? {
            Some(link) if link.group == self.settings.link_group => {
                self.remove_if_free(network, &link).await.map(|_| ())
            }
            _ => Ok(()),
        }
    }

    /// Removes a device of ours; where something of others stands on it, it is left and given up. Says whether it was
    /// removed.
    pub(super) async fn remove_if_free(
        &self,
        network: &NetworkId,
        device: &Link,
    ) -> Result<bool, KernelError> {
        match self.prober(network).stands_on(&self.kernel, device).await? {
            Stands::Nothing => {
                failpoint::reached("device.found_free");
                remove(&self.kernel, device.index).await?;
                failpoint::reached("device.removed");
                info!(device = device.name, "device without users removed");
                Ok(true)
            }
            // An inner VLAN of ours, whose network may wait: it goes first.
            Stands::Ours => Ok(self.leave_for_now()),
            // What hides in containers may be ours, of a network that waits.
            Stands::Hidden if !self.is_all_known() => Ok(self.leave_for_now()),
            Stands::Hidden => self.give_up(device, "interfaces in containers stand on it").await,
            Stands::Foreign(what) => self.give_up(device, &what).await,
        }
    }

    fn leave_for_now(&self) -> bool {
        self.tidiness.postponed.store(true, Ordering::Release);
        false
    }

    async fn give_up(&self, device: &Link, what: &str) -> Result<bool, KernelError> {
        warn!(device = device.name, "{what}: the device is left, and no longer trunkline's");
        self.kernel.set_group(device.index, 0).await?;
        failpoint::reached("device.given_up");
        Ok(false)
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
