//! The real kernel, over rtnetlink. The only module that talks to it, because the crate changes its interface often.

mod channel;
mod link_messages;
mod sandbox;
mod sandbox_messages;

use std::os::fd::AsRawFd;
use std::path::Path;

use futures_util::TryStreamExt;
use netlink_packet_route::link::{LinkAttribute, LinkExtentMask, LinkMessage};
use nix::errno::Errno;
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::{Handle, LinkDelRequest, LinkUnspec};

use super::Kernel;
use super::error::{KernelError, Refusal};
use super::link::{Link, LinkAddress, LinkIndex, LinkKind, NewLink};
use super::watch::NetlinkEvents;
use crate::model::link_name::{DeviceName, LinkName};
use channel::Channel;
use link_messages::{address_from_message, link_from_message, name_attribute, new_link_message};
pub use sandbox::NetlinkSandbox;

/// The kernel of the network namespace in which it was opened.
#[derive(Debug)]
pub struct NetlinkKernel {
    channel: Channel,
}

impl NetlinkKernel {
    /// Opens the netlink socket in the network namespace of the calling thread.
    ///
    /// # Errors
    /// When the socket cannot be opened.
    pub fn open() -> std::io::Result<Self> {
        Ok(Self { channel: Channel::open(None)? })
    }

    fn handle(&self) -> Handle {
        self.channel.handle()
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
        match self.channel.bounded(&operation, answer).await {
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
        self.channel.confirmed(&operation, self.handle().link().change(message).execute()).await
    }
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
        let answers = request.execute();
        self.channel
            .listed("list the links", answers, usize::MAX, |found| Some(link_from_message(found)))
            .await
    }

    async fn addresses(&self, index: LinkIndex) -> Result<Vec<LinkAddress>, KernelError> {
        let operation = format!("list the addresses of the device with index {index}");
        let request = self.handle().address().get();
        let of_link = |found| address_from_message(&found, index);
        self.channel.listed(&operation, request.execute(), usize::MAX, of_link).await
    }

    async fn add_link(&self, new: &NewLink) -> Result<(), KernelError> {
        let request = self.handle().link().add(new_link_message(new));
        self.channel.confirmed(&new.describe(), request.execute()).await
    }

    async fn add_alternative_name(&self, index: LinkIndex, name: &DeviceName) -> Result<(), KernelError> {
        let operation = format!("give the device with index {index} the alternative name {name}");
        let request = self.handle().link().property_add(index.0).alt_ifname(&[name.as_str()]);
        self.channel.confirmed(&operation, request.execute()).await
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
        self.channel.confirmed(&operation, self.handle().link().del(index.0).execute()).await
    }

    async fn delete_link_named(&self, name: &LinkName) -> Result<(), KernelError> {
        let mut message = LinkMessage::default();
        message.attributes.push(name_attribute(name.as_str()));
        let operation = format!("remove the device named {name}");
        let request = LinkDelRequest::new_with_message(self.handle(), message);
        self.channel.confirmed(&operation, request.execute()).await
    }

    type Sandbox = NetlinkSandbox;

    async fn enter(&self, path: &str) -> Result<NetlinkSandbox, KernelError> {
        NetlinkSandbox::open(path).await
    }

    async fn add_link_in(&self, sandbox: &NetlinkSandbox, new: &NewLink) -> Result<(), KernelError> {
        let mut message = new_link_message(new);
        let namespace = sandbox.namespace();
        message.attributes.push(LinkAttribute::NetNsFd(namespace.as_raw_fd()));
        let operation = format!("{} in {}", new.describe(), sandbox.path());
        let request = self.handle().link().add(message);
        // A request that is no longer waited for may still be carried out, and then its number must not be that of
        // another container's namespace: the descriptor is held as long as the request lives.
        let held = tokio::spawn(async move {
            let outcome = request.execute().await;
            drop(namespace);
            outcome
        });
        let outcome = async { held.await.unwrap_or(Err(rtnetlink::Error::RequestFailed)) };
        self.channel.confirmed(&operation, outcome).await
    }

    fn events(&self) -> NetlinkEvents {
        NetlinkEvents::default()
    }
}
