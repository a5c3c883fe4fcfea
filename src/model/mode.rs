//! How children of a parent reach each other and the wire: the modes of macvlan and ipvlan.
//!
//! A parent has one mode. macvlan and ipvlan exclude each other in the kernel (one rx handler per device); an
//! ipvlan mode belongs to the parent's port, so a second mode would silently flip the first one's children; and
//! macvlan modes that mix reach each other in ways no user expects. So all networks of a parent agree.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The macvlan modes a network can have (drivers/net/macvlan.c; `source` needs address lists and is left out).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MacvlanMode {
    /// Children reach each other directly.
    Bridge,
    /// Children never reach each other.
    Private,
    /// Children reach each other through a switch that sends frames back (reflective relay).
    Vepa,
    /// One child that takes the whole parent.
    Passthru,
}

/// The ipvlan modes (drivers/net/ipvlan).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IpvlanMode {
    /// Children share the parent's MAC and answer ARP and neighbour discovery themselves.
    L2,
    /// The parent routes for its children; no broadcast or multicast reaches them.
    L3,
    /// L3, with the host's netfilter in between.
    L3s,
}

/// Whether ipvlan children of one parent reach each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IpvlanFlag {
    /// They do.
    #[default]
    Bridge,
    /// They do not.
    Private,
    /// Only through a switch that sends frames back.
    Vepa,
}

/// The mode of a network and, with it, of its parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "kind", deny_unknown_fields)]
pub enum Mode {
    /// Each child has a MAC of its own.
    Macvlan {
        /// How children reach each other.
        mode: MacvlanMode,
    },
    /// All children share the parent's MAC.
    Ipvlan {
        /// At which layer the parent hands over.
        mode: IpvlanMode,
        /// Whether children reach each other.
        flag: IpvlanFlag,
    },
}

/// Why a text is not a mode.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{text:?} is not a mode: bridge, private, vepa and passthru (macvlan) or l2, l3 and l3s (ipvlan) are"
)]
pub struct ModeError {
    text: String,
}

/// The words for macvlan modes.
pub const MACVLAN_WORDS: [(&str, MacvlanMode); 4] = [
    ("bridge", MacvlanMode::Bridge),
    ("private", MacvlanMode::Private),
    ("vepa", MacvlanMode::Vepa),
    ("passthru", MacvlanMode::Passthru),
];

/// The words for ipvlan modes.
pub const IPVLAN_WORDS: [(&str, IpvlanMode); 3] =
    [("l2", IpvlanMode::L2), ("l3", IpvlanMode::L3), ("l3s", IpvlanMode::L3s)];

/// The words for ipvlan flags.
pub const IPVLAN_FLAG_WORDS: [(&str, IpvlanFlag); 3] =
    [("bridge", IpvlanFlag::Bridge), ("private", IpvlanFlag::Private), ("vepa", IpvlanFlag::Vepa)];

/// The value that `text` stands for in a table of words.
pub fn lookup<T: Copy>(words: &[(&str, T)], text: &str) -> Option<T> {
    words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value)
}

fn word_of<T: PartialEq>(words: &[(&'static str, T)], value: &T) -> &'static str {
    words.iter().find(|(_, candidate)| candidate == value).map_or("?", |(word, _)| word)
}

impl Default for Mode {
    /// macvlan in mode bridge, as the engine's own driver and the ancestors do.
    fn default() -> Self {
        Self::Macvlan { mode: MacvlanMode::Bridge }
    }
}

impl FromStr for Mode {
    type Err = ModeError;
    /// Reads a mode word; an ipvlan mode comes with the flag bridge.
    fn from_str(text: &str) -> Result<Self, ModeError> {
        let macvlan = lookup(&MACVLAN_WORDS, text).map(|mode| Self::Macvlan { mode });
        let ipvlan =
            || lookup(&IPVLAN_WORDS, text).map(|mode| Self::Ipvlan { mode, flag: IpvlanFlag::default() });
        macvlan.or_else(ipvlan).ok_or_else(|| ModeError { text: text.chars().take(40).collect() })
    }
}

impl fmt::Display for Mode {
    /// The words a user would type to get this mode.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Macvlan { mode } => f.write_str(word_of(&MACVLAN_WORDS, mode)),
            Self::Ipvlan { mode, flag } => {
                f.write_str(word_of(&IPVLAN_WORDS, mode))?;
                match flag {
                    IpvlanFlag::Bridge => Ok(()),
                    other => write!(f, ",ipvlan_flag={}", word_of(&IPVLAN_FLAG_WORDS, other)),
                }
            }
        }
    }
}

impl Mode {
    /// The kernel's name of the link kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Macvlan { .. } => "macvlan",
            Self::Ipvlan { .. } => "ipvlan",
        }
    }

    /// Whether children have a MAC of their own that may be chosen. A passthru child has its parent's: setting
    /// another would change the parent (`macvlan_set_mac_address`, drivers/net/macvlan.c).
    pub fn chooses_mac(&self) -> bool {
        matches!(self, Self::Macvlan { mode } if *mode != MacvlanMode::Passthru)
    }

    /// Whether the parent routes for the children, so that they need connected routes and no gateway.
    pub fn is_routed(&self) -> bool {
        matches!(self, Self::Ipvlan { mode: IpvlanMode::L3 | IpvlanMode::L3s, .. })
    }

    /// Whether one child takes the whole parent.
    pub fn is_exclusive(&self) -> bool {
        matches!(self, Self::Macvlan { mode: MacvlanMode::Passthru })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_reads_back() {
        let words = MACVLAN_WORDS.iter().map(|(w, _)| *w).chain(IPVLAN_WORDS.iter().map(|(w, _)| *w));
        for word in words {
            assert_eq!(word.parse::<Mode>().unwrap().to_string(), word);
        }
        for bad in ["", "Bridge", "l4", "passthrough", "bridge "] {
            assert!(bad.parse::<Mode>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn records_keep_the_mode() {
        let mode = Mode::Ipvlan { mode: IpvlanMode::L3s, flag: IpvlanFlag::Private };
        let json = serde_json::to_string(&mode).unwrap();
        assert_eq!(json, r#"{"kind":"ipvlan","mode":"l3s","flag":"private"}"#);
        assert_eq!(serde_json::from_str::<Mode>(&json).unwrap(), mode);
        assert_eq!(mode.to_string(), "l3s,ipvlan_flag=private");
    }
}
