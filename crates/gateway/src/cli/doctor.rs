//! `hongyan doctor`: what is wrong, a line each with its mend.
//!
//! It calls WeCom as the gateway would, but sends no message: a robot's key is tried with an empty request, which WeCom
//! refuses by its content if the key is good (44004, 93017) and by the key if it is not (93000).

use std::time::Duration;

use backends::OpenError;
use channels::Email;
use domain::Quota;
use ingress::callback::CallbackConfig;
use serde_json::{Value, json};
use wecom::api::robot::RobotMessage;
use wecom::callback::EncodingAesKey;
use wecom::{AgentId, Client, ErrCode, Error, Method, RobotClient, RobotKey};

use super::gateway::Gateway;
use super::{Context, DONE, FAILED, print};
use crate::app;
use crate::config::{Config, LedgerEngine, Loaded, MailSection, check};

/// How far this machine's clock may be off.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(30);
/// The longest Token (path/90930).
const MAX_TOKEN: usize = 32;

struct Finding {
    what: String,
    good: bool,
    text: String,
    mend: Option<String>,
    /// The errcode behind it.
    code: Option<String>,
}

impl Finding {
    fn good(what: impl Into<String>, text: impl Into<String>) -> Self {
        Self { what: what.into(), good: true, text: text.into(), mend: None, code: None }
    }

    fn bad(what: impl Into<String>, text: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { what: what.into(), good: false, text: text.into(), mend: Some(mend.into()), code: None }
    }

    fn of_error(what: impl Into<String>, error: &Error) -> Self {
        let mend = match (error.errcode(), error.caller_ip()) {
            (Some(ErrCode::IP_NOT_TRUSTED), Some(ip)) => format!(
                "add {ip} to 企业可信IP: admin console → 应用管理 → the application → 企业可信IP (a trusted domain or callback URL must be set there first); it takes about a minute"
            ),
            _ => error.hint().unwrap_or("see the message").to_owned(),
        };
        let shown = error.to_string();
        let code = error.errcode().map(|code| code.to_string());
        Self { code, ..Self::bad(what, shown.split(", hint: [").next().unwrap_or_default(), mend) }
    }
}

pub(super) async fn run(context: &Context) -> anyhow::Result<u8> {
    let loaded = context.load()?;
    let mut findings = Vec::new();
    match check(&loaded.config) {
        Ok(_) if no_way_out(&loaded.config) => findings.push(Finding::bad(
            "config",
            "no application, no robot and no mail server is configured",
            "set WECHAT_CORP_ID, WECHAT_AGENT_ID and WECHAT_CORP_SECRET, or WECHAT_WEBHOOK_KEY, or HONGYAN_SMTP_URL",
        )),
        Ok(warnings) if warnings.is_empty() => findings.push(Finding::good("config", "can be used")),
        Ok(warnings) => {
            findings.extend(warnings.into_iter().map(|text| Finding {
                what: "config".into(),
                good: true,
                text,
                mend: None,
                code: None,
            }));
        }
        Err(error) => findings.push(Finding::bad("config", error.to_string(), "mend the option named")),
    }
    findings.push(data_dir(&loaded.config));
    if loaded.config.ledger.engine == LedgerEngine::Sqlite {
        findings.push(key_file(&loaded.config));
    }
    findings.extend(callbacks(&loaded.config));
    if findings.iter().all(|finding| finding.good) {
        findings.extend(upstream(&loaded.config).await);
    }
    findings.extend(smart_robots(&loaded, context).await);
    let good = findings.iter().all(|finding| finding.good);
    for finding in &findings {
        print_finding(finding, context);
    }
    Ok(if good { DONE } else { FAILED })
}

fn no_way_out(config: &Config) -> bool {
    let answers = config.callbacks.values().any(|callback| callback.bot_id.is_some());
    config.apps.is_empty() && config.robots.is_empty() && config.mail.is_empty() && !answers
}

