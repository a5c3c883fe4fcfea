//! Containers in the model: links in them, their addresses and routes.

use nix::errno::Errno;

use super::FakeKernel;
use super::state::{FakeLink, State};
use crate::kernel::error::KernelError;
use crate::kernel::link::LinkIndex;
use crate::kernel::sandbox::{Sandbox, SandboxLink, SandboxView};
use crate::kernel::watch::LinkEvent;
use crate::model::interface::{InterfaceAddress, InterfaceRoute};
use crate::model::link_name::LinkName;

/// A container's namespace.
#[derive(Debug)]
pub struct FakeSandbox {
    kernel: FakeKernel,
    path: String,
}

impl FakeSandbox {
    pub(super) fn new(kernel: FakeKernel, path: &str) -> Self {
        Self { kernel, path: path.to_owned() }
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Does something with a link in here.
    async fn with<T>(
        &self,
        what: &str,
        index: LinkIndex,
        action: impl FnOnce(&mut State) -> Result<T, Errno>,
    ) -> Result<T, KernelError> {
        self.kernel.latency().await;
        self.kernel.operate(format!("{what} index {index} in {}", self.path), |state| {
            let is_here = state.inside(&self.path).any(|found| found.link.index == index);
            if is_here { action(state) } else { Err(Errno::ENODEV) }
        })
    }
}

impl FakeKernel {
    /// The engine takes a link into a container and gives it its name, address and routes.
    pub fn fetch(
        &self,
        link: &LinkName,
        path: &str,
        name: &str,
        addresses: &[InterfaceAddress],
        routes: &[InterfaceRoute],
    ) {
        let mut state = self.state();
        let Some(index) = state.visible(link.as_str()).map(|link| link.index) else { return };
        state.update(index, |link| link.name = name.to_owned());
        // The twin check of the kernel is the engine's to hear; a link that is down is as good here.
        let _ = state.bring_up(index);
        if let Some(found) = state.links.get_mut(&index.0) {
            found.container = Some(path.to_owned());
            found.inside = (addresses.to_vec(), routes.to_vec());
        }
        state.tell(LinkEvent::Gone(index));
    }

    /// The engine brings a container's link back to the host under its old name.
    pub fn bring_back(&self, path: &str, name: &str, link: &LinkName) {
        let mut state = self.state();
        let Some(index) =
            state.inside(path).find(|found| found.link.name == name).map(|found| found.link.index)
        else {
            return;
        };
        state.update(index, |found| found.name = link.as_str().to_owned());
        if let Some(found) = state.links.get_mut(&index.0) {
            (found.container, found.inside) = (None, Default::default());
        }
    }

    /// The link of this name in a container.
    pub fn inside(&self, path: &str, name: &str) -> Option<LinkIndex> {
        self.state().inside(path).find(|found| found.link.name == name).map(|found| found.link.index)
    }

    /// What is in a container, a line a link.
    pub fn dump_container(&self, path: &str) -> Vec<String> {
        let state = self.state();
        let line = |found: &FakeLink| {
            let (addresses, routes) = &found.inside;
            let mut words = vec![found.link.name.clone()];
            words.extend(found.link.mac.map(|mac| mac.to_string()));
            words.push(if found.link.up { "up" } else { "down" }.to_owned());
            words.extend(addresses.iter().map(|address| address.address.to_string()));
            for route in routes {
                let via = route.gateway.map(|gateway| format!(" via {gateway}")).unwrap_or_default();
                words.push(format!("{}{via}", route.destination));
            }
            words.join(" ")
        };
        state.inside(path).map(line).collect()
    }
}

impl Sandbox for FakeSandbox {
    async fn look(&self) -> Result<SandboxView, KernelError> {
        self.kernel.latency().await;
        self.kernel.operate(format!("list what is in {}", self.path), |state| {
            let mut view = SandboxView::default();
            for found in state.inside(&self.path) {
                let link = &found.link;
                let (addresses, routes) = found.inside.clone();
                for route in routes.iter().filter(|route| route.destination.prefix() == 0) {
                    view.has_default_v4 |= route.destination.is_ipv4();
                    view.has_default_v6 |= route.destination.is_ipv6();
                }
                view.links.push(SandboxLink {
                    index: link.index,
                    name: link.name.clone(),
                    parent: link.lower.filter(|_| link.is_child()),
                    mac: link.mac,
                    up: link.up,
                    addresses,
                    routes,
                });
            }
            Ok(view)
        })
    }

    async fn allow_ipv6(&self, _link: &LinkName) -> Result<(), KernelError> {
        self.kernel.latency().await;
        self.kernel.operate(format!("switch IPv6 on in {}", self.path), |_| Ok(()))
    }

    async fn rename(&self, index: LinkIndex, name: &LinkName) -> Result<(), KernelError> {
        self.with("rename", index, |state| {
            if state
                .inside(&self.path)
                .any(|found| found.link.name == name.as_str() && found.link.index != index)
            {
                return Err(Errno::EEXIST);
            }
            state.update(index, |link| link.name = name.as_str().to_owned());
            Ok(())
        })
        .await
    }

    async fn add_address(&self, index: LinkIndex, address: &InterfaceAddress) -> Result<(), KernelError> {
        self.with("give an address to", index, |state| {
            let found = state.links.get_mut(&index.0).ok_or(Errno::ENODEV)?;
            if found.inside.0.iter().any(|known| known.address == address.address) {
                return Err(Errno::EEXIST);
            }
            found.inside.0.push(address.clone());
            Ok(())
        })
        .await
    }

    async fn set_up(&self, index: LinkIndex) -> Result<(), KernelError> {
        self.with("bring up", index, |state| state.bring_up(index)).await
    }

    async fn add_route(&self, index: LinkIndex, route: &InterfaceRoute) -> Result<(), KernelError> {
        self.with("make a route through", index, |state| {
            let found = state.links.get_mut(&index.0).ok_or(Errno::ENODEV)?;
            // Without the link there is no route to the next hop either (`fib_check_nh`, net/ipv4/fib_semantics.c).
            if !found.link.up {
                return Err(if route.gateway.is_some() { Errno::ENETUNREACH } else { Errno::ENETDOWN });
            }
            // What reaches the next hop: an address's subnet, or a route on the link.
            let (addresses, routes) = &mut found.inside;
            let reaches = |gateway| {
                addresses.iter().any(|known| known.address.contains(gateway))
                    || routes
                        .iter()
                        .any(|known| known.gateway.is_none() && known.destination.contains(gateway))
            };
            if route.gateway.is_some_and(|gateway| !route.on_link && !reaches(gateway)) {
                return Err(Errno::ENETUNREACH);
            }
            if routes.iter().any(|known| known.destination == route.destination) {
                return Err(Errno::EEXIST);
            }
            routes.push(route.clone());
            Ok(())
        })
        .await
    }

    async fn delete_link(&self, index: LinkIndex) -> Result<(), KernelError> {
        self.with("remove", index, |state| {
            state.remove(index);
            Ok(())
        })
        .await
    }
}
