# The table of cases that holds the model of the kernel to the real one, on this kernel, which has every kind of link.
# shellcheck shell=bash

scenario_the_model_does_as_this_kernel() {
  TRUNKLINE_LAB=1 "$lab/conformance" --nocapture --test-threads 1 >/tmp/conformance.txt 2>&1 ||
    { cat /tmp/conformance.txt; return 1; }
  local said
  # The program's own "test ... " may stand before it.
  said=$(grep -o 'conformance: [0-9]* rows agree.*' /tmp/conformance.txt)
  note "$said"
}
