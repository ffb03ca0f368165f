//! Passive replies: what is answered to a callback itself, within five seconds.
//! <https://developer.work.weixin.qq.com/document/path/90241>

use serde_json::Value;

use super::{Callback, Element};
use crate::MediaId;
use crate::api::message::TemplateCard;
use crate::limits::{self, Checker, LimitViolation};

/// The page of passive replies.
const DOC: &str = "https://developer.work.weixin.qq.com/document/path/90241";
/// Bytes of a text (path/90241; longer is cut by WeCom).
const TEXT_BYTES: usize = 2048;

/// A passive reply, of every documented kind.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Passive {
    /// A text of at most 2048 bytes.
    Text(String),
    /// An uploaded picture.
    Image(MediaId),
    /// An uploaded voice clip.
    Voice(MediaId),
    /// An uploaded video.
    Video {
        /// The video.
        media_id: MediaId,
        /// Its title.
        title: String,
        /// Its description.
        description: String,
    },
    /// Articles.
    News(Vec<PassiveArticle>),
    /// A new text for the button that was pressed, in the presser's copy of the card.
    UpdateButton {
        /// The text.
        replace_name: String,
    },
    /// Another card in place of the presser's copy.
    UpdateTemplateCard(Box<CardReply>),
    /// A new text for a button of a task card, the forerunner of template cards.
    UpdateTaskCard {
        /// The text.
        replace_name: String,
    },
}

/// One article of a passive reply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PassiveArticle {
    /// Its title.
    pub title: String,
    /// Its description.
    pub description: String,
    /// Its picture.
    pub pic_url: String,
    /// Where it leads.
    pub url: String,
}

/// A card that replaces another.
#[derive(Clone, Debug, PartialEq)]
pub struct CardReply {
    /// The card.
    pub card: TemplateCard,
    /// What stands in place of the buttons.
    pub replace_text: Option<String>,
    /// Locks what can be selected.
    pub disable: bool,
}

impl Passive {
    /// Says a text.
    pub fn text(content: impl Into<String>) -> Self {
        Self::Text(content.into())
    }

    /// Returns every documented rule that this reply breaks.
    pub fn check(&self) -> Vec<LimitViolation> {
        let mut c = Checker::new(DOC);
        match self {
            Self::Text(content) => {
                c.present("Content", content);
                c.bytes("Content", content, TEXT_BYTES);
            }
            Self::Image(id) | Self::Voice(id) | Self::Video { media_id: id, .. } => c.present("MediaId", id.as_str()),
            Self::News(articles) => c.count("Articles", articles.len(), 1..=limits::ARTICLES),
            Self::UpdateButton { replace_name } | Self::UpdateTaskCard { replace_name } => {
                c.present("ReplaceName", replace_name);
            }
            Self::UpdateTemplateCard(_) => {}
        }
        c.finish()
    }

    /// Writes the reply to `callback`, not encrypted yet.
    pub fn to_xml(&self, callback: &Callback, seconds: u64) -> Element {
        let xml = Element::new("xml")
            .with("ToUserName", &callback.from_user)
            .with("FromUserName", &callback.corp_id)
            .with("CreateTime", seconds.to_string())
            .with("MsgType", self.msg_type());
        let media = |name: &str, id: &MediaId| Element::new(name).with("MediaId", id.as_str());
        match self {
            Self::Text(content) => xml.with("Content", content),
            Self::Image(id) => xml.with_child(media("Image", id)),
            Self::Voice(id) => xml.with_child(media("Voice", id)),
            Self::Video { media_id, title, description } => {
                xml.with_child(media("Video", media_id).with("Title", title).with("Description", description))
            }
            Self::News(articles) => {
                let items = articles.iter().fold(Element::new("Articles"), |all, article| {
                    all.with_child(
                        Element::new("item")
                            .with("Title", &article.title)
                            .with("Description", &article.description)
                            .with("PicUrl", &article.pic_url)
                            .with("Url", &article.url),
                    )
                });
                xml.with("ArticleCount", articles.len().to_string()).with_child(items)
            }
            Self::UpdateButton { replace_name } => {
                xml.with_child(Element::new("Button").with("ReplaceName", replace_name))
            }
            Self::UpdateTaskCard { replace_name } => {
                xml.with_child(Element::new("TaskCard").with("ReplaceName", replace_name))
            }
            Self::UpdateTemplateCard(reply) => xml.with_child(card(reply)),
        }
    }

    fn msg_type(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Image(_) => "image",
            Self::Voice(_) => "voice",
            Self::Video { .. } => "video",
            Self::News(_) => "news",
            Self::UpdateButton { .. } => "update_button",
            Self::UpdateTemplateCard(_) => "update_template_card",
            Self::UpdateTaskCard { .. } => "update_taskcard",
        }
    }
}

/// The card's JSON, named as the XML names it: lists become repeated elements without a wrapper.
fn card(reply: &CardReply) -> Element {
    let mut xml = Element::new("TemplateCard");
    let json = serde_json::to_value(&reply.card).unwrap_or_default();
    if let Value::Object(fields) = &json {
        for (name, value) in fields.iter().filter(|(name, _)| *name != "task_id") {
            xml = add(xml, name, value, reply.disable);
        }
    }
    xml.with_some("ReplaceText", reply.replace_text.as_ref())
}

