//! SDK and simulator, two readings of the same documents, talk.

use std::time::Duration;

use wecom::api::media::{UploadKind, UploadMedia};
use wecom::api::message::{DuplicateCheck, File, MessageContent, RecallMessage, SendMessage};
use wecom::api::robot::{RobotContent, RobotImage, RobotMessage, RobotUploadKind};
use wecom::{Client, ErrCode, FileTokenStore, Method};
use wecom_sim::Target;

use crate::{CORP, client, robot, start, transport};

#[tokio::test]
async fn a_text_reaches_whom_it_can_and_names_the_others() {
    let simulator = start().await;
    let sent = client(&simulator).send(SendMessage::to_users(["ZhangSan", "Ghost"]).text("disk full")).await.unwrap();
    assert_eq!(sent.invaliduser, ["ghost"]);
    let outbox = simulator.control.outbox();
    assert!(matches!(&outbox[0].target, Target::App { users, .. } if users == &["zhangsan"]));
    assert_eq!(outbox[0].text(), Some("disk full"));
}

#[tokio::test]
async fn departments_tags_and_everybody_are_resolved() {
    let simulator = start().await;
    let client = client(&simulator);
    for (message, expected) in [
        (SendMessage::to_parties(["2"]), vec!["lisi", "wangwu"]),
        (SendMessage::to_parties(["1"]), vec!["lisi", "wangwu", "zhangsan"]),
        (SendMessage::to_tags(["1"]), vec!["lisi", "zhangsan"]),
        (SendMessage::to_all(), vec!["lisi", "wangwu", "zhangsan"]),
    ] {
        client.send(message.text("x")).await.unwrap();
        let last = simulator.control.outbox().pop().unwrap();
        assert!(matches!(&last.target, Target::App { users, .. } if *users == expected), "{last:?}");
    }
}

#[tokio::test]
async fn an_unlicensed_member_is_named() {
    let simulator = start().await;
    simulator.control.license("lisi", false);
    let sent = client(&simulator).send(SendMessage::to_users(["lisi", "zhangsan"]).text("x")).await.unwrap();
    assert_eq!(sent.unlicenseduser, ["lisi"]);
}

#[tokio::test]
async fn a_hundred_concurrent_calls_fetch_one_token_and_one_more_per_revocation() {
    let simulator = start().await;
    let client = client(&simulator);
    let storm = || async {
        let calls = (0..100).map(|i| {
            let client = client.clone();
            async move { client.send(SendMessage::to_users(["zhangsan"]).text(i.to_string())).await }
        });
        futures::future::join_all(calls).await.into_iter().for_each(|result| assert!(result.is_ok(), "{result:?}"));
    };
    storm().await;
    assert_eq!(simulator.control.counts().gettoken, 1);
    simulator.control.kill_tokens(None);
    storm().await;
    assert_eq!(simulator.control.counts().gettoken, 2);
    simulator.control.expire_tokens(None);
    storm().await;
    assert_eq!(simulator.control.counts().gettoken, 3);
}

#[tokio::test]
async fn a_wrong_secret_is_tried_once_a_minute() {
    let simulator = start().await;
    let client = Client::builder(transport(&simulator), CORP, "wrong").build();
    for _ in 0..10 {
        let error = client.send(SendMessage::to_users(["a"]).text("x")).await.unwrap_err();
        assert_eq!(error.errcode(), Some(ErrCode::INVALID_CREDENTIAL));
        assert!(error.is_auth() && !error.may_have_been_taken());
    }
    assert_eq!(simulator.control.counts().gettoken, 1);
}

#[tokio::test]
async fn twenty_runs_of_a_script_fetch_one_token() {
    let simulator = start().await;
    let folder = tempfile::tempdir().unwrap();
    for run in 0..20 {
        let store = std::sync::Arc::new(FileTokenStore::new(folder.path()));
        let client = Client::builder(transport(&simulator), CORP, "demo-secret")
            .agent(wecom::AgentId(1_000_002))
            .token_store(store)
            .build();
        client.send(SendMessage::to_users(["zhangsan"]).text(run.to_string())).await.unwrap();
    }
    assert_eq!(simulator.control.counts().gettoken, 1);
}

