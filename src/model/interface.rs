//! The interface of a running container, as it is in there: what the container gets back when its parent returns.

use std::net::{IpAddr, Ipv4Addr};

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

use super::link_name::LinkName;
use super::mac::MacAddress;

/// How many addresses and routes of one interface are remembered: a container may give itself any number.
pub const MAX_ADDRESSES: usize = 64;
/// See [`MAX_ADDRESSES`].
pub const MAX_ROUTES: usize = 256;

/// An interface with all that goes when it goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interface {
    /// Its name in the container.
    pub name: LinkName,
    /// Its MAC; none where it is the parent's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<MacAddress>,
    /// Its addresses, in the kernel's order: the first of a subnet is the primary one.
    pub addresses: Vec<InterfaceAddress>,
    /// The routes that leave through it, less those that the kernel makes by itself.
    pub routes: Vec<InterfaceRoute>,
}

/// An address of an interface, one that stays until it is removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InterfaceAddress {
    /// The address and its prefix length.
    pub address: IpNetwork,
    /// The other end, on a point-to-point interface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<IpAddr>,
    /// The broadcast address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broadcast: Option<Ipv4Addr>,
    /// The kernel's number of its scope: 0 global, 253 link (`RT_SCOPE_*`, include/uapi/linux/rtnetlink.h).
    pub scope: u8,
    /// The flags that a user chooses (`IFA_F_*`, include/uapi/linux/if_addr.h).
    pub flags: u32,
}

/// A route that leaves through an interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InterfaceRoute {
    /// Where it leads.
    pub destination: IpNetwork,
    /// The next hop; none: the destination is on the link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<IpAddr>,
    /// The address that packets are sent from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<IpAddr>,
    /// Its metric.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<u32>,
    /// Its table; 254 is the main one.
    pub table: u32,
    /// Who made it (`RTPROT_*`).
    pub protocol: u8,
    /// Its scope (`RT_SCOPE_*`).
    pub scope: u8,
    /// Whether the next hop is taken to be on the link (`RTNH_F_ONLINK`).
    pub on_link: bool,
}

/// The main routing table (`RT_TABLE_MAIN`).
pub const MAIN_TABLE: u32 = 254;
/// `RT_SCOPE_UNIVERSE` and `RT_SCOPE_LINK`.
const SCOPE_GLOBAL: u8 = 0;
const SCOPE_LINK: u8 = 253;
/// `RTPROT_BOOT`: made by somebody without a protocol, as engines make theirs.
const PROTOCOL_BOOT: u8 = 3;
/// `IFA_F_NODAD`: engines have no duplicate looked for, as addresses are theirs to give.
const NO_DUPLICATE_CHECK: u32 = 0x02;

impl InterfaceAddress {
    /// An address as engines give it.
    pub fn as_given(address: IpNetwork) -> Self {
        let (broadcast, flags) = match address {
            IpNetwork::V4(v4) if v4.prefix() < 31 => (Some(v4.broadcast()), 0),
            IpNetwork::V4(_) => (None, 0),
            IpNetwork::V6(_) => (None, NO_DUPLICATE_CHECK),
        };
        Self { address, peer: None, broadcast, scope: SCOPE_GLOBAL, flags }
    }
}

impl InterfaceRoute {
    /// A route as engines give it.
    pub fn as_given(destination: IpNetwork, gateway: Option<IpAddr>) -> Self {
        let scope = match (destination, gateway) {
            (IpNetwork::V4(_), None) => SCOPE_LINK,
            _ => SCOPE_GLOBAL,
        };
        let (source, metric) = (None, None);
        let (table, protocol) = (MAIN_TABLE, PROTOCOL_BOOT);
        Self { destination, gateway, source, metric, table, protocol, scope, on_link: false }
    }
}

impl Interface {
    /// Whether it has an IPv6 address.
    pub fn has_ipv6(&self) -> bool {
        self.addresses.iter().any(|address| address.address.is_ipv6())
    }

    /// Its routes in an order in which they can be made: a next hop is reached by a route that is there already.
    pub fn routes_in_order(&self) -> impl Iterator<Item = &InterfaceRoute> {
        let (direct, rest): (Vec<_>, Vec<_>) = self.routes.iter().partition(|route| route.gateway.is_none());
        direct.into_iter().chain(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_as_engines_give_them() {
        let given = |text: &str| InterfaceAddress::as_given(text.parse().unwrap());
        assert_eq!(given("10.0.0.2/24").broadcast, "10.0.0.255".parse().ok());
        assert_eq!(given("10.0.0.2/31").broadcast, None);
        assert_eq!(given("fd00::2/64").flags, NO_DUPLICATE_CHECK);
    }

    #[test]
    fn a_route_over_a_gateway_comes_after_the_route_to_it() {
        let route = |to: &str, gateway: Option<&str>| {
            InterfaceRoute::as_given(to.parse().unwrap(), gateway.map(|gateway| gateway.parse().unwrap()))
        };
        let routes = vec![route("0.0.0.0/0", Some("10.9.0.1")), route("10.9.0.1/32", None)];
        let interface = Interface { name: "eth0".parse().unwrap(), mac: None, addresses: Vec::new(), routes };
        let order: Vec<_> = interface.routes_in_order().map(|route| route.destination.to_string()).collect();
        assert_eq!(order, ["10.9.0.1/32", "0.0.0.0/0"]);
    }
}
