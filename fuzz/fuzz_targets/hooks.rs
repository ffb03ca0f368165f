//! What monitoring, CI and code systems post: the first line is the kind of event, the rest the body, read as of every source.
#![no_main]

use std::sync::LazyLock;

use domain::Compiled;
use libfuzzer_sys::fuzz_target;

static TEMPLATES: LazyLock<Vec<Compiled>> = LazyLock::new(|| {
    ingress::hooks::templates().into_iter().map(|made| Compiled::new(made).expect("a built-in template")).collect()
});

fuzz_target!(|bytes: &[u8]| {
    let end = bytes.iter().position(|byte| *byte == b'\n').filter(|end| *end < 40);
    let (event, body) = end.map_or((&b""[..], bytes), |end| (&bytes[..end], &bytes[end + 1..]));
    ingress::fuzzed::hook(&String::from_utf8_lossy(event), body, &TEMPLATES);
});
