//! Between rtnetlink's messages and our own words for what stands in a container, with no I/O.

use std::net::IpAddr;

use ipnetwork::IpNetwork;
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeader, AddressHeaderFlags, AddressMessage,
};
use rtnetlink::packet_route::link::{LinkAttribute, LinkMessage};
use rtnetlink::packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteProtocol, RouteType,
};

use super::link_messages;
use crate::kernel::link::LinkIndex;
use crate::kernel::sandbox::SandboxLink;
use crate::model::interface::{InterfaceAddress, InterfaceRoute, MAIN_TABLE};

/// The flags of an address that a user chooses; the others tell of its state.
const CHOSEN_FLAGS: AddressFlags = AddressFlags::Nodad
    .union(AddressFlags::Homeaddress)
    .union(AddressFlags::Managetempaddr)
    .union(AddressFlags::Noprefixroute)
    .union(AddressFlags::Mcautojoin);
/// `RT_TABLE_LOCAL`, which the kernel keeps by itself.
const LOCAL_TABLE: u32 = 255;

/// The link that a message shows, without addresses and routes.
pub(super) fn link_from_message(message: LinkMessage) -> SandboxLink {
    let mut below = None;
    let mut is_elsewhere = false;
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::Link(index) if *index != 0 => below = Some(LinkIndex(*index)),
            LinkAttribute::LinkNetNsId(_) => is_elsewhere = true,
            _ => {}
        }
    }
    let link = link_messages::link_from_message(message);
    let parent = below.filter(|_| is_elsewhere && link.is_child());
    SandboxLink {
        index: link.index,
        name: link.name,
        parent,
        mac: link.mac,
        up: link.up,
        addresses: Vec::new(),
        routes: Vec::new(),
    }
}

/// The address that a message shows and its link, if it stays until it is removed.
pub(super) fn read_address(message: AddressMessage) -> Option<(LinkIndex, InterfaceAddress)> {
    let mut flags = AddressFlags::from_bits_retain(u32::from(message.header.flags.bits()));
    let (mut local, mut other, mut broadcast) = (None, None, None);
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(address) => local = Some(*address),
            AddressAttribute::Address(address) => other = Some(*address),
            AddressAttribute::Broadcast(address) => broadcast = Some(*address),
            AddressAttribute::Flags(all) => flags = *all,
            _ => {}
        }
    }
    let index = LinkIndex(message.header.index);
    let is_automatic = link_messages::address_from_message(&message, index)?.automatic;
    if is_automatic || !flags.contains(AddressFlags::Permanent) {
        return None;
    }
    let address = IpNetwork::new(local.or(other)?, message.header.prefix_len).ok()?;
    let peer = other.filter(|other| *other != address.ip());
    let scope = message.header.scope.into();
    let flags = flags.intersection(CHOSEN_FLAGS).bits();
    Some((index, InterfaceAddress { address, peer, broadcast, scope, flags }))
}

/// The message that gives an address to a link.
pub(super) fn address_message(index: LinkIndex, address: &InterfaceAddress) -> AddressMessage {
    let ip = address.address.ip();
    let flags = AddressFlags::from_bits_retain(address.flags);
    let mut message = AddressMessage::default();
    message.header = AddressHeader {
        family: family(ip),
        prefix_len: address.address.prefix(),
        flags: AddressHeaderFlags::empty(),
        scope: address.scope.into(),
        index: index.0,
    };
    message.attributes = vec![
        AddressAttribute::Local(ip),
        AddressAttribute::Address(address.peer.unwrap_or(ip)),
        AddressAttribute::Flags(flags),
    ];
    message.attributes.extend(address.broadcast.map(AddressAttribute::Broadcast));
    message
}

/// A route and the link through which it leaves.
pub(super) struct ReadRoute {
    pub(super) through: LinkIndex,
    pub(super) route: InterfaceRoute,
    /// Whether it is one that goes with its link and does not come back by itself.
    pub(super) is_kept: bool,
}

