//! What each call of the engine does: networks onto parents, endpoints onto networks.
//!
//! The driver sees neither HTTP (that is `server`) nor netlink (that is `kernel`). One file holds one call; the calls
//! share four things: the records ([`crate::store`]), the registry (`parents`), the devices (`resolve`, `attach`,
//! `occupancy`), and the gates that keep two calls for one thing apart. `recover` is what happens before the first
//! call, and when a parent has to be found again.

mod attach;
mod children;
mod collect;
mod conflicts;
mod create_endpoint;
mod create_network;
mod delete_endpoint;
mod delete_network;
mod endpoints;
mod error;
mod gates;
mod interfaces;
mod join;
mod occupancy;
mod parent_error;
mod parents;
mod recover;
mod resolve;
mod restore;
mod status;
mod sweep;
#[cfg(test)]
mod tests;
mod watch;

use std::sync::{Arc, Mutex, PoisonError};

use dashmap::DashMap;

pub use create_endpoint::{Chosen, NewEndpoint};
pub use create_network::{Creation, NewNetwork};
pub use error::DriverError;
pub use join::Joined;
pub use parent_error::ParentError;
pub use parents::{ClaimConflict, Remedy};

use crate::kernel::{Kernel, LinkIndex};
use crate::model::ids::NetworkId;
use crate::model::link_name::LinkName;
use crate::model::network::{NetworkDefaults, NetworkRecord};
use crate::store::Store;
use endpoints::Endpoints;
use gates::Gates;
use interfaces::Interfaces;
use occupancy::Prober;
use parents::{AttachmentId, Parents};
use sweep::Tidiness;

/// What the daemon was told at its start.
#[derive(Debug, Clone)]
pub struct DriverSettings {
    /// What holds for networks that do not say otherwise.
    pub defaults: NetworkDefaults,
    /// The group that marks links as ours.
    pub link_group: u32,
}

/// The device that a network's children hang on.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Attachment {
    id: AttachmentId,
    index: LinkIndex,
    name: String,
}

/// Where a network is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// On its parent, which it claims.
    Attached(Attachment),
    /// Without a device of its own, for this reason. What it is to be attached to is claimed all the same when it is
    /// known, so that nobody takes the parent in another mode meanwhile.
    Waiting { claim: Option<AttachmentId>, reason: String },
}

/// A network that exists for the engine.
#[derive(Debug)]
struct Network {
    record: NetworkRecord,
    /// Locked only to copy or replace.
    place: Mutex<Place>,
}

impl Network {
    fn new(record: NetworkRecord, place: Place) -> Arc<Self> {
        Arc::new(Self { record, place: Mutex::new(place) })
    }

    fn place(&self) -> Place {
        self.place.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_place(&self, place: Place) {
        *self.place.lock().unwrap_or_else(PoisonError::into_inner) = place;
    }

    fn attachment(&self) -> Option<Attachment> {
        match self.place() {
            Place::Attached(attachment) => Some(attachment),
            Place::Waiting { .. } => None,
        }
    }

    /// What it claims.
    fn claim(&self) -> Option<AttachmentId> {
        match self.place() {
            Place::Attached(attachment) => Some(attachment.id),
            Place::Waiting { claim, .. } => claim,
        }
    }

    fn is_waiting(&self) -> bool {
        matches!(self.place(), Place::Waiting { .. })
    }
}

/// The driver. Shared by all calls; every method may run at once with every other.
#[derive(Debug)]
pub struct Driver<K> {
    kernel: K,
    store: Store,
    settings: DriverSettings,
    networks: DashMap<NetworkId, Arc<Network>>,
    endpoints: Endpoints,
    parents: Arc<Parents>,
    network_gates: Gates,
    parent_gates: Gates,
    endpoint_gates: Gates,
    tidiness: Tidiness,
    interfaces: Interfaces,
}

impl<K: Kernel> Driver<K> {
    /// A driver that knows nothing yet; [`Driver::recover`] reads the records.
    pub fn new(kernel: K, store: Store, settings: DriverSettings) -> Self {
        Self {
            kernel,
            store,
            settings,
            networks: DashMap::new(),
            endpoints: Endpoints::default(),
            parents: Arc::default(),
            network_gates: Gates::new(),
            parent_gates: Gates::new(),
            endpoint_gates: Gates::new(),
            tidiness: Tidiness::default(),
            interfaces: Interfaces::default(),
        }
    }

    /// The kernel it works on.
    pub fn kernel(&self) -> &K {
        &self.kernel
    }

    /// How many networks there are.
    pub fn network_count(&self) -> usize {
        self.networks.len()
    }

    /// How many endpoints there are.
    pub fn endpoint_count(&self) -> usize {
        self.endpoints.len()
    }

    fn network(&self, id: &NetworkId) -> Result<Arc<Network>, DriverError> {
        // The map's guard is gone before anything is awaited: only the Arc leaves this function.
        let found = self.networks.get(id).map(|network| Arc::clone(&network));
        found.ok_or_else(|| DriverError::UnknownNetwork(id.clone()))
    }

    fn prober(&self, network: &NetworkId) -> Prober {
        Prober { name: LinkName::of_probe(network), group: self.settings.link_group }
    }
}
