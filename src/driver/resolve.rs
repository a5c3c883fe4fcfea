//! From what a user wrote (`host_iface`, `vlan`) to devices: which one is at the bottom, which tags are on the way up,
//! and which of the VLAN devices are known already. Reads the kernel and changes nothing.

use super::parent_error::ParentError;
use super::parents::{AttachmentId, Root};
use crate::kernel::{Kernel, KernelError, Link, LinkKind};
use crate::model::link_name::DeviceName;
use crate::model::mode::Mode;
use crate::model::vlan::{VlanId, VlanPath, VlanProtocol, VlanSettings, VlanTag};

/// How many VLAN devices deep a device may stand before it is taken as a bottom of its own.
const MAX_DEPTH: usize = 8;

/// Where a network is to be attached.
#[derive(Debug, Clone)]
pub(super) struct Target {
    /// The device at the bottom.
    pub(super) root: Link,
    /// The tags from the outermost in.
    pub(super) tags: Vec<VlanTag>,
    /// The VLAN devices that are known to exist, for the first tags.
    pub(super) known: Vec<Link>,
}

impl Target {
    pub(super) fn id(&self) -> AttachmentId {
        AttachmentId { root: Root::Device(self.root.index), tags: self.tags.clone() }
    }

    /// The name a person would use for the attachment.
    pub(super) fn name(&self) -> String {
        match self.known.last() {
            Some(device) if self.known.len() == self.tags.len() => device.name.clone(),
            _ => {
                let ids = self.tags.iter().map(|tag| format!(".{}", tag.id));
                std::iter::once(self.root.name.clone()).chain(ids).collect()
            }
        }
    }
}

/// A device that has the name asked for, or that the name's VLAN suffixes stand on.
struct Found {
    link: Link,
    /// The VLAN ids in the rest of the name, outermost first.
    suffix: Vec<VlanId>,
}

/// Finds what `host_iface` and `vlan` stand for.
///
/// # Errors
/// When there is no such device, when the two contradict each other, or when the kernel does not answer.
pub(super) async fn resolve<K: Kernel>(
    kernel: &K,
    host_iface: &DeviceName,
    vlan: Option<VlanPath>,
    settings: &VlanSettings,
) -> Result<Target, ParentError> {
    let Found { link, suffix } = find(kernel, host_iface).await?;
    let (root, mut known) = descend(kernel, link).await?;
    let standing: Vec<VlanTag> = known.iter().filter_map(Link::vlan_tag).collect();
    let said: Vec<VlanId> = standing.iter().map(|tag| tag.id).chain(suffix.iter().copied()).collect();
    let added = match vlan {
        Some(path) if said.is_empty() => path.ids(),
        Some(path) if path.ids() != said => {
            return Err(ParentError::VlanDisagrees {
                host_iface: host_iface.to_string(),
                said: said.iter().map(ToString::to_string).collect::<Vec<_>>().join("."),
                vlan: path,
                base: root.name,
            });
        }
        _ => suffix,
    };
    let count = standing.len() + added.len();
    if !added.is_empty() && count > 2 {
        return Err(ParentError::TooManyTags { asked: host_iface.to_string(), count });
    }
    let tags = with_protocols(&standing, &added, settings);
    check_protocol(&known, &tags, settings)?;
    if let (true, Some(key)) = (tags.is_empty(), settings.asked().first()) {
        return Err(ParentError::NotAVlan { key, parent: root.name });
    }
    known.truncate(tags.len());
    Ok(Target { root, tags, known })
}

/// Looks the name up as it is; then, with VLAN suffixes taken off, its base.
async fn find<K: Kernel>(kernel: &K, asked: &DeviceName) -> Result<Found, ParentError> {
    let mut suffix = Vec::new();
    let mut name = asked.clone();
    loop {
        if let Some(link) = kernel.link_by_name(&name).await? {
            return Ok(Found { link, suffix });
        }
        match name.split_vlan_suffix() {
            Some((base, vlan)) if suffix.len() < MAX_DEPTH => {
                suffix.insert(0, vlan);
                name = base;
            }
            _ => break,
        }
    }
    let reading = match asked.split_vlan_suffix() {
        Some((base, vlan)) => format!(" (nor {base} to put VLAN {vlan} on)"),
        None => String::new(),
    };
    Err(ParentError::Missing { asked: asked.to_string(), reading })
}

