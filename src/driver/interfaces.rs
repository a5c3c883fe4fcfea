//! The interfaces of running containers: remembered as they are, so that they can be given back when they go with their
//! parent (see `restore`).
//!
//! The engine names and configures an interface after Join has been answered, and nobody tells when it is done; the
//! container may change it later. So they are looked at: some times soon after Join, and now and then.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::{debug, warn};

use super::Driver;
use crate::kernel::{Kernel, LinkIndex, Sandbox, SandboxLink, SandboxView};
use crate::model::endpoint::EndpointRecord;
use crate::model::ids::EndpointId;
use crate::model::interface::{Interface, MAX_ADDRESSES, MAX_ROUTES};

/// How long after Join, and after each look, a new interface is looked at.
const FIRST_LOOKS: [Duration; 4] =
    [Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(3), Duration::from_secs(10)];
/// How often all are looked at, and those that could not be given back are tried again.
const ROUND: Duration = Duration::from_secs(30);

/// How long a look at a container, or giving it its interface back, may take: calls for the endpoint wait meanwhile.
pub(super) const LONGEST: Duration = Duration::from_secs(6);

/// What is going on with interfaces in containers.
#[derive(Debug, Default)]
pub(super) struct Interfaces {
    /// Those that have just been joined: when the next look is due, and how many there were.
    new: Mutex<HashMap<EndpointId, (Instant, usize)>>,
    /// Why some could not be given back.
    missing: Mutex<HashMap<EndpointId, String>>,
    /// Something came, or may have gone.
    wake: Notify,
    may_be_lost: AtomicBool,
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Interfaces {
    /// An engine is about to put an interface into a container.
    pub(super) fn will_come(&self, id: &EndpointId) {
        locked(&self.new).insert(id.clone(), (Instant::now() + FIRST_LOOKS[0], 0));
        locked(&self.missing).remove(id);
        self.wake.notify_one();
    }

    /// A network has a device, which may be another than it had.
    pub(super) fn may_be_lost(&self) {
        self.may_be_lost.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    pub(super) fn forget(&self, id: &EndpointId) {
        locked(&self.new).remove(id);
        locked(&self.missing).remove(id);
    }

    /// An interface is in its container.
    pub(super) fn is_there(&self, id: &EndpointId) {
        locked(&self.missing).remove(id);
    }

    /// An interface could not be given back. Says whether that is news.
    pub(super) fn is_missing(&self, id: &EndpointId, reason: &str) -> bool {
        let before = locked(&self.missing).insert(id.clone(), reason.to_owned());
        before.as_deref() != Some(reason)
    }

    /// Why an interface could not be given back; none when it was, or never went.
    pub(super) fn reason(&self, id: &EndpointId) -> Option<String> {
        locked(&self.missing).get(id).cloned()
    }

    /// The next moment at which a new one is due.
    fn next_due(&self) -> Option<Instant> {
        locked(&self.new).values().map(|(due, _)| *due).min()
    }

    /// Those that are due, less those that have been looked at often enough.
    fn take_due(&self) -> Vec<EndpointId> {
        let now = Instant::now();
        let mut due = Vec::new();
        locked(&self.new).retain(|id, (at, looks)| {
            if *at > now {
                return true;
            }
            due.push(id.clone());
            *looks += 1;
            let pause = FIRST_LOOKS.get(*looks);
            *at = now + pause.copied().unwrap_or_default();
            pause.is_some()
        });
        due
    }
}

impl<K: Kernel> Driver<K> {
    /// Looks after the interfaces of running containers in the background. Never ends.
    pub async fn watch_interfaces(&self) {
        let mut round = Instant::now() + ROUND;
        loop {
            let next = self.interfaces.next_due().map_or(round, |due| due.min(round));
            // Whichever it was, what is done follows from what is due.
            let _ = tokio::time::timeout_at(next, self.interfaces.wake.notified()).await;
            let is_round = Instant::now() >= round;
            if self.interfaces.may_be_lost.swap(false, Ordering::AcqRel) || is_round {
                self.restore_interfaces().await;
            }
            for id in self.interfaces.take_due() {
                self.observe_interface(&id).await;
            }
            if is_round {
                for record in self.endpoints.all().iter().filter(|record| record.sandbox.is_some()) {
                    self.observe_interface(&record.id).await;
                }
                round = Instant::now() + ROUND;
            }
        }
    }

    /// Remembers an endpoint's interface as it is in its container now, if it is there.
    pub(super) async fn observe_interface(&self, id: &EndpointId) {
        let _alone = self.endpoint_gates.enter(id).await;
        let Some(record) = self.endpoints.get(id).filter(|_| !self.endpoints.has_left(id)) else { return };
        let (Some(path), Some(parent)) = (&record.sandbox, record.parent) else { return };
        // One that went with its parent, or is about to, has nothing to show.
        if self.is_lost(&record) {
            return;
        }
        let look = async { self.kernel.enter(path).await?.look().await };
        let view = match tokio::time::timeout(LONGEST, look).await {
            Ok(Ok(view)) => view,
            Err(_) => return,
            Ok(Err(error)) => {
                debug!(%error, endpoint = id.short(), "the container cannot be looked into");
                return;
            }
        };
        // Of one that is not whole there is nothing to learn.
        let found = self.find_interface(&view, &record, LinkIndex(parent)).filter(|_| !view.is_cut);
        let Some(interface) = found.and_then(|link| seen(link, &record)) else { return };
        if record.interface.as_ref() == Some(&interface) {
            return;
        }
        let record = EndpointRecord { interface: Some(interface), ..record };
        match self.store.save_endpoint(&record).await {
            Ok(()) => self.endpoints.insert(record),
            Err(error) => {
                warn!(%error, endpoint = id.short(), "a container's interface cannot be remembered")
            }
        }
    }

    /// The link of an endpoint in its container.
    pub(super) fn find_interface<'a>(
        &self,
        view: &'a SandboxView,
        endpoint: &EndpointRecord,
        parent: LinkIndex,
    ) -> Option<&'a SandboxLink> {
        find(view, endpoint, parent, &self.endpoints.beside(endpoint))
    }

