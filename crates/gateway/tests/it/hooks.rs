//! Hooks: what monitoring, CI and code systems really post, proven, told once, as it should look.
//!
//! `HONGYAN_WRITE_SNAPSHOTS=1 cargo test -p hongyan --test it hooks::` writes anew what each recorded body should look like.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use hongyan::config::{Config, HookSection, SecretText, Span};
use serde_json::{Value, json};

use crate::kit::{Answer, TestHouse};

pub(crate) const SECRET: &str = "whsec-canary-hook-0123456789";

pub(crate) fn hook(source: &str) -> HookSection {
    HookSection {
        source: source.to_owned(),
        secret: Some(SecretText(SECRET.into())),
        secret_file: None,
        to: vec!["robot:default".to_owned()],
        route: None,
        app: None,
        template: None,
        priority: None,
        tags: Vec::new(),
        networks: Vec::new(),
        repeats: Span::seconds(300),
        caller: None,
    }
}

fn with_hook(source: &'static str) -> impl FnOnce(&mut Config) {
    move |config| {
        config.hooks.insert("h".to_owned(), hook(source));
    }
}

fn fixture(path: &str) -> PathBuf {
    PathBuf::from(format!("{}/../../fixtures/hooks/{path}", env!("CARGO_MANIFEST_DIR")))
}

