#![no_main]

libfuzzer_sys::fuzz_target!(|input: &str| trunkline_fuzz::options(input));
