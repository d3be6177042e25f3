//! The event stream and what it carries.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    gatepass_fuzz::feed::check(data);
});
