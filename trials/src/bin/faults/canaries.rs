//! F48, of every secret there is: each is used, rightly and wrongly, with logs at `trace`; then it is looked for wherever it
//! could have gone.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use hyper::Method;
use serde_json::{Value, json};
use trials::http::{Connection, exchange};
use trials::program::{KEY, SECRET};
use trials::receiver::{Manner, Receiver};
use trials::simulator::robot_key;

use crate::Trial;
use crate::callbacks::{self, say};
use crate::house::House;

const HOOK: &str = "canary-hook-secret-0123456789abcdef";
const CONTACTS: &str = "canary-contacts-secret-0123456789abcdef01234";
const VARIABLE: &str = "canary-variable-4711";
const TEXT: &str = "canary-text-4712";

/// What was found out about the row, to be looked through.
struct Shown {
    texts: Vec<(String, String)>,
}

pub(crate) async fn run(trial: &Trial) -> anyhow::Result<Value> {
    let receiver = Receiver::start().await?;
    let mut house = House::prepare(trial).await?;
    house.set("HONGYAN__LOG__LEVEL", "trace");
    house.configure(&format!(
        "{}\n[hooks.alerts]\nsource = \"alertmanager\"\nsecret = \"{HOOK}\"\nto = [\"user:m1\"]\n\
         [directory]\nsync = \"contacts\"\ncontacts_secret = \"{CONTACTS}\"\n",
        callbacks::configuration(&receiver)
    ))?;
    house.open().await?;
    let mut shown = Shown { texts: Vec::new() };
    let made = traffic(&house, &receiver, &mut shown).await?;
    let refused = wrong(&house, &made, &mut shown).await?;
    for path in ["/metrics", "/v1/audit", "/v1/keys", "/v1/callbacks", "/v1/webhooks", "/v1/encryption"] {
        let answer = house.gateway.connection().request(Method::GET, path, "").await?;
        ensure!(answer.status == 200, "{path}: {}", answer.status);
        shown.texts.push((path.to_owned(), String::from_utf8_lossy(&answer.body).into_owned()));
    }
    let backup = trial.folder.join("backup.sqlite");
    let (mut command, mut dump) = (house.gateway.command(), house.gateway.command());
    command.arg("backup").arg(&backup);
    dump.args(["config", "show"]);
    for mut command in [command, dump] {
        let output = tokio::task::spawn_blocking(move || command.output()).await??;
        let said = [output.stdout, output.stderr].concat();
        shown.texts.push(("a command".to_owned(), String::from_utf8_lossy(&said).into_owned()));
    }
    ensure!(backup.exists(), "there is no backup");
    // Once with what is in the log of the database, once after it was written back.
    let master = std::fs::read_to_string(trial.folder.join("data/master-key"))?;
    let secrets = secrets(&made, &master);
    let mut files = look_through(&trial.folder, &secrets)?;
    house.stop()?;
    files += look_through(&trial.folder, &secrets)?;
    for (name, text) in &shown.texts {
        // What messages say is shown to whoever may read them; secrets are shown to nobody.
        for (what, secret) in secrets.iter().filter(|(what, _)| !what.starts_with("what ")) {
            ensure!(!text.contains(secret.as_str()), "{what} is in {name}: {text:.2000}");
        }
    }
    let traced = std::fs::read_to_string(house.gateway.log())?;
    ensure!(traced.contains("TRACE"), "nothing was logged at trace");
    Ok(json!({
        "secrets": secrets.len(), "files": files, "answers": shown.texts.len(), "refused": refused,
        "log_bytes": traced.len(), "hits": 0,
    }))
}

