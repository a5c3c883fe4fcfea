//! Gives running containers their interfaces back when their parent returns: the kernel removed them with it.
//!
//! Each interface is made right in its container, on the new device, and then given its addresses and routes; what is
//! there already is left, so that it can be done again after a failure at any point. An interface that the container
//! itself removed is not made again: only those whose parent is another device than before are lost.

use std::sync::Arc;

use nix::errno::Errno;
use thiserror::Error;
use tracing::{info, warn};

use super::interfaces::LONGEST;
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
    #[error("it is still on a device that was {parent} before; restart the container")]
    StillThere { parent: String },
    #[error("it took too long; it is tried again")]
    TooSlow,
    #[error("it is there, but not whole: {0}")]
    Incomplete(KernelError),
    #[error(transparent)]
    Refused(#[from] DriverError),
    #[error(transparent)]
    Kernel(#[from] KernelError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The kernel does not answer.
struct Silence;

/// Whether the same may be done a moment later.
fn may_pass(error: &KernelError) -> bool {
    let passing = [Errno::ENOMEM, Errno::ENOBUFS, Errno::EAGAIN, Errno::EBUSY, Errno::EINTR];
    error.is_uncertain() || passing.iter().any(|errno| error.is(*errno))
}

impl RestoreError {
    fn may_pass(&self) -> bool {
        match self {
            Self::Incomplete(error) => may_pass(error),
            _ => true,
        }
    }

    fn is_silence(&self) -> bool {
        match self {
            Self::TooSlow => true,
            Self::Unreachable(error) | Self::Incomplete(error) | Self::Kernel(error) => error.is_uncertain(),
            Self::Refused(error) => error.is_silence(),
            Self::NameTaken { .. } | Self::Vanished { .. } | Self::StillThere { .. } | Self::Store(_) => {
                false
            }
        }
    }
}

impl<K: Kernel> Driver<K> {
    /// Gives back all interfaces that went with their parents, as far as these are back.
    pub(super) async fn restore_interfaces(&self) {
        for record in self.endpoints.all().iter().filter(|record| self.is_lost(record)) {
            if self.restore_interface(&record.id).await.is_err() {
                // Each further question would be waited for in vain as long.
                break;
            }
        }
    }

    /// Gives one interface back. An error is that the kernel does not answer.
    async fn restore_interface(&self, id: &EndpointId) -> Result<(), Silence> {
        let _alone = self.endpoint_gates.enter(id).await;
        let lost =
            self.endpoints.get(id).filter(|record| self.is_lost(record) && !self.endpoints.has_left(id));
        let Some(record) = lost else { return Ok(()) };
        let Ok(network) = self.network(&record.network) else { return Ok(()) };
        let Some(attachment) = network.attachment() else { return Ok(()) };
        // What was done by then is found the next time.
        let outcome = tokio::time::timeout(LONGEST, self.try_restore(&network, &attachment, record)).await;
        let mut heard = Ok(());
        match outcome.unwrap_or(Err(RestoreError::TooSlow)) {
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
                if error.is_silence() {
                    heard = Err(Silence);
                }
                let reason = error.to_string();
                if self.interfaces.is_missing(id, &reason) {
                    let network = network.record.id.short();
                    warn!(endpoint = id.short(), network, reason, "a running container lacks its interface");
                }
            }
        }
        heard
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
        // The link that it had may be there all the same, when the name of its parent is another device's by now: a second
        // one would be on another network.
        let before = record.parent.map(LinkIndex).filter(|before| *before != attachment.index);
        if before.is_some_and(|before| self.find_interface(&view, &record, before).is_some()) {
            return Err(RestoreError::StillThere { parent: attachment.name.clone() });
        }
        let is_guess = record.interface.is_none();
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
        if self.find_interface(&view, &record, attachment.index).is_none() {
            self.check_conflicts(network, &record).await?;
            self.check_port_is_ours(network, attachment, &record.id).await?;
            self.make_child_in(&sandbox, network, attachment, &record, &interface).await?;
            failpoint::reached("restore.made");
            view = sandbox.look().await?;
        }
        let Some(link) = self.find_interface(&view, &record, attachment.index) else {
            return Err(RestoreError::Vanished { name: interface.name });
        };
        if link.name == record.link.as_str() {
            if let Err(error) = self.name(&sandbox, link.index, &interface.name).await {
                if is_guess {
                    // Another time another name may be free.
                    record.interface = None;
                    self.store.save_endpoint(&record).await?;
                    self.endpoints.insert(record);
                }
                return Err(error);
            }
            failpoint::reached("restore.named");
        }
        let completed = self.complete(&sandbox, link.index, &interface).await;
        if completed.as_ref().is_err_and(RestoreError::may_pass) {
            return completed.map(|()| interface.name);
        }
        failpoint::reached("restore.completed");
        // Also when something cannot be had: the interface is the container's own again, to do with as it likes.
        record.parent = Some(attachment.index.0);
        self.store.save_endpoint(&record).await?;
        self.endpoints.insert(record);
        completed.map(|()| interface.name)
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
            // Somebody in the container brought it up at once, and an older kernel renames none that is up.
            Err(error) if error.is(Errno::EBUSY) => {
                sandbox.delete_link(index).await?;
                Err(error.into())
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
        let mut missing = Ok(());
        let mut note = |outcome: Result<(), KernelError>| match unless_there(outcome) {
            // A kernel that does not answer is not asked on.
            Err(error) if error.is_uncertain() => Err(RestoreError::Incomplete(error)),
            Err(error) => {
                // One that may pass is worth another try, so it is what is told.
                if !matches!(&missing, Err(known) if may_pass(known)) {
                    missing = Err(error);
                }
                Ok(())
            }
            Ok(()) => Ok(()),
        };
        if interface.has_ipv6() {
            note(sandbox.allow_ipv6(&interface.name).await)?;
        }
        for address in &interface.addresses {
            note(sandbox.add_address(index, address).await)?;
        }
        note(sandbox.set_up(index).await)?;
        failpoint::reached("restore.brought_up");
        for route in interface.routes_in_order() {
            note(sandbox.add_route(index, route).await)?;
        }
        missing.map_err(RestoreError::Incomplete)
    }

    /// Removes an interface that was given back, if it is still in its container: an engine that looked for it before it
    /// was there will not look again.
    pub(super) async fn take_back_interface(&self, record: &EndpointRecord) {
        let (Some(path), Some(parent)) = (&record.sandbox, record.parent) else { return };
        // Where there is no namespace any more there is no interface.
        if !self.kernel.has_namespace(path).await {
            return;
        }
        let looked = async {
            let sandbox = self.kernel.enter(path).await?;
            let view = sandbox.look().await?;
            Ok::<_, KernelError>((sandbox, view))
        };
        let (sandbox, view) = match looked.await {
            Ok(looked) => looked,
            Err(error) => {
                warn!(%error, endpoint = record.id.short(), "an interface may be left in its container");
                return;
            }
        };
        let now = self.network(&record.network).ok().and_then(|network| network.attachment());
        let parents = [Some(LinkIndex(parent)), now.map(|attachment| attachment.index)];
        for parent in parents.into_iter().flatten() {
            if let Some(link) = self.find_interface(&view, record, parent) {
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
    // Of routes that are too many to be looked at one is a default, for all that is known.
    let spec = &network.record.spec;
    let is_taken = |name: &str| view.links.iter().any(|link| link.name == name);
    let numbered = (0_u32..).map(|number| format!("{}{number}", spec.iface_prefix));
    let free = numbered.take(1000).find(|name| !is_taken(name)).and_then(|name| name.parse().ok());
    let name = record.ifname.clone().or(free).unwrap_or_else(|| record.link.clone());
    record.as_told(spec, name, |to| {
        view.is_cut || if to.is_ipv4() { view.has_default_v4 } else { view.has_default_v6 }
    })
}
