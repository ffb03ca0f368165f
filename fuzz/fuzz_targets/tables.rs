//! Lists as spreadsheets write them: of a broadcast, of the directory.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| ingress::fuzzed::table(bytes));
