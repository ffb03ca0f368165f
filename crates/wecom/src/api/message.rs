//! Application messages: send, recall, update. <https://developer.work.weixin.qq.com/document/path/90235>

mod batches;
mod content;
mod get_statistics;
mod recall;
mod send;
mod template_card;
mod update_taskcard;
mod update_template_card;

pub use batches::SentInBatches;
pub use content::{
    Article, File, Image, Markdown, MiniprogramNotice, MpArticle, MpNews, News, NoticeItem, Text, TextCard, Video,
    Voice,
};
pub use get_statistics::{AppStatistics, GetStatistics, Statistics};
pub use recall::{RecallMessage, RecallMessageResponse};
pub use send::{DuplicateCheck, MessageContent, SendMessage, SendMessageResponse};
pub use template_card::{
    ActionMenu, ActionMenuItem, Button, ButtonSelection, CardAction, CardImage, CardKind, CardOption, Checkbox,
    EmphasisContent, HorizontalContent, ImageTextArea, Jump, MainTitle, QuoteArea, Selection, Source, SubmitButton,
    TemplateCard, VerticalContent,
};
pub use update_taskcard::UpdateTaskCard;
pub use update_template_card::{UpdateTemplateCard, Updated};
