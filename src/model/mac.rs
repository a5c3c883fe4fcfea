//! MAC addresses of endpoints, and the policy by which one is chosen when the user asks for none.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::digest;
use super::ids::NetworkId;

/// Why a text is not the MAC address of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MacError {
    /// It has another form.
    #[error("{text:?} is not a MAC address: six pairs of hexadecimal digits joined by ':' are")]
    Form {
        /// What was given.
        text: String,
    },
    /// The kernel gives no link such an address (`is_valid_ether_addr`).
    #[error("{mac} cannot be a container's MAC address: it is {what}")]
    Unusable {
        /// What was given.
        mac: MacAddress,
        /// Multicast, or all zero.
        what: &'static str,
    },
}

/// A MAC address that a link can have: unicast and not zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MacAddress([u8; 6]);

impl MacAddress {
    /// The address, if a link can have it.
    pub fn new(bytes: [u8; 6]) -> Result<Self, MacError> {
        let mac = Self(bytes);
        let unusable = |what| Err(MacError::Unusable { mac, what });
        match bytes {
            [0, 0, 0, 0, 0, 0] => unusable("all zero"),
            [first, ..] if first & 1 == 1 => unusable("a multicast address"),
            _ => Ok(mac),
        }
    }

    /// The six bytes, first on the wire first.
    pub fn bytes(self) -> [u8; 6] {
        self.0
    }

    /// These bytes made locally administered and unicast (IEEE 802, clause 8.4).
    pub fn locally_administered(mut bytes: [u8; 6]) -> Self {
        bytes[0] = (bytes[0] & 0xfc) | 0x02;
        Self(bytes)
    }

    /// The stable address of policy `ip`: the same for the same network and address, whatever is restarted;
    /// different on another network. 46 of the 48 bits come from a hash of both.
    pub fn of_address(network: &NetworkId, address: IpAddr) -> Self {
        let text = address.to_string();
        Self::locally_administered(digest(&[b"mac", network.as_str().as_bytes(), text.as_bytes()]))
    }

    /// The address for an endpoint that has no IP address yet (null IPAM): stable for the endpoint.
    pub fn of_endpoint(network: &NetworkId, endpoint: &str) -> Self {
        Self::locally_administered(digest(&[b"mac", network.as_str().as_bytes(), endpoint.as_bytes()]))
    }
}

impl FromStr for MacAddress {
    type Err = MacError;
    fn from_str(text: &str) -> Result<Self, MacError> {
        let form = || MacError::Form { text: text.chars().take(40).collect() };
        let mut bytes = [0; 6];
        let mut parts = text.split([':', '-']);
        for byte in &mut bytes {
            let part = parts.next().ok_or_else(form)?;
            let digits = part.len() == 2 && part.bytes().all(|b| b.is_ascii_hexdigit());
            *byte = digits.then(|| u8::from_str_radix(part, 16).ok()).flatten().ok_or_else(form)?;
        }
        if parts.next().is_some() {
            return Err(form());
        }
        Self::new(bytes)
    }
}

impl TryFrom<String> for MacAddress {
    type Error = MacError;
    fn try_from(text: String) -> Result<Self, MacError> {
        text.parse()
    }
}

impl From<MacAddress> for String {
    fn from(mac: MacAddress) -> String {
        mac.to_string()
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// How an endpoint's MAC is chosen when the user gives none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MacPolicy {
    /// From the network's id and the endpoint's address: stable.
    #[default]
    Ip,
    /// New at each container start.
    Random,
}

/// The words for the policies.
pub const MAC_POLICY_WORDS: [(&str, MacPolicy); 2] = [("ip", MacPolicy::Ip), ("random", MacPolicy::Random)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_link_can_have_is_read() {
        assert_eq!("02:42:0A:04:00:07".parse::<MacAddress>().unwrap().to_string(), "02:42:0a:04:00:07");
        for bad in [
            "",
            "02:42:0a:04:00",
            "02:42:0a:04:00:07:01",
            "2:42:0a:04:00:07",
            "0g:42:0a:04:00:07",
            "00:00:00:00:00:00",
            "01:00:5e:00:00:01",
            "+2:42:0a:04:00:07",
        ] {
            assert!(bad.parse::<MacAddress>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_stable_address_is_stable_local_and_unicast() {
        let one: NetworkId = "n1".parse().unwrap();
        let two: NetworkId = "n2".parse().unwrap();
        let ip: IpAddr = "10.0.0.2".parse().unwrap();
        let mac = MacAddress::of_address(&one, ip);
        assert_eq!(mac, MacAddress::of_address(&one, ip));
        assert_ne!(mac, MacAddress::of_address(&two, ip));
        assert_ne!(mac, MacAddress::of_address(&one, "10.0.0.3".parse().unwrap()));
        assert_eq!(mac.bytes()[0] & 3, 2);
        assert!(MacAddress::new(mac.bytes()).is_ok());
    }
}
