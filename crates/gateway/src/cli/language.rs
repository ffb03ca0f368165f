//! The language of human output: Chinese or English.

use clap::ValueEnum;

/// The language of human output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    /// English
    En,
    /// 中文
    Zh,
}

impl Language {
    /// Reads the language off the environment, as other programs do.
    #[expect(
        clippy::disallowed_methods,
        reason = "asked before the configuration is read, to say what is wrong with it"
    )]
    pub(crate) fn of_environment() -> Self {
        let names = ["LC_ALL", "LC_MESSAGES", "LANG"];
        let set = names.iter().filter_map(|name| std::env::var(name).ok()).find(|value| !value.is_empty());
        if set.is_some_and(|value| value.starts_with("zh")) { Self::Zh } else { Self::En }
    }

    /// Picks the text in this language.
    pub(crate) fn pick<'a>(self, english: &'a str, chinese: &'a str) -> &'a str {
        match self {
            Self::En => english,
            Self::Zh => chinese,
        }
    }
}
