# Names: long ones, several for one device, foreign ones, and new ones while in use.
# shellcheck shell=bash

scenario_long_names() {
  clean_up() {
    ip link del enp130s0f1np1 2>/dev/null || true
    ip link del enp130s0f1np2 2>/dev/null || true
  }
  ip link add enp130s0f1np1 type dummy
  ip link add enp130s0f1np2 type dummy
  local before
  before=$(links)
  network one --subnet 10.41.0.0/24 -o host_iface=enp130s0f1np1 -o vlan=4094
  network two --subnet 10.42.0.0/24 -o host_iface=enp130s0f1np2.4094 -o mode=private
  same "VLAN devices" 2 "$(ip -o link show type vlan | wc -l)"
  # The whole name is there beside the short one, and finds the device.
  shows 'id 4094' ip -d link show dev enp130s0f1np1.4094
  expect_refused 'is in use in mode bridge by network' \
    network three --subnet 10.43.0.0/24 -o host_iface=enp130s0f1np1.4094 -o mode=vepa
  connect h1 one
  connect h2 one
  pings h1 "$(address_of h2)"
  disconnect h1 one
  disconnect h2 one
  remove_networks one two
  same "links" "$before" "$(links)"
}

scenario_one_device_of_many_names() {
  make_trunk
  ip link property add dev "$trunk" altname uplink-of-the-third-floor
  network vlan20 --subnet 10.20.0.0/24 --gateway 10.20.0.1 -o host_iface=uplink-of-the-third-floor -o vlan=20
  has_link "$trunk.20"
  expect_refused "$trunk.20 is in use in mode bridge" \
    network two --subnet 10.21.0.0/24 -o host_iface="$trunk" -o vlan=20 -o mode=private
  # Renamed while in use: the device counts, not its name.
  ip link set "$trunk.20" down
  ip link set "$trunk.20" name blue
  ip link set blue up
  expect_refused "blue is in use in mode bridge|$trunk.20 is in use in mode bridge" \
    network two --subnet 10.21.0.0/24 -o host_iface=blue -o mode=private
  connect h1 vlan20
  pings h1 10.20.0.1
  disconnect h1 vlan20
  remove_networks vlan20
  not has_link blue
}
