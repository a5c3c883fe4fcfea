//! Leave and DeleteEndpoint: the end of a container's attachment.

use super::{Driver, DriverError};
use crate::kernel::Kernel;
use crate::model::ids::EndpointId;
use crate::model::link_name::LinkName;

impl<K: Kernel> Driver<K> {
    /// Leave: nothing to do in the kernel. The link is still in the container, and the engine is about to bring it back.
    pub fn leave(&self, endpoint: &EndpointId) {
        self.endpoints.leave(endpoint);
    }

    /// Removes an endpoint's link if it is in the host, and its record. An id that was never seen may still have a
    /// link, made by a process that is gone: its name comes from the id.
    ///
    /// # Errors
    /// When the kernel does not remove the link: the endpoint is forgotten all the same, because no engine asks twice,
    /// and the link is swept later.
    pub async fn delete_endpoint(&self, id: &EndpointId) -> Result<(), DriverError> {
        let _alone = self.endpoint_gates.enter(id).await;
        let names = match self.endpoints.get(id) {
            Some(record) => vec![record.link],
            None => self.possible_links(id),
        };
        let mut outcome = Ok(());
        for name in names {
            if let Err(error) = self.remove_child(&name).await {
                self.tidiness.is_untidy();
                outcome = Err(error);
            }
        }
        self.endpoints.remove(id);
        self.store.remove_endpoint(id).await?;
        outcome.map_err(DriverError::from)
    }

    /// The names that the link of a forgotten endpoint can have, less those of endpoints that are known.
    fn possible_links(&self, id: &EndpointId) -> Vec<LinkName> {
        let mut names = vec![LinkName::of_endpoint(id), LinkName::of_endpoint_hashed(id)];
        names.dedup();
        names.retain(|name| !self.endpoints.has_link(name));
        names
    }
}
