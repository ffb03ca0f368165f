//! `hongyan config`: check, show, reference.

use clap::Subcommand;
use serde_json::json;

use super::{Context, DONE, FAILED, complain, print};
use crate::config::{REFERENCE, check};

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Check the whole configuration
    Check,
    /// Show the effective settings, secrets masked, and where they came from
    Show,
    /// Print every option with its comment and default
    Reference,
}

pub(super) fn run(command: &ConfigCommand, context: &Context) -> anyhow::Result<u8> {
    match command {
        ConfigCommand::Reference => {
            print(REFERENCE.trim_end());
            Ok(DONE)
        }
        ConfigCommand::Check => check_all(context),
        ConfigCommand::Show => show(context),
    }
}

fn check_all(context: &Context) -> anyhow::Result<u8> {
    let result = context.load().and_then(|loaded| {
        let mut warnings = check(&loaded.config)?;
        let unknown = loaded.environment.unknown().into_iter();
        warnings.extend(unknown.map(|name| format!("{name} is set, and is not a variable of ours: a typing mistake?")));
        crate::app::channels(&loaded.config)?;
        Ok(warnings)
    });
    if context.json {
        let (ok, error, warnings) = match &result {
            Ok(warnings) => (true, None, warnings.clone()),
            Err(error) => (false, Some(format!("{error:#}")), Vec::new()),
        };
        print(&json!({ "ok": ok, "error": error, "warnings": warnings }).to_string());
        return Ok(if ok { DONE } else { FAILED });
    }
    for warning in result? {
        complain(&format!("{}: {warning}", context.language.pick("warning", "警告")));
    }
    context.say("The configuration can be used.", "配置可用。");
    Ok(DONE)
}

fn show(context: &Context) -> anyhow::Result<u8> {
    let loaded = context.load()?;
    if context.json {
        print(&serde_json::to_string_pretty(&json!({
            "file": loaded.file,
            "env_file": loaded.environment.file,
            "config": loaded.config,
        }))?);
        return Ok(DONE);
    }
    let shown = |path: &Option<std::path::PathBuf>| {
        path.as_ref().map_or_else(|| "-".to_owned(), |path| path.display().to_string())
    };
    print(&format!("# {}: {}", context.language.pick("configuration file", "配置文件"), shown(&loaded.file)));
    print(&format!("# .env: {}", shown(&loaded.environment.file)));
    print(toml::to_string_pretty(&loaded.config)?.trim_end());
    Ok(DONE)
}
