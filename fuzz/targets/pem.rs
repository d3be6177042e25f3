//! Keys as DER documents and as PEM.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    gatepass_fuzz::pem::check(data);
});
