//! Keys, scopes, isolation, and what must never be shown.

use serde_json::json;
use wecom_sim::{Fault, Trouble};

use crate::kit::{Caller, KEY, ROBOT, SECRET, TestHouse, text_to};

/// Every path of the description, with an id filled in.
fn described() -> Vec<(String, String)> {
    let description = serde_json::to_value(ingress::http::description()).unwrap();
    let mut found = Vec::new();
    for (path, methods) in description["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            found.push((
                method.to_uppercase(),
                path.replace("{id}", "msg_01K2ZK8Q0ZJ4M8W3T000000000").replace("{prefix}", "hk_1"),
            ));
        }
    }
    found.extend(
        ["/metrics", "/openapi.json", "/docs/", "/v1/anything"].map(|path| ("GET".to_owned(), path.to_owned())),
    );
    found
}

#[tokio::test]
async fn without_a_key_only_health_is_answered() {
    let house = TestHouse::start().await;
    for (method, path) in described() {
        for key in ["", "hk_wrong", "Bearer", KEY.trim_end_matches('f')] {
            let caller = Caller { key: key.to_owned(), ..house.caller.clone() };
            let answer = caller.request(method.parse().unwrap(), &path, None, &[]).await;
            assert_eq!(answer.status, 401, "{method} {path} with `{key}`: {}", answer.text);
        }
        // A key in the URL is never read.
        let caller = Caller { key: String::new(), ..house.caller.clone() };
        let answer = caller
            .request(method.parse().unwrap(), &format!("{path}?token={KEY}&access_token={KEY}&key={KEY}"), None, &[])
            .await;
        assert!(matches!(answer.status, 401 | 404), "{method} {path}");
    }
    let nobody = Caller { key: String::new(), ..house.caller.clone() };
    for path in ["/healthz", "/readyz"] {
        assert_eq!(nobody.get(path).await.status, 200, "{path}");
    }
    for path in ["/metrics", "/openapi.json"] {
        assert_eq!(house.caller.get(path).await.status, 200, "{path}");
    }
    house.stop().await;
}

#[tokio::test]
async fn metrics_are_open_to_this_machine_where_configured_and_to_no_other_host_name() {
    let house = TestHouse::start_with(|config| config.metrics.open = true).await;
    let nobody = Caller { key: String::new(), ..house.caller.clone() };
    assert_eq!(nobody.get("/metrics").await.status, 200);
    assert_eq!(nobody.request(reqwest::Method::GET, "/metrics", None, &[("host", "evil.example")]).await.status, 401);
    assert_eq!(nobody.get("/v1/messages").await.status, 401);
    house.stop().await;
}

#[tokio::test]
async fn a_demo_answers_loopback_host_names_only() {
    let house = TestHouse::start_with(|config| config.loopback_hosts_only = true).await;
    for (host, status) in [
        ("localhost", 200),
        ("127.0.0.1:80", 200),
        ("[::1]:80", 200),
        ("evil.example", 403),
        ("127.0.0.1.evil.example", 403),
    ] {
        let answer = house.caller.request(reqwest::Method::GET, "/healthz", None, &[("host", host)]).await;
        assert_eq!(answer.status, status, "{host}");
    }
    house.stop().await;
}

