//! Why a call is refused.

use thiserror::Error;

use super::parent_error::ParentError;
use super::parents::ClaimConflict;
use crate::kernel::KernelError;
use crate::model::ids::{EndpointId, NetworkId};
use crate::model::link_name::LinkName;
use crate::model::mac::MacAddress;
use crate::model::mode::Mode;
use crate::model::network::SpecError;
use crate::store::StoreError;

/// Why a call is refused: what was asked, what is in the way, what to do.
#[derive(Debug, Error)]
pub enum DriverError {
    /// The options do not make a network.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The parent cannot be had.
    #[error(transparent)]
    Parent(#[from] ParentError),
    /// The parent is in use in another mode.
    #[error(transparent)]
    Claim(#[from] ClaimConflict),
    /// The network exists with other content.
    #[error("network {} exists already with other options or subnets: remove it first", .0.short())]
    NetworkDiffers(NetworkId),
    /// No such network.
    #[error("network {} is not known to trunkline: remove it with docker network rm and create it again", .0.short())]
    UnknownNetwork(NetworkId),
    /// No such endpoint.
    #[error("endpoint {} is not known to trunkline: start the container again", .0.short())]
    UnknownEndpoint(EndpointId),
    /// The endpoint exists with other content.
    #[error("endpoint {} exists already with other addresses or on another network", .0.short())]
    EndpointDiffers(EndpointId),
    /// Something else has the name that the endpoint's link must have.
    #[error("cannot make the interface of the container: another device is named {0}; rename or remove it")]
    LinkNameTaken(LinkName),
    /// A MAC where the kind has no choice of one.
    #[error(
        "the MAC address {mac} cannot be given: in mode {mode} a container has its parent's; leave --mac-address out or use another mode"
    )]
    MacNotPossible {
        /// What was asked for.
        mac: String,
        /// The network's mode.
        mode: Mode,
    },
    /// One MAC twice on one parent.
    #[error(
        "the MAC address {mac} is in use on {parent} by endpoint {} of network {}: choose another, or stop that container",
        holder.short(), network.short()
    )]
    MacInUse {
        /// The address.
        mac: MacAddress,
        /// The parent's name.
        parent: String,
        /// Who has it.
        holder: EndpointId,
        /// On which network.
        network: NetworkId,
    },
    /// A second container on a passthru parent.
    #[error("{parent} is taken by endpoint {}: in mode passthru a parent has one container; stop that one, or use another mode", holder.short())]
    PassthruTaken {
        /// The parent's name.
        parent: String,
        /// Who has it.
        holder: EndpointId,
    },
    /// The parent stayed occupied.
    #[error("the parent {parent} of network {} is occupied: {error}", network.short())]
    ParentBusy {
        /// The parent's name.
        parent: String,
        /// The network.
        network: NetworkId,
        /// The kernel's refusal.
        error: KernelError,
    },
    /// The network has no parent for now.
    #[error("network {} waits for its parent and is attached by itself when it can be: {error}", network.short())]
    Waiting {
        /// The network.
        network: NetworkId,
        /// What is in the way.
        error: Box<DriverError>,
    },
    /// The kernel refused, or did not answer.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// The record could not be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl DriverError {
    /// Whether the kernel did not answer, so that asking it more would only take more time.
    pub(super) fn is_silence(&self) -> bool {
        match self {
            Self::Kernel(error) | Self::Parent(ParentError::Kernel(error)) => error.is_uncertain(),
            Self::Waiting { error, .. } => error.is_silence(),
            _ => false,
        }
    }
}
