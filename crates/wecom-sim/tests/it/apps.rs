//! SDK and simulator about what an application owns: group chats, cards that change, files, menu, workbench.

use wecom::api::agent::{GetAgent, ListAgents, SetAgent};
use wecom::api::appchat::{CreateChat, GetChat, SendChatMessage, UpdateChat};
use wecom::api::media::{GetMedia, GetUploadByUrlResult, UploadByUrl, UploadKind, UploadMedia};
use wecom::api::menu::{CreateMenu, DeleteMenu, GetMenu, MenuButton};
use wecom::api::message::{Button, CardKind, GetStatistics, SendMessage, TemplateCard, UpdateTemplateCard};
use wecom::api::network::GetCallbackIp;
use wecom::api::ticket::{GetAgentTicket, GetJsapiTicket};
use wecom::api::workbench::{GetWorkbenchTemplate, KeyDataItem, SetWorkbenchTemplate, WorkbenchData};
use wecom::{Client, Error, ErrorKind};
use wecom_sim::Target;

use crate::{CORP, client, start, transport};

fn code<T: std::fmt::Debug>(result: Result<T, Error>) -> i64 {
    result.unwrap_err().errcode().unwrap().0
}

#[tokio::test]
async fn a_chat_is_made_changed_and_written_to_by_its_owner_only() {
    let simulator = start().await;
    let app = client(&simulator);
    let users = |users: &[&str]| users.iter().map(|&user| user.to_owned()).collect::<Vec<_>>();
    let new = CreateChat {
        name: Some("计划群".into()),
        owner: Some("lisi".into()),
        userlist: users(&["zhangsan", "lisi"]),
        chatid: Some("plan1".into()),
    };
    let chatid = app.send(new.clone()).await.unwrap().chatid;
    assert_eq!(code(app.send(new).await), 86_215);
    assert_eq!(code(app.send(CreateChat { userlist: users(&["lisi"]), ..CreateChat::default() }).await), 86_006);
    app.send(SendChatMessage::text(&chatid, "排产已更新").mention(["@all"])).await.unwrap();
    let sent = simulator.control.outbox().pop().unwrap();
    assert!(matches!(&sent.target, Target::Chat { users, name, .. } if users.len() == 2 && name == "计划群"));
    let change = UpdateChat { chatid: chatid.clone(), add_user_list: users(&["wangwu"]), ..UpdateChat::default() };
    app.send(change).await.unwrap();
    assert_eq!(app.send(GetChat { chatid: chatid.clone() }).await.unwrap().chat_info.userlist.len(), 3);
    let other = Client::builder(transport(&simulator), CORP, "demo-secret-2").build();
    assert_eq!(code(other.send(SendChatMessage::text(&chatid, "x")).await), 86_008);
    assert_eq!(code(app.send(SendChatMessage::text("nowhere", "x")).await), 86_003);
}

#[tokio::test]
async fn a_card_is_updated_once_by_its_code() {
    let simulator = start().await;
    let app = client(&simulator);
    let mut card = TemplateCard::new(CardKind::ButtonInteraction, "停机申请");
    card.task_id = Some("task-1".into());
    card.button_list = vec![Button { text: "同意".into(), key: Some("yes".into()), ..Button::default() }];
    let sent = app.send(SendMessage::to_users(["zhangsan"]).template_card(card.clone())).await.unwrap();
    let response_code = sent.response_code.unwrap();
    let update = UpdateTemplateCard::button(&response_code, "已处理").for_users(["zhangsan", "lisi"]);
    assert_eq!(app.send(update.clone()).await.unwrap().invaliduser, ["lisi"]);
    let copy = &simulator.control.outbox()[0].updates["zhangsan"];
    assert_eq!(copy["button"]["replace_name"], "已处理");
    assert_eq!(code(app.send(update).await), 60_140, "a code is good once");
    let other = Client::builder(transport(&simulator), CORP, "demo-secret-2").agent(wecom::AgentId(1_000_003)).build();
    card.task_id = Some("task-2".into());
    let sent = app.send(SendMessage::to_users(["zhangsan"]).template_card(card.clone())).await.unwrap();
    let response_code = sent.response_code.unwrap();
    assert_eq!(code(other.send(UpdateTemplateCard::button(&response_code, "x").for_all()).await), 42_015);
    let replaced = UpdateTemplateCard::card(&response_code, &card, Some("已同意".into()), true).for_all();
    app.send(replaced).await.unwrap();
    assert_eq!(app.send(GetStatistics { time_type: 0 }).await.unwrap().statistics[0].count, 2);
}

