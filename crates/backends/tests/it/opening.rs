//! What is not our ledger is refused by name, and never overwritten.

use backends::{OpenError, SqliteLedger};
use std::sync::Arc;

use domain::Timestamp;
use pipeline::ports::HandClock;

fn clock() -> Arc<HandClock> {
    Arc::new(HandClock::new(Timestamp::EPOCH))
}

#[tokio::test]
async fn one_process_holds_the_directory() {
    let folder = tempfile::tempdir().unwrap();
    let _first = SqliteLedger::open(folder.path(), clock(), false).await.unwrap();
    let second = SqliteLedger::open(folder.path(), clock(), false).await.unwrap_err();
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
        let error = SqliteLedger::open(folder.path(), clock(), false).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(std::fs::read(&path).unwrap().len(), before.len());
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ledger.sqlite"), "this is no database, but a letter of some length").unwrap();
    let error = SqliteLedger::open(folder.path(), clock(), false).await.unwrap_err();
    assert!(matches!(error, OpenError::Database { .. }), "{error}");
}
