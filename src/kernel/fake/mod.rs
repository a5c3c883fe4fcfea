//! A model of the kernel with the real one's answers, for tests without root and for faults on demand.
//!
//! It keeps links, their groups, what stands on what and in which namespace, and refuses what Linux refuses with the
//! same error (shared table in tests/conformance). [`FakeKernel::fail_at`] makes one operation go wrong.

mod sandbox;
mod state;

use std::fmt::Write as _;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::Kernel;
use super::error::{KernelError, Refusal};
use super::link::{Link, LinkAddress, LinkIndex, LinkKind, NewLink};
use super::watch::{LinkEvent, LinkEvents};
use crate::model::link_name::{DeviceName, LinkName};
pub use sandbox::FakeSandbox;
use state::State;

/// What goes wrong with an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is refused and has no effect.
    RefusedBefore(Errno),
    /// It has its effect, and the caller is told that it was refused.
    RefusedAfter(Errno),
    /// No effect and no answer.
    SilentBefore,
    /// Its effect, and no answer.
    SilentAfter,
}

/// The model. All methods but those of [`Kernel`] are what a test, an administrator or an engine does.
#[derive(Debug, Clone, Default)]
pub struct FakeKernel {
    /// Shared by clones, which are handles to one kernel: a daemon dies, the kernel stays.
    state: Arc<Mutex<State>>,
}

