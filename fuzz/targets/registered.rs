//! Redirect URIs, certificates and their names, authorization details, user codes, hashes.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    gatepass_fuzz::registered::check(data);
});
