//! F34: JSON that is too deep, too large, ambiguous or none at all, at every door that takes JSON.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use hyper::Method;
use serde_json::{Value, json};
use trials::http::{Answer, exchange};
use trials::load::quantile;
use trials::machine;
use trials::program::KEY;

use crate::Trial;
use crate::house::House;

const HOOK_SECRET: &str = "canary-hook-secret-0123456789abcdef";
/// How long an answer may take after the body is in.
const ANSWERED_WITHIN: Duration = Duration::from_millis(50);
/// How much longer an unoptimised build on a machine with other work may take.
const UNOPTIMISED: u32 = 10;
/// How much more memory than before may be resident, in bodies of the largest size that the door takes.
const BODIES: f64 = 2.0;
/// What an allocator and the threads' stacks add to any figure of a process, in MB.
const NOISE_MB: f64 = 2.0;
/// 50 MB, and a million recipients.
const LARGE: usize = 50_000_000;
const MANY: usize = 1_000_000;

/// A door: how it is knocked on, and a body that is good but for one field.
struct Door {
    method: &'static str,
    path: String,
    key: String,
    /// The body's beginning and end; between them stands the field.
    around: (&'static str, &'static str),
    /// The field that takes what is wrong.
    field: &'static str,
    /// The field that lists recipients, and one of them; where there is none, the other field lists them.
    recipients: Option<(&'static str, &'static str)>,
    /// The largest body that it takes, in MB.
    limit_mb: f64,
}

pub(crate) async fn run(trial: &Trial) -> anyhow::Result<Value> {
    let mut house = House::prepare(trial).await?;
    let hook = |source, template| {
        format!(
            "[hooks.{source}]\nsource = \"{source}\"\nsecret = \"{HOOK_SECRET}\"\nto = [\"user:m1\"]\ntemplate = \"{template}\"\n"
        )
    };
    house.configure(&[hook("generic", "hooks.zabbix"), hook("alertmanager", "hooks.alertmanager")].concat())?;
    house.open().await?;
    let doors = doors(&house).await?;
    let rounds = trial.either(3, 15);
    let limit = trial.either(UNOPTIMISED, 1) * ANSWERED_WITHIN;
    let mut slowest = (Duration::ZERO, String::new());
    let mut largest = (0.0_f64, String::new());
    for door in &doors {
        for (what, body) in door.bad_bodies() {
            let name = format!("{what} at {}", door.path.split('?').next().unwrap_or_default());
            // The first fills caches and pools.
            door.knock(&house, &body).await.with_context(|| name.clone())?;
            machine::forget_peak(house.pid())?;
            let before = machine::rss_mb(house.pid());
            let mut took = Vec::new();
            for _ in 0..rounds {
                took.push(door.knock(&house, &body).await.with_context(|| name.clone())?);
            }
            let (median, grew) = (quantile(&took, 0.5), machine::peak_rss_mb(house.pid()) - before);
            ensure!(median <= limit, "{name}: answered after {median:?}");
            ensure!(
                grew <= BODIES * door.limit_mb + NOISE_MB,
                "{name}: {grew:.1} MB more, with bodies of at most {} MB",
                door.limit_mb
            );
            if median > slowest.0 {
                slowest = (median, name.clone());
            }
            if grew / door.limit_mb > largest.0 {
                largest = (grew / door.limit_mb, name);
            }
        }
    }
    ensure!(house.process.as_mut().context("a gateway")?.ended()?.is_none(), "the gateway has ended");
    let log = std::fs::read_to_string(house.gateway.log())?;
    ensure!(!log.contains("panicked"), "it panicked");
    ensure!(house.simulator.taken().await? == 0, "something was sent");
    Ok(json!({
        "doors": doors.len(), "kinds": doors[0].bad_bodies().len(), "panics": 0,
        "slowest_median_ms": slowest.0.as_secs_f64() * 1e3, "slowest": slowest.1, "limit_ms": limit.as_secs_f64() * 1e3,
        "most_memory_in_bodies": largest.0, "most_memory": largest.1,
    }))
}

