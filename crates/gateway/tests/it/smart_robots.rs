//! Smart robots over the long connection: heard once, answered, told on, changed cards; the connection made again.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use domain::FeedbackRule;
use hongyan::config::{CallbackSection, Config, SecretText};
use ingress::callback::CallbackKind;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use wecom::smart_robot::{ConnectionEvent, ConnectionSettings, LongConnection};
use wecom_sim::{Fault, Options, RobotSaid, RobotTold, RobotWhat, Sent, Simulator};

use crate::kit::process::{Process, command, free_port};
use crate::kit::{TestHouse, text_to};
use crate::webhooks::{Receiver, webhook};

const BOT: &str = "aibdemo";
const SECRET: &str = "demo-bot-secret";

fn rules() -> Vec<FeedbackRule> {
    serde_json::from_value(json!([
        { "keywords": ["帮助"], "reply": "回复「排产」查询" },
        { "events": ["enter_chat"], "reply": "你好" },
        { "keywords": ["审批"], "template": "ask" },
        { "events": ["press"], "keys": ["no"], "template": "refused" },
    ]))
    .unwrap()
}

fn robot(webhook: bool) -> CallbackSection {
    CallbackSection {
        kind: CallbackKind::SmartRobot,
        bot_id: Some(BOT.to_owned()),
        secret: Some(SecretText(SECRET.into())),
        webhook: webhook.then(|| "erp".to_owned()),
        rules: rules(),
        ..CallbackSection::default()
    }
}

fn with_robot(url: &str) -> impl FnOnce(&mut Config) {
    move |config| {
        config.callbacks.insert("planner".to_owned(), robot(true));
        config.webhooks.insert("erp".to_owned(), webhook(url));
        config.fetch_reach = wecom::fetch::Reach::PublicAndLoopback;
    }
}

