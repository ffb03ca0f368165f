//! The parts that template cards are made of, with what each needs.
//! <https://developer.work.weixin.qq.com/document/path/90236>

use serde::{Deserialize, Serialize};

use crate::MediaId;
use crate::api::is_default;

/// Where a card comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// A picture, best 72×72.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icon_url: Option<String>,
    /// About 20 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desc: Option<String>,
    /// 0 grey, 1 black, 2 red, 3 green.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desc_color: Option<u8>,
}

/// The menu at a card's corner.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActionMenu {
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desc: Option<String>,
    /// 1 to 3 entries.
    #[serde(default)]
    pub action_list: Vec<ActionMenuItem>,
}

/// One entry of an [`ActionMenu`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActionMenuItem {
    /// The label.
    #[serde(default)]
    pub text: String,
    /// What the callback names; unique, at most 1024 bytes.
    #[serde(default)]
    pub key: String,
}

/// Title and description.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MainTitle {
    /// About 36 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// About 44 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desc: Option<String>,
}

/// A quoted text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuoteArea {
    /// 0 none, 1 URL, 2 mini-program.
    #[serde(default, rename = "type", skip_serializing_if = "is_default")]
    pub kind: u8,
    /// Needed for type 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Needed for type 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub appid: Option<String>,
    /// For type 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pagepath: Option<String>,
    /// Above the quote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The quote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quote_text: Option<String>,
}

/// The large figure.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmphasisContent {
    /// About 14 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// About 22 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desc: Option<String>,
}

/// Picture left, text right.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageTextArea {
    /// 0 none, 1 URL, 2 mini-program.
    #[serde(default, rename = "type", skip_serializing_if = "is_default")]
    pub kind: u8,
    /// Needed for type 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Needed for type 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub appid: Option<String>,
    /// For type 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pagepath: Option<String>,
    /// The title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desc: Option<String>,
    /// The picture.
    #[serde(default)]
    pub image_url: String,
}

/// The large picture.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CardImage {
    /// The picture.
    #[serde(default)]
    pub url: String,
    /// Width by height, 1.3 to 2.25; default 1.3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aspect_ratio: Option<f64>,
}

/// A line below the picture.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerticalContent {
    /// About 38 characters.
    #[serde(default)]
    pub title: String,
    /// About 160 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desc: Option<String>,
}

/// A line of name and value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HorizontalContent {
    /// 0 plain, 1 URL, 2 attachment, 3 member.
    #[serde(default, rename = "type", skip_serializing_if = "is_default")]
    pub kind: u8,
    /// About 5 characters.
    #[serde(default)]
    pub keyname: String,
    /// About 30 characters; for an attachment the file name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Needed for type 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Needed for type 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_id: Option<MediaId>,
    /// Needed for type 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub userid: Option<String>,
}

/// A link below the card.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jump {
    /// 0 none, 1 URL, 2 mini-program; a smart robot's also 3, ask the robot.
    #[serde(default, rename = "type", skip_serializing_if = "is_default")]
    pub kind: u8,
    /// About 18 characters.
    #[serde(default)]
    pub title: String,
    /// Needed for type 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Needed for type 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub appid: Option<String>,
    /// For type 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pagepath: Option<String>,
    /// For type 3: what the robot is asked; at most 200 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<String>,
}

/// Where a tap on the card leads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CardAction {
    /// 1 URL, 2 mini-program; a button card also 0, none.
    #[serde(default, rename = "type")]
    pub kind: u8,
    /// Needed for type 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Needed for type 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub appid: Option<String>,
    /// For type 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pagepath: Option<String>,
}

/// A selector beside the buttons.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ButtonSelection {
    /// What the callback names; at most 1024 bytes.
    #[serde(default)]
    pub question_key: String,
    /// The label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// 1 to 10 options.
    #[serde(default)]
    pub option_list: Vec<CardOption>,
    /// The one chosen at first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selected_id: Option<String>,
}

/// An option of a selector or a vote.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CardOption {
    /// Unique, at most 128 bytes.
    #[serde(default)]
    pub id: String,
    /// About 16 characters.
    #[serde(default)]
    pub text: String,
    /// For votes: whether it is chosen at first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_checked: Option<bool>,
}

/// A button.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Button {
    /// 0 callback, 1 URL.
    #[serde(default, rename = "type", skip_serializing_if = "is_default")]
    pub kind: u8,
    /// About 10 characters.
    #[serde(default)]
    pub text: String,
    /// 1 to 4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub style: Option<u8>,
    /// Needed for type 0; unique, at most 1024 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Needed for type 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// The options of a vote.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkbox {
    /// What the callback names; at most 1024 bytes.
    #[serde(default)]
    pub question_key: String,
    /// 0 one answer, 1 several.
    #[serde(default, skip_serializing_if = "is_default")]
    pub mode: u8,
    /// 1 to 20 options.
    #[serde(default)]
    pub option_list: Vec<CardOption>,
}

/// One selector of a multiple-interaction card.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    /// What the callback names; unique, at most 1024 bytes.
    #[serde(default)]
    pub question_key: String,
    /// The label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The one chosen at first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selected_id: Option<String>,
    /// 1 to 10 options.
    #[serde(default)]
    pub option_list: Vec<CardOption>,
}

/// The button that sends vote or selection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubmitButton {
    /// About 10 characters; empty: 提交.
    #[serde(default)]
    pub text: String,
    /// What the callback names; at most 1024 bytes.
    #[serde(default)]
    pub key: String,
}
