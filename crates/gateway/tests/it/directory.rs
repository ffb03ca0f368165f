//! Who is who: imported, synced from WeCom, looked up on the way; and whom messages by business identity reach.

use std::sync::Arc;
use std::time::Duration;

use domain::Timestamp;
use hongyan::config::{Config, SecretText, SyncMode};
use pipeline::ports::{Clock, HandClock, SystemClock};
use reqwest::Method;
use serde_json::{Value, json};
use wecom::api::user::{DeleteUser, UpdateUser};
use wecom_sim::{Fault, Trouble};

use crate::kit::{Answer, Caller, TestHouse, recipients};

const CONTACTS_SECRET: &str = "demo-contacts-secret";

fn syncing(mode: SyncMode) -> impl FnOnce(&mut Config) {
    move |config| {
        config.directory.sync = Some(mode);
        config.directory.at_start = false;
        if mode == SyncMode::Contacts {
            config.directory.contacts_secret = Some(SecretText(CONTACTS_SECRET.into()));
        }
    }
}

fn looking_up(config: &mut Config) {
    config.directory.lookup = true;
}

async fn put(caller: &Caller, path: &str, body: Value) -> Answer {
    caller.request(Method::PUT, path, Some(body.to_string()), &[]).await
}

async fn people(house: &TestHouse, people: Value) {
    let answer = put(&house.caller, "/v1/directory/people", people).await;
    assert_eq!(answer.status, 204, "{}", answer.text);
}

async fn import(house: &TestHouse, query: &str, file: Vec<u8>) -> Value {
    let url = format!("{}/v1/directory/import{query}", house.caller.origin);
    let answer = house.caller.http.post(url).bearer_auth(&house.caller.key).body(file).send().await.unwrap();
    let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).unwrap()
}

async fn sync(house: &TestHouse) -> Value {
    let answer = house.caller.post("/v1/directory/sync", String::new()).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

fn userids(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|person| person["userid"].as_str().unwrap()).collect()
}

/// What an administrator does at WeCom.
fn administrator(house: &TestHouse) -> wecom::Client {
    let transport = wecom::Transport::builder().origin(&house.simulator.origin).build().unwrap();
    wecom::Client::builder(transport, "wwdemo0000000001", CONTACTS_SECRET).build()
}

fn fault(path: &str, times: Option<u32>, trouble: Trouble) -> Fault {
    Fault { path: Some(path.into()), key: None, agentid: None, times, one_in: None, trouble, met: 0 }
}

fn busy() -> Trouble {
    Trouble::Errcode { errcode: -1, errmsg: None }
}

#[tokio::test]
async fn a_file_is_tried_first_and_kept_whole_or_not_at_all() {
    let house = TestHouse::start().await;
    let table = "账号,姓名,部门,手机,邮箱,identity:emp\r\nzhangsan,张三,生产计划部,138 0013 8000,z@example.com,1001\r\nlisi,李四,\"质量部;生产计划部\",13900139000,,1002\r\n";
    let (gb18030, _, _) = encoding_rs::GB18030.encode(table);
    let tried = import(&house, "?dry_run=true", gb18030.to_vec()).await;
    assert_eq!((&tried["kept"], &tried["added"]), (&json!(false), &json!(2)), "{tried}");
    assert_eq!(house.caller.get("/v1/directory/people").await.json(), json!([]));
    assert_eq!(import(&house, "", gb18030.to_vec()).await["kept"], true);
    let found = house.caller.get("/v1/directory/people?mobile=%2B8613800138000").await.json();
    assert_eq!((&found[0]["name"], &found[0]["identities"]), (&json!("张三"), &json!(["emp:1001"])), "{found}");
    // With a byte-order mark; one line is new, one is known, one says something else, one is wrong.
    let next = "\u{feff}userid,name,mobile,status\nwangwu,王五,13700137000,1\nzhangsan,张三,13800138000,\nlisi,李四,13900139009,2\nzhaoliu,赵六,call me,1\nWangWu,,,\n";
    let refused = import(&house, "", next.into()).await;
    let results: Vec<&str> =
        refused["lines"].as_array().unwrap().iter().map(|line| line["result"].as_str().unwrap()).collect();
    assert_eq!(results, ["added", "unchanged", "changed", "refused", "refused"], "{refused}");
    assert_eq!((&refused["kept"], &refused["lines"][3]["line"]), (&json!(false), &json!(5)));
    assert!(refused["lines"][3]["reason"].as_str().unwrap().contains("`mobile` `callme`"), "{refused}");
    assert!(refused["lines"][4]["reason"].as_str().unwrap().contains("line 2"), "{refused}");
    assert_eq!(house.caller.get("/v1/directory/people?userid=wangwu").await.json(), json!([]));
    assert_eq!(import(&house, "?partial=true", next.into()).await["kept"], true);
    let lisi = house.caller.get("/v1/directory/people?name=%E6%9D%8E%E5%9B%9B").await.json();
    assert_eq!((&lisi[0]["mobile"], &lisi[0]["status"]), (&json!("13900139009"), &json!("disabled")), "{lisi}");
    let as_json = json!([{ "userid": "sunqi", "identities": ["emp:1007"] }, { "userid": "x", "oops": 1 }]).to_string();
    assert_eq!(import(&house, "?partial=true", as_json.into()).await["added"], 1);
    let wrong = house.caller.post("/v1/directory/import", "userid,moble\na,b\n".into()).await;
    assert_eq!(wrong.error(), (422, "invalid".into(), "(file)".into()), "{}", wrong.text);
    house.stop().await;
}

