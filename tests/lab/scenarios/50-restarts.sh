# Stopping and killing the plugin and the engine.
# shellcheck shell=bash

# lost_pings FILE: how many of the pings in a log got no answer.
lost_pings() {
  awk '/packets transmitted/ { print $1 - $4 }' "$1"
}

scenario_running_containers_keep_their_traffic_while_the_plugin_dies() {
  make_trunk
  network vlan20 --subnet 10.20.0.0/24 --gateway 10.20.0.1 -o host_iface="$trunk.20"
  container c1 vlan20
  pings c1 10.20.0.1
  docker exec c1 ping -c 60 -i 0.2 10.20.0.1 >/tmp/pings.txt &
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
  docker network rm vlan20 >/dev/null
}

scenario_an_engine_restart_finds_its_networks() {
  make_trunk
  network vlan20 --subnet 10.20.0.0/24 --gateway 10.20.0.1 -o host_iface="$trunk.20"
  container c1 vlan20
  stop_engine
  start_engine
  docker start c1 >/dev/null
  pings c1 10.20.0.1
  remove_containers c1
  docker network rm vlan20 >/dev/null
}
