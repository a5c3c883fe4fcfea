//! Parents that go and come back: link events bring networks up that wait, and take note of devices that vanished.
//!
//! An event is only a reason to look; what is done follows from what is there then. So it does not matter whether one is
//! missed, comes twice, or comes late.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::FutureExt;
use tracing::{info, warn};

use super::{Driver, DriverError};
use crate::kernel::{Kernel, KernelError, LinkEvent, LinkEvents, LinkIndex};

/// How long events are collected before somebody looks: a device comes with a burst of them, and its names follow.
const SETTLE: Duration = Duration::from_millis(100);
/// How often waiting networks are tried without an event: what was in their way may have gone without one, such as an
/// interface in a container.
const RETRY: Duration = Duration::from_secs(30);
/// How long after a kernel that did not answer.
const AGAIN: Duration = Duration::from_secs(1);

impl<K: Kernel> Driver<K> {
    /// Follows the links of the host, and attaches networks when their parents come. Never ends.
    pub async fn watch_parents(&self) {
        let mut events = self.kernel.events();
        loop {
            match tokio::time::timeout(RETRY, events.next()).await {
                Ok(event) if !self.concerns_a_parent(event) => continue,
                Ok(_) => {
                    tokio::time::sleep(SETTLE).await;
                    while events.next().now_or_never().is_some() {}
                }
                Err(_) if self.waiting_networks().is_empty() => continue,
                Err(_) => {}
            }
            while let Err(error) = self.look_at_parents().await {
                warn!(%error, "the parents could not be looked at; it is tried again");
                tokio::time::sleep(AGAIN).await;
            }
        }
    }

    /// Whether an event may change where a network is. Containers come and go all the time, and do not.
    fn concerns_a_parent(&self, event: LinkEvent) -> bool {
        match event {
            LinkEvent::Missed => true,
            LinkEvent::Gone(index) => self
                .networks
                .iter()
                .any(|network| network.attachment().is_some_and(|attachment| attachment.index == index)),
            LinkEvent::Seen(_) => self.networks.iter().any(|network| network.is_waiting()),
        }
    }

    /// Compares what is there with what networks are attached to.
    pub(super) async fn look_at_parents(&self) -> Result<(), KernelError> {
        let present: HashSet<LinkIndex> = self.kernel.links().await?.iter().map(|link| link.index).collect();
        let attached = self.networks.iter().map(|network| std::sync::Arc::clone(&network));
        let lost: Vec<_> = attached
            .filter(|network| network.attachment().is_some_and(|device| !present.contains(&device.index)))
            .collect();
        for network in lost {
            info!(network = network.record.id.short(), "the network's parent has gone");
            // Otherwise it waits, and has said for what; or it is back already.
            if let Err(DriverError::Kernel(error)) = self.reattach(&network).await {
                return Err(error);
            }
        }
        self.attach_waiting().await;
        Ok(())
    }
}
