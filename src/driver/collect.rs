//! Endpoints that nobody will ever delete: an engine that was killed forgets those of its containers.
//!
//! An endpoint is garbage when its container's namespace is gone, seen twice a while apart, because at the start of a
//! container the namespace has no path yet. Age alone proves nothing: a container may run for years. Where the engine's
//! namespaces cannot be seen from here at all, nothing is collected.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use tracing::{info, warn};

use super::Driver;
use crate::kernel::Kernel;
use crate::model::endpoint::EndpointRecord;
use crate::model::ids::EndpointId;

/// How far apart two looks are.
const PAUSE: Duration = Duration::from_secs(60);
/// How many looks in a row must find the namespace gone; and no namespace at all, because the container was never joined.
const LOOKS_GONE: u32 = 2;
const LOOKS_NEVER_JOINED: u32 = 10;

impl<K: Kernel> Driver<K> {
    /// Collects garbage in the background. Never ends.
    pub async fn collect_endpoints(&self) {
        let mut suspects = HashMap::new();
        loop {
            tokio::time::sleep(PAUSE).await;
            self.collect_once(&mut suspects).await;
        }
    }

    /// Looks once. `suspects` are the endpoints that were garbage at the last looks, and at how many in a row.
    async fn collect_once(&self, suspects: &mut HashMap<EndpointId, u32>) {
        let mut still = HashMap::new();
        for endpoint in self.endpoints.all() {
            if self.has_container(&endpoint).await {
                continue;
            }
            let looks = suspects.get(&endpoint.id).copied().unwrap_or(0) + 1;
            let needed = if endpoint.sandbox.is_some() { LOOKS_GONE } else { LOOKS_NEVER_JOINED };
            if looks < needed {
                still.insert(endpoint.id, looks);
                continue;
            }
            info!(endpoint = endpoint.id.short(), "an endpoint whose container is gone is collected");
            if let Err(error) = self.delete_endpoint(&endpoint.id).await {
                warn!(%error, endpoint = endpoint.id.short(), "the endpoint could not be collected whole");
            }
        }
        *suspects = still;
    }

    /// Whether an endpoint's container may be there.
    async fn has_container(&self, endpoint: &EndpointRecord) -> bool {
        match &endpoint.sandbox {
            None => false,
            Some(sandbox) => {
                // The file outlives the namespace by a minute or so; and where the engine's mounts are not seen from
                // here, it is all that shows a container that runs.
                let directory = Path::new(sandbox).parent().and_then(Path::to_str).unwrap_or_default();
                self.kernel.has_path(sandbox).await || !self.kernel.has_path(directory).await
            }
        }
    }
}
