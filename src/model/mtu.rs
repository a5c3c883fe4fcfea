//! The largest packet of a link, in bytes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why a number is not an MTU.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{text:?} is not an MTU: a number of bytes from 68 to the parent's MTU is")]
pub struct MtuError {
    text: String,
}

/// An MTU in bytes: 68 (the least an IPv4 link must carry, RFC 791) to 65535.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Mtu(u32);

impl Mtu {
    /// In bytes.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for Mtu {
    type Error = MtuError;
    fn try_from(bytes: u32) -> Result<Self, MtuError> {
        if (68..=65_535).contains(&bytes) {
            Ok(Self(bytes))
        } else {
            Err(MtuError { text: bytes.to_string() })
        }
    }
}

impl From<Mtu> for u32 {
    fn from(mtu: Mtu) -> u32 {
        mtu.0
    }
}

impl FromStr for Mtu {
    type Err = MtuError;
    fn from_str(text: &str) -> Result<Self, MtuError> {
        let plain = text.bytes().all(|b| b.is_ascii_digit());
        let bytes: Option<u32> = plain.then(|| text.parse().ok()).flatten();
        bytes
            .and_then(|bytes| Self::try_from(bytes).ok())
            .ok_or_else(|| MtuError { text: text.chars().take(40).collect() })
    }
}

impl fmt::Display for Mtu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_hold() {
        assert_eq!("68".parse::<Mtu>().unwrap().get(), 68);
        assert_eq!("65535".parse::<Mtu>().unwrap().get(), 65_535);
        for bad in ["", "67", "65536", "1500.0", "+1500", "-1", "1e3", "4294967364"] {
            assert!(bad.parse::<Mtu>().is_err(), "{bad:?}");
        }
    }
}
