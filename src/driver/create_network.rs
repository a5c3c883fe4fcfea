//! CreateNetwork: from options to a claimed, existing, recorded attachment; or nothing at all.

use std::time::{SystemTime, UNIX_EPOCH};

use tracing::warn;

use super::attach::{Made, ensure, ensure_dummy, remove};
use super::parents::{AttachmentId, Reservation, Root};
use super::resolve::{Target, check_parent, resolve};
use super::{Attachment, Driver, DriverError, Network, ParentError};
use crate::kernel::{Kernel, Link};
use crate::model::address::AddressPools;
use crate::model::ids::NetworkId;
use crate::model::link_name::LinkName;
use crate::model::network::{NetworkRecord, NetworkSpec, ParentSpec};
use crate::model::options::NetworkOptions;

/// What the engine asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewNetwork {
    /// The engine's id.
    pub id: NetworkId,
    /// What the user said.
    pub options: NetworkOptions,
    /// `--internal`.
    pub internal: bool,
    /// The subnets.
    pub pools: AddressPools,
}

/// An attachment that is ready, and what to take back if the network does not come about.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) attachment: Attachment,
    pub(super) reservation: Reservation,
    made: Vec<Made>,
}

/// Whether the parent may hold something of ours already, so that asking the kernel what is there misleads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Occupied {
    /// A new network on a parent that none of ours uses: whatever is there is foreign.
    ByOthers,
    /// A network that had its attachment before: our own children may be there.
    ByUs,
}

impl<K: Kernel> Driver<K> {
    /// Creates a network. The same id with the same content again is a success.
    ///
    /// # Errors
    /// When the options, the parent, the registry, the kernel or the disk are in the way; then nothing has changed.
    pub async fn create_network(&self, new: NewNetwork) -> Result<(), DriverError> {
        let NewNetwork { id, options, internal, pools } = new;
        let spec = NetworkSpec::new(options, internal, pools, &self.settings.defaults)?;
        let _change = self.begin_change().await;
        let _alone = self.network_gates.enter(&id).await;
        if let Ok(existing) = self.network(&id) {
            if existing.record.spec != spec {
                return Err(DriverError::NetworkDiffers(id));
            }
            return Ok(());
        }
        let record = NetworkRecord { id: id.clone(), created_ms: now_ms(), spec };
        let target = self.target(&record.spec).await?;
        let _gate = self.parent_gates.enter(&gate_key(&id, target.as_ref())).await;
        let ready = self.make_ready(&record, target, Occupied::ByOthers).await?;
        if let Err(error) = self.store.save_network(&record).await {
            drop(ready.reservation);
            self.undo(&ready.attachment.id, &ready.made).await;
            return Err(error.into());
        }
        ready.reservation.commit();
        self.networks.insert(id, Network::new(record, Some(ready.attachment)));
        Ok(())
    }

    /// The devices a network is to be attached to; none for a dummy of its own.
    pub(super) async fn target(&self, spec: &NetworkSpec) -> Result<Option<Target>, ParentError> {
        match &spec.parent {
            ParentSpec::Dummy => Ok(None),
            ParentSpec::Device { host_iface, vlan, vlan_settings } => {
                resolve(&self.kernel, host_iface, *vlan, vlan_settings).await.map(Some)
            }
        }
    }

    /// Claims, makes and checks an attachment. The caller holds the gate of the target's root. On an error nothing of
    /// it is left.
    pub(super) async fn make_ready(
        &self,
        record: &NetworkRecord,
        target: Option<Target>,
        occupied: Occupied,
    ) -> Result<Ready, DriverError> {
        let spec = &record.spec;
        let (id, name) = match &target {
            Some(target) => (target.id(), target.name()),
            None => dummy(&record.id),
        };
        let reservation = self.parents.reserve(&id, &record.id, spec.mode, &name)?;
        if let Some(target) = target.as_ref().filter(|target| target.tags.is_empty()) {
            // Before anything is changed, and the base of a VLAN device is checked as such when it is used.
            check_parent(&self.kernel, &target.root, spec.mode).await?;
        }
        let mut made = Vec::new();
        let may_probe = reservation.is_first() && occupied == Occupied::ByOthers;
        match self.make_and_check(record, target.as_ref(), may_probe, &mut made).await {
            Ok(link) => {
                let attachment = Attachment { id, index: link.index, name: link.name };
                Ok(Ready { attachment, reservation, made })
            }
            Err(error) => {
                drop(reservation);
                self.undo(&id, &made).await;
                Err(error.into())
            }
        }
    }

    async fn make_and_check(
        &self,
        record: &NetworkRecord,
        target: Option<&Target>,
        may_probe: bool,
        made: &mut Vec<Made>,
    ) -> Result<Link, ParentError> {
        let spec = &record.spec;
        let group = self.settings.link_group;
        let link = match (target, &spec.parent) {
            (Some(target), ParentSpec::Device { vlan_settings, .. }) => {
                ensure(&self.kernel, target, spec.mode, vlan_settings, group, made).await?
            }
            _ => {
                let name = LinkName::of_internal_parent(&record.id);
                ensure_dummy(&self.kernel, &name, spec.mtu, group, made).await?
            }
        };
        check_parent(&self.kernel, &link, spec.mode).await?;
        if let Some(asked) = spec.mtu.filter(|asked| asked.get() > link.mtu) {
            return Err(ParentError::MtuAboveParent {
                asked: asked.get(),
                parent: link.name,
                parent_mtu: link.mtu,
            });
        }
        // A device that was just made has nothing on it.
        if may_probe && made.iter().all(|made| made.index != link.index) {
            self.prober(&record.id).check_free(&self.kernel, &link, spec.mode).await?;
        }
        Ok(link)
    }

    /// Removes what [`ensure`] made, the innermost first, as far as no network claims it. A lost answer leaves open who
    /// made a device, so the registry is asked; the network it was for has given its claim back.
    async fn undo(&self, attachment: &AttachmentId, made: &[Made]) {
        for made in made.iter().rev() {
            let tags = attachment.tags.iter().take(made.depth).copied().collect();
            if self.parents.in_use(&AttachmentId { root: attachment.root.clone(), tags }) {
                break;
            }
            if let Err(error) = remove(&self.kernel, made.index).await {
                warn!(%error, "a device made for a network that failed is left behind for now");
            }
        }
        // What was made without its being known, because the kernel's answers were lost, is found by a sweep.
        self.tidiness.is_untidy();
    }
}

fn dummy(network: &NetworkId) -> (AttachmentId, String) {
    let name = LinkName::of_internal_parent(network).to_string();
    (AttachmentId { root: Root::Dummy(network.clone()), tags: Vec::new() }, name)
}

/// What the gate of an attachment is keyed by: its root, so that an inner VLAN, its outer one and the device below
/// are one parent.
pub(super) fn gate_key(network: &NetworkId, target: Option<&Target>) -> Root {
    target.map_or_else(|| Root::Dummy(network.clone()), |target| Root::Device(target.root.index))
}

fn now_ms() -> u64 {
    // A clock before 1970 or after the year 500 million only affects which of two clashing networks is the older.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
