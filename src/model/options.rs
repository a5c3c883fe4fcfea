//! The options of a network, from the strings of `docker network create -o key=value` to checked values.
//!
//! Strict, because a person typed them: an unknown key, an unknown word, a number out of range or two spellings
//! that disagree are refused with a sentence, before anything is changed.

use std::collections::BTreeMap;

use thiserror::Error;

use super::link_name::{DeviceName, InterfacePrefix, LinkNameError};
use super::mac::{MAC_POLICY_WORDS, MacPolicy};
use super::mode::{
    IPVLAN_FLAG_WORDS, IPVLAN_WORDS, IpvlanFlag, IpvlanMode, MACVLAN_WORDS, MacvlanMode, Mode, lookup,
};
use super::mtu::{Mtu, MtuError};
use super::option_table::{ENGINE_KEY_PREFIX, OPTIONS, find, nearest};
use super::qos::{QosError, QosMap};
use super::vlan::{VlanError, VlanPath, VlanProtocol, VlanSettings};

/// Why the options of a network are refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OptionError {
    /// No such option, and one that is spelled alike.
    #[error("option {key} is not known: did you mean {nearest}?")]
    UnknownSuggest {
        /// What was given.
        key: String,
        /// The option it most likely stands for.
        nearest: &'static str,
    },
    /// No such option.
    #[error("option {key} is not known; the options are {known}")]
    Unknown {
        /// What was given.
        key: String,
        /// All keys.
        known: String,
    },
    /// A value that is not one of the words.
    #[error("{key}={value} is not possible: the value is one of {words}")]
    Word {
        /// The key as it was given.
        key: String,
        /// The value as it was given.
        value: String,
        /// The words that are possible.
        words: String,
    },
    /// Two spellings of one option with different values.
    #[error(
        "{first_key}={first} and {second_key}={second} are two names of one option and disagree: give one of them"
    )]
    Disagree {
        /// One key.
        first_key: String,
        /// Its value.
        first: String,
        /// The other key.
        second_key: String,
        /// Its value.
        second: String,
    },
    /// An interface's name or prefix that cannot be one.
    #[error("{key}: {source}")]
    Name {
        /// The key as it was given.
        key: String,
        /// What is wrong with the value.
        source: LinkNameError,
    },
    /// Not a VLAN id.
    #[error("vlan: {source}")]
    Vlan {
        /// What is wrong with the value.
        source: VlanError,
    },
    /// Not an MTU.
    #[error("{key}: {source}")]
    Mtu {
        /// The key as it was given.
        key: String,
        /// What is wrong with the value.
        source: MtuError,
    },
    /// Not a priority map.
    #[error("{key}: {source}")]
    Qos {
        /// The key as it was given.
        key: String,
        /// What is wrong with the value.
        source: QosError,
    },
    /// Not a queue length.
    #[error("bcqueuelen={value} is not possible: a number from 0 to 4294967295 is")]
    QueueLength {
        /// The value as it was given.
        value: String,
    },
    /// `ipvlan_flag` beside a macvlan mode.
    #[error(
        "ipvlan_flag is for the modes l2, l3 and l3s, and this network's mode is {mode}: leave one of them out"
    )]
    FlagWithoutIpvlan {
        /// The network's mode.
        mode: Mode,
    },
    /// `bcqueuelen` beside an ipvlan mode.
    #[error("bcqueuelen is for the macvlan modes, and this network's mode is {mode}: leave one of them out")]
    QueueWithoutMacvlan {
        /// The network's mode.
        mode: Mode,
    },
}

/// What a user said: checked, without defaults.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NetworkOptions {
    /// `host_iface`.
    pub host_iface: Option<DeviceName>,
    /// `vlan`.
    pub vlan: Option<VlanPath>,
    /// `mode`, without its flag.
    pub mode: Option<Mode>,
    /// `ipvlan_flag`.
    pub ipvlan_flag: Option<IpvlanFlag>,
    /// `mtu`.
    pub mtu: Option<Mtu>,
    /// `vlan_protocol`, `gvrp`, `mvrp`, `loose_binding`, `reorder_hdr`, `ingress_qos`, `egress_qos`.
    pub vlan_settings: VlanSettings,
    /// `mac`.
    pub mac: MacPolicy,
    /// `iface_prefix`.
    pub iface_prefix: InterfacePrefix,
    /// `bcqueuelen`.
    pub bcqueuelen: Option<u32>,
}

