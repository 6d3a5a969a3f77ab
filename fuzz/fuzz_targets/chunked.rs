//! Gives libFuzzer's bytes to `chunked`; see the library.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lovejoy_fuzz::chunked(data));
