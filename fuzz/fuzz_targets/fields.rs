//! Gives libFuzzer's bytes to `fields`; see the library.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lovejoy_fuzz::fields(data));
