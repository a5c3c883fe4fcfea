//! Finding networks' parents again: at the start, and when a device has vanished or come back.

use std::sync::Arc;

use tracing::{info, warn};

use super::parents::AttachmentId;
use super::{Attachment, Driver, DriverError, Network, Place};
use crate::failpoint;
use crate::kernel::Kernel;
use crate::store::StoreError;

/// What the start found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// Networks that work.
    pub attached: usize,
    /// Networks whose parent is not there: they wait for it.
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
        let endpoints = self.store.load_endpoints().await?;
        for record in endpoints.records {
            self.endpoints.insert(record);
        }
        let loaded = self.store.load_networks().await?;
        self.tidiness.set_unreadable(loaded.unreadable, endpoints.unreadable);
        for record in loaded.records {
            let place = Place::Waiting { claim: None, reason: "it has just been read".to_owned() };
            self.networks.insert(record.id.clone(), Network::new(record, place));
        }
        failpoint::reached("recover.loaded");
        // Every claim before any device, so that a device is made with what all of its networks ask of it.
        for network in self.waiting_networks() {
            if let Err(error) = self.claim_again(&network).await {
                let is_silent = error.is_silence();
                self.set_waiting(&network, None, &error);
                if is_silent {
                    // Each further question would be waited for in vain as long: they wait, and are asked for later.
                    break;
                }
            }
        }
        self.attach_waiting().await;
        failpoint::reached("recover.attached");
        self.sweep().await;
        failpoint::reached("recover.swept");
        let waiting = self.waiting_networks().len();
        let recovery = Recovery { attached: self.networks.len() - waiting, waiting };
        info!(networks = recovery.attached, waiting, "networks recovered");
        Ok(recovery)
    }

    /// The networks without a device, the oldest first: of two that clash, the older has the parent.
    pub(super) fn waiting_networks(&self) -> Vec<Arc<Network>> {
        let all = self.networks.iter().map(|network| Arc::clone(&network));
        let mut waiting: Vec<_> = all.filter(|network| network.is_waiting()).collect();
        waiting.sort_by(|a, b| (a.record.created_ms, &a.record.id).cmp(&(b.record.created_ms, &b.record.id)));
        waiting
    }

    /// Attaches the networks that wait, as far as that is possible now.
    pub(super) async fn attach_waiting(&self) {
        for network in self.waiting_networks() {
            if self.reattach(&network).await.is_err_and(|error| error.is_silence()) {
                break;
            }
        }
    }

    async fn claim_again(&self, network: &Network) -> Result<(), DriverError> {
        let (target, _gate) = self.enter_parent(&network.record).await?;
        let reservation = self.reserve(&network.record, target.as_ref())?;
        let reason = "its device has not been looked for yet".to_owned();
        network.set_place(Place::Waiting { claim: Some(reservation.id().clone()), reason });
        reservation.commit();
        Ok(())
    }

    /// Attaches a network that exists to its parent again, making its VLAN devices if they are missing. One whose device
    /// is there is left as it is.
    pub(super) async fn reattach(&self, network: &Arc<Network>) -> Result<Attachment, DriverError> {
        let record = &network.record;
        let _change = self.begin_change().await;
        let _alone = self.network_gates.enter(&record.id).await;
        // It may have been deleted while this call waited, or attached.
        let current = self.network(&record.id)?;
        if !Arc::ptr_eq(&current, network) {
            return Err(DriverError::UnknownNetwork(record.id.clone()));
        }
        if let Some(attachment) = network.attachment()
            && self.kernel.link_by_index(attachment.index).await?.is_some()
        {
            return Ok(attachment);
        }
        let (target, _gate) = match self.enter_parent(record).await {
            Ok(found) => found,
            Err(error) => {
                let error = DriverError::from(error);
                // A kernel that does not answer has not said that the parent is gone.
                let claim = network.claim().filter(|_| error.is_silence());
                return Err(self.wait_for_parent(network, claim, error));
            }
        };
        let reservation = match self.reserve(record, target.as_ref()) {
            Ok(reservation) => reservation,
            Err(conflict) => return Err(self.wait_for_parent(network, None, conflict.into())),
        };
        let mut made = Vec::new();
        let outcome = self.make_attachment(record, target.as_ref(), false, &mut made).await;
        let id = reservation.id().clone();
        // Whatever came of it: what the network is to be attached to is known, so it is its own.
        reservation.commit();
        failpoint::reached("reattach.made");
        match outcome {
            Ok(attachment) => {
                self.move_in(network, &attachment);
                Ok(attachment)
            }
            Err(error) => {
                if !made.is_empty() {
                    self.tidiness.is_untidy();
                }
                Err(self.wait_for_parent(network, Some(id), error.into()))
            }
        }
    }

    /// A network is attached, and with it the others on the same attachment that had its device before.
    fn move_in(&self, network: &Network, attachment: &Attachment) {
        self.give_up_claim_but(network, Some(&attachment.id));
        if network.is_waiting() {
            info!(network = network.record.id.short(), parent = attachment.name, "the network is attached");
        }
        network.set_place(Place::Attached(attachment.clone()));
        for id in self.parents.networks(&attachment.id) {
            let other = self.network(&id).ok().filter(|other| other.attachment().is_some());
            if let Some(other) = other {
                other.set_place(Place::Attached(attachment.clone()));
            }
        }
        self.tidiness.may_go_on();
        self.interfaces.may_be_lost();
    }

    /// A network has no device for now. The error is what its calls are answered with meanwhile.
    fn wait_for_parent(
        &self,
        network: &Network,
        claim: Option<AttachmentId>,
        error: DriverError,
    ) -> DriverError {
        self.give_up_claim_but(network, claim.as_ref());
        self.set_waiting(network, claim, &error);
        DriverError::Waiting { network: network.record.id.clone(), error: Box::new(error) }
    }

    fn set_waiting(&self, network: &Network, claim: Option<AttachmentId>, error: &DriverError) {
        let reason = error.to_string();
        // Said once, not each time it is looked for in vain.
        if !matches!(network.place(), Place::Waiting { reason: known, .. } if known == reason) {
            warn!(network = network.record.id.short(), reason, "the network waits for its parent");
        }
        network.set_place(Place::Waiting { claim, reason });
    }

    /// Releases what a network claims, unless it is this.
    fn give_up_claim_but(&self, network: &Network, kept: Option<&AttachmentId>) {
        if let Some(claim) = network.claim().filter(|claim| Some(claim) != kept) {
            self.parents.release(&claim, &network.record.id);
        }
    }
}
