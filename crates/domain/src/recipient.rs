//! Who a message is for: members, departments, tags, everybody, robot groups, group chats, mailboxes, people to be looked up.
//!
//! Knows nothing about how any of them is reached.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// The most recipients one submission may name; a larger audience is a department, a tag or a batch.
pub const MAX_RECIPIENTS: usize = 100_000;

/// One recipient, printed as `user:zhangsan`, `party:2`, `tag:1`, `all`, `robot:ops`, `chat:plan`,
/// `email:li@example.com` or `person:mobile:13800138000`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Recipient {
    /// A member, by userid.
    User(String),
    /// A department, by id.
    Party(String),
    /// A tag, by id.
    Tag(String),
    /// Every member whom the application can see.
    All,
    /// The group of a robot, by the robot's configured name.
    Robot(String),
    /// A group chat of an application's, by its configured name.
    Chat(String),
    /// A mailbox, by address.
    Email(String),
    /// A member whom WeCom is asked for first: `mobile:13800138000` or `email:li@example.com`.
    Person(String),
}

impl Recipient {
    /// Returns the channel that reaches this kind of recipient when no route says otherwise.
    pub fn channel(&self) -> &'static str {
        match self {
            Self::User(_) | Self::Party(_) | Self::Tag(_) | Self::All => "wecom_app",
            Self::Robot(_) => "wecom_robot",
            Self::Chat(_) => "wecom_appchat",
            Self::Email(_) => "email",
            Self::Person(_) => "directory",
        }
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => write!(f, "user:{id}"),
            Self::Party(id) => write!(f, "party:{id}"),
            Self::Tag(id) => write!(f, "tag:{id}"),
            Self::All => f.write_str("all"),
            Self::Robot(name) => write!(f, "robot:{name}"),
            Self::Chat(name) => write!(f, "chat:{name}"),
            Self::Email(address) => write!(f, "email:{address}"),
            Self::Person(entry) => write!(f, "person:{entry}"),
        }
    }
}

/// The text names no recipient.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "`{0}` is not a recipient such as `user:zhangsan`, `party:2`, `tag:1`, `all`, `robot:ops`, `chat:plan` or `email:li@example.com`"
)]
pub struct InvalidRecipient(String);

impl FromStr for Recipient {
    type Err = InvalidRecipient;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "all" {
            return Ok(Self::All);
        }
        match text.split_once(':') {
            Some((_, "")) | None => Err(InvalidRecipient(text.to_owned())),
            Some(("user", id)) => Ok(Self::User(id.to_owned())),
            Some(("party", id)) => Ok(Self::Party(id.to_owned())),
            Some(("tag", id)) => Ok(Self::Tag(id.to_owned())),
            Some(("robot", name)) => Ok(Self::Robot(name.to_owned())),
            Some(("chat", name)) => Ok(Self::Chat(name.to_owned())),
            Some(("email", address)) => Ok(Self::Email(address.to_owned())),
            Some(("person", entry)) => Ok(Self::Person(entry.to_owned())),
            Some(_) => Err(InvalidRecipient(text.to_owned())),
        }
    }
}

/// An ordered set of recipients, each named once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecipientSet(Vec<Recipient>);

impl RecipientSet {
    /// Collects recipients in the order given, leaving out repeats.
    ///
    /// Userids are compared as WeCom compares them, without regard to case (path/90236).
    pub fn new(recipients: impl IntoIterator<Item = Recipient>) -> Self {
        let mut seen = BTreeSet::new();
        let unique = recipients.into_iter().filter(|recipient| match recipient {
            Recipient::User(id) => seen.insert(Recipient::User(id.to_ascii_lowercase())),
            other => seen.insert(other.clone()),
        });
        Self(unique.collect())
    }

    /// Iterates in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Recipient> {
        self.0.iter()
    }

    /// Returns how many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Tells whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Writes the set as the ledger stores it: recipients joined by line feeds, which no id contains.
    pub fn to_stored(&self) -> String {
        let texts: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        texts.join("\n")
    }

    /// Reads what [`Self::to_stored`] wrote.
    ///
    /// # Errors
    /// [`InvalidRecipient`] names the first line that is none.
    pub fn from_stored(text: &str) -> Result<Self, InvalidRecipient> {
        text.lines().map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

impl FromIterator<Recipient> for RecipientSet {
    fn from_iter<I: IntoIterator<Item = Recipient>>(recipients: I) -> Self {
        Self::new(recipients)
    }
}

impl<'a> IntoIterator for &'a RecipientSet {
    type Item = &'a Recipient;
    type IntoIter = std::slice::Iter<'a, Recipient>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipient_prints_and_parses() {
        for text in [
            "user:zhangsan",
            "party:2",
            "tag:1",
            "all",
            "robot:ops",
            "chat:plan",
            "email:li@example.com",
            "person:mobile:13800138000",
        ] {
            assert_eq!(text.parse::<Recipient>().unwrap().to_string(), text);
        }
        for text in ["", "zhangsan", "user:", "phone:1"] {
            assert!(text.parse::<Recipient>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_set_names_each_member_once_whatever_the_case() {
        let set = RecipientSet::new(["user:Zhang", "party:1", "user:zhang", "party:1"].map(|r| r.parse().unwrap()));
        assert_eq!(set.to_stored(), "user:Zhang\nparty:1");
        assert_eq!(RecipientSet::from_stored(&set.to_stored()).unwrap(), set);
    }
}
