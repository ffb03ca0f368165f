//! `hongyan callback`: keys, attempts, and what helps when WeCom's console will not save a URL.
//!
//! `list`, `watch` and `set` ask the running gateway; `verify`, `decrypt` and `encrypt` need none; `probe` calls a URL as
//! WeCom does.

mod envelope;
mod fault;
mod keys;
mod probe;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use self::keys::{KeyArguments, QueryArguments};
use super::gateway::{Gateway, GatewayError, report};
use super::{Context, DONE, complain, print, serve};
use crate::config::Loaded;

/// How often it is looked for new attempts.
const LOOK_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, Subcommand)]
pub(super) enum CallbackCommand {
    /// List the callbacks: where their keys are from, or how a smart robot's connection is
    List,
    /// Show who calls back and what smart robots are told, as it happens, and why it is refused
    Watch {
        /// Show what is remembered, and end
        #[arg(long)]
        once: bool,
    },
    /// Set the keys of a callback while the gateway runs: live at once, before they are saved in WeCom's console
    #[command(after_help = KEYS_FROM)]
    Set(SetArguments),
    /// Call a URL as WeCom's console does when it is saved, and say what is wrong with the answer
    #[command(after_help = PROBE_CODES)]
    Probe {
        /// The whole URL, as it is to stand in the console
        url: String,
        #[command(flatten)]
        keys: KeyArguments,
    },
    /// Open a verification by hand: print the echo, or which of token, key, receive id, base64 and padding is wrong
    Verify {
        #[command(flatten)]
        query: QueryArguments,
        /// What is to be echoed, as it stands in the query
        #[arg(long, allow_hyphen_values = true, conflicts_with = "url")]
        echostr: Option<String>,
        #[command(flatten)]
        keys: KeyArguments,
    },
    /// Open the body that WeCom posted, or that it was answered with: print the plain text, or what is wrong
    Decrypt {
        /// A file with the body; `-` is standard input
        #[arg(default_value = "-")]
        file: PathBuf,
        #[command(flatten)]
        query: QueryArguments,
        #[command(flatten)]
        keys: KeyArguments,
    },
    /// Seal a plain text as WeCom does: print the query and the body to post
    Encrypt {
        /// A file with the plain XML or JSON; `-` is standard input
        #[arg(default_value = "-")]
        file: PathBuf,
        /// Print a whole curl command that posts it there
        #[arg(long)]
        url: Option<String>,
        #[command(flatten)]
        keys: KeyArguments,
    },
}

#[derive(Debug, Args)]
pub(super) struct SetArguments {
    /// Its configured name
    name: String,
    /// A file with the Token
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// A file with the `EncodingAESKey`
    #[arg(long, value_name = "FILE")]
    encoding_aes_key_file: Option<PathBuf>,
}

const KEYS_FROM: &str = "What is given no file is read from WECHAT_CALLBACK_TOKEN and WECHAT_ENCODING_AES_KEY, or from \
the files that WECHAT_CALLBACK_TOKEN_FILE and WECHAT_ENCODING_AES_KEY_FILE name. Neither is an argument: arguments are \
seen by every user of the machine.";

const PROBE_CODES: &str = "Exit codes: 0 WeCom would take it, 3 it is answered otherwise than WeCom wants, or too late, \
5 nobody answers.";

pub(super) async fn run(command: CallbackCommand, context: &Context) -> anyhow::Result<u8> {
    match command {
        CallbackCommand::List => list(context).await,
        CallbackCommand::Watch { once } => watch(once, context).await,
        CallbackCommand::Set(arguments) => set(&arguments, context).await,
        CallbackCommand::Probe { url, keys } => probe::run(&url, &keys, context).await,
        CallbackCommand::Verify { query, echostr, keys } => envelope::verify(&query, echostr, &keys, context),
        CallbackCommand::Decrypt { file, query, keys } => envelope::decrypt(&file, &query, &keys, context),
        CallbackCommand::Encrypt { file, url, keys } => envelope::encrypt(&file, url.as_deref(), &keys, context),
    }
}

