//! The story: admitted, claimed, settled, claimed again after a crash; with fences, repeats and callers kept apart.

use backends::{Config, Pii, SqliteLedger};
use domain::{
    Attempt, AttemptRecord, CallerId, Content, ContentKind, Delivery, Lane, Message, MessageId, MessageState, Options,
    Outcome, Priority, Reason, Recipient, RecipientSet, RecipientState, RequestHash, RetryPolicy, Situation, Timestamp,
    judge,
};
use pipeline::ports::{
    Accepted, Admission, Admissions as _, Claim, Claimed, DedupeEntry, HandClock, Idempotency, MessageFilter,
    Queue as _, Records as _, Settled, Settlement, Upkeep as _,
};
use std::sync::Arc;
use std::time::Duration;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_790_000_000_000 + seconds * 1000)
}

fn clock(seconds: i64) -> Arc<HandClock> {
    Arc::new(HandClock::new(at(seconds)))
}

fn lane() -> Lane {
    Lane::new("wecom_app", "default")
}

fn admission(caller: &str, text: &str) -> Admission {
    let id = MessageId::from_uuid(uuid::Uuid::now_v7());
    let message = Message {
        id,
        caller: CallerId::new(caller),
        content: Content::plain(ContentKind::Text, text),
        options: Options::default(),
        priority: Priority::Normal,
        accepted_at: at(0),
        send_at: None,
        expires_at: None,
        tags: vec!["t".into()],
        metadata: None,
        duplicate_of: None,
        route: None,
        replay_of: None,
        acknowledged_at: None,
        template: None,
        webhook: None,
    };
    let delivery = Delivery {
        id: id.delivery(1),
        lane: lane(),
        recipients: RecipientSet::new([Recipient::User("zhangsan".into())]),
        priority: Priority::Normal,
        due_at: at(0),
        expires_at: None,
        give_up_at: at(3600),
        request_hash: RequestHash::new([text.len() as u8; 32]),
        address: None,
        step: None,
        digest: None,
        part: 0,
    };
    Admission {
        message,
        deliveries: vec![delivery],
        born_leased: Vec::new(),
        idempotency: None,
        dedupe: None,
        links: Vec::new(),
    }
}

async fn claim(ledger: &SqliteLedger, now: Timestamp) -> Vec<Claimed> {
    let equal_since = Some(now - Duration::from_secs(600));
    let claim = Claim { lane: lane(), limit: 10, now, lowest_first: false, served: None, equal_since, moving: None };
    ledger.claim(claim).await.unwrap().claimed
}

fn settlement(claimed: &Claimed, outcome: Outcome, now: Timestamp) -> Arc<Settlement> {
    let attempt = AttemptRecord {
        number: claimed.standing.attempts + 1,
        started_at: now,
        ended_at: now,
        result: "sent".into(),
        reason: None,
        probe: false,
        redelivery: false,
        late: false,
        bytes: 0,
        request: None,
    };
    Arc::new(Settlement {
        lease: claimed.lease,
        lane: lane(),
        attempt: Some(attempt),
        outcome,
        next: Vec::new(),
        escalate_at: None,
        frozen: None,
        sole: claimed.sole,
        metered: false,
        now,
    })
}

fn delivered(now: Timestamp) -> Outcome {
    let situation = Situation {
        now,
        started_at: now,
        tries: 0,
        probe: false,
        uncertain_since: None,
        protected_for: None,
        give_up_at: at(3600),
        expires_at: None,
        moves_at: None,
        rather_lost: false,
        random: 0.5,
    };
    let sent = Attempt::Sent { refused: Vec::new(), handle: Some("m1".into()), note: None };
    judge(sent, &situation, &RetryPolicy::default())
}

