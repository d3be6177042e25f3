//! Keys and sets of keys as JSON.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    gatepass_fuzz::jwk::check(data);
});