fn recorded(path: &str) -> String {
    let path = fixture(&format!("{path}.json"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Posts without a key of ours.
async fn post(house: &TestHouse, path: &str, body: &str, headers: &[(&str, &str)]) -> Answer {
    let nobody = crate::kit::Caller { key: String::new(), ..house.caller.clone() };
    nobody.request(reqwest::Method::POST, path, Some(body.to_owned()), headers).await
}

fn bearer() -> String {
    format!("Bearer {SECRET}")
}

/// A recorded body, and the headers that say what it is.
type Recorded = (&'static str, &'static [(&'static str, &'static str)]);

const RECORDED: &[Recorded] = &[
    ("alertmanager/firing", &[]),
    ("alertmanager/resolved", &[]),
    ("grafana/firing", &[]),
    ("grafana/resolved", &[]),
    ("grafana/test", &[]),
    ("github/ping", &[("x-github-event", "ping")]),
    ("github/push", &[("x-github-event", "push")]),
    ("github/push_many", &[("x-github-event", "push")]),
    ("github/push_tag", &[("x-github-event", "push")]),
    ("github/push_delete", &[("x-github-event", "push")]),
    ("github/pull_request_opened", &[("x-github-event", "pull_request")]),
    ("github/pull_request_merged", &[("x-github-event", "pull_request")]),
    ("github/issues_opened", &[("x-github-event", "issues")]),
    ("github/issues_closed", &[("x-github-event", "issues")]),
    ("github/issue_comment", &[("x-github-event", "issue_comment")]),
    ("github/workflow_run_failure", &[("x-github-event", "workflow_run")]),
    ("github/workflow_run_success", &[("x-github-event", "workflow_run")]),
    ("github/release", &[("x-github-event", "release")]),
    ("github/star", &[("x-github-event", "star")]),
    ("gitlab/push", &[("x-gitlab-event", "Push Hook")]),
    ("gitlab/tag_push", &[("x-gitlab-event", "Tag Push Hook")]),
    ("gitlab/merge_request_open", &[("x-gitlab-event", "Merge Request Hook")]),
    ("gitlab/merge_request_merge", &[("x-gitlab-event", "Merge Request Hook")]),
    ("gitlab/issue", &[("x-gitlab-event", "Issue Hook")]),
    ("gitlab/note_merge_request", &[("x-gitlab-event", "Note Hook")]),
    ("gitlab/note_commit", &[("x-gitlab-event", "Note Hook")]),
    ("gitlab/pipeline_failed", &[("x-gitlab-event", "Pipeline Hook")]),
    ("gitlab/pipeline_success", &[("x-gitlab-event", "Pipeline Hook")]),
    ("gitlab/job_failed", &[("x-gitlab-event", "Job Hook")]),
    ("gitlab/wiki_page", &[("x-gitlab-event", "Wiki Page Hook")]),
    ("gitea/push", &[("x-gitea-event", "push")]),
    ("gitea/pull_request_opened", &[("x-gitea-event", "pull_request")]),
    ("gitea/pull_request_merged", &[("x-gitea-event", "pull_request")]),
    ("gitea/issues_closed", &[("x-gitea-event", "issues")]),
    ("gitea/issue_comment", &[("x-gitea-event", "issue_comment")]),
    ("gitea/release", &[("x-gitea-event", "release")]),
    ("jenkins/started", &[]),
    ("jenkins/failure", &[]),
    ("jenkins/success", &[]),
    ("jenkins/outbound_failure", &[]),
    ("sentry/event_alert", &[("sentry-hook-resource", "event_alert")]),
    ("sentry/error", &[("sentry-hook-resource", "error")]),
    ("sentry/issue_created", &[("sentry-hook-resource", "issue")]),
    ("sentry/issue_resolved", &[("sentry-hook-resource", "issue")]),
    ("sentry/metric_alert_critical", &[("sentry-hook-resource", "metric_alert")]),
    ("sentry/metric_alert_resolved", &[("sentry-hook-resource", "metric_alert")]),
    ("sentry/comment", &[("sentry-hook-resource", "comment")]),
    ("sentry/plugin", &[]),
    ("zabbix/problem", &[]),
    ("zabbix/update", &[]),
    ("zabbix/resolved", &[]),
    ("generic/order", &[]),
];

/// How a source proves itself, as it really does.
fn proof(source: &str, body: &str) -> Vec<(&'static str, String)> {
    let signed = |before: &str| pipeline::signature::of(SECRET.as_bytes(), &[before.as_bytes(), body.as_bytes()]);
    match source {
        "github" => vec![("x-hub-signature-256", format!("sha256={}", signed("")))],
        "gitea" => vec![("x-gitea-signature", signed(""))],
        "gitlab" => vec![("x-gitlab-token", SECRET.to_owned())],
        "sentry" => vec![("sentry-hook-signature", signed(""))],
        "grafana" => {
            let now = seconds_from_now(0);
            let signature = signed(&format!("{now}:"));
            vec![("x-grafana-alerting-signature", signature), ("x-grafana-alerting-timestamp", now)]
        }
        "jenkins" => vec![("authorization", format!("Basic {}", base64_of(&format!("hongyan:{SECRET}"))))],
        _ => vec![("authorization", bearer())],
    }
}

fn seconds_from_now(later: i64) -> String {
    let now = pipeline::ports::SystemClock::new();
    (pipeline::ports::Clock::now(&now).as_millis() / 1000 + later).to_string()
}

/// Compares with what it should look like, or writes that down.
#[expect(clippy::disallowed_methods, reason = "only whoever changes a template sets it, and no setting of the product")]
fn assert_looks(path: &str, markdown: &str) {
    let file = fixture(&format!("{path}.md"));
    if std::env::var_os("HONGYAN_WRITE_SNAPSHOTS").is_some() {
        std::fs::write(&file, format!("{markdown}\n")).unwrap();
    }
    let expected = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    assert_eq!(markdown, expected.trim_end_matches('\n'), "{path}");
    assert!(markdown.len() <= 1700, "{path} has {} bytes", markdown.len());
}

#[tokio::test]
async fn every_recorded_body_looks_as_it_should() {
    let house = TestHouse::start_with(|config| {
        for (number, source) in folders().into_iter().enumerate() {
            // No robot gets more than its twenty a minute.
            let to = vec![if number % 8 == 0 {
                "robot:default".to_owned()
            } else {
                format!("robot:robot{}", number % 8 + 1)
            }];
            let template = (source == "generic").then(|| "order".to_owned());
            config.hooks.insert(source.clone(), HookSection { to, template, ..hook(&source) });
        }
    })
    .await;
    let template = json!({
        "source": "### {{ order }} {{ customer }}\n{% for line in lines %}> {{ line.item }} {{ line.date }}{% if line.late %} <font color=\"warning\">延期</font>{% endif %}\n{% endfor %}[订单]({{ body.url|url }})",
        "makes": "markdown",
    });
    let kept = house.caller.request(reqwest::Method::PUT, "/v1/templates/order", Some(template.to_string()), &[]).await;
    assert!(kept.status < 300, "{}", kept.text);
    for (path, named) in RECORDED {
        let (source, body) = (path.split('/').next().unwrap(), recorded(path));
        let proof = proof(source, &body);
        let headers: Vec<(&str, &str)> =
            named.iter().copied().chain(proof.iter().map(|(name, value)| (*name, value.as_str()))).collect();
        let seen = house.simulator.control.outbox().len();
        let answer = post(&house, &format!("/hooks/{source}/{source}"), &body, &headers).await;
        if *path == "github/ping" {
            assert_eq!((answer.status, answer.json()["messages"].clone()), (200, json!([])), "{}", answer.text);
            continue;
        }
        assert_eq!(answer.status, 202, "{path} {}", answer.text);
        let message = house.caller.settled(answer.json()["messages"][0]["id"].as_str().unwrap()).await;
        assert_eq!(message["state"], "delivered", "{path} {message:#}");
        let outbox = house.simulator.control.outbox();
        assert_eq!(outbox.len(), seen + 1, "{path}");
        assert_looks(path, outbox[seen].body["markdown"]["content"].as_str().unwrap());
        let tags = message["tags"].as_array().unwrap();
        assert_eq!(tags[0], source, "{path}");
    }
    house.stop().await;
}

/// The sources of which bodies were recorded.
fn folders() -> Vec<String> {
    let folders = std::fs::read_dir(fixture("")).unwrap().map(|folder| folder.unwrap().path());
    let names = folders.filter(|path| path.is_dir()).map(|path| path.file_name().unwrap().to_str().unwrap().to_owned());
    names.collect::<BTreeSet<_>>().into_iter().collect()
}

#[test]
fn every_source_has_recorded_bodies_and_every_body_is_tried() {
    let mut sources = ingress::hooks::sources();
    sources.sort_unstable();
    assert_eq!(folders(), sources);
    let files = folders().into_iter().flat_map(|source| {
        let files = std::fs::read_dir(fixture(&source)).unwrap().map(|file| file.unwrap().path());
        let stems = files.filter(|file| file.extension().is_some_and(|ending| ending == "json"));
        stems.map(move |file| format!("{source}/{}", file.file_stem().unwrap().to_str().unwrap())).collect::<Vec<_>>()
    });
    let tried: BTreeSet<String> = RECORDED.iter().map(|(path, _)| (*path).to_owned()).collect();
    assert_eq!(files.collect::<BTreeSet<_>>(), tried);
}

#[tokio::test]
async fn the_other_of_a_pair_tells_nothing_new() {
    let house = TestHouse::start_with(with_hook("alertmanager")).await;
    let body = recorded("alertmanager/firing");
    let answer = post(&house, "/hooks/alertmanager/h", &body, &[("authorization", &bearer())]).await;
    house.caller.settled(answer.json()["messages"][0]["id"].as_str().unwrap()).await;
    let mut other: Value = serde_json::from_str(&body).unwrap();
    other["externalURL"] = json!("http://am-2:9093");
    let again = post(&house, "/hooks/alertmanager/h", &other.to_string(), &[("authorization", &bearer())]).await;
    assert_eq!(again.json()["messages"][0]["state"], "duplicate", "{}", again.text);
    let over =
        post(&house, "/hooks/alertmanager/h", &recorded("alertmanager/resolved"), &[("authorization", &bearer())])
            .await;
    house.caller.settled(over.json()["messages"][0]["id"].as_str().unwrap()).await;
    assert_eq!(house.simulator.control.outbox().len(), 2);
    house.stop().await;
}

/// S11: a bad signature, an old time, a request that was taken before: 401, and nothing else happens.
#[tokio::test]
async fn what_is_signed_otherwise_or_long_ago_or_before_is_refused() {
    let house = TestHouse::start_with(|config| {
        for source in ["grafana", "github", "gitea", "sentry", "gitlab", "zabbix"] {
            config.hooks.insert(source.to_owned(), hook(source));
        }
    })
    .await;
    let key = SECRET.as_bytes();
    let of = |secret: &[u8], before: &str, body: &str| {
        pipeline::signature::of(secret, &[before.as_bytes(), body.as_bytes()])
    };
    // Signed with another secret, over another body, in another form.
    for (source, header, prefix) in [
        ("github", "x-hub-signature-256", "sha256="),
        ("gitea", "x-gitea-signature", ""),
        ("sentry", "sentry-hook-signature", ""),
        ("grafana", "x-grafana-alerting-signature", ""),
    ] {
        let body = "{}";
        for wrong in [of(b"another", "", body), of(key, "", "{} "), String::new(), "é".to_owned(), "0".repeat(64)] {
            let answer =
                post(&house, &format!("/hooks/{source}/{source}"), body, &[(header, &format!("{prefix}{wrong}"))])
                    .await;
            assert_eq!(answer.error().0, 401, "{source} {wrong} {}", answer.text);
        }
    }
    let wrong = post(&house, "/hooks/gitlab/gitlab", "{}", &[("x-gitlab-token", "another")]).await;
    assert_eq!(wrong.status, 401);
    // Grafana's time is signed with the body: it can be neither old, nor another, nor used again.
    let body = recorded("grafana/firing");
    let send = async |at: &str, signature: &str| {
        let headers = [("x-grafana-alerting-signature", signature), ("x-grafana-alerting-timestamp", at)];
        post(&house, "/hooks/grafana/grafana", &body, &headers).await.status
    };
    let (now, old, ahead) = (seconds_from_now(0), seconds_from_now(-301), seconds_from_now(302));
    let signature = |at: &str| of(key, &format!("{at}:"), &body);
    assert_eq!(send(&old, &signature(&old)).await, 401);
    assert_eq!(send(&ahead, &signature(&ahead)).await, 401);
    assert_eq!(send("soon", &signature("soon")).await, 401);
    assert_eq!(send(&now, &signature(&old)).await, 401);
    assert_eq!(send(&now, &of(key, "", &body)).await, 401);
    assert_eq!(house.simulator.control.outbox().len(), 0);
    assert_eq!(send(&now, &signature(&now)).await, 202);
    assert_eq!(send(&now, &signature(&now)).await, 401, "taken twice");
    assert_eq!(send(&now, &signature(&now).to_uppercase()).await, 401, "taken twice, written otherwise");
    // Our own scheme, which every source may use.
    let body = recorded("zabbix/problem");
    let ours = async |at: &str, nonce: &str, signature: &str| {
        let headers = [("x-hongyan-timestamp", at), ("x-hongyan-nonce", nonce), ("x-hongyan-signature", signature)];
        post(&house, "/hooks/zabbix/zabbix", &body, &headers).await.status
    };
    let signature = |at: &str, nonce: &str| format!("v1={}", of(key, &format!("{at}\n{nonce}\n"), &body));
    assert_eq!(ours(&old, "n1", &signature(&old, "n1")).await, 401);
    assert_eq!(ours(&now, "n1", &signature(&now, "n2")).await, 401);
    assert_eq!(ours(&now, "", &signature(&now, "")).await, 401);
    assert_eq!(ours(&now, "n1", "v1=00").await, 401);
    assert_eq!(ours(&now, "n1", &signature(&now, "n1")).await, 202);
    assert_eq!(ours(&now, "n1", &signature(&now, "n1")).await, 401, "taken twice");
    assert_eq!(ours(&now, "n2", &signature(&now, "n2")).await, 202);
    let messages = house.caller.get("/v1/messages").await.json();
    assert_eq!(messages["messages"].as_array().unwrap().len(), 3, "{messages:#}");
    house.stop().await;
}

/// F34: whatever comes instead of what the source writes is a 4xx, soon, and the gateway stands.
#[tokio::test]
async fn a_body_that_cannot_be_read_is_refused_by_every_source() {
    let house = TestHouse::start_with(|config| {
        for source in ingress::hooks::sources() {
            let template = (source == "generic").then(|| "order".to_owned());
            config.hooks.insert(source.to_owned(), HookSection { template, ..hook(source) });
        }
    })
    .await;
    let deep = format!("{}{}", "{\"a\":".repeat(10_000), "1");
    let closed = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
    let large = format!("{{\"status\":\"{}\"}}", "x".repeat(2 * 1024 * 1024));
    let path = format!("/{SECRET}");
    for source in ingress::hooks::sources() {
        let hook = format!("/hooks/{source}/{source}{path}");
        let named = [("x-github-event", "push"), ("x-gitea-event", "push"), ("sentry-hook-resource", "issue")];
        for (body, status) in [
            (large.as_bytes(), 413),
            (deep.as_bytes(), 422),
            (closed.as_bytes(), 422),
            (b"{\"status\": NaN}", 422),
            (b"\xEF\xBB\xBF{\"status\": \"firing\"}", 422),
            (b"{\"status\": \"\xFF\xFE\"}", 422),
            (b"{\"status\": \"\xED\xA0\x80\"}", 422),
            (b"", 422),
            (b"\0", 422),
            (b"\"text\"", 422),
            (b"null", 422),
        ] {
            let started = Instant::now();
            let mut request = house.caller.http.post(format!("{}{hook}", house.caller.origin)).body(body.to_vec());
            for (name, value) in named {
                request = request.header(name, value);
            }
            let answer = request.send().await.unwrap();
            let shown = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
            assert_eq!(answer.status().as_u16(), status, "{source} {shown}");
            let error: Value = answer.json().await.unwrap();
            assert!(error["error"]["message"].is_string(), "{source} {shown} {error}");
            assert!(started.elapsed() < Duration::from_secs(2), "{source} {shown} took {:?}", started.elapsed());
        }
    }
    assert_eq!(house.simulator.control.outbox().len(), 0);
    assert_eq!(house.caller.get("/v1/messages").await.json()["messages"].as_array().unwrap().len(), 0);
    house.stop().await;
}

#[tokio::test]
async fn who_does_not_prove_itself_is_refused_and_tires_the_hook() {
    let house = TestHouse::start_with(with_hook("alertmanager")).await;
    let body = recorded("alertmanager/firing");
    let path = format!("/hooks/alertmanager/h/{SECRET}");
    let basic = format!("Basic {}", base64_of(&format!("any:{SECRET}")));
    for (path, headers, status) in [
        ("/hooks/alertmanager/h", vec![], 401),
        ("/hooks/alertmanager/h", vec![("authorization", "Bearer wrong")], 401),
        ("/hooks/alertmanager/h/wrong", vec![], 401),
        ("/hooks/alertmanager/h?token=whsec-canary-hook-0123456789", vec![], 401),
        ("/hooks/grafana/h", vec![("authorization", "Bearer wrong")], 404),
        ("/hooks/alertmanager/other", vec![], 404),
        (path.as_str(), vec![], 202),
        ("/hooks/alertmanager/h", vec![("authorization", basic.as_str())], 202),
    ] {
        let answer = post(&house, path, &body, &headers).await;
        assert_eq!(answer.status, status, "{path} {headers:?} {}", answer.text);
    }
    for _ in 0..16 {
        post(&house, "/hooks/alertmanager/h/guess", &body, &[]).await;
    }
    let tired = post(&house, path.as_str(), &body, &[]).await;
    assert_eq!((tired.status, tired.headers.contains_key("retry-after")), (429, true), "{}", tired.text);
    // What proved itself came twice: the second time as a repeat.
    for message in house.caller.get("/v1/messages").await.json()["messages"].as_array().unwrap() {
        house.caller.settled(message["id"].as_str().unwrap()).await;
    }
    assert_eq!(house.simulator.control.outbox().len(), 1);
    house.stop().await;
}

#[tokio::test]
async fn a_hook_is_called_from_its_networks_alone() {
    let house = TestHouse::start_with(|config| {
        let networks = vec!["10.0.0.0/8".parse().unwrap()];
        config.hooks.insert("h".to_owned(), HookSection { networks, ..hook("alertmanager") });
    })
    .await;
    let refused = post(&house, "/hooks/alertmanager/h", "{}", &[("authorization", &bearer())]).await;
    assert_eq!(refused.error().1, "ip_not_allowed");
    assert!(refused.text.contains("127.0.0.1"), "{}", refused.text);
    house.stop().await;
}

fn base64_of(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}
