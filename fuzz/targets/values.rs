//! Dates, audiences, scopes, identifiers and names.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    gatepass_fuzz::values::check(data);
});