async fn doors(house: &House) -> anyhow::Result<Vec<Door>> {
    let key = json!({ "caller": "front", "kind": "front" }).to_string();
    let made = house.gateway.connection().request(Method::POST, "/v1/keys", key).await?.json();
    let secret = made["key"].as_str().with_context(|| format!("a front key: {made}"))?.to_owned();
    let path = format!("/cgi-bin/gettoken?corpid=wwdemo0000000001&corpsecret={secret}");
    let token = house.gateway.connection().request(Method::GET, &path, "").await?.json();
    let token = token["access_token"].as_str().with_context(|| format!("a token: {token}"))?;
    let door = |method, path: &str, around, field, recipients| Door {
        method,
        path: path.to_owned(),
        key: KEY.to_owned(),
        around,
        field,
        recipients,
        limit_mb: 1.05,
    };
    let message = (r#"{"to":{"users":["m1"]},"text":"x","#, "}");
    let alerts = (r#"{"version":"4","groupKey":"g","status":"firing","receiver":"r","#, r#","alerts":[]}"#);
    let user = Some(("users", r#""m1""#));
    Ok(vec![
        door("POST", "/v1/messages", message, "metadata", user),
        // What has no line's end is one line.
        door("POST", "/v1/messages/batch", message, "metadata", user),
        Door { key: HOOK_SECRET.to_owned(), ..door("POST", "/hooks/generic/generic", ("{", "}"), "field", None) },
        Door { key: HOOK_SECRET.to_owned(), ..door("POST", "/hooks/alertmanager/alertmanager", alerts, "field", None) },
        door("PUT", "/v1/templates/x", (r#"{"makes":"text","source":"x","#, "}"), "variables", None),
        door("PUT", "/v1/schedules/x", (r#"{"cron":"0 8 * * *","#, "}"), "message", user),
        Door {
            limit_mb: 33.6,
            ..door("POST", "/v1/broadcasts", (r#"{"message":{"text":"x"},"#, "}"), "tiers", Some(("people", r#""m1""#)))
        },
        door(
            "POST",
            &format!("/cgi-bin/message/send?access_token={token}"),
            (r#"{"touser":"m1","msgtype":"text","agentid":1000002,"text":{"content":"x"},"#, "}"),
            "x",
            None,
        ),
        door("PUT", "/v1/directory/people", (r#"[{"userid":"m1","#, "}]"), "identities", None),
    ])
}

impl Door {
    fn body(&self, value: &[u8]) -> Bytes {
        let (before, after) = self.around;
        [before.as_bytes(), b"\"", self.field.as_bytes(), b"\":", value, after.as_bytes()].concat().into()
    }

    fn bad_bodies(&self) -> Vec<(&'static str, Bytes)> {
        let good = self.body(b"{}");
        let list = |one: &str| format!("[{}{one}]", format!("{one},").repeat(MANY - 1));
        let many = match self.recipients {
            Some((field @ "people", one)) => self.body(format!(r#"[{{"{field}":{}}}]"#, list(one)).as_bytes()),
            Some((field, one)) if self.field == "message" => {
                self.body(format!(r#"{{"to":{{"{field}":{}}},"text":"x"}}"#, list(one)).as_bytes())
            }
            Some((field, one)) => format!(r#"{{"to":{{"{field}":{}}},"text":"x"}}"#, list(one)).into(),
            None => self.body(list(r#""m1""#).as_bytes()),
        };
        vec![
            ("ten thousand levels", self.body(format!("{}{}", "[".repeat(10_000), "]".repeat(10_000)).as_bytes())),
            ("50 MB", self.body(format!("\"{}\"", "x".repeat(LARGE)).as_bytes())),
            ("a name twice", self.body(br#"{"a":1,"a":2}"#)),
            ("a name twice at the top", self.body(format!(r#"{{}},"{}":{{}}"#, self.field).as_bytes())),
            ("NaN", self.body(b"NaN")),
            ("a byte-order mark", [b"\xef\xbb\xbf", &good[..]].concat().into()),
            ("bytes that are no UTF-8", self.body(b"\"\xff\xfe\"")),
            ("an end that is missing", good.slice(..good.len() - 1)),
            ("a million recipients", many),
        ]
    }

    /// Sends a bad body; returns how long after it was in it was refused.
    async fn knock(&self, house: &House, body: &Bytes) -> anyhow::Result<Duration> {
        let authorization = format!("Bearer {}", self.key);
        let call = (self.method, self.path.as_str(), "application/json");
        let (answer, took) = exchange(house.gateway.address, call, &authorization, body.clone()).await?;
        self.is_refusal(&answer).with_context(|| format!("{}: {:?}", answer.status, answer.body))?;
        Ok(took)
    }

    fn is_refusal(&self, answer: &Answer) -> anyhow::Result<()> {
        let refused = if self.path.starts_with("/cgi-bin") {
            answer.json()["errcode"].as_i64().is_some_and(|errcode| errcode > 0)
        } else if self.path.ends_with("/batch") && answer.status == 200 {
            let mut lines = answer.body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).peekable();
            let status = |line| serde_json::from_slice::<Value>(line).ok().and_then(|line| line["status"].as_u64());
            lines.peek().is_some() && lines.all(|line| status(line).is_some_and(|status| (400..500).contains(&status)))
        } else {
            answer.status.is_client_error() && answer.json()["error"]["code"].is_string()
        };
        ensure!(refused, "it was not refused");
        Ok(())
    }
}
