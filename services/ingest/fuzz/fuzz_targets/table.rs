#![no_main]

#[path = "../../tests/main/table/any_bytes.rs"]
mod any_bytes;

libfuzzer_sys::fuzz_target!(|data: &[u8]| any_bytes::add_up(data));
