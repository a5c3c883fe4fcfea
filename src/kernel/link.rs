//! Links as the kernel shows them, and links to be made.

use std::fmt;
use std::net::IpAddr;

use crate::model::link_name::LinkName;
use crate::model::mac::MacAddress;
use crate::model::mode::{IpvlanFlag, IpvlanMode, MacvlanMode};
use crate::model::mtu::Mtu;
use crate::model::qos::QosMap;
use crate::model::vlan::{VlanSettings, VlanTag};

/// The kernel's number of a link: stable while the link lives, whatever its name, and not used again after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkIndex(pub u32);

impl fmt::Display for LinkIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The flags of a VLAN device, as the kernel reports them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VlanFlags {
    /// Takes part in GVRP.
    pub gvrp: bool,
    /// Takes part in MVRP.
    pub mvrp: bool,
    /// Stays up when its base goes down.
    pub loose_binding: bool,
    /// Takes the tag out of received frames.
    pub reorder_hdr: bool,
}

impl Default for VlanFlags {
    /// What the kernel gives a device made without flags (`vlan_dev_init`, net/8021q/vlan_dev.c).
    fn default() -> Self {
        Self { gvrp: false, mvrp: false, loose_binding: false, reorder_hdr: true }
    }
}

/// What sort of link it is, as far as the driver needs to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkKind {
    /// An 802.1Q or 802.1ad device.
    Vlan {
        /// Its tag.
        tag: VlanTag,
        /// Its flags.
        flags: VlanFlags,
        /// From the tag's priority to the kernel's.
        ingress_qos: QosMap,
        /// From the kernel's priority to the tag's.
        egress_qos: QosMap,
    },
    /// A macvlan child; `None` is a mode that trunkline does not use (`source`).
    Macvlan(Option<MacvlanMode>),
    /// An ipvlan child; `None` is a mode of a future kernel.
    Ipvlan(Option<(IpvlanMode, IpvlanFlag)>),
    /// A dummy device.
    Dummy,
    /// The loopback device.
    Loopback,
    /// Any other, by the kernel's name; physical devices have none.
    Other(Option<String>),
}

/// A link, as the kernel shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its number.
    pub index: LinkIndex,
    /// Its name.
    pub name: String,
    /// Its other names.
    pub alternative_names: Vec<String>,
    /// Its sort.
    pub kind: LinkKind,
    /// The device below it (VLANs and children), when that is in this namespace.
    pub lower: Option<LinkIndex>,
    /// The bridge, bond, team or switch it is a port of.
    pub controller: Option<LinkIndex>,
    /// The kind of that (`bridge`, `bond`, `team`, `openvswitch`), when the kernel says it.
    pub controller_kind: Option<String>,
    /// In bytes.
    pub mtu: u32,
    /// Its MAC.
    pub mac: Option<MacAddress>,
    /// Whether it is up.
    pub up: bool,
    /// Whether it carries Ethernet frames; tunnels of IP packets do not.
    pub is_ethernet: bool,
    /// Its group; 0 unless somebody set one.
    pub group: u32,
    /// Whether a radio is behind it. What an access point does with frames of foreign MACs makes macvlan useless on a
    /// station; that an interface is itself an access point is rare on a Docker host, and not told apart here.
    pub is_wifi: bool,
}

impl Link {
    /// The tag, if it is a VLAN device.
    pub fn vlan_tag(&self) -> Option<VlanTag> {
        match self.kind {
            LinkKind::Vlan { tag, .. } => Some(tag),
            _ => None,
        }
    }

    /// Whether it is a child of a parent: macvlan, macvtap, ipvlan or ipvtap.
    pub fn is_child(&self) -> bool {
        match &self.kind {
            LinkKind::Macvlan(_) | LinkKind::Ipvlan(_) => true,
            LinkKind::Other(Some(kind)) => kind == "macvtap" || kind == "ipvtap",
            _ => false,
        }
    }
}

/// An address of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkAddress {
    /// The address.
    pub address: IpAddr,
    /// Whether the kernel gave it by itself: an IPv6 link-local one, or one from a router advertisement.
    pub automatic: bool,
}

/// A link to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLink {
    /// Its name.
    pub name: LinkName,
    /// Its group, which marks it as ours from its first moment on.
    pub group: u32,
    /// Its MTU; none: what the kernel gives it, which is its parent's.
    pub mtu: Option<Mtu>,
    /// Its MAC; none: what the kernel gives it.
    pub mac: Option<MacAddress>,
    /// Whether it is brought up at once.
    pub up: bool,
    /// Its sort.
    pub kind: NewLinkKind,
}

/// The sorts of links that are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewLinkKind {
    /// A VLAN device.
    Vlan {
        /// The device it sits on.
        base: LinkIndex,
        /// Its tag.
        tag: VlanTag,
        /// Flags and priority maps; the protocol in here is not looked at, the tag's is.
        settings: VlanSettings,
    },
    /// A dummy device.
    Dummy,
    /// A macvlan child.
    Macvlan {
        /// Its parent.
        parent: LinkIndex,
        /// Its mode.
        mode: MacvlanMode,
        /// The length of the queue for broadcasts.
        bcqueuelen: Option<u32>,
    },
    /// An ipvlan child.
    Ipvlan {
        /// Its parent.
        parent: LinkIndex,
        /// Its mode.
        mode: IpvlanMode,
        /// Its flag.
        flag: IpvlanFlag,
    },
}

impl NewLink {
    /// What making it is called in messages.
    pub fn describe(&self) -> String {
        let name = &self.name;
        match &self.kind {
            NewLinkKind::Vlan { base, tag, .. } => {
                format!(
                    "create VLAN device {name} ({} id {}) on the device with index {base}",
                    tag.protocol, tag.id
                )
            }
            NewLinkKind::Dummy => format!("create dummy device {name}"),
            NewLinkKind::Macvlan { parent, .. } => {
                format!("create macvlan link {name} on the device with index {parent}")
            }
            NewLinkKind::Ipvlan { parent, .. } => {
                format!("create ipvlan link {name} on the device with index {parent}")
            }
        }
    }
}
