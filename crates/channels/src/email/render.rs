//! Content → mail: a subject, text and HTML, pictures within, files beside.
//!
//! What is stored is JSON, from which the mail is built when it is sent: the same JSON is the same mail, with the same
//! Message-ID, so that a receiver can recognise a repeat.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use domain::{Content, ContentKind, Outline, Reason, Recipient, RecipientSet, Violation};
use lettre::Message;
use lettre::message::header::ContentType;
use lettre::message::{Attachment, Body, Mailbox, Mailboxes, MultiPart, SinglePart};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::content::unsupported;

/// A mail as it is stored.
#[derive(Debug, Serialize, Deserialize)]
struct Mail {
    subject: String,
    text: String,
    html: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file: Option<File>,
}

/// A file of ours, within the mail.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) base64: String,
    pub(super) is_image: bool,
}

/// The largest mail that servers commonly take, before encoding.
pub(super) const MOST_FILE_BYTES: usize = 20 * 1024 * 1024;

pub(super) fn render(content: &Content, recipients: &RecipientSet) -> Result<Bytes, Vec<Violation>> {
    let mail = match content.kind() {
        ContentKind::Image | ContentKind::Voice | ContentKind::Video | ContentKind::File => of_file(content)?,
        _ => of_words(content)?,
    };
    let mail = with_names(mail, recipients);
    let body = serde_json::to_vec(&mail);
    body.map(Bytes::from).map_err(|error| vec![Violation::new("invalid", content.kind().name(), error.to_string())])
}

fn of_words(content: &Content) -> Result<Mail, Vec<Violation>> {
    let Some(outline) = Outline::of(content) else {
        return Err(vec![Violation::new("invalid", content.kind().name(), "is not an object as WeCom spells it")]);
    };
    let text = outline.to_text();
    if text.trim().is_empty() {
        return Err(vec![Violation::new("too_few", content.kind().name(), "says nothing that a mail could say")]);
    }
    Ok(Mail { subject: outline.subject(), text, html: outline.to_html(), file: None })
}

fn of_file(content: &Content) -> Result<Mail, Vec<Violation>> {
    let object: serde_json::Value = serde_json::from_str(content.object()).unwrap_or_default();
    if let Ok(file) = serde_json::from_value::<File>(object.clone()) {
        // Base64 fills up to three.
        if file.base64.len() / 4 * 3 > MOST_FILE_BYTES + 2 {
            return Err(vec![Violation::new("too_long", content.kind().name(), "is too large for a mail")]);
        }
        let subject = file.name.clone();
        let html = if file.is_image {
            "<p><img src=\"cid:picture\" alt=\"\" style=\"max-width:100%\"></p>\n".to_owned()
        } else {
            "<p>见附件。</p>\n".to_owned()
        };
        return Ok(Mail { subject, text: format!("见附件：{}", file.name), html, file: Some(file) });
    }
    // When it is accepted the file is still named by our id.
    if object.get("media_id").and_then(|id| id.as_str()).is_some_and(|id| id.starts_with("med_")) {
        let text = content.object().to_owned();
        return Ok(Mail { subject: String::new(), text, html: String::new(), file: None });
    }
    let hint = "hand the file in by POST /v1/media: what only WeCom has cannot be put into a mail";
    unsupported(content.kind(), "mail", hint)
}

/// Says whom a mail to a shared mailbox is for.
fn with_names(mut mail: Mail, recipients: &RecipientSet) -> Mail {
    let names: Vec<String> = recipients
        .iter()
        .filter_map(|recipient| match recipient {
            Recipient::User(userid) => Some(userid.clone()),
            Recipient::Party(_) | Recipient::Tag(_) | Recipient::All => Some(recipient.to_string()),
            Recipient::Robot(_) | Recipient::Chat(_) | Recipient::Email(_) | Recipient::Person(_) => None,
        })
        .collect();
    if names.len() > 1 {
        let line = format!("收件人：{}", names.join("、"));
        mail.text = format!("{}\n\n{line}", mail.text);
        let line = line.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        mail.html = format!("{}<p>{line}</p>\n", mail.html);
    }
    mail
}

