//! The doorbell: the signal that something may be due. It carries a lane's name, never a message; a lost ring costs
//! latency only, because the sweep rings again.

use async_trait::async_trait;
use domain::Lane;

/// Rings, and is listened to by one dispatcher.
#[async_trait]
pub trait Doorbell: Send + Sync {
    /// Says that something may be due on `lane`. Never waits, never fails: at worst the sweep finds it.
    fn ring(&self, lane: &Lane);

    /// Waits for the next ring.
    async fn listen(&self) -> Lane;
}
