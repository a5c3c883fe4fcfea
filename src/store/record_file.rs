//! The text of one record: a version, a checksum, and the record itself.
//!
//! The checksum is over the very bytes of the record, so that a flipped bit that still parses (VLAN 20 as 21) is not
//! taken for the user's word.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::model::{digest, hex};

/// The version that this program writes and the newest it reads.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    version: u32,
    sha256: String,
    record: Box<RawValue>,
}

/// Only the version, for records of programs to come, whose other fields are not known here.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// Why a text is not a record.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// A newer trunkline wrote it: it is left as it is.
    Newer {
        /// Its version.
        version: u32,
    },
    /// It is damaged.
    Damaged {
        /// How it shows.
        reason: String,
    },
}

fn checksum(version: u32, record: &str) -> String {
    hex(&digest::<32>(&[version.to_string().as_bytes(), record.as_bytes()]))
}

/// The text of a record.
pub(super) fn write<T: Serialize>(record: &T) -> Result<Vec<u8>, serde_json::Error> {
    let record = serde_json::value::to_raw_value(record)?;
    serde_json::to_vec(&Envelope { version: VERSION, sha256: checksum(VERSION, record.get()), record })
}

/// The record of a text.
pub(super) fn read<T: DeserializeOwned>(text: &[u8]) -> Result<T, Unreadable> {
    let damaged = |reason: String| Unreadable::Damaged { reason };
    let parsed: Result<Envelope, _> = serde_json::from_slice(text);
    if let Ok(Version { version }) = serde_json::from_slice(text) {
        // A flipped bit can make a version look newer; the checksum of the rest then still fits its own version.
        let is_flipped =
            parsed.as_ref().is_ok_and(|envelope| envelope.sha256 == checksum(VERSION, envelope.record.get()));
        if version > VERSION && !is_flipped {
            return Err(Unreadable::Newer { version });
        }
    }
    let envelope = parsed.map_err(|error| damaged(error.to_string()))?;
    if envelope.sha256 != checksum(envelope.version, envelope.record.get()) {
        return Err(damaged("the checksum does not fit".to_owned()));
    }
    serde_json::from_str(envelope.record.get()).map_err(|error| damaged(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Sample {
        vlan: u16,
        name: String,
    }

    fn sample() -> Sample {
        Sample { vlan: 20, name: "eth1".to_owned() }
    }

    #[test]
    fn every_cut_and_every_flipped_bit_is_seen() {
        let text = write(&sample()).unwrap();
        assert_eq!(read::<Sample>(&text).unwrap(), sample());
        for cut in 0..text.len() {
            assert!(matches!(read::<Sample>(&text[..cut]), Err(Unreadable::Damaged { .. })), "cut at {cut}");
        }
        for byte in 0..text.len() {
            for bit in 0..8 {
                let mut flipped = text.clone();
                flipped[byte] ^= 1 << bit;
                assert!(read::<Sample>(&flipped).is_err(), "byte {byte} bit {bit}");
            }
        }
    }

    #[test]
    fn a_newer_version_is_told_from_damage() {
        let newer = br#"{"version":2,"shape":"unknown here"}"#;
        assert_eq!(read::<Sample>(newer), Err(Unreadable::Newer { version: 2 }));
    }
}
