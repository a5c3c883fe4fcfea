//! A network: what its options and the daemon's defaults add up to, and the record that survives a reboot.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::address::AddressPools;
use super::ids::NetworkId;
use super::link_name::{DeviceName, InterfacePrefix};
use super::mac::MacPolicy;
use super::mode::Mode;
use super::mtu::Mtu;
use super::options::{NetworkOptions, OptionError};
use super::vlan::{VlanPath, VlanSettings};

/// What holds for a network that does not say otherwise: the flags of `trunkline serve`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NetworkDefaults {
    /// `--host-interface`.
    pub host_interface: Option<DeviceName>,
    /// `--mode`.
    pub mode: Mode,
    /// `--mtu`.
    pub mtu: Option<Mtu>,
}

/// Why options that are each right do not make a network.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SpecError {
    /// An option by itself, or beside the mode.
    #[error(transparent)]
    Option(#[from] OptionError),
    /// Nothing says where the network lives.
    #[error("no parent: say -o host_iface=INTERFACE, or start trunkline with --host-interface=INTERFACE")]
    NoParent,
    /// VLAN options without anything to put a VLAN on.
    #[error("{key} needs a parent: say -o host_iface=INTERFACE beside it")]
    VlanWithoutParent {
        /// The option that was given.
        key: &'static str,
    },
}

/// Which device a network's children hang on, as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ParentSpec {
    /// A device of the host, or a VLAN on one.
    Device {
        /// The name as it was given: the device's, or with a VLAN suffix.
        host_iface: DeviceName,
        /// The VLAN, when it was given apart from the name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        vlan: Option<VlanPath>,
        /// What is asked of the VLAN device.
        #[serde(default)]
        vlan_settings: VlanSettings,
    },
    /// A dummy device of the network's own, for an internal network where neither the user nor the daemon names a parent.
    Dummy,
}

/// A network, fully said: nothing is left to a default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkSpec {
    /// Where its children hang.
    pub parent: ParentSpec,
    /// The mode of its children and of the parent.
    pub mode: Mode,
    /// The MTU of its children; none: the parent's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<Mtu>,
    /// How MACs are chosen.
    pub mac: MacPolicy,
    /// The prefix of interface names in containers.
    pub iface_prefix: InterfacePrefix,
    /// The length of macvlan's queue for broadcasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bcqueuelen: Option<u32>,
    /// Whether it is cut off from the outside (`--internal`): no gateway is given.
    pub internal: bool,
    /// Its subnets.
    pub pools: AddressPools,
}

impl NetworkSpec {
    /// Adds the daemon's defaults to what the user said.
    ///
    /// # Errors
    /// When the options contradict each other or name no parent.
    pub fn new(
        options: NetworkOptions,
        internal: bool,
        pools: AddressPools,
        defaults: &NetworkDefaults,
    ) -> Result<Self, SpecError> {
        let mode = options.mode_or(defaults.mode)?;
        Ok(Self {
            mode,
            mtu: options.mtu.or(defaults.mtu),
            mac: options.mac,
            iface_prefix: options.iface_prefix.clone(),
            bcqueuelen: options.bcqueuelen,
            internal,
            pools,
            parent: ParentSpec::new(options, internal, defaults)?,
        })
    }
}

impl ParentSpec {
    /// The parent that was named, or the daemon's; an internal network where neither is gets a dummy of its own.
    fn new(options: NetworkOptions, internal: bool, defaults: &NetworkDefaults) -> Result<Self, SpecError> {
        let vlan_settings = options.vlan_settings;
        let named = options.host_iface.or_else(|| defaults.host_interface.clone());
        if named.is_none() && internal {
            let asked = options.vlan.map(|_| "vlan").or_else(|| vlan_settings.asked().first().copied());
            return match asked {
                Some(key) => Err(SpecError::VlanWithoutParent { key }),
                None => Ok(Self::Dummy),
            };
        }
        let host_iface = named.ok_or(SpecError::NoParent)?;
        Ok(Self::Device { host_iface, vlan: options.vlan, vlan_settings })
    }
}

/// The record of a network on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkRecord {
    /// The engine's id.
    pub id: NetworkId,
    /// When it was created, in milliseconds since 1970: of two networks that clash after a reboot, the older wins.
    pub created_ms: u64,
    /// What it is.
    pub spec: NetworkSpec,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn spec(
        pairs: &[(&str, &str)],
        internal: bool,
        defaults: &NetworkDefaults,
    ) -> Result<NetworkSpec, SpecError> {
        let map: BTreeMap<_, _> = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        NetworkSpec::new(NetworkOptions::parse(&map).unwrap(), internal, AddressPools::default(), defaults)
    }

    #[test]
    fn a_parent_is_needed_unless_internal() {
        let none = NetworkDefaults::default();
        let error = spec(&[], false, &none).unwrap_err().to_string();
        assert_eq!(
            error,
            "no parent: say -o host_iface=INTERFACE, or start trunkline with --host-interface=INTERFACE"
        );
        assert_eq!(spec(&[], true, &none).unwrap().parent, ParentSpec::Dummy);
        let error = spec(&[("vlan", "20")], true, &none).unwrap_err().to_string();
        assert_eq!(error, "vlan needs a parent: say -o host_iface=INTERFACE beside it");
        assert!(spec(&[("gvrp", "true")], true, &none).is_err());
    }

    #[test]
    fn the_daemons_defaults_fill_in() {
        let defaults = NetworkDefaults {
            host_interface: Some("eth1".parse().unwrap()),
            mode: "vepa".parse().unwrap(),
            mtu: Some("1400".parse().unwrap()),
        };
        let spec_from_defaults = spec(&[("vlan", "20")], false, &defaults).unwrap();
        assert_eq!(spec_from_defaults.mode.to_string(), "vepa");
        assert_eq!(spec_from_defaults.mtu.unwrap().get(), 1400);
        let ParentSpec::Device { host_iface, .. } = spec_from_defaults.parent else { panic!("a device") };
        assert_eq!(host_iface.as_str(), "eth1");
        assert_eq!(
            spec(&[("mode", "bridge"), ("mtu", "1300")], false, &defaults).unwrap().mtu.unwrap().get(),
            1300
        );
        assert!(matches!(spec(&[], true, &defaults).unwrap().parent, ParentSpec::Device { .. }));
    }

    #[test]
    fn records_survive_the_disk() {
        let defaults = NetworkDefaults::default();
        let given = [("host_iface", "eth1"), ("vlan", "100.20"), ("gvrp", "true"), ("egress_qos", "1:2")];
        let spec = spec(&given, false, &defaults).unwrap();
        let record = NetworkRecord { id: "n1".parse().unwrap(), created_ms: 5, spec };
        let json = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<NetworkRecord>(&json).unwrap(), record);
    }
}
