# What docs/compared.md says of Docker's own macvlan and ipvlan drivers and of trunkline, row by row, both run.
# shellcheck shell=bash

# native DRIVER NAME ARGUMENT...: makes a network of Docker's own driver.
native() {
  local driver=$1 name=$2
  shift 2
  docker network create -d "$driver" "$@" "$name" >/dev/null
}

scenario_compared_mistyped_options() {
  make_trunk
  native macvlan n1 --subnet 10.31.0.0/24 -o parent="$trunk" -o vlam=20
  note "macvlan takes -o vlam=20 without a word"
  native macvlan n2 --subnet 10.32.0.0/24 -o parnet="$trunk"
  shows 'dummy' ip -d link show type dummy
  shows "dm-" ip -br link show type dummy
  note "macvlan makes a dummy parent of -o parnet=$trunk: $(ip -br link show type dummy | awk '$1 ~ /^dm-/ { print $1 }')"
  remove_networks n1 n2
  expect_refused 'option vlam is not known: did you mean vlan' network o1 --subnet 10.31.0.0/24 -o parent="$trunk" -o vlam=20
  expect_refused 'option parnet is not known: did you mean parent' network o1 --subnet 10.31.0.0/24 -o parnet="$trunk"
}

scenario_compared_vlans() {
  make_trunk
  clean_up() { ip link del enp130s0f1np1 2>/dev/null || true; }
  ip link add link "$trunk" name blue type vlan id 20
  ip link add enp130s0f1np1 type dummy
  expect_refused 'file exists|failed to' native macvlan n1 --subnet 10.31.0.0/24 -o parent="$trunk.20"
  expect_refused '.' native macvlan n1 --subnet 10.31.0.0/24 -o parent=enp130s0f1np1.4094
  expect_refused '.' native macvlan n1 --subnet 10.31.0.0/24 -o parent="$trunk.100.20"
  network o1 --subnet 10.31.0.0/24 -o host_iface="$trunk.20"
  network o2 --subnet 10.32.0.0/24 -o host_iface=enp130s0f1np1.4094
  network o3 --subnet 10.33.0.0/24 -o host_iface="$trunk.100.20"
  note "trunkline uses blue for $trunk.20, and makes enp130s0f1np1.4094 and $trunk.100.20"
  remove_networks o1 o2 o3
  ip link del blue
}

scenario_compared_parents() {
  make_trunk
  native ipvlan n1 --subnet 10.31.0.0/24 -o parent="$trunk"
  expect_refused '.' native ipvlan n2 --subnet 10.32.0.0/24 -o parent="$trunk"
  note "ipvlan takes one network a parent"
  native macvlan n3 --subnet 10.33.0.0/24 -o parent="$trunk"
  connect h1 n1
  expect_refused 'device or resource busy' connect h2 n3
  note "macvlan is created beside ipvlan on one parent, and its first container fails"
  disconnect h1 n1
  docker network disconnect -f n3 h2 >/dev/null 2>&1 || true
  remove_networks n1 n3
  network o1 --subnet 10.31.0.0/24 -o host_iface="$trunk" -o mode=l2
  network o2 --subnet 10.32.0.0/24 -o host_iface="$trunk" -o mode=l2
  expect_refused "$trunk is in use in mode l2" network o3 --subnet 10.33.0.0/24 -o host_iface="$trunk"
  remove_networks o1 o2
}

scenario_compared_unplugged_parents() {
  make_trunk
  native macvlan n1 --subnet 10.31.0.0/24 -o parent="$trunk"
  network o1 --subnet 10.1.0.0/24 -o host_iface="$trunk" -o mode=bridge
  connect h1 n1
  connect h2 o1
  local native_name ours
  native_name=$(newest h1) ours=$(newest h2)
  remove_trunk
  make_trunk
  until_true 180 netns h2 ip link show dev "$ours"
  pings h2 10.1.0.1
  not netns h1 ip link show dev "$native_name"
  note "the parent was away: with trunkline the running container has its interface back, with macvlan it has none"
  docker network disconnect -f n1 h1 >/dev/null 2>&1 || true
  disconnect h2 o1
  remove_networks n1 o1
}

