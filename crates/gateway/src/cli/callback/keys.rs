//! With which keys, and about which request: what several commands are told alike.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;
use wecom::Secret;
use wecom::callback::{Crypto, EncodingAesKey, Query};

use crate::app::configured_callbacks;
use crate::cli::Context;

/// The configured callback whose keys are taken unless another is named.
const DEFAULT: &str = "default";

/// Which keys.
#[derive(Debug, Args)]
pub(in crate::cli) struct KeyArguments {
    /// The configured callback whose keys are used
    #[arg(long, value_name = "NAME", default_value = DEFAULT)]
    callback: String,
    /// A file with the Token, in place of a configured one
    #[arg(long, value_name = "FILE", requires = "encoding_aes_key_file")]
    token_file: Option<PathBuf>,
    /// A file with the `EncodingAESKey`
    #[arg(long, value_name = "FILE", requires = "token_file")]
    encoding_aes_key_file: Option<PathBuf>,
    /// For whom messages are: the corp id, the suite id, or nothing for smart robots
    #[arg(long, value_name = "ID")]
    receive_id: Option<String>,
}

/// Which request.
#[derive(Debug, Args)]
pub(in crate::cli) struct QueryArguments {
    /// The whole URL as it was called, or the part behind `?`
    #[arg(long, conflicts_with_all = ["signature", "timestamp", "nonce"])]
    url: Option<String>,
    /// Its `msg_signature`
    #[arg(long, requires_all = ["timestamp", "nonce"])]
    signature: Option<String>,
    /// Its `timestamp`
    #[arg(long)]
    timestamp: Option<String>,
    /// Its `nonce`
    #[arg(long)]
    nonce: Option<String>,
}

impl KeyArguments {
    /// Returns each pair of keys that is taken, the present one first.
    pub(super) fn find(&self, context: &Context) -> anyhow::Result<Vec<Crypto>> {
        if let (Some(token), Some(key)) = (&self.token_file, &self.encoding_aes_key_file) {
            let receive_id = match &self.receive_id {
                Some(receive_id) => receive_id.trim().to_owned(),
                None => match configured_callbacks(&context.load()?.config).get(&self.callback) {
                    Some(callback) => callback.receive_id.clone(),
                    None => bail!("--receive-id is missing: the corp id, or '' for a smart robot"),
                },
            };
            let read = |path: &PathBuf| {
                let text =
                    std::fs::read_to_string(path).with_context(|| format!("could not read {}", path.display()))?;
                Ok::<_, anyhow::Error>(Secret::new(text.trim()))
            };
            return Ok(vec![crypto(read(token)?, &read(key)?, &receive_id)?]);
        }
        let config = context.load()?.config;
        let callbacks = configured_callbacks(&config);
        let Some(callback) = callbacks.get(&self.callback) else {
            let names: Vec<&str> = callbacks.keys().map(String::as_str).collect();
            bail!(
                "there is no callback `{}`: configured are: {}; or give --token-file, --encoding-aes-key-file and --receive-id",
                self.callback,
                if names.is_empty() { "none".to_owned() } else { names.join(", ") }
            );
        };
        if callback.keys.is_empty() {
            bail!(
                "callbacks.{}: has no keys in the configuration; those set while the gateway runs are not read from here: give --token-file and --encoding-aes-key-file",
                self.callback
            );
        }
        let receive_id = self.receive_id.as_deref().unwrap_or(&callback.receive_id).trim();
        callback.keys.iter().map(|pair| crypto(pair.token.clone(), &pair.aes_key, receive_id)).collect()
    }
}

fn crypto(token: Secret, key: &Secret, receive_id: &str) -> anyhow::Result<Crypto> {
    let key = EncodingAesKey::parse(key.expose())
        .map_err(|refusal| anyhow::anyhow!("{} {refusal}; copy it from WeCom's console", refusal.code()))?;
    Ok(Crypto::new(token, key, receive_id))
}

impl QueryArguments {
    /// Returns the query, if one was given.
    pub(super) fn read(&self) -> anyhow::Result<Option<Query>> {
        if let Some(url) = &self.url {
            let query = url.split_once('?').map_or(url.as_str(), |(_, query)| query);
            let query = Query::parse(query.split('#').next().unwrap_or_default());
            let missing: Vec<&str> =
                [("msg_signature", &query.msg_signature), ("timestamp", &query.timestamp), ("nonce", &query.nonce)]
                    .into_iter()
                    .filter(|(_, value)| value.is_empty())
                    .map(|(name, _)| name)
                    .collect();
            if !missing.is_empty() {
                bail!("--url: {} is missing; in a shell, put the URL in single quotes", missing.join(", "));
            }
            return Ok(Some(query));
        }
        let Some(signature) = &self.signature else { return Ok(None) };
        let text = |text: &Option<String>| text.as_deref().unwrap_or_default().trim().to_owned();
        Ok(Some(Query {
            msg_signature: signature.trim().to_owned(),
            timestamp: text(&self.timestamp),
            nonce: text(&self.nonce),
            echostr: None,
        }))
    }
}
