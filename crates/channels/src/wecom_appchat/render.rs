//! Content → the request of `appchat/send`.

use bytes::Bytes;
use domain::{Content, ContentKind, Options, Recipient, RecipientSet, Violation};
use wecom::api::appchat::{ChatContent, SendChatMessage};

use crate::content::{read, unsupported, violations};

/// More than so many are not called by name.
const MOST_CALLED: usize = 50;

pub(super) fn render(
    chatid: &str,
    content: &Content,
    options: &Options,
    recipients: &RecipientSet,
) -> Result<Bytes, Vec<Violation>> {
    let mut message = SendChatMessage::new(chatid, typed(content)?);
    let called = called(options, recipients);
    // Only a text calls by name; who stands in for members says so where it can.
    if content.kind() == ContentKind::Text && !called.is_empty() {
        message = message.mention(called);
    }
    if options.safe != 0 {
        message = message.confidential();
    }
    violations(message.check())?;
    let body = serde_json::to_vec(&message);
    body.map(Bytes::from).map_err(|error| vec![Violation::new("invalid", content.kind().name(), error.to_string())])
}

fn called(options: &Options, recipients: &RecipientSet) -> Vec<String> {
    let mut called = options.mention.users.clone();
    if options.mention.all || recipients.iter().any(|recipient| matches!(recipient, Recipient::All)) {
        called.push("@all".to_owned());
    }
    for recipient in recipients {
        if let Recipient::User(userid) = recipient
            && !called.contains(userid)
        {
            called.push(userid.clone());
        }
    }
    called.truncate(MOST_CALLED);
    called
}

fn typed(content: &Content) -> Result<ChatContent, Vec<Violation>> {
    Ok(match content.kind() {
        ContentKind::Text => ChatContent::Text(read(content)?),
        ContentKind::Markdown => ChatContent::Markdown(read(content)?),
        ContentKind::Image => ChatContent::Image(read(content)?),
        ContentKind::Voice => ChatContent::Voice(read(content)?),
        ContentKind::Video => ChatContent::Video(read(content)?),
        ContentKind::File => ChatContent::File(read(content)?),
        ContentKind::TextCard => ChatContent::TextCard(read(content)?),
        ContentKind::News => ChatContent::News(read(content)?),
        ContentKind::MpNews => ChatContent::MpNews(read(content)?),
        kind @ (ContentKind::MarkdownV2 | ContentKind::MiniprogramNotice | ContentKind::TemplateCard) => {
            return unsupported(kind, "a group chat", "group chats take text, markdown, textcard, news and files");
        }
    })
}
