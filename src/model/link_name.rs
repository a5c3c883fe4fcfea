//! Names of network links: those we give, those users type, and those containers see.
//!
//! The kernel's rules (`dev_valid_name` in net/core/dev.c): 1 to 15 bytes, not "." or "..", no '/', ':' or white
//! space. '%' is a template that the kernel fills in, so a name with it would not become the device's name.
//! Alternative names (IFLA_PROP_LIST) follow the same rules up to 127 bytes, and look-ups take both.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::ids::{EndpointId, NetworkId};
use super::vlan::VlanId;
use super::{checked_string, digest, hex};

/// Longest link name in bytes (IFNAMSIZ less the terminating zero).
pub const MAX_LINK_NAME_BYTES: usize = 15;
/// Longest alternative name in bytes (ALTIFNAMSIZ less the terminating zero).
pub const MAX_ALTERNATIVE_NAME_BYTES: usize = 127;
/// Longest prefix of a name in a container: the engine appends a number, of up to three digits here.
pub const MAX_PREFIX_BYTES: usize = 12;

/// Why a text is not a link name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LinkNameError {
    /// Nothing was given.
    #[error("an interface name is empty")]
    Empty,
    /// More bytes than the kernel takes.
    #[error("{name:?} has {length} bytes, an interface name has at most {limit}")]
    TooLong {
        /// What was given, cut to a printable length.
        name: String,
        /// Its length in bytes.
        length: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// A character the kernel refuses or gives a meaning of its own.
    #[error(
        "{name:?} is not an interface name: '/', ':', '%', white space, control characters, \".\" and \"..\" are not allowed"
    )]
    BadCharacter {
        /// What was given.
        name: String,
    },
}

fn check(name: &str, limit: usize) -> Result<(), LinkNameError> {
    if name.is_empty() {
        return Err(LinkNameError::Empty);
    }
    if name.len() > limit {
        let shown = name.chars().take(40).collect();
        return Err(LinkNameError::TooLong { name: shown, length: name.len(), limit });
    }
    let bad = |c: char| matches!(c, '/' | ':' | '%') || c.is_whitespace() || c.is_control();
    if name.contains(bad) || name == "." || name == ".." {
        return Err(LinkNameError::BadCharacter { name: name.to_owned() });
    }
    Ok(())
}

fn check_link_name(name: &str) -> Result<(), LinkNameError> {
    check(name, MAX_LINK_NAME_BYTES)
}

fn check_device_name(name: &str) -> Result<(), LinkNameError> {
    check(name, MAX_ALTERNATIVE_NAME_BYTES)
}

fn check_prefix(name: &str) -> Result<(), LinkNameError> {
    check(name, MAX_PREFIX_BYTES)
}

/// A name that a link can be created with.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LinkName(String);
checked_string!(LinkName, LinkNameError, check_link_name);

/// A name that a device may be looked up by: its own or an alternative one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeviceName(String);
checked_string!(DeviceName, LinkNameError, check_device_name);

/// The prefix of the interface's name in the container; the engine appends the lowest free number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InterfacePrefix(String);
checked_string!(InterfacePrefix, LinkNameError, check_prefix);

impl Default for InterfacePrefix {
    /// `eth`, as the engine's own drivers use.
    fn default() -> Self {
        Self("eth".to_owned())
    }
}

impl DeviceName {
    /// Reads `<base>.<vid>`: the base's name and the VLAN id, if the name has that form. Leading zeros are not
    /// that form, so that one VLAN has one spelling.
    pub fn split_vlan_suffix(&self) -> Option<(DeviceName, VlanId)> {
        let (base, digits) = self.0.rsplit_once('.')?;
        let vlan = digits.parse().ok()?;
        Some((base.parse().ok()?, vlan))
    }
}

impl LinkName {
    /// The name in the host of an endpoint's link: `tl` and the first 12 hexadecimal digits of its id. Derived
    /// and not remembered, so that a driver that has forgotten the endpoint still finds its link.
    pub fn of_endpoint(id: &EndpointId) -> Self {
        match id.as_str().get(..12) {
            Some(start) if start.bytes().all(|b| b.is_ascii_hexdigit()) => Self(format!("tl{start}")),
            _ => Self::of_endpoint_hashed(id),
        }
    }

    /// The second choice of [`Self::of_endpoint`], for the endpoint whose id starts like another's.
    pub fn of_endpoint_hashed(id: &EndpointId) -> Self {
        Self(format!("tl{}", hex(&digest::<6>(&[id.as_str().as_bytes()]))))
    }

    /// The name of the dummy parent that an internal network without a parent gets.
    pub fn of_internal_parent(id: &NetworkId) -> Self {
        Self(format!("tld{}", hex(&digest::<6>(&[id.as_str().as_bytes()]))))
    }

