//! Gives libFuzzer's bytes to `chat`; see the library.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lovejoy_fuzz::chat(data));
