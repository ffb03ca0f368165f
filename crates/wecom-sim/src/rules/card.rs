//! Template cards: which part is needed where, and how many of each (path/90236 §`template_card`, path/99110).

use std::collections::BTreeSet;

use crate::routes::reader::Reader;
use crate::rules::{Refused, refuse};
use crate::world::App;

type MediaCheck<'a> = &'a dyn Fn(&str) -> bool;

/// Checks an application's card. Tells whether it can call back.
pub(crate) fn check_for_app(card: &Reader<'_>, app: &App, media: MediaCheck<'_>) -> Result<bool, Refused> {
    let kind = card.text("card_type")?.unwrap_or_default();
    let interactive = match kind.as_str() {
        "text_notice" | "news_notice" => false,
        "button_interaction" | "vote_interaction" | "multiple_interaction" => true,
        _ => return refuse(42_031, "invalid card_type"),
    };
    let menu = action_menu(card)?;
    let calls_back = interactive || menu;
    task_id(card, calls_back)?;
    titles(card, &kind)?;
    if kind == "news_notice" && !card.has("card_image") && !card.has("image_text_area") {
        return refuse(42_044, "card_image missing");
    }
    shared_parts(card, &kind, media)?;
    match kind.as_str() {
        "button_interaction" => buttons(card)?,
        "vote_interaction" => vote(card)?,
        "multiple_interaction" => selections(card)?,
        _ => {}
    }
    if calls_back && app.callback.is_none() {
        return refuse(43_012, "app must configure a callback url");
    }
    Ok(calls_back)
}

/// Checks a card that replaces another: no `task_id`, and the submit button may be absent (path/94888).
pub(crate) fn check_replacement(card: &Reader<'_>, media: MediaCheck<'_>) -> Result<(), Refused> {
    let kind = card.text("card_type")?.unwrap_or_default();
    action_menu(card)?;
    titles(card, &kind)?;
    if kind == "news_notice" && !card.has("card_image") && !card.has("image_text_area") {
        return refuse(42_044, "card_image missing");
    }
    shared_parts(card, &kind, media)?;
    match kind.as_str() {
        "text_notice" | "news_notice" => Ok(()),
        "button_interaction" => buttons(card),
        "vote_interaction" if card.has("submit_button") => vote(card),
        "vote_interaction" => match card.object("checkbox")? {
            Some(checkbox) => question(&checkbox, 20).map(drop),
            None => refuse(42_043, "checkbox missing"),
        },
        "multiple_interaction" if card.has("submit_button") => selections(card),
        "multiple_interaction" => {
            let selects = card.objects("select_list")?;
            if !(1..=3).contains(&selects.len()) {
                return refuse(42_047, "select_list has a wrong length");
            }
            selects.iter().try_for_each(|select| question(select, 10).map(drop))
        }
        _ => refuse(42_031, "invalid card_type"),
    }
}

/// Checks a smart robot's card: five kinds, lines without files, a `task_id` where it calls back (path/101032).
pub(crate) fn check_for_smart_robot(card: &Reader<'_>) -> Result<(), Refused> {
    let kind = card.text("card_type")?.unwrap_or_default();
    let needs_task = matches!(kind.as_str(), "button_interaction" | "vote_interaction");
    let menu = action_menu(card)?;
    task_id(card, needs_task || menu)?;
    check_update_of_smart_robot(card)
}

/// Checks a card that replaces a pressed one: its `task_id` was held against the pressed card's before.
pub(crate) fn check_update_of_smart_robot(card: &Reader<'_>) -> Result<(), Refused> {
    let kind = card.text("card_type")?.unwrap_or_default();
    let known = ["text_notice", "news_notice", "button_interaction", "vote_interaction", "multiple_interaction"];
    if !known.contains(&kind.as_str()) {
        return refuse(42_031, "invalid card_type");
    }
    titles(card, &kind)?;
    if kind == "news_notice" && !card.has("card_image") && !card.has("image_text_area") {
        return refuse(42_044, "card_image missing");
    }
    let feedback = card.object("feedback")?.map(|feedback| feedback.text("id")).transpose()?.flatten();
    if feedback.is_some_and(|id| id.len() > 256) {
        return refuse(40_058, "feedback.id exceed max length 256. invalid Request Parameter");
    }
    // A line of a file is not known here.
    parts_of(card, &kind, &|_| false, true)?;
    match kind.as_str() {
        "button_interaction" => buttons(card),
        "vote_interaction" => vote(card),
        "multiple_interaction" => selections(card),
        _ => Ok(()),
    }
}

