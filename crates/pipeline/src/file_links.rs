//! Links to files that the gateway keeps: `/f/TOKEN`, for whoever has the link and for a while.
//!
//! The token is the file, the moment until which the link is good, and a signature over both, so that none can be made
//! up or prolonged. Knows nothing about how files are kept.

use std::time::Duration;

use bytes::Bytes;
use domain::{FileLink, MediaId, Timestamp};
use subtle::ConstantTimeEq as _;

use crate::ports::MediaRecord;
use crate::signature;

/// Bytes of a file's id, and of a time in milliseconds.
const ID: usize = 16;
const TIME: usize = 6;
/// Bytes of the signature: nobody is asked for a key, so it is as long as a key.
const TAG: usize = 16;

/// Makes and reads links to files.
#[derive(Clone)]
pub struct FileLinks {
    base: String,
    secret: Bytes,
    life: Duration,
}

impl std::fmt::Debug for FileLinks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileLinks").field("base", &self.base).field("life", &self.life).finish_non_exhaustive()
    }
}

/// A link leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeadLink {
    /// It is none of ours.
    #[error("the link is not one of this gateway's")]
    Unknown,
    /// It was one of ours.
    #[error("the link has expired")]
    Expired,
}

impl FileLinks {
    /// Takes where this gateway is reached from outside, what its links are signed with, and how long they are good.
    pub fn new(public_url: &str, secret: Bytes, life: Duration) -> Self {
        Self { base: format!("{}/f/", public_url.trim_end_matches('/')), secret, life }
    }

    /// Links to a file that is sent at a time.
    pub(crate) fn link_to(&self, file: MediaRecord, sent_at: Timestamp) -> FileLink {
        let until = sent_at + self.life;
        let url = format!("{}{}", self.base, self.token(file.id, until));
        FileLink { media: file.id, file_name: file.file_name, size: file.size, url, until }
    }

    fn token(&self, media: MediaId, until: Timestamp) -> String {
        let mut bytes = media.to_bytes().to_vec();
        bytes.extend_from_slice(&until.as_millis().to_be_bytes()[8 - TIME..]);
        let tag = self.tag(&bytes);
        hex::encode(bytes) + &tag
    }

    fn tag(&self, bytes: &[u8]) -> String {
        signature::of(&self.secret, &[b"file", bytes])[..2 * TAG].to_owned()
    }

    /// Reads which file a link leads to, and until when.
    ///
    /// # Errors
    /// [`DeadLink`].
    pub fn read(&self, token: &str, now: Timestamp) -> Result<(MediaId, Timestamp), DeadLink> {
        let (media, until) = self.signed(token).ok_or(DeadLink::Unknown)?;
        if now >= until { Err(DeadLink::Expired) } else { Ok((media, until)) }
    }

    fn signed(&self, token: &str) -> Option<(MediaId, Timestamp)> {
        let (named, tag) = token.split_at_checked(2 * (ID + TIME))?;
        if !bool::from(self.tag(&hex::decode(named).ok()?).as_bytes().ct_eq(tag.as_bytes())) {
            return None;
        }
        let bytes: [u8; ID + TIME] = hex::decode(named).ok()?.try_into().ok()?;
        let (media, until) = bytes.split_at(ID);
        let mut millis = [0; 8];
        millis[8 - TIME..].copy_from_slice(until);
        Some((MediaId::from_bytes(media.try_into().ok()?), Timestamp::from_millis(i64::from_be_bytes(millis))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::CallerId;

    const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

    #[test]
    fn a_link_leads_to_its_file_until_its_end_and_cannot_be_made_up() {
        let links = FileLinks::new("https://h.example/", Bytes::from_static(b"secret"), Duration::from_secs(60));
        let id = MediaId::from_bytes([7; 16]);
        let file = MediaRecord {
            id,
            caller: CallerId::new("erp"),
            file_name: "计划.pdf".to_owned(),
            size: 25,
            created_at: Timestamp::EPOCH,
        };
        let link = links.link_to(file, NOW);
        let token = link.url.strip_prefix("https://h.example/f/").unwrap();
        let until = NOW + Duration::from_secs(60);
        assert_eq!((links.read(token, NOW), link.until), (Ok((id, until)), until));
        assert_eq!(links.read(token, until - Duration::from_millis(1)), Ok((id, until)));
        assert_eq!(links.read(token, until), Err(DeadLink::Expired));
        for i in 0..token.len() {
            let mut other = token.as_bytes().to_vec();
            other[i] = if other[i] == b'0' { b'1' } else { b'0' };
            assert_eq!(links.read(std::str::from_utf8(&other).unwrap(), NOW), Err(DeadLink::Unknown), "digit {i}");
        }
        let longer = format!("{token}0");
        for other in ["", "ä", &token[2..], &token[..token.len() - 2], longer.as_str(), &token.to_uppercase()] {
            assert_eq!(links.read(other, NOW), Err(DeadLink::Unknown), "{other}");
        }
        let others = FileLinks::new("https://h.example", Bytes::from_static(b"other"), Duration::from_secs(60));
        assert_eq!(others.read(token, NOW), Err(DeadLink::Unknown));
    }
}
