//! JWEs in the compact form.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    gatepass_fuzz::jwe::check(data);
});