async fn live(ledger: SqliteLedger) {
    // Admitted: each on its own, repeats found, key reuse refused.
    let first = admission("one", "hello");
    let id = first.message.id;
    let key =
        |hash: u8| Some(Idempotency { key: "k".into(), hash: RequestHash::new([hash; 32]), not_before: at(-86_400) });
    let keyed = Admission { idempotency: key(1), ..first };
    let again = Admission { idempotency: key(1), ..admission("one", "hello") };
    let other = Admission { idempotency: key(2), ..admission("one", "other") };
    let stranger = Admission { idempotency: key(2), ..admission("two", "stranger") };
    let accepted = ledger.accept([keyed, again, other, stranger].map(Arc::new).to_vec()).await.unwrap();
    assert!(matches!(accepted[0], Accepted::New { .. }));
    assert!(matches!(accepted[1], Accepted::Replayed { id: known, .. } if known == id));
    assert_eq!(accepted[2], Accepted::KeyReused);
    assert!(matches!(accepted[3], Accepted::New { .. }));
    let window = || Some(DedupeEntry { key: "d".into(), until: at(60) });
    let repeats = [
        Admission { dedupe: window(), ..admission("one", "a") },
        Admission { dedupe: window(), ..admission("one", "b") },
    ];
    let accepted = ledger.accept(repeats.map(Arc::new).to_vec()).await.unwrap();
    assert!(matches!(accepted[..], [Accepted::New { .. }, Accepted::Duplicate { .. }]));

    // Read by its own caller only.
    assert!(ledger.message(id, Some(&CallerId::new("two"))).await.unwrap().is_none());
    let filter = MessageFilter {
        caller: Some(CallerId::new("one")),
        tag: Some("t".into()),
        limit: 10,
        ..MessageFilter::default()
    };
    assert_eq!(ledger.list(filter).await.unwrap().len(), 3);

    // Claimed once; a second claim finds nothing; a late settlement under an old fence changes nothing.
    let claimed = claim(&ledger, at(1)).await;
    assert_eq!(claimed.len(), 3);
    assert!(claim(&ledger, at(1)).await.is_empty());
    let mine = claimed.iter().find(|claimed| claimed.delivery.id.message() == id).unwrap();
    assert!(mine.lease.duplicate_check, "nothing equal went out before");
    let reason = Reason::new("-1", "busy");
    let retry = Outcome::Again { at: at(5), tries: 1, uncertain_since: None, reason, hopeless: false };
    assert_eq!(
        ledger.settle(settlement(mine, retry, at(2))).await.unwrap(),
        Settled::Recorded { recall_wanted: false }
    );
    assert_eq!(ledger.waiting_lanes().await.unwrap(), [(lane(), at(5))]);
    assert!(claim(&ledger, at(4)).await.is_empty());
    let second = claim(&ledger, at(5)).await.pop().unwrap();
    assert_eq!((second.standing.attempts, second.standing.tries), (1, 1));
    assert_eq!(ledger.settle(settlement(mine, delivered(at(6)), at(6))).await.unwrap(), Settled::Stale);
    assert_eq!(ledger.message(id, None).await.unwrap().unwrap().state, MessageState::Sending);

    // The holder is gone: what it held may have been sent, and waits again.
    assert_eq!(ledger.release(at(7)).await.unwrap(), 3);
    let resumed = claim(&ledger, at(8)).await;
    let resumed = resumed.iter().find(|claimed| claimed.delivery.id.message() == id).unwrap();
    assert_eq!(resumed.standing.uncertain_since, Some(at(5)));
    assert_eq!(ledger.settle(settlement(&second, delivered(at(9)), at(9))).await.unwrap(), Settled::Stale);
    ledger.settle(settlement(resumed, delivered(at(9)), at(9))).await.unwrap();
    let record = ledger.message(id, None).await.unwrap().unwrap();
    assert_eq!((record.state, record.deliveries[0].attempts.len()), (MessageState::Delivered, 3));

    // Wanted back while it waits for a retry: it is never claimed again.
    let wanted = admission("one", "wanted");
    let wanted_id = wanted.message.id;
    ledger.accept(vec![Arc::new(wanted)]).await.unwrap();
    let flying = claim(&ledger, at(10)).await.into_iter().find(|c| c.delivery.id.message() == wanted_id).unwrap();
    assert!(ledger.want_recall(wanted_id, None, at(10)).await.unwrap());
    let again = Outcome::Again {
        at: at(11),
        tries: 1,
        uncertain_since: None,
        reason: Reason::new("-1", "busy"),
        hopeless: false,
    };
    ledger.settle(settlement(&flying, again, at(11))).await.unwrap();
    assert!(claim(&ledger, at(12)).await.is_empty());
    assert_eq!(ledger.settle_overdue(at(12), 100).await.unwrap(), 1);
    let record = ledger.message(wanted_id, None).await.unwrap().unwrap();
    assert_eq!((record.state, record.deliveries[0].state), (MessageState::Recalled, RecipientState::Recalled));

    // Found by recipient and tag, before and after they are indexed.
    let late = admission("one", "late");
    ledger.accept(vec![Arc::new(admission("one", "early"))]).await.unwrap();
    let found = async |recipient: Option<&str>, tag: Option<&str>| {
        let recipient = recipient.map(|text| text.parse().unwrap());
        let filter = MessageFilter { recipient, tag: tag.map(str::to_owned), limit: 50, ..MessageFilter::default() };
        ledger.list(filter).await.unwrap().len()
    };
    // A repeat goes to nobody.
    let all = found(None, None).await - 1;
    for _ in 0..2 {
        assert_eq!(found(Some("user:zhangsan"), None).await, all);
        assert_eq!(found(Some("user:zhangsan"), Some("t")).await, all);
        assert_eq!(found(None, Some("t")).await, all + 1);
        assert_eq!(found(Some("user:zhang"), None).await + found(None, Some("other")).await, 0);
        // Their ids are of now, whatever the test's clock says.
        ledger.index_messages(at(1_000_000_000), 1000).await.unwrap();
    }
    // An admission that comes to be stored after its time was indexed is found all the same.
    ledger.accept(vec![Arc::new(late)]).await.unwrap();
    assert_eq!(found(Some("user:zhangsan"), None).await, all + 1);

    // In turns between callers, however many wait for one.
    for (caller, count) in [("flood", 8), ("quiet", 1)] {
        let many = (0..count).map(|i| Arc::new(admission(caller, &format!("turn {i}"))));
        ledger.accept(many.collect()).await.unwrap();
    }
    let turn = Claim {
        lane: lane(),
        limit: 3,
        now: at(20),
        lowest_first: false,
        served: Some(CallerId::new("flood")),
        equal_since: None,
        moving: None,
    };
    let served: Vec<_> = ledger.claim(turn).await.unwrap().claimed.into_iter().map(|claimed| claimed.caller).collect();
    assert_eq!(served.iter().map(CallerId::as_str).collect::<Vec<_>>(), ["one", "quiet", "flood"]);

    // Keys are forgotten after their time.
    assert_eq!(ledger.forget_expired_keys(at(1), at(61), 100).await.unwrap(), 3);
}

