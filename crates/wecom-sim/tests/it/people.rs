//! SDK and simulator about people: members, departments, tags, imports, exports, logins.

use futures::TryStreamExt as _;
use wecom::api::batch::{GetBatchResult, InviteUsers, SyncUsers};
use wecom::api::department::{CreateDepartment, DeleteDepartment, GetDepartment, ListDepartments, UpdateDepartment};
use wecom::api::export::{self, ExportUsers, GetExportResult};
use wecom::api::media::{UploadKind, UploadMedia};
use wecom::api::oauth::{GetUserDetail, GetUserInfo};
use wecom::api::tag::{AddTagUsers, CreateTag, GetTag, RemoveTagUsers};
use wecom::api::user::{
    ConvertToOpenId, ConvertToUserId, CreateUser, DeleteUser, GetUser, GetUserIdByEmail, GetUserIdByMobile,
    ListUserIds, ListUsers, MemberChange, UpdateUser,
};
use wecom::callback::EncodingAesKey;
use wecom::{Client, Error};
use wecom_sim::Running;

use crate::{CORP, client, plain_client, start, transport};

/// A client with the contact-sync secret.
fn contacts(simulator: &Running) -> Client {
    Client::builder(transport(simulator), CORP, "demo-contacts-secret").build()
}

fn code<T: std::fmt::Debug>(result: Result<T, Error>) -> i64 {
    result.unwrap_err().errcode().unwrap().0
}

#[tokio::test]
async fn a_member_is_created_read_changed_and_removed() {
    let simulator = start().await;
    let (contacts, app) = (contacts(&simulator), client(&simulator));
    let new = || CreateUser {
        member: MemberChange {
            name: Some("赵六".into()),
            mobile: Some("13600136000".into()),
            email: Some("zhaoliu@example.com".into()),
            department: Some(vec![2]),
            position: Some("计划员".into()),
            ..MemberChange::of("ZhaoLiu")
        },
        to_invite: Some(false),
    };
    assert_eq!(code(app.send(new()).await), 48_002, "applications do not write the address book");
    contacts.send(new()).await.unwrap();
    assert_eq!(code(contacts.send(new()).await), 60_102);
    let member = app.send(GetUser { userid: "zhaoliu".into() }).await.unwrap();
    assert_eq!((member.userid.as_str(), member.position.as_deref()), ("ZhaoLiu", Some("计划员")));
    assert_eq!(app.send(GetUserIdByMobile { mobile: "13600136000".into() }).await.unwrap().userid, "ZhaoLiu");
    let by_mail = GetUserIdByEmail { email: "ZhaoLiu@example.com".into(), email_type: Some(2) };
    assert_eq!(app.send(by_mail).await.unwrap().userid, "ZhaoLiu");
    let openid = app.send(ConvertToOpenId { userid: "zhaoliu".into() }).await.unwrap().openid;
    assert_eq!(app.send(ConvertToUserId { openid }).await.unwrap().userid, "ZhaoLiu");
    let change = MemberChange { name: Some("赵六六".into()), ..MemberChange::of("ZhaoLiu") };
    contacts.send(UpdateUser { member: change, new_userid: None }).await.unwrap();
    let members = app.send(ListUsers { department_id: 2 }).await.unwrap().userlist;
    assert!(members.iter().any(|member| member.name == "赵六六"));
    contacts.send(DeleteUser { userid: "ZhaoLiu".into() }).await.unwrap();
    assert_eq!(code(app.send(GetUser { userid: "ZhaoLiu".into() }).await), 60_111);
    assert_eq!(code(app.send(GetUserIdByMobile { mobile: "13600136000".into() }).await), 46_004);
}

#[tokio::test]
async fn all_userids_are_streamed_page_by_page() {
    let simulator = start().await;
    simulator.control.add_members("m", 10_050);
    let rows: Vec<_> = ListUserIds::stream(contacts(&simulator)).try_collect().await.unwrap();
    assert_eq!(rows.len(), 10_053);
    let asked = simulator.control.requests().iter().filter(|r| r.path.ends_with("user/list_id")).count();
    assert_eq!(asked, 2);
    assert_eq!(code(client(&simulator).send(ListUserIds::default()).await), 48_002);
}

#[tokio::test]
async fn departments_keep_their_tree() {
    let simulator = start().await;
    let contacts = contacts(&simulator);
    let below = |parentid, name: &str| CreateDepartment { name: name.into(), parentid, ..CreateDepartment::default() };
    let id = contacts.send(below(2, "一车间")).await.unwrap().id;
    assert_eq!(code(contacts.send(below(2, "一车间")).await), 60_008);
    assert_eq!(code(contacts.send(below(2, "a:b")).await), 60_009);
    assert_eq!(code(contacts.send(below(99, "x")).await), 60_004);
    let renamed = UpdateDepartment { id, name: Some("二车间".into()), ..UpdateDepartment::default() };
    contacts.send(renamed).await.unwrap();
    let department = contacts.send(GetDepartment { id }).await.unwrap().department;
    assert_eq!((department.name.as_str(), department.parentid), ("二车间", 2));
    let looped = UpdateDepartment { id: 2, parentid: Some(id), ..UpdateDepartment::default() };
    assert_eq!(code(contacts.send(looped).await), 60_010);
    assert_eq!(contacts.send(ListDepartments { id: Some(2) }).await.unwrap().department.len(), 2);
    assert_eq!(code(contacts.send(DeleteDepartment { id: 2 }).await), 60_006);
    contacts.send(DeleteDepartment { id }).await.unwrap();
    assert_eq!(code(contacts.send(DeleteDepartment { id: 2 }).await), 60_005);
    assert_eq!(code(contacts.send(DeleteDepartment { id: 1 }).await), 60_007);
}

