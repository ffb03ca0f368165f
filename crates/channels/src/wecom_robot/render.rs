//! Content → the request of `webhook/send`.

use std::borrow::Cow;

use bytes::Bytes;
use domain::{Content, ContentKind, Options, Recipient, RecipientSet, Violation};
use wecom::api::robot::{Mentions, RobotContent, RobotMessage};

use crate::content::{read, unsupported, violations};

/// More than so many are not called by name: nobody would read the message for the names.
const MOST_CALLED: usize = 50;

/// A card that a robot cannot show, because it asks for an answer, as one that every channel can render otherwise.
pub(super) fn plain_card(content: &Content) -> Cow<'_, Content> {
    if content.kind() != ContentKind::TemplateCard {
        return Cow::Borrowed(content);
    }
    #[derive(serde::Deserialize)]
    struct Card<'a> {
        card_type: Cow<'a, str>,
        action_menu: Option<serde::de::IgnoredAny>,
    }
    let shown = serde_json::from_str::<Card<'_>>(content.object())
        .is_ok_and(|card| card.action_menu.is_none() && matches!(&*card.card_type, "text_notice" | "news_notice"));
    match (shown, domain::fit(content, &[ContentKind::Markdown])) {
        (false, Some(markdown)) => Cow::Owned(markdown),
        _ => Cow::Borrowed(content),
    }
}

/// Renders for a group; members for whom it stands in are called by name.
pub(super) fn render(content: &Content, options: &Options, recipients: &RecipientSet) -> Result<Bytes, Vec<Violation>> {
    if options.safe != 0 {
        return Err(vec![
            Violation::new("unsupported", "safe", "is not taken by a robot")
                .with_hint("leave it out, or send through an application"),
        ]);
    }
    // A picture of ours gets its bytes when it is sent.
    if content.kind() == ContentKind::Image && content.object().contains("\"med_") {
        return Ok(format!(r#"{{"msgtype":"image","image":{}}}"#, content.object()).into());
    }
    let message = RobotMessage::new(typed(content)?);
    let mention = &options.mention;
    let mut mentions = Mentions { users: mention.users.clone(), mobiles: mention.mobiles.clone(), all: mention.all };
    let stand_ins = stood_in_for(recipients, &message, mentions.clone());
    let is_fallback = recipients.iter().any(|recipient| recipient.channel() == "wecom_app");
    if is_fallback && !message.takes(&mentions) {
        mentions = Mentions::default();
    }
    if let Some(more) = stand_ins
        && message.clone().mention(more.clone()).check().is_empty()
    {
        mentions = more;
    }
    if !message.takes(&mentions) {
        let message = format!("cannot be carried by {}", content.kind());
        let hint = "a text mentions anybody; markdown mentions members by userid only; other kinds mention nobody";
        return Err(vec![Violation::new("unsupported", "mention", message).with_hint(hint)]);
    }
    let message = message.mention(mentions);
    violations(message.check())?;
    let body = serde_json::to_vec(&message);
    body.map(Bytes::from).map_err(|error| vec![Violation::new("invalid", content.kind().name(), error.to_string())])
}

/// Calls the members by name for whom the group stands in, where the message can; nobody twice.
fn stood_in_for(recipients: &RecipientSet, message: &RobotMessage, mut mentions: Mentions) -> Option<Mentions> {
    for recipient in recipients {
        match recipient {
            Recipient::User(userid) if !mentions.users.contains(userid) => mentions.users.push(userid.clone()),
            Recipient::All => mentions.all = true,
            _ => {}
        }
    }
    (mentions.users.len() <= MOST_CALLED && message.takes(&mentions)).then_some(mentions)
}

fn typed(content: &Content) -> Result<RobotContent, Vec<Violation>> {
    Ok(match content.kind() {
        ContentKind::Text => RobotContent::Text(read(content)?),
        ContentKind::Markdown => RobotContent::Markdown(read(content)?),
        ContentKind::MarkdownV2 => RobotContent::MarkdownV2(read(content)?),
        ContentKind::Image => RobotContent::Image(read(content)?),
        ContentKind::News => RobotContent::News(read(content)?),
        ContentKind::File => RobotContent::File(read(content)?),
        ContentKind::Voice => RobotContent::Voice(read(content)?),
        ContentKind::TemplateCard => RobotContent::TemplateCard(read(content)?),
        kind @ (ContentKind::Video | ContentKind::TextCard | ContentKind::MpNews | ContentKind::MiniprogramNotice) => {
            return unsupported(
                kind,
                "a robot",
                "robots take text, markdown, markdown_v2, image, news, file, voice and template_card",
            );
        }
    })
}
