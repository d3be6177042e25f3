//! base64url, both ways.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    gatepass_fuzz::base64url::check(data);
});
