//! Between rtnetlink's messages and our own words, with no I/O.

use netlink_packet_route::address::{AddressAttribute, AddressMessage, AddressProtocol};
use netlink_packet_route::link as nl;
use nix::errno::Errno;
use rtnetlink::packet_core::{DefaultNla, ErrorMessage};
use rtnetlink::{LinkDummy, LinkIpVlan, LinkMacVlan, LinkMessageBuilder, LinkVlan, QosMapping};

use crate::kernel::error::{KernelError, Refusal};
use crate::kernel::link::{Link, LinkAddress, LinkIndex, LinkKind, NewLink, NewLinkKind, VlanFlags};
use crate::model::mac::MacAddress;
use crate::model::mode::{IpvlanFlag, IpvlanMode, MacvlanMode};
use crate::model::qos::QosMap;
use crate::model::vlan::{VlanId, VlanProtocol, VlanSettings, VlanTag};

/// IFLA_ALT_IFNAME: looks a link up by a name of more than 15 bytes; IFLA_IFNAME answers ERANGE for one.
const IFLA_ALT_IFNAME: u16 = 53;

/// The attribute that looks a link up by `name`.
pub(super) fn name_attribute(name: &str) -> nl::LinkAttribute {
    if name.len() <= crate::model::link_name::MAX_LINK_NAME_BYTES {
        return nl::LinkAttribute::IfName(name.to_owned());
    }
    let mut bytes = name.as_bytes().to_vec();
    bytes.push(0);
    nl::LinkAttribute::Other(DefaultNla::new(IFLA_ALT_IFNAME, bytes))
}

/// The message that makes `new`.
pub(super) fn new_link_message(new: &NewLink) -> nl::LinkMessage {
    let name = new.name.as_str();
    match &new.kind {
        NewLinkKind::Vlan { base, tag, settings } => {
            common(vlan_builder(LinkVlan::new(name, base.0, tag.id.get()), *tag, settings), new)
        }
        NewLinkKind::Dummy => common(LinkDummy::new(name), new),
        NewLinkKind::Macvlan { parent, mode, bcqueuelen } => {
            let mut builder = LinkMacVlan::new(name, parent.0, macvlan_to_kernel(*mode));
            if let Some(length) = bcqueuelen {
                builder = builder.append_info_data(nl::InfoMacVlan::BcQueueLen(*length));
            }
            common(builder, new)
        }
        NewLinkKind::Ipvlan { parent, mode, flag } => {
            let (mode, flags) = ipvlan_to_kernel(*mode, *flag);
            common(LinkIpVlan::new(name, parent.0, mode).flag(flags), new)
        }
    }
}

fn common<T>(mut builder: LinkMessageBuilder<T>, new: &NewLink) -> nl::LinkMessage {
    builder = builder.link_group(new.group);
    if let Some(mtu) = new.mtu {
        builder = builder.mtu(mtu.get());
    }
    if let Some(mac) = new.mac {
        builder = builder.address(mac.bytes().to_vec());
    }
    if new.up { builder.up().build() } else { builder.build() }
}

fn vlan_builder(
    builder: LinkMessageBuilder<LinkVlan>,
    tag: VlanTag,
    settings: &VlanSettings,
) -> LinkMessageBuilder<LinkVlan> {
    let asked = [
        (settings.gvrp, nl::VlanFlags::Gvrp),
        (settings.mvrp, nl::VlanFlags::Mvrp),
        (settings.loose_binding, nl::VlanFlags::LooseBinding),
        (settings.reorder_hdr, nl::VlanFlags::ReorderHdr),
    ];
    let mut flags = nl::VlanFlags::empty();
    let mut mask = nl::VlanFlags::empty();
    for (asked, flag) in asked {
        if let Some(on) = asked {
            mask |= flag;
            flags.set(flag, on);
        }
    }
    let pairs = |map: &QosMap| map.pairs().map(|(from, to)| QosMapping { from, to }).collect::<Vec<_>>();
    let mut builder = builder
        .protocol(match tag.protocol {
            VlanProtocol::Dot1q => nl::VlanProtocol::Ieee8021Q,
            VlanProtocol::Dot1ad => nl::VlanProtocol::Ieee8021Ad,
        })
        .qos(pairs(&settings.ingress_qos), pairs(&settings.egress_qos));
    if !mask.is_empty() {
        builder = builder.flags(flags, mask);
    }
    builder
}

