//! A decrypted message: any XML, and what is no XML.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wecom::callback::{Callback, Element, MAX_DEPTH, Passive};

fuzz_target!(|bytes: &[u8]| {
    let Ok(callback) = Callback::parse(bytes) else { return };
    assert!(!callback.dedupe_key().is_empty());
    assert!(depth(callback.raw()) <= MAX_DEPTH);
    // What is replied to whoever wrote it can be read again.
    let reply = Passive::text(callback.from_user.clone()).to_xml(&callback, 1);
    if let Ok(read) = Element::parse(reply.to_string().as_bytes()) {
        assert_eq!(read.text_of("MsgType"), "text");
    }
});

fn depth(element: &Element) -> usize {
    1 + element.children().iter().map(depth).max().unwrap_or(0)
}
