//! An endpoint: one container's attachment to one network, for the time of one container start.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::{IpNetwork, Ipv4Network, Ipv6Network};
use serde::{Deserialize, Serialize};

use super::ids::{EndpointId, NetworkId};
use super::interface::{Interface, InterfaceAddress, InterfaceRoute};
use super::link_name::LinkName;
use super::mac::{MacAddress, MacPolicy};
use super::network::NetworkSpec;

/// What is known of an endpoint. The record lives in the run directory: it need not survive a reboot, because no
/// container does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndpointRecord {
    /// The engine's id.
    pub id: EndpointId,
    /// The network it is on.
    pub network: NetworkId,
    /// The name of its link while that is in the host.
    pub link: LinkName,
    /// Its MAC; none on ipvlan, whose children have the parent's, and on passthru, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<MacAddress>,
    /// Its IPv4 address and prefix length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpNetwork>,
    /// Its IPv6 address and prefix length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address_v6: Option<IpNetwork>,
    /// The name the user wants in the container (`com.docker.network.endpoint.ifname`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ifname: Option<LinkName>,
    /// The container's network namespace, since Join.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<String>,
    /// The kernel's number of the device that its link was made on. When its network is on another, the link went with
    /// that device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<u32>,
    /// Its interface as it was last seen in the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<Interface>,
    /// Whether its container let go of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub left: bool,
    /// Whether its interface was, or was about to be, made again right in the container.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub restored: bool,
}

impl EndpointRecord {
    /// The addresses it has, IPv4 first.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        [self.address, self.address_v6].into_iter().flatten().map(|network| network.ip())
    }

    /// The gateways for IPv4 and IPv6: those of the subnets its addresses lie in. None on an internal network,
    /// and none where the parent routes.
    pub fn gateways(&self, network: &NetworkSpec) -> (Option<IpAddr>, Option<IpAddr>) {
        if network.internal || network.mode.is_routed() {
            return (None, None);
        }
        let of = |address: Option<IpNetwork>| address.and_then(|a| network.pools.gateway_of(a.ip()));
        (of(self.address), of(self.address_v6))
    }

    /// The destinations that the container reaches straight out of its interface, without a gateway, where the parent
    /// routes: everything, in the families it has an address of; on an internal network its other subnets only.
    pub fn connected_routes(&self, network: &NetworkSpec) -> Vec<IpNetwork> {
        if !network.mode.is_routed() {
            return Vec::new();
        }
        let own: Vec<IpNetwork> = [self.address, self.address_v6].into_iter().flatten().collect();
        if !network.internal {
            return own.iter().map(everything).collect();
        }
        let same_family = |subnet: &IpNetwork| own.iter().any(|a| a.is_ipv4() == subnet.is_ipv4());
        let is_own = |subnet: &IpNetwork| own.iter().any(|a| subnet.contains(a.ip()));
        let subnets = network.pools.iter().map(|pool| pool.subnet);
        subnets.filter(|subnet| same_family(subnet) && !is_own(subnet)).collect()
    }
}

impl EndpointRecord {
    /// The interface that an engine makes of what it was told, when it was never seen: without a default route in the
    /// families that have one already, as only one of a container's networks gives it.
    pub fn as_told(
        &self,
        network: &NetworkSpec,
        name: LinkName,
        has_default: impl Fn(&IpNetwork) -> bool,
    ) -> Interface {
        let own = [self.address, self.address_v6].into_iter().flatten();
        let (gateway, gateway_v6) = self.gateways(network);
        let mut routes: Vec<InterfaceRoute> = self
            .connected_routes(network)
            .into_iter()
            .map(|destination| InterfaceRoute::as_given(destination, None))
            .collect();
        for gateway in [gateway, gateway_v6].into_iter().flatten() {
            routes.push(InterfaceRoute::as_given(everything(&gateway.into()), Some(gateway)));
        }
        routes.retain(|route| route.destination.prefix() > 0 || !has_default(&route.destination));
        let addresses = own.map(InterfaceAddress::as_given).collect();
        Interface { name, mac: self.mac, addresses, routes }
    }
}

/// All addresses of an address's family.
fn everything(address: &IpNetwork) -> IpNetwork {
    match address {
        IpNetwork::V4(_) => EVERYTHING_V4.into(),
        IpNetwork::V6(_) => EVERYTHING_V6.into(),
    }
}