/// Waits until the robot's connection is so; returns it.
async fn is(house: &TestHouse, state: &str) -> Value {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let callbacks = house.caller.get("/v1/callbacks").await.json();
        let robot = callbacks.as_array().unwrap().iter().find(|callback| !callback["connection"].is_null()).cloned();
        let connection = robot.unwrap_or_default()["connection"].clone();
        if connection["state"] == state {
            return connection;
        }
        assert!(Instant::now() < deadline, "{connection:#}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn tell(house: &TestHouse, what: RobotWhat) -> RobotTold {
    tell_as(house, None, what).await
}

async fn tell_as(house: &TestHouse, msgid: Option<&str>, what: RobotWhat) -> RobotTold {
    let msgid = msgid.map(str::to_owned);
    let said = RobotSaid { bot_id: BOT.into(), userid: "zhangsan".into(), chatid: None, msgid, what };
    let told = house.simulator.control.tell_robot(&said).await;
    assert_eq!(told.error, None);
    told
}

/// Waits until the robot has shown so many messages.
async fn shown(house: &TestHouse, count: usize) -> Vec<Sent> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let outbox = house.simulator.control.outbox();
        if outbox.len() >= count {
            return outbox;
        }
        assert!(Instant::now() < deadline, "{outbox:#?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// How often a command came over the robot's connection.
fn commands(house: &TestHouse, cmd: &str) -> usize {
    let path = format!("/aibot/{cmd}");
    house.simulator.control.requests().iter().filter(|request| request.path == path).count()
}

fn texts(events: &[Value]) -> Vec<String> {
    events.iter().map(|event| event["what"]["text"].as_str().unwrap_or_default().to_owned()).collect()
}

async fn put_card(house: &TestHouse, name: &str, card: Value) {
    let source = json!({ "msgtype": "template_card", "template_card": card }).to_string();
    let body = json!({ "makes": "message", "source": source }).to_string();
    let answer = house.caller.request(reqwest::Method::PUT, &format!("/v1/templates/{name}"), Some(body), &[]).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
}

fn notice(title: &str) -> Value {
    json!({
        "card_type": "text_notice", "main_title": { "title": title },
        "card_action": { "type": 1, "url": "https://example.com" },
    })
}

fn asking() -> Value {
    json!({
        "card_type": "button_interaction", "main_title": { "title": "停机申请" },
        "button_list": [{ "text": "同意", "key": "yes" }, { "text": "驳回", "key": "no" }],
    })
}

#[tokio::test]
async fn a_message_is_answered_over_the_connection_and_told_on_in_order() {
    let (receiver, url) = Receiver::start().await;
    let house = TestHouse::start_with(with_robot(&url)).await;
    is(&house, "connected").await;
    tell(&house, RobotWhat::Text(" 帮助 ".into())).await;
    let answer = shown(&house, 1).await.remove(0);
    assert_eq!(
        (&answer.body["stream"]["content"], &answer.body["stream"]["finish"]),
        (&json!("回复「排产」查询"), &json!(true))
    );
    tell(&house, RobotWhat::EnterChat).await;
    let welcome = shown(&house, 2).await.remove(1);
    assert_eq!((welcome.msgtype.as_str(), &welcome.body["text"]["content"]), ("text", &json!("你好")));
    for i in 0..5 {
        tell(&house, RobotWhat::Text(format!("排产 {i}"))).await;
    }
    tell(&house, RobotWhat::Voice("说的话".into())).await;
    let events = receiver.taken(8).await;
    let expected = [" 帮助 ", "", "排产 0", "排产 1", "排产 2", "排产 3", "排产 4", "说的话"];
    assert_eq!(texts(&events), expected, "in the sender's order");
    assert_eq!((&events[1]["what"]["event"], &events[0]["callback"]), (&json!("enter_chat"), &json!("planner")));
    assert!(!events[0].to_string().contains("req_id"), "{}", events[0]);
    let attempts = house.caller.get("/v1/callbacks/attempts").await.json();
    assert_eq!((&attempts[0]["kind"], attempts[0].get("code")), (&json!("connect"), None), "{attempts:#}");
    assert_eq!(attempts[1]["kind"], "text");
    house.stop().await;
}

#[tokio::test]
async fn a_repeat_has_no_second_effect() {
    let (receiver, url) = Receiver::start().await;
    let house = TestHouse::start_with(with_robot(&url)).await;
    is(&house, "connected").await;
    for _ in 0..3 {
        tell_as(&house, Some("M1"), RobotWhat::Text("帮助".into())).await;
    }
    tell(&house, RobotWhat::Text("最后".into())).await;
    let events = receiver.taken(2).await;
    assert_eq!(texts(&events), ["帮助", "最后"]);
    assert_eq!((shown(&house, 1).await.len(), commands(&house, "aibot_respond_msg")), (1, 1));
    // Nor after a restart; the answer may not have gone out, and is given again.
    let house = house.restart(Arc::new(pipeline::ports::SystemClock::new())).await;
    is(&house, "connected").await;
    tell_as(&house, Some("M1"), RobotWhat::Text("帮助".into())).await;
    tell(&house, RobotWhat::Text("之后".into())).await;
    assert_eq!(texts(&receiver.taken(3).await), ["帮助", "最后", "之后"]);
    house.stop().await;
}

/// A line that can be cut, to an address that is told later; returns the URL of its near end.
async fn line() -> (String, Arc<OnceLock<String>>, broadcast::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let (cut, _) = broadcast::channel::<()>(4);
    let (cutter, to) = (cut.clone(), Arc::new(OnceLock::<String>::new()));
    let address = to.clone();
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let Ok(mut far) = TcpStream::connect(address.get().unwrap()).await else { continue };
            let mut cut = cutter.subscribe();
            tokio::spawn(async move {
                tokio::select! {
                    _ended = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                    _cut = cut.recv() => {}
                }
            });
        }
    });
    (url, to, cut)
}

