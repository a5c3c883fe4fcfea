# Stopping and killing the plugin and the engine. Their names start with "restart_": the home containers are away.
# shellcheck shell=bash

# lost_pings FILE: how many of the pings in a log got no answer.
lost_pings() {
  awk '/packets transmitted/ { print $1 - $4 }' "$1"
}

scenario_restart_of_the_plugin_keeps_the_traffic_of_running_containers() {
  make_trunk
  network vlan20 --subnet 10.20.0.0/24 --gateway 10.20.0.1 -o host_iface="$trunk.20"
  container c1 vlan20
  pings c1 10.20.0.1
  in_container c1 ping -c 60 -i 0.1 10.20.0.1 >/tmp/pings.txt &
  local pinging=$!
  stop_plugin
  start_plugin
  kill_plugin
  start_plugin
  wait "$pinging" || true
  local lost
  lost=$(lost_pings /tmp/pings.txt)
  note "60 pings over a stop and a kill of the plugin: $lost lost"
  [ "$lost" -le 1 ]
  remove_containers c1
  remove_networks vlan20
}

# What a reboot leaves: the engine's and the plugin's records, and not one link.
scenario_restart_of_everything_finds_its_networks() {
  make_trunk
  network vlan20 --subnet 10.20.0.0/24 --gateway 10.20.0.1 -o host_iface="$trunk.20"
  container c1 vlan20
  stop_engine
  start_engine
  docker start c1 >/dev/null
  pings c1 10.20.0.1
  stop_engine
  stop_plugin
  ip link del "$trunk.20"
  rm -rf /run/trunkline
  # The engine is first, as nobody has ordered them: it asks again until the plugin is there.
  start_engine
  (sleep 3; start_plugin) &
  docker start c1 >/dev/null
  wait
  pings c1 10.20.0.1
  remove_containers c1
  remove_networks vlan20
}

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
