# Boots a virtual machine that runs one program and ends. Sourced by tests/lab/run and examples/quickstart.sh.
# shellcheck shell=bash

# Longest life of a VM, in seconds, and its processors.
vm_timeout=${TRUNKLINE_LAB_TIMEOUT:-3600}
vm_cpus=${TRUNKLINE_LAB_CPUS:-2}

# newest_kernel DIR: the newest kernel image under DIR/boot that has its modules beside it.
newest_kernel() {
  local image
  while read -r image; do
    [ ! -d "$1/lib/modules/${image##*/vmlinuz-}" ] || { echo "$image"; return; }
  done < <(find "${1%/}/boot" -maxdepth 1 -name 'vmlinuz-*' | sort -rV)
  echo "no kernel with modules under ${1%/}/boot" >&2
  return 1
}

# kvm_works: whether /dev/kvm can run a guest; in a VM without nested virtualisation it exists and cannot.
kvm_works() {
  [ -w /dev/kvm ] && grep -qE '\b(vmx|svm)\b' /proc/cpuinfo
}

# boot_vm ROOT SHARED PROGRAM...: boots the system under ROOT (/ is this machine's own) read-only, with SHARED, a
# directory of this machine, writable under the same path, and runs PROGRAM in it as root. Prints the console.
boot_vm() {
  local system=$1 shared=$2
  shift 2
  local options=(-r "$(newest_kernel "$system")" --memory 4G --cpus "$vm_cpus" --force-9p -a apparmor=0 -a mitigations=off -a no5lvl -a transparent_hugepage=never -a loglevel=4)
  kvm_works || options+=(--disable-kvm)
  if [ "$system" = / ]; then
    options+=(--rwdir "$shared")
  else
    options+=(--root "$system" --user root --rwdir "/lab=$shared")
  fi
  # vng talks to a terminal; script gives it one. timeout's child is a group of its own, so all of it ends.
  timeout --kill-after=10 "$vm_timeout" \
    script --quiet --return --command "vng $(printf '%q ' "${options[@]}") -- $(printf '%q ' "$@")" /dev/null </dev/null
}