/// Secrets that were made by the gateway, each with what it is.
type Made = Vec<(&'static str, String)>;

fn secrets(made: &Made, master: &str) -> Vec<(&'static str, String)> {
    let mut secrets: Vec<(&'static str, String)> = [
        ("the first key", KEY.to_owned()),
        ("an application's secret", SECRET.to_owned()),
        ("a robot's key", robot_key(1)),
        ("a callback's token", callbacks::TOKEN.to_owned()),
        ("a callback's AES key", callbacks::KEY.to_owned()),
        ("a hook's secret", HOOK.to_owned()),
        ("a webhook's secret", callbacks::WEBHOOK_SECRET.to_owned()),
        ("the contacts' secret", CONTACTS.to_owned()),
        ("what a variable holds", VARIABLE.to_owned()),
        ("what a message says", TEXT.to_owned()),
        ("a token of WeCom's", "access_token=".to_owned()),
    ]
    .into();
    secrets.extend(made.iter().cloned());
    // Each key is a line; what stands before it names it.
    let keys = master.split_whitespace().filter(|word| word.len() >= 40);
    secrets.extend(keys.map(|word| ("a master key", word.rsplit([':', '=']).next().unwrap_or(word).to_owned())));
    secrets
}

async fn made_key(house: &House, kind: &str) -> anyhow::Result<String> {
    let body = json!({ "caller": kind, "kind": kind, "scopes": ["send", "read"] });
    let body = if kind == "front" { json!({ "caller": kind, "kind": kind }) } else { body };
    let answer = house.gateway.connection().request(Method::POST, "/v1/keys", body.to_string()).await?.json();
    Ok(answer["key"].as_str().with_context(|| format!("a {kind} key: {answer}"))?.to_owned())
}

/// Everything is used as it should be.
async fn traffic(house: &House, receiver: &Receiver, shown: &mut Shown) -> anyhow::Result<Made> {
    let mut made: Made = Vec::new();
    for kind in ["bearer", "signing", "front"] {
        made.push(("a key that was made", made_key(house, kind).await?));
    }
    let front = &made[2].1;
    let mut http = house.gateway.connection();
    let path = format!("/cgi-bin/gettoken?corpid=wwdemo0000000001&corpsecret={front}");
    let token =
        http.request(Method::GET, &path, "").await?.json()["access_token"].as_str().context("a token")?.to_owned();
    let sent = json!({ "touser": "m1", "msgtype": "text", "agentid": 1_000_002, "text": { "content": TEXT } });
    http.request(Method::POST, &format!("/cgi-bin/message/send?access_token={token}"), sent.to_string()).await?;
    made.push(("a token of the front", token));
    let template = json!({ "makes": "text", "source": "hello {{ v }}" }).to_string();
    http.request(Method::PUT, "/v1/templates/t", template).await?;
    let variables = json!({ "v": VARIABLE });
    let templated = json!({ "to": { "users": ["m2"] }, "template": "t", "variables": variables, "webhook": "erp" });
    receiver.behave(Manner::status(500));
    let id = house.accepted(templated.clone()).await?;
    house.settled([&id]).await?;
    receiver.behave(Manner::status(200));
    let schedule = json!({ "cron": "* * * * * *", "message": templated }).to_string();
    http.request(Method::PUT, "/v1/schedules/s", schedule).await?;
    let people = json!([{ "people": [{ "to": "m3", "variables": variables }] }]);
    let broadcast = json!({ "message": { "template": "t" }, "tiers": people }).to_string();
    http.request(Method::POST, "/v1/broadcasts", broadcast).await?;
    say(house, "1", TEXT).await?;
    let alert = json!({
        "version": "4", "groupKey": "g", "status": "firing", "receiver": "r", "externalURL": "",
        "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {},
        "alerts": [{ "status": "firing", "labels": { "alertname": TEXT }, "annotations": {}, "startsAt": "2026-01-01T00:00:00Z" }],
    });
    for secret in [HOOK, "another"] {
        let call = ("POST", "/hooks/alertmanager/alerts", "application/json");
        let body = Bytes::from(alert.to_string());
        let (answer, _) = exchange(house.gateway.address, call, &format!("Bearer {secret}"), body).await?;
        shown.texts.push(("a hook's answer".to_owned(), String::from_utf8_lossy(&answer.body).into_owned()));
    }
    tokio::time::sleep(std::time::Duration::from_millis(2500)).await;
    Ok(made)
}

/// Everything is used as it should not be; returns how many calls were refused.
async fn wrong(house: &House, made: &Made, shown: &mut Shown) -> anyhow::Result<usize> {
    let (bearer, signing, front, token) = (&made[0].1, &made[1].1, &made[2].1, &made[3].1);
    let variables = json!({ "v": VARIABLE });
    let calls = [
        (Method::GET, format!("/v1/messages?token={bearer}"), String::new(), None),
        (Method::GET, "/v1/messages".to_owned(), String::new(), Some(signing.as_str())),
        (Method::GET, "/v1/messages".to_owned(), String::new(), Some(front.as_str())),
        (Method::POST, format!("/hooks/alertmanager/alerts/{HOOK}x"), "{}".to_owned(), None),
        (Method::POST, format!("/hooks/alertmanager/alerts/{HOOK}"), "{".to_owned(), None),
        (Method::GET, format!("/cgi-bin/gettoken?corpid=ww&corpsecret={front}"), String::new(), None),
        (Method::GET, format!("/cgi-bin/user/get?access_token={token}&userid=m1"), String::new(), None),
        (Method::POST, format!("/cgi-bin/webhook/send?key={front}"), "{".to_owned(), None),
        (
            Method::PUT,
            "/v1/templates/t".to_owned(),
            json!({ "makes": "text", "source": "{% if %}" }).to_string(),
            Some(KEY),
        ),
        (
            Method::POST,
            "/v1/messages".to_owned(),
            json!({ "to": { "users": ["m1"] }, "template": "none", "variables": variables }).to_string(),
            Some(KEY),
        ),
        (Method::GET, format!("/nowhere/{bearer}"), String::new(), None),
    ];
    let mut refused = 0;
    for (method, path, body, key) in calls {
        let answer = Connection::new(house.gateway.address, key).request(method, &path, body).await?;
        let errcode = answer.json()["errcode"].as_i64().unwrap_or(0);
        ensure!(answer.status.is_client_error() || errcode != 0, "{path} was answered {}", answer.status);
        refused += 1;
        let name = format!("the answer to {}", path.split(['?', ':']).next().unwrap_or_default());
        let headers = format!("{:?}", answer.headers);
        shown.texts.push((name, headers + &String::from_utf8_lossy(&answer.body)));
    }
    Ok(refused)
}

/// Looks for every secret in every file but those that hold them by their nature; returns how many files there were.
fn look_through(folder: &Path, secrets: &[(&'static str, String)]) -> anyhow::Result<usize> {
    let mut looked = 0;
    let mut folders: Vec<PathBuf> = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            // WeCom's own log, what the trial wrote, and the one file that is the key.
            if ["simulator.log", "hongyan.toml", "master-key"].contains(&name.as_str()) {
                continue;
            }
            let Ok(bytes) = std::fs::read(&path) else { continue };
            for (what, secret) in secrets {
                let found = bytes.windows(secret.len()).position(|window| window == secret.as_bytes());
                if let Some(at) = found {
                    let around = &bytes[at.saturating_sub(200)..(at + 40).min(bytes.len())];
                    anyhow::bail!("{what} is in {name}: {}", String::from_utf8_lossy(around));
                }
            }
            looked += 1;
        }
    }
    Ok(looked)
}