#[tokio::test]
async fn the_table_has_the_columns_of_wechat_users() {
    let house = TestHouse::start_with(syncing(SyncMode::App)).await;
    people(&house, json!([{ "userid": "zhangsan", "email": "z@example.com", "status": 2 }])).await;
    let answer = house.caller.get("/v1/directory/export").await;
    assert_eq!(answer.headers["content-type"], "text/csv; charset=utf-8");
    let expected = "userid,name,department,mobile,email,status,sync_time\r\nzhangsan,,,,z@example.com,2,\r\n";
    assert_eq!(answer.text, expected);
    sync(&house).await;
    let table = house.caller.get("/v1/directory/export").await.text;
    let lisi: Vec<&str> = table.lines().find(|line| line.starts_with("lisi")).unwrap().split(',').collect();
    assert_eq!(&lisi[..6], ["lisi", "李四", "2", "13900139000", "lisi@example.com", "1"], "{table}");
    assert!(lisi[6].parse::<Timestamp>().is_ok(), "{table}");
    let again = import(&house, "", table.into_bytes()).await;
    assert_eq!((&again["unchanged"], &again["refused"]), (&json!(3), &json!(0)), "{again}");
    house.stop().await;
}

#[tokio::test]
async fn an_applications_sync_brings_its_visible_range_and_half_an_answer_takes_nobody_for_gone() {
    let house = TestHouse::start_with(syncing(SyncMode::App)).await;
    let rules = wecom_sim::Rules { hide_personal_fields: true, ..wecom_sim::Rules::default() };
    house.simulator.control.set_rules(rules);
    people(&house, json!([{ "userid": "elsewhere", "email": "e@example.com" }])).await;
    let first = sync(&house).await;
    assert_eq!((&first["complete"], userids(&first["added"])), (&json!(true), vec!["lisi", "wangwu", "zhangsan"]));
    assert_eq!(first["added"][0]["name"], "李四");
    let lisi = house.caller.get("/v1/directory/people?userid=lisi").await.json();
    assert_eq!((&lisi[0]["mobile"], &lisi[0]["source"]), (&Value::Null, &json!("app")), "{lisi}");
    // What is imported besides stays when WeCom says nothing about it.
    people(&house, json!([{ "userid": "lisi", "mobile": "13900139000", "identities": ["emp:1002"] }])).await;
    let asked = house.simulator.control.requests();
    assert!(!format!("{asked:?}").contains("modified_time"));

    let admin = administrator(&house);
    admin.send(DeleteUser { userid: "wangwu".into() }).await.unwrap();
    // The first department answers, the second does not.
    house.simulator.control.fault(Fault { one_in: Some(2), ..fault("user/list", None, busy()) });
    let half = sync(&house).await;
    assert_eq!((&half["complete"], userids(&half["left"])), (&json!(false), vec![]), "{half}");
    assert_eq!(half["trouble"]["code"], "-1", "{half}");
    house.simulator.control.clear_faults();

    let whole = sync(&house).await;
    assert_eq!((&whole["complete"], userids(&whole["left"])), (&json!(true), vec!["wangwu"]), "{whole}");
    let leavers = house.caller.get("/v1/directory/leavers").await.json();
    assert_eq!((userids(&leavers), &leavers[0]["name"]), (vec!["wangwu"], &json!("王五")), "{leavers}");
    assert_eq!(sync(&house).await["kept"], 2);
    let lisi = house.caller.get("/v1/directory/people?userid=lisi").await.json();
    assert_eq!((&lisi[0]["mobile"], &lisi[0]["identities"][0]), (&json!("13900139000"), &json!("emp:1002")), "{lisi}");
    house.stop().await;
}

