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

/// Every request of the documents' examples, with the path it is for.
fn requests() -> Vec<(String, String)> {
    let root = format!("{}/../../fixtures/wecom", env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for family in std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        let family_name = family.file_name().unwrap().to_str().unwrap().to_owned();
        for file in std::fs::read_dir(&family).unwrap() {
            let file = file.unwrap().file_name().into_string().unwrap();
            let Some(call) = file.strip_suffix(".request.json") else { continue };
            // Files are named after calls; where the documents file a call elsewhere, its path says so.
            let path = match (family_name.as_str(), call) {
                ("robot", _) => continue,
                ("batch", call) => format!("batch/{}", call.replace("sync_", "sync").replace("replace_", "replace")),
                ("oauth", "get_user_detail") => "auth/getuserdetail".to_owned(),
                ("oauth", "tfa_succ") => "user/tfa_succ".to_owned(),
                ("oauth", call) => format!("auth/{call}"),
                ("workbench", "batch_set_data") => "agent/batch_set_workbench_data".to_owned(),
                ("workbench", call) => {
                    let (verb, what) = call.split_once('_').unwrap();
                    format!("agent/{verb}_workbench_{what}")
                }
                (family, call) => format!("{family}/{call}"),
            };
            found.push((format!("{family_name}/{file}"), path));
        }
    }
    found
}

#[tokio::test]
async fn every_official_request_is_read_without_a_complaint_about_its_shape() {
    let simulator = start().await;
    simulator.control.set_rules(wecom_sim::Rules::of(wecom_sim::Mode::Strict));
    let requests = requests();
    assert!(requests.len() > 35, "{}", requests.len());
    for (file, path) in requests {
        let url = format!("/cgi-bin/{path}?agentid=1000002&access_token={}", token(&simulator).await);
        let answer = post(&simulator, &url, fixture(&file).to_string()).await;
        let errmsg = answer["errmsg"].as_str().unwrap_or_default();
        assert!(answer["errcode"].is_i64() && !errmsg.contains("wrong"), "{file}: {answer}");
    }
}
