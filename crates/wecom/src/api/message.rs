//! Application messages: send, recall. <https://developer.work.weixin.qq.com/document/path/90235>

mod content;
mod recall;
mod send;
mod template_card;

pub use content::{
    Article, File, Image, Markdown, MiniprogramNotice, MpArticle, MpNews, News, NoticeItem, Text, TextCard, Video,
    Voice,
};
pub use recall::{RecallMessage, RecallMessageResponse};
pub use send::{DuplicateCheck, MessageContent, SendMessage, SendMessageResponse};
pub use template_card::{
    ActionMenu, ActionMenuItem, Button, ButtonSelection, CardAction, CardImage, CardKind, CardOption, Checkbox,
    EmphasisContent, HorizontalContent, ImageTextArea, Jump, MainTitle, QuoteArea, Selection, Source, SubmitButton,
    TemplateCard, VerticalContent,
};
