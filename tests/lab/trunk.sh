# A trunk without a switch: a veth pair whose far end, in a namespace of its own, carries the VLANs. Sourced by the
# lab's scenarios and by examples/quickstart.sh.
# shellcheck shell=bash

# The host's end of the trunk, and the namespace and name of the far one.
trunk=trunk0
switch=switch
port=port0

# make_trunk: the far end has VLAN 10 (10.10.0.1/24), VLAN 20 (10.20.0.1/24, fd00:20::1/64) and untagged 10.1.0.1/24.
make_trunk() {
  ip netns add "$switch"
  ip link add "$trunk" type veth peer name "$port" netns "$switch"
  ip link set "$trunk" up
  ip -n "$switch" link set lo up
  ip -n "$switch" link set "$port" up
  ip -n "$switch" addr add 10.1.0.1/24 dev "$port"
  add_far_vlan 10 10.10.0.1/24
  add_far_vlan 20 10.20.0.1/24
  ip -n "$switch" addr add fd00:20::1/64 dev "$port.20" nodad
  # A host answers ARP on any interface for all its addresses; these interfaces stand for different machines.
  ip netns exec "$switch" sh -c 'echo 1 >/proc/sys/net/ipv4/conf/all/arp_ignore'
}

# add_far_vlan ID ADDRESS: one more VLAN on the far end.
add_far_vlan() {
  ip -n "$switch" link add link "$port" name "$port.$1" type vlan id "$1"
  ip -n "$switch" link set "$port.$1" up
  ip -n "$switch" addr add "$2" dev "$port.$1"
}

# remove_trunk: takes it away, with what stands on it.
remove_trunk() {
  ip link del "$trunk" 2>/dev/null || true
  ip netns del "$switch" 2>/dev/null || true
}