impl FakeKernel {
    /// A namespace with the loopback device.
    pub fn new() -> Self {
        let fake = Self::default();
        fake.state().insert("lo", LinkKind::Loopback, None, 65_536);
        fake
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a physical device that is up and has an MTU of 1500.
    pub fn add_device(&self, name: &str) -> LinkIndex {
        let mut state = self.state();
        let index = state.insert(name, LinkKind::Other(None), None, 1500);
        state.update(index, |link| link.up = true);
        index
    }

    /// The listeners lose what happened, as when the socket's buffer runs over.
    pub fn lose_events(&self) {
        self.state().tell(LinkEvent::Missed);
    }

    /// Changes a link as an administrator could.
    pub fn update(&self, index: LinkIndex, change: impl FnOnce(&mut Link)) {
        self.state().update(index, change);
    }

    /// Takes a link down, and with it the VLAN devices on it that are not loosely bound (`vlan_device_event`,
    /// net/8021q/vlan.c).
    pub fn take_down(&self, index: LinkIndex) {
        self.state().take_down(index);
    }

    /// Sets an MTU; what stands on the link has at most as much (`macvlan_device_event`, `vlan_device_event`), and ipvlan
    /// children exactly as much (`ipvlan_device_event`).
    pub fn set_mtu(&self, index: LinkIndex, mtu: u32) {
        self.state().set_mtu(index, mtu);
    }

    /// Gives a link an address.
    pub fn add_address(&self, index: LinkIndex, address: LinkAddress) {
        if let Some(found) = self.state().links.get_mut(&index.0) {
            found.addresses.push(address);
        }
    }

    /// Moves a link into a container, or back.
    pub fn set_elsewhere(&self, name: &str, elsewhere: bool) {
        let mut state = self.state();
        let named: Vec<_> =
            state.links.values().filter(|f| f.link.name == name).map(|f| f.link.index).collect();
        for index in named {
            if let Some(found) = state.links.get_mut(&index.0) {
                found.container = elsewhere.then(String::new);
            }
            state.tell(if elsewhere { LinkEvent::Gone(index) } else { LinkEvent::Seen(index) });
        }
    }

    /// Mounts a container's namespace, or takes it away.
    pub fn set_namespace(&self, path: &str, mounted: bool) {
        let mut state = self.state();
        if mounted {
            state.namespaces.insert(path.to_owned());
        } else {
            state.namespaces.remove(path);
        }
    }

    /// Removes a device as an unplugged cable would, with all that stands on it.
    pub fn unplug(&self, name: &str) {
        let mut state = self.state();
        if let Some(index) = state.visible(name).map(|link| link.index) {
            state.remove(index);
        }
    }

    /// The `nth` operation from now on (from 1) goes wrong, once.
    pub fn fail_at(&self, nth: usize, fault: Fault) {
        let mut state = self.state();
        let at = state.operations + nth;
        state.fault = Some((at, fault));
    }

    /// No operation goes wrong any more. Says whether one was still to come.
    pub fn clear_fault(&self) -> bool {
        self.state().fault.take().is_some()
    }

    /// How many operations there were.
    pub fn operations(&self) -> usize {
        self.state().operations
    }

    /// The whole state, a line a link: what tests compare.
    pub fn dump(&self) -> String {
        let state = self.state();
        let mut text = String::new();
        for found in state.links.values() {
            let link = &found.link;
            let lower = link.lower.and_then(|lower| state.links.get(&lower.0)).map(|l| l.link.name.as_str());
            let place = if found.container.is_some() { " elsewhere" } else { "" };
            let up = if link.up { "up" } else { "down" };
            let name = &link.name;
            let kind = kind_text(&link.kind);
            let _ = write!(text, "{name} {kind} {up} mtu {} group {}", link.mtu, link.group);
            let _ = writeln!(text, "{}{place}", lower.map(|l| format!(" on {l}")).unwrap_or_default());
        }
        text
    }

    /// Every operation takes this long from now on.
    pub fn set_latency(&self, latency: Duration) {
        self.state().latency = latency;
    }

    /// Every operation takes a time of its own from now on, at most this long.
    pub fn set_jitter(&self, longest: Duration) {
        self.state().jitter = longest;
    }

    async fn latency(&self) {
        let (latency, jitter) = {
            let state = self.state();
            (state.latency, state.jitter)
        };
        // The keys of a new hasher are random.
        let part = (RandomState::new().hash_one(0) % 1000) as u32;
        let latency = latency + jitter * part / 1000;
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
    }

    /// Counts an operation, lets `action` have its effect unless a fault forbids it, and answers.
    fn operate<T>(
        &self,
        operation: impl Into<String>,
        action: impl FnOnce(&mut State) -> Result<T, Errno>,
    ) -> Result<T, KernelError> {
        let mut state = self.state();
        state.operations += 1;
        let operation = operation.into();
        let refuse = |errno| Err(KernelError::new(operation.clone(), Refusal::Errno(errno)));
        let silent = || Err(KernelError::new(operation.clone(), Refusal::NoAnswer));
        let now = state.operations;
        let fault = state.fault.take_if(|(at, _)| *at == now).map(|(_, fault)| fault);
        match fault {
            None => action(&mut state).or_else(refuse),
            Some(Fault::RefusedBefore(errno)) => refuse(errno),
            Some(Fault::SilentBefore) => silent(),
            Some(Fault::RefusedAfter(errno)) => {
                let _ = action(&mut state);
                refuse(errno)
            }
            Some(Fault::SilentAfter) => {
                let _ = action(&mut state);
                silent()
            }
        }
    }
}

fn kind_text(kind: &LinkKind) -> String {
    match kind {
        LinkKind::Vlan { tag, .. } => format!("vlan {} {}", tag.protocol, tag.id),
        LinkKind::Macvlan(Some(mode)) => format!("macvlan {mode:?}").to_lowercase(),
        LinkKind::Ipvlan(Some((mode, flag))) => format!("ipvlan {mode:?} {flag:?}").to_lowercase(),
        LinkKind::Macvlan(None) => "macvlan".to_owned(),
        LinkKind::Ipvlan(None) => "ipvlan".to_owned(),
        LinkKind::Dummy => "dummy".to_owned(),
        LinkKind::Loopback => "loopback".to_owned(),
        LinkKind::Other(kind) => kind.clone().unwrap_or_else(|| "device".to_owned()),
    }
}

/// The model's events.
#[derive(Debug)]
pub struct FakeEvents {
    events: UnboundedReceiver<LinkEvent>,
}

impl LinkEvents for FakeEvents {
    async fn next(&mut self) -> LinkEvent {
        match self.events.recv().await {
            Some(event) => event,
            // The model is gone, and with it all that could happen.
            None => std::future::pending().await,
        }
    }
}

impl Kernel for FakeKernel {
    type Events = FakeEvents;
    type Sandbox = FakeSandbox;

