//! The registry: which networks use which parent, in which mode.
//!
//! The rule is one mode per parent: every network on an attachment has the same kind, sub-mode and flag, and
//! passthru takes an attachment for itself. A claim is taken before any kernel work, so of two creations that race
//! for one parent in two modes exactly one goes on; a reservation that is dropped takes its claim back.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use thiserror::Error;

use crate::kernel::LinkIndex;
use crate::model::ids::NetworkId;
use crate::model::mode::Mode;
use crate::model::vlan::{VlanSettings, VlanTag};

/// What is at the bottom of an attachment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Root {
    /// A device of the host, by the kernel's number: renaming it changes nothing.
    Device(LinkIndex),
    /// The dummy of an internal network without a parent.
    Dummy(NetworkId),
}

/// The identity of an attachment: the device at the bottom and the tags on the way up. All names of a device, and
/// `eth1.20` and `eth1` with VLAN 20, come to the same identity; no string is compared.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct AttachmentId {
    pub(crate) root: Root,
    /// From the outermost in.
    pub(crate) tags: Vec<VlanTag>,
}

impl AttachmentId {
    /// The attachment of its first `depth` tags.
    pub(crate) fn outer(&self, depth: usize) -> Self {
        Self { root: self.root.clone(), tags: self.tags.iter().take(depth).copied().collect() }
    }

    /// Whether it is `other` or sits on it.
    fn is_on(&self, other: &Self) -> bool {
        self.root == other.root && self.tags.starts_with(&other.tags)
    }
}

/// Why a claim is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{parent} is in use in mode {held} by network {holder}; {remedy}", holder = holder.short())]
pub struct ClaimConflict {
    /// The attachment's name.
    pub parent: String,
    /// The mode in use.
    pub held: Mode,
    /// A network that uses it.
    pub holder: NetworkId,
    /// What to do.
    pub remedy: Remedy,
}

/// The way out of a conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Use the mode that is in use.
    SameMode(Mode),
    /// The attachment takes one network only.
    OtherParent,
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SameMode(mode) => write!(f, "use mode={mode} or another parent"),
            Self::OtherParent => {
                f.write_str("passthru takes a parent for one network alone: use another parent")
            }
        }
    }
}

#[derive(Debug)]
struct Claim {
    mode: Mode,
    networks: BTreeSet<NetworkId>,
    /// What all of them ask of the VLAN device: whoever makes it again makes it for all.
    settings: VlanSettings,
}

/// All claims.
#[derive(Debug, Default)]
pub(super) struct Parents {
    claims: DashMap<AttachmentId, Claim>,
}

impl Parents {
    /// Claims an attachment for a network, until the reservation is dropped or for good when it is committed.
    /// `name` is the attachment's name, for the message.
    pub(super) fn reserve(
        self: &Arc<Self>,
        id: &AttachmentId,
        network: &NetworkId,
        mode: Mode,
        settings: &VlanSettings,
        name: &str,
    ) -> Result<Reservation, ClaimConflict> {
        let (first, added) = match self.claims.entry(id.clone()) {
            Entry::Vacant(slot) => {
                let networks = BTreeSet::from([network.clone()]);
                slot.insert(Claim { mode, networks, settings: settings.clone() });
                (true, true)
            }
            Entry::Occupied(mut slot) => {
                let claim = slot.get_mut();
                if let Some(conflict) = conflict(claim, network, mode, name) {
                    return Err(conflict);
                }
                claim.settings = std::mem::take(&mut claim.settings).or(settings);
                (false, claim.networks.insert(network.clone()))
            }
        };
        Ok(Reservation { parents: Arc::clone(self), id: id.clone(), network: network.clone(), first, added })
    }

    /// Takes a network's claim back. Nothing happens when there is none.
    pub(super) fn release(&self, id: &AttachmentId, network: &NetworkId) {
        if let Entry::Occupied(mut slot) = self.claims.entry(id.clone()) {
            slot.get_mut().networks.remove(network);
            if slot.get().networks.is_empty() {
                slot.remove();
            }
        }
    }

    /// What the networks on an attachment ask of its VLAN device together.
    pub(super) fn settings(&self, id: &AttachmentId) -> VlanSettings {
        self.claims.get(id).map(|claim| claim.settings.clone()).unwrap_or_default()
    }

