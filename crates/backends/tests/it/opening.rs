//! What is not our ledger is refused by name, and never overwritten.

use std::sync::Arc;

use backends::{Config, OpenError, SqliteLedger};
use domain::{CallerId, Content, ContentKind, MessageId, Recipient, RecipientState, RequestHash, Timestamp};
use pipeline::ports::{
    Accepted, Admissions as _, HandClock, Idempotency, Keys as _, MessageFilter, Queue as _, Records as _, Upkeep as _,
};

fn clock() -> Arc<HandClock> {
    Arc::new(HandClock::new(Timestamp::EPOCH))
}

#[tokio::test]
async fn one_process_holds_the_directory() {
    let folder = tempfile::tempdir().unwrap();
    let _first = SqliteLedger::open(&Config::new(folder.path()), clock()).await.unwrap();
    let second = SqliteLedger::open(&Config::new(folder.path()), clock()).await.unwrap_err();
    assert!(matches!(second, OpenError::InUse { .. }), "{second}");
}

#[tokio::test]
async fn a_foreign_or_newer_or_broken_file_is_refused() {
    for (pragma, expected) in [
        ("PRAGMA application_id = 7; CREATE TABLE theirs (x)", "is not a Hongyan ledger"),
        ("PRAGMA application_id = 1213817198; PRAGMA user_version = 99", "has schema 99"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.sqlite");
        rusqlite::Connection::open(&path).unwrap().execute_batch(pragma).unwrap();
        let before = std::fs::read(&path).unwrap();
        let error = SqliteLedger::open(&Config::new(folder.path()), clock()).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(std::fs::read(&path).unwrap().len(), before.len());
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ledger.sqlite"), "this is no database, but a letter of some length").unwrap();
    let error = SqliteLedger::open(&Config::new(folder.path()), clock()).await.unwrap_err();
    assert!(matches!(error, OpenError::Database { .. }), "{error}");
}

#[tokio::test]
async fn a_ledger_of_the_first_schema_is_brought_up_to_date() {
    let folder = tempfile::tempdir().unwrap();
    let first = rusqlite::Connection::open(folder.path().join("ledger.sqlite")).unwrap();
    first.execute_batch(include_str!("../../migrations/sqlite/0001_ledger.sql")).unwrap();
    first.execute_batch("PRAGMA application_id = 1213817198; PRAGMA user_version = 1").unwrap();
    let id = MessageId::from_uuid(uuid::Uuid::now_v7());
    let (message, delivery) = (id.base32(), id.delivery(1).base32());
    first
        .execute_batch(&format!(
            "INSERT INTO message VALUES ('{message}', 'one', 0, '1 text {{\"content\":\"hello\"}}', NULL, 1, 5, NULL, NULL, '[\"t\"]', NULL, NULL);
             INSERT INTO term VALUES ('user:zhangsan', '{message}'), ('#t', '{message}');
             INSERT INTO delivery (id, lane, recipients, state, priority, due_at, give_up_at, sole, request_hash, fence, attempts, last_attempt_at)
                 VALUES ('{delivery}', 'wecom_app:default', 'user:zhangsan', 1, 1, 5, 9000, 1, 77, 1, 1, 6);
             INSERT INTO attempt VALUES ('{attempt}', 5, 5, 'deferred', NULL, 0, NULL);
             INSERT INTO idempotency VALUES ('one', 'key', '{hash}', '{message}', 5, NULL);",
            attempt = id.delivery(1).attempt(1).base32(),
            hash = "ab".repeat(32),
        ))
        .unwrap();
    drop(first);
    let ledger = SqliteLedger::open(&Config::new(folder.path()), clock()).await.unwrap();
    let record = ledger.message(id, Some(&CallerId::new("one"))).await.unwrap().unwrap();
    assert_eq!(record.message.content, Content::plain(ContentKind::Text, "hello"));
    // What was in flight waits again, with the attempt that nobody answered.
    let delivery = &record.deliveries[0];
    assert_eq!((delivery.state, delivery.attempts.len()), (RecipientState::Waiting, 2));
    let filter = MessageFilter {
        recipient: Some(Recipient::User("zhangsan".into())),
        tag: Some("t".into()),
        limit: 9,
        ..MessageFilter::default()
    };
    assert_eq!(ledger.list(filter).await.unwrap().len(), 1);
    let same = Idempotency { key: "key".into(), hash: RequestHash::new([0xab; 32]), not_before: Timestamp::EPOCH };
    let known = ledger.known_key(&CallerId::new("one"), &same).await.unwrap();
    assert!(matches!(known, Some(Accepted::Replayed { id: found, .. }) if found == id), "{known:?}");
}

#[tokio::test]
async fn a_ledger_that_lost_commits_is_refused_until_the_loss_is_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = SqliteLedger::open(&Config::new(folder.path()), clock()).await.unwrap();
    ledger.note_key_use("nobody", Timestamp::EPOCH).await.unwrap();
    ledger.release(Timestamp::EPOCH).await.unwrap();
    ledger.forget_requests(Timestamp::EPOCH, 1).await.unwrap();
    ledger.close().await;
    drop(ledger);
    std::fs::write(folder.path().join("ledger.commits"), format!("{:>20}", 41)).unwrap();
    let refused = SqliteLedger::open(&Config::new(folder.path()), clock()).await.unwrap_err();
    assert!(matches!(refused, OpenError::Behind { committed: 41, .. }), "{refused}");
    SqliteLedger::open(&Config { accept_loss: true, ..Config::new(folder.path()) }, clock())
        .await
        .unwrap()
        .close()
        .await;
    SqliteLedger::open(&Config::new(folder.path()), clock()).await.unwrap();
}

#[tokio::test]
async fn a_backup_overwrites_nothing_and_opens_elsewhere() {
    let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let _in_use = SqliteLedger::open(&Config::new(folder.path()), clock()).await.unwrap();
    let copy = elsewhere.path().join("ledger.sqlite");
    assert!(backends::back_up(folder.path(), &copy).unwrap() > 0);
    let again = backends::back_up(folder.path(), &copy).unwrap_err();
    assert!(again.to_string().contains("never overwrites"), "{again}");
    // The copy is sealed: it opens where the master key is.
    let sealed = SqliteLedger::open(&Config::new(elsewhere.path()), clock()).await.unwrap_err();
    assert!(matches!(sealed, OpenError::KeyMissing { .. }), "{sealed}");
    let key_file = folder.path().join("master-key");
    SqliteLedger::open(&Config { key_file: Some(key_file), ..Config::new(elsewhere.path()) }, clock()).await.unwrap();
}
