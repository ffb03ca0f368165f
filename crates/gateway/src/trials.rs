//! What only trials need, compiled in behind the feature `trials`: a clock that is moved between two starts, and a token
//! store in which the process may die.

use std::path::PathBuf;

use async_trait::async_trait;
use pipeline::crash_point;
use pipeline::ports::SystemClock;
use wecom::{AccessToken, FileTokenStore, TokenKey, TokenStore, TokenStoreError};

/// The machine's clock, ahead or behind by the milliseconds in the file that `HONGYAN_CLOCK_FILE` names.
#[expect(clippy::disallowed_methods, reason = "only a trial sets it, and no setting of the product")]
pub(crate) fn clock() -> SystemClock {
    let offset = std::env::var("HONGYAN_CLOCK_FILE").ok().and_then(|path| std::fs::read_to_string(path).ok());
    SystemClock::off_by(offset.and_then(|text| text.trim().parse().ok()).unwrap_or(0))
}

/// Keeps tokens in files, and passes two crash points.
#[derive(Debug)]
pub(crate) struct MortalTokenStore(FileTokenStore);

impl MortalTokenStore {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self(FileTokenStore::new(folder))
    }
}

#[async_trait]
impl TokenStore for MortalTokenStore {
    async fn load(&self, key: &TokenKey) -> Result<Option<AccessToken>, TokenStoreError> {
        self.0.load(key).await
    }

    async fn save(&self, key: &TokenKey, token: &AccessToken) -> Result<(), TokenStoreError> {
        crash_point("token-before-save");
        self.0.save(key, token).await?;
        crash_point("token-after-save");
        Ok(())
    }
}
