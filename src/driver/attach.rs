//! Makes a target's VLAN devices exist and be up, and takes them away again when nobody needs them.
//!
//! The caller holds the gate of the target's root. Whatever is made here is marked as owned in the message that makes
//! it, so that a crash between making and recording leaves something that the next start can recognise and sweep.

use nix::errno::Errno;
use tracing::{info, warn};

use super::parent_error::ParentError;
use super::resolve::{Target, check_base};
use crate::failpoint;
use crate::kernel::{Kernel, KernelError, Link, LinkIndex, LinkKind, NewLink, NewLinkKind, link_named};
use crate::model::link_name::{DeviceName, LinkName};
use crate::model::mode::Mode;
use crate::model::mtu::Mtu;
use crate::model::qos::QosMap;
use crate::model::vlan::{VlanId, VlanSettings, VlanTag};

/// A device that was made for a network, and may have to be taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Made {
    pub(super) index: LinkIndex,
    /// How many tags it and the devices below it add.
    pub(super) depth: usize,
}

/// What is asked of the VLAN devices on the way up.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    /// By the network that is being attached, of the innermost: what it has is checked against this.
    pub(super) own: &'a VlanSettings,
    /// By all networks together, of each device from the outermost in: what is missing is made with this.
    pub(super) by_all: Vec<VlanSettings>,
}

/// Makes what is missing of `target` and brings it up. What was made is pushed to `made`, also on an error, for the
/// caller to undo.
pub(super) async fn ensure<K: Kernel>(
    kernel: &K,
    target: &Target,
    mode: Mode,
    asked: &Asked<'_>,
    group: u32,
    made: &mut Vec<Made>,
) -> Result<Link, ParentError> {
    if !target.tags.is_empty() {
        check_base(kernel, &target.root, mode).await?;
    }
    climb(kernel, target, asked, group, made).await
}

/// Removes a link; one that is gone already is removed. Asked twice when the kernel's answer was lost.
pub(super) async fn remove<K: Kernel>(kernel: &K, index: LinkIndex) -> Result<(), KernelError> {
    let mut outcome = kernel.delete_link(index).await;
    if matches!(&outcome, Err(error) if !error.is_gone()) {
        outcome = kernel.delete_link(index).await;
    }
    match outcome {
        Err(error) if error.is_gone() => Ok(()),
        other => other,
    }
}

async fn climb<K: Kernel>(
    kernel: &K,
    target: &Target,
    asked: &Asked<'_>,
    group: u32,
    made: &mut Vec<Made>,
) -> Result<Link, ParentError> {
    let mut below = target.root.clone();
    for (level, settings) in asked.by_all.iter().enumerate().take(target.tags.len()) {
        bring_up(kernel, &below).await?;
        let device = match target.known.get(level) {
            Some(known) => known.clone(),
            None => find_or_make(kernel, target, level, &below, settings, group, made).await?,
        };
        if level + 1 == target.tags.len() {
            check_settings(&device, asked.own)?;
        }
        below = device;
    }
    // A parent without VLANs that cannot be brought up (no carrier, no firmware) is no reason to refuse the network:
    // its children work among themselves, and with the world once it comes up.
    match bring_up(kernel, &below).await {
        Err(error) if target.tags.is_empty() => warn!(%error, parent = below.name, "the parent stays down"),
        other => other?,
    }
    Ok(below)
}

async fn bring_up<K: Kernel>(kernel: &K, link: &Link) -> Result<(), KernelError> {
    if link.up {
        return Ok(());
    }
    let outcome = match kernel.set_up(link.index).await {
        Err(_) => kernel.set_up(link.index).await,
        done => done,
    };
    failpoint::reached("attach.brought_up");
    outcome
}

