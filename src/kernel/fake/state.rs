//! The rules of the model: what Linux does and refuses with links, with the source of each rule.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use nix::errno::Errno;
use tokio::sync::mpsc::UnboundedSender;

use super::super::link::{Link, LinkAddress, LinkIndex, LinkKind, NewLink, NewLinkKind, VlanFlags};
use super::super::watch::LinkEvent;
use super::Fault;
use crate::model::interface::{InterfaceAddress, InterfaceRoute};
use crate::model::mac::MacAddress;
use crate::model::mode::{IpvlanFlag, IpvlanMode, MacvlanMode};
use crate::model::qos::QosMap;

#[derive(Debug, Clone)]
pub(super) struct FakeLink {
    pub(super) link: Link,
    /// The container it is in, by the path of its namespace: not seen from the host, but still on its lower device.
    pub(super) container: Option<String>,
    pub(super) addresses: Vec<LinkAddress>,
    /// What it has in a container.
    pub(super) inside: (Vec<InterfaceAddress>, Vec<InterfaceRoute>),
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) links: BTreeMap<u32, FakeLink>,
    pub(super) last_index: u32,
    pub(super) operations: usize,
    pub(super) namespaces: BTreeSet<String>,
    pub(super) fault: Option<(usize, Fault)>,
    /// How long an operation takes.
    pub(super) latency: Duration,
    /// The longest that it takes beyond that.
    pub(super) jitter: Duration,
    /// Those who want to know what happens.
    pub(super) listeners: Vec<UnboundedSender<LinkEvent>>,
}

impl State {
    pub(super) fn insert(
        &mut self,
        name: &str,
        kind: LinkKind,
        lower: Option<LinkIndex>,
        mtu: u32,
    ) -> LinkIndex {
        self.last_index += 1;
        let index = LinkIndex(self.last_index);
        let [.., a, b] = index.0.to_be_bytes();
        let link = Link {
            index,
            name: name.to_owned(),
            alternative_names: Vec::new(),
            kind,
            lower,
            controller: None,
            controller_kind: None,
            mtu,
            mac: MacAddress::new([0x02, 0xfa, 0xce, 0, a, b]).ok(),
            up: false,
            is_ethernet: true,
            group: 0,
            is_wifi: false,
        };
        self.links.insert(
            index.0,
            FakeLink { link, container: None, addresses: Vec::new(), inside: Default::default() },
        );
        self.tell(LinkEvent::Seen(index));
        index
    }

    pub(super) fn update(&mut self, index: LinkIndex, change: impl FnOnce(&mut Link)) {
        if let Some(found) = self.links.get_mut(&index.0) {
            change(&mut found.link);
            self.tell(LinkEvent::Seen(index));
        }
    }

    pub(super) fn tell(&mut self, event: LinkEvent) {
        self.listeners.retain(|listener| listener.send(event).is_ok());
    }

    pub(super) fn take_down(&mut self, index: LinkIndex) {
        self.update(index, |link| link.up = false);
        let is_bound =
            |link: &&Link| matches!(&link.kind, LinkKind::Vlan { flags, .. } if !flags.loose_binding);
        let above: Vec<_> = self.on(index).filter(is_bound).map(|link| link.index).collect();
        for index in above {
            self.take_down(index);
        }
    }

    pub(super) fn set_mtu(&mut self, index: LinkIndex, mtu: u32) {
        self.update(index, |link| link.mtu = mtu);
        let follows = |link: &&Link| link.mtu > mtu || matches!(link.kind, LinkKind::Ipvlan(_));
        let above: Vec<_> = self.on(index).filter(follows).map(|link| link.index).collect();
        for index in above {
            self.set_mtu(index, mtu);
        }
    }

    pub(super) fn visible(&self, name: &str) -> Option<&Link> {
        self.links
            .values()
            .filter(|found| found.container.is_none())
            .map(|found| &found.link)
            .find(|link| link.name == name || link.alternative_names.iter().any(|other| other == name))
    }

