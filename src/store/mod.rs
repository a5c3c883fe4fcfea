//! The edge to the disk: the records of networks and endpoints.
//!
//! Networks survive a reboot (`<state-dir>/networks/<id>.json`, synced before a call is answered); endpoints survive
//! only the process (`<run-dir>/endpoints/<id>.json`), like the containers they belong to. One file holds one record,
//! so that a damaged one takes no other down.

mod record_dir;
mod record_file;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::fcntl::{Flock, FlockArg};
use thiserror::Error;

pub use record_dir::{Begun, Loaded, Removed};
use record_dir::{Durability, RecordDir};

use crate::failpoint;
use crate::model::endpoint::EndpointRecord;
use crate::model::ids::{EndpointId, NetworkId};
use crate::model::network::NetworkRecord;

/// Why a record could not be read, written or removed.
#[derive(Debug, Error)]
#[error("cannot {action} {}: {source}{}", path.display(), remedy(source))]
pub struct StoreError {
    action: &'static str,
    path: PathBuf,
    source: std::io::Error,
}

impl StoreError {
    pub(crate) fn new(action: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self { action, path: path.to_owned(), source }
    }
}

/// What to do about it, where that is known.
fn remedy(source: &std::io::Error) -> &'static str {
    use std::io::ErrorKind;
    match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => ": make room there, and try again",
        ErrorKind::ReadOnlyFilesystem => ": make it writable, and try again",
        _ => "",
    }
}

/// The records of one daemon. Its directories are locked while it lives.
#[derive(Debug)]
pub struct Store {
    networks: Arc<RecordDir>,
    endpoints: Arc<RecordDir>,
    /// Held, not read: two daemons on one directory would sweep each other's devices.
    _locks: [Flock<std::fs::File>; 2],
}

impl Store {
    /// Opens the directories, making them when missing (mode 0700), and locks them.
    ///
    /// # Errors
    /// When a directory cannot be made, or another daemon has it.
    pub fn open(state_dir: &Path, run_dir: &Path) -> Result<Self, StoreError> {
        if state_dir == run_dir {
            let source =
                std::io::Error::other("it is given as state directory and as run directory: give two");
            return Err(StoreError::new("use", state_dir, source));
        }
        let locks = [lock(state_dir)?, lock(run_dir)?];
        failpoint::reached("store.locked");
        Ok(Self {
            networks: Arc::new(RecordDir::open(state_dir.join("networks"), Durability::Reboot)?),
            endpoints: Arc::new(RecordDir::open(run_dir.join("endpoints"), Durability::Process)?),
            _locks: locks,
        })
    }

    /// Reads all networks.
    ///
    /// # Errors
    /// When the directory cannot be read. A record that cannot be read is set aside and counted.
    pub async fn load_networks(&self) -> Result<Loaded<NetworkRecord>, StoreError> {
        on_disk(&self.networks, |dir| dir.load(|record: &NetworkRecord| record.id.as_str())).await
    }

    /// Reads all endpoints.
    ///
    /// # Errors
    /// As [`Self::load_networks`].
    pub async fn load_endpoints(&self) -> Result<Loaded<EndpointRecord>, StoreError> {
        on_disk(&self.endpoints, |dir| dir.load(|record: &EndpointRecord| record.id.as_str())).await
    }

    /// Writes a network; when it returns, the record survives a power failure.
    ///
    /// # Errors
    /// When the disk is full, read-only or broken; then the earlier state of the record is as it was.
    pub async fn save_network(&self, record: &NetworkRecord) -> Result<(), StoreError> {
        let record = record.clone();
        on_disk(&self.networks, move |dir| dir.save(record.id.as_str(), &record)).await
    }

    /// Writes an endpoint.
    ///
    /// # Errors
    /// As [`Self::save_network`].
    pub async fn save_endpoint(&self, record: &EndpointRecord) -> Result<(), StoreError> {
        let record = record.clone();
        on_disk(&self.endpoints, move |dir| dir.save(record.id.as_str(), &record)).await
    }

    /// Writes an endpoint, but for the last step: nothing has changed until [`Begun::finish`]. The caller sees to it that
    /// nobody else writes the same endpoint meanwhile.
    ///
    /// # Errors
    /// As [`Self::save_network`].
    pub async fn begin_endpoint(&self, record: &EndpointRecord) -> Result<Begun, StoreError> {
        let record = record.clone();
        on_disk(&self.endpoints, move |dir| dir.begin(record.id.as_str(), &record)).await
    }

    /// Removes a network's record, if there is one, also one that was set aside as damaged.
    ///
    /// # Errors
    /// When the disk is read-only or broken.
    pub async fn remove_network(&self, id: &NetworkId) -> Result<Removed, StoreError> {
        let id = id.clone();
        on_disk(&self.networks, move |dir| dir.remove(id.as_str())).await
    }

    /// Removes an endpoint's record, if there is one.
    ///
    /// # Errors
    /// As [`Self::remove_network`].
    pub async fn remove_endpoint(&self, id: &EndpointId) -> Result<(), StoreError> {
        let id = id.clone();
        on_disk(&self.endpoints, move |dir| dir.remove(id.as_str()).map(|_| ())).await
    }
}

/// Runs disk work where it may block: on a thread for it where it waits for the disk, and right here where it only
/// changes a page in memory, which takes less than waking that thread.
async fn on_disk<T: Send + 'static>(
    dir: &Arc<RecordDir>,
    work: impl FnOnce(&RecordDir) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    if dir.durability() == Durability::Process {
        return work(dir);
    }
    let dir = Arc::clone(dir);
    let path = dir.path().to_owned();
    tokio::task::spawn_blocking(move || work(&dir)).await.unwrap_or_else(|error| {
        // The work does not panic and is not cancelled; if it ever is, the caller hears of it as of any failure.
        Err(StoreError::new("work in", &path, std::io::Error::other(error)))
    })
}

fn lock(dir: &Path) -> Result<Flock<std::fs::File>, StoreError> {
    record_dir::make_private_dir(dir)?;
    let path = dir.join("lock");
    let open = std::fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = open.map_err(|source| StoreError::new("open", &path, source))?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| {
        let source = match errno {
            nix::errno::Errno::EWOULDBLOCK => std::io::Error::other(
                "another trunkline daemon uses this directory; stop it, or give this one its own",
            ),
            errno => errno.into(),
        };
        StoreError::new("lock", &path, source)
    })
}
