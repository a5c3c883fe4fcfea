# Beside Docker's own drivers: what excludes each other is refused at create, the rest works side by side.
# shellcheck shell=bash

scenario_native_macvlan_on_the_same_parent() {
  make_trunk
  docker network create -d macvlan --subnet 10.20.0.0/25 --gateway 10.20.0.1 -o parent="$trunk.20" native >/dev/null
  connect h1 native
  expect_refused "$trunk.20 is in use by macvlan interfaces" \
    network two --subnet 10.21.0.0/24 -o host_iface="$trunk.20" -o mode=l2
  expect_refused "$trunk.20 is in use by macvlan interfaces" \
    network two --subnet 10.21.0.0/24 -o host_iface="$trunk.20" -o mode=passthru
  network ours --subnet 10.20.0.128/25 -o host_iface="$trunk.20"
  connect h2 ours
  pings h1 10.20.0.1
  in_container h2 ip addr add 10.20.0.99/24 dev "$(newest h2)"
  pings h2 10.20.0.1
  pings h2 "$(address_of h1)"
  disconnect h2 ours
  remove_networks ours
  pings h1 10.20.0.1
  disconnect h1 native
  remove_networks native
}

scenario_native_ipvlan_excludes_macvlan() {
  make_trunk
  docker network create -d ipvlan --subnet 10.20.0.0/24 --gateway 10.20.0.1 -o parent="$trunk.20" native >/dev/null
  connect h1 native
  expect_refused "$trunk.20 is in use by ipvlan interfaces.*use an ipvlan mode or another parent" \
    network two --subnet 10.21.0.0/24 -o host_iface="$trunk.20"
  expect_refused "$trunk.20 is in use by ipvlan interfaces in containers, whose mode cannot be seen" \
    network two --subnet 10.21.0.0/24 -o host_iface="$trunk.20" -o mode=l3
  shows 'ipvlan +mode l2' netns h1 ip -d link show dev "$(newest h1)"
  disconnect h1 native
  remove_networks native
}

# Whoever goes first: the made parent goes with the last.
scenario_networks_share_a_parent() {
  make_trunk
  local before first
  before=$(links)
  for first in one two; do
    network one --subnet 10.20.0.0/24 --gateway 10.20.0.1 -o host_iface="$trunk.20"
    network two --subnet 10.21.0.0/24 --gateway 10.21.0.1 -o host_iface="$trunk.20"
    connect h1 one
    connect h1 two
    pings h1 10.20.0.1
    disconnect h1 "$first"
    remove_networks "$first"
    has_link "$trunk.20"
    disconnect h1 "$([ $first = one ] && echo two || echo one)"
    remove_networks "$([ $first = one ] && echo two || echo one)"
    same "links" "$before" "$(links)"
  done
}
