//! The edge to Linux: what the driver can see of network links and do to them.
//!
//! [`Kernel`] is narrow on purpose: each operation is one thing that the kernel does or refuses as a whole, so the
//! driver's undo has steps of the same size. [`netlink`] is the real one and the only user of rtnetlink; `fake` is
//! a model of it with the same answers, for tests; one table of cases is run on both (tests/conformance).

pub mod error;
pub mod fake;
pub mod link;
pub mod netlink;
pub mod sandbox;
pub mod watch;

use std::future::Future;

pub use error::{KernelError, Refusal};
pub use link::{Link, LinkAddress, LinkIndex, LinkKind, NewLink, NewLinkKind};
pub use sandbox::{Sandbox, SandboxLink, SandboxView};
pub use watch::{LinkEvent, LinkEvents};

use crate::model::link_name::{DeviceName, LinkName};

/// What can be done with links in the network namespace the daemon runs in. Every operation ends within a bounded
/// time; one that did not get the kernel's answer in time fails with [`Refusal::NoAnswer`], and may have happened.
pub trait Kernel: Send + Sync + 'static {
    /// Where it says what happens to links.
    type Events: LinkEvents;
    /// A container's network namespace that was entered.
    type Sandbox: Sandbox;

    /// The link with this name or alternative name (RTM_GETLINK); `None` when there is none.
    fn link_by_name(
        &self,
        name: &DeviceName,
    ) -> impl Future<Output = Result<Option<Link>, KernelError>> + Send;

    /// The link with this index; `None` when there is none.
    fn link_by_index(
        &self,
        index: LinkIndex,
    ) -> impl Future<Output = Result<Option<Link>, KernelError>> + Send;

    /// All links. Its cost grows with their number: never on the path of an endpoint's call.
    fn links(&self) -> impl Future<Output = Result<Vec<Link>, KernelError>> + Send;

    /// The addresses of one link.
    fn addresses(
        &self,
        index: LinkIndex,
    ) -> impl Future<Output = Result<Vec<LinkAddress>, KernelError>> + Send;

    /// Makes a link with all its attributes in one message (RTM_NEWLINK, exclusive).
    fn add_link(&self, new: &NewLink) -> impl Future<Output = Result<(), KernelError>> + Send;

    /// Gives a link one more name, of up to 127 bytes.
    fn add_alternative_name(
        &self,
        index: LinkIndex,
        name: &DeviceName,
    ) -> impl Future<Output = Result<(), KernelError>> + Send;

    /// Brings a link up.
    fn set_up(&self, index: LinkIndex) -> impl Future<Output = Result<(), KernelError>> + Send;

    /// Puts a link into a group; 0 is the group of links that nobody marked.
    fn set_group(&self, index: LinkIndex, group: u32)
    -> impl Future<Output = Result<(), KernelError>> + Send;

    /// Whether a network namespace is mounted at this path, as engines mount those of running containers. A path that
    /// cannot be seen from here is none.
    fn has_namespace(&self, path: &str) -> impl Future<Output = bool> + Send;

    /// Whether there is anything at this path, as far as it can be seen from here.
    fn has_path(&self, path: &str) -> impl Future<Output = bool> + Send;

    /// Removes a link, and with it the links on it in every namespace.
    fn delete_link(&self, index: LinkIndex) -> impl Future<Output = Result<(), KernelError>> + Send;

    /// Removes the link of this name without having seen it. Only for a link that is known to be ours and that cannot be
    /// looked at: what a container wrote into its own link (an alias that is no text) can make the answer unreadable.
    fn delete_link_named(&self, name: &LinkName) -> impl Future<Output = Result<(), KernelError>> + Send;

    /// Enters the network namespace that is mounted at this path.
    fn enter(&self, path: &str) -> impl Future<Output = Result<Self::Sandbox, KernelError>> + Send;

    /// Makes a link right in a container, on a device of the host.
    fn add_link_in(
        &self,
        sandbox: &Self::Sandbox,
        new: &NewLink,
    ) -> impl Future<Output = Result<(), KernelError>> + Send;

    /// What happens to links from now on.
    fn events(&self) -> Self::Events;
}

/// Looks a link up by a name of ours; once more when that fails, because after making a link it is this look that
/// decides whether it is used, undone or left behind.
pub(crate) async fn link_named<K: Kernel>(kernel: &K, name: &LinkName) -> Result<Option<Link>, KernelError> {
    let name = name.clone().into();
    match kernel.link_by_name(&name).await {
        Err(_) => kernel.link_by_name(&name).await,
        found => found,
    }
}
