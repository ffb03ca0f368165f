//! A pattern of a schedule, and a time zone: runs are found, and lie ahead.
#![no_main]

use domain::{Cron, Timestamp, When};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let (pattern, zone) = text.split_once('\n').unwrap_or((&text, "Asia/Shanghai"));
    let Ok(when) = Cron::parse(pattern, zone).map(|cron| When::Cron(Box::new(cron))) else { return };
    for millis in [0, 1_790_000_000_000, 1_774_742_400_000, 4_102_444_800_000] {
        let mut now = Timestamp::from_millis(millis);
        for _ in 0..3 {
            let Some(next) = when.next_after(now) else { break };
            assert!(next > now, "{pattern} {zone}");
            now = next;
        }
    }
});
