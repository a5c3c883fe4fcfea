//! The endpoints that are known, found by id and by the name of their link, at a cost that does not grow with them.

use std::collections::HashSet;

use dashmap::DashMap;

use crate::model::endpoint::EndpointRecord;
use crate::model::ids::{EndpointId, NetworkId};
use crate::model::link_name::LinkName;
use crate::model::mac::MacAddress;

/// All endpoints. The caller holds the endpoint's gate when it changes one.
#[derive(Debug, Default)]
pub(super) struct Endpoints {
    records: DashMap<EndpointId, EndpointRecord>,
    by_link: DashMap<LinkName, EndpointId>,
    /// The endpoints that have a MAC; one, but for different VLANs and for records of containers that are gone.
    by_mac: DashMap<MacAddress, Vec<EndpointId>>,
    by_network: DashMap<NetworkId, HashSet<EndpointId>>,
}

impl Endpoints {
    pub(super) fn get(&self, id: &EndpointId) -> Option<EndpointRecord> {
        self.records.get(id).map(|record| record.clone())
    }

    /// All of them, as they are now.
    pub(super) fn all(&self) -> Vec<EndpointRecord> {
        self.records.iter().map(|record| record.clone()).collect()
    }

    /// The others in the container of an endpoint.
    pub(super) fn beside(&self, endpoint: &EndpointRecord) -> Vec<EndpointRecord> {
        let is_beside = |other: &EndpointRecord| other.id != endpoint.id && other.sandbox == endpoint.sandbox;
        self.records.iter().filter(|other| is_beside(other)).map(|other| other.clone()).collect()
    }

    /// Adds an endpoint, or replaces what was known of it. Its link's name and its MAC do not change.
    pub(super) fn insert(&self, record: EndpointRecord) {
        self.by_link.insert(record.link.clone(), record.id.clone());
        if let Some(mac) = record.mac {
            let mut holders = self.by_mac.entry(mac).or_default();
            if !holders.contains(&record.id) {
                holders.push(record.id.clone());
            }
        }
        self.by_network.entry(record.network.clone()).or_default().insert(record.id.clone());
        self.records.insert(record.id.clone(), record);
    }

    pub(super) fn remove(&self, id: &EndpointId) {
        if let Some((_, record)) = self.records.remove(id) {
            self.by_link.remove_if(&record.link, |_, holder| holder == id);
            if let Some(mac) = record.mac {
                if let Some(mut holders) = self.by_mac.get_mut(&mac) {
                    holders.retain(|holder| holder != id);
                }
                self.by_mac.remove_if(&mac, |_, holders| holders.is_empty());
            }
            if let Some(mut of_it) = self.by_network.get_mut(&record.network) {
                of_it.remove(id);
            }
            self.by_network.remove_if(&record.network, |_, of_it| of_it.is_empty());
        }
    }

    /// Whether the endpoint's container let go of it: its link is on its way back to the host, to be deleted.
    pub(super) fn has_left(&self, id: &EndpointId) -> bool {
        self.records.get(id).is_some_and(|record| record.left)
    }

    /// The endpoints with this MAC.
    pub(super) fn with_mac(&self, mac: MacAddress) -> Vec<EndpointRecord> {
        let holders = self.by_mac.get(&mac).map(|holders| holders.clone()).unwrap_or_default();
        holders.iter().filter_map(|id| self.get(id)).collect()
    }

    /// Whether an endpoint has a link of this name.
    pub(super) fn has_link(&self, name: &LinkName) -> bool {
        self.by_link.contains_key(name)
    }

    /// The endpoints of one network.
    pub(super) fn of_network(&self, network: &NetworkId) -> Vec<EndpointId> {
        self.by_network.get(network).map(|of_it| of_it.iter().cloned().collect()).unwrap_or_default()
    }

    /// Whether an endpoint of the network, other than this one, has its link in a container.
    pub(super) fn has_joined(&self, network: &NetworkId, but: &EndpointId) -> bool {
        let has_link = |id: &EndpointId| self.get(id).is_some_and(|record| record.sandbox.is_some());
        self.of_network(network).iter().any(|id| id != but && !self.has_left(id) && has_link(id))
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
    }
}
