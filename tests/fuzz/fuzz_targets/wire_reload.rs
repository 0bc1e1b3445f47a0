//! See `plumb_clients::fuzz::wire_reload`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| plumb_clients::fuzz::wire_reload(bytes));