/// Checks a robot's card: two kinds, nothing that calls back.
pub(crate) fn check_for_robot(card: &Reader<'_>, media: MediaCheck<'_>) -> Result<(), Refused> {
    let kind = card.text("card_type")?.unwrap_or_default();
    if !matches!(kind.as_str(), "text_notice" | "news_notice") {
        return refuse(42_031, "invalid card_type");
    }
    if !card.has("main_title") {
        return refuse(40_058, "main_title missing. invalid Request Parameter");
    }
    titles(card, &kind)?;
    if kind == "news_notice" && !card.has("card_image") {
        return refuse(42_044, "card_image missing");
    }
    shared_parts(card, &kind, media)
}

fn present(reader: &Reader<'_>, name: &str, errcode: i64) -> Result<String, Refused> {
    let value = reader.text(name)?.unwrap_or_default();
    if value.is_empty() { refuse(errcode, format!("{} missing or illegal", reader.path(name))) } else { Ok(value) }
}

fn key(reader: &Reader<'_>, name: &str, errcode: i64, limit: usize) -> Result<String, Refused> {
    let value = present(reader, name, errcode)?;
    if value.len() > limit { refuse(errcode, format!("{} too long", reader.path(name))) } else { Ok(value) }
}

fn action_menu(card: &Reader<'_>) -> Result<bool, Refused> {
    let Some(menu) = card.object("action_menu")? else { return Ok(false) };
    let items = menu.objects("action_list")?;
    if !(1..=3).contains(&items.len()) {
        return refuse(40_058, "action_menu.action_list has a wrong length. invalid Request Parameter");
    }
    let mut keys = BTreeSet::new();
    for item in items {
        present(&item, "text", 40_058)?;
        if !keys.insert(key(&item, "key", 40_058, 1024)?) {
            return refuse(42_051, "action_menu key conflict");
        }
    }
    Ok(true)
}

fn task_id(card: &Reader<'_>, needed: bool) -> Result<(), Refused> {
    let task_id = card.text("task_id")?.unwrap_or_default();
    if task_id.is_empty() && !needed {
        return Ok(());
    }
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '@');
    let fits = (1..=128).contains(&task_id.len()) && task_id.chars().all(legal);
    if fits { Ok(()) } else { refuse(42_014, "invalid task_id") }
}

fn titles(card: &Reader<'_>, kind: &str) -> Result<(), Refused> {
    let title = match card.object("main_title")? {
        Some(main) => main.text("title")?.unwrap_or_default(),
        None => String::new(),
    };
    let sub_title = card.text("sub_title_text")?.unwrap_or_default();
    let enough = !title.is_empty() || (kind == "text_notice" && !sub_title.is_empty());
    if enough { Ok(()) } else { refuse(40_058, "main_title.title missing. invalid Request Parameter") }
}

fn link(part: &Reader<'_>, most: i64, wrong_type: i64) -> Result<(), Refused> {
    match part.int("type")?.unwrap_or(0) {
        0 => Ok(()),
        1 => present(part, "url", 42_028).map(drop),
        2 if most >= 2 => present(part, "appid", 42_030).map(drop),
        _ => refuse(wrong_type, format!("{} illegal", part.path("type"))),
    }
}

fn shared_parts(card: &Reader<'_>, kind: &str, media: MediaCheck<'_>) -> Result<(), Refused> {
    parts_of(card, kind, media, false)
}