#[tokio::test]
async fn contact_sync_brings_userids_of_the_whole_company() {
    let house = TestHouse::start_with(syncing(SyncMode::Contacts)).await;
    house.simulator.control.fault(fault("user/list_id", Some(1), Trouble::Half));
    let half = sync(&house).await;
    assert_eq!((&half["complete"], userids(&half["added"])), (&json!(false), vec![]), "{half}");
    let whole = sync(&house).await;
    assert_eq!(userids(&whole["added"]), ["lisi", "wangwu", "zhangsan"], "{whole}");
    let admin = administrator(&house);
    let member =
        wecom::api::user::MemberChange { userid: "lisi".into(), department: Some(vec![1, 2]), ..Default::default() };
    let moved = UpdateUser { member, new_userid: None };
    admin.send(moved).await.unwrap();
    admin.send(DeleteUser { userid: "wangwu".into() }).await.unwrap();
    let next = sync(&house).await;
    assert_eq!((userids(&next["changed"]), userids(&next["left"])), (vec!["lisi"], vec!["wangwu"]), "{next}");
    let lisi = house.caller.get("/v1/directory/people?userid=lisi").await.json();
    assert_eq!((&lisi[0]["departments"], &lisi[0]["name"]), (&json!(["1", "2"]), &Value::Null), "{lisi}");
    let none = TestHouse::start().await;
    assert_eq!(none.caller.post("/v1/directory/sync", String::new()).await.error().1, "no_sync");
    none.stop().await;
    house.stop().await;
}

