//! Finding networks' parents again: at the start, and when a device has vanished.

use std::sync::Arc;

use tracing::{info, warn};

use super::create_network::{Occupied, gate_key};
use super::{Attachment, Driver, DriverError, Network};
use crate::kernel::Kernel;
use crate::store::StoreError;

/// What the start found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// Networks that work.
    pub attached: usize,
    /// Networks whose parent is not there: they are tried again when they are used.
    pub waiting: usize,
}

impl<K: Kernel> Driver<K> {
    /// Reads the records, claims the parents, makes missing VLAN devices again, and sweeps devices of ours that no
    /// record wants. To be called once, before the first call.
    ///
    /// # Errors
    /// When the records cannot be read at all; one bad record is no error.
    pub async fn recover(&self) -> Result<Recovery, StoreError> {
        // All records before any device is touched: a sweep in between must not take one record's link for nobody's.
        for record in self.store.load_endpoints().await?.records {
            self.endpoints.insert(record);
        }
        let loaded = self.store.load_networks().await?;
        if loaded.unreadable > 0 {
            self.tidiness.is_blind();
        }
        let mut networks: Vec<_> =
            loaded.records.into_iter().map(|record| Network::new(record, None)).collect();
        // Of two networks that clash, the older has its parent.
        networks
            .sort_by(|a, b| (a.record.created_ms, &a.record.id).cmp(&(b.record.created_ms, &b.record.id)));
        for network in &networks {
            self.networks.insert(network.record.id.clone(), Arc::clone(network));
        }
        let mut recovery = Recovery { attached: 0, waiting: 0 };
        for network in &networks {
            match self.reattach(network).await {
                Ok(_) => recovery.attached += 1,
                Err(error) => {
                    recovery.waiting += 1;
                    warn!(network = network.record.id.short(), %error, "the network has no parent for now");
                }
            }
        }
        self.sweep().await;
        info!(networks = recovery.attached, waiting = recovery.waiting, "networks recovered");
        Ok(recovery)
    }

    /// Attaches a network that exists to its parent again, making its VLAN devices if they are missing.
    pub(super) async fn reattach(&self, network: &Arc<Network>) -> Result<Attachment, DriverError> {
        let record = &network.record;
        let _change = self.begin_change().await;
        let _alone = self.network_gates.enter(&record.id).await;
        // It may have been deleted while this call waited.
        let current = self.network(&record.id)?;
        if !Arc::ptr_eq(&current, network) {
            return Err(DriverError::UnknownNetwork(record.id.clone()));
        }
        let target = self.target(&record.spec).await?;
        let _gate = self.parent_gates.enter(&gate_key(&record.id, target.as_ref())).await;
        let ready = self.make_ready(record, target, Occupied::ByUs).await?;
        ready.reservation.commit();
        if let Some(old) = network.attachment().filter(|old| old.id != ready.attachment.id) {
            self.parents.release(&old.id, &record.id);
        }
        network.set_attachment(Some(ready.attachment.clone()));
        Ok(ready.attachment)
    }
}
