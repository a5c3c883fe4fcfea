# The scenario that carries the product's name: three networks at once on one trunk.
# shellcheck shell=bash

make_three_networks() {
  network vlan10 --subnet 10.10.0.0/24 --gateway 10.10.0.1 -o host_iface="$trunk.10"
  network vlan20 --subnet 10.20.0.0/24 --gateway 10.20.0.1 -o host_iface="$trunk" -o vlan=20
  network untagged --subnet 10.1.0.0/24 --gateway 10.1.0.1 -o host_iface="$trunk"
}

# start_containers NAME...: each on the network that its name starts with.
start_containers() {
  local name
  for name in "$@"; do container "$name" "${name%-?}"; done
}

six="vlan10-a vlan10-b vlan20-a vlan20-b untagged-a untagged-b"
four="vlan10-a vlan20-a vlan20-b untagged-a"

# far_gateway NETWORK
far_gateway() {
  case $1 in vlan10) echo 10.10.0.1 ;; vlan20) echo 10.20.0.1 ;; untagged) echo 10.1.0.1 ;; esac
}

# check_traffic NAME...: of these containers.
check_traffic() {
  local name network neighbour
  start_capture
  for name in "$@"; do
    network=${name%-?}
    pings "$name" "$(far_gateway "$network")"
    note "$name reaches $(far_gateway "$network")"
    neighbour=$network-b
    if [ "$name" != "$neighbour" ] && [[ " $* " = *" $neighbour "* ]]; then
      pings "$name" "$(address_of "$neighbour")"
      note "$name and $neighbour reach each other"
    fi
  done
  check_isolation
  stop_capture
  only_tagged "$(mac_of vlan10-a)" 10
  only_tagged "$(mac_of vlan20-a)" 20
  only_tagged "$(mac_of vlan20-b)" 20
  only_tagged "$(mac_of untagged-a)" ''
}

# An address of another VLAN's subnet, on the container's own interface: if anything but the tag kept the VLANs apart,
# it would get through now.
check_isolation() {
  in_container vlan20-a ip addr add 10.10.0.77/24 dev eth0
  in_container vlan20-a ip addr add 10.1.0.77/24 dev eth0
  in_container vlan10-a ip addr add 10.20.0.77/24 dev eth0
  pings_not vlan20-a 10.10.0.1
  pings_not vlan20-a "$(address_of vlan10-a)"
  pings_not vlan20-a 10.1.0.1
  pings_not vlan10-a 10.20.0.1
  note "no container reaches another VLAN, even with an address of it"
}

scenario_trunk() {
  make_trunk
  local before
  before=$(links)
  make_three_networks
  has_link "$trunk.10"
  has_link "$trunk.20"
  # shellcheck disable=SC2086
  start_containers $six
  # shellcheck disable=SC2086
  check_traffic $six
  # shellcheck disable=SC2086
  remove_containers $six
  remove_networks vlan10 vlan20 untagged
  same "links" "$before" "$(links)"
}

scenario_trunk_after_plugin_is_killed_between_create_and_run() {
  make_trunk
  local before
  before=$(links)
  make_three_networks
  kill_plugin
  start_plugin
  # shellcheck disable=SC2086
  start_containers $four
  # shellcheck disable=SC2086
  check_traffic $four
  # shellcheck disable=SC2086
  remove_containers $four
  remove_networks untagged vlan20 vlan10
  same "links" "$before" "$(links)"
}

# The two above remove them in two other orders.
scenario_networks_are_removed_in_any_order() {
  make_trunk
  local before
  before=$(links)
  make_three_networks
  remove_networks vlan20 untagged vlan10
  same "links" "$before" "$(links)"
}
