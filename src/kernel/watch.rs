//! What happens to links, as it happens: RTM_NEWLINK and RTM_DELLINK as the kernel multicasts them.

use std::future::Future;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use netlink_packet_route::RouteNetlinkMessage;
use rtnetlink::packet_core::{NetlinkMessage, NetlinkPayload};
use rtnetlink::sys::SocketAddr;
use rtnetlink::{Handle, MulticastGroup};

use super::link::LinkIndex;

/// How long a socket that cannot be opened is left alone.
const REOPEN_PAUSE: Duration = Duration::from_secs(1);

/// Something that happened to a link of this namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkEvent {
    /// It came, or something about it changed: its name, its state, its master.
    Seen(LinkIndex),
    /// It went: removed, or moved to another namespace.
    Gone(LinkIndex),
    /// Nobody knows what happened before now: the socket has just been opened, or its buffer ran over.
    Missed,
}

/// A source of events. The first is [`LinkEvent::Missed`].
pub trait LinkEvents: Send {
    /// Waits for the next event. Nothing is lost when the wait is given up.
    fn next(&mut self) -> impl Future<Output = LinkEvent> + Send;
}

/// The kernel's own events.
#[derive(Debug, Default)]
pub struct NetlinkEvents {
    open: Option<Subscription>,
}

struct Subscription {
    messages: Box<dyn Stream<Item = (NetlinkMessage<RouteNetlinkMessage>, SocketAddr)> + Send + Unpin>,
    /// The socket lives as long as this.
    _handle: Handle,
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscription").finish_non_exhaustive()
    }
}

impl Subscription {
    fn open() -> std::io::Result<Self> {
        let (connection, handle, messages) = rtnetlink::new_multicast_connection(&[MulticastGroup::Link])?;
        tokio::spawn(connection);
        Ok(Self { messages: Box::new(messages), _handle: handle })
    }
}

impl LinkEvents for NetlinkEvents {
    async fn next(&mut self) -> LinkEvent {
        loop {
            let Some(open) = &mut self.open else {
                match Subscription::open() {
                    Ok(open) => {
                        self.open = Some(open);
                        return LinkEvent::Missed;
                    }
                    Err(_) => {
                        tokio::time::sleep(REOPEN_PAUSE).await;
                        continue;
                    }
                }
            };
            match open.messages.next().await {
                Some((message, _)) => {
                    if let Some(event) = event_of(&message.payload) {
                        return event;
                    }
                }
                None => self.open = None,
            }
        }
    }
}

fn event_of(payload: &NetlinkPayload<RouteNetlinkMessage>) -> Option<LinkEvent> {
    match payload {
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link)) => {
            Some(LinkEvent::Seen(LinkIndex(link.header.index)))
        }
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelLink(link)) => {
            Some(LinkEvent::Gone(LinkIndex(link.header.index)))
        }
        NetlinkPayload::Overrun(_) => Some(LinkEvent::Missed),
        _ => None,
    }
}
