//! JWSs in the JSON forms.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    gatepass_fuzz::jws_json::check(data);
});
