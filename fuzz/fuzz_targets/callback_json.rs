//! What a smart robot is told: any JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wecom::smart_robot::RobotCallback;

fuzz_target!(|bytes: &[u8]| {
    let Ok(value) = serde_json::from_slice::<serde_json::Value>(bytes) else { return };
    let callback = RobotCallback::read(value.clone());
    assert_eq!(*callback.raw(), value);
    let _shown = format!("{callback:?} {}", callback.conversation());
});
