//! The doorbell inside one process: a set of lanes and a notification.

use std::collections::BTreeSet;

use async_trait::async_trait;
use domain::Lane;
use parking_lot::Mutex;
use pipeline::ports::Doorbell;
use tokio::sync::Notify;

/// Rings inside one process. Rings for the same lane that nobody has heard yet are one.
#[derive(Debug, Default)]
pub struct InProcessDoorbell {
    rung: Mutex<BTreeSet<Lane>>,
    heard: Notify,
}

#[async_trait]
impl Doorbell for InProcessDoorbell {
    fn ring(&self, lane: &Lane) {
        let new = {
            let mut rung = self.rung.lock();
            !rung.contains(lane) && rung.insert(lane.clone())
        };
        if new {
            self.heard.notify_one();
        }
    }

    async fn listen(&self) -> Lane {
        loop {
            if let Some(lane) = self.rung.lock().pop_first() {
                return lane;
            }
            self.heard.notified().await;
        }
    }
}
