//! What a rule answers: a text, what a template makes, or another word on the pressed button.
//!
//! A reply is kept as a content, so that a repeat is answered as the first was. Another word on a button is spelled as
//! WeCom spells it where cards are updated: `{"button": {"replace_name": …}}`.

use domain::{Content, ContentKind, FeedbackRule, Heard, TemplateUse, Violation, What};
use pipeline::TemplateBook;
use pipeline::ports::REQ_ID;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use wecom::api::message::TemplateCard;
use wecom::callback::{CardReply, Passive, PassiveArticle};
use wecom::smart_robot::{Reply, RobotCallback, RobotContent, RobotEvent};

/// What a rule answers; `None` where it answers nothing.
pub(super) fn of(rule: &FeedbackRule, heard: &Heard, templates: &TemplateBook) -> Result<Option<Content>, Violation> {
    if let (Some(button), What::Press(_)) = (&rule.button, &heard.what) {
        let object = json!({ "button": { "replace_name": button } });
        return Ok(Some(Content::new(ContentKind::TemplateCard, object.to_string())));
    }
    if let Some(text) = &rule.reply {
        return Ok(Some(Content::plain(ContentKind::Text, text)));
    }
    let Some(name) = &rule.template else { return Ok(None) };
    let wanted = TemplateUse { name: name.clone(), version: None, variables: variables(heard) };
    templates.render(wanted).map(|(content, _)| Some(content))
}

/// What a template is given.
fn variables(heard: &Heard) -> Map<String, Value> {
    let mut variables = Map::new();
    variables.insert("from".to_owned(), json!(heard.from));
    variables.insert("callback".to_owned(), json!(heard.callback));
    variables.insert("event".to_owned(), json!(heard.what.kind()));
    let (text, key) = match &heard.what {
        What::Text { text } => (text.as_str(), ""),
        What::Press(press) => ("", press.button.as_str()),
        What::Event { event_key, .. } => ("", event_key.as_str()),
        _ => ("", ""),
    };
    variables.insert("text".to_owned(), json!(text));
    variables.insert("key".to_owned(), json!(key));
    let mut raw = heard.raw.clone();
    raw.remove("ResponseCode");
    raw.remove("response_url");
    raw.remove(REQ_ID);
    variables.insert("raw".to_owned(), Value::Object(raw));
    variables
}

/// A reply to an application's callback; `None` where WeCom takes no such reply.
pub(super) fn passive(content: &Content) -> Option<Passive> {
    let object: Value = serde_json::from_str(content.object()).ok()?;
    let text = |name: &str| object[name].as_str().unwrap_or_default().to_owned();
    Some(match content.kind() {
        // A passive reply knows no markdown: its words go as a text.
        ContentKind::Text | ContentKind::Markdown | ContentKind::MarkdownV2 => Passive::Text(text("content")),
        ContentKind::Image => Passive::Image(text("media_id").as_str().into()),
        ContentKind::Voice => Passive::Voice(text("media_id").as_str().into()),
        ContentKind::Video => Passive::Video {
            media_id: text("media_id").as_str().into(),
            title: text("title"),
            description: text("description"),
        },
        ContentKind::News => Passive::News(articles(&object)),
        ContentKind::TemplateCard => match object["button"]["replace_name"].as_str() {
            Some(word) => Passive::UpdateButton { replace_name: word.to_owned() },
            None => {
                let replace_text = object["replace_text"].as_str().map(str::to_owned);
                Passive::UpdateTemplateCard(Box::new(CardReply { card: card(object)?, replace_text, disable: false }))
            }
        },
        _ => return None,
    })
}

fn articles(object: &Value) -> Vec<PassiveArticle> {
    let article = |article: &Value| {
        let text = |name: &str| article[name].as_str().unwrap_or_default().to_owned();
        let (pic_url, pic) = (text("picurl"), text("pic_url"));
        let pic_url = if pic_url.is_empty() { pic } else { pic_url };
        PassiveArticle { title: text("title"), description: text("description"), pic_url, url: text("url") }
    };
    object["articles"].as_array().into_iter().flatten().map(article).collect()
}

fn card(mut object: Value) -> Option<TemplateCard> {
    object.as_object_mut()?.remove("replace_text");
    serde_json::from_value(object).ok()
}

/// A reply to what a smart robot was told.
pub(super) fn of_robot(content: &Content, to: &RobotCallback) -> Option<Reply> {
    let object: Value = serde_json::from_str(content.object()).ok()?;
    let said = || object["content"].as_str().map(str::to_owned);
    Some(match (&to.content, content.kind()) {
        (RobotContent::Event(RobotEvent::EnterChat), kind) if kind.is_plain() => Reply::Text(said()?),
        (RobotContent::Event(RobotEvent::TemplateCard(press)), ContentKind::TemplateCard) => {
            let mut card = card(object)?;
            card.task_id = Some(press.task_id.clone());
            Reply::UpdateTemplateCard { card: Box::new(card.into()), userids: Vec::new() }
        }
        (RobotContent::Event(event), ContentKind::TemplateCard) if *event != RobotEvent::EnterChat => return None,
        (_, ContentKind::TemplateCard) => {
            let mut card = card(object)?;
            // Cards with buttons must have one, new each time.
            card.task_id.get_or_insert_with(|| hex::encode(&Sha256::digest(&to.msgid)[..16]));
            Reply::card(card)
        }
        (RobotContent::Event(_), _) => return None,
        (_, kind) if kind.is_plain() => Reply::finished(said()?),
        _ => return None,
    })
}