async fn find_or_make<K: Kernel>(
    kernel: &K,
    target: &Target,
    level: usize,
    below: &Link,
    settings: &VlanSettings,
    group: u32,
    made: &mut Vec<Made>,
) -> Result<Link, ParentError> {
    let tag = target.tags[level];
    let ids: Vec<VlanId> = target.tags[..=level].iter().map(|tag| tag.id).collect();
    let (name, whole_name) = LinkName::of_vlan(&target.root.name, &ids);
    let new = NewLink {
        name: name.clone(),
        group,
        mtu: None,
        mac: None,
        up: true,
        kind: NewLinkKind::Vlan { base: below.index, tag, settings: settings.clone() },
    };
    // Making it is also the way to learn whether it exists: the kernel refuses a second device of one identity,
    // whatever its name, at a hundredth of what looking through all links costs.
    let outcome = kernel.add_link(&new).await;
    failpoint::reached("device.vlan_made");
    let existed = matches!(&outcome, Err(error) if error.is(Errno::EEXIST));
    // Whatever else the kernel answered: if the device is there, it serves.
    let found = find_made(kernel, &name, below.index, tag).await?;
    let device = match (found, outcome) {
        (Some(device), _) => device,
        (None, Err(error)) if !error.is(Errno::EEXIST) => return Err(error.into()),
        (None, _) => {
            return Err(ParentError::NameTaken {
                tag: format!("{} {}", tag.protocol, tag.id),
                base: below.name.clone(),
                name: name.to_string(),
            });
        }
    };
    if !existed && device.group == group {
        info!(device = device.name, base = below.name, vlan = %tag.id, "VLAN device made");
        made.push(Made { index: device.index, depth: level + 1 });
        name_in_full(kernel, &device, whole_name).await;
    }
    Ok(device)
}

/// The VLAN device of this identity: by the name it should have, and if that is another's, among all links.
async fn find_made<K: Kernel>(
    kernel: &K,
    name: &LinkName,
    base: LinkIndex,
    tag: VlanTag,
) -> Result<Option<Link>, KernelError> {
    let is_it = |link: &Link| link.lower == Some(base) && link.vlan_tag() == Some(tag);
    match link_named(kernel, name).await? {
        Some(link) if is_it(&link) => Ok(Some(link)),
        _ => Ok(kernel.links().await?.into_iter().find(is_it)),
    }
}

/// Gives a device with a shortened name its whole name beside it. It works without, so a refusal is only logged.
async fn name_in_full<K: Kernel>(kernel: &K, device: &Link, whole_name: Option<DeviceName>) {
    let Some(whole_name) = whole_name else { return };
    if let Err(error) = kernel.add_alternative_name(device.index, &whole_name).await {
        warn!(%error, device = device.name, "the device goes without its whole name");
    }
    failpoint::reached("device.named_in_full");
}

/// Whether a VLAN device is as the options ask; what they do not ask is not looked at.
fn check_settings(device: &Link, asked: &VlanSettings) -> Result<(), ParentError> {
    let LinkKind::Vlan { flags, ingress_qos, egress_qos, .. } = &device.kind else { return Ok(()) };
    let differs = |key: &str, has: String, wanted: String| ParentError::Differs {
        device: device.name.clone(),
        has: format!("{key}={has}"),
        asked: format!("{key}={wanted}"),
    };
    let switches = [
        ("gvrp", asked.gvrp, flags.gvrp),
        ("mvrp", asked.mvrp, flags.mvrp),
        ("loose_binding", asked.loose_binding, flags.loose_binding),
        ("reorder_hdr", asked.reorder_hdr, flags.reorder_hdr),
    ];
    for (key, wanted, has) in switches {
        if let Some(wanted) = wanted.filter(|wanted| *wanted != has) {
            return Err(differs(key, has.to_string(), wanted.to_string()));
        }
    }
    let maps =
        [("ingress_qos", &asked.ingress_qos, ingress_qos), ("egress_qos", &asked.egress_qos, egress_qos)];
    for (key, wanted, has) in maps {
        if !wanted.is_empty() && !wanted.same_effect(has) {
            let has = if *has == QosMap::default() { "none".to_owned() } else { has.to_string() };
            return Err(differs(key, has, wanted.to_string()));
        }
    }
    Ok(())
}

/// Makes the dummy parent of an internal network, or finds the one it has.
pub(super) async fn ensure_dummy<K: Kernel>(
    kernel: &K,
    name: &LinkName,
    mtu: Option<Mtu>,
    group: u32,
    made: &mut Vec<Made>,
) -> Result<Link, ParentError> {
    let new = NewLink { name: name.clone(), group, mtu, mac: None, up: true, kind: NewLinkKind::Dummy };
    let outcome = kernel.add_link(&new).await;
    failpoint::reached("device.dummy_made");
    let existed = matches!(&outcome, Err(error) if error.is(Errno::EEXIST));
    match (link_named(kernel, name).await?, outcome) {
        (Some(link), _) if link.kind == LinkKind::Dummy && link.group == group => {
            if !existed {
                made.push(Made { index: link.index, depth: 0 });
            }
            bring_up(kernel, &link).await?;
            Ok(link)
        }
        (None, Err(error)) if !error.is(Errno::EEXIST) => Err(error.into()),
        _ => Err(ParentError::NameTaken {
            tag: "the dummy device".to_owned(),
            base: "this host".to_owned(),
            name: name.to_string(),
        }),
    }
}
