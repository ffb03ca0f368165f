//! Encryption at rest: nothing that was said is readable in the files; a wrong key is a clear error; keys are changed
//! while messages come in.

use std::path::Path;
use std::sync::Arc;

use backends::{Config, OpenError, SqliteLedger};
use bytes::Bytes;
use domain::{
    CallerId, Content, ContentKind, Delivery, Lane, MediaId, Message, MessageId, Options, Priority, RecipientSet,
    RequestHash, TemplateUse, Timestamp,
};
use pipeline::ports::{
    Admission, Admissions as _, Claim, HandClock, Media as _, MediaRecord, Queue as _, Records as _, Sealing as _,
    Upkeep as _,
};

const CANARY: &str = "canary-生产计划-4711";

async fn open(folder: &Path) -> Result<SqliteLedger, OpenError> {
    let clock = Arc::new(HandClock::new(Timestamp::EPOCH));
    SqliteLedger::open(&Config::new(folder), clock).await
}

fn admission(words: &str) -> Arc<Admission> {
    let id = MessageId::from_uuid(uuid::Uuid::now_v7());
    let recipients: RecipientSet = [domain::Recipient::User("zhangsan".to_owned())].into_iter().collect();
    let variables = serde_json::json!({ "order": CANARY }).as_object().cloned().unwrap_or_default();
    let message = Message {
        id,
        caller: CallerId::new("erp"),
        content: Content::plain(ContentKind::Text, words),
        options: Options::default(),
        priority: Priority::Normal,
        accepted_at: Timestamp::EPOCH,
        send_at: None,
        expires_at: None,
        tags: vec!["plan".to_owned()],
        metadata: Some(format!(r#"{{"note":"{CANARY}"}}"#).into()),
        duplicate_of: None,
        route: None,
        replay_of: None,
        acknowledged_at: None,
        template: Some(Box::new(TemplateUse { name: "order".to_owned(), version: Some(1), variables })),
        webhook: None,
    };
    let delivery = Delivery {
        id: id.delivery(1),
        lane: Lane::new("wecom_app", "default"),
        recipients,
        priority: Priority::Normal,
        due_at: Timestamp::EPOCH,
        expires_at: None,
        give_up_at: Timestamp::from_millis(1_000_000),
        request_hash: RequestHash::new([7; 32]),
        address: None,
        step: None,
        digest: None,
        part: 0,
    };
    Arc::new(Admission {
        message,
        deliveries: vec![delivery],
        born_leased: Vec::new(),
        idempotency: None,
        dedupe: None,
        links: Vec::new(),
    })
}

/// The files in which a text can be read.
fn found_in(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(found_in(&path, text));
        } else if std::fs::read(&path).unwrap().windows(text.len()).any(|window| window == text.as_bytes()) {
            found.push(path.file_name().unwrap().to_string_lossy().into_owned());
        }
    }
    found
}

async fn claimed(ledger: &SqliteLedger) -> Vec<Option<String>> {
    let claim = Claim {
        lane: Lane::new("wecom_app", "default"),
        limit: 100,
        now: Timestamp::EPOCH,
        lowest_first: false,
        served: None,
        equal_since: None,
        moving: None,
    };
    let claimed = ledger.claim(claim).await.unwrap().claimed;
    claimed.into_iter().map(|claimed| claimed.content.and_then(|content| content.plain_content())).collect()
}

