# Addresses and gateways: families, several subnets, and none.
# shellcheck shell=bash

has_gw_alloc_check() { [[ "$LAB_ENGINE" != 20.* && "$LAB_ENGINE" != 26.* ]]; }

# Engines send the subnets in any order.
scenario_the_gateway_is_that_of_the_addresss_subnet() {
  make_trunk
  ip -n "$switch" addr add 10.22.0.254/24 dev "$port.20"
  ip -n "$switch" addr add fd00:22::254/64 dev "$port.20" nodad
  network many --ipv6 --subnet 10.20.0.0/24 --gateway 10.20.0.1 --subnet 10.22.0.0/24 --gateway 10.22.0.254 \
    --subnet fd00:20::/64 --gateway fd00:20::1 --subnet fd00:22::/64 --gateway fd00:22::254 \
    --aux-address one=10.20.0.2 -o host_iface="$trunk.20"
  connect h1 many --ip 10.20.0.9 --ip6 fd00:20::9
  connect h2 many --ip 10.22.0.9 --ip6 fd00:22::9
  shows '^default via 10.20.0.1' netns h1 ip route
  shows '^default via fd00:20::1' netns h1 ip -6 route
  shows '^default via 10.22.0.254' netns h2 ip route
  shows '^default via fd00:22::254' netns h2 ip -6 route
  pings h1 10.20.0.1
  pings h2 10.22.0.254
  until_true 180 pings h2 fd00:22::254
  disconnect h1 many
  # The auxiliary address is not given to anybody.
  connect h1 many
  not [ "$(address_of h1)" = 10.20.0.2 ]
  disconnect h1 many
  disconnect h2 many
  remove_networks many
}

# Up to v27 the engine invents a gateway that nobody asked for; from v28 on it asks, and trunkline declines.
scenario_no_gateway_is_invented_where_the_engine_asks() {
  make_trunk
  network lab --subnet 10.20.0.0/24 -o host_iface="$trunk.20"
  connect h1 lab
  same "IPv6 on an IPv4 network" 1 "$(in_container h1 cat /proc/sys/net/ipv6/conf/$(newest h1)/disable_ipv6)"
  if has_gw_alloc_check; then
    shows_not default netns h1 ip route
    note "no default route, and 10.20.0.1 is a container's: $(address_of h1)"
    same "the first address" 10.20.0.1 "$(address_of h1)"
  else
    shows 'default via 10.20.0.1' netns h1 ip route
    note "this engine invents 10.20.0.1 before it asks anybody"
  fi
  disconnect h1 lab
  remove_networks lab
}

scenario_several_subnets_on_an_internal_network() {
  network inside --internal --ipv6 --subnet 10.50.0.0/24 --subnet 10.51.0.0/24 --subnet fd00:50::/64 --subnet fd00:51::/64
  local which
  for which in 50 51; do
    connect h1 inside --ip "10.$which.0.20" --ip6 "fd00:$which::20"
    connect h2 inside --ip "10.$which.0.21" --ip6 "fd00:$which::21"
    pings h1 "10.$which.0.21"
    until_true 180 pings h1 "fd00:$which::21"
    shows_not default netns h1 ip route
    shows_not default netns h1 ip -6 route
    disconnect h1 inside
    disconnect h2 inside
  done
  remove_networks inside
}

scenario_ipv6_without_ipv4() {
  make_trunk
  if has_gw_alloc_check; then
    network six --ipv4=false --ipv6 --subnet fd00:20::/64 --gateway fd00:20::1 -o host_iface="$trunk.20"
    connect h1 six
    shows_not 'inet ' netns h1 ip addr show dev "$(newest h1)"
  else
    # These engines have no --ipv4=false: they add an IPv4 subnet of their own.
    network six --ipv6 --subnet fd00:20::/64 --gateway fd00:20::1 -o host_iface="$trunk.20"
    connect h1 six
  fi
  until_true 180 pings h1 fd00:20::1
  disconnect h1 six
  remove_networks six
}

scenario_a_network_without_addresses() {
  make_trunk
  network bare --ipam-driver null -o host_iface="$trunk.20"
  connect h1 bare
  shows_not 'inet ' netns h1 ip addr show dev "$(newest h1)"
  shows 'state UP|,UP' netns h1 ip link show dev "$(newest h1)"
  in_container h1 ip addr add 10.20.0.9/24 dev "$(newest h1)"
  pings h1 10.20.0.1
  disconnect h1 bare
  remove_networks bare
}

scenario_point_to_point() {
  make_trunk
  local mode
  for mode in bridge l3; do
    if has_gw_alloc_check; then
      network p2p --subnet 10.60.0.0/31 -o host_iface="$trunk.20" -o mode="$mode"
      connect h1 p2p
      connect h2 p2p
      pings h1 "$(address_of h2)"
      disconnect h1 p2p
      disconnect h2 p2p
      remove_networks p2p
    else
      # These engines take an address for a gateway before they ask anybody: 20.10 finds none, 26.1 leaves one.
      if [[ "$LAB_ENGINE" = 20.* ]]; then
        expect_refused 'o available addresses|failed to allocate gateway' \
          network p2p --subnet 10.60.0.0/31 -o host_iface="$trunk.20" -o mode="$mode"
      else
        network p2p --subnet 10.60.0.0/31 -o host_iface="$trunk.20" -o mode="$mode"
        connect h1 p2p
        shows 'inet 10.60.0.[01]/31' netns h1 ip addr show dev "$(newest h1)"
        disconnect h1 p2p
        remove_networks p2p
      fi
    fi
  done
}
