//! The real kernel, over rtnetlink. The only module that talks to it, because the crate changes its interface often.

use std::future::Future;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::{Stream, StreamExt, TryStreamExt};
use netlink_packet_route::link::{LinkAttribute, LinkExtentMask, LinkMessage};
use nix::errno::Errno;
use rtnetlink::packet_core::NetlinkPayload;
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::sys::AsyncSocket;
use rtnetlink::{Error, Handle, LinkDelRequest, LinkUnspec};

use super::Kernel;
use super::error::{KernelError, Refusal};
use super::link::{Link, LinkAddress, LinkIndex, LinkKind, NewLink};
use super::netlink_messages::{
    address_from_message, error_from_kernel, link_from_message, name_attribute, new_link_message,
};
use super::watch::NetlinkEvents;
use crate::model::link_name::{DeviceName, LinkName};

/// How long one answer may take. A deletion takes 16 ms, and deletions queue under one lock in the kernel: a
/// hundred of them ahead of ours still fit.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);

/// The kernel of the network namespace in which it was opened.
#[derive(Debug)]
pub struct NetlinkKernel {
    /// Replaced when the socket failed. The lock is held only to copy or replace the handle.
    handle: Mutex<Handle>,
}

impl NetlinkKernel {
    /// Opens the netlink socket in the network namespace of the calling thread.
    ///
    /// # Errors
    /// When the socket cannot be opened.
    pub fn open() -> std::io::Result<Self> {
        Ok(Self { handle: Mutex::new(connect()?) })
    }

    fn handle(&self) -> Handle {
        self.handle.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Runs one request. When the socket turns out to be dead, a new one is opened for the next request.
    async fn bounded<T, F>(&self, operation: &str, request: F) -> Result<T, KernelError>
    where
        F: Future<Output = Result<T, Error>> + Send,
    {
        let outcome = match tokio::time::timeout(ANSWER_TIMEOUT, request).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(error_from_kernel(operation, error)),
            Err(_) => Err(KernelError::new(operation, Refusal::NoAnswer)),
        };
        if matches!(&outcome, Err(error) if error.refusal == Refusal::Broken)
            && let Ok(fresh) = connect()
        {
            *self.handle.lock().unwrap_or_else(PoisonError::into_inner) = fresh;
        }
        outcome
    }