    /// The networks on an attachment.
    pub(super) fn networks(&self, id: &AttachmentId) -> Vec<NetworkId> {
        self.claims.get(id).map(|claim| claim.networks.iter().cloned().collect()).unwrap_or_default()
    }

    /// Every claim of every network.
    #[cfg(test)]
    pub(super) fn all(&self) -> Vec<(AttachmentId, NetworkId)> {
        let of_one = |id: &AttachmentId, claim: &Claim| {
            claim.networks.iter().map(|network| (id.clone(), network.clone())).collect::<Vec<_>>()
        };
        self.claims.iter().flat_map(|claim| of_one(claim.key(), claim.value())).collect()
    }

    /// Whether any network uses the attachment or one on it.
    pub(super) fn in_use(&self, id: &AttachmentId) -> bool {
        self.claims.iter().any(|claim| claim.key().is_on(id))
    }
}

/// Whether a network that wants `mode` can join a claim.
fn conflict(claim: &Claim, network: &NetworkId, mode: Mode, name: &str) -> Option<ClaimConflict> {
    let holder = claim.networks.iter().find(|holder| *holder != network)?;
    let remedy = if claim.mode != mode {
        if claim.mode.is_exclusive() { Remedy::OtherParent } else { Remedy::SameMode(claim.mode) }
    } else if mode.is_exclusive() {
        Remedy::OtherParent
    } else {
        return None;
    };
    Some(ClaimConflict { parent: name.to_owned(), held: claim.mode, holder: holder.clone(), remedy })
}

/// A claim that undoes itself when dropped.
#[derive(Debug)]
#[must_use = "a reservation that is dropped is undone"]
pub(super) struct Reservation {
    parents: Arc<Parents>,
    id: AttachmentId,
    network: NetworkId,
    first: bool,
    added: bool,
}

impl Reservation {
    /// What is claimed.
    pub(super) fn id(&self) -> &AttachmentId {
        &self.id
    }

    /// Whether nobody of ours used the attachment before.
    pub(super) fn is_first(&self) -> bool {
        self.first
    }

