//! What clients nobody here wrote were seen to send, and what WeCom was seen to answer.

use serde_json::{Value, json};
use wecom_sim::{Mode, Rules};

use crate::{CORP, ROBOT, get, post, start, token};

async fn send(simulator: &wecom_sim::Running, request: Value) -> Value {
    let path = format!("/cgi-bin/message/send?access_token={}", token(simulator).await);
    post(simulator, &path, request.to_string()).await
}

#[tokio::test]
async fn a_script_without_content_type_and_with_agentid_as_text_is_served_with_a_warning() {
    let simulator = start().await;
    let request =
        json!({"touser": "@all", "msgtype": "text", "agentid": "1000002", "text": {"content": "hi"}, "safe": null});
    let answer = send(&simulator, request.clone()).await;
    assert_eq!((&answer["errcode"], &answer["errmsg"]), (&json!(0), &json!("ok. Warning: wrong json format. ")));
    simulator.control.set_rules(Rules::of(Mode::Strict));
    assert_eq!(send(&simulator, request).await["errcode"], json!(40058));
}

#[tokio::test]
async fn refusals_come_in_the_documented_order() {
    let simulator = start().await;
    let errcode = |answer: Value| answer["errcode"].as_i64().unwrap();
    assert_eq!(errcode(post(&simulator, "/cgi-bin/message/send", "{").await), 41001);
    assert_eq!(errcode(post(&simulator, "/cgi-bin/message/send?access_token=x", "{").await), 40014);
    assert_eq!(errcode(get(&simulator, "/cgi-bin/gettoken?corpid=x").await), 41004);
    assert_eq!(errcode(get(&simulator, "/cgi-bin/gettoken?corpid=x&corpsecret=y").await), 40013);
    assert_eq!(errcode(get(&simulator, &format!("/cgi-bin/gettoken?corpid={CORP}&corpsecret=y")).await), 40001);
    assert_eq!(errcode(post(&simulator, "/cgi-bin/webhook/send?key=x", "{}").await), 93000);
    for (request, expected) in [
        (json!({}), 41011),
        (json!({"agentid": 1, "touser": "zhangsan"}), 301002),
        (json!({"agentid": 1_000_002, "msgtype": "text", "text": {"content": "x"}}), 82001),
        (json!({"agentid": 1_000_002, "touser": "zhangsan", "msgtype": "sms"}), 40008),
        (json!({"agentid": 1_000_002, "touser": "zhangsan", "msgtype": "text", "text": {}}), 44004),
        (json!({"agentid": 1_000_002, "touser": "ghost", "msgtype": "text", "text": {"content": "x"}}), 81013),
        (json!({"agentid": 1_000_002, "touser": vec!["u"; 1001].join("|"), "msgtype": "text"}), 40032),
        (json!({"agentid": 1_000_002, "touser": "zhangsan", "msgtype": "image", "image": {"media_id": "x"}}), 40007),
    ] {
        assert_eq!(errcode(send(&simulator, request.clone()).await), expected, "{request}");
    }
}

#[tokio::test]
async fn the_contact_sync_secret_cannot_send() {
    let simulator = start().await;
    let answer = get(&simulator, &format!("/cgi-bin/gettoken?corpid={CORP}&corpsecret=demo-contacts-secret")).await;
    let path = format!("/cgi-bin/message/send?access_token={}", answer["access_token"].as_str().unwrap());
    assert_eq!(post(&simulator, &path, "{}").await["errcode"], json!(48002));
}

#[tokio::test]
async fn a_failure_has_hint_address_and_link() {
    let simulator = start().await;
    let errmsg = post(&simulator, "/cgi-bin/webhook/send?key=x", "{}").await["errmsg"].as_str().unwrap().to_owned();
    assert!(errmsg.starts_with("invalid webhook url, hint: ["), "{errmsg}");
    assert!(
        errmsg.ends_with("], from ip: 127.0.0.1, more info at https://open.work.weixin.qq.com/devtool/query?e=93000"),
        "{errmsg}"
    );
}

#[tokio::test]
async fn an_upload_needs_no_part_name_and_takes_raw_utf_8_but_not_rfc_5987() {
    let simulator = start().await;
    let path = format!("/cgi-bin/media/upload?type=file&access_token={}", token(&simulator).await);
    for (disposition, expected) in [
        ("form-data; name=\"media\"; filename=\"生产计划.txt\"; filelength=9", 0),
        ("form-data; name=\"image\"; filename=\"a.txt\"", 0),
        ("form-data; filename=\"a.txt\"", 0),
        ("form-data; name=\"media\"; filename*=utf-8''%E4%B8%AD.txt", 44001),
    ] {
        let body = format!("--b\r\nContent-Disposition: {disposition}\r\n\r\nsix bytes\r\n--b--\r\n");
        let request = crate::plain_client().post(format!("{}{path}", simulator.origin));
        let answer = request.header("content-type", "multipart/form-data; boundary=b").body(body).send().await.unwrap();
        let answer: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        assert_eq!(answer["errcode"], json!(expected), "{disposition}: {answer}");
    }
}

#[tokio::test]
async fn the_article_s_card_is_refused_with_42033() {
    let simulator = start().await;
    let card = json!({
        "card_type": "text_notice", "source": {"desc": "系统通知"},
        "main_title": {"title": "订单审批提醒", "desc": "您有1笔待审批订单"},
        "emphasis_content": {"title": "¥15,800.00", "desc": "订单金额"}, "sub_title_text": "请及时处理",
        "jump_list": [{"type": 1, "url": "https://oa.example.com/order/123"}],
        "card_action": {"type": 1, "url": "https://oa.example.com/order/123"}
    });
    let request =
        json!({"touser": "zhangsan", "agentid": 1_000_002, "msgtype": "template_card", "template_card": card});
    assert_eq!(send(&simulator, request).await["errcode"], json!(42033));
}

#[tokio::test]
async fn the_control_answers_loopback_hosts_only() {
    let simulator = start().await;
    for (host, status) in [
        ("127.0.0.1:1", 200),
        ("localhost", 200),
        ("[::1]:80", 200),
        ("evil.example", 403),
        ("127.0.0.1.evil.example:80", 403),
    ] {
        for path in ["/_sim/counts", "/"] {
            let request = crate::plain_client().get(format!("{}{path}", simulator.origin)).header("host", host);
            assert_eq!(request.send().await.unwrap().status().as_u16(), status, "{host} {path}");
        }
    }
}

#[tokio::test]
async fn the_robot_s_twenty_first_message_of_a_minute_is_45009() {
    let simulator = start().await;
    let path = format!("/cgi-bin/webhook/send?key={ROBOT}");
    let mut last = Value::Null;
    for _ in 0..21 {
        last = post(&simulator, &path, r#"{"msgtype":"text","text":{"content":"x"}}"#).await;
    }
    assert_eq!(last["errcode"], json!(45009));
    simulator.control.advance(std::time::Duration::from_secs(61));
    assert_eq!(post(&simulator, &path, r#"{"msgtype":"text","text":{"content":"x"}}"#).await["errcode"], json!(0));
}
