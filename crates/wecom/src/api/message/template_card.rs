//! The five template cards, for applications and (two of them) for robots.
//! <https://developer.work.weixin.qq.com/document/path/90236>
//!
//! One type with every part, as the documents draw it; [`PARTS`] says which part belongs to which card, and
//! [`TemplateCard::check_for_app`] holds a card against it.

use serde::{Deserialize, Serialize};

use crate::MediaId;
use crate::api::is_default;
use crate::limits::{self, Checker};

/// The kind of a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CardKind {
    /// Text with emphasised figures.
    TextNotice,
    /// A picture with text.
    NewsNotice,
    /// Buttons that call back.
    ButtonInteraction,
    /// A question with options.
    VoteInteraction,
    /// Several selectors.
    MultipleInteraction,
}

impl CardKind {
    /// Returns the `card_type`.
    pub fn name(self) -> &'static str {
        match self {
            Self::TextNotice => "text_notice",
            Self::NewsNotice => "news_notice",
            Self::ButtonInteraction => "button_interaction",
            Self::VoteInteraction => "vote_interaction",
            Self::MultipleInteraction => "multiple_interaction",
        }
    }
}

/// A template card. Not shown in the `WeChat` plugin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TemplateCard {
    /// The kind.
    pub card_type: CardKind,
    /// Where the card comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// The menu at its corner; makes the card call back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action_menu: Option<ActionMenu>,
    /// Unique per application; letters, digits and `_-@`, at most 128 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_id: Option<String>,
    /// Title and description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub main_title: Option<MainTitle>,
    /// A quoted text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quote_area: Option<QuoteArea>,
    /// The large figure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emphasis_content: Option<EmphasisContent>,
    /// The small text below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub_title_text: Option<String>,
    /// Picture left, text right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_text_area: Option<ImageTextArea>,
    /// The large picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub card_image: Option<CardImage>,
    /// At most 4 lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vertical_content_list: Vec<VerticalContent>,
    /// At most 6 lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub horizontal_content_list: Vec<HorizontalContent>,
    /// At most 3 links.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub jump_list: Vec<Jump>,
    /// Where a tap on the card leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub card_action: Option<CardAction>,
    /// A selector beside the buttons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub button_selection: Option<ButtonSelection>,
    /// At most 6 buttons.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub button_list: Vec<Button>,
    /// The options of a vote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkbox: Option<Checkbox>,
    /// 1 to 3 selectors.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub select_list: Vec<Selection>,
    /// The button that sends vote or selection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submit_button: Option<SubmitButton>,
}

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
    /// 0 none, 1 URL, 2 mini-program.
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

/// One selector of a [`CardKind::MultipleInteraction`].
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

/// Whether a part belongs to a card.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Required,
    Optional,
    Absent,
}
use Part::{Absent as N, Optional as O, Required as R};

/// Which part belongs to which card: `text_notice`, `news_notice`, `button_`, `vote_`, `multiple_interaction`.
#[rustfmt::skip]
const PARTS: [(&str, [Part; 5]); 18] = [
    ("source",                  [O, O, O, O, O]),
    ("action_menu",             [O, O, O, N, N]),
    ("task_id",                 [O, O, R, R, R]),
    ("main_title",              [O, R, R, R, R]),
    ("quote_area",              [O, O, O, N, N]),
    ("emphasis_content",        [O, N, N, N, N]),
    ("sub_title_text",          [O, N, O, N, N]),
    ("image_text_area",         [N, O, N, N, N]),
    ("card_image",              [N, O, N, N, N]),
    ("vertical_content_list",   [N, O, N, N, N]),
    ("horizontal_content_list", [O, O, O, N, N]),
    ("jump_list",               [O, O, N, N, N]),
    ("card_action",             [R, R, O, N, N]),
    ("button_selection",        [N, N, O, N, N]),
    ("button_list",             [N, N, R, N, N]),
    ("checkbox",                [N, N, N, R, N]),
    ("select_list",             [N, N, N, N, R]),
    ("submit_button",           [N, N, N, R, R]),
];

impl TemplateCard {
    /// Starts a card of `kind` with a title.
    pub fn new(kind: CardKind, title: impl Into<String>) -> Self {
        Self {
            card_type: kind,
            main_title: Some(MainTitle { title: Some(title.into()), desc: None }),
            source: None,
            action_menu: None,
            task_id: None,
            quote_area: None,
            emphasis_content: None,
            sub_title_text: None,
            image_text_area: None,
            card_image: None,
            vertical_content_list: Vec::new(),
            horizontal_content_list: Vec::new(),
            jump_list: Vec::new(),
            card_action: None,
            button_selection: None,
            button_list: Vec::new(),
            checkbox: None,
            select_list: Vec::new(),
            submit_button: None,
        }
    }