/// The parts that cards have in common; a smart robot's may do nothing on a tap, and ask the robot by a link.
fn parts_of(card: &Reader<'_>, kind: &str, media: MediaCheck<'_>, smart: bool) -> Result<(), Refused> {
    let notice = matches!(kind, "text_notice" | "news_notice");
    match card.object("card_action")? {
        Some(action) => {
            if notice && !smart && !matches!(action.int("type")?, Some(1 | 2)) {
                return refuse(42_045, "card_action.type missing or illegal");
            }
            link(&action, 2, 42_045)?;
        }
        None if notice => return refuse(42_045, "card_action missing or illegal"),
        None => {}
    }
    if let Some(quote) = card.object("quote_area")? {
        link(&quote, 2, 40_058)?;
    }
    if let Some(area) = card.object("image_text_area")? {
        link(&area, 2, 40_058)?;
        present(&area, "image_url", 40_058)?;
    }
    if let Some(image) = card.object("card_image")? {
        present(&image, "url", 42_044)?;
        // The page says "below 2.25, above 1.3", its samples use exactly both; 32-bit floats are a little off.
        if image.float("aspect_ratio")?.is_some_and(|ratio| !(1.299..=2.251).contains(&ratio)) {
            return refuse(40_058, "card_image.aspect_ratio illegal. invalid Request Parameter");
        }
    }
    let lines = card.objects("horizontal_content_list")?;
    if lines.len() > 6 {
        return refuse(42_035, "horizontal_content_list has a wrong length");
    }
    for line in lines {
        horizontal(&line, media)?;
    }
    let jumps = card.objects("jump_list")?;
    if jumps.len() > 3 {
        return refuse(42_042, "jump_list has a wrong length");
    }
    for jump in jumps {
        present(&jump, "title", 42_033)?;
        if smart && jump.int("type")? == Some(3) {
            if key(&jump, "question", 40_058, 200)?.is_empty() {
                return refuse(40_058, "jump_list.question missing. invalid Request Parameter");
            }
            continue;
        }
        link(&jump, 2, 40_058)?;
    }
    let lines = card.objects("vertical_content_list")?;
    if lines.len() > 4 {
        return refuse(42_036, "vertical_content_list has a wrong length");
    }
    for line in lines {
        present(&line, "title", 42_033)?;
    }
    Ok(())
}

fn horizontal(line: &Reader<'_>, media: MediaCheck<'_>) -> Result<(), Refused> {
    present(line, "keyname", 42_027)?;
    match line.int("type")?.unwrap_or(0) {
        0 => Ok(()),
        1 => present(line, "url", 42_028).map(drop),
        2 => {
            let id = present(line, "media_id", 42_029)?;
            if media(&id) { Ok(()) } else { refuse(40_007, "invalid media_id") }
        }
        3 => present(line, "userid", 42_050).map(drop),
        _ => refuse(40_058, format!("{} illegal. invalid Request Parameter", line.path("type"))),
    }
}

fn buttons(card: &Reader<'_>) -> Result<(), Refused> {
    if let Some(selection) = card.object("button_selection")? {
        question(&selection, 10)?;
    }
    let buttons = card.objects("button_list")?;
    if !(1..=6).contains(&buttons.len()) {
        return refuse(40_058, "button_list has a wrong length. invalid Request Parameter");
    }
    let mut keys = BTreeSet::new();
    for button in buttons {
        present(&button, "text", 42_038)?;
        if button.int("type")?.unwrap_or(0) == 1 {
            present(&button, "url", 42_028)?;
        } else if !keys.insert(key(&button, "key", 42_039, 1024)?) {
            return refuse(42_039, "button_list.key stands twice");
        }
    }
    Ok(())
}

fn vote(card: &Reader<'_>) -> Result<(), Refused> {
    let Some(checkbox) = card.object("checkbox")? else {
        return refuse(42_043, "checkbox missing");
    };
    question(&checkbox, 20)?;
    submit(card)
}

fn selections(card: &Reader<'_>) -> Result<(), Refused> {
    let selects = card.objects("select_list")?;
    if !(1..=3).contains(&selects.len()) {
        return refuse(42_047, "select_list has a wrong length");
    }
    let mut keys = BTreeSet::new();
    for select in selects {
        if !keys.insert(question(&select, 10)?) {
            return refuse(42_043, "question_key stands twice");
        }
    }
    submit(card)
}

fn question(part: &Reader<'_>, most: usize) -> Result<String, Refused> {
    let question_key = key(part, "question_key", 42_043, 1024)?;
    let options = part.objects("option_list")?;
    if !(1..=most).contains(&options.len()) {
        return refuse(42_037, "option_list has a wrong length");
    }
    let mut ids = BTreeSet::new();
    for option in options {
        if !ids.insert(key(&option, "id", 42_040, 128)?) {
            return refuse(42_040, "option_list.id stands twice");
        }
        present(&option, "text", 42_041)?;
    }
    Ok(question_key)
}

fn submit(card: &Reader<'_>) -> Result<(), Refused> {
    let Some(button) = card.object("submit_button")? else {
        return refuse(42_046, "submit_button missing");
    };
    // The key `text` must be there; empty means 提交.
    if !button.has("text") {
        return refuse(42_049, "submit_button.text missing or illegal");
    }
    key(&button, "key", 42_046, 1024).map(drop)
}