/// The unicast route that a message shows, if it has one way out.
pub(super) fn read_route(message: RouteMessage) -> Option<ReadRoute> {
    let header = &message.header;
    let mut table = u32::from(header.table);
    let (mut destination, mut gateway, mut source, mut metric, mut through) = (None, None, None, None, None);
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(address) => destination = ip(address),
            RouteAttribute::Gateway(address) => gateway = ip(address),
            RouteAttribute::PrefSource(address) => source = ip(address),
            RouteAttribute::Priority(number) => metric = Some(*number),
            RouteAttribute::Oif(index) => through = Some(LinkIndex(*index)),
            RouteAttribute::Table(number) => table = *number,
            _ => {}
        }
    }
    if header.kind != RouteType::Unicast || table == LOCAL_TABLE {
        return None;
    }
    let everywhere: IpAddr = match header.address_family {
        AddressFamily::Inet => IpAddr::from([0_u8; 4]),
        AddressFamily::Inet6 => IpAddr::from([0_u16; 8]),
        _ => return None,
    };
    let destination =
        IpNetwork::new(destination.unwrap_or(everywhere), header.destination_prefix_length).ok()?;
    let is_automatic = matches!(header.protocol, RouteProtocol::Kernel | RouteProtocol::Ra)
        || header.flags.contains(RouteFlags::Cloned);
    let route = InterfaceRoute {
        destination,
        gateway,
        source,
        metric,
        table,
        protocol: header.protocol.into(),
        scope: header.scope.into(),
        on_link: header.flags.contains(RouteFlags::Onlink),
    };
    Some(ReadRoute { through: through?, route, is_kept: !is_automatic })
}

/// The message that makes a route through a link.
pub(super) fn route_message(index: LinkIndex, route: &InterfaceRoute) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header = RouteHeader {
        address_family: family(route.destination.ip()),
        destination_prefix_length: route.destination.prefix(),
        // The attribute holds the number; tables above 255 do not fit here.
        table: u8::try_from(route.table).unwrap_or(RouteHeader::RT_TABLE_UNSPEC),
        protocol: route.protocol.into(),
        scope: route.scope.into(),
        kind: RouteType::Unicast,
        flags: if route.on_link { RouteFlags::Onlink } else { RouteFlags::empty() },
        ..RouteHeader::default()
    };
    message.attributes = vec![RouteAttribute::Oif(index.0)];
    if route.table != MAIN_TABLE {
        message.attributes.push(RouteAttribute::Table(route.table));
    }
    if route.destination.prefix() > 0 {
        message.attributes.push(RouteAttribute::Destination(route.destination.ip().into()));
    }
    message.attributes.extend(route.gateway.map(|gateway| RouteAttribute::Gateway(gateway.into())));
    message.attributes.extend(route.source.map(|source| RouteAttribute::PrefSource(source.into())));
    message.attributes.extend(route.metric.map(RouteAttribute::Priority));
    message
}

fn family(address: IpAddr) -> AddressFamily {
    if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(address) => Some((*address).into()),
        RouteAddress::Inet6(address) => Some((*address).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for text in ["10.0.0.2/24", "10.0.0.2/31", "fd00::2/64"] {
            let address = InterfaceAddress::as_given(text.parse().unwrap());
            let mut message = address_message(LinkIndex(7), &address);
            let flags = AddressFlags::from_bits_retain(address.flags).union(AddressFlags::Permanent);
            message.attributes.push(AddressAttribute::Flags(flags));
            assert_eq!(read_address(message), Some((LinkIndex(7), address)));
        }
        for (to, gateway) in [("0.0.0.0/0", Some("10.0.0.1")), ("::/0", None), ("10.9.0.0/16", None)] {
            let gateway = gateway.map(|gateway| gateway.parse().unwrap());
            let route = InterfaceRoute::as_given(to.parse().unwrap(), gateway);
            let read = read_route(route_message(LinkIndex(7), &route)).unwrap();
            assert_eq!((read.through, read.route, read.is_kept), (LinkIndex(7), route, true));
        }
    }
}