    /// Has a tap on the card open a URL.
    #[must_use]
    pub fn opens(mut self, url: impl Into<String>) -> Self {
        self.card_action = Some(CardAction { kind: 1, url: Some(url.into()), ..CardAction::default() });
        self
    }

    /// Tells whether members' actions on the card are called back, which needs a callback URL and a `task_id`.
    pub fn calls_back(&self) -> bool {
        self.action_menu.is_some() || !matches!(self.card_type, CardKind::TextNotice | CardKind::NewsNotice)
    }

    pub(crate) fn check_for_app(&self, c: &mut Checker) {
        self.check_parts(c);
        if self.action_menu.is_some() && self.task_id.is_none() {
            c.add("missing", "template_card.task_id", "is missing: a card with an action_menu needs one");
        }
        if self.card_type == CardKind::NewsNotice && self.card_image.is_none() && self.image_text_area.is_none() {
            c.add(
                "missing",
                "template_card.card_image",
                "is missing, and so is image_text_area; one of them is needed",
            );
        }
    }

    /// Robots show text and news notices only, without menus and task ids (path/99110).
    pub(crate) fn check_for_robot(&self, c: &mut Checker) {
        if !matches!(self.card_type, CardKind::TextNotice | CardKind::NewsNotice) {
            let message =
                format!("`{}` is not taken from a robot; text_notice and news_notice are", self.card_type.name());
            return c.add("unsupported", "template_card.card_type", message);
        }
        self.check_parts(c);
        for (field, given) in [("task_id", self.task_id.is_some()), ("action_menu", self.action_menu.is_some())] {
            if given {
                c.add("unsupported", format!("template_card.{field}"), "is not taken from a robot");
            }
        }
        if self.main_title.is_none() {
            c.add("missing", "template_card.main_title", "is missing");
        }
        if self.card_type == CardKind::NewsNotice && self.card_image.is_none() {
            c.add("missing", "template_card.card_image", "is missing");
        }
    }

    fn has(&self, part: &str) -> bool {
        match part {
            "source" => self.source.is_some(),
            "action_menu" => self.action_menu.is_some(),
            "task_id" => self.task_id.is_some(),
            "main_title" => self.main_title.is_some(),
            "quote_area" => self.quote_area.is_some(),
            "emphasis_content" => self.emphasis_content.is_some(),
            "sub_title_text" => self.sub_title_text.is_some(),
            "image_text_area" => self.image_text_area.is_some(),
            "card_image" => self.card_image.is_some(),
            "vertical_content_list" => !self.vertical_content_list.is_empty(),
            "horizontal_content_list" => !self.horizontal_content_list.is_empty(),
            "jump_list" => !self.jump_list.is_empty(),
            "card_action" => self.card_action.is_some(),
            "button_selection" => self.button_selection.is_some(),
            "button_list" => !self.button_list.is_empty(),
            "checkbox" => self.checkbox.is_some(),
            "select_list" => !self.select_list.is_empty(),
            _ => self.submit_button.is_some(),
        }
    }

    fn check_parts(&self, c: &mut Checker) {
        for (part, cards) in PARTS {
            let field = format!("template_card.{part}");
            match cards[self.card_type as usize] {
                R if !self.has(part) => c.add("missing", field, "is missing"),
                N if self.has(part) => {
                    c.add("unsupported", field, format!("is no part of a {}", self.card_type.name()));
                }
                R | O | N => {}
            }
        }
        self.check_titles(c);
        self.check_menu_and_task(c);
        self.check_areas(c);
        self.check_lists(c);
        self.check_buttons(c);
        self.check_questions(c);
    }

    fn check_titles(&self, c: &mut Checker) {
        let title = self.main_title.as_ref().and_then(|main| main.title.as_deref()).unwrap_or_default();
        let sub_title = self.sub_title_text.as_deref().unwrap_or_default();
        let enough = match self.card_type {
            CardKind::TextNotice => !title.is_empty() || !sub_title.is_empty(),
            _ => !title.is_empty() || self.main_title.is_none(),
        };
        if !enough {
            c.add("missing", "template_card.main_title.title", "is missing or empty");
        }
    }