    /// Whether an endpoint's link went with the device it was made on: its network is on another now.
    pub(super) fn is_lost(&self, record: &EndpointRecord) -> bool {
        let Ok(network) = self.network(&record.network) else { return false };
        let is_on = network.attachment().map(|attachment| attachment.index.0);
        record.sandbox.is_some() && record.parent.is_some() && is_on.is_some() && record.parent != is_on
    }
}

/// The link of an endpoint among those in its container, less those of other endpoints: on its parent, and known by its
/// MAC, its address, or its name, as a container may change any of them.
fn find<'a>(
    view: &'a SandboxView,
    endpoint: &EndpointRecord,
    parent: LinkIndex,
    others: &[EndpointRecord],
) -> Option<&'a SandboxLink> {
    let is_on_parent = |link: &&SandboxLink| link.parent == Some(parent);
    let by = |is_it: &dyn Fn(&EndpointRecord, &SandboxLink) -> bool| {
        let mut free = view.links.iter().filter(is_on_parent);
        free.find(|link| is_it(endpoint, link) && !others.iter().any(|other| has_mark(other, link)))
    };
    // One that has its own mark is its own, whatever else a container gave it.
    let mut marked = view.links.iter().filter(is_on_parent);
    marked.find(|link| has_own_mac(endpoint, link)).or_else(|| by(&has_address)).or_else(|| by(&has_name))
}

/// Whether a link bears a mark of this endpoint.
fn has_mark(endpoint: &EndpointRecord, link: &SandboxLink) -> bool {
    has_own_mac(endpoint, link) || has_address(endpoint, link) || has_name(endpoint, link)
}

fn has_own_mac(endpoint: &EndpointRecord, link: &SandboxLink) -> bool {
    let last = endpoint.interface.as_ref().and_then(|last| last.mac);
    endpoint.mac.is_some() && link.mac.is_some() && [endpoint.mac, last].contains(&link.mac)
}

fn has_address(endpoint: &EndpointRecord, link: &SandboxLink) -> bool {
    let mut own = link.addresses.iter().map(|address| address.address.ip());
    own.any(|address| endpoint.addresses().any(|known| known == address))
}

/// By the name it had, or the one under which it was made and not given its own yet.
fn has_name(endpoint: &EndpointRecord, link: &SandboxLink) -> bool {
    let last = endpoint.interface.as_ref().map(|last| last.name.as_str());
    last == Some(link.name.as_str()) || link.name == endpoint.link.as_str()
}

/// What is remembered of a link; nothing while an engine is still at it, or when its name is none we could give.
fn seen(link: &SandboxLink, endpoint: &EndpointRecord) -> Option<Interface> {
    if !link.up {
        return None;
    }
    Some(Interface {
        name: link.name.parse().ok()?,
        mac: link.mac.filter(|_| endpoint.mac.is_some()),
        addresses: link.addresses.iter().take(MAX_ADDRESSES).cloned().collect(),
        routes: link.routes.iter().take(MAX_ROUTES).cloned().collect(),
    })
}