async fn list(context: &Context) -> anyhow::Result<u8> {
    let gateway = Gateway::find(&context.load()?)?;
    let answer = match gateway.get("/v1/callbacks").await {
        Ok(answer) => answer,
        Err(error) => return Ok(report(error, context)),
    };
    if context.json {
        print(&answer.to_string());
        return Ok(DONE);
    }
    let callbacks = answer.as_array().map(Vec::as_slice).unwrap_or_default();
    for callback in callbacks {
        let text = |name: &str| callback[name].as_str().unwrap_or("-");
        let is = |name: &str| callback[name].as_bool() == Some(true);
        let keys = match (is("has_keys"), is("keys_set")) {
            (true, true) => context.language.pick("keys set while it ran", "密钥：运行中设置"),
            (true, false) => context.language.pick("keys from the configuration", "密钥：来自配置"),
            _ => context.language.pick("NO KEYS", "没有密钥"),
        };
        let name = text("name");
        if callback["connection"].is_object() {
            let how = shown_connection(&callback["connection"], context);
            print(&format!("{name:<16} {:<12} {:<16} {how}", text("kind"), text("app")));
            continue;
        }
        print(&format!("{name:<16} {:<12} {:<16} /callback/{name}  {keys}", text("kind"), text("app")));
    }
    if callbacks.is_empty() {
        context.say(
            "no callback is configured: add [callbacks.default], or set WECHAT_CALLBACK_TOKEN and WECHAT_ENCODING_AES_KEY",
            "未配置回调：请添加 [callbacks.default]，或设置 WECHAT_CALLBACK_TOKEN 与 WECHAT_ENCODING_AES_KEY",
        );
    }
    Ok(DONE)
}

/// How a smart robot's long connection is, in a few words.
pub(super) fn shown_connection(connection: &Value, context: &Context) -> String {
    let text = |name: &str| connection[name].as_str().unwrap_or_default();
    let state = match text("state") {
        "connected" => context.language.pick("connected", "长连接：已连接"),
        "connecting" => context.language.pick("connecting", "长连接：正在连接"),
        "refused" => context.language.pick("REFUSED", "长连接：被拒绝"),
        "replaced" => context.language.pick("REPLACED", "长连接：已被其他程序取代"),
        _ => context.language.pick("NOT CONNECTED", "长连接：未连接"),
    };
    let since = match text("since") {
        "" => String::new(),
        since => format!(" {} {since}", context.language.pick("since", "自")),
    };
    let reason = match text("reason") {
        "" => String::new(),
        reason => format!(": {reason}"),
    };
    format!("{state}{since}{reason}")
}

async fn watch(once: bool, context: &Context) -> anyhow::Result<u8> {
    let gateway = Gateway::find(&context.load()?)?;
    let mut seen = Seen::default();
    match seen.next(&gateway).await {
        Ok(attempts) if once => {
            attempts.iter().for_each(|attempt| show(attempt, context));
            if attempts.is_empty() && !context.json {
                context.say("nobody has called back since the start", "启动以来没有回调");
            }
            return Ok(DONE);
        }
        Ok(attempts) => attempts.iter().for_each(|attempt| show(attempt, context)),
        Err(error) => return Ok(report(error, context)),
    }
    if !context.json {
        complain(context.language.pick("Watching; Ctrl-C ends it.", "正在观察，按 Ctrl-C 结束。"));
    }
    let mut is_away = false;
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            result = serve::stop_signal() => {
                result?;
                return Ok(DONE);
            }
        }
        match seen.next(&gateway).await {
            Ok(attempts) => {
                is_away = false;
                attempts.iter().for_each(|attempt| show(attempt, context));
            }
            // It may be restarting, with other keys, just now.
            Err(error @ GatewayError::Unreachable { .. }) => {
                if !is_away {
                    complain(&error.to_string());
                }
                is_away = true;
            }
            Err(error) => return Ok(report(error, context)),
        }
    }
}

