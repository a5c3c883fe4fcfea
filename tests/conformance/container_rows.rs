//! The rows of the table about links in containers: made there, named, given addresses and routes, and gone with their
//! parents (net/core/rtnetlink.c, net/ipv4/fib_semantics.c).

use super::rows::{IPVLAN, MACVLAN, Row, VLAN_MACVLAN, row};

/// The cases.
pub const ROWS: &[Row] = &[
    row(
        "a link made right in a container",
        MACVLAN,
        "device p; in macvlan c p bridge; look c; in look c",
        "ok; none; c down on p",
    ),
    row(
        "a name in a container is taken once",
        MACVLAN,
        "device p; in macvlan c p bridge; in macvlan c p private",
        "ok; EEXIST",
    ),
    row(
        "names on the host and in a container are apart",
        MACVLAN,
        "device p; macvlan c p bridge; in macvlan c p bridge",
        // Kernels 6.1 and 6.12 look on the host as well, 6.18 and 7.2 do not; the model does as the older do.
        "ok; EEXIST|ok",
    ),
    row(
        "a link in a container takes any name that is free there",
        MACVLAN,
        "device p; in macvlan c p bridge; in name c p; in macvlan d p bridge; in name d p; in look p; in look d",
        "ok; ok; ok; EEXIST; p down on p; d down on p",
    ),
    row("a container's link on nothing", MACVLAN, "device p; in macvlan c nosuch0 bridge", "ENODEV"),
    row(
        "passthru in a container is alone",
        MACVLAN,
        "device p; in macvlan c p passthru; macvlan d p bridge",
        "ok; EINVAL",
    ),
    row(
        "an address in a container",
        MACVLAN,
        "device p; in macvlan c p bridge; in address c 192.0.2.2/24; in address c 192.0.2.2/24; in up c; in look c",
        "ok; ok; EEXIST; ok; c up on p 192.0.2.2/24",
    ),
    row(
        "a route in a container",
        MACVLAN,
        "device p; in macvlan c p bridge; in address c 192.0.2.2/24; in up c; in route c 0.0.0.0/0 192.0.2.1; in route c 0.0.0.0/0 192.0.2.1; in look c",
        "ok; ok; ok; ok; EEXIST; c up on p 192.0.2.2/24 to 0.0.0.0/0 via 192.0.2.1",
    ),
    row(
        "a route through an interface that is down",
        MACVLAN,
        "device p; in macvlan c p bridge; in address c 192.0.2.2/24; in route c 0.0.0.0/0 192.0.2.1; in route c 198.51.100.0/24",
        "ok; ok; ENETUNREACH; ENETDOWN",
    ),
    row(
        "a route to where nothing leads",
        MACVLAN,
        "device p; in macvlan c p bridge; in address c 192.0.2.2/24; in up c; in route c 0.0.0.0/0 198.51.100.1",
        "ok; ok; ok; ENETUNREACH",
    ),
    row(
        "a route on the link makes a next hop reachable",
        MACVLAN,
        "device p; in macvlan c p bridge; in up c; in route c 198.51.100.0/24; in route c 0.0.0.0/0 198.51.100.1; in look c",
        "ok; ok; ok; ok; c up on p to 0.0.0.0/0 via 198.51.100.1 to 198.51.100.0/24|c up on p to 198.51.100.0/24 to 0.0.0.0/0 via 198.51.100.1",
    ),
    row(
        "a MAC is up once on a parent, also in containers",
        MACVLAN,
        "device p; macvlan a p bridge mac=02:00:00:00:00:07 up; in macvlan c p bridge mac=02:00:00:00:00:07; in up c",
        "ok; ok; EADDRINUSE|EBUSY",
    ),
    row(
        "a link in a container is deleted there",
        MACVLAN,
        "device p; in macvlan c p bridge; in delete c; in look c",
        "ok; ok; none",
    ),
    row(
        "an ipvlan link in a container changes the port's mode",
        IPVLAN,
        "device p; ipvlan a p l2; in ipvlan c p l3; look a",
        "ok; ok; a ipvlan l3 down 1500 group 8021 on p",
    ),
    row(
        "a container's link goes with its parent",
        VLAN_MACVLAN,
        "device p; vlan v p 20 up; in macvlan c v bridge; delete v; in look c",
        "ok; ok; ok; none",
    ),
];