    /// One link by what `select` puts into the request.
    async fn one_link(
        &self,
        operation: String,
        select: impl FnOnce(&mut LinkMessage) + Send,
    ) -> Result<Option<Link>, KernelError> {
        let mut request = self
            .handle()
            .link()
            .get()
            .match_index(0)
            .set_filter_mask(AddressFamily::Unspec, vec![LinkExtentMask::SkipStats]);
        select(request.message_mut());
        let answer = async {
            let mut stream = std::pin::pin!(request.execute());
            stream.try_next().await
        };
        match self.bounded(&operation, answer).await {
            Ok(Some(message)) => {
                let mut link = link_from_message(message);
                link.is_wifi = link.kind == LinkKind::Other(None) && is_wifi(&link.name);
                Ok(Some(link))
            }
            Ok(None) => Err(KernelError::new(operation, Refusal::Broken)),
            Err(error) if error.is_gone() => Ok(None),
            // A name that the kernel would not give to any device is the name of none.
            Err(error) if error.is(Errno::ERANGE) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn change(&self, operation: String, message: LinkMessage) -> Result<(), KernelError> {
        self.confirmed(&operation, self.handle().link().change(message).execute()).await
    }

    /// Runs one request that the kernel confirms. The crate says `Ok` when the answers end, which they also do when the
    /// socket fails; so the confirmation is asked for, and comes as an error of no code.
    async fn confirmed<F>(&self, operation: &str, request: F) -> Result<(), KernelError>
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

    /// Runs one request for a list, which is whole when the kernel has said that it is.
    async fn listed<T: Send>(
        &self,
        operation: &str,
        answers: impl Stream<Item = Result<T, Error>> + Send,
    ) -> Result<Vec<T>, KernelError> {
        let whole = async {
            let mut answers = std::pin::pin!(answers);
            let mut items = Vec::new();
            loop {
                match answers.next().await {
                    Some(Ok(item)) => items.push(item),
                    Some(Err(Error::UnexpectedMessage(message)))
                        if matches!(message.payload, NetlinkPayload::Done(_)) =>
                    {
                        return Ok(items);
                    }
                    Some(Err(error)) => return Err(error),
                    None => return Err(Error::RequestFailed),
                }
            }
        };
        self.bounded(operation, whole).await
    }
}

/// Opens a socket that a thread of its own serves, for as long as the handle or a copy of it lives. The kernel does what
/// it is asked within the call that sends the request, so a deletion that waits for a lock holds up that thread and
/// nobody else: deadlines still run, signals are still heard.
fn connect() -> std::io::Result<Handle> {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::Builder::new().name("netlink".to_owned()).spawn(move || {
        let opened = tokio::runtime::Builder::new_current_thread().enable_io().build().and_then(|runtime| {
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

/// Whether the interface is a Wi-Fi one (net/wireless/sysfs.c puts its radio beside it).
fn is_wifi(name: &str) -> bool {
    Path::new("/sys/class/net").join(name).join("phy80211").exists()
}

impl Kernel for NetlinkKernel {
    type Events = NetlinkEvents;

    async fn link_by_name(&self, name: &DeviceName) -> Result<Option<Link>, KernelError> {
        let attribute = name_attribute(name.as_str());
        self.one_link(format!("look up {name}"), |message| message.attributes.push(attribute)).await
    }

    async fn link_by_index(&self, index: LinkIndex) -> Result<Option<Link>, KernelError> {
        self.one_link(format!("look up the device with index {index}"), |message| {
            message.header.index = index.0;
        })
        .await
    }

    async fn links(&self) -> Result<Vec<Link>, KernelError> {
        let request = self
            .handle()
            .link()
            .get()
            .set_filter_mask(AddressFamily::Unspec, vec![LinkExtentMask::SkipStats]);
        let messages = self.listed("list the links", request.execute()).await?;
        Ok(messages.into_iter().map(link_from_message).collect())
    }

    async fn addresses(&self, index: LinkIndex) -> Result<Vec<LinkAddress>, KernelError> {
        let operation = format!("list the addresses of the device with index {index}");
        let request = self.handle().address().get();
        let messages = self.listed(&operation, request.execute()).await?;
        Ok(messages.iter().filter_map(|message| address_from_message(message, index)).collect())
    }

    async fn add_link(&self, new: &NewLink) -> Result<(), KernelError> {
        let request = self.handle().link().add(new_link_message(new));
        self.confirmed(&new.describe(), request.execute()).await
    }

    async fn add_alternative_name(&self, index: LinkIndex, name: &DeviceName) -> Result<(), KernelError> {
        let operation = format!("give the device with index {index} the alternative name {name}");
        let request = self.handle().link().property_add(index.0).alt_ifname(&[name.as_str()]);
        self.confirmed(&operation, request.execute()).await
    }

    async fn set_up(&self, index: LinkIndex) -> Result<(), KernelError> {
        let operation = format!("bring up the device with index {index}");
        self.change(operation, LinkUnspec::new_with_index(index.0).up().build()).await
    }

    async fn set_group(&self, index: LinkIndex, group: u32) -> Result<(), KernelError> {
        let operation = format!("put the device with index {index} into group {group}");
        let mut message = LinkUnspec::new_with_index(index.0).build();
        message.attributes.push(LinkAttribute::Group(group));
        self.change(operation, message).await
    }

    async fn has_namespace(&self, path: &str) -> bool {
        let path = path.to_owned();
        // An engine removes the mount at once and the file it was on up to a minute later, so the file says nothing.
        let is_mounted = move || {
            nix::sys::statfs::statfs(path.as_str())
                .is_ok_and(|found| found.filesystem_type() == nix::sys::statfs::NSFS_MAGIC)
        };
        tokio::task::spawn_blocking(is_mounted).await.unwrap_or(false)
    }

    async fn has_path(&self, path: &str) -> bool {
        let path = path.to_owned();
        // What cannot be looked at may be there.
        let is_there = move || Path::new(&path).try_exists().unwrap_or(true);
        tokio::task::spawn_blocking(is_there).await.unwrap_or(true)
    }

    async fn delete_link(&self, index: LinkIndex) -> Result<(), KernelError> {
        let operation = format!("remove the device with index {index}");
        self.confirmed(&operation, self.handle().link().del(index.0).execute()).await
    }

    async fn delete_link_named(&self, name: &LinkName) -> Result<(), KernelError> {
        let mut message = LinkMessage::default();
        message.attributes.push(name_attribute(name.as_str()));
        let operation = format!("remove the device named {name}");
        let request = LinkDelRequest::new_with_message(self.handle(), message);
        self.confirmed(&operation, request.execute()).await
    }

    fn events(&self) -> NetlinkEvents {
        NetlinkEvents::default()
    }
}
