# ipvlan: modes and flags, several networks on one parent, routes instead of gateways, and no MAC to choose.
# shellcheck shell=bash

# ipvlan_network NAME ID OPTION...
ipvlan_network() {
  local name=$1 id=$2
  shift 2
  network "$name" --ipv6 --subnet "10.$id.0.0/24" --gateway "10.$id.0.1" --subnet "fd00:$id::/64" --gateway "fd00:$id::1" \
    -o host_iface="$trunk.$id" -o iface_prefix=lan "$@"
}

scenario_ipvlan_modes_and_flags() {
  make_trunk
  local mode flag id
  for mode in l2 l3 l3s; do
    case $mode in l2) id=20 flag=bridge ;; l3) id=30 flag=private ;; l3s) id=40 flag=vepa ;; esac
    ipvlan_network "i-$mode" "$id" -o mode="$mode" -o ipvlan_flag="$flag"
    connect h1 "i-$mode"
    connect h2 "i-$mode"
    shows "ipvlan +mode $mode $flag" netns h1 ip -d link show dev "$(newest h1)"
    same "MAC" "$(cat "/sys/class/net/$trunk.$id/address")" "$(mac_of h1)"
    if [ "$flag" = bridge ]; then pings h1 "$(address_of h2)"; else pings_not h1 "$(address_of h2)"; fi
    if [ "$mode" = l2 ]; then
      pings h1 10.20.0.1
      shows "default via 10.$id.0.1 dev lan" netns h1 ip route
      shows "default via fd00:$id::1 dev lan" netns h1 ip -6 route
    else
      shows "^default dev lan[0-9]* scope link" netns h1 ip route
      shows "^default dev lan" netns h1 ip -6 route
      shows_not "default via" netns h1 ip route
      shows_not "default via" netns h1 ip -6 route
    fi
    disconnect h1 "i-$mode"
    disconnect h2 "i-$mode"
    note "mode $mode, flag $flag: parent's MAC, neighbours and routes as they should be"
  done
  network more --subnet 10.21.0.0/24 -o host_iface="$trunk.20" -o mode=l2
  connect h1 more
  shows 'ipvlan +mode l2' netns h1 ip -d link show dev "$(newest h1)"
  disconnect h1 more
  expect_refused "$trunk.20 is in use in mode l2 by network .*; use mode=l2 or another parent" \
    network two --subnet 10.22.0.0/24 -o host_iface="$trunk.20" -o mode=l3
  expect_refused "$trunk.20 is in use in mode l2 by network" \
    network two --subnet 10.22.0.0/24 -o host_iface="$trunk.20"
  docker create --name c1 --network more --mac-address 02:42:0a:14:00:63 bb true >/dev/null
  expect_refused 'the MAC address 02:42:0a:14:00:63 cannot be given: in mode l2 a container has its parent' docker start c1
  remove_containers c1
  remove_networks i-l2 i-l3 i-l3s more
  not has_link "$trunk.20"
}

# Where the parent routes, containers of one network reach each other from one of its subnets to another.
scenario_an_internal_ipvlan_network_has_routes_to_its_subnets() {
  local mode
  for mode in l2 l3; do
    network inside --internal --ipv6 --subnet 10.50.0.0/24 --subnet 10.51.0.0/24 --subnet fd00:50::/64 --subnet fd00:51::/64 \
      -o mode="$mode"
    connect h1 inside --ip 10.50.0.9 --ip6 fd00:50::9
    shows_not 'default' netns h1 ip route
    shows_not 'default' netns h1 ip -6 route
    if [ "$mode" = l3 ]; then
      connect h2 inside --ip 10.51.0.9 --ip6 fd00:51::9
      pings h1 10.51.0.9
      until_true 180 pings h1 fd00:51::9
    else
      connect h2 inside --ip 10.50.0.10 --ip6 fd00:50::10
      pings h1 10.50.0.10
      until_true 180 pings h1 fd00:50::10
    fi
    disconnect h1 inside
    disconnect h2 inside
    remove_networks inside
  done
}
