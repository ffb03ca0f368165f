//! Tokens kept in this process: nothing beyond what each client keeps by itself.

use async_trait::async_trait;

use super::{AccessToken, TokenKey, TokenStore, TokenStoreError};

/// Keeps nothing beyond the client's own memory; the default.
#[derive(Clone, Copy, Debug, Default)]
pub struct MemoryTokenStore;

#[async_trait]
impl TokenStore for MemoryTokenStore {
    async fn load(&self, _key: &TokenKey) -> Result<Option<AccessToken>, TokenStoreError> {
        Ok(None)
    }

    async fn save(&self, _key: &TokenKey, _token: &AccessToken) -> Result<(), TokenStoreError> {
        Ok(())
    }
}