#[tokio::test]
async fn sqlite_lives_through_the_story() {
    let folder = tempfile::tempdir().unwrap();
    live(SqliteLedger::open(&Config::new(folder.path()), clock(0)).await.unwrap()).await;
}

#[tokio::test]
async fn memory_lives_through_the_story() {
    live(SqliteLedger::in_memory(Pii::Plain, clock(0)).unwrap()).await;
}

#[tokio::test]
async fn either_lives_through_it_with_the_names_of_people_sealed() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config { pii: Pii::Sealed, ..Config::new(folder.path()) };
    live(SqliteLedger::open(&config, clock(0)).await.unwrap()).await;
    live(SqliteLedger::in_memory(Pii::Sealed, clock(0)).unwrap()).await;
}

#[tokio::test]
async fn a_thousand_concurrent_admissions_share_commits_and_are_all_there() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = SqliteLedger::open(&Config::new(folder.path()), clock(0)).await.unwrap();
    let all = (0..1000).map(|i| ledger.accept(vec![Arc::new(admission("one", &i.to_string()))]));
    let accepted = futures::future::join_all(all).await;
    assert!(accepted.iter().all(|result| matches!(result.as_deref(), Ok([Accepted::New { .. }]))));
    drop(ledger);
    let ledger = SqliteLedger::open(&Config::new(folder.path()), clock(1)).await.unwrap();
    let filter = MessageFilter { limit: 2000, ..MessageFilter::default() };
    assert_eq!(ledger.list(filter).await.unwrap().len(), 1000);
}

#[tokio::test]
async fn a_search_asks_every_run_of_the_index() {
    let ledger = SqliteLedger::in_memory(Pii::Plain, clock(0)).unwrap();
    for _ in 0..9 {
        ledger.accept((0..1000).map(|i| Arc::new(admission("one", &i.to_string()))).collect()).await.unwrap();
    }
    while ledger.index_messages(at(1_000_000_000), 400).await.unwrap() > 0 {}
    let tagged = MessageFilter { tag: Some("t".into()), limit: 20_000, ..MessageFilter::default() };
    assert_eq!(ledger.list(tagged.clone()).await.unwrap().len(), 9000);
    // All but the newest are forgotten, and their runs with them.
    let all = claim_all(&ledger).await;
    for claimed in &all[..8999] {
        ledger.settle(settlement(claimed, delivered(at(1)), at(1))).await.unwrap();
    }
    while ledger.forget_messages(at(1_000_000_000), 500).await.unwrap() > 0 {}
    assert_eq!(ledger.list(tagged).await.unwrap().len(), 1);
}

async fn claim_all(ledger: &SqliteLedger) -> Vec<Claimed> {
    let claim = Claim {
        lane: lane(),
        limit: 100_000,
        now: at(1),
        lowest_first: false,
        served: None,
        equal_since: None,
        moving: None,
    };
    ledger.claim(claim).await.unwrap().claimed
}