#[tokio::test]
async fn a_key_does_what_its_scopes_and_lists_say_until_it_is_revoked() {
    let house = TestHouse::start().await;
    let reader = house.caller("reader", json!({ "scopes": ["read"] })).await;
    let sender = house
        .caller("sender", json!({ "scopes": ["send"], "robots": ["robot2"], "apps": ["second"], "parties": ["2"] }))
        .await;
    assert_eq!(reader.submit(text_to(&["zhangsan"], "x")).await.error().0, 403);
    assert_eq!(reader.get("/v1/keys").await.status, 403);
    assert_eq!(sender.get("/v1/messages").await.status, 403);
    for (to, app, status) in [
        (json!({ "robots": ["robot2"] }), "second", 202),
        (json!({ "robots": ["robot3"] }), "second", 403),
        (json!({ "users": ["zhangsan"] }), "second", 202),
        (json!({ "users": ["zhangsan"] }), "default", 403),
        (json!({ "parties": [2] }), "second", 202),
        (json!({ "parties": [1] }), "second", 403),
        (json!({ "all": true }), "second", 403),
    ] {
        let answer = sender.submit(json!({ "to": to, "app": app, "text": "x" })).await;
        assert_eq!(answer.status, status, "{to} by {app}: {}", answer.text);
    }
    let keys = house.caller.get("/v1/keys").await;
    assert!(!keys.text.contains(&sender.key) && !keys.text.contains(&reader.key));
    let prefix = &sender.key[..11];
    assert_eq!(
        house.caller.request(reqwest::Method::DELETE, &format!("/v1/keys/{prefix}"), None, &[]).await.status,
        204
    );
    assert_eq!(sender.submit(json!({ "to": { "robots": ["robot2"] }, "text": "x" })).await.status, 401);
    let soon = (jiff::Timestamp::now() + std::time::Duration::from_millis(300)).to_string();
    let brief = house.caller("brief", json!({ "expires_at": soon })).await;
    assert_eq!(brief.get("/v1/messages").await.status, 200);
    tokio::time::sleep(std::time::Duration::from_millis(350)).await;
    assert_eq!(brief.get("/v1/messages").await.status, 401);
    house.stop().await;
}

#[tokio::test]
async fn a_key_of_a_network_works_from_there_alone_whatever_a_header_says() {
    let near = TestHouse::start().await;
    let (here, away) = (json!({ "networks": ["127.0.0.0/8"] }), json!({ "networks": ["10.0.0.0/8", "192.0.2.7"] }));
    assert_eq!(near.caller("near", here.clone()).await.submit(text_to(&["lisi"], "x")).await.status, 202);
    let far = near.caller("far", away.clone()).await;
    let spoofed = [("x-forwarded-for", "10.1.2.3")];
    for headers in [&[][..], &spoofed[..]] {
        let body = Some(text_to(&["lisi"], "x").to_string());
        let refused = far.request(reqwest::Method::POST, "/v1/messages", body, headers).await;
        assert_eq!((refused.status, refused.error().1.as_str()), (403, "ip_not_allowed"), "{}", refused.text);
        assert!(refused.text.contains("IP not allowed: 127.0.0.1"), "{}", refused.text);
    }
    let wrong = near.caller.post("/v1/keys", json!({ "caller": "x", "networks": ["all"] }).to_string()).await;
    assert_eq!(wrong.error().2, "networks[0]");
    near.stop().await;
    let behind =
        TestHouse::start_with(|config| config.http.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()]).await;
    let far = behind.caller("far", away).await;
    let through = far.request(reqwest::Method::GET, "/v1/messages", None, &spoofed).await;
    assert_eq!(through.status, 200, "{}", through.text);
    let near = behind.caller("near", here).await;
    let refused = near.request(reqwest::Method::GET, "/v1/messages", None, &[("x-forwarded-for", "203.0.113.9")]).await;
    assert!(refused.text.contains("IP not allowed: 203.0.113.9"), "{}", refused.text);
    behind.stop().await;
}

#[tokio::test]
async fn a_caller_sees_and_changes_its_own_messages_only() {
    let house = TestHouse::start().await;
    let (one, two) = (house.caller("one", json!({})).await, house.caller("two", json!({})).await);
    let later =
        json!({ "to": { "users": ["zhangsan"] }, "text": "mine", "send_at": "2099-01-01T00:00:00Z", "tags": ["t"] });
    let id = one.accepted(later).await;
    for (method, path) in [("GET", ""), ("POST", "/cancel"), ("POST", "/retry"), ("POST", "/recall")] {
        let answer = two.request(method.parse().unwrap(), &format!("/v1/messages/{id}{path}"), None, &[]).await;
        assert_eq!(answer.error().0, 404, "{method} {path}");
    }
    for query in ["", "?tag=t", "?recipient=user:zhangsan", "?state=accepted"] {
        assert_eq!(two.get(&format!("/v1/messages{query}")).await.json()["messages"], json!([]), "{query}");
        assert_eq!(
            one.get(&format!("/v1/messages{query}")).await.json()["messages"].as_array().unwrap().len(),
            1,
            "{query}"
        );
    }
    assert_eq!(one.message(&id).await["state"], "accepted");
    assert_eq!(house.caller.message(&id).await["caller"], "one");
    house.stop().await;
}

