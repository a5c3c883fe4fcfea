//! The endpoints that are known, found by id and by the name of their link, at a cost that does not grow with them.

use dashmap::DashMap;

use crate::model::endpoint::EndpointRecord;
use crate::model::ids::{EndpointId, NetworkId};
use crate::model::link_name::LinkName;

/// All endpoints. The caller holds the endpoint's gate when it changes one.
#[derive(Debug, Default)]
pub(super) struct Endpoints {
    records: DashMap<EndpointId, EndpointRecord>,
    by_link: DashMap<LinkName, EndpointId>,
}

impl Endpoints {
    pub(super) fn get(&self, id: &EndpointId) -> Option<EndpointRecord> {
        self.records.get(id).map(|record| record.clone())
    }

    /// Adds an endpoint, or replaces what was known of it. Its link's name does not change.
    pub(super) fn insert(&self, record: EndpointRecord) {
        self.by_link.insert(record.link.clone(), record.id.clone());
        self.records.insert(record.id.clone(), record);
    }

    pub(super) fn remove(&self, id: &EndpointId) {
        if let Some((_, record)) = self.records.remove(id) {
            self.by_link.remove_if(&record.link, |_, holder| holder == id);
        }
    }

    /// Whether an endpoint has a link of this name.
    pub(super) fn has_link(&self, name: &LinkName) -> bool {
        self.by_link.contains_key(name)
    }

    /// The endpoints of one network.
    pub(super) fn of_network(&self, network: &NetworkId) -> Vec<EndpointId> {
        let of_it = self.records.iter().filter(|entry| entry.network == *network);
        of_it.map(|entry| entry.id.clone()).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
    }
}
