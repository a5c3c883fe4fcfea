# Interfaces of running containers that go with their parent, and come back with it.
# shellcheck shell=bash

# interfaces_of CONTAINER: names, MACs, addresses and routes, without the kernel's numbers. An ipvlan interface has its
# parent's MAC, and a new parent has a new one.
interfaces_of() {
  netns "$1" ip -o -d link show | sed -En 's/^[0-9]+: ([^:@]*).* link\/ether ([^ ]*) .* (macvlan|ipvlan) mode ([a-z0-9]*) .*/\1 \3 \4 \2/p' |
    sed -E 's/(ipvlan [a-z0-9]*).*/\1/' | sort
  netns "$1" ip -o addr show | sed -E 's/^[0-9]+: //; s/ +/ /g' | sed '/ fe80:/d' | sort
  netns "$1" ip route show table all | sed '/fe80:/d; /ff00::\/8/d' | sort
  netns "$1" ip -6 route show | sed '/fe80:/d; /ff00::\/8/d' | sort
}

# has_all_back CONTAINER FILE: it has what is written there.
has_all_back() { [ "$(interfaces_of "$1")" = "$(cat "$2")" ]; }

scenario_running_containers_get_their_interfaces_back() {
  # Most hosts have one of that name, and containers do.
  clean_up() { ip link del eth0 2>/dev/null || true; }
  ip link add eth0 type dummy
  make_trunk
  add_far_vlan 30 10.30.0.1/24
  ip -n "$switch" addr add fd00:20::2/64 dev "$port.20" nodad
  network vlan20 --ipv6 --subnet 10.20.0.0/24 --gateway 10.20.0.1 --subnet fd00:20::/64 --gateway fd00:20::2 -o host_iface="$trunk.20"
  network flat --subnet 10.1.0.0/24 --gateway 10.1.0.1 -o host_iface="$trunk"
  network routed --subnet 10.30.0.0/24 -o host_iface="$trunk.30" -o mode=l3
  connect h1 vlan20
  connect h1 flat
  connect h2 routed
  container c1 vlan20 --mac-address 02:42:00:00:20:07
  # What a container makes of its interface is its own.
  netns c1 ip addr add 10.77.0.1/32 dev eth0
  netns c1 ip route add 10.88.0.0/16 via 10.20.0.9
  until_true 180 grep -rq 10.88.0.0 /run/trunkline/endpoints
  local container
  for container in h1 h2 c1; do interfaces_of "$container" >"/tmp/before-$container"; done
  remove_trunk
  shows_not 'macvlan' netns c1 ip -d link show
  # The daemon may be another by the time the parent is back.
  kill_plugin
  start_plugin
  make_trunk
  add_far_vlan 30 10.30.0.1/24
  for container in h1 h2 c1; do
    until_true 180 has_all_back "$container" "/tmp/before-$container" ||
      { diff "/tmp/before-$container" <(interfaces_of "$container"); return 1; }
  done
  pings c1 10.20.0.1
  pings h1 10.1.0.1
  note "$(grep -c . /tmp/before-h1) lines of names, MACs, addresses and routes are as before in h1, $(grep -c . /tmp/before-c1) in c1"
  # And the engine finds them where it left them.
  disconnect h1 flat
  disconnect h1 vlan20
  disconnect h2 routed
  remove_containers c1
  remove_networks vlan20 flat routed
  rm -f /tmp/before-*
  ip link del eth0
}
