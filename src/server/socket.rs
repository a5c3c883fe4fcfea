//! The socket file: made, taken over from a daemon that died, and removed again.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;
use tokio::net::{UnixListener, UnixStream};

use super::socket_group::SocketGroup;
use crate::failpoint;

/// Why the socket cannot be had.
#[derive(Debug, Error)]
pub enum SocketError {
    /// Somebody answers on it.
    #[error("another daemon listens on {}: stop it, or choose another --socket", path.display())]
    InUse {
        /// The socket's path.
        path: PathBuf,
    },
    /// Something that is no socket stands there.
    #[error("{} exists and is not a socket: remove it, or choose another --socket", path.display())]
    NotASocket {
        /// The socket's path.
        path: PathBuf,
    },
    /// The system refuses.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// A socket that is listened on. Its file is removed when this is dropped, if it is still this socket's.
#[derive(Debug)]
pub struct BoundSocket {
    /// Where connections come in.
    pub listener: UnixListener,
    file: SocketFile,
}

#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    /// Device and inode: what the file must still be.
    identity: (u64, u64),
}

impl BoundSocket {
    /// Listens on `path`, for root only (mode 0600) or for a group as well (0660). The directory is made when it is
    /// missing, and a socket on which nobody answers is replaced.
    ///
    /// The socket is bound in a directory that nobody else may enter, given its mode and group, and renamed: at no
    /// moment can others connect to it, and at no moment is there no socket where there was one.
    ///
    /// # Errors
    /// When somebody answers there, when something else stands there, or when the system refuses.
    pub async fn bind(path: &Path, group: Option<SocketGroup>) -> Result<Self, SocketError> {
        let io_error =
            |action, path: &Path, source| SocketError::Io { action, path: path.to_owned(), source };
        let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
        if let Some(directory) = directory {
            make_directory(directory, group)
                .map_err(|source| io_error("make the directory", directory, source))?;
        }
        refuse_if_taken(path).await?;
        remove_leftovers(directory.unwrap_or(Path::new("."))).await;
        // Names so short that a path which fits into a socket's address still does.
        let private = directory.unwrap_or(Path::new(".")).join(format!(".{}", std::process::id()));
        remove_private(&private);
        let bound = fs::DirBuilder::new().mode(0o700).create(&private).and_then(|()| {
            let beside = private.join(BESIDE);
            let listener = UnixListener::bind(&beside)?;
            failpoint::reached("socket.bound_beside");
            if let Some(group) = group {
                group.take(&beside)?;
            }
            let mode = if group.is_some() { 0o660 } else { 0o600 };
            fs::set_permissions(&beside, fs::Permissions::from_mode(mode))?;
            let metadata = fs::symlink_metadata(&beside)?;
            fs::rename(&beside, path)?;
            failpoint::reached("socket.placed");
            Ok((listener, (metadata.dev(), metadata.ino())))
        });
        remove_private(&private);
        let (listener, identity) = bound.map_err(|source| io_error("listen on", path, source))?;
        Ok(Self { listener, file: SocketFile { path: path.to_owned(), identity } })
    }

    /// The socket's path.
    pub fn path(&self) -> &Path {
        &self.file.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_ours = |metadata: &fs::Metadata| (metadata.dev(), metadata.ino()) == self.identity;
        if fs::symlink_metadata(&self.path).is_ok_and(|metadata| is_ours(&metadata)) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The socket's name in its private directory, until it is placed.
const BESIDE: &str = "s";
/// How old an empty private directory is left: another daemon may be about to listen in it.
const FRESH: Duration = Duration::from_secs(60);

/// Removes what daemons left beside the socket that were killed while they placed theirs.
async fn remove_leftovers(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    let is_private = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_prefix('.'));
        name.is_some_and(|number| number.parse::<u32>().is_ok())
    };
    for private in entries.flatten().map(|entry| entry.path()).filter(is_private) {
        let beside = private.join(BESIDE);
        let age = fs::symlink_metadata(&private).and_then(|metadata| metadata.modified()).ok();
        let is_old = age.and_then(|age| age.elapsed().ok()).is_some_and(|age| age > FRESH);
        // On one that is about to be placed somebody listens.
        let is_dead = fs::symlink_metadata(&beside).is_ok_and(|metadata| metadata.file_type().is_socket())
            && refuse_if_taken(&beside).await.is_ok();
        if is_dead || is_old {
            remove_private(&private);
        }
    }
}

/// Removes a private directory with the socket in it; one in which anything else stands is not one, and is left.
fn remove_private(private: &Path) {
    let beside = private.join(BESIDE);
    if fs::symlink_metadata(&beside).is_ok_and(|metadata| metadata.file_type().is_socket()) {
        let _ = fs::remove_file(&beside);
    }
    let _ = fs::remove_dir(private);
}

