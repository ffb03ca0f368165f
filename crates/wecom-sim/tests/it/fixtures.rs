//! The documents' own examples are taken, once they name what exists here.

use serde_json::{Value, json};

use crate::{ROBOT, post, start, token};

fn fixture(path: &str) -> Value {
    let path = format!("{}/../../fixtures/wecom/{path}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

async fn uploaded(simulator: &wecom_sim::Running, path: &str) -> Value {
    let body =
        "--b\r\nContent-Disposition: form-data; name=\"media\"; filename=\"a.txt\"\r\n\r\nsix bytes\r\n--b--\r\n";
    let request = crate::plain_client()
        .post(format!("{}{path}", simulator.origin))
        .header("content-type", "multipart/form-data; boundary=b")
        .body(body);
    let answer = request.send().await.unwrap().bytes().await.unwrap();
    serde_json::from_slice::<Value>(&answer).unwrap()["media_id"].clone()
}

#[tokio::test]
async fn the_official_request_is_taken() {
    let simulator = start().await;
    let mut request = fixture("message/send.request.json");
    (request["touser"], request["toparty"], request["totag"]) = (json!("zhangsan|ghost"), json!("2 | 9"), json!("1"));
    request["agentid"] = json!(1_000_002);
    let path = format!("/cgi-bin/message/send?access_token={}", token(&simulator).await);
    let answer = post(&simulator, &path, request.to_string()).await;
    assert_eq!(
        (&answer["errcode"], &answer["invaliduser"], &answer["invalidparty"]),
        (&json!(0), &json!("ghost"), &json!("9"))
    );
}

#[tokio::test]
async fn the_five_official_cards_are_taken() {
    let simulator = start().await;
    let path = format!("/cgi-bin/message/send?access_token={}", token(&simulator).await);
    let upload = format!("/cgi-bin/media/upload?type=file&access_token={}", token(&simulator).await);
    let media_id = uploaded(&simulator, &upload).await;
    for kind in ["text_notice", "news_notice", "button_interaction", "vote_interaction", "multiple_interaction"] {
        let mut card = fixture(&format!("message/template_card.{kind}.json"));
        if let Some(lines) = card["horizontal_content_list"].as_array_mut() {
            for line in lines.iter_mut().filter(|line| !line["media_id"].is_null()) {
                line["media_id"] = media_id.clone();
            }
        }
        let request =
            json!({"touser": "zhangsan", "msgtype": "template_card", "agentid": 1_000_002, "template_card": card});
        let answer = post(&simulator, &path, request.to_string()).await;
        assert_eq!(answer["errcode"], json!(0), "{kind}: {answer}");
        assert_eq!(answer["response_code"].is_string(), kind != "news_notice", "{kind}");
    }
}

#[tokio::test]
async fn the_official_robot_requests_are_taken() {
    let simulator = start().await;
    for name in ["text", "image", "news"] {
        let request = fixture(&format!("robot/send.{name}.request.json"));
        let answer = post(&simulator, &format!("/cgi-bin/webhook/send?key={ROBOT}"), request.to_string()).await;
        assert_eq!(answer, fixture("robot/send.response.json"), "{name}");
    }
}
