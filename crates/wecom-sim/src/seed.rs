//! The company that exists without options, documented in the README and relied on by examples.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::callback::Endpoint;
use crate::crypto::Key;
use crate::smart_robot::SmartRobot;
use crate::world::{App, Corp, Member, Party, Robot, State, Tag};

const CORP_ID: &str = "wwdemo0000000001";
/// What callbacks of the demo company are signed and encrypted with.
const CALLBACK_TOKEN: &str = "demo-token";
const CALLBACK_KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";

pub(crate) fn demo_company(state: &mut State) {
    let mut corp = Corp { contacts_secret: "demo-contacts-secret".to_owned(), account_limit: 500, ..Corp::default() };
    for (userid, name, mobile, party) in [
        ("zhangsan", "张三", "13800138000", 1),
        ("lisi", "李四", "13900139000", 2),
        ("wangwu", "王五", "13700137000", 2),
    ] {
        let member = Member {
            userid: userid.to_owned(),
            name: name.to_owned(),
            mobile: mobile.to_owned(),
            email: format!("{userid}@example.com"),
            parties: vec![party],
            profile: serde_json::Map::from_iter([("biz_mail".to_owned(), format!("{userid}@corp.example").into())]),
            ..Member::new(userid)
        };
        corp.members.insert(userid.to_owned(), member);
    }
    corp.parties.insert(1, Party { name: "鸿雁示例公司".to_owned(), ..Party::default() });
    corp.parties.insert(2, Party { name: "生产计划部".to_owned(), parent: Some(1), ..Party::default() });
    corp.tags.insert(
        1,
        Tag { name: "值班".to_owned(), members: vec!["zhangsan".to_owned(), "lisi".to_owned()], ..Tag::default() },
    );
    // Configured, so that cards which call back are taken; say where it really is by the control API.
    let callback = || {
        let url = "http://127.0.0.1/callback/default".to_owned();
        Some(Endpoint { url, token: CALLBACK_TOKEN.to_owned(), key: Key::parse(CALLBACK_KEY)? })
    };
    for (agentid, name, secret) in [(1_000_002, "通知", "demo-secret"), (1_000_003, "告警", "demo-secret-2")] {
        corp.apps.insert(agentid, Arc::new(Mutex::new(App::new(name, secret, &[1, 2], callback()))));
    }
    state.corps.insert(CORP_ID.to_owned(), corp);
    state.smart_robots.insert("aibdemo".to_owned(), SmartRobot::new("demo-bot-secret"));
    for number in 1..=8 {
        let key = format!("00000000-0000-4000-8000-{number:012}");
        state.robots.insert(key, Robot::new(&format!("示例群 {number}")));
    }
}
