# What is refused, in words that help, and without leaving anything.
# shellcheck shell=bash

# refused PATTERN OPTION...: a network with these options is.
refused() {
  local pattern=$1
  shift
  expect_refused "$pattern" network two --subnet 10.11.0.0/24 "$@"
}

scenario_refusals() {
  make_trunk
  local before
  before=$(links)
  network one --subnet 10.10.0.0/24 -o host_iface="$trunk.10"
  refused "$trunk.10 is in use in mode bridge by network .*use mode=bridge or another parent" \
    -o host_iface="$trunk" -o vlan=10 -o mode=private
  refused "$trunk.10 is in use in mode bridge by network .*use mode=bridge or another parent" \
    -o host_iface="$trunk.10" -o mode=l2
  refused 'option vlam is not known: did you mean vlan' -o host_iface="$trunk" -o vlam=20
  refused 'no interface named nosuch0 on this host' -o host_iface=nosuch0
  refused 'no interface named nosuch0.20 on this host .nor nosuch0 to put VLAN 20 on' -o host_iface=nosuch0.20
  refused 'no parent: say -o host_iface'
  refused '"4095" is not a VLAN id' -o host_iface="$trunk" -o vlan=4095
  refused 'already says VLAN 20, and vlan=21 says another' -o host_iface="$trunk.20" -o vlan=21
  refused "$trunk.10 is in use in mode bridge by network" -o host_iface="$trunk.10" -o mode=passthru
  refused 'mtu=9000 is more than the 1500 of the parent' -o host_iface="$trunk" -o vlan=21 -o mtu=9000
  remove_networks one
  network one --subnet 10.10.0.0/24 -o host_iface="$trunk.10" -o mode=passthru
  refused "$trunk.10 is in use in mode passthru by network .*passthru takes a parent for one network alone" \
    -o host_iface="$trunk.10"
  remove_networks one
  same "links" "$before" "$(links)"
}

scenario_devices_that_cannot_be_a_parent() {
  make_trunk
  clean_up() {
    ip link del br7 2>/dev/null || true
    ip link del bond7 2>/dev/null || true
    ip link del p7 2>/dev/null || true
    rmmod mac80211_hwsim 2>/dev/null || true
  }
  ip link add p7 type veth peer name p8
  ip link add br7 type bridge
  ip link set p7 master br7
  ip link add bond7 type bond
  ip link set p8 master bond7
  ip link add link "$trunk" name mv7 type macvlan mode bridge
  modprobe mac80211_hwsim radios=1
  until_true 180 test -e /sys/class/net/wlan0
  local before
  before=$(links)
  refused 'lo is the loopback device' -o host_iface=lo
  refused 'p7 is a port of br7, which takes all its frames: use br7' -o host_iface=p7
  refused 'p8 is a member of bond7, which takes all its frames: use bond7' -o host_iface=p8
  refused 'p8 is a member of bond7' -o host_iface=p8 -o vlan=20
  refused 'mv7 is itself a child .macvlan. of another parent' -o host_iface=mv7
  refused 'wlan0 is a Wi-Fi interface.*use mode=l2' -o host_iface=wlan0
  refused 'wlan0 is a Wi-Fi interface.*use mode=l2' -o host_iface=wlan0 -o vlan=20
  network two --subnet 10.11.0.0/24 -o host_iface=wlan0 -o mode=l2
  remove_networks two
  same "links" "$before" "$(links)"
  ip link del mv7
}
