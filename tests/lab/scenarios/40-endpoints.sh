# What a container sees of its interface, and what stays the same over restarts.
# shellcheck shell=bash

scenario_every_macvlan_mode_and_what_the_options_change() {
  make_trunk
  local mode
  for mode in bridge private vepa passthru; do
    network "m-$mode" --subnet 10.20.0.0/24 --gateway 10.20.0.1 -o parent="$trunk.20" -o macvlan_mode="$mode" \
      -o com.docker.network.driver.mtu=1400 -o iface_prefix=lan
    container c1 "m-$mode"
    pings c1 10.20.0.1
    same "mtu in mode $mode" 1400 "$(in_container c1 cat /sys/class/net/lan0/mtu)"
    remove_containers c1
    docker network rm "m-$mode" >/dev/null
    note "mode $mode: lan0 with mtu 1400 reaches the far gateway"
  done
}

scenario_a_container_keeps_its_mac_and_a_chosen_one_is_kept() {
  make_trunk
  network vlan20 --subnet 10.20.0.0/24 --gateway 10.20.0.1 -o host_iface="$trunk.20"
  container c1 vlan20 --ip 10.20.0.9
  container c2 vlan20 --mac-address 02:42:0a:14:00:63
  local mac
  mac=$(mac_of c1)
  same "the chosen MAC" 02:42:0a:14:00:63 "$(mac_of c2)"
  docker restart -t 0 c1 >/dev/null
  same "the MAC after a restart" "$mac" "$(mac_of c1)"
  pings c1 10.20.0.1
  remove_containers c1 c2
  docker network rm vlan20 >/dev/null
}

scenario_both_families_have_their_gateway() {
  make_trunk
  network dual --ipv6 --subnet 10.20.0.0/24 --gateway 10.20.0.1 --subnet fd00:20::/64 --gateway fd00:20::1 \
    -o host_iface="$trunk" -o vlan=20
  container c1 dual
  pings c1 10.20.0.1
  until_true 20 pings c1 fd00:20::1
  in_container c1 ip route show default | grep -q 'via 10.20.0.1'
  in_container c1 ip -6 route show default | grep -q 'via fd00:20::1'
  remove_containers c1
  docker network rm dual >/dev/null
}

scenario_a_container_connects_to_two_vlans() {
  make_trunk
  network vlan10 --subnet 10.10.0.0/24 --gateway 10.10.0.1 -o host_iface="$trunk.10"
  network vlan20 --subnet 10.20.0.0/24 --gateway 10.20.0.1 -o host_iface="$trunk.20"
  container c1 vlan10
  docker network connect vlan20 c1
  pings c1 10.10.0.1
  pings c1 10.20.0.1
  docker network disconnect vlan10 c1
  pings c1 10.20.0.1
  remove_containers c1
  docker network rm vlan10 vlan20 >/dev/null
}
