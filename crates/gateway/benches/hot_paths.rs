//! Micro-benches of what every message passes: parsed, rendered, admitted, claimed, paced.
//! `cargo bench --package hongyan`
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on says where")]

use std::sync::Arc;

use backends::Config;
use bytes::Bytes;
use channels::{AppConfig, Audience, Quotas, Via};
use divan::{Bencher, black_box};
use domain::{
    CallerId, Content, ContentKind, Delivery, Lane, Message, MessageId, Options, Priority, Quota, Recipient,
    RecipientSet, RequestHash, SlidingWindow, Slot, Timestamp,
};
use pipeline::ports::{Admission, Channels, Claim, Clock as _, Ledger, SystemClock};
use tokio::runtime::Runtime;
use wecom::{AgentId, MemoryTokenStore, Transport};

/// Messages that share a commit, and deliveries of a claim.
const TOGETHER: usize = 64;

fn main() {
    divan::main();
}

fn text() -> Content {
    Content::plain(ContentKind::Text, "production order 4711 released, please confirm before noon today.")
}

#[divan::bench]
fn parse_and_validate(bencher: Bencher<'_, '_>) {
    let body = Bytes::from_static(
        br#"{"to":{"users":["zhangsan"]},"text":"production order 4711 released, please confirm before noon today."}"#,
    );
    let now = SystemClock::new().now();
    bencher.bench(|| {
        let submission = ingress::http::parse_submission(black_box(&body)).unwrap();
        submission.check(now).unwrap();
        submission
    });
}

fn channels() -> Channels {
    channels::build(channels::Config {
        transport: Transport::builder().origin("http://127.0.0.1:9").build().unwrap(),
        token_store: Arc::new(MemoryTokenStore),
        apps: vec![AppConfig {
            name: "default".to_owned(),
            corp_id: "wwdemo0000000001".into(),
            agent_id: AgentId(1_000_002),
            secret: "secret".into(),
            readers: channels::Readers::default(),
            day: None,
        }],
        robots: Vec::new(),
        app_concurrency: 64,
        robot_concurrency: 4,
        lookup: false,
        chats: Vec::new(),
        mail: Vec::new(),
        quotas: Quotas {
            robot: Quota { limit: 20, window: std::time::Duration::from_secs(60) },
            members: Vec::new(),
            chat: Quota { limit: 200, window: std::time::Duration::from_secs(60) },
            chats_of_company: Vec::new(),
            base: Vec::new(),
            chat_creations: Quota { limit: 1000, window: std::time::Duration::from_secs(24 * 3600) },
            chat_updates: Quota { limit: 1000, window: std::time::Duration::from_secs(3600) },
        },
        audience: Audience { party: 50, tag: 50, all: 500 },
        via: Via::Wecom,
    })
    .unwrap()
}

#[divan::bench]
fn render(bencher: Bencher<'_, '_>) {
    let channels = channels();
    let channel = channels.get(&Lane::new("wecom_app", "default")).unwrap();
    let (content, options, to) =
        (text(), Options::default(), RecipientSet::new([Recipient::User("zhangsan".to_owned())]));
    bencher.bench(|| channel.render(black_box(&content), &options, &to, true).unwrap());
}

#[divan::bench]
fn quota_decision(bencher: Bencher<'_, '_>) {
    let mut window = SlidingWindow::new(Quota { limit: 20, window: std::time::Duration::from_secs(60) });
    let mut now = Timestamp::from_millis(1_790_000_000_000);
    bencher.bench_local(move || {
        now = now + std::time::Duration::from_secs(3);
        let slot = window.next_slot(now);
        if matches!(slot, Slot::Free) {
            window.take(now);
            window.answer(now);
        }
        slot
    });
}

/// A ledger on disk, and a runtime to ask it.
fn ledger() -> (Runtime, tempfile::TempDir, Arc<dyn Ledger>) {
    let runtime = Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config = Config::new(folder.path());
    let opened = runtime.block_on(backends::open(&config, Arc::new(SystemClock::new()))).unwrap();
    (runtime, folder, opened.ledger)
}

fn admissions(now: Timestamp) -> Vec<Arc<Admission>> {
    let admission = || {
        let id = MessageId::from_uuid(uuid::Uuid::now_v7());
        let message = Message {
            id,
            caller: CallerId::new("default"),
            content: text(),
            options: Options::default(),
            priority: Priority::Normal,
            accepted_at: now,
            send_at: None,
            expires_at: None,
            tags: Vec::new(),
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
            lane: Lane::new("wecom_app", "default"),
            recipients: RecipientSet::new([Recipient::User("zhangsan".to_owned())]),
            priority: Priority::Normal,
            due_at: now,
            expires_at: None,
            give_up_at: now + std::time::Duration::from_secs(3600),
            request_hash: RequestHash::new([7; 32]),
            address: None,
            step: None,
            digest: None,
            part: 0,
        };
        let deliveries = vec![delivery];
        Arc::new(Admission {
            message,
            deliveries,
            born_leased: Vec::new(),
            idempotency: None,
            dedupe: None,
            links: Vec::new(),
        })
    };
    std::iter::repeat_with(admission).take(TOGETHER).collect()
}

#[divan::bench(sample_count = 50)]
fn commit_of_64_admissions(bencher: Bencher<'_, '_>) {
    let (runtime, _folder, ledger) = ledger();
    let now = SystemClock::new().now();
    bencher
        .with_inputs(|| admissions(now))
        .bench_values(|admissions| runtime.block_on(ledger.accept(admissions)).unwrap());
}

#[divan::bench(sample_count = 50)]
fn claim_of_64_deliveries(bencher: Bencher<'_, '_>) {
    let (runtime, _folder, ledger) = ledger();
    let now = SystemClock::new().now();
    bencher.with_inputs(|| runtime.block_on(ledger.accept(admissions(now))).unwrap()).bench_values(|_accepted| {
        let claim = Claim {
            lane: Lane::new("wecom_app", "default"),
            limit: TOGETHER,
            now,
            lowest_first: false,
            served: None,
            equal_since: Some(now),
            moving: None,
        };
        runtime.block_on(ledger.claim(claim)).unwrap()
    });
}