fn print_finding(finding: &Finding, context: &Context) {
    let chinese = finding.code.as_deref().and_then(super::chinese::mend);
    if context.json {
        let line = json!({ "check": finding.what, "ok": finding.good, "text": finding.text, "mend": finding.mend });
        return print(&line.to_string());
    }
    let mark =
        if finding.good { context.language.pick("ok  ", "正常") } else { context.language.pick("BAD ", "异常") };
    let mend = finding.mend.as_deref().map(|mend| context.language.pick(mend, chinese.unwrap_or(mend)));
    let mend = mend.map(|mend| format!("\n      → {mend}")).unwrap_or_default();
    print(&format!("{mark}  {}: {}{mend}", finding.what, finding.text));
}

/// Whether the keys can be used; whether WeCom gets here, only a call from outside can tell.
fn callbacks(config: &Config) -> Vec<Finding> {
    let by_url = |(_, callback): &(&String, &CallbackConfig)| callback.robot.is_none();
    let finding = |(name, callback): (&String, &CallbackConfig)| {
        let what = format!("callbacks.{name}");
        let Some(pair) = callback.keys.first() else {
            return Finding::good(
                what,
                format!("has no keys here; `hongyan callback set {name}` sets them while the gateway runs"),
            );
        };
        let token = pair.token.expose();
        if token.len() > MAX_TOKEN || !token.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Finding::bad(what, "token is not 1 to 32 letters and digits", "copy it from WeCom's console");
        }
        match EncodingAesKey::parse(pair.aes_key.expose()) {
            Ok(_) => Finding::good(
                what,
                format!(
                    "has keys that can be used; try it from outside: hongyan callback probe https://HOST/callback/{name}"
                ),
            ),
            Err(refusal) => {
                Finding::bad(what, format!("{refusal} ({})", refusal.code()), "copy it from WeCom's console")
            }
        }
    };
    app::configured_callbacks(config).iter().filter(by_url).map(finding).collect()
}

/// How the running gateway's long connections are. None is made from here: it would take the robot from whoever has it.
async fn smart_robots(loaded: &Loaded, context: &Context) -> Vec<Finding> {
    let robots = loaded.config.callbacks.iter().filter(|(_, callback)| callback.bot_id.is_some());
    let names: Vec<&String> = robots.map(|(name, _)| name).collect();
    if names.is_empty() {
        return Vec::new();
    }
    let callbacks = match Gateway::find(loaded) {
        Ok(gateway) => gateway.get("/v1/callbacks").await.ok(),
        Err(_) => None,
    };
    let of = |name: &String| {
        let all = callbacks.as_ref().and_then(Value::as_array)?;
        let connection = &all.iter().find(|callback| callback["name"] == name.as_str())?["connection"];
        connection.is_object().then_some(connection)
    };
    names.into_iter().map(|name| smart_robot(name, of(name), context)).collect()
}

fn smart_robot(name: &str, connection: Option<&Value>, context: &Context) -> Finding {
    let what = format!("callbacks.{name} long connection");
    let Some(connection) = connection else {
        return Finding::good(
            what,
            "has bot_id and secret; whether WeCom takes them is seen while the gateway runs: a connection from here would take the robot from it",
        );
    };
    let shown = super::callback::shown_connection(connection, context);
    let mend = match connection["state"].as_str().unwrap_or_default() {
        "connected" => return Finding::good(what, shown),
        "refused" => "copy BotID and Secret from the robot's page (API模式 → 长连接), and restart the gateway",
        "replaced" => {
            "WeCom keeps one connection a robot: stop the other program, or give it a robot of its own, and restart this gateway"
        }
        _ => "check wecom.smart_robot_url, DNS, proxy (wecom.proxy) and firewall; it is tried again by itself",
    };
    let code = connection["code"].as_i64().filter(|code| *code > 0).map(|code| code.to_string());
    Finding { code, ..Finding::bad(what, shown, mend) }
}

fn data_dir(config: &Config) -> Finding {
    let what = "data_dir";
    let probe = config.data_dir.join(".doctor");
    let existed = config.data_dir.is_dir();
    let tried = std::fs::create_dir_all(&config.data_dir)
        .and_then(|()| std::fs::write(&probe, b""))
        .and_then(|()| std::fs::remove_file(&probe));
    if !existed {
        // Leave nothing behind that was not there; a directory with files in it stays.
        let _only_if_empty = std::fs::remove_dir(&config.data_dir);
    }
    match tried {
        Ok(()) => Finding::good(what, format!("{} can be written to", config.data_dir.display())),
        Err(error) => Finding::bad(
            what,
            format!("{}: {error}", config.data_dir.display()),
            "set data_dir to a directory of this user's",
        ),
    }
}

