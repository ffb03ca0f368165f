//! Smart robots: the SDK's long connection and URL mode against the simulator's.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::RawQuery;
use axum::routing::get;
use wecom::callback::{EncodingAesKey, Query};
use wecom::fetch::Reach;
use wecom::smart_robot::{
    ConnectionEvent, ConnectionSettings, Conversation, LongConnection, LongConnectionError, MediaKind, MediaReply,
    Receiver, Reply, RobotContent, StreamReply, Told, download, respond,
};
use wecom_sim::{Fault, RobotSaid, RobotWhat, Running, Sent, Trouble};

use crate::{start, transport};

const BOT: &str = "aibdemo";
const SECRET: &str = "demo-bot-secret";

fn settings(simulator: &Running) -> ConnectionSettings {
    ConnectionSettings::new(BOT, SECRET)
        .url(simulator.origin.replace("http", "ws"))
        .ack_timeout(Duration::from_millis(500))
        .reconnect(Duration::from_millis(20), 5)
}

async fn connect(simulator: &Running) -> LongConnection {
    let mut robot = LongConnection::open(transport(simulator), settings(simulator)).await.unwrap();
    assert!(matches!(robot.next().await, Some(ConnectionEvent::Connected)));
    robot
}

fn says(userid: &str, what: RobotWhat) -> RobotSaid {
    RobotSaid { bot_id: BOT.into(), userid: userid.into(), chatid: None, msgid: None, what }
}

async fn tell(simulator: &Running, robot: &mut LongConnection, what: RobotWhat) -> Told {
    let told = simulator.control.tell_robot(&says("zhangsan", what)).await;
    assert_eq!(told.error, None);
    match robot.next().await {
        Some(ConnectionEvent::Told(told)) => *told,
        other => panic!("{other:?}"),
    }
}

fn code(result: Result<(), LongConnectionError>) -> i64 {
    result.unwrap_err().errcode().unwrap().0
}

fn last(simulator: &Running) -> Sent {
    simulator.control.outbox().pop().unwrap()
}

#[tokio::test]
async fn a_robot_is_told_answers_and_writes_first() {
    let simulator = start().await;
    let mut robot = connect(&simulator).await;
    let sender = robot.sender();
    let nobody = Conversation::Member("zhangsan".into());
    assert_eq!(code(sender.push(&nobody, &Reply::Markdown("x".into())).await), 93_006, "nobody spoke to it yet");
    let told = tell(&simulator, &mut robot, RobotWhat::Text("排产进度？".into())).await;
    assert_eq!(told.callback.content, RobotContent::Text("排产进度？".into()));
    sender.reply(&told, &Reply::finished("**80%**")).await.unwrap();
    assert_eq!(last(&simulator).body["stream"]["content"], "**80%**");
    sender.push(&nobody, &Reply::Markdown("完成".into())).await.unwrap();
    let welcome = tell(&simulator, &mut robot, RobotWhat::EnterChat).await;
    sender.reply(&welcome, &Reply::Text("你好".into())).await.unwrap();
    assert_eq!(code(sender.reply(&welcome, &Reply::Text("again".into())).await), 846_606);
    assert_eq!(simulator.control.outbox().len(), 3);
}

#[tokio::test]
async fn a_stream_grows_in_one_message_and_goes_on_as_another_after_its_limit() {
    let simulator = start().await;
    let mut robot =
        LongConnection::open(transport(&simulator), settings(&simulator).stream_limit(Duration::from_millis(300)))
            .await
            .unwrap();
    robot.next().await.unwrap();
    let sender = robot.sender();
    let told = tell(&simulator, &mut robot, RobotWhat::Text("?".into())).await;
    let mut stream = sender.stream(&told);
    for text in ["一", "一二", "一二三"] {
        stream.show(text).await.unwrap();
    }
    stream.finish("一二三四").await.unwrap();
    assert_eq!(simulator.control.outbox().len(), 1);
    assert_eq!(last(&simulator).body["stream"]["content"], "一二三四");

    let told = tell(&simulator, &mut robot, RobotWhat::Text("slow?".into())).await;
    let mut slow = sender.stream(&told);
    slow.show("想一想").await.unwrap();
    tokio::time::sleep(Duration::from_millis(450)).await;
    assert_eq!(last(&simulator).body["stream"]["finish"], true, "finished before WeCom would");
    slow.show("not shown any more").await.unwrap();
    slow.finish("想好了").await.unwrap();
    assert_eq!(last(&simulator).body["markdown"]["content"], "想好了");
    assert_eq!(simulator.control.outbox().len(), 3);
}

