//! Gives libFuzzer's bytes to `target`; see the library.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lovejoy_fuzz::target(data));
