//! Tokens: decoding and verifying.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    gatepass_fuzz::jwt::check(data);
});