fn add(parent: Element, name: &str, value: &Value, disable: bool) -> Element {
    let xml_name = xml_name(name);
    match value {
        Value::Null => parent,
        Value::Array(items) => items.iter().fold(parent, |parent, item| add(parent, name, item, disable)),
        Value::Object(fields) => {
            let selects = disable && matches!(name, "checkbox" | "select_list" | "button_selection");
            let mut element = Element::new(&xml_name);
            for (inside, value) in fields {
                // The page writes this one so.
                let inside = if name == "quote_area" && inside == "appid" { "Appid" } else { inside };
                element = add(element, inside, value, disable);
            }
            if selects {
                element = element.with("Disable", "true");
            }
            parent.with_child(element)
        }
        Value::String(text) => parent.with(&xml_name, text),
        other => parent.with(&xml_name, other.to_string()),
    }
}

/// `main_title` → `MainTitle`; a few are named by hand on the page.
fn xml_name(name: &str) -> String {
    match name {
        "keyname" => "KeyName".to_owned(),
        "userid" => "UserId".to_owned(),
        "appid" => "AppId".to_owned(),
        "Appid" => "Appid".to_owned(),
        "pagepath" => "PagePath".to_owned(),
        "checkbox" => "CheckBox".to_owned(),
        _ => name
            .split('_')
            .map(|word| {
                let mut letters = word.chars();
                letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect::<String>()
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::message::{CardKind, CardOption, Checkbox, SubmitButton};

    fn callback() -> Callback {
        let xml = "<xml><ToUserName>ww1234567890abcdef</ToUserName><FromUserName>zhangsan</FromUserName><MsgType>text</MsgType></xml>";
        Callback::parse(xml.as_bytes()).unwrap()
    }

    fn written(reply: &Passive) -> String {
        reply.to_xml(&callback(), 1_357_290_913).to_string()
    }

    #[test]
    fn every_kind_has_the_documented_shape() {
        let head = "<xml><ToUserName><![CDATA[zhangsan]]></ToUserName><FromUserName><![CDATA[ww1234567890abcdef]]></FromUserName><CreateTime>1357290913</CreateTime><MsgType><![CDATA[";
        let article = PassiveArticle { title: "t".into(), url: "https://x".into(), ..PassiveArticle::default() };
        for (reply, tail) in [
            (Passive::text("收到 ]]>"), "text]]></MsgType><Content><![CDATA[收到 ]]]]><![CDATA[>]]></Content></xml>"),
            (Passive::Image("m".into()), "image]]></MsgType><Image><MediaId><![CDATA[m]]></MediaId></Image></xml>"),
            (Passive::Voice("m".into()), "voice]]></MsgType><Voice><MediaId><![CDATA[m]]></MediaId></Voice></xml>"),
            (
                Passive::News(vec![article]),
                "news]]></MsgType><ArticleCount>1</ArticleCount><Articles><item><Title><![CDATA[t]]></Title><Description><![CDATA[]]></Description><PicUrl><![CDATA[]]></PicUrl><Url><![CDATA[https://x]]></Url></item></Articles></xml>",
            ),
            (
                Passive::UpdateButton { replace_name: "done".into() },
                "update_button]]></MsgType><Button><ReplaceName><![CDATA[done]]></ReplaceName></Button></xml>",
            ),
        ] {
            assert_eq!(written(&reply), format!("{head}{tail}"));
            assert_eq!(reply.check(), []);
        }
        assert_eq!(Passive::text("中".repeat(683)).check()[0].code, "too_long");
    }

    #[test]
    fn a_card_is_written_as_the_page_shows_it() {
        let option =
            |id: &str, text: &str, checked| CardOption { id: id.into(), text: text.into(), is_checked: Some(checked) };
        let mut card = TemplateCard::new(CardKind::VoteInteraction, "t");
        card.checkbox = Some(Checkbox {
            question_key: "q1".into(),
            mode: 1,
            option_list: vec![option("o1", "a", true), option("o2", "b", false)],
        });
        card.submit_button = Some(SubmitButton { text: "ok".into(), key: "k".into() });
        let reply = CardReply { card, replace_text: Some("done".into()), disable: true };
        let read = Element::parse(written(&Passive::UpdateTemplateCard(Box::new(reply))).as_bytes()).unwrap();
        let page = include_str!("../../../../fixtures/wecom/callback/reply.update_template_card.xml");
        let page = Element::parse(page.as_bytes()).unwrap();
        let (read, page) = (read.child("TemplateCard").unwrap(), page.child("TemplateCard").unwrap());
        for expected in page.children() {
            let found = read.child(expected.name()).unwrap_or_else(|| panic!("{} is missing", expected.name()));
            for inside in expected.children() {
                assert!(
                    found.all(inside.name()).any(|one| one.name() == inside.name()),
                    "{}.{}",
                    expected.name(),
                    inside.name()
                );
            }
        }
        assert_eq!(read.child("CheckBox").unwrap().all("OptionList").count(), 2);
        assert_eq!(read.text_of("ReplaceText"), "done");
    }
}
