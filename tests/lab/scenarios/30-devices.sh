# VLAN devices: those of others, those that vanish, and the dummy of an internal network.
# shellcheck shell=bash

scenario_a_foreign_vlan_device_is_used_and_kept() {
  make_trunk
  ip link add link "$trunk" name blue type vlan id 20
  local before
  before=$(links)
  network vlan20 --subnet 10.20.0.0/24 --gateway 10.20.0.1 -o host_iface="$trunk" -o vlan=20
  network more20 --subnet 10.21.0.0/24 -o host_iface="$trunk.20"
  same "links" "$before" "$(links)"
  expect_refused 'blue is in use in mode bridge' network two --subnet 10.22.0.0/24 -o host_iface=blue -o mode=vepa
  connect h1 vlan20
  pings h1 10.20.0.1
  disconnect h1 vlan20
  remove_networks vlan20 more20
  same "links" "$before" "$(links)"
  ip link del blue
}

scenario_a_vlan_device_is_made_again_before_the_plugin_listens() {
  make_trunk
  network vlan20 --subnet 10.20.0.0/24 --gateway 10.20.0.1 -o host_iface="$trunk" -o vlan=20 -o gvrp=true
  kill_plugin
  ip link del "$trunk.20"
  start_plugin
  shows 'GVRP' ip -d link show dev "$trunk.20"
  connect h1 vlan20
  pings h1 10.20.0.1
  disconnect h1 vlan20
  remove_networks vlan20
}

scenario_owned_devices_that_no_network_wants_are_swept() {
  make_trunk
  network vlan20 --subnet 10.20.0.0/24 -o host_iface="$trunk" -o vlan=20
  stop_plugin
  ip link add link "$trunk" name "$trunk.77" group 8021 type vlan id 77
  ip link add link "$trunk" name "$trunk.78" type vlan id 78
  ip link add link "$trunk" name "$trunk.79" group 8021 type vlan id 79
  ip addr add 192.0.2.1/24 dev "$trunk.79"
  start_plugin
  not has_link "$trunk.77"
  has_link "$trunk.78"
  has_link "$trunk.20"
  shows 'group default' ip link show dev "$trunk.79"
  remove_networks vlan20
}

# On an owned device stands something of the user's: it is left, given up, and the log says so.
scenario_an_owned_device_in_foreign_use_is_left() {
  make_trunk
  clean_up() { ip link del br7 2>/dev/null || true; }
  local stand times=0
  for stand in address child port; do
    times=$((times + 1))
    network vlan20 --subnet 10.20.0.0/24 -o host_iface="$trunk" -o vlan=20
    shows 'group 8021' ip link show dev "$trunk.20"
    case $stand in
      address) ip addr add 192.0.2.1/24 dev "$trunk.20" ;;
      child) ip link add link "$trunk.20" name mine type macvlan mode bridge ;;
      port) ip link add br7 type bridge && ip link set "$trunk.20" master br7 ;;
    esac
    remove_networks vlan20
    shows 'group default' ip link show dev "$trunk.20"
    same "lines of the log" "$times" "$(logged "the device is left, and no longer trunkline's device=\"$trunk.20\"")"
    ip link del "$trunk.20"
    note "an owned VLAN with a foreign $stand on it is left"
  done
}

# The home network is one.
scenario_an_internal_network_needs_no_parent() {
  shows 'dummy' ip -d link show group 8021
  pings h1 "$(address_of h2)"
  pings h1 h2
  shows_not 'default' netns h1 ip route
}

scenario_an_internal_network_can_have_a_parent() {
  make_trunk
  network inside --internal --subnet 10.20.0.0/24 --gateway 10.20.0.1 -o host_iface="$trunk.20"
  connect h1 inside
  connect h2 inside
  pings h1 "$(address_of h2)"
  shows_not 'default' netns h1 ip route
  disconnect h1 inside
  disconnect h2 inside
  remove_networks inside
}
