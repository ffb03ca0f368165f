//! Content → the request of `message/send`.

use std::time::Duration;

use bytes::Bytes;
use domain::{Content, ContentKind, Options, Recipient, RecipientSet, Violation};
use wecom::AgentId;
use wecom::api::message::{DuplicateCheck, MessageContent, SendMessage};

use crate::content::{read, unsupported, violations};

pub(super) fn render(
    agent: AgentId,
    content: &Content,
    options: &Options,
    recipients: &RecipientSet,
    duplicate_check: Option<Duration>,
) -> Result<Bytes, Vec<Violation>> {
    let check = duplicate_check
        .map(|interval| DuplicateCheck { interval: u32::try_from(interval.as_secs()).unwrap_or(u32::MAX) });
    let message = addressed(recipients).agent(agent).content(typed(content)?).safe(options.safe).duplicate_check(check);
    let message = if options.id_trans { message.id_translation(true) } else { message };
    violations(message.check())?;
    let body = serde_json::to_vec(&message);
    body.map(Bytes::from).map_err(|error| vec![Violation::new("invalid", content.kind().name(), error.to_string())])
}

fn addressed(recipients: &RecipientSet) -> SendMessage {
    let pick = |pick: fn(&Recipient) -> Option<&String>| recipients.iter().filter_map(pick).collect::<Vec<_>>();
    if recipients.iter().any(|recipient| matches!(recipient, Recipient::All)) {
        return SendMessage::to_all();
    }
    let users = pick(|recipient| if let Recipient::User(id) = recipient { Some(id) } else { None });
    let parties = pick(|recipient| if let Recipient::Party(id) = recipient { Some(id) } else { None });
    let tags = pick(|recipient| if let Recipient::Tag(id) = recipient { Some(id) } else { None });
    SendMessage::to_users(users).and_parties(parties).and_tags(tags)
}

fn typed(content: &Content) -> Result<MessageContent, Vec<Violation>> {
    Ok(match content.kind() {
        ContentKind::Text => MessageContent::Text(read(content)?),
        ContentKind::Markdown => MessageContent::Markdown(read(content)?),
        ContentKind::Image => MessageContent::Image(read(content)?),
        ContentKind::Voice => MessageContent::Voice(read(content)?),
        ContentKind::Video => MessageContent::Video(read(content)?),
        ContentKind::File => MessageContent::File(read(content)?),
        ContentKind::TextCard => MessageContent::TextCard(read(content)?),
        ContentKind::News => MessageContent::News(read(content)?),
        ContentKind::MpNews => MessageContent::MpNews(read(content)?),
        ContentKind::MiniprogramNotice => MessageContent::MiniprogramNotice(read(content)?),
        ContentKind::TemplateCard => MessageContent::TemplateCard(read(content)?),
        ContentKind::MarkdownV2 => {
            return unsupported(
                ContentKind::MarkdownV2,
                "an application",
                "applications take markdown; markdown_v2 is for robots",
            );
        }
    })
}