#[tokio::test]
async fn nothing_that_was_said_is_readable_in_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path()).await.unwrap();
    let (short, long) = (admission(CANARY), admission(&CANARY.repeat(50)));
    ledger.accept(vec![short.clone(), long.clone()]).await.unwrap();
    let file = MediaId::from_uuid(uuid::Uuid::now_v7());
    let record = MediaRecord {
        id: file,
        caller: CallerId::new("erp"),
        file_name: "plan.csv".to_owned(),
        size: 3,
        created_at: Timestamp::EPOCH,
    };
    ledger.put_media(record, Bytes::from(CANARY.repeat(9))).await.unwrap();
    assert_eq!(found_in(folder.path(), CANARY), Vec::<String>::new());
    assert!(!found_in(folder.path(), "zhangsan").is_empty(), "recipients stay searchable");
    let read = ledger.message(short.message.id, None).await.unwrap().unwrap().message;
    assert_eq!(read, short.message);
    assert_eq!(ledger.message(long.message.id, None).await.unwrap().unwrap().message, long.message);
    assert_eq!(claimed(&ledger).await, [Some(CANARY.to_owned()), Some(CANARY.repeat(50))]);
    assert_eq!(ledger.media_content(file).await.unwrap(), Some(Bytes::from(CANARY.repeat(9))));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(folder.path().join("master-key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[tokio::test]
async fn without_its_key_or_with_another_a_sealed_ledger_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let key_file = folder.path().join("master-key");
    open(folder.path()).await.unwrap().close().await;
    let key = std::fs::read_to_string(&key_file).unwrap();
    std::fs::remove_file(&key_file).unwrap();
    let missing = open(folder.path()).await.unwrap_err();
    assert!(matches!(missing, OpenError::KeyMissing { .. }), "{missing}");
    assert!(!key_file.exists(), "no new key in the place of one that is gone");
    std::fs::write(&key_file, format!("1 {}\n", "ab".repeat(32))).unwrap();
    let wrong = open(folder.path()).await.unwrap_err();
    assert!(matches!(wrong, OpenError::WrongKey { number: 1, .. }), "{wrong}");
    std::fs::write(&key_file, format!("2 {}\n", "ab".repeat(32))).unwrap();
    let not_held = open(folder.path()).await.unwrap_err();
    assert!(matches!(not_held, OpenError::KeyNotHeld { number: 1, .. }), "{not_held}");
    assert!(not_held.to_string().contains("master-key") && not_held.to_string().contains("is missing"), "{not_held}");
    std::fs::write(&key_file, "nonsense").unwrap();
    let broken = open(folder.path()).await.unwrap_err();
    assert!(broken.to_string().contains("line 1"), "{broken}");
    std::fs::write(&key_file, key).unwrap();
    open(folder.path()).await.unwrap();
}

#[tokio::test]
async fn keys_are_changed_in_use_and_a_restart_in_between_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path()).await.unwrap();
    let old: Vec<_> = (0..25).map(|i| admission(&format!("{i} {}", CANARY.repeat(i)))).collect();
    ledger.accept(old.clone()).await.unwrap();
    while ledger.reseal(10).await.unwrap() > 0 {}
    assert!(ledger.sealing().await.unwrap().done);
    assert_eq!(ledger.rotate_master_key().await.unwrap(), 2);
    let new = admission("after");
    ledger.accept(vec![new.clone()]).await.unwrap();
    assert_eq!(ledger.sealing().await.unwrap().waiting, 25);
    assert!(!ledger.retire_master_keys().await.unwrap(), "something still needs them");
    assert_eq!(ledger.reseal(10).await.unwrap(), 10);
    ledger.close().await;
    drop(ledger);
    let ledger = open(folder.path()).await.unwrap();
    assert_eq!(ledger.sealing().await.unwrap().waiting, 15);
    while ledger.reseal(10).await.unwrap() > 0 {}
    assert!(ledger.retire_master_keys().await.unwrap());
    assert_eq!(ledger.sealing().await.unwrap().keys, [2]);
    ledger.close().await;
    drop(ledger);
    let ledger = open(folder.path()).await.unwrap();
    for admission in old.iter().chain([&new]) {
        let read = ledger.message(admission.message.id, None).await.unwrap().unwrap().message;
        assert_eq!(read, admission.message);
    }
}

#[tokio::test]
async fn what_was_stored_before_is_sealed_by_the_first_pass() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path()).await.unwrap();
    let (short, long) = (admission("short"), admission(&"long".repeat(300)));
    ledger.accept(vec![short.clone(), long.clone()]).await.unwrap();
    ledger.close().await;
    drop(ledger);
    // As an earlier version left it.
    let raw = rusqlite::Connection::open(folder.path().join("ledger.sqlite")).unwrap();
    let stored = |admission: &Admission| admission.message.content.to_stored();
    let template = serde_json::to_string(&short.message.template).unwrap();
    for (admission, sql) in [
        (
            &short,
            "UPDATE message SET content = ?1, sealed = NULL, sealed_notes = NULL, metadata = ?2, template = ?3 WHERE id = ?4",
        ),
        (&long, "UPDATE message SET sealed_notes = NULL, metadata = ?2, template = ?3 WHERE id = ?4 AND ?1 <> ''"),
    ] {
        let id = admission.message.id.to_bytes();
        raw.execute(sql, rusqlite::params![stored(admission), admission.message.metadata, template, id]).unwrap();
    }
    raw.execute("UPDATE long_content SET content = ?, sealed = NULL", [stored(&long)]).unwrap();
    raw.execute_batch("DELETE FROM sealing_key; DELETE FROM resealing;").unwrap();
    drop(raw);
    let ledger = open(folder.path()).await.unwrap();
    for round in 0..2 {
        for admission in [&short, &long] {
            let read = ledger.message(admission.message.id, None).await.unwrap().unwrap().message;
            assert_eq!(read, admission.message, "round {round}");
        }
        while ledger.reseal(1).await.unwrap() > 0 {}
    }
    let raw = rusqlite::Connection::open(folder.path().join("ledger.sqlite")).unwrap();
    let left: i64 = raw
        .query_row(
            "SELECT (SELECT COUNT(*) FROM message WHERE content IS NOT NULL OR metadata IS NOT NULL OR instr(template, 'canary'))
                 + (SELECT COUNT(*) FROM long_content WHERE content <> '')",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(left, 0);
}
