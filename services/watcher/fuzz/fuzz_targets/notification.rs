#![no_main]

#[path = "../../tests/main/any_bytes.rs"]
mod any_bytes;

libfuzzer_sys::fuzz_target!(|body: &[u8]| any_bytes::are_read_or_refused(body));