/// Which attempt was the last that was shown.
#[derive(Default)]
struct Seen {
    last: Option<(u64, Value)>,
}

impl Seen {
    /// Returns those that were not shown yet.
    async fn next(&mut self, gateway: &Gateway) -> Result<Vec<Value>, GatewayError> {
        // The last one is asked for again: a gateway that was restarted counts from the beginning, and has it not.
        let after = self.last.as_ref().map_or(0, |(number, _)| number.saturating_sub(1));
        let mut attempts = attempts_after(gateway, after).await?;
        if let Some((number, last)) = &self.last {
            if attempts.first() == Some(last) {
                attempts.remove(0);
            } else if after > 0 || attempts.first().is_some_and(|first| first["number"] != json!(number)) {
                attempts = attempts_after(gateway, 0).await?;
            }
        }
        if let Some(last) = attempts.last() {
            self.last = Some((last["number"].as_u64().unwrap_or_default(), last.clone()));
        }
        Ok(attempts)
    }
}

async fn attempts_after(gateway: &Gateway, number: u64) -> Result<Vec<Value>, GatewayError> {
    let answer = gateway.get(&format!("/v1/callbacks/attempts?after={number}")).await?;
    Ok(answer.as_array().cloned().unwrap_or_default())
}

/// One attempt, a line.
fn show(attempt: &Value, context: &Context) {
    if context.json {
        return print(&attempt.to_string());
    }
    let text = |name: &str| attempt[name].as_str().unwrap_or("-");
    let became = match attempt["code"].as_i64() {
        None => context.language.pick("ok", "正常").to_owned(),
        // A smart robot's long connection is nobody's call: WeCom's own code, or none.
        Some(code) if text("kind") == "connect" => {
            format!("{} {code}: {}", context.language.pick("NOT CONNECTED", "未连接"), text("reason"))
        }
        Some(code) => {
            let reason = context.language.pick(text("reason"), fault::chinese(code).unwrap_or(text("reason")));
            format!("{} {code}: {reason}", context.language.pick("REFUSED", "拒绝"))
        }
    };
    print(&format!("{}  {:<16} {:<15}  {:<19}  {became}", text("at"), text("callback"), text("address"), text("kind")));
}

async fn set(arguments: &SetArguments, context: &Context) -> anyhow::Result<u8> {
    let loaded = context.load()?;
    let body = json!({
        "token": secret(arguments.token_file.as_ref(), "WECHAT_CALLBACK_TOKEN", "--token-file", &loaded)?,
        "encoding_aes_key": secret(
            arguments.encoding_aes_key_file.as_ref(), "WECHAT_ENCODING_AES_KEY", "--encoding-aes-key-file", &loaded,
        )?,
    });
    let name: String = url::form_urlencoded::byte_serialize(arguments.name.as_bytes()).collect();
    if let Err(error) = Gateway::find(&loaded)?.put(&format!("/v1/callbacks/{name}/keys"), &body).await {
        return Ok(report(error, context));
    }
    if context.json {
        print(&json!({ "name": arguments.name, "live": true }).to_string());
        return Ok(DONE);
    }
    context.say(
        format!(
            "The keys of {} are live, those before them for another day. Now save https://YOUR-HOST/callback/{name} in WeCom's console.",
            arguments.name
        ),
        format!(
            "{} 的密钥已生效，旧密钥再保留一天。现在请在企业微信后台保存 https://你的域名/callback/{name}。",
            arguments.name
        ),
    );
    Ok(DONE)
}

fn secret(file: Option<&PathBuf>, variable: &str, option: &str, loaded: &Loaded) -> anyhow::Result<String> {
    if let Some(path) = file {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("{option}: could not read {}", path.display()))?;
        return Ok(text.trim().to_owned());
    }
    match loaded.environment.secret(variable)? {
        Some(secret) => Ok(secret.0.expose().trim().to_owned()),
        None => bail!("nothing to set: give {option} a file, or set {variable} or {variable}_FILE"),
    }
}