    fn check_menu_and_task(&self, c: &mut Checker) {
        if let Some(menu) = &self.action_menu {
            c.count("template_card.action_menu.action_list", menu.action_list.len(), 1..=3);
            for (i, item) in menu.action_list.iter().enumerate() {
                let field = |name: &str| format!("template_card.action_menu.action_list[{i}].{name}");
                c.present(&field("text"), &item.text);
                check_key(c, &field("key"), &item.key);
            }
            let keys = menu.action_list.iter().map(|item| item.key.as_str());
            check_unique(c, "template_card.action_menu.action_list", "key", keys);
        }
        if let Some(task_id) = &self.task_id {
            let field = "template_card.task_id";
            c.present(field, task_id);
            c.bytes(field, task_id, limits::TASK_ID_BYTES);
            if !task_id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'@')) {
                c.add("invalid", field, "has other characters than letters, digits, `_`, `-` and `@`");
            }
        }
    }

    fn check_areas(&self, c: &mut Checker) {
        if let Some(action) = &self.card_action {
            let none_allowed = self.card_type == CardKind::ButtonInteraction;
            let known = (1..=2).contains(&action.kind) || (none_allowed && action.kind == 0);
            if !known {
                let message = format!("`{}` is not 1 (a URL) or 2 (a mini-program)", action.kind);
                c.add("invalid", "template_card.card_action.type", message);
            }
            check_link(c, "template_card.card_action", action.kind, action.url.as_deref(), action.appid.as_deref());
        }
        if let Some(quote) = &self.quote_area {
            check_link(c, "template_card.quote_area", quote.kind, quote.url.as_deref(), quote.appid.as_deref());
        }
        if let Some(area) = &self.image_text_area {
            let field = "template_card.image_text_area";
            check_link(c, field, area.kind, area.url.as_deref(), area.appid.as_deref());
            c.present("template_card.image_text_area.image_url", &area.image_url);
        }
        if let Some(image) = &self.card_image {
            c.present("template_card.card_image.url", &image.url);
            if image.aspect_ratio.is_some_and(|ratio| !(1.3..=2.25).contains(&ratio)) {
                c.add("invalid", "template_card.card_image.aspect_ratio", "is not between 1.3 and 2.25");
            }
        }
        if let Some(color) = self.source.as_ref().and_then(|source| source.desc_color)
            && color > 3
        {
            c.add("invalid", "template_card.source.desc_color", format!("`{color}` is not 0, 1, 2 or 3"));
        }
    }

    fn check_lists(&self, c: &mut Checker) {
        c.count("template_card.vertical_content_list", self.vertical_content_list.len(), 0..=4);
        for (i, line) in self.vertical_content_list.iter().enumerate() {
            c.present(&format!("template_card.vertical_content_list[{i}].title"), &line.title);
        }
        c.count("template_card.horizontal_content_list", self.horizontal_content_list.len(), 0..=6);
        for (i, line) in self.horizontal_content_list.iter().enumerate() {
            let field = |name: &str| format!("template_card.horizontal_content_list[{i}].{name}");
            c.present(&field("keyname"), &line.keyname);
            match line.kind {
                0 => {}
                1 => c.present(&field("url"), line.url.as_deref().unwrap_or_default()),
                2 => c.present(&field("media_id"), line.media_id.as_ref().map_or("", MediaId::as_str)),
                3 => c.present(&field("userid"), line.userid.as_deref().unwrap_or_default()),
                other => c.add("invalid", field("type"), format!("`{other}` is not 0, 1, 2 or 3")),
            }
        }
        c.count("template_card.jump_list", self.jump_list.len(), 0..=3);
        for (i, jump) in self.jump_list.iter().enumerate() {
            let field = format!("template_card.jump_list[{i}]");
            c.present(&format!("{field}.title"), &jump.title);
            check_link(c, &field, jump.kind, jump.url.as_deref(), jump.appid.as_deref());
        }
    }

    fn check_buttons(&self, c: &mut Checker) {
        c.count("template_card.button_list", self.button_list.len(), 0..=6);
        for (i, button) in self.button_list.iter().enumerate() {
            let field = |name: &str| format!("template_card.button_list[{i}].{name}");
            c.present(&field("text"), &button.text);
            match button.kind {
                0 => check_key(c, &field("key"), button.key.as_deref().unwrap_or_default()),
                1 => c.present(&field("url"), button.url.as_deref().unwrap_or_default()),
                other => c.add("invalid", field("type"), format!("`{other}` is not 0 (callback) or 1 (a URL)")),
            }
        }
        let keys = self.button_list.iter().filter_map(|button| button.key.as_deref());
        check_unique(c, "template_card.button_list", "key", keys);
        if let Some(button) = &self.submit_button {
            check_key(c, "template_card.submit_button.key", &button.key);
        }
    }

    fn check_questions(&self, c: &mut Checker) {
        if let Some(selection) = &self.button_selection {
            let field = "template_card.button_selection";
            check_question(c, field, &selection.question_key, &selection.option_list, 10);
        }
        if let Some(vote) = &self.checkbox {
            check_question(c, "template_card.checkbox", &vote.question_key, &vote.option_list, 20);
            if vote.mode > 1 {
                c.add("invalid", "template_card.checkbox.mode", format!("`{}` is not 0 or 1", vote.mode));
            }
        }
        c.count("template_card.select_list", self.select_list.len(), 0..=3);
        for (i, select) in self.select_list.iter().enumerate() {
            let field = format!("template_card.select_list[{i}]");
            check_question(c, &field, &select.question_key, &select.option_list, 10);
        }
        let keys = self.select_list.iter().map(|select| select.question_key.as_str());
        check_unique(c, "template_card.select_list", "question_key", keys);
    }
}

