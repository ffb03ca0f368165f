//! Calls upstream that are no messages: uploads, recalls, what makes and keeps a group chat. Each kind has windows of its
//! own, by company, robot or whatever the channel says (WeCom's base frequency, path/90312).
//!
//! A call is on disk before it is made, so the windows survive a crash. Who finds no slot is told when to come again, and
//! holds no call slot of a lane meanwhile. Knows nothing about what is called.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use domain::{Appointments, Attempt, FailureClass, Quota, Reason, Slot, Timestamp};
use parking_lot::Mutex;

use crate::dispatch::QuotaUse;
use crate::ports::{Api, Channel, Clock, Ledger, LedgerError};
use crate::telemetry::{Happening as _, LedgerFailed};

/// The windows of all calls that are no messages. Cheap to clone.
#[derive(Clone)]
pub(crate) struct ApiCalls {
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn Clock>,
    known: Arc<Mutex<HashMap<String, Appointments>>>,
    /// Held while the calls of an API are read from the ledger.
    reading: Arc<tokio::sync::Mutex<()>>,
    /// How long a call takes at most.
    longest_call: Duration,
}

/// A call under way; dropped, it is answered.
struct UnderWay<'a> {
    calls: &'a ApiCalls,
    api: &'a Api,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let now = self.calls.clock.now();
        let _answered = self.calls.with(self.api, |windows| windows.answer(now));
    }
}

impl ApiCalls {
    pub(crate) fn new(ledger: Arc<dyn Ledger>, clock: Arc<dyn Clock>, longest_call: Duration) -> Self {
        Self { ledger, clock, known: Arc::default(), reading: Arc::default(), longest_call }
    }

    /// Makes a call if it has a slot. `api` is what it counts against, if anything.
    ///
    /// # Errors
    /// [`Attempt::NotYet`] with an appointment, or that the ledger was away. Nothing was called then.
    pub(crate) async fn make<T>(&self, api: Option<Api>, call: impl Future<Output = T>) -> Result<T, Attempt> {
        self.make_or(api, call, Appointments::appoint).await
    }

    /// The same for what comes again by itself: it is given no appointment, for it would not keep it.
    ///
    /// # Errors
    /// As [`Self::make`].
    pub(crate) async fn make_now<T>(&self, api: Option<Api>, call: impl Future<Output = T>) -> Result<T, Attempt> {
        self.make_or(api, call, |_windows, now| now).await
    }

    async fn make_or<T>(
        &self,
        api: Option<Api>,
        call: impl Future<Output = T>,
        later: impl FnOnce(&mut Appointments, Timestamp) -> Timestamp,
    ) -> Result<T, Attempt> {
        let Some(api) = api else { return Ok(call.await) };
        self.remember(&api).await.map_err(|error| away(&error))?;
        let now = self.clock.now();
        let admitted = self.with(&api, |windows| if windows.take(now) { Ok(()) } else { Err(later(windows, now)) });
        if let Some(Err(at)) = admitted {
            let reason = Reason::new("quota", format!("it waits for a slot of `{}`", api.name));
            return Err(Attempt::NotYet { at, reason });
        }
        if let Err(error) = self.ledger.note_api_call(&api.name, now).await {
            let _untaken = self.with(&api, Appointments::untake);
            LedgerFailed { error: &error }.emit();
            return Err(away(&error));
        }
        let _under_way = UnderWay { calls: self, api: &api };
        Ok(call.await)
    }

    /// Sees to it that a channel can send: makes its chat, adds who is missing. For one at a time: what two would call
    /// would be counted twice.
    ///
    /// # Errors
    /// What a call met that was needed for it, or that there is no slot for one.
    pub(crate) async fn prepare(&self, channel: &dyn Channel) -> Result<(), Attempt> {
        while let Some(call) = channel.preparation() {
            self.make(channel.api(call), channel.prepare()).await??;
        }
        Ok(())
    }

    /// Counts what was called before this process started, once.
    pub(crate) async fn remember(&self, api: &Api) -> Result<(), LedgerError> {
        if self.known.lock().contains_key(&api.name) {
            return Ok(());
        }
        let _reading = self.reading.lock().await;
        if self.known.lock().contains_key(&api.name) {
            return Ok(());
        }
        let mut windows = Appointments::new(&api.quotas);
        let now = self.clock.now();
        if let Some(since) = windows.since(now) {
            // When one was answered is not known: it may be under way still.
            let calls = self.ledger.api_calls(&api.name, since).await?;
            windows.remember(&calls.into_iter().map(|call| (call + self.longest_call).min(now)).collect::<Vec<_>>());
        }
        self.known.lock().insert(api.name.clone(), windows);
        Ok(())
    }

    /// What is used of an API's quotas, as it is shown.
    pub(crate) fn used(&self, api: &Api, counts: &'static str, now: Timestamp) -> Vec<QuotaUse> {
        let Some((used, slot)) = self.with(api, |windows| windows.used_at(now)) else { return Vec::new() };
        let free_at = if let Slot::At(time) = slot { Some(time) } else { None };
        let show = |(Quota { limit, window }, used)| {
            let free_at = free_at.filter(|_| used >= limit);
            QuotaUse { counts, limit, window: Some(window), used, free_at }
        };
        used.into_iter().map(show).collect()
    }

    /// `None` for an API that was not remembered.
    fn with<T>(&self, api: &Api, what: impl FnOnce(&mut Appointments) -> T) -> Option<T> {
        self.known.lock().get_mut(&api.name).map(what)
    }
}

fn away(error: &LedgerError) -> Attempt {
    let reason = Reason::new("not_available", error.to_string());
    Attempt::Deferred { class: FailureClass::Internal, reason, retry_after: None }
}
