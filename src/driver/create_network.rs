//! CreateNetwork: from options to a claimed, existing, recorded attachment; or nothing at all.

use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::MutexGuard;
use tracing::warn;

use super::attach::{Asked, Made, ensure, ensure_dummy};
use super::parents::{AttachmentId, ClaimConflict, Reservation, Root};
use super::resolve::{Target, check_parent, resolve};
use super::{Attachment, Driver, DriverError, Network, ParentError, Place};
use crate::failpoint;
use crate::kernel::Kernel;
use crate::model::address::AddressPools;
use crate::model::ids::NetworkId;
use crate::model::link_name::LinkName;
use crate::model::network::{NetworkRecord, NetworkSpec, ParentSpec};
use crate::model::options::NetworkOptions;
use crate::model::vlan::VlanSettings;

/// How often a name may come to mean another device while it is looked at.
const ATTEMPTS: usize = 5;

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

/// Whether a call made what it asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Creation {
    /// It did.
    New,
    /// An earlier call had.
    Repeated,
}

impl<K: Kernel> Driver<K> {
    /// Creates a network. The same id with the same content again is a success.
    ///
    /// # Errors
    /// When the options, the parent, the registry, the kernel or the disk are in the way; then nothing has changed, but
    /// that a base that was down may be up.
    pub async fn create_network(&self, new: NewNetwork) -> Result<Creation, DriverError> {
        let NewNetwork { id, options, internal, pools } = new;
        let spec = NetworkSpec::new(options, internal, pools, &self.settings.defaults)?;
        // Those that were there before have the first word about their parents.
        self.attach_waiting().await;
        let _change = self.begin_change().await;
        let _alone = self.network_gates.enter(&id).await;
        if let Ok(existing) = self.network(&id) {
            if existing.record.spec != spec {
                return Err(DriverError::NetworkDiffers(id));
            }
            return Ok(Creation::Repeated);
        }
        let record = NetworkRecord { id: id.clone(), created_ms: now_ms(), spec };
        let (target, _gate) = self.enter_parent(&record).await?;
        let reservation = self.reserve(&record, target.as_ref())?;
        failpoint::reached("create_network.claimed");
        let mut made = Vec::new();
        let may_probe = reservation.is_first();
        let outcome = self.make_attachment(&record, target.as_ref(), may_probe, &mut made).await;
        let saved = match outcome {
            Ok(attachment) => {
                failpoint::reached("create_network.attached");
                self.store.save_network(&record).await.map(|()| attachment).map_err(DriverError::from)
            }
            Err(error) => Err(error.into()),
        };
        match saved {
            Ok(attachment) => {
                failpoint::reached("create_network.recorded");
                reservation.commit();
                self.networks.insert(id, Network::new(record, Place::Attached(attachment)));
                Ok(Creation::New)
            }
            Err(error) => {
                let id = reservation.id().clone();
                drop(reservation);
                failpoint::reached("create_network.refused");
                self.undo(&id, &record.id, &made).await;
                Err(error)
            }
        }
    }

    /// Finds what a network is to be attached to, and enters the gate of its root. It is looked for again inside: while
    /// this call waited, the last network of a VLAN may have taken its device along.
    pub(super) async fn enter_parent(
        &self,
        record: &NetworkRecord,
    ) -> Result<(Option<Target>, MutexGuard<'_, ()>), ParentError> {
        let mut target = self.target(&record.spec).await?;
        for _ in 0..ATTEMPTS {
            let key = gate_key(&record.id, target.as_ref());
            let gate = self.parent_gates.enter(&key).await;
            target = self.target(&record.spec).await?;
            if gate_key(&record.id, target.as_ref()) == key {
                return Ok((target, gate));
            }
        }
        Err(ParentError::Unsteady { asked: target.map(|target| target.name()).unwrap_or_default() })
    }

    /// The devices a network is to be attached to; none for a dummy of its own.
    async fn target(&self, spec: &NetworkSpec) -> Result<Option<Target>, ParentError> {
        match &spec.parent {
            ParentSpec::Dummy => Ok(None),
            ParentSpec::Device { host_iface, vlan, vlan_settings } => {
                resolve(&self.kernel, host_iface, *vlan, vlan_settings).await.map(Some)
            }
        }
    }

    /// Claims a network's attachment.
    pub(super) fn reserve(
        &self,
        record: &NetworkRecord,
        target: Option<&Target>,
    ) -> Result<Reservation, ClaimConflict> {
        let spec = &record.spec;
        let (id, name) = match target {
            Some(target) => (target.id(), target.name()),
            None => dummy(&record.id),
        };
        let settings = match &spec.parent {
            ParentSpec::Device { vlan_settings, .. } => vlan_settings.clone(),
            ParentSpec::Dummy => VlanSettings::default(),
        };
        self.parents.reserve(&id, &record.id, spec.mode, &settings, &name)
    }

    /// Makes and checks what was claimed. The caller holds the gate of the target's root, and on an error undoes what
    /// was pushed to `made`.
    pub(super) async fn make_attachment(
        &self,
        record: &NetworkRecord,
        target: Option<&Target>,
        may_probe: bool,
        made: &mut Vec<Made>,
    ) -> Result<Attachment, ParentError> {
        let spec = &record.spec;
        let group = self.settings.link_group;
        let (id, link) = match (target, &spec.parent) {
            (Some(target), ParentSpec::Device { vlan_settings, .. }) => {
                if target.tags.is_empty() {
                    // Before anything is changed; the base of a VLAN device is checked as such when it is used.
                    check_parent(&self.kernel, &target.root, spec.mode).await?;
                }
                let id = target.id();
                let levels = 1..=id.tags.len();
                let asked = Asked {
                    own: vlan_settings,
                    by_all: levels.map(|depth| self.parents.settings(&id.outer(depth))).collect(),
                };
                let link = ensure(&self.kernel, target, spec.mode, &asked, group, made).await?;
                (id, link)
            }
            _ => {
                let name = LinkName::of_internal_parent(&record.id);
                (dummy(&record.id).0, ensure_dummy(&self.kernel, &name, spec.mtu, group, made).await?)
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
        Ok(Attachment { id, index: link.index, name: link.name })
    }

    /// Removes what was made for a network that did not come about, the innermost first, as far as no network claims it.
    /// A lost answer leaves open who made a device, so the registry is asked, and the device itself.
    async fn undo(&self, attachment: &AttachmentId, network: &NetworkId, made: &[Made]) {
        for made in made.iter().rev() {
            if self.parents.in_use(&attachment.outer(made.depth)) {
                break;
            }
            if let Err(error) = self.remove_device(network, made.index).await {
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
fn gate_key(network: &NetworkId, target: Option<&Target>) -> Root {
    target.map_or_else(|| Root::Dummy(network.clone()), |target| Root::Device(target.root.index))
}

fn now_ms() -> u64 {
    // A clock before 1970 or after the year 500 million only affects which of two clashing networks is the older.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
