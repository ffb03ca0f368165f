//! Encrypted messages, signed by whoever knows the Token; and sealed ones that were changed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wecom::callback::{Crypto, EncodingAesKey, Refusal};

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let _read = EncodingAesKey::parse(&text);
    let _read = EncodingAesKey::parse_media_key(&text);
    let key = EncodingAesKey::parse("abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG").expect("a key");
    let _opened = key.open_file(bytes);
    assert_eq!(key.open_file(&key.seal_file(bytes)).expect("what was sealed"), bytes);
    let crypto = Crypto::new("token", key, "ww1");
    // A valid signature over anything.
    let signature = crypto.signature("1", "2", &text);
    let _opened = crypto.open(&signature, "1", "2", &text);
    assert_eq!(crypto.open("0000", "1", "2", &text), Err(Refusal::Signature));
    let sealed = crypto.seal(bytes, "1", "2");
    assert_eq!(crypto.open(&sealed.msg_signature, "1", "2", &sealed.encrypt).expect("what was sealed"), bytes);
});
