//! Fresh ids of messages, files and broadcasts, in order of the clock.

use domain::{BroadcastId, MediaId, MessageId, Timestamp};
use parking_lot::Mutex;
use uuid::{ContextV7, Uuid};

/// Makes ids that grow, also within one millisecond.
#[derive(Debug)]
pub(crate) struct IdSource {
    context: Mutex<ContextV7>,
}

impl IdSource {
    pub(crate) fn new() -> Self {
        Self { context: Mutex::new(ContextV7::new()) }
    }

    pub(crate) fn next(&self, now: Timestamp) -> MessageId {
        MessageId::from_uuid(self.fresh(now))
    }

    pub(crate) fn next_media(&self, now: Timestamp) -> MediaId {
        MediaId::from_uuid(self.fresh(now))
    }

    pub(crate) fn next_broadcast(&self, now: Timestamp) -> BroadcastId {
        BroadcastId::from_uuid(self.fresh(now))
    }

    fn fresh(&self, now: Timestamp) -> Uuid {
        let millis = u64::try_from(now.as_millis()).unwrap_or(0);
        let nanos = u32::try_from(millis % 1000).unwrap_or(0) * 1_000_000;
        let context = self.context.lock();
        Uuid::new_v7(uuid::Timestamp::from_unix(&*context, millis / 1000, nanos))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_one_millisecond_differ_and_grow() {
        let source = IdSource::new();
        let now = Timestamp::from_millis(1_790_000_000_123);
        let ids: Vec<_> = (0..10_000).map(|_| source.next(now)).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