#[tokio::test]
async fn a_tag_belongs_to_its_maker_and_names_whom_it_does_not_know() {
    let simulator = start().await;
    let app = client(&simulator);
    let other = Client::builder(transport(&simulator), CORP, "demo-secret-2").build();
    let tagid = app.send(CreateTag { tagname: "夜班".into(), tagid: None }).await.unwrap().tagid;
    let add = |users: &[&str]| AddTagUsers {
        tagid,
        userlist: users.iter().map(|&user| user.to_owned()).collect(),
        partylist: vec![2, 77],
    };
    let changed = app.send(add(&["zhangsan", "ghost"])).await.unwrap();
    assert_eq!((changed.invalidlist, changed.invalidparty), (vec!["ghost".to_owned()], vec![77]));
    assert_eq!(code(other.send(add(&["lisi"])).await), 81_011);
    let members = app.send(GetTag { tagid }).await.unwrap();
    assert_eq!((members.userlist[0].userid.as_str(), members.partylist), ("zhangsan", vec![2]));
    let nobody = RemoveTagUsers { tagid, userlist: vec!["ghost".into()], partylist: Vec::new() };
    assert_eq!(code(app.send(nobody).await), 40_031);
}

#[tokio::test]
async fn the_visible_range_and_personal_fields_are_kept() {
    let simulator = start().await;
    let rules =
        wecom_sim::Rules { hide_personal_fields: true, contact_sync_from_new_address: true, ..Default::default() };
    simulator.control.set_rules(rules);
    let member = client(&simulator).send(GetUser { userid: "zhangsan".into() }).await.unwrap();
    assert_eq!((member.name.as_str(), member.mobile, member.email), ("张三", None, None));
    assert_eq!(code(contacts(&simulator).send(GetUser { userid: "zhangsan".into() }).await), 48_009);
    contacts(&simulator).send(ListUserIds::default()).await.unwrap();
}

#[tokio::test]
async fn a_table_is_imported_and_the_address_book_exported_and_opened() {
    let simulator = start().await;
    let contacts = contacts(&simulator);
    let table = "姓名,帐号,手机号,邮箱,所在部门\n孙七,sunqi,13500135000,sunqi@example.com,2\n,nameless,1,,2\n周八,zhouba,1,,88\n";
    let media = UploadMedia::bytes("members.csv", table);
    let media_id = contacts.upload(UploadKind::File, media).await.unwrap().media_id;
    let job = contacts.send(SyncUsers { media_id, to_invite: None, callback: None }).await.unwrap();
    let result = contacts.send(GetBatchResult { jobid: job.jobid }).await.unwrap();
    let codes: Vec<i64> = result.result.iter().map(|row| row.errcode.0).collect();
    assert_eq!((result.status, codes), (3, vec![0, 60_112, 60_003]));

    let key = "IJUiXNpvGbODwKEBSEsAeOAPAhkqHqNCF6g19t9wfg2";
    let job = contacts.send(ExportUsers { encoding_aeskey: key.into(), block_size: None }).await.unwrap();
    let files = contacts.send(GetExportResult { jobid: job.jobid }).await.unwrap().data_list;
    let file = plain_client().get(&files[0].url).send().await.unwrap().bytes().await.unwrap();
    assert_eq!(file.len() as u64, files[0].size);
    let opened = export::open_file(&EncodingAesKey::parse(key).unwrap(), &file).unwrap();
    assert_eq!(opened["userlist"].as_array().unwrap().len(), 4);
    let invited =
        client(&simulator).send(InviteUsers { user: vec!["ghost".into()], ..Default::default() }).await.unwrap();
    assert_eq!(invited.invaliduser, ["ghost"]);
}

#[tokio::test]
async fn a_code_tells_who_it_is_once() {
    let simulator = start().await;
    let app = client(&simulator);
    let code_of = simulator.control.oauth_code("zhangsan", true);
    let info = app.send(GetUserInfo { code: code_of.as_str().into() }).await.unwrap();
    assert_eq!(info.userid.as_deref(), Some("zhangsan"));
    let detail = app.send(GetUserDetail { user_ticket: info.user_ticket.unwrap() }).await.unwrap();
    assert_eq!(detail.mobile.as_deref(), Some("13800138000"));
    assert_eq!(code(app.send(GetUserInfo { code: code_of.as_str().into() }).await), 40_029);
    let late = simulator.control.oauth_code("zhangsan", false);
    simulator.control.advance(std::time::Duration::from_secs(301));
    assert_eq!(code(app.send(GetUserInfo { code: late.as_str().into() }).await), 40_029);
}