impl NetworkOptions {
    /// Reads the strings of `-o key=value`.
    ///
    /// # Errors
    /// The first thing that is wrong, unknown keys before wrong values.
    pub fn parse(given: &BTreeMap<String, String>) -> Result<Self, OptionError> {
        refuse_unknown(given)?;
        let given = Given { given };
        let boolean = |key| given.word(key, &[("true", true), ("false", false)]);
        let qos = |key: &'static str, parse: fn(&str) -> Result<QosMap, QosError>| match given.one(key)? {
            None => Ok(QosMap::default()),
            Some((key, value)) => {
                parse(value).map_err(|source| OptionError::Qos { key: key.to_owned(), source })
            }
        };
        Ok(Self {
            host_iface: given.parsed("host_iface", name_error)?,
            vlan: given.parsed("vlan", |_, source| OptionError::Vlan { source })?,
            mode: given.mode()?,
            ipvlan_flag: given.word("ipvlan_flag", &IPVLAN_FLAG_WORDS)?,
            mtu: given.parsed("mtu", |key, source| OptionError::Mtu { key, source })?,
            vlan_settings: VlanSettings {
                protocol: given.word("vlan_protocol", &VlanProtocol::WORDS)?,
                gvrp: boolean("gvrp")?,
                mvrp: boolean("mvrp")?,
                loose_binding: boolean("loose_binding")?,
                reorder_hdr: boolean("reorder_hdr")?,
                ingress_qos: qos("ingress_qos", QosMap::parse_ingress)?,
                egress_qos: qos("egress_qos", QosMap::parse_egress)?,
            },
            mac: given.word("mac", &MAC_POLICY_WORDS)?.unwrap_or_default(),
            iface_prefix: given.parsed("iface_prefix", name_error)?.unwrap_or_default(),
            bcqueuelen: given.queue_length()?,
        })
    }

    /// The mode with its flag, `default` where the user gave no mode.
    ///
    /// # Errors
    /// When an option of one kind stands beside a mode of the other.
    pub fn mode_or(&self, default: Mode) -> Result<Mode, OptionError> {
        let mode = match (self.mode.unwrap_or(default), self.ipvlan_flag) {
            (Mode::Ipvlan { mode, .. }, Some(flag)) => Mode::Ipvlan { mode, flag },
            (mode @ Mode::Macvlan { .. }, Some(_)) => return Err(OptionError::FlagWithoutIpvlan { mode }),
            (mode, None) => mode,
        };
        match (mode, self.bcqueuelen) {
            (Mode::Ipvlan { .. }, Some(_)) => Err(OptionError::QueueWithoutMacvlan { mode }),
            _ => Ok(mode),
        }
    }
}

fn name_error(key: String, source: LinkNameError) -> OptionError {
    OptionError::Name { key, source }
}

fn refuse_unknown(given: &BTreeMap<String, String>) -> Result<(), OptionError> {
    let unknown = |key: &&String| find(key).is_none() && !key.starts_with(ENGINE_KEY_PREFIX);
    let Some(key) = given.keys().find(unknown) else { return Ok(()) };
    let key: String = key.chars().take(80).collect();
    Err(match nearest(&key) {
        Some(nearest) => OptionError::UnknownSuggest { key, nearest },
        None => {
            let known: Vec<_> = OPTIONS.iter().map(|row| row.key).collect();
            OptionError::Unknown { key, known: known.join(", ") }
        }
    })
}

/// The strings as given, read by an option's main key.
struct Given<'a> {
    given: &'a BTreeMap<String, String>,
}

impl Given<'_> {
    /// The value of an option and the key it was given under, which may be an alias.
    fn one(&self, key: &'static str) -> Result<Option<(&str, &str)>, OptionError> {
        let aliases = find(key).map_or(&[][..], |row| row.aliases);
        let mut found: Option<(&str, &str)> = None;
        for spelling in std::iter::once(&key).chain(aliases) {
            let Some(value) = self.given.get(*spelling) else { continue };
            match found {
                Some((first_key, first)) if first != value => {
                    return Err(OptionError::Disagree {
                        first_key: first_key.to_owned(),
                        first: first.to_owned(),
                        second_key: (*spelling).to_owned(),
                        second: value.clone(),
                    });
                }
                Some(_) => {}
                None => found = Some((spelling, value)),
            }
        }
        Ok(found)
    }

    fn parsed<T: std::str::FromStr>(
        &self,
        key: &'static str,
        error: impl Fn(String, T::Err) -> OptionError,
    ) -> Result<Option<T>, OptionError> {
        self.one(key)?.map(|(key, value)| value.parse().map_err(|e| error(key.to_owned(), e))).transpose()
    }

    fn word<T: Copy>(&self, key: &'static str, words: &[(&str, T)]) -> Result<Option<T>, OptionError> {
        let Some((key, value)) = self.one(key)? else { return Ok(None) };
        lookup(words, value).map(Some).ok_or_else(|| word_error(key, value, words))
    }

    /// `mode` takes the words of both kinds, `macvlan_mode` and `ipvlan_mode` those of their own.
    fn mode(&self) -> Result<Option<Mode>, OptionError> {
        let Some((key, value)) = self.one("mode")? else { return Ok(None) };
        let macvlan: Vec<(&str, Mode)> = MACVLAN_WORDS.iter().map(|(w, m)| (*w, macvlan(*m))).collect();
        let ipvlan: Vec<(&str, Mode)> = IPVLAN_WORDS.iter().map(|(w, m)| (*w, ipvlan(*m))).collect();
        let words = match (self.given.contains_key("macvlan_mode"), self.given.contains_key("ipvlan_mode")) {
            (true, false) => macvlan,
            (false, true) => ipvlan,
            _ => [macvlan, ipvlan].concat(),
        };
        lookup(&words, value).map(Some).ok_or_else(|| word_error(key, value, &words))
    }

    fn queue_length(&self) -> Result<Option<u32>, OptionError> {
        let Some((_, value)) = self.one("bcqueuelen")? else { return Ok(None) };
        let plain = value.bytes().all(|b| b.is_ascii_digit());
        let length = plain.then(|| value.parse().ok()).flatten();
        length.map(Some).ok_or_else(|| OptionError::QueueLength { value: value.chars().take(40).collect() })
    }
}

