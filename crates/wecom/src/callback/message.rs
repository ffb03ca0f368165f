//! What a callback says: one of the ordinary messages, an event, or something new.
//! <https://developer.work.weixin.qq.com/document/path/90239>

use sha1::{Digest as _, Sha1};

use super::event::Event;
use super::{Element, Refusal};
use crate::{AgentId, MediaId};

/// A callback, decrypted.
#[derive(Clone, Debug, PartialEq)]
pub struct Callback {
    /// The company.
    pub corp_id: String,
    /// The member who did it; `sys` for what WeCom itself reports.
    pub from_user: String,
    /// When, in seconds since the epoch.
    pub created_at: i64,
    /// The application; absent for contact changes and finished jobs.
    pub agent: Option<AgentId>,
    /// What makes a message unique; events have none.
    pub msg_id: Option<u64>,
    /// What it says.
    pub content: Content,
    raw: Element,
}

/// What a callback says.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Content {
    /// A text.
    Text {
        /// The text.
        content: String,
    },
    /// A picture; fetch it within three days.
    Image {
        /// Where it can be seen.
        pic_url: String,
        /// For `media/get`.
        media_id: MediaId,
    },
    /// A voice clip.
    Voice {
        /// For `media/get`.
        media_id: MediaId,
        /// `amr`, `speex`.
        format: String,
        /// What was said, where WeCom tells.
        recognition: Option<String>,
    },
    /// A video.
    Video {
        /// For `media/get`.
        media_id: MediaId,
        /// Its preview.
        thumb_media_id: MediaId,
    },
    /// A file. Undocumented: WeCom's own plugin reads it.
    File {
        /// For `media/get`.
        media_id: MediaId,
        /// What it is called.
        file_name: Option<String>,
    },
    /// A place.
    Location {
        /// Degrees north.
        latitude: f64,
        /// Degrees east.
        longitude: f64,
        /// The map's zoom.
        scale: Option<i64>,
        /// What it is called.
        label: String,
    },
    /// A link.
    Link {
        /// Its title.
        title: String,
        /// Its description.
        description: String,
        /// Where it leads.
        url: String,
        /// Its picture.
        pic_url: String,
    },
    /// Something that happened.
    Event(Event),
    /// A message type that this version does not know; see [`Callback::raw`].
    Unknown {
        /// Its `MsgType`.
        msg_type: String,
    },
}

impl Callback {
    /// Reads a decrypted message.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] if it is no XML. What is new to this version is [`Content::Unknown`], never an error.
    pub fn parse(plain: &[u8]) -> Result<Self, Refusal> {
        let raw = Element::parse(plain)?;
        Ok(Self {
            corp_id: raw.text_of("ToUserName").to_owned(),
            from_user: raw.text_of("FromUserName").to_owned(),
            created_at: raw.number("CreateTime").unwrap_or_default(),
            agent: raw.number("AgentID").map(AgentId),
            msg_id: raw.number("MsgId"),
            content: Content::read(&raw),
            raw,
        })
    }

    /// Returns the whole message, with what this version does not know.
    pub fn raw(&self) -> &Element {
        &self.raw
    }

    /// Returns what is equal for repeats of this callback and different for any other.
    ///
    /// Messages have a `MsgId`. For events WeCom names sender and second, which two quick clicks share, and all events of
    /// `sys`: the whole text is part of it, too.
    pub fn dedupe_key(&self) -> String {
        if let Some(msg_id) = self.msg_id {
            return format!("msg:{msg_id}");
        }
        // A repeat has the same text; two events that differ in anything are two. The key itself names nobody.
        format!("event:{}:{}", self.created_at, hex::encode(Sha1::digest(self.raw.to_string())))
    }
}

impl Content {
    fn read(raw: &Element) -> Self {
        let text = |name: &str| raw.text_of(name).to_owned();
        let media = |name: &str| MediaId::new(raw.text_of(name));
        match raw.text_of("MsgType") {
            // Blanks around it belong to it.
            "text" => Self::Text { content: raw.child("Content").map(|e| e.text().to_owned()).unwrap_or_default() },
            "image" => Self::Image { pic_url: text("PicUrl"), media_id: media("MediaId") },
            "voice" => Self::Voice {
                media_id: media("MediaId"),
                format: text("Format"),
                recognition: raw.owned("Recognition"),
            },
            "video" => Self::Video { media_id: media("MediaId"), thumb_media_id: media("ThumbMediaId") },
            "file" => Self::File { media_id: media("MediaId"), file_name: raw.owned("FileName") },
            "location" => Self::Location {
                latitude: raw.number("Location_X").unwrap_or_default(),
                longitude: raw.number("Location_Y").unwrap_or_default(),
                scale: raw.number("Scale"),
                label: text("Label"),
            },
            "link" => Self::Link {
                title: text("Title"),
                description: text("Description"),
                url: text("Url"),
                pic_url: text("PicUrl"),
            },
            "event" => Self::Event(Event::read(raw)),
            other => Self::Unknown { msg_type: other.to_owned() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture(name: &str) -> Callback {
        let path = format!("{}/../../fixtures/wecom/callback/{name}.xml", env!("CARGO_MANIFEST_DIR"));
        Callback::parse(&std::fs::read(path).unwrap()).unwrap()
    }

    #[test]
    fn every_ordinary_message_is_read() {
        let text = fixture("text");
        assert_eq!((text.corp_id.as_str(), text.from_user.as_str()), ("wx5823bf96d3bd56c7", "mycreate"));
        assert_eq!((text.msg_id, text.agent), (Some(4_561_255_354_251_345_929), Some(AgentId(218))));
        assert_eq!(text.content, Content::Text { content: "hello".into() });
        assert_eq!(
            fixture("image").content,
            Content::Image { pic_url: "https://p.example/1".into(), media_id: "media1".into() }
        );
        let Content::Voice { format, recognition, .. } = fixture("voice").content else { panic!() };
        assert_eq!((format.as_str(), recognition), ("amr", None));
        assert!(matches!(fixture("video").content, Content::Video { .. }));
        let Content::Location { latitude, longitude, scale, label } = fixture("location").content else { panic!() };
        assert_eq!((latitude, longitude, scale, label.as_str()), (23.134, 113.358, Some(20), "somewhere"));
        let Content::Link { title, .. } = fixture("link").content else { panic!() };
        assert_eq!(title, "标题");
        let new = Callback::parse("<xml><MsgType>hologram</MsgType><Depth>3</Depth></xml>".as_bytes()).unwrap();
        assert_eq!(new.content, Content::Unknown { msg_type: "hologram".into() });
        assert_eq!(new.raw().text_of("Depth"), "3");
    }

    #[test]
    fn two_quick_clicks_are_two_and_a_repeat_is_one() {
        let click = |key: &str, task: &str| {
            let xml = format!(
                "<xml><FromUserName>zhangsan</FromUserName><CreateTime>1</CreateTime><MsgType>event</MsgType><Event>template_card_event</Event><EventKey>{key}</EventKey><TaskId>{task}</TaskId></xml>"
            );
            Callback::parse(xml.as_bytes()).unwrap().dedupe_key()
        };
        assert_eq!(click("a", "1"), click("a", "1"));
        assert_ne!(click("a", "1"), click("b", "1"));
        assert_ne!(click("a", "1"), click("a", "2"));
        assert_eq!(fixture("text").dedupe_key(), "msg:4561255354251345929");
    }
}
