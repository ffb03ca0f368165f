//! Links that are counted: a redirect of ours in the place of each, which says which link it is and not where it leads.
//!
//! `/r/TOKEN`: the message, the number of the link, and a signature, so that nobody can try through what others were sent.

use bytes::Bytes;
use domain::{Content, MessageId};
use subtle::ConstantTimeEq as _;

use crate::signature;

/// Bytes of the signature: as many as 2⁶⁴ guesses are worth.
const TAG: usize = 8;

/// Makes and reads redirects.
#[derive(Clone)]
pub struct Links {
    base: String,
    secret: Bytes,
}

impl std::fmt::Debug for Links {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Links").field("base", &self.base).finish_non_exhaustive()
    }
}

impl Links {
    /// Takes where this gateway is reached from outside, and what its links are signed with.
    pub fn new(public_url: &str, secret: Bytes) -> Self {
        Self { base: format!("{}/r/", public_url.trim_end_matches('/')), secret }
    }

    /// Puts redirects in the place of a content's links; returns where those lead, in order.
    pub(crate) fn redirect(&self, content: &Content, message: MessageId) -> (Content, Vec<String>) {
        let mut targets = Vec::new();
        let redirected = content.with_links(|target| {
            let number = u16::try_from(targets.len()).unwrap_or(u16::MAX);
            targets.push(target.to_owned());
            format!("{}{}", self.base, self.token(message, number))
        });
        (redirected, targets)
    }

    fn token(&self, message: MessageId, number: u16) -> String {
        let mut bytes = message.to_bytes().to_vec();
        bytes.extend_from_slice(&number.to_be_bytes());
        let tag = self.tag(&bytes);
        hex::encode(bytes) + &tag
    }

    fn tag(&self, bytes: &[u8]) -> String {
        signature::of(&self.secret, &[b"link", bytes])[..2 * TAG].to_owned()
    }

    /// Reads what a redirect says; `None` if it is none of ours.
    pub fn read(&self, token: &str) -> Option<(MessageId, u16)> {
        let (named, tag) = token.split_at_checked(token.len().checked_sub(2 * TAG)?)?;
        let bytes: [u8; 18] = hex::decode(named).ok()?.try_into().ok()?;
        if !bool::from(self.tag(&bytes).as_bytes().ct_eq(tag.as_bytes())) {
            return None;
        }
        let (message, number) = bytes.split_at(16);
        Some((MessageId::from_bytes(message.try_into().ok()?), u16::from_be_bytes(number.try_into().ok()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::ContentKind;

    #[test]
    fn a_redirect_says_which_link_it_is_and_cannot_be_made_up() {
        let links = Links::new("https://h.example/", Bytes::from_static(b"secret"));
        let message = MessageId::from_bytes([7; 16]);
        let content = Content::plain(ContentKind::Markdown, "[a](https://a) [b](https://b)");
        let (redirected, targets) = links.redirect(&content, message);
        assert_eq!(targets, ["https://a", "https://b"]);
        let text = redirected.plain_content().unwrap();
        let token = text.rsplit("/r/").next().unwrap().trim_end_matches(')');
        assert_eq!(links.read(token), Some((message, 1)));
        for i in 0..token.len() {
            let mut other = token.as_bytes().to_vec();
            other[i] = if other[i] == b'0' { b'1' } else { b'0' };
            assert_eq!(links.read(std::str::from_utf8(&other).unwrap()), None);
        }
        assert_eq!((links.read(""), links.read("ä"), links.read(&token[2..])), (None, None, None));
    }
}
