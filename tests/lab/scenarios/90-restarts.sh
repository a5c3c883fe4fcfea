# The engine as a node of a swarm. The name starts with "restart_": the home containers are away.
# shellcheck shell=bash

# The engine tells plugins of the nodes of a swarm; networks of one host go on as before.
scenario_restart_a_local_network_in_swarm_mode() {
  make_trunk
  begin_swarm
  expect_refused '.' network far --scope swarm --subnet 10.21.0.0/24 -o host_iface="$trunk.20"
  network vlan20 --subnet 10.20.0.0/24 --gateway 10.20.0.1 -o host_iface="$trunk.20"
  container c1 vlan20
  pings c1 10.20.0.1
  remove_containers c1
  remove_networks vlan20
  end_swarm
}