    async fn link_by_name(&self, name: &DeviceName) -> Result<Option<Link>, KernelError> {
        self.latency().await;
        self.operate(format!("look up {name}"), |state| Ok(state.visible(name.as_str()).cloned()))
    }

    async fn link_by_index(&self, index: LinkIndex) -> Result<Option<Link>, KernelError> {
        self.latency().await;
        self.operate(format!("look up index {index}"), |state| Ok(state.by_index(index).ok().cloned()))
    }

    async fn links(&self) -> Result<Vec<Link>, KernelError> {
        self.latency().await;
        self.operate("list the links", |state| {
            Ok(state
                .links
                .values()
                .filter(|found| found.container.is_none())
                .map(|found| found.link.clone())
                .collect())
        })
    }

    async fn addresses(&self, index: LinkIndex) -> Result<Vec<LinkAddress>, KernelError> {
        self.latency().await;
        self.operate("list the addresses", |state| {
            Ok(state.links.get(&index.0).map(|found| found.addresses.clone()).unwrap_or_default())
        })
    }

    async fn add_link(&self, new: &NewLink) -> Result<(), KernelError> {
        self.latency().await;
        self.operate(new.describe(), |state| state.add(new))
    }

    async fn add_alternative_name(&self, index: LinkIndex, name: &DeviceName) -> Result<(), KernelError> {
        self.latency().await;
        self.operate(format!("add the alternative name {name}"), |state| {
            if state.visible(name.as_str()).is_some() {
                return Err(Errno::EEXIST);
            }
            state.by_index(index)?;
            state.update(index, |link| link.alternative_names.push(name.as_str().to_owned()));
            Ok(())
        })
    }

    async fn set_up(&self, index: LinkIndex) -> Result<(), KernelError> {
        self.latency().await;
        self.operate(format!("bring up index {index}"), |state| {
            state.by_index(index)?;
            state.bring_up(index)
        })
    }

    async fn set_group(&self, index: LinkIndex, group: u32) -> Result<(), KernelError> {
        self.latency().await;
        self.operate(format!("put index {index} into group {group}"), |state| {
            state.by_index(index)?;
            state.update(index, |link| link.group = group);
            Ok(())
        })
    }

    async fn has_namespace(&self, path: &str) -> bool {
        self.state().namespaces.contains(path)
    }

    async fn has_path(&self, path: &str) -> bool {
        // Where the tests' containers are; everything else is out of sight.
        path == "/run/docker/netns" || self.state().namespaces.contains(path)
    }

    async fn delete_link(&self, index: LinkIndex) -> Result<(), KernelError> {
        self.latency().await;
        self.operate(format!("remove index {index}"), |state| state.delete(index))
    }

    async fn delete_link_named(&self, name: &LinkName) -> Result<(), KernelError> {
        self.latency().await;
        self.operate(format!("remove {name}"), |state| {
            let index = state.visible(name.as_str()).map(|link| link.index).ok_or(Errno::ENODEV)?;
            state.delete(index)
        })
    }

    async fn enter(&self, path: &str) -> Result<FakeSandbox, KernelError> {
        self.latency().await;
        self.operate(format!("enter the network namespace {path}"), |state| {
            state.namespaces.get(path).map(drop).ok_or(Errno::ENOENT)
        })?;
        Ok(FakeSandbox::new(self.clone(), path))
    }

    async fn add_link_in(&self, sandbox: &FakeSandbox, new: &NewLink) -> Result<(), KernelError> {
        self.latency().await;
        self.operate(format!("{} in {}", new.describe(), sandbox.path()), |state| {
            state.add_in(Some(sandbox.path()), new)
        })
    }

    fn events(&self) -> FakeEvents {
        let (tell, events) = unbounded_channel();
        // An unbounded channel whose other end is held here takes it.
        let _ = tell.send(LinkEvent::Missed);
        self.state().listeners.push(tell);
        FakeEvents { events }
    }
}