/// Goes down from a VLAN device to what it stands on. A device whose base is in another namespace is a bottom.
async fn descend<K: Kernel>(kernel: &K, link: Link) -> Result<(Link, Vec<Link>), KernelError> {
    let mut root = link;
    let mut above = Vec::new();
    while let (Some(_), Some(lower), true) = (root.vlan_tag(), root.lower, above.len() < MAX_DEPTH) {
        match kernel.link_by_index(lower).await? {
            Some(below) => above.insert(0, std::mem::replace(&mut root, below)),
            None => break,
        }
    }
    Ok((root, above))
}

/// The tags of the whole way up. One tag is 802.1Q unless the options say otherwise; of two that were asked for the
/// outer is 802.1ad unless they say otherwise, and the inner is 802.1Q.
fn with_protocols(standing: &[VlanTag], added: &[VlanId], settings: &VlanSettings) -> Vec<VlanTag> {
    let mut tags = standing.to_vec();
    for (position, id) in added.iter().enumerate() {
        let is_only = tags.is_empty() && added.len() == 1;
        let is_outer = position == 0 && added.len() == 2;
        let protocol = match settings.protocol {
            Some(protocol) if is_only || is_outer => protocol,
            None if is_outer => VlanProtocol::Dot1ad,
            _ => VlanProtocol::Dot1q,
        };
        tags.push(VlanTag { protocol, id: *id });
    }
    tags
}

/// An existing outermost device must have the protocol that the options ask for, and under an inner tag that is yet
/// to be made the one that is usual there: or else what `eth1.100.20` means would depend on what was there first.
fn check_protocol(known: &[Link], tags: &[VlanTag], settings: &VlanSettings) -> Result<(), ParentError> {
    let (Some(device), Some(tag)) = (known.first(), tags.first()) else { return Ok(()) };
    let is_under_new = tags.len() > known.len();
    match settings.protocol {
        Some(wanted) if wanted != tag.protocol => Err(ParentError::Differs {
            device: device.name.clone(),
            has: format!("vlan_protocol={}", tag.protocol),
            asked: format!("vlan_protocol={wanted}"),
        }),
        None if is_under_new && tag.protocol != VlanProtocol::Dot1ad => {
            Err(ParentError::OuterProtocol { device: device.name.clone(), has: tag.protocol })
        }
        _ => Ok(()),
    }
}

/// Whether children in this mode can be attached to the device.
///
/// # Errors
/// A sentence for each sort of device that cannot be a parent.
pub(super) async fn check_parent<K: Kernel>(kernel: &K, link: &Link, mode: Mode) -> Result<(), ParentError> {
    let device = link.name.clone();
    if link.kind == LinkKind::Loopback {
        return Err(ParentError::Loopback { device });
    }
    if link.is_child() {
        let kind = match &link.kind {
            LinkKind::Ipvlan(_) => "ipvlan".to_owned(),
            LinkKind::Other(Some(kind)) => kind.clone(),
            _ => "macvlan".to_owned(),
        };
        return Err(ParentError::Child { device, kind });
    }
    if !link.is_ethernet && matches!(mode, Mode::Macvlan { .. }) {
        return Err(ParentError::NotEthernet { device });
    }
    check_radio(link, mode)?;
    check_port(kernel, link).await
}

fn check_radio(link: &Link, mode: Mode) -> Result<(), ParentError> {
    match mode {
        Mode::Macvlan { .. } if link.is_wifi => Err(ParentError::WifiStation { device: link.name.clone() }),
        _ => Ok(()),
    }
}

/// Whether a VLAN device for children in this mode can be put on the device. A bridge's port can carry one: VLAN devices get their frames
/// before the bridge does (`__netif_receive_skb_core`, net/core/dev.c).
pub(super) async fn check_base<K: Kernel>(kernel: &K, link: &Link, mode: Mode) -> Result<(), ParentError> {
    if link.kind == LinkKind::Loopback {
        return Err(ParentError::Loopback { device: link.name.clone() });
    }
    check_radio(link, mode)?;
    if link.controller_kind.as_deref() == Some("bridge") {
        return Ok(());
    }
    check_port(kernel, link).await
}

async fn check_port<K: Kernel>(kernel: &K, link: &Link) -> Result<(), ParentError> {
    let Some(controller) = link.controller else { return Ok(()) };
    let role = match link.controller_kind.as_deref() {
        Some("bridge") => "port",
        // A VRF is a routing table, not a switch: its members keep their frames.
        Some("vrf") => return Ok(()),
        Some("bond" | "team") => "member",
        _ => "port",
    };
    let found = kernel.link_by_index(controller).await?;
    let controller = found.map_or_else(|| format!("the device with index {controller}"), |link| link.name);
    Err(ParentError::Port { device: link.name.clone(), role, controller })
}
