//! A container's network namespace, seen from outside: what stands in it, and the few changes that give a container back
//! what went with its parent.

use std::future::Future;

use super::error::KernelError;
use super::link::LinkIndex;
use crate::model::interface::{InterfaceAddress, InterfaceRoute};
use crate::model::link_name::LinkName;
use crate::model::mac::MacAddress;

/// What can be done in a container's network namespace. Bounded in time as [`super::Kernel`] is; let go of it soon, it
/// keeps the namespace alive.
pub trait Sandbox: Send + Sync {
    /// All that is there.
    fn look(&self) -> impl Future<Output = Result<SandboxView, KernelError>> + Send;

    /// Lets a link have IPv6 addresses: engines switch IPv6 off in containers without any.
    fn allow_ipv6(&self, link: &LinkName) -> impl Future<Output = Result<(), KernelError>> + Send;

    /// Gives a link that is down another name.
    fn rename(
        &self,
        index: LinkIndex,
        name: &LinkName,
    ) -> impl Future<Output = Result<(), KernelError>> + Send;

    /// Gives a link an address (RTM_NEWADDR, exclusive).
    fn add_address(
        &self,
        index: LinkIndex,
        address: &InterfaceAddress,
    ) -> impl Future<Output = Result<(), KernelError>> + Send;

    /// Brings a link up.
    fn set_up(&self, index: LinkIndex) -> impl Future<Output = Result<(), KernelError>> + Send;

    /// Makes a route through a link (RTM_NEWROUTE, exclusive).
    fn add_route(
        &self,
        index: LinkIndex,
        route: &InterfaceRoute,
    ) -> impl Future<Output = Result<(), KernelError>> + Send;

    /// Removes a link.
    fn delete_link(&self, index: LinkIndex) -> impl Future<Output = Result<(), KernelError>> + Send;
}

/// A container's namespace at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SandboxView {
    /// Its links.
    pub links: Vec<SandboxLink>,
    /// Whether there is an IPv4 default route, through whatever link.
    pub has_default_v4: bool,
    /// The same for IPv6.
    pub has_default_v6: bool,
    /// Whether addresses or routes are missing here, because there are too many to be looked at.
    pub is_cut: bool,
}

/// A link in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxLink {
    /// Its number in there.
    pub index: LinkIndex,
    /// Its name.
    pub name: String,
    /// The number of the device it stands on, when that is in another namespace and this is a macvlan or ipvlan link.
    pub parent: Option<LinkIndex>,
    /// Its MAC.
    pub mac: Option<MacAddress>,
    /// Whether it is up.
    pub up: bool,
    /// Its addresses that stay until they are removed, in the kernel's order.
    pub addresses: Vec<InterfaceAddress>,
    /// The routes through it that the kernel did not make by itself.
    pub routes: Vec<InterfaceRoute>,
}
