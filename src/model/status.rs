//! What a running daemon says of itself: the answer to `trunkline status`.

use serde::{Deserialize, Serialize};

/// The state of the daemon at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The daemon's version.
    pub version: String,
    /// All networks, the oldest first.
    pub networks: Vec<NetworkStatus>,
    /// Running containers that lost an interface with its parent and do not have it back.
    pub missing_interfaces: Vec<MissingInterface>,
    /// Records that could not be read.
    pub unreadable_records: Vec<UnreadableRecord>,
}

/// One network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkStatus {
    /// The engine's id.
    pub id: String,
    /// The parent that was asked for; none for a parent of the network's own.
    pub host_iface: Option<String>,
    /// The VLAN that was asked for beside it.
    pub vlan: Option<String>,
    /// The mode of its children.
    pub mode: String,
    /// The device its children hang on; none while it waits.
    pub parent: Option<String>,
    /// Why it waits; none while it is attached.
    pub waiting: Option<String>,
    /// How many endpoints it has.
    pub endpoints: usize,
}

/// A running container without the interface that it had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingInterface {
    /// The endpoint's id.
    pub endpoint: String,
    /// Its network.
    pub network: String,
    /// The path of the container's network namespace.
    pub sandbox: String,
    /// Why it does not have it back.
    pub reason: String,
}

/// A record that is out of use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnreadableRecord {
    /// Its file.
    pub path: String,
    /// What is wrong with it.
    pub reason: String,
}