#[tokio::test]
async fn a_connection_that_breaks_is_made_again_and_nothing_heard_is_lost_or_doubled() {
    let (receiver, url) = Receiver::start().await;
    let (near, to, cut) = line().await;
    let house = TestHouse::start_with(|config| {
        to.set(config.wecom.smart_robot_url.replace("ws://", "")).unwrap();
        config.wecom.smart_robot_url = near;
        with_robot(&url)(config);
    })
    .await;
    let mut expected = Vec::new();
    for round in 0..3 {
        is(&house, "connected").await;
        for i in 0..4 {
            let text = format!("{round}.{i}");
            tell(&house, RobotWhat::Text(text.clone())).await;
            expected.push(text);
        }
        tell(&house, RobotWhat::Text("帮助".into())).await;
        expected.push("帮助".to_owned());
        // Heard, and answered; whether business systems have been told yet, the break does not ask.
        shown(&house, round + 1).await;
        cut.send(()).unwrap();
        let reason = is(&house, "away").await["reason"].clone();
        assert!(reason.is_string(), "{reason}");
    }
    is(&house, "connected").await;
    assert_eq!(texts(&receiver.taken(expected.len()).await), expected);
    tokio::time::sleep(Duration::from_millis(600)).await;
    let events = receiver.taken(expected.len()).await;
    let mut ids: Vec<_> = events.iter().map(|event| event["id"].as_str().unwrap()).collect();
    ids.dedup();
    assert_eq!((ids.len(), house.simulator.control.outbox().len()), (expected.len(), 3));
    assert_eq!(commands(&house, "aibot_subscribe"), 4);
    house.stop().await;
}