/// Whether the master key file is there, private, and the one that this ledger was sealed with.
fn key_file(config: &Config) -> Finding {
    let what = "encryption key file";
    let found = match backends::look_at_key_file(&config.data_dir, config.encryption.key_file.as_deref()) {
        Ok(found) => found,
        Err(OpenError::KeyMissing { key_file, .. }) => {
            return Finding::bad(
                what,
                format!("{} is missing or has no key, and the ledger is sealed", key_file.display()),
                "put the right file back, or name it in encryption.key_file; without it what messages say cannot be read",
            );
        }
        Err(error @ (OpenError::KeyNotHeld { .. } | OpenError::WrongKey { .. })) => {
            return Finding::bad(what, error.to_string(), "put the file back that this ledger was sealed with");
        }
        Err(error) => {
            let mend = "let this user read it, and put the right file in its place";
            return Finding::bad(what, format!("{:#}", anyhow::Error::new(error)), mend);
        }
    };
    let shown = found.path.display();
    match (found.keys.last(), found.open_mode) {
        (None, _) => Finding::good(what, format!("{shown} is made at the first start")),
        (_, Some(mode)) => {
            Finding::bad(what, format!("{shown} has mode {mode:o}: others may read it"), format!("chmod 600 {shown}"))
        }
        (Some(newest), None) => {
            Finding::good(what, format!("{shown} is private; key {newest} seals; keep a copy apart from backups"))
        }
    }
}

async fn upstream(config: &Config) -> Vec<Finding> {
    let transport = match app::transport(config) {
        Ok(transport) => transport,
        Err(error) => return vec![Finding::bad("wecom", format!("{error:#}"), "mend wecom.api_base or wecom.proxy")],
    };
    let mut findings = Vec::new();
    if !(config.apps.is_empty() && config.robots.is_empty()) {
        findings.push(clock(config).await);
    }
    for (name, section) in &config.mail {
        findings.push(mail(name, section).await);
    }
    for (name, section) in &config.apps {
        let (Ok(agent), Some(secret)) = (section.agent_id.parse().map(AgentId), section.secret.clone()) else {
            continue;
        };
        let client = Client::builder(transport.clone(), section.corp_id.trim(), secret.0).agent(agent).build();
        findings.extend(application(name, agent, &client).await);
    }
    for (name, section) in &config.robots {
        let Some(key) = &section.key else { continue };
        findings.push(match RobotKey::parse(key.0.expose(), transport.origin()) {
            Ok(key) => robot(name, &RobotClient::new(transport.clone(), key)).await,
            Err(error) => {
                Finding::bad(format!("robots.{name}"), error.to_string(), "copy the key from the robot's page")
            }
        });
    }
    findings
}

/// Connects and logs in, and sends nothing.
async fn mail(name: &str, section: &MailSection) -> Finding {
    let what = format!("mail.{name}");
    let limit = Quota { limit: 1, window: section.timeout.0 };
    let server = match app::mail_server(name, section) {
        Ok(server) => server,
        Err(error) => return Finding::bad(what, format!("{error:#}"), "set it to smtp://… or smtps://…"),
    };
    let connected = match Email::new(name, &server, (1, limit, section.timeout.0)) {
        Ok(email) => email.probe().await,
        Err(error) => return Finding::bad(what, error.to_string(), "mend the option named"),
    };
    match connected {
        Ok(()) => Finding::good(what, "can be reached, and lets us in"),
        Err(reason) => {
            let mend = reason.hint.as_deref().unwrap_or("check host, port, `tls` and the login of its URL");
            Finding::bad(what, reason.text, mend.to_owned())
        }
    }
}