#[tokio::test]
async fn the_six_minutes_and_the_quota_of_a_conversation_are_kept() {
    let simulator = start().await;
    let mut robot = connect(&simulator).await;
    let sender = robot.sender();
    let told = tell(&simulator, &mut robot, RobotWhat::Text("?".into())).await;
    let state =
        |finish| Reply::Stream(StreamReply { id: "s1".into(), finish, content: "x".into(), ..Default::default() });
    sender.reply(&told, &state(false)).await.unwrap();
    simulator.control.advance(Duration::from_secs(361));
    assert_eq!(code(sender.reply(&told, &state(true)).await), 846_608);
    let to = Conversation::Member("zhangsan".into());
    for _ in 0..30 {
        sender.push(&to, &Reply::Markdown("x".into())).await.unwrap();
    }
    assert_eq!(code(sender.push(&to, &Reply::Markdown("x".into())).await), 846_607);
    simulator.control.advance(Duration::from_secs(86_400));
    assert_eq!(code(sender.reply(&told, &Reply::finished("late")).await), 846_604);
}

#[tokio::test]
async fn a_wrong_secret_is_an_error_and_a_second_connection_replaces_the_first() {
    let simulator = start().await;
    let url = simulator.origin.replace("http", "ws");
    let wrong = ConnectionSettings::new(BOT, "wrong").url(&url);
    let refused = LongConnection::open(transport(&simulator), wrong).await.unwrap_err();
    assert_eq!((refused.errcode().unwrap().0, refused.is_transient()), (853_000, false));
    let mut first = connect(&simulator).await;
    let second = connect(&simulator).await;
    assert!(matches!(first.next().await, Some(ConnectionEvent::Replaced)));
    assert!(first.next().await.is_none(), "it does not fight for the place");
    drop(second);
}

#[tokio::test]
async fn a_broken_connection_is_made_anew_and_what_waits_is_sent() {
    let simulator = start().await;
    let address = simulator.origin.replace("http://", "");
    // A line that can be cut.
    let line = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let through = format!("ws://{}", line.local_addr().unwrap());
    let (cut, _) = tokio::sync::broadcast::channel::<()>(4);
    let cutter = cut.clone();
    tokio::spawn(async move {
        while let Ok((mut near, _)) = line.accept().await {
            let mut far = tokio::net::TcpStream::connect(&address).await.unwrap();
            let mut cut = cutter.subscribe();
            tokio::spawn(async move {
                tokio::select! {
                    _ended = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                    _cut = cut.recv() => {}
                }
            });
        }
    });
    let mut robot = LongConnection::open(transport(&simulator), settings(&simulator).url(through)).await.unwrap();
    robot.next().await.unwrap();
    let told = tell(&simulator, &mut robot, RobotWhat::Text("hello".into())).await;
    cut.send(()).unwrap();
    assert!(matches!(robot.next().await, Some(ConnectionEvent::Lost { .. })));
    let to = Conversation::Member(told.callback.userid.clone().unwrap());
    robot.sender().push(&to, &Reply::Markdown("还在".into())).await.unwrap();
    assert!(matches!(robot.next().await, Some(ConnectionEvent::Connected)));
    assert_eq!(last(&simulator).body["markdown"]["content"], "还在");
}