    /// Makes the claim last.
    pub(super) fn commit(mut self) {
        self.added = false;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.added {
            self.parents.release(&self.id, &self.network);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn attachment(root: u32, tags: &[u16]) -> AttachmentId {
        let tag = |id: &u16| VlanTag {
            protocol: crate::model::vlan::VlanProtocol::Dot1q,
            id: crate::model::vlan::VlanId::new(*id).unwrap(),
        };
        AttachmentId { root: Root::Device(LinkIndex(root)), tags: tags.iter().map(tag).collect() }
    }

    fn network(number: u8) -> NetworkId {
        format!("n{number}").parse().unwrap()
    }

    fn mode(word: &str) -> Mode {
        word.parse().unwrap()
    }

    #[test]
    fn one_mode_per_parent() {
        let parents = Arc::new(Parents::default());
        let eth1 = attachment(2, &[]);
        parents
            .reserve(&eth1, &network(1), mode("bridge"), &VlanSettings::default(), "eth1")
            .unwrap()
            .commit();
        parents
            .reserve(&eth1, &network(2), mode("bridge"), &VlanSettings::default(), "eth1")
            .unwrap()
            .commit();
        let error = parents
            .reserve(&eth1, &network(3), mode("private"), &VlanSettings::default(), "eth1")
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "eth1 is in use in mode bridge by network n1; use mode=bridge or another parent"
        );
        assert!(
            parents
                .reserve(
                    &attachment(2, &[20]),
                    &network(3),
                    mode("private"),
                    &VlanSettings::default(),
                    "eth1.20"
                )
                .is_ok()
        );
        parents.release(&eth1, &network(1));
        assert!(parents.reserve(&eth1, &network(3), mode("l2"), &VlanSettings::default(), "eth1").is_err());
        parents.release(&eth1, &network(2));
        assert!(parents.reserve(&eth1, &network(3), mode("l2"), &VlanSettings::default(), "eth1").is_ok());
    }

    #[test]
    fn passthru_is_alone() {
        let parents = Arc::new(Parents::default());
        let eth1 = attachment(2, &[]);
        parents
            .reserve(&eth1, &network(1), mode("passthru"), &VlanSettings::default(), "eth1")
            .unwrap()
            .commit();
        let error = parents
            .reserve(&eth1, &network(2), mode("passthru"), &VlanSettings::default(), "eth1")
            .unwrap_err();
        assert!(error.to_string().contains("one network alone"), "{error}");
        assert!(
            parents.reserve(&eth1, &network(2), mode("bridge"), &VlanSettings::default(), "eth1").is_err()
        );
    }

    #[test]
    fn a_dropped_reservation_is_undone_and_a_repeated_one_is_not() {
        let parents = Arc::new(Parents::default());
        let eth1 = attachment(2, &[]);
        drop(parents.reserve(&eth1, &network(1), mode("bridge"), &VlanSettings::default(), "eth1").unwrap());
        assert!(!parents.in_use(&eth1));
        parents
            .reserve(&eth1, &network(1), mode("bridge"), &VlanSettings::default(), "eth1")
            .unwrap()
            .commit();
        drop(parents.reserve(&eth1, &network(1), mode("bridge"), &VlanSettings::default(), "eth1").unwrap());
        assert!(parents.in_use(&eth1));
    }

    #[test]
    fn an_outer_vlan_is_used_by_its_inner_ones() {
        let parents = Arc::new(Parents::default());
        parents
            .reserve(&attachment(2, &[100, 20]), &network(1), mode("bridge"), &VlanSettings::default(), "x")
            .unwrap()
            .commit();
        assert!(parents.in_use(&attachment(2, &[100])));
        assert!(!parents.in_use(&attachment(2, &[20])));
        assert!(!parents.in_use(&attachment(3, &[100])));
    }

    #[test]
    fn of_many_that_race_for_one_parent_one_mode_wins() {
        let parents = Arc::new(Parents::default());
        for round in 0..50 {
            let eth1 = attachment(round, &[]);
            let outcomes: Vec<bool> = std::thread::scope(|scope| {
                let racers: Vec<_> = (0..8)
                    .map(|n| {
                        let (parents, eth1) = (&parents, &eth1);
                        let wanted = mode(if n % 2 == 0 { "bridge" } else { "private" });
                        scope.spawn(move || {
                            let claim =
                                parents.reserve(eth1, &network(n), wanted, &VlanSettings::default(), "eth1");
                            claim.map(Reservation::commit).is_ok()
                        })
                    })
                    .collect();
                racers.into_iter().map(|racer| racer.join().unwrap()).collect()
            });
            let even = outcomes.iter().step_by(2).all(|won| *won);
            let odd = outcomes.iter().skip(1).step_by(2).all(|won| *won);
            assert!(even != odd, "{outcomes:?}");
            assert_eq!(outcomes.iter().filter(|won| **won).count(), 4, "{outcomes:?}");
        }
    }

    proptest! {
        /// Against a model that is a plain list: claims equal users after every step.
        #[test]
        fn claims_equal_users(steps in proptest::collection::vec((0u8..4, 0u32..3, 0usize..3, any::<bool>()), 0..60)) {
            let words = ["bridge", "private", "passthru"];
            let parents = Arc::new(Parents::default());
            let mut model: Vec<(u32, u8, usize)> = Vec::new();
            for (number, root, word, add) in steps {
                let id = attachment(root, &[]);
                if add {
                    let others: Vec<_> = model.iter().filter(|(r, n, _)| *r == root && *n != number).collect();
                    let fits = others.iter().all(|(_, _, w)| *w == word) && (others.is_empty() || word != 2);
                    let already = model.iter().any(|(r, n, _)| *r == root && *n == number);
                    if already { continue }
                    let outcome = parents.reserve(&id, &network(number), mode(words[word]), &VlanSettings::default(), "p");
                    prop_assert_eq!(outcome.is_ok(), fits);
                    if let Ok(claim) = outcome {
                        claim.commit();
                        model.push((root, number, word));
                    }
                } else {
                    parents.release(&id, &network(number));
                    model.retain(|(r, n, _)| !(*r == root && *n == number));
                }
                for root in 0..3 {
                    prop_assert_eq!(parents.in_use(&attachment(root, &[])), model.iter().any(|(r, ..)| *r == root));
                }
            }
        }
    }
}
