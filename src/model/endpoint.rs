//! An endpoint: one container's attachment to one network, for the time of one container start.

use std::net::IpAddr;

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

use super::ids::{EndpointId, NetworkId};
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
}

/// An address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
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

    /// The families in which the container gets a default route straight out of its interface, without a gateway:
    /// those it has an address of, where the parent routes.
    pub fn routed_families(&self, network: &NetworkSpec) -> Vec<Family> {
        if network.internal || !network.mode.is_routed() {
            return Vec::new();
        }
        let v4 = self.address.map(|_| Family::V4);
        let v6 = self.address_v6.map(|_| Family::V6);
        v4.into_iter().chain(v6).collect()
    }
}

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
            [pool("10.0.0.0/24", "10.0.0.1"), pool("fd00::/64", "fd00::1")].into_iter().collect();
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
        }
    }

    #[test]
    fn gateways_are_given_where_they_are_of_use() {
        let (v4, v6) = endpoint().gateways(&network("bridge", false));
        assert_eq!((v4.unwrap().to_string(), v6.unwrap().to_string()), ("10.0.0.1".into(), "fd00::1".into()));
        assert_eq!(endpoint().gateways(&network("bridge", true)), (None, None));
        assert_eq!(endpoint().gateways(&network("l3", false)), (None, None));
        assert_eq!(endpoint().routed_families(&network("l3", false)), [Family::V4, Family::V6]);
        assert!(endpoint().routed_families(&network("l3s", true)).is_empty());
        assert!(endpoint().routed_families(&network("l2", false)).is_empty());
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