#[tokio::test]
async fn a_newer_connection_elsewhere_is_not_fought() {
    let (_receiver, url) = Receiver::start().await;
    // Metrics are the process's: a name of its own tells this robot's from those of tests beside it.
    let house = TestHouse::start_with(|config| {
        with_robot(&url)(config);
        let robot = config.callbacks.remove("planner").unwrap();
        config.callbacks.insert("replaced".to_owned(), robot);
    })
    .await;
    is(&house, "connected").await;
    let connected = async |number: u8| {
        let metrics = house.caller.get("/metrics").await.text;
        let line = format!("hongyan_smart_robot_connected{{callback=\"replaced\"}} {number}");
        assert!(metrics.contains(&line), "{metrics}");
    };
    connected(1).await;
    let transport = wecom::Transport::builder().origin(&house.simulator.origin).build().unwrap();
    let settings = ConnectionSettings::new(BOT, SECRET).url(&house.config.wecom.smart_robot_url);
    let mut other = LongConnection::open(transport, settings).await.unwrap();
    let connection = is(&house, "replaced").await;
    assert_eq!(connection["reason"], "another program connected as this robot");
    assert!(matches!(other.next().await, Some(ConnectionEvent::Connected)));
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(commands(&house, "aibot_subscribe"), 2, "its own and the other's");
    tell(&house, RobotWhat::Text("谁在？".into())).await;
    assert!(matches!(other.next().await, Some(ConnectionEvent::Told(_))));
    let attempts = house.caller.get("/v1/callbacks/attempts").await.json();
    assert_eq!(attempts.as_array().unwrap().last().unwrap()["code"], -1, "{attempts:#}");
    connected(0).await;
    // The next start is the operator's word that the place is this gateway's.
    let house = house.restart(Arc::new(pipeline::ports::SystemClock::new())).await;
    is(&house, "connected").await;
    assert!(matches!(other.next().await, Some(ConnectionEvent::Replaced)));
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doctor_says_how_the_connection_is_and_what_to_do() {
    let robot = |secret: &str, url: &str| {
        format!(
            "[wecom]\nsmart_robot_url = \"{url}\"\n[callbacks.planner]\nkind = \"smart_robot\"\nbot_id = \"{BOT}\"\nsecret = \"{secret}\"\n"
        )
    };
    let good = doctor_of(|url| robot(SECRET, url)).await;
    assert!(good.running.contains("ok    callbacks.planner long connection: connected since"), "{}", good.running);
    assert!(good.stopped.contains("ok    callbacks.planner long connection: has bot_id"), "{}", good.stopped);
    assert!(good.list.contains("planner") && good.list.contains("connected since"), "{}", good.list);
    let wrong = doctor_of(|url| robot("canary-wrong-secret", url)).await;
    for text in ["BAD   callbacks.planner long connection: REFUSED since", "853000", "copy BotID and Secret"] {
        assert!(wrong.running.contains(text), "{text}: {}", wrong.running);
    }
    assert!(!format!("{wrong:?}").contains("canary-wrong-secret"), "{wrong:?}");
    let away = doctor_of(|_| robot(SECRET, "ws://127.0.0.1:1")).await;
    assert!(away.running.contains("NOT CONNECTED since"), "{}", away.running);
}

#[tokio::test]
async fn a_button_changes_its_card_by_rule_or_by_what_a_business_system_answers() {
    let (receiver, url) = Receiver::start().await;
    let house = TestHouse::start_with(with_robot(&url)).await;
    put_card(&house, "ask", asking()).await;
    put_card(&house, "refused", notice("已驳回")).await;
    is(&house, "connected").await;
    tell(&house, RobotWhat::Text("审批".into())).await;
    let card = shown(&house, 1).await.remove(0);
    let (number, task_id) = (card.number, card.body["template_card"]["task_id"].clone());
    assert!(task_id.is_string(), "a card without an id is given one: {card:?}");
    receiver.answer(200, &json!({ "card": notice("张三已同意"), "users": ["zhangsan"] }).to_string());
    tell(&house, RobotWhat::Press { number, key: "yes".into(), selected: Vec::new() }).await;
    let changed = updated(&house, "zhangsan").await;
    assert_eq!(
        (&changed["template_card"]["main_title"]["title"], &changed["template_card"]["task_id"]),
        (&json!("张三已同意"), &task_id)
    );
    let event = receiver.taken(2).await.remove(1);
    assert_eq!((&event["type"], &event["what"]["button"]), (&json!("card.press"), &json!("yes")), "{event:#}");
    // By rule at once; what the business system says then comes second, and is not tried.
    tell(&house, RobotWhat::Press { number, key: "no".into(), selected: Vec::new() }).await;
    assert_eq!(updated(&house, "*").await["template_card"]["main_title"]["title"], "已驳回");
    receiver.taken(3).await;
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert_eq!(commands(&house, "aibot_respond_update_msg"), 2);
    house.stop().await;
}

/// Waits until a card looks otherwise for somebody; returns how.
async fn updated(house: &TestHouse, user: &str) -> Value {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(update) = house.simulator.control.outbox()[0].updates.get(user) {
            return update.clone();
        }
        assert!(Instant::now() < deadline, "{:#?}", house.simulator.control.outbox());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_business_system_answers_later_even_over_another_connection() {
    let (receiver, url) = Receiver::start().await;
    let house = TestHouse::start_with(with_robot(&url)).await;
    is(&house, "connected").await;
    receiver.answer(200, r#"{"reply": "**80%**"}"#);
    tell(&house, RobotWhat::Text("进度".into())).await;
    assert_eq!(shown(&house, 1).await[0].body["stream"]["content"], "**80%**");
    // What it answers is not known any more: then it is a message of its own.
    house.simulator.control.fault(Fault::errcode(846_605).on("aibot_respond_msg").times(1));
    tell(&house, RobotWhat::Text("现在呢".into())).await;
    let second = shown(&house, 2).await.remove(1);
    assert_eq!((second.msgtype.as_str(), &second.body["markdown"]["content"]), ("markdown", &json!("**80%**")));
    // Too often in a minute: later.
    house.simulator.control.fault(Fault::errcode(846_607).on("aibot_respond_msg").times(1));
    tell(&house, RobotWhat::Text("还有".into())).await;
    assert_eq!(shown(&house, 3).await[2].body["stream"]["content"], "**80%**");
    house.stop().await;
}

#[tokio::test]
async fn a_file_that_a_member_sends_is_kept_and_so_are_the_pictures_of_a_mixed_message() {
    let (receiver, url) = Receiver::start().await;
    let house = TestHouse::start_with(with_robot(&url)).await;
    is(&house, "connected").await;
    tell(&house, RobotWhat::File { name: "排产.csv".into(), content: "0123456789".into() }).await;
    tell(&house, RobotWhat::Mixed { text: "看图".into(), image: "a picture".into() }).await;
    let events = receiver.taken(2).await;
    assert_eq!((&events[0]["what"]["kind"], &events[0]["file"]["file_name"]), (&json!("file"), &json!("排产.csv")));
    for (file, content) in [(&events[0]["file"], "0123456789"), (&events[1]["files"][0], "a picture")] {
        let id = file["id"].as_str().unwrap_or_else(|| panic!("{events:#?}"));
        assert_eq!(house.caller.get(&format!("/v1/media/{id}")).await.text, content);
    }
    house.stop().await;
}

#[tokio::test]
async fn by_url_files_are_kept_as_well_and_an_answer_to_a_press_leaves_nothing_waiting() {
    let (token, key) = ("canaryRobotToken", "6qkdMrq68nTKduznJYO1A37W2oEgpkMUvkttRToqhUt");
    let (receiver, url) = Receiver::start().await;
    let house = TestHouse::start_with(|config| {
        with_robot(&url)(config);
        let planner = config.callbacks.get_mut("planner").unwrap();
        (planner.bot_id, planner.secret) = (None, None);
        planner.token = Some(SecretText(token.into()));
        planner.encoding_aes_key = Some(SecretText(key.into()));
    })
    .await;
    put_card(&house, "ask", asking()).await;
    let url = format!("{}/callback/planner", house.house.origin());
    house.simulator.control.set_robot_url(BOT, &url, token, key).await.unwrap();
    tell(&house, RobotWhat::File { name: "排产.csv".into(), content: "0123456789".into() }).await;
    let file = receiver.taken(1).await.remove(0)["file"].clone();
    let id = file["id"].as_str().unwrap_or_else(|| panic!("{file:#}"));
    assert_eq!(house.caller.get(&format!("/v1/media/{id}")).await.text, "0123456789");
    tell(&house, RobotWhat::Text("审批".into())).await;
    let number = shown(&house, 1).await[0].number;
    receiver.answer(200, r#"{"button": "已同意"}"#);
    tell(&house, RobotWhat::Press { number, key: "yes".into(), selected: Vec::new() }).await;
    receiver.taken(3).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    let waiting = house.caller.get("/v1/webhooks").await.json();
    assert!(waiting.as_array().unwrap().iter().all(|target| target["waiting"] == 0), "{waiting:#}");
    house.stop().await;
}

#[tokio::test]
async fn with_wecom_away_everything_else_goes_on() {
    let house = TestHouse::start_with(|config| {
        config.callbacks.insert("planner".to_owned(), robot(false));
        config.wecom.smart_robot_url = "ws://127.0.0.1:1".to_owned();
    })
    .await;
    let connection = is(&house, "away").await;
    assert_eq!(connection["code"], -1, "{connection}");
    assert_eq!(house.caller.delivered(text_to(&["zhangsan"], "hello")).await["state"], "delivered");
    // Nobody comes in by URL in its place.
    let posted = house.caller.post("/callback/planner?msg_signature=x&timestamp=1&nonce=n", "{}".to_owned()).await;
    assert_eq!(posted.status, 403);
    let keys = json!({ "token": "t", "encoding_aes_key": "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG" }).to_string();
    let put = house.caller.request(reqwest::Method::PUT, "/v1/callbacks/planner/keys", Some(keys), &[]).await;
    assert!(put.status == 422 && put.text.contains("long connection"), "{}", put.text);
    let started = Instant::now();
    house.stop().await;
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

#[derive(Debug)]
struct Doctor {
    running: String,
    stopped: String,
    list: String,
}

/// What `doctor` says beside a running gateway and without it, and `callback list` beside it.
async fn doctor_of(toml: impl FnOnce(&str) -> String) -> Doctor {
    let folder = tempfile::tempdir().unwrap();
    let simulator = Simulator::start(Options::default()).await.unwrap();
    let toml = toml(&simulator.origin.replacen("http", "ws", 1));
    std::fs::write(folder.path().join("hongyan.toml"), toml).unwrap();
    let gateway = Process::start(folder.path(), &simulator.origin, free_port()).await;
    let url = gateway.caller.origin.clone();
    let run = |arguments: &'static [&'static str]| {
        let mut command = command(folder.path(), &simulator.origin);
        command.args(arguments).env("HONGYAN_URL", &url);
        async move {
            let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
            String::from_utf8(output.stdout).unwrap()
        }
    };
    let deadline = Instant::now() + Duration::from_secs(20);
    let list = loop {
        let list = run(&["callback", "list"]).await;
        if !list.contains("connecting") || Instant::now() > deadline {
            break list;
        }
    };
    let running = run(&["doctor"]).await;
    gateway.kill();
    Doctor { running, stopped: run(&["doctor"]).await, list }
}
