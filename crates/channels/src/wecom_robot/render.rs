//! Content → the request of `webhook/send`.

use bytes::Bytes;
use domain::{Content, ContentKind, Options, Violation};
use wecom::api::robot::{Mentions, RobotContent, RobotMessage};

use crate::content::{read, unsupported, violations};

pub(super) fn render(content: &Content, options: &Options) -> Result<Bytes, Vec<Violation>> {
    if options.safe != 0 {
        return Err(vec![
            Violation::new("unsupported", "safe", "is not taken by a robot")
                .with_hint("leave it out, or send through an application"),
        ]);
    }
    let message = RobotMessage::new(typed(content)?);
    let mention = &options.mention;
    let mentions = Mentions { users: mention.users.clone(), mobiles: mention.mobiles.clone(), all: mention.all };
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
