//! Asserts `properties::stream` of whatever libFuzzer finds.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../properties.rs"]
#[expect(dead_code, reason = "each target has one property")]
mod properties;

fuzz_target!(|data: &[u8]| properties::stream(data));
