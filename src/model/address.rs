//! The address pools of a network, and which gateway belongs to an endpoint's address.

use std::net::IpAddr;

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

/// One subnet of a network, as the engine's address manager gave it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddressPool {
    /// The subnet. Null IPAM's is `0.0.0.0/0`.
    pub subnet: IpNetwork,
    /// The gateway, if the subnet has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<IpAddr>,
}

/// The subnets of a network, of both families. Engines send them in any order, some with a gateway and some
/// without, so nothing may depend on their positions.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AddressPools(Vec<AddressPool>);

impl FromIterator<AddressPool> for AddressPools {
    /// Sorted, so that two requests with the same subnets in another order are the same.
    fn from_iter<T: IntoIterator<Item = AddressPool>>(pools: T) -> Self {
        let mut pools: Vec<_> = pools.into_iter().collect();
        pools.sort_by_key(|pool| (pool.subnet, pool.gateway));
        Self(pools)
    }
}

impl AddressPools {
    /// The gateway of the subnet that `address` lies in; of the narrowest, when subnets nest.
    pub fn gateway_of(&self, address: IpAddr) -> Option<IpAddr> {
        self.0
            .iter()
            .filter(|pool| pool.subnet.contains(address))
            .max_by_key(|pool| pool.subnet.prefix())
            .and_then(|pool| pool.gateway)
    }

    /// The subnets.
    pub fn iter(&self) -> impl Iterator<Item = &AddressPool> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(subnet: &str, gateway: Option<&str>) -> AddressPool {
        AddressPool { subnet: subnet.parse().unwrap(), gateway: gateway.map(|g| g.parse().unwrap()) }
    }

    #[test]
    fn the_gateway_is_the_one_of_the_addresss_subnet() {
        let pools: AddressPools = [
            pool("198.18.1.0/24", None),
            pool("198.18.0.0/24", Some("198.18.0.1")),
            pool("fd00:45::/64", None),
            pool("fd00:44::/64", Some("fd00:44::1")),
            pool("10.0.0.0/8", Some("10.0.0.1")),
            pool("10.1.0.0/16", Some("10.1.0.1")),
        ]
        .into_iter()
        .collect();
        let gateway = |address: &str| pools.gateway_of(address.parse().unwrap()).map(|g| g.to_string());
        assert_eq!(gateway("198.18.0.9").as_deref(), Some("198.18.0.1"));
        assert_eq!(gateway("198.18.1.9"), None);
        assert_eq!(gateway("fd00:44::9").as_deref(), Some("fd00:44::1"));
        assert_eq!(gateway("fd00:45::9"), None);
        assert_eq!(gateway("10.1.2.3").as_deref(), Some("10.1.0.1"));
        assert_eq!(gateway("192.0.2.1"), None);
    }

    #[test]
    fn order_does_not_matter() {
        let one = pool("10.0.0.0/24", None);
        let two = pool("10.0.1.0/24", Some("10.0.1.1"));
        let forward: AddressPools = [one.clone(), two.clone()].into_iter().collect();
        let backward: AddressPools = [two, one].into_iter().collect();
        assert_eq!(forward, backward);
    }
}
