//! One netlink socket, the thread that serves it, and requests that end in time.

use std::fs::File;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use nix::sched::{CloneFlags, setns};
use rtnetlink::packet_core::NetlinkPayload;
use rtnetlink::sys::AsyncSocket;
use rtnetlink::{Error, Handle};

use super::link_messages::error_from_kernel;
use crate::kernel::error::{KernelError, Refusal};

/// How long one answer may take. A deletion takes 16 ms, and deletions queue under one lock in the kernel: a
/// hundred of them ahead of ours still fit.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);

/// A socket in one network namespace.
#[derive(Debug)]
pub(super) struct Channel {
    /// Replaced when the socket failed. The lock is held only to copy or replace the handle.
    handle: Mutex<Handle>,
    /// The namespace; none: that of the thread that opens the socket.
    namespace: Option<Arc<File>>,
}

impl Channel {
    /// Opens a socket in the namespace, or in that of the calling thread.
    ///
    /// # Errors
    /// When the namespace cannot be entered, or the socket not be opened.
    pub(super) fn open(namespace: Option<Arc<File>>) -> std::io::Result<Self> {
        Ok(Self { handle: Mutex::new(connect(namespace.clone())?), namespace })
    }

    pub(super) fn handle(&self) -> Handle {
        self.handle.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Runs one request. When the socket turns out to be dead, a new one is opened for the next request.
    pub(super) async fn bounded<T, F>(&self, operation: &str, request: F) -> Result<T, KernelError>
    where
        F: Future<Output = Result<T, Error>> + Send,
    {
        let outcome = match tokio::time::timeout(ANSWER_TIMEOUT, request).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(error_from_kernel(operation, error)),
            Err(_) => Err(KernelError::new(operation, Refusal::NoAnswer)),
        };
        if matches!(&outcome, Err(error) if error.refusal == Refusal::Broken)
            && let Ok(fresh) = connect(self.namespace.clone())
        {
            *self.handle.lock().unwrap_or_else(PoisonError::into_inner) = fresh;
        }
        outcome
    }

    /// Runs one request that the kernel confirms. The crate says `Ok` when the answers end, which they also do when the
    /// socket fails; so the confirmation is asked for, and comes as an error of no code.
    pub(super) async fn confirmed<F>(&self, operation: &str, request: F) -> Result<(), KernelError>
    where
        F: Future<Output = Result<(), Error>> + Send,
    {
        let confirmation = async {
            match request.await {
                Err(Error::NetlinkError(message)) if message.code.is_none() => Ok(()),
                Err(error) => Err(error),
                Ok(()) => Err(Error::RequestFailed),
            }
        };
        self.bounded(operation, confirmation).await
    }

    /// Runs one request for a list, which is whole when the kernel has said that it is. `keep` chooses and turns what is
    /// wanted; a list of more than `limit` items, wanted or not, is not read to its end and is an error.
    pub(super) async fn listed<T: Send, U: Send>(
        &self,
        operation: &str,
        answers: impl Stream<Item = Result<T, Error>> + Send,
        limit: usize,
        mut keep: impl FnMut(T) -> Option<U> + Send,
    ) -> Result<Vec<U>, KernelError> {
        let whole = async {
            let mut answers = std::pin::pin!(answers);
            let mut items = Vec::new();
            for _ in 0..limit {
                match answers.next().await {
                    Some(Ok(item)) => items.extend(keep(item)),
                    Some(Err(Error::UnexpectedMessage(message)))
                        if matches!(message.payload, NetlinkPayload::Done(_)) =>
                    {
                        return Ok(Some(items));
                    }
                    Some(Err(error)) => return Err(error),
                    None => return Err(Error::RequestFailed),
                }
            }
            Ok(None)
        };
        if let Some(items) = self.bounded(operation, whole).await? {
            return Ok(items);
        }
        // The rest of the list is still on its way through that socket, which takes no other request for one before.
        if let Ok(fresh) = connect(self.namespace.clone()) {
            *self.handle.lock().unwrap_or_else(PoisonError::into_inner) = fresh;
        }
        Err(KernelError::new(operation, Refusal::Errno(nix::errno::Errno::E2BIG)))
    }
}

/// Opens a socket that a thread of its own serves, for as long as the handle or a copy of it lives. The kernel does what
/// it is asked within the call that sends the request, so a deletion that waits for a lock holds up that thread and
/// nobody else: deadlines still run, signals are still heard. A socket stays in the namespace in which it was opened,
/// so that thread alone goes there.
fn connect(namespace: Option<Arc<File>>) -> std::io::Result<Handle> {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::Builder::new().name("netlink".to_owned()).spawn(move || {
        let opened = tokio::runtime::Builder::new_current_thread().enable_io().build().and_then(|runtime| {
            if let Some(namespace) = namespace {
                setns(&*namespace, CloneFlags::CLONE_NEWNET)?;
            }
            let inside = runtime.enter();
            let connection = open()?;
            drop(inside);
            Ok((runtime, connection))
        });
        match opened {
            Ok((runtime, (connection, handle))) => {
                // Nobody waits any more only when the process ends.
                let _ = tell.send(Ok(handle));
                runtime.block_on(connection);
            }
            Err(error) => drop(tell.send(Err(error))),
        }
    })?;
    told.recv().unwrap_or_else(|_| Err(std::io::Error::other("the netlink thread ended")))
}

fn open() -> std::io::Result<(impl Future<Output = ()>, Handle)> {
    let (mut connection, handle, _) = rtnetlink::new_connection()?;
    // Without it errors carry no sentence; a kernel that lacks it (before 4.12) still gives the number.
    let _ = connection.socket_mut().socket_mut().set_ext_ack(true);
    // Keeps the refused request out of the answer, so that the sentence stands right behind its header.
    let _ = connection.socket_mut().socket_mut().set_cap_ack(true);
    connection.set_forward_ack(true);
    connection.set_forward_done(true);
    Ok((connection, handle))
}