fn macvlan(mode: MacvlanMode) -> Mode {
    Mode::Macvlan { mode }
}

fn ipvlan(mode: IpvlanMode) -> Mode {
    Mode::Ipvlan { mode, flag: IpvlanFlag::default() }
}

fn word_error<T>(key: &str, value: &str, words: &[(&str, T)]) -> OptionError {
    let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
    OptionError::Word {
        key: key.to_owned(),
        value: value.chars().take(80).collect(),
        words: words.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(pairs: &[(&str, &str)]) -> Result<NetworkOptions, OptionError> {
        let map = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        NetworkOptions::parse(&map)
    }

    fn refusal(pairs: &[(&str, &str)]) -> String {
        parse(pairs).unwrap_err().to_string()
    }

    #[test]
    fn both_spellings_of_an_option_are_read() {
        let options = parse(&[
            ("parent", "eth1"),
            ("vlan", "20"),
            ("macvlan_mode", "private"),
            ("com.docker.network.driver.mtu", "1400"),
            ("iface_prefix", "lan"),
            ("mac", "random"),
        ])
        .unwrap();
        assert_eq!(options.host_iface.unwrap().as_str(), "eth1");
        assert_eq!(options.vlan.unwrap().to_string(), "20");
        assert_eq!(options.mode.unwrap().to_string(), "private");
        assert_eq!(options.mtu.unwrap().get(), 1400);
        assert_eq!(options.iface_prefix.as_str(), "lan");
        assert_eq!(options.mac, MacPolicy::Random);
        assert!(parse(&[("parent", "eth1"), ("host_iface", "eth1")]).is_ok());
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert_eq!(refusal(&[("vlam", "20")]), "option vlam is not known: did you mean vlan?");
        assert!(
            refusal(&[("colour", "red")])
                .starts_with("option colour is not known; the options are host_iface, vlan,")
        );
        assert_eq!(
            refusal(&[("vlan", "5000")]),
            "vlan: \"5000\" is not a VLAN id: a number from 1 to 4094 is, or two of them as outer.inner"
        );
        assert_eq!(
            refusal(&[("mode", "brigde")]),
            "mode=brigde is not possible: the value is one of bridge, private, vepa, passthru, l2, l3, l3s"
        );
        assert_eq!(
            refusal(&[("macvlan_mode", "l2")]),
            "macvlan_mode=l2 is not possible: the value is one of bridge, private, vepa, passthru"
        );
        assert_eq!(
            refusal(&[("parent", "eth1"), ("host_iface", "eth2")]),
            "host_iface=eth2 and parent=eth1 are two names of one option and disagree: give one of them"
        );
        assert_eq!(
            refusal(&[("mtu", "67")]),
            "mtu: \"67\" is not an MTU: a number of bytes from 68 to the parent's MTU is"
        );
        assert_eq!(refusal(&[("host_iface", "")]), "host_iface: an interface name is empty");
        assert_eq!(refusal(&[("gvrp", "1")]), "gvrp=1 is not possible: the value is one of true, false");
        assert_eq!(
            refusal(&[("bcqueuelen", "-1")]),
            "bcqueuelen=-1 is not possible: a number from 0 to 4294967295 is"
        );
    }

    #[test]
    fn the_engines_own_keys_are_left_alone() {
        let options = parse(&[("com.docker.network.bridge.name", "br0"), ("com.docker.network.x", "y")]);
        assert_eq!(options.unwrap(), NetworkOptions::default());
    }

    #[test]
    fn the_flag_belongs_to_ipvlan() {
        let flag = parse(&[("ipvlan_flag", "private")]).unwrap();
        assert!(flag.mode_or(Mode::default()).is_err());
        assert_eq!(flag.mode_or("l2".parse().unwrap()).unwrap().to_string(), "l2,ipvlan_flag=private");
        let queue = parse(&[("bcqueuelen", "10"), ("mode", "l2")]).unwrap();
        assert!(queue.mode_or(Mode::default()).is_err());
    }

    proptest! {
        #[test]
        fn no_input_panics(pairs in proptest::collection::btree_map(".{0,20}", ".{0,40}", 0..6)) {
            let _ = NetworkOptions::parse(&pairs);
        }

        #[test]
        fn no_value_of_a_known_key_panics(row in 0..OPTIONS.len(), value in ".{0,40}") {
            let map = BTreeMap::from([(OPTIONS[row].key.to_owned(), value)]);
            let _ = NetworkOptions::parse(&map);
        }
    }
}
