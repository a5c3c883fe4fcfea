//! What should be there, by what was said so far.

use std::collections::{BTreeMap, BTreeSet};

use crate::step::{PARENTS, SPECS};

/// Networks by their specs, endpoints by their networks, and the parents that are plugged in.
#[derive(Debug)]
pub struct Model {
    pub networks: BTreeMap<usize, usize>,
    pub endpoints: BTreeMap<usize, usize>,
    pub plugged: BTreeSet<usize>,
}

impl Model {
    pub fn new() -> Self {
        let plugged = (0..PARENTS.len()).collect();
        Self { networks: BTreeMap::new(), endpoints: BTreeMap::new(), plugged }
    }

    /// Whether creating this network is to succeed: it is new and its parent is there and free or in the same mode, or
    /// it is there already as it is asked for.
    pub fn can_create(&self, network: usize, spec: usize) -> bool {
        if let Some(existing) = self.networks.get(&network) {
            return *existing == spec;
        }
        let (parent, vlan, mode) = SPECS[spec];
        let shares = |other: &&usize| (SPECS[**other].0, SPECS[**other].1) == (parent, vlan);
        self.plugged.contains(&parent)
            && self.networks.values().filter(shares).all(|other| SPECS[*other].2 == mode)
    }

    pub fn can_create_endpoint(&self, endpoint: usize, network: usize) -> bool {
        self.networks.contains_key(&network) && self.endpoints.get(&endpoint).is_none_or(|on| *on == network)
    }

    pub fn can_join(&self, endpoint: usize) -> bool {
        self.endpoints.get(&endpoint).is_some_and(|network| !self.is_waiting(*network))
    }

    /// Whether a network is there without its parent.
    pub fn is_waiting(&self, network: usize) -> bool {
        self.networks.get(&network).is_none_or(|spec| !self.plugged.contains(&SPECS[*spec].0))
    }

    pub fn delete_network(&mut self, network: usize) {
        self.networks.remove(&network);
        self.endpoints.retain(|_, on| *on != network);
    }

    /// The VLAN devices that should be there, by their names.
    pub fn devices(&self) -> BTreeSet<String> {
        let mut devices = BTreeSet::new();
        for (parent, vlan, _) in self.networks.values().map(|spec| SPECS[*spec]) {
            if self.plugged.contains(&parent) && !vlan.is_empty() {
                let (outer, inner) = vlan.split_once('.').unwrap_or((vlan, ""));
                devices.insert(format!("{}.{outer}", PARENTS[parent]));
                if !inner.is_empty() {
                    devices.insert(format!("{}.{vlan}", PARENTS[parent]));
                }
            }
        }
        devices
    }
}