    pub(super) fn by_index(&self, index: LinkIndex) -> Result<&Link, Errno> {
        let found = self.links.get(&index.0).filter(|found| found.container.is_none());
        found.map(|found| &found.link).ok_or(Errno::ENODEV)
    }

    /// All that stands on a device, in every namespace.
    fn on(&self, lower: LinkIndex) -> impl Iterator<Item = &Link> {
        self.links.values().map(|found| &found.link).filter(move |link| link.lower == Some(lower))
    }

    pub(super) fn remove(&mut self, index: LinkIndex) {
        let above: Vec<_> = self.on(index).map(|link| link.index).collect();
        self.links.remove(&index.0);
        self.tell(LinkEvent::Gone(index));
        for index in above {
            self.remove(index);
        }
    }

    pub(super) fn delete(&mut self, index: LinkIndex) -> Result<(), Errno> {
        let link = self.by_index(index)?;
        if matches!(link.kind, LinkKind::Loopback | LinkKind::Other(_)) {
            return Err(Errno::EOPNOTSUPP);
        }
        self.remove(index);
        Ok(())
    }

    pub(super) fn add(&mut self, new: &NewLink) -> Result<(), Errno> {
        self.add_in(None, new)
    }

    /// Makes a link on a device of the host, there or in a container.
    pub(super) fn add_in(&mut self, container: Option<&str>, new: &NewLink) -> Result<(), Errno> {
        // Older kernels look the name up on the host, also when the link is made in a container (`__rtnl_newlink`,
        // net/core/rtnetlink.c of 6.1 and 6.12); the newest do not.
        let is_taken = self.visible(new.name.as_str()).is_some()
            || container.is_some_and(|container| {
                self.inside(container).any(|found| found.link.name == new.name.as_str())
            });
        if is_taken {
            return Err(Errno::EEXIST);
        }
        let (kind, lower) = match &new.kind {
            NewLinkKind::Dummy => (LinkKind::Dummy, None),
            NewLinkKind::Vlan { base, tag, settings } => {
                if self.by_index(*base)?.kind == LinkKind::Loopback {
                    return Err(Errno::EOPNOTSUPP);
                }
                if self.on(*base).any(|link| link.vlan_tag() == Some(*tag)) {
                    return Err(Errno::EEXIST);
                }
                let preset = VlanFlags::default();
                let flags = VlanFlags {
                    gvrp: settings.gvrp.unwrap_or(preset.gvrp),
                    mvrp: settings.mvrp.unwrap_or(preset.mvrp),
                    loose_binding: settings.loose_binding.unwrap_or(preset.loose_binding),
                    reorder_hdr: settings.reorder_hdr.unwrap_or(preset.reorder_hdr),
                };
                let ingress_qos = QosMap::of_kernel(settings.ingress_qos.pairs());
                let egress_qos = QosMap::of_kernel(settings.egress_qos.pairs());
                (LinkKind::Vlan { tag: *tag, flags, ingress_qos, egress_qos }, Some(*base))
            }
            NewLinkKind::Macvlan { parent, mode, .. } => {
                // A child of a child is put on the device below (`macvlan_common_newlink`).
                let parent = match self.by_index(*parent)? {
                    Link { kind: LinkKind::Macvlan(_), lower: Some(lower), .. } => *lower,
                    link => link.index,
                };
                self.check_macvlan(parent, *mode)?;
                (LinkKind::Macvlan(Some(*mode)), Some(parent))
            }
            NewLinkKind::Ipvlan { parent, mode, flag } => {
                self.check_ipvlan(*parent)?;
                self.flip_ipvlan(*parent, *mode, *flag);
                (LinkKind::Ipvlan(Some((*mode, *flag))), Some(*parent))
            }
        };
        let lower_link = lower.map(|lower| self.by_index(lower)).transpose()?.cloned();
        let inherited = lower_link.as_ref().map_or(1500, |lower| lower.mtu);
        let mtu = new.mtu.map_or(inherited, |mtu| mtu.get());
        let is_bounded = lower_link.is_some() && !matches!(kind, LinkKind::Ipvlan(_));
        if is_bounded && mtu > inherited {
            return Err(Errno::EINVAL);
        }
        let index = self.insert(new.name.as_str(), kind, lower, mtu);
        self.update(index, |link| {
            link.group = new.group;
            link.mac = new.mac.or(link.mac);
        });
        if new.up {
            self.bring_up(index).inspect_err(|_| self.remove(index))?;
        }
        if let Some(found) = self.links.get_mut(&index.0) {
            found.container = container.map(str::to_owned);
        }
        Ok(())
    }