fn check_link(c: &mut Checker, field: &str, kind: u8, url: Option<&str>, appid: Option<&str>) {
    match kind {
        0 => {}
        1 => c.present(&format!("{field}.url"), url.unwrap_or_default()),
        2 => c.present(&format!("{field}.appid"), appid.unwrap_or_default()),
        other => c.add("invalid", format!("{field}.type"), format!("`{other}` is not 0, 1 or 2")),
    }
}

fn check_key(c: &mut Checker, field: &str, key: &str) {
    c.present(field, key);
    c.bytes(field, key, limits::CARD_KEY_BYTES);
}

fn check_question(c: &mut Checker, field: &str, key: &str, options: &[CardOption], most: usize) {
    check_key(c, &format!("{field}.question_key"), key);
    c.count(&format!("{field}.option_list"), options.len(), 1..=most);
    for (i, option) in options.iter().enumerate() {
        let option_field = |name: &str| format!("{field}.option_list[{i}].{name}");
        c.present(&option_field("id"), &option.id);
        c.bytes(&option_field("id"), &option.id, limits::OPTION_ID_BYTES);
        c.present(&option_field("text"), &option.text);
    }
    check_unique(c, &format!("{field}.option_list"), "id", options.iter().map(|option| option.id.as_str()));
}

fn check_unique<'a>(c: &mut Checker, list: &str, name: &str, keys: impl Iterator<Item = &'a str>) {
    let mut seen = std::collections::BTreeSet::new();
    for (i, key) in keys.enumerate() {
        if !key.is_empty() && !seen.insert(key) {
            c.add("invalid", format!("{list}[{i}].{name}"), format!("`{key}` stands twice"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::DOC_MESSAGE_SEND;

    fn fixture(name: &str) -> (TemplateCard, serde_json::Value) {
        let path = format!("{}/../../fixtures/wecom/message/template_card.{name}.json", env!("CARGO_MANIFEST_DIR"));
        let json: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        (serde_json::from_value(json.clone()).unwrap(), json)
    }

    fn fields(card: &TemplateCard) -> Vec<String> {
        let mut c = Checker::new(DOC_MESSAGE_SEND);
        card.check_for_app(&mut c);
        c.finish().into_iter().map(|violation| violation.field).collect()
    }

    #[test]
    fn the_five_official_cards_round_trip_and_pass() {
        for kind in ["text_notice", "news_notice", "button_interaction", "vote_interaction", "multiple_interaction"] {
            let (card, json) = fixture(kind);
            assert_eq!(serde_json::to_value(&card).unwrap(), json, "{kind}");
            assert_eq!(fields(&card), [""; 0], "{kind}");
        }
    }

    #[test]
    fn a_jump_without_title_is_named() {
        let (mut card, _) = fixture("text_notice");
        card.jump_list =
            vec![Jump { kind: 1, url: Some("https://oa.example.com/order/123".into()), ..Jump::default() }];
        assert_eq!(fields(&card), ["template_card.jump_list[0].title"]);
    }

    #[test]
    fn each_part_belongs_to_its_cards() {
        let (mut card, _) = fixture("vote_interaction");
        card.jump_list = vec![Jump { title: "t".into(), ..Jump::default() }];
        card.submit_button = None;
        assert_eq!(fields(&card), ["template_card.jump_list", "template_card.submit_button"]);
        let (mut card, _) = fixture("button_interaction");
        card.task_id = None;
        card.button_list[0].key = None;
        assert_eq!(fields(&card), ["template_card.task_id", "template_card.button_list[0].key"]);
        let (mut card, _) = fixture("news_notice");
        (card.card_image, card.image_text_area) = (None, None);
        assert_eq!(fields(&card), ["template_card.card_image"]);
    }

    #[test]
    fn robots_show_two_of_the_five() {
        let mut c = Checker::new(DOC_MESSAGE_SEND);
        fixture("vote_interaction").0.check_for_robot(&mut c);
        assert_eq!(c.finish()[0].field, "template_card.card_type");
    }
}
