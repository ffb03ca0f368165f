//! `pii = "sealed"`: nobody's name is in a file, everything is found as before; a ledger is brought over and back.

use std::path::Path;
use std::sync::Arc;

use backends::{Config, OpenError, Pii, SqliteLedger, back_up};
use bytes::Bytes;
use domain::{
    AttemptRecord, CallerId, Content, ContentKind, Delivery, Grant, Heard, Lane, MediaId, Mention, Message, MessageId,
    MissedRuns, Options, Outcome, Person, PersonSource, Priority, Reason, Recipient, RecipientSet, RecipientState,
    Refusal, RequestHash, Route, Timestamp, What,
};
use pipeline::ports::{
    Accepted, Admission, Admissions as _, Advance, Callbacks as _, Claim, Claimed, DedupeEntry, Directory as _,
    Effects, FeedbackRecord, HandClock, Idempotency, Media as _, MediaRecord, MessageFilter, Posted, Queue as _,
    Records as _, Schedule, Schedules as _, Sealing as _, Settlement, Told, Upkeep as _, Webhooks as _, Word,
};

const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);
/// Later than any message.
const AFTERWARDS: Timestamp = Timestamp::from_millis(1_990_000_000_000);
/// In every name of a person here, and in nothing else.
const NAME: &str = "canary";

fn later(millis: i64) -> Timestamp {
    Timestamp::from_millis(NOW.as_millis() + millis)
}

async fn open(folder: &Path, pii: Pii) -> SqliteLedger {
    let config = Config { pii, ..Config::new(folder) };
    SqliteLedger::open(&config, Arc::new(HandClock::new(NOW))).await.unwrap()
}

/// Closes a ledger and opens it with another setting.
async fn reopen(ledger: SqliteLedger, folder: &Path, pii: Pii) -> SqliteLedger {
    ledger.close().await;
    drop(ledger);
    open(folder, pii).await
}

fn main_lane() -> Lane {
    Lane::new("wecom_app", "default")
}

fn set(recipients: &[&str]) -> RecipientSet {
    recipients.iter().map(|recipient| recipient.parse().unwrap()).collect()
}

fn reason() -> Reason {
    Reason::new("invaliduser", "`user:canary-li` is not visible").with_hint("tell canary-wang")
}

fn admission(number: u16, recipients: &[&str]) -> Admission {
    let id = MessageId::from_uuid(uuid::Uuid::now_v7());
    let mention = Mention { users: vec!["canary-wang".into()], mobiles: vec!["13canary".into()], all: false };
    let route: Route = serde_json::from_value(serde_json::json!({
        "name": "ops", "steps": [{ "channel": "email", "to": ["canary-boss@example.com"] }], "to": ["user:canary-boss"],
    }))
    .unwrap();
    let message = Message {
        id,
        caller: CallerId::new("erp"),
        content: Content::plain(ContentKind::Text, "hello"),
        options: Options { mention, ..Options::default() },
        priority: Priority::Normal,
        accepted_at: NOW,
        send_at: None,
        expires_at: None,
        tags: vec!["plan".into()],
        metadata: None,
        duplicate_of: None,
        route: Some(Arc::new(route)),
        replay_of: None,
        acknowledged_at: None,
        template: None,
        webhook: None,
    };
    let delivery = Delivery {
        id: id.delivery(1),
        lane: main_lane(),
        recipients: set(recipients),
        priority: Priority::Normal,
        due_at: NOW,
        expires_at: None,
        give_up_at: later(3_600_000),
        request_hash: RequestHash::new([number as u8; 32]),
        address: Some("canary-zhang@example.com".into()),
        step: None,
        digest: None,
        part: 0,
    };
    Admission {
        message,
        deliveries: vec![delivery],
        born_leased: Vec::new(),
        idempotency: Some(idempotency(number)),
        dedupe: Some(DedupeEntry { key: format!("canary-dedupe-{number}"), until: later(1_000_000) }),
        links: Vec::new(),
    }
}

fn idempotency(number: u16) -> Idempotency {
    Idempotency { key: format!("canary-key-{number}"), hash: RequestHash::new([1; 32]), not_before: NOW }
}

async fn claim(ledger: &SqliteLedger, lane: Lane) -> Vec<Claimed> {
    let claim = Claim {
        lane,
        limit: 10,
        now: later(50),
        lowest_first: false,
        served: None,
        equal_since: Some(NOW),
        moving: None,
    };
    ledger.claim(claim).await.unwrap().claimed
}

