//! A container's network namespace, over a netlink socket that was opened in it.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use netlink_packet_route::link::LinkExtentMask;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sched::{CloneFlags, setns};
use nix::sys::statfs::{NSFS_MAGIC, fstatfs};
use rtnetlink::LinkUnspec;
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::route::RouteMessage;

use super::channel::Channel;
use super::sandbox_messages::{
    ReadRoute, address_message, link_from_message, read_address, read_route, route_message,
};
use crate::kernel::error::{KernelError, Refusal};
use crate::kernel::link::LinkIndex;
use crate::kernel::sandbox::{Sandbox, SandboxView};
use crate::model::interface::{InterfaceAddress, InterfaceRoute};
use crate::model::link_name::LinkName;

/// How many links, addresses or routes of a container are looked at: it may make itself any number of them.
const LIMIT: usize = 10_000;
/// How long entering a namespace may take: its path may lead to a file system that does not answer.
const ENTER_TIMEOUT: Duration = Duration::from_secs(3);

/// A namespace that was entered by a thread of its own.
#[derive(Debug)]
pub struct NetlinkSandbox {
    path: String,
    file: Arc<File>,
    channel: Channel,
}

impl NetlinkSandbox {
    /// Opens a socket in the network namespace that is mounted at `path`.
    ///
    /// # Errors
    /// When none is mounted there, as far as can be seen from here, or it is that of the daemon itself.
    pub(super) async fn open(path: &str) -> Result<Self, KernelError> {
        let path = path.to_owned();
        let operation = format!("enter the network namespace {path}");
        let entered = tokio::task::spawn_blocking(move || {
            let file = Arc::new(open_namespace(&path)?);
            let channel = Channel::open(Some(Arc::clone(&file)))?;
            Ok::<_, std::io::Error>(Self { path, file, channel })
        });
        let failed = |error: std::io::Error| {
            let refusal =
                error.raw_os_error().map_or(Refusal::Broken, |raw| Refusal::Errno(Errno::from_raw(raw)));
            KernelError::new(operation.clone(), refusal)
        };
        match tokio::time::timeout(ENTER_TIMEOUT, entered).await {
            Ok(entered) => entered.unwrap_or_else(|error| Err(std::io::Error::other(error))).map_err(failed),
            Err(_) => Err(KernelError::new(operation.clone(), Refusal::NoAnswer)),
        }
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn namespace(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }

    /// A list of addresses or routes. Of one that is too long nothing is known, and the view says so.
    async fn whole<T: Send, U: Send>(
        &self,
        view: &mut SandboxView,
        operation: &str,
        answers: impl Stream<Item = Result<T, rtnetlink::Error>> + Send,
        keep: impl FnMut(T) -> Option<U> + Send,
    ) -> Result<Vec<U>, KernelError> {
        match self.channel.listed(operation, answers, LIMIT, keep).await {
            Err(error) if error.is(Errno::E2BIG) => {
                view.is_cut = true;
                Ok(Vec::new())
            }
            outcome => outcome,
        }
    }

    fn operation(&self, what: &str, index: LinkIndex) -> String {
        format!("{what} the interface with index {index} in {}", self.path)
    }
}

/// Opens the file of a network namespace that is not the daemon's own: in that one containers have nothing of ours.
fn open_namespace(path: &str) -> std::io::Result<File> {
    // Whatever else stands at the path, opening it must not block.
    let file = OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path)?;
    if fstatfs(&file)?.filesystem_type() != NSFS_MAGIC {
        return Err(Errno::EINVAL.into());
    }
    let identity = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
    let own = std::fs::metadata("/proc/thread-self/ns/net").map(identity)?;
    if identity(file.metadata()?) == own {
        return Err(Errno::EINVAL.into());
    }
    Ok(file)
}