#[tokio::test]
async fn what_came_before_a_connection_is_closed_is_handed_over_and_a_dropped_one_does_not_come_back() {
    let simulator = start().await;
    let robot = connect(&simulator).await;
    for i in 0..3 {
        let told = simulator.control.tell_robot(&says("zhangsan", RobotWhat::Text(i.to_string()))).await;
        assert_eq!(told.error, None);
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    let rest = robot.close().await;
    assert_eq!(rest.iter().filter(|event| matches!(event, ConnectionEvent::Told(_))).count(), 3, "{rest:?}");
    let patient = settings(&simulator).reconnect(Duration::from_millis(200), 5);
    let mut robot = LongConnection::open(transport(&simulator), patient).await.unwrap();
    robot.next().await.unwrap();
    simulator.control.fault(Fault::new(Trouble::ResetBefore).on("aibot_send_msg").times(1));
    let to = Conversation::Member("zhangsan".into());
    let sender = robot.sender();
    let push = tokio::spawn(async move { sender.push(&to, &Reply::Markdown("x".into())).await });
    assert!(matches!(robot.next().await, Some(ConnectionEvent::Lost { .. })));
    push.abort();
    drop(robot);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(subscriptions(&simulator), 2, "nobody asked it to come back");
}

fn subscriptions(simulator: &Running) -> usize {
    simulator.control.requests().iter().filter(|request| request.path == "/aibot/aibot_subscribe").count()
}

#[tokio::test]
async fn an_answer_that_is_not_acknowledged_does_not_hold_up_the_next() {
    let simulator = start().await;
    let mut robot = connect(&simulator).await;
    let told = tell(&simulator, &mut robot, RobotWhat::Text("?".into())).await;
    simulator.control.fault(Fault::new(Trouble::Hang).on("aibot_respond_msg").times(1));
    let sender = robot.sender();
    let (first, second) = (Reply::finished("first"), Reply::finished("second"));
    let (first, second) = tokio::join!(sender.reply(&told, &first), sender.reply(&told, &second));
    assert!(matches!(first, Err(LongConnectionError::NoAcknowledgement)));
    second.unwrap();
    assert_eq!(last(&simulator).body["stream"]["content"], "second");
}

#[tokio::test]
async fn a_file_goes_up_in_chunks_and_one_that_is_sent_is_opened() {
    let simulator = start().await;
    let mut robot = connect(&simulator).await;
    let sender = robot.sender();
    let content: Vec<u8> = (0..1_300_000_u32).map(|i| (i % 253) as u8).collect();
    let media_id = sender.upload(MediaKind::File, "排产.xlsx", content.into()).await.unwrap();
    let chunks = simulator.control.requests().iter().filter(|r| r.path.ends_with("media_chunk")).count();
    assert_eq!(chunks, 3);
    let sent = RobotWhat::File { name: "问题.txt".into(), content: "哪台机器？".into() };
    let told = tell(&simulator, &mut robot, sent).await;
    sender.reply(&told, &Reply::File(MediaReply { media_id })).await.unwrap();
    let RobotContent::File(media) = told.callback.content else { panic!() };
    let file = download(&media, None, Reach::PublicAndLoopback).await.unwrap();
    assert_eq!((&*file.content, file.file_name.as_deref()), ("哪台机器？".as_bytes(), Some("问题.txt")));
    assert!(download(&media, None, Reach::Public).await.is_err(), "a URL from outside does not lead inside");
    let small = sender.upload(MediaKind::Voice, "a.amr", vec![0; 4].into()).await;
    assert!(matches!(small, Err(LongConnectionError::Invalid(_))));
}

/// A robot's own server: answers in three states, the third the last.
async fn url_robot(nonce: Option<&'static str>) -> String {
    let key = EncodingAesKey::parse("q1Os1ZMe0nG28KUEx9lg3HjK7V5QyXvi212fzsgDqgz").unwrap();
    let receiver = Receiver::new("robotTok", key);
    let verifier = receiver.clone();
    let asked = Arc::new(AtomicU32::new(0));
    let verify = async move |RawQuery(query): RawQuery| {
        verifier.verify(&Query::parse(query.as_deref().unwrap_or_default())).unwrap_or_default()
    };
    let receive = async move |RawQuery(query): RawQuery, body: Bytes| {
        let mut query = Query::parse(query.as_deref().unwrap_or_default());
        let callback = receiver.receive(&query, &body).unwrap();
        let state = asked.fetch_add(1, Ordering::Relaxed) + 1;
        let id = match callback.content {
            RobotContent::StreamRefresh { id } => id,
            _ => callback.msgid,
        };
        if let Some(nonce) = nonce {
            query.nonce = nonce.into();
        }
        let stream = StreamReply { id, finish: state == 3, content: "x".repeat(state as usize), ..Default::default() };
        receiver.reply(&query, &Reply::Stream(stream))
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/robot", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, Router::new().route("/robot", get(verify).post(receive))).into_future());
    url
}

#[tokio::test]
async fn by_url_a_stream_is_asked_for_until_it_is_finished_and_one_more_answer_is_taken() {
    let simulator = start().await;
    let url = url_robot(None).await;
    let key = "q1Os1ZMe0nG28KUEx9lg3HjK7V5QyXvi212fzsgDqgz";
    simulator.control.set_robot_url(BOT, &url, "robotTok", key).await.unwrap();
    let told = simulator.control.tell_robot(&says("lisi", RobotWhat::Text("?".into()))).await;
    assert_eq!((told.error, told.replies.len()), (None, 3));
    assert_eq!(simulator.control.outbox().len(), 1);
    assert_eq!(last(&simulator).body["stream"]["content"], "xxx");
}

#[tokio::test]
async fn a_reply_by_url_with_another_nonce_is_refused() {
    let simulator = start().await;
    let url = url_robot(Some("other")).await;
    let key = "q1Os1ZMe0nG28KUEx9lg3HjK7V5QyXvi212fzsgDqgz";
    simulator.control.set_robot_url(BOT, &url, "robotTok", key).await.unwrap();
    let told = simulator.control.tell_robot(&says("lisi", RobotWhat::Text("?".into()))).await;
    assert_eq!(told.error.as_deref(), Some("the answer's nonce is not the callback's"));
}

#[tokio::test]
async fn a_response_url_is_good_once() {
    let simulator = start().await;
    // A robot that says nothing at once, and keeps the URL.
    let key = EncodingAesKey::parse("q1Os1ZMe0nG28KUEx9lg3HjK7V5QyXvi212fzsgDqgz").unwrap();
    let receiver = Receiver::new("robotTok", key);
    let verifier = receiver.clone();
    let (keep, mut kept) = tokio::sync::mpsc::unbounded_channel();
    let verify = async move |RawQuery(query): RawQuery| {
        verifier.verify(&Query::parse(query.as_deref().unwrap_or_default())).unwrap_or_default()
    };
    let receive = async move |RawQuery(query): RawQuery, body: Bytes| {
        let query = Query::parse(query.as_deref().unwrap_or_default());
        keep.send(receiver.receive(&query, &body).unwrap().response_url.unwrap()).unwrap();
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/robot", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, Router::new().route("/robot", get(verify).post(receive))).into_future());
    let aes_key = "q1Os1ZMe0nG28KUEx9lg3HjK7V5QyXvi212fzsgDqgz";
    simulator.control.set_robot_url(BOT, &url, "robotTok", aes_key).await.unwrap();
    simulator.control.tell_robot(&says("lisi", RobotWhat::Text("?".into()))).await;
    let response_url = kept.recv().await.unwrap();
    let transport = transport(&simulator);
    respond(&transport, &response_url, &Reply::Markdown("**好**".into())).await.unwrap();
    assert!(respond(&transport, &response_url, &Reply::Markdown("again".into())).await.is_err());
    assert_eq!(last(&simulator).body["markdown"]["content"], "**好**");
}
