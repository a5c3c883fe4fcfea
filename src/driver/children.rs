//! The links of containers while they are in the host: made for Join, removed for DeleteEndpoint.

use std::time::Duration;

use nix::errno::Errno;
use tracing::debug;

use super::attach::remove;
use super::{Attachment, Driver, DriverError, Network, ParentError};
use crate::failpoint;
use crate::kernel::{Kernel, KernelError, Link, LinkIndex, NewLink, NewLinkKind, link_named};
use crate::model::endpoint::EndpointRecord;
use crate::model::link_name::LinkName;
use crate::model::mode::Mode;

/// How often and how far apart an occupied parent is asked again. The old link of a container that just stopped keeps
/// a passthru parent for some milliseconds: the kernel takes a namespace down in its own time.
const BUSY_ATTEMPTS: usize = 40;
const BUSY_PAUSE: Duration = Duration::from_millis(50);

/// Why a child was not made.
#[derive(Debug)]
pub(super) enum ChildError {
    /// The attachment's device does not exist any more.
    ParentGone,
    /// Anything else.
    Refused(DriverError),
}

impl<K: Kernel> Driver<K> {
    /// Makes the link of an endpoint, with all it needs in one message.
    pub(super) async fn make_child(
        &self,
        network: &Network,
        attachment: &Attachment,
        endpoint: &EndpointRecord,
    ) -> Result<(), ChildError> {
        let new = self.new_child(network, attachment, endpoint);
        // Of macvlan children the kernel takes none above its parent's MTU, of ipvlan children it does.
        if matches!(new.kind, NewLinkKind::Ipvlan { .. })
            && let Some(refusal) = self.mtu_above_parent(network, attachment).await
        {
            return Err(ChildError::Refused(refusal));
        }
        let mut attempt = 1;
        loop {
            let error = match self.kernel.add_link(&new).await {
                Ok(()) => {
                    failpoint::reached("child.made");
                    return Ok(());
                }
                Err(error) => error,
            };
            if error.is(Errno::EEXIST) {
                match self.clear_leftover(&new, attachment, endpoint).await? {
                    Leftover::Usable => return Ok(()),
                    Leftover::Removed if attempt < BUSY_ATTEMPTS => {}
                    Leftover::Removed => return Err(ChildError::Refused(error.into())),
                }
            } else if error.is_gone() {
                return Err(ChildError::ParentGone);
            } else if error.is_uncertain() {
                return match self.clear_leftover(&new, attachment, endpoint).await? {
                    Leftover::Usable => Ok(()),
                    Leftover::Removed => Err(ChildError::Refused(error.into())),
                };
            } else if is_busy(&error, network.record.spec.mode) && attempt < BUSY_ATTEMPTS {
                tokio::time::sleep(BUSY_PAUSE).await;
            } else {
                return Err(ChildError::Refused(self.refusal(error, network, attachment).await));
            }
            attempt += 1;
        }
    }

    pub(super) fn new_child(
        &self,
        network: &Network,
        attachment: &Attachment,
        endpoint: &EndpointRecord,
    ) -> NewLink {
        let spec = &network.record.spec;
        let parent = attachment.index;
        let kind = match spec.mode {
            Mode::Macvlan { mode } => NewLinkKind::Macvlan { parent, mode, bcqueuelen: spec.bcqueuelen },
            Mode::Ipvlan { mode, flag } => NewLinkKind::Ipvlan { parent, mode, flag },
        };
        NewLink {
            name: endpoint.link.clone(),
            group: self.settings.link_group,
            mtu: spec.mtu,
            mac: endpoint.mac,
            up: false,
            kind,
        }
    }

    /// Something has the name already: a link of an earlier attempt, which serves if it is as it should be and is
    /// removed if not, or a device of somebody else.
    async fn clear_leftover(
        &self,
        new: &NewLink,
        attachment: &Attachment,
        endpoint: &EndpointRecord,
    ) -> Result<Leftover, ChildError> {
        let refused = |error: KernelError| ChildError::Refused(error.into());
        let Some(link) = link_named(&self.kernel, &new.name).await.map_err(refused)? else {
            return Ok(Leftover::Removed);
        };
        if !self.is_child_of_ours(&link) {
            return Err(ChildError::Refused(DriverError::LinkNameTaken(new.name.clone())));
        }
        let fits = link.lower == Some(attachment.index)
            && new.mac.is_none_or(|mac| link.mac == Some(mac))
            && new.mtu.is_none_or(|mtu| link.mtu == mtu.get());
        if fits {
            return Ok(Leftover::Usable);
        }
        debug!(link = link.name, endpoint = endpoint.id.short(), "a leftover link is replaced");
        remove(&self.kernel, link.index).await.map_err(refused)?;
        failpoint::reached("child.leftover_removed");
        Ok(Leftover::Removed)
    }

    /// Removes an endpoint's link if it is in the host. `parent` is the device it was made on, where that is known: the
    /// link had our mark then, and a container that may change its link may have taken the mark off.
    pub(super) async fn remove_child(
        &self,
        name: &LinkName,
        parent: Option<LinkIndex>,
    ) -> Result<(), KernelError> {
        match link_named(&self.kernel, name).await {
            Ok(Some(link)) => {
                let is_on_parent = link.is_child() && parent.is_some() && link.lower == parent;
                match is_on_parent || self.is_child_of_ours(&link) {
                    true => remove(&self.kernel, link.index).await,
                    false => Ok(()),
                }
            }
            Ok(None) => Ok(()),
            // What a container can write into its link can make the kernel's answer unreadable.
            Err(error) if error.is_uncertain() && parent.is_some() => {
                match self.kernel.delete_link_named(name).await {
                    Err(error) if error.is_gone() => Ok(()),
                    outcome => outcome,
                }
            }
            Err(error) => Err(error),
        }
    }

    fn is_child_of_ours(&self, link: &Link) -> bool {
        link.group == self.settings.link_group && link.is_child()
    }

    /// What to say of a child that the kernel refuses.
    async fn refusal(&self, error: KernelError, network: &Network, attachment: &Attachment) -> DriverError {
        if error.is(Errno::EINVAL)
            && let Some(refusal) = self.mtu_above_parent(network, attachment).await
        {
            return refusal;
        }
        if is_busy(&error, network.record.spec.mode) {
            let parent = attachment.name.clone();
            return DriverError::ParentBusy { parent, network: network.record.id.clone(), error };
        }
        error.into()
    }

    /// Says so when the network asks for an MTU above the parent's, which somebody may have lowered since the network was
    /// made. An answer that the kernel does not give is no reason to refuse.
    async fn mtu_above_parent(&self, network: &Network, attachment: &Attachment) -> Option<DriverError> {
        let asked = network.record.spec.mtu?.get();
        let parent = self.kernel.link_by_index(attachment.index).await.ok()??;
        (asked > parent.mtu).then(|| {
            let parent_mtu = parent.mtu;
            ParentError::MtuAboveParent { asked, parent: parent.name, parent_mtu }.into()
        })
    }
}

enum Leftover {
    Usable,
    Removed,
}

/// Whether the refusal is one that a dying link causes.
fn is_busy(error: &KernelError, mode: Mode) -> bool {
    error.is(Errno::EBUSY) || (mode.is_exclusive() && error.is(Errno::EINVAL))
}
