//! The group that may use the socket beside root.

use std::path::Path;
use std::str::FromStr;

use nix::unistd::{Gid, Group};
use thiserror::Error;

/// A group of this host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketGroup(Gid);

/// Why a text names no group.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SocketGroupError {
    /// There is none of this name.
    #[error("{text:?} is not a group of this host: give the name of one (getent group), or a number")]
    Unknown {
        /// What was given.
        text: String,
    },
    /// It could not be found out.
    #[error("the group {text:?} cannot be looked up: {reason}; give its number")]
    LookUp {
        /// What was given.
        text: String,
        /// What the system said.
        reason: nix::Error,
    },
}

impl FromStr for SocketGroup {
    type Err = SocketGroupError;

    /// A name, or a number: names first, because a name may consist of digits. A number needs no group of its own, as
    /// in a container whose /etc/group is not the host's.
    fn from_str(text: &str) -> Result<Self, SocketGroupError> {
        // Elsewhere (chown) the highest number stands for "no change".
        let number = text.parse().ok().filter(|number| *number != u32::MAX);
        match (Group::from_name(text), number) {
            (Ok(Some(group)), _) => Ok(Self(group.gid)),
            (_, Some(number)) => Ok(Self(Gid::from_raw(number))),
            (Ok(None), None) => Err(SocketGroupError::Unknown { text: text.to_owned() }),
            (Err(reason), None) => Err(SocketGroupError::LookUp { text: text.to_owned(), reason }),
        }
    }
}

impl SocketGroup {
    /// Gives a file or directory to the group; its owner stays.
    pub(super) fn take(self, path: &Path) -> std::io::Result<()> {
        std::os::unix::fs::chown(path, None, Some(self.0.as_raw()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_groups_and_other_texts_are_not() {
        assert_eq!("root".parse(), Ok(SocketGroup(Gid::from_raw(0))));
        assert_eq!("0".parse(), Ok(SocketGroup(Gid::from_raw(0))));
        assert_eq!("54321".parse(), Ok(SocketGroup(Gid::from_raw(54_321))));
        for wrong in ["", " ", "no-such-group", "-1", "4294967295", "4294967296", "ro\0ot"] {
            let error = wrong.parse::<SocketGroup>().unwrap_err().to_string();
            assert!(error.contains(&format!("{wrong:?}")), "{error}");
        }
    }
}
