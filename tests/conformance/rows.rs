//! The table: what Linux does with links, as far as the driver depends on it (net/core/rtnetlink.c, drivers/net/macvlan.c,
//! drivers/net/ipvlan, net/8021q).

/// One case.
#[derive(Debug)]
pub struct Row {
    /// What it shows.
    pub name: &'static str,
    /// The kinds of links that the kernel must have.
    pub needs: &'static [&'static str],
    /// The steps (see [`super::script`]).
    pub script: &'static str,
    /// How each operation comes out; `|` joins what different kernels say.
    pub outcome: &'static str,
}

/// A case.
pub const fn row(
    name: &'static str,
    needs: &'static [&'static str],
    script: &'static str,
    outcome: &'static str,
) -> Row {
    Row { name, needs, script, outcome }
}

/// What a row needs.
pub const MACVLAN: &[&str] = &["macvlan"];
const VLAN: &[&str] = &["vlan"];
pub const IPVLAN: &[&str] = &["ipvlan"];
const DUMMY: &[&str] = &["dummy"];
pub const VLAN_MACVLAN: &[&str] = &["vlan", "macvlan"];
const BOTH_CHILDREN: &[&str] = &["macvlan", "ipvlan"];

/// The cases of links on the host; those in containers are in [`super::container_rows`].
pub const ROWS: &[Row] = &[
    // ---- looking
    row("loopback is known as such", &[], "look lo", "lo loopback down 65536 group 0"),
    row("a name that nothing has", &[], "look nosuch0", "none"),
    row("a long name that nothing has", &[], "look a-name-of-more-than-fifteen-bytes", "none"),
    row("a device", &[], "device p; look p", "p device up 1500 group 0"),
    row(
        "a device that was taken down",
        &[],
        "device p; down p; look p; up p; look p",
        "p device down 1500 group 0; ok; p device up 1500 group 0",
    ),
    row("a port says so", &[], "device p; bridge b; port p b; look p", "p device up 1500 group 0 port"),
    row(
        "addresses",
        &[],
        "device p; addresses p; address p 192.0.2.1/24; address p 2001:db8::1/64; addresses p",
        "none; 192.0.2.1,2001:db8::1",
    ),
    row("addresses of nothing", &[], "addresses nosuch0", "none"),
    // ---- indices that no link has
    row("up without a link", &[], "up nosuch0", "ENODEV"),
    row("delete without a link", &[], "delete nosuch0", "ENODEV"),
    row("group without a link", &[], "group nosuch0 5", "ENODEV"),
    row("altname without a link", &[], "altname nosuch0 other", "ENODEV|EINVAL"),
    // ---- groups and alternative names
    row(
        "a group is changed",
        &[],
        "device p; group p 8021; look p; group p 0; look p",
        "ok; p device up 1500 group 8021; ok; p device up 1500 group 0",
    ),
    row(
        "an alternative name finds the device",
        &[],
        "device p; altname p uplink-of-the-third-floor; look uplink-of-the-third-floor",
        "ok; p device up 1500 group 0",
    ),
    row(
        "an alternative name is taken once",
        &[],
        "device p; device q; altname p other; altname q other",
        "ok; EEXIST",
    ),
    row("an alternative name that is a name", &[], "device p; device q; altname p q", "EEXIST"),
    row(
        "a name that is an alternative name",
        MACVLAN,
        "device p; altname p c; macvlan c p bridge",
        "ok; EEXIST",
    ),
    // ---- macvlan
    row(
        "macvlan in one message",
        MACVLAN,
        "device p; macvlan c p bridge mtu=1400 mac=02:00:00:00:00:01 group=77; look c",
        "ok; c macvlan bridge down 1400 group 77 on p",
    ),
    row(
        "macvlan inherits the MTU",
        MACVLAN,
        "device p; mtu p 1300; macvlan c p vepa; look c",
        "ok; c macvlan vepa down 1300 group 8021 on p",
    ),
    row("macvlan on nothing", MACVLAN, "macvlan c nosuch0 bridge", "ENODEV"),
    row(
        "macvlan with a name that is taken",
        MACVLAN,
        "device p; macvlan c p bridge; macvlan c p bridge",
        "ok; EEXIST",
    ),
    row(
        "macvlan with an MTU above the parent's",
        MACVLAN,
        "device p; macvlan c p bridge mtu=1501; look c",
        "EINVAL; none",
    ),
    row(
        "macvlan with the least MTU",
        MACVLAN,
        "device p; macvlan c p bridge mtu=68; look c",
        "ok; c macvlan bridge down 68 group 8021 on p",
    ),
    row(
        "a lowered parent lowers its children",
        MACVLAN,
        "device p; macvlan c p bridge; mtu p 1300; look c",
        "ok; c macvlan bridge down 1300 group 8021 on p",
    ),
    row("macvlan on loopback", MACVLAN, "macvlan c lo bridge", "EINVAL"),
    row("macvlan on a bridge port", MACVLAN, "device p; bridge b; port p b; macvlan c p bridge", "EBUSY"),
    row(
        "macvlan on a bridge",
        MACVLAN,
        "bridge b; macvlan c b bridge; look c",
        "ok; c macvlan bridge down 1500 group 8021 on b",
    ),
    row(
        "macvlan on macvlan is put on the device below",
        MACVLAN,
        "device p; macvlan c p bridge; macvlan d c bridge; look d",
        "ok; ok; d macvlan bridge down 1500 group 8021 on p",
    ),
    row(
        "macvlan modes mix",
        MACVLAN,
        "device p; macvlan a p bridge; macvlan b p private; macvlan c p vepa",
        "ok; ok; ok",
    ),
    row(
        "passthru beside others",
        MACVLAN,
        "device p; macvlan a p bridge; macvlan b p passthru",
        "ok; EINVAL",
    ),
    row(
        "others beside passthru",
        MACVLAN,
        "device p; macvlan a p passthru; macvlan b p bridge",
        "ok; EINVAL",
    ),
    row("passthru twice", MACVLAN, "device p; macvlan a p passthru; macvlan b p passthru", "ok; EINVAL"),
    row(
        "passthru after others left",
        MACVLAN,
        "device p; macvlan a p bridge; delete a; macvlan b p passthru; look b",
        "ok; ok; ok; b macvlan passthru down 1500 group 8021 on p",
    ),
    row(
        "one MAC twice is refused when it comes up",
        MACVLAN,
        "device p; macvlan a p bridge mac=02:00:00:00:00:01; macvlan b p bridge mac=02:00:00:00:00:01; up a; up b",
        "ok; ok; ok; EADDRINUSE|EBUSY",
    ),
    row(
        "one MAC on two parents",
        MACVLAN,
        "device p; device q; macvlan a p bridge mac=02:00:00:00:00:01; macvlan b q bridge mac=02:00:00:00:00:01; up a; up b",
        "ok; ok; ok; ok",
    ),
    row(
        "macvlan comes up on a parent that is down",
        MACVLAN,
        "device p; down p; macvlan c p bridge; up c",
        "ok; ok",
    ),
    row(
        "macvlan goes with its parent",
        VLAN_MACVLAN,
        "device p; vlan v p 20; macvlan c v bridge; delete v; look c",
        "ok; ok; ok; none",
    ),
    row(
        "a child is removed",
        MACVLAN,
        "device p; macvlan c p bridge; delete c; look c; delete c",
        "ok; ok; none; ENODEV",
    ),
    row(
        "a child in a container is not seen",
        MACVLAN,
        "device p; macvlan c p bridge; hide c; look c; up c; delete c",
        "ok; none; ENODEV; ENODEV",
    ),
    row(
        "a child in a container leaves its name free",
        MACVLAN,
        "device p; macvlan c p bridge; hide c; macvlan c p bridge",
        "ok; ok",
    ),
    row(
        "a child in a container still excludes passthru",
        MACVLAN,
        "device p; macvlan c p bridge; hide c; macvlan d p passthru",
        "ok; EINVAL",
    ),
    row(
        "passthru in a container still excludes others",
        MACVLAN,
        "device p; macvlan c p passthru; hide c; macvlan d p bridge",
        "ok; EINVAL",
    ),
    // ---- VLAN
    row(
        "a VLAN device",
        VLAN,
        "device p; vlan p.20 p 20 up; look p.20",
        "ok; p.20 vlan 802.1q 20 reorder up 1500 group 8021 on p",
    ),
    row("a VLAN device on nothing", VLAN, "vlan v nosuch0 20", "ENODEV"),
    row("a VLAN device on loopback", VLAN, "vlan v lo 20", "EOPNOTSUPP"),
    row(
        "a VLAN id is taken once, whatever the name",
        VLAN,
        "device p; vlan a p 20; vlan b p 20; look b",
        "ok; EEXIST; none",
    ),
    row("a VLAN device's name is taken once", VLAN, "device p; vlan a p 20; vlan a p 21", "ok; EEXIST"),
    row(
        "one VLAN id in two protocols",
        VLAN,
        "device p; vlan a p 20; vlan b p 20 802.1ad; look b",
        "ok; ok; b vlan 802.1ad 20 reorder down 1500 group 8021 on p",
    ),
    row("one VLAN id on two bases", VLAN, "device p; device q; vlan a p 20; vlan b q 20", "ok; ok"),
    row(
        "a VLAN device needs its base up to come up",
        VLAN,
        "device p; vlan v p 20; down p; up v; up p; up v",
        "ok; ENETDOWN; ok; ok",
    ),
    row(
        "a VLAN device that is to be up is not made on a base that is down",
        VLAN,
        "device p; down p; vlan v p 20 up; look v",
        "ENETDOWN; none",
    ),
    row(
        "with loose binding it comes up all the same",
        VLAN,
        "device p; down p; vlan v p 20 loose=true up; look v",
        "ok; v vlan 802.1q 20 loose reorder up 1500 group 8021 on p",
    ),
    row(
        "a VLAN device goes down with its base",
        VLAN,
        "device p; vlan v p 20 up; down p; look v",
        "ok; v vlan 802.1q 20 reorder down 1500 group 8021 on p",
    ),
    row(
        "a VLAN device with loose binding does not",
        VLAN,
        "device p; vlan v p 20 loose=true up; down p; look v",
        "ok; v vlan 802.1q 20 loose reorder up 1500 group 8021 on p",
    ),
    row(
        "flags of a VLAN device",
        VLAN,
        "device p; vlan v p 20 gvrp=true mvrp=true reorder=false; look v",
        "ok; v vlan 802.1q 20 gvrp mvrp down 1500 group 8021 on p",
    ),
    row(
        "priority maps of a VLAN device",
        VLAN,
        "device p; vlan v p 20 ingress=1:2,5:6 egress=3:4; look v",
        "ok; v vlan 802.1q 20 reorder ingress=1:2,5:6 egress=3:4 down 1500 group 8021 on p",
    ),
    row(
        "a priority mapped to zero is no mapping",
        VLAN,
        "device p; vlan v p 20 ingress=1:0 egress=3:0; look v",
        "ok; v vlan 802.1q 20 reorder down 1500 group 8021 on p",
    ),
    row(
        "two tags",
        VLAN,
        "device p; vlan o p 100 802.1ad up; vlan i o 20 up; look i",
        "ok; ok; i vlan 802.1q 20 reorder up 1500 group 8021 on o",
    ),
    row(
        "the inner VLAN goes with the outer",
        VLAN,
        "device p; vlan o p 100 802.1ad; vlan i o 20; delete o; look i",
        "ok; ok; ok; none",
    ),
    row(
        "a VLAN device inherits the MTU",
        VLAN,
        "device p; mtu p 1300; vlan v p 20; look v",
        "ok; v vlan 802.1q 20 reorder down 1300 group 8021 on p",
    ),
    row(
        "a VLAN device with an MTU above the base's",
        VLAN,
        "device p; vlan v p 20 mtu=1501; look v",
        "EINVAL; none",
    ),
    row(
        "a bridge port carries VLAN devices",
        VLAN,
        "device p; bridge b; port p b; vlan v p 20 up; look v",
        "ok; v vlan 802.1q 20 reorder up 1500 group 8021 on p",
    ),
    row(
        "children on a VLAN device and on its base",
        VLAN_MACVLAN,
        "device p; vlan v p 20; macvlan a p passthru; macvlan b v bridge",
        "ok; ok; ok",
    ),
    // ---- ipvlan
    row("ipvlan", IPVLAN, "device p; ipvlan c p l2; look c", "ok; c ipvlan l2 down 1500 group 8021 on p"),
    row(
        "ipvlan modes and flags",
        IPVLAN,
        "device p; device q; ipvlan a p l3,private; ipvlan b q l3s,vepa; look a; look b",
        "ok; ok; a ipvlan l3,private down 1500 group 8021 on p; b ipvlan l3s,vepa down 1500 group 8021 on q",
    ),
    row(
        "an ipvlan mode is the port's",
        IPVLAN,
        "device p; ipvlan a p l2; ipvlan b p l3; look a",
        "ok; ok; a ipvlan l3 down 1500 group 8021 on p",
    ),
    row(
        "ipvlan with an MTU",
        IPVLAN,
        "device p; ipvlan c p l2 mtu=1400; look c",
        "ok; c ipvlan l2 down 1400 group 8021 on p",
    ),
    row(
        "ipvlan with an MTU above the parent's",
        IPVLAN,
        "device p; ipvlan c p l2 mtu=1501; look c",
        "ok; c ipvlan l2 down 1501 group 8021 on p",
    ),
    row(
        "an ipvlan child's MTU follows the parent's",
        IPVLAN,
        "device p; ipvlan c p l2 mtu=1200; mtu p 1300; look c",
        "ok; c ipvlan l2 down 1300 group 8021 on p",
    ),
    row("ipvlan on nothing", IPVLAN, "ipvlan c nosuch0 l2", "ENODEV"),
    row("ipvlan on a bridge port", IPVLAN, "device p; bridge b; port p b; ipvlan c p l2", "EBUSY"),
    row("ipvlan beside macvlan", BOTH_CHILDREN, "device p; macvlan a p bridge; ipvlan b p l2", "ok; EBUSY"),
    row("macvlan beside ipvlan", BOTH_CHILDREN, "device p; ipvlan a p l2; macvlan b p bridge", "ok; EBUSY"),
    row(
        "ipvlan in a container still excludes macvlan",
        BOTH_CHILDREN,
        "device p; ipvlan a p l2; hide a; macvlan b p bridge",
        "ok; EBUSY",
    ),
    row(
        "macvlan after ipvlan left",
        BOTH_CHILDREN,
        "device p; ipvlan a p l2; delete a; macvlan b p bridge",
        "ok; ok; ok",
    ),
    // ---- dummy
    row("a dummy device", DUMMY, "dummy d up; look d", "ok; d dummy up 1500 group 8021"),
    row("a dummy device's name is taken once", DUMMY, "dummy d; dummy d", "ok; EEXIST"),
    row("a dummy device with any MTU", DUMMY, "dummy d mtu=9000; look d", "ok; d dummy down 9000 group 8021"),
    row(
        "a dummy device is a parent, and goes with its children",
        &["dummy", "macvlan"],
        "dummy d up; macvlan c d bridge; delete d; look c",
        "ok; ok; ok; none",
    ),
];
