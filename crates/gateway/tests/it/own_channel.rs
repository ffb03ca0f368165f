//! A channel of one's own: another group chat's robot, added beside the others without a change to pipeline or domain.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use domain::{
    Attempt, CallLimits, Content, ContentKind, FailureClass, Lane, Options, Outline, Quota, Reason, RecipientSet,
    Violation,
};
use hongyan::app::{self, House};
use parking_lot::Mutex;
use pipeline::ports::{Channel, Channels, MediaKind, PeopleQuota, RecallAnswer, SystemClock, UploadAnswer};
use serde_json::json;
use tokio::net::TcpListener;

use crate::kit::{Caller, KEY, config, http};

/// Writes on a board in the canteen; the chalk breaks at every third line.
#[derive(Debug)]
struct Blackboard {
    lane: Lane,
    lines: Mutex<Vec<String>>,
    calls: AtomicUsize,
}

#[async_trait]
impl Channel for Blackboard {
    fn lane(&self) -> &Lane {
        &self.lane
    }

    fn concurrency(&self) -> usize {
        1
    }

    fn quota(&self) -> Option<Quota> {
        Some(Quota { limit: 100, window: Duration::from_secs(60) })
    }

    fn people_quota(&self) -> PeopleQuota {
        PeopleQuota::default()
    }

    fn call_limits(&self) -> Option<CallLimits> {
        None
    }

    fn duplicate_check(&self) -> Option<Duration> {
        None
    }

    fn parts(&self, content: &Content, _: &Options) -> Result<Vec<Content>, Vec<Violation>> {
        Ok(vec![content.clone()])
    }

    fn longest(&self, _: ContentKind) -> Option<usize> {
        Some(80)
    }

    fn render(&self, content: &Content, _: &Options, _: &RecipientSet, _: bool) -> Result<Bytes, Vec<Violation>> {
        Ok(Outline::of(content).map(|outline| outline.to_text()).unwrap_or_default().into())
    }

    async fn attempt(&self, body: Bytes, _recipients: &RecipientSet, _address: Option<&str>) -> Attempt {
        if self.calls.fetch_add(1, Ordering::Relaxed).is_multiple_of(3) {
            let reason = Reason::new("chalk", "the chalk broke");
            return Attempt::Deferred { class: FailureClass::Busy, reason, retry_after: None };
        }
        self.lines.lock().push(String::from_utf8_lossy(&body).into_owned());
        Attempt::Sent { refused: Vec::new(), handle: None, note: None }
    }

    fn media_scope(&self) -> Option<String> {
        None
    }

    async fn upload(&self, _kind: MediaKind, _name: &str, _content: Bytes) -> UploadAnswer {
        UploadAnswer::Failed(Attempt::Refused {
            class: FailureClass::Rejected,
            reason: Reason::new("unsupported", "a board takes no files"),
        })
    }

    async fn recall(&self, _handle: &str) -> Option<RecallAnswer> {
        None
    }

    fn can_recall(&self) -> bool {
        false
    }
}

#[tokio::test]
async fn it_is_addressed_retried_and_fallen_back_to_like_any_other() {
    let simulator = wecom_sim::Simulator::start(wecom_sim::Options::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(&simulator.origin, folder.path());
    let route = json!({ "steps": [{ "channel": "app" }, { "channel": "robot", "name": "canteen" }] });
    config.routes.insert("onward".to_owned(), serde_json::from_value(route).unwrap());
    let lane = Lane::new("wecom_robot", "canteen");
    let board = Arc::new(Blackboard { lane, lines: Mutex::default(), calls: AtomicUsize::new(0) });
    let configured = app::channels(&config).unwrap();
    let all = configured.iter().cloned().chain([board.clone() as Arc<dyn Channel>]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let clock = Arc::new(SystemClock::new());
    let house = House::start_with(&config, Channels::new(all), Some(KEY), listener, clock).await.unwrap();
    let caller = Caller { http: http(), origin: house.origin(), key: KEY.to_owned() };

    let direct = caller.delivered(json!({ "to": { "robots": ["canteen"] }, "text": "红烧肉" })).await;
    assert_eq!(direct["state"], "delivered", "{direct:#}");
    assert_eq!(direct["deliveries"][0]["attempts"].as_array().unwrap().len(), 2, "the chalk broke once: {direct:#}");
    let card = json!({ "title": "通知", "description": "放假", "url": "https://example.com/" });
    let body = json!({ "to": { "users": ["ghost"] }, "textcard": card, "route": "onward" });
    let fallen_back = caller.delivered(body).await;
    assert_eq!(fallen_back["state"], "delivered", "{fallen_back:#}");
    let lines = board.lines.lock().clone();
    assert_eq!(lines[0], "红烧肉");
    assert!(lines[1].contains("通知") && lines[1].contains("放假"), "{lines:?}");
    house.stop().await;
    simulator.stop().await;
}