/// Builds the mail that was stored, to `address`: one mailbox, or several with commas.
pub(super) fn message(stored: &[u8], from: &Mailbox, address: &str) -> Result<Message, Reason> {
    let unreadable = |what: &str| Reason::new("invalid_mail", format!("the mail cannot be built: {what}"));
    let mail: Mail = serde_json::from_slice(stored).map_err(|error| unreadable(&error.to_string()))?;
    let to: Mailboxes = address.parse().map_err(|_| {
        Reason::new("invalid_address", format!("`{address}` is not a mail address")).with_hint("correct the address")
    })?;
    let digest = Sha256::digest([stored, address.as_bytes()].concat());
    let name: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let id = format!("<{name}@{}>", from.email.domain());
    let mut builder = Message::builder().from(from.clone()).subject(mail.subject).message_id(Some(id));
    for mailbox in to {
        builder = builder.to(mailbox);
    }
    let words = MultiPart::alternative().singlepart(SinglePart::plain(mail.text));
    let built = match mail.file {
        None => builder.multipart(words.singlepart(SinglePart::html(mail.html))),
        Some(file) => {
            let content = STANDARD.decode(&file.base64).map_err(|error| unreadable(&error.to_string()))?;
            let kind = ContentType::parse(media_type(&content, file.is_image)).map_err(|_| unreadable("its file"))?;
            if file.is_image {
                let picture = Attachment::new_inline("picture".to_owned()).body(Body::new(content), kind);
                let html = MultiPart::related().singlepart(SinglePart::html(mail.html)).singlepart(picture);
                builder.multipart(words.multipart(html))
            } else {
                let words = words.singlepart(SinglePart::html(mail.html));
                let attached = Attachment::new(file.name).body(Body::new(content), kind);
                builder.multipart(MultiPart::mixed().multipart(words).singlepart(attached))
            }
        }
    };
    built.map_err(|error| unreadable(&error.to_string()))
}

/// A picture's type by its first bytes; everything else is bytes.
fn media_type(content: &[u8], is_image: bool) -> &'static str {
    match content {
        [0x89, b'P', b'N', b'G', ..] => "image/png",
        [0xFF, 0xD8, ..] => "image/jpeg",
        [b'G', b'I', b'F', ..] => "image/gif",
        _ if is_image => "image/jpeg",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(content: &Content, to: &[&str], address: &str) -> String {
        let recipients = to.iter().map(|to| to.parse().unwrap()).collect();
        let body = render(content, &recipients).unwrap();
        let message = message(&body, &"hongyan@example.com".parse().unwrap(), address).unwrap();
        String::from_utf8(message.formatted()).unwrap()
    }

    #[test]
    fn a_mail_has_text_and_html_and_the_same_name_each_time() {
        let content = Content::plain(ContentKind::Markdown, "# 生产计划\n**7月19日**");
        let (one, two) =
            (built(&content, &["user:li"], "li@example.com"), built(&content, &["user:li"], "li@example.com"));
        let id = |mail: &str| mail.lines().find(|line| line.starts_with("Message-ID")).unwrap().to_owned();
        assert_eq!(id(&one), id(&two));
        assert!(one.contains("text/plain") && one.contains("text/html") && one.contains("To: li@example.com"));
        assert_ne!(id(&one), id(&built(&content, &["user:li"], "zhang@example.com")));
    }

    #[test]
    fn a_mail_to_a_shared_mailbox_names_whom_it_is_for() {
        let recipients = ["user:li", "user:zhang"].iter().map(|to| to.parse().unwrap()).collect();
        let body = render(&Content::plain(ContentKind::Text, "hi"), &recipients).unwrap();
        let mail: Mail = serde_json::from_slice(&body).unwrap();
        assert_eq!((mail.text.as_str(), mail.subject.as_str()), ("hi\n\n收件人：li、zhang", "hi"));
    }

    #[test]
    fn a_picture_stands_within_and_a_file_beside() {
        let file = |is_image| {
            let file =
                File { name: "计划.png".into(), base64: STANDARD.encode([0x89, b'P', b'N', b'G', 1]), is_image };
            serde_json::to_string(&file).unwrap()
        };
        let picture = built(&Content::new(ContentKind::Image, file(true)), &["user:li"], "li@example.com");
        assert!(
            picture.contains("multipart/related")
                && picture.contains("Content-ID: <picture>")
                && picture.contains("image/png")
        );
        let attached = built(&Content::new(ContentKind::File, file(false)), &["user:li"], "li@example.com");
        assert!(attached.contains("multipart/mixed") && attached.contains("attachment;"));
    }

    #[test]
    fn what_only_wecom_has_cannot_be_mailed() {
        let content = Content::new(ContentKind::File, r#"{"media_id":"3a8asd892asd8asd"}"#);
        assert_eq!(render(&content, &RecipientSet::default()).unwrap_err()[0].code, "unsupported");
        assert!(message(b"{}", &"a@b.cn".parse().unwrap(), "x@y.cn").is_err());
        let mail = render(&Content::plain(ContentKind::Text, "x"), &RecipientSet::default()).unwrap();
        assert_eq!(message(&mail, &"a@b.cn".parse().unwrap(), "nobody").unwrap_err().code, "invalid_address");
    }
}
