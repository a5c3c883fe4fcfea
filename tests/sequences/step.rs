//! One thing that an engine, an administrator or an accident does, made from four bytes so that a property test and a
//! fuzz target take the same steps.

/// Networks and endpoints that the steps speak of.
pub const NETWORKS: usize = 4;
pub const ENDPOINTS: usize = 4;

pub const PARENTS: [&str; 2] = ["eth1", "eth2"];

/// The networks there can be: parent, VLAN, mode.
pub const SPECS: [(usize, &str, &str); 7] = [
    (0, "", "bridge"),
    (0, "20", "bridge"),
    (0, "20", "private"),
    (0, "100.20", "bridge"),
    (0, "100.30", "l2"),
    (1, "20", "vepa"),
    (1, "", "l3"),
];

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    Create {
        network: usize,
        spec: usize,
    },
    Delete {
        network: usize,
    },
    Endpoint {
        endpoint: usize,
        network: usize,
    },
    Join {
        endpoint: usize,
    },
    Leave {
        endpoint: usize,
    },
    DeleteEndpoint {
        endpoint: usize,
    },
    /// A call that has no effect.
    Ask {
        method: &'static str,
        endpoint: usize,
    },
    /// The daemon dies and another starts.
    Restart,
    Unplug {
        parent: usize,
    },
    Plug {
        parent: usize,
    },
    /// The kernel does the nth operation from now on, and its answer is lost.
    LoseKernelAnswer {
        nth: usize,
    },
}

/// What becomes of the connection of a call. An engine whose connection broke repeats the call with an empty body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    Holds,
    /// It breaks when the call is done and before the answer is there.
    BreaksAfter,
    /// It breaks while the call runs: the repeat comes when the call had this many more turns.
    BreaksDuring {
        turns: usize,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    pub act: Act,
    pub connection: Connection,
}

const ASKED: [&str; 6] = [
    "EndpointOperInfo",
    "ProgramExternalConnectivity",
    "RevokeExternalConnectivity",
    "GwAllocCheck",
    "DiscoverNew",
    "FreeNetwork",
];

impl Step {
    /// Any four bytes are a step.
    pub fn of_bytes([kind, what, which, connection]: [u8; 4]) -> Self {
        let (what, which) = (usize::from(what), usize::from(which));
        let (network, endpoint, parent) = (what % NETWORKS, what % ENDPOINTS, what % PARENTS.len());
        let act = match kind % 32 {
            0..6 => Act::Create { network, spec: which % SPECS.len() },
            6..10 => Act::Delete { network },
            10..15 => Act::Endpoint { endpoint, network: which % NETWORKS },
            15..20 => Act::Join { endpoint },
            20..22 => Act::Leave { endpoint },
            22..26 => Act::DeleteEndpoint { endpoint },
            26 => Act::Ask { method: ASKED[which % ASKED.len()], endpoint },
            27 => Act::Restart,
            28 => Act::Unplug { parent },
            29 | 30 => Act::Plug { parent },
            _ => Act::LoseKernelAnswer { nth: 1 + what % 6 },
        };
        let connection = match connection % 8 {
            0..4 => Connection::Holds,
            4 | 5 => Connection::BreaksAfter,
            6 => Connection::BreaksDuring { turns: 0 },
            _ => Connection::BreaksDuring { turns: usize::from(connection) / 8 },
        };
        Self { act, connection }
    }
}