#[tokio::test]
async fn the_duplicate_check_swallows_an_identical_request_inside_its_interval() {
    let simulator = start().await;
    let client = client(&simulator);
    let message =
        || SendMessage::to_users(["zhangsan"]).text("once").duplicate_check(Some(DuplicateCheck { interval: 600 }));
    let first = client.send(message()).await.unwrap();
    let second = client.send(message()).await.unwrap();
    assert_ne!(first.msgid, second.msgid);
    let seen = || simulator.control.outbox().iter().filter(|sent| sent.is_seen()).count();
    assert_eq!(seen(), 1);
    client.send(message().duplicate_check(None)).await.unwrap();
    assert_eq!(seen(), 2, "without the check a repeat is a repeat");
    simulator.control.advance(Duration::from_secs(601));
    client.send(message()).await.unwrap();
    assert_eq!(seen(), 3);
}

#[tokio::test]
async fn the_thirty_first_message_a_minute_to_a_member_is_dropped_without_a_word() {
    let simulator = start().await;
    let client = client(&simulator);
    for i in 0..31 {
        client.send(SendMessage::to_users(["zhangsan"]).text(i.to_string())).await.unwrap();
    }
    assert_eq!(simulator.control.counts().dropped, 1);
}

#[tokio::test]
async fn a_message_is_recalled_within_a_day_by_its_own_application() {
    let simulator = start().await;
    let client = client(&simulator);
    let send = || async { client.send(SendMessage::to_users(["zhangsan"]).text("oops")).await.unwrap().msgid.unwrap() };
    let msgid = send().await;
    let other = Client::builder(transport(&simulator), CORP, "demo-secret-2").build();
    let refused = other.send(RecallMessage { msgid: msgid.clone() }).await.unwrap_err();
    assert_eq!(refused.errcode(), Some(ErrCode::INVALID_PARAMETER));
    client.send(RecallMessage { msgid }).await.unwrap();
    assert!(simulator.control.outbox()[0].recalled);
    let old = send().await;
    simulator.control.advance(Duration::from_secs(24 * 3600 + 1));
    assert_eq!(client.send(RecallMessage { msgid: old }).await.unwrap_err().errcode(), Some(ErrCode::RECALL_TOO_LATE));
}

#[tokio::test]
async fn an_uploaded_file_is_sent_until_it_expires() {
    let simulator = start().await;
    let client = client(&simulator);
    let uploaded = client.upload(UploadKind::File, UploadMedia::bytes("生产计划.txt", "six bytes")).await.unwrap();
    let file = || MessageContent::File(File { media_id: uploaded.media_id.clone() });
    client.send(SendMessage::to_users(["zhangsan"]).content(file())).await.unwrap();
    simulator.control.advance(Duration::from_secs(3 * 24 * 3600 + 1));
    let expired = client.send(SendMessage::to_users(["zhangsan"]).content(file())).await.unwrap_err();
    assert_eq!(expired.errcode(), Some(ErrCode::INVALID_MEDIA_ID));
}

#[tokio::test]
async fn a_robot_sends_text_picture_and_its_own_file() {
    let simulator = start().await;
    let robot = robot(&simulator);
    robot.send(RobotMessage::text("hello").mention_all()).await.unwrap();
    robot.send(RobotMessage::new(RobotContent::Image(RobotImage::of(b"a picture")))).await.unwrap();
    let uploaded = robot.upload(RobotUploadKind::File, UploadMedia::bytes("a.txt", "six bytes")).await.unwrap();
    robot.send(RobotMessage::new(RobotContent::File(File { media_id: uploaded.media_id }))).await.unwrap();
    assert_eq!(simulator.control.outbox().len(), 3);
}

#[tokio::test]
async fn the_second_door_calls_what_has_no_type() {
    let simulator = start().await;
    let about =
        client(&simulator).raw(Method::Get, "/cgi-bin/agent/get", &[("agentid", "1000002")], None).await.unwrap();
    assert_eq!(about["name"], "通知");
}