fn macvlan_to_kernel(mode: MacvlanMode) -> nl::MacVlanMode {
    match mode {
        MacvlanMode::Bridge => nl::MacVlanMode::Bridge,
        MacvlanMode::Private => nl::MacVlanMode::Private,
        MacvlanMode::Vepa => nl::MacVlanMode::Vepa,
        MacvlanMode::Passthru => nl::MacVlanMode::Passthrough,
    }
}

fn macvlan_from_kernel(mode: nl::MacVlanMode) -> Option<MacvlanMode> {
    match mode {
        nl::MacVlanMode::Bridge => Some(MacvlanMode::Bridge),
        nl::MacVlanMode::Private => Some(MacvlanMode::Private),
        nl::MacVlanMode::Vepa => Some(MacvlanMode::Vepa),
        nl::MacVlanMode::Passthrough => Some(MacvlanMode::Passthru),
        _ => None,
    }
}

fn ipvlan_to_kernel(mode: IpvlanMode, flag: IpvlanFlag) -> (nl::IpVlanMode, nl::IpVlanFlags) {
    let mode = match mode {
        IpvlanMode::L2 => nl::IpVlanMode::L2,
        IpvlanMode::L3 => nl::IpVlanMode::L3,
        IpvlanMode::L3s => nl::IpVlanMode::L3S,
    };
    let flags = match flag {
        IpvlanFlag::Bridge => nl::IpVlanFlags::empty(),
        IpvlanFlag::Private => nl::IpVlanFlags::Private,
        IpvlanFlag::Vepa => nl::IpVlanFlags::Vepa,
    };
    (mode, flags)
}

fn ipvlan_from_kernel(data: &[nl::InfoIpVlan]) -> Option<(IpvlanMode, IpvlanFlag)> {
    let mut mode = None;
    let mut flag = IpvlanFlag::Bridge;
    for item in data {
        match item {
            nl::InfoIpVlan::Mode(nl::IpVlanMode::L2) => mode = Some(IpvlanMode::L2),
            nl::InfoIpVlan::Mode(nl::IpVlanMode::L3) => mode = Some(IpvlanMode::L3),
            nl::InfoIpVlan::Mode(nl::IpVlanMode::L3S) => mode = Some(IpvlanMode::L3s),
            nl::InfoIpVlan::Flags(flags) if flags.contains(nl::IpVlanFlags::Private) => {
                flag = IpvlanFlag::Private;
            }
            nl::InfoIpVlan::Flags(flags) if flags.contains(nl::IpVlanFlags::Vepa) => flag = IpvlanFlag::Vepa,
            _ => {}
        }
    }
    mode.map(|mode| (mode, flag))
}

