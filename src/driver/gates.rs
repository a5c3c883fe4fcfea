//! Async locks by key: whoever holds the gate of a network, a parent or an endpoint is alone with it.
//!
//! A fixed number of locks, chosen by the key's hash: two keys may share one and then wait for each other, which
//! costs a moment and needs no cleaning up. A call takes at most one gate of each kind, in the order endpoint,
//! change (see `sweep`), network, parent, so that no two calls wait for each other for ever.

use std::hash::{BuildHasher, Hash, RandomState};

use tokio::sync::{Mutex, MutexGuard};

/// How many locks: more than calls ever run at once (the server takes 256 connections).
const GATES: usize = 512;

/// The locks of one kind.
#[derive(Debug)]
pub(super) struct Gates {
    locks: Vec<Mutex<()>>,
    hasher: RandomState,
}

impl Gates {
    pub(super) fn new() -> Self {
        Self { locks: (0..GATES).map(|_| Mutex::new(())).collect(), hasher: RandomState::new() }
    }

    /// Waits until no other call holds the key.
    pub(super) async fn enter(&self, key: &impl Hash) -> MutexGuard<'_, ()> {
        let slot = self.hasher.hash_one(key) % GATES as u64;
        // The remainder is below GATES, so it fits and the index exists.
        self.locks[slot as usize].lock().await
    }
}
