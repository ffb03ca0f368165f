//! `to`: for whom a submission is, and what cannot be anybody's id.

use domain::{Recipient, RecipientSet, Violation};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::http::ApiError;

/// For whom. At least one recipient is needed; nothing is ever sent to everybody by default.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http::v1) struct ToBody {
    /// Members, by userid.
    #[serde(default)]
    users: Vec<String>,
    /// Departments, by id.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    parties: Vec<IdBody>,
    /// Tags, by id.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    tags: Vec<IdBody>,
    /// Everybody in the application's visible range; needs the scope `send:all`.
    #[serde(default)]
    all: bool,
    /// Robots, by their configured name.
    #[serde(default)]
    robots: Vec<String>,
    /// Group chats, by their configured name.
    #[serde(default)]
    chats: Vec<String>,
    /// Mailboxes, by address.
    #[serde(default)]
    emails: Vec<String>,
    /// Business identities: `emp:1001`, `mobile:138…`, `email:…`, `name:张三`, `group:ops`, `oncall:ops`.
    #[serde(default)]
    people: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum IdBody {
    Number(u64),
    Text(String),
}

impl ToBody {
    pub(super) fn names_nobody(&self) -> bool {
        let Self { users, parties, tags, all, robots, chats, emails, people } = self;
        let lists = [users, robots, chats, emails, people];
        !all && parties.is_empty() && tags.is_empty() && lists.into_iter().all(Vec::is_empty)
    }

    /// Whom it names, and by which business identities besides.
    pub(super) fn recipients(self) -> Result<(RecipientSet, Vec<String>), ApiError> {
        let id = |id: IdBody| match id {
            IdBody::Number(number) => number.to_string(),
            IdBody::Text(text) => text,
        };
        let recipients: Vec<Recipient> = self
            .users
            .into_iter()
            .map(|user| if user == "@all" { Recipient::All } else { Recipient::User(user) })
            .chain(self.parties.into_iter().map(|party| Recipient::Party(id(party))))
            .chain(self.tags.into_iter().map(|tag| Recipient::Tag(id(tag))))
            .chain(self.all.then_some(Recipient::All))
            .chain(self.robots.into_iter().map(Recipient::Robot))
            .chain(self.chats.into_iter().map(Recipient::Chat))
            .chain(self.emails.into_iter().map(|address| Recipient::Email(address.trim().to_owned())))
            .collect();
        if let Some(bad) = recipients.iter().find(|recipient| !is_plausible(recipient)) {
            let (field, value) = match bad {
                Recipient::User(value) => ("to.users", value.as_str()),
                Recipient::Party(value) => ("to.parties", value.as_str()),
                Recipient::Tag(value) => ("to.tags", value.as_str()),
                Recipient::Robot(value) => ("to.robots", value.as_str()),
                Recipient::Chat(value) => ("to.chats", value.as_str()),
                Recipient::Email(value) => ("to.emails", value.as_str()),
                Recipient::Person(value) => ("to.people", value.as_str()),
                Recipient::All => ("to.all", ""),
            };
            let shown: String = value.chars().take(80).collect();
            return Err(Violation::new("invalid", field, format!("holds {shown:?}, which cannot be an id"))
                .with_hint(if let Recipient::Email(_) = bad {
                    "an address is one such as li@example.com; one list entry is one address"
                } else if numeric(bad) {
                    "the ids of departments and tags are numbers"
                } else {
                    "an id has 1 to 64 characters, and no `|`, blanks or line breaks; one list entry is one id"
                })
                .into());
        }
        Ok((RecipientSet::new(recipients), self.people))
    }
}

/// A `|` would smuggle a second recipient into a call, a line break one into the ledger.
pub(in crate::http::v1) fn is_plausible(recipient: &Recipient) -> bool {
    let id = match recipient {
        Recipient::All => return true,
        Recipient::Email(address) => return is_address(address),
        Recipient::User(id)
        | Recipient::Party(id)
        | Recipient::Tag(id)
        | Recipient::Robot(id)
        | Recipient::Person(id)
        | Recipient::Chat(id) => id,
    };
    (1..=64).contains(&id.chars().count())
        && !id.chars().any(|c| c == '|' || c.is_whitespace() || c.is_control())
        && !id.starts_with('@')
        && (!numeric(recipient) || id.bytes().all(|b| b.is_ascii_digit()))
}

/// What a mail server would look at; whether somebody is there only it knows.
pub(in crate::http::v1) fn is_address(address: &str) -> bool {
    let plain = |text: &str| {
        !text.is_empty() && !text.chars().any(|c| c.is_whitespace() || c.is_control() || ",;<>()\"\\:@|".contains(c))
    };
    let parts = address.rsplit_once('@');
    address.len() <= 254 && parts.is_some_and(|(local, domain)| plain(local) && plain(domain) && domain.contains('.'))
}

fn numeric(recipient: &Recipient) -> bool {
    matches!(recipient, Recipient::Party(_) | Recipient::Tag(_))
}