impl Sandbox for NetlinkSandbox {
    async fn look(&self) -> Result<SandboxView, KernelError> {
        let handle = self.channel.handle();
        let operation = |what: &str| format!("list the {what} in {}", self.path);
        let (links, addresses, routes) = (operation("links"), operation("addresses"), operation("routes"));
        let request =
            handle.link().get().set_filter_mask(AddressFamily::Unspec, vec![LinkExtentMask::SkipStats]);
        let of_message = |message| Some(link_from_message(message));
        let found = self.channel.listed(&links, request.execute(), LIMIT, of_message).await?;
        let mut view = SandboxView { links: found, ..SandboxView::default() };
        // Of all a container has, only what it has of its parents is looked at.
        let children: HashMap<LinkIndex, usize> = view
            .links
            .iter()
            .enumerate()
            .filter(|(_, link)| link.parent.is_some())
            .map(|(place, link)| (link.index, place))
            .collect();
        let request = handle.address().get().execute();
        for (index, address) in self.whole(&mut view, &addresses, request, read_address).await? {
            if let Some(place) = children.get(&index) {
                view.links[*place].addresses.push(address);
            }
        }
        let handle = self.channel.handle();
        let request = handle.route().get(RouteMessage::default()).execute();
        for found in self.whole(&mut view, &routes, request, read_route).await? {
            let ReadRoute { through, route, is_kept } = found;
            if route.destination.prefix() == 0 {
                match route.destination.is_ipv4() {
                    true => view.has_default_v4 = true,
                    false => view.has_default_v6 = true,
                }
            }
            if let Some(place) = children.get(&through).filter(|_| is_kept) {
                view.links[*place].routes.push(route);
            }
        }
        Ok(view)
    }

    async fn allow_ipv6(&self, link: &LinkName) -> Result<(), KernelError> {
        let operation = format!("switch IPv6 on for {link} in {}", self.path);
        let file = format!("/proc/sys/net/ipv6/conf/{link}/disable_ipv6");
        let namespace = Arc::clone(&self.file);
        // What stands under /proc/sys/net is that of the thread that opens it, so a thread goes there and ends.
        let (tell, told) = tokio::sync::oneshot::channel();
        let spawned = std::thread::Builder::new().name("sandbox".to_owned()).spawn(move || {
            let written = setns(&*namespace, CloneFlags::CLONE_NEWNET)
                .map_err(std::io::Error::from)
                // Where it is on already nothing is written: the file may be read-only here.
                .and_then(|()| match std::fs::read_to_string(&file)?.trim() {
                    "0" => Ok(()),
                    _ => std::fs::write(&file, "0"),
                });
            // Nobody waits any more only when the call was given up.
            let _ = tell.send(written);
        });
        let written = match spawned {
            Ok(_) => told.await.unwrap_or_else(|error| Err(std::io::Error::other(error))),
            Err(error) => Err(error),
        };
        written.map_err(|error| {
            let refusal =
                error.raw_os_error().map_or(Refusal::Broken, |raw| Refusal::Errno(Errno::from_raw(raw)));
            KernelError::new(operation, refusal)
        })
    }

    async fn rename(&self, index: LinkIndex, name: &LinkName) -> Result<(), KernelError> {
        let message = LinkUnspec::new_with_index(index.0).name(name.as_str()).build();
        let request = self.channel.handle().link().change(message);
        self.channel
            .confirmed(&self.operation(&format!("give the name {name} to"), index), request.execute())
            .await
    }

    async fn add_address(&self, index: LinkIndex, address: &InterfaceAddress) -> Result<(), KernelError> {
        let operation = self.operation(&format!("give the address {} to", address.address), index);
        let mut request =
            self.channel.handle().address().add(index.0, address.address.ip(), address.address.prefix());
        *request.message_mut() = address_message(index, address);
        self.channel.confirmed(&operation, request.execute()).await
    }

    async fn set_up(&self, index: LinkIndex) -> Result<(), KernelError> {
        let message = LinkUnspec::new_with_index(index.0).up().build();
        let request = self.channel.handle().link().change(message);
        self.channel.confirmed(&self.operation("bring up", index), request.execute()).await
    }

    async fn add_route(&self, index: LinkIndex, route: &InterfaceRoute) -> Result<(), KernelError> {
        let operation = self.operation(&format!("make the route to {} through", route.destination), index);
        let request = self.channel.handle().route().add(route_message(index, route));
        self.channel.confirmed(&operation, request.execute()).await
    }

    async fn delete_link(&self, index: LinkIndex) -> Result<(), KernelError> {
        let request = self.channel.handle().link().del(index.0);
        self.channel.confirmed(&self.operation("remove", index), request.execute()).await
    }
}
