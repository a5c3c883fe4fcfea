//! What there is to say about networks, containers and records.

use super::{Driver, Place};
use crate::kernel::Kernel;
use crate::model::network::ParentSpec;
use crate::model::status::{MissingInterface, NetworkStatus, Status};

impl<K: Kernel> Driver<K> {
    /// The state as it is now. Nothing is asked of the kernel.
    pub fn status(&self) -> Status {
        let mut networks: Vec<_> =
            self.networks.iter().map(|network| std::sync::Arc::clone(&network)).collect();
        networks
            .sort_by(|a, b| (a.record.created_ms, &a.record.id).cmp(&(b.record.created_ms, &b.record.id)));
        let networks = networks.iter().map(|network| {
            let spec = &network.record.spec;
            let (host_iface, vlan) = match &spec.parent {
                ParentSpec::Device { host_iface, vlan, .. } => (Some(host_iface), vlan.as_ref()),
                ParentSpec::Dummy => (None, None),
            };
            let (parent, waiting) = match network.place() {
                Place::Attached(attachment) => (Some(attachment.name), None),
                Place::Waiting { reason, .. } => (None, Some(reason)),
            };
            NetworkStatus {
                id: network.record.id.to_string(),
                host_iface: host_iface.map(ToString::to_string),
                vlan: vlan.map(ToString::to_string),
                mode: spec.mode.to_string(),
                parent,
                waiting,
                endpoints: self.endpoints.of_network(&network.record.id).len(),
            }
        });
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            networks: networks.collect(),
            missing_interfaces: self.missing_interfaces(),
            unreadable_records: self.tidiness.unreadable(),
        }
    }

    fn missing_interfaces(&self) -> Vec<MissingInterface> {
        let mut missing = Vec::new();
        for record in self.endpoints.all() {
            let (Some(sandbox), false) = (&record.sandbox, self.endpoints.has_left(&record.id)) else {
                continue;
            };
            let is_waiting = self.network(&record.network).is_ok_and(|network| network.is_waiting());
            let reason = match self.is_lost(&record) {
                true => {
                    let known = self.interfaces.reason(&record.id);
                    known.unwrap_or_else(|| "its parent has just come back, and it is next".to_owned())
                }
                false if is_waiting => "its network waits for its parent".to_owned(),
                // It is there, but something that went with it could not be had.
                false => match self.interfaces.reason(&record.id) {
                    Some(reason) => reason,
                    None => continue,
                },
            };
            missing.push(MissingInterface {
                endpoint: record.id.to_string(),
                network: record.network.to_string(),
                sandbox: sandbox.clone(),
                reason,
            });
        }
        missing.sort_by(|a, b| (&a.network, &a.endpoint).cmp(&(&b.network, &b.endpoint)));
        missing
    }
}
