//! OpenAPI documents that routes are proposed from.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    gatepass_fuzz::openapi::check(data);
});
