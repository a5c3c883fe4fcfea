//! Priority maps of a VLAN device, as `ip link ... ingress-qos-map 0:1 5:6` sets them.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why a text is not a priority map.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{text:?} is not a priority map: pairs from:to joined by commas are, for example 0:1,5:6, each number at most {from_limit}:{to_limit}"
)]
pub struct QosError {
    text: String,
    from_limit: u32,
    to_limit: u32,
}

/// A map of priorities: kernel priorities are 32 bit numbers, priorities in a tag 0 to 7.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct QosMap(BTreeMap<u32, u32>);

/// Highest priority in a tag (three bits, IEEE 802.1Q clause 9.6).
const TAG_PRIORITY_LIMIT: u32 = 7;

impl QosMap {
    /// Reads the option `ingress_qos`: from a tag's priority (0 to 7) to the kernel's.
    pub fn parse_ingress(text: &str) -> Result<Self, QosError> {
        Self::parse(text, TAG_PRIORITY_LIMIT, u32::MAX)
    }

    /// Reads the option `egress_qos`: from the kernel's priority to a tag's (0 to 7).
    pub fn parse_egress(text: &str) -> Result<Self, QosError> {
        Self::parse(text, u32::MAX, TAG_PRIORITY_LIMIT)
    }

    fn parse(text: &str, from_limit: u32, to_limit: u32) -> Result<Self, QosError> {
        let error = || QosError { text: text.chars().take(80).collect(), from_limit, to_limit };
        let number = |digits: &str, limit: u32| {
            let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            plain.then(|| digits.parse().ok()).flatten().filter(|n| *n <= limit).ok_or_else(error)
        };
        let mut map = BTreeMap::new();
        for pair in text.split(',') {
            let (from, to) = pair.split_once(':').ok_or_else(error)?;
            let earlier = map.insert(number(from, from_limit)?, number(to, to_limit)?);
            if earlier.is_some() {
                return Err(error());
            }
        }
        Ok(Self(map))
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The pairs (from, to), by rising `from`.
    pub fn pairs(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        self.0.iter().map(|(from, to)| (*from, *to))
    }

    /// A map of these pairs, for what the kernel reports. A pair to priority 0 is what the kernel does without a
    /// map, and it does not report it, so it is left out here too.
    pub fn of_kernel(pairs: impl IntoIterator<Item = (u32, u32)>) -> Self {
        Self(pairs.into_iter().filter(|(_, to)| *to != 0).collect())
    }

    /// Whether a device with the map `other` does what this map asks.
    pub fn same_effect(&self, other: &Self) -> bool {
        Self::of_kernel(self.pairs()) == Self::of_kernel(other.pairs())
    }
}

impl FromStr for QosMap {
    type Err = QosError;
    fn from_str(text: &str) -> Result<Self, QosError> {
        if text.is_empty() { Ok(Self::default()) } else { Self::parse(text, u32::MAX, u32::MAX) }
    }
}

impl TryFrom<String> for QosMap {
    type Error = QosError;
    fn try_from(text: String) -> Result<Self, QosError> {
        text.parse()
    }
}

impl From<QosMap> for String {
    fn from(map: QosMap) -> String {
        map.to_string()
    }
}

impl fmt::Display for QosMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (from, to)) in self.pairs().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{from}:{to}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_read_and_written() {
        assert_eq!(QosMap::parse_ingress("5:6,0:1").unwrap().to_string(), "0:1,5:6");
        assert!(QosMap::parse_ingress("7:4000000000").is_ok());
        assert!(QosMap::parse_egress("4000000000:7").is_ok());
        for bad in ["", "1", "1:", ":1", "1:2,", "1:2,1:3", "8:1", "+1:2", "1:2 ", "1-2", "0:4294967296"] {
            assert!(QosMap::parse_ingress(bad).is_err(), "{bad:?}");
        }
        assert!(QosMap::parse_egress("1:8").is_err());
    }

    #[test]
    fn a_pair_to_zero_is_the_kernels_default() {
        let asked = QosMap::parse_ingress("0:0,5:6").unwrap();
        assert!(asked.same_effect(&QosMap::of_kernel([(5, 6)])));
        assert!(!asked.same_effect(&QosMap::of_kernel([(5, 5)])));
    }
}