async fn application(name: &str, agent: AgentId, client: &Client) -> Vec<Finding> {
    let credential = format!("apps.{name} corp id and secret");
    let about = client.raw(Method::Get, "/cgi-bin/agent/get", &[("agentid", &agent.to_string())], None).await;
    let answered = |error: &Error| matches!(error.kind(), wecom::ErrorKind::Api { .. });
    match about {
        Ok(about) => vec![
            Finding::good(credential, "WeCom gave an access token"),
            Finding::good(
                format!("apps.{name} agent id"),
                format!("{agent} is \"{}\"", about["name"].as_str().unwrap_or_default()),
            ),
            visible_range(name, &about),
        ],
        Err(error) if error.errcode() == Some(ErrCode::OTHER_AGENT) => vec![
            Finding::good(credential, "WeCom gave an access token"),
            Finding::bad(
                format!("apps.{name} agent id"),
                format!("{agent} does not belong to this secret (301002)"),
                "copy agent id and secret from the same application's page",
            ),
        ],
        Err(error) if matches!(error.kind(), wecom::ErrorKind::NotJson { status: 404, .. }) => vec![
            Finding::good(credential, "WeCom gave an access token"),
            Finding::good(format!("apps.{name} agent id"), "cannot be looked up here (no agent/get)"),
        ],
        Err(error) if answered(&error) && !error.is_auth() => vec![
            Finding::good(credential, "WeCom gave an access token"),
            Finding::of_error(format!("apps.{name} agent id"), &error),
        ],
        Err(error) => vec![Finding::of_error(credential, &error)],
    }
}

fn visible_range(name: &str, about: &Value) -> Finding {
    let count = |pointer: &str| about.pointer(pointer).and_then(Value::as_array).map_or(0, Vec::len);
    let (users, parties, tags) =
        (count("/allow_userinfos/user"), count("/allow_partys/partyid"), count("/allow_tags/tagid"));
    let what = format!("apps.{name} visible range");
    if users + parties + tags == 0 {
        return Finding::bad(
            what,
            "is empty: nobody can be reached",
            "add members or departments: 应用管理 → the application → 可见范围",
        );
    }
    Finding::good(what, format!("{users} members, {parties} departments, {tags} tags"))
}

async fn robot(name: &str, client: &RobotClient) -> Finding {
    let what = format!("robots.{name} key");
    match client.send(RobotMessage::text("")).await {
        Ok(_) => Finding::good(what, "works"),
        Err(error) => match error.errcode() {
            Some(ErrCode(44_004 | 93_017 | 40_058 | 40_008)) => Finding::good(what, "works (nothing was sent)"),
            Some(ErrCode::FREQUENCY_LIMIT) => Finding::good(what, "works, and is at its limit of 20 a minute"),
            _ => Finding::of_error(what, &error),
        },
    }
}

/// Compares this machine's clock with the Date header upstream; a wrong clock breaks TLS and token ends.
async fn clock(config: &Config) -> Finding {
    let origin = config.wecom.api_base.as_str();
    let what = "clock and network";
    let mut http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5));
    if let Some(Ok(proxy)) = config.wecom.proxy.as_ref().map(|proxy| reqwest::Proxy::all(proxy.0.expose())) {
        http = http.proxy(proxy);
    }
    let Ok(http) = http.build() else {
        return Finding::bad(what, "could not make an HTTP client", "report this");
    };
    let answer = match http.head(origin).send().await {
        Ok(answer) => answer,
        Err(error) => {
            // The innermost cause says whether it was DNS, TLS or a refused connection.
            let mut cause: &dyn std::error::Error = &error;
            while let Some(inner) = cause.source() {
                cause = inner;
            }
            let text = format!("{origin} cannot be reached: {cause}");
            return Finding::bad(what, text, "check DNS, proxy (wecom.proxy), firewall and TLS certificates");
        }
    };
    let date = answer.headers().get("date").and_then(|value| value.to_str().ok());
    let theirs = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok()).map(|zoned| zoned.timestamp());
    let Some(theirs) = theirs else { return Finding::good(what, format!("{origin} answers")) };
    let off = jiff::Timestamp::now().duration_since(theirs).unsigned_abs();
    if off > CLOCK_TOLERANCE {
        let text = format!("this machine's clock is {} s off", off.as_secs());
        return Finding::bad(what, text, "synchronise it: timedatectl set-ntp true");
    }
    Finding::good(what, format!("{origin} answers; the clock is {} s off", off.as_secs()))
}