    /// The links in a container.
    pub(super) fn inside(&self, container: &str) -> impl Iterator<Item = &FakeLink> {
        self.links.values().filter(move |found| found.container.as_deref() == Some(container))
    }

    /// `vlan_dev_open` (net/8021q/vlan_dev.c) and `macvlan_open`.
    pub(super) fn bring_up(&mut self, index: LinkIndex) -> Result<(), Errno> {
        let link = &self.links.get(&index.0).ok_or(Errno::ENODEV)?.link;
        let below = link.lower.and_then(|lower| self.links.get(&lower.0)).map(|below| &below.link);
        match (&link.kind, below) {
            (LinkKind::Vlan { flags, .. }, Some(below)) if !below.up && !flags.loose_binding => {
                return Err(Errno::ENETDOWN);
            }
            (LinkKind::Macvlan(mode), Some(below)) if *mode != Some(MacvlanMode::Passthru) => {
                let is_twin = |other: &Link| other.index != index && other.up && other.mac == link.mac;
                if self.on(below.index).any(is_twin) {
                    return Err(Errno::EADDRINUSE);
                }
            }
            _ => {}
        }
        self.update(index, |link| link.up = true);
        Ok(())
    }

    /// `macvlan_common_newlink` and `macvlan_port_create` (drivers/net/macvlan.c).
    fn check_macvlan(&self, parent: LinkIndex, mode: MacvlanMode) -> Result<(), Errno> {
        let lower = self.by_index(parent)?;
        if lower.kind == LinkKind::Loopback {
            return Err(Errno::EINVAL);
        }
        if lower.controller.is_some() || self.on(parent).any(|l| matches!(l.kind, LinkKind::Ipvlan(_))) {
            return Err(Errno::EBUSY);
        }
        let passthru = LinkKind::Macvlan(Some(MacvlanMode::Passthru));
        let mut siblings =
            self.on(parent).filter(|link| matches!(link.kind, LinkKind::Macvlan(_))).peekable();
        let occupied = siblings.peek().is_some();
        if siblings.any(|link| link.kind == passthru) || (mode == MacvlanMode::Passthru && occupied) {
            return Err(Errno::EINVAL);
        }
        Ok(())
    }

    /// `ipvlan_link_new` and `ipvlan_port_create` (drivers/net/ipvlan/ipvlan_main.c).
    fn check_ipvlan(&self, parent: LinkIndex) -> Result<(), Errno> {
        let lower = self.by_index(parent)?;
        if lower.kind == LinkKind::Loopback {
            return Err(Errno::EINVAL);
        }
        if lower.controller.is_some() || self.on(parent).any(|l| matches!(l.kind, LinkKind::Macvlan(_))) {
            return Err(Errno::EBUSY);
        }
        Ok(())
    }

    /// The mode belongs to the port: a new child changes it for all.
    fn flip_ipvlan(&mut self, parent: LinkIndex, mode: IpvlanMode, flag: IpvlanFlag) {
        for found in self.links.values_mut() {
            if found.link.lower == Some(parent) && matches!(found.link.kind, LinkKind::Ipvlan(_)) {
                found.link.kind = LinkKind::Ipvlan(Some((mode, flag)));
            }
        }
    }
}