/// The link that a message shows. Attributes we do not know are passed over.
pub(super) fn link_from_message(message: nl::LinkMessage) -> Link {
    let loopback = message.header.flags.contains(nl::LinkFlags::Loopback);
    let mut link = Link {
        index: LinkIndex(message.header.index),
        name: String::new(),
        alternative_names: Vec::new(),
        kind: if loopback { LinkKind::Loopback } else { LinkKind::Other(None) },
        lower: None,
        controller: None,
        controller_kind: None,
        mtu: 0,
        mac: None,
        up: message.header.flags.contains(nl::LinkFlags::Up),
        is_ethernet: message.header.link_layer_type == nl::LinkLayerType::Ether,
        group: 0,
        is_wifi: false,
    };
    let mut lower_is_elsewhere = false;
    for attribute in message.attributes {
        match attribute {
            nl::LinkAttribute::IfName(name) => link.name = name,
            nl::LinkAttribute::Mtu(mtu) => link.mtu = mtu,
            nl::LinkAttribute::Group(group) => link.group = group,
            nl::LinkAttribute::Link(index) if index != 0 => link.lower = Some(LinkIndex(index)),
            nl::LinkAttribute::LinkNetNsId(_) => lower_is_elsewhere = true,
            nl::LinkAttribute::Controller(index) => link.controller = Some(LinkIndex(index)),
            nl::LinkAttribute::Address(bytes) => {
                link.mac = <[u8; 6]>::try_from(bytes).ok().and_then(|bytes| MacAddress::new(bytes).ok());
            }
            nl::LinkAttribute::PropList(properties) => {
                for property in properties {
                    if let nl::Prop::AltIfName(name) = property {
                        link.alternative_names.push(name);
                    }
                }
            }
            nl::LinkAttribute::LinkInfo(infos) => read_link_info(infos, &mut link),
            _ => {}
        }
    }
    // The other end of a veth pair stands in the same attribute, and a veth does not stand on it.
    let is_veth = matches!(&link.kind, LinkKind::Other(Some(kind)) if kind == "veth");
    if lower_is_elsewhere || is_veth {
        link.lower = None;
    }
    link
}

fn read_link_info(infos: Vec<nl::LinkInfo>, link: &mut Link) {
    for info in infos {
        match info {
            nl::LinkInfo::Kind(nl::InfoKind::Dummy) => link.kind = LinkKind::Dummy,
            nl::LinkInfo::Kind(kind) => link.kind = LinkKind::Other(Some(kind.to_string())),
            nl::LinkInfo::Data(nl::InfoData::Vlan(data)) => {
                if let Some(kind) = vlan_from_kernel(&data) {
                    link.kind = kind;
                }
            }
            nl::LinkInfo::Data(nl::InfoData::MacVlan(data)) => {
                let mode = data.iter().find_map(|item| match item {
                    nl::InfoMacVlan::Mode(mode) => macvlan_from_kernel(*mode),
                    _ => None,
                });
                link.kind = LinkKind::Macvlan(mode);
            }
            nl::LinkInfo::Data(nl::InfoData::IpVlan(data)) => {
                link.kind = LinkKind::Ipvlan(ipvlan_from_kernel(&data));
            }
            nl::LinkInfo::PortKind(kind) => link.controller_kind = Some(kind.to_string()),
            _ => {}
        }
    }
}

fn vlan_from_kernel(data: &[nl::InfoVlan]) -> Option<LinkKind> {
    let mut id = None;
    let mut protocol = VlanProtocol::Dot1q;
    let mut flags = VlanFlags::default();
    let mut ingress_qos = QosMap::default();
    let mut egress_qos = QosMap::default();
    let map = |pairs: &[nl::VlanQosMapping]| {
        QosMap::of_kernel(pairs.iter().filter_map(|pair| match pair {
            nl::VlanQosMapping::Mapping(from, to) => Some((*from, *to)),
            _ => None,
        }))
    };
    for item in data {
        match item {
            nl::InfoVlan::Id(number) => id = VlanId::new(*number),
            nl::InfoVlan::Protocol(nl::VlanProtocol::Ieee8021Ad) => protocol = VlanProtocol::Dot1ad,
            nl::InfoVlan::Flags((set, _)) => {
                flags = VlanFlags {
                    gvrp: set.contains(nl::VlanFlags::Gvrp),
                    mvrp: set.contains(nl::VlanFlags::Mvrp),
                    loose_binding: set.contains(nl::VlanFlags::LooseBinding),
                    reorder_hdr: set.contains(nl::VlanFlags::ReorderHdr),
                };
            }
            nl::InfoVlan::IngressQos(pairs) => ingress_qos = map(pairs),
            nl::InfoVlan::EgressQos(pairs) => egress_qos = map(pairs),
            _ => {}
        }
    }
    // The kernel allows VLAN 0 (priority tagging); nothing of ours has it, so it stays a link of another sort.
    let tag = VlanTag { protocol, id: id? };
    Some(LinkKind::Vlan { tag, flags, ingress_qos, egress_qos })
}