#[tokio::test]
async fn a_sync_at_the_start_needs_nobody_to_ask() {
    let house = TestHouse::start_with(|config| {
        syncing(SyncMode::App)(config);
        config.directory.at_start = true;
    })
    .await;
    for _ in 0..200 {
        if house.caller.get("/v1/directory/people?userid=zhangsan").await.json() != json!([]) {
            return house.stop().await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("nobody came");
}

/// People of whom some are hard to tell.
async fn with_people() -> TestHouse {
    let house = TestHouse::start().await;
    people(
        &house,
        json!([
            { "userid": "zhangsan", "name": "张三", "mobile": "13800138000", "identities": ["emp:1001"] },
            { "userid": "lisi", "name": "李四", "departments": ["2"], "identities": ["emp:1002"] },
            { "userid": "lisi2", "name": "李四", "departments": ["质量部"] },
            { "userid": "anna01", "name": "Anna" },
            { "userid": "wangwu", "name": "王五", "status": "left", "identities": ["emp:1003"] },
        ]),
    )
    .await;
    house
}

#[tokio::test]
async fn a_message_reaches_whom_its_people_are() {
    let house = with_people().await;
    let members = json!({ "members": ["emp:1002", "zhangsan", "wangwu"] });
    assert_eq!(put(&house.caller, "/v1/directory/groups/ops", members).await.status, 200);
    let to = json!({ "to": { "people": ["emp:1001", "mobile:+86 138 0013 8000", "name:张三"] }, "text": "hello" });
    let message = house.caller.delivered(to).await;
    let delivered = |userid: &str| (format!("user:{userid}"), "delivered".to_owned(), String::new());
    assert_eq!(recipients(&message), [delivered("zhangsan")], "{message:#}");
    house.simulator.control.assert_seen("zhangsan", "hello");
    let answer = house.caller.submit(json!({ "to": { "people": ["group:ops"] }, "text": "to all of us" })).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    assert!(answer.json()["warnings"][0].as_str().unwrap().contains("wangwu has left"), "{}", answer.text);
    let message = house.caller.settled(answer.json()["id"].as_str().unwrap()).await;
    assert_eq!(recipients(&message), [delivered("lisi"), delivered("zhangsan")], "{message:#}");
    // The way can be asked for without sending.
    let way =
        house.caller.post("/v1/routes/test", json!({ "to": { "people": ["emp:1001"] }, "text": "x" }).to_string());
    assert!(way.await.text.contains("user:zhangsan"));
    house.stop().await;
}

#[tokio::test]
async fn whom_nobody_can_tell_is_refused_with_what_was_meant() {
    let house = with_people().await;
    for (to, code, field, hint) in [
        (json!({ "people": ["emp:1004"] }), "unknown_person", "to.people[0]", "did you mean `emp:1001`?"),
        (json!({ "people": ["emp:1001", "empl:1001"] }), "unknown_person", "to.people[1]", "did you mean `emp:1001`?"),
        (json!({ "people": ["zhangsan"] }), "unknown_person", "to.people[0]", "name it in to.users"),
        (json!({ "people": ["mobile:13800138001"] }), "unknown_person", "to.people[0]", "import it"),
        (json!({ "people": ["name:李四"] }), "ambiguous_person", "to.people[0]", "to.users"),
        (json!({ "people": ["emp:1003"] }), "left_company", "to.people", "somebody else"),
        (json!({ "users": ["张三"] }), "invalid", "to.users", "did you mean userid zhangsan?"),
    ] {
        let answer = house.caller.submit(json!({ "to": to, "text": "x" })).await;
        assert_eq!(answer.error(), (422, code.to_owned(), field.to_owned()), "{}", answer.text);
        assert!(answer.json()["error"]["hint"].as_str().unwrap().contains(hint), "{}", answer.text);
    }
    let several = house.caller.submit(json!({ "to": { "people": ["name:李四"] }, "text": "x" })).await.text;
    assert!(several.contains("lisi (2) and lisi2 (质量部)"), "{several}");
    // With somebody else beside, who has left is left out; a userid of theirs is tried, with a word about it.
    let beside =
        house.caller.submit(json!({ "to": { "people": ["emp:1003"], "users": ["zhangsan"] }, "text": "x" })).await;
    assert_eq!((beside.status, beside.text.contains("wangwu has left")), (202, true), "{}", beside.text);
    house.caller.settled(beside.json()["id"].as_str().unwrap()).await;
    // A name that could be a userid is known to be none only when WeCom says so.
    let message = house.caller.delivered(json!({ "to": { "users": ["Anna", "zhangsan"] }, "text": "x" })).await;
    let refused = message["recipients"].as_array().unwrap().iter().find(|r| r["recipient"] == "user:Anna").unwrap();
    assert!(refused["reason"]["hint"].as_str().unwrap().contains("did you mean userid anna01?"), "{message:#}");
    let alone = house.caller.delivered(json!({ "to": { "users": ["Anna"] }, "text": "x" })).await;
    assert!(alone.to_string().contains("did you mean userid anna01?"), "{alone:#}");
    house.stop().await;
}

#[tokio::test]
async fn who_is_on_call_is_who_gets_it() {
    let start: Timestamp = "2026-11-30T09:00:00+08:00".parse().unwrap();
    let clock = Arc::new(HandClock::new(start + Duration::from_secs(3600)));
    let house = TestHouse::start_at(clock.clone() as Arc<dyn Clock>, |_| {}).await;
    let list = json!({ "members": ["zhangsan", "lisi"], "since": "2026-11-30T09:00:00+08:00", "every": "24h" });
    let kept = put(&house.caller, "/v1/directory/on-call/ops", list).await;
    assert_eq!((kept.status, &kept.json()["now"]["userids"]), (200, &json!(["zhangsan"])), "{}", kept.text);
    let alarm = || json!({ "to": { "people": ["oncall:ops"] }, "text": "alarm" });
    let first = house.caller.accepted(alarm()).await;
    assert_eq!(house.caller.settled(&first).await["recipients"][0]["recipient"], "user:zhangsan");
    clock.advance(Duration::from_secs(24 * 3600));
    let second = house.caller.accepted(alarm()).await;
    assert_eq!(house.caller.settled(&second).await["recipients"][0]["recipient"], "user:lisi");
    // A route may name them, too, for messages that name nobody.
    let route = json!({ "steps": [{ "channel": "app" }], "to": ["person:oncall:ops"] });
    let third = house.caller.accepted(json!({ "text": "alarm by route", "route": route })).await;
    assert_eq!(house.caller.settled(&third).await["recipients"][0]["recipient"], "user:lisi");
    let at = house.caller.get("/v1/directory/on-call/ops?at=2026-12-02T10:00:00%2B08:00").await.json();
    assert_eq!(at["now"]["userids"], json!(["zhangsan"]));
    let wrong = put(&house.caller, "/v1/directory/on-call/x", json!({ "members": ["a"], "every": "1s" })).await;
    assert_eq!(wrong.error(), (422, "invalid".into(), "every".into()));
    let forgotten = house.caller.request(Method::DELETE, "/v1/directory/on-call/ops", None, &[]).await;
    assert_eq!(forgotten.status, 204);
    assert_eq!(house.caller.submit(alarm()).await.error().1, "unknown_person");
    house.stop().await;
}

#[tokio::test]
async fn whom_the_directory_does_not_know_is_looked_up_on_the_way() {
    let house = TestHouse::start_with(looking_up).await;
    // WeCom is away: the message is taken all the same, and comes later.
    house.simulator.control.fault(fault("user/getuserid", Some(2), busy()));
    let to = json!({ "to": { "people": ["mobile:138-0013-8000", "email:lisi@example.com"] }, "text": "looked up" });
    let message = house.caller.delivered(to).await;
    assert_eq!(message["state"], "delivered", "{message:#}");
    let mut who: Vec<String> = recipients(&message).into_iter().map(|(recipient, ..)| recipient).collect();
    who.sort();
    assert_eq!(who, ["user:lisi", "user:zhangsan"], "{message:#}");
    house.simulator.control.assert_seen("zhangsan", "looked up");
    house.simulator.control.assert_seen("lisi", "looked up");
    assert!(message["deliveries"].to_string().contains("\"directory\""), "{message:#}");
    let found = house.caller.get("/v1/messages?recipient=user:lisi").await.json();
    assert!(found.to_string().contains(message["id"].as_str().unwrap()), "{found}");
    // Whom nobody has is refused, once by WeCom and then for an hour by us.
    let stranger = || json!({ "to": { "people": ["mobile:13000000000"] }, "text": "x" });
    let message = house.caller.delivered(stranger()).await;
    let expected = ("person:mobile:13000000000".to_owned(), "failed".to_owned(), "no_such_person".to_owned());
    assert_eq!(recipients(&message), [expected], "{message:#}");
    let again = house.caller.submit(stranger()).await;
    assert_eq!(again.error().1, "unknown_person", "{}", again.text);
    let asked = |house: &TestHouse| {
        let requests = house.simulator.control.requests();
        requests.iter().filter(|request| format!("{request:?}").contains("user/getuserid")).count()
    };
    let before = asked(&house);
    // Whom it found is known from now on, after a restart, too.
    let house = house.restart(Arc::new(SystemClock::new())).await;
    let known = house.caller.delivered(json!({ "to": { "people": ["mobile:13800138000"] }, "text": "again" })).await;
    assert_eq!(recipients(&known)[0].0, "user:zhangsan");
    assert_eq!((known["deliveries"].as_array().unwrap().len(), asked(&house)), (1, before));
    let lookup = house.caller.post("/v1/directory/lookup", json!({ "mobile": "13800138000" }).to_string()).await.json();
    assert_eq!((&lookup["userids"], &lookup["asked"]), (&json!(["zhangsan"]), &json!(false)), "{lookup}");
    house.stop().await;
}

#[tokio::test]
async fn who_was_looked_up_takes_the_messages_route() {
    let house = TestHouse::start_with(looking_up).await;
    house.simulator.control.license("wangwu", false);
    let route = json!([{ "channel": "app" }, { "channel": "robot", "name": "default" }]);
    let to = json!({ "to": { "people": ["mobile:13700137000"] }, "text": "on a route", "route": route });
    let message = house.caller.delivered(to).await;
    assert_eq!(message["state"], "delivered", "{message:#}");
    let lanes: Vec<&str> = message["deliveries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|delivery| delivery["channel"].as_str().unwrap())
        .collect();
    assert_eq!(lanes, ["directory", "wecom_app", "wecom_robot"], "{message:#}");
    // What the application could not send is refused while the caller listens.
    let long = "长".repeat(3000);
    let refused = house.caller.submit(json!({ "to": { "people": ["mobile:13900139000"] }, "text": long })).await;
    assert_eq!(refused.error().1, "too_long", "{}", refused.text);
    house.stop().await;
}

#[tokio::test]
async fn a_lookup_says_who_it_is_and_who_it_may_be() {
    let house = with_people().await;
    let caller = house.caller("reader", json!({ "scopes": ["read"] })).await;
    let ask = async |body: Value| caller.post("/v1/directory/lookup", body.to_string()).await.json();
    assert_eq!(ask(json!({ "name": "张三" })).await["userids"], json!(["zhangsan"]));
    assert_eq!(ask(json!({ "name": "李四" })).await["ambiguous"], json!(["lisi (2)", "lisi2 (质量部)"]));
    assert_eq!(ask(json!({ "person": "emp:1003" })).await["left"], json!(["wangwu"]));
    let asked = ask(json!({ "mobile": "13700137000" })).await;
    assert_eq!((&asked["userids"], &asked["asked"]), (&json!(["wangwu"]), &json!(true)), "{asked}");
    let personal = ask(json!({ "email": "lisi@example.com" })).await;
    assert_eq!(personal["userids"], json!(["lisi"]), "{personal}");
    assert_eq!(ask(json!({ "name": "张三", "mobile": "1" })).await["error"]["code"], "invalid");
    assert_eq!(caller.get("/v1/directory/people").await.status, 403);
    house.simulator.control.fault(fault("user/getuserid", Some(1), busy()));
    let away = caller.post("/v1/directory/lookup", json!({ "mobile": "13000000000" }).to_string()).await;
    assert_eq!((away.status, away.error().1.as_str()), (502, "upstream"), "{}", away.text);
    house.stop().await;
}

/// Every file below a folder, as it lies there.
fn files(folder: &std::path::Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            all.extend(std::fs::read(path).unwrap_or_default());
        }
    }
    all
}

#[tokio::test]
async fn what_is_said_of_people_is_not_readable_and_can_be_erased() {
    let house = TestHouse::start().await;
    let canaries = ["金丝雀", "13812345678", "canary@example.com", "canary-4711", "canary-department"];
    people(
        &house,
        json!([{ "userid": "bird", "name": canaries[0], "mobile": canaries[1], "email": canaries[2],
            "identities": ["emp:canary-4711"], "departments": [canaries[4]] }]),
    )
    .await;
    put(&house.caller, "/v1/directory/groups/birds", json!({ "members": ["emp:canary-4711"] })).await;
    house.caller.post("/v1/directory/lookup", json!({ "mobile": "13800138000" }).to_string()).await;
    let kept = files(&house.config.data_dir);
    for canary in canaries.into_iter().chain(["13800138000"]) {
        assert!(!kept.windows(canary.len()).any(|part| part == canary.as_bytes()), "{canary}");
    }
    // It is all there after a restart.
    let house = house.restart(Arc::new(SystemClock::new())).await;
    let bird = house.caller.get("/v1/directory/people?userid=BIRD").await.json();
    assert_eq!((&bird[0]["name"], &bird[0]["email"]), (&json!(canaries[0]), &json!(canaries[2])), "{bird}");
    assert_eq!(house.caller.get("/v1/directory/groups/birds").await.json()["now"]["userids"], json!(["bird"]));
    let erased = house.caller.request(Method::DELETE, "/v1/recipients/user:bird", None, &[]).await;
    assert_eq!(erased.status, 200, "{}", erased.text);
    assert_eq!(house.caller.get("/v1/directory/people").await.json(), json!([]));
    house.stop().await;
}
