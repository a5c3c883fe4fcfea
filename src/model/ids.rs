//! The engine's ids of networks and endpoints.
//!
//! Engines send 64 hexadecimal digits; swarm sends 25 lower-case letters and digits. An id becomes the name of a
//! file and a part of a link's name, so it is checked before anything else sees it.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::checked_string;

/// Longest id accepted, in bytes: twice what any engine sends, and with a suffix still a valid file name.
pub const MAX_ID_BYTES: usize = 128;

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{text:?} is not an id: 1 to {MAX_ID_BYTES} letters, digits, '-' or '_' are")]
pub struct IdError {
    text: String,
}

fn check_id(text: &str) -> Result<(), IdError> {
    let fits = (1..=MAX_ID_BYTES).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if fits {
        return Ok(());
    }
    Err(IdError { text: text.chars().take(MAX_ID_BYTES).collect() })
}

/// The engine's id of a network.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NetworkId(String);
checked_string!(NetworkId, IdError, check_id);

/// The engine's id of an endpoint: one container's attachment to one network, new at each container start.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EndpointId(String);
checked_string!(EndpointId, IdError, check_id);

fn short(id: &str) -> &str {
    // Ids are ASCII (check_id), so byte 12 is a character boundary; `get` needs no proof of it.
    id.get(..12).unwrap_or(id)
}

impl NetworkId {
    /// An id that no engine gives: for what the daemon does on its own account.
    pub fn of_nobody() -> Self {
        Self("trunkline-itself".to_owned())
    }

    /// The first 12 characters, as `docker network ls` shows them.
    pub fn short(&self) -> &str {
        short(&self.0)
    }
}

impl EndpointId {
    /// The first 12 characters, for messages.
    pub fn short(&self) -> &str {
        short(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engine_ids_are_accepted() {
        let id = "a00d444ec9043fc2d5c2c606e8695642e8d184827a52aba2b8006a74796c5495";
        assert_eq!(id.parse::<NetworkId>().unwrap().short(), "a00d444ec904");
        assert_eq!("kq8r6v0l8c2f".parse::<EndpointId>().unwrap().as_str(), "kq8r6v0l8c2f");
        assert_eq!("n1".parse::<NetworkId>().unwrap().short(), "n1");
    }

    #[test]
    fn what_could_become_a_path_is_refused() {
        for bad in ["", ".", "..", "../../etc/passwd", "a/b", "a.b", "a b", "ä", "a\0b", &"x".repeat(129)] {
            assert!(bad.parse::<NetworkId>().is_err(), "{bad:?}");
            let quoted = serde_json::to_string(bad).unwrap();
            assert!(serde_json::from_str::<EndpointId>(&quoted).is_err(), "{bad:?}");
        }
    }
}
