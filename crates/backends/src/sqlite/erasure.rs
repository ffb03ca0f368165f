//! Erasure: who a recipient was is forgotten, with what was said to nobody else.
//!
//! The record stays: that something was sent, when, and how it ended, to a recipient without a name.

use domain::{DeliveryId, MediaId, MessageState, Recipient, RecipientSet};
use pipeline::ports::MessageFilter;
use rusqlite::{Connection, params};

use super::{broadcasts, callbacks, directory, media, records, rows, search};

/// What stands in place of an erased recipient's name.
const ERASED: &str = "erased";

/// What was erased.
#[derive(Default)]
pub(super) struct Erased {
    /// From how many messages.
    pub(super) messages: usize,
    /// Files that are to be taken away: nobody else was sent a link to them.
    pub(super) files: Vec<MediaId>,
}

/// Erases a recipient from messages that have ended, at most `limit`.
pub(super) fn erase(connection: &Connection, recipient: &Recipient, limit: usize) -> rusqlite::Result<Erased> {
    // What is freed is overwritten, for as long as this lasts.
    connection.pragma_update(None, "secure_delete", true)?;
    let erased = erase_each(connection, recipient, limit);
    connection.pragma_update(None, "secure_delete", false)?;
    erased
}

fn erase_each(connection: &Connection, recipient: &Recipient, limit: usize) -> rusqlite::Result<Erased> {
    let mut erased = Erased::default();
    for state in MessageState::ALL.into_iter().filter(|state| state.is_final()) {
        let filter = MessageFilter {
            state: Some(state),
            recipient: Some(recipient.clone()),
            limit: limit - erased.messages,
            ..MessageFilter::default()
        };
        for found in records::list(connection, &filter)? {
            let id = found.message.id;
            search::forget_term(connection, id, &recipient.to_string())?;
            let mut others = false;
            let (first, last) = id.delivery_range();
            let mut find = connection
                .prepare_cached("SELECT id, open_recipients(recipients) FROM delivery WHERE id BETWEEN ? AND ?")?;
            let deliveries = find.query_map([first.to_bytes(), last.to_bytes()], |row| {
                Ok((rows::delivery_id(row, 0)?, row.get::<_, String>(1)?))
            })?;
            for delivery in deliveries.collect::<rusqlite::Result<Vec<_>>>()? {
                others |= erase_delivery(connection, delivery, recipient)?;
            }
            if !others {
                forget_words(connection, id.to_bytes())?;
                erased.files.extend(media::forget_links(connection, id)?);
            }
            erased.messages += 1;
        }
        if erased.messages >= limit {
            break;
        }
    }
    broadcasts::erase(connection, recipient)?;
    match recipient {
        Recipient::User(userid) => {
            directory::erase_member(connection, userid)?;
            callbacks::erase_sender(connection, userid, ERASED)?;
        }
        Recipient::Person(entry) => directory::erase_entry(connection, entry)?,
        _ => {}
    }
    Ok(erased)
}

/// Erases a recipient from one delivery; says whether others are left in it.
fn erase_delivery(
    connection: &Connection,
    (id, recipients): (DeliveryId, String),
    recipient: &Recipient,
) -> rusqlite::Result<bool> {
    let known = RecipientSet::from_stored(&recipients).unwrap_or_default();
    let nameless = match recipient {
        Recipient::User(_) => Recipient::User(ERASED.to_owned()),
        Recipient::Party(_) => Recipient::Party("0".to_owned()),
        Recipient::Tag(_) => Recipient::Tag("0".to_owned()),
        Recipient::All => Recipient::All,
        Recipient::Robot(_) => Recipient::Robot(ERASED.to_owned()),
        Recipient::Chat(_) => Recipient::Chat(ERASED.to_owned()),
        Recipient::Email(_) => Recipient::Email(ERASED.to_owned()),
        Recipient::Person(_) => Recipient::Person(ERASED.to_owned()),
    };
    let is_it = |other: &Recipient| match (recipient, other) {
        (Recipient::User(one), Recipient::User(two)) => one.eq_ignore_ascii_case(two),
        (one, two) => one == two,
    };
    let is_nameless = |other: &Recipient| *other == nameless;
    let others = known.iter().any(|other| !is_it(other) && !is_nameless(other));
    if known.iter().any(is_it) {
        // A userid may have been written otherwise.
        for same in known.iter().filter(|other| is_it(other)) {
            search::forget_term(connection, id.message(), &same.to_string())?;
        }
        let kept: RecipientSet =
            known.iter().map(|other| if is_it(other) { nameless.clone() } else { other.clone() }).collect();
        connection.execute(
            // A lane of its own names a member, too.
            "UPDATE delivery SET recipients = seal_recipients(?1), address = NULL, body = NULL, reason = NULL,
                 lane = CASE WHEN instr(lane, '#') THEN substr(lane, 1, instr(lane, '#') - 1) ELSE lane END WHERE id = ?2",
            params![kept.to_stored(), id.to_bytes()],
        )?;
        let attempts = [id.attempt(0).to_bytes(), id.attempt(u16::MAX).to_bytes()];
        connection.execute("UPDATE attempt SET request = NULL, reason = NULL WHERE id BETWEEN ? AND ?", attempts)?;
        connection.execute(
            "UPDATE OR REPLACE recipient SET recipient = seal_recipients(?), reason = NULL
             WHERE delivery_id = ? AND open_recipients(recipient) = ? COLLATE NOCASE",
            params![nameless.to_string(), id.to_bytes(), recipient.to_string()],
        )?;
    }
    Ok(others)
}

/// Forgets what a message said, and what its caller noted beside it.
fn forget_words(connection: &Connection, message: [u8; 16]) -> rusqlite::Result<()> {
    let nothing = domain::Content::plain(domain::ContentKind::Text, "").to_stored();
    connection.execute("DELETE FROM long_content WHERE message_id = ?", [message])?;
    // How often they were followed still counts; they lead nowhere.
    connection.execute("UPDATE link SET target = '' WHERE message_id = ?", [message])?;
    connection
        .execute(
            "UPDATE message SET content = ?, sealed = NULL, options = NULL, metadata = NULL, sealed_notes = NULL, route = NULL,
                 template = NULL WHERE id = ?",
            params![nothing, message],
        )
        .map(drop)
}
