# What a container sees of its interface, and what stays the same over restarts.
# shellcheck shell=bash

scenario_every_macvlan_mode_and_what_the_options_change() {
  make_trunk
  local mode
  for mode in bridge private vepa passthru; do
    network "m-$mode" --subnet 10.20.0.0/24 --gateway 10.20.0.1 -o parent="$trunk.20" -o macvlan_mode="$mode" \
      -o com.docker.network.driver.mtu=1400 -o iface_prefix=lan -o bcqueuelen=500
    connect h1 "m-$mode"
    pings h1 10.20.0.1
    grep -q '^lan[0-9]' <<<"$(newest h1)"
    shows "mtu 1400" netns h1 ip link show dev "$(newest h1)"
    shows "macvlan mode $mode" netns h1 ip -d link show dev "$(newest h1)"
    if [ "$mode" = passthru ]; then
      expect_refused 'in mode passthru a parent has one container' connect h2 "m-$mode"
    else
      connect h2 "m-$mode"
      if [ "$mode" = bridge ]; then pings h1 "$(address_of h2)"; else pings_not h1 "$(address_of h2)"; fi
      disconnect h2 "m-$mode"
    fi
    disconnect h1 "m-$mode"
    remove_networks "m-$mode"
    note "mode $mode: lan0 (or the next number) with mtu 1400 reaches the far gateway"
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
  docker restart -t 0 c1 c2 >/dev/null
  same "the MAC after a restart" "$mac" "$(mac_of c1)"
  same "the chosen MAC after a fast restart" 02:42:0a:14:00:63 "$(mac_of c2)"
  pings c1 10.20.0.1
  pings c2 10.20.0.1
  expect_refused "02:42:0a:14:00:63 is in use on $trunk.20 by endpoint .* of network" \
    docker run --rm --network vlan20 --mac-address 02:42:0a:14:00:63 bb true
  remove_containers c1 c2
  remove_networks vlan20
}

scenario_macs_by_policy() {
  make_trunk
  network first --subnet 10.10.0.0/24 -o host_iface="$trunk.10"
  network second --subnet 10.20.0.0/24 -o host_iface="$trunk.20"
  network random --subnet 10.30.0.0/24 -o host_iface="$trunk.30" -o mac=random
  local pass macs=()
  for pass in 1 2; do
    connect h1 first --ip 10.10.0.9
    macs+=("$(mac_of h1)")
    disconnect h1 first
    connect h1 random --ip 10.30.0.9
    macs+=("$(mac_of h1)")
    disconnect h1 random
  done
  connect h1 second --ip 10.20.0.9
  macs+=("$(mac_of h1)")
  disconnect h1 second
  same "the MAC of one address on one network" "${macs[0]}" "${macs[2]}"
  not [ "${macs[1]}" = "${macs[3]}" ]
  not [ "${macs[0]}" = "${macs[4]}" ]
  local mac
  for mac in "${macs[@]}"; do
    # Locally administered and unicast: the second digit is 2, 6, a or e.
    grep -qE '^.[26ae]:' <<<"$mac"
  done
  note "by address: ${macs[0]} ${macs[2]}; random: ${macs[1]} ${macs[3]}; another network: ${macs[4]}"
  remove_networks first second random
}

scenario_passthru_survives_a_quick_restart_and_leaves_the_parent_as_it_was() {
  make_trunk
  local mac
  mac=$(cat "/sys/class/net/$trunk/address")
  network through --subnet 10.1.0.0/24 --gateway 10.1.0.1 -o host_iface="$trunk" -o mode=passthru
  expect_refused 'passthru takes a parent for one network alone' \
    network two --subnet 10.2.0.0/24 -o host_iface="$trunk" -o mode=passthru
  container c1 through
  pings c1 10.1.0.1
  docker restart -t 0 c1 >/dev/null
  pings c1 10.1.0.1
  remove_containers c1
  remove_networks through
  same "the parent's MAC" "$mac" "$(cat "/sys/class/net/$trunk/address")"
}

scenario_a_container_connects_to_two_vlans() {
  make_trunk
  network vlan10 --subnet 10.10.0.0/24 --gateway 10.10.0.1 -o host_iface="$trunk.10"
  network vlan20 --subnet 10.20.0.0/24 --gateway 10.20.0.1 -o host_iface="$trunk.20"
  connect h1 vlan10
  connect h1 vlan20
  pings h1 10.10.0.1
  pings h1 10.20.0.1
  disconnect h1 vlan10
  pings h1 10.20.0.1
  disconnect h1 vlan20
  remove_networks vlan10 vlan20
}

scenario_mtus() {
  make_trunk
  ip link set "$trunk" mtu 9000
  ip -n "$switch" link set "$port" mtu 9000
  network inherited --subnet 10.20.0.0/24 -o host_iface="$trunk.20"
  network set --subnet 10.21.0.0/24 -o host_iface="$trunk.20" -o mtu=8000
  expect_refused "mtu=9001 is more than the 9000 of the parent $trunk.20" \
    network more --subnet 10.22.0.0/24 -o host_iface="$trunk.20" -o mtu=9001
  connect h1 inherited
  shows 'mtu 9000' netns h1 ip link show dev "$(newest h1)"
  connect h1 set
  shows 'mtu 8000' netns h1 ip link show dev "$(newest h1)"
  disconnect h1 set
  disconnect h1 inherited
  # ipvlan children would be made with any MTU.
  network routed --subnet 10.30.0.0/24 -o host_iface="$trunk.30" -o mode=l3 -o mtu=8000
  ip link set "$trunk" mtu 1500
  expect_refused "mtu=8000 is more than the 1500 of the parent $trunk.20" connect h1 set
  expect_refused "mtu=8000 is more than the 1500 of the parent $trunk.30" connect h1 routed
  docker network disconnect -f set h1 >/dev/null 2>&1 || true
  docker network disconnect -f routed h1 >/dev/null 2>&1 || true
  remove_networks inherited set routed
}

scenario_a_parent_that_is_down_is_brought_up_and_one_without_carrier_serves() {
  make_trunk
  ip link set "$trunk" down
  network vlan20 --subnet 10.20.0.0/24 --gateway 10.20.0.1 -o host_iface="$trunk.20"
  until_true 180 vlan_has_carrier
  connect h1 vlan20
  pings h1 10.20.0.1
  disconnect h1 vlan20
  remove_networks vlan20
  ip tuntap add mode tap tap7
  network tapped --subnet 10.30.0.0/24 -o host_iface=tap7
  connect h1 tapped
  connect h2 tapped
  disconnect h1 tapped
  disconnect h2 tapped
  remove_networks tapped
  ip link del tap7
}

vlan_has_carrier() { ip link show dev "$trunk.20" | grep -q LOWER_UP; }
