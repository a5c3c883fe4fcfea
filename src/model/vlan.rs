//! IEEE 802.1Q: VLAN ids, tag protocols, tags, and what a user can say about the device that carries them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::qos::QosMap;

/// Why a text is not a VLAN id or a pair of them.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{text:?} is not a VLAN id: a number from 1 to 4094 is, or two of them as outer.inner")]
pub struct VlanError {
    text: String,
}

impl VlanError {
    fn new(text: &str) -> Self {
        Self { text: text.chars().take(40).collect() }
    }
}

/// A VLAN id: 1 to 4094 (0 and 4095 are reserved, IEEE 802.1Q table 9-2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct VlanId(u16);

impl VlanId {
    /// The id, if it is one.
    pub fn new(id: u16) -> Option<Self> {
        (1..=4094).contains(&id).then_some(Self(id))
    }

    /// The number.
    pub fn get(self) -> u16 {
        self.0
    }
}

impl TryFrom<u16> for VlanId {
    type Error = VlanError;
    fn try_from(id: u16) -> Result<Self, VlanError> {
        Self::new(id).ok_or_else(|| VlanError::new(&id.to_string()))
    }
}

impl From<VlanId> for u16 {
    fn from(id: VlanId) -> u16 {
        id.0
    }
}

impl FromStr for VlanId {
    type Err = VlanError;
    /// Decimal digits only, without a sign and without leading zeros.
    fn from_str(text: &str) -> Result<Self, VlanError> {
        let digits = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
        digits.then(|| text.parse().ok()).flatten().and_then(Self::new).ok_or_else(|| VlanError::new(text))
    }
}

impl fmt::Display for VlanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What the option `vlan` says: one tag, or two from the outside in (QinQ).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum VlanPath {
    /// One tag.
    Single(VlanId),
    /// A service tag and a customer tag in it (IEEE 802.1ad).
    Double {
        /// The outer, service tag.
        outer: VlanId,
        /// The inner, customer tag.
        inner: VlanId,
    },
}

impl VlanPath {
    /// The ids from the outside in.
    pub fn ids(self) -> Vec<VlanId> {
        match self {
            Self::Single(id) => vec![id],
            Self::Double { outer, inner } => vec![outer, inner],
        }
    }
}

impl FromStr for VlanPath {
    type Err = VlanError;
    fn from_str(text: &str) -> Result<Self, VlanError> {
        let whole = |_| VlanError::new(text);
        match text.split_once('.') {
            None => Ok(Self::Single(text.parse()?)),
            Some((outer, inner)) => Ok(Self::Double {
                outer: outer.parse().map_err(whole)?,
                inner: inner.parse().map_err(whole)?,
            }),
        }
    }
}

impl TryFrom<String> for VlanPath {
    type Error = VlanError;
    fn try_from(text: String) -> Result<Self, VlanError> {
        text.parse()
    }
}

impl From<VlanPath> for String {
    fn from(path: VlanPath) -> String {
        path.to_string()
    }
}

impl fmt::Display for VlanPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Single(id) => id.fmt(f),
            Self::Double { outer, inner } => write!(f, "{outer}.{inner}"),
        }
    }
}

/// Which EtherType a tag has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum VlanProtocol {
    /// 0x8100, the customer tag.
    #[serde(rename = "802.1q")]
    Dot1q,
    /// 0x88a8, the service tag (provider bridges).
    #[serde(rename = "802.1ad")]
    Dot1ad,
}

impl VlanProtocol {
    /// All of them, with the words that users type.
    pub const WORDS: [(&'static str, Self); 2] = [("802.1q", Self::Dot1q), ("802.1ad", Self::Dot1ad)];
}

impl fmt::Display for VlanProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dot1q => "802.1q",
            Self::Dot1ad => "802.1ad",
        })
    }
}

/// One tag. Two VLAN devices on one base have different tags; the kernel refuses a second of the same
/// (`register_vlan_device` in net/8021q/vlan.c), whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VlanTag {
    /// The EtherType.
    pub protocol: VlanProtocol,
    /// The id.
    pub id: VlanId,
}

/// What a network's options ask of its VLAN device; what is not asked is left to the kernel. With two tags the
/// protocol is the outer one's, and all else is the inner one's, which is the device containers hang on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VlanSettings {
    /// The EtherType: of the only tag (unasked: 802.1Q) or of the outer of two (unasked: 802.1ad).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<VlanProtocol>,
    /// Registers the VLAN with the switch by GVRP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gvrp: Option<bool>,
    /// Registers the VLAN with the switch by MVRP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mvrp: Option<bool>,
    /// The VLAN stays up when its base goes down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loose_binding: Option<bool>,
    /// The tag is taken out of the frame before the host sees it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reorder_hdr: Option<bool>,
    /// From the priority in the tag to the kernel's priority, on reception.
    #[serde(skip_serializing_if = "QosMap::is_empty")]
    pub ingress_qos: QosMap,
    /// From the kernel's priority to the one in the tag, on sending.
    #[serde(skip_serializing_if = "QosMap::is_empty")]
    pub egress_qos: QosMap,
}

impl VlanSettings {
    /// These settings, and where they ask nothing, those of `other`.
    pub fn or(self, other: &Self) -> Self {
        let map = |own: QosMap, other: &QosMap| if own.is_empty() { other.clone() } else { own };
        Self {
            protocol: self.protocol.or(other.protocol),
            gvrp: self.gvrp.or(other.gvrp),
            mvrp: self.mvrp.or(other.mvrp),
            loose_binding: self.loose_binding.or(other.loose_binding),
            reorder_hdr: self.reorder_hdr.or(other.reorder_hdr),
            ingress_qos: map(self.ingress_qos, &other.ingress_qos),
            egress_qos: map(self.egress_qos, &other.egress_qos),
        }
    }

    /// The option keys that were given, in the order of the documentation.
    pub fn asked(&self) -> Vec<&'static str> {
        let rows = [
            ("vlan_protocol", self.protocol.is_some()),
            ("gvrp", self.gvrp.is_some()),
            ("mvrp", self.mvrp.is_some()),
            ("loose_binding", self.loose_binding.is_some()),
            ("reorder_hdr", self.reorder_hdr.is_some()),
            ("ingress_qos", !self.ingress_qos.is_empty()),
            ("egress_qos", !self.egress_qos.is_empty()),
        ];
        rows.into_iter().filter_map(|(key, given)| given.then_some(key)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_1_to_4094_in_one_spelling() {
        for good in ["1", "20", "4094"] {
            assert_eq!(good.parse::<VlanId>().unwrap().to_string(), good);
        }
        for bad in
            ["", "0", "4095", "65556", "020", "+20", "-1", " 20", "20 ", "0x14", "2O", "99999999999999999999"]
        {
            assert!(bad.parse::<VlanId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_path_is_one_or_two_ids() {
        assert_eq!("100.20".parse::<VlanPath>().unwrap().to_string(), "100.20");
        assert_eq!("7".parse::<VlanPath>().unwrap().ids(), [VlanId(7)]);
        for bad in ["", ".", "1.", ".1", "1.2.3", "0.1", "1.4095", "1,2"] {
            let error = bad.parse::<VlanPath>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("{bad:?}")), "{error}");
        }
    }
}
