//! Why a device cannot be a network's parent: one sentence each, with what is in the way and what to do.

use thiserror::Error;

use crate::kernel::KernelError;
use crate::model::vlan::{VlanPath, VlanProtocol};

/// Why a network's parent cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ParentError {
    /// Nothing has the name, and nothing its VLAN could sit on.
    #[error(
        "no interface named {asked} on this host{reading}: create it, or name another with -o host_iface"
    )]
    Missing {
        /// What was asked for.
        asked: String,
        /// How a name with a VLAN suffix was read, or nothing.
        reading: String,
    },
    /// `host_iface=eth1.20` beside another `vlan=`.
    #[error(
        "host_iface={host_iface} already says VLAN {said}, and vlan={vlan} says another: leave one of them out, or for \
         two tags say host_iface={base} and vlan=OUTER.INNER"
    )]
    VlanDisagrees {
        /// The name as it was given.
        host_iface: String,
        /// The tags it stands for.
        said: String,
        /// The option as it was given.
        vlan: VlanPath,
        /// The device below the VLAN.
        base: String,
    },
    /// More tags than two.
    #[error("{asked} would have {count} VLAN tags: at most two, outer and inner, are possible")]
    TooManyTags {
        /// What was asked for.
        asked: String,
        /// How many tags it comes to.
        count: usize,
    },
    /// VLAN options on a device that is none.
    #[error("{key} is for VLAN devices, and {parent} is none: say -o vlan=ID beside it, or leave it out")]
    NotAVlan {
        /// The option that was given.
        key: &'static str,
        /// The parent.
        parent: String,
    },
    /// The device exists and is made otherwise.
    #[error(
        "{device} exists with {has}, and the options ask for {asked}: leave the option out, or remove the device"
    )]
    Differs {
        /// The device's name.
        device: String,
        /// How it is made.
        has: String,
        /// How it should be.
        asked: String,
    },
    /// Another device has the name that the VLAN device would get.
    #[error("cannot make VLAN {tag} on {base}: another device is named {name}; rename or remove it")]
    NameTaken {
        /// Protocol and id.
        tag: String,
        /// The device it would sit on.
        base: String,
        /// The name.
        name: String,
    },
    /// The loopback device.
    #[error(
        "{device} is the loopback device, and nothing can be attached to it: name the interface that leads to the network"
    )]
    Loopback {
        /// Its name.
        device: String,
    },
    /// A port of a bridge, bond, team or switch.
    #[error(
        "{device} is a {role} of {controller}, which takes all its frames: use {controller} as the parent"
    )]
    Port {
        /// Its name.
        device: String,
        /// What it is there.
        role: &'static str,
        /// The bridge, bond, team or switch.
        controller: String,
    },
    /// A child of another parent.
    #[error(
        "{device} is itself a child ({kind}) of another parent, and the kernel would attach to the device below it: use that device as the parent"
    )]
    Child {
        /// Its name.
        device: String,
        /// Its kind.
        kind: String,
    },
    /// Wi-Fi with macvlan.
    #[error(
        "{device} is a Wi-Fi interface, and access points drop frames of MAC addresses they do not know: use mode=l2 (ipvlan)"
    )]
    WifiStation {
        /// Its name.
        device: String,
    },
    /// Something else uses the parent in a way that excludes ours.
    #[error("{device} is in use by {by}, which excludes {kind}: {remedy}")]
    Foreign {
        /// The parent's name.
        device: String,
        /// What is there.
        by: &'static str,
        /// The kind that was wanted.
        kind: String,
        /// What to do.
        remedy: &'static str,
    },
    /// An MTU that the parent cannot carry.
    #[error(
        "mtu={asked} is more than the {parent_mtu} of the parent {parent}: ask for at most {parent_mtu}, or raise the parent's"
    )]
    MtuAboveParent {
        /// What was asked for, in bytes.
        asked: u32,
        /// The parent.
        parent: String,
        /// The parent's, in bytes.
        parent_mtu: u32,
    },
    /// Another device each time it is looked at.
    #[error(
        "{asked} comes to mean another device while it is looked at: wait until it is set up, and try again"
    )]
    Unsteady {
        /// What was asked for.
        asked: String,
    },
    /// Not an Ethernet device.
    #[error("{device} is not an Ethernet interface, and macvlan needs one: use another parent")]
    NotEthernet {
        /// Its name.
        device: String,
    },
    /// A single tag where the outer of two is to be.
    #[error(
        "{device} exists with vlan_protocol={has}, and the outer of two tags is 802.1ad unless it is said otherwise: say -o vlan_protocol={has}"
    )]
    OuterProtocol {
        /// The device's name.
        device: String,
        /// Its protocol.
        has: VlanProtocol,
    },
    /// The kernel refused, or did not answer.
    #[error(transparent)]
    Kernel(#[from] KernelError),
}
