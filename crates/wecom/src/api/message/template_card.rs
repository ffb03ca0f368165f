//! The five template cards, for applications and (two of them) for robots.
//! <https://developer.work.weixin.qq.com/document/path/90236>
//!
//! One type with every part, as the documents draw it; its parts are in `parts`, and `check` holds a card against the
//! table of which part belongs to which card.

mod check;
mod parts;

use serde::{Deserialize, Serialize};

pub use parts::{
    ActionMenu, ActionMenuItem, Button, ButtonSelection, CardAction, CardImage, CardOption, Checkbox, EmphasisContent,
    HorizontalContent, ImageTextArea, Jump, MainTitle, QuoteArea, Selection, Source, SubmitButton, VerticalContent,
};

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

/// A template card. Not shown in the WeChat plugin.
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
}
