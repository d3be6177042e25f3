//! Tickets in a request's target.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    gatepass_fuzz::ticket::check(data);
});
