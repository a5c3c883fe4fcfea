//! Leave and DeleteEndpoint: the end of a container's attachment.

use tracing::warn;

use super::{Driver, DriverError};
use crate::failpoint;
use crate::kernel::Kernel;
use crate::model::ids::EndpointId;
use crate::model::link_name::LinkName;

impl<K: Kernel> Driver<K> {
    /// Leave: nothing to do in the kernel. The link is still in the container, and the engine is about to bring it back;
    /// one that is just being given back to the container is whole before.
    pub async fn leave(&self, endpoint: &EndpointId) {
        let _alone = self.endpoint_gates.enter(endpoint).await;
        let Some(mut record) = self.endpoints.get(endpoint).filter(|record| !record.left) else { return };
        record.left = true;
        // On record, or the next daemon would give the container its interface back. Where it cannot be written this one
        // knows, and the engine deletes the endpoint next.
        if let Err(error) = self.store.save_endpoint(&record).await {
            warn!(%error, endpoint = endpoint.short(), "that a container let go of its interface is not on record");
        }
        failpoint::reached("leave.recorded");
        self.endpoints.insert(record);
    }

    /// Removes an endpoint's link if it is in the host, and its record. An id that was never seen may still have a
    /// link, made by a process that is gone: its name comes from the id.
    ///
    /// # Errors
    /// When the kernel does not remove the link: the endpoint is forgotten all the same, because no engine asks twice,
    /// and the link is swept later.
    pub async fn delete_endpoint(&self, id: &EndpointId) -> Result<(), DriverError> {
        let _alone = self.endpoint_gates.enter(id).await;
        let mut in_container = None;
        let (names, parent) = match self.endpoints.get(id) {
            Some(record) => {
                in_container = Some(record.clone()).filter(|record| record.restored);
                let network = self.network(&record.network).ok();
                let joined = network.filter(|_| record.sandbox.is_some());
                (
                    vec![record.link],
                    joined.and_then(|network| network.attachment()).map(|parent| parent.index),
                )
            }
            None => (self.possible_links(id), None),
        };
        let mut outcome: Result<(), DriverError> = Ok(());
        for name in names {
            if let Err(error) = self.remove_child(&name, parent).await {
                self.tidiness.is_untidy();
                outcome = Err(error.into());
            }
        }
        failpoint::reached("delete_endpoint.link_removed");
        if let Some(record) = in_container {
            self.take_back_interface(&record).await;
        }
        self.interfaces.forget(id);
        self.tidiness.endpoint_is_gone(id);
        self.endpoints.remove(id);
        // Without its record the link is a leftover that a sweep finds.
        let removed = self.store.remove_endpoint(id).await.map_err(DriverError::from);
        failpoint::reached("delete_endpoint.record_removed");
        outcome.and(removed)
    }

    /// The names that the link of a forgotten endpoint can have, less those of endpoints that are known.
    fn possible_links(&self, id: &EndpointId) -> Vec<LinkName> {
        let mut names = vec![LinkName::of_endpoint(id), LinkName::of_endpoint_hashed(id)];
        names.dedup();
        names.retain(|name| !self.endpoints.has_link(name));
        names
    }
}
