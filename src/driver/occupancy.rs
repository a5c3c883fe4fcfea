//! What others have on a device: whether it is free for children of ours, and whether a device of ours may go.
//!
//! Links that were moved into containers are not listed on the host, but they are still on their parent. The kernel
//! tells when asked to make one more: a macvlan link is made as a probe and removed at once. A probe is never an
//! ipvlan link, because making one changes the mode of all ipvlan links on the parent.

use std::time::Duration;

use nix::errno::Errno;

use super::attach::remove;
use super::parent_error::ParentError;
use crate::failpoint;
use crate::kernel::{Kernel, KernelError, Link, LinkKind, NewLink, NewLinkKind, link_named};
use crate::model::link_name::LinkName;
use crate::model::mode::{MacvlanMode, Mode};

/// How often and how far apart an occupied device is asked again: links of a container that just ended are removed
/// by the kernel some milliseconds later (shared/facts: netns teardown is asynchronous).
const ATTEMPTS: usize = 20;
const PAUSE: Duration = Duration::from_millis(50);

/// Who makes probes, and under which name.
#[derive(Debug, Clone)]
pub(super) struct Prober {
    pub(super) name: LinkName,
    pub(super) group: u32,
}

/// What stands on a device of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stands {
    /// Nothing: it may be removed.
    Nothing,
    /// Another device of ours.
    Ours,
    /// Links that are not listed here.
    Hidden,
    /// Something of the user's, in words.
    Foreign(String),
}

/// What a probe found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Occupant {
    /// Nothing that excludes a macvlan link of the probe's mode.
    Nobody,
    /// The kernel refused with EBUSY: the device's rx handler is another's, in practice ipvlan's.
    OtherHandler,
    /// The kernel refused with EINVAL: passthru is there, or was asked for beside others.
    Macvlan,
}

impl Prober {
    /// Makes a macvlan link on the device and removes it.
    async fn probe<K: Kernel>(
        &self,
        kernel: &K,
        on: &Link,
        mode: MacvlanMode,
    ) -> Result<Occupant, KernelError> {
        let kind = NewLinkKind::Macvlan { parent: on.index, mode, bcqueuelen: None };
        let (name, group) = (self.name.clone(), self.group);
        let new = NewLink { name, group, mtu: None, mac: None, up: false, kind };
        let mut outcome = kernel.add_link(&new).await;
        if matches!(&outcome, Err(error) if error.is(Errno::EEXIST)) {
            // Left behind by a daemon that died between the two steps.
            self.remove_probe(kernel).await?;
            outcome = kernel.add_link(&new).await;
        }
        match outcome {
            Ok(()) => {
                failpoint::reached("probe.made");
                self.remove_probe(kernel).await?;
                failpoint::reached("probe.removed");
                Ok(Occupant::Nobody)
            }
            Err(error) if error.is(Errno::EBUSY) => Ok(Occupant::OtherHandler),
            Err(error) if error.is(Errno::EINVAL) => Ok(Occupant::Macvlan),
            Err(error) => {
                self.remove_probe(kernel).await?;
                Err(error)
            }
        }
    }

    async fn remove_probe<K: Kernel>(&self, kernel: &K) -> Result<(), KernelError> {
        match link_named(kernel, &self.name).await? {
            Some(link) if link.group == self.group && link.is_child() => remove(kernel, link.index).await,
            _ => Ok(()),
        }
    }

    /// Probes until the device is free, for a short while.
    async fn probe_patiently<K: Kernel>(
        &self,
        kernel: &K,
        on: &Link,
        mode: MacvlanMode,
    ) -> Result<Occupant, KernelError> {
        let mut found = self.probe(kernel, on, mode).await?;
        for _ in 1..ATTEMPTS {
            if found == Occupant::Nobody {
                break;
            }
            tokio::time::sleep(PAUSE).await;
            found = self.probe(kernel, on, mode).await?;
        }
        Ok(found)
    }

    /// Whether nothing of others on the parent excludes children in this mode.
    ///
    /// # Errors
    /// [`ParentError::Foreign`] when something does.
    pub(super) async fn check_free<K: Kernel>(
        &self,
        kernel: &K,
        parent: &Link,
        mode: Mode,
    ) -> Result<(), ParentError> {
        let foreign = |by, remedy| {
            Err(ParentError::Foreign {
                device: parent.name.clone(),
                by,
                kind: format!("mode={mode}"),
                remedy,
            })
        };
        let macvlan = match mode {
            Mode::Macvlan { mode } => mode,
            Mode::Ipvlan { mode, flag } => {
                let links = kernel.links().await?;
                let mut siblings = links.iter().filter(|link| link.lower == Some(parent.index));
                let port = siblings.find_map(|link| match link.kind {
                    LinkKind::Ipvlan(port) => Some(port),
                    _ => None,
                });
                match port {
                    Some(port) if port == Some((mode, flag)) => return Ok(()),
                    Some(_) => {
                        return foreign(
                            "ipvlan interfaces in another mode",
                            "an ipvlan parent has one mode, and another would change theirs too: use theirs or another parent",
                        );
                    }
                    None => MacvlanMode::Passthru,
                }
            }
        };
        let is_macvlan = matches!(mode, Mode::Macvlan { .. });
        match self.probe_patiently(kernel, parent, macvlan).await? {
            Occupant::Nobody => Ok(()),
            Occupant::OtherHandler if is_macvlan => foreign(
                "ipvlan interfaces (of containers that another driver runs, as far as they are not listed here)",
                "macvlan and ipvlan do not share a parent: use an ipvlan mode or another parent",
            ),
            Occupant::OtherHandler => foreign(
                "ipvlan interfaces in containers, whose mode cannot be seen from here",
                "an ipvlan parent has one mode, and another would change theirs too: use another parent",
            ),
            Occupant::Macvlan if is_macvlan && macvlan != MacvlanMode::Passthru => foreign(
                "a macvlan interface in mode passthru",
                "passthru takes the whole parent: use another parent",
            ),
            Occupant::Macvlan => foreign(
                "macvlan interfaces (of containers that another driver runs, as far as they are not listed here)",
                "use mode=bridge, private or vepa, or another parent",
            ),
        }
    }

    /// What stands on a device of ours that no network uses. Children of ours on it that were never fetched are removed
    /// first: a probe would only find them.
    pub(super) async fn stands_on<K: Kernel>(
        &self,
        kernel: &K,
        device: &Link,
    ) -> Result<Stands, KernelError> {
        if device.controller.is_some() {
            return Ok(Stands::Foreign("it is the port of a bridge, bond or team".to_owned()));
        }
        let addresses = kernel.addresses(device.index).await?;
        if let Some(found) = addresses.iter().find(|found| !found.automatic) {
            return Ok(Stands::Foreign(format!("it has the address {}", found.address)));
        }
        let links = kernel.links().await?;
        let above: Vec<_> = links.iter().filter(|link| link.lower == Some(device.index)).collect();
        if let Some(link) = above.iter().find(|link| link.group != self.group) {
            return Ok(Stands::Foreign(format!("{} stands on it", link.name)));
        }
        if above.iter().any(|link| !link.is_child()) {
            return Ok(Stands::Ours);
        }
        for child in above {
            remove(kernel, child.index).await?;
            failpoint::reached("device.child_removed");
        }
        let found = self.probe_patiently(kernel, device, MacvlanMode::Passthru).await?;
        Ok(if found == Occupant::Nobody { Stands::Nothing } else { Stands::Hidden })
    }
}