fn settlement(claimed: &Claimed, outcome: Outcome, tried: bool) -> Arc<Settlement> {
    let attempt = AttemptRecord {
        number: 1,
        started_at: NOW,
        ended_at: later(9),
        result: "sent".into(),
        reason: Some(reason()),
        probe: false,
        redelivery: false,
        late: false,
        bytes: 0,
        request: Some(r#"{"touser":"canary-zhang"}"#.into()),
    };
    Arc::new(Settlement {
        lease: claimed.lease,
        lane: claimed.delivery.lane.clone(),
        attempt: tried.then_some(attempt),
        outcome,
        next: Vec::new(),
        escalate_at: None,
        frozen: None,
        sole: claimed.sole,
        metered: true,
        now: later(10),
    })
}

fn refused() -> Outcome {
    Outcome::Final {
        state: RecipientState::Delivered,
        refused: vec![Refusal { recipient: Recipient::User("canary-li".into()), reason: reason(), moves_on: false }],
        handle: Some("m1".into()),
        unconfirmed: false,
        reason: Some(reason()),
    }
}

fn person() -> Person {
    Person {
        name: Some("canary".into()),
        mobile: Some("13canary".into()),
        identities: vec!["emp:canary".parse().unwrap()],
        ..Person::new("Canary-Zhang", PersonSource::App)
    }
}

fn heard(number: u32) -> Heard {
    Heard {
        callback: "default".into(),
        key: format!("event:canary-zhang:{number}"),
        app: Some("default".into()),
        from: "canary-zhang".into(),
        at: NOW,
        what: What::Text { text: "好".into() },
        raw: serde_json::Map::new(),
    }
}

/// Somebody's name in every place that holds one: a message that ended, one that waits on a side lane, one that waits; a
/// person; what was heard, noted and is to be told; a schedule that failed; a file.
async fn fill(ledger: &SqliteLedger) -> [MessageId; 3] {
    let ended = admission(1, &["user:canary-zhang", "user:canary-li", "party:7"]);
    let held = admission(2, &["user:canary-zhang"]);
    let ids = [ended.message.id, held.message.id];
    for admission in [ended, held] {
        ledger.accept(vec![Arc::new(admission)]).await.unwrap();
    }
    let claimed = claim(ledger, main_lane()).await;
    ledger.settle(settlement(&claimed[0], refused(), true)).await.unwrap();
    let side = main_lane().of_member("canary-zhang");
    let wait = Outcome::Held { at: later(20), lane: Some(side.clone()), stays: false, reason: reason() };
    ledger.settle(settlement(&claimed[1], wait, false)).await.unwrap();
    let waiting = admission(3, &["email:canary-zhang@example.com", "person:mobile:13canary", "robot:ops"]);
    let waits = waiting.message.id;
    ledger.accept(vec![Arc::new(waiting)]).await.unwrap();
    ledger.put_people(vec![person()]).await.unwrap();
    for number in 0..2 {
        ledger.hear(heard(number), None).await.unwrap();
    }
    let word = Word {
        target: "erp".into(),
        topic: "callback".into(),
        key: "canary-zhang".into(),
        body: r#"{"from":"canary-zhang"}"#.into(),
    };
    let note = FeedbackRecord { at: NOW, who: "Canary-Zhang".into(), action: "press".into(), key: "yes".into() };
    let effects = Effects { words: vec![word], feedback: vec![(ids[0], note)], ..Effects::default() };
    let first = ledger.unhandled(9).await.unwrap()[0].id;
    ledger.handled(first, effects, NOW).await.unwrap();
    let schedule = Schedule {
        name: "daily".into(),
        grant: Grant::new(CallerId::new("erp"), [domain::Scope::Send]),
        cron: Some("0 0 8 * * *".into()),
        zone: "Asia/Shanghai".into(),
        at: None,
        missed: MissedRuns::default(),
        paused: false,
        body: Some(r#"{"to":{"users":["canary-zhang"]}}"#.into()),
        variables_from: None,
    };
    ledger.put_schedule(schedule, None, NOW).await.unwrap();
    let id = ledger.schedule("daily").await.unwrap().unwrap().id;
    let failed = Err("`canary-zhang` has left".to_owned());
    let run =
        Advance { name: "daily".into(), id, run: Some(NOW), result: failed, planned: None, left_out: 0, now: NOW };
    ledger.advance_schedule(run).await.unwrap();
    let file = MediaRecord {
        id: MediaId::from_bytes([9; 16]),
        caller: CallerId::new("erp"),
        file_name: "canary-工资.pdf".into(),
        size: 1,
        created_at: NOW,
    };
    ledger.put_media(file, Bytes::from_static(b"x")).await.unwrap();
    [ids[0], ids[1], waits]
}

async fn found_by(ledger: &SqliteLedger, recipient: &str) -> Vec<MessageId> {
    let filter = MessageFilter { recipient: Some(recipient.parse().unwrap()), limit: 9, ..MessageFilter::default() };
    ledger.list(filter).await.unwrap().into_iter().map(|found| found.message.id).collect()
}

/// All that the ledger says of what [`fill`] put into it.
async fn said(ledger: &SqliteLedger, ids: [MessageId; 3]) -> String {
    let mut said = Vec::new();
    for id in ids {
        said.push(format!("{:?}", ledger.message(id, None).await.unwrap().unwrap()));
        said.push(format!("{:?}", ledger.feedback(id).await.unwrap()));
    }
    for recipient in ["user:canary-zhang", "user:canary-li", "robot:ops", "person:mobile:13canary", "party:7", "user:x"]
    {
        said.push(format!("{recipient}: {:?}", found_by(ledger, recipient).await));
    }
    let caller = CallerId::new("erp");
    for number in 1..=4 {
        said.push(format!("{:?}", ledger.known_key(&caller, &idempotency(number)).await.unwrap()));
    }
    said.push(format!("{:?}", ledger.waiting_lanes().await.unwrap()));
    said.push(format!("{:?}", ledger.backlog().await.unwrap()));
    said.push(format!("{:?}", ledger.recent_recipients(&main_lane(), NOW).await.unwrap()));
    said.push(format!("{:?}", ledger.recipients_since(&main_lane(), NOW).await.unwrap()));
    said.push(format!("{:?}", ledger.recent_calls(&main_lane(), NOW).await.unwrap()));
    said.push(format!("{:?}", ledger.people().await.unwrap()));
    said.push(format!("{:?}", ledger.unhandled(9).await.unwrap()));
    said.push(format!("{:?}", ledger.hear(heard(0), None).await.unwrap()));
    said.push(format!("{:?}", ledger.due_events("erp", NOW, 9).await.unwrap()));
    said.push(format!("{:?}", ledger.schedule("daily").await.unwrap()));
    said.push(format!("{:?}", ledger.media(MediaId::from_bytes([9; 16]), None).await.unwrap()));
    said.push(format!("{:?}", ledger.stats(None, NOW, later(1000)).await.unwrap()));
    said.join("\n")
}

/// The files of a folder in which somebody's name can be read.
fn named_in(folder: &Path) -> Vec<String> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    let named = files.filter(|path| {
        let bytes = std::fs::read(path).unwrap().to_ascii_lowercase();
        bytes.windows(NAME.len()).any(|part| part == NAME.as_bytes())
    });
    named.map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
}

const NOWHERE: Vec<String> = Vec::new();

#[tokio::test]
async fn nobodys_name_is_in_a_file_and_everything_is_found_as_before() {
    let (plain, sealed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ledger = open(plain.path(), Pii::Plain).await;
    let ids = fill(&ledger).await;
    let expected = said(&ledger, ids).await;
    assert!(!named_in(plain.path()).is_empty());
    drop(ledger);
    let ledger = open(sealed.path(), Pii::Sealed).await;
    let others = fill(&ledger).await;
    let same = |said: String| {
        // But for the ids, which are made anew.
        let pairs = ids.iter().zip(&others).flat_map(|(one, other)| {
            let ids = [(one.to_string(), other.to_string())];
            let deliveries = (0..3).map(|n| (one.delivery(n).to_string(), other.delivery(n).to_string()));
            ids.into_iter().chain(deliveries).collect::<Vec<_>>()
        });
        pairs.fold(said, |said, (one, other)| said.replace(&other, &one))
    };
    assert_eq!(same(said(&ledger, others).await), expected);
    assert_eq!(named_in(sealed.path()), NOWHERE, "also the log");
    let copy = tempfile::tempdir().unwrap();
    back_up(sealed.path(), &copy.path().join("ledger.sqlite")).unwrap();
    assert_eq!(named_in(copy.path()), NOWHERE);
    while ledger.index_messages(AFTERWARDS, 10).await.unwrap() > 0 {}
    assert_eq!(same(said(&ledger, others).await), expected, "found by their terms, too");
    let again = ledger.accept(vec![Arc::new(admission(1, &["user:a"]))]).await.unwrap();
    assert!(matches!(again[0], Accepted::Replayed { id, .. } if id == others[0]), "{again:?}");
    let ledger = reopen(ledger, sealed.path(), Pii::Sealed).await;
    assert_eq!(same(said(&ledger, others).await), expected, "after a restart");
    assert_eq!(claim(&ledger, main_lane().of_member("canary-zhang")).await.len(), 1);
    assert_eq!(named_in(sealed.path()), NOWHERE);
    // The backup is of the moment at which it was made, and opens beside the key.
    std::fs::copy(sealed.path().join("master-key"), copy.path().join("master-key")).unwrap();
    let restored = open(copy.path(), Pii::Sealed).await;
    assert_eq!(same(said(&restored, others).await), expected);
}

#[tokio::test]
async fn who_is_erased_is_found_by_nothing_and_named_nowhere() {
    for pii in [Pii::Plain, Pii::Sealed] {
        let folder = tempfile::tempdir().unwrap();
        let ledger = open(folder.path(), pii).await;
        let [ended, ..] = fill(&ledger).await;
        for claimed in claim(&ledger, main_lane().of_member("canary-zhang")).await {
            ledger.settle(settlement(&claimed, refused(), true)).await.unwrap();
        }
        ledger.index_messages(AFTERWARDS, 10).await.unwrap();
        let zhang = Recipient::User("canary-zhang".into());
        assert_eq!(ledger.erase(&zhang, 10).await.unwrap(), 2, "{pii:?}");
        assert_eq!((found_by(&ledger, "user:canary-zhang").await, ledger.people().await.unwrap()), (vec![], vec![]));
        assert_eq!(found_by(&ledger, "user:canary-li").await, [ended]);
        let record = ledger.message(ended, None).await.unwrap().unwrap();
        assert_eq!(record.deliveries[0].delivery.recipients, set(&["user:erased", "user:canary-li", "party:7"]));
        assert_eq!(record.deliveries[0].exceptions.len(), 1);
        assert_eq!(ledger.feedback(ended).await.unwrap()[0].who, "erased");
        ledger.events_posted(vec![(1, Posted::Dead { error: "gone".into() })]).await.unwrap();
        ledger.erase(&zhang, 10).await.unwrap();
        ledger.retry_dead_events("erp", NOW).await.unwrap();
        assert_eq!(ledger.due_events("erp", NOW, 9).await.unwrap(), []);
    }
}

#[tokio::test]
async fn a_ledger_is_brought_over_and_back_and_nothing_of_it_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path(), Pii::Plain).await;
    let ids = fill(&ledger).await;
    // More than one piece; half of them are indexed, and a part is forgotten: its pages are free.
    let many: Vec<_> = (0..5000).map(|i| Arc::new(admission(i + 100, &["user:canary-many"]))).collect();
    ledger.accept(many.clone()).await.unwrap();
    ledger.index_messages(AFTERWARDS, 2500).await.unwrap();
    let expected = said(&ledger, ids).await;
    let ledger = reopen(ledger, folder.path(), Pii::Sealed).await;
    assert_eq!(named_in(folder.path()), NOWHERE);
    assert_eq!(said(&ledger, ids).await, expected);
    let filter = |limit| MessageFilter {
        recipient: Some(Recipient::User("canary-many".into())),
        limit,
        ..MessageFilter::default()
    };
    assert_eq!(ledger.list(filter(9000)).await.unwrap().len(), 5000);
    let last = ledger.message(many[4999].message.id, None).await.unwrap().unwrap();
    assert_eq!(last.message, many[4999].message);
    let ledger = reopen(ledger, folder.path(), Pii::Plain).await;
    assert!(!named_in(folder.path()).is_empty());
    assert_eq!(said(&ledger, ids).await, expected);
    assert_eq!(ledger.list(filter(9000)).await.unwrap().len(), 5000);
    ledger.close().await;
    let raw = rusqlite::Connection::open(folder.path().join("ledger.sqlite")).unwrap();
    let left: i64 = raw
        .query_row(
            "SELECT (SELECT COUNT(*) FROM delivery WHERE instr(recipients, '~') OR instr(lane, '~'))
                 + (SELECT COUNT(*) FROM term WHERE instr(term, '~')) + (SELECT COUNT(*) FROM idempotency WHERE instr(key, '~'))",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn a_start_that_died_on_the_way_goes_on_whatever_is_wanted_then() {
    for (first, then) in [(Pii::Sealed, Pii::Sealed), (Pii::Sealed, Pii::Plain), (Pii::Plain, Pii::Sealed)] {
        let folder = tempfile::tempdir().unwrap();
        let ledger = open(folder.path(), Pii::Plain).await;
        let ids = fill(&ledger).await;
        let expected = said(&ledger, ids).await;
        let ledger = reopen(ledger, folder.path(), Pii::Sealed).await;
        ledger.close().await;
        drop(ledger);
        // As it is in the middle: some tables are one way, some the other, and one is both.
        let sealed = std::fs::read(folder.path().join("ledger.sqlite")).unwrap();
        let ledger = open(folder.path(), Pii::Plain).await;
        ledger.close().await;
        drop(ledger);
        let mixed = folder.path().join("ledger.sqlite");
        let other = folder.path().join("other.sqlite");
        if first == Pii::Sealed {
            std::fs::write(&other, sealed).unwrap();
        } else {
            std::fs::rename(&mixed, &other).unwrap();
            std::fs::write(&mixed, sealed).unwrap();
        }
        let raw = rusqlite::Connection::open(&mixed).unwrap();
        raw.execute("ATTACH ? AS other", [other.to_string_lossy()]).unwrap();
        raw.execute_batch(&format!(
            "DELETE FROM message; INSERT INTO message SELECT * FROM other.message;
             UPDATE delivery SET recipients = (SELECT recipients FROM other.delivery AS o WHERE o.id = delivery.id)
                 WHERE id = (SELECT MIN(id) FROM delivery);
             DELETE FROM person; INSERT INTO person SELECT * FROM other.person;
             UPDATE pii SET sealed = {}, step = 1, done = 0;",
            u8::from(first == Pii::Sealed),
        ))
        .unwrap();
        drop(raw);
        std::fs::remove_file(&other).unwrap();
        let ledger = open(folder.path(), then).await;
        assert_eq!(said(&ledger, ids).await, expected, "{first:?}, {then:?}");
        assert_eq!(named_in(folder.path()).is_empty(), then == Pii::Sealed, "{first:?}, {then:?}");
    }
}

#[tokio::test]
async fn another_master_key_wraps_the_key_and_leaves_what_it_sealed() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path(), Pii::Sealed).await;
    let ids = fill(&ledger).await;
    let expected = said(&ledger, ids).await;
    let stored = || {
        let raw = rusqlite::Connection::open(folder.path().join("ledger.sqlite")).unwrap();
        let read =
            "SELECT (SELECT group_concat(recipients) FROM delivery), (SELECT body FROM own_secret WHERE name = 'pii')";
        raw.query_row(read, [], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))).unwrap()
    };
    let before = stored();
    assert_eq!(ledger.rotate_master_key().await.unwrap(), 2);
    while ledger.reseal(2).await.unwrap() > 0 {}
    assert!(ledger.retire_master_keys().await.unwrap());
    let after = stored();
    assert_eq!(after.0, before.0);
    assert_ne!(after.1, before.1);
    let ledger = reopen(ledger, folder.path(), Pii::Sealed).await;
    assert_eq!(said(&ledger, ids).await, expected);
    ledger.close().await;
    drop(ledger);
    // Without the master key nothing opens, and nothing is sealed by another.
    std::fs::remove_file(folder.path().join("master-key")).unwrap();
    let config = Config { pii: Pii::Sealed, ..Config::new(folder.path()) };
    let refused = SqliteLedger::open(&config, Arc::new(HandClock::new(NOW))).await.unwrap_err();
    assert!(matches!(refused, OpenError::KeyMissing { .. }), "{refused}");
}

#[tokio::test]
async fn what_is_told_of_a_person_is_told_in_the_clear() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = open(folder.path(), Pii::Sealed).await;
    fill(&ledger).await;
    let told = ledger.due_events("erp", NOW, 9).await.unwrap().remove(0).told;
    let body = r#"{"from":"canary-zhang"}"#.to_owned();
    assert_eq!(told, Some(Told::Object { topic: "callback".into(), key: "canary-zhang".into(), body }));
}
