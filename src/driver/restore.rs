//! Gives running containers their interfaces back when their parent returns: the kernel removed them with it.
//!
//! Each interface is made right in its container, on the new device, and then given its addresses and routes; what is
//! there already is left, so that it can be done again after a failure at any point. An interface that the container
//! itself removed is not made again: only those whose parent is another device than before are lost.

use std::sync::Arc;

use nix::errno::Errno;
use thiserror::Error;
use tracing::{info, warn};

use super::interfaces::find;
use super::{Attachment, Driver, DriverError, Network};
use crate::failpoint;
use crate::kernel::{Kernel, KernelError, LinkIndex, Sandbox, SandboxView};
use crate::model::endpoint::EndpointRecord;
use crate::model::ids::EndpointId;
use crate::model::interface::Interface;
use crate::model::link_name::LinkName;
use crate::store::StoreError;

/// Why a container did not get its interface back, or not whole.
#[derive(Debug, Error)]
enum RestoreError {
    #[error("the container cannot be reached from here: {0}; restart it")]
    Unreachable(KernelError),
    #[error("its name {name} is another interface's in the container now; restart the container")]
    NameTaken { name: LinkName },
    #[error("{name} was made and is not there: something else removed or moved it")]
    Vanished { name: LinkName },
    #[error("it is there, but not whole: {0}")]
    Incomplete(KernelError),
    #[error(transparent)]
    Refused(#[from] DriverError),
    #[error(transparent)]
    Kernel(#[from] KernelError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl<K: Kernel> Driver<K> {
    /// Gives back all interfaces that went with their parents, as far as these are back.
    pub(super) async fn restore_interfaces(&self) {
        for record in self.endpoints.all().iter().filter(|record| self.is_lost(record)) {
            self.restore_interface(&record.id).await;
        }
    }

    async fn restore_interface(&self, id: &EndpointId) {
        let _alone = self.endpoint_gates.enter(id).await;
        let lost =
            self.endpoints.get(id).filter(|record| self.is_lost(record) && !self.endpoints.has_left(id));
        let Some(record) = lost else { return };
        let Ok(network) = self.network(&record.network) else { return };
        let Some(attachment) = network.attachment() else { return };
        match self.try_restore(&network, &attachment, record).await {
            Ok(name) => {
                self.interfaces.is_there(id);
                info!(
                    endpoint = id.short(),
                    network = network.record.id.short(),
                    parent = attachment.name,
                    interface = name.as_str(),
                    "a running container has its interface back"
                );
            }
            Err(error) => {
                let reason = error.to_string();
                if self.interfaces.is_missing(id, &reason) {
                    let network = network.record.id.short();
                    warn!(endpoint = id.short(), network, reason, "a running container lacks its interface");
                }
            }
        }
    }

    /// Makes the interface, or what is missing of it, and says its name.
    async fn try_restore(
        &self,
        network: &Arc<Network>,
        attachment: &Attachment,
        mut record: EndpointRecord,
    ) -> Result<LinkName, RestoreError> {
        let path = record.sandbox.clone().unwrap_or_default();
        let sandbox = self.kernel.enter(&path).await.map_err(RestoreError::Unreachable)?;
        let mut view = sandbox.look().await?;
        let mut interface = match record.interface.clone() {
            Some(interface) => interface,
            None => as_told(&record, network, &view),
        };
        // A container may have given itself another MAC, but not one that is another container's.
        let is_anothers = |mac| self.endpoints.with_mac(mac).iter().any(|holder| holder.id != record.id);
        if interface.mac.is_some_and(|mac| record.mac != Some(mac) && is_anothers(mac)) {
            interface.mac = record.mac;
        }
        record.interface = Some(interface.clone());
        // Before there is anything in the container, so that whoever deletes the endpoint looks for it there.
        if !record.restored {
            record.restored = true;
            self.store.save_endpoint(&record).await?;
            failpoint::reached("restore.intended");
            self.endpoints.insert(record.clone());
        }
        if find(&view, &record, attachment.index).is_none() {
            self.check_conflicts(network, &record).await?;
            self.check_port_is_ours(network, attachment, &record.id).await?;
            self.make_child_in(&sandbox, network, attachment, &record, &interface).await?;
            failpoint::reached("restore.made");
            view = sandbox.look().await?;
        }
        let Some(link) = find(&view, &record, attachment.index) else {
            return Err(RestoreError::Vanished { name: interface.name });
        };
        if link.name == record.link.as_str() {
            self.name(&sandbox, link.index, &interface.name).await?;
            failpoint::reached("restore.named");
        }
        self.complete(&sandbox, link.index, &interface).await?;
        failpoint::reached("restore.completed");
        record.parent = Some(attachment.index.0);
        self.store.save_endpoint(&record).await?;
        self.endpoints.insert(record);
        Ok(interface.name)
    }

    async fn make_child_in(
        &self,
        sandbox: &K::Sandbox,
        network: &Network,
        attachment: &Attachment,
        record: &EndpointRecord,
        interface: &Interface,
    ) -> Result<(), RestoreError> {
        // Under the endpoint's own name: older kernels refuse one that a device of the host has, such as eth0.
        let mut new = self.new_child(network, attachment, record);
        new.mac = interface.mac;
        match self.kernel.add_link_in(sandbox, &new).await {
            Err(error) if error.is(Errno::EEXIST) => Err(RestoreError::NameTaken { name: new.name }),
            outcome => Ok(outcome?),
        }
    }

    /// Gives a new interface its name; where that is another's, there is none.
    async fn name(
        &self,
        sandbox: &K::Sandbox,
        index: LinkIndex,
        name: &LinkName,
    ) -> Result<(), RestoreError> {
        match sandbox.rename(index, name).await {
            Err(error) if error.is(Errno::EEXIST) => {
                sandbox.delete_link(index).await?;
                Err(RestoreError::NameTaken { name: name.clone() })
            }
            outcome => Ok(outcome?),
        }
    }

    /// Gives an interface the addresses and routes it lacks, and brings it up.
    async fn complete(
        &self,
        sandbox: &K::Sandbox,
        index: LinkIndex,
        interface: &Interface,
    ) -> Result<(), RestoreError> {
        let unless_there = |outcome: Result<(), KernelError>| match outcome {
            Err(error) if error.is(Errno::EEXIST) => Ok(()),
            outcome => outcome,
        };
        // One thing that cannot be had does not keep the others.
        let mut missing = None;
        if interface.has_ipv6() {
            missing = sandbox.allow_ipv6(&interface.name).await.err();
        }
        for address in &interface.addresses {
            missing = unless_there(sandbox.add_address(index, address).await).err().or(missing);
        }
        missing = sandbox.set_up(index).await.err().or(missing);
        failpoint::reached("restore.brought_up");
        for route in interface.routes_in_order() {
            missing = unless_there(sandbox.add_route(index, route).await).err().or(missing);
        }
        missing.map_or(Ok(()), |error| Err(RestoreError::Incomplete(error)))
    }

    /// Removes an interface that was given back, if it is still in its container: an engine that looked for it before it
    /// was there will not look again.
    pub(super) async fn take_back_interface(&self, record: &EndpointRecord) {
        let (Some(path), Some(parent)) = (&record.sandbox, record.parent) else { return };
        // Where there is no namespace any more there is no interface.
        let Ok(sandbox) = self.kernel.enter(path).await else { return };
        let now = self.network(&record.network).ok().and_then(|network| network.attachment());
        let parents = [Some(LinkIndex(parent)), now.map(|attachment| attachment.index)];
        let Ok(view) = sandbox.look().await else { return };
        for parent in parents.into_iter().flatten() {
            if let Some(link) = find(&view, record, parent) {
                if let Err(error) = sandbox.delete_link(link.index).await {
                    warn!(%error, endpoint = record.id.short(), "an interface is left in its container");
                }
                failpoint::reached("restore.taken_back");
                return;
            }
        }
    }
}

/// The interface of an endpoint that was never seen in its container.
fn as_told(record: &EndpointRecord, network: &Network, view: &SandboxView) -> Interface {
    let spec = &network.record.spec;
    let is_taken = |name: &str| view.links.iter().any(|link| link.name == name);
    let numbered = (0_u32..).map(|number| format!("{}{number}", spec.iface_prefix));
    let free = numbered.take(1000).find(|name| !is_taken(name)).and_then(|name| name.parse().ok());
    let name = record.ifname.clone().or(free).unwrap_or_else(|| record.link.clone());
    record.as_told(spec, name, |to| if to.is_ipv4() { view.has_default_v4 } else { view.has_default_v6 })
}
