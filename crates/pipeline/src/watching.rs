//! Waiting for what becomes of a message: whoever asks is woken when a delivery of it is settled for good.
//!
//! Nothing is kept for messages that nobody waits for.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use domain::MessageId;
use parking_lot::Mutex;
use tokio::sync::Notify;

#[derive(Debug, Default)]
pub(crate) struct Watching {
    waiting: AtomicUsize,
    by_message: Mutex<HashMap<MessageId, (usize, Arc<Notify>)>>,
}

/// Somebody who waits for a message. Stops waiting when dropped.
#[derive(Debug)]
pub struct Watch {
    watching: Arc<Watching>,
    message: MessageId,
    settled: Arc<Notify>,
}

impl Watching {
    pub(crate) fn watch(self: &Arc<Self>, message: MessageId) -> Watch {
        self.waiting.fetch_add(1, Ordering::AcqRel);
        let settled = {
            let mut by_message = self.by_message.lock();
            let (watchers, settled) = by_message.entry(message).or_default();
            *watchers += 1;
            settled.clone()
        };
        Watch { watching: self.clone(), message, settled }
    }

    /// Wakes whoever waits for a message.
    pub(crate) fn settled(&self, message: MessageId) {
        if self.waiting.load(Ordering::Acquire) > 0
            && let Some((_, settled)) = self.by_message.lock().get(&message)
        {
            // One that does not listen at this moment hears it when it does.
            settled.notify_waiters();
            settled.notify_one();
        }
    }
}

impl Watch {
    /// Waits until a delivery is settled; it may have been, before.
    pub async fn settled(&self) {
        self.settled.notified().await;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut by_message = self.watching.by_message.lock();
        if let Some((watchers, _)) = by_message.get_mut(&self.message) {
            *watchers -= 1;
            if *watchers == 0 {
                by_message.remove(&self.message);
            }
        }
        self.watching.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_waits_is_woken_and_nobody_is_remembered() {
        let watching = Arc::new(Watching::default());
        let message = MessageId::from_bytes([1; 16]);
        watching.settled(message);
        let (one, other) = (watching.watch(message), watching.watch(message));
        watching.settled(message);
        one.settled().await;
        drop((one, other));
        assert!(watching.by_message.lock().is_empty());
    }
}
