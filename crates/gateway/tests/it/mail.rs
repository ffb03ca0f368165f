//! Mail, against a real mail server.

use hongyan::config::Config;
use serde_json::json;

use crate::kit::mail::{LOGIN, MailServer};
use crate::kit::{TestHouse, recipients};

async fn house(server: &MailServer, scheme: &str, login: &str) -> TestHouse {
    let section = server.section(scheme, login, "");
    TestHouse::start_with(|config: &mut Config| drop(config.mail.insert("default".to_owned(), section))).await
}

#[tokio::test]
async fn a_mail_goes_out_by_starttls_and_by_tls_with_a_login() {
    for (mode, scheme) in [("starttls", "smtp"), ("tls", "smtps")] {
        let server = MailServer::with_tls(mode);
        let house = house(&server, scheme, LOGIN).await;
        let message = house
            .caller
            .delivered(json!({ "to": { "emails": ["li@example.com"] }, "markdown": "# 生产计划变更\n**7月19日** [看板](https://e.example)" }))
            .await;
        assert_eq!(message["state"], "delivered", "{mode}: {message:#}");
        let note = message["deliveries"][0]["attempts"][0]["reason"]["message"].as_str().unwrap();
        assert!(note.contains("queued as 1"), "{note}");
        let mail = &server.has_taken(1).await[0];
        assert!(mail.contains("X-Tls: True") && mail.contains("X-Envelope-To: li@example.com"), "{mail}");
        assert!(
            mail.contains("text/plain") && mail.contains("text/html") && mail.contains("Subject: =?utf-8?"),
            "{mail}"
        );
        house.stop().await;
    }
}

#[tokio::test]
async fn what_the_server_refuses_for_good_fails_and_what_it_defers_comes_later() {
    let server = MailServer::plain();
    let section = server.plain_section();
    let house = TestHouse::start_with(|config| drop(config.mail.insert("default".to_owned(), section))).await;
    let to = ["gone@example.com", "busy@example.com", "li@example.com"];
    let message = house.caller.delivered(json!({ "to": { "emails": to }, "text": "x" })).await;
    let expected = [
        ("email:gone@example.com", "failed", "550"),
        ("email:busy@example.com", "delivered", ""),
        ("email:li@example.com", "delivered", ""),
    ];
    assert_eq!(
        recipients(&message),
        expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned())),
        "{message:#}"
    );
    let busy = message["deliveries"][1]["attempts"].as_array().unwrap();
    assert_eq!((busy.len(), &busy[0]["reason"]["code"]), (3, &json!("451")));
    house.stop().await;
}

#[tokio::test]
async fn a_wrong_password_holds_the_lane_and_is_never_shown() {
    let server = MailServer::with_tls("starttls");
    let house = house(&server, "smtp", "hongyan:canary-wrong-password").await;
    let id = house.caller.accepted(json!({ "to": { "emails": ["li@example.com"] }, "text": "x" })).await;
    let closed = house.quota_of("email", |lane| lane["state"] != "open").await;
    assert_eq!(closed["waiting"], 1, "{closed}");
    let message = house.caller.message(&id).await;
    assert_eq!(message["recipients"][0]["reason"]["code"], "535", "{message:#}");
    assert!(!message.to_string().contains("canary"));
    house.stop().await;
}

#[tokio::test]
async fn a_mail_that_was_never_answered_is_repeated_or_lost_as_its_route_says() {
    for (risk, taken, state) in [("repeat", 2, "uncertain"), ("lose", 1, "uncertain")] {
        let server = MailServer::plain();
        let mut section = server.plain_section();
        section.timeout = hongyan::config::Span(std::time::Duration::from_millis(300));
        let house = TestHouse::start_with(|config| {
            config.mail.insert("default".to_owned(), section);
            config.retry.attempts = 2;
        })
        .await;
        let route = json!({ "steps": [{ "channel": "email" }], "uncertain": risk });
        let message = house
            .caller
            .delivered(json!({ "to": { "emails": ["slow@example.com"] }, "text": "x", "route": route }))
            .await;
        assert_eq!(message["state"], state, "{message:#}");
        let mails = server.has_taken(taken).await;
        assert_eq!(mails.len(), taken, "{risk}");
        let ids: Vec<&str> =
            mails.iter().flat_map(|mail| mail.lines().filter(|line| line.starts_with("Message-ID"))).collect();
        assert!(ids.windows(2).all(|pair| pair[0] == pair[1]), "a receiver can tell a repeat: {ids:?}");
        house.stop().await;
    }
}

#[tokio::test]
async fn pictures_stand_within_a_mail_and_files_beside_it() {
    let server = MailServer::plain();
    let section = server.plain_section();
    let house = TestHouse::start_with(|config| drop(config.mail.insert("default".to_owned(), section))).await;
    let picture = house.caller.upload("计划.png", b"\x89PNG\r\n\x1a\n0000").await;
    let plan = house.caller.upload("计划.pdf", b"%PDF-1.4 hello").await;
    for (kind, id, wanted) in [("image", picture, "multipart/related"), ("file", plan, "multipart/mixed")] {
        let body = json!({ "to": { "emails": ["li@example.com"] }, kind: { "media_id": id } });
        let message = house.caller.delivered(body).await;
        assert_eq!(message["state"], "delivered", "{message:#}");
        assert!(server.mails().last().unwrap().contains(wanted), "{kind}");
    }
    house.stop().await;
}
