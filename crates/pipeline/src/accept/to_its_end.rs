//! Something under way that is not given up when its caller leaves: a commit takes no lease with it.
//!
//! Polled in place it costs no task; only when it is dropped half done, one takes it over.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;

/// What goes on without whoever waits for it.
pub(super) struct ToItsEnd<F: Future<Output: Send> + Send + 'static>(Option<Pin<Box<F>>>);

impl<F: Future<Output: Send> + Send + 'static> ToItsEnd<F> {
    pub(super) fn of(future: F) -> Self {
        Self(Some(Box::pin(future)))
    }
}

impl<F: Future<Output: Send> + Send + 'static> Future for ToItsEnd<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        // Out of its place while it runs: one that panics is not gone on with.
        let Some(mut under_way) = self.0.take() else { return Poll::Pending };
        let polled = under_way.as_mut().poll(context);
        if polled.is_pending() {
            self.0 = Some(under_way);
        }
        polled
    }
}

impl<F: Future<Output: Send> + Send + 'static> Drop for ToItsEnd<F> {
    fn drop(&mut self) {
        if let Some(under_way) = self.0.take()
            && let Ok(runtime) = Handle::try_current()
        {
            let _detached = runtime.spawn(under_way);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn what_is_dropped_half_done_is_done_all_the_same() {
        let (go, gone) = oneshot::channel::<()>();
        let (done, ended) = oneshot::channel();
        let mut under_way = ToItsEnd::of(async move {
            let _went = gone.await;
            let _told = done.send(());
        });
        assert!(futures::poll!(&mut under_way).is_pending());
        drop(under_way);
        go.send(()).unwrap();
        ended.await.unwrap();
    }
}