scenario_compared_mtu() {
  make_trunk
  native macvlan n1 --subnet 10.31.0.0/24 -o parent="$trunk" -o com.docker.network.driver.mtu=1400
  connect h1 n1
  note "macvlan with -o com.docker.network.driver.mtu=1400: $(netns h1 ip link show dev "$(newest h1)" | grep -o 'mtu [0-9]*')"
  shows 'mtu 1500' netns h1 ip link show dev "$(newest h1)"
  disconnect h1 n1
  remove_networks n1
  network o1 --subnet 10.31.0.0/24 -o host_iface="$trunk" -o com.docker.network.driver.mtu=1400
  connect h1 o1
  shows 'mtu 1400' netns h1 ip link show dev "$(newest h1)"
  disconnect h1 o1
  remove_networks o1
}

# Subnets that overlap: these engines refuse them for every driver.
scenario_compared_overlapping_subnets() {
  make_trunk
  local driver option
  for driver in macvlan trunkline; do
    native "$driver" n1 --subnet 10.31.0.0/24 -o parent="$trunk"
    expect_refused 'Pool overlaps' native "$driver" n2 --subnet 10.31.0.0/24 -o parent="$trunk.20"
    remove_networks n1
  done
}

# Where Docker's own drivers do more.
scenario_compared_where_native_does_more() {
  make_trunk
  expect_refused 'no parent' network o1 --subnet 10.31.0.0/24
  native macvlan n1 --subnet 10.31.0.0/24
  note "macvlan without a parent is internal, without being asked"
  remove_networks n1
}

scenario_compared_host_and_container() {
  make_trunk
  network o1 --subnet 10.20.0.0/24 --gateway 10.20.0.1 -o host_iface="$trunk.20"
  ip addr add 10.20.0.200/24 dev "$trunk.20"
  connect h1 o1
  pings h1 10.20.0.1
  pings_not h1 10.20.0.200
  ip addr del 10.20.0.200/24 dev "$trunk.20"
  disconnect h1 o1
  remove_networks o1
}

scenario_compared_macs() {
  make_trunk
  native macvlan n1 --subnet 10.31.0.0/24 -o parent="$trunk"
  local first second
  connect h1 n1 --ip 10.31.0.9
  first=$(mac_of h1)
  disconnect h1 n1
  connect h1 n1 --ip 10.31.0.9
  second=$(mac_of h1)
  disconnect h1 n1
  note "macvlan gives one address $first and then $second"
  if [[ "$LAB_ENGINE" = 28.* ]]; then not [ "$first" = "$second" ]; else same "MAC" "$first" "$second"; fi
  remove_networks n1
}

scenario_compared_ports() {
  clean_up() {
    ip link del br7 2>/dev/null || true
    ip link del p7 2>/dev/null || true
  }
  ip link add p7 type veth peer name p8
  ip link add br7 type bridge
  ip link set p7 master br7
  native macvlan n1 --subnet 10.31.0.0/24 -o parent=p7
  expect_refused 'device or resource busy' connect h1 n1
  note "macvlan is created on a bridge port, and its first container fails"
  docker network disconnect -f n1 h1 >/dev/null 2>&1 || true
  remove_networks n1
  expect_refused 'p7 is a port of br7' network o1 --subnet 10.31.0.0/24 -o host_iface=p7
}

scenario_compared_duplicate_macs() {
  make_trunk
  native macvlan n1 --subnet 10.31.0.0/24 -o parent="$trunk"
  container c1 n1 --mac-address 02:42:0a:14:00:63
  expect_refused '.' docker run --name c2 --network n1 --mac-address 02:42:0a:14:00:63 bb true
  remove_containers c1 c2
  remove_networks n1
}

scenario_compared_interface_names() {
  make_trunk
  local driver
  for driver in macvlan trunkline; do
    native "$driver" n1 --subnet 10.31.0.0/24 -o parent="$trunk"
    connect h1 n1 --driver-opt com.docker.network.endpoint.ifname=lab0
    note "$driver with ifname=lab0: $(newest h1)"
    case $LAB_ENGINE-$driver in
      28.*-macvlan) same "name" lab0 "$(newest h1)" ;;
      *) not [ "$(newest h1)" = lab0 ] ;;
    esac
    disconnect h1 n1
    remove_networks n1
  done
}

scenario_compared_swarm() {
  make_trunk
  begin_swarm
  docker network create --config-only --subnet 10.31.0.0/24 -o parent="$trunk" plan >/dev/null
  native macvlan n1 --scope swarm --config-from plan
  expect_refused 'not supported in swarm mode' network o1 --scope swarm --config-from plan
  remove_networks n1
  remove_networks plan
  end_swarm
}