#[tokio::test]
async fn a_file_comes_back_whole_in_parts_and_not_after_three_days() {
    let simulator = start().await;
    let app = client(&simulator);
    let content: Vec<u8> = (0..100_000_u32).map(|i| (i % 251) as u8).collect();
    let media = UploadMedia::bytes("生产计划.bin", content.clone());
    let media_id = app.upload(UploadKind::File, media).await.unwrap().media_id;
    let mut whole = Vec::new();
    let download = app.download(&GetMedia::new(media_id.clone()), &mut whole).await.unwrap();
    assert_eq!((download.file_name.as_deref(), download.length), (Some("生产计划.bin"), 100_000));
    assert!(whole == content);
    let mut part = Vec::new();
    let range = GetMedia::new(media_id.clone()).range(10, Some(19));
    let download = app.download(&range, &mut part).await.unwrap();
    assert_eq!((part.as_slice(), download.total), (&content[10..20], Some(100_000)));
    // A token that was revoked is replaced before anything is written.
    simulator.control.kill_tokens(None);
    app.download(&range, &mut part).await.unwrap();
    assert_eq!(part.len(), 20);
    simulator.control.advance(std::time::Duration::from_secs(3 * 86_400));
    assert_eq!(code(app.download(&GetMedia::new(media_id), &mut part).await), 40_007);
    assert_eq!(part.len(), 20, "nothing is written when WeCom refuses");
}

#[tokio::test]
async fn what_breaks_a_rule_is_not_uploaded() {
    let simulator = start().await;
    let app = client(&simulator);
    for (kind, name, length) in [(UploadKind::Image, "a.gif", 100), (UploadKind::File, "a.txt", 5)] {
        let error = app.upload(kind, UploadMedia::bytes(name, vec![0; length])).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Request), "{error:?}");
    }
    let image = app.upload_image(UploadMedia::bytes("a.png", vec![0; 100])).await.unwrap();
    assert_eq!(crate::plain_client().get(image.url).send().await.unwrap().bytes().await.unwrap().len(), 100);
    assert_eq!(simulator.control.requests().iter().filter(|r| r.path.ends_with("media/upload")).count(), 0);
    let fetched = UploadByUrl {
        scene: 1,
        kind: "file".into(),
        filename: "a.zip".into(),
        url: "https://example.com/a.zip".into(),
        md5: "198918f40ecc7cab0fc4231adaf67c96".into(),
    };
    let jobid = app.send(fetched).await.unwrap().jobid;
    let result = app.send(GetUploadByUrlResult { jobid }).await.unwrap();
    let media_id = result.detail.unwrap().media_id;
    let file = wecom::api::message::MessageContent::File(wecom::api::message::File { media_id });
    assert_eq!(code(app.send(SendMessage::to_users(["lisi"]).content(file)).await), 40_007, "not for message/send");
}

#[tokio::test]
async fn settings_menu_and_workbench_are_kept() {
    let simulator = start().await;
    let app = client(&simulator);
    let settings = SetAgent { description: Some("生产通知".into()), ..SetAgent::default() };
    app.send(settings).await.unwrap();
    assert_eq!(app.send(GetAgent::default()).await.unwrap().description, "生产通知");
    assert_eq!(app.send(ListAgents {}).await.unwrap().agentlist[0].agentid, wecom::AgentId(1_000_002));
    let button =
        |kind: &str, name: &str| MenuButton { kind: Some(kind.into()), name: name.into(), ..Default::default() };
    let good = MenuButton { key: Some("k".into()), ..button("click", "排产") };
    app.send(CreateMenu { agentid: None, button: vec![good.clone()] }).await.unwrap();
    assert_eq!(app.send(GetMenu::default()).await.unwrap().button, [good]);
    assert_eq!(code(app.send(CreateMenu { agentid: None, button: vec![button("view", "x")] }).await), 40_020);
    app.send(DeleteMenu::default()).await.unwrap();
    assert_eq!(code(app.send(GetMenu::default()).await), 46_003);
    let items = vec![KeyDataItem { key: "待排".into(), data: "3".into(), ..Default::default() }];
    let template = SetWorkbenchTemplate { data: WorkbenchData::keydata(items), ..Default::default() };
    app.send(template.clone()).await.unwrap();
    assert_eq!(app.send(GetWorkbenchTemplate::default()).await.unwrap().data, template.data);
    let first = app.send(GetJsapiTicket {}).await.unwrap();
    assert_eq!(app.send(GetJsapiTicket {}).await.unwrap().ticket, first.ticket);
    assert_ne!(app.send(GetAgentTicket::default()).await.unwrap().ticket, first.ticket);
    assert!(app.send(GetCallbackIp {}).await.unwrap().ip_list.len() > 1);
}

#[tokio::test]
async fn an_untrusted_address_is_told_so_with_its_address() {
    let simulator = start().await;
    let app = client(&simulator);
    simulator.control.trust_addresses(1_000_002, Some(vec!["203.0.113.7".into()]));
    let error = app.send(SendMessage::to_users(["lisi"]).text("x")).await.unwrap_err();
    assert_eq!((error.errcode().unwrap().0, error.caller_ip()), (60_020, Some("127.0.0.1")));
    simulator.control.trust_addresses(1_000_002, None);
    app.send(SendMessage::to_users(["lisi"]).text("x")).await.unwrap();
}
