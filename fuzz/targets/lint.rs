//! The linter, on inputs of every kind.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    gatepass_fuzz::lint::check(data);
});