    /// The name of the link that is made and removed at once to see whether a parent is free.
    pub fn of_probe(id: &NetworkId) -> Self {
        Self(format!("tlp{}", hex(&digest::<6>(&[id.as_str().as_bytes()]))))
    }

    /// The name of a new VLAN device on the device `root` with `vlans` from the outermost in.
    ///
    /// `<root>.<vid>` (`<root>.<outer>.<inner>`) when that fits. Otherwise the first four bytes of the root's
    /// name, six digits of a hash over everything in front of the last id, and that id: unique per base, and the
    /// whole name is returned beside it, to be set as an alternative name.
    pub fn of_vlan(root: &str, vlans: &[VlanId]) -> (Self, Option<DeviceName>) {
        let ids: Vec<String> = vlans.iter().map(ToString::to_string).collect();
        let whole = format!("{root}.{}", ids.join("."));
        if let Ok(name) = whole.parse() {
            return (name, None);
        }
        let base = whole.rsplit_once('.').map_or(root, |(base, _)| base);
        let mut start = String::new();
        for c in root.chars().take_while(|c| *c != '.') {
            if start.len() + c.len_utf8() > 4 {
                break;
            }
            start.push(c);
        }
        let last = ids.last().map_or("", String::as_str);
        let name = format!("{start}{}.{last}", hex(&digest::<3>(&[base.as_bytes()])));
        (Self(name), whole.parse().ok())
    }
}

impl From<LinkName> for DeviceName {
    fn from(name: LinkName) -> Self {
        Self(name.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vlan(id: u16) -> VlanId {
        VlanId::new(id).unwrap()
    }

    #[test]
    fn the_kernels_rules_hold() {
        assert!("eth1".parse::<LinkName>().is_ok());
        assert!("enp130s0f1np1.1".parse::<LinkName>().is_ok());
        for bad in ["", ".", "..", "a/b", "a:b", "a b", "w%d", "tab\t", "enp130s0f1np1.4094"] {
            assert!(bad.parse::<LinkName>().is_err(), "{bad:?}");
        }
        assert!("enp130s0f1np1.4094".parse::<DeviceName>().is_ok());
        assert!("x".repeat(128).parse::<DeviceName>().is_err());
    }

    #[test]
    fn a_vlan_suffix_has_one_spelling() {
        let split = |name: &str| {
            name.parse::<DeviceName>()
                .unwrap()
                .split_vlan_suffix()
                .map(|(base, vlan)| (base.as_str().to_owned(), vlan.get()))
        };
        assert_eq!(split("eth1.20"), Some(("eth1".into(), 20)));
        assert_eq!(split("eth1.100.20"), Some(("eth1.100".into(), 20)));
        for none in ["eth1", "eth1.0", "eth1.4095", "eth1.020", "eth1.+20", "eth1.", ".20", "eth1.x"] {
            assert_eq!(split(none), None, "{none}");
        }
    }

    #[test]
    fn long_bases_get_short_names_that_differ() {
        let (name, whole) = LinkName::of_vlan("eth1", &[vlan(20)]);
        assert_eq!((name.as_str(), whole), ("eth1.20", None));
        let (first, whole) = LinkName::of_vlan("enp130s0f1np1", &[vlan(4094)]);
        assert_eq!(whole.unwrap().as_str(), "enp130s0f1np1.4094");
        assert!(first.as_str().len() <= MAX_LINK_NAME_BYTES && first.as_str().ends_with(".4094"));
        let (second, _) = LinkName::of_vlan("enp130s0f1np2", &[vlan(4094)]);
        assert_ne!(first, second);
        let (inner, whole) = LinkName::of_vlan("enp130s0f1np1", &[vlan(100), vlan(4094)]);
        assert_eq!(whole.unwrap().as_str(), "enp130s0f1np1.100.4094");
        assert!(inner.as_str().parse::<LinkName>().is_ok() && inner != first);
        let (wide, _) = LinkName::of_vlan("äöüäöüä", &[vlan(4094)]);
        assert!(wide.as_str().parse::<LinkName>().is_ok());
    }

    #[test]
    fn endpoint_links_come_from_the_id() {
        let id: EndpointId =
            "15d75b4f4f6ba94568126c6c057911016a2bc3879dcb77fe2d0f16c1a88f5d02".parse().unwrap();
        assert_eq!(LinkName::of_endpoint(&id).as_str(), "tl15d75b4f4f6b");
        let odd: EndpointId = "not-hexadecimal".parse().unwrap();
        assert_eq!(LinkName::of_endpoint(&odd).as_str().len(), 14);
        assert!(LinkName::of_endpoint(&odd).as_str().parse::<LinkName>().is_ok());
    }
}
