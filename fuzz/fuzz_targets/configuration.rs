//! A configuration file: it is read and checked, or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let file = config::File::from_str(text, config::FileFormat::Toml);
    let Ok(read) = config::Config::builder().add_source(file).build() else { return };
    if let Ok(configuration) = read.try_deserialize::<hongyan::config::Config>() {
        let _checked = hongyan::config::check(&configuration);
    }
});
