//! What the kernel refuses, in words.

use std::fmt;

use nix::errno::Errno;
use thiserror::Error;

/// One operation that the kernel did not do, or not confirm.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub struct KernelError {
    /// What was asked, for example `create macvlan link tl0123 on eth1`.
    pub operation: String,
    /// Why it did not happen.
    pub refusal: Refusal,
    /// The kernel's own sentence (extended acknowledgement), when it sent one.
    pub detail: Option<String>,
}

/// Why an operation did not happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The kernel answered with an error.
    Errno(Errno),
    /// The kernel's answer did not come in time: the operation may have happened.
    NoAnswer,
    /// The netlink socket failed or the answer could not be read: the operation may have happened.
    Broken,
}

impl KernelError {
    /// An error without the kernel's own sentence.
    pub fn new(operation: impl Into<String>, refusal: Refusal) -> Self {
        Self { operation: operation.into(), refusal, detail: None }
    }

    /// Whether the kernel answered with this error.
    pub fn is(&self, errno: Errno) -> bool {
        self.refusal == Refusal::Errno(errno)
    }

    /// Whether the link that the operation was for does not exist (any more).
    pub fn is_gone(&self) -> bool {
        self.is(Errno::ENODEV) || self.is(Errno::ENXIO)
    }

    /// Whether the operation may have happened all the same.
    pub fn is_uncertain(&self) -> bool {
        !matches!(self.refusal, Refusal::Errno(_))
    }
}

impl fmt::Display for KernelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operation = &self.operation;
        match self.refusal {
            Refusal::Errno(errno) => {
                write!(f, "the kernel refused to {operation}: {} ({errno:?})", errno.desc())?;
            }
            Refusal::NoAnswer => write!(f, "the kernel did not answer in time when asked to {operation}")?,
            Refusal::Broken => write!(f, "the connection to the kernel failed when asked to {operation}")?,
        }
        match &self.detail {
            Some(detail) => write!(f, ": {detail}"),
            None => Ok(()),
        }
    }
}
