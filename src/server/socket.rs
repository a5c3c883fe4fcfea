//! The socket file: made, taken over from a daemon that died, and removed again.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use thiserror::Error;
use tokio::net::{UnixListener, UnixStream};

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
    /// Listens on `path`, for root only (mode 0600). The directory is made when it is missing, and a socket on which
    /// nobody answers is replaced.
    ///
    /// The socket is bound beside its place, given its mode, and renamed: at no moment can others connect to it, and
    /// at no moment is there no socket where there was one.
    ///
    /// # Errors
    /// When somebody answers there, when something else stands there, or when the system refuses.
    pub async fn bind(path: &Path) -> Result<Self, SocketError> {
        let io_error =
            |action, path: &Path, source| SocketError::Io { action, path: path.to_owned(), source };
        if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
            let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
            made.map_err(|source| io_error("make the directory", directory, source))?;
        }
        refuse_if_taken(path).await?;
        remove_leftovers(path).await;
        let beside = place_beside(path, std::process::id());
        let _ = fs::remove_file(&beside);
        let listener = UnixListener::bind(&beside).map_err(|source| io_error("listen on", path, source))?;
        failpoint::reached("socket.bound_beside");
        let placed = fs::set_permissions(&beside, fs::Permissions::from_mode(0o600))
            .and_then(|()| fs::symlink_metadata(&beside))
            .and_then(|metadata| fs::rename(&beside, path).map(|()| metadata));
        let metadata = placed.map_err(|source| {
            let _ = fs::remove_file(&beside);
            io_error("place the socket at", path, source)
        })?;
        failpoint::reached("socket.placed");
        let file = SocketFile { path: path.to_owned(), identity: (metadata.dev(), metadata.ino()) };
        Ok(Self { listener, file })
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

/// Removes what daemons left beside the socket that were killed before they had placed theirs. On one that is about to be
/// placed somebody listens.
async fn remove_leftovers(path: &Path) {
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
    let Ok(entries) = fs::read_dir(directory.unwrap_or(Path::new("."))) else { return };
    for beside in entries.flatten().map(|entry| entry.path()) {
        let stem = beside.file_stem().map(Path::new);
        let number = stem.and_then(Path::extension).and_then(|number| number.to_str()?.parse().ok());
        let is_one =
            number.is_some_and(|number| beside.file_name() == place_beside(path, number).file_name());
        if is_one && refuse_if_taken(&beside).await.is_ok() {
            let _ = fs::remove_file(&beside);
        }
    }
}

/// Where the socket of a process is until it is placed.
fn place_beside(path: &Path, process: u32) -> PathBuf {
    path.with_extension(format!("{process}.tmp"))
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
        let first = BoundSocket::bind(&path).await.unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let error = BoundSocket::bind(&path).await.unwrap_err().to_string();
        assert!(error.starts_with("another daemon listens on"), "{error}");
        drop(first);
        assert!(!path.exists());
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "a dropped std listener leaves its file: the stale socket of a killed daemon");
        let second = BoundSocket::bind(&path).await.unwrap();
        drop(second);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn what_a_killed_start_left_beside_the_socket_is_removed() {
        let temp = tempfile::tempdir().unwrap();
        let file = |name: &str| temp.path().join(name);
        // Dropped, a listener of std leaves its file.
        for stale in ["t.1.tmp", "t.4194304.tmp"] {
            drop(std::os::unix::net::UnixListener::bind(file(stale)).unwrap());
        }
        let _starting = std::os::unix::net::UnixListener::bind(file("t.2.tmp")).unwrap();
        for other in ["t.x.tmp", "u.1.tmp", "t.3.sock"] {
            drop(std::os::unix::net::UnixListener::bind(file(other)).unwrap());
        }
        fs::write(file("t.5.tmp"), "no socket").unwrap();
        let _bound = BoundSocket::bind(&file("t.sock")).await.unwrap();
        let entries = fs::read_dir(temp.path()).unwrap();
        let mut left: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        left.sort();
        assert_eq!(left, ["t.2.tmp", "t.3.sock", "t.5.tmp", "t.sock", "t.x.tmp", "u.1.tmp"]);
    }

    #[tokio::test]
    async fn what_is_not_ours_stays() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("t.sock");
        fs::write(&path, "precious").unwrap();
        assert!(matches!(BoundSocket::bind(&path).await, Err(SocketError::NotASocket { .. })));
        fs::remove_file(&path).unwrap();
        let bound = BoundSocket::bind(&path).await.unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "another's").unwrap();
        drop(bound);
        assert_eq!(fs::read_to_string(&path).unwrap(), "another's");
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 1);
    }
}