#[tokio::test]
async fn injection_strings_are_only_text() {
    let house = TestHouse::start().await;
    let nasty = "x' OR 1=1; DROP TABLE message; --\"\\\u{0}%_";
    house.caller.accepted(json!({ "to": { "users": ["zhangsan"] }, "text": nasty, "tags": ["ok"] })).await;
    let encoded: String = url::form_urlencoded::byte_serialize(nasty.as_bytes()).collect();
    for name in ["tag", "recipient", "state", "since", "cursor"] {
        let answer = house.caller.get(&format!("/v1/messages?{name}={encoded}")).await;
        let empty = answer.status == 200 && answer.json()["messages"] == json!([]);
        assert!(empty || answer.status == 422, "{name}: {}", answer.text);
    }
    assert_eq!(house.caller.get(&format!("/v1/messages/{encoded}")).await.status, 404);
    assert_eq!(house.caller.get("/v1/messages?tag=ok").await.json()["messages"].as_array().unwrap().len(), 1);
    house.stop().await;
}

#[tokio::test]
async fn no_secret_is_shown_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let house = TestHouse::start_with(|config| config.data_dir = data.clone()).await;
    let sender = house.caller("erp", json!({})).await;
    house.simulator.control.fault(Fault::new(Trouble::ResetAfter).times(2));
    house.simulator.control.fault(Fault::new(Trouble::Html).times(2));
    sender.delivered(json!({ "to": { "users": ["zhangsan"], "robots": ["default"] }, "text": "x" })).await;
    let record = house.caller.get("/v1/messages").await.text;
    let metrics = house.caller.get("/metrics").await.text;
    let keys = house.caller.get("/v1/keys").await.text;
    let shown = toml::to_string(&house.config).unwrap() + &format!("{:?}", house.config);
    house.stop().await;
    let mut stored = Vec::new();
    for folder in [data.clone(), data.join("tokens")] {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                stored.extend(std::fs::read(path).unwrap());
            }
        }
    }
    let stored = String::from_utf8_lossy(&stored);
    for (where_, text) in [
        ("the record", record.as_str()),
        ("the metrics", &metrics),
        ("the keys", &keys),
        ("the configuration", &shown),
        ("the files", &stored),
    ] {
        for canary in [KEY, SECRET, ROBOT, sender.key.as_str()] {
            assert!(!text.contains(canary), "{canary} is in {where_}");
        }
    }
}

/// An upstream with a certificate of its own, which answers every request with success.
async fn self_signed_upstream() -> String {
    let own = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(tls));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 27\r\n\r\n{\"errcode\":0,\"errmsg\":\"ok\"}";
            let _ignored = tokio::io::AsyncWriteExt::write_all(&mut stream, answer).await;
        }
    });
    origin
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_refused() {
    let transport = wecom::Transport::builder().origin(self_signed_upstream().await).build().unwrap();
    let key = wecom::RobotKey::parse("k", transport.origin()).unwrap();
    let robot = wecom::RobotClient::new(transport, key);
    let error = robot.send(wecom::api::robot::RobotMessage::text("x")).await.unwrap_err();
    assert_eq!(error.kind(), &wecom::ErrorKind::Connect);
    let mut causes = String::new();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        causes = format!("{causes} {error}");
        cause = error.source();
    }
    assert!(causes.to_lowercase().contains("certificate"), "{causes}");
}
