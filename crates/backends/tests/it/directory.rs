//! Who is who: kept sealed, brought over from before, sealed anew; and what changes of WeCom's address book make of it.

use std::path::Path;
use std::sync::Arc;

use backends::{Config, Pii, SqliteLedger};
use domain::{Group, OnCall, Person, PersonChange, PersonSource, PersonStatus, Recipient, Span, Timestamp};
use pipeline::ports::{Directory as _, HandClock, LookedUp, Records as _, Sealing as _, Upkeep as _};
use pipeline::{DirectoryBook, DirectoryKeeper, MemberChange};

const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

fn clock() -> Arc<HandClock> {
    Arc::new(HandClock::new(NOW))
}

async fn open(folder: &Path) -> SqliteLedger {
    SqliteLedger::open(&Config::new(folder), clock()).await.unwrap()
}

fn person() -> Person {
    Person {
        name: Some("canary-name".into()),
        departments: vec!["1".into(), "canary-department".into()],
        mobile: Some("13800138000".into()),
        email: Some("canary@example.com".into()),
        status: Some(PersonStatus::NotActivated),
        identities: vec!["emp:canary".parse().unwrap()],
        synced_at: Some(NOW),
        ..Person::new("ZhangSan", PersonSource::App)
    }
}

fn is_readable(folder: &Path, text: &str) -> bool {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.is_file()).any(|path| {
        let bytes = std::fs::read(path).unwrap();
        bytes.windows(text.len()).any(|part| part == text.as_bytes())
    })
}

#[tokio::test]
async fn people_lists_and_look_ups_are_kept_and_sealed_anew_with_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path()).await;
    let group = Group { name: "运维".into(), members: vec!["emp:canary".into()] };
    let list = OnCall {
        name: "ops".into(),
        members: vec!["a".into(), "b".into()],
        since: NOW,
        every: Span::seconds(86_400),
        zone: "Asia/Shanghai".into(),
    };
    let found = LookedUp { entry: "mobile:13900139000".into(), userid: "lisi".into(), at: NOW };
    ledger.put_people(vec![person()]).await.unwrap();
    ledger.put_group(group.clone()).await.unwrap();
    ledger.put_on_call(list.clone()).await.unwrap();
    ledger.keep_looked_up(LookedUp { userid: "old".into(), ..found.clone() }).await.unwrap();
    ledger.keep_looked_up(found.clone()).await.unwrap();
    assert_eq!(ledger.rotate_master_key().await.unwrap(), 2);
    while ledger.reseal(10).await.unwrap() > 0 {}
    assert!(ledger.retire_master_keys().await.unwrap());
    ledger.close().await;
    drop(ledger);
    let ledger = open(folder.path()).await;
    assert_eq!(ledger.people().await.unwrap(), [person()]);
    assert_eq!(ledger.groups().await.unwrap(), [group]);
    assert_eq!(ledger.on_call_lists().await.unwrap(), [list]);
    assert_eq!(ledger.looked_up(NOW).await.unwrap(), [found]);
    for canary in ["canary-name", "canary-department", "13800138000", "canary@", "emp:canary", "13900139000"] {
        assert!(!is_readable(folder.path(), canary), "{canary}");
    }
    // Who is erased is found by nothing any more.
    ledger.erase(&Recipient::User("zhangsan".into()), 10).await.unwrap();
    ledger.erase(&Recipient::User("lisi".into()), 10).await.unwrap();
    assert_eq!((ledger.people().await.unwrap(), ledger.looked_up(NOW).await.unwrap()), (vec![], vec![]));
    assert!(ledger.forget_group("运维").await.unwrap() && !ledger.forget_on_call("other").await.unwrap());
}

#[tokio::test]
async fn addresses_kept_before_are_brought_over_and_sealed() {
    let folder = tempfile::tempdir().unwrap();
    let before = rusqlite::Connection::open(folder.path().join("ledger.sqlite")).unwrap();
    let steps = [
        include_str!("../../migrations/sqlite/0001_ledger.sql"),
        include_str!("../../migrations/sqlite/0002_compact.sql"),
        include_str!("../../migrations/sqlite/0003_delivery_rules.sql"),
    ];
    // What the second step needs of us; there is nothing to convert.
    before
        .create_scalar_function("id_bytes", 1, rusqlite::functions::FunctionFlags::SQLITE_UTF8, |_| Ok(vec![0_u8; 16]))
        .unwrap();
    steps.iter().for_each(|step| before.execute_batch(step).unwrap());
    before
        .execute_batch(
            "INSERT INTO person VALUES ('zhangsan', 'ZhangSan', 'canary@example.com');
             PRAGMA application_id = 1213817198; PRAGMA user_version = 3",
        )
        .unwrap();
    drop(before);
    let ledger = open(folder.path()).await;
    let expected = Person { email: Some("canary@example.com".into()), ..Person::new("ZhangSan", PersonSource::Own) };
    assert_eq!(ledger.people().await.unwrap(), [expected]);
    ledger.close().await;
    drop(ledger);
    assert!(!is_readable(folder.path(), "canary@example.com"));
}

#[tokio::test]
async fn what_wecom_tells_of_its_address_book_is_kept_without_asking() {
    let ledger = Arc::new(SqliteLedger::in_memory(Pii::Plain, clock()).unwrap());
    let book = DirectoryBook::default();
    let keeper = DirectoryKeeper::new(ledger.clone(), book.clone(), clock(), None, None);
    let own = PersonChange { identities: Some(vec!["emp:1".parse().unwrap()]), ..PersonChange::new("old") };
    keeper.put(&[own], false).await.unwrap();
    // As in the trimmed form: nothing but departments and the new userid.
    let said = PersonChange { departments: Some(vec!["7".into()]), ..PersonChange::new("OLD") };
    keeper.apply(MemberChange { said, new_userid: Some("new".into()), deleted: false }).await.unwrap();
    let known: Vec<Person> = book.read().people().cloned().collect();
    assert_eq!((known.len(), known[0].userid.as_str(), known[0].synced_at), (1, "new", Some(NOW)));
    assert_eq!((&known[0].departments, known[0].identities.len()), (&vec!["7".to_owned()], 1));
    let gone = |userid| MemberChange { said: PersonChange::new(userid), new_userid: None, deleted: true };
    keeper.apply(gone("stranger")).await.unwrap();
    keeper.apply(gone("new")).await.unwrap();
    assert!(book.read().has_left("new") && book.read().person("stranger").is_none());
    let back = MemberChange { said: PersonChange::new("new"), ..MemberChange::default() };
    keeper.apply(back).await.unwrap();
    assert!(!book.read().has_left("new"));
    assert_eq!(ledger.people().await.unwrap().len(), 1);
}