/// Makes the directories that are missing, for root only (mode 0700), or so that the group may pass through (0710). One
/// that exists is left as it is: it is somebody else's.
fn make_directory(directory: &Path, group: Option<SocketGroup>) -> io::Result<()> {
    let missing: Vec<&Path> = directory.ancestors().take_while(|path| !path.exists()).collect();
    for path in missing.into_iter().rev().filter(|path| !path.as_os_str().is_empty()) {
        match fs::DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => {}
            // Made by another meanwhile.
            Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => continue,
            Err(error) => return Err(error),
        }
        if let Some(group) = group {
            group.take(path)?;
            fs::set_permissions(path, fs::Permissions::from_mode(0o710))?;
        }
    }
    Ok(())
}

/// Whether a daemon could listen on `path`: asked before anything of a start is done, and again when it binds.
///
/// # Errors
/// As [`BoundSocket::bind`].
pub async fn refuse_if_taken(path: &Path) -> Result<(), SocketError> {
    let io_error = |action, source| SocketError::Io { action, path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.file_type().is_socket() => {}
        Ok(_) => return Err(SocketError::NotASocket { path: path.to_owned() }),
        Err(source) if source.kind() == ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(io_error("look at", source)),
    }
    match UnixStream::connect(path).await {
        Ok(_) => Err(SocketError::InUse { path: path.to_owned() }),
        // A listener whose queue is full is alive too.
        Err(source) if source.kind() == ErrorKind::WouldBlock => {
            Err(SocketError::InUse { path: path.to_owned() })
        }
        Err(source) if matches!(source.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound) => Ok(()),
        Err(source) => Err(io_error("connect to", source)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("run/docker/plugins/t.sock");
        let first = BoundSocket::bind(&path, None).await.unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let error = BoundSocket::bind(&path, None).await.unwrap_err().to_string();
        assert!(error.starts_with("another daemon listens on"), "{error}");
        drop(first);
        assert!(!path.exists());
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "a dropped std listener leaves its file: the stale socket of a killed daemon");
        let second = BoundSocket::bind(&path, None).await.unwrap();
        drop(second);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn what_a_killed_start_left_beside_the_socket_is_removed() {
        let temp = tempfile::tempdir().unwrap();
        let file = |name: &str| temp.path().join(name);
        let listen = |private: &str| {
            fs::create_dir(file(private)).unwrap();
            std::os::unix::net::UnixListener::bind(file(private).join(BESIDE)).unwrap()
        };
        // Dropped, a listener of std leaves its file.
        for stale in [".1", ".4194304", ".x"] {
            drop(listen(stale));
        }
        let _starting = listen(".2");
        fs::create_dir(file(".3")).unwrap();
        fs::create_dir(file(".4")).unwrap();
        fs::write(file(".4").join(BESIDE), "no socket").unwrap();
        let _bound = BoundSocket::bind(&file("t.sock"), None).await.unwrap();
        let entries = fs::read_dir(temp.path()).unwrap();
        let mut left: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        left.sort();
        assert_eq!(left, [".2", ".3", ".4", ".x", "t.sock"]);
    }

    #[tokio::test]
    async fn what_is_not_ours_stays() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("t.sock");
        fs::write(&path, "precious").unwrap();
        assert!(matches!(BoundSocket::bind(&path, None).await, Err(SocketError::NotASocket { .. })));
        fs::remove_file(&path).unwrap();
        let bound = BoundSocket::bind(&path, None).await.unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "another's").unwrap();
        drop(bound);
        assert_eq!(fs::read_to_string(&path).unwrap(), "another's");
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn a_group_may_use_the_socket_and_pass_through_what_was_made_for_it() {
        let temp = tempfile::tempdir().unwrap();
        let kept = temp.path().join("kept");
        fs::DirBuilder::new().mode(0o755).create(&kept).unwrap();
        let path = kept.join("docker/plugins/t.sock");
        // Root may give files to any group, others to their own; nobody is told who runs the tests.
        let own = fs::metadata(&kept).unwrap().gid();
        let gid = if fs::metadata(&kept).unwrap().uid() == 0 { 54_321 } else { own };
        let group = gid.to_string().parse().unwrap();
        let bound = BoundSocket::bind(&path, Some(group)).await.unwrap();
        let of = |path: &Path| {
            let metadata = fs::metadata(path).unwrap();
            (metadata.permissions().mode() & 0o7777, metadata.gid())
        };
        assert_eq!(of(&path), (0o660, gid));
        assert_eq!(of(path.parent().unwrap()), (0o710, gid));
        assert_eq!(of(&kept.join("docker")), (0o710, gid));
        assert_eq!(of(&kept), (0o755, own), "what was there is left as it was");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "the private directory is gone");
        drop(bound);
        let _without = BoundSocket::bind(&path, None).await.unwrap();
        assert_eq!(of(&path).0, 0o600);
        assert_eq!(of(path.parent().unwrap()), (0o710, gid), "also when it is ours");
    }

    #[tokio::test]
    async fn a_path_as_long_as_a_socket_may_have_works() {
        let temp = tempfile::tempdir().unwrap();
        // 108 bytes, of which the last is the end of the text (sockaddr_un).
        let room = 107 - temp.path().as_os_str().len() - "/.sock".len();
        let path = temp.path().join(format!("{}.sock", "t".repeat(room)));
        let _bound = BoundSocket::bind(&path, None).await.unwrap();
        UnixStream::connect(&path).await.unwrap();
    }
}
