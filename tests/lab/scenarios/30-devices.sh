# VLAN devices: those of others, those that vanish, and the dummy of an internal network.
# shellcheck shell=bash

scenario_a_foreign_vlan_device_is_used_and_kept() {
  make_trunk
  ip link add link "$trunk" name blue type vlan id 20
  local before
  before=$(links)
  network vlan20 --subnet 10.20.0.0/24 --gateway 10.20.0.1 -o host_iface="$trunk" -o vlan=20
  same "links" "$before" "$(links)"
  container c1 vlan20
  pings c1 10.20.0.1
  remove_containers c1
  docker network rm vlan20 >/dev/null
  same "links" "$before" "$(links)"
  ip link del blue
}

scenario_a_vlan_device_is_made_again_before_the_plugin_listens() {
  make_trunk
  network vlan20 --subnet 10.20.0.0/24 --gateway 10.20.0.1 -o host_iface="$trunk" -o vlan=20
  kill_plugin
  ip link del "$trunk.20"
  start_plugin
  has_link "$trunk.20"
  container c1 vlan20
  pings c1 10.20.0.1
  remove_containers c1
  docker network rm vlan20 >/dev/null
}

scenario_owned_devices_that_no_network_wants_are_swept() {
  make_trunk
  network vlan20 --subnet 10.20.0.0/24 -o host_iface="$trunk" -o vlan=20
  stop_plugin
  ip link add link "$trunk" name "$trunk.77" group 8021 type vlan id 77
  ip link add link "$trunk" name "$trunk.78" type vlan id 78
  start_plugin
  not has_link "$trunk.77"
  has_link "$trunk.78"
  has_link "$trunk.20"
  docker network rm vlan20 >/dev/null
}

scenario_an_internal_network_needs_no_parent() {
  local before
  before=$(links)
  network inside --internal --subnet 10.40.0.0/24
  container c1 inside
  container c2 inside
  pings c1 "$(address_of c2)"
  same "default routes" "" "$(in_container c1 ip route | grep '^default' || true)"
  remove_containers c1 c2
  docker network rm inside >/dev/null
  same "links" "$before" "$(links)"
}
