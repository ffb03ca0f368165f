//! The body that is posted, before anything is known of it; and a sound one around any message.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wecom::callback::{Crypto, EncodingAesKey, Envelope, Query, Receiver};

fuzz_target!(|bytes: &[u8]| {
    let _read = Envelope::parse(bytes);
    let _read = Query::parse(&String::from_utf8_lossy(bytes));
    let key = EncodingAesKey::parse("abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG").expect("a key");
    let receiver = Receiver::new(Crypto::new("token", key, "ww1"));
    let sealed = receiver.crypto().seal(bytes, "1", "2");
    let body = format!("<xml><Encrypt><![CDATA[{}]]></Encrypt></xml>", sealed.encrypt);
    let query = Query {
        msg_signature: sealed.msg_signature,
        timestamp: sealed.timestamp,
        nonce: sealed.nonce,
        echostr: Some(sealed.encrypt),
    };
    if std::str::from_utf8(bytes).is_ok() {
        assert_eq!(receiver.verify(&query).expect("a sound echo").as_bytes(), bytes);
    }
    let _received = receiver.receive(&query, body.as_bytes());
});
