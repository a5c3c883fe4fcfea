# Parents that are late, go, and come back.
# shellcheck shell=bash

scenario_a_network_waits_for_a_late_parent() {
  make_trunk
  network vlan20 --subnet 10.20.0.0/24 --gateway 10.20.0.1 -o host_iface="$trunk" -o vlan=20
  stop_plugin
  remove_trunk
  start_plugin
  expect_refused "network .* waits for its parent and is attached by itself when it can be: no interface named $trunk" \
    connect h1 vlan20
  docker network disconnect -f vlan20 h1 >/dev/null 2>&1 || true
  make_trunk
  until_true 180 has_link "$trunk.20"
  connect h1 vlan20
  pings h1 10.20.0.1
  disconnect h1 vlan20
  remove_networks vlan20
  not has_link "$trunk.20"
}

scenario_a_parent_is_unplugged_and_plugged_back() {
  make_trunk
  local before
  before=$(links)
  network vlan20 --subnet 10.20.0.0/24 --gateway 10.20.0.1 -o host_iface="$trunk" -o vlan=20 -o egress_qos=3:4
  network inner --subnet 10.21.0.0/24 -o host_iface="$trunk" -o vlan=100.20
  remove_trunk
  make_trunk
  until_true 180 has_link "$trunk.100.20"
  until_true 180 has_link "$trunk.20"
  shows 'egress-qos-map \{ 3:4' ip -d link show dev "$trunk.20"
  connect h1 vlan20
  pings h1 10.20.0.1
  disconnect h1 vlan20
  remove_networks inner vlan20
  same "links" "$before" "$(links)"
}
