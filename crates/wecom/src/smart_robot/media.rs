//! Files that members send to a robot: fetched within five minutes, and decrypted.
//! <https://developer.work.weixin.qq.com/document/path/100719>

use std::time::Duration;

use super::RobotMedia;
use crate::callback::{EncodingAesKey, Refusal};
use crate::fetch::{FetchError, FetchedFile, Reach, fetch};

/// Bytes of a file that a member can send a robot (path/100719), and its padding.
const MOST: usize = 100 * 1024 * 1024 + 32;
/// How long fetching may take; the URL is good for five minutes.
const PATIENCE: Duration = Duration::from_secs(240);

/// A file was not fetched, or not opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MediaError {
    /// It could not be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// Neither the file's own key nor the robot's opens it.
    #[error("the file cannot be decrypted")]
    Decrypt(#[source] Refusal),
    /// It has no key of its own, and none was given.
    #[error("the file has no key of its own: by URL, it is the callback's")]
    NoKey,
}

/// Fetches and decrypts a file that a member sent: with its own key, or else with the callback's.
///
/// The URL came from outside: nothing but public addresses is connected to ([`Reach`]).
///
/// # Errors
/// [`MediaError`].
pub async fn download(
    media: &RobotMedia,
    callback_key: Option<&EncodingAesKey>,
    reach: Reach,
) -> Result<FetchedFile, MediaError> {
    let own = media.aeskey.as_deref().map(EncodingAesKey::parse_media_key).transpose().map_err(MediaError::Decrypt)?;
    let key = own.as_ref().or(callback_key).ok_or(MediaError::NoKey)?;
    let encrypted = fetch(&media.url, reach, MOST, PATIENCE).await?;
    let content = key.open_file(&encrypted.content).map_err(MediaError::Decrypt)?.into();
    Ok(FetchedFile { content, ..encrypted })
}