/// The address that a message shows, if it is one of `index`.
pub(super) fn address_from_message(message: &AddressMessage, index: LinkIndex) -> Option<LinkAddress> {
    if message.header.index != index.0 {
        return None;
    }
    let mut found = None;
    let mut automatic = false;
    for attribute in &message.attributes {
        match attribute {
            // A point-to-point address has both; the local one is the link's own.
            AddressAttribute::Local(address) => found = Some(*address),
            AddressAttribute::Address(address) => found = found.or(Some(*address)),
            AddressAttribute::Protocol(
                AddressProtocol::LinkLocal | AddressProtocol::RouterAnnouncement | AddressProtocol::Loopback,
            ) => automatic = true,
            _ => {}
        }
    }
    let address = found?;
    // Kernels before 5.18 do not say who made an address; link-local ones are theirs in practice.
    if let std::net::IpAddr::V6(v6) = address {
        automatic |= v6.is_unicast_link_local();
    }
    Some(LinkAddress { address, automatic })
}

/// The error of an operation, with the kernel's own sentence when it sent one.
pub(super) fn error_from_kernel(operation: &str, error: rtnetlink::Error) -> KernelError {
    match error {
        rtnetlink::Error::NetlinkError(message) => KernelError {
            operation: operation.to_owned(),
            refusal: Refusal::Errno(Errno::from_raw(message.raw_code().saturating_abs())),
            detail: extended_acknowledgement(&message),
        },
        _ => KernelError::new(operation, Refusal::Broken),
    }
}

/// NLMSGERR_ATTR_MSG (include/uapi/linux/netlink.h).
const NLMSGERR_ATTR_MSG: u16 = 1;
/// The header of the refused request, which stands in front of the attributes (NETLINK_CAP_ACK cuts the rest).
const REQUEST_HEADER_BYTES: usize = 16;

fn extended_acknowledgement(message: &ErrorMessage) -> Option<String> {
    let mut rest = message.header.get(REQUEST_HEADER_BYTES..)?;
    loop {
        let length = usize::from(u16::from_ne_bytes(rest.get(..2)?.try_into().ok()?));
        let kind = u16::from_ne_bytes(rest.get(2..4)?.try_into().ok()?);
        let value = rest.get(4..length)?;
        if kind == NLMSGERR_ATTR_MSG {
            let text = value.split(|byte| *byte == 0).next()?;
            return Some(String::from_utf8_lossy(text).into_owned()).filter(|text| !text.is_empty());
        }
        rest = rest.get(length.next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_sentence_is_found_behind_the_header() {
        let sentence = b"Unknown device type\0";
        let mut header = vec![0; REQUEST_HEADER_BYTES];
        header.extend(6_u16.to_ne_bytes());
        header.extend(9_u16.to_ne_bytes());
        header.extend([1, 2, 0, 0]);
        header.extend(u16::try_from(4 + sentence.len()).unwrap().to_ne_bytes());
        header.extend(NLMSGERR_ATTR_MSG.to_ne_bytes());
        header.extend(sentence);
        let mut message = ErrorMessage::default();
        message.header = header.clone();
        assert_eq!(extended_acknowledgement(&message).as_deref(), Some("Unknown device type"));
        for cut in 0..header.len() {
            message.header = header[..cut].to_vec();
            let _ = extended_acknowledgement(&message);
        }
        message.header = vec![0; 40];
        assert_eq!(extended_acknowledgement(&message), None);
    }

    #[test]
    fn long_names_are_looked_up_as_alternative_names() {
        assert!(matches!(name_attribute("eth1"), nl::LinkAttribute::IfName(_)));
        assert!(matches!(name_attribute("enp130s0f1np1.4094"), nl::LinkAttribute::Other(_)));
    }
}
