//! Variables of a template from the command line: `--var order=DFB-2000`, `--vars FILE`.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::{Map, Value};

use super::send::read_text;

#[derive(Debug, Default, Args)]
pub(super) struct VariableArguments {
    /// A variable of the template: a text, or JSON after `:=` (`--var order=DFB-2000 --var count:=3`)
    #[arg(long = "var", value_name = "NAME=VALUE")]
    var: Vec<String>,
    /// A file with the template's variables as a JSON object; `-` is standard input
    #[arg(long, value_name = "FILE")]
    vars: Option<PathBuf>,
}

impl VariableArguments {
    pub(super) fn read(&self) -> anyhow::Result<Map<String, Value>> {
        let mut variables = match &self.vars {
            Some(path) => serde_json::from_str(&read_text(path)?)
                .with_context(|| format!("{} is not a JSON object", path.display()))?,
            None => Map::new(),
        };
        for given in &self.var {
            let (name, value) = match given.split_once('=') {
                Some((name, json)) if name.ends_with(':') => {
                    let value = serde_json::from_str(json).with_context(|| format!("--var {given}: not JSON"))?;
                    (name.trim_end_matches(':'), value)
                }
                Some((name, text)) => (name, Value::from(text)),
                None => bail!("--var {given}: give NAME=VALUE"),
            };
            variables.insert(name.to_owned(), value);
        }
        Ok(variables)
    }
}
