# The daemon dies, on this kernel, which has every kind of link: at every point between an effect and the next step, and at
# random moments under load. In namespaces of its own; the plugin of the other scenarios goes on.
# shellcheck shell=bash

# crashes TEST DAEMON [VARIABLE=VALUE...]: runs one of the tests with a daemon.
crashes() {
  local test=$1 daemon=$2 program
  shift 2
  # What is started over and over is kept in memory (see tests/lab/guest), with its libraries.
  mkdir -p /tmp/lib
  for program in "$(type -P ip)" "$(type -P nsenter)" "$(type -P unshare)" "$(type -P cat)" "$lab/crashes" "$lab/$daemon"; do
    ldd "$program" | sed -n 's/.* => \(\/[^ ]*\) .*/\1/p' | xargs cp -nLt /tmp/lib
    cp -nL "$program" /tmp/bin/
  done
  env TRUNKLINE_LAB=1 LD_LIBRARY_PATH=/tmp/lib TRUNKLINE_TEST_DAEMON="/tmp/bin/$daemon" "$@" /tmp/bin/crashes --nocapture --exact "$test" \
    >"$lab/crashes.txt" 2>&1 || { grep -v ' deaths: ' "$lab/crashes.txt" | head -n 200; return 1; }
  local said
  said=$(grep -o 'crashes: .*' "$lab/crashes.txt")
  note "$said"
}

scenario_the_daemon_dies_at_every_step() {
  # What is released has no such points.
  not grep -qaE 'TRUNKLINE_FAILPOINTS|create_network\.recorded' "$lab/trunkline"
  grep -qa 'create_network\.recorded' "$lab/trunkline-failpoints"
  crashes points::the_daemon_dies_at_every_point trunkline-failpoints TRUNKLINE_TEST_SOURCE="$lab/src"
}

scenario_the_daemon_is_killed_under_load() {
  crashes kills::the_daemon_is_killed_at_random_moments_under_load trunkline TRUNKLINE_KILLS=50
}
