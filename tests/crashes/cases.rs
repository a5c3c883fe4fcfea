//! The calls that are cut off at every point, and what came before each.

/// A call, and what goes before it.
pub struct Case {
    /// The kinds of links it needs beside veth and macvlan.
    pub needs: &'static [&'static str],
    /// The steps before, joined by `; `.
    pub before: &'static str,
    /// The step that is cut off.
    pub call: &'static str,
    /// What the administrator does at the end.
    pub after: &'static str,
}

const fn plain(before: &'static str, call: &'static str) -> Case {
    Case { needs: &[], before, call, after: "" }
}

const fn vlan(before: &'static str, call: &'static str) -> Case {
    Case { needs: &["vlan"], before, call, after: "" }
}

/// All of them.
pub const CASES: &[Case] = &[
    // Without VLANs.
    plain("", "create n1 host_iface=eth1"),
    plain("create n1 host_iface=eth1", "create n2 host_iface=eth1"),
    plain("create n1 host_iface=eth1", "create n1 host_iface=eth1"),
    plain("", "create n1 host_iface=eth1 mode=passthru"),
    plain("", "create n1 host_iface=eth1 mtu=9000"),
    Case {
        needs: &[],
        before: "ip link set eth2 down",
        call: "create n1 host_iface=eth2 mode=private",
        after: "",
    },
    plain("create n1 host_iface=eth1; create n2 host_iface=eth1", "delete n1"),
    plain(
        "create n1 host_iface=eth1; endpoint e1 n1; join e1 n1; create n2 host_iface=eth1; endpoint e2 n1",
        "delete n1",
    ),
    plain("create n1 host_iface=eth1", "endpoint e1 n1"),
    plain("create n1 host_iface=eth1; endpoint e1 n1", "endpoint e1 n1"),
    plain("create n1 host_iface=eth1; endpoint e1 n1", "join e1 n1"),
    plain("create n1 host_iface=eth1 mode=passthru; endpoint e1 n1", "join e1 n1"),
    plain("create n1 host_iface=eth1; endpoint e1 n1; join e1 n1", "join e1 n1"),
    // A link of an earlier life, with another MAC.
    plain(
        "create n1 host_iface=eth1; endpoint e1 n1; \
         ip link add name tle1e1e1e1e1e1 link eth1 group 8021 type macvlan mode bridge",
        "join e1 n1",
    ),
    // A stranger's link of that name, which stays.
    Case {
        needs: &[],
        before: "create n1 host_iface=eth1; endpoint e1 n1; ip link add name tle1e1e1e1e1e1 link eth1 \
                 address 02:00:00:00:01:01 type macvlan mode bridge",
        call: "join e1 n1",
        after: "ip link del tle1e1e1e1e1e1",
    },
    plain("create n1 host_iface=eth1; endpoint e1 n1; join e1 n1", "leave e1 n1"),
    plain("create n1 host_iface=eth1; endpoint e1 n1; join e1 n1; leave e1 n1", "unjoin e1 n1"),
    plain("create n1 host_iface=eth1; endpoint e1 n1; join e1 n1; unjoin e1 n1", "unjoin e1 n1"),
    // Starts: the first one ever, and those after a crash.
    plain("stop; forget", "start"),
    plain(
        "create n1 host_iface=eth1; create n2 host_iface=eth2 mode=vepa; endpoint e1 n1; join e1 n1; endpoint e2 n2",
        "start",
    ),
    plain(
        "create n1 host_iface=eth1; endpoint e1 n1; join e1 n1; create n2 host_iface=eth1; stop; cut n2; begin n3; \
         ip link add name orphan1 link eth1 group 8021 type macvlan mode bridge",
        "start",
    ),
    // A running container whose parent goes and comes back, and its end.
    plain("create n1 host_iface=eth1; endpoint e1 n1; join e1 n1; fetch e1; unplug", "plug"),
    plain(
        "create n1 host_iface=eth1; endpoint e1 n1; join e1 n1; fetch e1; unplug; plug; leave e1 n1",
        "unjoin e1 n1",
    ),
    // VLAN devices: made for one network, shared, left, given up.
    vlan("", "create n1 host_iface=eth1 vlan=20"),
    vlan("create n1 host_iface=eth1.20", "create n2 host_iface=eth1 vlan=20"),
    vlan("", "create n1 host_iface=eth1.100.20 gvrp=true"),
    vlan("create n1 host_iface=eth1.100", "create n2 host_iface=eth1.100.20"),
    vlan("", "create n1 host_iface=eth1.20 mtu=9000"),
    vlan("", "create n1 host_iface=eth1.100.20 mtu=9000"),
    Case {
        needs: &["vlan"],
        before: "ip link set eth2 down",
        call: "create n1 host_iface=eth2.20",
        after: "",
    },
    Case {
        needs: &["vlan"],
        before: "ip link add name uplink-to-rack1 address 02:00:00:00:01:02 type veth \
                 peer name far3 address 02:00:00:00:01:03",
        call: "create n1 host_iface=uplink-to-rack1 vlan=4000",
        after: "ip link del uplink-to-rack1",
    },
    vlan("create n1 host_iface=eth1.20", "delete n1"),
    vlan("create n1 host_iface=eth1.20; create n2 host_iface=eth1.20", "delete n1"),
    vlan("create n1 host_iface=eth1.100.20", "delete n1"),
    vlan("create n1 host_iface=eth1.100.20; create n2 host_iface=eth1.100", "delete n1"),
    vlan("create n1 host_iface=eth1.20; endpoint e1 n1; join e1 n1", "delete n1"),
    vlan(
        "create n1 host_iface=eth1.20; ip link add name orphan1 link eth1.20 group 8021 type macvlan mode bridge",
        "delete n1",
    ),
    Case {
        needs: &["vlan"],
        before: "create n1 host_iface=eth1.20; ip addr add 192.0.2.1/24 dev eth1.20",
        call: "delete n1",
        after: "ip link del eth1.20",
    },
    vlan("create n1 host_iface=eth1.20; endpoint e1 n1", "join e1 n1"),
    vlan("create n1 host_iface=eth1.20; endpoint e1 n1; ip link del eth1.20", "join e1 n1"),
    vlan("create n1 host_iface=eth1.100.20; endpoint e1 n1; ip link del eth1.100", "join e1 n1"),
    vlan("create n1 host_iface=eth1.20; endpoint e1 n1; join e1 n1; leave e1 n1", "unjoin e1 n1"),
    vlan(
        "create n1 host_iface=eth1.20; create n2 host_iface=eth1.100.20; stop; ip link del eth1.20",
        "start",
    ),
    vlan("create n1 host_iface=eth1.100.20; endpoint e1 n1; stop; ip link del eth1.100", "start"),
    vlan(
        "create n1 host_iface=eth1.20; stop; ip link add name orphan1 link eth2 group 8021 type vlan id 7; \
         ip link add name orphan2 link orphan1 group 8021 type vlan id 8",
        "start",
    ),
    // Internal networks, and ipvlan.
    Case { needs: &["dummy"], before: "", call: "internal n1", after: "" },
    Case { needs: &["dummy"], before: "internal n1", call: "delete n1", after: "" },
    Case { needs: &["ipvlan"], before: "", call: "create n1 host_iface=eth1 mode=l3", after: "" },
    Case {
        needs: &["ipvlan", "vlan"],
        before: "create n1 host_iface=eth1.20 mode=l2; endpoint e1 n1",
        call: "join e1 n1",
        after: "",
    },
    Case {
        needs: &["ipvlan", "vlan"],
        before: "create n1 host_iface=eth1.20 mode=l2; endpoint e1 n1; join e1 n1",
        call: "delete n1",
        after: "",
    },
];
