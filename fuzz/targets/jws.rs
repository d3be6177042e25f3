//! JWSs in the compact form, detached and unencoded payloads.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    gatepass_fuzz::jws::check(data);
});