// Evaluated by the compiler, so that what cannot fail does not fail at run time.
const EVERYTHING_V4: Ipv4Network = match Ipv4Network::new_checked(Ipv4Addr::UNSPECIFIED, 0) {
    Some(network) => network,
    None => panic!("a prefix of no bits is one"),
};
const EVERYTHING_V6: Ipv6Network = match Ipv6Network::new_checked(Ipv6Addr::UNSPECIFIED, 0) {
    Some(network) => network,
    None => panic!("a prefix of no bits is one"),
};

/// The MAC for a new endpoint to which the user gave none, or none where the kind has no choice of MAC.
/// `random` is called for the policy of that name.
pub fn choose_mac(
    network: &NetworkId,
    spec: &NetworkSpec,
    endpoint: &EndpointId,
    address: Option<IpAddr>,
    random: impl FnOnce() -> [u8; 6],
) -> Option<MacAddress> {
    if !spec.mode.chooses_mac() {
        return None;
    }
    Some(match (spec.mac, address) {
        (MacPolicy::Random, _) => MacAddress::locally_administered(random()),
        (MacPolicy::Ip, Some(address)) => MacAddress::of_address(network, address),
        (MacPolicy::Ip, None) => MacAddress::of_endpoint(network, endpoint.as_str()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::address::{AddressPool, AddressPools};
    use crate::model::network::NetworkDefaults;
    use crate::model::options::NetworkOptions;

    fn network(mode: &str, internal: bool) -> NetworkSpec {
        let given = [("host_iface", "eth1"), ("mode", mode)];
        let given = given.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let pool = |subnet: &str, gateway: &str| AddressPool {
            subnet: subnet.parse().unwrap(),
            gateway: Some(gateway.parse().unwrap()),
        };
        let pools: AddressPools =
            [pool("10.0.0.0/24", "10.0.0.1"), pool("10.0.7.0/24", "10.0.7.1"), pool("fd00::/64", "fd00::1")]
                .into_iter()
                .collect();
        let options = NetworkOptions::parse(&given).unwrap();
        NetworkSpec::new(options, internal, pools, &NetworkDefaults::default()).unwrap()
    }

    fn endpoint() -> EndpointRecord {
        let id: EndpointId = "e1".parse().unwrap();
        EndpointRecord {
            link: LinkName::of_endpoint(&id),
            id,
            network: "n1".parse().unwrap(),
            mac: None,
            address: Some("10.0.0.2/24".parse().unwrap()),
            address_v6: Some("fd00::2/64".parse().unwrap()),
            ifname: None,
            sandbox: None,
            parent: None,
            interface: None,
            left: false,
            restored: false,
        }
    }

    #[test]
    fn gateways_are_given_where_they_are_of_use() {
        let (v4, v6) = endpoint().gateways(&network("bridge", false));
        assert_eq!((v4.unwrap().to_string(), v6.unwrap().to_string()), ("10.0.0.1".into(), "fd00::1".into()));
        assert_eq!(endpoint().gateways(&network("bridge", true)), (None, None));
        assert_eq!(endpoint().gateways(&network("l3", false)), (None, None));
        let routes = |mode, internal| {
            let routes = endpoint().connected_routes(&network(mode, internal));
            routes.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(routes("l3", false), ["0.0.0.0/0", "::/0"]);
        assert_eq!(routes("l3s", true), ["10.0.7.0/24"], "of its other subnets, those it has an address for");
        assert!(routes("l2", false).is_empty() && routes("bridge", true).is_empty());
    }

    #[test]
    fn macs_are_chosen_by_policy() {
        let network_id: NetworkId = "n1".parse().unwrap();
        let id: EndpointId = "e1".parse().unwrap();
        let address: IpAddr = "10.0.0.2".parse().unwrap();
        let ip = Some(address);
        let choose = |mode, ip| choose_mac(&network_id, &network(mode, false), &id, ip, || [0xff; 6]);
        assert_eq!(choose("bridge", ip), Some(MacAddress::of_address(&network_id, address)));
        assert!(choose("bridge", None).is_some());
        assert_eq!(choose("l2", ip), None);
        assert_eq!(choose("passthru", ip), None);
    }
}
