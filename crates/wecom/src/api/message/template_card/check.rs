//! Holds a card against the documents: which part belongs to which card, and what each part needs.
//! <https://developer.work.weixin.qq.com/document/path/90236>

use super::{CardKind, CardOption, TemplateCard};
use crate::MediaId;
use crate::limits::{self, Checker};

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
    use super::super::Jump;
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
