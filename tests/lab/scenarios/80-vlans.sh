# VLAN devices past one tag of 802.1Q: two tags, other protocols, flags and priority maps.
# shellcheck shell=bash

scenario_two_tags() {
  make_trunk
  ip -n "$switch" link add link "$port" name "$port.s100" type vlan proto 802.1ad id 100
  ip -n "$switch" link set "$port.s100" up
  ip -n "$switch" link add link "$port.s100" name far.c20 type vlan id 20
  ip -n "$switch" link set far.c20 up
  ip -n "$switch" addr add 10.100.20.1/24 dev far.c20
  local before
  before=$(links)
  network option --subnet 10.100.20.0/24 --gateway 10.100.20.1 -o host_iface="$trunk" -o vlan=100.20
  shows 'vlan protocol 802.1ad id 100' ip -d link show dev "$trunk.100"
  shows 'vlan protocol 802.1Q id 20' ip -d link show dev "$trunk.100.20"
  shows 'group 8021' ip link show dev "$trunk.100"
  network name --subnet 10.100.21.0/24 -o host_iface="$trunk.100.20"
  network outer --subnet 10.100.0.0/24 -o host_iface="$trunk" -o vlan=100 -o vlan_protocol=802.1ad
  connect h1 option
  start_capture
  pings h1 10.100.20.1
  stop_capture
  frames_of "$(mac_of h1)" | grep -q '802.1Q-QinQ\|0x88a8'
  frames_of "$(mac_of h1)" | grep -q 'vlan 100, .*vlan 20, '
  note "frames carry tag 100 of 802.1ad and in it tag 20 of 802.1Q"
  disconnect h1 option
  remove_networks option
  has_link "$trunk.100.20"
  remove_networks name
  not has_link "$trunk.100.20"
  has_link "$trunk.100"
  remove_networks outer
  same "links" "$before" "$(links)"
}

scenario_flags_protocols_and_priorities() {
  make_trunk
  network flags --subnet 10.21.0.0/24 -o host_iface="$trunk.21" -o gvrp=true -o mvrp=true -o loose_binding=true \
    -o reorder_hdr=false -o ingress_qos=1:2,5:6 -o egress_qos=3:4
  local said
  said=$(ip -d link show dev "$trunk.21")
  for word in GVRP MVRP LOOSE_BINDING 'ingress-qos-map \{ 1:2 5:6' 'egress-qos-map \{ 3:4'; do
    grep -qE "$word" <<<"$said" || { echo "$said"; return 1; }
  done
  not grep -q REORDER_HDR <<<"$said"
  said=$(ip -d -j link show dev "$trunk.21")
  for word in GVRP MVRP LOOSE_BINDING; do grep -q "\"$word\"" <<<"$said" || { echo "$said"; return 1; }; done
  network ad --subnet 10.22.0.0/24 -o host_iface="$trunk" -o vlan=22 -o vlan_protocol=802.1ad
  shows 'vlan protocol 802.1ad id 22' ip -d link show dev "$trunk.22"
  remove_networks flags ad
  ip link add link "$trunk" name mine type vlan id 23 gvrp on
  local option
  for option in gvrp=false mvrp=true loose_binding=true reorder_hdr=false ingress_qos=1:2 egress_qos=1:2 vlan_protocol=802.1ad; do
    expect_refused "mine exists with .*, and the options ask for ${option%%=*}=" \
      network two --subnet 10.23.0.0/24 -o host_iface=mine -o "$option"
  done
  network same --subnet 10.23.0.0/24 -o host_iface="$trunk" -o vlan=23 -o gvrp=true
  remove_networks same
  has_link mine
  ip link del mine
}
